//! From an offset or a timestamp to a position near it.

pub mod mapped_entries;
pub mod offset_index;
pub mod time_index;
