//! Port of `AbstractConfig.valuesWithPrefixOverride`, as Kafka uses it for listeners: a setting that
//! holds for one listener, or for one SASL mechanism of it.

use std::fmt;

use crate::common::end_point::ListenerName;

/// What stands before all of them.
pub(super) const PREFIX: &str = "listener.name.";

/// The mechanisms that a setting can be for.
const MECHANISMS: [&str; 4] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];

/// One setting of one listener: `listener.name.client.ssl.client.auth=required`.
#[derive(Clone, PartialEq, Eq)]
pub struct ListenerSetting {
    pub listener: ListenerName,
    /// The SASL mechanism that it holds for, if not for all: `SCRAM-SHA-256`.
    pub mechanism: Option<String>,
    /// As without the prefix: `ssl.client.auth`.
    pub name: String,
    /// Perhaps a secret.
    pub value: String,
}

impl ListenerSetting {
    /// What the setting `name` says, if it is for one of `listeners`.
    pub(super) fn of<'a>(
        mut listeners: impl Iterator<Item = &'a ListenerName>,
        name: &str,
        value: &str,
    ) -> Option<Self> {
        let (listener, rest) =
            listeners.find_map(|it| Some((it, name.strip_prefix(&it.config_prefix())?)))?;
        let of_mechanism = MECHANISMS.iter().find_map(|it| {
            let rest = rest.strip_prefix(&it.to_ascii_lowercase())?.strip_prefix('.')?;
            Some((it.to_string(), rest))
        });
        let (mechanism, name) = match of_mechanism {
            Some((mechanism, name)) => (Some(mechanism), name),
            None => (None, rest),
        };
        let (name, value) = (name.to_string(), value.to_string());
        Some(Self { listener: listener.clone(), mechanism, name, value })
    }
}

/// Without the value.
impl fmt::Debug for ListenerSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { listener, mechanism, name, value: _ } = self;
        write!(f, "{listener} {mechanism:?} {name}")
    }
}
