//! Where the HTTP server listens, as the setting spells it. Not in Kafka, which has JMX for that
//! purpose.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// `port` or `host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpEndPoint {
    /// A host name or an address.
    pub host: String,
    /// 0 lets the system choose.
    pub port: u16,
}

impl HttpEndPoint {
    /// Parses `9404`, `localhost:9404` or `[::1]:9404`. Without a host it is this machine's
    /// loopback: nobody is asked for a password there, so nobody else should come by default.
    ///
    /// # Errors
    /// A sentence that begins with "must be".
    pub fn parse(text: &str) -> Result<Self, String> {
        let loopback = Ipv4Addr::LOCALHOST.to_string();
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (unbracketed(host)?, port),
            None => (loopback, text),
        };
        let port = port.parse().map_err(|_| must_be("the port is a number from 0 to 65535"))?;
        Ok(Self { host, port })
    }
}

/// An IPv6 address stands in brackets, and nothing else does.
fn unbracketed(host: &str) -> Result<String, String> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    match host.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
        Some(address) => match address.parse() {
            Ok(IpAddr::V6(_)) => Ok(address.to_string()),
            _ => Err(must_be("only an IPv6 address stands in brackets")),
        },
        None if host.is_empty() => Err(must_be("every address is 0.0.0.0 or [::]")),
        None if host.chars().all(is_of_name) => Ok(host.to_string()),
        None => Err(must_be("the host has a character that no host name has")),
    }
}

fn must_be(why: &str) -> String {
    format!("must be a port or host:port; {why}")
}

impl fmt::Display for HttpEndPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_host_it_is_the_loopback() {
        for (text, shown) in [
            ("9404", "127.0.0.1:9404"),
            ("localhost:0", "localhost:0"),
            ("[::1]:9404", "[::1]:9404"),
            ("0.0.0.0:1", "0.0.0.0:1"),
        ] {
            let end_point = HttpEndPoint::parse(text).unwrap();
            assert_eq!(end_point.to_string(), shown);
            assert_eq!(HttpEndPoint::parse(shown).unwrap(), end_point);
        }
    }

    #[test]
    fn a_wrong_end_point_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "the port"),
            ("http", "the port"),
            ("65536", "the port"),
            (":9404", "0.0.0.0"),
            ("::1:9404", "character"),
            ("[localhost]:1", "brackets"),
            ("a/b:1", "character"),
        ] {
            let error = HttpEndPoint::parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
