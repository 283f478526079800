//! What each request does, one file per family of requests.

pub mod parts;
pub mod controller_requests;
pub mod duplicates;
pub mod current_leaders;
pub mod produce;
pub mod fetch_conversion;
pub mod fetch;
pub mod forwarding;
pub mod list_offsets;
pub mod leader_epochs;
pub mod group_metadata_topic;
pub mod topic_view;
pub mod metadata;
pub mod groups;
pub mod group_offsets;
pub mod group_admin;
pub mod api_versions;
pub mod cluster;
pub mod topics;
pub mod config_alterations;
pub mod broker_configs;
pub mod configs;
pub mod logs;
pub mod quotas;
pub mod scram_credentials;
pub mod acls;
