//! A broker of the simulation: everything that replicates, and nothing that listens.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use transferto::common::end_point::ListenerName;
use transferto::common::hang_up::HangUp;
use transferto::common::metrics::Metrics;
use transferto::common::mock_scheduler::MockScheduler;
use transferto::common::mock_time::MockTime;
use transferto::common::scheduler::Scheduler;
use transferto::common::time::Time;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::common::units::{LeaderEpoch, Offset};
use transferto::config::log_config::LogConfig;
use transferto::image::current_image::CurrentImage;
use transferto::image::metadata_delta::MetadataDelta;
use transferto::image::metadata_image::MetadataImage;
use transferto::replica::delayed_fetch::FetchCallback;
use transferto::replica::delayed_operations::PurgeIntervals;
use transferto::replica::delayed_produce::ProduceCallback;
use transferto::replica::fetcher::leader_end_point::{ReplicaFetch, ReplicaFetchPartition};
use transferto::replica::local_logs::{LogReadResult, ORDINARY_CONSUMER_ID, PartitionFetchInfo};
use transferto::replica::partition::Partition;
use transferto::replica::replica_manager::{
    FetchParams, HIGH_WATERMARK_FILENAME, ReplicaManager, ReplicaManagerConfig,
};
use transferto::replica::replication_engine::ReplicationEngine;
use transferto::server::cluster::default_alter_partition_manager::DefaultAlterPartitionManager;
use transferto::server::cluster::kraft_engine::KRaftEngine;
use transferto::server::cluster::replica_changes::{ReplicaChanges, ReplicaParts};
use transferto::storage::cleaner::cleaner_config::CleanerConfig;
use transferto::storage::log_manager::{LogManager, LogManagerConfig};

use crate::channel::SimulatedChannel;
use crate::controller::{Controller, TOPIC_ID};
use crate::fetchers::SimulatedFetchers;
use crate::network::{FetchCall, Incarnation};
use crate::reach::Reach;
use crate::sabotage::Sabotage;
use crate::simulation::BROKERS;

/// `replica.lag.time.max.ms`
pub(crate) const LAG_TIME_MAX_MS: i64 = 10_000;
/// Longer than any simulation: waits end by the hand of the simulation only.
const FOR_EVER_MS: i64 = 1_000_000_000;

/// One incarnation.
pub(crate) struct Broker {
    pub(crate) this: Incarnation,
    pub(crate) replica_manager: Arc<ReplicaManager>,
    pub(crate) channel: Arc<SimulatedChannel>,
    pub(crate) fetchers: Arc<SimulatedFetchers>,
    log_manager: Arc<LogManager>,
    scheduler: Arc<MockScheduler>,
    changes: ReplicaChanges,
    image: Arc<CurrentImage>,
    /// Batches of the metadata log that it follows.
    pub(crate) applied: usize,
}

/// What an incarnation begins with.
pub(crate) struct Start<'a> {
    pub(crate) this: Incarnation,
    pub(crate) dir: &'a Path,
    pub(crate) time: &'a Arc<MockTime>,
    pub(crate) reach: &'a Arc<Reach>,
    pub(crate) controller: &'a Controller,
    /// How much of the metadata log it has read before it begins to work.
    pub(crate) caught_up_to: usize,
    pub(crate) sabotage: Sabotage,
}

impl Broker {
    pub(crate) fn start(start: Start<'_>) -> Self {
        let Start { this, dir, time, reach, controller, caught_up_to, sabotage } = start;
        let mock_scheduler = Arc::new(MockScheduler::new(Arc::clone(time)));
        let scheduler: Arc<dyn Scheduler> = Arc::clone(&mock_scheduler) as Arc<dyn Scheduler>;
        let time: Arc<dyn Time> = Arc::clone(time) as Arc<dyn Time>;
        let config = log_manager_config(this.id, dir);
        let log_manager =
            LogManager::new(config, Arc::clone(&scheduler), Arc::clone(&time)).unwrap();
        let image = Arc::<CurrentImage>::default();
        let alter_partition = DefaultAlterPartitionManager::new(this.id, Arc::clone(&scheduler));
        let channel = SimulatedChannel::new();
        alter_partition.start(Arc::clone(&channel) as _, move || Some(this.epoch));
        let listener = ListenerName::normalised("PLAINTEXT");
        let engine: Arc<dyn ReplicationEngine> =
            Arc::new(KRaftEngine::new(listener, Arc::clone(&image), alter_partition));
        let replica_manager = ReplicaManager::new(
            replica_manager_config(this.id),
            &log_manager.log_dir_statuses(),
            Arc::clone(&engine),
            &time,
            Arc::new(Metrics::default()),
        );
        let replica_manager = Arc::new(replica_manager.unwrap());
        let fetchers = SimulatedFetchers::new(
            this,
            Arc::clone(&replica_manager),
            Arc::clone(reach),
            time,
            sabotage,
        );
        let changes = ReplicaChanges::new(ReplicaParts {
            broker_id: this.id,
            image: Arc::clone(&image),
            engine,
            log_manager: Arc::clone(&log_manager),
            replica_manager: Arc::clone(&replica_manager),
            fetchers: Arc::clone(&fetchers) as _,
        });
        let mut broker = Self {
            this,
            replica_manager,
            channel,
            fetchers,
            log_manager,
            scheduler: mock_scheduler,
            changes,
            image,
            applied: 0,
        };
        broker.load(controller, caught_up_to);
        broker
    }

    /// As the first publication of the metadata does: opens the logs, then follows the whole image.
    fn load(&mut self, controller: &Controller, until: usize) {
        let after = self.read(controller, until);
        let configs = self.changes.log_configs(&after.topics).into_iter().collect();
        self.log_manager.load(&configs, &Arc::default()).unwrap();
        self.publish(after);
    }

    /// Follows the next batches of the metadata log, at once.
    pub(crate) fn apply(&mut self, controller: &Controller, until: usize) {
        let after = self.read(controller, until);
        self.publish(after);
    }

    fn read(&mut self, controller: &Controller, until: usize) -> MetadataImage {
        let mut image = MetadataImage::clone(&self.image.get());
        for offset in self.applied..until {
            for record in controller.batch(offset) {
                image.replay(record).unwrap();
            }
        }
        self.applied = until;
        image
    }

    fn publish(&self, after: MetadataImage) {
        let (before, after) = (self.image.get(), Arc::new(after));
        let delta = MetadataDelta::between(&before, &after);
        self.image.set(Arc::clone(&after));
        self.changes.apply(&delta.topics, &before.topics, &after.topics);
        if delta.is_cluster_changed {
            self.changes.update_leader_end_points(BROKERS.into_iter());
        }
    }

    pub(crate) fn partition(&self, key: &TopicAndPartition) -> Option<Arc<Partition>> {
        self.replica_manager.local_logs().get_partition(key)
    }

    /// Runs what is due.
    pub(crate) fn tick(&self) {
        self.scheduler.tick();
    }

    /// From now on the broker does not come back into any ISR.
    pub(crate) fn begin_controlled_shutdown(&self) {
        self.changes.begin_controlled_shutdown();
    }

    /// Ends as a process does that is killed: what is in its files stays. Nothing that waits is answered.
    /// Returns how much of each log is on disk for certain.
    pub(crate) fn crash(self) -> Vec<(PathBuf, Offset)> {
        let logs = self.log_manager.all_logs().into_iter();
        let flushed = logs.map(|log| (log.dir().to_path_buf(), log.recovery_point())).collect();
        let checkpoints: Vec<_> = self
            .log_manager
            .log_dirs()
            .iter()
            .map(|dir| dir.join(HIGH_WATERMARK_FILENAME))
            .collect();
        let before: Vec<_> = checkpoints.iter().map(fs::read).collect();
        self.scheduler.shutdown();
        // It stops the threads of the purgatories, and writes what a crash does not.
        self.replica_manager.shutdown().unwrap();
        for (file, bytes) in checkpoints.iter().zip(before) {
            match bytes {
                Ok(bytes) => fs::write(file, bytes).unwrap(),
                Err(_) => fs::remove_file(file).unwrap_or(()),
            }
        }
        flushed
    }

    /// Ends as a process does that is asked to.
    pub(crate) fn shutdown(self) {
        self.scheduler.shutdown();
        self.changes.shutdown_fetchers();
        self.replica_manager.shutdown().unwrap();
        assert!(self.log_manager.shutdown());
    }
}

/// Requests.
impl Broker {
    pub(crate) fn produce(
        &self,
        key: &TopicAndPartition,
        acks: i16,
        mut batch: Vec<u8>,
        callback: ProduceCallback,
    ) {
        let range: Range<usize> = 0..batch.len();
        let entries = [(key.clone(), range)];
        self.replica_manager.append_messages(FOR_EVER_MS, acks, &entries, &mut batch, callback);
    }

    /// A follower's fetch, which may wait.
    pub(crate) fn serve_follower(
        &self,
        call: FetchCall,
        fetch: &ReplicaFetch,
        waits: bool,
        hang_up: &HangUp,
        callback: FetchCallback,
    ) {
        let params = FetchParams {
            max_wait_ms: if waits { FOR_EVER_MS } else { 0 },
            replica_id: call.follower.id,
            replica_epoch: Some(call.follower.epoch),
            min_bytes: 1,
            ..consumer()
        };
        let info = |(key, fetch): &(TopicAndPartition, ReplicaFetchPartition)| {
            let info = PartitionFetchInfo {
                topic_id: fetch.topic_id,
                offset: fetch.fetch_offset,
                log_start_offset: fetch.log_start_offset,
                fetch_size: fetch.max_bytes,
                current_leader_epoch: fetch.current_leader_epoch,
                last_fetched_epoch: fetch.last_fetched_epoch.unwrap_or(LeaderEpoch::NONE),
                preferred_read_replica: None,
            };
            (key.clone(), info)
        };
        let info: Vec<_> = fetch.partitions.iter().map(info).collect();
        self.replica_manager.fetch_messages(params, &info, hang_up, callback);
    }

    /// What a consumer gets at once.
    pub(crate) fn consume(&self, key: &TopicAndPartition, offset: i64) -> Option<LogReadResult> {
        let info = PartitionFetchInfo {
            topic_id: TOPIC_ID,
            offset: Offset(offset),
            log_start_offset: Offset::NONE,
            fetch_size: i32::MAX,
            current_leader_epoch: LeaderEpoch::NONE,
            last_fetched_epoch: LeaderEpoch::NONE,
            preferred_read_replica: None,
        };
        let read = self.replica_manager.fetch_resident(consumer(), &[(key.clone(), info)]);
        read.map(|mut results| results.remove(0).1)
    }
}

fn consumer() -> FetchParams {
    FetchParams {
        max_wait_ms: 0,
        replica_id: ORDINARY_CONSUMER_ID,
        replica_epoch: None,
        min_bytes: 1,
        max_bytes: i32::MAX,
        hard_max_bytes_limit: false,
        newest_readable_magic: 2,
        is_read_committed: false,
        may_read_follower: false,
    }
}

fn log_manager_config(id: i32, dir: &Path) -> LogManagerConfig {
    let default_config =
        LogConfig { max_index_size: 256, index_interval: 100, ..LogConfig::default() };
    LogManagerConfig {
        log_dirs: vec![dir.to_path_buf()],
        broker_id: id,
        joins_a_cluster: true,
        default_config,
        recovery_threads_per_data_dir: 1,
        cleaner: CleanerConfig { enable_cleaner: false, ..CleanerConfig::default() },
        retention_check_ms: 1_000_000,
        flush_check_ms: 1_000_000,
        flush_checkpoint_ms: 30_000,
        producer_id_expiration_ms: 86_400_000,
    }
}

fn replica_manager_config(id: i32) -> ReplicaManagerConfig {
    ReplicaManagerConfig {
        broker_id: id,
        replica_lag_time_max_ms: LAG_TIME_MAX_MS,
        purge_intervals: PurgeIntervals::of(usize::MAX),
        leaves_cold_pages: false,
    }
}
