//! What the tests of more than one binary share.
#![allow(missing_docs, reason = "a test says what it needs a helper for")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

pub mod stock_files;
pub mod temp;
pub mod random;
pub mod wait;
pub mod own_process;
pub mod treacherous_time;
pub mod records;
pub mod tls;
pub mod login;
pub mod client;
pub mod http;
pub mod json;
pub mod broker;
pub mod broker_process;
pub mod trace_line;
pub mod transports;
pub mod users;
pub mod kernel_tls;
pub mod tunnel;
pub mod engine;
