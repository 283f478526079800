//! Drives rdkafka: its admin client, its producer and its consumer, with their defaults where a
//! step does not say otherwise.

mod group_of_two;
mod kafka;
mod many_partitions;

use std::collections::HashMap;
use std::env;
use std::process;

use log::LevelFilter;
use log::Log;
use log::Metadata;
use log::Record;
use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::CommitMode;
use rdkafka::consumer::Consumer;
use rdkafka::consumer::StreamConsumer;
use suite::broker::restart_broker;
use suite::records::Check;
use suite::records::timestamp_ms;
use suite::steps::StepResult;
use suite::steps::Steps;

use crate::kafka::PARTITIONS;
use crate::kafka::QUIET;
use crate::kafka::TIMEOUT;
use crate::kafka::consumer;
use crate::kafka::create_topics;
use crate::kafka::delete_topics;
use crate::kafka::poll;
use crate::kafka::producer;
use crate::kafka::send;

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
/// In how many parts the producer sends its records where the broker dies meanwhile.
const PARTS: usize = 200;

#[tokio::main]
async fn main() -> StepResult {
    let count: usize = env::var("RECORDS")?.parse()?;
    let steps = Steps::new(40 + count as u64 / 10_000);
    match env::var("STEPS")?.as_str() {
        "attempt" => attempt().await,
        "few" => run_few(steps, count).await,
        _ => run_all(steps, count).await,
    }
    // A step that was late may still block a thread.
    process::exit(0)
}

/// Sends one record, and shows what the client says, or logs, if it cannot.
async fn attempt() {
    log::set_logger(&ToStderr).expect("there is no logger yet");
    log::set_max_level(LevelFilter::Warn);
    match write("none", 1).await {
        Ok(()) => println!("it worked"),
        Err(why) => println!("{why}"),
    }
}

struct ToStderr;

impl Log for ToStderr {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        eprintln!("{} {}", record.level(), record.args());
    }

    fn flush(&self) {}
}

async fn run_few(mut steps: Steps, count: usize) {
    steps.step("create: topics, which are listed then", create_topics(topics())).await;
    let written = "none: records with keys, headers and timestamps written";
    steps.step(written, write("none", count)).await;
    let read = read_from_the_beginning(topic("none"), count);
    steps.step("none: read from the beginning", read).await;
    steps.step("resume: after a commit", commit_and_resume(count)).await;
    steps.step("delete: topics, which are not listed then", delete_topics(topics())).await;
}

async fn run_all(mut steps: Steps, count: usize) {
    steps.step("create: topics, which are listed then", create_topics(topics())).await;
    for codec in CODECS {
        let written = format!("{codec}: records with keys, headers and timestamps written");
        steps.step(&written, write(codec, count)).await;
        let read = format!("{codec}: read from the beginning");
        steps.step(&read, read_from_the_beginning(topic(codec), count)).await;
        steps.step(&format!("offset: {codec}"), read_from_an_offset(codec, count)).await;
        steps.step(&format!("timestamp: {codec}"), read_from_a_timestamp(codec, count)).await;
    }
    let retry = "retry: through kill -9, none lost, none twice";
    steps.step(retry, write_through_kill(count)).await;
    steps.step("resume: after a commit", commit_and_resume(count)).await;
    steps.step("resume: after a commit and kill -9", resume_after_kill(count)).await;
    let group = group_of_two::run(topic("group"));
    steps.step("group: two members, rebalances, kill -9", group).await;
    let wide = "wide: 60 partitions, a record of 900 kB in each";
    steps.step(wide, many_partitions::run(topic("wide"))).await;
    steps.step("delete: topics, which are not listed then", delete_topics(topics())).await;
}

fn topic(of: &str) -> String {
    format!("rdkafka-{of}")
}

fn topics() -> Vec<String> {
    CODECS.into_iter().chain(["through-kill", "resume", "group"]).map(topic).collect()
}

async fn write(codec: &'static str, count: usize) -> StepResult {
    send(&producer(&[("compression.type", codec)])?, &topic(codec), 0..count).await
}

async fn read_from_the_beginning(topic: String, count: usize) -> StepResult {
    let mut reader = Reader::new(0);
    reader.read_assigned(&starts(&topic, Offset::Beginning)?, count).await
}

/// With 100 keys no partition has less than a tenth of the records.
async fn read_from_an_offset(codec: &str, count: usize) -> StepResult {
    let tenth = count / 10;
    let mut reader = Reader::new(tenth as i64);
    let wanted = count - PARTITIONS as usize * tenth;
    reader.read_assigned(&starts(&topic(codec), Offset::Offset(tenth as i64))?, wanted).await
}

async fn read_from_a_timestamp(codec: &str, count: usize) -> StepResult {
    let half = count / 2;
    let asked = starts(&topic(codec), Offset::Offset(timestamp_ms(half)))?;
    let found = consumer("not-used", &[])?.offsets_for_times(asked, TIMEOUT)?;
    let mut reader = Reader::at(&found)?;
    reader.read_assigned(&found, count - half).await?;
    reader.expect_lowest(half)
}

fn starts(topic: &str, offset: Offset) -> StepResult<TopicPartitionList> {
    let mut starts = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        starts.add_partition_offset(topic, partition, offset)?;
    }
    Ok(starts)
}

/// The broker dies while the producer is at work. The producer must get over it by itself.
async fn write_through_kill(count: usize) -> StepResult {
    let producer = producer(&[("enable.idempotence", "true")])?;
    let topic = topic("through-kill");
    let mut restart = None;
    for part in 0..PARTS {
        if part == PARTS / 4 {
            restart = Some(tokio::spawn(restart_broker()));
        }
        send(&producer, &topic, part * count / PARTS..(part + 1) * count / PARTS).await?;
    }
    restart.ok_or("the broker did not die")?.await??;
    read_from_the_beginning(topic, count).await
}

/// A member reads a part and commits it, and leaves. The next one must go on right there.
async fn commit_and_resume(count: usize) -> StepResult {
    send(&producer(&[])?, &topic("resume"), 0..count).await?;
    let mut reader = Reader::new(0);
    reader.read_as_member(count / 3).await?;
    reader.read_as_member(count).await?;
    reader.expect_count(count)
}

/// What is committed must outlive the broker.
async fn resume_after_kill(count: usize) -> StepResult {
    restart_broker().await?;
    let more = count / 10;
    send(&producer(&[])?, &topic("resume"), count..count + more).await?;
    let mut reader = Reader { checks: HashMap::new(), start: None };
    reader.read_as_member(more).await?;
    reader.expect_count(more)?;
    reader.expect_lowest(count)
}

/// What was read of a topic, checked as it came.
struct Reader {
    checks: HashMap<i32, Check>,
    /// The first offset that is wanted of every partition; none if it may be any.
    start: Option<i64>,
}

impl Reader {
    fn new(start: i64) -> Self {
        Self { checks: HashMap::new(), start: Some(start) }
    }

    fn at(starts: &TopicPartitionList) -> StepResult<Self> {
        let mut checks = HashMap::new();
        for start in starts.elements() {
            let offset = start.offset().to_raw().ok_or("a partition without an offset")?;
            checks.insert(start.partition(), Check::new(offset));
        }
        Ok(Self { checks, start: None })
    }

    /// Reads `count` records; no further one must come.
    async fn read_assigned(&mut self, starts: &TopicPartitionList, count: usize) -> StepResult {
        let consumer = consumer("not-used", &[("enable.auto.commit", "false")])?;
        consumer.assign(starts)?;
        self.read(&consumer, count).await?;
        self.expect_count(count)
    }

    /// Reads as a member of a group until it has `up_to` records in all, commits and leaves.
    async fn read_as_member(&mut self, up_to: usize) -> StepResult {
        let settings = [("auto.offset.reset", "earliest"), ("enable.auto.commit", "false")];
        let consumer = consumer(&topic("resume"), &settings)?;
        consumer.subscribe(&[&topic("resume")])?;
        while self.count() < up_to {
            self.poll(&consumer).await?;
        }
        consumer.commit_consumer_state(CommitMode::Sync)?;
        Ok(())
    }

    async fn read(&mut self, consumer: &StreamConsumer, count: usize) -> StepResult {
        while self.count() < count {
            self.poll(consumer).await?;
        }
        while self.poll(consumer).await? {}
        Ok(())
    }

    /// Whether a record came.
    async fn poll(&mut self, consumer: &StreamConsumer) -> StepResult<bool> {
        let Some(got) = poll(consumer, QUIET).await? else { return Ok(false) };
        let first = self.start.unwrap_or(got.offset);
        let check = self.checks.entry(got.partition).or_insert_with(|| Check::new(first));
        check.add(got.offset, &got.record)?;
        Ok(true)
    }

    fn count(&self) -> usize {
        self.indexes().count()
    }

    fn indexes(&self) -> impl Iterator<Item = usize> {
        self.checks.values().flat_map(|check| check.indexes.iter().copied())
    }

    /// All of them, and none twice.
    fn expect_count(&self, wanted: usize) -> StepResult {
        let mut indexes: Vec<usize> = self.indexes().collect();
        let read = indexes.len();
        indexes.sort_unstable();
        indexes.dedup();
        if (read, indexes.len()) != (wanted, wanted) {
            let different = indexes.len();
            return Err(
                format!("{wanted} records wanted, {read} read, {different} different").into()
            );
        }
        Ok(())
    }

    fn expect_lowest(&self, wanted: usize) -> StepResult {
        let lowest = self.indexes().min();
        if lowest != Some(wanted) {
            return Err(format!("the lowest record: {wanted} wanted, got {lowest:?}").into());
        }
        Ok(())
    }
}
