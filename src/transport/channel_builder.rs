//! Port of `org.apache.kafka.common.network.ChannelBuilder` and `PlaintextChannelBuilder`: from a
//! socket to a channel.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::TcpStream;

use crate::common::end_point::EndPoint;
use crate::common::errors::KafkaError;
use crate::common::metrics::Metrics;
use crate::transport::authenticator::DefaultAuthenticator;
use crate::transport::connection_id::ConnectionId;
use crate::transport::copying_transport_layer::CopyingTransportLayer;
use crate::transport::kafka_channel::KafkaChannel;
use crate::transport::network_receive::NetworkReceive;
use crate::transport::plaintext_transport_layer::PlaintextTransportLayer;
use crate::transport::transport_layer::TransportLayer;

/// Makes the channel of each new connection: chooses the transport that its bytes leave by, and
/// the authenticator that says whom it speaks for. Tests bring builders whose transports count,
/// stutter or fail.
pub trait ChannelBuilder: Send + Sync {
    /// The channel for `stream`, whose other end is `peer`. It reads requests by `receive`.
    ///
    /// # Errors
    /// Whatever keeps the socket from being used. The socket is closed then.
    fn build_channel(
        &self,
        id: ConnectionId,
        stream: TcpStream,
        peer: SocketAddr,
        receive: NetworkReceive,
    ) -> io::Result<KafkaChannel>;
}

/// Which builder makes the channels of which listener.
pub trait ChannelBuilders {
    /// The builder for the listener at `end_point`.
    ///
    /// # Errors
    /// What keeps the listener from being opened, such as a key that cannot be read, with what to do.
    fn builder_for(&self, end_point: &EndPoint) -> Result<Arc<dyn ChannelBuilder>, KafkaError>;
}

/// One builder for all listeners, whatever their protocol: what tests bring.
impl ChannelBuilders for Arc<dyn ChannelBuilder> {
    fn builder_for(&self, _: &EndPoint) -> Result<Arc<dyn ChannelBuilder>, KafkaError> {
        Ok(Arc::clone(self))
    }
}

/// Makes what the bytes of a new connection go by. Every protocol with SASL has one of a protocol
/// without.
pub trait TransportBuilder: Send + Sync {
    /// The transport for `stream`, whose other end is `peer`.
    ///
    /// # Errors
    /// Whatever keeps the socket from being used. The socket is closed then.
    fn build_transport(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> io::Result<Box<dyn TransportLayer>>;
}

/// Sends bytes as they are.
pub struct PlaintextTransportBuilder {
    metrics: Arc<Metrics>,
    /// The memory that files are copied through; none where they go by `sendfile`.
    copy_buffer_bytes: Option<usize>,
}

impl PlaintextTransportBuilder {
    /// Counts in `metrics` what the transports do.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, copy_buffer_bytes: None }
    }

    /// Files go through `buffer_bytes` of this process's memory, in place of `sendfile`.
    #[must_use]
    pub fn copying_through(self, buffer_bytes: usize) -> Self {
        Self { copy_buffer_bytes: Some(buffer_bytes), ..self }
    }
}

impl TransportBuilder for PlaintextTransportBuilder {
    fn build_transport(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> io::Result<Box<dyn TransportLayer>> {
        let metrics = || Arc::clone(&self.metrics);
        let plaintext = PlaintextTransportLayer::new(stream, peer, metrics())?;
        Ok(match self.copy_buffer_bytes {
            None => Box::new(plaintext),
            Some(bytes) => Box::new(CopyingTransportLayer::new(plaintext, bytes, metrics())),
        })
    }
}

/// Builds the channels of clients without a name.
pub struct PlaintextChannelBuilder {
    transports: PlaintextTransportBuilder,
}

impl PlaintextChannelBuilder {
    /// Counts in `metrics` what the transports do.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self::on(PlaintextTransportBuilder::new(metrics))
    }

    /// The same over transports of this kind.
    pub fn on(transports: PlaintextTransportBuilder) -> Self {
        Self { transports }
    }
}

impl ChannelBuilder for PlaintextChannelBuilder {
    fn build_channel(
        &self,
        id: ConnectionId,
        stream: TcpStream,
        peer: SocketAddr,
        receive: NetworkReceive,
    ) -> io::Result<KafkaChannel> {
        let transport = self.transports.build_transport(stream, peer)?;
        let authenticator = Box::new(DefaultAuthenticator::new());
        Ok(KafkaChannel::new(id, transport, authenticator, receive))
    }
}
