//! The wire: one file per API, each a table of fields and versions.
//!
//! Knows no log and no queue, and of sockets only the trait of one.
//!
//! A further version of an API is a row in its table, and the new number in [`api_keys`]. A further
//! API is four steps:
//!
//! 1. a row in the table of [`api_keys`], from which the page of the protocol is printed; the
//!    compiler then misses a body for it;
//! 2. a file with its two tables and its `error_response`, and the `mod` line below;
//! 3. a line in `bodies!` in [`request`];
//! 4. a handler in `server/kafka_apis.rs`, and in the row of [`api_keys`] what is advertised: until
//!    then the API is answered with `UNSUPPORTED_VERSION`.

pub mod wire;
pub mod api_keys;
pub mod header;
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
pub mod sasl_handshake;
pub mod api_versions;
pub mod create_topics;
pub mod delete_topics;
pub mod delete_records;
pub mod init_producer_id;
pub mod offset_for_leader_epoch;
pub mod describe_acls;
pub mod create_acls;
pub mod delete_acls;
pub mod describe_configs;
pub mod alter_configs;
pub mod describe_log_dirs;
pub mod create_partitions;
pub mod delete_groups;
pub mod incremental_alter_configs;
pub mod offset_delete;
pub mod describe_client_quotas;
pub mod alter_client_quotas;
pub mod describe_cluster;
pub mod request;
pub mod fetch_response_send;
