//! What clients are told by a broker that does not lead what they ask for.

use std::sync::Arc;

use support::broker::Broker;
use support::client::{Client, fetch_topic, produce_request};
use support::records::batch;
use support::temp::TempDir;
use transferto::common::errors::Errors;
use transferto::image::records::metadata_record::{MetadataRecord, RecordAndVersion};
use transferto::image::records::topic_records::{PartitionRecord, TopicRecord};
use transferto::protocol::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use transferto::protocol::describe_cluster::DescribeClusterRequest;
use transferto::protocol::fetch::FetchRequest;
use transferto::protocol::offset_for_leader_epoch::{
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use transferto::protocol::request::{RequestBody, ResponseBody};
use transferto::protocol::wire::uuid::Uuid;

use crate::images::of_listeners;
use crate::scene::{BROKER_ID, feature};
use crate::scripted_controller::ScriptedController;

const OTHER: i32 = 2;
const NOBODY: i32 = -1;
const NOT_LEADER: i16 = 6;

/// Topics of one partition each, by who has its replica and who leads it.
const TOPICS: [(&str, i32, i32); 4] = [
    ("mine", BROKER_ID, BROKER_ID),
    ("theirs", OTHER, OTHER),
    // Of a broker that does not have the listener of the clients.
    ("apart", 3, 3),
    ("orphaned", BROKER_ID, NOBODY),
];

fn topic_records((name, replica, leader): (&str, i32, i32)) -> [MetadataRecord; 2] {
    let topic_id = Uuid([name.as_bytes()[0]; 16]);
    let partition = PartitionRecord {
        partition_id: 0,
        topic_id,
        replicas: vec![replica],
        isr: vec![replica],
        leader,
        leader_epoch: 5,
        partition_epoch: 6,
        ..PartitionRecord::default()
    };
    let topic = TopicRecord { name: name.to_string(), topic_id };
    [MetadataRecord::Topic(topic), MetadataRecord::Partition(partition)]
}

/// Broker 1, in a cluster with two others and the topics above.
struct Scene {
    /// Ends after the broker.
    broker: Broker,
    _controller: ScriptedController,
}

impl Scene {
    fn start() -> Self {
        let controller = ScriptedController::start(100);
        let mut mine = of_listeners(&["PLAINTEXT"]);
        mine.broker_id = BROKER_ID;
        let mut records =
            vec![feature("metadata.version", 21), MetadataRecord::RegisterBroker(mine)];
        for (broker_id, listener) in [(OTHER, "PLAINTEXT"), (3, "INTERNAL")] {
            let mut broker = of_listeners(&[listener]);
            (broker.broker_id, broker.rack) = (broker_id, Some("south".to_string()));
            records.push(MetadataRecord::RegisterBroker(broker));
        }
        let mut fenced = of_listeners(&["PLAINTEXT"]);
        (fenced.broker_id, fenced.fenced) = (4, true);
        records.push(MetadataRecord::RegisterBroker(fenced));
        records.extend(TOPICS.into_iter().flat_map(topic_records));
        let bytes = |it: MetadataRecord| RecordAndVersion::from(it).to_bytes();
        controller.append(&records.into_iter().map(bytes).collect::<Vec<_>>());
        let broker = Broker::start_in(
            Arc::new(TempDir::new()),
            &[
                ("process.roles", "broker"),
                ("node.id", &BROKER_ID.to_string()),
                ("controller.quorum.bootstrap.servers", &controller.addr().to_string()),
                ("controller.listener.names", "CONTROLLER"),
                ("broker.heartbeat.interval.ms", "100"),
            ],
        );
        Self { broker, _controller: controller }
    }

    fn connect(&self) -> Client {
        self.broker.connect()
    }
}

#[test]
fn a_producer_is_told_who_leads_and_where_from_version_10_on() {
    let scene = Scene::start();
    let records = batch(&["x"]);
    let mut client = scene.connect();
    for version in [9, 10, 11] {
        let request = RequestBody::Produce(produce_request(-1, "theirs", 0, records.len()));
        let (ResponseBody::Produce(response), _) = client.call(version, &request, &records) else {
            panic!("a produce is answered as one");
        };
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!(partition.error_code, NOT_LEADER);
        let leader = (partition.current_leader.leader_id, partition.current_leader.leader_epoch);
        let nodes: Vec<_> = response
            .node_endpoints
            .iter()
            .map(|it| (it.node_id, it.host.as_str(), it.port, it.rack.as_deref()))
            .collect();
        match version {
            9 => assert_eq!((leader, nodes.len()), ((-1, -1), 0)),
            _ => {
                assert_eq!(leader, (OTHER, 5));
                assert_eq!(nodes, [(OTHER, "localhost", 9000, Some("south"))]);
            }
        }
    }
    // One that can go nowhere else.
    for (topic, leader) in [("orphaned", NOBODY), ("apart", 3)] {
        let request = RequestBody::Produce(produce_request(1, topic, 0, records.len()));
        let (ResponseBody::Produce(response), _) = client.call(11, &request, &records) else {
            panic!("a produce is answered as one");
        };
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!((partition.error_code, response.node_endpoints.len()), (NOT_LEADER, 0));
        assert_eq!(partition.current_leader.leader_id, leader);
    }
    assert_eq!(client.produce("mine", 0, &records).error_code, 0);
    let unknown = Errors::UnknownTopicOrPartition.code();
    assert_eq!(client.produce("mine", 1, &records).error_code, unknown);
    scene.broker.shutdown().unwrap();
}

#[test]
fn a_fetch_is_told_who_leads_and_where_from_version_16_on() {
    let scene = Scene::start();
    let mut client = scene.connect();
    for version in [12, 15, 16, 17] {
        let mut topic = fetch_topic("theirs", &[(0, 0)]);
        topic.topic_id = Uuid([b't'; 16]);
        let request = FetchRequest { max_wait_ms: 0, topics: vec![topic], ..Default::default() };
        let (ResponseBody::Fetch(response), _) =
            client.call(version, &RequestBody::Fetch(request), &[])
        else {
            panic!("a fetch is answered as one");
        };
        let partition = &response.topics[0].partitions[0];
        assert_eq!(partition.header.error_code, NOT_LEADER, "{version}");
        let leader = (partition.current_leader.leader_id, partition.current_leader.leader_epoch);
        let nodes: Vec<_> = response.node_endpoints.iter().map(|it| it.node_id).collect();
        match version {
            ..16 => assert_eq!((leader, nodes), ((-1, -1), vec![])),
            _ => assert_eq!((leader, nodes), ((OTHER, 5), vec![OTHER])),
        }
    }
    scene.broker.shutdown().unwrap();
}

#[test]
fn offsets_and_epochs_are_the_leaders_to_tell_and_records_its_to_delete() {
    let scene = Scene::start();
    let mut client = scene.connect();
    for topic in ["theirs", "orphaned"] {
        for version in [0, 1, 5, 9] {
            assert_eq!(client.list_offset(version, topic, -1).error_code, NOT_LEADER, "{version}");
        }
        let partitions = vec![OffsetForLeaderPartition::default()];
        let topics = vec![OffsetForLeaderTopic { topic: topic.to_string(), partitions }];
        let request = OffsetForLeaderEpochRequest { topics, ..Default::default() };
        let (ResponseBody::OffsetForLeaderEpoch(response), _) =
            client.call(4, &RequestBody::OffsetForLeaderEpoch(request), &[])
        else {
            panic!("a question for an epoch is answered as one");
        };
        assert_eq!(response.topics[0].partitions[0].error_code, NOT_LEADER);
        let partitions = vec![DeleteRecordsPartition { partition_index: 0, offset: 0 }];
        let topics = vec![DeleteRecordsTopic { name: topic.to_string(), partitions }];
        let request = DeleteRecordsRequest { topics, timeout_ms: 1_000 };
        let (ResponseBody::DeleteRecords(response), _) =
            client.call(2, &RequestBody::DeleteRecords(request), &[])
        else {
            panic!("a deletion is answered as one");
        };
        assert_eq!(response.topics[0].partitions[0].error_code, NOT_LEADER);
    }
    assert_eq!(client.list_offset(9, "mine", -1).error_code, 0);
    scene.broker.shutdown().unwrap();
}

#[test]
fn metadata_names_the_leaders_that_a_client_can_reach() {
    let scene = Scene::start();
    let mut client = scene.connect();
    let response = client.metadata(9, None);
    let brokers: Vec<_> =
        response.brokers.iter().map(|it| (it.node_id, it.rack.as_deref())).collect();
    assert_eq!(brokers, [(BROKER_ID, None), (OTHER, Some("south"))]);
    assert!([BROKER_ID, OTHER, 3].contains(&response.controller_id));
    let leader = |name: &str| {
        let topic = response.topics.iter().find(|it| it.name.as_deref() == Some(name)).unwrap();
        let partition = &topic.partitions[0];
        (partition.error_code, partition.leader_id, partition.leader_epoch)
    };
    let (none, unreachable) = (Errors::LeaderNotAvailable, Errors::ListenerNotFound);
    assert_eq!(leader("mine"), (0, BROKER_ID, 5));
    assert_eq!(leader("theirs"), (0, OTHER, 5));
    assert_eq!(leader("apart"), (unreachable.code(), NOBODY, 5));
    assert_eq!(leader("orphaned"), (none.code(), NOBODY, 5));
    assert_eq!(response.topics.len(), TOPICS.len());
    scene.broker.shutdown().unwrap();
}

#[test]
fn an_admin_sees_the_brokers_that_are_fenced_if_it_asks_for_them() {
    let scene = Scene::start();
    let mut client = scene.connect();
    for (version, include_fenced_brokers) in [(1, false), (2, false), (2, true)] {
        let request = DescribeClusterRequest { include_fenced_brokers, ..Default::default() };
        let (ResponseBody::DescribeCluster(response), _) =
            client.call(version, &RequestBody::DescribeCluster(request), &[])
        else {
            panic!("a question for the cluster is answered as one");
        };
        let brokers: Vec<_> =
            response.brokers.iter().map(|it| (it.broker_id, it.is_fenced)).collect();
        match include_fenced_brokers {
            false => assert_eq!(brokers, [(BROKER_ID, false), (OTHER, false)]),
            true => assert_eq!(brokers, [(BROKER_ID, false), (OTHER, false), (4, true)]),
        }
    }
    scene.broker.shutdown().unwrap();
}
