//! Tests that need a process for themselves: its system calls, its log, its memory, its file
//! descriptors.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod hostile;
mod file_descriptors;
mod log_limit;

mod strace;
mod disk_faults;
mod bad_input;
mod full_disk;
mod slow_clients;
mod stock_files;
mod command_line;
mod add_scram;
mod move_to_cluster;
mod exit_status;
mod service_manager;
mod dump_log;
mod memory_flood;
mod half_handshakes;
mod request_log;
mod secrets;
mod sasl;
mod trace;
mod lessons;
mod live;
mod bad_scrapers;
