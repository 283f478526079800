//! Not in Kafka: a log at one moment, for the page that shows the path at work.

use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::Offset;

/// The offsets of a log, and its segments.
#[derive(Clone, Debug)]
pub struct LogSnapshot {
    pub topic_and_partition: TopicAndPartition,
    pub log_start_offset: Offset,
    pub log_end_offset: Offset,
    pub high_watermark: Offset,
    pub recovery_point: Offset,
    pub size_bytes: u64,
    pub segment_count: usize,
    /// The last of them, in the order of their offsets.
    pub segments: Vec<SegmentSnapshot>,
}

/// One segment.
#[derive(Clone, Debug)]
pub struct SegmentSnapshot {
    pub base_offset: Offset,
    pub size_bytes: u64,
    pub index_entries: usize,
    pub time_index_entries: usize,
}
