//! Port of `org.apache.kafka.image`: what the records of `__cluster_metadata` add up to.

pub mod records;
pub mod configurations_image;
pub mod leader_recovery_state;
pub mod directory_id;
pub mod topic_image;
pub mod topics_image;
pub mod cluster_image;
pub mod features_image;
pub mod security_image;
pub mod metadata_image;
pub mod current_image;
pub mod metadata_delta;
pub mod metadata_publisher;
pub mod loader;
