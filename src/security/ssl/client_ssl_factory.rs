//! Port of `org.apache.kafka.common.security.ssl.SslFactory` in the mode CLIENT: the keys of the connections to
//! one kind of listener, which may be exchanged while connections come and go.

use std::fmt;
use std::sync::{Arc, Mutex};

use log::{Level, error, info, log};
use rustls::ClientConfig;

use crate::common::end_point::ListenerName;
use crate::common::lock::locked;
use crate::common::log_limit::{LogKind, limited};
use crate::config::dynamic_config::BrokerReconfigurable;
use crate::config::kafka_config::KafkaConfig;
use crate::config::listener_setting::ListenerSettingNames;
use crate::security::ssl::client_ssl_engine_factory::create_client_ssl_context;
use crate::security::ssl::ssl_configs::SslConfigs;
use crate::security::ssl::ssl_error::SslError;
use crate::security::ssl::ssl_factory::{Stamps, exposed_key, stamps_of};

/// What new connections shake hands with. Files that have changed are read again for the next connection; if
/// they cannot be used, it takes what was there.
pub struct ClientSslFactory {
    listener: ListenerName,
    current: Mutex<Current>,
}

struct Current {
    configs: SslConfigs,
    context: Arc<ClientConfig>,
    /// Of the files as they were before they were read.
    stamps: Stamps,
    /// Of the files that were found unusable last, so that they are said to be so once.
    unusable: Option<Stamps>,
}

impl ClientSslFactory {
    /// Reads the keys and certificates for connections to the listener of this name at other nodes.
    ///
    /// # Errors
    /// The setting or the file that is wrong, and what mends it.
    pub fn configure(config: &KafkaConfig, listener: &ListenerName) -> Result<Self, SslError> {
        let current = Current::read(SslConfigs::of_client(config, listener), listener)?;
        Ok(Self { listener: listener.clone(), current: Mutex::new(current) })
    }

    /// What the next connection shakes hands with, and by which names errors call the settings: port of
    /// `SslFactory.createSslEngine`.
    pub fn create_ssl_engine(&self) -> (Arc<ClientConfig>, ListenerSettingNames) {
        // Read under the lock: of several connections that begin now, none takes the former keys.
        let mut current = locked(&self.current);
        let now = stamps_of(&current.configs);
        if now != current.stamps && Some(now) != current.unusable {
            match Current::read(current.configs.clone(), &self.listener) {
                Ok(read) => {
                    *current = read;
                    info!(
                        "connections to {} listeners get the changed certificates",
                        self.listener
                    );
                }
                Err(error) => {
                    current.unusable = Some(now);
                    let level = limited(LogKind::Failures, Level::Error);
                    log!(level, "{error}; the former certificates remain in use");
                }
            }
        }
        (Arc::clone(&current.context), current.configs.names.clone())
    }

    /// A warning if everybody on this machine may read the key, and no password is before it.
    pub fn exposed_key(&self) -> Option<String> {
        exposed_key(&locked(&self.current).configs)
    }

    fn is_changed(&self, configs: &SslConfigs) -> bool {
        let current = locked(&self.current);
        current.configs != *configs || current.stamps != stamps_of(configs)
    }
}

/// Without its keys.
impl fmt::Debug for ClientSslFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSslFactory").field("listener", &self.listener).finish_non_exhaustive()
    }
}

/// `kafka-configs` may exchange the keys (KIP-226).
impl BrokerReconfigurable for ClientSslFactory {
    fn validate(&self, new: &KafkaConfig) -> Result<(), String> {
        let configs = SslConfigs::of_client(new, &self.listener);
        if !self.is_changed(&configs) {
            return Ok(());
        }
        Current::read(configs, &self.listener).map(drop).map_err(|error| error.to_string())
    }

    fn reconfigure(&self, _old: &KafkaConfig, new: &KafkaConfig) {
        let configs = SslConfigs::of_client(new, &self.listener);
        if !self.is_changed(&configs) {
            return;
        }
        match Current::read(configs, &self.listener) {
            Ok(read) => {
                *locked(&self.current) = read;
                info!("connections to {} listeners get the altered certificates", self.listener);
            }
            Err(error) => error!("{error}; the former certificates remain in use"),
        }
    }
}

impl Current {
    fn read(configs: SslConfigs, listener: &ListenerName) -> Result<Self, SslError> {
        let stamps = stamps_of(&configs);
        let context = create_client_ssl_context(&configs).map_err(|error| {
            SslError::new(format!("connections to {listener} listeners of other nodes: {error}"))
        })?;
        Ok(Self { configs, context: Arc::new(context), stamps, unusable: None })
    }
}
