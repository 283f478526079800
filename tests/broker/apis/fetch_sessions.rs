//! Fetch sessions and topic ids over a real socket: what a client need not name, what it is not told
//! again, and whom its ids belong to.

use support::broker::Broker;
use support::client::{Client, fetch_topic};
use support::http::HTTP_LISTENER;
use support::records::{batch, stored};
use support::wait::wait_until;
use transferto::common::errors::Errors;
use transferto::protocol::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use transferto::protocol::fetch::{FetchRequest, FetchTopic, ForgottenTopic, TOPIC_IDS_VERSION};
use transferto::protocol::request::{RequestBody, ResponseBody};
use transferto::protocol::wire::uuid::Uuid;

use crate::monitoring::pages::scrape;

const NEWEST: i16 = 18;
const NEWEST_BY_NAME: i16 = 12;
const RESIDENT: (&str, &str) = ("transferto.fetch.inline", "resident");

/// One partition of a response: its topic's id or name, its number, its error, and its messages.
type Answered = (String, i32, i16, Vec<u8>);

/// A client that goes on in a fetch session.
struct SessionClient {
    client: Client,
    version: i16,
    session_id: i32,
    epoch: i32,
}

impl SessionClient {
    fn new(client: Client, version: i16) -> Self {
        Self { client, version, session_id: 0, epoch: 0 }
    }

    /// The topic as this client names it.
    fn topic(&mut self, name: &str, partitions: &[(i32, i64)]) -> FetchTopic {
        let id = self.client.metadata(12, Some(&[name])).topics[0].topic_id;
        FetchTopic { topic_id: id, ..fetch_topic(name, partitions) }
    }

    /// The next fetch: the first one begins the session.
    fn request(&self, topics: Vec<FetchTopic>) -> FetchRequest {
        FetchRequest {
            max_wait_ms: 0,
            min_bytes: 1,
            session_id: self.session_id,
            session_epoch: self.epoch,
            topics,
            ..FetchRequest::default()
        }
    }

    fn fetch(&mut self, topics: Vec<FetchTopic>) -> Vec<Answered> {
        let answered = self.send(self.request(topics));
        assert_eq!(answered.0, 0);
        answered.1
    }

    /// The error of the whole response, and its partitions.
    fn send(&mut self, request: FetchRequest) -> (i16, Vec<Answered>) {
        let (body, frame) = self.client.call(self.version, &RequestBody::Fetch(request), &[]);
        let ResponseBody::Fetch(response) = body else { panic!("{body:?}") };
        let error = response.header.error_code;
        if error == 0 {
            (self.session_id, self.epoch) = (response.header.session_id, self.epoch + 1);
        }
        let mut answered = Vec::new();
        for topic in response.topics {
            let name = match self.version {
                ..TOPIC_IDS_VERSION => topic.header.topic,
                _ => hex(topic.header.topic_id),
            };
            answered.extend(topic.partitions.into_iter().map(|it| {
                let messages = frame[it.records.unwrap()].to_vec();
                (name.clone(), it.header.partition, it.header.error_code, messages)
            }));
        }
        (error, answered)
    }
}

fn hex(id: Uuid) -> String {
    id.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn numbers(answered: &[Answered]) -> Vec<i32> {
    answered.iter().map(|(_, partition, ..)| *partition).collect()
}

fn errors(answered: &[Answered]) -> Vec<i16> {
    answered.iter().map(|(_, _, error, _)| *error).collect()
}

fn sessions(broker: &Broker) -> u64 {
    broker.server().metrics().incremental_fetch_sessions.value()
}

#[test]
fn within_a_session_only_news_is_told_whoever_answers() {
    for version in [7, 11, NEWEST_BY_NAME, TOPIC_IDS_VERSION, 16, NEWEST] {
        for settings in [&[("num.partitions", "3")][..], &[("num.partitions", "3"), RESIDENT]] {
            let broker = Broker::start(settings);
            let mut producer = broker.connect_with_topic("post");
            let mut consumer = SessionClient::new(broker.connect(), version);
            let all = consumer.topic("post", &[(0, 0), (1, 0), (2, 0)]);
            assert_eq!(numbers(&consumer.fetch(vec![all])), [0, 1, 2], "all of them at first");
            assert_ne!(consumer.session_id, 0);
            let session_id = consumer.session_id;
            assert_eq!(consumer.fetch(Vec::new()), [], "nothing is new");

            let records = batch(&[b"a"]);
            producer.produce("post", 1, &records);
            for _ in 0..2 {
                let fetched = consumer.fetch(Vec::new());
                assert_eq!((numbers(&fetched), errors(&fetched)), (vec![1], vec![0]));
                assert_eq!(fetched[0].3, stored(&records, 0), "version {version}");
            }
            let read = consumer.topic("post", &[(1, 1)]);
            assert_eq!(consumer.fetch(vec![read]), [], "it has been read");
            producer.produce("post", 0, &records);
            producer.produce("post", 1, &records);
            let fetched = consumer.fetch(Vec::new());
            assert_eq!(numbers(&fetched), [0, 1]);
            assert_eq!(fetched[1].3, stored(&records, 1));
            assert_eq!((consumer.session_id, sessions(&broker)), (session_id, 1));
        }
    }
}

/// A response has room for one batch only: each partition has its turn, without being named again.
#[test]
fn a_partition_that_has_had_its_turn_goes_behind_the_others() {
    for inline in ["off", "resident"] {
        let settings = [("num.partitions", "4"), ("transferto.fetch.inline", inline)];
        let broker = Broker::start(&settings);
        let mut producer = broker.connect_with_topic("post");
        for partition in 0..4 {
            producer.produce("post", partition, &batch(&[&[7; 5_000]]));
        }
        let mut consumer = SessionClient::new(broker.connect(), NEWEST);
        let all = consumer.topic("post", &[(0, 0), (1, 0), (2, 0), (3, 0)]);
        let mut served = Vec::new();
        for round in 0..8 {
            let topics = if round == 0 { vec![all.clone()] } else { Vec::new() };
            let request = FetchRequest { max_bytes: 1_000, ..consumer.request(topics) };
            let (_, answered) = consumer.send(request);
            let with_messages = answered.iter().filter(|it| !it.3.is_empty());
            served.extend(with_messages.map(|(_, partition, ..)| *partition));
        }
        // The first is served by the fetch that begins the session, which puts nothing behind.
        assert_eq!(served, [0, 0, 1, 2, 3, 0, 1, 2], "{inline}");
    }
}

#[test]
fn a_fetch_that_waits_in_a_session_is_answered_with_the_partition_that_ends_the_wait() {
    let broker = Broker::start(&[("num.partitions", "3")]);
    let mut producer = broker.connect_with_topic("post");
    let mut consumer = SessionClient::new(broker.connect(), NEWEST);
    let all = consumer.topic("post", &[(0, 0), (1, 0), (2, 0)]);
    consumer.fetch(vec![all]);
    let patient = FetchRequest { max_wait_ms: 600_000, ..consumer.request(Vec::new()) };
    let header = consumer.client.send(NEWEST, &RequestBody::Fetch(patient), &[]);
    let purgatory = broker.server().replica_manager();
    wait_until("the fetch to wait", || purgatory.delayed_fetches() == 1);
    producer.produce("post", 2, &batch(&[b"late"]));
    let (body, _) = consumer.client.receive(&header);
    let ResponseBody::Fetch(response) = body else { panic!("{body:?}") };
    assert_eq!(response.topics.len(), 1);
    let partitions = response.topics[0].partitions.iter().map(|it| it.header.partition);
    assert_eq!(partitions.collect::<Vec<_>>(), [2]);
}

/// Port of `FetchRequestTest.testCreateIncrementalFetchWithPartitionsInErrorV12`.
#[test]
fn a_partition_in_error_is_told_each_time_until_the_error_ends() {
    let broker = Broker::start(&[("num.partitions", "2"), ("auto.create.topics.enable", "true")]);
    broker.connect_with_topic("foo");
    let mut consumer = SessionClient::new(broker.connect(), NEWEST_BY_NAME);
    let unknown = Errors::UnknownTopicOrPartition.code();
    let named = vec![fetch_topic("foo", &[(0, 0), (1, 0)]), fetch_topic("bar", &[(0, 0)])];
    assert_eq!(errors(&consumer.fetch(named)), [0, 0, unknown]);
    for _ in 0..2 {
        let fetched = consumer.fetch(Vec::new());
        assert_eq!((fetched.len(), &*fetched[0].0, fetched[0].2), (1, "bar", unknown));
    }
    broker.connect().create_topic("bar");
    let fetched = consumer.fetch(Vec::new());
    assert_eq!((fetched.len(), &*fetched[0].0, fetched[0].2), (1, "bar", 0));
    assert_eq!(consumer.fetch(Vec::new()), []);
}

/// Port of `FetchRequestTest.testFetchWithPartitionsWithIdError` and of
/// `FetchRequestTest.testCreateIncrementalFetchWithPartitionsInErrorV13`.
#[test]
fn an_id_of_no_topic_is_told_each_time_until_it_is_forgotten() {
    for inline in ["off", "resident"] {
        let broker = Broker::start(&[("transferto.fetch.inline", inline)]);
        broker.connect_with_topic("foo");
        let mut consumer = SessionClient::new(broker.connect(), NEWEST);
        let unknown = Errors::UnknownTopicId.code();
        let stranger = FetchTopic { topic_id: Uuid([0xEE; 16]), ..fetch_topic("", &[(0, 0)]) };
        let nobody = FetchTopic { topic_id: Uuid::ZERO, ..stranger.clone() };
        let known = consumer.topic("foo", &[(0, 0)]);
        let fetched = consumer.fetch(vec![stranger.clone(), known, nobody]);
        assert_eq!(errors(&fetched), [0, unknown, unknown], "what can be read comes first");
        assert_eq!(fetched[1].0, hex(Uuid([0xEE; 16])));
        for _ in 0..2 {
            assert_eq!(errors(&consumer.fetch(Vec::new())), [unknown, unknown]);
        }
        let forget =
            |topic_id| ForgottenTopic { topic_id, partitions: vec![0], ..Default::default() };
        let request = FetchRequest {
            forgotten_topics: vec![forget(Uuid([0xEE; 16])), forget(Uuid::ZERO)],
            ..consumer.request(Vec::new())
        };
        assert_eq!(consumer.send(request), (0, Vec::new()));
    }
}

/// The answers are Kafka 4.4.0's.
#[test]
fn a_topic_that_was_made_anew_is_not_read_in_the_place_of_the_old_one() {
    for inline in ["off", "resident"] {
        let broker = Broker::start(&[("transferto.fetch.inline", inline)]);
        let mut admin = broker.connect_with_topic("foo");
        let mut consumer = SessionClient::new(broker.connect(), NEWEST);
        let old = consumer.topic("foo", &[(0, 0)]);
        assert_eq!(errors(&consumer.fetch(vec![old.clone()])), [0]);
        let topics = vec![DeleteTopicState { topic_id: old.topic_id, ..Default::default() }];
        let delete = DeleteTopicsRequest { topics, timeout_ms: 1_000, ..Default::default() };
        match admin.call(6, &RequestBody::DeleteTopics(delete), &[]).0 {
            ResponseBody::DeleteTopics(it) => assert_eq!(it.responses[0].error_code, 0),
            other => panic!("{other:?}"),
        }
        // The session knows the name, and nobody has a partition of it.
        let gone = Errors::UnknownTopicOrPartition.code();
        assert_eq!(errors(&consumer.fetch(Vec::new())), [gone]);
        admin.create_topic("foo");
        admin.produce("foo", 0, &batch(&[b"of another topic"]));
        let other = Errors::InconsistentTopicId.code();
        assert_eq!(errors(&consumer.fetch(Vec::new())), [other]);
        // Outside of the session nobody knows the old id.
        let mut newcomer = SessionClient::new(broker.connect(), NEWEST);
        let unknown = Errors::UnknownTopicId.code();
        assert_eq!(errors(&newcomer.fetch(vec![old])), [unknown]);
        let new = consumer.topic("foo", &[(0, 0)]);
        assert_eq!(errors(&newcomer.fetch(vec![new])), [0, unknown]);
    }
}

/// Port of `FetchRequestTest.testEpochValidationWithinFetchSession`.
#[test]
fn a_leader_epoch_is_compared_within_a_session_too() {
    let broker = Broker::start(&[]);
    broker.connect_with_topic("foo");
    let mut consumer = SessionClient::new(broker.connect(), NEWEST);
    let mut with_epoch = |epoch: i32| {
        let mut topic = consumer.topic("foo", &[(0, 0)]);
        topic.partitions[0].current_leader_epoch = epoch;
        errors(&consumer.fetch(vec![topic]))
    };
    assert_eq!(with_epoch(-1), [0]);
    assert_eq!(with_epoch(0), []);
    let unknown = Errors::UnknownLeaderEpoch.code();
    assert_eq!((with_epoch(1), with_epoch(1)), (vec![unknown], vec![unknown]));
    assert_eq!(with_epoch(-1), [0], "the end of the error is news");
}

#[test]
fn a_session_that_is_gone_or_goes_on_elsewhere_is_told_by_its_error() {
    let broker = Broker::start(&[("max.incremental.fetch.session.cache.slots", "1")]);
    broker.connect_with_topic("foo");
    let mut consumer = SessionClient::new(broker.connect(), NEWEST);
    let foo = consumer.topic("foo", &[(0, 0)]);
    consumer.fetch(vec![foo.clone()]);
    let request = |session_epoch| FetchRequest { session_epoch, ..consumer.request(Vec::new()) };
    let (late, mixed, of_nobody) = (request(5), request(1), request(1));
    let of_nobody = FetchRequest { session_id: consumer.session_id ^ 1, ..of_nobody };
    let refused = |error: Errors| (error.code(), Vec::new());
    assert_eq!(consumer.send(late), refused(Errors::InvalidFetchSessionEpoch));
    assert_eq!(consumer.send(of_nobody), refused(Errors::FetchSessionIdNotFound));
    consumer.version = NEWEST_BY_NAME;
    assert_eq!(consumer.send(mixed), refused(Errors::FetchSessionTopicIdError));
    consumer.version = NEWEST;

    // There is one slot, which is taken: the other goes on without a session, as ever.
    let mut other = SessionClient::new(broker.connect(), NEWEST);
    for _ in 0..2 {
        (other.session_id, other.epoch) = (0, 0);
        assert_eq!(errors(&other.fetch(vec![foo.clone()])), [0]);
        assert_eq!(other.session_id, 0);
    }
    assert_eq!(consumer.fetch(Vec::new()), [], "the session goes on");
    let end = FetchRequest { session_epoch: -1, ..consumer.request(Vec::new()) };
    assert_eq!(consumer.send(end), (0, Vec::new()));
    assert_eq!((consumer.session_id, sessions(&broker)), (0, 0));
}

#[test]
fn without_slots_nobody_gets_a_session() {
    let broker = Broker::start(&[("max.incremental.fetch.session.cache.slots", "0")]);
    broker.connect_with_topic("foo");
    let mut consumer = SessionClient::new(broker.connect(), NEWEST);
    let foo = consumer.topic("foo", &[(0, 0)]);
    assert_eq!(errors(&consumer.fetch(vec![foo])), [0]);
    assert_eq!((consumer.session_id, sessions(&broker)), (0, 0));
}

/// The request takes 50 bytes, and what it asks for much more: as if it had named all of it.
#[test]
fn what_a_session_asks_for_is_drawn_from_the_memory_of_requests() {
    let broker = Broker::start(&[("num.partitions", "200"), HTTP_LISTENER]);
    broker.connect_with_topic("post");
    let mut consumer = SessionClient::new(broker.connect(), NEWEST);
    let all: Vec<_> = (0..200).map(|partition| (partition, 0)).collect();
    let all = consumer.topic("post", &all);
    consumer.fetch(vec![all]);
    let drawn_bytes = || scrape(&broker)["kafka_network_socketserver_memorypoolused"];
    wait_until("the memory of the first fetch", || drawn_bytes() == 0.0);
    let patient = FetchRequest { max_wait_ms: 600_000, ..consumer.request(Vec::new()) };
    consumer.client.send(NEWEST, &RequestBody::Fetch(patient), &[]);
    let purgatory = broker.server().replica_manager();
    wait_until("the fetch to wait", || purgatory.delayed_fetches() == 1);
    wait_until("the memory of the second", || drawn_bytes() >= 50_000.0);
    drop(consumer);
    wait_until("its end", || drawn_bytes() == 0.0);
}
