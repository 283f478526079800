//! High watermarks: what is checkpointed, and what a replica begins with.

use std::path::Path;
use std::sync::Arc;

use support::engine::ScriptedEngine;
use support::records::batch;
use support::temp::TempDir;
use transferto::common::metrics::Metrics;
use transferto::common::time::Time;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::common::units::Offset;
use transferto::config::log_config::LogConfig;
use transferto::replica::delayed_operations::PurgeIntervals;
use transferto::replica::partition::LEADER_EPOCH;
use transferto::replica::replica::Replica;
use transferto::replica::replica_manager::{
    HIGH_WATERMARK_FILENAME, HostedLog, ReplicaManager, ReplicaManagerConfig,
};
use transferto::storage::files::log_dir_failure_channel::LogDirFailureChannel;
use transferto::storage::files::offset_checkpoint::OffsetCheckpoint;

use crate::fixture::Mocks;

const CONFIG: ReplicaManagerConfig = ReplicaManagerConfig {
    broker_id: 0,
    purge_intervals: PurgeIntervals::of(1000),
    replica_lag_time_max_ms: 30_000,
    leaves_cold_pages: false,
};

/// A log directory and a manager that checkpoints into it.
struct Fixture {
    dir: TempDir,
    mocks: Mocks,
    manager: ReplicaManager,
}

impl Fixture {
    fn new() -> Self {
        let (dir, mocks) = (TempDir::new(), Mocks::new());
        let manager = manager_on(dir.path(), &mocks);
        Self { dir, mocks, manager }
    }

    /// A log with `count` messages.
    fn log(&self, key: &TopicAndPartition, count: usize) -> HostedLog {
        let log = self.mocks.log(&self.dir.join(&key.to_string()), &LogConfig::default());
        for _ in 0..count {
            log.append(&mut batch(&["message"]), LEADER_EPOCH).unwrap();
        }
        HostedLog { key: key.clone(), topic_id: [7; 16], log }
    }

    /// What the checkpoint file says of a partition; 0 if it says nothing, as Kafka's test reads
    /// it.
    fn checkpointed(&self, key: &TopicAndPartition) -> i64 {
        let checkpoint = OffsetCheckpoint::new(self.dir.join(HIGH_WATERMARK_FILENAME));
        (checkpoint.read().unwrap().get(key).copied().unwrap_or(Offset(0))).0
    }

    /// Appends one message and moves the high watermark over it, as a producer's request does.
    fn append(&self, key: &TopicAndPartition) {
        let partition = self.manager.local_logs().get_partition(key).unwrap();
        partition.append_messages_to_leader(&mut batch(&["message"]), 1).unwrap();
    }
}

fn manager_on(dir: &Path, mocks: &Mocks) -> ReplicaManager {
    let time: Arc<dyn Time> = mocks.time.clone();
    let log_dirs = [Arc::new(LogDirFailureChannel::default()).watch(dir)];
    ReplicaManager::new(
        CONFIG,
        &log_dirs,
        ScriptedEngine::new(),
        &time,
        Arc::new(Metrics::default()),
    )
    .unwrap()
}

/// Port of `HighwatermarkPersistenceTest.testHighWatermarkPersistenceSinglePartition`.
#[test]
fn the_high_watermark_of_a_partition_is_written_down_and_read_again() {
    let fixture = Fixture::new();
    let key = TopicAndPartition::new("foo", 0);
    fixture.manager.checkpoint_high_watermarks().unwrap();
    assert_eq!(fixture.checkpointed(&key), 0, "without a partition");

    fixture.manager.become_leader(LEADER_EPOCH, vec![fixture.log(&key, 0)]).unwrap();
    fixture.manager.checkpoint_high_watermarks().unwrap();
    assert_eq!(fixture.checkpointed(&key), 0, "of an empty partition");

    (0..5).for_each(|_| fixture.append(&key));
    fixture.manager.checkpoint_high_watermarks().unwrap();
    assert_eq!(fixture.checkpointed(&key), 5);
    fixture.manager.shutdown().unwrap();
}

/// Port of `HighwatermarkPersistenceTest.testHighWatermarkPersistenceMultiplePartitions`.
#[test]
fn the_high_watermarks_of_two_topics_are_independent() {
    let fixture = Fixture::new();
    let (one, two) = (TopicAndPartition::new("foo1", 0), TopicAndPartition::new("foo2", 0));
    fixture.manager.become_leader(LEADER_EPOCH, vec![fixture.log(&one, 5)]).unwrap();
    fixture.manager.checkpoint_high_watermarks().unwrap();
    assert_eq!((fixture.checkpointed(&one), fixture.checkpointed(&two)), (5, 0));

    fixture.manager.become_leader(LEADER_EPOCH, vec![fixture.log(&two, 15)]).unwrap();
    (0..5).for_each(|_| fixture.append(&one));
    fixture.manager.checkpoint_high_watermarks().unwrap();
    assert_eq!((fixture.checkpointed(&one), fixture.checkpointed(&two)), (10, 15));
    fixture.manager.shutdown().unwrap();
}

/// A topic of the same name that comes later begins anew.
#[test]
fn the_last_partition_of_a_directory_takes_its_high_watermark_along() {
    let fixture = Fixture::new();
    let key = TopicAndPartition::new("foo", 0);
    fixture.manager.become_leader(LEADER_EPOCH, vec![fixture.log(&key, 5)]).unwrap();
    fixture.manager.checkpoint_high_watermarks().unwrap();
    assert_eq!(fixture.checkpointed(&key), 5);
    fixture.manager.stop_replicas(std::slice::from_ref(&key));
    fixture.manager.checkpoint_high_watermarks().unwrap();
    assert_eq!(fixture.checkpointed(&key), 0);

    // A broker that stops before it has hosted anything has nothing to say.
    fixture.manager.become_leader(LEADER_EPOCH, vec![fixture.log(&key, 2)]).unwrap();
    fixture.manager.checkpoint_high_watermarks().unwrap();
    let begun = fixture.checkpointed(&key);
    manager_on(fixture.dir.path(), &fixture.mocks).shutdown().unwrap();
    assert_eq!(fixture.checkpointed(&key), begun);
    fixture.manager.shutdown().unwrap();
}

#[test]
fn a_checkpoint_beyond_a_log_that_was_cut_is_not_believed() {
    let fixture = Fixture::new();
    let key = TopicAndPartition::new("foo", 0);
    let log = fixture.log(&key, 3).log;
    assert_eq!(
        Replica::new(0, Arc::clone(&log), Offset(7)).high_watermark().message_offset,
        Offset(3)
    );
    assert_eq!(Replica::new(0, log, Offset(2)).high_watermark().message_offset, Offset(2));
}
