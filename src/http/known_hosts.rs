//! By what names the HTTP server may be called: the guard against DNS rebinding. Not in Kafka.
//!
//! A page in the user's browser may come from `evil.example`, whose name is then made to lead to
//! this machine: for the browser the server here is the page's own, and the page may read all that
//! it says. The one thing that the page cannot choose is the `Host` of its requests, which is still
//! `evil.example`. An address, or a name that leads nowhere else, cannot be used so.

use std::net::IpAddr;

/// The names that lead to this server and can lead nowhere else.
pub struct KnownHosts {
    /// The host of the setting.
    bound: String,
}

impl KnownHosts {
    pub fn new(bound: &str) -> Self {
        Self { bound: bound.to_string() }
    }

    /// Whether a client that calls this server `host`, perhaps with a port behind it, means it.
    pub fn know(&self, host: &str) -> bool {
        let name = without_port(host);
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        name.parse::<IpAddr>().is_ok()
            || name == "localhost"
            || name.ends_with(".localhost")
            || name == self.bound.to_ascii_lowercase()
    }
}

/// `a` of `a:1`, and `::1` of `[::1]:1`.
fn without_port(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_local_names_and_the_bound_name_are_known_and_no_others() {
        let hosts = KnownHosts::new("Kafka1.example");
        for host in [
            "127.0.0.1",
            "127.0.0.1:9404",
            "192.0.2.7:80",
            "[::1]:9404",
            "[2001:db8::1]",
            "localhost",
            "LOCALHOST:1",
            "localhost.",
            "kafka.localhost",
            "kafka1.example:9404",
        ] {
            assert!(hosts.know(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:9404",
            "localhost.evil.example",
            "notlocalhost",
            "127.0.0.1.evil.example",
            "kafka1.example.evil.example",
            "[evil.example]",
            "1.2.3",
        ] {
            assert!(!hosts.know(host), "{host}");
        }
    }
}
