//! Port of `kafka.cluster.DelayedOperations`: the requests that wait for the partitions of a broker.

use std::io;
use std::sync::Arc;

use crate::common::time::Time;
use crate::common::topic_partition::TopicAndPartition;
use crate::purgatory::delayed_operation::DelayedOperationPurgatory;
use crate::replica::delayed_delete_records::DelayedDeleteRecords;
use crate::replica::delayed_fetch::DelayedFetch;
use crate::replica::delayed_produce::DelayedProduce;

/// Completed deletions of records are cleared out at once, as Kafka does by default: there are few.
const DELETE_RECORDS_PURGE_INTERVAL: usize = 1;

/// The purgatories of fetches, produces and deletions of records.
pub struct DelayedOperations {
    pub fetch: Arc<DelayedOperationPurgatory<TopicAndPartition, DelayedFetch>>,
    pub produce: Arc<DelayedOperationPurgatory<TopicAndPartition, DelayedProduce>>,
    pub delete_records: Arc<DelayedOperationPurgatory<TopicAndPartition, DelayedDeleteRecords>>,
}

impl DelayedOperations {
    /// Nothing waits yet.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn new(
        time: &Arc<dyn Time>,
        fetch_purge_interval: usize,
        producer_purge_interval: usize,
    ) -> io::Result<Self> {
        let (for_fetch, for_produce, for_delete) =
            (Arc::clone(time), Arc::clone(time), Arc::clone(time));
        let fetch = DelayedOperationPurgatory::new("Fetch", for_fetch, fetch_purge_interval, true)?;
        let produce =
            DelayedOperationPurgatory::new("Produce", for_produce, producer_purge_interval, true)?;
        let delete_records = DelayedOperationPurgatory::new(
            "DeleteRecords",
            for_delete,
            DELETE_RECORDS_PURGE_INTERVAL,
            true,
        )?;
        Ok(Self { fetch, produce, delete_records })
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
