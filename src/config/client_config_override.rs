//! Port of `kafka.server.ClientConfigOverride`: the quotas that can be set for a user or a client id
//! while the broker runs.

use std::collections::BTreeMap;

/// What a quota limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum QuotaType {
    Produce,
    Fetch,
}

/// The quotas of one entity, in bytes per second.
pub type ClientConfigOverride = BTreeMap<QuotaType, i64>;

impl QuotaType {
    pub const ALL: [Self; 2] = [Self::Produce, Self::Fetch];

    /// The name under which it is set.
    pub fn key(self) -> &'static str {
        match self {
            Self::Produce => "producer_byte_rate",
            Self::Fetch => "consumer_byte_rate",
        }
    }

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
