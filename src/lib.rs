//! A broker that speaks Kafka's protocol: Apache Kafka 0.9's network server and zero-copy fetch
//! path, class by class, on a `mio` reactor.
//!
//! Most people run the binary. As a library, the broker starts inside a program, for example in the
//! tests of one that uses Kafka: within milliseconds, on a port of its own, for any client of Kafka.
//! The [`messages`] of the protocol are enough, too:
//!
//! ```
//! use std::error::Error;
//! use std::io::{Read, Write};
//! use std::net::TcpStream;
//!
//! use transferto::messages::{
//!     CreatableTopic, CreateTopicsRequest, FetchPartition, FetchRequest, FetchTopic,
//!     PartitionProduceData, ProduceRequest, RecordBatchBuilder, RequestBody, RequestHeader,
//!     ResponseBody, TopicProduceData, for_each_record, parse_response, request_bytes,
//! };
//! use transferto::{KafkaServerBuilder, SecurityProtocol};
//!
//! fn main() -> Result<(), Box<dyn Error>> {
//!     let dir = std::env::temp_dir().join(format!("transferto-{}", std::process::id()));
//!     let broker = KafkaServerBuilder::from_settings([
//!         ("listeners", "PLAINTEXT://127.0.0.1:0"), // any free port
//!         ("log.dirs", &dir.to_string_lossy()),
//!     ])?
//!     .start()?;
//!     let port = broker.bound_port(SecurityProtocol::Plaintext).ok_or("no such listener")?;
//!     let mut client = TcpStream::connect(("127.0.0.1", port))?;
//!
//!     let topic = CreatableTopic {
//!         name: "post".to_string(),
//!         num_partitions: 1,
//!         replication_factor: 1,
//!         ..CreatableTopic::default()
//!     };
//!     let create = CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() };
//!     call(&mut client, 2, RequestBody::CreateTopics(create), &[])?;
//!
//!     // A batch of one record goes in; the request says where in `batch` its records lie.
//!     let batch = RecordBatchBuilder::new(0).record(1_000, None, Some(b"hello")).build()?;
//!     let partition = PartitionProduceData { index: 0, records: Some(0..batch.len()) };
//!     let topic = TopicProduceData { name: "post".to_string(), partitions: vec![partition] };
//!     let produce = ProduceRequest { acks: 1, topics: vec![topic], ..ProduceRequest::default() };
//!     call(&mut client, 3, RequestBody::Produce(produce), &batch)?;
//!
//!     // The same bytes come out of the segment's file, by `sendfile`.
//!     let partition = FetchPartition { partition_max_bytes: 1 << 20, ..FetchPartition::default() };
//!     let topic = FetchTopic { topic: "post".to_string(), partitions: vec![partition], ..FetchTopic::default() };
//!     let fetch = FetchRequest { topics: vec![topic], ..FetchRequest::default() };
//!     let (response, frame) = call(&mut client, 4, RequestBody::Fetch(fetch), &[])?;
//!     let ResponseBody::Fetch(fetched) = response else { return Err("not a Fetch".into()) };
//!     let records = fetched.topics[0].partitions[0].records.clone().unwrap_or_default();
//!     let mut values = Vec::new();
//!     for_each_record(&frame[records], &mut |record| {
//!         values.push(record.value.map(<[u8]>::to_vec));
//!         Ok(())
//!     })?;
//!     assert_eq!(values, [Some(b"hello".to_vec())]);
//!
//!     broker.shutdown()?;
//!     std::fs::remove_dir_all(dir)?;
//!     Ok(())
//! }
//!
//! /// Sends a request and waits for its response. Either is a frame: its length, a header, a body.
//! fn call(
//!     client: &mut TcpStream,
//!     api_version: i16,
//!     body: RequestBody,
//!     records: &[u8],
//! ) -> Result<(ResponseBody, Vec<u8>), Box<dyn Error>> {
//!     let api_key = body.api_key();
//!     let header = RequestHeader { api_key, api_version, correlation_id: 1, client_id: None };
//!     let request = request_bytes(&header, &body, records);
//!     client.write_all(&u32::try_from(request.len())?.to_be_bytes())?;
//!     client.write_all(&request)?;
//!     let mut length = [0; 4];
//!     client.read_exact(&mut length)?;
//!     let mut frame = vec![0; usize::try_from(u32::from_be_bytes(length))?];
//!     client.read_exact(&mut frame)?;
//!     let (_, response) = parse_response(&header, &frame)?;
//!     Ok((response, frame))
//! }
//! ```
//!
//! What a client may do is decided by an [`Authorizer`](authorizer::Authorizer), which a program can
//! bring. Log lines go to the [`log`] crate.
//!
//! # The map of the house
//!
//! Everything else is the broker's own, public for its tests and liable to change. `make doc` shows
//! it; `docs/en/architecture.md` says what lies where and which thread runs what, and
//! `docs/en/fetch.md` shows each step of a fetch with its code.
//!
//! An Acceptor deals connections out to Processors. One bounded queue takes requests from all
//! Processors to the threads of [`KafkaRequestHandler`](server::kafka_request_handler), and each
//! Processor has a queue by which its responses come back. In short:
//!
//! | step | |
//! |---|---|
//! | 1 | [`Acceptor`](network::acceptor::Acceptor) takes the connection and hands it to a Processor |
//! | 2 | [`Processor`](network::processor::Processor), a single-threaded reactor, runs its loop |
//! | 3-4 | [`Selector::poll`](transport::selector::Selector::poll): [`KafkaChannel::read`](transport::kafka_channel::KafkaChannel::read) fills a [`NetworkReceive`](transport::network_receive::NetworkReceive) |
//! | 5 | the request is [parsed](protocol::request::parse), the channel muted, and the [`RequestChannel`](network::request_channel::RequestChannel) takes it to a handler thread |
//! | 6 | [`KafkaApis::handle`](server::kafka_apis::KafkaApis::handle), one `match` over all APIs |
//! | 7 | [`ReplicaManager::fetch_messages`](replica::replica_manager::ReplicaManager::fetch_messages), [`LocalLogs::read_from_local_log`](replica::local_logs::LocalLogs::read_from_local_log) |
//! | 8-9 | [`Log::read`](storage::log::log::Log::read), [`LogSegment::read`](storage::log::log_segment::LogSegment::read): a slice of a [`FileMessageSet`](storage::log::file_message_set::FileMessageSet), and no message was read |
//! | 10 | too few bytes: a [`DelayedFetch`](replica::delayed_fetch::DelayedFetch) waits in the [purgatory](purgatory::delayed_operation::DelayedOperationPurgatory) |
//! | 11 | [`FileMessageSet::warm`](storage::log::file_message_set::FileMessageSet::warm) reads pages that are not in memory |
//! | 12 | the two callbacks of `handle_fetch_request` make a [`FetchResponseSend`](protocol::fetch_response_send::FetchResponseSend): headers round the slices |
//! | 13-14 | the response queue back; `Processor::process_new_responses` gives the send to the channel |
//! | 15-16 | [`KafkaChannel::write`](transport::kafka_channel::KafkaChannel::write), [`MultiSend`](transport::multi_send::MultiSend), front to back |
//! | 17-18 | [`write_to`](message::message_set::MessageSet::write_to) and [`TransportLayer::transfer_from`](transport::transport_layer::TransportLayer::transfer_from): `sendfile(2)` |
//! | 19 | the response has left; the channel is unmuted |

#[cfg(not(target_os = "linux"))]
compile_error!(
    "transferto runs on Linux only, on any architecture: it stands on sendfile(2) to a socket, \
     epoll(7), eventfd(2), cachestat(2) and MSG_MORE. On macOS or Windows build and run it in a \
     container with Linux: docs/en/deploy.md has the commands."
);

// They stand in the order in which they build on each other.

#[cfg_attr(not(house), doc(hidden))]
pub mod common;
#[cfg_attr(not(house), doc(hidden))]
pub mod config;
#[cfg_attr(not(house), doc(hidden))]
pub mod purgatory;
#[cfg_attr(not(house), doc(hidden))]
pub mod transport;
#[cfg_attr(not(house), doc(hidden))]
pub mod http;
#[cfg_attr(not(house), doc(hidden))]
pub mod message;
#[cfg_attr(not(house), doc(hidden))]
pub mod storage;
#[cfg_attr(not(house), doc(hidden))]
pub mod registry;
#[cfg_attr(not(house), doc(hidden))]
pub mod protocol;
#[cfg_attr(not(house), doc(hidden))]
pub mod image;
#[cfg_attr(not(house), doc(hidden))]
pub mod clients;
#[cfg_attr(not(house), doc(hidden))]
pub mod raft;
#[cfg_attr(not(house), doc(hidden))]
pub mod security;
#[cfg_attr(not(house), doc(hidden))]
pub mod network;
#[cfg_attr(not(house), doc(hidden))]
pub mod replica;
#[cfg_attr(not(house), doc(hidden))]
pub mod coordinator;
#[cfg_attr(not(house), doc(hidden))]
pub mod server;
#[cfg_attr(not(house), doc(hidden))]
pub mod tools;

pub use common::end_point::SecurityProtocol;
pub use config::kafka_config::KafkaConfig;
pub use server::kafka_server::{KafkaServer, ShutdownError, StartupError};
pub use server::kafka_server_builder::KafkaServerBuilder;

/// What it takes to decide what clients may do: the trait, and the types that it names.
///
/// ```
/// use std::net::IpAddr;
///
/// use transferto::authorizer::{
///     AclBinding, AclBindingFilter, Authorizer, KafkaPrincipal, Operation, Resource, ResourceType,
/// };
///
/// /// Lets clients of this machine do everything, and others read.
/// struct ReadOnlyFromAfar;
///
/// impl Authorizer for ReadOnlyFromAfar {
///     fn authorize(
///         &self,
///         _: &KafkaPrincipal,
///         host: IpAddr,
///         operation: Operation,
///         _: Resource<'_>,
///     ) -> bool {
///         host.is_loopback() || matches!(operation, Operation::Read | Operation::Describe)
///     }
///
///     fn authorize_by_resource_type(
///         &self,
///         _: &KafkaPrincipal,
///         host: IpAddr,
///         operation: Operation,
///         _: ResourceType,
///     ) -> bool {
///         host.is_loopback() || matches!(operation, Operation::Read | Operation::Describe)
///     }
///
///     // It keeps no lists, so it has none to show, and no `AclMutator` to change them.
///     fn acls(&self, _: &AclBindingFilter) -> Vec<AclBinding> {
///         Vec::new()
///     }
/// }
/// ```
pub mod authorizer {
    pub use crate::common::errors::KafkaError;
    pub use crate::common::kafka_principal::KafkaPrincipal;
    pub use crate::server::security::authorizer::{
        Acl, AclBinding, AclBindingFilter, AclMutator, Authorizer, CLUSTER_NAME, Operation,
        PatternType, PermissionType, Resource, ResourcePattern, ResourceType, WILDCARD,
    };
}

/// The messages of the protocol, for a program that speaks to the broker without a client library.
///
/// Versions 0 to 2 of Produce and 0 to 3 of Fetch carry the older formats of messages; the others
/// carry record batches.
pub mod messages {
    pub use crate::message::byte_buffer_message_set::for_each_record;
    pub use crate::message::record_batch_builder::RecordBatchBuilder;
    pub use crate::message::records::LogRecord;
    pub use crate::protocol::create_topics::{CreatableTopic, CreateTopicsRequest};
    pub use crate::protocol::fetch::{FetchPartition, FetchRequest, FetchTopic};
    pub use crate::protocol::header::RequestHeader;
    pub use crate::protocol::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
    pub use crate::protocol::request::{RequestBody, ResponseBody, parse_response, request_bytes};
}
