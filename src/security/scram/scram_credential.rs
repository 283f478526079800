//! Port of `org.apache.kafka.common.security.scram.ScramCredential`.

use std::fmt;

/// What a broker keeps of a password. Nobody can log in with it, but it lets guesses be tried, and
/// its server key lets a broker be played: it is shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramCredential {
    pub salt: Vec<u8>,
    /// The hash of the key that a client proves to have.
    pub stored_key: Vec<u8>,
    /// By it a broker proves that it knows the user.
    pub server_key: Vec<u8>,
    /// How often the password is hashed.
    pub iterations: i32,
}

/// No key and no salt.
impl fmt::Debug for ScramCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScramCredential({} iterations)", self.iterations)
    }
}
