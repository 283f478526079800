//! `org.apache.kafka.common.security.oauthbearer`: a client shows a token that somebody has signed whom
//! the broker believes (RFC 7628). Tokens that nobody has signed are refused.

pub mod oauth_bearer_client_initial_response;
pub mod json_web_key;
pub mod jwks_file;
pub mod broker_jwt_validator;
pub mod oauth_bearer_sasl_server;
