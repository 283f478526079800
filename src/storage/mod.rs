//! The log on disk. Knows no socket and no request: of the network only the trait `TransportLayer`,
//! to which a file hands itself.

pub mod files;
pub mod index;
pub mod producers;
pub mod epochs;
pub mod log;
pub mod cleaner;
pub mod recovery_threads;
mod owned_log_directory;
pub mod log_manager;
