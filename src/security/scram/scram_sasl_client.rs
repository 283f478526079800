//! Port of `org.apache.kafka.common.security.scram.internals.ScramSaslClient`: a login by two messages of each
//! side, in which the server, too, shows that it knows the password.

use std::fmt;
use std::mem;
use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::common::text::for_log;
use crate::security::auth::client_credentials::ClientCredentials;
use crate::security::auth::sasl_client::{SaslClient, SaslClientFactory};
use crate::security::auth::sasl_server::SaslError;
use crate::security::scram::scram_formatter::{ScramFormatter, is_equal_constant_time};
use crate::security::scram::scram_mechanism::{SALT_BYTES_MAX, ScramMechanism};
use crate::security::scram::server_messages::{ServerFinal, ServerFirst};

/// What stands before the first message: bound to no TLS connection, for nobody else than the user.
const GS2_HEADER: &str = "n,,";
/// A server's own part of the nonce; Kafka's has 26 characters at most.
const NONCE_CHARS_MAX: usize = 1024;

/// Makes the broker's side of a SCRAM mechanism where it is the client.
#[derive(Debug)]
pub struct ScramSaslClientFactory {
    mechanism: ScramMechanism,
    credentials: ClientCredentials,
}

impl ScramSaslClientFactory {
    pub fn new(mechanism: ScramMechanism, credentials: ClientCredentials) -> Self {
        Self { mechanism, credentials }
    }
}

impl SaslClientFactory for ScramSaslClientFactory {
    fn mechanism(&self) -> &'static str {
        self.mechanism.mechanism_name()
    }

    fn create_sasl_client(&self) -> Box<dyn SaslClient> {
        Box::new(ScramSaslClient::new(self.mechanism, self.credentials.clone()))
    }
}

/// The client's side of one login.
pub struct ScramSaslClient {
    mechanism: ScramMechanism,
    formatter: ScramFormatter,
    credentials: ClientCredentials,
    state: State,
}

enum State {
    SendClientFirstMessage,
    ReceiveServerFirstMessage { nonce: String, bare: String },
    ReceiveServerFinalMessage { server_signature: Vec<u8> },
    Complete,
    Failed,
}

impl ScramSaslClient {
    pub fn new(mechanism: ScramMechanism, credentials: ClientCredentials) -> Self {
        let formatter = ScramFormatter::new(mechanism);
        Self { mechanism, formatter, credentials, state: State::SendClientFirstMessage }
    }

    /// The message that proves the password, and the signature by which the server has to prove that it knows
    /// it.
    fn prove(
        &self,
        (nonce, bare): (&str, &str),
        token: &[u8],
    ) -> Result<(Vec<u8>, Vec<u8>), SaslError> {
        let server_first = ServerFirst::parse(token)
            .ok_or_else(|| failed("the first message of the server is not SCRAM's"))?;
        let iterations = self.check(nonce, &server_first)?;
        let password = &self.credentials.password;
        let salted = self.formatter.salted_password(password, &server_first.salt, iterations);
        let binding = STANDARD.encode(GS2_HEADER);
        let without_proof = format!("c={binding},r={}", server_first.nonce);
        let auth_message = format!("{bare},{},{without_proof}", server_first.text);
        let proof = self.formatter.client_proof(&salted, auth_message.as_bytes());
        let server_key = self.formatter.server_key(&salted);
        let signature = self.formatter.server_signature(&server_key, auth_message.as_bytes());
        let message = format!("{without_proof},p={}", STANDARD.encode(proof));
        Ok((message.into_bytes(), signature))
    }

    /// How often the password is to be hashed, if what the server asks for can be done.
    fn check(&self, nonce: &str, server_first: &ServerFirst) -> Result<NonZeroU32, SaslError> {
        let ServerFirst { nonce: theirs, salt, iterations, .. } = server_first;
        let is_ours = theirs.len() > nonce.len() && theirs.starts_with(nonce);
        if !is_ours || theirs.len() > nonce.len() + NONCE_CHARS_MAX {
            return Err(failed("the server does not return our nonce with one of its own"));
        }
        if salt.is_empty() || salt.len() > SALT_BYTES_MAX {
            return Err(failed(format!("the server has a salt of {} bytes", salt.len())));
        }
        // Fewer are worth little to a user whose password somebody guesses at; more keep this broker busy.
        let (min, max) = (self.mechanism.min_iterations(), self.mechanism.max_iterations());
        u32::try_from(*iterations)
            .ok()
            .filter(|_| (min..=max).contains(iterations))
            .and_then(NonZeroU32::new)
            .ok_or_else(|| {
                failed(format!(
                    "the server asks for {iterations} iterations of {}, where {min} to {max} are right",
                    self.mechanism
                ))
            })
    }
}

impl SaslClient for ScramSaslClient {
    fn initial_response(&mut self) -> Result<Vec<u8>, SaslError> {
        let nonce = self.formatter.secure_random_string();
        let nonce = nonce.map_err(|_| failed("the system has no random numbers to give"))?;
        let name = ScramFormatter::sasl_name(&self.credentials.username);
        let bare = format!("n={name},r={nonce}");
        let message = format!("{GS2_HEADER}{bare}").into_bytes();
        self.state = State::ReceiveServerFirstMessage { nonce, bare };
        Ok(message)
    }

    fn evaluate_challenge(&mut self, token: &[u8]) -> Result<Option<Vec<u8>>, SaslError> {
        match mem::replace(&mut self.state, State::Failed) {
            State::ReceiveServerFirstMessage { nonce, bare } => {
                let (message, server_signature) = self.prove((&nonce, &bare), token)?;
                self.state = State::ReceiveServerFinalMessage { server_signature };
                Ok(Some(message))
            }
            State::ReceiveServerFinalMessage { server_signature } => {
                match ServerFinal::parse(token) {
                    Some(ServerFinal::Signature(theirs)) => {
                        if !is_equal_constant_time(&theirs, &server_signature) {
                            return Err(failed(
                                "the server does not know the password: it is not who it should be",
                            ));
                        }
                    }
                    Some(ServerFinal::Error(why)) => {
                        return Err(failed(format!("the server says {}", for_log(&why))));
                    }
                    None => {
                        return Err(failed("the last message of the server is not SCRAM's"));
                    }
                }
                self.state = State::Complete;
                Ok(None)
            }
            State::SendClientFirstMessage | State::Complete | State::Failed => {
                Err(failed("the server has sent a message out of turn"))
            }
        }
    }
}

/// Without anything that is secret.
impl fmt::Debug for ScramSaslClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramSaslClient")
            .field("mechanism", &self.mechanism)
            .finish_non_exhaustive()
    }
}

fn failed(why: impl Into<String>) -> SaslError {
    SaslError::Failed(why.into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::security::auth::sasl_server::SaslServer;
    use crate::security::scram::credential_cache::CredentialCache;
    use crate::security::scram::scram_decoys::DecoyKey;
    use crate::security::scram::scram_sasl_server::ScramSaslServer;

    const NAME: &str = "a,b=c";

    fn client(mechanism: ScramMechanism, password: &str) -> ScramSaslClient {
        let (username, password) = (NAME.to_string(), password.to_string());
        ScramSaslClient::new(mechanism, ClientCredentials { username, password })
    }

    fn server(mechanism: ScramMechanism) -> ScramSaslServer {
        let formatter = ScramFormatter::new(mechanism);
        let credential = formatter.generate_credential("secret", 4096).unwrap();
        let of_user = BTreeMap::from([(mechanism, credential)]);
        let cache = CredentialCache::default();
        let users = BTreeMap::from([(NAME.to_string(), of_user)]);
        cache.replace(Arc::new(users), DecoyKey::random().unwrap());
        ScramSaslServer::new(mechanism, Arc::new(cache))
    }

    fn why(client: &mut ScramSaslClient, token: &str) -> String {
        client.evaluate_challenge(token.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_client_and_a_server_with_one_password_believe_each_other() {
        for mechanism in ScramMechanism::ALL {
            let (mut client, mut server) = (client(mechanism, "secret"), server(mechanism));
            let mut token = client.initial_response().unwrap();
            for _ in 0..2 {
                let answer = server.evaluate_response(&token).unwrap();
                match client.evaluate_challenge(&answer).unwrap() {
                    Some(next) => token = next,
                    None => token.clear(),
                }
            }
            assert!(token.is_empty() && server.is_complete());
            assert_eq!(server.authorization_id(), NAME);
        }
    }

    #[test]
    fn a_wrong_password_is_refused_by_the_server() {
        let mechanism = ScramMechanism::ScramSha512;
        let (mut client, mut server) = (client(mechanism, "Secret"), server(mechanism));
        let first = server.evaluate_response(&client.initial_response().unwrap()).unwrap();
        let proof = client.evaluate_challenge(&first).unwrap().unwrap();
        assert!(
            server.evaluate_response(&proof).unwrap_err().to_string().contains("wrong password")
        );
    }

    /// Whoever answers in the place of the server has seen the exchange, and does not know the password.
    #[test]
    fn a_server_that_does_not_know_the_password_is_not_believed() {
        let mechanism = ScramMechanism::ScramSha256;
        let (mut client, mut server) = (client(mechanism, "secret"), server(mechanism));
        let first = server.evaluate_response(&client.initial_response().unwrap()).unwrap();
        client.evaluate_challenge(&first).unwrap();
        let signature = STANDARD.encode([7; 32]);
        assert!(why(&mut client, &format!("v={signature}")).contains("does not know the password"));
        assert!(why(&mut client, &format!("v={signature}")).contains("out of turn"));
    }

    #[test]
    fn what_a_server_may_ask_for_has_bounds() {
        let mechanism = ScramMechanism::ScramSha256;
        for (made, expected) in [
            ("r=NONCEx,s=AQID,i=4095", "4095 iterations"),
            ("r=NONCEx,s=AQID,i=16385", "16385 iterations"),
            ("r=NONCEx,s=AQID,i=2147483647", "2147483647 iterations"),
            ("r=NONCEx,s=AQID,i=-1", "not SCRAM's"),
            ("r=NONCEx,s=AQID,i=99999999999", "not SCRAM's"),
            ("r=NONCE,s=AQID,i=4096", "our nonce"),
            ("r=x,s=AQID,i=4096", "our nonce"),
            ("r=NONCELONG,s=AQID,i=4096", "our nonce"),
            ("r=NONCEx,s=SALT,i=4096", "a salt of 1026 bytes"),
            ("r=NONCEx,s=,i=4096", "not SCRAM's"),
            ("e=other-error", "not SCRAM's"),
            ("", "not SCRAM's"),
        ] {
            let mut client = client(mechanism, "secret");
            let first = String::from_utf8(client.initial_response().unwrap()).unwrap();
            let (_, nonce) = first.rsplit_once("r=").unwrap();
            let made = made.replace("LONG", &"x".repeat(NONCE_CHARS_MAX + 1));
            let made = made.replace("NONCE", nonce).replace("SALT", &"AQID".repeat(342));
            let why = why(&mut client, &made);
            assert!(why.contains(expected), "{made}: {why}");
        }
    }

    #[test]
    fn the_error_of_a_server_is_passed_on_without_what_it_could_do_to_the_log() {
        let mechanism = ScramMechanism::ScramSha256;
        let (mut client, mut server) = (client(mechanism, "secret"), server(mechanism));
        let first = server.evaluate_response(&client.initial_response().unwrap()).unwrap();
        client.evaluate_challenge(&first).unwrap();
        assert!(why(&mut client, "e=other\n2026 forged").contains("\"other\\n2026 forged\""));
    }

    #[test]
    fn nothing_shows_a_password() {
        let factory = ScramSaslClientFactory::new(
            ScramMechanism::ScramSha256,
            ClientCredentials { username: "u".into(), password: "secret".into() },
        );
        assert!(!format!("{factory:?} {:?}", factory.create_sasl_client()).contains("secret"));
    }
}
