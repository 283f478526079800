//! Port of `org.apache.kafka.coordinator.transaction.ProducerIdManager`: ids for idempotent producers, none of
//! them given twice, whatever happens to the process.

use crate::common::errors::KafkaError;

/// Gives producers their ids.
pub trait ProducerIdManager: Send + Sync {
    /// An id that no producer ever had.
    ///
    /// # Errors
    /// Why there is none now: what the disk reports, or `COORDINATOR_LOAD_IN_PROGRESS` while the controller
    /// is asked for more.
    fn generate_producer_id(&self) -> Result<i64, KafkaError>;
}
