//! Port of `org.apache.kafka.common.config.SslConfigs`, as one listener has them.

use std::path::PathBuf;

use crate::common::end_point::{EndPoint, ListenerName};
use crate::config::endpoint_identification::EndpointIdentification;
use crate::config::kafka_config::KafkaConfig;
use crate::config::kernel_tls_mode::KernelTlsMode;
use crate::config::listener_setting::ListenerSettingNames;
use crate::config::password::Password;
use crate::config::ssl_client_auth::SslClientAuth;

/// The settings of TLS that hold for one listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SslConfigs {
    pub enabled_protocols: Vec<String>,
    pub cipher_suites: Vec<String>,
    pub client_auth: SslClientAuth,
    /// Whether a node that this broker connects to has to bear the name by which it is reached.
    pub endpoint_identification: EndpointIdentification,
    pub keystore: StoreConfigs,
    pub truststore: StoreConfigs,
    /// By which names errors of connections to other nodes call them.
    pub names: ListenerSettingNames,
    /// Whether the kernel may get the keys of connections.
    pub may_use_kernel: bool,
}

/// Where a store is, and what it takes to read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfigs {
    pub kind: StoreKind,
    pub store_type: String,
    pub location: Option<PathBuf>,
    pub password: Option<Password>,
    /// Of the key, where it is not that of the store.
    pub key_password: Option<Password>,
    /// A key that stands in the settings themselves, as PEM.
    pub inline_key: Option<Password>,
    /// The same of certificates.
    pub inline_certificates: Option<Password>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    Keystore,
    Truststore,
}

impl StoreKind {
    /// The setting of this kind of store that ends so: `ssl.keystore.location`.
    pub fn setting(self, end: &str) -> String {
        match self {
            Self::Keystore => format!("ssl.keystore.{end}"),
            Self::Truststore => format!("ssl.truststore.{end}"),
        }
    }
}

impl SslConfigs {
    /// The settings of `config` as they hold for the listener.
    pub fn of_listener(config: &KafkaConfig, end_point: &EndPoint) -> Self {
        let own = config.of_listener(&end_point.listener_name);
        let client_auth = client_auth(config, &own, end_point);
        Self { client_auth, ..Self::of(own) }
    }

    /// The settings of `config` as they hold for connections to the listener of this name at other nodes.
    pub fn of_client(config: &KafkaConfig, listener: &ListenerName) -> Self {
        let names = config.names_of_listener(listener);
        Self { names, ..Self::of(config.of_listener(listener)) }
    }

    fn of(own: KafkaConfig) -> Self {
        Self {
            client_auth: own.ssl_client_auth,
            names: ListenerSettingNames::default(),
            endpoint_identification: own.ssl_endpoint_identification_algorithm,
            enabled_protocols: own.ssl_enabled_protocols,
            cipher_suites: own.ssl_cipher_suites,
            may_use_kernel: own.transferto_ktls != KernelTlsMode::Off,
            keystore: StoreConfigs {
                kind: StoreKind::Keystore,
                store_type: own.ssl_keystore_type,
                location: own.ssl_keystore_location,
                password: own.ssl_keystore_password,
                key_password: own.ssl_key_password,
                inline_key: own.ssl_keystore_key,
                inline_certificates: own.ssl_keystore_certificate_chain,
            },
            truststore: StoreConfigs {
                kind: StoreKind::Truststore,
                store_type: own.ssl_truststore_type,
                location: own.ssl_truststore_location,
                password: own.ssl_truststore_password,
                key_password: None,
                inline_key: None,
                inline_certificates: own.ssl_truststore_certificates,
            },
        }
    }
}

/// On a listener with SASL a certificate is asked for only if the setting is for this listener alone:
/// it would else be asked for because of the other listeners (KAFKA-3166, KIP-684). Whoever reads the
/// settings warns of it.
fn client_auth(config: &KafkaConfig, own: &KafkaConfig, end_point: &EndPoint) -> SslClientAuth {
    let listener = &end_point.listener_name;
    let is_of_listener = config.listener_settings.iter().any(|it| {
        it.listener == *listener && it.mechanism.is_none() && it.name == "ssl.client.auth"
    });
    if !end_point.security_protocol.uses_sasl() || is_of_listener {
        return own.ssl_client_auth;
    }
    SslClientAuth::None
}
