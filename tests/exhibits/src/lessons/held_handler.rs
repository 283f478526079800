//! A broker whose only request handler is busy, so that what other clients ask for waits in the queue:
//! it compresses a megabyte at zstd's last level, because a topic says so.

use std::io::ErrorKind;

use bench::outcome::Outcome;
use support::client::{Client, NEWEST_PRODUCE, produce_request};
use support::random::Random;
use support::records::batch;
use transferto::protocol::request::RequestBody;

use crate::lessons::stage::Broker;

/// One handler, and one Processor that all clients share.
pub(crate) const SETTINGS: [&str; 2] = ["num.network.threads=1", "num.io.threads=1"];
const TOPIC: &str = "slow";
const CONFIGS: [(&str, &str); 2] = [("compression.type", "zstd"), ("compression.zstd.level", "22")];
const BYTES: u64 = 1_000_000;

/// The client that keeps the handler busy, until its response has come.
pub(crate) struct HeldHandler {
    client: Client,
}

impl HeldHandler {
    /// Gives the handler work for a good part of a second.
    pub(crate) fn begin(broker: &Broker) -> Self {
        let mut client = broker.connect();
        client.create_topic_with(TOPIC, &CONFIGS);
        let letters =
            Random(1).bytes(BYTES).iter().map(|byte| b'a' + byte % 16).collect::<Vec<_>>();
        let records = batch(&[letters]);
        let produce = RequestBody::Produce(produce_request(1, TOPIC, 0, records.len()));
        client.send(NEWEST_PRODUCE, &produce, &records);
        broker.await_read(&client);
        Self { client }
    }

    /// Whether the handler may have gone on to what waits.
    pub(crate) fn is_over(&self) -> Outcome<bool> {
        let stream = &self.client.stream;
        stream.set_nonblocking(true)?;
        let peeked = stream.peek(&mut [0]);
        stream.set_nonblocking(false)?;
        match peeked {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            other => Ok(other.map(|_| true)?),
        }
    }

    /// Waits until the handler goes on to what waits, however slow the machine is.
    pub(crate) fn wait(mut self) {
        self.client.receive_frame();
    }
}
