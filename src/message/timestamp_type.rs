//! Port of `org.apache.kafka.common.record.TimestampType`: whose clock a record's timestamp shows.

/// The timestamp of a record that has none: every record of magic 0.
pub const NO_TIMESTAMP: i64 = -1;

/// Whose clock it is. One bit of the attributes, bit 3 in magic 1 and in magic 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's: each record has its own.
    #[default]
    CreateTime,
    /// The broker's at the append: one for the whole batch or wrapper, whatever its records say.
    LogAppendTime,
}

impl TimestampType {
    /// Kafka's name, the value of `message.timestamp.type`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CreateTime => "CreateTime",
            Self::LogAppendTime => "LogAppendTime",
        }
    }

    /// The type that [`name`](Self::name) writes as `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::CreateTime, Self::LogAppendTime].into_iter().find(|t| t.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for of in [TimestampType::CreateTime, TimestampType::LogAppendTime] {
            assert_eq!(TimestampType::from_name(of.name()), Some(of));
        }
        assert_eq!(TimestampType::from_name("logappendtime"), None);
    }
}
