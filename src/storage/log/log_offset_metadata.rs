//! Port of `kafka.server.LogOffsetMetadata` and `kafka.server.FetchDataInfo`: an offset, and where
//! its bytes lie.

use crate::common::units::{Offset, Position};
use crate::storage::log::file_message_set::FileMessageSet;

/// An offset with its place in the log: the base offset of its segment and the position within the
/// segment's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOffsetMetadata {
    pub message_offset: Offset,
    /// `None` if it is not known.
    pub place: Option<LogPlace>,
}

/// A segment and a position in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPlace {
    pub segment_base_offset: Offset,
    pub relative_position_in_segment: Position,
}

impl LogOffsetMetadata {
    /// No offset at all: what a failed read has to show (Kafka's `UnknownOffsetMetadata`).
    pub const UNKNOWN: Self = Self { message_offset: Offset::NONE, place: None };

    pub fn at(message_offset: Offset, segment_base_offset: Offset, position: Position) -> Self {
        let place = LogPlace { segment_base_offset, relative_position_in_segment: position };
        Self { message_offset, place: Some(place) }
    }

    pub fn message_offset_only(message_offset: Offset) -> Self {
        Self { message_offset, place: None }
    }

    /// Whether this lies on an older segment than `that`. `None` if either place is unknown.
    pub fn is_on_older_segment(&self, that: &Self) -> Option<bool> {
        Some(self.place?.segment_base_offset < that.place?.segment_base_offset)
    }

    /// How many bytes this lies behind `that`, if both are on one segment.
    pub fn position_diff(&self, that: &Self) -> Option<i64> {
        let (here, there) = (self.place?, that.place?);
        let is_same_segment = here.segment_base_offset == there.segment_base_offset;
        let position = |place: LogPlace| i64::try_from(place.relative_position_in_segment.0).ok();
        is_same_segment.then_some(position(here)? - position(there)?)
    }
}

/// What [`Log::read`](crate::storage::log::log::Log::read) found: a slice of a file, and where the fetch
/// begins.
#[derive(Debug, Clone)]
pub struct FetchDataInfo {
    /// The offset asked for and the place of the first byte of the slice.
    pub fetch_offset_metadata: LogOffsetMetadata,
    /// The messages: a slice of the segment's file, none of it read.
    pub message_set: FileMessageSet,
    /// Whether the slice ends inside its first entry, or is empty because that entry must fit and
    /// does not.
    pub first_entry_incomplete: bool,
    /// How many bytes the limit let through: more than the slice has if that ends at an entry, or before a
    /// transaction. A fetch that waits for `min_bytes` counts these, or it would wait for what is already there.
    pub bytes_within_limit: u64,
}
