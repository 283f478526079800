//! Port of `org.apache.kafka.common.network.ChannelBuilders`: from the protocol of a listener to what
//! makes its channels.

use std::sync::{Arc, Mutex};

use log::warn;

use crate::common::end_point::{EndPoint, SecurityProtocol};
use crate::common::errors::KafkaError;
use crate::common::lock::locked;
use crate::common::metrics::Metrics;
use crate::common::scheduler::Scheduler;
use crate::common::time::{SystemTime, Time};
use crate::config::kafka_config::KafkaConfig;
use crate::config::kernel_tls_mode::KernelTlsMode;
use crate::config::transfer_mode::TransferMode;
use crate::protocol::advertised_apis::AdvertisedApis;
use crate::security::authenticator::sasl_mechanisms::SaslMechanisms;
use crate::security::client_channel_builders::NodeChannelBuilders;
use crate::security::configured_mechanisms::mechanisms_of;
use crate::security::sasl_channel_builder::SaslChannelBuilder;
use crate::security::scram::credential_cache::CredentialCache;
use crate::security::ssl::ssl_channel_builder::{SslChannelBuilder, SslTransportBuilder};
use crate::security::ssl::ssl_factory::SslFactory;
use crate::security::ssl::ssl_names::{cipher_suites, protocols};
use crate::security::ssl::ssl_principal_mapper::SslPrincipalMapper;
use crate::transport::channel_builder::{
    ChannelBuilder, ChannelBuilders, PlaintextChannelBuilder, PlaintextTransportBuilder,
    TransportBuilder,
};
use crate::transport::tls_offload::TlsOffload;

/// What is wrong with the keys, the certificates and the login modules of the listeners, with those of the
/// connections to other nodes, and with the keys of tokens. Reads the files that the settings name, and opens no port.
///
/// Adds a warning to `warnings` for each key that everybody may read.
pub fn check_listeners(config: &KafkaConfig, warnings: &mut Vec<String>) -> Vec<String> {
    let (metrics, credentials) = (Arc::default(), Arc::default());
    let time: Arc<dyn Time> = Arc::new(SystemTime::new());
    let builders = ConfiguredChannelBuilders::new(config, &metrics, &time, &credentials);
    let opened = config.listeners.iter().flat_map(|it| builders.errors_of(it, warnings));
    let mut errors = opened.collect::<Vec<_>>();
    match NodeChannelBuilders::of(config) {
        Ok(nodes) => warnings.extend(nodes.exposed_keys(config)),
        Err(wrong) => errors.push(wrong.to_string()),
    }
    errors
}

/// The builders that the settings ask for, each with the settings of its own listener.
pub struct ConfiguredChannelBuilders<'a> {
    config: &'a KafkaConfig,
    metrics: &'a Arc<Metrics>,
    time: &'a Arc<dyn Time>,
    credentials: &'a Arc<CredentialCache>,
    apis: Arc<AdvertisedApis>,
    /// Of the listeners with TLS that have been asked for.
    ssl_factories: Mutex<Vec<Arc<SslFactory>>>,
    /// What the kernel has said when it was asked for TLS.
    offload: Mutex<Option<TlsOffload>>,
}

impl<'a> ConfiguredChannelBuilders<'a> {
    /// Logins by SCRAM look into `credentials`, which may be filled later.
    pub fn new(
        config: &'a KafkaConfig,
        metrics: &'a Arc<Metrics>,
        time: &'a Arc<dyn Time>,
        credentials: &'a Arc<CredentialCache>,
    ) -> Self {
        Self {
            config,
            metrics,
            time,
            credentials,
            apis: Arc::default(),
            ssl_factories: Mutex::default(),
            offload: Mutex::default(),
        }
    }

    /// What clients learn of this broker before SASL knows them.
    pub fn apis(&self) -> &Arc<AdvertisedApis> {
        &self.apis
    }

    /// A new file of keys is taken without a restart.
    pub fn schedule_reload(&self, scheduler: &Arc<dyn Scheduler>) {
        let factories = self.ssl_factories();
        if factories.is_empty() {
            return;
        }
        let reload = move || factories.iter().for_each(|it| it.reload_changed_files());
        let interval_ms = SslFactory::CHECK_INTERVAL_MS;
        scheduler.schedule("reload-certificates", interval_ms, Some(interval_ms), Box::new(reload));
    }

    /// The keys of the listeners with TLS that were asked for so far: they may be exchanged.
    pub fn ssl_factories(&self) -> Vec<Arc<SslFactory>> {
        locked(&self.ssl_factories).clone()
    }

    /// All that keeps the builder of this listener from being made, but for what the kernel says.
    fn errors_of(&self, end_point: &EndPoint, warnings: &mut Vec<String>) -> Vec<String> {
        let protocol = end_point.security_protocol;
        let mut errors = Vec::new();
        if protocol.uses_ssl() {
            match SslFactory::configure(self.config, end_point) {
                Ok(factory) => {
                    warnings.extend(factory.exposed_key().filter(|it| !warnings.contains(it)));
                }
                Err(error) => errors.push(KafkaError::from(error)),
            }
        }
        if protocol == SecurityProtocol::Ssl {
            errors.extend(self.principal_mapper(end_point).err());
        }
        if protocol.uses_sasl() {
            errors.extend(self.mechanisms(end_point).err());
        }
        errors.iter().map(ToString::to_string).collect()
    }

    fn mechanisms(&self, end_point: &EndPoint) -> Result<SaslMechanisms, KafkaError> {
        mechanisms_of(self.config, &end_point.listener_name, self.credentials, self.time)
            .map_err(|why| KafkaError::from(std::io::Error::other(why)))
    }

    /// Authenticates its clients by SASL.
    fn sasl(
        &self,
        end_point: &EndPoint,
        transports: Box<dyn TransportBuilder>,
    ) -> Result<Arc<dyn ChannelBuilder>, KafkaError> {
        let mechanisms = self.mechanisms(end_point)?;
        let time = Arc::clone(self.time);
        let builder = SaslChannelBuilder::new(transports, mechanisms, time);
        Ok(Arc::new(builder.with_apis(&self.apis)))
    }

    /// Encrypted sockets, with the keys of this listener.
    fn ssl(&self, end_point: &EndPoint) -> Result<SslTransportBuilder, KafkaError> {
        let ssl_factory = Arc::new(SslFactory::configure(self.config, end_point)?);
        let mut factories = locked(&self.ssl_factories);
        if let Some(warning) = ssl_factory.exposed_key() {
            // Once for each file, however many listeners share it.
            if factories.iter().all(|it| it.exposed_key().as_ref() != Some(&warning)) {
                warn!("{warning}");
            }
        }
        factories.push(Arc::clone(&ssl_factory));
        drop(factories);
        let builder = SslTransportBuilder::new(ssl_factory, Arc::clone(self.metrics));
        Ok(builder.with_offload(self.offload(end_point)?))
    }

    /// Whether the kernel is given the connections of this listener. It is asked once.
    fn offload(&self, end_point: &EndPoint) -> Result<TlsOffload, KafkaError> {
        let config = self.config.of_listener(&end_point.listener_name);
        let mode = config.transferto_ktls;
        if mode == KernelTlsMode::Off {
            return Ok(TlsOffload::Off);
        }
        let mut probed = locked(&self.offload);
        let offload = match &*probed {
            Some(offload) => offload.clone(),
            None => probed.insert(TlsOffload::probe()).clone(),
        };
        if mode == KernelTlsMode::Required {
            let versions = protocols(&config.ssl_enabled_protocols)?;
            offload.require(&versions, &cipher_suites(&config.ssl_cipher_suites)?)?;
        }
        Ok(offload)
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
            SecurityProtocol::SaslPlaintext => self.sasl(end_point, Box::new(self.plaintext())),
            SecurityProtocol::SaslSsl => self.sasl(end_point, Box::new(self.ssl(end_point)?)),
        }
    }
}
