//! Not in Kafka: what a user that there is not is asked to prove, so that it looks like one that there is.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use crate::security::scram::scram_credential::ScramCredential;
use crate::security::scram::scram_formatter::{
    NoRandomness, RANDOM_BYTES, RANDOM_CHARS_MAX, in_base_36,
};
use crate::security::scram::scram_mechanism::{ScramCredentials, ScramMechanism};

const KEY_BYTES: usize = 32;

/// What decoys are derived from. Who has it can tell them from credentials; it must be the same after a
/// restart, or whoever asks before and after can, too.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DecoyKey([u8; KEY_BYTES]);

impl DecoyKey {
    /// # Errors
    /// If the system has no random numbers.
    pub fn random() -> Result<Self, NoRandomness> {
        let mut bytes = [0; KEY_BYTES];
        SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(Self(bytes))
    }

    /// The key of a cluster: each of its brokers has the same users, and must show the same decoys, or
    /// whoever asks two of them can tell. It comes from the secret of the user whose name is the first, and
    /// changes with it; so that user alone could make it, too. `None` without users.
    pub fn of_users(credentials: &ScramCredentials) -> Option<Self> {
        let first = credentials.values().next()?.values().next()?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &first.server_key);
        let tag = hmac::sign(&key, b"transferto decoys of a cluster");
        tag.as_ref().try_into().ok().map(Self)
    }

    pub fn from_base64(text: &str) -> Option<Self> {
        STANDARD.decode(text).ok()?.try_into().ok().map(Self)
    }

    pub fn to_base64(self) -> String {
        STANDARD.encode(self.0)
    }
}

/// Without the key.
impl fmt::Debug for DecoyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DecoyKey")
    }
}

/// Makes decoys. Each has the iterations and the kind of salt that most users have, so that only users
/// who differ from most stand out.
#[derive(Debug, Default)]
pub struct ScramDecoys {
    /// There is none as long as there are no users: then there is nobody to be told from them.
    key: Option<DecoyKey>,
    models: BTreeMap<ScramMechanism, Model>,
}

/// What the credentials of most users have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Model {
    iterations: i32,
    salt: SaltKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum SaltKind {
    /// As the tools of Kafka make it, and this broker's: of 130 bits in base 36.
    Text,
    /// Of so many bytes.
    Bytes(usize),
}

impl SaltKind {
    fn of(salt: &[u8]) -> Self {
        let is_digit = |it: &u8| it.is_ascii_digit() || it.is_ascii_lowercase();
        match salt.len() <= RANDOM_CHARS_MAX && salt.iter().all(is_digit) {
            true => Self::Text,
            false => Self::Bytes(salt.len()),
        }
    }
}

impl Model {
    /// Of two kinds with as many users the one with more iterations counts.
    fn of_most(credentials: &ScramCredentials, mechanism: ScramMechanism) -> Option<Self> {
        let mut users_of: BTreeMap<Self, usize> = BTreeMap::new();
        for credential in credentials.values().filter_map(|of_user| of_user.get(&mechanism)) {
            let model =
                Self { iterations: credential.iterations, salt: SaltKind::of(&credential.salt) };
            *users_of.entry(model).or_default() += 1;
        }
        let of_most = users_of.into_iter().max_by_key(|(model, users)| (*users, *model))?;
        Some(of_most.0)
    }
}

impl ScramDecoys {
    /// Those that hide among these credentials.
    pub fn among(credentials: &ScramCredentials, key: DecoyKey) -> Self {
        let model = |mechanism| Some((mechanism, Model::of_most(credentials, mechanism)?));
        Self { key: Some(key), models: ScramMechanism::ALL.into_iter().filter_map(model).collect() }
    }

    /// The same for the same user, as long as most users are as they are.
    pub fn decoy(&self, user: &str, mechanism: ScramMechanism) -> ScramCredential {
        let bare = Model { iterations: mechanism.min_iterations(), salt: SaltKind::Text };
        let model = self.models.get(&mechanism).copied().unwrap_or(bare);
        let mut random = self.bytes_for(user, mechanism);
        let salt = match model.salt {
            SaltKind::Text => {
                let mut bytes = [0; RANDOM_BYTES];
                bytes.iter_mut().zip(&mut random).for_each(|(byte, it)| *byte = it);
                in_base_36(bytes).into_bytes()
            }
            SaltKind::Bytes(count) => random.by_ref().take(count).collect(),
        };
        let stored_key: Vec<u8> = random.take(mechanism.hash_bytes()).collect();
        let server_key = stored_key.clone();
        ScramCredential { salt, stored_key, server_key, iterations: model.iterations }
    }

    /// Bytes that nobody can foretell who has not the key.
    fn bytes_for(&self, user: &str, mechanism: ScramMechanism) -> impl Iterator<Item = u8> + use<> {
        let key = self.key.map_or([0; KEY_BYTES], |it| it.0);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let what = [mechanism.mechanism_name(), user].join("\0");
        (0_u32..).flat_map(move |block| {
            let tag = hmac::sign(&key, format!("{block}\0{what}").as_bytes());
            tag.as_ref().to_vec()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA_256: ScramMechanism = ScramMechanism::ScramSha256;

    /// Users of SCRAM-SHA-256 with these iterations and salts.
    fn among(users: &[(i32, &[u8])]) -> ScramDecoys {
        let credential = |(i, (iterations, salt)): (usize, &(i32, &[u8]))| {
            let key = vec![0; SHA_256.hash_bytes()];
            let credential = ScramCredential {
                salt: salt.to_vec(),
                stored_key: key.clone(),
                server_key: key,
                iterations: *iterations,
            };
            (i.to_string(), BTreeMap::from([(SHA_256, credential)]))
        };
        let credentials = users.iter().enumerate().map(credential).collect();
        ScramDecoys::among(&credentials, DecoyKey([7; KEY_BYTES]))
    }

    #[test]
    fn a_decoy_is_the_same_each_time_and_another_for_each_user() {
        let decoys = among(&[]);
        for mechanism in ScramMechanism::ALL {
            let of = |user| decoys.decoy(user, mechanism);
            assert_eq!(of("a"), of("a"));
            assert!(of("a").salt != of("b").salt && of("a").stored_key != of("b").stored_key);
            mechanism.check(&of("a")).unwrap();
        }
        let of = |key| ScramDecoys::among(&ScramCredentials::new(), key).decoy("a", SHA_256);
        assert!(of(DecoyKey::random().unwrap()) != of(DecoyKey::random().unwrap()));
    }

    #[test]
    fn a_decoy_looks_like_the_credentials_of_most_users() {
        let (text, bytes) = (b"1r4ti6v0m5c2abcdefghijklmn".as_slice(), [200; 64].as_slice());
        for (users, iterations, salt) in [
            (&[][..], 4096, SaltKind::Text),
            (&[(8192, text)], 8192, SaltKind::Text),
            (&[(8192, text), (16384, bytes), (16384, bytes)], 16384, SaltKind::Bytes(64)),
            (&[(8192, bytes), (4096, text), (4096, &text[1..])], 4096, SaltKind::Text),
            (&[(8192, bytes), (4096, text)], 8192, SaltKind::Bytes(64)),
            (&[(4096, &[200; 1024])], 4096, SaltKind::Bytes(1024)),
        ] {
            let decoy = among(users).decoy("nobody", SHA_256);
            assert_eq!((decoy.iterations, SaltKind::of(&decoy.salt)), (iterations, salt));
        }
    }

    #[test]
    fn the_brokers_of_a_cluster_show_the_same_decoys() {
        let of = |byte: u8, iterations| {
            let (stored_key, server_key) = (vec![byte; 32], vec![byte; 32]);
            ScramCredential { salt: vec![1], stored_key, server_key, iterations }
        };
        let users = |first, second| {
            let named = |name: &str, it| (name.to_string(), BTreeMap::from([(SHA_256, it)]));
            ScramCredentials::from([named("a", of(first, 4096)), named("b", of(second, 4096))])
        };
        let key = |first, second| DecoyKey::of_users(&users(first, second));
        assert!(key(1, 2).is_some() && key(1, 2) == key(1, 3), "others come and go");
        assert!(key(1, 2) != key(2, 2));
        assert_eq!(DecoyKey::of_users(&ScramCredentials::new()), None);
    }

    #[test]
    fn a_key_reads_back_and_is_not_shown() {
        let key = DecoyKey::random().unwrap();
        assert_eq!(DecoyKey::from_base64(&key.to_base64()), Some(key));
        assert_eq!(DecoyKey::from_base64("AAAA"), None);
        assert_eq!(format!("{key:?}"), "DecoyKey");
    }
}
