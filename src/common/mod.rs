//! Small things that both wings name: errors, clocks, counters. Imports nothing of ours.

pub mod acl;
pub mod end_point;
pub mod errors;
pub mod kafka_principal;
pub mod metrics;
#[doc(hidden)]
pub mod mock_scheduler;
#[doc(hidden)]
pub mod mock_time;
pub mod rate;
pub mod record_error;
pub mod scheduler;
pub mod hex;
pub mod lock;
pub mod sys;
pub mod text;
pub mod time;
pub mod units;
pub mod uuid;
pub mod topic_partition;
pub mod worker_threads;
