//! The few things that the steps ask of rdkafka.

use std::env;
use std::fs;
use std::ops::Range;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::Message;
use rdkafka::admin::AdminClient;
use rdkafka::admin::AdminOptions;
use rdkafka::admin::NewTopic;
use rdkafka::admin::TopicReplication;
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::StreamConsumer;
use rdkafka::error::KafkaError;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::BorrowedMessage;
use rdkafka::message::Header;
use rdkafka::message::Headers;
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::FutureProducer;
use rdkafka::producer::FutureRecord;
use suite::records::Record;
use suite::records::make_record;
use suite::steps::StepResult;
use tokio::time::timeout;

pub const PARTITIONS: i32 = 3;
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// A reader that gets nothing for so long takes it that there is nothing.
pub const QUIET: Duration = Duration::from_millis(300);
/// How many records may be under way; the queue of the producer holds more.
const AT_A_TIME: usize = 10_000;

/// A record, and where it lies.
pub struct Got {
    pub partition: i32,
    pub offset: i64,
    pub record: Record,
}

pub async fn create_topics(topics: Vec<String>) -> StepResult {
    let admin = admin()?;
    for topic in &topics {
        create_topic(topic, PARTITIONS)
            .await?
            .map_err(|code| format!("creating {topic}: {code}"))?;
    }
    let again = create_topic(&topics[0], PARTITIONS).await?;
    if again != Err(RDKafkaErrorCode::TopicAlreadyExists) {
        return Err(format!("a topic was created a second time: {again:?}").into());
    }
    expect_listed(&admin, &topics, true)
}

pub async fn create_topic(
    topic: &str,
    partitions: i32,
) -> StepResult<Result<(), RDKafkaErrorCode>> {
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    let results = admin()?.create_topics([&new], &AdminOptions::new()).await?;
    let result = results.into_iter().next().ok_or("no result of the creation")?;
    Ok(result.map(|_| ()).map_err(|(_, code)| code))
}

pub async fn delete_topics(topics: Vec<String>) -> StepResult {
    let admin = admin()?;
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    for result in admin.delete_topics(&names, &AdminOptions::new()).await? {
        result.map_err(|(topic, code)| format!("deleting {topic}: {code}"))?;
    }
    expect_listed(&admin, &topics, false)
}

fn expect_listed(
    admin: &AdminClient<DefaultClientContext>,
    topics: &[String],
    wanted: bool,
) -> StepResult {
    let metadata = admin.inner().fetch_metadata(None, TIMEOUT)?;
    for topic in topics {
        if metadata.topics().iter().any(|listed| listed.name() == topic) != wanted {
            return Err(format!("{topic} in the list of topics: {}", !wanted).into());
        }
    }
    Ok(())
}

/// Sends the records with these numbers, and waits until the broker has them.
pub async fn send(producer: &FutureProducer, topic: &str, indexes: Range<usize>) -> StepResult {
    let indexes: Vec<usize> = indexes.collect();
    for part in indexes.chunks(AT_A_TIME) {
        let mut deliveries = Vec::with_capacity(part.len());
        for index in part {
            let record = make_record(*index);
            let future_record = future_record(topic, &record);
            deliveries.push(producer.send_result(future_record).map_err(|(error, _)| error)?);
        }
        for delivery in deliveries {
            delivery.await?.map_err(|(error, _)| error)?;
        }
    }
    Ok(())
}

/// Sends a record to a partition, and waits until the broker has it.
pub async fn send_to(
    producer: &FutureProducer,
    topic: &str,
    partition: i32,
    record: &Record,
) -> StepResult {
    let future_record = future_record(topic, record).partition(partition);
    producer
        .send_result(future_record)
        .map_err(|(error, _)| error)?
        .await?
        .map_err(|(error, _)| error)?;
    Ok(())
}

fn future_record<'a>(topic: &'a str, record: &'a Record) -> FutureRecord<'a, Vec<u8>, Vec<u8>> {
    let mut headers = OwnedHeaders::new();
    for (key, value) in &record.headers {
        headers = headers.insert(Header { key, value: Some(value) });
    }
    FutureRecord::to(topic)
        .key(&record.key)
        .payload(&record.value)
        .headers(headers)
        .timestamp(record.timestamp_ms)
}

/// The next record, if one comes in time. A broker that is away is no error of the consumer's: it
/// goes on by itself.
pub async fn poll(consumer: &StreamConsumer, wait: Duration) -> StepResult<Option<Got>> {
    match timeout(wait, consumer.recv()).await {
        Err(_) => Ok(None),
        Ok(Ok(message)) => Ok(Some(got(&message)?)),
        Ok(Err(KafkaError::MessageConsumption(
            RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown,
        ))) => Ok(None),
        Ok(Err(error)) => Err(error.into()),
    }
}

fn got(message: &BorrowedMessage<'_>) -> StepResult<Got> {
    let mut headers = Vec::new();
    for header in message.headers().into_iter().flat_map(|headers| headers.iter()) {
        headers.push((header.key.to_owned(), header.value.unwrap_or_default().to_vec()));
    }
    let record = Record {
        key: message.key().unwrap_or_default().to_vec(),
        value: message.payload().unwrap_or_default().to_vec(),
        headers,
        timestamp_ms: message.timestamp().to_millis().ok_or("a record without a timestamp")?,
    };
    Ok(Got { partition: message.partition(), offset: message.offset(), record })
}

fn admin() -> StepResult<AdminClient<DefaultClientContext>> {
    Ok(config(&[])?.create()?)
}

pub fn producer(settings: &[(&str, &str)]) -> StepResult<FutureProducer> {
    Ok(config(settings)?.create()?)
}

pub fn consumer(group: &str, settings: &[(&str, &str)]) -> StepResult<StreamConsumer> {
    Ok(config(settings)?.set("group.id", group).create()?)
}

/// The way to the broker is in the file that security.sh has written for librdkafka.
fn config(settings: &[(&str, &str)]) -> StepResult<ClientConfig> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", env::var("BROKER")?);
    let way = fs::read_to_string(env::var("LIBRDKAFKA_CONF")?)?;
    config.extend(way.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| {
        (name.to_owned(), value.to_owned())
    }));
    config.extend(settings.iter().map(|(name, value)| (name.to_string(), value.to_string())));
    Ok(config)
}
