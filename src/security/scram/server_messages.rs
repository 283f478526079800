//! Port of the half of `ScramMessages.ServerFirstMessage` and `ServerFinalMessage` that is a client's: it reads
//! them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// `r=nonces,s=salt,i=iterations[,extension=value]...`
#[derive(Debug)]
pub struct ServerFirst {
    /// As it came: both sides sign it.
    pub text: String,
    pub nonce: String,
    pub salt: Vec<u8>,
    pub iterations: i32,
}

impl ServerFirst {
    /// `None` if it is none.
    pub fn parse(message: &[u8]) -> Option<Self> {
        let text = str::from_utf8(message).ok()?;
        let mut fields = text.split(',');
        let nonce = fields.next()?.strip_prefix("r=")?;
        let is_nonce = !nonce.is_empty() && nonce.bytes().all(|it| it.is_ascii_graphic());
        let salt = fields.next()?.strip_prefix("s=").filter(|it| !it.is_empty())?;
        let iterations = fields.next()?.strip_prefix("i=")?;
        let is_number = iterations.bytes().all(|it| it.is_ascii_digit());
        (is_nonce && is_number).then_some(())?;
        Some(Self {
            text: text.to_string(),
            nonce: nonce.to_string(),
            salt: STANDARD.decode(salt).ok()?,
            iterations: iterations.parse().ok()?,
        })
    }
}

/// `v=signature` or `e=error`, each with extensions behind it.
#[derive(Debug)]
pub enum ServerFinal {
    Signature(Vec<u8>),
    Error(String),
}

impl ServerFinal {
    /// `None` if it is none.
    pub fn parse(message: &[u8]) -> Option<Self> {
        let field = str::from_utf8(message).ok()?.split(',').next()?;
        match field.split_once('=')? {
            ("v", signature) => STANDARD.decode(signature).ok().map(Self::Signature),
            ("e", error) => Some(Self::Error(error.to_string())),
            _ => None,
        }
    }
}
