//! Fetches from a broker of a cluster: of what it leads, and of what others do.

use std::sync::Arc;

use support::broker::Broker;
use support::client::fetch_topic;
use support::records::batch;
use support::temp::TempDir;
use support::wait::wait_until;
use transferto::common::errors::Errors;
use transferto::image::records::broker_records::{BrokerEndpoint, RegisterBrokerRecord};
use transferto::image::records::metadata_record::{MetadataRecord, RecordAndVersion};
use transferto::image::records::topic_records::{
    PartitionChangeRecord, PartitionRecord, TopicRecord,
};
use transferto::protocol::fetch::{
    FetchRequest, FetchResponse, FetchResponsePartition, FetchTopic, LeaderIdAndEpoch,
    NodeEndpoint, PartitionHeader,
};
use transferto::protocol::request::{RequestBody, ResponseBody};
use transferto::protocol::wire::uuid::Uuid;

use crate::scene::{BROKER_ID, feature, topic};
use crate::scripted_controller::ScriptedController;

const OTHER: i32 = 2;
const ELSEWHERE: Uuid = Uuid([8; 16]);
const NEWEST: i16 = 18;

fn append(controller: &ScriptedController, records: &[MetadataRecord]) {
    let bytes = |it: &MetadataRecord| RecordAndVersion::from(it.clone()).to_bytes();
    controller.append(&records.iter().map(bytes).collect::<Vec<_>>());
}

/// Another broker, which stands in a rack.
fn other_broker() -> MetadataRecord {
    let end_point = BrokerEndpoint {
        name: "PLAINTEXT".to_string(),
        host: "other.example".to_string(),
        port: 9092,
        security_protocol: 0,
    };
    MetadataRecord::RegisterBroker(RegisterBrokerRecord {
        broker_id: OTHER,
        broker_epoch: 7,
        end_points: vec![end_point],
        rack: Some("south".to_string()),
        fenced: false,
        ..RegisterBrokerRecord::default()
    })
}

/// A topic of one partition, which the other broker leads in epoch 4.
fn elsewhere() -> [MetadataRecord; 2] {
    let partition = PartitionRecord {
        partition_id: 0,
        topic_id: ELSEWHERE,
        replicas: vec![OTHER],
        isr: vec![OTHER],
        leader: OTHER,
        leader_epoch: 4,
        ..PartitionRecord::default()
    };
    let topic = TopicRecord { name: "elsewhere".to_string(), topic_id: ELSEWHERE };
    [MetadataRecord::Topic(topic), MetadataRecord::Partition(partition)]
}

/// A broker of a cluster with the topics `here`, which it leads, and `elsewhere`.
fn start() -> (ScriptedController, Broker) {
    start_with(&[])
}

fn start_with(more: &[(&str, &str)]) -> (ScriptedController, Broker) {
    let controller = ScriptedController::start(100);
    append(&controller, &[feature("metadata.version", 21), other_broker()]);
    append(&controller, &topic("here"));
    append(&controller, &elsewhere());
    let (id, address) = (BROKER_ID.to_string(), controller.addr().to_string());
    let settings = [
        ("process.roles", "broker"),
        ("node.id", &*id),
        ("controller.quorum.bootstrap.servers", &*address),
        ("controller.listener.names", "CONTROLLER"),
        ("broker.heartbeat.interval.ms", "100"),
    ];
    let settings = [&settings[..], more].concat();
    let broker = Broker::start_in(Arc::new(TempDir::new()), &settings);
    (controller, broker)
}

fn by_id(topic_id: Uuid, name: &str) -> FetchTopic {
    FetchTopic { topic_id, ..fetch_topic(name, &[(0, 0)]) }
}

fn both() -> Vec<FetchTopic> {
    vec![by_id(ELSEWHERE, "elsewhere"), by_id(Uuid([7; 16]), "here")]
}

fn fetch(broker: &Broker, version: i16, request: FetchRequest) -> FetchResponse {
    match broker.connect().call(version, &RequestBody::Fetch(request), &[]).0 {
        ResponseBody::Fetch(response) => response,
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_asks_for_what_another_broker_leads_is_told_where_that_one_is() {
    let (_controller, broker) = start();
    assert_eq!(broker.connect().produce("here", 0, &batch(&[b"a"])).error_code, 0);
    for version in [12, 13, 15, 16, NEWEST] {
        let response =
            fetch(&broker, version, FetchRequest { topics: both(), ..Default::default() });
        let [of_other, of_this] = &response.topics[..] else { panic!("{response:?}") };
        let header = &of_this.partitions[0].header;
        assert_eq!((header.error_code, header.high_watermark), (0, 1));
        assert_eq!(of_this.partitions[0].current_leader, LeaderIdAndEpoch::default());
        let partition = &of_other.partitions[0];
        assert_eq!(partition.header.error_code, Errors::NotLeaderForPartition.code());
        let (leader, nodes) = match version {
            16.. => {
                let node = NodeEndpoint {
                    node_id: OTHER,
                    host: "other.example".to_string(),
                    port: 9092,
                    rack: Some("south".to_string()),
                };
                (LeaderIdAndEpoch { leader_id: OTHER, leader_epoch: 4 }, vec![node])
            }
            _ => (LeaderIdAndEpoch::default(), Vec::new()),
        };
        assert_eq!((&partition.current_leader, &response.node_endpoints), (&leader, &nodes));
    }
    broker.shutdown().unwrap();
}

/// What was led here waits no longer than the controller's word takes to come.
#[test]
fn a_fetch_that_waits_in_a_session_is_told_of_the_new_leader() {
    let (controller, broker) = start();
    let mut client = broker.connect();
    let mut request =
        FetchRequest { topics: vec![by_id(Uuid([7; 16]), "here")], ..Default::default() };
    request.session_epoch = 0;
    let (body, _) = client.call(NEWEST, &RequestBody::Fetch(request), &[]);
    let ResponseBody::Fetch(begun) = body else { panic!("{body:?}") };
    let waiting = FetchRequest {
        session_id: begun.header.session_id,
        session_epoch: 1,
        max_wait_ms: 600_000,
        min_bytes: 1,
        ..FetchRequest::default()
    };
    let header = client.send(NEWEST, &RequestBody::Fetch(waiting), &[]);
    let purgatory = broker.server().replica_manager();
    wait_until("the fetch to wait", || purgatory.delayed_fetches() == 1);
    append(
        &controller,
        &[MetadataRecord::PartitionChange(PartitionChangeRecord {
            partition_id: 0,
            topic_id: Uuid([7; 16]),
            isr: Some(vec![OTHER]),
            replicas: Some(vec![OTHER]),
            leader: OTHER,
            ..PartitionChangeRecord::default()
        })],
    );
    let (body, _) = client.receive(&header);
    let ResponseBody::Fetch(response) = body else { panic!("{body:?}") };
    let partition = &response.topics[0].partitions[0];
    assert_eq!(partition.header.error_code, Errors::NotLeaderForPartition.code());
    assert_eq!(partition.current_leader.leader_id, OTHER);
    assert_eq!(response.node_endpoints[0].host, "other.example");
    broker.shutdown().unwrap();
}

/// The broker has led `here`, and has its one record; now it follows the other one in epoch 1.
fn start_as_follower() -> (ScriptedController, Broker) {
    let (controller, broker) = start();
    assert_eq!(broker.connect().produce("here", 0, &batch(&[b"a"])).error_code, 0);
    lead_here(&controller, OTHER);
    wait_until("another leader", || read_here(&broker, 10).header.error_code != 0);
    (controller, broker)
}

fn lead_here(controller: &ScriptedController, leader: i32) {
    append(
        controller,
        &[MetadataRecord::PartitionChange(PartitionChangeRecord {
            partition_id: 0,
            topic_id: Uuid([7; 16]),
            isr: Some(vec![OTHER, BROKER_ID]),
            replicas: Some(vec![OTHER, BROKER_ID]),
            leader,
            ..PartitionChangeRecord::default()
        })],
    );
}

fn here(current_leader_epoch: i32, fetch_offset: i64) -> FetchTopic {
    let mut topic = by_id(Uuid([7; 16]), "here");
    topic.partitions[0].current_leader_epoch = current_leader_epoch;
    topic.partitions[0].fetch_offset = fetch_offset;
    topic
}

fn read_here(broker: &Broker, version: i16) -> FetchResponsePartition {
    let request = FetchRequest { topics: vec![here(1, 0)], ..Default::default() };
    fetch(broker, version, request).topics.remove(0).partitions.remove(0)
}

#[test]
fn consumers_read_a_follower_in_the_versions_that_know_of_that() {
    let (_controller, broker) = start_as_follower();
    let not_leader = Errors::NotLeaderForPartition.code();
    assert_eq!(read_here(&broker, 10).header.error_code, not_leader);
    for version in [11, 12, 13, NEWEST] {
        let PartitionHeader { error_code, high_watermark, last_stable_offset, .. } =
            read_here(&broker, version).header;
        assert_eq!((error_code, high_watermark, last_stable_offset), (0, 1, 1), "{version}");
        let read = read_here(&broker, version);
        assert_eq!(read.header.log_start_offset, 0);
        assert_eq!(read.records.map(|it| it.len()), Some(batch(&[b"a"]).len()));
        assert_eq!(read.current_leader, LeaderIdAndEpoch::default());
    }
    let mut client = broker.connect();
    assert_eq!(client.produce("here", 0, &batch(&[b"b"])).error_code, not_leader);
    assert_eq!(client.list_offset(5, "here", -1).error_code, not_leader);
    broker.shutdown().unwrap();
}

#[test]
fn a_consumer_that_waits_at_a_follower_in_a_session_learns_of_a_new_leader_at_once() {
    let (controller, broker) = start_as_follower();
    let mut client = broker.connect();
    let begin =
        FetchRequest { topics: vec![here(1, 0)], session_epoch: 0, ..FetchRequest::default() };
    let (body, _) = client.call(NEWEST, &RequestBody::Fetch(begin), &[]);
    let ResponseBody::Fetch(begun) = body else { panic!("{body:?}") };
    assert!(begun.topics[0].partitions[0].records.as_ref().is_some_and(|it| !it.is_empty()));
    let waiting = FetchRequest {
        session_id: begun.header.session_id,
        session_epoch: 1,
        max_wait_ms: 600_000,
        min_bytes: 1,
        topics: vec![here(1, 1)],
        ..FetchRequest::default()
    };
    let header = client.send(NEWEST, &RequestBody::Fetch(waiting), &[]);
    let purgatory = broker.server().replica_manager();
    wait_until("the fetch to wait", || purgatory.delayed_fetches() == 1);
    lead_here(&controller, BROKER_ID);
    let (body, _) = client.receive(&header);
    let ResponseBody::Fetch(response) = body else { panic!("{body:?}") };
    let partition = &response.topics[0].partitions[0];
    assert_eq!(partition.header.error_code, Errors::FencedLeaderEpoch.code());
    let leader = LeaderIdAndEpoch { leader_id: BROKER_ID, leader_epoch: 2 };
    assert_eq!(partition.current_leader, leader);
    broker.shutdown().unwrap();
}

/// The broker stands in the north, leads `here`, and has its one record; so has the other one, in the south.
fn start_by_racks() -> (ScriptedController, Broker) {
    start_by_racks_with("RackAwareReplicaSelector")
}

fn start_by_racks_with(selector: &str) -> (ScriptedController, Broker) {
    let class = format!("org.apache.kafka.common.replica.{selector}");
    let racks = [("broker.rack", "north"), ("replica.selector.class", &*class)];
    let (controller, broker) = start_with(&racks);
    assert_eq!(broker.connect().produce("here", 0, &batch(&[b"a"])).error_code, 0);
    lead_here(&controller, BROKER_ID);
    // The follower asks for what comes next.
    let of_follower =
        || FetchRequest { replica_id: OTHER, topics: vec![here(1, 1)], ..FetchRequest::default() };
    wait_until("the follower", || {
        let fetched = fetch(&broker, 13, of_follower());
        fetched.topics[0].partitions[0].header.error_code == 0
    });
    (controller, broker)
}

/// To whom a consumer in a rack is sent, and whether it gets records.
fn sent_to(broker: &Broker, version: i16, rack: &str) -> (i32, bool) {
    let request = FetchRequest {
        rack_id: rack.to_string(),
        topics: vec![here(-1, 0)],
        ..FetchRequest::default()
    };
    let read = fetch(broker, version, request).topics.remove(0).partitions.remove(0);
    let PartitionHeader { error_code, high_watermark, preferred_read_replica, .. } = read.header;
    assert_eq!((error_code, high_watermark), (0, 1));
    (preferred_read_replica, read.records.is_some_and(|it| !it.is_empty()))
}

#[test]
fn a_consumer_is_sent_to_the_follower_in_its_rack_if_that_can_be_reached() {
    let (controller, broker) = start_by_racks();
    for version in [11, 12, 13, NEWEST] {
        assert_eq!(sent_to(&broker, version, "south"), (OTHER, false), "{version}");
        for rack in ["north", "west", ""] {
            assert_eq!(sent_to(&broker, version, rack), (-1, true), "{version} {rack}");
        }
    }
    let MetadataRecord::RegisterBroker(other) = other_broker() else { unreachable!() };
    let fenced = RegisterBrokerRecord { fenced: true, ..other };
    append(&controller, &[MetadataRecord::RegisterBroker(fenced)]);
    wait_until("nobody in the south", || sent_to(&broker, NEWEST, "south") == (-1, true));
    broker.shutdown().unwrap();
}

#[test]
fn with_the_selector_of_leaders_a_leader_answers_itself() {
    let (_controller, broker) = start_by_racks_with("LeaderSelector");
    assert_eq!(sent_to(&broker, NEWEST, "south"), (-1, true));
    broker.shutdown().unwrap();
}

/// Nothing else is news in it, and there is nothing to wait for.
#[test]
fn a_consumer_in_a_session_that_waits_for_records_is_sent_to_the_follower_at_once() {
    let (_controller, broker) = start_by_racks();
    let mut client = broker.connect();
    let request = |session_id, session_epoch, topics| {
        RequestBody::Fetch(FetchRequest {
            rack_id: "south".to_string(),
            session_id,
            session_epoch,
            max_wait_ms: 600_000,
            min_bytes: 1,
            topics,
            ..FetchRequest::default()
        })
    };
    let mut session = 0;
    for epoch in 0..3 {
        let topics = if epoch == 0 { vec![here(1, 1)] } else { Vec::new() };
        let (body, _) = client.call(NEWEST, &request(session, epoch, topics), &[]);
        let ResponseBody::Fetch(response) = body else { panic!("{body:?}") };
        session = response.header.session_id;
        let header = &response.topics[0].partitions[0].header;
        assert_eq!((header.error_code, header.preferred_read_replica), (0, OTHER), "{epoch}");
    }
    broker.shutdown().unwrap();
}
