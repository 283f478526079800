//! Port of `org.apache.kafka.common.security.auth.KafkaPrincipal`: whom a connection speaks for.

use std::fmt;

/// A kind and a name, written `User:alice`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KafkaPrincipal {
    /// The kind of principal: `User`.
    pub principal_type: String,
    pub name: String,
}

impl KafkaPrincipal {
    /// `User:ANONYMOUS`, for every client that connects without authenticating.
    pub fn anonymous() -> Self {
        Self { principal_type: "User".to_string(), name: "ANONYMOUS".to_string() }
    }

    /// Parses `User:alice`. `None` if there is no colon, or nothing before it. Port of
    /// `SecurityUtils.parseKafkaPrincipal`.
    pub fn parse(text: &str) -> Option<Self> {
        let (principal_type, name) = text.split_once(':').filter(|(kind, _)| !kind.is_empty())?;
        Some(Self { principal_type: principal_type.to_string(), name: name.to_string() })
    }

    /// Whether `text` is how it is written; allocates nothing.
    pub fn is_written(&self, text: &str) -> bool {
        text.split_once(':')
            .is_some_and(|(kind, name)| kind == self.principal_type && name == self.name)
    }
}

impl fmt::Display for KafkaPrincipal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.principal_type, self.name)
    }
}
