//! In the place of `com.sun.security.sasl.PlainClient`, which Kafka takes from Java: the client's side of PLAIN,
//! which is one message (RFC 4616).

use crate::common::sasl_mechanism_names::PLAIN;
use crate::security::auth::client_credentials::ClientCredentials;
use crate::security::auth::sasl_client::{SaslClient, SaslClientFactory};
use crate::security::auth::sasl_server::SaslError;

/// Makes the broker's side of PLAIN where it is the client.
#[derive(Debug)]
pub struct PlainSaslClientFactory {
    credentials: ClientCredentials,
}

impl PlainSaslClientFactory {
    pub fn new(credentials: ClientCredentials) -> Self {
        Self { credentials }
    }
}

impl SaslClientFactory for PlainSaslClientFactory {
    fn mechanism(&self) -> &'static str {
        PLAIN
    }

    fn create_sasl_client(&self) -> Box<dyn SaslClient> {
        Box::new(PlainSaslClient { credentials: self.credentials.clone() })
    }
}

#[derive(Debug)]
struct PlainSaslClient {
    credentials: ClientCredentials,
}

impl SaslClient for PlainSaslClient {
    fn initial_response(&mut self) -> Result<Vec<u8>, SaslError> {
        let ClientCredentials { username, password } = &self.credentials;
        Ok(format!("\0{username}\0{password}").into_bytes())
    }

    /// A server that has nothing against the password has nothing to say.
    fn evaluate_challenge(&mut self, token: &[u8]) -> Result<Option<Vec<u8>>, SaslError> {
        match token {
            [] => Ok(None),
            _ => {
                Err(SaslError::Failed("it answers PLAIN with a token, which it has none of".into()))
            }
        }
    }
}
