//! Port of `org.apache.kafka.controller.ScramControlManager`: who may log in by SCRAM to a broker that is alone.
//! In a cluster the controller has the credentials.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use log::{Level, log};

use crate::common::errors::{Errors, KafkaError};
use crate::common::lock::locked;
use crate::common::log_limit::{LogKind, limited};
use crate::common::text::{counted, for_log};
use crate::registry::scram_registry::ScramRegistry;
use crate::security::scram::credential_cache::CredentialCache;
use crate::security::scram::scram_credential::ScramCredential;
use crate::security::scram::scram_mechanism::{ScramCredentials, ScramMechanism};

/// The most users. Each change writes all of them.
const USERS_MAX: usize = 100_000;

/// What is to become of the credentials of one user; `None` removes one.
pub type ScramChanges = BTreeMap<ScramMechanism, Option<ScramCredential>>;

/// The credentials on disk, and their share that logins see.
pub struct ScramControlManager {
    /// Held while credentials are altered, also while the file is written.
    registry: Mutex<ScramRegistry>,
    cache: Arc<CredentialCache>,
}

impl ScramControlManager {
    /// Reads the credentials, and lets logins see them by `cache`.
    ///
    /// # Errors
    /// `Corrupt` if the file in the first log directory holds none; whatever the operating system
    /// reports.
    pub fn open_in(log_dirs: &[PathBuf], cache: &Arc<CredentialCache>) -> Result<Self, KafkaError> {
        let registry = ScramRegistry::open_in(log_dirs)?;
        cache.replace(Arc::clone(registry.credentials()), registry.decoy_key());
        Ok(Self { registry: Mutex::new(registry), cache: Arc::clone(cache) })
    }

    /// Makes those of the changes that can be made: all of a user, or none. When this returns they are
    /// on disk, and hold for the next login; a connection that is logged in stays so.
    ///
    /// The log shows by `who`. Returns why the others cannot be made, by user.
    ///
    /// # Errors
    /// Whatever the operating system reports, and then nothing changed.
    pub fn alter_credentials(
        &self,
        changes: BTreeMap<String, ScramChanges>,
        who: &dyn fmt::Display,
    ) -> Result<HashMap<String, KafkaError>, KafkaError> {
        let mut registry = locked(&self.registry);
        let mut after = ScramCredentials::clone(registry.credentials());
        let (mut refused, mut made) = (HashMap::new(), Vec::new());
        for (user, changes) in changes {
            let what = in_words_of(&changes);
            match apply(&mut after, &user, changes) {
                Ok(()) => made.push((user, what)),
                Err(error) => {
                    refused.insert(user, error);
                }
            }
        }
        let Some((first, what)) = made.first() else { return Ok(refused) };
        registry.replace(after)?;
        self.cache.replace(Arc::clone(registry.credentials()), registry.decoy_key());
        let (level, users) = (limited(LogKind::Settings, Level::Info), counted(made.len(), "user"));
        let first = for_log(first);
        log!(
            level,
            "the SCRAM credentials of {users} were altered by {who}, the first: {first}, {what}"
        );
        Ok(refused)
    }
}

/// Which mechanisms a user gets, and which are taken away: `SCRAM-SHA-256 set, SCRAM-SHA-512 removed`.
fn in_words_of(changes: &ScramChanges) -> String {
    let word = |(mechanism, credential): (&ScramMechanism, &Option<ScramCredential>)| {
        format!("{mechanism} {}", if credential.is_some() { "set" } else { "removed" })
    };
    changes.iter().map(word).collect::<Vec<_>>().join(", ")
}

fn apply(
    credentials: &mut ScramCredentials,
    user: &str,
    changes: ScramChanges,
) -> Result<(), KafkaError> {
    let before = credentials.get(user);
    if before.is_none() && credentials.len() >= USERS_MAX {
        let why = format!("{USERS_MAX} users may have SCRAM credentials");
        return Err(KafkaError::api(Errors::PolicyViolation, why));
    }
    let mut of_user = before.cloned().unwrap_or_default();
    for (mechanism, credential) in changes {
        match credential {
            Some(credential) => {
                of_user.insert(mechanism, credential);
            }
            None if of_user.remove(&mechanism).is_some() => {}
            None => {
                let why = "Attempt to delete a user credential that does not exist";
                return Err(KafkaError::api(Errors::ResourceNotFound, why));
            }
        }
    }
    match of_user.is_empty() {
        true => credentials.remove(user),
        false => credentials.insert(user.to_string(), of_user),
    };
    Ok(())
}
