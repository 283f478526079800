//! Who a client is, and that nobody listens: `org.apache.kafka.common.security`. Knows no topic and no
//! log.

pub mod sasl_server;
pub mod ssl;
pub mod scram;
pub mod scram_sasl_server;
pub mod jaas_config;
pub mod plain;
pub mod authenticator;
pub mod configured_mechanisms;
pub mod sasl_channel_builder;
pub mod channel_builders;
