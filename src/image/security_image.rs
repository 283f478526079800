//! Port of `org.apache.kafka.image.AclsImage`, `ClientQuotasImage` and `ScramImage`: what the cluster says
//! of clients, record by record as it comes. The publishers of rights, quotas and users follow it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::image::records::config_records::ClientQuotaRecord;
use crate::image::records::security_records::{
    RemoveAccessControlEntryRecord, RemoveUserScramCredentialRecord,
};

// What the image consists of, so that who follows it imports it from here.
pub use crate::image::records::security_records::{
    AccessControlEntryRecord, UserScramCredentialRecord,
};

/// For whom a quota is: pairs of a type, such as `user`, and a name; without a name all of that type.
pub type QuotaEntity = Vec<(String, Option<String>)>;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct SecurityImage {
    /// By the id of each entry.
    pub acls: Arc<BTreeMap<[u8; 16], AccessControlEntryRecord>>,
    /// By entity and by Kafka's name of the quota.
    pub client_quotas: Arc<BTreeMap<QuotaEntity, BTreeMap<String, f64>>>,
    /// By mechanism, in Kafka's numbers, and user.
    pub scram_credentials: Arc<BTreeMap<(i8, String), UserScramCredentialRecord>>,
}

/// What the records say. Each `Err` says why a record cannot be followed.
impl SecurityImage {
    pub(crate) fn replay_acl(&mut self, record: &AccessControlEntryRecord) {
        Arc::make_mut(&mut self.acls).insert(record.id.0, record.clone());
    }

    pub(crate) fn replay_remove_acl(
        &mut self,
        record: &RemoveAccessControlEntryRecord,
    ) -> Result<(), String> {
        match Arc::make_mut(&mut self.acls).remove(&record.id.0) {
            Some(_) => Ok(()),
            None => Err(format!("there is no access control entry with the id {}", record.id)),
        }
    }

    pub(crate) fn replay_quota(&mut self, record: &ClientQuotaRecord) {
        let mut entity: QuotaEntity = record
            .entity
            .iter()
            .map(|it| (it.entity_type.clone(), it.entity_name.clone()))
            .collect();
        entity.sort();
        let all = Arc::make_mut(&mut self.client_quotas);
        let quotas = all.entry(entity.clone()).or_default();
        if record.remove {
            quotas.remove(&record.key);
        } else {
            quotas.insert(record.key.clone(), record.value);
        }
        if quotas.is_empty() {
            all.remove(&entity);
        }
    }

    pub(crate) fn replay_scram(&mut self, record: &UserScramCredentialRecord) {
        let key = (record.mechanism, record.name.clone());
        Arc::make_mut(&mut self.scram_credentials).insert(key, record.clone());
    }

    pub(crate) fn replay_remove_scram(&mut self, record: &RemoveUserScramCredentialRecord) {
        let key = (record.mechanism, record.name.clone());
        Arc::make_mut(&mut self.scram_credentials).remove(&key);
    }
}
