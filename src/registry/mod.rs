//! What Kafka keeps in ZooKeeper, here in small text files: topics, quotas and the broker's settings.

pub mod topic_registry;
pub mod quota_registry;
pub mod broker_config_registry;
