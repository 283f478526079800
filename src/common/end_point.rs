//! Port of `kafka.cluster.EndPoint` and `SecurityProtocol`: where a broker listens, as the settings
//! spell it.

use std::fmt;

/// How the bytes of a listener are secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecurityProtocol {
    /// Not at all.
    Plaintext,
    /// Not at all, under a second name: Kafka's tests listen twice with it.
    Trace,
}

impl SecurityProtocol {
    /// The name in a listener's address.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Trace => "TRACE",
        }
    }
}

/// `PLAINTEXT://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndPoint {
    /// The protocol.
    pub protocol: SecurityProtocol,
    /// The host name or address; empty stands for all interfaces.
    pub host: String,
    /// The port; 0 lets the system choose.
    pub port: u16,
}

impl EndPoint {
    /// Parses `PLAINTEXT://host:port`; an IPv6 address stands in brackets.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("`{text}` is not a listener: {why}");
        let (protocol, rest) =
            text.split_once("://").ok_or_else(|| wrong("write it as PLAINTEXT://host:port"))?;
        let protocol = match protocol.to_ascii_uppercase().as_str() {
            "PLAINTEXT" => SecurityProtocol::Plaintext,
            "TRACE" => SecurityProtocol::Trace,
            "SSL" | "SASL_PLAINTEXT" | "SASL_SSL" => {
                return Err(wrong("this broker speaks PLAINTEXT only"));
            }
            _ => return Err(wrong("the protocol must be PLAINTEXT")),
        };
        let (host, port) =
            rest.rsplit_once(':').ok_or_else(|| wrong("the port is missing after the host"))?;
        let port = port.parse().map_err(|_| wrong("the port must be a number from 0 to 65535"))?;
        let host = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host);
        let is_host = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
        if !host.chars().all(is_host) {
            return Err(wrong("the host has a character that no host name has"));
        }
        Ok(Self { protocol, host: host.to_string(), port })
    }
}

impl fmt::Display for EndPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol, host, port } = self;
        if host.contains(':') {
            write!(f, "{}://[{host}]:{port}", protocol.name())
        } else {
            write!(f, "{}://{host}:{port}", protocol.name())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_reads_back_as_it_was_written() {
        for text in ["PLAINTEXT://127.0.0.1:9092", "PLAINTEXT://:9092", "TRACE://[::1]:0"] {
            assert_eq!(EndPoint::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_wrong_listener_is_told_what_is_wrong() {
        for (text, why) in [
            ("127.0.0.1:9092", "PLAINTEXT://host:port"),
            ("SSL://:9093", "PLAINTEXT only"),
            ("PLAINTEXT://localhost", "port is missing"),
            ("PLAINTEXT://localhost:65536", "0 to 65535"),
            ("PLAINTEXT://a b:1", "character"),
        ] {
            let error = EndPoint::parse(text).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
