//! What a change of the cluster means for what a broker copies from others.

use std::sync::Arc;

use support::records::batch;
use transferto::common::units::{LeaderEpoch, Offset};
use transferto::image::records::broker_records::RegisterBrokerRecord;
use transferto::image::records::topic_records::PartitionChangeRecord;
use transferto::replica::broker_end_point::BrokerEndPoint;
use transferto::replica::fetcher::replica_fetchers::InitialFetchState;

use crate::images::{changed, of_listeners, topic_id};
use crate::replica_changes::{Broker, FOO, LOCAL, NOBODY, OTHER, foo};

const THIRD: i32 = 3;

fn at(id: i32, port: u16) -> BrokerEndPoint {
    BrokerEndPoint { id, host: "localhost".to_string(), port }
}

/// A registration of a broker at another port than before.
fn moved_to(broker_id: i32, port: u16) -> RegisterBrokerRecord {
    let mut record =
        RegisterBrokerRecord { broker_id, broker_epoch: 77, ..of_listeners(&["PLAINTEXT"]) };
    record.end_points[0].port = port;
    record
}

fn copied_from(leader: BrokerEndPoint, epoch: i32, offset: i64) -> Option<InitialFetchState> {
    Some(InitialFetchState {
        topic_id: FOO,
        leader,
        current_leader_epoch: LeaderEpoch(epoch),
        offset: Offset(offset),
    })
}

/// A broker whose neighbours are there, and which has partition 0 of `foo`.
fn broker_with_neighbours(leader: i32) -> Broker {
    let mut broker = Broker::new();
    for id in [LOCAL, OTHER, THIRD] {
        broker.cluster.broker(id, &["PLAINTEXT"]);
    }
    broker.cluster.topic("foo", FOO).partition(FOO, 0, &[LOCAL, OTHER, THIRD], leader);
    broker.apply();
    broker
}

#[test]
fn a_follower_copies_from_the_listener_of_brokers_of_its_leader() {
    let mut broker = Broker::new();
    broker.cluster.broker(OTHER, &["CLIENTS", "PLAINTEXT"]);
    broker.cluster.topic("foo", FOO).partition(FOO, 0, &[LOCAL, OTHER], OTHER);
    broker.apply();
    assert_eq!(broker.fetchers.of(&foo()), copied_from(at(OTHER, 9_001), 0, 0));
}

#[test]
fn a_partition_is_taken_from_its_thread_before_this_broker_leads_it() {
    let mut broker = broker_with_neighbours(OTHER);
    let partition = broker.hosted(&foo()).unwrap();
    // What the thread still appends is from before the new epoch.
    broker.fetchers.finish_with({
        let partition = Arc::clone(&partition);
        move || {
            assert!(partition.leader_replica().is_err());
            partition.local_replica().log.append(&mut batch(&["x"]), LeaderEpoch(0)).unwrap();
        }
    });
    broker.cluster.lead(FOO, 0, LOCAL, &[LOCAL]);
    broker.apply();
    assert_eq!(broker.fetchers.of(&foo()), None);
    assert_eq!(partition.state().epoch_start_offset, Offset(1));
}

/// Port of `ReplicaManagerTest.testDeltaFollowerStopFetcherBeforeCreatingInitialFetchOffset` (KAFKA-13266).
#[test]
fn where_a_follower_goes_on_is_read_when_no_thread_appends_any_more() {
    let mut broker = broker_with_neighbours(OTHER);
    let log = Arc::clone(&broker.hosted(&foo()).unwrap().local_replica().log);
    broker.fetchers.finish_with(move || {
        log.append(&mut batch(&["x", "y"]), LeaderEpoch(0)).unwrap();
    });
    broker.cluster.lead(FOO, 0, THIRD, &[THIRD]);
    broker.apply();
    assert_eq!(broker.fetchers.of(&foo()), copied_from(at(THIRD, 9_000), 1, 2));
}

/// A log of old messages says nothing of epochs: up to its watermark it is as its leader's.
#[test]
fn a_log_without_epochs_is_copied_from_its_watermark_on() {
    let mut broker = broker_with_neighbours(LOCAL);
    broker.produce(&foo(), 1).recv().unwrap();
    let partition = broker.hosted(&foo()).unwrap();
    partition.local_replica().log.leader_epochs().truncate_from_end(Offset::FIRST);
    broker.cluster.lead(FOO, 0, OTHER, &[OTHER]);
    broker.apply();
    let high_watermark = partition.local_replica().high_watermark().message_offset;
    assert!(high_watermark < partition.local_replica().log.log_end_offset());
    assert_eq!(broker.fetchers.of(&foo()), copied_from(at(OTHER, 9_000), 1, high_watermark.0));
}

/// Port of `ReplicaManagerTest.testFetcherAreNotRestartedIfLeaderEpochIsNotBumpedWithKRaftPath`.
#[test]
fn a_follower_whose_leader_epoch_is_the_same_goes_on() {
    let mut broker = broker_with_neighbours(OTHER);
    broker.fetchers.take_removed();
    let isr = Some(vec![OTHER, THIRD]);
    broker.cluster.change(PartitionChangeRecord { isr, ..changed(FOO, 0) });
    let changes = broker.apply();
    assert_eq!(changes.followers, [("foo".to_string(), 0)]);
    assert!(broker.fetchers.take_removed().is_empty());
    broker.cluster.lead(FOO, 0, OTHER, &[OTHER]);
    broker.apply();
    assert_eq!(broker.fetchers.take_removed(), [foo()]);
    assert_eq!(broker.fetchers.of(&foo()), copied_from(at(OTHER, 9_000), 1, 0));
}

/// Port of `ReplicaManagerTest.testDeltaFromFollowerToLeader` and of the tests on deletions, as far as fetchers go.
#[test]
fn nothing_is_copied_of_what_is_led_here_or_went_elsewhere_or_has_no_leader() {
    type Change = fn(&mut Broker);
    let led_here: Change = |broker| _ = broker.cluster.lead(FOO, 0, LOCAL, &[LOCAL]);
    let nobody: Change = |broker| _ = broker.cluster.lead(FOO, 0, NOBODY, &[OTHER]);
    let gone: Change = |broker| _ = broker.cluster.remove(FOO);
    let elsewhere: Change = |broker| {
        let replicas = Some(vec![OTHER, THIRD]);
        broker.cluster.change(PartitionChangeRecord { replicas, ..changed(FOO, 0) });
    };
    for change in [led_here, nobody, gone, elsewhere] {
        let mut broker = broker_with_neighbours(OTHER);
        assert!(broker.fetchers.of(&foo()).is_some());
        change(&mut broker);
        broker.apply();
        assert_eq!(broker.fetchers.of(&foo()), None);
    }
}

#[test]
fn a_topic_made_again_at_once_is_copied_as_the_new_one() {
    let mut broker = broker_with_neighbours(OTHER);
    broker.cluster.remove(FOO);
    broker.cluster.topic("foo", topic_id(2)).partition(topic_id(2), 0, &[LOCAL, OTHER], OTHER);
    broker.apply();
    assert_eq!(broker.fetchers.of(&foo()).unwrap().topic_id, topic_id(2));
}

#[test]
fn a_follower_waits_for_a_leader_that_is_not_there_and_copies_when_it_is() {
    let mut broker = broker_with_neighbours(LOCAL);
    broker.cluster.fence(OTHER).lead(FOO, 0, OTHER, &[OTHER]);
    broker.apply();
    assert_eq!(broker.fetchers.of(&foo()), None);
    broker.cluster.broker(OTHER, &["PLAINTEXT"]);
    broker.apply();
    assert_eq!(broker.fetchers.of(&foo()), copied_from(at(OTHER, 9_000), 1, 0));
}

#[test]
fn a_leader_that_moves_within_its_epoch_is_followed_to_its_new_address() {
    let mut broker = broker_with_neighbours(OTHER);
    broker.cluster.broker_with(moved_to(OTHER, 7_000));
    broker.fetchers.take_removed();
    broker.apply();
    assert_eq!(broker.fetchers.take_removed(), [foo()]);
    assert_eq!(broker.fetchers.of(&foo()), copied_from(at(OTHER, 7_000), 0, 0));
    // What another broker does changes nothing.
    broker.cluster.fence(THIRD);
    broker.apply();
    assert!(broker.fetchers.take_removed().is_empty());
}

/// Port of `ReplicaManagerTest.testReplicasAreStoppedWhileInControlledShutdownWithKRaft`.
#[test]
fn a_broker_that_shuts_down_does_not_copy_its_way_back_into_the_replicas_in_sync() {
    let mut broker = broker_with_neighbours(OTHER);
    broker.changes.begin_controlled_shutdown();
    broker.cluster.lead(FOO, 0, THIRD, &[LOCAL, OTHER, THIRD]);
    broker.apply();
    assert!(
        broker.fetchers.of(&foo()).is_some(),
        "it is in sync still, and others may wait for it"
    );
    let isr = Some(vec![OTHER, THIRD]);
    broker.cluster.change(PartitionChangeRecord { isr, ..changed(FOO, 0) });
    broker.apply();
    assert_eq!(broker.fetchers.of(&foo()), None);
    broker.cluster.lead(FOO, 0, OTHER, &[OTHER, THIRD]);
    broker.apply();
    assert_eq!(broker.fetchers.of(&foo()), None);
    broker.cluster.broker_with(moved_to(OTHER, 7_000));
    broker.apply();
    assert_eq!(broker.fetchers.of(&foo()), None, "wherever its leader is");
    broker.changes.shutdown_fetchers();
    assert!(broker.fetchers.is_shut_down());
}
