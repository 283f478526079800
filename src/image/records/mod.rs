//! Port of `org.apache.kafka.common.metadata`: the records of `__cluster_metadata`, each a table of
//! fields and versions as in Kafka's `metadata/src/main/resources/common/metadata`.

pub mod broker_records;
pub mod topic_records;
pub mod config_records;
pub mod security_records;
pub mod transaction_records;
pub mod metadata_record;
