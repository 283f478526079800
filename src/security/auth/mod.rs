//! What a mechanism of SASL is, and how one is set up: `org.apache.kafka.common.security.auth` in Kafka.

pub mod jaas_config;
pub mod client_credentials;
pub mod sasl_server;
pub mod sasl_client;
