//! Port of the choice in `Log.deleteOldSegments`: which of the oldest segments the settings no
//! longer keep.

use std::sync::Arc;

use log::warn;

use crate::common::units::{Offset, TimestampMs};
use crate::storage::log::log_segment::LogSegment;

/// How many of `segments`, from the oldest on, may go: those that `is_deletable` accepts, up to the
/// first one that it does not, or that is not wholly below `high_watermark` (KAFKA-5634). The log
/// ends at `end_offset`; an empty active segment always stays.
pub fn count_deletable(
    segments: &[Arc<LogSegment>],
    end_offset: Offset,
    high_watermark: Offset,
    mut is_deletable: impl FnMut(&LogSegment) -> bool,
) -> usize {
    let ends = segments.iter().skip(1).map(|next| next.base_offset());
    let ends = ends.chain(std::iter::once(end_offset));
    let deletable = segments.iter().zip(ends).enumerate().take_while(|(at, (segment, end))| {
        let is_idle = at + 1 == segments.len() && segment.size() == 0;
        *end <= high_watermark && !is_idle && is_deletable(segment)
    });
    deletable.count()
}

/// `retention.ms`: segments whose last message is older than that. One whose age cannot be found
/// stays.
pub fn is_older_than(retention_ms: i64, now_ms: TimestampMs) -> impl Fn(&LogSegment) -> bool {
    move |segment| match segment.last_written_ms() {
        Ok(written_ms) => now_ms.ms_since(written_ms) > retention_ms,
        Err(error) => {
            warn!("keeping segment {}, whose age is unknown: {error}", segment.base_offset());
            false
        }
    }
}

/// `retention.bytes`: segments without which at least that much is left of a log of `size_bytes`.
/// `None` if the log is not larger, or there is no limit.
pub fn is_surplus(
    size_bytes: u64,
    retention_bytes: Option<u64>,
) -> Option<impl FnMut(&LogSegment) -> bool> {
    let mut surplus_bytes = size_bytes.checked_sub(retention_bytes?)?;
    Some(move |segment: &LogSegment| {
        let rest = surplus_bytes.checked_sub(segment.size());
        surplus_bytes = rest.unwrap_or(surplus_bytes);
        rest.is_some()
    })
}
