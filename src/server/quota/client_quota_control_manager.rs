//! Port of `org.apache.kafka.controller.ClientQuotaControlManager`: the quotas that were set while the broker
//! ran, of one that is alone. In a cluster the controller has them.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock};

use log::{Level, log};

use crate::common::errors::{Errors, KafkaError};
use crate::common::lock::{locked, read_locked, write_locked};
use crate::common::log_limit::{LogKind, limited};
use crate::config::client_config_override::ClientConfigOverride;
use crate::registry::quota_registry::{ClientQuotas, QuotaRegistry};
use crate::server::quota::quota_managers::QuotaManagers;

/// The most entities that may have quotas of their own. Each change writes all of them.
const QUOTAS_MAX: usize = 100_000;

/// The quotas on disk, and their share that the managers have.
pub struct ClientQuotaControlManager {
    /// Held while quotas are altered, also while the file is written.
    registry: Mutex<QuotaRegistry>,
    /// The quotas that were set. Held to be read or replaced, never while the file is written.
    current: RwLock<Arc<ClientQuotas>>,
    managers: Arc<QuotaManagers>,
}

impl ClientQuotaControlManager {
    /// Reads the quotas that were set while an earlier broker ran, and gives them to `managers`.
    ///
    /// # Errors
    /// `Corrupt` if the file in the first log directory holds no quotas; whatever the operating
    /// system reports.
    pub fn open_in(
        log_dirs: &[PathBuf],
        managers: &Arc<QuotaManagers>,
    ) -> Result<Self, KafkaError> {
        let registry = QuotaRegistry::open_in(log_dirs)?;
        for (entity, quotas) in registry.quotas().iter() {
            managers.process_config_changes(entity, quotas);
        }
        let current = RwLock::new(Arc::clone(registry.quotas()));
        Ok(Self { registry: Mutex::new(registry), current, managers: Arc::clone(managers) })
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
            self.managers.process_config_changes(entity, quotas);
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
}
