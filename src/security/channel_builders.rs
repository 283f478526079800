//! Port of `org.apache.kafka.common.network.ChannelBuilders`: from the protocol of a listener to what
//! makes its channels.

use std::sync::Arc;

use crate::common::end_point::{EndPoint, SecurityProtocol};
use crate::common::errors::KafkaError;
use crate::common::metrics::Metrics;
use crate::common::time::Time;
use crate::config::kafka_config::KafkaConfig;
use crate::config::transfer_mode::TransferMode;
use crate::security::configured_mechanisms::mechanisms_of;
use crate::security::sasl_channel_builder::SaslChannelBuilder;
use crate::security::scram::credential_cache::CredentialCache;
use crate::transport::channel_builder::{
    ChannelBuilder, ChannelBuilders, PlaintextChannelBuilder, PlaintextTransportBuilder,
    TransportBuilder,
};

/// The builders that the settings ask for, each with the settings of its own listener.
pub struct ConfiguredChannelBuilders<'a> {
    config: &'a KafkaConfig,
    metrics: &'a Arc<Metrics>,
    time: &'a Arc<dyn Time>,
    credentials: &'a Arc<CredentialCache>,
}

impl<'a> ConfiguredChannelBuilders<'a> {
    /// Logins by SCRAM look into `credentials`, which may be filled later.
    pub fn new(
        config: &'a KafkaConfig,
        metrics: &'a Arc<Metrics>,
        time: &'a Arc<dyn Time>,
        credentials: &'a Arc<CredentialCache>,
    ) -> Self {
        Self { config, metrics, time, credentials }
    }

    /// Authenticates its clients by SASL.
    fn sasl(
        &self,
        end_point: &EndPoint,
        transports: Box<dyn TransportBuilder>,
    ) -> Result<Arc<dyn ChannelBuilder>, KafkaError> {
        let mechanisms = mechanisms_of(self.config, &end_point.listener_name, self.credentials)
            .map_err(|why| KafkaError::from(std::io::Error::other(why)))?;
        let time = Arc::clone(self.time);
        Ok(Arc::new(SaslChannelBuilder::new(transports, mechanisms, time)))
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
            SecurityProtocol::SaslPlaintext => self.sasl(end_point, Box::new(self.plaintext())),
            SecurityProtocol::Ssl | SecurityProtocol::SaslSsl => Err(KafkaError::from(
                std::io::Error::other(format!("{end_point}: this protocol is not built in yet")),
            )),
        }
    }
}
