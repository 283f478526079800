//! Port of `org.apache.kafka.common.network.ChannelBuilders`: from the protocol of a listener to what
//! makes its channels.

use std::sync::{Arc, Mutex};

use crate::common::end_point::{EndPoint, SecurityProtocol};
use crate::common::errors::KafkaError;
use crate::common::lock::locked;
use crate::common::metrics::Metrics;
use crate::config::kafka_config::KafkaConfig;
use crate::config::transfer_mode::TransferMode;
use crate::security::ssl::ssl_channel_builder::{SslChannelBuilder, SslTransportBuilder};
use crate::security::ssl::ssl_factory::SslFactory;
use crate::security::ssl::ssl_principal_mapper::SslPrincipalMapper;
use crate::transport::channel_builder::{
    ChannelBuilder, ChannelBuilders, PlaintextChannelBuilder, PlaintextTransportBuilder,
};

/// The builders that the settings ask for, each with the settings of its own listener.
pub struct ConfiguredChannelBuilders<'a> {
    config: &'a KafkaConfig,
    metrics: &'a Arc<Metrics>,
    /// Of the listeners with TLS that have been asked for.
    ssl_factories: Mutex<Vec<Arc<SslFactory>>>,
}

impl<'a> ConfiguredChannelBuilders<'a> {
    pub fn new(config: &'a KafkaConfig, metrics: &'a Arc<Metrics>) -> Self {
        Self { config, metrics, ssl_factories: Mutex::default() }
    }

    /// The keys of the listeners with TLS that were asked for so far: they may be exchanged.
    pub fn ssl_factories(&self) -> Vec<Arc<SslFactory>> {
        locked(&self.ssl_factories).clone()
    }

    /// Encrypted sockets, with the keys of this listener.
    fn ssl(&self, end_point: &EndPoint) -> Result<SslTransportBuilder, KafkaError> {
        let ssl_factory = Arc::new(SslFactory::configure(self.config, end_point)?);
        locked(&self.ssl_factories).push(Arc::clone(&ssl_factory));
        Ok(SslTransportBuilder::new(ssl_factory, Arc::clone(self.metrics)))
    }

    /// How the listener names the clients that show certificates.
    fn principal_mapper(&self, end_point: &EndPoint) -> Result<SslPrincipalMapper, KafkaError> {
        let config = self.config.of_listener(&end_point.listener_name);
        Ok(SslPrincipalMapper::from_rules(&config.ssl_principal_mapping_rules)?)
    }

    /// Plain sockets, which files go to as the settings say.
    fn plaintext(&self) -> PlaintextTransportBuilder {
        let builder = PlaintextTransportBuilder::new(Arc::clone(self.metrics));
        match self.config.transferto_transfer_mode {
            TransferMode::Sendfile => builder,
            TransferMode::Copy => {
                builder.copying_through(self.config.transferto_transfer_copy_buffer_bytes)
            }
        }
    }
}

impl ChannelBuilders for ConfiguredChannelBuilders<'_> {
    fn builder_for(&self, end_point: &EndPoint) -> Result<Arc<dyn ChannelBuilder>, KafkaError> {
        match end_point.security_protocol {
            SecurityProtocol::Plaintext | SecurityProtocol::Trace => {
                Ok(Arc::new(PlaintextChannelBuilder::on(self.plaintext())))
            }
            SecurityProtocol::Ssl => {
                let mapper = self.principal_mapper(end_point)?;
                Ok(Arc::new(SslChannelBuilder::new(self.ssl(end_point)?, mapper)))
            }
            SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl => Err(KafkaError::from(
                std::io::Error::other(format!("{end_point}: this protocol is not built in yet")),
            )),
        }
    }
}
