//! The indexes of a segment: from an offset or a timestamp to a place near it.

pub mod abstract_index;
pub mod offset_index;
pub mod time_index;
pub mod index_reader;
