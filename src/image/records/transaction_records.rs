//! Port of `BeginTransactionRecord`, `EndTransactionRecord`, `AbortTransactionRecord`, `NoOpRecord` and
//! `ZkMigrationStateRecord` (`org.apache.kafka.common.metadata`): records that describe the log itself.

use crate::protocol::wire::json_converter::json_message;

json_message! {
    /// What follows counts only once an [`EndTransactionRecord`] has come.
    pub struct BeginTransactionRecord {
        0.., null 0.., tag 0 => name: Option<String>,
    }

    pub struct EndTransactionRecord {}

    /// What came since the [`BeginTransactionRecord`] never counts.
    pub struct AbortTransactionRecord {
        0.., null 0.., tag 0 => reason: Option<String>,
    }

    /// Tells followers of an idle log how far it is committed.
    pub struct NoOpRecord {}

    /// Of clusters that came from ZooKeeper.
    pub struct ZkMigrationStateRecord {
        0.. => zk_migration_state: i8,
    }
}
