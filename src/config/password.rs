//! Port of `org.apache.kafka.common.config.types.Password`: a value that is shown to nobody.

use std::fmt;

use crate::config::config_type::Kind;

/// In place of a secret, wherever settings are shown: Kafka's own word for it.
pub const HIDDEN: &str = "[hidden]";

/// A secret of the settings. Nothing that prints it prints more than [`HIDDEN`].
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// The secret itself, for the one place that needs it.
    pub fn value(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Display for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Kind for Password {
    type Value = Self;
    const NAME: &'static str = "password";
    const TAKES: &'static str = "a secret, which is not shown again";

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self::new(text.to_string()))
    }

    fn show(_: &Self) -> String {
        HIDDEN.to_string()
    }
}
