//! `exhibits lost-record`: two of three brokers are killed three seconds apart. Kafka 0.9 loses a record
//! that all three had acknowledged; this broker, in the same scene, does not.

use std::thread::sleep;
use std::time::{Duration, Instant};

use bench::caretaker;
use bench::outcome::{Outcome, failed};
use support::client::{Client, fetch_request};

use crate::cluster::{Cluster, Software, said, values};
use crate::exhibit_files;
use crate::session::Year;

const USAGE: &str = "usage: exhibits lost-record [0.9.0.1|transferto], or --record, or --compare";
const EXHIBIT: &str = "lost-record";
const TOPIC: &str = "post";
/// The first leader, the second, and the one that lives on.
const FIRST: i32 = 1;
const SECOND: i32 = 2;
const LAST: i32 = 0;
/// In the order of the topic's assignment.
const BROKERS: [i32; 3] = [FIRST, SECOND, LAST];
/// Nobody is elected who was not in sync, and no record is taken that only one broker has.
const TOPIC_SETTINGS: [(&str, &str); 2] =
    [("min.insync.replicas", "2"), ("unclean.leader.election.enable", "false")];
const ALL_IN_SYNC: i16 = -1;

/// Some rounds of fetches, each of which may wait half a second: followers know the high watermark.
const ROUNDS: Duration = Duration::from_secs(2);
/// From one crash to the next: the cluster has not noticed the first yet.
const BETWEEN_CRASHES: Duration = Duration::from_secs(3);
/// After a new leader is named, its followers do what they do about it.
const SETTLING: Duration = Duration::from_secs(1);
/// A session lasts six seconds in 0.9, nine today.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOKS_EVERY: Duration = Duration::from_millis(50);
/// Whether the leader dies before it has said how far all have come is a matter of milliseconds.
const TRIES: usize = 3;

pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    caretaker::start()?;
    match words.as_slice() {
        [] => {
            println!("{}", text(&Software::BOTH)?);
            Ok(())
        }
        ["--record"] => exhibit_files::write(EXHIBIT, &text(&Software::BOTH)?),
        ["--compare"] => compare(),
        ["0.9.0.1"] => {
            println!("{}", text(&[Software::Original])?);
            Ok(())
        }
        ["transferto"] => {
            println!("{}", text(&[Software::Ours])?);
            Ok(())
        }
        _ => failed(USAGE),
    }
}

/// Nothing in it is left to chance, so a new one has the same words.
fn compare() -> Outcome<()> {
    if text(&Software::BOTH)? == exhibit_files::read(EXHIBIT)? {
        println!("{EXHIBIT}: it has happened again");
        return Ok(());
    }
    failed(format!("{EXHIBIT} went otherwise than docs/exhibits shows: make lost-record shows how"))
}

const HEAD: &str = "\
One topic on three brokers, and two crashes three seconds apart
min.insync.replicas=2, unclean.leader.election.enable=false; the producer waits for acks=all. All else is default.

How to read it:
  leader   whom the cluster names, as broker 0 has heard
  dead     killed by kill -9, and not started again
  m1 m2    the records in the broker's segment file, by its bytes on the disk
";

fn text(of: &[Software]) -> Outcome<String> {
    let mut text = HEAD.to_string();
    for software in of {
        let seen = with_patience(*software)?;
        text += &format!("\n== {}: what each broker has\n\n", heading(*software));
        for row in &seen.rows {
            text += &row.text();
        }
        text += &format!("\n{:EVENT_COLUMNS$}{}\n", "acknowledged", seen.acknowledged.join(" "));
        text += &format!("{:EVENT_COLUMNS$}{}\n", "what a consumer gets", seen.consumed.join(" "));
        for line in &seen.truncations {
            text += &format!("{:EVENT_COLUMNS$}{line}\n", "in the log of broker 0");
        }
    }
    Ok(text)
}

/// `kafka 0.9.0.1`, by which a page quotes it.
fn heading(software: Software) -> &'static str {
    match software {
        Software::Original => "kafka 0.9.0.1",
        Software::Ours => "transferto",
    }
}

fn with_patience(software: Software) -> Outcome<Seen> {
    for _ in 1..TRIES {
        match Scene::play(software) {
            Ok(seen) if seen.is_as_the_pages_say(software) => return Ok(seen),
            Ok(_) => eprintln!("It went otherwise, as a busy machine has it; once more."),
            Err(error) => eprintln!("{error}; once more."),
        }
    }
    let seen = Scene::play(software)?;
    if seen.is_as_the_pages_say(software) {
        return Ok(seen);
    }
    failed(format!(
        "FAILURE: {}: acknowledged {:?}, consumed {:?}",
        software.name(),
        seen.acknowledged,
        seen.consumed
    ))
}

const EVENT_COLUMNS: usize = 66;
const CELL_COLUMNS: usize = 22;

/// What was there at one time.
struct Row {
    event: String,
    cells: [String; BROKERS.len()],
}

impl Row {
    fn text(&self) -> String {
        let cells = self.cells.iter().map(|it| format!("{it:CELL_COLUMNS$}"));
        let line = format!("{:EVENT_COLUMNS$}{}", self.event, cells.collect::<String>());
        format!("{}\n", line.trim_end())
    }
}

/// What a scene has come to.
struct Seen {
    rows: Vec<Row>,
    acknowledged: Vec<String>,
    consumed: Vec<String>,
    /// In the words of the broker that stays.
    truncations: Vec<String>,
}

impl Seen {
    fn is_as_the_pages_say(&self, software: Software) -> bool {
        let is_lost = self.acknowledged != self.consumed;
        is_lost == (software == Software::Original)
    }
}

struct Scene {
    cluster: Cluster,
    year: Year,
    rows: Vec<Row>,
    acknowledged: Vec<String>,
}

impl Scene {
    fn play(software: Software) -> Outcome<Seen> {
        eprintln!("Starting three brokers of {}.", software.name());
        // The first that is started is the controller of 0.9, and lives on.
        let cluster = Cluster::start(software, &[LAST, FIRST, SECOND], &[])?;
        let year = software.year();
        let mut scene = Self { cluster, year, rows: Vec::new(), acknowledged: Vec::new() };
        scene
            .rows
            .push(Row { event: String::new(), cells: BROKERS.map(|id| format!("broker {id}")) });
        scene.fill()?;
        scene.crash()?;
        scene.recover()
    }

    /// One record of which all know that all have it, and one of which only the leader does.
    fn fill(&mut self) -> Outcome<()> {
        self.cluster.create_topic(TOPIC, &BROKERS, &TOPIC_SETTINGS)?;
        self.cluster.await_replicas(TOPIC, &BROKERS)?;
        let mut producer = self.cluster.connect(FIRST);
        self.produce(&mut producer, "m1")?;
        sleep(ROUNDS);
        self.note("m1 is produced and acknowledged")?;
        self.produce(&mut producer, "m2")?;
        self.cluster.kill(FIRST)?;
        self.note("m2 is produced and acknowledged; at once kill -9 of broker 1")
    }

    fn crash(&mut self) -> Outcome<()> {
        sleep(BETWEEN_CRASHES);
        self.cluster.kill(SECOND)?;
        self.note("three seconds later, kill -9 of broker 2")?;
        self.await_leader(SECOND)?;
        self.note("broker 1 is missed; broker 2, dead like it, is made leader")?;
        self.await_leader(LAST)?;
        self.note("broker 2 is missed; broker 0 is made leader")
    }

    fn recover(mut self) -> Outcome<Seen> {
        for id in [FIRST, SECOND] {
            self.cluster.start_broker(id)?;
        }
        self.await_isr()?;
        sleep(SETTLING);
        self.note("brokers 1 and 2 are started again, and are in sync")?;
        let consumed = self.consume()?;
        // Of an empty log when the topic was made, too, which is not of interest.
        let mut truncations = said(&self.cluster.log_of(LAST), "Truncating log")?;
        truncations.retain(|it| !it.contains("to offset 0."));
        for line in &mut truncations {
            // Behind it stands the class that has said so.
            line.truncate(line.find(" (").unwrap_or(line.len()));
        }
        Ok(Seen { rows: self.rows, acknowledged: self.acknowledged, consumed, truncations })
    }

    fn produce(&mut self, producer: &mut Client, value: &str) -> Outcome<()> {
        let (version, records) = (self.year.produce_version(), self.year.records(value.as_bytes()));
        let answer = producer.produce_with(version, ALL_IN_SYNC, (TOPIC, 0), &records);
        if answer.error_code != 0 {
            return failed(format!("{value} is not acknowledged: error {}", answer.error_code));
        }
        self.acknowledged.push(value.to_string());
        Ok(())
    }

    fn consume(&self) -> Outcome<Vec<String>> {
        let leader = self.cluster.leader(LAST, TOPIC);
        let Some(leader) = leader else { return failed("nobody leads") };
        let fetch = fetch_request(TOPIC, 0, 0);
        let fetched =
            self.cluster.connect(leader).fetch_with(self.year.fetch_version(), fetch).remove(0);
        values(&fetched.records)
    }

    fn note(&mut self, event: &str) -> Outcome<()> {
        let leader = self.cluster.leader(LAST, TOPIC);
        let mut cells = BROKERS.map(|_| String::new());
        for (cell, id) in cells.iter_mut().zip(BROKERS) {
            let is_dead = (!self.cluster.is_running(id)).then_some("dead");
            let leads = (leader == Some(id)).then_some("leader");
            let roles = Vec::from_iter(is_dead.into_iter().chain(leads)).join(", ");
            let values = self.cluster.values_in(id, TOPIC)?.join(" ");
            *cell = if roles.is_empty() { values } else { format!("{roles}: {values}") };
        }
        eprintln!("{event}");
        self.rows.push(Row { event: event.to_string(), cells });
        Ok(())
    }

    /// Waits until this broker leads, and for what follows from it.
    fn await_leader(&self, id: i32) -> Outcome<()> {
        self.wait_until(&format!("broker {id} to lead"), || {
            self.cluster.leader(LAST, TOPIC) == Some(id)
        })?;
        sleep(SETTLING);
        Ok(())
    }

    fn await_isr(&self) -> Outcome<()> {
        let mut all = BROKERS;
        all.sort_unstable();
        self.wait_until("all to be in sync", || self.cluster.isr(LAST, TOPIC) == all)
    }

    fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) -> Outcome<()> {
        let began = Instant::now();
        while !is_so() {
            if began.elapsed() > PATIENCE {
                return failed(format!("waited in vain for {what}"));
            }
            sleep(LOOKS_EVERY);
        }
        Ok(())
    }
}
