//! In the place of the credentials that `PlainLoginModule.initialize` and `ScramLoginModule.initialize` add to a
//! Subject.

use std::fmt;

use crate::security::auth::jaas_config::JaasEntry;

/// Who this broker is to other nodes.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCredentials {
    pub username: String,
    pub password: String,
}

impl ClientCredentials {
    /// The options `username` and `password` of a login module.
    ///
    /// # Errors
    /// Which of them is missing or empty.
    pub fn of(entry: &JaasEntry) -> Result<Self, &'static str> {
        let option = |name: &'static str| {
            entry.option(name).filter(|it| !it.is_empty()).map(str::to_string).ok_or(name)
        };
        Ok(Self { username: option("username")?, password: option("password")? })
    }
}

/// Without the password.
impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}
