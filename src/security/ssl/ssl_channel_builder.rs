//! Port of `org.apache.kafka.common.network.SslChannelBuilder`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::TcpStream;

use crate::common::metrics::Metrics;
use crate::security::ssl::ssl_authenticator::SslAuthenticator;
use crate::security::ssl::ssl_factory::SslFactory;
use crate::security::ssl::ssl_principal_mapper::SslPrincipalMapper;
use crate::transport::channel_builder::{ChannelBuilder, TransportBuilder};
use crate::transport::connection_id::ConnectionId;
use crate::transport::kafka_channel::KafkaChannel;
use crate::transport::network_receive::NetworkReceive;
use crate::transport::ssl_transport_layer::SslTransportLayer;
use crate::transport::tls_offload::TlsOffload;
use crate::transport::transport_layer::TransportLayer;

/// Encrypts bytes, with the keys of one listener.
pub struct SslTransportBuilder {
    ssl_factory: Arc<SslFactory>,
    metrics: Arc<Metrics>,
    offload: TlsOffload,
}

impl SslTransportBuilder {
    /// Counts in `metrics` what the transports do.
    pub fn new(ssl_factory: Arc<SslFactory>, metrics: Arc<Metrics>) -> Self {
        Self { ssl_factory, metrics, offload: TlsOffload::Off }
    }

    /// The kernel encrypts for those that it can take.
    #[must_use]
    pub fn with_offload(self, offload: TlsOffload) -> Self {
        Self { offload, ..self }
    }
}

impl TransportBuilder for SslTransportBuilder {
    fn build_transport(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> io::Result<Box<dyn TransportLayer>> {
        let (engine, metrics) = (self.ssl_factory.create_ssl_engine(), Arc::clone(&self.metrics));
        let transport = SslTransportLayer::create(stream, peer, engine, metrics)?;
        Ok(Box::new(transport.with_offload(self.offload.clone())))
    }
}

/// Builds the channels of clients that are known by their certificates, if they have shown one.
pub struct SslChannelBuilder {
    transports: SslTransportBuilder,
    mapper: Arc<SslPrincipalMapper>,
}

impl SslChannelBuilder {
    pub fn new(transports: SslTransportBuilder, mapper: SslPrincipalMapper) -> Self {
        Self { transports, mapper: Arc::new(mapper) }
    }
}

impl ChannelBuilder for SslChannelBuilder {
    fn build_channel(
        &self,
        id: ConnectionId,
        stream: TcpStream,
        peer: SocketAddr,
        receive: NetworkReceive,
    ) -> io::Result<KafkaChannel> {
        let transport = self.transports.build_transport(stream, peer)?;
        let authenticator = Box::new(SslAuthenticator::new(Arc::clone(&self.mapper)));
        Ok(KafkaChannel::new(id, transport, authenticator, receive))
    }
}
