//! Quotas of clients, over real sockets and by a clock that the tests turn.

use std::io::ErrorKind;
use std::sync::Arc;

use support::broker::Broker;
use support::client::{Client, NEWEST_FETCH, fetch_request, produce_request};
use support::records::{batch, message_set};
use support::temp::TempDir;
use support::users::{believing, connect_as};
use support::wait::wait_until;
use transferto::common::client_quota_entity::ClientQuotaEntity;
use transferto::common::errors::Errors;
use transferto::common::mock_time::MockTime;
use transferto::config::client_config_override::QuotaType;
use transferto::message::compression_codec::CompressionCodec;
use transferto::protocol::api_versions::ApiVersionsRequest;
use transferto::protocol::fetch::FetchRequest;
use transferto::protocol::header::RequestHeader;
use transferto::protocol::request::{RequestBody, ResponseBody, parse_response, request_bytes};
use transferto::registry::quota_registry::QuotaRegistry;

use crate::quota::altered_quotas::{
    CONSUMER, DEFAULT, Entity, PRODUCER, TEST, alter_one, described, remove, set,
};

/// One handler and, by default, one Processor: what one connection asks after another is answered
/// after it.
const IN_ORDER: (&str, &str) = ("num.io.threads", "1");
/// 1000 bytes/s over a window of 10 s: each byte beyond 10,000 delays by 1 ms.
const PRODUCER_QUOTA: (&str, &str) = ("quota.producer.default", "1000");
const CONSUMER_QUOTA: (&str, &str) = ("quota.consumer.default", "1000");
const FREE_BYTES: i64 = 10_000;
/// Whoever answers a fetch, its client is delayed the same.
const INLINE: [(&str, &str); 2] =
    [("transferto.fetch.inline", "off"), ("transferto.fetch.inline", "resident")];
/// The last versions whose clients do not wait by themselves, and the first whose clients do.
const LAST_HELD_PRODUCE: i16 = 5;
const FIRST_MUTED_PRODUCE: i16 = 6;
const LAST_HELD_FETCH: i16 = 7;
const FIRST_MUTED_FETCH: i16 = 8;

/// A broker by a clock that stands still until the test moves it.
fn start(settings: &[(&str, &str)]) -> (Arc<MockTime>, Broker) {
    let time = Arc::new(MockTime::new());
    let settings = [&[IN_ORDER], settings].concat();
    let broker =
        Broker::start_with(Arc::new(TempDir::new()), &settings, |it| it.time(time.clone()));
    (time, broker)
}

fn ask(client: &mut Client) -> RequestHeader {
    client.send(0, &RequestBody::ApiVersions(ApiVersionsRequest::default()), &[])
}

/// Sees that nothing has come for `client`, though whoever asked later was answered.
fn assert_waits(broker: &Broker, client: &Client) {
    let mut other = broker.connect();
    for _ in 0..3 {
        let header = ask(&mut other);
        other.receive(&header);
    }
    client.stream.set_nonblocking(true).unwrap();
    let peeked = client.stream.peek(&mut [0]);
    client.stream.set_nonblocking(false).unwrap();
    assert_eq!(peeked.unwrap_err().kind(), ErrorKind::WouldBlock);
}

/// Asks the broker again and again, until nothing is delayed any more.
fn until_nothing_is_delayed(broker: &Broker) {
    let quotas = broker.server().quota_managers();
    let mut client = broker.connect();
    wait_until("the end of all delays", || {
        let header = ask(&mut client);
        client.receive(&header);
        quotas.produce.delay_queue_size() + quotas.fetch.delay_queue_size() == 0
    });
}

/// What a produce of `records` to partition 0 of `post` counts, and its header.
fn send_produce(
    client: &mut Client,
    version: i16,
    acks: i16,
    records: &[u8],
) -> (i64, RequestHeader) {
    let body = RequestBody::Produce(produce_request(acks, "post", 0, records.len()));
    let header = client.send(version, &body, records);
    let size = request_bytes(&header, &body, records).len() - size_of::<i16>();
    (i64::try_from(size).unwrap(), header)
}

fn produce_throttle(client: &mut Client, header: &RequestHeader) -> i32 {
    match client.receive(header).0 {
        ResponseBody::Produce(it) => {
            assert_eq!(it.responses[0].partition_responses[0].error_code, 0);
            it.throttle_time_ms
        }
        other => panic!("{other:?}"),
    }
}

/// How long the response is, and its throttle time.
fn fetch_throttle(client: &mut Client, header: &RequestHeader) -> (i64, i32) {
    let frame = client.receive_frame();
    match parse_response(header, &frame).unwrap().1 {
        ResponseBody::Fetch(it) => {
            (i64::try_from(frame.len()).unwrap(), it.header.throttle_time_ms)
        }
        other => panic!("{other:?}"),
    }
}

fn big_batch() -> Vec<u8> {
    batch(&[&[7; 15_000]])
}

#[test]
fn an_old_producer_over_its_quota_is_answered_when_its_delay_is_over() {
    for version in [0, 1, LAST_HELD_PRODUCE] {
        let (time, broker) = start(&[PRODUCER_QUOTA, ("log.message.format.version", "0.9.0")]);
        let mut client = broker.connect_with_topic("post");
        let records = match version {
            0 | 1 => old_message_set(),
            _ => big_batch(),
        };
        let (size, header) = send_produce(&mut client, version, 1, &records);
        let delay_ms = size - FREE_BYTES;
        assert_waits(&broker, &client);
        time.sleep(delay_ms - 1);
        assert_waits(&broker, &client);
        assert_eq!(broker.server().quota_managers().produce.delay_queue_size(), 1);
        time.sleep(1);
        let told_ms = if version == 0 { 0 } else { delay_ms };
        assert_eq!(i64::from(produce_throttle(&mut client, &header)), told_ms, "v{version}");
        let counted: Vec<_> = broker.server().metrics().values();
        assert!(counted.contains(&("produce_throttles", 1)));
        assert!(counted.contains(&("produce_throttle_time_ms", delay_ms.unsigned_abs())));
    }
}

/// Messages of format 0, as a producer of Kafka 0.8 and 0.9 sends them.
fn old_message_set() -> Vec<u8> {
    message_set(0, CompressionCodec::None, &[(0, [7; 15_000])])
}

#[test]
fn a_fetch_of_an_old_consumer_over_its_quota_is_answered_when_its_delay_is_over() {
    let versions = [0, 1, LAST_HELD_FETCH];
    for (version, inline) in versions.into_iter().flat_map(|it| INLINE.map(|inline| (it, inline))) {
        let (time, broker) = start(&[CONSUMER_QUOTA, inline]);
        let mut client = broker.connect_with_topic("post");
        client.produce("post", 0, &big_batch());
        let body = RequestBody::Fetch(fetch_request("post", 0, 0));
        let header = client.send(version, &body, &[]);
        assert_waits(&broker, &client);
        let waits = || broker.server().quota_managers().fetch.delay_queue_size() == 1;
        assert!(waits());
        // Nobody knows the length of a response that has not come: it is more than its record.
        time.sleep(15_000 - FREE_BYTES);
        assert_waits(&broker, &client);
        assert!(waits());
        time.sleep(200);
        let (size, throttle_time_ms) = fetch_throttle(&mut client, &header);
        let told_ms = if version == 0 { 0 } else { size - FREE_BYTES };
        assert_eq!(i64::from(throttle_time_ms), told_ms, "v{version}");
        let counted = broker.server().metrics().values();
        let delay_ms = (size - FREE_BYTES).unsigned_abs();
        assert!(counted.contains(&("fetch_throttle_time_ms", delay_ms)), "v{version}");
    }
}

/// Port of `SocketServerTest.testSendActionResponseWithThrottledChannelWhereThrottlingInProgress`.
#[test]
fn a_client_that_waits_by_itself_is_answered_at_once_and_not_read_until_its_delay_is_over() {
    for inline in INLINE {
        assert_is_answered_at_once_and_muted(inline);
    }
}

fn assert_is_answered_at_once_and_muted(inline: (&str, &str)) {
    let (time, broker) = start(&[PRODUCER_QUOTA, CONSUMER_QUOTA, inline]);
    let mut client = broker.connect_with_topic("post");
    let (size, header) = send_produce(&mut client, FIRST_MUTED_PRODUCE, 1, &big_batch());
    let delay_ms = size - FREE_BYTES;
    assert_eq!(i64::from(produce_throttle(&mut client, &header)), delay_ms);
    let header = ask(&mut client);
    assert_waits(&broker, &client);
    time.sleep(delay_ms - 1);
    assert_waits(&broker, &client);
    time.sleep(1);
    client.receive(&header);
    for version in [FIRST_MUTED_FETCH, NEWEST_FETCH] {
        // The bytes of the last fetch no longer count.
        time.sleep(60_000);
        let body = RequestBody::Fetch(fetch_request("post", 0, 0));
        let header = client.send(version, &body, &[]);
        let (size, throttle_time_ms) = fetch_throttle(&mut client, &header);
        assert_eq!(i64::from(throttle_time_ms), size - FREE_BYTES, "v{version}");
        let header = ask(&mut client);
        assert_waits(&broker, &client);
        time.sleep(i64::from(throttle_time_ms));
        client.receive(&header);
    }
}

/// Port of `SocketServerTest.testSendActionResponseWithThrottledChannelWhereThrottlingAlreadyDone`.
#[test]
fn a_delay_that_ends_before_its_response_has_left_leaves_the_channel_to_the_response() {
    let (time, broker) = start(&[("quota.consumer.default", "1000000")]);
    let mut client = broker.connect_with_topic("post");
    // More than the sockets between them hold.
    for _ in 0..20 {
        client.produce("post", 0, &batch(&[&[7; 900_000]]));
    }
    let mut request = fetch_request("post", 0, 0);
    request.max_bytes = i32::MAX;
    request.topics[0].partitions[0].partition_max_bytes = i32::MAX;
    let header = client.send(NEWEST_FETCH, &RequestBody::Fetch(request), &[]);
    let next = ask(&mut client);
    wait_until("the delay of the fetch", || {
        let mut other = broker.connect();
        let header = ask(&mut other);
        other.receive(&header);
        broker.server().quota_managers().fetch.delay_queue_size() > 0
    });
    time.sleep(60_000);
    until_nothing_is_delayed(&broker);
    let (size, throttle_time_ms) = fetch_throttle(&mut client, &header);
    assert_eq!(i64::from(throttle_time_ms), (size - 10_000_000 + 500) / 1000);
    client.receive(&next);
}

#[test]
fn a_producer_without_acks_is_not_read_until_its_delay_is_over() {
    for version in [LAST_HELD_PRODUCE, FIRST_MUTED_PRODUCE] {
        let (time, broker) = start(&[PRODUCER_QUOTA]);
        let mut client = broker.connect_with_topic("post");
        let (size, _) = send_produce(&mut client, version, 0, &big_batch());
        let next = ask(&mut client);
        assert_waits(&broker, &client);
        time.sleep(size - FREE_BYTES);
        client.receive(&next);
    }
}

#[test]
fn one_client_id_pays_for_itself_alone_and_on_all_its_connections() {
    let (_, broker) = start(&[PRODUCER_QUOTA]);
    let mut client = broker.connect_with_topic("post");
    let (_, header) = send_produce(&mut client, FIRST_MUTED_PRODUCE, 1, &big_batch());
    assert!(produce_throttle(&mut client, &header) > 0);
    let mut same = broker.connect();
    let (_, header) = send_produce(&mut same, FIRST_MUTED_PRODUCE, 1, &batch(&[b"one"]));
    assert!(produce_throttle(&mut same, &header) > 0);
    let mut other = broker.connect();
    other.client_id = "other";
    let (_, header) = send_produce(&mut other, FIRST_MUTED_PRODUCE, 1, &batch(&[b"one"]));
    assert_eq!(produce_throttle(&mut other, &header), 0);
}

#[test]
fn a_follower_is_not_slowed_down() {
    let (_, broker) = start(&[CONSUMER_QUOTA]);
    let mut client = broker.connect_with_topic("post");
    client.produce("post", 0, &big_batch());
    let request = FetchRequest { replica_id: 1, ..fetch_request("post", 0, 0) };
    let header = client.send(NEWEST_FETCH, &RequestBody::Fetch(request), &[]);
    assert_eq!(fetch_throttle(&mut client, &header).1, 0);
}

#[test]
fn a_broker_stops_at_once_though_responses_are_delayed() {
    let (_, broker) = start(&[PRODUCER_QUOTA, CONSUMER_QUOTA]);
    let mut held = broker.connect_with_topic("post");
    send_produce(&mut held, LAST_HELD_PRODUCE, 1, &big_batch());
    let mut muted = broker.connect();
    let (_, header) = send_produce(&mut muted, FIRST_MUTED_PRODUCE, 1, &big_batch());
    assert!(produce_throttle(&mut muted, &header) > 0);
    let mut fetching = broker.connect();
    fetching.send(1, &RequestBody::Fetch(fetch_request("post", 0, 0)), &[]);
    // The clock stands still, so nobody's delay is ever over.
    assert_waits(&broker, &fetching);
    let server = broker.server();
    assert_eq!(server.quota_managers().produce.delay_queue_size(), 2);
    assert_eq!(server.quota_managers().fetch.delay_queue_size(), 1);
    broker.stop();
    for mut client in [held, muted, fetching] {
        client.assert_closed();
    }
}

#[test]
fn a_client_that_leaves_while_it_is_delayed_harms_nobody() {
    let (time, broker) = start(&[PRODUCER_QUOTA]);
    let mut client = broker.connect_with_topic("post");
    for version in [LAST_HELD_PRODUCE, FIRST_MUTED_PRODUCE] {
        let mut leaving = broker.connect();
        let (_, header) = send_produce(&mut leaving, version, 1, &big_batch());
        if version == FIRST_MUTED_PRODUCE {
            produce_throttle(&mut leaving, &header);
        }
        assert_waits(&broker, &client);
    }
    time.sleep(60_000);
    until_nothing_is_delayed(&broker);
    let (_, header) = send_produce(&mut client, FIRST_MUTED_PRODUCE, 1, &batch(&[b"one"]));
    assert_eq!(produce_throttle(&mut client, &header), 0);
    assert_eq!(client.fetch("post", 0, 0).high_watermark, 3);
}

/// Port of `QuotasTest.testThrottledProducerConsumer` and of
/// `QuotasTest.testProducerConsumerOverrideUnthrottled`.
#[test]
fn a_quota_holds_at_once_and_outlives_the_broker_and_its_removal_resets() {
    let (_, broker) = start(&[]);
    let mut client = broker.connect_with_topic("post");
    let produce = |client: &mut Client| {
        let (_, header) = send_produce(client, FIRST_MUTED_PRODUCE, 1, &big_batch());
        produce_throttle(client, &header)
    };
    let fetch = |client: &mut Client| {
        let header =
            client.send(NEWEST_FETCH, &RequestBody::Fetch(fetch_request("post", 0, 0)), &[]);
        fetch_throttle(client, &header).1
    };
    let mut admin = broker.connect();
    admin.client_id = "admin";
    assert_eq!((produce(&mut client), fetch(&mut client)), (0, 0));
    assert_eq!(alter_one(&mut admin, TEST, &[set(PRODUCER, 1000.0), set(CONSUMER, 500.0)]), 0);
    assert!(produce(&mut client) > 0);
    let mut client = broker.connect();
    assert!(fetch(&mut client) > 0);
    // Larger than what is recorded: from the next request on nobody waits.
    assert_eq!(alter_one(&mut admin, TEST, &[set(PRODUCER, 1e6), set(CONSUMER, 1e6)]), 0);
    let mut client = broker.connect();
    assert_eq!((produce(&mut client), fetch(&mut client)), (0, 0));
    assert_eq!(alter_one(&mut admin, TEST, &[set(PRODUCER, 1000.0), remove(CONSUMER)]), 0);
    assert_eq!(fetch(&mut client), 0);

    let dir = broker.stop();
    let text = std::fs::read_to_string(dir.path().join("client_quotas")).unwrap();
    assert_eq!(text, "0\n1\nclient test producer_byte_rate=1000\n");
    let broker = Broker::start_with(dir, &[IN_ORDER], |it| it.time(Arc::new(MockTime::new())));
    let mut client = broker.connect();
    assert_eq!(fetch(&mut client), 0);
    assert!(produce(&mut client) > 0);
    let mut admin = broker.connect();
    assert_eq!(alter_one(&mut admin, DEFAULT, &[set(PRODUCER, 2000.0)]), 0);
    assert_eq!(alter_one(&mut admin, TEST, &[remove(PRODUCER)]), 0);
    let mut client = broker.connect();
    assert!(produce(&mut client) > 0);
    assert_eq!(alter_one(&mut admin, DEFAULT, &[remove(PRODUCER)]), 0);
    let mut client = broker.connect();
    assert_eq!(produce(&mut client), 0);
    assert_eq!(described(&mut admin, &[], false), [] as [&str; 0]);
}

/// A client of this user, with a client id of its own.
fn client_of(broker: &Broker, user: &str, client_id: &'static str) -> Client {
    let mut client = connect_as(user, broker.port());
    client.client_id = client_id;
    client
}

#[test]
fn all_clients_of_a_user_share_its_quota_and_other_users_do_not() {
    let time = Arc::new(MockTime::new());
    let dir = Arc::new(TempDir::new());
    let broker = Broker::start_with(dir, &[IN_ORDER], |it| believing(it).time(time.clone()));
    let mut admin = connect_as("User:admin", broker.port());
    admin.create_topic("post");
    let quota = [set(PRODUCER, 1000.0), set(CONSUMER, 1000.0)];
    assert_eq!(alter_one(&mut admin, &[("user", Some("alice"))], &quota), 0);
    let slow: Entity<'_> = &[("user", Some("bob")), ("client-id", Some("slow"))];
    assert_eq!(alter_one(&mut admin, slow, &quota), 0);
    let produce = |user: &str, client_id: &'static str, records: &[u8]| {
        let mut client = client_of(&broker, user, client_id);
        let (_, header) = send_produce(&mut client, FIRST_MUTED_PRODUCE, 1, records);
        produce_throttle(&mut client, &header)
    };
    let fetch = |user: &str, client_id: &'static str| {
        let mut client = client_of(&broker, user, client_id);
        let request = RequestBody::Fetch(fetch_request("post", 0, 0));
        let header = client.send(NEWEST_FETCH, &request, &[]);
        fetch_throttle(&mut client, &header).1
    };
    let one = batch(&[b"one"]);
    assert!(produce("User:alice", "a", &big_batch()) > 0);
    assert!(produce("User:alice", "b", &one) > 0);
    assert!(fetch("User:alice", "a") > 0 && fetch("User:alice", "b") > 0);
    assert_eq!((produce("User:bob", "a", &big_batch()), fetch("User:bob", "b")), (0, 0));
    assert!(produce("User:bob", "slow", &big_batch()) > 0);
    assert_eq!((produce("User:bob", "a", &one), produce("User:Alice", "a", &one)), (0, 0));
    // A certificate's name is a user's name, too.
    let name = "CN=alice,OU=x";
    assert_eq!(alter_one(&mut admin, &[("user", Some(name))], &quota), 0);
    assert!(produce(&format!("User:{name}"), "a", &big_batch()) > 0);
    drop(admin);

    let dir = broker.stop();
    let text = std::fs::read_to_string(dir.path().join("client_quotas")).unwrap();
    let rates = "producer_byte_rate=1000 consumer_byte_rate=1000";
    let expected = format!(
        "0\n3\nuser CN%3dalice,OU%3dx {rates}\nuser alice {rates}\nuser bob client slow {rates}\n"
    );
    assert_eq!(text, expected);
    let broker = Broker::start_with(dir, &[IN_ORDER], |it| believing(it).time(time));
    let mut alice = client_of(&broker, "User:alice", "c");
    let (_, header) = send_produce(&mut alice, FIRST_MUTED_PRODUCE, 1, &big_batch());
    assert!(produce_throttle(&mut alice, &header) > 0);
}

#[test]
fn a_client_that_did_not_authenticate_is_the_user_anonymous() {
    let (_, broker) = start(&[]);
    let mut client = broker.connect_with_topic("post");
    let anonymous: Entity<'_> = &[("user", Some("ANONYMOUS"))];
    assert_eq!(alter_one(&mut client, anonymous, &[set(PRODUCER, 1000.0)]), 0);
    let (_, header) = send_produce(&mut client, FIRST_MUTED_PRODUCE, 1, &big_batch());
    assert!(produce_throttle(&mut client, &header) > 0);
    let mut other = broker.connect();
    other.client_id = "other";
    let (_, header) = send_produce(&mut other, FIRST_MUTED_PRODUCE, 1, &batch(&[b"one"]));
    assert!(produce_throttle(&mut other, &header) > 0, "one user, whatever the client id");
}

#[test]
fn there_is_a_limit_to_the_clients_with_quotas_and_it_can_be_reached() {
    let dir = Arc::new(TempDir::new());
    let mut registry = QuotaRegistry::open_in(&[dir.path().to_path_buf()]).unwrap();
    let names = (0..100_000).map(|number| format!("made-up-{number}"));
    let entities = names.map(|name| ClientQuotaEntity::client_id(Some(&name)));
    let full = entities.map(|entity| (entity, [(QuotaType::Produce, 1)].into()));
    registry.replace(full.collect()).unwrap();
    let broker = Broker::start_in(dir, &[]);
    let mut client = broker.connect();
    // One may still be taken away, or changed.
    let first: Entity<'_> = &[("client-id", Some("made-up-0"))];
    let one = [set(PRODUCER, 1.0)];
    assert_eq!(alter_one(&mut client, first, &[set(PRODUCER, 2.0)]), 0);
    assert_eq!(alter_one(&mut client, TEST, &one), Errors::PolicyViolation.code());
    assert_eq!(alter_one(&mut client, first, &[remove(PRODUCER)]), 0);
    assert_eq!(alter_one(&mut client, TEST, &one), 0);
}

#[test]
fn a_broker_does_not_start_on_quotas_it_cannot_read() {
    let dir = TempDir::new();
    let path = dir.path().join("client_quotas");
    std::fs::write(&path, "0\n1\nclient test producer_byte_rate=fast\n").unwrap();
    let why = Broker::start_error(&dir, &[], |it| it);
    assert!(why.contains("client_quotas") && why.contains("fast"), "{why}");
}
