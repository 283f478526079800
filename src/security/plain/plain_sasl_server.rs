//! Port of `org.apache.kafka.common.security.plain.internals.PlainSaslServer`: the server's side of
//! PLAIN, which is one message.

use std::sync::Arc;

use log::{Level, log};

use crate::common::log_limit::{LogKind, limited};
use crate::common::sasl_mechanism_names::PLAIN;
use crate::common::text::for_log;
use crate::security::auth::sasl_server::{SaslError, SaslServer, SaslServerFactory};
use crate::security::plain::plain_users::PlainUsers;

/// In front of what a client learns of its failure.
const FAILED: &str = "Authentication failed";

/// `[authorization id] NUL user NUL password`.
pub struct PlainSaslServer {
    users: Arc<PlainUsers>,
    /// Once the exchange is complete.
    authorization_id: Option<String>,
}

impl PlainSaslServer {
    pub fn new(users: Arc<PlainUsers>) -> Self {
        Self { users, authorization_id: None }
    }

    /// The user whose password the message holds. Kafka decodes bytes that are no UTF-8 as U+FFFD, so
    /// that different names become one; here they are nobody's.
    fn user_of<'a>(&self, message: &'a [u8]) -> Result<&'a str, String> {
        let tokens: Vec<&[u8]> = message.splitn(4, |byte| *byte == 0).collect();
        let [authorization_id, user, password] = tokens[..] else {
            let count = tokens.len();
            return Err(format!("Invalid SASL/PLAIN response: expected 3 tokens, got {count}"));
        };
        if user.is_empty() {
            return Err(format!("{FAILED}: username not specified"));
        }
        if password.is_empty() {
            return Err(format!("{FAILED}: password not specified"));
        }
        let is_known = |(user, password)| self.users.authenticate(user, password);
        let texts = str::from_utf8(user).ok().zip(str::from_utf8(password).ok());
        let Some((user, _)) = texts.filter(|it| is_known(*it)) else {
            self.log_refused(&String::from_utf8_lossy(user));
            return Err(format!("{FAILED}: Invalid username or password"));
        };
        if !authorization_id.is_empty() && authorization_id != user.as_bytes() {
            return Err(format!(
                "{FAILED}: Client requested an authorization id that is different from username"
            ));
        }
        Ok(user)
    }

    /// What the client does not learn.
    fn log_refused(&self, user: &str) {
        let why = match self.users.contains(user) {
            true => "has given a wrong password",
            false => "is not in the settings",
        };
        let level = limited(LogKind::FailedAuthentications, Level::Info);
        log!(level, "{PLAIN}: user {} {why}", for_log(user));
    }
}

impl SaslServer for PlainSaslServer {
    fn evaluate_response(&mut self, token: &[u8]) -> Result<Vec<u8>, SaslError> {
        let user = self.user_of(token).map_err(SaslError::Authentication)?;
        self.authorization_id = Some(user.to_string());
        Ok(Vec::new())
    }

    fn is_complete(&self) -> bool {
        self.authorization_id.is_some()
    }

    fn authorization_id(&self) -> &str {
        self.authorization_id.as_deref().unwrap_or_default()
    }
}

/// Port of `PlainSaslServer.PlainSaslServerFactory`.
pub struct PlainSaslServerFactory {
    users: Arc<PlainUsers>,
}

impl PlainSaslServerFactory {
    pub fn new(users: PlainUsers) -> Self {
        Self { users: Arc::new(users) }
    }
}

impl SaslServerFactory for PlainSaslServerFactory {
    fn mechanism(&self) -> &'static str {
        PLAIN
    }

    fn create_sasl_server(&self) -> Box<dyn SaslServer> {
        Box::new(PlainSaslServer::new(Arc::clone(&self.users)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::auth::jaas_config::JaasEntry;

    const USER_A: &str = "userA";
    const PASSWORD_A: &str = "passwordA";
    const USER_B: &str = "userB";
    const PASSWORD_B: &str = "passwordB";

    fn server() -> PlainSaslServer {
        let class = "org.apache.kafka.common.security.plain.PlainLoginModule";
        let options = format!("user_{USER_A}={PASSWORD_A} user_{USER_B}={PASSWORD_B}");
        let entry = JaasEntry::parse(&format!("{class} required {options};")).unwrap();
        PlainSaslServer::new(Arc::new(PlainUsers::of(&entry).unwrap()))
    }

    fn message(authorization_id: &str, user: &str, password: &str) -> Vec<u8> {
        [authorization_id, user, password].join("\0").into_bytes()
    }

    /// What a message is answered with: whom it makes the client, or why it fails.
    fn answer(message: &[u8]) -> Result<String, String> {
        let mut server = server();
        let answer = server.evaluate_response(message);
        assert_eq!(server.is_complete(), answer.is_ok());
        match answer {
            Ok(token) => {
                assert!(token.is_empty(), "success has no words");
                Ok(server.authorization_id().to_string())
            }
            Err(SaslError::Authentication(why)) => Err(why),
            Err(SaslError::Failed(why)) => {
                panic!("{why}: the client learns of all that fails here")
            }
        }
    }

    fn failure(message: &[u8]) -> String {
        answer(message).unwrap_err()
    }

    /// Port of `PlainSaslServerTest.noAuthorizationIdSpecified`.
    #[test]
    fn without_an_authorization_id_a_client_speaks_for_itself() {
        assert_eq!(answer(&message("", USER_A, PASSWORD_A)).unwrap(), USER_A);
    }

    /// Port of `PlainSaslServerTest.authorizationIdEqualsAuthenticationId`.
    #[test]
    fn a_client_may_ask_to_speak_for_itself() {
        assert_eq!(answer(&message(USER_A, USER_A, PASSWORD_A)).unwrap(), USER_A);
    }

    /// Port of `PlainSaslServerTest.authorizationIdNotEqualsAuthenticationId`.
    #[test]
    fn a_client_speaks_for_nobody_else() {
        let why = failure(&message(USER_B, USER_A, PASSWORD_A));
        let expected = "Client requested an authorization id that is different from username";
        assert_eq!(why, format!("Authentication failed: {expected}"));
    }

    /// Port of `PlainSaslServerTest.emptyTokens`.
    #[test]
    fn a_message_has_three_parts_and_two_of_them_are_not_empty() {
        let specified = |what: &str| format!("Authentication failed: {what} not specified");
        assert_eq!(failure(&message("", "", "")), specified("username"));
        assert_eq!(failure(&message("", "", "p")), specified("username"));
        assert_eq!(failure(&message("", "u", "")), specified("password"));
        assert_eq!(failure(&message("a", "", "")), specified("username"));
        assert_eq!(failure(&message("a", "", "p")), specified("username"));
        assert_eq!(failure(&message("a", "u", "")), specified("password"));
        let parts = "\0".repeat(100);
        let cases: [(&[u8], usize); 4] =
            [(b"", 1), (b"a\0u", 2), (b"a\0u\0p\0", 4), (parts.as_bytes(), 4)];
        for (message, got) in cases {
            let expected = format!("Invalid SASL/PLAIN response: expected 3 tokens, got {got}");
            assert_eq!(failure(message), expected);
        }
    }

    #[test]
    fn who_is_unknown_and_whose_password_is_wrong_learn_the_same() {
        let expected = "Authentication failed: Invalid username or password";
        for (user, password) in [("nobody", PASSWORD_A), (USER_A, PASSWORD_B), (USER_A, "Password")]
        {
            assert_eq!(failure(&message("", user, password)), expected);
        }
        assert_eq!(failure(b"\0\xff\xfe\0x"), expected, "bytes that are no text");
        assert_eq!(failure(b"\0userA\0\xff"), expected);
        let why = failure(b"\xff\0userA\0passwordA");
        assert!(why.ends_with("an authorization id that is different from username"), "{why}");
    }
}
