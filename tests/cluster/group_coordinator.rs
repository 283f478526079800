//! The groups of a cluster have their coordinators on the brokers that lead their partitions of
//! `__consumer_offsets`.

use std::sync::{Arc, mpsc};
use std::thread;

use support::broker::Broker;
use support::client::{Client, fetch_request};
use support::temp::TempDir;
use support::wait::{PATIENCE, answered, wait_until};
use transferto::common::errors::Errors;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::common::units::Offset;
use transferto::coordinator::group_store::Store;
use transferto::image::records::broker_records::RegisterBrokerRecord;
use transferto::image::records::config_records::{ConfigRecord, TOPIC};
use transferto::image::records::metadata_record::{MetadataRecord, RecordAndVersion};
use transferto::image::records::topic_records::{
    PartitionChangeRecord, PartitionRecord, RemoveTopicRecord, TopicRecord,
};
use transferto::image::topic_image::NO_LEADER;
use transferto::protocol::describe_groups::DescribeGroupsRequest;
use transferto::protocol::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use transferto::protocol::header::RequestHeader;
use transferto::protocol::heartbeat::HeartbeatRequest;
use transferto::protocol::list_groups::ListGroupsRequest;
use transferto::protocol::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use transferto::protocol::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestTopic};
use transferto::protocol::request::{RequestBody, ResponseBody};
use transferto::protocol::wire::uuid::Uuid;
use transferto::replica::partition::Partition;

use crate::broker_server::{controller_with, start_in};
use crate::images::{changed, of_listeners, topic_id};
use crate::scene::{BROKER_ID, topic};
use crate::scripted_controller::ScriptedController;

/// Another broker, which no test speaks to.
const OTHER_ID: i32 = 2;

/// The group `g` is in partition 1, which this broker leads; `b` is in partition 0 of the other.
pub(crate) const OURS: &str = "g";
pub(crate) const OTHERS: &str = "b";
const OURS_AT: i32 = 1;

const NOT_COORDINATOR: i16 = Errors::NotCoordinator.code();
const NOT_AVAILABLE: i16 = Errors::CoordinatorNotAvailable.code();

fn offsets_topic(id: [u8; 16]) -> Vec<MetadataRecord> {
    let partition = |(partition_id, leader)| {
        MetadataRecord::Partition(PartitionRecord {
            partition_id,
            topic_id: Uuid(id),
            replicas: vec![leader],
            isr: vec![leader],
            leader,
            leader_epoch: 0,
            partition_epoch: 0,
            ..PartitionRecord::default()
        })
    };
    let name = "__consumer_offsets".to_string();
    let topic = MetadataRecord::Topic(TopicRecord { name, topic_id: Uuid(id) });
    let partitions = [(0, OTHER_ID), (OURS_AT, BROKER_ID)].map(partition);
    [topic].into_iter().chain(partitions).collect()
}

/// A controller of two brokers, with the topic `post` and that of the groups.
fn start_controller() -> ScriptedController {
    let registration = RegisterBrokerRecord {
        broker_id: OTHER_ID,
        broker_epoch: 1,
        ..of_listeners(&["PLAINTEXT"])
    };
    let mut records = vec![MetadataRecord::RegisterBroker(registration)];
    records.extend(topic("post"));
    records.extend(offsets_topic(topic_id(1)));
    controller_with(&records)
}

fn append(controller: &ScriptedController, records: &[MetadataRecord]) {
    let bytes = records.iter().map(|it| RecordAndVersion::from(it.clone()).to_bytes());
    controller.append(&bytes.collect::<Vec<_>>());
}

fn lead(controller: &ScriptedController, leader: i32) {
    let change = PartitionChangeRecord { leader, ..changed(topic_id(1), OURS_AT) };
    append(controller, &[MetadataRecord::PartitionChange(change)]);
}

pub(crate) fn find(client: &mut Client, group: &str) -> FindCoordinatorResponse {
    let request = FindCoordinatorRequest { key: group.to_string(), ..Default::default() };
    match client.call(3, &RequestBody::FindCoordinator(request), &[]).0 {
        ResponseBody::FindCoordinator(found) => found,
        other => panic!("{other:?}"),
    }
}

fn commit_request(group: &str, offset: i64) -> RequestBody {
    let partition = OffsetCommitRequestPartition {
        committed_offset: offset,
        ..OffsetCommitRequestPartition::default()
    };
    RequestBody::OffsetCommit(OffsetCommitRequest {
        group_id: group.to_string(),
        generation_id: -1,
        topics: vec![OffsetCommitRequestTopic {
            name: "post".to_string(),
            partitions: vec![partition],
        }],
        ..OffsetCommitRequest::default()
    })
}

/// Sends it, and does not wait for the answer.
fn send_commit(client: &mut Client, group: &str, offset: i64) -> RequestHeader {
    client.send(7, &commit_request(group, offset), &[])
}

pub(crate) fn commit(client: &mut Client, group: &str, offset: i64) -> i16 {
    match client.call(7, &commit_request(group, offset), &[]).0 {
        ResponseBody::OffsetCommit(it) => it.topics[0].partitions[0].error_code,
        other => panic!("{other:?}"),
    }
}

/// The error of the answer, and the offset.
pub(crate) fn committed(client: &mut Client, group: &str) -> (i16, i64) {
    let name = "post".to_string();
    let topics = Some(vec![OffsetFetchRequestTopic { name, partition_indexes: vec![0] }]);
    let group_id = group.to_string();
    let request = OffsetFetchRequest { group_id, topics, ..OffsetFetchRequest::default() };
    match client.call(5, &RequestBody::OffsetFetch(request), &[]).0 {
        ResponseBody::OffsetFetch(it) if it.error_code != 0 => (it.error_code, -1),
        ResponseBody::OffsetFetch(it) => (0, it.topics[0].partitions[0].committed_offset),
        other => panic!("{other:?}"),
    }
}

fn heartbeat(client: &mut Client, group: &str) -> i16 {
    let request = HeartbeatRequest { group_id: group.to_string(), ..HeartbeatRequest::default() };
    match client.call(3, &RequestBody::Heartbeat(request), &[]).0 {
        ResponseBody::Heartbeat(it) => it.error_code,
        other => panic!("{other:?}"),
    }
}

fn described(client: &mut Client, group: &str) -> (i16, String) {
    let groups = vec![group.to_string()];
    let request = DescribeGroupsRequest { groups, include_authorized_operations: false };
    match client.call(4, &RequestBody::DescribeGroups(request), &[]).0 {
        ResponseBody::DescribeGroups(mut it) => {
            let group = it.groups.remove(0);
            (group.error_code, group.group_state)
        }
        other => panic!("{other:?}"),
    }
}

fn listed(client: &mut Client) -> Vec<String> {
    match client.call(3, &RequestBody::ListGroups(ListGroupsRequest::default()), &[]).0 {
        ResponseBody::ListGroups(it) => it.groups.into_iter().map(|it| it.group_id).collect(),
        other => panic!("{other:?}"),
    }
}

/// Waits until the broker answers for its groups, or does not any more.
fn wait_for_coordinator(client: &mut Client, error: i16) {
    wait_until("the election", || find(client, OURS).error_code == error);
    wait_until("the groups", || {
        committed(client, OURS).0 == if error == 0 { 0 } else { NOT_COORDINATOR }
    });
}

/// Starts the broker, and has all clients know where it is.
fn start(dir: &Arc<TempDir>, controller: &ScriptedController) -> (Broker, Client) {
    let broker = start_in(dir, controller);
    let mut registration = RegisterBrokerRecord {
        broker_id: BROKER_ID,
        broker_epoch: controller.change(|it| it.broker_epochs[&BROKER_ID]),
        ..of_listeners(&["PLAINTEXT"])
    };
    registration.end_points[0].port = broker.port();
    append(controller, &[MetadataRecord::RegisterBroker(registration)]);
    let mut client = broker.connect();
    wait_for_coordinator(&mut client, 0);
    (broker, client)
}

fn start_new(controller: &ScriptedController) -> (Broker, Client) {
    start(&Arc::new(TempDir::new()), controller)
}

#[test]
fn any_broker_names_the_coordinator_of_a_group_and_only_that_one_answers_for_it() {
    let controller = start_controller();
    let (broker, mut client) = start_new(&controller);
    let ours = find(&mut client, OURS);
    assert_eq!((ours.node_id, ours.port), (BROKER_ID, i32::from(broker.port())));
    let others = find(&mut client, OTHERS);
    assert_eq!((others.error_code, others.node_id), (0, OTHER_ID));
    assert_eq!((others.host.as_str(), others.port), ("localhost", 9_000));

    assert_eq!(commit(&mut client, OURS, 5), 0);
    assert_eq!(committed(&mut client, OURS), (0, 5));
    assert_eq!(commit(&mut client, OTHERS, 5), NOT_COORDINATOR);
    assert_eq!(committed(&mut client, OTHERS).0, NOT_COORDINATOR);
    assert_eq!(heartbeat(&mut client, OTHERS), NOT_COORDINATOR);
    assert_eq!(described(&mut client, OTHERS).0, NOT_COORDINATOR);
    assert_eq!(listed(&mut client), [OURS]);
    let coordinator = broker.server().group_coordinator();
    assert_eq!(answered(|it| coordinator.delete_group(OTHERS, it)), Err(Errors::NotCoordinator));
    broker.shutdown().unwrap();
}

#[test]
fn groups_go_and_come_with_the_leader_of_their_partition_and_keep_their_offsets() {
    let controller = start_controller();
    let (broker, mut client) = start_new(&controller);
    assert_eq!(commit(&mut client, OURS, 5), 0);
    for round in 0..3 {
        lead(&controller, NO_LEADER);
        wait_for_coordinator(&mut client, NOT_AVAILABLE);
        assert_eq!((listed(&mut client).len(), find(&mut client, OURS).node_id), (0, -1));
        assert_eq!(commit(&mut client, OURS, 99), NOT_COORDINATOR);
        lead(&controller, BROKER_ID);
        wait_for_coordinator(&mut client, 0);
        assert_eq!(committed(&mut client, OURS), (0, 5 + round));
        assert_eq!(commit(&mut client, OURS, 6 + round), 0);
    }
    broker.shutdown().unwrap();
}

#[test]
fn a_broker_that_starts_again_loads_the_groups_that_it_leads() {
    let controller = start_controller();
    let dir = Arc::new(TempDir::new());
    let (broker, mut client) = start(&dir, &controller);
    assert_eq!(commit(&mut client, OURS, 5), 0);
    broker.shutdown().unwrap();
    let (broker, mut client) = start(&dir, &controller);
    assert_eq!(committed(&mut client, OURS), (0, 5));
    broker.shutdown().unwrap();
}

/// The new topic begins with epoch 0 again, and has nothing of the old one.
#[test]
fn when_the_topic_of_groups_is_deleted_and_made_again_they_begin_anew() {
    let controller = start_controller();
    let (broker, mut client) = start_new(&controller);
    lead(&controller, NO_LEADER);
    lead(&controller, BROKER_ID);
    wait_until("the group", || commit(&mut client, OURS, 5) == 0);
    let removed = RemoveTopicRecord { topic_id: Uuid(topic_id(1)) };
    let mut records = vec![MetadataRecord::RemoveTopic(removed)];
    records.extend(offsets_topic(topic_id(2)));
    append(&controller, &records);
    wait_until("the new topic", || committed(&mut client, OURS) == (0, -1));
    assert_eq!(commit(&mut client, OURS, 6), 0);
    broker.shutdown().unwrap();
}

#[test]
fn the_offsets_of_a_deleted_topic_go_from_the_groups_of_this_broker() {
    let controller = start_controller();
    let (broker, mut client) = start_new(&controller);
    assert_eq!(commit(&mut client, OURS, 5), 0);
    let removed = RemoveTopicRecord { topic_id: Uuid([7; 16]) };
    append(&controller, &[MetadataRecord::RemoveTopic(removed)]);
    wait_until("the end of the offset", || committed(&mut client, OURS) == (0, -1));
    broker.shutdown().unwrap();
}

/// Another broker is in sync with what the broker stores, and never has it.
#[test]
fn a_stop_does_not_wait_for_replicas_of_what_deleted_topics_leave_to_be_stored() {
    let controller = start_controller();
    let (broker, mut client) = start_new(&controller);
    assert_eq!(commit(&mut client, OURS, 5), 0);
    let key = TopicAndPartition::new("__consumer_offsets", OURS_AT);
    let partition = broker.server().replica_manager().local_logs().get_partition(&key).unwrap();
    let isr = Some(vec![BROKER_ID, OTHER_ID]);
    let change = PartitionChangeRecord { isr, ..changed(topic_id(1), OURS_AT) };
    append(&controller, &[MetadataRecord::PartitionChange(change)]);
    wait_until("the other replica", || partition.state().in_sync_replicas() == 2);
    let end = partition.local_replica().log_end_offset().message_offset;
    let removed = RemoveTopicRecord { topic_id: Uuid([7; 16]) };
    append(&controller, &[MetadataRecord::RemoveTopic(removed)]);
    wait_until("the tombstone", || partition.local_replica().log.log_end_offset() > end);
    let (stopped, stop) = mpsc::channel();
    thread::spawn(move || stopped.send(broker.shutdown().is_ok()));
    assert_eq!(stop.recv_timeout(PATIENCE), Ok(true));
}

/// The partition of the groups has a replica on the other broker, too, which is in sync.
fn replicate(controller: &ScriptedController, broker: &Broker) -> Arc<Partition> {
    let both = Some(vec![BROKER_ID, OTHER_ID]);
    let (replicas, isr) = (both.clone(), both);
    let change = PartitionChangeRecord { replicas, isr, ..changed(topic_id(1), OURS_AT) };
    append(controller, &[MetadataRecord::PartitionChange(change)]);
    let key = TopicAndPartition::new("__consumer_offsets", OURS_AT);
    let partition = broker.server().replica_manager().local_logs().get_partition(&key).unwrap();
    wait_until("the other replica", || partition.state().in_sync_replicas() == 2);
    partition
}

/// The other broker fetches from this offset on: it has everything below.
fn fetch_as_follower(client: &mut Client, offset: Offset) {
    let mut request = fetch_request("__consumer_offsets", OURS_AT, offset.0);
    (request.replica_id, request.max_wait_ms) = (OTHER_ID, 0);
    let fetched = client.fetch_with(12, request).remove(0);
    assert_eq!(fetched.error, 0);
}

#[test]
fn a_commit_is_seen_and_answered_when_all_replicas_in_sync_have_it() {
    let controller = start_controller();
    let (broker, mut client) = start_new(&controller);
    let partition = replicate(&controller, &broker);
    let end = || partition.local_replica().log.log_end_offset();
    let before = end();
    let mut of_consumer = broker.connect();
    let consumer = thread::spawn(move || commit(&mut of_consumer, OURS, 5));
    wait_until("the record", || end() > before);
    assert_eq!(committed(&mut client, OURS), (0, -1), "a broker that fails now may take it along");
    fetch_as_follower(&mut client, end());
    assert_eq!(consumer.join().unwrap(), 0);
    assert_eq!(committed(&mut client, OURS), (0, 5));
    broker.shutdown().unwrap();
}

/// With one append after another, the last of these would wait for as many fetches as there are consumers.
#[test]
fn however_many_commits_wait_for_the_replicas_two_fetches_answer_them() {
    const CONSUMERS: usize = 20;
    let controller = start_controller();
    let (broker, mut client) = start_new(&controller);
    let partition = replicate(&controller, &broker);
    let end = || partition.local_replica().log.log_end_offset();
    let before = end();
    let mut consumers: Vec<_> = (0..CONSUMERS).map(|_| broker.connect()).collect();
    let mut commits = vec![send_commit(&mut consumers[0], OURS, 5)];
    wait_until("the first record", || end() > before);
    // Each commit that waits holds as much memory as the next.
    let memory = broker.server().group_coordinator().manager().memory();
    let of_first_bytes = memory.held_bytes();
    commits.push(send_commit(&mut consumers[1], OURS, 5));
    wait_until("the second", || memory.held_bytes() > of_first_bytes);
    let of_each_bytes = memory.held_bytes() - of_first_bytes;
    commits.extend(consumers[2..].iter_mut().map(|it| send_commit(it, OURS, 5)));
    let of_all_bytes = of_first_bytes + (CONSUMERS - 1) * of_each_bytes;
    wait_until("the others", || memory.held_bytes() == of_all_bytes);
    let first = end();
    assert_eq!(first, before.next(), "they wait behind the first");
    fetch_as_follower(&mut client, first);
    wait_until("the batch of the others", || end() > first);
    assert_eq!(end().0 - before.0, CONSUMERS as i64);
    fetch_as_follower(&mut client, end());
    for (consumer, header) in consumers.iter_mut().zip(&commits) {
        let ResponseBody::OffsetCommit(it) = consumer.receive(header).0 else { panic!("a commit") };
        assert_eq!(it.topics[0].partitions[0].error_code, 0);
    }
    broker.shutdown().unwrap();
}

#[test]
fn too_few_replicas_in_sync_make_the_coordinator_not_available_to_a_commit() {
    let controller = start_controller();
    let (broker, mut client) = start_new(&controller);
    let partition = replicate(&controller, &broker);
    let name = "min.insync.replicas".to_string();
    let config = ConfigRecord {
        resource_type: TOPIC,
        resource_name: "__consumer_offsets".to_string(),
        name,
        value: Some("2".to_string()),
    };
    let isr = Some(vec![BROKER_ID]);
    let change = PartitionChangeRecord { isr, ..changed(topic_id(1), OURS_AT) };
    append(&controller, &[MetadataRecord::Config(config)]);
    let log = &partition.local_replica().log;
    wait_until("the setting", || log.config().min_in_sync_replicas == 2);
    append(&controller, &[MetadataRecord::PartitionChange(change)]);
    wait_until("the change", || partition.state().in_sync_replicas() == 1);
    let end = partition.local_replica().log.log_end_offset();
    assert_eq!(commit(&mut client, OURS, 5), NOT_AVAILABLE);
    assert_eq!(partition.local_replica().log.log_end_offset(), end, "nothing is appended");
    assert_eq!(committed(&mut client, OURS), (0, -1));
    broker.shutdown().unwrap();
}

/// A leader that loses the partition does not know what becomes of the commit.
#[test]
fn a_commit_that_waits_for_replicas_when_another_broker_is_elected_has_to_be_made_there() {
    let controller = start_controller();
    let (broker, mut client) = start_new(&controller);
    let partition = replicate(&controller, &broker);
    let end = || partition.local_replica().log.log_end_offset();
    let before = end();
    let mut of_consumer = broker.connect();
    let consumer = thread::spawn(move || commit(&mut of_consumer, OURS, 5));
    wait_until("the record", || end() > before);
    lead(&controller, OTHER_ID);
    assert_eq!(consumer.join().unwrap(), NOT_COORDINATOR);
    // The partition is followed a moment before its groups are given up.
    wait_until("the resignation", || committed(&mut client, OURS).0 == NOT_COORDINATOR);
    broker.shutdown().unwrap();
}

/// A thread may be late with a store by a whole resignation and election.
#[test]
fn a_store_that_comes_late_does_not_land_behind_what_was_stored_since() {
    let controller = start_controller();
    let (broker, mut client) = start_new(&controller);
    assert_eq!(commit(&mut client, OURS, 5), 0);
    let manager = broker.server().group_coordinator().manager();
    let late = manager.get_group(OURS).unwrap();
    lead(&controller, NO_LEADER);
    wait_for_coordinator(&mut client, NOT_AVAILABLE);
    lead(&controller, BROKER_ID);
    wait_for_coordinator(&mut client, 0);
    assert_eq!(commit(&mut client, OURS, 7), 0);

    let key = TopicAndPartition::new("__consumer_offsets", OURS_AT);
    let partition = broker.server().replica_manager().local_logs().get_partition(&key).unwrap();
    let end = partition.local_replica().log.log_end_offset();
    let (sender, stored) = mpsc::channel();
    let removal =
        Store::RemoveOffsets { keys: vec![TopicAndPartition::new("post", 0)], callback: None };
    let callback = Box::new(move |it| sender.send(it).unwrap());
    manager.append(&late, &removal, callback);
    assert_eq!(stored.recv().unwrap(), Err(Errors::NotCoordinator));
    assert_eq!(partition.local_replica().log.log_end_offset(), end);
    assert_eq!(committed(&mut client, OURS), (0, 7));
    broker.shutdown().unwrap();
}
