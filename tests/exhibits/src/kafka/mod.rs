//! `exhibits strace-kafka`: the same session served by Apache Kafka and by this broker, side by side.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bench::caretaker;
use bench::jars::Jars;
use bench::outcome::{Outcome, failed};
use bench::report::figures_file;

use crate::ability::Ability;
use crate::exhibit_files;
use crate::kafka::page::Pair;
use crate::kafka::release::Release;
use crate::kafka::shape::Shape;
use crate::kafka::summary::Column;
use crate::kafka::watch::Watched;
use crate::link::Protocol;
use crate::recording::Recording;
use crate::session::Act;

pub(crate) mod original;
pub(crate) mod release;
mod ssl_listener;
pub(crate) mod jvm_threads;
pub(crate) mod watch;
mod small;
pub(crate) mod line;
pub(crate) mod steps;
pub(crate) mod acts;
pub(crate) mod rules;
mod ours;
pub(crate) mod columns;
mod summary;
mod page;
pub(crate) mod shape;
pub(crate) mod protocols;

const USAGE: &str = "usage: exhibits strace-kafka [0.9.0.1|4.4.0], or --record, or --compare";
/// The table of both releases.
const SUMMARY: &str = "strace-kafka";
/// How long threads are given to begin with what they are to do. A JVM's wake up by themselves, so
/// nothing in a trace says that they have.
pub(crate) const GRACE: Duration = Duration::from_millis(300);
/// A recording whose shape differs is made anew so often: a JVM may have had something else to do.
pub(crate) const TRIES: usize = 3;
const TRIES_FOR_THE_PAGES: usize = 5;

pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ability = Ability::of_strace()?;
    caretaker::start()?;
    match words.as_slice() {
        [] => show(ability, &Release::BOTH),
        ["--record"] => record(ability),
        ["--compare"] => compare(ability),
        [version] => match Release::BOTH.iter().find(|it| it.version() == *version) {
            Some(release) => show(ability, &[*release]),
            None => failed(USAGE),
        },
        _ => failed(USAGE),
    }
}

/// A release of Kafka beside this broker.
struct Exhibit {
    text: String,
    columns: Vec<Column>,
}

impl Exhibit {
    fn of(ability: Ability, release: Release) -> Outcome<Self> {
        let kafka = Watched::of(release, &fetched(release)?, Protocol::Plaintext)?;
        let ours = Recording::of_broker_with(ability.options(), &[], release.year())?;
        let (pairs, of_kafka) = kafka_beside(release, &kafka, &ours);
        let columns = vec![of_kafka, our_column(release, &ours)?];
        Ok(Self { text: page::text(release, &pairs, &columns), columns })
    }

    /// Whether both do what the pages say of both.
    fn judge(&self) -> Outcome<()> {
        for column in &self.columns {
            let (sent, read) = (column.totals.sendfile.bytes, column.totals.read.bytes);
            if sent != column.message_bytes as i64 || read != 0 {
                return failed(format!(
                    "FAILURE: of {} message bytes, {} sent {sent} by sendfile and read {read}",
                    column.message_bytes, column.name
                ));
            }
        }
        Ok(())
    }
}

/// The acts of both, and Kafka's column of the table.
fn kafka_beside(release: Release, kafka: &Watched, ours: &Recording) -> (Vec<Pair>, Column) {
    let recording = &kafka.recording;
    let acts = kafka.acts();
    let mut column =
        Column::new(release.name(), recording, release.header_bytes_max(), kafka.reads_of_small);
    column.of_jvm = Some(acts.iter().map(|it| it.of_jvm).sum());
    for act in &acts {
        for call in &act.placed {
            column.add(act.act, &call.line.call, 1);
        }
    }
    let pair =
        |(kafka, (act, ours))| Pair { act, kafka: acts::ActCalls::usual_request(kafka), ours };
    (acts.iter().zip(ours::acts(ours)).map(pair).collect(), column)
}

fn our_column(release: Release, ours: &Recording) -> Outcome<Column> {
    let year = release.year();
    let reads_of_small = small::reads_of_ours(year)?;
    let header_bytes_max = release.header_bytes_max();
    let mut column = Column::new(&page::our_name(year), ours, header_bytes_max, reads_of_small);
    for (act, counts) in ours::counts(ours) {
        for (name, count) in counts {
            column.add(act, &name, count);
        }
    }
    Ok(column)
}

/// Shows what can be shown: without Kafka, this broker's column.
fn show(ability: Ability, releases: &[Release]) -> Outcome<()> {
    let (mut columns, mut left_out) = (Vec::new(), Vec::new());
    for release in releases {
        let began = Instant::now();
        match Exhibit::of(ability, *release) {
            Ok(exhibit) => {
                println!("\n{}", exhibit.text);
                exhibit.judge()?;
                columns.extend(exhibit.columns);
            }
            Err(why) => left_out.push(format!("{} is left out: {why}", release.name())),
        }
        eprintln!("That took {:.0} s.", began.elapsed().as_secs_f64());
    }
    if left_out.is_empty() {
        if releases.len() > 1 {
            println!("All four:\n\n{}", summary::table(&columns));
        }
        return Ok(());
    }
    if columns.is_empty() {
        show_ours(ability, releases[0])?;
    }
    failed(left_out.join("\nexhibits: "))
}

fn show_ours(ability: Ability, release: Release) -> Outcome<()> {
    let ours = Recording::of_broker_with(ability.options(), &[], release.year())?;
    let none = || acts::Request(Vec::new());
    let pair = |(act, ours)| Pair { act, kafka: none(), ours };
    let pairs: Vec<Pair> = ours::acts(&ours).into_iter().map(pair).collect();
    println!("\n{}", page::text(release, &pairs, &[our_column(release, &ours)?]));
    Ok(())
}

/// Keeps both in docs/exhibits, the table of both, and the figures that prose takes from them.
fn record(ability: Ability) -> Outcome<()> {
    let (mut columns, mut figures) = (Vec::new(), Vec::new());
    for release in Release::BOTH {
        let exhibit = with_a_short_count(ability, release)?;
        exhibit_files::write(&release.exhibit(), &exhibit.text)?;
        for (column, side) in exhibit.columns.iter().zip(["kafka", "ours"]) {
            let prefix = format!("{SUMMARY}.{}.{side}", release.version());
            figures.extend(figures_of(column, &prefix));
        }
        columns.extend(exhibit.columns);
    }
    exhibit_files::write(SUMMARY, &summary::table(&columns))?;
    figures_file::write(&format!("{SUMMARY}."), &figures)
}

/// How often `sendfile` must be called is chance. The pages explain what Kafka does between two of
/// them, so a recording that has two is kept, if there is one.
fn with_a_short_count(ability: Ability, release: Release) -> Outcome<Exhibit> {
    for _ in 1..TRIES_FOR_THE_PAGES {
        let exhibit = Exhibit::of(ability, release)?;
        exhibit.judge()?;
        if exhibit.columns[0].calls_of("sendfile", Act::Fetch) > 1 {
            return Ok(exhibit);
        }
    }
    let exhibit = Exhibit::of(ability, release)?;
    exhibit.judge()?;
    Ok(exhibit)
}

/// What prose on the pages says of a column.
fn figures_of(column: &Column, prefix: &str) -> Vec<(String, String)> {
    let figures = [
        ("fetch.calls", column.calls_in(Act::Fetch).to_string()),
        ("long_poll.calls", column.calls_in(Act::LongPoll).to_string()),
        ("small.reads", column.reads_of_small.to_string()),
        ("message_bytes", column.message_bytes.to_string()),
        ("resident_mb", column.resident_mb()),
    ];
    figures.into_iter().map(|(name, value)| (format!("{prefix}.{name}"), value)).collect()
}

/// Records again, and holds it to what docs/exhibits shows.
fn compare(ability: Ability) -> Outcome<()> {
    for release in Release::BOTH {
        compare_one(ability, release)?;
        println!("{}: a new recording has the same shape", release.exhibit());
    }
    Ok(())
}

fn compare_one(ability: Ability, release: Release) -> Outcome<()> {
    let kept = Shape::of(&exhibit_files::read(&release.exhibit())?);
    let mut difference = String::new();
    for _ in 0..TRIES {
        let exhibit = Exhibit::of(ability, release)?;
        exhibit.judge()?;
        difference = Shape::of(&exhibit.text).difference_to(&kept);
        if difference.is_empty() {
            return Ok(());
        }
        println!("{}, kept (-) and new (+):\n{difference}", release.exhibit());
    }
    let advice =
        "if the new one is right: make strace-kafka RECORD=1, and read what the pages say of it";
    failed(format!(
        "{} has another shape than docs/exhibits shows, {TRIES} times:\n{difference}{advice}",
        release.exhibit()
    ))
}

/// The jars of a release, fetched if they are not there.
pub(crate) fn fetched(release: Release) -> Outcome<Jars> {
    let jars = release.jars_in(&work_dir()?);
    if !jars.are_there() {
        let began = Instant::now();
        jars.fetch()?;
        let (mb, seconds) = (jars.bytes()? / 1_000_000, began.elapsed().as_secs_f64());
        eprintln!("It took {seconds:.0} s; they are {mb} MB, and stay for the next time.");
    }
    Ok(jars)
}

/// The first line of what a tool says.
pub(crate) fn shortly(words: &[u8]) -> String {
    String::from_utf8_lossy(words).lines().next().unwrap_or_default().to_string()
}

/// That of the benchmark, which has the jars of the newest release, too.
fn work_dir() -> Outcome<PathBuf> {
    let own = std::env::current_exe()?;
    let Some(target) = own.parent().and_then(Path::parent) else {
        return failed("this binary lies in no target directory");
    };
    let dir = target.join("bench");
    fs::create_dir_all(&dir)?;
    Ok(dir)
}
