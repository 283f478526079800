//! In the place of `LogManager.truncateTo` and `truncateFullyAndStartAt`: what a truncation owes to others than
//! the log, however it comes about.

use crate::common::errors::KafkaError;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::Offset;

/// Who keeps what a truncation of a log makes wrong.
pub trait TruncationKeeper: Send + Sync {
    /// Runs `truncate`, which cuts the log to `offset`, while nobody cleans the log. Then nothing above is
    /// clean, and nothing that is written there from now on counts as on disk already.
    ///
    /// # Errors
    /// Those of `truncate`; `Io`, with the path.
    fn truncate(
        &self,
        log: &TopicAndPartition,
        offset: Offset,
        truncate: &mut dyn FnMut() -> Result<(), KafkaError>,
    ) -> Result<(), KafkaError>;
}
