//! A partition with followers, whose cluster a test plays.

use std::sync::Arc;

use support::engine::{ScriptedBroker, ScriptedEngine};
use support::records::batch;
use support::temp::TempDir;
use transferto::common::errors::{Errors, KafkaError};
use transferto::common::hang_up::HangUp;
use transferto::common::metrics::Metrics;
use transferto::common::time::Time;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::common::units::{LeaderEpoch, Offset};
use transferto::config::log_config::LogConfig;
use transferto::image::leader_recovery_state::LeaderRecoveryState;
use transferto::replica::broker_end_point::BrokerEndPoint;
use transferto::replica::delayed_fetch::FetchCallback;
use transferto::replica::delayed_operations::PurgeIntervals;
use transferto::replica::isr_state::IsrState;
use transferto::replica::local_logs::{LogReadInfo, PartitionFetchInfo};
use transferto::replica::partition::{ASKED_BY_NAME, Partition};
use transferto::replica::partition_state::PartitionState;
use transferto::replica::replica_manager::{FetchParams, ReplicaManager, ReplicaManagerConfig};
use transferto::replica::replication_engine::{AlterPartition, AlteredPartition};
use transferto::storage::files::log_dir_failure_channel::LogDirFailureChannel;
use transferto::storage::log::log::Log;

use crate::fixture::Mocks;

/// This broker, and the epoch of its registration.
pub(crate) const LOCAL: i32 = 1;
pub(crate) const LOCAL_EPOCH: i64 = 101;
pub(crate) const REMOTE: i32 = 2;
pub(crate) const REMOTE_EPOCH: i64 = 102;
pub(crate) const OTHER: i32 = 3;
pub(crate) const OTHER_EPOCH: i64 = 103;
pub(crate) const LAG_TIME_MAX_MS: i64 = 10_000;

/// A broker with one partition, and the cluster around it.
pub(crate) struct Scene {
    _dir: TempDir,
    pub mocks: Mocks,
    pub engine: Arc<ScriptedEngine>,
    pub metrics: Arc<Metrics>,
    pub manager: ReplicaManager,
    pub log: Arc<Log>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with_config(LogConfig::default())
    }

    pub(crate) fn with_config(config: LogConfig) -> Self {
        let mocks = Mocks::new();
        let time = mocks.time.clone();
        Self::with_time(config, mocks, time)
    }

    /// The replicas go by `time`, and the log by the clock of `mocks`.
    pub(crate) fn with_time(config: LogConfig, mocks: Mocks, time: Arc<dyn Time>) -> Self {
        let (dir, engine) = (TempDir::new(), ScriptedEngine::new());
        for (id, epoch) in [(LOCAL, LOCAL_EPOCH), (REMOTE, REMOTE_EPOCH), (OTHER, OTHER_EPOCH)] {
            engine.set_broker(id, broker(id, epoch));
        }
        let metrics = Arc::<Metrics>::default();
        let manager = ReplicaManager::new(
            ReplicaManagerConfig {
                broker_id: LOCAL,
                purge_intervals: PurgeIntervals::of(1000),
                replica_lag_time_max_ms: LAG_TIME_MAX_MS,
                leaves_cold_pages: false,
            },
            &[Arc::new(LogDirFailureChannel::default()).watch(dir.path())],
            engine.clone(),
            &time,
            Arc::clone(&metrics),
        )
        .unwrap();
        let log = mocks.log(&dir.join("topic-0"), &config);
        let hosted = Arc::clone(&log);
        manager.host(&[1; 16], &key(), || Ok((hosted, Offset(0)))).unwrap();
        Self { _dir: dir, mocks, engine, metrics, manager, log }
    }

    pub(crate) fn partition(&self) -> Arc<Partition> {
        self.manager.local_logs().get_partition(&key()).unwrap()
    }

    /// Leads in `epoch`, with all three brokers as replicas.
    pub(crate) fn make_leader(&self, epoch: i32, isr: &[i32]) -> bool {
        self.partition().make_leader(state(LOCAL, epoch, epoch, isr)).unwrap()
    }

    /// Appends `count` records with acks=1, one batch.
    pub(crate) fn append(&self, count: usize) {
        let mut records = batch(&vec!["message"; count]);
        self.partition().append_messages_to_leader(&mut records, 1).unwrap();
    }

    pub(crate) fn high_watermark(&self) -> i64 {
        self.partition().local_replica().high_watermark().message_offset.0
    }

    /// The fetch of a follower in the present leader epoch, which is answered at once.
    pub(crate) fn fetch(&self, replica_id: i32, offset: i64) -> Result<LogReadInfo, KafkaError> {
        self.fetch_as(replica_id, None, Some(self.partition().leader_epoch()), offset)
    }

    pub(crate) fn fetch_as(
        &self,
        replica_id: i32,
        replica_epoch: Option<i64>,
        leader_epoch: Option<LeaderEpoch>,
        offset: i64,
    ) -> Result<LogReadInfo, KafkaError> {
        let fetch_info = PartitionFetchInfo {
            current_leader_epoch: leader_epoch.unwrap_or(LeaderEpoch::NONE),
            ..fetch_info(offset)
        };
        let (sender, receiver) = std::sync::mpsc::channel();
        let callback: FetchCallback = Box::new(move |mut results| {
            sender.send(results.remove(0).1).unwrap();
        });
        let (params, info) = (params(replica_id, replica_epoch, 0), [(key(), fetch_info)]);
        self.manager.fetch_messages(params, &info, &HangUp::default(), callback);
        receiver.recv().unwrap()
    }

    /// The one change that the partition has asked for and that is not answered yet.
    pub(crate) fn take_change(&self) -> Change {
        let mut asked = self.engine.take_asked();
        assert_eq!(asked.len(), 1, "changes that were asked for");
        let (asked, callback) = asked.remove(0);
        Change { asked, callback }
    }

    pub(crate) fn isr(&self) -> IsrState {
        self.partition().isr()
    }

    /// Whether a replica is in the committed ISR and in the maximal one.
    pub(crate) fn is_in_isr(&self, id: i32) -> (bool, bool) {
        let isr = self.isr();
        (isr.committed().contains(&id), isr.is_in_maximal(id))
    }
}

/// A change of the ISR on its way to the controller.
pub(crate) struct Change {
    pub asked: AlterPartition,
    callback: transferto::replica::replication_engine::AlterPartitionCallback,
}

impl Change {
    /// The ids that are to be in sync.
    pub(crate) fn isr(&self) -> Vec<i32> {
        self.asked.isr.iter().map(|(id, _)| *id).collect()
    }

    /// The controller does as it is asked.
    pub(crate) fn grant(self) {
        let altered = self.granted();
        (self.callback)(Ok(altered));
    }

    pub(crate) fn granted(&self) -> AlteredPartition {
        AlteredPartition {
            leader: LOCAL,
            leader_epoch: self.asked.leader_epoch,
            isr: self.isr(),
            leader_recovery_state: LeaderRecoveryState::Recovered,
            partition_epoch: self.asked.partition_epoch + 1,
        }
    }

    pub(crate) fn answer(self, answer: Result<AlteredPartition, Errors>) {
        (self.callback)(answer);
    }
}

pub(crate) fn key() -> TopicAndPartition {
    TopicAndPartition::new("topic", 0)
}

pub(crate) fn broker(id: i32, epoch: i64) -> ScriptedBroker {
    let end_point = BrokerEndPoint { id, host: "localhost".to_string(), port: 1 };
    ScriptedBroker { epoch, is_active: true, end_point }
}

pub(crate) fn state(leader: i32, epoch: i32, partition_epoch: i32, isr: &[i32]) -> PartitionState {
    PartitionState {
        leader,
        leader_epoch: LeaderEpoch(epoch),
        partition_epoch,
        isr: IsrState::committed_as(isr.into()),
        assigned_replicas: Some(Arc::new([LOCAL, REMOTE, OTHER])),
        ..PartitionState::unknown()
    }
}

pub(crate) fn params(replica_id: i32, replica_epoch: Option<i64>, max_wait_ms: i64) -> FetchParams {
    FetchParams {
        max_wait_ms,
        replica_id,
        replica_epoch,
        min_bytes: 1,
        max_bytes: i32::MAX,
        hard_max_bytes_limit: false,
        newest_readable_magic: 2,
        is_read_committed: false,
        may_read_follower: false,
    }
}

pub(crate) fn fetch_info(offset: i64) -> PartitionFetchInfo {
    PartitionFetchInfo {
        topic_id: ASKED_BY_NAME,
        offset: Offset(offset),
        log_start_offset: Offset::NONE,
        fetch_size: i32::MAX,
        current_leader_epoch: LeaderEpoch::NONE,
        last_fetched_epoch: LeaderEpoch::NONE,
        preferred_read_replica: None,
    }
}
