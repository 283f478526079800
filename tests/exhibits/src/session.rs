//! The session that all exhibits show: a producer and a consumer, a connection each, of one program.

use bench::outcome::Outcome;
use support::client::{Client, NEWEST_FETCH, NEWEST_PRODUCE, fetch_request};
use support::records::{batch, message_set};
use support::tunnel::port_of;
use transferto::message::compression_codec::CompressionCodec;
use transferto::protocol::fetch::FetchRequest;
use transferto::protocol::request::RequestBody;

/// The topic of the recorded session, of one partition; a topic must be there before a session begins.
pub(crate) const TOPIC: &str = "post";

/// How many batches, or message sets, are produced before the fetch.
pub(crate) const BATCHES: u8 = 10;
/// The bytes of the one value in each.
pub(crate) const VALUE_BYTES: usize = 100_000;
/// The fetch begins here, so that its position has to be searched for.
pub(crate) const FETCH_OFFSET: i64 = 3;
/// How long the long poll would wait if nothing were produced.
pub(crate) const MAX_WAIT_MS: i32 = 20_000;

/// Which of the protocol's versions the client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Year {
    /// Of the post's Kafka, 0.9.0.1: message sets, Produce 1, Fetch 1.
    Of2016,
    /// Record batches, Produce 11, Fetch 12.
    Today,
}

/// What the client does, in order. A watcher hears of each act before it begins, and may hold it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Connect,
    Produce,
    Fetch,
    /// A fetch from the end of the log, which waits.
    LongPoll,
    /// The record that ends the wait.
    ProduceOne,
    Disconnect,
}

/// What the session has found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    /// The client's ports, by which a trace knows its connections.
    pub(crate) producer_port: u16,
    pub(crate) consumer_port: u16,
    /// Of the follower that fetches from this broker, if one does.
    pub(crate) follower_port: Option<u16>,
    /// Where the leader listens from which this broker fetches, if it does.
    pub(crate) leader_port: Option<u16>,
    /// The bytes of records that the fetch and the long poll have brought.
    pub(crate) fetched_bytes: usize,
    pub(crate) polled_bytes: usize,
}

impl Year {
    pub(crate) fn produce_version(self) -> i16 {
        match self {
            Self::Of2016 => 1,
            Self::Today => NEWEST_PRODUCE,
        }
    }

    pub(crate) fn fetch_version(self) -> i16 {
        match self {
            Self::Of2016 => 1,
            Self::Today => NEWEST_FETCH,
        }
    }

    pub(crate) fn records(self, value: &[u8]) -> Vec<u8> {
        match self {
            Self::Of2016 => message_set(0, CompressionCodec::None, &[(0, value.to_vec())]),
            Self::Today => batch(&[value]),
        }
    }
}

/// Plays the session against the broker on this port, on this topic. Before each act, `before` is called with it:
/// that of `Act::ProduceOne` should not return before the broker has put the long poll to wait.
pub(crate) fn play(
    port: u16,
    year: Year,
    topic: &str,
    mut before: impl FnMut(Act) -> Outcome<()>,
) -> Outcome<Told> {
    before(Act::Connect)?;
    let mut producer = Client::connect(port);
    let mut consumer = Client::connect(port);
    let (producer_port, consumer_port) = (port_of(&producer.stream), port_of(&consumer.stream));

    before(Act::Produce)?;
    for value in 0..BATCHES {
        produce(&mut producer, year, topic, &vec![value; VALUE_BYTES]);
    }

    before(Act::Fetch)?;
    let fetch = fetch_request(topic, 0, FETCH_OFFSET);
    let fetched = consumer.fetch_with(year.fetch_version(), fetch).remove(0);

    before(Act::LongPoll)?;
    let end = i64::from(BATCHES);
    let poll = FetchRequest { max_wait_ms: MAX_WAIT_MS, ..fetch_request(topic, 0, end) };
    let header = consumer.send(year.fetch_version(), &RequestBody::Fetch(poll), &[]);

    before(Act::ProduceOne)?;
    produce(&mut producer, year, topic, b"the one that was waited for");
    let polled = consumer.receive_fetch(&header).remove(0);

    before(Act::Disconnect)?;
    drop((producer, consumer));
    Ok(Told {
        producer_port,
        consumer_port,
        follower_port: None,
        leader_port: None,
        fetched_bytes: fetched.records.len(),
        polled_bytes: polled.records.len(),
    })
}

fn produce(producer: &mut Client, year: Year, topic: &str, value: &[u8]) {
    let records = year.records(value);
    let partition = producer.produce_with(year.produce_version(), 1, (topic, 0), &records);
    assert_eq!(partition.error_code, 0, "the broker stores what is produced");
}
