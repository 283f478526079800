//! In the place of the values of `SslConfigs.SSL_ENDPOINT_IDENTIFICATION_ALGORITHM_CONFIG`, which are Java's.

use crate::config::config_type::Kind;

/// Whether a node has to bear the name by which it is reached: the setting
/// `ssl.endpoint.identification.algorithm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointIdentification {
    /// The name or the address is among those of the certificate.
    Https,
    /// Nobody looks at the names.
    None,
}

impl Kind for EndpointIdentification {
    type Value = Self;
    const NAME: &'static str = "string";
    const TAKES: &'static str = "https, or empty";
    const WORDS: &'static [&'static str] = &["https"];
    const IS_OPTIONAL: bool = true;

    /// Case does not matter, as in Java.
    fn parse(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "https" => Ok(Self::Https),
            "" => Ok(Self::None),
            _ => Err(Self::must_be()),
        }
    }

    fn show(value: &Self) -> String {
        match value {
            Self::Https => "https".to_string(),
            Self::None => String::new(),
        }
    }
}
