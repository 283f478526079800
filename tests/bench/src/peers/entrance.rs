//! A broker as those see it who come in by one of its listeners: several of them may share one process,
//! so that what is compared is the listener alone.

use std::rc::Rc;

use support::tls::TlsConnector;

use crate::client::Client;
use crate::connection::Connection;
use crate::outcome::Outcome;
use crate::peers::Broker;
use crate::process::Server;
use crate::wire::Wire;

/// One way into a broker.
pub struct Entrance {
    broker: Rc<dyn Broker>,
    name: String,
    /// Its port, and what clients connect with; `None` is the plain listener.
    tls: Option<(u16, TlsConnector)>,
}

impl Entrance {
    /// By the plain listener, under the broker's own name.
    pub fn plain(broker: &Rc<dyn Broker>) -> Self {
        Self { broker: Rc::clone(broker), name: broker.name().to_string(), tls: None }
    }

    /// By a listener with TLS, on this port.
    pub fn tls(broker: &Rc<dyn Broker>, name: &str, port: u16, connector: &TlsConnector) -> Self {
        let tls = Some((port, connector.clone()));
        Self { broker: Rc::clone(broker), name: name.to_string(), tls }
    }
}

impl Broker for Entrance {
    fn name(&self) -> &str {
        &self.name
    }

    fn server(&self) -> &Server {
        self.broker.server()
    }

    fn port(&self) -> u16 {
        self.broker.port()
    }

    fn connect(&self) -> Outcome<Client> {
        match &self.tls {
            None => Client::connect(self.port()),
            Some((port, connector)) => {
                Ok(Client::over(Connection::over(Wire::tls(*port, connector)?)))
            }
        }
    }
}
