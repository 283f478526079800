//! Port of `KafkaApis.instantiateQuotaManagers`, of `kafka.server.ClientIdConfigHandler` and of the
//! later `UserConfigHandler`: the quotas of producers and of consumers.

use std::sync::Arc;

use crate::common::client_quota_entity::ClientQuotaEntity;
use crate::common::errors::KafkaError;
use crate::common::metrics::Metrics;
use crate::common::rate::RateConfig;
use crate::common::time::Time;
use crate::config::client_config_override::{ClientConfigOverride, QuotaType};
use crate::config::kafka_config::KafkaConfig;
use crate::server::quota::client_quota_manager::{ClientQuotaManager, ClientQuotaManagerConfig};

/// One manager for what clients produce and one for what they fetch.
pub struct QuotaManagers {
    pub produce: Arc<ClientQuotaManager>,
    pub fetch: Arc<ClientQuotaManager>,
}

impl QuotaManagers {
    /// Managers with the quotas of the settings alone.
    ///
    /// # Errors
    /// Whatever the operating system reports if it cannot start a thread.
    pub fn start(
        config: &KafkaConfig,
        time: &Arc<dyn Time>,
        metrics: &Arc<Metrics>,
    ) -> Result<Arc<Self>, KafkaError> {
        let manager = |quota_type, default| {
            let config = manager_config(config, default);
            ClientQuotaManager::new(quota_type, config, Arc::clone(time), Arc::clone(metrics))
        };
        Ok(Arc::new(Self {
            produce: manager(QuotaType::Produce, config.quota_producer_default)?,
            fetch: manager(QuotaType::Fetch, config.quota_consumer_default)?,
        }))
    }

    /// Kafka's `processConfigChanges`: these are all quotas of the entity from now on. One that is gone is
    /// removed from the managers, too (KAFKA-4158).
    pub fn process_config_changes(
        &self,
        entity: &ClientQuotaEntity,
        quotas: &ClientConfigOverride,
    ) {
        self.produce.update_quota(entity, quotas.get(&QuotaType::Produce).copied());
        self.fetch.update_quota(entity, quotas.get(&QuotaType::Fetch).copied());
    }

    /// Ends all delays, and stops both reapers.
    pub fn shutdown(&self) {
        self.produce.shutdown();
        self.fetch.shutdown();
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
