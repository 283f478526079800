//! The servers that are measured beside each other.

use std::net::TcpStream;

use crate::client::Client;
use crate::connection::Tally;
use crate::data_set::DataSet;
use crate::outcome::Outcome;
use crate::process::Server;

pub mod listener;
pub mod transferto;
pub mod kafka;
pub mod entrance;
pub mod write_loop;
pub mod broker_consumer;
pub mod file_server;
pub mod nginx;
pub mod contestants;
pub mod cluster;

/// A broker that speaks Kafka's protocol.
pub trait Broker {
    /// As a table names it: `transferto`, `Apache Kafka 4.4.0`.
    fn name(&self) -> &str;
    fn server(&self) -> &Server;
    /// Where it listens without TLS, on 127.0.0.1.
    fn port(&self) -> u16;

    /// A client as those that are measured.
    fn connect(&self) -> Outcome<Client> {
        Client::connect(self.port())
    }
}

impl Broker for Box<dyn Broker> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn server(&self) -> &Server {
        (**self).server()
    }

    fn port(&self) -> u16 {
        (**self).port()
    }

    fn connect(&self) -> Outcome<Client> {
        (**self).connect()
    }
}

/// A server from which consumers can catch up: a broker, or one that only sends files.
pub trait FetchPeer {
    fn server(&self) -> &Server;
    fn consumer(&self, errand: &Errand) -> Outcome<Box<dyn Consumer>>;
}

/// One connection that asks again and again for what comes next, and at the end begins anew.
pub trait Consumer: Send {
    fn stream(&self) -> &TcpStream;
    /// One request and all of its response.
    fn fetch(&mut self, tally: &Tally) -> Outcome<()>;
}

/// What a consumer is to fetch.
#[derive(Clone, Copy, Debug)]
pub struct Errand<'a> {
    pub data: &'a DataSet,
    /// Of records, in each response.
    pub fetch_bytes: usize,
    /// The response has so many parts of the same size.
    pub partitions: usize,
    /// How much of each partition lies behind this consumer at first: two consumers in step would
    /// share a CPU's cache.
    pub behind: f64,
}

impl Errand<'_> {
    pub fn partition_bytes(&self) -> usize {
        self.fetch_bytes / self.partitions
    }
}
