//! Requests and responses, and the threads that carry them: `kafka.network`. Knows no log.
//!
//! An [`acceptor`] takes connections and deals them out to its [`processor`]s; a Processor is a
//! reactor of one thread that puts requests on the [`request_channel`] and brings the responses
//! back to their sockets.

pub mod connection_quotas;
pub mod request_metrics;
pub mod network_snapshot;
pub mod request_queue;
pub mod request_channel;
pub mod inline_handler;
pub mod request_memory;
mod loggable_request;
pub mod request_log;
pub mod processor;
pub mod tcp_settings;
pub mod listening_socket;
pub mod acceptor;
pub mod socket_server;
