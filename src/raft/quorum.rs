//! Port of `org.apache.kafka.raft.LeaderAndEpoch` and `kafka.server.ControllerNodeProvider`: who leads the
//! quorum of controllers.

use std::fmt;

/// The leader that the quorum had last, as far as this observer knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaderAndEpoch {
    /// `None` while it is not known, or an election runs.
    pub leader_id: Option<i32>,
    /// Never goes back. 0 until a controller has answered.
    pub epoch: i32,
}

/// A controller, and where it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerNode {
    pub id: i32,
    /// A host name, or an address; an IPv6 address without brackets.
    pub host: String,
    pub port: u16,
}

impl fmt::Display for ControllerNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, host, port } = self;
        write!(f, "controller {id} at {}", HostAndPort(host, *port))
    }
}

/// As it is written in settings: an IPv6 address in brackets.
struct HostAndPort<'a>(&'a str, u16);

impl fmt::Display for HostAndPort<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(host, port) = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// Knows the controller that decides now.
pub trait ControllerNodeProvider: Send + Sync {
    /// The leader of the quorum; `None` while there is none or it is not known.
    fn active_controller(&self) -> Option<ControllerNode>;
}
