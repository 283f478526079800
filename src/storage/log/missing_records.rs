//! Records that a log has lost, as its files and the noted ends of its segments show.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::common::errors::KafkaError;
use crate::common::units::Offset;
use crate::storage::log::log_segment::LogSegment;
use crate::storage::log::segment_ends::{SegmentEnd, SegmentEnds};

/// The segments of a log by their base offsets.
pub type Segments = BTreeMap<Offset, Arc<LogSegment>>;

/// A gap that nobody has made on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingRecords {
    /// The first offset that is missing. Of a compacted log it may have been gone before.
    pub from: Offset,
    /// The first one that is not.
    pub to: Offset,
    pub why: Why,
}

/// What shows that records are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// There was a segment that began with the first of them.
    NoSegment,
    /// The segment before was longer by so many bytes.
    ShorterSegment(u64),
    /// The segment before ends here, as it was appended, and the next one begins there.
    Gap,
}

/// What is missing of the segments whose ends were noted. What lies before the first segment was
/// deleted.
///
/// # Errors
/// `Io` if a segment cannot be read.
pub fn missing_of_noted(
    ends: &SegmentEnds,
    segments: &Segments,
) -> Result<Vec<MissingRecords>, KafkaError> {
    let mut missing = Vec::new();
    let start_offset = segments.first_key_value().map_or(Offset::FIRST, |(first, _)| *first);
    for (base_offset, SegmentEnd { end_offset: to, size_bytes }) in ends.iter() {
        if base_offset < start_offset {
            continue;
        }
        let Some(segment) = segments.get(&base_offset) else {
            missing.push(MissingRecords { from: base_offset, to, why: Why::NoSegment });
            continue;
        };
        let Some(size_bytes) = size_bytes else { continue };
        let bytes = size_bytes.saturating_sub(segment.size());
        if bytes > 0 {
            let (from, _) = segment.next_offset()?;
            missing.push(MissingRecords { from, to, why: Why::ShorterSegment(bytes) });
        }
        missing.extend(gap_after(to, ends, segments));
    }
    Ok(missing)
}

/// What was between a segment that is noted to end at `from` and the next one there is: another
/// segment, of which nobody knows any more.
fn gap_after(from: Offset, ends: &SegmentEnds, segments: &Segments) -> Option<MissingRecords> {
    let to = *segments.range(from..).next()?.0;
    let to = ends.next_from(from).map_or(to, |noted| noted.min(to));
    (from < to).then_some(MissingRecords { from, to, why: Why::Gap })
}

impl fmt::Display for MissingRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, why } = self;
        write!(f, "the records of offsets {from} to {} are missing: ", *to - 1)?;
        match why {
            Why::NoSegment => write!(f, "their segment is not there"),
            Why::ShorterSegment(bytes) => write!(f, "their segment has lost {bytes} bytes"),
            Why::Gap => write!(f, "the segment before ends too early"),
        }
    }
}
