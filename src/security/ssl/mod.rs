//! Keys, certificates and what is made of them: `org.apache.kafka.common.security.ssl`.

pub mod ssl_error;
pub mod ssl_configs;
pub mod ssl_names;
pub mod security_store;
pub mod pkcs8;
pub mod ec_key;
pub mod pem;
pub mod pkcs12;
pub mod jks;
pub mod store_loader;
pub mod trusted_certificates;
pub mod client_verifier;
pub mod default_ssl_engine_factory;
pub mod ssl_factory;
pub mod server_verifier;
pub mod client_ssl_engine_factory;
pub mod client_ssl_factory;
pub mod ssl_client_transport;
pub mod ssl_principal_mapper;
pub mod ssl_authenticator;
pub mod ssl_channel_builder;
