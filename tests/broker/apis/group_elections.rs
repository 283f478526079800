//! Groups come with the election of a leader for their partition of `__consumer_offsets`, and go with
//! its resignation.

use std::sync::{Arc, mpsc};

use support::broker::Broker;
use support::temp::TempDir;
use support::treacherous_time::TreacherousTime;
use support::wait::{PATIENCE, answered, wait_until};
use transferto::common::errors::Errors;
use transferto::common::mock_time::MockTime;
use transferto::common::time::Time;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::common::units::LeaderEpoch;
use transferto::coordinator::group_coordinator::GroupCoordinator;
use transferto::coordinator::group_metadata::GroupMetadata;
use transferto::coordinator::group_records::{group_metadata_key, offset_commit_key};
use transferto::coordinator::group_store::Store;
use transferto::message::record_batch_builder::RecordBatchBuilder;
use transferto::protocol::delete_groups::DeleteGroupsRequest;
use transferto::protocol::list_groups::ListGroupsRequest;
use transferto::protocol::request::{RequestBody, ResponseBody};
use transferto::replica::isr_state::IsrState;
use transferto::replica::partition_state::PartitionState;

use crate::apis::group_client::{Member, SETTINGS, broker_by, list_groups, pair};

const NOT_COORDINATOR: i16 = Errors::NotCoordinator.code();
const LOADING: i16 = Errors::CoordinatorLoadInProgress.code();
const REBALANCE: i16 = Errors::RebalanceInProgress.code();

/// The partition of the group `g`; that of `b` is 0.
const PARTITION: i32 = 1;

const FIRST: LeaderEpoch = LeaderEpoch(0);
const SECOND: LeaderEpoch = LeaderEpoch(1);
const THIRD: LeaderEpoch = LeaderEpoch(2);

fn coordinator(broker: &Broker) -> &GroupCoordinator {
    broker.server().group_coordinator()
}

fn held_bytes(broker: &Broker) -> usize {
    coordinator(broker).manager().memory().held_bytes()
}

/// Elects the broker, and waits until the groups of the partition are there.
fn elect(broker: &Broker, leader_epoch: LeaderEpoch) {
    let key = TopicAndPartition::new("__consumer_offsets", PARTITION);
    let partition = broker.server().replica_manager().local_logs().get_partition(&key).unwrap();
    let before = partition.state();
    let partition_epoch = before.partition_epoch + 1;
    partition.make_leader(PartitionState { leader_epoch, partition_epoch, ..before }).unwrap();
    coordinator(broker).on_election(PARTITION, leader_epoch);
    wait_until("the groups", || !coordinator(broker).manager().table().is_loading());
}

/// Appends to the partition what another coordinator has written there.
fn append(broker: &Broker, records: &[(&[u8], Option<&[u8]>)]) {
    let batch = records.iter().fold(RecordBatchBuilder::new(0), |batch, (key, value)| {
        batch.record(1_000, Some(key), *value)
    });
    let mut bytes = batch.build().unwrap();
    let entries = [(TopicAndPartition::new("__consumer_offsets", PARTITION), 0..bytes.len())];
    let (sender, receiver) = mpsc::channel();
    let callback = Box::new(move |answers| drop(sender.send(answers)));
    broker.server().replica_manager().append_messages(1_000, -1, &entries, &mut bytes, callback);
    assert_eq!(receiver.recv().unwrap()[0].1.error, None);
}

/// What the election of another broker leaves of this one's groups, and what its own brings back.
/// Port of `GroupMetadataManagerTest.testUnloadOffsetsAndGroup` and
/// `GroupMetadataManagerTest.testLoadOffsetsAndGroup`.
#[test]
fn members_go_on_where_their_group_was_when_its_partition_comes_back() {
    let broker = Broker::start(SETTINGS);
    let (mut leader, mut follower) = pair(&broker, "g");
    let mut other = Member::alone_in(&broker, "b");
    leader.client.create_topic("post");
    assert_eq!(leader.commit("post", 0, 5), 0);
    let before = leader.describe();

    coordinator(&broker).on_resignation(PARTITION, Some(FIRST));
    assert_eq!((leader.heartbeat(), follower.heartbeat()), (NOT_COORDINATOR, NOT_COORDINATOR));
    assert_eq!(follower.sync(&[]).error_code, NOT_COORDINATOR);
    assert_eq!(Member::of(&broker, "g").join_once().error_code, NOT_COORDINATOR);
    assert_eq!(leader.commit("post", 0, 6), NOT_COORDINATOR);
    assert_eq!(leader.committed_in(1, "post", 0).error_code, NOT_COORDINATOR);
    assert_eq!(leader.describe().error_code, NOT_COORDINATOR);
    assert_eq!(
        answered(|it| coordinator(&broker).delete_group("g", it)),
        Err(Errors::NotCoordinator)
    );
    assert_eq!(follower.leave(5), NOT_COORDINATOR);
    let listed = list_groups(&mut other.client, 5, &[]);
    assert_eq!(listed.iter().map(|it| it.group_id.as_str()).collect::<Vec<_>>(), ["b"]);
    assert_eq!((other.heartbeat(), other.commit("post", 0, 1)), (0, 0));

    elect(&broker, SECOND);
    assert_eq!(leader.describe(), before);
    assert_eq!((leader.heartbeat(), follower.heartbeat()), (0, 0));
    assert_eq!(leader.committed("post", 0).committed_offset, 5);
    assert_eq!(
        (follower.sync(&[]).assignment.as_slice(), leader.commit("post", 0, 7)),
        (&b"b"[..], 0)
    );
    let broker = Broker::start_in(broker.stop(), SETTINGS);
    assert_eq!(Member::of(&broker, "g").committed("post", 0).committed_offset, 7);
}

/// Kafka's clients know these answers: they come again to the same broker, and lose no member.
/// Port of `GroupCoordinatorTest.testRequestHandlingWhileLoadingInProgress`.
#[test]
fn while_a_partition_is_loaded_clients_are_asked_to_come_again() {
    let broker = Broker::start(SETTINGS);
    let (mut leader, mut follower) = pair(&broker, "g");
    let mut other = Member::alone_in(&broker, "b");
    leader.client.create_topic("post");
    coordinator(&broker).on_resignation(PARTITION, Some(FIRST));
    let table = coordinator(&broker).manager().table();
    let load = table.elect(PARTITION, SECOND).unwrap();

    assert_eq!(leader.heartbeat(), 0, "the member is believed");
    assert_eq!(follower.sync(&[]).error_code, REBALANCE, "which old clients know");
    assert_eq!(Member::of(&broker, "g").join_once().error_code, LOADING);
    assert_eq!(leader.commit("post", 0, 6), LOADING);
    assert_eq!(leader.committed_in(1, "post", 0).error_code, LOADING);
    assert_eq!(leader.describe().error_code, LOADING);
    assert_eq!(follower.leave(5), LOADING);
    let post = [TopicAndPartition::new("post", 0)];
    let loading = Errors::CoordinatorLoadInProgress;
    assert_eq!(answered(|it| coordinator(&broker).delete_group("g", it)), Err(loading));
    assert_eq!(answered(|it| coordinator(&broker).delete_offsets("g", &post, it)), Err(loading));
    let list = RequestBody::ListGroups(ListGroupsRequest::default());
    let ResponseBody::ListGroups(listed) = other.client.call(4, &list, &[]).0 else { panic!() };
    assert_eq!((listed.error_code, listed.groups.len()), (LOADING, 0));
    assert_eq!((other.heartbeat(), other.commit("post", 0, 1)), (0, 0));

    coordinator(&broker).changes().load_elected(load, SECOND);
    assert_eq!((leader.heartbeat(), follower.heartbeat()), (0, 0));
    assert_eq!(follower.sync(&[]).assignment, b"b");
    assert_eq!(list_groups(&mut other.client, 4, &[]).len(), 2);
}

#[test]
fn a_resignation_answers_the_joins_and_syncs_that_wait() {
    let broker = Broker::start(SETTINGS);
    let (mut leader, mut follower) = pair(&broker, "g");
    let mut third = Member::of(&broker, "g");
    let joining = third.begin_join();
    leader.await_rebalance();
    coordinator(&broker).on_resignation(PARTITION, Some(FIRST));
    assert_eq!(third.receive_join(&joining).error_code, NOT_COORDINATOR);

    elect(&broker, SECOND);
    let joining = leader.begin_join();
    follower.await_rebalance();
    follower.join();
    leader.receive_join(&joining);
    let syncing = follower.send_sync(5, &[]);
    let group = coordinator(&broker).manager().get_group("g").unwrap();
    wait_until("the follower's sync", || {
        group.look(|it| it.members().any(|it| it.is_awaiting_sync())) == Ok(true)
    });
    coordinator(&broker).on_resignation(PARTITION, Some(SECOND));
    assert_eq!(follower.receive_sync(&syncing).error_code, NOT_COORDINATOR);
}

/// Requests that have found their group before it was unloaded must not begin to wait in it: nobody
/// would ever answer them.
#[test]
fn a_group_that_is_unloaded_takes_nothing_any_more() {
    let broker = Broker::start(SETTINGS);
    let mut member = Member::alone_in(&broker, "g");
    member.client.create_topic("post");
    assert_eq!(member.commit("post", 0, 5), 0);
    let group = coordinator(&broker).manager().get_group("g").unwrap();
    coordinator(&broker).on_resignation(PARTITION, Some(FIRST));
    let changes = coordinator(&broker).changes();
    let refusal = changes.change(&group, |it| it.group.check_not_dead());
    assert_eq!(refusal, Err(Errors::NotCoordinator));
    let removed = answered(|answer| {
        let remove = |it: &mut GroupMetadata, callback| {
            it.outbox.store(Store::RemoveOffsets {
                keys: vec![TopicAndPartition::new("post", 0)],
                callback: Some(callback),
            });
            Ok(())
        };
        changes.change_and_call_back(&group, remove, answer);
    });
    assert_eq!(removed, Err(Errors::NotCoordinator), "it is not appended");
    elect(&broker, SECOND);
    assert_eq!(member.committed("post", 0).committed_offset, 5);
}

/// It gets into the log when that has been read: who is told that it is committed would not find it.
#[test]
fn a_commit_under_way_at_a_resignation_has_to_come_again_as_those_behind_it() {
    let time = TreacherousTime::new("kafka-request-handler");
    let clock: Arc<dyn Time> = time.clone();
    let broker = Broker::start_with(Arc::new(TempDir::new()), SETTINGS, |it| it.time(clock));
    let (mut leader, mut follower) = pair(&broker, "g");
    leader.client.create_topic("post");
    let (appends, is_appending) = mpsc::channel();
    let (go_on, gate) = mpsc::channel::<()>();
    // First the offset is dated, then its record.
    time.surprise_at_ask(2, move || {
        appends.send(()).unwrap();
        gate.recv().unwrap();
    });
    let first = leader.send_commit("post", 0, 5);
    is_appending.recv_timeout(PATIENCE).unwrap();
    let second = follower.send_commit("post", 0, 6);
    let group = coordinator(&broker).manager().get_group("g").unwrap();
    wait_until("the second commit", || group.look(|it| it.outbox.has_room(1)) == Ok(false));
    coordinator(&broker).on_resignation(PARTITION, Some(FIRST));
    assert_eq!(follower.receive_commit(&second), [NOT_COORDINATOR]);
    elect(&broker, SECOND);
    go_on.send(()).unwrap();
    assert_eq!(leader.receive_commit(&first), [NOT_COORDINATOR]);
    assert_eq!(leader.committed("post", 0).committed_offset, -1);
    assert_eq!(leader.commit("post", 0, 5), 0);
    assert_eq!(leader.committed("post", 0).committed_offset, 5);
}

#[test]
fn groups_take_their_memory_with_each_election_and_give_it_back_with_each_resignation() {
    let broker = Broker::start(SETTINGS);
    let (mut leader, _follower) = pair(&broker, "g");
    leader.client.create_topic("post");
    assert_eq!(leader.commit("post", 0, 5), 0);
    let mut loaded_bytes = None;
    for round in 0..20 {
        coordinator(&broker).on_resignation(PARTITION, Some(LeaderEpoch(2 * round)));
        // The thread that has sent an answer may hold the group a moment longer.
        wait_until("the memory", || held_bytes(&broker) == 0);
        elect(&broker, LeaderEpoch(2 * round + 1));
        let bytes = held_bytes(&broker);
        assert_eq!(bytes, *loaded_bytes.get_or_insert(bytes), "round {round}");
        assert!(bytes > 0);
    }
    assert_eq!(leader.heartbeat(), 0);
}

/// The values are Kafka 4.4's; the first key is one of a group of its new protocol.
/// Port of `GroupMetadataManagerTest.testLoadOffsetsWithoutGroup`,
/// `GroupMetadataManagerTest.testLoadOffsetsWithTombstones`,
/// `GroupMetadataManagerTest.testLoadGroupWithTombstone` and
/// `GroupMetadataManagerTest.testOffsetWriteAfterGroupRemoved`.
#[test]
fn what_a_coordinator_of_today_has_written_is_loaded_and_what_is_unknown_is_left_alone() {
    let broker = Broker::start(SETTINGS);
    let mut member = Member::alone_in(&broker, "g");
    coordinator(&broker).on_resignation(PARTITION, Some(FIRST));
    let group = b"\0\x04\x09consumer\0\0\0\x04\x06range\x04c-1\0\0\0\0\0\0\0\x0b\x02\
        \x04c-1\0\x02c\x0b/127.0.0.1\0\0\0\x02\0\0\x27\x10\x04sub\x04ass\0\0";
    let offset = |offset: u8| {
        let id = [b"\x01\0\x10", &[7; 16][..]].concat();
        [&b"\0\x04\0\0\0\0\0\0\0"[..], &[offset], b"\0\0\0\x03\x02m\0\0\0\0\0\0\0\x07", &id]
            .concat()
    };
    let key = |partition| offset_commit_key("g", &TopicAndPartition::new("post", partition));
    append(
        &broker,
        &[
            (b"\0\x03\0\x01g", Some(b"\0\0\0\0\0\x03\0")),
            (&key(0), Some(&offset(41))),
            (&key(1), Some(&offset(43))),
            (&group_metadata_key("g"), Some(group)),
            (&key(0), Some(&offset(42))),
            (&key(1), None),
        ],
    );
    elect(&broker, SECOND);
    let described = member.describe();
    assert_eq!((described.group_state.as_str(), described.members.len()), ("Stable", 1));
    assert_eq!(described.members[0].member_id, "c-1");
    assert_eq!(described.members[0].member_assignment, b"ass");
    let committed = member.committed("post", 0);
    assert_eq!((committed.committed_offset, committed.committed_leader_epoch), (42, 3));
    assert_eq!(member.committed("post", 1).committed_offset, -1);

    // The group goes, and then somebody commits without one.
    coordinator(&broker).on_resignation(PARTITION, Some(SECOND));
    append(&broker, &[(&group_metadata_key("g"), None), (&key(2), Some(&offset(44)))]);
    elect(&broker, THIRD);
    assert_eq!(member.describe().group_state, "Empty");
    assert_eq!(member.committed("post", 2).committed_offset, 44);
    assert_eq!(member.committed("post", 0).committed_offset, 42);
}

/// Port of `GroupMetadataManagerTest.testLoadGroupWithLargeGroupMetadataRecord`.
#[test]
fn a_record_that_is_larger_than_what_is_read_at_once_is_loaded() {
    let settings = [SETTINGS, &[("offsets.load.buffer.size", "100")]].concat();
    let broker = Broker::start(&settings);
    let mut member = Member::of(&broker, "g");
    member.protocols[0].1 = vec![b'x'; 1_000];
    member.join();
    assert_eq!(member.sync(&[(&member.member_id.clone(), &[b'a'; 2_000])]).error_code, 0);
    coordinator(&broker).on_resignation(PARTITION, Some(FIRST));
    elect(&broker, SECOND);
    assert_eq!(member.sync(&[]).assignment, [b'a'; 2_000]);
}

#[test]
fn only_the_coordinator_of_a_group_lets_its_offsets_expire() {
    let time = Arc::new(MockTime::new());
    let broker = broker_by(&time);
    let mut member = Member::of(&broker, "g");
    member.client.create_topic("post");
    assert_eq!(member.commit("post", 0, 5), 0);
    let log = TopicAndPartition::new("__consumer_offsets", PARTITION);
    let log = broker.server().log_manager().get_log(&log).unwrap();
    let before = log.log_end_offset();
    coordinator(&broker).on_resignation(PARTITION, Some(FIRST));
    time.sleep(8 * 24 * 60 * 60 * 1_000);
    coordinator(&broker).cleanup_group_metadata();
    assert_eq!(log.log_end_offset(), before);
    elect(&broker, SECOND);
    assert_eq!(member.committed("post", 0).committed_offset, 5);
    coordinator(&broker).cleanup_group_metadata();
    assert_eq!(member.committed("post", 0).committed_offset, -1);
    assert!(log.log_end_offset() > before);
}

#[test]
fn members_have_a_whole_session_from_the_election_on() {
    let time = Arc::new(MockTime::new());
    let broker = broker_by(&time);
    let mut member = Member::alone_in(&broker, "g");
    coordinator(&broker).on_resignation(PARTITION, Some(FIRST));
    time.sleep(60_000);
    elect(&broker, SECOND);
    time.sleep(9_000);
    assert_eq!(member.heartbeat(), 0);
    time.sleep(11_000);
    wait_until("the end of the session", || member.describe().group_state == "Empty");
}

#[test]
fn the_offsets_of_deleted_partitions_go_in_the_background() {
    let broker = Broker::start(SETTINGS);
    let mut member = Member::of(&broker, "g");
    member.client.create_topic("post");
    assert_eq!(member.commit("post", 0, 5), 0);
    coordinator(&broker).on_partitions_deleted(vec![TopicAndPartition::new("post", 0)]);
    wait_until("the end of the offset", || member.committed("post", 0).committed_offset == -1);
}

#[test]
fn the_broker_stops_while_a_partition_is_loaded() {
    let broker = Broker::start(SETTINGS);
    let _member = Member::alone_in(&broker, "g");
    coordinator(&broker).on_resignation(PARTITION, Some(FIRST));
    let _load = coordinator(&broker).manager().table().elect(PARTITION, SECOND).unwrap();
    let dir = broker.stop();
    assert!(dir.path().join(".kafka_cleanshutdown").exists());
}

/// Has the partition wait for a replica that never comes, or for none.
fn set_replicas(broker: &Broker, in_sync_replicas: usize) {
    let key = TopicAndPartition::new("__consumer_offsets", PARTITION);
    let replica_manager = broker.server().replica_manager();
    let partition = replica_manager.local_logs().get_partition(&key).unwrap();
    let before = partition.state();
    let isr = IsrState::committed_as((0..).take(in_sync_replicas).collect());
    let state = PartitionState { isr, partition_epoch: before.partition_epoch + 1, ..before };
    partition.make_leader(state).unwrap();
    replica_manager.complete_waiting(&[key]);
}

/// There is one thread for requests, and it would be held up for `offsets.commit.timeout.ms`.
#[test]
fn a_commit_that_waits_for_replicas_holds_no_thread_up() {
    let settings = [SETTINGS, &[("num.io.threads", "1")]].concat();
    let broker = Broker::start(&settings);
    let (mut leader, mut follower) = pair(&broker, "g");
    let mut other = Member::alone_in(&broker, "b");
    leader.client.create_topic("post");
    set_replicas(&broker, 2);
    let first = leader.send_commit("post", 0, 5);
    wait_for_append(&broker);
    let second = follower.send_commit("post", 0, 6);
    assert_eq!((other.heartbeat(), other.commit("post", 0, 1)), (0, 0));
    assert_eq!(other.describe().group_state, "Stable");
    set_replicas(&broker, 1);
    assert_eq!(
        (leader.receive_commit(&first), follower.receive_commit(&second)),
        (vec![0], vec![0])
    );
    assert_eq!(leader.committed("post", 0).committed_offset, 6, "in the order of the requests");
}

/// The follower whose fetch ends the wait needs a thread for its request, and there is one.
#[test]
fn a_removal_that_waits_for_replicas_holds_no_thread_up() {
    let settings = [SETTINGS, &[("num.io.threads", "1")]].concat();
    let broker = Broker::start(&settings);
    let mut other = Member::alone_in(&broker, "b");
    let mut consumer = Member::of(&broker, "g");
    consumer.client.create_topic("post");
    assert_eq!(consumer.commit("post", 0, 5), 0);
    set_replicas(&broker, 2);
    let groups_names = vec!["g".to_string(), "nobody".to_string(), "b".to_string()];
    let request = RequestBody::DeleteGroups(DeleteGroupsRequest { groups_names });
    let deleting = consumer.client.send(2, &request, &[]);
    wait_for_append(&broker);
    assert_eq!(other.heartbeat(), 0);
    set_replicas(&broker, 1);
    let ResponseBody::DeleteGroups(deleted) = consumer.client.receive(&deleting).0 else {
        panic!("a deletion")
    };
    let results = deleted.results.iter().map(|it| (it.group_id.as_str(), it.error_code));
    let (unknown, not_empty) = (Errors::GroupIdNotFound.code(), Errors::NonEmptyGroup.code());
    assert_eq!(results.collect::<Vec<_>>(), [("g", 0), ("nobody", unknown), ("b", not_empty)]);
}

#[test]
fn an_assignment_is_told_when_the_replicas_have_it() {
    let broker = Broker::start(SETTINGS);
    let mut member = Member::of(&broker, "g");
    member.join();
    set_replicas(&broker, 2);
    let id = member.member_id.clone();
    let syncing = member.send_sync(5, &[(&id, b"all")]);
    wait_for_append(&broker);
    assert_eq!(member_state(&broker), "CompletingRebalance");
    set_replicas(&broker, 1);
    assert_eq!(member.receive_sync(&syncing).assignment, b"all");
    assert_eq!(member_state(&broker), "Stable");
}

fn wait_for_append(broker: &Broker) {
    let group = coordinator(broker).manager().get_group("g").unwrap();
    wait_until("the append", || group.look(|it| it.outbox.is_storing()) == Ok(true));
}

fn member_state(broker: &Broker) -> &'static str {
    coordinator(broker).describe_group("g").unwrap().state
}

#[test]
fn what_waits_for_replicas_is_refused_when_another_broker_is_elected() {
    let broker = Broker::start(SETTINGS);
    let (mut leader, mut follower) = pair(&broker, "g");
    leader.client.create_topic("post");
    set_replicas(&broker, 2);
    let first = leader.send_commit("post", 0, 5);
    wait_for_append(&broker);
    let second = follower.send_commit("post", 0, 6);
    let group = coordinator(&broker).manager().get_group("g").unwrap();
    wait_until("the second commit", || group.look(|it| it.outbox.has_room(1)) == Ok(false));
    let key = TopicAndPartition::new("__consumer_offsets", PARTITION);
    let replica_manager = broker.server().replica_manager();
    let partition = replica_manager.local_logs().get_partition(&key).unwrap();
    partition.make_follower(PartitionState { leader: 7, ..partition.state() });
    replica_manager.complete_waiting(&[key]);
    coordinator(&broker).on_resignation(PARTITION, Some(SECOND));
    assert_eq!(leader.receive_commit(&first), [NOT_COORDINATOR]);
    assert_eq!(follower.receive_commit(&second), [NOT_COORDINATOR]);
}

#[test]
fn a_commit_whose_replicas_do_not_come_times_out() {
    let settings = [SETTINGS, &[("offsets.commit.timeout.ms", "10")]].concat();
    let broker = Broker::start(&settings);
    let mut member = Member::alone_in(&broker, "g");
    member.client.create_topic("post");
    set_replicas(&broker, 2);
    assert_eq!(member.commit("post", 0, 5), Errors::RequestTimedOut.code());
    assert_eq!(member.committed("post", 0).committed_offset, -1);
    set_replicas(&broker, 1);
    assert_eq!(member.commit("post", 0, 6), 0);
}
