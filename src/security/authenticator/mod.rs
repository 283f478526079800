//! Who a client is, by SASL: `org.apache.kafka.common.security.authenticator` in Kafka.

pub mod sasl_mechanisms;
pub mod sasl_server_authenticator;
