//! ApiVersions, Metadata and ListOffsets over a real socket.

use std::sync::Arc;

use support::broker::Broker;
use support::client::{Client, topic_named};
use support::records::batch;
use support::temp::TempDir;
use transferto::common::errors::Errors;
use transferto::protocol::api_keys::ApiKeys;
use transferto::protocol::api_versions::ApiVersionsRequest;
use transferto::protocol::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponseTopic,
};
use transferto::protocol::request::{RequestBody, ResponseBody};
use transferto::protocol::sasl_authenticate::SaslAuthenticateRequest;
use transferto::protocol::sasl_handshake::SaslHandshakeRequest;
use transferto::protocol::wire::uuid::Uuid;

#[test]
fn api_versions_lists_what_is_spoken_in_every_version() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    for version in 0..=4 {
        let request = RequestBody::ApiVersions(ApiVersionsRequest::default());
        let (body, _) = client.call(version, &request, &[]);
        let ResponseBody::ApiVersions(response) = body else { panic!("{body:?}") };
        assert_eq!(response.error_code, 0);
        let produce = response.api_keys.iter().find(|it| it.api_key == 0).unwrap();
        // librdkafka stops compressing where Produce does not begin with 0.
        assert_eq!((produce.min_version, produce.max_version), (0, 11));
    }
}

#[test]
fn an_unknown_version_of_api_versions_is_answered_in_version_0() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    // Key 18, version 99, correlation id 7, and then something nobody knows.
    client.send_frame(&[0, 18, 0, 99, 0, 0, 0, 7, 0xff, 0xfe, 0xfd]);
    let answer = client.receive_frame();
    let expected = [0, 0, 0, 7, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4];
    assert_eq!(answer, expected, "error 35, and the versions of ApiVersions");
}

/// On a listener without SASL. A closed connection would make a client try again until its user's
/// patience ends. That the two are advertised all the same is Kafka's way, too.
#[test]
fn a_client_that_wants_to_authenticate_is_refused() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    for version in 0..=1 {
        let request = SaslHandshakeRequest { mechanism: "PLAIN".to_string() };
        let (body, _) = client.call(version, &RequestBody::SaslHandshake(request), &[]);
        let ResponseBody::SaslHandshake(response) = body else { panic!("{body:?}") };
        assert_eq!(response.error_code, Errors::IllegalSaslState.code());
        assert!(response.mechanisms.is_empty());
    }
    for version in 0..=2 {
        let request = RequestBody::SaslAuthenticate(SaslAuthenticateRequest::default());
        let ResponseBody::SaslAuthenticate(response) = client.call(version, &request, &[]).0 else {
            panic!("no answer to SaslAuthenticate");
        };
        assert_eq!(response.error_code, Errors::IllegalSaslState.code());
        assert_eq!(
            response.error_message.unwrap(),
            "SaslAuthenticate request received after successful authentication"
        );
    }
    assert!(client.metadata(1, None).topics.is_empty(), "the connection still works");
}

#[test]
fn a_topic_is_created_by_its_first_use_and_answers_leader_not_available_then() {
    let broker = Broker::start(&[("num.partitions", "3")]);
    let mut client = broker.connect();
    let first = client.metadata(1, Some(&["post"])).topics.remove(0);
    assert_eq!(first.error_code, Errors::LeaderNotAvailable.code());
    assert!(first.partitions.is_empty());
    let second = client.metadata(1, Some(&["post"])).topics.remove(0);
    let partitions: Vec<_> = second
        .partitions
        .iter()
        .map(|it| {
            (it.partition_index, it.leader_id, it.replica_nodes.clone(), it.isr_nodes.clone())
        })
        .collect();
    let expected: Vec<_> = (0..3).map(|index| (index, 0, vec![0], vec![0])).collect();
    assert_eq!(partitions, expected);
}

/// A disk that was full for a moment, or a process out of descriptors: the topic is in the
/// registry, its log is not.
#[test]
fn a_topic_whose_log_could_not_be_made_is_made_by_its_next_use() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let in_the_way = broker.dir.path().join("post-0");
    std::fs::write(&in_the_way, "not a directory").unwrap();
    for _ in 0..2 {
        let failed = client.metadata(1, Some(&["post"])).topics.remove(0);
        assert!(![0, Errors::LeaderNotAvailable.code()].contains(&failed.error_code), "{failed:?}");
    }
    std::fs::remove_file(&in_the_way).unwrap();
    client.create_topic("post");
    assert_eq!(client.produce("post", 0, &batch(&[b"a"])).error_code, 0);
}

#[test]
fn no_topic_is_created_where_client_or_broker_forbid_it_or_the_name_is_illegal() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let request = MetadataRequest {
        topics: Some(vec![topic_named("nobody")]),
        allow_auto_topic_creation: false,
        ..MetadataRequest::default()
    };
    let (body, _) = client.call(4, &RequestBody::Metadata(request), &[]);
    let ResponseBody::Metadata(response) = body else { panic!("{body:?}") };
    assert_eq!(response.topics[0].error_code, Errors::UnknownTopicOrPartition.code());
    for name in ["", "a/b", "..", &"x".repeat(250)] {
        let topic = client.metadata(1, Some(&[name])).topics.remove(0);
        assert_eq!(topic.error_code, Errors::InvalidTopicException.code(), "{name:?}");
        assert_eq!(topic.name.as_deref(), Some(name));
    }
    assert!(client.metadata(1, None).topics.is_empty());

    let forbidding = Broker::start(&[("auto.create.topics.enable", "false")]);
    let topic = forbidding.connect().metadata(1, Some(&["post"])).topics.remove(0);
    assert_eq!(topic.error_code, Errors::UnknownTopicOrPartition.code());
}

#[test]
fn all_topics_are_returned_for_none_in_version_0_and_for_null_later() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("a");
    client.create_topic("b");
    let names = |response: transferto::protocol::metadata::MetadataResponse| -> Vec<String> {
        response.topics.into_iter().map(|topic| topic.name.unwrap()).collect()
    };
    assert_eq!(names(client.metadata(0, Some(&[]))), ["a", "b"]);
    for version in 1..=12 {
        assert_eq!(names(client.metadata(version, None)), ["a", "b"], "version {version}");
        assert!(names(client.metadata(version, Some(&[]))).is_empty(), "version {version}");
    }
}

#[test]
fn the_broker_names_itself_as_the_client_reached_it() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let response = client.metadata(2, None);
    let port = client.stream.peer_addr().unwrap().port();
    let told = &response.brokers[0];
    assert_eq!((told.node_id, told.host.as_str(), told.port), (0, "127.0.0.1", i32::from(port)));
    assert_eq!(response.controller_id, 0);

    let everywhere = Broker::start(&[("listeners", "PLAINTEXT://:0")]);
    let mut client = everywhere.connect();
    assert_eq!(client.metadata(1, None).brokers[0].host, "127.0.0.1");

    let advertised = [("advertised.listeners", "PLAINTEXT://broker.example:19092")];
    let elsewhere = Broker::start(&advertised);
    let mut client = elsewhere.connect();
    let told = client.metadata(1, None).brokers.remove(0);
    assert_eq!((told.host.as_str(), told.port), ("broker.example", 19092));
}

#[test]
fn topics_their_ids_and_the_cluster_id_survive_a_restart() {
    let dir = Arc::new(TempDir::new());
    let broker = Broker::start_in(Arc::clone(&dir), &[("num.partitions", "2")]);
    let mut client = broker.connect_with_topic("post");
    let before = client.metadata(12, None);
    assert_ne!(before.topics[0].topic_id, Uuid::ZERO);
    broker.stop();
    let broker = Broker::start_in(dir, &[]);
    let mut after = broker.connect().metadata(12, None);
    after.brokers[0].port = before.brokers[0].port;
    assert_eq!(after, before);
}

/// How Kafka 4.4.0 and 3.9.1 answer; the Java client sends an empty name beside the id.
#[test]
fn a_topic_is_found_by_its_id_whatever_name_stands_beside_it() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    let id = client.metadata(12, None).topics[0].topic_id;
    for name in [None, Some(""), Some("post"), Some("wrong")] {
        let topics = ask(&mut client, 12, &[(id, name), (UNKNOWN_ID, name)]);
        let told: Vec<_> = topics.iter().map(told).collect();
        let unknown = (Errors::UnknownTopicId.code(), None, UNKNOWN_ID);
        assert_eq!(told, [(0, Some("post"), id), unknown], "{name:?}");
        assert_eq!((topics[0].partitions.len(), topics[1].partitions.len()), (1, 0));
    }
    assert_eq!(client.metadata(12, None).topics.len(), 1, "no name has created a topic");
}

#[test]
fn a_request_with_one_topic_by_id_is_answered_for_ids_only_and_each_once() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    client.create_topic("other");
    let id = client.metadata(12, Some(&["post"])).topics[0].topic_id;
    let asked = [
        (Uuid::ZERO, Some("other")),
        (Uuid::ZERO, Some("new")),
        (Uuid::ZERO, None),
        (id, Some("")),
        (UNKNOWN_ID, Some("other")),
        (id, Some("other")),
        (UNKNOWN_ID, None),
    ];
    let topics = ask(&mut client, 12, &asked);
    let unknown = (Errors::UnknownTopicId.code(), None, UNKNOWN_ID);
    assert_eq!(topics.iter().map(told).collect::<Vec<_>>(), [(0, Some("post"), id), unknown]);
    assert_eq!(client.metadata(12, None).topics.len(), 2, "no name has created a topic");
}

/// Versions 10 and 11 have the field, and Kafka refuses to go by it.
#[test]
fn ids_are_refused_before_version_12_and_so_are_topics_without_a_name() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    let id = client.metadata(12, None).topics[0].topic_id;
    let nothing = (Uuid::ZERO, None);
    let by_id = [(id, Some("post")), (id, Some("")), (id, None), (UNKNOWN_ID, None)];
    let refused_before_12 = by_id.map(|it| vec![(Uuid::ZERO, Some("new")), it, nothing, it]);
    let refused = [vec![nothing], vec![(Uuid::ZERO, Some("post")), nothing]];
    for version in 10..=12 {
        let of_ids = refused_before_12.iter().filter(|_| version < 12);
        for asked in refused.iter().chain(of_ids) {
            let topics = ask(&mut client, version, asked);
            // Each topic is refused as it was asked for, but for a name that is null.
            let code = Errors::InvalidRequest.code();
            let expected = asked.iter().map(|&(id, name)| (code, Some(name.unwrap_or("")), id));
            let expected: Vec<_> = expected.collect();
            assert_eq!(topics.iter().map(told).collect::<Vec<_>>(), expected, "{version}");
        }
    }
    assert_eq!(client.metadata(12, None).topics.len(), 1, "no topic was created");
}

const UNKNOWN_ID: Uuid = Uuid([9; 16]);

/// Asks for topics by the ids and names that are given.
fn ask(
    client: &mut Client,
    version: i16,
    asked: &[(Uuid, Option<&str>)],
) -> Vec<MetadataResponseTopic> {
    let topic = |&(topic_id, name): &(Uuid, Option<&str>)| MetadataRequestTopic {
        topic_id,
        name: name.map(str::to_string),
    };
    let topics = Some(asked.iter().map(topic).collect());
    let request = MetadataRequest { topics, ..MetadataRequest::default() };
    match client.call(version, &RequestBody::Metadata(request), &[]).0 {
        ResponseBody::Metadata(response) => response.topics,
        other => panic!("{other:?}"),
    }
}

fn told(topic: &MetadataResponseTopic) -> (i16, Option<&str>, Uuid) {
    (topic.error_code, topic.name.as_deref(), topic.topic_id)
}

#[test]
fn offsets_are_found_for_the_ends_and_for_a_time() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    for _ in 0..3 {
        client.produce("post", 0, &batch(&[b"a", b"b"]));
    }
    for version in 1..=*ApiKeys::ListOffsets.versions().end() {
        let latest = client.list_offset(version, "post", -1);
        assert_eq!((latest.error_code, latest.timestamp, latest.offset), (0, -1, 6), "{version}");
        let earliest = client.list_offset(version, "post", -2);
        assert_eq!((earliest.error_code, earliest.timestamp, earliest.offset), (0, -1, 0));
        // All records of `batch` bear the time 1000.
        let found = client.list_offset(version, "post", 500);
        assert_eq!((found.error_code, found.timestamp, found.offset), (0, 1_000, 0));
        let none = client.list_offset(version, "post", 1_001);
        assert_eq!((none.error_code, none.timestamp, none.offset), (0, -1, -1));
        let unknown = client.list_offset(version, "nobody", -1);
        assert_eq!(unknown.error_code, Errors::UnknownTopicOrPartition.code());
    }
    let max = client.list_offset(7, "post", -3);
    assert_eq!((max.error_code, max.timestamp), (0, 1_000));
    assert_eq!(client.list_offset(6, "post", -3).error_code, Errors::UnsupportedVersion.code());
    assert_eq!(client.list_offset(0, "post", -1).old_style_offsets, [6, 0]);
    assert_eq!(client.list_offset(0, "post", -2).old_style_offsets, [0]);
}
