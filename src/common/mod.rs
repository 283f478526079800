//! Small things that both wings name: errors, clocks, counters. Imports nothing of ours.

pub mod sasl_mechanism_names;
pub mod end_point;
pub mod failures;
pub mod file_descriptors;
pub mod http_end_point;
pub mod kafka_principal;
pub mod sanitizer;
pub mod lock;
pub mod tls_connections;
pub mod metrics;
pub mod histogram;
pub mod rate;
pub mod record_error;
pub mod errors;
pub mod acl;
pub mod bind_advice;
pub mod hex;
pub mod der;
pub mod x500_principal;
pub mod x509_certificate;
pub mod on_demand;
pub mod subject;
pub mod hop_recorder;
pub mod step;
pub mod hang_up;
pub mod memory_limit;
pub mod named_thread;
pub mod scheduler;
pub mod sys;
pub mod units;
pub mod time;
pub mod memory_pool;
pub mod lessons;
pub mod log_limit;
pub mod purge_size;
#[doc(hidden)]
pub mod mock_time;
#[doc(hidden)]
pub mod mock_scheduler;
pub mod json_value;
pub mod uuid;
pub mod topic_partition;
pub mod text;
pub(crate) mod json;
pub mod client_quota_entity;
pub mod loading_progress;
pub mod service_manager;
pub mod swallow;
pub mod worker_threads;
#[cfg(sabotage)]
pub mod sabotage;
