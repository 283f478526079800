//! Port of `org.apache.kafka.common.network.SaslChannelBuilder`: the channels of a listener whose
//! clients authenticate by SASL, over whatever transport.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::TcpStream;

use crate::common::time::Time;
use crate::protocol::advertised_apis::AdvertisedApis;
use crate::security::authenticator::sasl_mechanisms::SaslMechanisms;
use crate::security::authenticator::sasl_server_authenticator::SaslServerAuthenticator;
use crate::transport::channel_builder::{ChannelBuilder, TransportBuilder};
use crate::transport::connection_id::ConnectionId;
use crate::transport::kafka_channel::KafkaChannel;
use crate::transport::network_receive::NetworkReceive;

/// Builds the channels of clients that name themselves by one of its mechanisms.
pub struct SaslChannelBuilder {
    transports: Box<dyn TransportBuilder>,
    mechanisms: Arc<SaslMechanisms>,
    apis: Arc<AdvertisedApis>,
    time: Arc<dyn Time>,
}

impl SaslChannelBuilder {
    pub fn new(
        transports: Box<dyn TransportBuilder>,
        mechanisms: SaslMechanisms,
        time: Arc<dyn Time>,
    ) -> Self {
        Self { transports, mechanisms: Arc::new(mechanisms), apis: Arc::default(), time }
    }

    /// Answers ApiVersions by `apis`, in place of what a single node has.
    #[must_use]
    pub fn with_apis(self, apis: &Arc<AdvertisedApis>) -> Self {
        Self { apis: Arc::clone(apis), ..self }
    }
}

impl ChannelBuilder for SaslChannelBuilder {
    fn build_channel(
        &self,
        id: ConnectionId,
        stream: TcpStream,
        peer: SocketAddr,
        receive: NetworkReceive,
    ) -> io::Result<KafkaChannel> {
        let transport = self.transports.build_transport(stream, peer)?;
        let authenticator = SaslServerAuthenticator::new(&self.mechanisms, &self.apis, &self.time);
        Ok(KafkaChannel::new(id, transport, Box::new(authenticator), receive))
    }
}
