//! Port of `org.apache.kafka.common.security.scram.internals.ScramMechanism`.

use std::collections::BTreeMap;
use std::fmt;

use ring::{digest, hmac, pbkdf2};

use crate::common::sasl_mechanism_names::{SCRAM_SHA_256, SCRAM_SHA_512};
use crate::security::scram::scram_credential::ScramCredential;

/// Clients take about 25 or 64 bytes.
pub const SALT_BYTES_MAX: usize = 1024;

/// All credentials, by user and mechanism. No user is without any.
pub type ScramCredentials = BTreeMap<String, BTreeMap<ScramMechanism, ScramCredential>>;

/// A hash function by which a password is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScramMechanism {
    ScramSha256,
    ScramSha512,
}

impl ScramMechanism {
    pub const ALL: [Self; 2] = [Self::ScramSha256, Self::ScramSha512];

    /// As clients and settings name it.
    pub const fn mechanism_name(self) -> &'static str {
        match self {
            Self::ScramSha256 => SCRAM_SHA_256,
            Self::ScramSha512 => SCRAM_SHA_512,
        }
    }

    pub fn for_mechanism_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.mechanism_name() == name)
    }

    /// The number on the wire: Kafka's `type`. 0 stands for a mechanism that is not known.
    pub const fn id(self) -> i8 {
        match self {
            Self::ScramSha256 => 1,
            Self::ScramSha512 => 2,
        }
    }

    /// Kafka's `fromType`.
    pub fn for_id(id: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.id() == id)
    }

    /// RFC 7677 asks for as many.
    pub const fn min_iterations(self) -> i32 {
        4096
    }

    /// A client computes as many at each login: what is asked of it has a bound.
    pub const fn max_iterations(self) -> i32 {
        16_384
    }

    /// Whether `credential` is one of this mechanism.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(self, credential: &ScramCredential) -> Result<(), String> {
        let ScramCredential { salt, stored_key, server_key, iterations } = credential;
        let (min, max, bytes) = (self.min_iterations(), self.max_iterations(), self.hash_bytes());
        if salt.is_empty() || salt.len() > SALT_BYTES_MAX {
            return Err(format!("a salt has 1 to {SALT_BYTES_MAX} bytes"));
        }
        if [stored_key, server_key].iter().any(|it| it.len() != bytes) {
            return Err(format!("the keys of {self} have {bytes} bytes each"));
        }
        if *iterations < min {
            return Err(format!("there are at least {min} iterations, not {iterations}"));
        }
        if *iterations > max {
            return Err(format!("there are at most {max} iterations, not {iterations}"));
        }
        Ok(())
    }

    /// # Errors
    /// If it cannot be what a password has become.
    pub fn check_salted_password(self, salted_password: &[u8]) -> Result<(), String> {
        let bytes = self.hash_bytes();
        match salted_password.len() == bytes {
            true => Ok(()),
            false => Err(format!("a salted password of {self} has {bytes} bytes")),
        }
    }

    /// How long keys, proofs and signatures are.
    pub fn hash_bytes(self) -> usize {
        self.digest().output_len()
    }

    pub(super) fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::ScramSha256 => &digest::SHA256,
            Self::ScramSha512 => &digest::SHA512,
        }
    }

    pub(super) fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::ScramSha256 => hmac::HMAC_SHA256,
            Self::ScramSha512 => hmac::HMAC_SHA512,
        }
    }

    pub(super) fn pbkdf2(self) -> pbkdf2::Algorithm {
        match self {
            Self::ScramSha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::ScramSha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }
}

impl fmt::Display for ScramMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.mechanism_name())
    }
}
