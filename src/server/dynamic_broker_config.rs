//! Port of `kafka.server.DynamicBrokerConfig` (Kafka 1.1, KIP-226): the settings of the broker that
//! change while it runs.
//!
//! A change is in the file before it holds, and holds in every part of the broker before it is
//! answered. Nobody who handles messages asks here: each part keeps what it needs, and is asked to
//! follow.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::RwLock;
use std::sync::Weak;

use log::info;
use log::warn;

use crate::common::errors::Errors;
use crate::common::errors::KafkaError;
use crate::common::scheduler::KafkaScheduler;
use crate::config::dynamic_config::BrokerReconfigurable;
use crate::config::dynamic_config::ConfigMap;
use crate::config::dynamic_config::CurrentConfig;
use crate::config::dynamic_config::DynamicScope;
use crate::config::kafka_config::KafkaConfig;
use crate::storage::broker_config_registry::BrokerConfigRegistry;

/// Owns what was set while the broker ran, and lets every part of the broker know.
pub struct DynamicBrokerConfig {
    /// Held while settings are altered, so that the file, the parts and `current` say the same.
    changes: Mutex<Changes>,
    /// Locked only to be read or replaced: who holds it waits for nothing.
    current: RwLock<Arc<CurrentConfig>>,
}

struct Changes {
    registry: BrokerConfigRegistry,
    /// In the order in which they follow. A part that is gone need not.
    parts: Vec<Weak<dyn BrokerReconfigurable>>,
}

impl DynamicBrokerConfig {
    /// The settings of `of_file`, and above them what was set while an earlier broker ran on the
    /// same log directories.
    ///
    /// # Errors
    /// `Corrupt` if the file in the first log directory holds no settings, or such as cannot be
    /// altered; whatever the operating system reports.
    pub fn open_in(log_dirs: &[PathBuf], of_file: &KafkaConfig) -> Result<Self, KafkaError> {
        let registry = BrokerConfigRegistry::open_in(log_dirs)?;
        let current = CurrentConfig::new(of_file.clone(), registry.configs().clone())
            .map_err(|why| registry.refuse(why))?;
        log_changes(of_file, current.config());
        if let Some(why) = current.contradiction() {
            warn!("{why}: one was altered while the broker ran.");
        }
        let changes = Changes { registry, parts: Vec::new() };
        Ok(Self { changes: Mutex::new(changes), current: RwLock::new(Arc::new(current)) })
    }

    /// The settings that hold now, and where they come from.
    pub fn current(&self) -> Arc<CurrentConfig> {
        Arc::clone(&self.current.read().expect(CURRENT_LOCK))
    }

    /// Lets a part of the broker, which was made by the settings of the file, follow from now on:
    /// Kafka's `addBrokerReconfigurable`.
    pub fn add_reconfigurable<T: BrokerReconfigurable + 'static>(&self, part: &Arc<T>) {
        let mut changes = self.lock();
        let current = self.current();
        part.reconfigure(current.of_file(), current.config());
        let part: Weak<T> = Arc::downgrade(part);
        changes.parts.push(part);
    }

    /// Replaces the settings of one scope by what `change` makes of all. When this returns, they
    /// are on disk and hold. With `validate_only` it is only said whether that could be.
    ///
    /// # Errors
    /// What `change` says; `INVALID_REQUEST` for a setting that cannot be altered, or not so;
    /// whatever the disk reports. Then nothing changed.
    pub fn alter(
        &self,
        scope: DynamicScope,
        validate_only: bool,
        change: impl FnOnce(&CurrentConfig) -> Result<ConfigMap, KafkaError>,
    ) -> Result<(), KafkaError> {
        let mut changes = self.lock();
        let before = self.current();
        let configs = before.dynamic().with(scope, change(&before)?);
        let refused = |why| KafkaError::api(Errors::InvalidRequest, why);
        let after = before.altered(configs.clone()).map_err(refused)?;
        let parts: Vec<_> = changes.parts.iter().filter_map(Weak::upgrade).collect();
        for part in &parts {
            part.validate_reconfiguration(after.config()).map_err(refused)?;
        }
        if validate_only || configs == *before.dynamic() {
            return Ok(());
        }
        changes.registry.replace(configs)?;
        let after = Arc::new(after);
        *self.current.write().expect(CURRENT_LOCK) = Arc::clone(&after);
        for part in &parts {
            part.reconfigure(before.config(), after.config());
        }
        log_changes(before.config(), after.config());
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().expect("no thread panics while it alters the broker's settings")
    }
}

/// `background.threads`: Kafka's `DynamicThreadPool`.
impl BrokerReconfigurable for KafkaScheduler {
    fn reconfigure(&self, _old: &KafkaConfig, new: &KafkaConfig) {
        self.resize_thread_pool(new.background_threads);
    }
}

fn log_changes(before: &KafkaConfig, after: &KafkaConfig) {
    for ((name, before), (_, after)) in before.values().iter().zip(after.values()) {
        if *before != after {
            info!(
                "`{name}` is {after:?} instead of {before:?}: it was altered while the broker ran."
            );
        }
    }
}

const CURRENT_LOCK: &str = "no thread panics while it replaces the broker's settings";
