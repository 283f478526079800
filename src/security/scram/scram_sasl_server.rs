//! Port of `org.apache.kafka.common.security.scram.internals.ScramSaslServer`: a login by two messages
//! of each side.

use std::mem;
use std::sync::Arc;

use crate::common::text::for_log;
use crate::security::auth::sasl_server::{SaslError, SaslServer, SaslServerFactory};
use crate::security::scram::credential_cache::CredentialCache;
use crate::security::scram::scram_credential::ScramCredential;
use crate::security::scram::scram_formatter::ScramFormatter;
use crate::security::scram::scram_mechanism::ScramMechanism;
use crate::security::scram::scram_messages::{
    ClientFinalMessage, ClientFirstMessage, ServerFinalMessage, ServerFirstMessage,
};

/// Makes the broker's side of a SCRAM mechanism.
pub struct ScramSaslServerFactory {
    mechanism: ScramMechanism,
    credentials: Arc<CredentialCache>,
}

impl ScramSaslServerFactory {
    pub fn new(mechanism: ScramMechanism, credentials: Arc<CredentialCache>) -> Self {
        Self { mechanism, credentials }
    }
}

impl SaslServerFactory for ScramSaslServerFactory {
    fn mechanism(&self) -> &'static str {
        self.mechanism.mechanism_name()
    }

    fn create_sasl_server(&self) -> Box<dyn SaslServer> {
        Box::new(ScramSaslServer::new(self.mechanism, Arc::clone(&self.credentials)))
    }
}

/// The broker's side of one login.
pub struct ScramSaslServer {
    mechanism: ScramMechanism,
    formatter: ScramFormatter,
    credentials: Arc<CredentialCache>,
    state: State,
}

enum State {
    ReceiveClientFirstMessage,
    ReceiveClientFinalMessage(Challenge),
    Complete { username: String },
    Failed,
}

/// What a client has to meet.
struct Challenge {
    username: String,
    gs2_header: String,
    client_first_bare: String,
    nonce: String,
    /// How much of it is the client's.
    client_nonce_bytes: usize,
    server_first: String,
    credential: ScramCredential,
    /// Otherwise the credential is a decoy.
    is_known: bool,
}

impl ScramSaslServer {
    pub fn new(mechanism: ScramMechanism, credentials: Arc<CredentialCache>) -> Self {
        Self {
            mechanism,
            formatter: ScramFormatter::new(mechanism),
            credentials,
            state: State::ReceiveClientFirstMessage,
        }
    }

    fn challenge(&self, token: &[u8]) -> Result<Challenge, SaslError> {
        let message = ClientFirstMessage::parse(token)
            .ok_or_else(|| failed("the first message of the client is not SCRAM's"))?;
        let username = ScramFormatter::username(&message.sasl_name);
        let authorization_id = ScramFormatter::username(&message.authorization_id);
        if !authorization_id.is_empty() && authorization_id != username {
            return Err(SaslError::Authentication(
                "Authentication failed: Client requested an authorization id that is different \
                 from username"
                    .to_string(),
            ));
        }
        let (credential, is_found) =
            self.credentials.credential_or_decoy(&username, self.mechanism);
        if credential.iterations < self.mechanism.min_iterations() {
            return Err(failed(format!(
                "the credential of user {} has {} iterations, fewer than {}",
                for_log(&username),
                credential.iterations,
                self.mechanism.min_iterations()
            )));
        }
        let server_nonce = self.formatter.secure_random_string();
        let server_nonce =
            server_nonce.map_err(|_| failed("the system has no random numbers to give"))?;
        let client_nonce_bytes = message.nonce.len();
        let nonce = message.nonce + &server_nonce;
        let (salt, iterations) = (&credential.salt, credential.iterations);
        let server_first = ServerFirstMessage { nonce: &nonce, salt, iterations }.to_message();
        Ok(Challenge {
            username,
            gs2_header: message.gs2_header,
            client_first_bare: message.bare,
            nonce,
            client_nonce_bytes,
            server_first,
            credential,
            // A delegation token is no user, whatever its name: there are none here.
            is_known: is_found && !message.token_authenticated,
        })
    }

    /// The signature by which the broker proves itself, if the client has met the challenge.
    fn verify(&self, challenge: &Challenge, token: &[u8]) -> Result<Vec<u8>, SaslError> {
        let message = ClientFinalMessage::parse(token)
            .ok_or_else(|| failed("the last message of the client is not SCRAM's"))?;
        if !challenge.is_nonce(&message.nonce) {
            return Err(failed("the client has returned another nonce"));
        }
        if message.channel_binding != challenge.gs2_header.as_bytes() {
            return Err(failed("the client has bound the exchange to something else"));
        }
        let auth_message = format!(
            "{},{},{}",
            challenge.client_first_bare, challenge.server_first, message.without_proof
        );
        let auth_message = auth_message.as_bytes();
        let is_proved =
            self.formatter.verifies(&challenge.credential, auth_message, &message.proof);
        let (user, mechanism) = (for_log(&challenge.username), self.mechanism);
        if !challenge.is_known {
            return Err(failed(format!("user {user} has no credential for {mechanism}")));
        }
        if !is_proved {
            return Err(failed(format!("user {user} has given a wrong password")));
        }
        Ok(self.formatter.server_signature(&challenge.credential.server_key, auth_message))
    }
}

impl Challenge {
    /// Whether the client has returned the nonce. librdkafka before 2.6.1, which is the one beneath the
    /// kcat of today's distributions, puts its own part before it once more. Kafka 3.8.1 to 3.9 take
    /// that, Kafka 4 does not; it is as safe, for the proof covers it, and the first messages as well.
    fn is_nonce(&self, returned: &str) -> bool {
        let of_client = &self.nonce[..self.client_nonce_bytes];
        returned == self.nonce || returned.strip_prefix(of_client) == Some(&self.nonce)
    }
}

impl SaslServer for ScramSaslServer {
    fn evaluate_response(&mut self, token: &[u8]) -> Result<Vec<u8>, SaslError> {
        match mem::replace(&mut self.state, State::Failed) {
            State::ReceiveClientFirstMessage => {
                let challenge = self.challenge(token)?;
                let answer = challenge.server_first.clone().into_bytes();
                self.state = State::ReceiveClientFinalMessage(challenge);
                Ok(answer)
            }
            State::ReceiveClientFinalMessage(challenge) => {
                let signature = self.verify(&challenge, token)?;
                self.state = State::Complete { username: challenge.username };
                let answer = ServerFinalMessage { server_signature: &signature }.to_message();
                Ok(answer.into_bytes())
            }
            State::Complete { .. } | State::Failed => {
                Err(failed("the client has sent a message after the last"))
            }
        }
    }

    fn is_complete(&self) -> bool {
        matches!(self.state, State::Complete { .. })
    }

    fn authorization_id(&self) -> &str {
        match &self.state {
            State::Complete { username } => username,
            _ => "",
        }
    }
}

fn failed(why: impl Into<String>) -> SaslError {
    SaslError::Failed(why.into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::num::NonZeroU32;

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::security::scram::scram_decoys::DecoyKey;
    use crate::security::scram::scram_formatter::WORK;

    /// The users userA and userB, with the passwords passwordA and passwordB.
    fn credentials(mechanism: ScramMechanism, iterations: i32) -> Arc<CredentialCache> {
        let formatter = ScramFormatter::new(mechanism);
        let of = |user: &str, password: &str| {
            let credential = formatter.generate_credential(password, iterations).unwrap();
            (user.to_string(), BTreeMap::from([(mechanism, credential)]))
        };
        let cache = CredentialCache::default();
        let credentials = BTreeMap::from([of("userA", "passwordA"), of("userB", "passwordB")]);
        cache.replace(Arc::new(credentials), DecoyKey::random().unwrap());
        Arc::new(cache)
    }

    fn server(mechanism: ScramMechanism) -> Box<dyn SaslServer> {
        ScramSaslServerFactory::new(mechanism, credentials(mechanism, 4096)).create_sasl_server()
    }

    /// The client's side, with ways to go wrong.
    struct Client<'a> {
        mechanism: ScramMechanism,
        bare: &'a str,
        password: &'a str,
        /// Base64 of what the client says that it bound the exchange to.
        binding: &'a str,
        /// Stand before and behind the nonce of the last message.
        before: &'a str,
        behind: &'a str,
    }

    impl Default for Client<'_> {
        fn default() -> Self {
            Self {
                mechanism: ScramMechanism::ScramSha256,
                bare: "n=userA,r=client",
                password: "passwordA",
                binding: "biws",
                before: "",
                behind: "",
            }
        }
    }

    impl Client<'_> {
        fn log_in(&self, server: &mut dyn SaslServer) -> Result<(), SaslError> {
            let formatter = ScramFormatter::new(self.mechanism);
            let first = format!("n,,{}", self.bare);
            let challenge = String::from_utf8(server.evaluate_response(first.as_bytes())?).unwrap();
            assert!(!server.is_complete());
            let fields: Vec<_> = challenge.split(',').map(|it| it.split_at(2)).collect();
            let [("r=", nonce), ("s=", salt), ("i=", iterations)] = fields[..] else {
                panic!("{challenge}")
            };
            assert!(nonce.starts_with("client") && nonce.len() > "client".len());
            let salt = STANDARD.decode(salt).unwrap();
            let iterations: NonZeroU32 = iterations.parse().unwrap();
            let salted = formatter.salted_password(self.password, &salt, iterations);
            let without_proof =
                format!("c={},r={}{nonce}{}", self.binding, self.before, self.behind);
            let auth_message = format!("{},{challenge},{without_proof}", self.bare);
            let proof = formatter.client_proof(&salted, auth_message.as_bytes());
            let last = format!("{without_proof},p={}", STANDARD.encode(proof));
            let answer = server.evaluate_response(last.as_bytes())?;
            let key = formatter.server_key(&salted);
            let signature = formatter.server_signature(&key, auth_message.as_bytes());
            assert_eq!(answer, format!("v={}", STANDARD.encode(signature)).into_bytes());
            Ok(())
        }
    }

    /// Port of `ScramSaslServerTest.validateNonceExchange`.
    #[test]
    fn a_client_with_the_password_is_who_it_says_it_is() {
        for mechanism in ScramMechanism::ALL {
            for bare in ["n=userA,r=client", "m=x,n=userA,r=client", "n=userA,r=client,ext=x"] {
                let mut server = server(mechanism);
                let client = Client { mechanism, bare, ..Client::default() };
                assert_eq!(client.log_in(&mut *server), Ok(()));
                assert!(server.is_complete());
                assert_eq!(server.authorization_id(), "userA");
                assert!(server.evaluate_response(b"n,,n=userB,r=x").is_err());
            }
        }
    }

    #[test]
    fn a_client_that_does_not_meet_the_challenge_is_nobody() {
        let right = Client::default;
        for (client, why) in [
            (Client { password: "passwordB", ..right() }, "\"userA\" has given a wrong password"),
            (Client { bare: "n=userB,r=client", ..right() }, "\"userB\" has given a wrong"),
            (Client { bare: "n=USERA,r=client", ..right() }, "\"USERA\" has no credential"),
            (Client { bare: "n=userA ,r=client", ..right() }, "\"userA \" has no credential"),
            (Client { bare: "n=userA,r=client,tokenauth=true", ..right() }, "no credential"),
            (Client { behind: "x", ..right() }, "another nonce"),
            (Client { before: "other", ..right() }, "another nonce"),
            (Client { before: "clientclient", ..right() }, "another nonce"),
            (Client { binding: "eSws", ..right() }, "bound the exchange"),
        ] {
            let mut server = server(ScramMechanism::ScramSha256);
            let Err(SaslError::Failed(error)) = client.log_in(&mut *server) else {
                panic!("{why}")
            };
            assert!(error.contains(why), "{error}");
            assert!(!server.is_complete());
            assert_eq!(server.authorization_id(), "");
            assert!(server.evaluate_response(b"n,,n=userA,r=x").is_err(), "it may not begin again");
        }
    }

    /// Kafka 4 refuses it, and tests that it does.
    #[test]
    fn an_old_librdkafka_that_repeats_its_nonce_is_let_in() {
        let mut server = server(ScramMechanism::ScramSha256);
        let client = Client { before: "client", ..Client::default() };
        assert_eq!(client.log_in(&mut *server), Ok(()));
    }

    #[test]
    fn an_unknown_user_is_asked_for_the_same_proof_each_time() {
        let cache = credentials(ScramMechanism::ScramSha256, 4096);
        let challenge = |user: &str| {
            let mut server = ScramSaslServer::new(ScramMechanism::ScramSha256, Arc::clone(&cache));
            let first = format!("n,,n={user},r=client");
            let challenge = server.evaluate_response(first.as_bytes()).unwrap();
            let challenge = String::from_utf8(challenge).unwrap();
            challenge.split_once(",s=").unwrap().1.to_string()
        };
        assert_eq!(challenge("nobody"), challenge("nobody"));
        assert!(challenge("nobody") != challenge("somebody"));
        assert!(challenge("nobody").ends_with(",i=4096"));
    }

    #[test]
    fn to_refuse_nobody_takes_the_work_of_refusing_somebody() {
        let cache = credentials(ScramMechanism::ScramSha256, 4096);
        let work = |user: &str, proof: &[u8]| {
            let mut server = ScramSaslServer::new(ScramMechanism::ScramSha256, Arc::clone(&cache));
            let before = WORK.get();
            let first = format!("n,,n={user},r=client");
            let challenge = server.evaluate_response(first.as_bytes()).unwrap();
            let nonce = str::from_utf8(&challenge[2..]).unwrap().split_once(",s=").unwrap().0;
            let last = format!("c=biws,r={nonce},p={}", STANDARD.encode(proof));
            assert!(server.evaluate_response(last.as_bytes()).is_err());
            WORK.get() - before
        };
        let of_somebody = work("userA", &[0; 32]);
        assert_eq!(of_somebody, 2, "the signature of the client, and the key that it shows");
        for user in ["userB", "nobody", "USERA", "userA "] {
            for proof in [&[0; 32][..], &[255; 32], &[], &[1; 64]] {
                assert_eq!(work(user, proof), of_somebody, "{user:?} {proof:?}");
            }
        }
    }

    #[test]
    fn a_credential_with_too_few_iterations_lets_nobody_in() {
        let cache = credentials(ScramMechanism::ScramSha256, 4095);
        let mut server = ScramSaslServer::new(ScramMechanism::ScramSha256, cache);
        let refused = Client::default().log_in(&mut server);
        assert!(matches!(refused, Err(SaslError::Failed(why)) if why.contains("4095")));
    }

    /// Port of `ScramSaslServerTest.noAuthorizationIdSpecified`,
    /// `ScramSaslServerTest.authorizatonIdEqualsAuthenticationId` and
    /// `ScramSaslServerTest.authorizatonIdNotEqualsAuthenticationId`.
    #[test]
    fn a_client_may_speak_for_itself_alone() {
        let first = |authorization_id: &str| {
            let message = format!("n,{authorization_id},n=userA,r=client");
            server(ScramMechanism::ScramSha256).evaluate_response(message.as_bytes())
        };
        assert!(!first("").unwrap().is_empty());
        assert!(!first("a=userA").unwrap().is_empty());
        let Err(SaslError::Authentication(why)) = first("a=userB") else { panic!() };
        assert!(why.ends_with("an authorization id that is different from username"));
    }
}
