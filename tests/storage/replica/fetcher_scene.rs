//! A follower and its leader in one process: both have real logs, and only the wire between them is missing.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use support::engine::ScriptedEngine;
use support::records::batch;
use support::temp::TempDir;
use transferto::common::errors::{Errors, KafkaError};
use transferto::common::metrics::Metrics;
use transferto::common::time::Time;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::common::units::{LeaderEpoch, Offset};
use transferto::config::log_config::LogConfig;
use transferto::replica::broker_end_point::BrokerEndPoint;
use transferto::replica::delayed_operations::PurgeIntervals;
use transferto::replica::fetcher::abstract_fetcher_thread::{AbstractFetcherThread, FetcherConfig};
use transferto::replica::fetcher::failed_partitions::FailedPartitions;
use transferto::replica::fetcher::leader_end_point::{
    EpochQuestion, FetchedPartition, LeaderEndPoint, ReplicaFetch, ReplicaFetchPartition,
    ReplicaFetched,
};
use transferto::replica::fetcher::partition_fetch_state::PartitionFetchState;
use transferto::replica::fetcher::replica_fetcher_thread::ReplicaFetcherThread;
use transferto::replica::fetcher::replica_fetchers::InitialFetchState;
use transferto::replica::partition::Partition;
use transferto::replica::partition_state::PartitionState;
use transferto::replica::replica_manager::{ReplicaManager, ReplicaManagerConfig};
use transferto::storage::epochs::epoch_entry::{EpochEndOffset, EpochEntry};
use transferto::storage::files::log_dir_failure_channel::LogDirFailureChannel;
use transferto::storage::log::log::Log;
use transferto::storage::log::read_limit::ReadLimit;

use crate::fixture::{Mocks, bytes_of, records_of};

const LEADER: i32 = 1;
pub(crate) const FOLLOWER: i32 = 0;
pub(crate) const TOPIC_ID: [u8; 16] = [5; 16];
pub(crate) const BACKOFF_MS: i64 = 1_000;

pub(crate) fn key() -> TopicAndPartition {
    TopicAndPartition::new("topic", 0)
}

pub(crate) fn other_key() -> TopicAndPartition {
    TopicAndPartition::new("topic", 1)
}

/// One copy of a partition.
pub(crate) struct Copied(pub Arc<Partition>);

impl Copied {
    pub(crate) fn log(&self) -> &Arc<Log> {
        &self.0.local_replica().log
    }

    pub(crate) fn high_watermark(&self) -> i64 {
        self.0.local_replica().high_watermark().message_offset.0
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let segments = self.log().segments();
        segments.iter().flat_map(|it| bytes_of(it.log())).collect()
    }

    pub(crate) fn end(&self) -> i64 {
        self.log().log_end_offset().0
    }

    /// The values of its records.
    pub(crate) fn values(&self) -> Vec<String> {
        let segments = self.log().segments();
        segments.iter().flat_map(|it| records_of(it.log())).map(|(_, value)| value).collect()
    }
}

pub(crate) fn append(log: &Log, records: &[(i32, &str)]) {
    for (epoch, value) in records {
        log.append(&mut batch(&[value]), LeaderEpoch(*epoch)).unwrap();
    }
}

/// The leader leads, in this epoch.
fn lead(partition: &Partition, epoch: i32) {
    let state = PartitionState {
        leader: LEADER,
        leader_epoch: LeaderEpoch(epoch),
        partition_epoch: epoch,
        ..PartitionState::unknown()
    };
    match partition.local_replica().broker_id == LEADER {
        true => drop(partition.make_leader(state).unwrap()),
        false => drop(partition.make_follower(state)),
    }
}

/// A broker with its logs.
pub(crate) struct Broker {
    dir: TempDir,
    pub(crate) manager: Arc<ReplicaManager>,
}

impl Broker {
    pub(crate) fn new(broker_id: i32, mocks: &Mocks) -> Self {
        let dir = TempDir::new();
        let config = ReplicaManagerConfig {
            broker_id,
            purge_intervals: PurgeIntervals::of(1000),
            replica_lag_time_max_ms: 30_000,
            leaves_cold_pages: false,
        };
        let (time, metrics): (Arc<dyn Time>, _) = (mocks.time.clone(), Arc::<Metrics>::default());
        let log_dirs = [Arc::new(LogDirFailureChannel::default()).watch(dir.path())];
        let manager =
            ReplicaManager::new(config, &log_dirs, ScriptedEngine::new(), &time, metrics).unwrap();
        Self { dir, manager: Arc::new(manager) }
    }

    /// A partition with a batch of one record for each pair of an epoch and a value, led in `epoch`.
    pub(crate) fn host(
        &self,
        mocks: &Mocks,
        key: &TopicAndPartition,
        epoch: i32,
        records: &[(i32, &str)],
    ) {
        let log = mocks.log(&self.dir.join(&key.to_string()), &LogConfig::default());
        append(&log, records);
        let partition = self.manager.host(&TOPIC_ID, key, || Ok((log, Offset(0)))).unwrap();
        lead(&partition, epoch);
    }

    fn copied(&self, key: &TopicAndPartition) -> Copied {
        Copied(self.manager.local_logs().get_partition(key).unwrap())
    }
}

/// What a test may have the leader do.
#[derive(Default)]
pub(crate) struct Played {
    /// The high watermark that it tells; the end of its log if there is none.
    pub high_watermark: Option<i64>,
    /// What it answers in the place of an offset, once each, the last one first.
    pub offset_errors: Vec<Errors>,
    /// The next fetch fails as a whole.
    pub is_gone: bool,
    /// Of the next answer one bit of the last byte is another.
    pub spoils_records: bool,
    /// How often it was asked where epochs end.
    pub epoch_questions: usize,
    /// Runs once, while it is asked where epochs end, or for records.
    pub meanwhile: Option<Box<dyn FnOnce() + Send>>,
}

/// A thread's work over the two.
pub(crate) struct Scene {
    pub mocks: Mocks,
    pub failed: Arc<FailedPartitions>,
    pub thread: Arc<AbstractFetcherThread>,
    pub played: Arc<Mutex<Played>>,
    leader: Arc<Broker>,
    follower: Broker,
}

impl Scene {
    /// Copies nothing yet.
    pub(crate) fn new() -> Self {
        let (mocks, failed) = (Mocks::new(), Arc::<FailedPartitions>::default());
        let (leader, follower) = (Broker::new(LEADER, &mocks), Broker::new(FOLLOWER, &mocks));
        let (leader, played) = (Arc::new(leader), Arc::<Mutex<Played>>::default());
        let time: Arc<dyn Time> = mocks.time.clone();
        let config = FetcherConfig {
            name: "ReplicaFetcherThread-0-1".to_string(),
            backoff_ms: BACKOFF_MS,
            time: Arc::clone(&time),
            failed: Arc::clone(&failed),
        };
        let end_point = PlayedLeader {
            broker: Arc::clone(&leader),
            follower: Arc::clone(&follower.manager),
            played: Arc::clone(&played),
            time,
            end_point: BrokerEndPoint { id: LEADER, host: "localhost".to_string(), port: 9092 },
        };
        let replicas = ReplicaFetcherThread::new(Arc::clone(&follower.manager));
        let thread = AbstractFetcherThread::new(config, Box::new(end_point), Box::new(replicas));
        Self { mocks, failed, thread: Arc::new(thread), played, leader, follower }
    }

    /// A leader of `epoch` and a follower with these records, which is copied to from its end on.
    pub(crate) fn of(epoch: i32, of_leader: &[(i32, &str)], of_follower: &[(i32, &str)]) -> Self {
        let scene = Self::new();
        scene.host(&key(), epoch, of_leader, of_follower);
        scene.add(&key(), epoch);
        scene
    }

    /// The same for a follower whose leader is to say first where its log is to be cut.
    pub(crate) fn truncating(
        epoch: i32,
        of_leader: &[(i32, &str)],
        of_follower: &[(i32, &str)],
    ) -> Self {
        let scene = Self::new();
        scene.host(&key(), epoch, of_leader, of_follower);
        let follower = scene.follower();
        let epochs = follower.log().leader_epochs();
        let entries = epochs.epoch_entries();
        epochs.truncate_from_end(Offset::FIRST);
        scene.add(&key(), epoch);
        epochs.assign(&entries).unwrap();
        scene
    }

    pub(crate) fn host(
        &self,
        key: &TopicAndPartition,
        epoch: i32,
        of_leader: &[(i32, &str)],
        of_follower: &[(i32, &str)],
    ) {
        self.leader.host(&self.mocks, key, epoch, of_leader);
        self.follower.host(&self.mocks, key, epoch, of_follower);
    }

    /// Copies from the follower's end on, in this epoch of the leader.
    pub(crate) fn add(&self, key: &TopicAndPartition, epoch: i32) {
        self.add_from(key, epoch, self.follower_of(key).log().log_end_offset().0);
    }

    pub(crate) fn add_from(&self, key: &TopicAndPartition, epoch: i32, offset: i64) {
        self.thread.add_partitions(vec![(key.clone(), self.initial(epoch, offset))]);
    }

    pub(crate) fn initial(&self, epoch: i32, offset: i64) -> InitialFetchState {
        InitialFetchState {
            topic_id: TOPIC_ID,
            leader: self.thread.broker_end_point().clone(),
            current_leader_epoch: LeaderEpoch(epoch),
            offset: Offset(offset),
        }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.mocks.time.hi_res_clock_ms()
    }

    pub(crate) fn state(&self) -> Option<PartitionFetchState> {
        self.thread.fetch_state(&key())
    }

    pub(crate) fn played(&self) -> MutexGuard<'_, Played> {
        self.played.lock().unwrap()
    }

    /// Has the leader do this while it is asked the next question.
    pub(crate) fn meanwhile(&self, run: impl FnOnce() + Send + 'static) {
        self.played().meanwhile = Some(Box::new(run));
    }

    /// The leader is in another epoch, of which the follower has not heard.
    pub(crate) fn lead_in(&self, epoch: i32) {
        lead(&self.leader().0, epoch);
    }

    /// One round; returns whether there was something to ask.
    pub(crate) fn fetch(&self) -> bool {
        self.thread.maybe_truncate();
        let Some(fetch) = self.thread.build_fetch() else { return false };
        let fetched = ask(&self.leader, &self.played, &fetch);
        self.thread.complete_fetch(&fetch, fetched);
        true
    }

    /// Does rounds until both logs have the same bytes. Returns where the follower's has ended meanwhile.
    pub(crate) fn catch_up(&self) -> Vec<i64> {
        let mut ends = vec![self.follower().end()];
        while self.follower().bytes() != self.leader().bytes() {
            assert!(self.fetch() && ends.len() < 10, "{ends:?}");
            ends.push(self.follower().end());
        }
        ends
    }

    pub(crate) fn leader(&self) -> Copied {
        self.leader.copied(&key())
    }

    pub(crate) fn follower(&self) -> Copied {
        self.follower.copied(&key())
    }

    /// What the follower's broker does with its partitions.
    pub(crate) fn follower_manager(&self) -> &ReplicaManager {
        &self.follower.manager
    }

    pub(crate) fn follower_of(&self, key: &TopicAndPartition) -> Copied {
        self.follower.copied(key)
    }

    /// Holds that both logs have the same bytes.
    pub(crate) fn assert_logs_equal(&self) {
        assert_eq!(self.follower().bytes(), self.leader().bytes());
    }
}

/// The leader, by calls in the place of requests.
struct PlayedLeader {
    broker: Arc<Broker>,
    follower: Arc<ReplicaManager>,
    played: Arc<Mutex<Played>>,
    time: Arc<dyn Time>,
    end_point: BrokerEndPoint,
}

impl LeaderEndPoint for PlayedLeader {
    fn broker_end_point(&self) -> &BrokerEndPoint {
        &self.end_point
    }

    fn closer(&self) -> Box<dyn Fn() + Send + Sync> {
        Box::new(|| ())
    }

    fn build_fetch(
        &mut self,
        partitions: &[(TopicAndPartition, PartitionFetchState)],
    ) -> Option<ReplicaFetch> {
        let now_ms = self.time.hi_res_clock_ms();
        let ready = partitions.iter().filter(|(_, state)| state.is_ready_for_fetch(now_ms));
        let partitions: Vec<_> = ready
            .map(|(key, state)| {
                let hosted = self.follower.local_logs().get_partition(key).unwrap();
                let asked = ReplicaFetchPartition {
                    topic_id: state.topic_id,
                    current_leader_epoch: state.current_leader_epoch,
                    fetch_offset: state.fetch_offset,
                    last_fetched_epoch: state.last_fetched_epoch,
                    log_start_offset: hosted.local_replica().log.log_start_offset(),
                    max_bytes: 1 << 20,
                };
                (key.clone(), asked)
            })
            .collect();
        (!partitions.is_empty()).then_some(ReplicaFetch { partitions })
    }

    fn fetch(&mut self, fetch: &ReplicaFetch) -> io::Result<ReplicaFetched> {
        ask(&self.broker, &self.played, fetch)
    }

    fn fetch_earliest_offset(
        &mut self,
        key: &TopicAndPartition,
        current_leader_epoch: LeaderEpoch,
    ) -> io::Result<Result<EpochEntry, Errors>> {
        Ok(self.offset_of(key, current_leader_epoch, Log::log_start_offset))
    }

    fn fetch_latest_offset(
        &mut self,
        key: &TopicAndPartition,
        current_leader_epoch: LeaderEpoch,
    ) -> io::Result<Result<EpochEntry, Errors>> {
        Ok(self.offset_of(key, current_leader_epoch, Log::log_end_offset))
    }

    fn fetch_epoch_end_offsets(
        &mut self,
        partitions: &[EpochQuestion],
    ) -> Vec<Result<Option<EpochEndOffset>, Errors>> {
        run_meanwhile(&self.played);
        self.played.lock().unwrap().epoch_questions += 1;
        let end_of = |asked: &EpochQuestion| {
            let leader = self.broker.copied(&asked.key).0;
            let end =
                leader.last_offset_for_leader_epoch(asked.current_leader_epoch, asked.leader_epoch);
            end.map_err(|error| error.code())
        };
        partitions.iter().map(end_of).collect()
    }
}

impl PlayedLeader {
    fn offset_of(
        &self,
        key: &TopicAndPartition,
        epoch: LeaderEpoch,
        offset: fn(&Log) -> Offset,
    ) -> Result<EpochEntry, Errors> {
        if let Some(error) = self.played.lock().unwrap().offset_errors.pop() {
            return Err(error);
        }
        let leader = self.broker.copied(key);
        leader.0.check_leader_epoch(epoch).map_err(|error| error.code())?;
        Ok(EpochEntry { epoch, start_offset: offset(leader.log()) })
    }
}

fn run_meanwhile(played: &Mutex<Played>) {
    let meanwhile = played.lock().unwrap().meanwhile.take();
    if let Some(meanwhile) = meanwhile {
        meanwhile();
    }
}

fn ask(
    leader: &Broker,
    played: &Mutex<Played>,
    fetch: &ReplicaFetch,
) -> io::Result<ReplicaFetched> {
    run_meanwhile(played);
    let mut played = played.lock().unwrap();
    if std::mem::take(&mut played.is_gone) {
        return Err(io::ErrorKind::ConnectionReset.into());
    }
    let mut fetched = ReplicaFetched::default();
    for (key, asked) in &fetch.partitions {
        let leader = leader.copied(key);
        let partition = read(&leader, asked, played.high_watermark, &mut fetched.frame);
        fetched.partitions.push((key.clone(), partition));
    }
    if std::mem::take(&mut played.spoils_records) {
        *fetched.frame.last_mut().unwrap() ^= 1;
    }
    Ok(fetched)
}

/// What the leader answers for one partition; its records go into the frame.
fn read(
    leader: &Copied,
    asked: &ReplicaFetchPartition,
    told: Option<i64>,
    frame: &mut Vec<u8>,
) -> FetchedPartition {
    let failed = |error: KafkaError| FetchedPartition {
        error: error.code(),
        high_watermark: Offset::NONE,
        log_start_offset: Offset::NONE,
        diverging_epoch: None,
        records: 0..0,
    };
    let (partition, log) = (&leader.0, leader.log());
    let last_fetched = asked.last_fetched_epoch.unwrap_or(LeaderEpoch::NONE);
    let diverging = partition
        .check_leader_epoch(asked.current_leader_epoch)
        .and_then(|()| partition.diverging_epoch(asked.fetch_offset, last_fetched));
    let diverging_epoch = match diverging {
        Ok(diverging) => diverging,
        Err(error) => return failed(error),
    };
    let start = frame.len();
    if diverging_epoch.is_none() {
        let limit = ReadLimit::min_one_message(asked.max_bytes);
        match log.read(asked.fetch_offset, None, limit) {
            Ok(read) => frame.extend(bytes_of(&read.message_set)),
            Err(error) => return failed(error),
        }
    }
    FetchedPartition {
        error: Errors::None,
        high_watermark: told.map_or(log.log_end_offset(), Offset),
        log_start_offset: log.log_start_offset(),
        diverging_epoch,
        records: start..frame.len(),
    }
}
