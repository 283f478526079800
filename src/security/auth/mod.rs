//! What a mechanism of SASL is, and how one is set up: `org.apache.kafka.common.security.auth` in Kafka.

pub mod jaas_config;
pub mod sasl_server;
