//! PLAIN (RFC 4616): a name and a password. `org.apache.kafka.common.security.plain` in Kafka.

pub mod plain_users;
pub mod plain_sasl_server;
pub mod plain_sasl_client;
