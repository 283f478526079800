//! Port of `org.apache.kafka.metadata.LeaderRecoveryState`.

/// Whether a partition's leader has all that was acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeaderRecoveryState {
    #[default]
    Recovered,
    /// It was elected though it was not in sync, and may lack some.
    Recovering,
}

impl LeaderRecoveryState {
    /// The number on the wire and in records.
    pub fn value(self) -> i8 {
        match self {
            Self::Recovered => 0,
            Self::Recovering => 1,
        }
    }

    /// `None` for a number that means none.
    pub fn for_value(value: i8) -> Option<Self> {
        match value {
            0 => Some(Self::Recovered),
            1 => Some(Self::Recovering),
            _ => None,
        }
    }
}
