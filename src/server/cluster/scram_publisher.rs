//! Port of `org.apache.kafka.metadata.publisher.ScramPublisher`: the users of SCRAM that the cluster has.

use std::io;
use std::sync::Arc;

use log::{Level, log};

use crate::common::errors::KafkaError;
use crate::common::log_limit::{LogKind, limited};
use crate::common::text::for_log;
use crate::image::security_image::{SecurityImage, UserScramCredentialRecord};
use crate::security::scram::credential_cache::CredentialCache;
use crate::security::scram::scram_credential::ScramCredential;
use crate::security::scram::scram_decoys::DecoyKey;
use crate::security::scram::scram_mechanism::{ScramCredentials, ScramMechanism};

/// Has logins follow the cluster.
pub struct ScramPublisher {
    cache: Arc<CredentialCache>,
    /// For decoys as long as there is no user to derive a key from.
    random_key: DecoyKey,
}

impl ScramPublisher {
    /// # Errors
    /// If the system has no random numbers.
    pub fn new(cache: &Arc<CredentialCache>) -> Result<Self, KafkaError> {
        let random_key = DecoyKey::random();
        let random_key =
            random_key.map_err(|_| io::Error::other("the system has no random numbers"))?;
        Ok(Self { cache: Arc::clone(cache), random_key })
    }

    /// The next login sees the users of `after`; a connection that is logged in stays so.
    pub fn on_metadata_update(&self, before: &SecurityImage, after: &SecurityImage) {
        if Arc::ptr_eq(&before.scram_credentials, &after.scram_credentials) {
            return;
        }
        let mut credentials = ScramCredentials::new();
        for record in after.scram_credentials.values() {
            match credential(record) {
                Ok((mechanism, credential)) => {
                    let of_user = credentials.entry(record.name.clone()).or_default();
                    of_user.insert(mechanism, credential);
                }
                Err(why) => {
                    let level = limited(LogKind::Settings, Level::Warn);
                    let user = for_log(&record.name);
                    log!(level, "a credential that the cluster has for {user} is not used: {why}");
                }
            }
        }
        let decoy_key = DecoyKey::of_users(&credentials).unwrap_or(self.random_key);
        self.cache.replace(Arc::new(credentials), decoy_key);
    }
}

fn credential(
    record: &UserScramCredentialRecord,
) -> Result<(ScramMechanism, ScramCredential), String> {
    let mechanism = ScramMechanism::for_id(record.mechanism)
        .ok_or_else(|| format!("there is no mechanism {} here", record.mechanism))?;
    let credential = ScramCredential {
        salt: record.salt.0.clone(),
        stored_key: record.stored_key.0.clone(),
        server_key: record.server_key.0.clone(),
        iterations: record.iterations,
    };
    mechanism.check(&credential)?;
    Ok((mechanism, credential))
}
