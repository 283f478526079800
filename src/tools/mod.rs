//! Tools for the broker's files, which need no broker.

pub mod dump_log_segments_options;
pub(crate) mod printer;
pub(crate) mod offsets_message_parser;
pub(crate) mod cluster_metadata_parser;
pub(crate) mod log_dump;
pub(crate) mod index_dump;
pub mod dump_log_segments;
pub mod add_scram_options;
pub mod add_scram;
