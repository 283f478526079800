//! The leader epochs of a log: in which one each of its records was written.

pub mod epoch_entry;
pub mod epoch_entries;
pub mod leader_epoch_checkpoint_file;
pub mod leader_epoch_file_cache;
