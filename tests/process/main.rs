//! Tests that need a process for themselves: its system calls, its log, its memory, its file
//! descriptors.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod hostile;

mod strace;
mod bad_input;
mod slow_clients;
mod request_log;
mod bad_scrapers;
