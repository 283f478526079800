//! Port of `kafka.network.ConnectionQuotas`: how many connections one address may hold.

use std::collections::HashMap;
use std::error;
use std::fmt;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Mutex;

use crate::common::lock::locked;

/// Counts the connections of each address, and refuses those above its limit.
///
/// Invariant: an address is in `counts` as long as it holds a connection, with the number it holds,
/// which is never above the highest limit that it has had. An IPv4 address counts as itself, also
/// when it came through an IPv6 socket (`::ffff:127.0.0.1`).
#[derive(Debug)]
pub struct ConnectionQuotas {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limits: Limits,
    counts: HashMap<IpAddr, usize>,
}

/// How many connections each address may hold.
#[derive(Debug)]
struct Limits {
    max_per_ip: usize,
    overrides: HashMap<IpAddr, usize>,
}

impl ConnectionQuotas {
    /// Every address may hold `max_per_ip` connections, except those in `overrides`
    /// (`max.connections.per.ip` and `max.connections.per.ip.overrides`). A limit of 0 shuts an
    /// address out (KAFKA-5674).
    ///
    /// The hosts of `overrides` are names or addresses. A name is looked up here, once, and stands
    /// for all its addresses.
    ///
    /// # Errors
    /// A sentence that names the host that cannot be resolved.
    pub fn new(max_per_ip: usize, overrides: &[(String, usize)]) -> io::Result<Self> {
        let limits = Limits::new(max_per_ip, overrides)?;
        Ok(Self { state: Mutex::new(State { limits, counts: HashMap::new() }) })
    }

    /// Replaces the limits: Kafka's `updateMaxConnectionsPerIp` and
    /// `updateMaxConnectionsPerIpOverride`. An address that holds more than it may now keeps them,
    /// and gets no other.
    ///
    /// # Errors
    /// As [`new`](Self::new), and then the limits stay as they were.
    pub fn update(&self, max_per_ip: usize, overrides: &[(String, usize)]) -> io::Result<()> {
        // A name may take long to look up: not while others count.
        let limits = Limits::new(max_per_ip, overrides)?;
        locked(&self.state).limits = limits;
        Ok(())
    }

    /// Counts one more connection of `address`.
    ///
    /// Kafka counts first and leaves it to the caller to take a refused connection back; here a
    /// refused one was never counted, so nothing is owed for it.
    ///
    /// # Errors
    /// The address holds as many connections as it may: nothing was counted.
    pub fn inc(&self, address: IpAddr) -> Result<(), TooManyConnections> {
        let address = address.to_canonical();
        let mut state = locked(&self.state);
        let State { limits, counts } = &mut *state;
        let limit = limits.overrides.get(&address).copied().unwrap_or(limits.max_per_ip);
        let count = counts.get(&address).copied().unwrap_or(0);
        if count >= limit {
            return Err(TooManyConnections { address, limit });
        }
        counts.insert(address, count + 1);
        Ok(())
    }

    /// Takes one connection of `address` off its count.
    ///
    /// # Errors
    /// The address holds none, so the caller gave one back twice.
    pub fn dec(&self, address: IpAddr) -> Result<(), NoConnectionToGiveBack> {
        let address = address.to_canonical();
        let mut state = locked(&self.state);
        match state.counts.get_mut(&address) {
            None => return Err(NoConnectionToGiveBack { address }),
            Some(1) => {
                state.counts.remove(&address);
            }
            Some(count) => *count -= 1,
        }
        Ok(())
    }

    /// How many connections `address` holds now.
    pub fn get(&self, address: IpAddr) -> usize {
        locked(&self.state).counts.get(&address.to_canonical()).copied().unwrap_or(0)
    }
}

impl Limits {
    fn new(max_per_ip: usize, overrides: &[(String, usize)]) -> io::Result<Self> {
        let mut limits = HashMap::new();
        for (host, limit) in overrides {
            for address in resolve(host)? {
                limits.insert(address, *limit);
            }
        }
        Ok(Self { max_per_ip, overrides: limits })
    }
}

/// An address holds as many connections as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyConnections {
    pub address: IpAddr,
    pub limit: usize,
}

impl fmt::Display for TooManyConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "too many connections from {}: the limit is {}", self.address, self.limit)
    }
}

impl error::Error for TooManyConnections {}

/// A connection was given back for an address that holds none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoConnectionToGiveBack {
    pub address: IpAddr,
}

impl fmt::Display for NoConnectionToGiveBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a connection of {} was given back, but none is counted", self.address)
    }
}

impl error::Error for NoConnectionToGiveBack {}

/// All addresses of a host in `max.connections.per.ip.overrides`. Looking up a name may take long.
///
/// # Errors
/// A sentence that names the host if it has none.
pub fn resolve(host: &str) -> io::Result<Vec<IpAddr>> {
    // The port does not matter, but `ToSocketAddrs` asks for one.
    let addresses = (host, 0).to_socket_addrs().map_err(|error| {
        let why = format!("`{host}` in max.connections.per.ip.overrides has no address: {error}");
        io::Error::new(error.kind(), why)
    })?;
    Ok(addresses.map(|address| address.ip().to_canonical()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(max_per_ip: usize, overrides: &[(&str, usize)]) -> ConnectionQuotas {
        let overrides: Vec<_> =
            overrides.iter().map(|(it, limit)| (it.to_string(), *limit)).collect();
        ConnectionQuotas::new(max_per_ip, &overrides).unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_connection_above_the_limit_is_refused_and_not_counted() {
        let quotas = ConnectionQuotas::new(2, &[]).unwrap();
        let peer = ip("192.0.2.1");
        quotas.inc(peer).unwrap();
        quotas.inc(peer).unwrap();
        assert_eq!(quotas.inc(peer), Err(TooManyConnections { address: peer, limit: 2 }));
        assert_eq!(quotas.get(peer), 2);
        quotas.dec(peer).unwrap();
        quotas.inc(peer).unwrap();
    }

    #[test]
    fn a_lower_limit_leaves_the_connections_that_are_there() {
        let quotas = ConnectionQuotas::new(2, &[]).unwrap();
        let peer = ip("192.0.2.1");
        quotas.inc(peer).unwrap();
        quotas.inc(peer).unwrap();
        quotas.update(9, &[("192.0.2.1".to_string(), 1)]).unwrap();
        assert!(quotas.update(9, &[("no host".to_string(), 1)]).is_err());
        assert_eq!(quotas.inc(peer), Err(TooManyConnections { address: peer, limit: 1 }));
        quotas.dec(peer).unwrap();
        assert!(quotas.inc(peer).is_err());
        quotas.dec(peer).unwrap();
        quotas.inc(peer).unwrap();
        quotas.inc(ip("192.0.2.2")).unwrap();
    }

    #[test]
    fn addresses_are_counted_apart() {
        let quotas = ConnectionQuotas::new(1, &[]).unwrap();
        quotas.inc(ip("192.0.2.1")).unwrap();
        quotas.inc(ip("192.0.2.2")).unwrap();
        assert!(quotas.inc(ip("192.0.2.1")).is_err());
    }

    #[test]
    fn an_override_raises_or_lowers_the_limit_of_its_address() {
        let quotas = limited(1, &[("192.0.2.7", 3), ("::1", 0)]);
        for _ in 0..3 {
            quotas.inc(ip("192.0.2.7")).unwrap();
        }
        assert!(quotas.inc(ip("192.0.2.7")).is_err());
        assert!(quotas.inc(ip("::1")).is_err());
        quotas.inc(ip("192.0.2.8")).unwrap();
    }

    #[test]
    fn an_override_may_be_a_host_name() {
        let quotas = limited(0, &[("localhost", 1)]);
        quotas.inc(ip("127.0.0.1")).unwrap();
        assert!(quotas.inc(ip("127.0.0.1")).is_err());
    }

    #[test]
    fn an_ipv4_peer_is_the_same_address_on_a_dual_stack_socket() {
        let quotas = limited(5, &[("127.0.0.1", 1)]);
        quotas.inc(ip("::ffff:127.0.0.1")).unwrap();
        assert!(quotas.inc(ip("127.0.0.1")).is_err());
        quotas.dec(ip("127.0.0.1")).unwrap();
        assert_eq!(quotas.get(ip("::ffff:127.0.0.1")), 0);
    }

    #[test]
    fn giving_back_what_was_not_taken_is_an_error_and_not_an_underflow() {
        let quotas = ConnectionQuotas::new(5, &[]).unwrap();
        let peer = ip("192.0.2.1");
        assert_eq!(quotas.dec(peer), Err(NoConnectionToGiveBack { address: peer }));
        quotas.inc(peer).unwrap();
        quotas.dec(peer).unwrap();
        assert!(quotas.dec(peer).is_err());
        assert_eq!(quotas.get(peer), 0);
    }

    #[test]
    fn a_limit_of_zero_refuses_everyone() {
        let quotas = ConnectionQuotas::new(0, &[]).unwrap();
        assert!(quotas.inc(ip("127.0.0.1")).is_err());
    }
}
