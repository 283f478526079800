//! Programs that need no broker: for its files, and for a cluster's metadata log.

pub mod dump_log_segments_options;
pub(crate) mod printer;
pub(crate) mod offsets_message_parser;
pub(crate) mod cluster_metadata_parser;
pub(crate) mod log_dump;
pub(crate) mod index_dump;
pub mod dump_log_segments;
pub mod metadata_log_options;
pub mod command_config;
pub mod metadata_log;
pub(crate) mod owner;
pub mod add_scram_options;
pub mod add_scram;
pub(crate) mod single_node;
pub(crate) mod cluster_records;
pub(crate) mod bootstrap_checkpoint;
pub(crate) mod controller_directory;
pub mod move_to_cluster_options;
pub mod move_to_cluster;
