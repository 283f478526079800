//! Who a client is, and that nobody listens: `org.apache.kafka.common.security`. Knows no topic and no
//! log.

pub mod sasl_server;
pub mod scram;
pub mod scram_sasl_server;
pub mod channel_builders;
