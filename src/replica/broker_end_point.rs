//! Port of `kafka.cluster.BrokerEndPoint`: where another broker is reached by brokers.

use std::fmt;

/// A broker, on the listener that brokers use among themselves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BrokerEndPoint {
    pub id: i32,
    pub host: String,
    pub port: u16,
}

impl fmt::Display for BrokerEndPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broker {} at {}:{}", self.id, self.host, self.port)
    }
}
