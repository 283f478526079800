//! Who a client is, and that nobody listens: `org.apache.kafka.common.security`. Knows no topic and no
//! log.

pub mod sasl_server;
pub mod ssl;
pub mod authenticator;
pub mod channel_builders;
