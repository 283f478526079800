//! `exhibits strace-tls`: the same fetch from the same broker over PLAINTEXT and over SSL.

use bench::caretaker;
use bench::outcome::{Outcome, failed};
use bench::report::figures_file;

use crate::ability::Ability;
use crate::exhibit_files;
use crate::kafka::acts::{ActCalls, Request};
use crate::kafka::release::Release;
use crate::kafka::shape::Shape;
use crate::kafka::watch::Watched;
use crate::kafka::{TRIES, columns, fetched, ours};
use crate::link::Protocol;
use crate::recording::Recording;
use crate::session::{Act, FETCH_OFFSET, Year};
use crate::totals::Totals;

const USAGE: &str =
    "usage: exhibits strace-tls [0.9.0.1|4.4.0|transferto], or --record, or --compare";
const EXHIBIT: &str = "strace-tls";

const LEGEND: &str = "\
How to read it: as docs/exhibits/strace-kafka-4.4.0.txt, which has a legend, with two differences.
The columns are one broker over PLAINTEXT and over SSL, not two brokers.
Bytes written over SSL are those of TLS records: what is sent, encrypted, and what TLS adds to each.
and 21 pread64 more, 667736 bytes   the calls above go on in the same order; so many, for so many bytes in all
";

pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ability = Ability::of_strace()?;
    caretaker::start()?;
    match words.as_slice() {
        [] => {
            println!("{}", Exhibit::record(ability)?.text());
            Ok(())
        }
        ["--record"] => {
            let exhibit = Exhibit::record(ability)?;
            exhibit_files::write(EXHIBIT, &exhibit.text())?;
            figures_file::write(&format!("{EXHIBIT}."), &exhibit.figures())
        }
        ["--compare"] => compare(ability),
        [broker] => {
            let Some(served) = SERVED.iter().find(|it| it.version() == *broker) else {
                return failed(USAGE);
            };
            println!("{}", Exhibit(vec![served.fetches(ability)?]).text());
            Ok(())
        }
        _ => failed(USAGE),
    }
}

/// A broker that serves both fetches.
#[derive(Clone, Copy)]
enum Served {
    By(Release),
    ByOurs,
}

const SERVED: [Served; 3] =
    [Served::By(Release::Original), Served::By(Release::Newest), Served::ByOurs];

impl Served {
    fn version(self) -> &'static str {
        match self {
            Self::By(release) => release.version(),
            Self::ByOurs => "transferto",
        }
    }

    fn fetches(self, ability: Ability) -> Outcome<[Fetch; 2]> {
        let of = |protocol| match self {
            Self::By(release) => Fetch::of_kafka(release, protocol),
            Self::ByOurs => Fetch::of_ours(ability, protocol),
        };
        Ok([of(Protocol::Plaintext)?, of(Protocol::Ssl)?])
    }
}

/// Records again, and holds it to what docs/exhibits shows.
fn compare(ability: Ability) -> Outcome<()> {
    let shape = |text: &str| Shape::of_columns(text, Protocol::BOTH.map(Protocol::name));
    let kept = shape(&exhibit_files::read(EXHIBIT)?);
    let mut difference = String::new();
    for _ in 0..TRIES {
        difference = shape(&Exhibit::record(ability)?.text()).difference_to(&kept);
        if difference.is_empty() {
            println!("{EXHIBIT}: a new recording has the same shape");
            return Ok(());
        }
    }
    failed(format!("{EXHIBIT} has another shape than docs/exhibits shows:\n{difference}"))
}

/// Each broker with its two fetches.
struct Exhibit(Vec<[Fetch; 2]>);

/// One fetch of one broker.
struct Fetch {
    /// Names the broker in figures and headings.
    broker: String,
    protocol: Protocol,
    request: Request,
    calls: usize,
    totals: Totals,
    message_bytes: usize,
}

impl Exhibit {
    fn record(ability: Ability) -> Outcome<Self> {
        let fetches = SERVED.iter().map(|it| it.fetches(ability));
        let exhibit = Self(fetches.collect::<Outcome<_>>()?);
        exhibit.judge()?;
        Ok(exhibit)
    }

    /// Whether it shows what the pages say of it: over PLAINTEXT no message byte is read into the
    /// process, over SSL each is.
    fn judge(&self) -> Outcome<()> {
        for [plain, ssl] in &self.0 {
            let message_bytes = i64::try_from(ssl.message_bytes)?;
            let is_zero_copy = plain.totals.read.bytes == 0 && plain.totals.sendfile.bytes > 0;
            let is_copied =
                ssl.totals.sendfile.calls == 0 && ssl.totals.read.bytes >= message_bytes;
            if !is_zero_copy || !is_copied {
                return failed(format!(
                    "FAILURE: {}: over PLAINTEXT {:?}, over SSL {:?}",
                    plain.broker, plain.totals, ssl.totals
                ));
            }
        }
        Ok(())
    }

    fn text(&self) -> String {
        let mut text = format!(
            "One fetch served over PLAINTEXT, and the same over SSL, by each of these brokers\n\n{LEGEND}"
        );
        for [plain, ssl] in &self.0 {
            text += &format!(
                "\n== {}: a fetch from offset {FETCH_OFFSET} on, all there is\n\n{}{}",
                plain.broker,
                columns::head("over PLAINTEXT", "over SSL"),
                columns::act_text(Act::Fetch, &plain.request, &ssl.request)
            );
        }
        text + "\n== sums: of the fetch\n\n" + &self.table()
    }

    fn table(&self) -> String {
        const NAME_COLUMNS: usize = 38;
        const FIGURE_COLUMNS: usize = 15;
        let fetches = || self.0.iter().flatten();
        let line = |name: &str, of: &dyn Fn(&Fetch) -> String| {
            let cells = fetches().map(|it| format!("{:>FIGURE_COLUMNS$}", of(it)));
            format!("{name:NAME_COLUMNS$}{}\n", cells.collect::<String>())
        };
        let mut text = line("", &|it| it.broker.clone());
        text += &line("", &|it| it.protocol.name().to_string());
        for (name, of) in ROWS {
            text += &line(name, &|it| of(it).to_string());
        }
        text
    }

    fn figures(&self) -> Vec<(String, String)> {
        let of = |fetch: &Fetch| {
            let broker = fetch.broker.split(' ').next_back().unwrap_or_default().to_string();
            let prefix = format!("{EXHIBIT}.{broker}.{}", fetch.protocol.name().to_lowercase());
            ROWS.map(|(name, of)| {
                let name = name.trim().replace([' ', ','], "_").replace("__", "_");
                (format!("{prefix}.{name}"), of(fetch).to_string())
            })
        };
        self.0.iter().flatten().flat_map(of).collect()
    }
}

type Figure = fn(&Fetch) -> i64;

const ROWS: [(&str, Figure); 8] = [
    ("message bytes", |it| it.message_bytes as i64),
    ("  by sendfile", |it| it.totals.sendfile.bytes),
    ("  read into the process", |it| it.totals.read.bytes),
    ("bytes written from the process", |it| it.totals.written.bytes),
    ("sendfile, calls", |it| it.totals.sendfile.calls as i64),
    ("reads of messages, calls", |it| it.totals.read.calls as i64),
    ("writes, calls", |it| it.totals.written.calls as i64),
    ("all calls of the fetch", |it| it.calls as i64),
];

impl Fetch {
    fn of_kafka(release: Release, protocol: Protocol) -> Outcome<Self> {
        let kafka = Watched::of(release, &fetched(release)?, protocol)?;
        let recording = &kafka.recording;
        let acts = kafka.acts();
        let Some(place) = acts.iter().position(|it| it.act == Act::Fetch) else {
            return failed("the session has no fetch");
        };
        let acts_of_it = place..place + 1;
        Ok(Self {
            broker: format!("kafka {}", release.version()),
            protocol,
            request: ActCalls::usual_request(&acts[place]),
            calls: acts[place].placed.len(),
            totals: Totals::with_headers_of(release.header_bytes_max(), recording, acts_of_it),
            message_bytes: recording.told.fetched_bytes,
        })
    }

    /// Of this broker, whose own process encrypts.
    fn of_ours(ability: Ability, protocol: Protocol) -> Outcome<Self> {
        let year = Year::Today;
        let recording = match protocol {
            Protocol::Plaintext => Recording::of_broker_with(ability.options(), &[], year)?,
            Protocol::Ssl => Recording::of_broker_over_ssl(ability.options(), year)?,
        };
        let (acts, counts) = (ours::acts(&recording), ours::counts(&recording));
        let Some(place) = acts.iter().position(|(act, _)| *act == Act::Fetch) else {
            return failed("the session has no fetch");
        };
        Ok(Self {
            broker: "transferto".to_string(),
            protocol,
            request: acts[place].1.clone(),
            calls: counts[place].1.iter().map(|(_, count)| count).sum(),
            totals: Totals::of_acts(&recording, place..place + 1),
            message_bytes: recording.told.fetched_bytes,
        })
    }
}
