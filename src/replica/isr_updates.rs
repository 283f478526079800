//! Port of `Partition.submitAlterPartition` and `DelayedOperations`' part in it: changes of the ISR on their way to
//! the cluster and back.

use std::sync::{Arc, Weak};

use crate::common::errors::Errors;
use crate::replica::delayed_operations::DelayedOperations;
use crate::replica::partition::Partition;
use crate::replica::replication_engine::{AlterPartition, AlteredPartition, ReplicationEngine};

/// Asks for the changes that partitions have begun.
///
/// It stands apart from `ReplicaManager`, since an answer comes at any time, and on a thread of the engine. The
/// engine keeps nothing of the broker alive by it.
pub struct IsrUpdates {
    engine: Arc<dyn ReplicationEngine>,
    delayed: Arc<DelayedOperations>,
}

impl IsrUpdates {
    pub fn new(engine: Arc<dyn ReplicationEngine>, delayed: Arc<DelayedOperations>) -> Self {
        Self { engine, delayed }
    }

    /// Submits a change that `partition` has begun. The caller holds no lock of it.
    pub fn submit(self: &Arc<Self>, partition: &Arc<Partition>, change: AlterPartition) {
        let (updates, asker) = (Arc::downgrade(self), Arc::downgrade(partition));
        let asked = change.clone();
        let callback = Box::new(move |answer| complete(&updates, &asker, change, &answer));
        self.engine.alter_partition(asked, callback);
    }
}

/// Outside of the partition's lock: what waits may read its log, and another try may be answered at once
/// (KAFKA-13254).
fn complete(
    updates: &Weak<IsrUpdates>,
    partition: &Weak<Partition>,
    change: AlterPartition,
    answer: &Result<AlteredPartition, Errors>,
) {
    let (Some(updates), Some(partition)) = (updates.upgrade(), partition.upgrade()) else { return };
    let after = partition.complete_alter_partition(&change, answer);
    if after.high_watermark_moved {
        updates.delayed.check_and_complete_all(&partition.topic_and_partition);
    }
    if after.is_to_be_sent_again {
        updates.submit(&partition, change);
    }
}
