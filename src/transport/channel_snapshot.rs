//! Not in Kafka: a channel at one moment, for the page that shows the path at work.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::common::kafka_principal::KafkaPrincipal;
use crate::transport::connection_id::ConnectionId;
use crate::transport::readiness::Readiness;

/// What its Processor knows of one connection.
#[derive(Clone, Debug)]
pub struct ChannelSnapshot {
    pub id: ConnectionId,
    pub peer: SocketAddr,
    /// What the client called itself in its first request, cut short if that is long.
    pub client_id: Option<Arc<str>>,
    /// Whom the client speaks for, as soon as that is known.
    pub principal: Option<KafkaPrincipal>,
    /// How far it is from serving requests; `ready` if it does.
    pub stage: &'static str,
    pub readiness: Readiness,
    pub is_muted: bool,
    pub lacks_memory: bool,
    /// Whether part of a request has arrived.
    pub has_begun_receive: bool,
    pub send: Option<SendSnapshot>,
}

/// How far a response has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendSnapshot {
    pub size_bytes: u64,
    pub left_bytes: u64,
}
