//! Port of `kafka.server.ClientConfigOverride`: the quotas that can be set for a client id while the
//! broker runs.

use std::collections::BTreeMap;

/// What clients do that a quota is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum QuotaType {
    /// They send messages.
    Produce,
    /// They get messages.
    Fetch,
}

/// The quotas of a client id, in bytes per second.
pub type ClientConfigOverride = BTreeMap<QuotaType, i64>;

impl QuotaType {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Produce, Self::Fetch];

    /// The name of the quota.
    pub fn key(self) -> &'static str {
        match self {
            Self::Produce => "producer_byte_rate",
            Self::Fetch => "consumer_byte_rate",
        }
    }

    /// The quota with this name.
    pub fn for_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.key() == key)
    }

    /// The name of the API that it limits.
    pub fn name(self) -> &'static str {
        match self {
            Self::Produce => "Produce",
            Self::Fetch => "Fetch",
        }
    }
}
