//! Port of `org.apache.kafka.common.security.oauthbearer.internals.OAuthBearerSaslServer`: one message
//! of the client, and a second one if the first has failed (RFC 7628, section 3.2.3).

use std::sync::Arc;

use log::{Level, log};

use crate::common::log_limit::{LogKind, limited};
use crate::common::sasl_mechanism_names::OAUTHBEARER;
use crate::common::time::Time;
use crate::security::auth::sasl_server::{SaslError, SaslServer, SaslServerFactory};
use crate::security::oauthbearer::broker_jwt_validator::{BrokerJwtValidator, OAuthBearerToken};
use crate::security::oauthbearer::oauth_bearer_client_initial_response::OAuthBearerClientInitialResponse;

/// What a client gets whose token is not believed, in place of a reason: it may not be the token's
/// owner.
const INVALID_TOKEN: &str = r#"{"status":"invalid_token"}"#;
/// By which the client acknowledges that.
const ACKNOWLEDGEMENT: &[u8] = b"\x01";

/// Makes the broker's side of OAUTHBEARER.
pub struct OAuthBearerSaslServerFactory {
    validator: Arc<BrokerJwtValidator>,
    time: Arc<dyn Time>,
}

impl OAuthBearerSaslServerFactory {
    pub fn new(validator: BrokerJwtValidator, time: Arc<dyn Time>) -> Self {
        Self { validator: Arc::new(validator), time }
    }
}

impl SaslServerFactory for OAuthBearerSaslServerFactory {
    fn mechanism(&self) -> &'static str {
        OAUTHBEARER
    }

    fn create_sasl_server(&self) -> Box<dyn SaslServer> {
        Box::new(OAuthBearerSaslServer {
            validator: Arc::clone(&self.validator),
            time: Arc::clone(&self.time),
            state: State::ReceiveToken,
        })
    }
}

/// The broker's side of one login.
pub struct OAuthBearerSaslServer {
    validator: Arc<BrokerJwtValidator>,
    time: Arc<dyn Time>,
    state: State,
}

enum State {
    ReceiveToken,
    ReceiveAcknowledgement,
    Complete(OAuthBearerToken),
    Failed,
}

impl OAuthBearerSaslServer {
    fn receive_token(&mut self, message: &[u8]) -> Result<Vec<u8>, SaslError> {
        let Some(message) = OAuthBearerClientInitialResponse::parse(message) else {
            return Err(SaslError::Failed(
                "the first message of the client is not OAUTHBEARER's".to_string(),
            ));
        };
        let now_ms = self.time.milliseconds().0;
        let validated = self.validator.validate(&message.token, now_ms).and_then(|token| {
            // What clocks may differ by lets it pass; but its session would be over at once, and the
            // client would not learn why. Kafka lets it in.
            let is_over = token.lifetime_ms <= now_ms;
            if is_over { Err("it has expired".to_string()) } else { Ok(token) }
        });
        match validated {
            Ok(token) => {
                let asked = &message.authorization_id;
                if !asked.is_empty() && *asked != token.principal_name {
                    return Err(SaslError::Authentication(
                        "Authentication failed: Client requested an authorization id that is \
                         different from the token's principal name"
                            .to_string(),
                    ));
                }
                self.state = State::Complete(token);
                Ok(Vec::new())
            }
            Err(why) => {
                let level = limited(LogKind::FailedAuthentications, Level::Info);
                log!(level, "a token of OAUTHBEARER is refused: {why}");
                self.state = State::ReceiveAcknowledgement;
                Ok(INVALID_TOKEN.as_bytes().to_vec())
            }
        }
    }
}

impl SaslServer for OAuthBearerSaslServer {
    fn evaluate_response(&mut self, token: &[u8]) -> Result<Vec<u8>, SaslError> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::ReceiveToken => self.receive_token(token),
            State::ReceiveAcknowledgement if token == ACKNOWLEDGEMENT => {
                Err(SaslError::Authentication(INVALID_TOKEN.to_string()))
            }
            _ => Err(SaslError::Failed("the client has sent a message after the last".to_string())),
        }
    }

    fn is_complete(&self) -> bool {
        matches!(self.state, State::Complete(_))
    }

    fn authorization_id(&self) -> &str {
        match &self.state {
            State::Complete(token) => &token.principal_name,
            _ => "",
        }
    }

    fn credential_expiration_ms(&self) -> Option<i64> {
        match &self.state {
            State::Complete(token) => Some(token.lifetime_ms),
            _ => None,
        }
    }
}
