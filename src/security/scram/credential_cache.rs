//! Port of `org.apache.kafka.common.security.authenticator.CredentialCache`: the credentials as logins
//! see them.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use ring::hmac;
use ring::rand::SystemRandom;

use crate::common::lock::{read_locked, write_locked};
use crate::security::scram::scram_credential::ScramCredential;
use crate::security::scram::scram_formatter::{RANDOM_CHARS, in_base_36};
use crate::security::scram::scram_mechanism::ScramMechanism;

/// All credentials, by user and mechanism. No user is without any.
pub type ScramCredentials = BTreeMap<String, BTreeMap<ScramMechanism, ScramCredential>>;

/// Shared by all listeners. It is empty until the credentials are read, which is before a port opens.
#[derive(Debug)]
pub struct CredentialCache {
    current: RwLock<Arc<ScramCredentials>>,
    decoys: Option<hmac::Key>,
}

impl Default for CredentialCache {
    fn default() -> Self {
        // Without random numbers no login succeeds: it needs a nonce.
        let decoys = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok();
        Self { current: RwLock::default(), decoys }
    }
}

impl CredentialCache {
    pub fn credentials(&self) -> Arc<ScramCredentials> {
        Arc::clone(&read_locked(&self.current))
    }

    /// Takes these credentials in place of all others.
    pub fn replace(&self, credentials: Arc<ScramCredentials>) {
        *write_locked(&self.current) = credentials;
    }

    /// Whether anybody can log in by `mechanism`.
    pub fn has_user_of(&self, mechanism: ScramMechanism) -> bool {
        self.credentials().values().any(|of_user| of_user.contains_key(&mechanism))
    }

    /// What `user` is asked to prove; for one that is not known a decoy, which nobody can prove: who
    /// asks does not learn whether there is such a user, neither from the answer nor from its time.
    /// Kafka refuses an unknown user at once.
    pub fn credential_or_decoy(
        &self,
        user: &str,
        mechanism: ScramMechanism,
    ) -> (ScramCredential, bool) {
        let decoy = self.decoy(user, mechanism);
        let credentials = self.credentials();
        match credentials.get(user).and_then(|of_user| of_user.get(&mechanism)) {
            Some(credential) => (credential.clone(), true),
            None => (decoy, false),
        }
    }

    /// The same for the same user as long as the process runs. It looks like what Kafka's tools make:
    /// a user with another number of iterations still stands out.
    fn decoy(&self, user: &str, mechanism: ScramMechanism) -> ScramCredential {
        let derived = |purpose: &str| {
            let what = [purpose, mechanism.mechanism_name(), user].join("\0");
            let tag = self.decoys.as_ref().map(|key| hmac::sign(key, what.as_bytes()));
            tag.map_or_else(Vec::new, |tag| tag.as_ref().to_vec())
        };
        let salt: Vec<u8> = derived("salt").into_iter().take(RANDOM_CHARS).collect();
        let key = derived("key").into_iter().cycle().take(mechanism.hash_bytes());
        let key: Vec<u8> = key.collect();
        ScramCredential {
            salt: in_base_36(&salt).into_bytes(),
            stored_key: key.clone(),
            server_key: key,
            iterations: mechanism.min_iterations(),
        }
    }
}

#[cfg(test)]
mod tests {
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
        cache.replace(Arc::new(BTreeMap::from([("userA".to_string(), of_user)])));
        assert_eq!(cache.credential_or_decoy("userA", sha512), (credential, true));
        assert!(!cache.credential_or_decoy("userA", sha256).1);
        assert!(!cache.credential_or_decoy("userB", sha512).1);
        assert!(cache.has_user_of(sha512) && !cache.has_user_of(sha256));
    }

    #[test]
    fn a_decoy_is_the_same_each_time_and_another_for_each_user() {
        let cache = CredentialCache::default();
        for mechanism in ScramMechanism::ALL {
            let decoys = ["a", "a", "b"].map(|user| cache.credential_or_decoy(user, mechanism).0);
            assert_eq!(decoys[0], decoys[1]);
            assert!(decoys[0].salt != decoys[2].salt);
            let made =
                ScramFormatter::new(mechanism).generate_credential("password", 4096).unwrap();
            let sizes = |it: &ScramCredential| {
                (it.salt.len(), it.stored_key.len(), it.server_key.len(), it.iterations)
            };
            assert_eq!(sizes(&decoys[0]), sizes(&made));
        }
        let elsewhere = CredentialCache::default();
        let salts = [&cache, &elsewhere]
            .map(|it| it.credential_or_decoy("a", ScramMechanism::ScramSha256).0.salt);
        assert!(salts[0] != salts[1]);
    }
}
