//! A consumer of a broker: whole batches, and the next fetch goes on behind the last of them.

use std::net::TcpStream;

use crate::client::{Client, Limits, Place};
use crate::connection::Tally;
use crate::data_set::DataSet;
use crate::outcome::Outcome;
use crate::peers::{Broker, Consumer, Errand, FetchPeer};
use crate::process::Server;

impl<B: Broker> FetchPeer for B {
    fn server(&self) -> &Server {
        Broker::server(self)
    }

    fn consumer(&self, errand: &Errand) -> Outcome<Box<dyn Consumer>> {
        Ok(Box::new(BrokerConsumer::over(self.connect()?, errand)?))
    }
}

struct BrokerConsumer {
    client: Client,
    data: DataSet,
    places: Vec<Place>,
    limits: Limits,
    partition_bytes: usize,
}

impl BrokerConsumer {
    fn over(client: Client, errand: &Errand) -> Outcome<Self> {
        let place = |partition| errand.data.start(partition, errand.behind);
        let limits = Limits {
            bytes: i32::try_from(errand.fetch_bytes)?,
            partition_bytes: i32::try_from(errand.partition_bytes())?,
        };
        Ok(Self {
            client,
            data: errand.data.clone(),
            places: (0..errand.partitions).map(place).collect::<Outcome<_>>()?,
            limits,
            partition_bytes: errand.partition_bytes(),
        })
    }
}

impl Consumer for BrokerConsumer {
    fn stream(&self) -> &TcpStream {
        self.client.stream()
    }

    fn fetch(&mut self, tally: &Tally) -> Outcome<()> {
        for place in &mut self.places {
            // A response that the end of the log cuts short would be another kind of fetch.
            let end = self.data.position(place.offset) + self.partition_bytes;
            if end > self.data.partition_bytes() {
                place.offset = 0;
            }
        }
        self.client.fetch(self.data.topic, &mut self.places, self.limits, tally)
    }
}
