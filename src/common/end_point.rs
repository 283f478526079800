//! Port of `kafka.cluster.EndPoint`, `SecurityProtocol` and `ListenerName`: where a broker listens,
//! as the settings spell it.

use std::fmt;
use std::sync::Arc;

/// How the bytes of a listener are secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecurityProtocol {
    /// Not at all.
    Plaintext,
    /// By TLS, whose old name Kafka keeps. A client may prove who it is by a certificate.
    Ssl,
    /// The client proves who it is by SASL; the bytes are not encrypted.
    SaslPlaintext,
    /// By TLS, and the client proves who it is by SASL.
    SaslSsl,
    /// Not at all, under a second name: Kafka's tests listen twice with it.
    Trace,
}

impl SecurityProtocol {
    /// Kafka's name, as in a listener's address.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
            Self::Trace => "TRACE",
        }
    }

    /// The protocol of this name; case does not matter.
    pub fn for_name(name: &str) -> Option<Self> {
        const ALL: [SecurityProtocol; 5] = [
            SecurityProtocol::Plaintext,
            SecurityProtocol::Ssl,
            SecurityProtocol::SaslPlaintext,
            SecurityProtocol::SaslSsl,
            SecurityProtocol::Trace,
        ];
        ALL.into_iter().find(|it| it.name().eq_ignore_ascii_case(name))
    }

    /// Whether its connections begin with a TLS handshake.
    pub const fn uses_ssl(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    /// Whether its clients authenticate by SASL.
    pub const fn uses_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

/// Distinguishes the listeners of a broker, in the settings, in the names of threads and in the
/// log. A listener is named after its protocol, or as `listener.security.protocol.map` names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerName(Arc<str>);

impl ListenerName {
    pub fn for_security_protocol(protocol: SecurityProtocol) -> Self {
        Self(protocol.name().into())
    }

    /// Port of `ListenerName.normalised`: case does not matter.
    pub fn normalised(name: &str) -> Self {
        Self(name.to_ascii_uppercase().into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the settings of this listener alone: `listener.name.client.`
    pub fn config_prefix(&self) -> String {
        format!("listener.name.{}.", self.0.to_ascii_lowercase())
    }
}

impl fmt::Display for ListenerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `PLAINTEXT://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndPoint {
    pub listener_name: ListenerName,
    pub security_protocol: SecurityProtocol,
    /// A host name or an address; empty stands for all interfaces.
    pub host: String,
    /// 0 lets the system choose.
    pub port: u16,
}

impl EndPoint {
    /// The end point of the listener that is named after its protocol.
    pub fn new(security_protocol: SecurityProtocol, host: String, port: u16) -> Self {
        let listener_name = ListenerName::for_security_protocol(security_protocol);
        Self { listener_name, security_protocol, host, port }
    }

    /// What a client on this machine connects to, as clients write it.
    pub fn address_on_this_machine(&self) -> String {
        let Self { host, port, .. } = self;
        match host.as_str() {
            "" | "0.0.0.0" | "::" => format!("127.0.0.1:{port}"),
            ipv6 if ipv6.contains(':') => format!("[{ipv6}]:{port}"),
            _ => format!("{host}:{port}"),
        }
    }

    /// Parses `PLAINTEXT://host:port`; an IPv6 address stands in brackets.
    ///
    /// A listener of any other name is taken to be plaintext, until whoever reads the settings finds
    /// its protocol in `listener.security.protocol.map`.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("`{text}` is not a listener: {why}");
        let (name, rest) =
            text.split_once("://").ok_or_else(|| wrong("write it as PLAINTEXT://host:port"))?;
        let listener_name = ListenerName::normalised(name);
        let security_protocol = SecurityProtocol::for_name(listener_name.as_str())
            .unwrap_or(SecurityProtocol::Plaintext);
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        {
            return Err(wrong("its name must be of letters, digits, `.`, `_` and `-`"));
        }
        let (host, port) =
            rest.rsplit_once(':').ok_or_else(|| wrong("the port is missing after the host"))?;
        let port = port.parse().map_err(|_| wrong("the port must be a number from 0 to 65535"))?;
        let host = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host);
        let is_host = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
        if !host.chars().all(is_host) {
            return Err(wrong("the host has a character that no host name has"));
        }
        Ok(Self { listener_name, security_protocol, host: host.to_string(), port })
    }
}

impl fmt::Display for EndPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { listener_name, host, port, .. } = self;
        if host.contains(':') {
            write!(f, "{listener_name}://[{host}]:{port}")
        } else {
            write!(f, "{listener_name}://{host}:{port}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_reads_back_as_it_was_written() {
        for text in [
            "PLAINTEXT://127.0.0.1:9092",
            "PLAINTEXT://:9092",
            "TRACE://[::1]:0",
            "IN-SIDE_1://a:1",
            "SASL_SSL://:9093",
        ] {
            assert_eq!(EndPoint::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_client_on_this_machine_is_told_an_address_that_it_can_connect_to() {
        for (text, address) in [
            ("PLAINTEXT://:9092", "127.0.0.1:9092"),
            ("PLAINTEXT://0.0.0.0:9092", "127.0.0.1:9092"),
            ("PLAINTEXT://[::]:9092", "127.0.0.1:9092"),
            ("PLAINTEXT://[::1]:9092", "[::1]:9092"),
            ("PLAINTEXT://localhost:9092", "localhost:9092"),
        ] {
            assert_eq!(EndPoint::parse(text).unwrap().address_on_this_machine(), address);
        }
    }

    #[test]
    fn a_wrong_listener_is_reported_with_the_reason() {
        for (text, why) in [
            ("127.0.0.1:9092", "PLAINTEXT://host:port"),
            ("://:9093", "name"),
            ("A B://:9093", "name"),
            ("PLAINTEXT://localhost", "port is missing"),
            ("PLAINTEXT://localhost:65536", "0 to 65535"),
            ("PLAINTEXT://a b:1", "character"),
        ] {
            let error = EndPoint::parse(text).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
