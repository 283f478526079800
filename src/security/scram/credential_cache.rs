//! Port of `org.apache.kafka.common.security.authenticator.CredentialCache`: the credentials as logins
//! see them, and what they see of users that there are not.

use std::sync::{Arc, RwLock};

use crate::common::lock::{read_locked, write_locked};
use crate::security::scram::scram_credential::ScramCredential;
use crate::security::scram::scram_decoys::{DecoyKey, ScramDecoys};
use crate::security::scram::scram_mechanism::{ScramCredentials, ScramMechanism};

/// Shared by all listeners. It is empty until the credentials are read, which is before a port opens.
#[derive(Debug, Default)]
pub struct CredentialCache {
    current: RwLock<Arc<Current>>,
}

#[derive(Debug, Default)]
struct Current {
    credentials: Arc<ScramCredentials>,
    decoys: ScramDecoys,
}

impl CredentialCache {
    pub fn credentials(&self) -> Arc<ScramCredentials> {
        Arc::clone(&self.current().credentials)
    }

    /// Takes these credentials in place of all others.
    pub fn replace(&self, credentials: Arc<ScramCredentials>, decoy_key: DecoyKey) {
        let decoys = ScramDecoys::among(&credentials, decoy_key);
        *write_locked(&self.current) = Arc::new(Current { credentials, decoys });
    }

    /// Whether anybody can log in by `mechanism`.
    pub fn has_user_of(&self, mechanism: ScramMechanism) -> bool {
        self.current().credentials.values().any(|of_user| of_user.contains_key(&mechanism))
    }

    /// What `user` is asked to prove; for one that is not known a decoy, which nobody can prove: who
    /// asks does not learn whether there is such a user, neither from the answer nor from its time.
    /// Kafka refuses an unknown user at once.
    pub fn credential_or_decoy(
        &self,
        user: &str,
        mechanism: ScramMechanism,
    ) -> (ScramCredential, bool) {
        let current = self.current();
        // It is made for a known user, too: that takes its time.
        let decoy = current.decoys.decoy(user, mechanism);
        match current.credentials.get(user).and_then(|of_user| of_user.get(&mechanism)) {
            Some(credential) => (credential.clone(), true),
            None => (decoy, false),
        }
    }

    fn current(&self) -> Arc<Current> {
        Arc::clone(&read_locked(&self.current))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::security::scram::scram_formatter::ScramFormatter;

    /// Port of `ScramCredentialUtilsTest.scramCredentialCache`: there is one table for both mechanisms,
    /// and a listener looks only for those that are enabled on it.
    #[test]
    fn a_user_is_found_by_the_mechanism_of_its_credential() {
        let (sha256, sha512) = (ScramMechanism::ScramSha256, ScramMechanism::ScramSha512);
        let cache = CredentialCache::default();
        let credential = ScramFormatter::new(sha512).generate_credential("password", 4096).unwrap();
        let of_user = BTreeMap::from([(sha512, credential.clone())]);
        let credentials = BTreeMap::from([("userA".to_string(), of_user)]);
        cache.replace(Arc::new(credentials), DecoyKey::random().unwrap());
        assert_eq!(cache.credential_or_decoy("userA", sha512), (credential, true));
        assert!(!cache.credential_or_decoy("userA", sha256).1);
        assert!(!cache.credential_or_decoy("userB", sha512).1);
        assert!(cache.has_user_of(sha512) && !cache.has_user_of(sha256));
    }
}
