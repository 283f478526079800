//! Names of files, the small text files of the broker, and directories of logs.

pub mod log_file_names;
pub mod file_io;
pub mod log_directory;
pub mod checkpoint_file;
pub mod offset_checkpoint;
