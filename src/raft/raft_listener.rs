//! Port of `org.apache.kafka.raft.RaftClient.Listener`: who follows what the quorum has committed.

use std::fmt;

/// Where a snapshot of the metadata log ends: Kafka's `OffsetAndEpoch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotId {
    /// The first offset that the snapshot does not contain.
    pub end_offset: i64,
    /// The quorum's epoch of the last record that it contains.
    pub epoch: i32,
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.end_offset, self.epoch)
    }
}

/// Why committed records cannot be followed any further. It never heals by itself: a broker that went on
/// would know another cluster than its controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataFault(pub String);

impl fmt::Display for MetadataFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MetadataFault {}

/// Follows the metadata log. All calls come from the observer's one thread, which fetches nothing
/// meanwhile.
///
/// `high_watermark` is the newest that is known: the offset up to which the quorum has committed. It is
/// never below the end of what is handed over.
pub trait RaftListener: Send {
    /// Whole batches of the log, in order, each following the one before: of data and of control records.
    /// `batches` is not empty. Their CRCs hold.
    ///
    /// # Errors
    /// What no later record can mend: the observer stops.
    fn handle_commit(&mut self, batches: &[u8], high_watermark: i64) -> Result<(), MetadataFault>;

    /// A snapshot takes the place of everything that was handed over before. `bytes` are whole batches
    /// whose own offsets mean nothing: the log goes on at `id.end_offset`. Their CRCs hold.
    ///
    /// # Errors
    /// As above.
    fn handle_load_snapshot(
        &mut self,
        id: SnapshotId,
        bytes: &[u8],
        high_watermark: i64,
    ) -> Result<(), MetadataFault>;

    /// The high watermark has moved, and no batch came with it: whoever waits to have caught up may have.
    ///
    /// # Errors
    /// As above.
    fn handle_high_watermark(&mut self, _high_watermark: i64) -> Result<(), MetadataFault> {
        Ok(())
    }
}
