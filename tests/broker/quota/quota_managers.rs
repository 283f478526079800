//! Quotas of clients, over real sockets and by a clock that the tests turn.

use std::io::ErrorKind;
use std::sync::Arc;

use support::broker::Broker;
use support::client::{Client, NEWEST_FETCH, fetch_request, produce_request};
use support::records::{batch, message_set};
use support::temp::TempDir;
use support::wait::wait_until;
use transferto::common::errors::Errors;
use transferto::common::mock_time::MockTime;
use transferto::config::client_config_override::QuotaType;
use transferto::message::compression_codec::CompressionCodec;
use transferto::protocol::alter_client_quotas::{AlterClientQuotasRequest, AlterEntryData, OpData};
use transferto::protocol::api_versions::ApiVersionsRequest;
use transferto::protocol::describe_client_quotas::{
    ComponentData, DescribeClientQuotasRequest, DescribeClientQuotasResponse, EntityData, EntryData,
};
use transferto::protocol::fetch::FetchRequest;
use transferto::protocol::header::RequestHeader;
use transferto::protocol::request::{RequestBody, ResponseBody, parse_response, request_bytes};

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

type Entity<'a> = &'a [(&'a str, Option<&'a str>)];

fn entity(components: Entity<'_>) -> Vec<EntityData> {
    let component = |&(entity_type, name): &(&str, Option<&str>)| EntityData {
        entity_type: entity_type.to_string(),
        entity_name: name.map(str::to_string),
    };
    components.iter().map(component).collect()
}

fn set(key: &str, value: f64) -> OpData {
    OpData { key: key.to_string(), value, remove: false }
}

fn remove(key: &str) -> OpData {
    OpData { key: key.to_string(), value: 0.0, remove: true }
}

/// Alters quotas and returns each entity's error.
fn alter(
    client: &mut Client,
    version: i16,
    entries: &[(Entity<'_>, &[OpData])],
    validate_only: bool,
) -> Vec<(i16, Option<String>)> {
    let entry = |&(components, ops): &(Entity<'_>, &[OpData])| AlterEntryData {
        entity: entity(components),
        ops: ops.to_vec(),
    };
    let entries: Vec<_> = entries.iter().map(entry).collect();
    let request = AlterClientQuotasRequest { entries: entries.clone(), validate_only };
    match client.call(version, &RequestBody::AlterClientQuotas(request), &[]).0 {
        ResponseBody::AlterClientQuotas(it) => {
            let answered: Vec<_> = it.entries.iter().map(|it| it.entity.clone()).collect();
            assert_eq!(answered, entries.into_iter().map(|it| it.entity).collect::<Vec<_>>());
            it.entries.into_iter().map(|it| (it.error_code, it.error_message)).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn alter_one(client: &mut Client, components: Entity<'_>, ops: &[OpData]) -> i16 {
    let (code, why) = alter(client, 1, &[(components, ops)], false).remove(0);
    assert_eq!(why.is_some(), code != 0, "{why:?}");
    code
}

fn describe(
    client: &mut Client,
    version: i16,
    components: &[(&str, i8, Option<&str>)],
    strict: bool,
) -> DescribeClientQuotasResponse {
    let component = |&(entity_type, match_type, name): &(&str, i8, Option<&str>)| ComponentData {
        entity_type: entity_type.to_string(),
        match_type,
        match_name: name.map(str::to_string),
    };
    let components = components.iter().map(component).collect();
    let request = DescribeClientQuotasRequest { components, strict };
    match client.call(version, &RequestBody::DescribeClientQuotas(request), &[]).0 {
        ResponseBody::DescribeClientQuotas(it) => it,
        other => panic!("{other:?}"),
    }
}

/// The quotas that match, each as one line.
fn described(
    client: &mut Client,
    components: &[(&str, i8, Option<&str>)],
    strict: bool,
) -> Vec<String> {
    let lines = [0, 1].map(|version| {
        let response = describe(client, version, components, strict);
        assert_eq!((response.error_code, response.error_message), (0, None));
        let entries = response.entries.unwrap().into_iter();
        let line = |entry: EntryData| {
            let [client_id] = &entry.entity[..] else { panic!("{entry:?}") };
            let values = entry.values.iter().map(|it| format!(" {}={}", it.key, it.value));
            let values = values.collect::<String>();
            format!("{} {:?}{values}", client_id.entity_type, client_id.entity_name)
        };
        entries.map(line).collect::<Vec<_>>()
    });
    let [first, second] = lines;
    assert_eq!(first, second);
    first
}

const PRODUCER: &str = "producer_byte_rate";
const CONSUMER: &str = "consumer_byte_rate";
const TEST: Entity<'_> = &[("client-id", Some("test"))];
const DEFAULT: Entity<'_> = &[("client-id", None)];

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

#[test]
fn quotas_are_described_by_the_client_that_they_are_for() {
    let (_, broker) = start(&[]);
    let mut client = broker.connect();
    assert_eq!(alter_one(&mut client, TEST, &[set(CONSUMER, 2.0), set(PRODUCER, 1.0)]), 0);
    assert_eq!(alter_one(&mut client, DEFAULT, &[set(PRODUCER, 9007199254740992.0)]), 0);
    let test = "client-id Some(\"test\") producer_byte_rate=1 consumer_byte_rate=2";
    let default = "client-id None producer_byte_rate=9007199254740992";
    for (components, strict, expected) in [
        (&[][..], false, &[default, test][..]),
        (&[], true, &[]),
        (&[("client-id", 2, None)], true, &[default, test]),
        (&[("client-id", 1, None)], false, &[default]),
        (&[("client-id", 0, Some("test"))], true, &[test]),
        (&[("client-id", 0, Some("tes"))], true, &[]),
        (&[("user", 2, None)], false, &[]),
        (&[("client-id", 2, None), ("user", 2, None)], false, &[]),
        (&[("ip", 1, None)], true, &[]),
    ] {
        assert_eq!(described(&mut client, components, strict), expected, "{components:?}");
    }
    for (components, error) in [
        (&[("planet", 2, None)][..], Errors::UnsupportedVersion),
        (&[("client-id", 3, None)], Errors::InvalidRequest),
        (&[("client-id", 0, None)], Errors::InvalidRequest),
        (&[("client-id", 2, Some("test"))], Errors::InvalidRequest),
        (&[("client-id", 2, None), ("client-id", 1, None)], Errors::InvalidRequest),
    ] {
        let response = describe(&mut client, 1, components, false);
        assert_eq!(response.error_code, error.code(), "{components:?}");
        assert!(response.error_message.is_some());
        assert_eq!(response.entries, None);
    }
}

#[test]
fn an_alteration_that_cannot_be_is_refused_and_the_others_hold() {
    let (_, broker) = start(&[]);
    let mut client = broker.connect();
    let (one, two) = ([set(PRODUCER, 1.0)], [set(PRODUCER, 2.0)]);
    let invalid = Errors::InvalidRequest;
    let twice: Entity<'_> = &[("client-id", Some("a")), ("client-id", Some("b"))];
    let long = "x".repeat(1025);
    for (components, ops, error) in [
        (&[("user", Some("alice"))][..], &one[..], invalid),
        (&[("user", None), ("client-id", None)], &one, invalid),
        (&[("ip", Some("127.0.0.1"))], &one, invalid),
        (&[("planet", None)], &one, Errors::UnsupportedVersion),
        (&[], &one, invalid),
        (twice, &one, invalid),
        (&[("client-id", Some(&long))], &one, invalid),
        (TEST, &[set("request_percentage", 50.0)], invalid),
        (TEST, &[set("controller_mutation_rate", 5.0)], invalid),
        (TEST, &[remove("wishes")], invalid),
        (TEST, &[set(PRODUCER, 1.0), remove(PRODUCER)], invalid),
        (TEST, &[set(PRODUCER, 0.0)], invalid),
        (TEST, &[set(PRODUCER, -1.0)], invalid),
        (TEST, &[set(PRODUCER, 1.5)], invalid),
        (TEST, &[set(PRODUCER, f64::NAN)], invalid),
        (TEST, &[set(PRODUCER, f64::INFINITY)], invalid),
        (TEST, &[set(PRODUCER, 1e19)], invalid),
    ] {
        for version in [0, 1] {
            let (code, why) = alter(&mut client, version, &[(components, ops)], false).remove(0);
            assert_eq!(code, error.code(), "{components:?} {ops:?}: {why:?}");
            assert!(!why.unwrap().is_empty());
        }
    }
    let both = alter(&mut client, 1, &[(TEST, &one), (TEST, &two)], false);
    assert!(both.iter().all(|(code, _)| *code == invalid.code()), "{both:?}");
    assert_eq!(alter(&mut client, 1, &[(TEST, &one)], true), [(0, None)]);
    assert_eq!(described(&mut client, &[], false), [] as [&str; 0]);
    let mixed = alter(&mut client, 1, &[(&[("user", None)], &one), (TEST, &two)], false);
    assert_eq!(mixed.iter().map(|it| it.0).collect::<Vec<_>>(), [invalid.code(), 0]);
    let held = ["client-id Some(\"test\") producer_byte_rate=2"];
    assert_eq!(described(&mut client, &[], false), held);
    // Kafka's own way to say "no limit".
    assert_eq!(alter_one(&mut client, TEST, &[set(PRODUCER, i64::MAX as f64)]), 0);
    assert_eq!(broker.server().quota_managers().produce.quota("test"), i64::MAX);
}

#[test]
fn there_is_a_limit_to_the_clients_with_quotas_and_it_can_be_reached() {
    let (_, broker) = start(&[]);
    let mut client = broker.connect();
    let quotas = broker.server().quota_managers();
    let fill = |count: usize| {
        quotas.alter(|all| {
            all.clear();
            let names = (0..count).map(|number| Some(format!("made-up-{number}")));
            all.extend(names.map(|name| (name, [(QuotaType::Produce, 1)].into())));
        })
    };
    assert_eq!(fill(100_001).unwrap_err().code(), Errors::PolicyViolation);
    assert!(quotas.client_quotas().is_empty());
    fill(100_000).unwrap();
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
