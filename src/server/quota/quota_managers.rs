//! Port of `KafkaApis.instantiateQuotaManagers` and of `kafka.server.ClientIdConfigHandler`: the
//! quotas of producers and of consumers, and what is set for them while the broker runs.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use log::info;

use crate::common::errors::{Errors, KafkaError};
use crate::common::metrics::Metrics;
use crate::common::rate::RateConfig;
use crate::common::time::Time;
use crate::config::client_config_override::{ClientConfigOverride, QuotaType};
use crate::config::kafka_config::KafkaConfig;
use crate::registry::quota_registry::{ClientQuotas, QuotaRegistry};
use crate::server::quota::client_quota_manager::{ClientQuotaManager, ClientQuotaManagerConfig};

/// The most clients that may have quotas of their own. Each change writes all of them.
const QUOTAS_MAX: usize = 100_000;
/// How much of a client id the log shows, in characters.
const CLIENT_ID_SHOWN_CHARS_MAX: usize = 250;

/// One manager for what clients produce and one for what they fetch, each with its reaper.
pub struct QuotaManagers {
    /// Slows producers down.
    pub produce: Arc<ClientQuotaManager>,
    /// Slows consumers down.
    pub fetch: Arc<ClientQuotaManager>,
    /// Held while quotas are altered, so that the file and the managers say the same.
    registry: Mutex<QuotaRegistry>,
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
            registry: Mutex::new(registry),
        };
        for (client_id, quotas) in managers.lock().quotas() {
            managers.process_config_changes(client_id.as_deref(), quotas);
        }
        Ok(Arc::new(managers))
    }

    /// What has been set, for which clients.
    pub fn client_quotas(&self) -> ClientQuotas {
        self.lock().quotas().clone()
    }

    /// Lets `change` change what has been set. When this returns, it is on disk and holds.
    ///
    /// The log tells how many were changed, and the first: nobody floods it by one request.
    ///
    /// # Errors
    /// `POLICY_VIOLATION` if there would be too many; whatever the operating system reports. Then
    /// nothing changed.
    pub fn alter(&self, change: impl FnOnce(&mut ClientQuotas)) -> Result<(), KafkaError> {
        let mut registry = self.lock();
        let before = registry.quotas().clone();
        let mut after = before.clone();
        change(&mut after);
        let count = after.values().filter(|quotas| !quotas.is_empty()).count();
        if count > QUOTAS_MAX.max(before.len()) {
            let why = format!("{QUOTAS_MAX} clients may have quotas of their own");
            return Err(KafkaError::api(Errors::PolicyViolation, why));
        }
        registry.replace(after)?;
        let (after, none) = (registry.quotas(), ClientConfigOverride::new());
        let new = after.keys().filter(|client_id| !before.contains_key(*client_id));
        let now = before.keys().chain(new).map(|id| (id, after.get(id).unwrap_or(&none)));
        let changed: Vec<_> = now.filter(|&(id, quotas)| before.get(id) != Some(quotas)).collect();
        for (client_id, quotas) in &changed {
            self.process_config_changes(client_id.as_deref(), quotas);
        }
        if let Some((client_id, quotas)) = changed.first() {
            let (count, client) = (changed.len(), shown(client_id.as_deref()));
            info!("{count} quotas were altered, the first: those of {client} are {quotas:?}.");
        }
        Ok(())
    }

    /// Ends all delays and both reapers.
    pub fn shutdown(&self) {
        self.produce.shutdown();
        self.fetch.shutdown();
    }

    /// Kafka's `processConfigChanges`. A quota that is gone is taken away (KAFKA-4158).
    fn process_config_changes(&self, client_id: Option<&str>, quotas: &ClientConfigOverride) {
        self.produce.update_quota(client_id, quotas.get(&QuotaType::Produce).copied());
        self.fetch.update_quota(client_id, quotas.get(&QuotaType::Fetch).copied());
    }

    fn lock(&self) -> MutexGuard<'_, QuotaRegistry> {
        self.registry.lock().expect("no thread panics while it holds the list of quotas")
    }
}

/// A client id for the log; `None` is every client that has no quota of its own.
pub(crate) fn shown(client_id: Option<&str>) -> String {
    match client_id {
        None => "clients without their own".to_string(),
        Some(id) => {
            format!("client {:?}", id.chars().take(CLIENT_ID_SHOWN_CHARS_MAX).collect::<String>())
        }
    }
}

fn manager_config(config: &KafkaConfig, default: i64) -> ClientQuotaManagerConfig {
    let max_idle_ms = config.connections_max_idle_ms.ms().map(i32::try_from);
    ClientQuotaManagerConfig {
        quota_bytes_per_second_default: default,
        rate: RateConfig {
            samples: config.quota_window_num,
            sample_ms: config.quota_window_size_seconds * 1000,
        },
        throttle_time_max_ms: max_idle_ms.and_then(Result::ok).unwrap_or(i32::MAX),
    }
}
