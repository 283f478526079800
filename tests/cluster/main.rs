//! Tests of what makes a broker one of many: `src/clients`, `src/raft`, `src/image` and `src/server/cluster`,
//! against a controller that a test plays, or against Apache Kafka's.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod images;
mod scripted_controller;
mod scripted_log;
mod alter_partition_rules;
mod mock_controller_channel;
mod scene;

mod broker_metadata_publisher;
mod apache_cluster;
mod apache_controller;
mod apache_broker;
mod in_place;
mod replication;
mod secured_cluster;
mod assignments_manager;
mod broker_registration_tracker;
mod unsupported_features_publisher;
pub(crate) mod broker_server;
mod default_alter_partition_manager;
mod dead_controllers;
mod fetch;
mod committed_reads;
pub(crate) mod group_coordinator;
mod in_sync_replicas;
mod monitoring;
mod kraft_metadata_cache;
mod partitions_of_others;
mod recording_fetchers;
mod replica_changes;
mod follower_changes;
mod replica_directories;
mod log_directories;
mod node_identity;
mod metadata_version_config_validator;
mod scripted_controller_test;
mod fetch_session_handler;
mod remote_leader_end_point;
mod forwarding;
mod forwarding_manager;
mod dynamic_config_publisher;
mod security_publishers;
mod rights_quotas_users;
mod api_version_manager;
mod default_auto_topic_creation_manager;
mod producer_id_manager;

mod clients {
    mod blocking_channel;
    mod secured_channel;
}

mod raft {
    pub(crate) mod recording_listener;

    mod kafka_raft_client;
    mod kafka_raft_client_fetch;
    mod kafka_raft_client_snapshot;
    mod wrong_answers;
}

mod tools {
    mod metadata_log;
    mod move_to_cluster;
}

mod image {
    mod made_records;
    mod published;

    mod cluster_image;
    mod metadata_loader;
    mod recorded_logs;
    mod topics_image;
}
