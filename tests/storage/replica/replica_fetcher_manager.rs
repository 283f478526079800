//! Ports of `kafka.server.AbstractFetcherManagerTest`, with real threads: which of them copies what, and how they end.

use std::io;
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;

use support::wait::{PATIENCE, wait_until};
use transferto::common::errors::Errors;
use transferto::common::time::Time;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::common::units::{LeaderEpoch, Offset};
use transferto::replica::broker_end_point::BrokerEndPoint;
use transferto::replica::fetcher::leader_end_point::{
    EpochQuestion, LeaderEndPoint, ReplicaFetch, ReplicaFetchPartition, ReplicaFetched,
};
use transferto::replica::fetcher::partition_fetch_state::PartitionFetchState;
use transferto::replica::fetcher::replica_fetcher_manager::{
    FetcherManagerConfig, ReplicaFetcherManager,
};
use transferto::replica::fetcher::replica_fetchers::{InitialFetchState, ReplicaFetchers};
use transferto::storage::epochs::epoch_entry::{EpochEndOffset, EpochEntry};

use crate::fixture::Mocks;
use crate::replica::fetcher_scene::{BACKOFF_MS, Broker, FOLLOWER, TOPIC_ID};

const PORT: u16 = 9092;
const OTHER_PORT: u16 = 9093;
/// The leader whose threads panic.
const MAD: i32 = 9;

/// What a thread does with its leader.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    /// Its own name, the leader's port, and the partitions by name, sorted.
    Asks(String, u16, Vec<String>),
    /// The connection of this thread is closed.
    Closes(i32, usize),
}

/// A leader that never answers: a fetch waits until the connection is closed.
struct SilentLeader {
    end_point: BrokerEndPoint,
    fetcher_id: usize,
    events: Sender<Event>,
    closed: Arc<(Mutex<bool>, Condvar)>,
}

impl LeaderEndPoint for SilentLeader {
    fn broker_end_point(&self) -> &BrokerEndPoint {
        &self.end_point
    }

    fn closer(&self) -> Box<dyn Fn() + Send + Sync> {
        let (closed, events) = (Arc::clone(&self.closed), Mutex::new(self.events.clone()));
        let (leader_id, fetcher_id) = (self.end_point.id, self.fetcher_id);
        Box::new(move || {
            *closed.0.lock().unwrap() = true;
            closed.1.notify_all();
            // The test may be over.
            let _ = events.lock().unwrap().send(Event::Closes(leader_id, fetcher_id));
        })
    }

    fn build_fetch(
        &mut self,
        partitions: &[(TopicAndPartition, PartitionFetchState)],
    ) -> Option<ReplicaFetch> {
        let asked = |(key, state): &(TopicAndPartition, PartitionFetchState)| {
            let partition = ReplicaFetchPartition {
                topic_id: state.topic_id,
                current_leader_epoch: state.current_leader_epoch,
                fetch_offset: state.fetch_offset,
                last_fetched_epoch: state.last_fetched_epoch,
                log_start_offset: Offset::FIRST,
                max_bytes: 1 << 20,
            };
            (key.clone(), partition)
        };
        let partitions: Vec<_> = partitions.iter().map(asked).collect();
        (!partitions.is_empty()).then_some(ReplicaFetch { partitions })
    }

    fn fetch(&mut self, fetch: &ReplicaFetch) -> io::Result<ReplicaFetched> {
        let mut keys: Vec<_> = fetch.partitions.iter().map(|(key, _)| key.to_string()).collect();
        keys.sort();
        let name = thread::current().name().unwrap().to_string();
        let _ = self.events.send(Event::Asks(name, self.end_point.port, keys));
        assert_ne!(self.end_point.id, MAD, "this leader is mad");
        // Only where nobody closes it does it end by itself: a test that fails ends, too.
        let closed = self.closed.0.lock().unwrap();
        drop(self.closed.1.wait_timeout_while(closed, 2 * PATIENCE, |closed| !*closed));
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    fn fetch_earliest_offset(
        &mut self,
        _: &TopicAndPartition,
        _: LeaderEpoch,
    ) -> io::Result<Result<EpochEntry, Errors>> {
        unreachable!("no offset is out of range")
    }

    fn fetch_latest_offset(
        &mut self,
        _: &TopicAndPartition,
        _: LeaderEpoch,
    ) -> io::Result<Result<EpochEntry, Errors>> {
        unreachable!("no offset is out of range")
    }

    fn fetch_epoch_end_offsets(
        &mut self,
        _: &[EpochQuestion],
    ) -> Vec<Result<Option<EpochEndOffset>, Errors>> {
        unreachable!("the logs are empty")
    }
}

/// The threads of a broker that follows everywhere.
struct Scene {
    mocks: Mocks,
    broker: Broker,
    fetchers: Arc<ReplicaFetcherManager>,
    events: Receiver<Event>,
}

impl Scene {
    fn new(num_fetchers: usize) -> Self {
        let mocks = Mocks::new();
        let broker = Broker::new(FOLLOWER, &mocks);
        let (sender, events) = mpsc::channel();
        let sender = Mutex::new(sender);
        let leaders = Box::new(move |end_point: &BrokerEndPoint, fetcher_id: usize| {
            Box::new(SilentLeader {
                end_point: end_point.clone(),
                fetcher_id,
                events: sender.lock().unwrap().clone(),
                closed: Arc::default(),
            }) as Box<dyn LeaderEndPoint>
        });
        let time: Arc<dyn Time> = mocks.time.clone();
        let config = FetcherManagerConfig { num_fetchers, backoff_ms: BACKOFF_MS };
        let fetchers = ReplicaFetcherManager::new(config, &broker.manager, leaders, &time);
        Self { mocks, broker, fetchers: Arc::new(fetchers), events }
    }

    fn host(&self, keys: &[TopicAndPartition]) {
        for key in keys {
            self.broker.host(&self.mocks, key, 0, &[]);
        }
    }

    /// Has these copied from a leader, in one call.
    fn add(&self, keys: &[TopicAndPartition], (leader, port): (i32, u16), epoch: i32) {
        let initial = InitialFetchState {
            topic_id: TOPIC_ID,
            leader: BrokerEndPoint { id: leader, host: "localhost".to_string(), port },
            current_leader_epoch: LeaderEpoch(epoch),
            offset: Offset::FIRST,
        };
        let added = keys.iter().map(|key| (key.clone(), initial.clone())).collect();
        self.fetchers.add_fetcher_for_partitions(added);
    }

    fn event(&self) -> Event {
        self.events.recv_timeout(PATIENCE).unwrap()
    }

    /// The next so many events, in no order.
    fn assert_events(&self, expected: &[Event]) {
        let happened: Vec<_> = expected.iter().map(|_| self.event()).collect();
        assert!(expected.iter().all(|it| happened.contains(it)), "{happened:?}");
    }
}

/// A test that fails leaves no thread.
impl Drop for Scene {
    fn drop(&mut self) {
        self.fetchers.shutdown();
    }
}

fn key(partition: i32) -> TopicAndPartition {
    TopicAndPartition::new("topic", partition)
}

fn asks(name: &str, port: u16, keys: &[&str]) -> Event {
    Event::Asks(name.to_string(), port, keys.iter().map(ToString::to_string).collect())
}

/// The threads are those that a JVM has reckoned: the hashes of both topics are negative.
#[test]
fn a_partition_has_the_thread_that_it_has_in_kafka() {
    let scene = Scene::new(3);
    let keys: Vec<_> = ["topic", "orders"]
        .iter()
        .flat_map(|topic| (0..3).map(|it| TopicAndPartition::new(topic, it)))
        .collect();
    scene.host(&keys);
    scene.add(&keys, (2, PORT), 0);
    scene.assert_events(&[
        asks("ReplicaFetcherThread-0-2", PORT, &["orders-2", "topic-1"]),
        asks("ReplicaFetcherThread-1-2", PORT, &["orders-1", "topic-0"]),
        asks("ReplicaFetcherThread-2-2", PORT, &["orders-0", "topic-2"]),
    ]);
}

/// Port of `AbstractFetcherManagerTest.testAddAndRemovePartition`.
#[test]
fn a_partition_that_is_taken_away_is_as_far_as_it_was() {
    let scene = Scene::new(1);
    scene.host(&[key(0)]);
    scene.add(&[key(0)], (1, PORT), 3);
    scene.assert_events(&[asks("ReplicaFetcherThread-0-1", PORT, &["topic-0"])]);
    let removed = scene.fetchers.remove_fetcher_for_partitions(&[key(0), key(1)]);
    let [(removed, state)] = &removed[..] else { panic!("{removed:?}") };
    assert_eq!((removed, state.current_leader_epoch), (&key(0), LeaderEpoch(3)));
    assert!(scene.fetchers.remove_fetcher_for_partitions(&[key(0)]).is_empty());
}

#[test]
fn a_thread_ends_that_has_nothing_to_copy_any_more() {
    let scene = Scene::new(1);
    scene.host(&[key(0), key(1)]);
    scene.add(&[key(0)], (1, PORT), 0);
    scene.add(&[key(1)], (2, PORT), 0);
    scene.assert_events(&[
        asks("ReplicaFetcherThread-0-1", PORT, &["topic-0"]),
        asks("ReplicaFetcherThread-0-2", PORT, &["topic-1"]),
    ]);
    scene.fetchers.shutdown_idle_fetcher_threads();
    scene.fetchers.remove_fetcher_for_partitions(&[key(0)]);
    scene.fetchers.shutdown_idle_fetcher_threads();
    assert_eq!(scene.event(), Event::Closes(1, 0), "and not before it was idle");
    scene.fetchers.shutdown();
    assert_eq!(scene.event(), Event::Closes(2, 0));
}

/// KAFKA-7576. All wait at once for leaders that do not answer.
#[test]
fn a_stop_does_not_wait_for_leaders_and_nothing_begins_after_it() {
    let scene = Scene::new(1);
    scene.host(&[key(0), key(1)]);
    scene.add(&[key(0)], (1, PORT), 0);
    scene.add(&[key(1)], (2, PORT), 0);
    scene.event();
    scene.event();
    let (fetchers, (sender, stopped)) = (Arc::clone(&scene.fetchers), mpsc::channel());
    let stop = thread::spawn(move || {
        fetchers.shutdown();
        sender.send(()).unwrap();
    });
    stopped.recv_timeout(PATIENCE).expect("it waits for no leader");
    stop.join().unwrap();
    scene.assert_events(&[Event::Closes(1, 0), Event::Closes(2, 0)]);
    scene.add(&[key(0)], (1, PORT), 1);
    assert!(scene.events.try_recv().is_err());
    assert!(scene.fetchers.remove_fetcher_for_partitions(&[key(0)]).is_empty());
}

#[test]
fn a_leader_that_is_reached_elsewhere_is_asked_there_for_everything() {
    let scene = Scene::new(1);
    scene.host(&[key(0), key(1)]);
    scene.add(&[key(0), key(1)], (1, PORT), 0);
    let name = "ReplicaFetcherThread-0-1";
    assert_eq!(scene.event(), asks(name, PORT, &["topic-0", "topic-1"]));
    scene.add(&[key(0)], (1, OTHER_PORT), 1);
    assert_eq!(scene.event(), Event::Closes(1, 0));
    assert_eq!(scene.event(), asks(name, OTHER_PORT, &["topic-0", "topic-1"]));
}

/// Port of `ReplicaFetcherManager.resizeThreadPool`, as `AbstractFetcherManagerTest.testExpandThreadPool` and
/// `testShrinkThreadPool` hold it.
#[test]
fn each_partition_gets_the_thread_that_its_hash_gives_it_among_more_or_fewer() {
    let scene = Scene::new(1);
    let keys = [key(0), key(1), key(2)];
    scene.host(&keys);
    scene.add(&keys, (2, PORT), 3);
    let only = asks("ReplicaFetcherThread-0-2", PORT, &["topic-0", "topic-1", "topic-2"]);
    assert_eq!(scene.event(), only);
    scene.fetchers.resize_thread_pool(3);
    scene.assert_events(&[
        asks("ReplicaFetcherThread-1-2", PORT, &["topic-0"]),
        asks("ReplicaFetcherThread-2-2", PORT, &["topic-2"]),
    ]);
    scene.fetchers.resize_thread_pool(1);
    scene.assert_events(&[Event::Closes(2, 1), Event::Closes(2, 2)]);
    let removed = scene.fetchers.remove_fetcher_for_partitions(&keys);
    assert!(removed.iter().all(|(_, state)| state.current_leader_epoch == LeaderEpoch(3)));
    assert_eq!(removed.len(), 3, "none is lost on the way");
}

/// A bug that ends a thread is seen, and the next change of the cluster has another one begin.
#[test]
fn a_thread_that_has_died_is_counted_until_another_takes_its_place() {
    let scene = Scene::new(1);
    scene.host(&[key(0), key(1)]);
    scene.add(&[key(0)], (MAD, PORT), 0);
    let name = format!("ReplicaFetcherThread-0-{MAD}");
    assert_eq!(scene.event(), asks(&name, PORT, &["topic-0"]));
    let dead = || scene.fetchers.metrics().dead_thread_count;
    wait_until("the thread to die", || dead() == 1);
    scene.add(&[key(1)], (MAD, PORT), 0);
    assert_eq!(scene.event(), Event::Closes(MAD, 0));
    assert_eq!(scene.event(), asks(&name, PORT, &["topic-0", "topic-1"]));
    wait_until("the other to die as well", || dead() == 1);
}

#[test]
fn a_partition_without_a_log_has_failed_until_it_is_taken_away() {
    let scene = Scene::new(1);
    scene.host(&[key(0)]);
    scene.add(&[key(0), key(7)], (1, PORT), 0);
    assert_eq!(scene.event(), asks("ReplicaFetcherThread-0-1", PORT, &["topic-0"]));
    assert_eq!(scene.fetchers.metrics().failed_partitions_count, 1);
    scene.fetchers.remove_fetcher_for_partitions(&[key(7)]);
    assert_eq!(scene.fetchers.metrics().failed_partitions_count, 0);
}
