//! What finds out who a client is, by SASL: `org.apache.kafka.common.security.authenticator`.

pub mod sasl_mechanisms;
pub mod sasl_server_authenticator;
pub mod sasl_client_authenticator;
