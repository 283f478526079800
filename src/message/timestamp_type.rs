//! Port of `org.apache.kafka.common.record.TimestampType`: whose clock a record's timestamp shows.

use crate::common::units::TimestampMs;

/// The timestamp of a record that has none: every record of magic 0.
pub const NO_TIMESTAMP: i64 = TimestampMs::NONE.0;

/// Whose clock it is. One bit of the attributes, bit 3 in magic 1 and in magic 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's: each record has its own.
    #[default]
    CreateTime,
    /// The broker's at the append: one for the whole batch or wrapper, whatever its records say.
    LogAppendTime,
}
