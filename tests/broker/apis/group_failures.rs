//! Groups whose change panics in the middle: all that wait in them are answered, they come back from
//! the log by themselves, and everybody else goes on.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, mpsc};

use support::broker::Broker;
use support::temp::TempDir;
use support::treacherous_time::TreacherousTime;
use support::wait::{PATIENCE, wait_until};
use transferto::common::errors::Errors;
use transferto::common::time::Time;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::common::units::LeaderEpoch;
use transferto::coordinator::member_metadata::MemberMetadata;
use transferto::coordinator::rebalance::Rebalance;
use transferto::replica::partition::ASKED_BY_NAME;
use transferto::replica::replica_manager::HostedLog;

use crate::apis::group_client::{Member, SETTINGS, list_groups, pair};

const NOT_COORDINATOR: i16 = Errors::NotCoordinator.code();
const COORDINATOR_NOT_AVAILABLE: i16 = Errors::CoordinatorNotAvailable.code();

fn treacherous_broker() -> (Arc<TreacherousTime>, Broker) {
    let time = TreacherousTime::new("kafka-request-handler");
    let clock: Arc<dyn Time> = time.clone();
    let broker = Broker::start_with(Arc::new(TempDir::new()), SETTINGS, |it| it.time(clock));
    (time, broker)
}

#[test]
fn a_join_that_panics_is_answered_with_all_that_wait_in_the_group() {
    let (time, broker) = treacherous_broker();
    let (mut leader, mut follower) = pair(&broker, "g");
    let mut other = Member::alone_in(&broker, "other");
    let mut third = Member::of(&broker, "g");
    third.get_id();
    time.panic_at_ask(1);
    let joining = third.begin_join();
    assert_eq!(third.receive_join(&joining).error_code, NOT_COORDINATOR);
    assert!(time.has_surprised(), "where the rebalance begins");
    wait_until("the group to be loaded again", || leader.heartbeat() == 0);
    assert_eq!(follower.heartbeat(), 0);
    assert_eq!(follower.sync(&[]).assignment, b"b");
    assert_eq!(other.heartbeat(), 0);
}

#[test]
fn a_panic_between_the_log_and_the_answers_of_a_sync_leaves_nobody_silent() {
    let (time, broker) = treacherous_broker();
    let (mut leader, mut follower) = pair(&broker, "g");
    let joining = leader.begin_join();
    follower.await_rebalance();
    follower.join();
    leader.receive_join(&joining);
    let syncing = follower.send_sync(5, &[]);
    let group = broker.server().group_coordinator().manager().get_group("g").unwrap();
    wait_until("the follower's sync", || {
        group.look(|it| it.members().any(MemberMetadata::is_awaiting_sync)) == Ok(true)
    });
    let ids = (leader.member_id.clone(), follower.member_id.clone());
    // First the record of the assignment is dated, then the log, then the group that is stable.
    time.panic_at_ask(3);
    let synced = leader.sync(&[(&ids.0, b"1"), (&ids.1, b"2")]);
    assert_eq!(synced.error_code, NOT_COORDINATOR);
    assert_eq!(follower.receive_sync(&syncing).error_code, NOT_COORDINATOR);
    assert!(time.has_surprised());
    wait_until("the group to be loaded again", || leader.heartbeat() == 0);
    assert_eq!(follower.heartbeat(), 0);
    assert_eq!(follower.sync(&[]).assignment, b"2", "it was in the log");
}

#[test]
fn a_failed_group_is_refused_as_long_as_its_log_cannot_be_read_and_then_is_there_again() {
    let (time, broker) = treacherous_broker();
    let (mut leader, mut follower) = pair(&broker, "g");
    leader.client.create_topic("post");
    assert_eq!(leader.commit("post", 0, 5), 0);
    let partitions = [0, 1].map(|it| TopicAndPartition::new("__consumer_offsets", it));
    let replica_manager = broker.server().replica_manager();
    replica_manager.stop_replicas(&partitions);
    let mut third = Member::of(&broker, "g");
    third.get_id();
    time.panic_at_ask(1);
    let joining = third.begin_join();
    assert_eq!(third.receive_join(&joining).error_code, NOT_COORDINATOR);
    for _ in 0..3 {
        assert_eq!((leader.heartbeat(), follower.heartbeat()), (NOT_COORDINATOR, NOT_COORDINATOR));
        assert_eq!(leader.describe().error_code, NOT_COORDINATOR);
        assert!(list_groups(&mut leader.client, 5, &[]).is_empty());
        time.clocks.sleep(1_000);
    }
    let log_of = |key: &TopicAndPartition| broker.server().log_manager().get_log(key).unwrap();
    let hosted = |key: &TopicAndPartition| HostedLog {
        key: key.clone(),
        topic_id: ASKED_BY_NAME,
        log: log_of(key),
    };
    let logs = partitions.iter().map(hosted).collect();
    replica_manager.become_leader(LeaderEpoch(0), logs).unwrap();
    wait_until("the next try", || {
        time.clocks.sleep(1_000);
        leader.heartbeat() == 0
    });
    assert_eq!(follower.heartbeat(), 0);
    assert_eq!(leader.committed("post", 0).committed_offset, 5);
}

#[test]
fn the_broker_stops_cleanly_while_a_group_has_failed() {
    let (time, broker) = treacherous_broker();
    let _members = pair(&broker, "g");
    let partitions = [0, 1].map(|it| TopicAndPartition::new("__consumer_offsets", it));
    broker.server().replica_manager().stop_replicas(&partitions);
    let mut third = Member::of(&broker, "g");
    third.get_id();
    time.panic_at_ask(1);
    let joining = third.begin_join();
    assert_eq!(third.receive_join(&joining).error_code, NOT_COORDINATOR);
    let dir = broker.stop();
    assert!(dir.path().join(".kafka_cleanshutdown").exists());
}

#[test]
fn a_commit_whose_append_is_under_way_when_its_group_fails_is_answered() {
    let (time, broker) = treacherous_broker();
    let (mut leader, mut follower) = pair(&broker, "g");
    leader.client.create_topic("post");
    let (appends, is_appending) = mpsc::channel();
    let (go_on, gate) = mpsc::channel::<()>();
    // First the offset is dated, then its record.
    time.surprise_at_ask(2, move || {
        appends.send(()).unwrap();
        gate.recv().unwrap();
    });
    let committing = leader.send_commit("post", 0, 5);
    is_appending.recv_timeout(PATIENCE).unwrap();
    let coordinator = broker.server().group_coordinator();
    let group = coordinator.manager().get_group("g").unwrap();
    let fail = |_: &mut Rebalance<'_>| -> Result<(), Errors> { panic!("while it is appended") };
    assert_eq!(coordinator.changes().change(&group, fail), Err(Errors::NotCoordinator));
    assert_eq!(follower.heartbeat(), NOT_COORDINATOR, "the record may not be in the log yet");
    go_on.send(()).unwrap();
    assert_eq!(leader.receive_commit(&committing), [NOT_COORDINATOR]);
    wait_until("the group to be loaded again", || leader.heartbeat() == 0);
    assert_eq!(leader.committed("post", 0).committed_offset, 5, "it was in the log after all");
}

/// What was committed last lies behind the batch that cannot be read: consumers would go back to
/// offset 5, and those of a group of which nothing else is left would begin anew.
#[test]
fn groups_whose_partition_can_be_read_only_in_part_are_refused_until_it_can_be_read_whole() {
    let broker = Broker::start_in(Arc::new(TempDir::new()), SETTINGS);
    let mut member = Member::of(&broker, "g");
    let mut other = Member::of(&broker, "b");
    member.client.create_topic("post");
    assert_eq!((member.commit("post", 0, 5), member.commit("post", 0, 6)), (0, 0));
    assert_eq!((member.commit("post", 0, 7), other.commit("post", 0, 8)), (0, 0));
    let of_group = |it: &str| {
        broker.server().group_coordinator().manager().partition_for(it).unwrap().to_string()
    };
    let partition = of_group("g");
    assert_ne!(of_group("b"), partition);
    let dir = broker.stop();

    // The attributes of the second batch name a codec that there is not.
    let path = dir.join(&partition).join("00000000000000000000.log");
    let log = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut size = [0; 4];
    log.read_exact_at(&mut size, 8).unwrap();
    let attributes_at = 12 + u64::from(u32::from_be_bytes(size)) + 22;
    log.write_all_at(&[7], attributes_at).unwrap();

    let broker = Broker::start_in(dir, SETTINGS);
    let mut member = Member::of(&broker, "g");
    let mut other = Member::of(&broker, "b");
    let committed = member.committed_in(1, "post", 0);
    assert_eq!((committed.committed_offset, committed.error_code), (-1, COORDINATOR_NOT_AVAILABLE));
    assert_eq!(member.commit("post", 0, 1), COORDINATOR_NOT_AVAILABLE);
    assert_eq!(member.join_in(5).error_code, COORDINATOR_NOT_AVAILABLE);
    assert_eq!(member.heartbeat(), COORDINATOR_NOT_AVAILABLE);
    assert_eq!(member.describe().error_code, COORDINATOR_NOT_AVAILABLE);
    let mut new = Member::of(&broker, "g");
    let manager = broker.server().group_coordinator().manager();
    let is_beside = |it: &&String| manager.partition_for(it).unwrap().to_string() == partition;
    new.group = (0..).map(|it| format!("new-{it}")).find(|it| is_beside(&it)).unwrap();
    assert_eq!(new.committed_in(1, "post", 0).error_code, COORDINATOR_NOT_AVAILABLE);
    assert_eq!(other.committed("post", 0).committed_offset, 8);
    assert_eq!(other.commit("post", 0, 9), 0);
    let listed = list_groups(&mut other.client, 5, &[]);
    assert_eq!(listed.iter().map(|it| it.group_id.as_str()).collect::<Vec<_>>(), ["b"]);
    let dir = broker.stop();

    log.write_all_at(&[0], attributes_at).unwrap();
    let broker = Broker::start_in(dir, SETTINGS);
    assert_eq!(Member::of(&broker, "g").committed("post", 0).committed_offset, 7);
    assert_eq!(Member::of(&broker, "b").committed("post", 0).committed_offset, 9);
}
