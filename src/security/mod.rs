//! Who a client is, and that nobody listens: `org.apache.kafka.common.security`. Knows no topic and no
//! log.

pub mod auth;
pub mod plain;
pub mod scram;
pub mod oauthbearer;
pub mod ssl;
pub mod authenticator;
pub mod configured_mechanisms;
pub mod sasl_channel_builder;
pub mod client_channel_builders;
pub mod channel_builders;
