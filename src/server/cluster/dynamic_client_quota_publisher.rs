//! Port of `org.apache.kafka.server.metadata.DynamicClientQuotaPublisher` and of
//! `kafka.server.metadata.ClientQuotaMetadataManager`: the quotas that the cluster has for its clients.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use log::warn;

use crate::common::client_quota_entity::{ClientQuotaEntity, EntityName};
use crate::common::lock::locked;
use crate::common::text::for_log;
use crate::config::client_config_override::{ClientConfigOverride, QuotaType};
use crate::image::security_image::{QuotaEntity, SecurityImage};
use crate::server::quota::quota_managers::QuotaManagers;

/// The quotas without effect that are remembered, so that each is in the log once; Kafka has three.
const WITHOUT_EFFECT_MAX: usize = 16;

/// Has the quota managers follow the cluster.
pub struct DynamicClientQuotaPublisher {
    quota_managers: Arc<QuotaManagers>,
    /// What the log has said to have no effect here.
    without_effect: Mutex<BTreeSet<String>>,
}

impl DynamicClientQuotaPublisher {
    pub fn new(quota_managers: &Arc<QuotaManagers>) -> Self {
        Self { quota_managers: Arc::clone(quota_managers), without_effect: Mutex::default() }
    }

    /// The quotas of each entity that changed are as in `after`, from the next request on.
    pub fn on_metadata_update(&self, before: &SecurityImage, after: &SecurityImage) {
        let (before, after) = (&before.client_quotas, &after.client_quotas);
        if Arc::ptr_eq(before, after) {
            return;
        }
        for (entity, quotas) in after.iter() {
            if before.get(entity) != Some(quotas) {
                self.follow(entity, quotas);
            }
        }
        for entity in before.keys().filter(|it| !after.contains_key(*it)) {
            self.follow(entity, &BTreeMap::new());
        }
    }

    fn follow(&self, entity: &QuotaEntity, quotas: &BTreeMap<String, f64>) {
        let limited = client_entity(entity);
        for key in quotas.keys() {
            match (&limited, QuotaType::for_key(key)) {
                (Some(_), Some(_)) => {}
                (Some(_), None) => self.say_without_effect(key),
                (None, _) => {
                    let types: Vec<&str> = entity.iter().map(|(it, _)| it.as_str()).collect();
                    self.say_without_effect(&format!("{key} of {}", types.join(" and ")));
                }
            }
        }
        if let Some(entity) = limited {
            self.quota_managers.process_config_changes(&entity, &overrides(quotas));
        }
    }

    fn say_without_effect(&self, what: &str) {
        let mut said = locked(&self.without_effect);
        if said.len() < WITHOUT_EFFECT_MAX && said.insert(what.to_string()) {
            warn!(
                "the cluster has a quota that has no effect here: {}; this broker limits {} and {}, by \
                 user and client id",
                for_log(what),
                QuotaType::Produce.key(),
                QuotaType::Fetch.key()
            );
        }
    }
}

/// `None` if it is no entity of users and client ids.
fn client_entity(components: &QuotaEntity) -> Option<ClientQuotaEntity> {
    let mut entity = ClientQuotaEntity::default();
    for (entity_type, name) in components {
        let place = match entity_type.as_str() {
            "user" => &mut entity.user,
            "client-id" => &mut entity.client_id,
            _ => return None,
        };
        *place = Some(EntityName::of(name.as_deref()));
    }
    (entity != ClientQuotaEntity::default()).then_some(entity)
}

/// The controller takes whole numbers above 0; whatever else its log may hold counts as the nearest of these.
fn overrides(quotas: &BTreeMap<String, f64>) -> ClientConfigOverride {
    let quota = |(key, value): (&String, &f64)| {
        Some((QuotaType::for_key(key)?, (value.round() as i64).max(1)))
    };
    quotas.iter().filter_map(quota).collect()
}
