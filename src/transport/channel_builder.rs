//! Port of `org.apache.kafka.common.network.ChannelBuilder` and `PlaintextChannelBuilder`: from a
//! socket to a transport.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::TcpStream;

use crate::common::metrics::Metrics;
use crate::transport::plaintext_transport_layer::PlaintextTransportLayer;
use crate::transport::transport_layer::TransportLayer;

/// Makes the transport of each new connection. Tests bring builders whose transports count, stutter
/// or fail.
pub trait ChannelBuilder: Send + Sync {
    /// The transport for `stream`, whose other end is `peer`.
    ///
    /// # Errors
    /// Whatever keeps the socket from being used. The socket is closed then.
    fn build_channel(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> io::Result<Box<dyn TransportLayer>>;
}

/// Builds transports that send bytes as they are.
pub struct PlaintextChannelBuilder {
    metrics: Arc<Metrics>,
}

impl PlaintextChannelBuilder {
    /// Counts what its transports do in `metrics`.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics }
    }
}

impl ChannelBuilder for PlaintextChannelBuilder {
    fn build_channel(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> io::Result<Box<dyn TransportLayer>> {
        let transport = PlaintextTransportLayer::new(stream, peer, Arc::clone(&self.metrics))?;
        Ok(Box::new(transport))
    }
}
