//! The settings: tables of Kafka's names, and the structs filled from them. Knows no log and no
//! socket.

pub mod limit;
pub mod config_type;
pub mod log_policies;
pub mod fetch_inline;
pub mod transfer_mode;
pub mod password;
pub mod unsupported;
pub mod sasl_mechanisms;
pub mod tls_names;
pub mod ssl_client_auth;
pub mod kernel_tls_mode;
pub mod compaction_lags;
pub mod config_def;
pub mod properties;
pub mod precedence;
pub mod process_roles;
pub mod quorum_config;
pub mod listener_setting;
pub mod kafka_config;
pub mod listener_setting_reader;
pub mod secrets;
pub mod listeners;
pub mod listener_security;
pub mod lessons;
pub mod cluster_membership;
pub mod config_reader;
pub mod dynamic_config;
pub mod log_config;
pub mod settings_check;
pub mod help_text;
pub mod shell_completion;
pub mod man_page;
pub mod command_line;
pub mod client_config_override;
pub mod config_source;
