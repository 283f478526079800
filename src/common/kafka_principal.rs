//! Port of `org.apache.kafka.common.security.auth.KafkaPrincipal`: whom a connection speaks for.

use std::fmt;
use std::sync::Arc;

/// A kind and a name, written `User:alice`. Each request takes a share of its connection's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KafkaPrincipal {
    /// The kind of principal: `User`.
    pub principal_type: Arc<str>,
    pub name: Arc<str>,
}

impl KafkaPrincipal {
    /// `User:ANONYMOUS`, for every client that connects without authenticating.
    pub fn anonymous() -> Self {
        Self::user("ANONYMOUS")
    }

    /// `User:name`, for a client that has proved to be `name`.
    pub fn user(name: &str) -> Self {
        Self { principal_type: "User".into(), name: name.into() }
    }

    /// Parses `User:alice`. `None` if there is no colon, or nothing before it. Port of
    /// `SecurityUtils.parseKafkaPrincipal`.
    pub fn parse(text: &str) -> Option<Self> {
        let (principal_type, name) = text.split_once(':').filter(|(kind, _)| !kind.is_empty())?;
        Some(Self { principal_type: principal_type.into(), name: name.into() })
    }

    /// Whether `text` is how it is written; allocates nothing.
    pub fn is_written(&self, text: &str) -> bool {
        text.split_once(':')
            .is_some_and(|(kind, name)| *kind == *self.principal_type && *name == *self.name)
    }
}

impl fmt::Display for KafkaPrincipal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.principal_type, self.name)
    }
}
