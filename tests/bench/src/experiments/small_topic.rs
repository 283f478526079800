//! A topic of one small batch, fetched again and again: what a response costs that is hardly
//! anything but a response.

use std::time::{Duration, Instant};

use support::records::batch;

use crate::client::{Client, Limits, Place};
use crate::connection::Tally;
use crate::outcome::Outcome;
use crate::peers::Broker;
use crate::topic::wait_until_led;

const TOPIC: &str = "small";
const RECORDS: usize = 10;
const RECORD_BYTES: usize = 100;
const LIMITS: Limits = Limits { bytes: 1 << 20, partition_bytes: 1 << 20 };

/// A consumer of such a topic, and its connection.
pub(crate) struct SmallTopic {
    client: Client,
    tally: Tally,
}

impl SmallTopic {
    /// Creates the topic, if it is not there, and connects.
    pub(crate) fn of(broker: &dyn Broker) -> Outcome<Self> {
        let mut client = Client::connect(broker.port())?;
        client.ensure_topic(TOPIC, 1, &[])?;
        wait_until_led(&mut client, TOPIC, 1)?;
        if client.end_offset(TOPIC, 0)? == 0 {
            client.produce(TOPIC, 0, 1, &batch(&vec![[7_u8; RECORD_BYTES]; RECORDS]))?;
        }
        Ok(Self { client, tally: Tally::default() })
    }

    /// The times of so many fetches, one after another.
    pub(crate) fn fetch_times(&mut self, fetches: usize) -> Outcome<Vec<Duration>> {
        let fetch_time = |_| {
            let began = Instant::now();
            self.fetch()?;
            Ok(began.elapsed())
        };
        (0..fetches).map(fetch_time).collect()
    }

    /// Fetches from the beginning.
    pub(crate) fn fetch(&mut self) -> Outcome<()> {
        let mut places = [Place { partition: 0, offset: 0 }];
        self.client.fetch(TOPIC, &mut places, LIMITS, &self.tally)
    }
}
