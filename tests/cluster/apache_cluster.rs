//! Whole brokers under Apache Kafka's own controller.
//!
//! All tests share one, so that each has ids of brokers and names of topics of its own, and says on which of its
//! brokers a topic is.

use std::sync::Arc;

use nix::sys::signal::Signal;
use support::broker::Broker;
use support::broker_process::BrokerProcess;
use support::client::{Client, fetch_topic, topic_named};
use support::records::batch;
use support::temp::TempDir;
use support::wait::wait_until;
use transferto::common::errors::Errors;
use transferto::protocol::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreateTopicsRequest,
};
use transferto::protocol::delete_topics::DeleteTopicsRequest;
use transferto::protocol::fetch::{FetchRequest, FetchTopic};
use transferto::protocol::metadata::MetadataRequest;
use transferto::protocol::request::{RequestBody, ResponseBody};
use transferto::protocol::wire::uuid::Uuid;

use crate::apache_controller::ApacheController;
use crate::group_coordinator::{OTHERS, OURS, commit, committed, find};

const NOT_LEADER: i16 = Errors::NotLeaderForPartition.code();
const TOPIC_IDS: i16 = 13;

pub(crate) fn settings(controller: &ApacheController, id: i32) -> Vec<(String, String)> {
    [
        ("process.roles", "broker"),
        ("node.id", &*id.to_string()),
        ("controller.quorum.bootstrap.servers", &controller.addr()),
        ("controller.listener.names", "CONTROLLER"),
        ("broker.heartbeat.interval.ms", "200"),
    ]
    .map(|(name, value)| (name.to_string(), value.to_string()))
    .to_vec()
}

pub(crate) fn borrowed(settings: &[(String, String)]) -> Vec<(&str, &str)> {
    settings.iter().map(|(name, value)| (&**name, &**value)).collect()
}

fn start_in(dir: &Arc<TempDir>, controller: &ApacheController, id: i32) -> Broker {
    Broker::start_in(Arc::clone(dir), &borrowed(&settings(controller, id)))
}

fn start(controller: &ApacheController, id: i32) -> Broker {
    start_in(&Arc::new(TempDir::new()), controller, id)
}

/// Has the controller create a topic whose partitions are one each on these brokers.
pub(crate) fn create(client: &mut Client, name: &str, brokers: &[i32]) -> Uuid {
    let assignment = |(index, id): (usize, &i32)| CreatableReplicaAssignment {
        partition_index: i32::try_from(index).unwrap(),
        broker_ids: vec![*id],
    };
    let topic = CreatableTopic {
        name: name.to_string(),
        num_partitions: -1,
        replication_factor: -1,
        assignments: brokers.iter().enumerate().map(assignment).collect(),
        configs: Vec::new(),
    };
    let request = CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() };
    let ResponseBody::CreateTopics(mut response) =
        client.call(7, &RequestBody::CreateTopics(request), &[]).0
    else {
        panic!("it is answered as it was asked")
    };
    let created = response.topics.remove(0);
    assert_eq!(created.error_code, 0, "{created:?}");
    created.topic_id
}

fn delete(client: &mut Client, name: &str) {
    let request = DeleteTopicsRequest {
        topic_names: vec![name.to_string()],
        timeout_ms: 10_000,
        ..DeleteTopicsRequest::default()
    };
    let ResponseBody::DeleteTopics(response) =
        client.call(5, &RequestBody::DeleteTopics(request), &[]).0
    else {
        panic!("it is answered as it was asked")
    };
    assert_eq!(response.responses[0].error_code, 0, "{response:?}");
}

/// Who leads the first partition, as this client's broker has it; none while it does not know. Does not create it.
fn leader(client: &mut Client, topic: &str) -> Option<i32> {
    let request = MetadataRequest {
        topics: Some(vec![topic_named(topic)]),
        allow_auto_topic_creation: false,
        ..MetadataRequest::default()
    };
    let ResponseBody::Metadata(mut response) =
        client.call(4, &RequestBody::Metadata(request), &[]).0
    else {
        panic!("it is answered as it was asked")
    };
    let found = response.topics.remove(0);
    (found.error_code == 0).then(|| found.partitions[0].leader_id)
}

/// Waits until the broker has heard what the controller made, and keeps a record there.
pub(crate) fn produce_one(client: &mut Client, topic: &str) {
    wait_until("the leader", || client.produce(topic, 0, &batch(&["x"])).error_code == 0);
}

fn fetch_by_id(client: &mut Client, topic_id: Uuid) -> Errors {
    let topic = FetchTopic { topic_id, ..fetch_topic("", &[(0, 0)]) };
    let request = FetchRequest { topics: vec![topic], ..FetchRequest::default() };
    Errors::for_code(client.fetch_with(TOPIC_IDS, request).remove(0).error)
}

#[test]
fn a_broker_registers_is_unfenced_and_serves_a_topic_that_a_client_creates_through_it() {
    let Some(controller) = ApacheController::shared() else { return };
    let broker = start(controller, 1);
    let mut client = broker.connect();
    let listed = client.metadata(1, Some(&[])).brokers;
    let own = listed.iter().find(|it| it.node_id == 1).expect("only a fenced broker is not listed");
    assert_eq!(own.port, i32::from(broker.port()));

    create(&mut client, "served", &[1]);
    produce_one(&mut client, "served");
    assert_eq!(leader(&mut client, "served"), Some(1));
    let fetched = client.fetch("served", 0, 0);
    assert_eq!((fetched.error, fetched.high_watermark), (0, 1));
    broker.shutdown().unwrap();
}

#[test]
fn two_brokers_know_of_each_others_leaders_and_refuse_what_is_for_the_other() {
    let Some(controller) = ApacheController::shared() else { return };
    let brokers = [2, 3].map(|id| start(controller, id));
    let mut clients = brokers.each_ref().map(Broker::connect);
    // Each is created through the broker that does not get it.
    create(&mut clients[1], "on-2", &[2]);
    create(&mut clients[0], "on-3", &[3]);
    for client in &mut clients {
        wait_until("both topics", || {
            (leader(client, "on-2"), leader(client, "on-3")) == (Some(2), Some(3))
        });
    }
    for (own, other) in [(0, 1), (1, 0)] {
        let topic = ["on-2", "on-3"][own];
        let refused = clients[other].produce(topic, 0, &batch(&["x"])).error_code;
        assert_eq!(refused, NOT_LEADER, "{topic}");
        produce_one(&mut clients[own], topic);
        assert_eq!(clients[other].fetch(topic, 0, 0).error, NOT_LEADER, "{topic}");
        assert_eq!(
            clients[own].fetch(topic, 0, 0).high_watermark,
            1,
            "what was refused is not kept"
        );
    }
}

#[test]
fn a_group_keeps_its_offsets_when_its_coordinator_restarts() {
    let Some(controller) = ApacheController::shared() else { return };
    let other = start(controller, 4);
    let dir = Arc::new(TempDir::new());
    let coordinator = start_in(&dir, controller, 5);
    let mut client = other.connect();
    create(&mut client, "post", &[4]);
    // One group of the two has its partition on each broker.
    create(&mut client, "__consumer_offsets", &[4, 5]);
    let at = |client: &mut Client, group| {
        let found = find(client, group);
        (found.error_code == 0).then_some((found.node_id, found.port))
    };
    wait_until("both coordinators", || {
        at(&mut client, OTHERS) == Some((4, i32::from(other.port())))
            && at(&mut client, OURS) == Some((5, i32::from(coordinator.port())))
    });
    wait_until("the group", || commit(&mut coordinator.connect(), OURS, 7) == 0);
    coordinator.stop();

    let coordinator = start_in(&dir, controller, 5);
    wait_until("the coordinator", || {
        at(&mut client, OURS) == Some((5, i32::from(coordinator.port())))
    });
    wait_until("the group", || committed(&mut coordinator.connect(), OURS).0 == 0);
    assert_eq!(committed(&mut coordinator.connect(), OURS), (0, 7));
    assert_eq!(committed(&mut client, OURS).0, Errors::NotCoordinator.code());
}

#[test]
fn a_topic_that_is_made_again_is_another_one_to_those_who_know_its_id() {
    let Some(controller) = ApacheController::shared() else { return };
    let broker = start(controller, 6);
    let mut client = broker.connect();
    let before = create(&mut client, "again", &[6]);
    produce_one(&mut client, "again");
    assert_eq!(fetch_by_id(&mut client, before), Errors::None);
    delete(&mut client, "again");
    wait_until("the end of it", || leader(&mut client, "again").is_none());

    let after = create(&mut client, "again", &[6]);
    assert_ne!(before, after);
    produce_one(&mut client, "again");
    assert_eq!(client.fetch("again", 0, 0).high_watermark, 1, "it begins anew");
    assert_eq!(fetch_by_id(&mut client, after), Errors::None);
    assert_eq!(fetch_by_id(&mut client, before), Errors::UnknownTopicId);
}

#[test]
fn a_broker_that_was_killed_waits_for_the_end_of_its_session_and_is_registered_again() {
    let Some(controller) = ApacheController::shared() else { return };
    let settings = settings(controller, 7);
    let settings: Vec<String> =
        settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let dir = TempDir::new();
    let killed = BrokerProcess::start(dir.path(), &settings);
    create(&mut Client::connect(killed.port), "kept", &[7]);
    produce_one(&mut Client::connect(killed.port), "kept");
    killed.end_with(Signal::SIGKILL);

    let again = BrokerProcess::start(dir.path(), &settings);
    let position_of = |words: &str| again.first_lines.iter().position(|line| line.contains(words));
    let refused = position_of("the controller has heard of broker 7 within its");
    let registered = position_of("registered with broker epoch");
    assert!(refused.is_some() && refused < registered, "{:#?}", again.first_lines);
    let mut client = Client::connect(again.port);
    produce_one(&mut client, "kept");
    assert_eq!(client.fetch("kept", 0, 0).high_watermark, 2);
}

#[test]
fn a_cluster_at_the_level_that_kafka_4_gives_it_by_default_is_refused_with_the_way_out() {
    let Some(controller) = ApacheController::start("4.4") else { return };
    let dir = TempDir::new();
    let error = Broker::start_error(&dir, &borrowed(&settings(&controller, 8)), |it| it);
    for words in [
        "UNSUPPORTED_VERSION (35)",
        "metadata.version at 33, where this broker has 7 to 21",
        "group.version at 1, which this broker does not have",
        "format --release-version 3.9",
    ] {
        assert!(error.contains(words), "no {words} in: {error}");
    }
}
