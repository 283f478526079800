//! The names of a log's files, file I/O by name, the small text files of the broker, and its log
//! directories.

pub mod log_file_names;
pub mod file_io;
pub mod log_dir_failure_channel;
pub mod log_files;
pub(crate) mod directory_lock;
pub mod log_directory;
pub mod meta_properties;
pub mod clean_shutdown_file_handler;
pub mod partition_metadata_file;
pub mod stray_directories;
pub mod checkpoint_file;
pub mod offset_checkpoint;
