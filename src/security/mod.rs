//! Who a client is, and that nobody listens: `org.apache.kafka.common.security`. Knows no topic and no
//! log.

pub mod authenticator;
pub mod scram;
pub mod scram_sasl_server;
pub mod channel_builders;
pub mod configured_mechanisms;
pub mod jaas_config;
pub mod plain;
pub mod sasl_channel_builder;
pub mod sasl_server;
