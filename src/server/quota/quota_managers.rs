//! Port of `KafkaApis.instantiateQuotaManagers`, of `kafka.server.ClientIdConfigHandler` and of the
//! later `UserConfigHandler`: the quotas of producers and of consumers, and what is set for them while
//! the broker runs.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock};

use log::{Level, log};

use crate::common::client_quota_entity::ClientQuotaEntity;
use crate::common::errors::{Errors, KafkaError};
use crate::common::lock::{locked, read_locked, write_locked};
use crate::common::log_limit::{LogKind, limited};
use crate::common::metrics::Metrics;
use crate::common::rate::RateConfig;
use crate::common::time::Time;
use crate::config::client_config_override::{ClientConfigOverride, QuotaType};
use crate::config::kafka_config::KafkaConfig;
use crate::registry::quota_registry::{ClientQuotas, QuotaRegistry};
use crate::server::quota::client_quota_manager::{ClientQuotaManager, ClientQuotaManagerConfig};

/// The most entities that may have quotas of their own. Each change writes all of them.
const QUOTAS_MAX: usize = 100_000;

/// One manager for what clients produce and one for what they fetch.
pub struct QuotaManagers {
    pub produce: Arc<ClientQuotaManager>,
    pub fetch: Arc<ClientQuotaManager>,
    /// Held while quotas are altered, also while the file is written.
    registry: Mutex<QuotaRegistry>,
    /// The quotas that were set. Held to be read or replaced, never while the file is written.
    current: RwLock<Arc<ClientQuotas>>,
}

impl QuotaManagers {
    /// Managers with the quotas of the settings, and those that were set while an earlier broker
    /// ran.
    ///
    /// # Errors
    /// `Corrupt` if the file in the first log directory holds no quotas; whatever the operating
    /// system reports.
    pub fn start(
        config: &KafkaConfig,
        log_dirs: &[PathBuf],
        time: &Arc<dyn Time>,
        metrics: &Arc<Metrics>,
    ) -> Result<Arc<Self>, KafkaError> {
        let registry = QuotaRegistry::open_in(log_dirs)?;
        let manager = |quota_type, default| {
            let config = manager_config(config, default);
            ClientQuotaManager::new(quota_type, config, Arc::clone(time), Arc::clone(metrics))
        };
        let managers = Self {
            produce: manager(QuotaType::Produce, config.quota_producer_default)?,
            fetch: manager(QuotaType::Fetch, config.quota_consumer_default)?,
            current: RwLock::new(Arc::clone(registry.quotas())),
            registry: Mutex::new(registry),
        };
        for (entity, quotas) in managers.client_quotas().iter() {
            managers.process_config_changes(entity, quotas);
        }
        Ok(Arc::new(managers))
    }

    /// The quotas that were set.
    pub fn client_quotas(&self) -> Arc<ClientQuotas> {
        Arc::clone(&read_locked(&self.current))
    }

    /// Lets `change` change the quotas. When this returns, they are on disk and apply.
    ///
    /// The log shows by `who` how many were changed, and the first of them: one request cannot flood it.
    ///
    /// # Errors
    /// `POLICY_VIOLATION` if there would be too many; whatever the operating system reports. Then
    /// nothing changed.
    pub fn alter(
        &self,
        who: &dyn fmt::Display,
        change: impl FnOnce(&mut ClientQuotas),
    ) -> Result<(), KafkaError> {
        let mut registry = locked(&self.registry);
        let before = Arc::clone(registry.quotas());
        let mut after = ClientQuotas::clone(&before);
        change(&mut after);
        let count = after.values().filter(|quotas| !quotas.is_empty()).count();
        if count > QUOTAS_MAX.max(before.len()) {
            let why = format!("{QUOTAS_MAX} users and clients may have quotas of their own");
            return Err(KafkaError::api(Errors::PolicyViolation, why));
        }
        registry.replace(after)?;
        *write_locked(&self.current) = Arc::clone(registry.quotas());
        let (after, none) = (registry.quotas(), ClientConfigOverride::new());
        let new = after.keys().filter(|entity| !before.contains_key(*entity));
        let now = before.keys().chain(new).map(|it| (it, after.get(it).unwrap_or(&none)));
        let changed: Vec<_> = now.filter(|&(it, quotas)| before.get(it) != Some(quotas)).collect();
        for (entity, quotas) in &changed {
            self.process_config_changes(entity, quotas);
        }
        if let Some((entity, quotas)) = changed.first() {
            let quotas_were = match changed.len() {
                1 => "the quotas of 1 entity were".to_string(),
                count => format!("the quotas of {count} entities were"),
            };
            let level = limited(LogKind::Settings, Level::Info);
            log!(level, "{quotas_were} altered by {who}, the first: {entity} has {quotas:?}");
        }
        Ok(())
    }

    /// Ends all delays, and stops both reapers.
    pub fn shutdown(&self) {
        self.produce.shutdown();
        self.fetch.shutdown();
    }

    /// Kafka's `processConfigChanges`. A quota that is gone is removed from the managers, too
    /// (KAFKA-4158).
    fn process_config_changes(&self, entity: &ClientQuotaEntity, quotas: &ClientConfigOverride) {
        self.produce.update_quota(entity, quotas.get(&QuotaType::Produce).copied());
        self.fetch.update_quota(entity, quotas.get(&QuotaType::Fetch).copied());
    }
}

fn manager_config(config: &KafkaConfig, default: i64) -> ClientQuotaManagerConfig {
    ClientQuotaManagerConfig {
        quota_bytes_per_second_default: default,
        rate: RateConfig {
            samples: config.quota_window_num,
            sample_ms: config.quota_window_size_seconds * 1000,
        },
        throttle_time_max_ms: config.connections_max_idle_ms.ms().unwrap_or(i64::MAX),
    }
}
