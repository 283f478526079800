//! Port of `org.apache.kafka.common.security.ssl.SslFactory`: the keys of one listener, which may be
//! exchanged while connections come and go.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use log::{error, info, warn};
use rustls::ServerConfig;

use crate::common::end_point::EndPoint;
use crate::common::lock::locked;
use crate::config::dynamic_config::BrokerReconfigurable;
use crate::config::kafka_config::KafkaConfig;
use crate::security::ssl::default_ssl_engine_factory::create_ssl_context;
use crate::security::ssl::ssl_configs::SslConfigs;
use crate::security::ssl::ssl_error::SslError;

/// What the connections of one listener shake hands with.
///
/// A connection keeps what it has begun with. New ones take what was read last: a file that has changed
/// is read again within twice [`CHECK_INTERVAL_MS`](Self::CHECK_INTERVAL_MS) (Kafka does so when
/// `kafka-configs` names it again, KIP-226). One that cannot be used changes nothing, and one that is
/// still being written is waited for: half a truststore is a truststore, too.
pub struct SslFactory {
    end_point: EndPoint,
    current: Mutex<Current>,
}

struct Current {
    configs: SslConfigs,
    context: Arc<ServerConfig>,
    /// Of the files as they were before they were read.
    stamps: Stamps,
    /// Of the files that were found changed last: they are read if the next look finds them the same.
    changed: Option<Stamps>,
    /// Of the files that were found unusable last, so that nobody hears of them every few seconds.
    unusable: Option<Stamps>,
}

/// Of the keystore and of the truststore; `None` of a file that is not there.
pub(super) type Stamps = [Option<FileStamp>; 2];

/// The right of everybody on the machine to read a file.
const READ_BY_OTHERS: u32 = 0o004;

/// What changes with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileStamp {
    device: u64,
    inode: u64,
    size: u64,
    modified_ns: (i64, i64),
    changed_ns: (i64, i64),
}

impl SslFactory {
    /// How often the files are looked at: as long as somebody who has exchanged them may want to wait,
    /// and two calls of `stat(2)` are nothing in that time.
    pub const CHECK_INTERVAL_MS: i64 = 5_000;

    /// Reads the keys and certificates of the listener at `end_point`.
    ///
    /// # Errors
    /// The setting or the file that is wrong, and what mends it.
    pub fn configure(config: &KafkaConfig, end_point: &EndPoint) -> Result<Self, SslError> {
        let configs = SslConfigs::of_listener(config, end_point);
        let current = Current::read(configs).map_err(|error| at(end_point, &error))?;
        Ok(Self { end_point: end_point.clone(), current: Mutex::new(current) })
    }

    /// What the next connection shakes hands with: port of `SslFactory.createSslEngine`.
    pub fn create_ssl_engine(&self) -> Arc<ServerConfig> {
        Arc::clone(&locked(&self.current).context)
    }

    /// A warning if everybody on this machine may read the broker's key, and no password is before it.
    pub fn exposed_key(&self) -> Option<String> {
        exposed_key(&locked(&self.current).configs)
    }

    /// Takes other settings, and reads the files again even if they have the same names: Kafka's
    /// `SslFactory.reconfigure`.
    ///
    /// # Errors
    /// As [`configure`](Self::configure); then what was there remains.
    pub fn reconfigure(&self, config: &KafkaConfig) -> Result<(), SslError> {
        self.replace(SslConfigs::of_listener(config, &self.end_point))
    }

    /// Reads the files again if they have changed, and not since the last look. One that cannot be used
    /// is said to be so once, and what was there remains.
    pub fn reload_changed_files(&self) {
        let (configs, stamps, unusable, changed) = {
            let current = locked(&self.current);
            (current.configs.clone(), current.stamps, current.unusable, current.changed)
        };
        let now = stamps_of(&configs);
        if now == stamps || Some(now) == unusable {
            return;
        }
        if Some(now) != changed {
            locked(&self.current).changed = Some(now);
            return;
        }
        let read = Current::read(configs.clone()).map_err(|error| at(&self.end_point, &error));
        let mut current = locked(&self.current);
        if current.configs != configs {
            // Somebody has altered the settings meanwhile, and has read other files.
            return;
        }
        match read {
            Ok(read) => {
                *current = read;
                info!("{}: new connections get the changed certificates", self.end_point);
                exposed_key(&current.configs).inspect(|warning| warn!("{warning}"));
            }
            Err(error) => {
                current.unusable = Some(now);
                error!("{error}; the former certificates remain in use");
            }
        }
    }

    /// Whether these settings, or the files that they name, are others than those in use.
    fn is_changed(&self, configs: &SslConfigs) -> bool {
        let current = locked(&self.current);
        current.configs != *configs || current.stamps != stamps_of(configs)
    }

    fn replace(&self, configs: SslConfigs) -> Result<(), SslError> {
        let read = Current::read(configs).map_err(|error| at(&self.end_point, &error))?;
        *locked(&self.current) = read;
        Ok(())
    }
}

/// `kafka-configs` may exchange the keys of the listener (KIP-226).
impl BrokerReconfigurable for SslFactory {
    fn validate(&self, new: &KafkaConfig) -> Result<(), String> {
        let configs = SslConfigs::of_listener(new, &self.end_point);
        if !self.is_changed(&configs) {
            return Ok(());
        }
        let read = Current::read(configs).map_err(|error| at(&self.end_point, &error).to_string());
        read.map(drop)
    }

    fn reconfigure(&self, _old: &KafkaConfig, new: &KafkaConfig) {
        let configs = SslConfigs::of_listener(new, &self.end_point);
        if !self.is_changed(&configs) {
            return;
        }
        match self.replace(configs) {
            Ok(()) => info!("{}: new connections get the altered certificates", self.end_point),
            Err(error) => error!("{error}; the former certificates remain in use"),
        }
    }
}

impl Current {
    fn read(configs: SslConfigs) -> Result<Self, SslError> {
        let stamps = stamps_of(&configs);
        let context = Arc::new(create_ssl_context(&configs)?);
        Ok(Self { configs, context, stamps, changed: None, unusable: None })
    }
}

fn at(end_point: &EndPoint, error: &SslError) -> SslError {
    SslError::new(format!("listener {end_point}: {error}"))
}

pub(crate) fn exposed_key(configs: &SslConfigs) -> Option<String> {
    let keystore = &configs.keystore;
    let has_password = keystore.password.is_some() || keystore.key_password.is_some();
    let location = keystore.location.as_ref().filter(|_| !has_password)?;
    let mode = fs::metadata(location).ok()?.permissions().mode() & 0o777;
    let file = location.display();
    (mode & READ_BY_OTHERS != 0).then(|| {
        format!(
            "`ssl.keystore.location={file}` holds a private key without a password, and every user of \
             this machine may read it (mode {mode:o}): `chmod o-rwx {file}`"
        )
    })
}

pub(super) fn stamps_of(configs: &SslConfigs) -> Stamps {
    [&configs.keystore.location, &configs.truststore.location]
        .map(|location| location.as_ref().and_then(stamp))
}

fn stamp(location: &PathBuf) -> Option<FileStamp> {
    let metadata = fs::metadata(location).ok()?;
    Some(FileStamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.len(),
        modified_ns: (metadata.mtime(), metadata.mtime_nsec()),
        changed_ns: (metadata.ctime(), metadata.ctime_nsec()),
    })
}
