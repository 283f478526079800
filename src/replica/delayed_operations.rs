//! Port of `kafka.cluster.DelayedOperations`: the requests that wait for the partitions of a broker.

use std::io;
use std::sync::Arc;

use crate::common::time::Time;
use crate::common::topic_partition::TopicAndPartition;
use crate::purgatory::delayed_operation::DelayedOperationPurgatory;
use crate::replica::delayed_delete_records::{DelayedDeleteRecords, WaitingDeletions};
use crate::replica::delayed_fetch::DelayedFetch;
use crate::replica::delayed_produce::DelayedProduce;

/// The purgatories of fetches, produces and deletions of records.
pub struct DelayedOperations {
    pub fetch: Arc<DelayedOperationPurgatory<TopicAndPartition, DelayedFetch>>,
    pub produce: Arc<DelayedOperationPurgatory<TopicAndPartition, DelayedProduce>>,
    pub delete_records: Arc<DelayedOperationPurgatory<TopicAndPartition, DelayedDeleteRecords>>,
    /// How many there are in it.
    pub waiting_deletions: WaitingDeletions,
}

/// After how many completed operations the lists of each purgatory are purged.
#[derive(Clone, Copy, Debug)]
pub struct PurgeIntervals {
    /// `fetch.purgatory.purge.interval.requests`.
    pub fetch: usize,
    /// `producer.purgatory.purge.interval.requests`.
    pub producer: usize,
    /// `delete.records.purgatory.purge.interval.requests`.
    pub delete_records: usize,
}

impl PurgeIntervals {
    /// The same for all.
    pub const fn of(requests: usize) -> Self {
        Self { fetch: requests, producer: requests, delete_records: requests }
    }
}

impl DelayedOperations {
    /// Nothing waits yet.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn new(time: &Arc<dyn Time>, purge_intervals: PurgeIntervals) -> io::Result<Self> {
        let PurgeIntervals { fetch, producer, delete_records } = purge_intervals;
        Ok(Self {
            fetch: DelayedOperationPurgatory::new("Fetch", Arc::clone(time), fetch, true)?,
            produce: DelayedOperationPurgatory::new("Produce", Arc::clone(time), producer, true)?,
            delete_records: DelayedOperationPurgatory::new(
                "DeleteRecords",
                Arc::clone(time),
                delete_records,
                true,
            )?,
            waiting_deletions: WaitingDeletions::default(),
        })
    }

    /// Answers those that wait for this partition and need not wait any longer. Its log may be read for it, and the
    /// answers are encoded and sent on this thread, which must hold no lock.
    pub fn check_and_complete_all(&self, key: &TopicAndPartition) {
        self.produce.check_and_complete(key);
        self.fetch.check_and_complete(key);
        self.delete_records.check_and_complete(key);
    }

    /// Stops the timers. What still waits is neither answered nor dropped.
    pub fn shutdown(&self) {
        self.fetch.shutdown();
        self.produce.shutdown();
        self.delete_records.shutdown();
    }
}
