//! Port of `org.apache.kafka.common.network.ChannelBuilders.clientChannelBuilder`: from the settings of a listener
//! to what secures this broker's connections to it at other nodes.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use crate::clients::client_channel_builder::{
    ClientAuthenticator, ClientChannelBuilder, ClientTransport, PlaintextClientChannelBuilder,
};
use crate::clients::watched_socket::WatchedSocket;
use crate::common::end_point::{ListenerName, SecurityProtocol};
use crate::common::errors::KafkaError;
use crate::common::sasl_mechanism_names::PLAIN;
use crate::config::kafka_config::KafkaConfig;
use crate::security::auth::client_credentials::ClientCredentials;
use crate::security::auth::jaas_config::{JaasEntry, LoginModule};
use crate::security::auth::sasl_client::SaslClientFactory;
use crate::security::authenticator::sasl_client_authenticator::{
    SaslClientAuthenticator, SettingNames,
};
use crate::security::configured_mechanisms::{login_if_set, login_key};
use crate::security::plain::plain_sasl_client::PlainSaslClientFactory;
use crate::security::scram::scram_mechanism::ScramMechanism;
use crate::security::scram::scram_sasl_client::ScramSaslClientFactory;
use crate::security::ssl::client_ssl_factory::ClientSslFactory;
use crate::security::ssl::ssl_client_transport::SslClientTransport;
use crate::security::ssl::ssl_configs::SslConfigs;
use crate::security::ssl::ssl_factory::exposed_key;

/// What the nodes of a cluster are reached by.
#[derive(Debug)]
pub struct NodeChannelBuilders {
    /// By `inter.broker.listener.name`.
    pub to_brokers: Arc<dyn ClientChannelBuilder>,
    /// By the first of `controller.listener.names`.
    pub to_controllers: Arc<dyn ClientChannelBuilder>,
    /// The keys of both: they may be exchanged.
    pub ssl_factories: Vec<Arc<ClientSslFactory>>,
}

impl NodeChannelBuilders {
    /// Reads the files that the settings name. A broker that is alone reaches nobody.
    ///
    /// # Errors
    /// The setting or the file that is wrong, and what mends it.
    pub fn of(config: &KafkaConfig) -> Result<Self, KafkaError> {
        let mut made = Self {
            to_brokers: Arc::new(PlaintextClientChannelBuilder),
            to_controllers: Arc::new(PlaintextClientChannelBuilder),
            ssl_factories: Vec::new(),
        };
        if !config.joins_a_cluster() {
            return Ok(made);
        }
        let listener = config.inter_broker_listener();
        let mechanism = &config.sasl_mechanism_inter_broker_protocol;
        let setting = ("sasl.mechanism.inter.broker.protocol", mechanism.as_str());
        made.to_brokers = made.builder_to(config, &listener, setting)?;
        if let Some(listener) = config.controller_listener_names.first() {
            let mechanism = &config.sasl_mechanism_controller_protocol;
            let setting = ("sasl.mechanism.controller.protocol", mechanism.as_str());
            made.to_controllers = made.builder_to(config, listener, setting)?;
        }
        Ok(made)
    }

    /// A warning for each key that everybody on this machine may read, unless a listener has the same: there it is
    /// said, too.
    pub fn exposed_keys(&self, config: &KafkaConfig) -> Vec<String> {
        let with_tls = config.listeners.iter().filter(|it| it.security_protocol.uses_ssl());
        let of_listener = |it| exposed_key(&SslConfigs::of_listener(config, it));
        let said = with_tls.filter_map(of_listener).collect::<Vec<_>>();
        let found = self.ssl_factories.iter().filter_map(|it| it.exposed_key());
        found.filter(|it| !said.contains(it)).collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn builder_to(
        &mut self,
        config: &KafkaConfig,
        listener: &ListenerName,
        (setting, mechanism): (&str, &str),
    ) -> Result<Arc<dyn ClientChannelBuilder>, KafkaError> {
        let protocol = config.protocol_of_nodes(listener);
        let ssl_factory = match protocol.uses_ssl() {
            true => Some(Arc::new(ClientSslFactory::configure(config, listener)?)),
            false => None,
        };
        self.ssl_factories.extend(ssl_factory.clone());
        let sasl = match protocol.uses_sasl() {
            true => {
                let factory = client_factory(config, listener, mechanism).map_err(invalid)?;
                let names = SettingNames {
                    listener: shown(listener, protocol),
                    mechanism: setting.to_string(),
                    credentials: login_key(listener, mechanism),
                };
                Some((factory, names))
            }
            false => None,
        };
        if ssl_factory.is_none() && sasl.is_none() {
            return Ok(Arc::new(PlaintextClientChannelBuilder));
        }
        let shown = shown(listener, protocol);
        Ok(Arc::new(SecuredClientChannelBuilder { shown, ssl_factory, sasl }))
    }
}

/// What a tool reaches controllers by: it has settings of its own, without prefixes.
///
/// # Errors
/// The setting or the file that is wrong, and what mends it.
pub fn tool_channel_builder(
    config: &KafkaConfig,
    protocol: SecurityProtocol,
    mechanism: &str,
) -> Result<Arc<dyn ClientChannelBuilder>, KafkaError> {
    let listener = ListenerName::for_security_protocol(protocol);
    let ssl_factory = match protocol.uses_ssl() {
        true => Some(Arc::new(ClientSslFactory::configure(config, &listener)?)),
        false => None,
    };
    let sasl = match protocol.uses_sasl() {
        true => {
            let key = "sasl.jaas.config";
            let jaas = config.sasl_jaas_config.as_ref();
            let jaas = jaas.ok_or_else(|| invalid(format!("`{key}` must be set")))?;
            let entry = JaasEntry::parse(jaas.value());
            let entry = entry.map_err(|why| invalid(format!("`{key}`: {why}")))?;
            let factory = factory_of(mechanism, &entry, key).map_err(invalid)?;
            let names = SettingNames {
                listener: protocol.name().to_string(),
                mechanism: "sasl.mechanism".to_string(),
                credentials: key.to_string(),
            };
            Some((factory, names))
        }
        false => None,
    };
    let shown = protocol.name().to_string();
    Ok(Arc::new(SecuredClientChannelBuilder { shown, ssl_factory, sasl }))
}

/// TLS, SASL or both.
#[derive(Debug)]
struct SecuredClientChannelBuilder {
    /// The listener, as errors name it.
    shown: String,
    ssl_factory: Option<Arc<ClientSslFactory>>,
    sasl: Option<(Arc<dyn SaslClientFactory>, SettingNames)>,
}

impl ClientChannelBuilder for SecuredClientChannelBuilder {
    fn build_transport(
        &self,
        socket: WatchedSocket,
        host: &str,
        deadline: Instant,
    ) -> io::Result<Box<dyn ClientTransport>> {
        let Some(ssl_factory) = &self.ssl_factory else { return Ok(Box::new(socket)) };
        let engine = ssl_factory.create_ssl_engine();
        let transport = SslClientTransport::shake_hands(socket, host, engine, deadline)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.shown)))?;
        Ok(Box::new(transport))
    }

    fn build_authenticator(&self, client_id: &str) -> Option<Box<dyn ClientAuthenticator>> {
        let (factory, names) = self.sasl.as_ref()?;
        let factory = Arc::clone(factory);
        Some(Box::new(SaslClientAuthenticator::new(factory, names.clone(), client_id)))
    }
}

/// Port of `JaasContext.loadServerContext`, for a broker that is the client: the login module of the listener and
/// the mechanism says who it is.
fn client_factory(
    config: &KafkaConfig,
    listener: &ListenerName,
    mechanism: &str,
) -> Result<Arc<dyn SaslClientFactory>, String> {
    let key = login_key(listener, mechanism);
    let entry = login_if_set(config, listener, mechanism, module_of(mechanism)?)?;
    let entry = entry.ok_or_else(|| {
        format!(
            "`{key}` must be set, to {} required username=\"NAME\" password=\"PASSWORD\"; with it this \
             broker logs in to {listener} listeners of other nodes",
            module_of(mechanism).map_or("", LoginModule::class_name)
        )
    })?;
    factory_of(mechanism, &entry, &key)
}

fn factory_of(
    mechanism: &str,
    entry: &JaasEntry,
    key: &str,
) -> Result<Arc<dyn SaslClientFactory>, String> {
    let module = module_of(mechanism)?;
    if entry.module != module {
        return Err(format!("`{key}`: {mechanism} needs {}", module.class_name()));
    }
    let credentials = ClientCredentials::of(entry).map_err(|missing| {
        format!("`{key}` has no `{missing}`: with it and the other this node logs in to others")
    })?;
    Ok(match ScramMechanism::for_mechanism_name(mechanism) {
        Some(mechanism) => Arc::new(ScramSaslClientFactory::new(mechanism, credentials)),
        None => Arc::new(PlainSaslClientFactory::new(credentials)),
    })
}

/// That of a mechanism by which this broker can log in.
fn module_of(mechanism: &str) -> Result<LoginModule, String> {
    match mechanism {
        PLAIN => Ok(LoginModule::Plain),
        name if ScramMechanism::for_mechanism_name(name).is_some() => Ok(LoginModule::Scram),
        name => Err(format!(
            "this broker cannot log in by {name}: there are PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512"
        )),
    }
}

fn shown(listener: &ListenerName, protocol: SecurityProtocol) -> String {
    format!("listener {listener} ({})", protocol.name())
}

fn invalid(why: String) -> KafkaError {
    KafkaError::from(io::Error::new(io::ErrorKind::InvalidInput, why))
}
