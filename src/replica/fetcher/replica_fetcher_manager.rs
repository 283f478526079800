//! Port of `kafka.server.ReplicaFetcherManager` and `AbstractFetcherManager`: which thread copies what.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use log::{Level, info, log, warn};

use crate::common::lock::locked;
use crate::common::log_limit::{LogKind, limited};
use crate::common::named_thread::spawn_named;
use crate::common::text::{counted, java_abs, java_hash_code};
use crate::common::time::Time;
use crate::common::topic_partition::TopicAndPartition;
use crate::config::dynamic_config::BrokerReconfigurable;
use crate::config::kafka_config::KafkaConfig;
use crate::replica::broker_end_point::BrokerEndPoint;
use crate::replica::fetcher::abstract_fetcher_thread::{AbstractFetcherThread, FetcherConfig};
use crate::replica::fetcher::copying::Copying;
use crate::replica::fetcher::failed_partitions::FailedPartitions;
use crate::replica::fetcher::leader_end_point::LeaderEndPoint;
use crate::replica::fetcher::partition_fetch_state::PartitionFetchState;
use crate::replica::fetcher::replica_fetcher_thread::ReplicaFetcherThread;
use crate::replica::fetcher::replica_fetchers::{InitialFetchState, ReplicaFetchers};
use crate::replica::replica_manager::ReplicaManager;

/// How long a stop waits for a thread that is on its way out: one that looks up its leader's name cannot be
/// interrupted, and ends by itself.
const STOP_WAIT: Duration = Duration::from_secs(1);

/// Makes the way to a leader for the fetcher of this number.
pub type LeaderEndPoints =
    Box<dyn Fn(&BrokerEndPoint, usize) -> Box<dyn LeaderEndPoint> + Send + Sync>;

/// How a broker copies.
pub struct FetcherManagerConfig {
    /// `num.replica.fetchers` at the start, for each leader; at least 1.
    pub num_fetchers: usize,
    /// `replica.fetch.backoff.ms`.
    pub backoff_ms: i64,
}

/// The threads that copy into the partitions of a `ReplicaManager`.
pub struct ReplicaFetcherManager {
    config: FetcherManagerConfig,
    replica_manager: Arc<ReplicaManager>,
    leader_end_points: LeaderEndPoints,
    time: Arc<dyn Time>,
    failed: Arc<FailedPartitions>,
    threads: Mutex<Threads>,
}

struct Threads {
    /// For each leader.
    num_fetchers: usize,
    running: HashMap<BrokerIdAndFetcherId, Running>,
    is_shut_down: bool,
}

/// The leader, and which of its fetchers.
type BrokerIdAndFetcherId = (i32, usize);

struct Running {
    fetcher: Arc<AbstractFetcherThread>,
    /// Hung up by the thread when it is over.
    is_over: Receiver<()>,
}

/// How far the threads are: Kafka's metrics of the same names.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FetcherMetrics {
    /// The most records that a partition is behind.
    pub max_lag: i64,
    /// Of the thread that asks least often, in requests per second; 0 without a thread.
    pub min_fetch_rate: f64,
    pub dead_thread_count: usize,
    pub failed_partitions_count: usize,
}

/// What a thread has done: Kafka's `FetcherStats`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetcherThreadStats {
    pub name: String,
    pub leader: BrokerEndPoint,
    pub requests: u64,
    /// Of records that were appended.
    pub bytes: u64,
}

impl ReplicaFetcherManager {
    /// Without a thread.
    pub fn new(
        config: FetcherManagerConfig,
        replica_manager: &Arc<ReplicaManager>,
        leader_end_points: LeaderEndPoints,
        time: &Arc<dyn Time>,
    ) -> Self {
        let num_fetchers = config.num_fetchers.max(1);
        let threads = Threads { num_fetchers, running: HashMap::new(), is_shut_down: false };
        Self {
            config,
            replica_manager: Arc::clone(replica_manager),
            leader_end_points,
            time: Arc::clone(time),
            failed: Arc::default(),
            threads: Mutex::new(threads),
        }
    }

    /// How far the threads are now.
    pub fn metrics(&self) -> FetcherMetrics {
        let threads = locked(&self.threads);
        let now_ms = self.time.hi_res_clock_ms();
        let stats = || threads.running.values().map(|it| it.fetcher.stats());
        FetcherMetrics {
            max_lag: stats().map(|it| it.max_lag()).max().unwrap_or(0),
            min_fetch_rate: stats()
                .map(|it| it.request_rate(now_ms))
                .reduce(f64::min)
                .unwrap_or(0.0),
            dead_thread_count: stats().filter(|it| it.is_dead()).count(),
            failed_partitions_count: self.failed.count(),
        }
    }

    /// Kafka's `ConsumerLag`: how many records each partition is behind.
    pub fn lags(&self) -> Vec<(TopicAndPartition, i64)> {
        let threads = locked(&self.threads);
        threads.running.values().flat_map(|it| it.fetcher.stats().lags()).collect()
    }

    /// Port of `resizeThreadPool`: so many threads for each leader from now on. All partitions get the thread anew
    /// that their hash gives them, and go on where they were.
    pub fn resize_thread_pool(&self, num_fetchers: usize) {
        let num_fetchers = num_fetchers.max(1);
        let mut threads = locked(&self.threads);
        if threads.is_shut_down || threads.num_fetchers == num_fetchers {
            return;
        }
        info!("{num_fetchers} threads copy from each leader, instead of {}", threads.num_fetchers);
        threads.num_fetchers = num_fetchers;
        let all: Vec<_> = threads.running.values().flat_map(Running::take_partitions).collect();
        self.add(&mut threads, all);
        threads.stop_idle();
    }

    fn add(&self, threads: &mut Threads, partitions: Vec<(TopicAndPartition, InitialFetchState)>) {
        let mut by_thread: HashMap<(BrokerEndPoint, usize), Vec<_>> = HashMap::new();
        for (key, initial) in partitions {
            let thread = (initial.leader.clone(), threads.fetcher_id(&key));
            by_thread.entry(thread).or_default().push((key, initial));
        }
        for ((broker, fetcher_id), partitions) in by_thread {
            let count = counted(partitions.len(), "partition").to_string();
            if let Err(error) = self.add_to(threads, (&broker, fetcher_id), partitions) {
                let level = limited(LogKind::Failures, Level::Error);
                log!(level, "nothing is copied of {count} of {broker}: {error}");
            }
        }
    }

    /// What each thread has done, by name.
    pub fn thread_stats(&self) -> Vec<FetcherThreadStats> {
        let threads = locked(&self.threads);
        let stats = |it: &Running| FetcherThreadStats {
            name: it.fetcher.name().to_string(),
            leader: it.fetcher.broker_end_point().clone(),
            requests: it.fetcher.stats().request_count.value(),
            bytes: it.fetcher.stats().bytes.value(),
        };
        let mut all: Vec<_> = threads.running.values().map(stats).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// How far these are, and whether they are copied at all. A thread that appends is waited for once.
    pub fn copying(&self, keys: &[TopicAndPartition]) -> Vec<Copying> {
        let threads = locked(&self.threads);
        let fetchers: Vec<_> = threads.running.values().map(|it| Arc::clone(&it.fetcher)).collect();
        drop(threads);
        let now_ms = self.time.hi_res_clock_ms();
        let mut states = HashMap::new();
        for fetcher in fetchers {
            states.extend(fetcher.fetch_states(keys));
        }
        let state_of = |key: &TopicAndPartition| match states.remove(key) {
            Some(state) => Copying::of(&state, now_ms),
            None if self.failed.contains(key) => Copying::Failed,
            None => Copying::Not,
        };
        keys.iter().map(state_of).collect()
    }

    fn start(&self, broker: &BrokerEndPoint, fetcher_id: usize) -> io::Result<Running> {
        let leader = (self.leader_end_points)(broker, fetcher_id);
        let name = format!("ReplicaFetcherThread-{fetcher_id}-{}", broker.id);
        let config = FetcherConfig {
            name: name.clone(),
            backoff_ms: self.config.backoff_ms,
            time: Arc::clone(&self.time),
            failed: Arc::clone(&self.failed),
        };
        let replicas = Box::new(ReplicaFetcherThread::new(Arc::clone(&self.replica_manager)));
        let fetcher = Arc::new(AbstractFetcherThread::new(config, leader, replicas));
        let works = Arc::clone(&fetcher);
        let (alive, is_over) = sync_channel(0);
        spawn_named(name, move || {
            works.run();
            drop(alive);
        })?;
        Ok(Running { fetcher, is_over })
    }

    /// Adds to the thread of this number, which is started if it does not run. One whose leader is reached
    /// elsewhere by now gives way to another, which goes on with what it had.
    fn add_to(
        &self,
        threads: &mut Threads,
        (broker, fetcher_id): (&BrokerEndPoint, usize),
        mut partitions: Vec<(TopicAndPartition, InitialFetchState)>,
    ) -> io::Result<()> {
        let id = (broker.id, fetcher_id);
        if let Some(running) = threads.running.get(&id)
            && (running.fetcher.broker_end_point() != broker || running.fetcher.stats().is_dead())
        {
            let moved = threads.running.remove(&id).expect("it was there");
            let left = stop(vec![moved]);
            let is_new = |key: &TopicAndPartition| partitions.iter().any(|(it, _)| it == key);
            let left: Vec<_> = left.into_iter().filter(|(key, _)| !is_new(key)).collect();
            partitions
                .extend(left.into_iter().map(|(key, state)| (key, as_it_was(&state, broker))));
        }
        let running = match threads.running.entry(id) {
            Entry::Occupied(running) => running.into_mut(),
            Entry::Vacant(place) => match self.start(broker, fetcher_id) {
                Ok(running) => place.insert(running),
                Err(error) => {
                    partitions.iter().for_each(|(key, _)| self.failed.add(key));
                    return Err(error);
                }
            },
        };
        info!(
            "{} copies {} more, from {broker}",
            running.fetcher.name(),
            counted(partitions.len(), "partition")
        );
        running.fetcher.add_partitions(partitions);
        Ok(())
    }
}

/// Follows `num.replica.fetchers`.
impl BrokerReconfigurable for ReplicaFetcherManager {
    fn reconfigure(&self, _: &KafkaConfig, new: &KafkaConfig) {
        self.resize_thread_pool(new.num_replica_fetchers);
    }
}

impl Threads {
    /// Port of `getFetcherId`: as Java reckons, so that a partition has the same thread as in Kafka.
    fn fetcher_id(&self, key: &TopicAndPartition) -> usize {
        let hash = java_hash_code(&key.topic).wrapping_mul(31).wrapping_add(key.partition);
        usize::try_from(java_abs(hash)).unwrap_or_default() % self.num_fetchers
    }

    fn stop_idle(&mut self) {
        let is_idle =
            |_: &BrokerIdAndFetcherId, it: &mut Running| it.fetcher.partition_count() == 0;
        stop(self.running.extract_if(is_idle).map(|(_, it)| it).collect());
    }
}

impl Running {
    /// Leaves it with nothing to copy.
    fn take_partitions(&self) -> Vec<(TopicAndPartition, InitialFetchState)> {
        let keys: Vec<_> = self.fetcher.partitions().into_iter().map(|(key, _)| key).collect();
        let leader = self.fetcher.broker_end_point();
        let taken = self.fetcher.remove_partitions(&keys).into_iter();
        taken.map(|(key, state)| (key, as_it_was(&state, leader))).collect()
    }
}

impl ReplicaFetchers for ReplicaFetcherManager {
    fn add_fetcher_for_partitions(&self, partitions: Vec<(TopicAndPartition, InitialFetchState)>) {
        let mut threads = locked(&self.threads);
        if !threads.is_shut_down {
            self.add(&mut threads, partitions);
        }
    }

    fn remove_fetcher_for_partitions(
        &self,
        keys: &[TopicAndPartition],
    ) -> Vec<(TopicAndPartition, PartitionFetchState)> {
        let threads = locked(&self.threads);
        let removed = threads.running.values().flat_map(|it| it.fetcher.remove_partitions(keys));
        let removed: Vec<_> = removed.collect();
        self.failed.remove(keys);
        removed
    }

    fn shutdown_idle_fetcher_threads(&self) {
        locked(&self.threads).stop_idle();
    }

    fn shutdown(&self) {
        let mut threads = locked(&self.threads);
        threads.is_shut_down = true;
        let all = threads.running.drain().map(|(_, it)| it).collect();
        stop(all);
    }
}

/// For another thread, which goes on where this state is.
fn as_it_was(state: &PartitionFetchState, leader: &BrokerEndPoint) -> InitialFetchState {
    InitialFetchState {
        topic_id: state.topic_id,
        leader: leader.clone(),
        current_leader_epoch: state.current_leader_epoch,
        offset: state.fetch_offset,
    }
}

/// Ends these threads, all at once. Returns what they would have copied.
fn stop(threads: Vec<Running>) -> Vec<(TopicAndPartition, PartitionFetchState)> {
    threads.iter().for_each(|it| it.fetcher.initiate_shutdown());
    let mut left = Vec::new();
    for Running { fetcher, is_over } in threads {
        // From here on it appends nothing, whenever it ends.
        let keys: Vec<_> = fetcher.partitions().into_iter().map(|(key, _)| key).collect();
        left.extend(fetcher.remove_partitions(&keys));
        if is_over.recv_timeout(STOP_WAIT) == Err(RecvTimeoutError::Timeout) {
            warn!(
                "{} still waits for {}: it is left behind",
                fetcher.name(),
                fetcher.broker_end_point()
            );
        }
    }
    left
}
