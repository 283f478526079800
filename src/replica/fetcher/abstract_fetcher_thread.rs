//! Port of `kafka.server.AbstractFetcherThread`: copies partitions from one leader, over and over.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use log::{Level, debug, error, log};

use crate::common::errors::Errors;
use crate::common::lock::locked;
use crate::common::log_limit::{LogKind, limited};
use crate::common::time::Time;
use crate::common::topic_partition::TopicAndPartition;
use crate::replica::broker_end_point::BrokerEndPoint;
use crate::replica::fetcher::copied_partitions::{CopiedPartitions, GoOnAt, OutOfRange};
use crate::replica::fetcher::failed_partitions::FailedPartitions;
use crate::replica::fetcher::fetcher_replicas::FetcherReplicas;
use crate::replica::fetcher::fetcher_stats::FetcherStats;
use crate::replica::fetcher::leader_end_point::{LeaderEndPoint, ReplicaFetch, ReplicaFetched};
use crate::replica::fetcher::partition_fetch_state::PartitionFetchState;
use crate::replica::fetcher::replica_fetchers::InitialFetchState;

/// What a thread is and works with.
pub struct FetcherConfig {
    /// Such as `ReplicaFetcherThread-0-2`: the second number is the leader's.
    pub name: String,
    /// `replica.fetch.backoff.ms`: how long a partition rests after an error, and a thread that has nothing to do.
    pub backoff_ms: i64,
    pub time: Arc<dyn Time>,
    /// Shared by all threads.
    pub failed: Arc<FailedPartitions>,
}

/// A thread's work, without the thread: [`run`](Self::run) is for that one, the other calls for any.
pub struct AbstractFetcherThread {
    name: String,
    broker: BrokerEndPoint,
    backoff_ms: i64,
    time: Arc<dyn Time>,
    /// Only the thread itself asks it, and waits for the answers. Taken before `copied`, if both are.
    leader: Mutex<Box<dyn LeaderEndPoint>>,
    /// Kafka's `partitionMapLock`: held while records are appended and logs are cut, so that what is taken away
    /// is at rest; never while the leader is asked.
    copied: Mutex<CopiedPartitions>,
    /// There is something else to copy, or an end to it.
    changed: Condvar,
    close_leader: Box<dyn Fn() + Send + Sync>,
    is_running: AtomicBool,
    stats: Arc<FetcherStats>,
}

impl AbstractFetcherThread {
    /// Copies nothing yet, from `leader` into `replicas`.
    pub fn new(
        config: FetcherConfig,
        leader: Box<dyn LeaderEndPoint>,
        replicas: Box<dyn FetcherReplicas>,
    ) -> Self {
        let FetcherConfig { name, backoff_ms, time, failed } = config;
        let stats = Arc::<FetcherStats>::default();
        let copied = CopiedPartitions::new(replicas, failed, Arc::clone(&stats), backoff_ms);
        Self {
            name,
            broker: leader.broker_end_point().clone(),
            backoff_ms,
            time,
            close_leader: leader.closer(),
            leader: Mutex::new(leader),
            copied: Mutex::new(copied),
            changed: Condvar::new(),
            is_running: AtomicBool::new(true),
            stats,
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The leader.
    pub fn broker_end_point(&self) -> &BrokerEndPoint {
        &self.broker
    }

    pub fn stats(&self) -> &Arc<FetcherStats> {
        &self.stats
    }

    /// Port of `addPartitions`: copies these as well. One that is copied in the same leader epoch goes on.
    pub fn add_partitions(&self, partitions: Vec<(TopicAndPartition, InitialFetchState)>) {
        let mut copied = locked(&self.copied);
        for (key, initial) in partitions {
            copied.add(&key, &initial);
        }
        drop(copied);
        self.changed.notify_all();
    }

    /// Port of `removePartitions`: copies these no more, and returns how far they were. When this returns, their
    /// logs are at rest.
    pub fn remove_partitions(
        &self,
        keys: &[TopicAndPartition],
    ) -> Vec<(TopicAndPartition, PartitionFetchState)> {
        locked(&self.copied).remove(keys)
    }

    /// Port of `fetchState`.
    pub fn fetch_state(&self, key: &TopicAndPartition) -> Option<PartitionFetchState> {
        locked(&self.copied).states().get(key).cloned()
    }

    /// Of those of `keys` that are copied here.
    pub fn fetch_states(
        &self,
        keys: &[TopicAndPartition],
    ) -> Vec<(TopicAndPartition, PartitionFetchState)> {
        let copied = locked(&self.copied);
        let state =
            |key: &TopicAndPartition| Some((key.clone(), copied.states().get(key)?.clone()));
        keys.iter().filter_map(state).collect()
    }

    pub fn partition_count(&self) -> usize {
        locked(&self.copied).states().len()
    }

    /// All that is copied.
    pub fn partitions(&self) -> Vec<(TopicAndPartition, PartitionFetchState)> {
        locked(&self.copied).all()
    }

    /// Works until [`initiate_shutdown`](Self::initiate_shutdown).
    pub fn run(&self) {
        let work = || {
            while self.is_running.load(Ordering::Acquire) {
                self.do_work();
            }
        };
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            error!("{} has ended: nothing is copied by it any more", self.name);
            self.stats.mark_dead();
        }
    }

    /// Ends a wait for the leader or for something to do (KAFKA-7576).
    pub fn initiate_shutdown(&self) {
        self.is_running.store(false, Ordering::Release);
        (self.close_leader)();
        // Under the lock, so that a thread that is about to wait sees it.
        let _copied = locked(&self.copied);
        self.changed.notify_all();
    }

    /// One round.
    pub fn do_work(&self) {
        self.maybe_truncate();
        self.maybe_fetch();
    }

    /// Port of `maybeTruncate`: cuts the logs that may hold what the leader's do not. One with epochs is cut where
    /// the leader says that they end, one without at its high watermark.
    pub fn maybe_truncate(&self) {
        let now_ms = self.now_ms();
        let questions = locked(&self.copied).begin_truncation(now_ms);
        if questions.is_empty() {
            return;
        }
        let answers = locked(&self.leader).fetch_epoch_end_offsets(&questions);
        locked(&self.copied).truncate_to_epoch_ends(&questions, answers, self.now_ms());
    }

    fn maybe_fetch(&self) {
        let Some(fetch) = self.build_fetch() else { return self.rest() };
        let fetched = locked(&self.leader).fetch(&fetch);
        let has_failed = fetched.is_err();
        self.complete_fetch(&fetch, fetched);
        if has_failed {
            self.rest();
        }
    }

    /// What is to be asked now; `None` if there is nothing.
    pub fn build_fetch(&self) -> Option<ReplicaFetch> {
        let mut leader = locked(&self.leader);
        let partitions = locked(&self.copied).to_ask_for();
        leader.build_fetch(&partitions)
    }

    /// Port of `processFetchRequest` from the answer on: what it brings is appended, and where the logs part they
    /// are cut.
    pub fn complete_fetch(&self, fetch: &ReplicaFetch, fetched: io::Result<ReplicaFetched>) {
        self.stats.mark_request(self.now_ms());
        let fetched = match fetched {
            Ok(fetched) => fetched,
            Err(error) => return self.give_up(fetch, &error),
        };
        let now_ms = self.now_ms();
        let out_of_range = locked(&self.copied).process(fetch, &fetched, now_ms);
        for it in out_of_range {
            self.handle_out_of_range(&it);
        }
        // Without the lock: others are answered on this thread.
        let owed = locked(&self.copied).owed();
        if let Some(complete) = owed {
            complete();
        }
    }

    /// The whole request has failed.
    fn give_up(&self, fetch: &ReplicaFetch, error: &io::Error) {
        let now_ms = self.now_ms();
        let keys = fetch.partitions.iter().map(|(key, _)| key);
        locked(&self.copied).delay(keys, now_ms);
        self.say_failed(error, now_ms);
    }

    /// A leader that is not reached, or not trusted, is tried again every second.
    fn say_failed(&self, error: &io::Error, now_ms: i64) {
        let why = error.to_string();
        let news = locked(&self.copied).news_of_failure(&why, now_ms);
        match news.filter(|_| self.is_running.load(Ordering::Acquire)) {
            Some(repeats) => {
                log!(limited(LogKind::Failures, Level::Warn), "{}: {why}{repeats}", self.name);
            }
            None => debug!("{}: {why}", self.name),
        }
    }

    /// Port of `handleOutOfRangeError` and `fetchOffsetAndTruncate`: the leader does not have the offset that it
    /// was asked for.
    ///
    /// If its log ends before ours, it was elected though it lacked what we have, and we cut ours. Else it has
    /// deleted what comes after ours, and we begin where it begins.
    fn handle_out_of_range(&self, it: &OutOfRange) {
        match self.offset_to_go_on_at(it) {
            Ok(Ok(target)) => locked(&self.copied).resume(it, target, self.now_ms()),
            Ok(Err(Errors::FencedLeaderEpoch)) => {
                locked(&self.copied).fence(&it.key, it.current_leader_epoch, self.now_ms());
            }
            Ok(Err(error)) => {
                let now_ms = self.now_ms();
                let why = format!("cannot ask for the offsets of {}: {error}", it.key);
                let mut copied = locked(&self.copied);
                copied.delay([&it.key], now_ms);
                let news = copied.news_of_refusal(&why, now_ms);
                drop(copied);
                match news {
                    Some(repeats) => {
                        log!(
                            limited(LogKind::Failures, Level::Warn),
                            "{}: {why}{repeats}",
                            self.name
                        );
                    }
                    None => debug!("{}: {why}", self.name),
                }
            }
            Err(error) => {
                let now_ms = self.now_ms();
                locked(&self.copied).delay([&it.key], now_ms);
                self.say_failed(&error, now_ms);
            }
        }
    }

    fn offset_to_go_on_at(&self, it: &OutOfRange) -> io::Result<Result<GoOnAt, Errors>> {
        let OutOfRange { key, current_leader_epoch, log_end_offset, .. } = it;
        let mut leader = locked(&self.leader);
        let end = match leader.fetch_latest_offset(key, *current_leader_epoch)? {
            Ok(end) => end.start_offset,
            Err(error) => return Ok(Err(error)),
        };
        if end < *log_end_offset {
            log!(
                limited(LogKind::Failures, Level::Warn),
                "{key}: the log ends at {log_end_offset}, and that of its leader, broker {}, at {end}: what is \
                 beyond is cut off. A replica was elected that was not in sync",
                self.broker.id
            );
            return Ok(Ok(GoOnAt::LeaderEnd(end)));
        }
        let start = match leader.fetch_earliest_offset(key, *current_leader_epoch)? {
            Ok(start) => start.start_offset,
            Err(error) => return Ok(Err(error)),
        };
        debug!(
            "{key}: the log ends at {log_end_offset}, its leader's reaches from {start} to {end}"
        );
        Ok(Ok(match start > *log_end_offset {
            true => GoOnAt::LeaderStart(start),
            false => GoOnAt::OwnEnd,
        }))
    }

    /// Waits for something to do, and no longer than an error keeps a partition from being asked for.
    fn rest(&self) {
        let copied = locked(&self.copied);
        if copied.has_news() || !self.is_running.load(Ordering::Acquire) {
            return;
        }
        let backoff = Duration::from_millis(u64::try_from(self.backoff_ms).unwrap_or_default());
        let waited = self.changed.wait_timeout(copied, backoff);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn now_ms(&self) -> i64 {
        self.time.hi_res_clock_ms()
    }
}
