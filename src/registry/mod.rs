//! What Kafka keeps in ZooKeeper, here in small text files: topics, quotas, the broker's settings,
//! ACLs, producer ids, SCRAM credentials. Each belongs to the part of the server that changes it.

mod escaped_text;
mod registry_file;
pub mod acl_registry;
pub mod broker_config_registry;
pub mod quota_registry;
pub mod producer_id_registry;
pub mod topic_registry;
pub mod scram_registry;
