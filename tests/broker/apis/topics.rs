//! What an admin does, over a real socket: topics come, change and go.

use std::sync::Arc;

use support::broker::Broker;
use support::client::{Client, fetch_request};
use support::records::{batch, message_set, stored};
use support::temp::TempDir;
use transferto::common::errors::Errors;
use transferto::message::compression_codec::CompressionCodec;
use transferto::protocol::create_partitions::{
    CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic,
};
use transferto::protocol::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreatableTopicResult,
    CreateTopicsRequest,
};
use transferto::protocol::delete_topics::{
    DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest,
};
use transferto::protocol::describe_cluster::DescribeClusterRequest;
use transferto::protocol::request::{RequestBody, ResponseBody};
use transferto::protocol::wire::uuid::Uuid;

const NEWEST_CREATE_TOPICS: i16 = 7;

fn topic(name: &str, num_partitions: i32) -> CreatableTopic {
    CreatableTopic {
        name: name.to_string(),
        num_partitions,
        replication_factor: 1,
        ..CreatableTopic::default()
    }
}

fn topic_with(name: &str, configs: &[(&str, &str)]) -> CreatableTopic {
    let config = |&(name, value): &(&str, &str)| CreatableTopicConfig {
        name: name.to_string(),
        value: Some(value.to_string()),
    };
    CreatableTopic { configs: configs.iter().map(config).collect(), ..topic(name, 1) }
}

fn create_in(
    client: &mut Client,
    version: i16,
    topics: Vec<CreatableTopic>,
    validate_only: bool,
) -> Vec<CreatableTopicResult> {
    let request = CreateTopicsRequest { topics, timeout_ms: 1000, validate_only };
    match client.call(version, &RequestBody::CreateTopics(request), &[]).0 {
        ResponseBody::CreateTopics(response) => response.topics,
        other => panic!("{other:?}"),
    }
}

fn create(client: &mut Client, topic: CreatableTopic) -> CreatableTopicResult {
    create_in(client, NEWEST_CREATE_TOPICS, vec![topic], false).remove(0)
}

fn delete(client: &mut Client, version: i16, name: &str) -> DeletableTopicResult {
    let topic = DeleteTopicState { name: Some(name.to_string()), topic_id: Uuid::ZERO };
    let (topics, topic_names) = match version {
        6.. => (vec![topic], Vec::new()),
        _ => (Vec::new(), vec![name.to_string()]),
    };
    delete_all(client, version, DeleteTopicsRequest { topics, topic_names, timeout_ms: 1000 })
        .remove(0)
}

fn delete_all(
    client: &mut Client,
    version: i16,
    request: DeleteTopicsRequest,
) -> Vec<DeletableTopicResult> {
    match client.call(version, &RequestBody::DeleteTopics(request), &[]).0 {
        ResponseBody::DeleteTopics(response) => response.responses,
        other => panic!("{other:?}"),
    }
}

fn message_set_v0(value: &[u8]) -> Vec<u8> {
    message_set(0, CompressionCodec::None, &[(0, value)])
}

fn partitions_of(client: &mut Client, name: &str) -> usize {
    client.metadata(1, Some(&[name])).topics[0].partitions.len()
}

/// Kafka's metrics call both `a_b`. Those who were there first, perhaps in a directory of Kafka's,
/// stay.
#[test]
fn a_topic_that_would_share_the_metrics_of_another_is_refused() {
    let broker = Broker::start(&[("num.partitions", "1")]);
    let mut client = broker.connect();
    assert_eq!(create(&mut client, topic("a.b_c", 1)).error_code, 0);
    for name in ["a.b.c", "a_b_c", "a_b.c"] {
        for validate_only in [true, false] {
            let asked = vec![topic(name, 1)];
            let result = create_in(&mut client, NEWEST_CREATE_TOPICS, asked, validate_only);
            assert_eq!(result[0].error_code, Errors::InvalidTopicException.code(), "{name}");
            assert!(result[0].error_message.as_ref().unwrap().contains("a.b_c"), "{result:?}");
        }
        // A first use creates a topic as well.
        let metadata = client.metadata(12, Some(&[name]));
        assert_eq!(metadata.topics[0].error_code, Errors::InvalidTopicException.code());
    }
    assert_eq!(create(&mut client, topic("a-b_c", 1)).error_code, 0);
}

#[test]
fn a_new_topics_settings_are_answered_as_they_are_described() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let given = [("cleanup.policy", "delete , compact"), ("min.cleanable.dirty.ratio", "1")];
    for version in 5..=NEWEST_CREATE_TOPICS {
        for validate_only in [true, false] {
            let topic = topic_with(&format!("new-{version}"), &given);
            let result = create_in(&mut client, version, vec![topic], validate_only).remove(0);
            let configs = result.configs.unwrap();
            let own = configs.iter().filter(|it| it.config_source == 1);
            let mut own: Vec<_> =
                own.map(|it| (it.name.as_str(), it.value.as_deref().unwrap())).collect();
            own.sort_unstable();
            let expected =
                [("cleanup.policy", "delete,compact"), ("min.cleanable.dirty.ratio", "1.0")];
            assert_eq!(own, expected);
        }
    }
}

#[test]
fn a_topic_is_created_and_deleted_in_every_version() {
    let broker = Broker::start(&[("num.partitions", "3")]);
    let mut client = broker.connect();
    for version in 0..=NEWEST_CREATE_TOPICS {
        let name = format!("created-in-{version}");
        let result = create_in(&mut client, version, vec![topic(&name, 2)], false).remove(0);
        assert_eq!((result.error_code, result.error_message), (0, None), "{version}");
        assert_eq!(result.name, name);
        if version >= 5 {
            assert_eq!((result.num_partitions, result.replication_factor), (2, 1));
            let configs = result.configs.unwrap();
            let retention = configs.iter().find(|it| it.name == "retention.ms").unwrap();
            assert_eq!(retention.value.as_deref(), Some("604800000"));
            assert_eq!(retention.config_source, 5);
        }
        let told = client.metadata(12, Some(&[&name])).topics.remove(0);
        assert_eq!((told.error_code, told.partitions.len()), (0, 2));
        assert!(version < 7 || result.topic_id == told.topic_id);
        assert_eq!(client.produce(&name, 1, &batch(&[b"a"])).error_code, 0);
        assert_eq!(client.fetch(&name, 1, 0).records, stored(&batch(&[b"a"]), 0));
        let deleted = delete(&mut client, version.min(6), &name);
        assert_eq!((deleted.error_code, deleted.error_message), (0, None), "{version}");
        assert_eq!(deleted.name.as_deref(), Some(name.as_str()));
        let unknown = Errors::UnknownTopicOrPartition.code();
        assert_eq!(client.fetch(&name, 1, 0).error, unknown);
        assert_eq!(client.produce(&name, 1, &batch(&[b"a"])).error_code, unknown);
    }
    assert!(client.metadata(1, None).topics.is_empty());
    let unsaid = CreatableTopic { replication_factor: -1, ..topic("unsaid", -1) };
    assert_eq!(create(&mut client, unsaid).num_partitions, 3);
}

#[test]
fn what_cannot_be_created_is_refused_with_kafkas_code_and_the_rest_is_created() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("there");
    let assigned = |count, partitions: &[(i32, &[i32])]| CreatableTopic {
        replication_factor: if count == -1 { -1 } else { 1 },
        assignments: partitions
            .iter()
            .map(|(partition_index, broker_ids)| CreatableReplicaAssignment {
                partition_index: *partition_index,
                broker_ids: broker_ids.to_vec(),
            })
            .collect(),
        ..topic("assigned", count)
    };
    let no_value = CreatableTopicConfig { name: "retention.ms".to_string(), value: None };
    let cases = [
        (topic("there", 1), Errors::TopicAlreadyExists),
        (topic("a/b", 1), Errors::InvalidTopicException),
        (topic("..", 1), Errors::InvalidTopicException),
        (topic(&"x".repeat(250), 1), Errors::InvalidTopicException),
        (topic("", 1), Errors::InvalidTopicException),
        (topic("none", 0), Errors::InvalidPartitions),
        (topic("negative", -2), Errors::InvalidPartitions),
        (topic("million", 1_000_000), Errors::PolicyViolation),
        (
            CreatableTopic { replication_factor: 2, ..topic("two", 1) },
            Errors::InvalidReplicationFactor,
        ),
        (
            CreatableTopic { replication_factor: 0, ..topic("zero", 1) },
            Errors::InvalidReplicationFactor,
        ),
        (assigned(1, &[(0, &[0])]), Errors::InvalidRequest),
        (assigned(-1, &[(0, &[1])]), Errors::InvalidReplicaAssignment),
        (assigned(-1, &[(0, &[0, 0])]), Errors::InvalidReplicaAssignment),
        (assigned(-1, &[(1, &[0])]), Errors::InvalidReplicaAssignment),
        (assigned(-1, &[(0, &[0]), (0, &[0])]), Errors::InvalidReplicaAssignment),
        (topic_with("unknown", &[("remote.storage.enable", "true")]), Errors::InvalidConfig),
        (topic_with("wrong", &[("retention.ms", "soon")]), Errors::InvalidConfig),
        (CreatableTopic { configs: vec![no_value], ..topic("no-value", 1) }, Errors::InvalidConfig),
    ];
    for (refused, error) in cases {
        let name = refused.name.clone();
        for validate_only in [true, false] {
            let topics = vec![refused.clone(), topic("other", 1)];
            let results = create_in(&mut client, NEWEST_CREATE_TOPICS, topics, validate_only);
            assert_eq!(results[0].error_code, error.code(), "{name}: {results:?}");
            assert!(results[0].error_message.is_some());
            assert_eq!(results[1].error_code, 0);
        }
        assert_eq!(delete(&mut client, 6, "other").error_code, 0);
    }
    let left = client.metadata(1, None).topics;
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(create(&mut client, assigned(-1, &[(1, &[0]), (0, &[0])])).num_partitions, 2);
}

#[test]
fn a_topic_that_is_named_twice_is_not_created() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let topics = vec![topic("a", 1), topic("b", 1), topic("a", 2)];
    let results = create_in(&mut client, 4, topics, false);
    let told: Vec<_> = results.iter().map(|it| (it.name.as_str(), it.error_code)).collect();
    assert_eq!(told, [("a", Errors::InvalidRequest.code()), ("b", 0)]);
    assert_eq!(client.metadata(1, None).topics.len(), 1);
}

#[test]
fn validating_creates_nothing() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let result = create_in(&mut client, 7, vec![topic("post", 4)], true).remove(0);
    assert_eq!((result.error_code, result.num_partitions), (0, 4));
    assert_eq!(result.topic_id, Uuid::ZERO);
    assert!(client.metadata(1, None).topics.is_empty());
    assert!(!broker.dir.path().join("post-0").exists());
}

#[test]
fn a_topic_is_deleted_by_its_id_and_an_unknown_one_is_reported() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let id = create(&mut client, topic("post", 1)).topic_id;
    let named = |name: Option<&str>, topic_id| DeleteTopicState {
        name: name.map(str::to_string),
        topic_id,
    };
    let topics = vec![
        named(None, Uuid([9; 16])),
        named(None, Uuid::ZERO),
        named(Some("post"), id),
        named(Some("nobody"), Uuid::ZERO),
        named(Some("twice"), Uuid::ZERO),
        named(Some("twice"), Uuid::ZERO),
        named(None, id),
    ];
    let request = DeleteTopicsRequest { topics, ..DeleteTopicsRequest::default() };
    let results = delete_all(&mut client, 6, request);
    let codes: Vec<_> = results.iter().map(|it| it.error_code).collect();
    let expected = [
        Errors::UnknownTopicId,
        Errors::InvalidRequest,
        Errors::InvalidRequest,
        Errors::UnknownTopicOrPartition,
        Errors::InvalidRequest,
        Errors::None,
    ];
    assert_eq!(codes, expected.map(Errors::code));
    assert_eq!(results[5].name.as_deref(), Some("post"));
    assert!(client.metadata(1, None).topics.is_empty());
}

#[test]
fn a_topic_that_is_named_by_its_name_and_again_by_its_id_is_not_deleted() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let id = create(&mut client, topic("post", 1)).topic_id;
    create(&mut client, topic("other", 1));
    let by_name =
        |name: &str| DeleteTopicState { name: Some(name.to_string()), topic_id: Uuid::ZERO };
    let by_id = DeleteTopicState { name: None, topic_id: id };
    let topics = vec![by_id, by_name("other"), by_name("post")];
    let request = DeleteTopicsRequest { topics, ..DeleteTopicsRequest::default() };
    let results = delete_all(&mut client, 6, request);
    let codes: Vec<_> = results.iter().map(|it| it.error_code).collect();
    let twice = Errors::InvalidRequest.code();
    assert_eq!(codes, [twice, 0, twice]);
    assert_eq!(client.metadata(12, None).topics[0].topic_id, id);
}

#[test]
fn no_topic_is_deleted_where_the_broker_forbids_it() {
    let broker = Broker::start(&[("delete.topic.enable", "false")]);
    let mut client = broker.connect_with_topic("post");
    assert_eq!(delete(&mut client, 2, "post").error_code, Errors::InvalidRequest.code());
    for version in 3..=6 {
        let code = delete(&mut client, version, "post").error_code;
        assert_eq!(code, Errors::TopicDeletionDisabled.code());
    }
    assert_eq!(partitions_of(&mut client, "post"), 1);
}

#[test]
fn a_fetch_that_waits_for_a_topic_is_answered_when_it_is_deleted() {
    let broker = Broker::start(&[]);
    let mut waiting = broker.connect_with_topic("post");
    let mut request = fetch_request("post", 0, 0);
    // Longer than the test's patience: only the deletion ends the wait.
    (request.max_wait_ms, request.min_bytes) = (500_000, 1);
    let header = waiting.send(12, &RequestBody::Fetch(request), &[]);
    assert_eq!(delete(&mut broker.connect(), 6, "post").error_code, 0);
    let fetched = waiting.receive_fetch(&header).remove(0);
    assert_eq!(fetched.error, Errors::UnknownTopicOrPartition.code());
}

#[test]
fn a_topic_may_have_the_name_of_a_deleted_one_and_nothing_else_of_it() {
    let dir = Arc::new(TempDir::new());
    let broker = Broker::start_in(Arc::clone(&dir), &[]);
    let mut client = broker.connect();
    let first = create(&mut client, topic("post", 1));
    for _ in 0..3 {
        client.produce("post", 0, &batch(&[b"old"]));
    }
    assert_eq!(delete(&mut client, 6, "post").error_code, 0);
    let second = create(&mut client, topic("post", 1));
    assert_ne!(first.topic_id, second.topic_id);
    assert_eq!(client.list_offset(1, "post", -1).offset, 0);
    assert_eq!(client.produce("post", 0, &batch(&[b"new"])).base_offset, 0);
    let doomed = |dir: &TempDir| {
        let entries = std::fs::read_dir(dir.path()).unwrap();
        let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with("-delete")).count()
    };
    assert_eq!(doomed(&dir), 1, "the old log leaves the disk later");
    broker.stop();
    let broker = Broker::start_in(Arc::clone(&dir), &[]);
    assert_eq!(doomed(&dir), 0, "or at the next start");
    assert_eq!(broker.connect().fetch("post", 0, 0).records, stored(&batch(&[b"new"]), 0));
}

#[test]
fn a_deleted_topic_does_not_come_back_with_the_next_start() {
    let broker = Broker::start(&[("auto.create.topics.enable", "false")]);
    let mut client = broker.connect();
    create(&mut client, topic("post", 3));
    create(&mut client, topic("other", 1));
    client.produce("post", 2, &batch(&[b"a"]));
    assert_eq!(delete(&mut client, 6, "post").error_code, 0);
    let broker = Broker::start_in(broker.stop(), &[]);
    let topics = broker.connect().metadata(1, None).topics;
    assert_eq!(topics.len(), 1);
    assert_eq!(topics[0].name.as_deref(), Some("other"));
}

#[test]
fn a_topic_gets_more_partitions_and_never_fewer() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    create(&mut client, topic("post", 2));
    let code = |client: &mut Client, version, name: &str, count, assigned: Option<&[i32]>, only| {
        let assignment = |&broker: &i32| CreatePartitionsAssignment { broker_ids: vec![broker] };
        let assignments = assigned.map(|it| it.iter().map(assignment).collect());
        let topic = CreatePartitionsTopic { name: name.to_string(), count, assignments };
        let request =
            CreatePartitionsRequest { topics: vec![topic], timeout_ms: 1000, validate_only: only };
        match client.call(version, &RequestBody::CreatePartitions(request), &[]).0 {
            ResponseBody::CreatePartitions(mut response) => response.results.remove(0).error_code,
            other => panic!("{other:?}"),
        }
    };
    let refused = [
        ("nobody", 3, None, Errors::UnknownTopicOrPartition),
        ("post", 2, None, Errors::InvalidPartitions),
        ("post", 1, None, Errors::InvalidPartitions),
        ("post", -1, None, Errors::InvalidPartitions),
        ("post", 1_000_000, None, Errors::PolicyViolation),
        ("post", 3, Some(&[1][..]), Errors::InvalidReplicaAssignment),
        ("post", 3, Some(&[0, 0][..]), Errors::InvalidReplicaAssignment),
    ];
    for (name, count, assigned, error) in refused {
        assert_eq!(
            code(&mut client, 3, name, count, assigned, false),
            error.code(),
            "{name} {count}"
        );
    }
    assert_eq!(code(&mut client, 3, "post", 5, None, true), 0);
    assert_eq!(partitions_of(&mut client, "post"), 2, "that was only asked");
    for version in 0..=3 {
        let count = 3 + i32::from(version);
        assert_eq!(code(&mut client, version, "post", count, Some(&[0]), false), 0, "{version}");
        assert_eq!(partitions_of(&mut client, "post"), count as usize);
        assert_eq!(client.produce("post", count - 1, &batch(&[b"a"])).error_code, 0);
    }
    let broker = Broker::start_in(broker.stop(), &[]);
    let mut client = broker.connect();
    assert_eq!(partitions_of(&mut client, "post"), 6);
    assert_eq!(client.fetch("post", 5, 0).records, stored(&batch(&[b"a"]), 0));
}

#[test]
fn the_cluster_is_this_broker() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let expected = client.metadata(2, None);
    let ask = |client: &mut Client, version, endpoint_type| {
        let request = DescribeClusterRequest { endpoint_type, ..DescribeClusterRequest::default() };
        match client.call(version, &RequestBody::DescribeCluster(request), &[]).0 {
            ResponseBody::DescribeCluster(response) => response,
            other => panic!("{other:?}"),
        }
    };
    for version in 0..=1 {
        let told = ask(&mut client, version, 1);
        assert_eq!((told.error_code, told.controller_id), (0, 0));
        assert_eq!(Some(told.cluster_id), expected.cluster_id);
        assert_eq!(told.brokers.len(), 1);
        let (told, known) = (&told.brokers[0], &expected.brokers[0]);
        assert_eq!((told.broker_id, &told.host, told.port), (0, &known.host, known.port));
    }
    assert_eq!(ask(&mut client, 1, 2).error_code, Errors::MismatchedEndpointType.code());
    assert_eq!(ask(&mut client, 1, 9).error_code, Errors::UnsupportedEndpointType.code());
}

/// The post's own path: what a client of 0.9 wrote goes out by `sendfile` to a client of 0.9.
#[test]
fn a_topic_of_the_old_format_is_served_to_old_clients_without_a_copy_also_after_a_restart() {
    let mut broker = Broker::start(&[]);
    broker.connect().create_topic_with("old", &[("message.format.version", "0.9.0")]);
    for round in 0..2_i64 {
        let mut client = broker.connect();
        let set = message_set_v0(b"as it was");
        let produced = client.produce_with(0, 1, ("old", 0), &set);
        assert_eq!((produced.error_code, produced.base_offset), (0, round));
        let mut kept = set.clone();
        kept[..8].copy_from_slice(&round.to_be_bytes());
        for version in 0..=1 {
            let fetched = client.fetch_with(version, fetch_request("old", 0, round)).remove(0);
            assert_eq!((fetched.error, &fetched.records), (0, &kept), "message set v0, as it came");
        }
        // The processor counts what it has sent before it reads another request.
        client.metadata(1, None);
        let metrics = broker.server().metrics();
        assert_eq!(metrics.copied_message_bytes.value(), 0);
        assert_eq!(metrics.fetch_message_conversions.value(), 0);
        assert_eq!(metrics.sendfile_bytes.value(), 2 * kept.len() as u64);
        broker = Broker::start_in(broker.stop(), &[]);
    }
    let headers = batch(&[b"a batch of today is converted on its way in"]);
    assert_eq!(broker.connect().produce("old", 0, &headers).error_code, 0);
    let bytes = broker.first_segment("old", 0);
    assert!(bytes.len() > 2 * 26);
    assert_eq!(bytes[bytes.len() - 1], b'n');
}
