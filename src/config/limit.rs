//! A limit that a negative number takes away, as Kafka writes "no limit" in its settings.

use std::fmt;

/// A limit in bytes or in milliseconds, or none. Remembers which negative number was given, for
/// that is what DescribeConfigs returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(i64);

impl Limit {
    /// No limit.
    pub const NONE: Self = Self(-1);

    /// The limit in milliseconds, 0 or more.
    pub fn ms(self) -> Option<i64> {
        Some(self.0).filter(|it| *it >= 0)
    }

    /// The limit in bytes.
    pub fn bytes(self) -> Option<u64> {
        u64::try_from(self.0).ok()
    }
}

impl From<i64> for Limit {
    fn from(given: i64) -> Self {
        Self(given)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
