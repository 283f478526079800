//! transferto: Apache Kafka 0.9's network server and zero-copy fetch path, class by class, on a
//! `mio` reactor.
//!
//! ```text
//!             newConnections              request queue (bounded)
//!  Acceptor ──────────────────> Processor ──────────────────────> KafkaRequestHandler
//!  accept(2)                    epoll_wait, read, sendfile        KafkaApis, ReplicaManager, Log
//!                                         <──────────────────────
//!                                          a response queue each
//! ```
//!
//! # The threads
//!
//! - An [`Acceptor`](network::acceptor::Acceptor) per listener owns the listening socket, waits for
//!   connections, and hands each to a Processor.
//! - A [`Processor`](network::processor::Processor) is a single-threaded reactor. It owns its
//!   connections, waits for them and for responses, and never touches a log.
//! - The request handlers own nothing. They wait for requests, touch the logs, and hand back
//!   responses that are recipes: headers, and slices of files.
//! - The reaper of each [purgatory](purgatory::delayed_operation::DelayedOperationPurgatory) owns a
//!   timing wheel and answers what has waited too long.
//! - The reaper of each [quota](server::quota::client_quota_manager::ClientQuotaManager) answers clients
//!   that were too fast, when their delay is over.
//! - The [scheduler](common::scheduler::KafkaScheduler) runs retention, flushes and checkpoints.
//!
//! # The way of a fetch
//!
//! 1. [`Acceptor::run`](network::acceptor::Acceptor::run) takes the connection;
//!    [`Processor::run`](network::processor::Processor::run) configures it.
//! 2. [`Selector::poll`](transport::selector::Selector::poll) gives the channel a turn:
//!    [`KafkaChannel::read`](transport::kafka_channel::KafkaChannel::read) fills a
//!    [`NetworkReceive`](transport::network_receive::NetworkReceive).
//! 3. The Processor [parses](protocol::request::parse) the frame, mutes the channel, and puts the
//!    request on the queue:
//!    [`RequestChannel::send_request`](network::request_channel::RequestChannel::send_request).
//! 4. A handler takes it to [`KafkaApis::handle`](server::kafka_apis::KafkaApis::handle).
//! 5. [`ReplicaManager::fetch_messages`](replica::replica_manager::ReplicaManager::fetch_messages)
//!    has the partitions read by
//!    [`LocalLogs::read_from_local_log`](replica::local_logs::LocalLogs::read_from_local_log). If
//!    there are too few bytes, a [`DelayedFetch`](replica::delayed_fetch::DelayedFetch) waits for
//!    more.
//! 6. [`Log::read`](storage::log::log::Log::read) finds the segment, and
//!    [`LogSegment::read`](storage::log::log_segment::LogSegment::read) the place in it, by
//!    [`OffsetIndex::lookup`](storage::index::offset_index::OffsetIndex::lookup) and
//!    [`FileMessageSet::search_for`](storage::log::file_message_set::FileMessageSet::search_for). What
//!    comes back is a slice (file, start, end): no message has been read.
//! 7. The two callbacks in `handle_fetch_request` put the slices into a
//!    [`FetchResponseSend`](protocol::fetch_response_send::FetchResponseSend), and
//!    [`RequestChannel::send_response`](network::request_channel::RequestChannel::send_response)
//!    wakes the Processor.
//! 8. [`Selector::send`](transport::selector::Selector::send) registers it with the channel, whose
//!    [`write`](transport::kafka_channel::KafkaChannel::write) drives it when the socket takes
//!    bytes: headers first, then, through [`MultiSend`](transport::multi_send::MultiSend), each
//!    partition's
//! 9. [`FileMessageSet`](storage::log::file_message_set::FileMessageSet), whose
//!    [`write_to`](message::message_set::MessageSet::write_to) hands the file to
//! 10. [`TransportLayer::transfer_from`](transport::transport_layer::TransportLayer::transfer_from),
//!     which in the
//!     [`PlaintextTransportLayer`](transport::plaintext_transport_layer::PlaintextTransportLayer) is
//!     `sendfile(2)`.
//!
//! The folders stand below in the order in which they build on each other; who may import whom is
//! a table in `docs/en/architecture.md`, and a test holds the source to it.

#[cfg_attr(not(house), doc(hidden))]
pub mod common;
#[cfg_attr(not(house), doc(hidden))]
pub mod config;
#[cfg_attr(not(house), doc(hidden))]
pub mod purgatory;
#[cfg_attr(not(house), doc(hidden))]
pub mod transport;
#[cfg_attr(not(house), doc(hidden))]
pub mod message;
#[cfg_attr(not(house), doc(hidden))]
pub mod storage;
#[cfg_attr(not(house), doc(hidden))]
pub mod registry;
#[cfg_attr(not(house), doc(hidden))]
pub mod protocol;
#[cfg_attr(not(house), doc(hidden))]
pub mod network;
#[cfg_attr(not(house), doc(hidden))]
pub mod replica;
#[cfg_attr(not(house), doc(hidden))]
pub mod coordinator;
#[cfg_attr(not(house), doc(hidden))]
pub mod server;
