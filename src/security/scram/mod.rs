//! `org.apache.kafka.common.security.scram`: a client proves that it knows a password, and the password
//! is neither sent nor kept (RFC 5802, RFC 7677).

pub mod scram_credential;
pub mod scram_mechanism;
pub mod scram_formatter;
pub mod scram_credential_utils;
pub mod scram_parser;
pub mod scram_messages;
pub mod scram_decoys;
pub mod credential_cache;
pub mod scram_sasl_server;
pub mod server_messages;
pub mod scram_sasl_client;
