//! `exhibits strace`: the whole session as the kernel saw it, to be shown, kept, or compared.

use std::io::IsTerminal;

use bench::caretaker;
use bench::outcome::{Outcome, failed};
use bench::report::figures_file;

use crate::ability::Ability;
use crate::call::Call;
use crate::exhibit_files;
use crate::page::{in_colour, to_text, totals_text};
use crate::recording::{Mode, Recording};
use crate::session::{Act, Year};
use crate::shape::Shape;
use crate::side_by_side;
use crate::story::Story;
use crate::totals::Totals;

const USAGE: &str = "make strace takes MODE=sendfile, which it is without one, copy, both or 2016; \
    or RECORD=1, or COMPARE=1";

const NEXT: &str = "
docs/en/strace.md explains such lines, docs/en/fetch.md the steps, each with its code.
The fetch without zero copy beside it: make strace MODE=both; Kafka's calls beside these: make strace-kafka.";

/// The two exhibits, and how each is recorded.
const EXHIBITS: [(&str, Mode); 2] =
    [("strace-session", Mode::Sendfile), ("strace-session-copy", Mode::Copy)];

pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    let mut ability = Ability::of_strace()?;
    let mut words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // As on a machine whose strace has no stacks.
    if let Some(place) = words.iter().position(|it| *it == "--rules") {
        words.remove(place);
        ability.stacks = false;
    }
    // Where the kernel of `make ktls` runs, it would take many minutes to walk them.
    if words.first() == Some(&"tls") {
        ability.stacks = false;
    }
    // Ctrl-C leaves no broker and no directory behind.
    caretaker::start()?;
    match words.as_slice() {
        [] | ["sendfile"] => show(ability, Mode::Sendfile, Year::Today),
        ["copy"] => show(ability, Mode::Copy, Year::Today),
        ["2016"] => show(ability, Mode::Sendfile, Year::Of2016),
        ["tls"] => show_tls(ability),
        ["both"] => show_both(ability),
        ["--record"] => record(ability),
        ["--compare"] => compare(ability, &EXHIBITS),
        ["tls", "--compare"] => compare(ability, &[("strace-session-ktls", Mode::KernelTls)]),
        _ => failed(USAGE),
    }
}

/// A recording with all that is made of it.
struct Exhibit {
    recording: Recording,
    story: Story,
    totals: Totals,
    mode: Mode,
}

impl Exhibit {
    fn record(ability: Ability, mode: Mode, year: Year) -> Outcome<Self> {
        let recording = Recording::of_broker(ability.options(), mode, year)?;
        let totals = match mode {
            Mode::Sendfile | Mode::Copy => Totals::of_session(&recording),
            // Without the handshake, and the alert at the end.
            Mode::KernelTls => {
                let place = |act: Act| recording.acts.iter().position(|it| it.0 == act);
                let acts = place(Act::Fetch).zip(place(Act::Disconnect));
                acts.map_or_else(Totals::default, |(from, to)| {
                    Totals::of_acts(&recording, from..to)
                })
            }
        };
        let story = Story::of(&recording);
        Ok(Self { recording, story, totals, mode })
    }

    fn text(&self) -> String {
        to_text(&self.story, &self.totals, self.message_bytes(), self.mode)
    }

    fn message_bytes(&self) -> usize {
        self.recording.told.fetched_bytes + self.recording.told.polled_bytes
    }

    /// Whether it shows what it is there to show.
    fn judge(&self) -> Outcome<()> {
        let Self { story, totals, .. } = self;
        if story.unexplained > 0 {
            return failed(format!(
                "FAILURE: {} calls have no explanation in tests/exhibits/src/explanation.rs",
                story.unexplained
            ));
        }
        if !story.disputed.is_empty() {
            let calls = story.disputed.join("\n");
            return failed(format!(
                "FAILURE: the rules explain otherwise than the stacks:\n{calls}"
            ));
        }
        let message_bytes = self.message_bytes() as i64;
        let (sent, read) = (totals.sendfile.bytes, totals.read.bytes);
        match self.mode {
            Mode::Sendfile | Mode::KernelTls if read != 0 => {
                failed(format!("FAILURE: {read} message bytes were read into the process"))
            }
            Mode::Sendfile | Mode::KernelTls if sent != message_bytes => {
                failed(format!("FAILURE: {sent} of {message_bytes} message bytes left by sendfile"))
            }
            Mode::Copy if sent != 0 || read < message_bytes => failed(format!(
                "FAILURE: {sent} bytes left by sendfile, and {read} were read: that is no copy"
            )),
            Mode::Sendfile | Mode::Copy | Mode::KernelTls => Ok(()),
        }
    }
}

fn show(ability: Ability, mode: Mode, year: Year) -> Outcome<()> {
    let exhibit = Exhibit::record(ability, mode, year)?;
    print(&exhibit.text());
    exhibit.judge()?;
    println!("{NEXT}");
    Ok(())
}

/// Nothing but the exhibit, which `make ktls` keeps.
fn show_tls(ability: Ability) -> Outcome<()> {
    let exhibit = Exhibit::record(ability, Mode::KernelTls, Year::Today)?;
    print!("{}", exhibit.text());
    exhibit.judge()
}

fn show_both(ability: Ability) -> Outcome<()> {
    let sendfile = Exhibit::record(ability, Mode::Sendfile, Year::Today)?;
    let copy = Exhibit::record(ability, Mode::Copy, Year::Today)?;
    let totals = |it: &Exhibit| totals_text(&it.totals, it.message_bytes());
    let totals = side_by_side::beside(&totals(&sendfile), &totals(&copy));
    print(&(side_by_side::fetches(&sendfile.story, &copy.story) + "\n" + &totals));
    sendfile.judge()?;
    copy.judge()
}

fn print(text: &str) {
    let is_coloured = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    print!("\n{}", if is_coloured { in_colour(text) } else { text.to_string() });
}

/// Keeps both in docs/exhibits, with the figures that prose takes from them.
fn record(ability: Ability) -> Outcome<()> {
    let mut figures = Vec::new();
    for (name, mode) in EXHIBITS {
        let exhibit = Exhibit::record(ability, mode, Year::Today)?;
        exhibit.judge()?;
        if !exhibit.story.has_stacks {
            return failed("there are no stacks: take a strace with -k, and make strace RECORD=1");
        }
        exhibit_files::write(name, &exhibit.text())?;
        figures.extend(figures_of(&exhibit));
    }
    figures_file::write("strace.", &figures)
}

/// Records again, and holds it to what docs/exhibits shows: the rules, where there are no stacks.
fn compare(ability: Ability, exhibits: &[(&str, Mode)]) -> Outcome<()> {
    let mut differences = String::new();
    for &(name, mode) in exhibits {
        let kept = Shape::of(&exhibit_files::read(name)?);
        let exhibit = Exhibit::record(ability, mode, Year::Today)?;
        exhibit.judge()?;
        if !exhibit.story.has_stacks {
            println!("{name}: there are no stacks, so the rules are held to the pages");
        }
        let difference = Shape::of(&exhibit.text()).difference_to(&kept);
        if difference.is_empty() {
            println!("{name}: a new recording has the same shape");
        } else {
            differences += &format!("{name}, kept (-) and new (+):\n{difference}");
        }
    }
    if differences.is_empty() {
        return Ok(());
    }
    let advice = "if the new one is right: make strace RECORD=1, and read what the pages say of it";
    failed(format!("the session has another shape than docs/exhibits shows\n{differences}{advice}"))
}

/// What prose on the pages says of a recording.
fn figures_of(exhibit: &Exhibit) -> Vec<(String, String)> {
    let prefix = match exhibit.mode {
        Mode::Sendfile => "strace",
        Mode::KernelTls => "strace.ktls",
        Mode::Copy => "strace.copy",
    };
    let is_fetch = |it: &(Act, u64)| it.0 == Act::Fetch;
    let fetch = exhibit.recording.acts.iter().position(is_fetch).unwrap_or_default();
    let totals = Totals::of_acts(&exhibit.recording, fetch..fetch + 1);
    let calls = |name: &'static str| {
        let rows = exhibit.story.scenes[fetch].rows.iter();
        rows.map(|it| &it.call).filter(move |it| it.name == name)
    };
    let position = calls("pread64").next().and_then(|it| it.argument_list().get(3)?.parse().ok());
    let result = |call: Option<&Call>| call.map_or(0, Call::value);
    let figures = [
        ("fetch.position", position.unwrap_or_default()),
        ("fetch.first_write_bytes", result(calls("sendmsg").next())),
        ("fetch.last_write_bytes", result(calls("sendmsg").next_back())),
        ("fetch.message_bytes", exhibit.recording.told.fetched_bytes as i64),
        ("fetch.sendfile_calls", totals.sendfile.calls as i64),
        ("fetch.sendfile_bytes", totals.sendfile.bytes),
        ("fetch.read_calls", totals.read.calls as i64),
        ("fetch.read_bytes", totals.read.bytes),
        ("fetch.header_reads", totals.headers.calls as i64),
        ("fetch.written_calls", totals.written.calls as i64),
        ("fetch.written_bytes", totals.written.bytes),
        ("session.message_bytes", exhibit.message_bytes() as i64),
        ("session.sendfile_bytes", exhibit.totals.sendfile.bytes),
        ("session.read_bytes", exhibit.totals.read.bytes),
    ];
    figures.iter().map(|(name, value)| (format!("{prefix}.{name}"), value.to_string())).collect()
}
