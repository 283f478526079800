//! Drives rskafka. It has no consumer groups, and its producer is not idempotent.

use std::collections::BTreeMap;
use std::env;
use std::sync::Arc;

use chrono::DateTime;
use chrono::Utc;
use rskafka::client::Client;
use rskafka::client::ClientBuilder;
use rskafka::client::controller::ControllerClient;
use rskafka::client::partition::Compression;
use rskafka::client::partition::OffsetAt;
use rskafka::client::partition::PartitionClient;
use rskafka::client::partition::UnknownTopicHandling;
use rskafka::record::Record;
use suite::broker::restart_broker;
use suite::records;
use suite::records::Check;
use suite::records::timestamp_ms;
use suite::steps::StepResult;
use suite::steps::Steps;

const PARTITIONS: i32 = 3;
const TIMEOUT_MS: i32 = 10_000;
const MAX_FETCH_BYTES: i32 = 1_000_000;
/// How many records a produce request has.
const AT_A_TIME: usize = 500;
const CODECS: [(&str, Compression); 5] = [
    ("none", Compression::NoCompression),
    ("gzip", Compression::Gzip),
    ("snappy", Compression::Snappy),
    ("lz4", Compression::Lz4),
    ("zstd", Compression::Zstd),
];

#[tokio::main]
async fn main() -> StepResult {
    let count: usize = env::var("RECORDS")?.parse()?;
    let client = Arc::new(ClientBuilder::new(vec![env::var("BROKER")?]).build().await?);
    let mut steps = Steps::new(40 + count as u64 / 10_000);
    let of = client.clone();
    steps
        .step("create: topics, which are listed then", async move { create_topics(&of).await })
        .await;
    for (codec, compression) in CODECS {
        let of = client.clone();
        steps
            .step(
                &format!("{codec}: records with keys, headers and timestamps written"),
                async move { write(&of, &topic(codec), compression, count).await },
            )
            .await;
        for from in [From::Beginning, From::Offset, From::Timestamp] {
            let of = client.clone();
            steps
                .step(&from.step(codec), async move { read(&of, &topic(codec), from, count).await })
                .await;
        }
    }
    let of = client.clone();
    steps
        .step(
            "producer through kill -9, none lost",
            async move { write_through_kill(&of, count).await },
        )
        .await;
    steps
        .step(
            "delete: topics, which are not listed then",
            async move { delete_topics(&client).await },
        )
        .await;
    Ok(())
}

fn topic(of: &str) -> String {
    format!("rskafka-{of}")
}

fn topics() -> Vec<String> {
    CODECS.iter().map(|(codec, _)| *codec).chain(["through-kill"]).map(topic).collect()
}

async fn create_topics(client: &Client) -> StepResult {
    let controller = client.controller_client()?;
    for topic in topics() {
        create_topic(&controller, &topic).await?;
    }
    if create_topic(&controller, &topic("none")).await.is_ok() {
        return Err("a topic was created a second time".into());
    }
    expect_listed(client, true).await
}

async fn create_topic(controller: &ControllerClient, topic: &str) -> StepResult {
    Ok(controller.create_topic(topic, PARTITIONS, 1, TIMEOUT_MS).await?)
}

async fn delete_topics(client: &Client) -> StepResult {
    for topic in topics() {
        client.controller_client()?.delete_topic(topic, TIMEOUT_MS).await?;
    }
    expect_listed(client, false).await
}

async fn expect_listed(client: &Client, wanted: bool) -> StepResult {
    let listed = client.list_topics().await?;
    for topic in topics() {
        if listed.iter().any(|listed| listed.name == topic) != wanted {
            return Err(format!("{topic} in the list of topics: {}", !wanted).into());
        }
    }
    Ok(())
}

/// Sends the records round the partitions: record 7 is number 2 of partition 1.
async fn write(client: &Client, topic: &str, compression: Compression, count: usize) -> StepResult {
    for partition in 0..PARTITIONS {
        let partition_client = partition_client(client, topic, partition).await?;
        let indexes: Vec<usize> =
            (partition as usize..count).step_by(PARTITIONS as usize).collect();
        let mut next = 0;
        for part in indexes.chunks(AT_A_TIME) {
            let records =
                part.iter().map(|index| make_record(*index)).collect::<StepResult<_>>()?;
            for offset in partition_client.produce(records, compression).await? {
                if offset != next {
                    return Err(format!("offset {next} wanted for {offset}").into());
                }
                next += 1;
            }
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum From {
    Beginning,
    Offset,
    Timestamp,
}

impl From {
    fn step(self, codec: &str) -> String {
        match self {
            From::Beginning => format!("{codec}: read from the beginning"),
            From::Offset => format!("offset: {codec}"),
            From::Timestamp => format!("timestamp: {codec}"),
        }
    }
}

async fn read(client: &Client, topic: &str, from: From, count: usize) -> StepResult {
    for partition in 0..PARTITIONS {
        let partition_client = partition_client(client, topic, partition).await?;
        let at = OffsetAt::Timestamp(time(timestamp_ms(count / 2))?);
        let (start, lowest) = match from {
            From::Beginning => (partition_client.get_offset(OffsetAt::Earliest).await?, 0),
            From::Offset => (count as i64 / 10, count / 10 * PARTITIONS as usize),
            From::Timestamp => (partition_client.get_offset(at).await?, count / 2),
        };
        let mut check = Check::new(start);
        read_to_the_end(&partition_client, start, |offset, record| check.add(offset, record))
            .await?;
        let wanted =
            (lowest..count).filter(|index| index % PARTITIONS as usize == partition as usize);
        if !wanted.clone().eq(check.indexes.iter().copied()) {
            let (wanted, got) = (wanted.count(), check.indexes.len());
            return Err(format!("{wanted} records wanted, {got} read").into());
        }
    }
    Ok(())
}

async fn read_to_the_end(
    client: &PartitionClient,
    mut offset: i64,
    mut each: impl FnMut(i64, &records::Record) -> StepResult,
) -> StepResult {
    let end = client.get_offset(OffsetAt::Latest).await?;
    while offset < end {
        let (records, _) = client.fetch_records(offset, 1..MAX_FETCH_BYTES, TIMEOUT_MS).await?;
        for record in records {
            offset = record.offset + 1;
            each(record.offset, &from_rskafka(record.record))?;
        }
    }
    Ok(())
}

/// The broker dies while the producer is at work. The producer must get over it by itself; what it
/// retried may lie there twice.
async fn write_through_kill(client: &Client, count: usize) -> StepResult {
    let partition_client = partition_client(client, &topic("through-kill"), 0).await?;
    let mut restart = None;
    let mut seen = vec![false; count];
    for from in (0..count).step_by(AT_A_TIME) {
        if restart.is_none() && from >= count / 4 {
            restart = Some(tokio::spawn(restart_broker()));
        }
        let records =
            (from..count.min(from + AT_A_TIME)).map(make_record).collect::<StepResult<_>>()?;
        partition_client.produce(records, Compression::NoCompression).await?;
    }
    restart.ok_or("too few records")?.await??;
    read_to_the_end(&partition_client, 0, |_, record| {
        seen[records::verify(record)?] = true;
        Ok(())
    })
    .await?;
    match seen.iter().position(|seen| !seen) {
        Some(lost) => Err(format!("record {lost} is lost").into()),
        None => Ok(()),
    }
}

fn make_record(index: usize) -> StepResult<Record> {
    let record = records::make_record(index);
    Ok(Record {
        key: Some(record.key),
        value: Some(record.value),
        headers: BTreeMap::from_iter(record.headers),
        timestamp: time(record.timestamp_ms)?,
    })
}

fn from_rskafka(record: Record) -> records::Record {
    records::Record {
        key: record.key.unwrap_or_default(),
        value: record.value.unwrap_or_default(),
        headers: record.headers.into_iter().collect(),
        timestamp_ms: record.timestamp.timestamp_millis(),
    }
}

fn time(timestamp_ms: i64) -> StepResult<DateTime<Utc>> {
    Ok(DateTime::from_timestamp_millis(timestamp_ms).ok_or("no time of a calendar")?)
}

async fn partition_client(
    client: &Client,
    topic: &str,
    partition: i32,
) -> Result<PartitionClient, rskafka::client::error::Error> {
    client.partition_client(topic, partition, UnknownTopicHandling::Retry).await
}
