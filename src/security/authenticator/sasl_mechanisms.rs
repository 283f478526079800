//! What `SaslServerAuthenticator` is given in Kafka in five tables: the mechanisms of one listener.

use crate::security::auth::sasl_server::SaslServerFactory;

/// The mechanisms that a listener's clients may choose from.
pub struct SaslMechanisms {
    /// In the order of `sasl.enabled.mechanisms`.
    pub mechanisms: Vec<SaslMechanism>,
    /// `sasl.server.max.receive.size`, which bounds what a client sends before it is known, in bytes.
    pub max_receive_size: i32,
}

impl SaslMechanisms {
    /// As clients name them.
    pub fn names(&self) -> Vec<String> {
        self.mechanisms.iter().map(|it| it.factory.mechanism().to_string()).collect()
    }

    /// The mechanism that a client names; case matters.
    pub fn named(&self, name: &str) -> Option<&SaslMechanism> {
        self.mechanisms.iter().find(|it| it.factory.mechanism() == name)
    }
}

/// One mechanism of a listener.
pub struct SaslMechanism {
    pub factory: Box<dyn SaslServerFactory>,
    /// `connections.max.reauth.ms`: how long a session lasts unless the client authenticates anew; 0
    /// sets no limit.
    pub max_reauth_ms: i64,
}
