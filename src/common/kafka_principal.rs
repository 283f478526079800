//! Port of `org.apache.kafka.common.security.auth.KafkaPrincipal`: who a connection speaks for.

use std::fmt;

/// A kind and a name, written `User:alice`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KafkaPrincipal {
    /// The kind of principal: `User`.
    pub principal_type: String,
    /// Its name.
    pub name: String,
}

impl KafkaPrincipal {
    /// Whoever connects without saying who he is: `User:ANONYMOUS`.
    pub fn anonymous() -> Self {
        Self { principal_type: "User".to_string(), name: "ANONYMOUS".to_string() }
    }
}

impl fmt::Display for KafkaPrincipal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.principal_type, self.name)
    }
}
