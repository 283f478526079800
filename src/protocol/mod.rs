//! The protocol: one file per API, each a table of fields and versions.
//!
//! Knows no log and no queue, and of sockets only the trait of one.
//!
//! The fields stand beside Kafka's page of the protocol under the same names. A comment is on those
//! that have a unit, a special value or a reason which the name does not show. `throttle_time_ms`
//! is everywhere how long a quota held the response back, `error_message` the words for
//! `error_code`, null if it is 0, and a set of authorized operations has one bit for each.
//!
//! A new version of an API takes rows in its table, and the new number in [`api_keys`]. A new API
//! takes four steps, and after the first the compiler asks for each of the others:
//!
//! 1. a row in the table of [`api_keys`], from which the page of the protocol is printed;
//! 2. a line in `bodies!` in [`request`];
//! 3. a file with its two tables and its `error_response`, and its `mod` line below;
//! 4. an arm in the one `match` of `KafkaApis::handle`, in `server/kafka_apis.rs`.

pub mod wire;
pub mod api_keys;
pub mod header;
pub mod client_request;
pub mod produce;
pub mod fetch;
pub mod list_offsets;
pub mod metadata;
pub mod offset_commit;
pub mod offset_fetch;
pub mod find_coordinator;
pub mod join_group;
pub mod heartbeat;
pub mod leave_group;
pub mod sync_group;
pub mod describe_groups;
pub mod list_groups;
pub mod sasl_authenticate;
pub mod sasl_handshake;
pub mod api_versions;
pub mod advertised_apis;
pub mod create_topics;
pub mod delete_topics;
pub mod delete_records;
pub mod init_producer_id;
pub mod offset_for_leader_epoch;
pub mod acl_filter;
pub mod describe_acls;
pub mod create_acls;
pub mod delete_acls;
pub mod describe_configs;
pub mod alter_configs;
pub mod describe_log_dirs;
pub mod create_partitions;
pub mod delete_groups;
pub mod incremental_alter_configs;
pub mod write_txn_markers;
pub mod offset_delete;
pub mod describe_client_quotas;
pub mod alter_client_quotas;
pub mod describe_user_scram_credentials;
pub mod alter_user_scram_credentials;
pub mod describe_cluster;
pub mod fetch_snapshot;
pub mod broker_registration;
pub mod broker_heartbeat;
pub mod assign_replicas_to_dirs;
pub mod alter_partition;
pub mod allocate_producer_ids;
pub mod envelope;
pub mod forwarded_error;
pub mod request;
pub mod fetch_response_send;
pub mod quorum_records;
