//! What finds out who a client is: `org.apache.kafka.common.security.authenticator`.

pub mod ssl_authenticator;
