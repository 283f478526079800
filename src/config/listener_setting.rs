//! Port of `AbstractConfig.valuesWithPrefixOverride`, as Kafka uses it for listeners: a setting that
//! holds for one listener, or for one SASL mechanism of it.

use std::collections::BTreeMap;
use std::fmt;

use crate::common::end_point::ListenerName;
use crate::config::password::HIDDEN;

/// What stands before all of them.
pub(super) const PREFIX: &str = "listener.name.";

/// One setting of one listener: `listener.name.client.ssl.client.auth=required`.
#[derive(Clone, PartialEq, Eq)]
pub struct ListenerSetting {
    pub listener: ListenerName,
    /// The SASL mechanism that it holds for, if not for all: `SCRAM-SHA-256`.
    pub mechanism: Option<String>,
    /// As without the prefix: `ssl.client.auth`.
    pub name: String,
    pub value: String,
    /// Whether the value is for nobody's eyes.
    pub is_secret: bool,
}

impl ListenerSetting {
    /// As it is given: `listener.name.client.plain.sasl.jaas.config`.
    pub fn full_name(&self) -> String {
        let prefix = self.listener.config_prefix();
        match &self.mechanism {
            Some(mechanism) => format!("{prefix}{}.{}", mechanism.to_ascii_lowercase(), self.name),
            None => format!("{prefix}{}", self.name),
        }
    }

    /// The value as everybody may see it.
    pub fn shown_value(&self) -> String {
        if self.is_secret { HIDDEN.to_string() } else { self.value.clone() }
    }
}

/// Without the value.
impl fmt::Debug for ListenerSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full_name())
    }
}

/// By which names the settings of a listener are given, for whoever has to look at them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenerSettingNames {
    /// Of its own, without and with the prefix. All others are those of all listeners.
    pub(super) own: BTreeMap<String, String>,
}

impl ListenerSettingNames {
    /// The name of the setting in force, by that without a prefix.
    pub fn in_force<'a>(&'a self, name: &'a str) -> &'a str {
        self.own.get(name).map_or(name, String::as_str)
    }
}
