//! Port of `org.apache.kafka.raft.QuorumConfig`: where the controllers of a cluster are.

use std::fmt;

use crate::config::config_type::{Kind, entries};

/// A node that is asked for the cluster's active controller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BootstrapServer {
    /// A host name or an address, without brackets.
    pub host: String,
    /// Above 0.
    pub port: u16,
}

/// A controller of a quorum whose members stand in the settings of every node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumVoter {
    pub id: i32,
    pub address: BootstrapServer,
}

impl BootstrapServer {
    /// Parses `host:port`; an IPv6 address stands in brackets.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok().filter(|it| *it > 0)?;
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        let host = match host.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            Some(address) => address.parse::<std::net::Ipv6Addr>().ok()?.to_string(),
            None if !host.is_empty() && host.chars().all(is_of_name) => host.to_string(),
            None => return None,
        };
        Some(Self { host, port })
    }
}

impl fmt::Display for BootstrapServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl QuorumVoter {
    /// Parses `id@host:port`.
    fn parse(text: &str) -> Option<Self> {
        let (id, address) = text.split_once('@')?;
        let id = id.parse().ok().filter(|it| *it >= 0)?;
        Some(Self { id, address: BootstrapServer::parse(address)? })
    }
}

impl fmt::Display for QuorumVoter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.id, self.address)
    }
}

impl Kind for Vec<BootstrapServer> {
    type Value = Self;
    const NAME: &'static str = "list";
    const TAKES: &'static str =
        "addresses of controllers such as 127.0.0.1:9093 with commas between them";
    const IS_OPTIONAL: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        parsed(text, BootstrapServer::parse, Self::TAKES)
    }

    fn show(value: &Self) -> String {
        shown(value)
    }
}

impl Kind for Vec<QuorumVoter> {
    type Value = Self;
    const NAME: &'static str = "list";
    const TAKES: &'static str =
        "controllers with their ids such as 1@127.0.0.1:9093 with commas between them";
    const IS_OPTIONAL: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        parsed(text, QuorumVoter::parse, Self::TAKES)
    }

    fn show(value: &Self) -> String {
        shown(value)
    }
}

fn parsed<T>(text: &str, parse: impl Fn(&str) -> Option<T>, takes: &str) -> Result<Vec<T>, String> {
    entries(text)
        .map(|it| parse(it).ok_or_else(|| format!("must be {takes}, not `{it}`")))
        .collect()
}

fn shown<T: fmt::Display>(value: &[T]) -> String {
    value.iter().map(T::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_controllers_are_read_and_shown_alike() {
        for text in ["a:1", "127.0.0.1:9093,[::1]:9094", ""] {
            let servers = Vec::<BootstrapServer>::parse(text).unwrap();
            assert_eq!(Vec::<BootstrapServer>::show(&servers), text);
        }
        let voters = Vec::<QuorumVoter>::parse("1@a:1, 2@[::1]:2").unwrap();
        assert_eq!((voters[1].id, voters[1].address.host.as_str()), (2, "::1"));
        assert_eq!(Vec::<QuorumVoter>::show(&voters), "1@a:1,2@[::1]:2");
    }

    #[test]
    fn what_is_no_address_is_refused_by_name() {
        for text in ["a", "a:0", ":1", "a:70000", "a b:1", "::1:9093", "CONTROLLER://a:1"] {
            let why = Vec::<BootstrapServer>::parse(text).unwrap_err();
            assert!(why.starts_with("must be ") && why.contains(text), "{why}");
        }
        for text in ["a:1", "-1@a:1", "x@a:1", "1@a"] {
            assert!(Vec::<QuorumVoter>::parse(text).is_err(), "{text}");
        }
    }
}
