//! A connection that produces the same batch again and again, several requests in flight, and costs
//! as little as it can: the request is made once, and of a response only the numbers are read.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use byteorder::{BigEndian, ByteOrder};
use transferto::protocol::request::request_bytes;

use crate::client::{Client, PRODUCE_VERSION, produce_body, request_header, sized};
use crate::outcome::{Outcome, failed};
use crate::wire::Wire;

/// As many as Kafka's own producer has in flight.
const IN_FLIGHT: usize = 5;
/// The leader alone has to have the records.
pub const ACKS_LEADER: i16 = 1;
/// All replicas in sync have to.
pub const ACKS_ALL: i16 = -1;

/// In a request and in a response, behind the size; in a request also behind the API and its
/// version.
const CORRELATION_ID_OF_REQUEST: usize = 4 + 2 + 2;
const CORRELATION_ID: usize = 4;
/// In a response with one topic and one partition, without the topic's name: behind the size, the
/// correlation id, two counts, the name's length and the partition.
const ERROR_CODE: usize = 4 + 4 + 4 + 2 + 4 + 4;
const BASE_OFFSET: usize = ERROR_CODE + 2;
/// Behind the base offset: the time of the append, the log's start, the throttle time.
const RESPONSE_BYTES: usize = BASE_OFFSET + 8 + 8 + 8 + 4;

/// The records that each request brings.
#[derive(Clone, Debug)]
pub struct Batch {
    pub bytes: Vec<u8>,
    pub records: i64,
    /// Of the values, before they are compressed.
    pub payload_bytes: u64,
}

/// The only producer of a partition.
#[derive(Debug)]
pub struct Producer {
    wire: Wire,
    request: Vec<u8>,
    records: i64,
    topic_bytes: usize,
    sent: i32,
    received: i32,
    next_offset: i64,
    /// Of responses; those that are whole are taken at once.
    buffer: Vec<u8>,
    filled: usize,
}

impl Producer {
    /// Produces the batch once, by this client, and goes on in its place.
    pub fn over(client: Client, topic: &str, partition: i32, batch: &Batch) -> Outcome<Self> {
        Self::with_acks(client, topic, partition, ACKS_LEADER, batch)
    }

    /// The same, with these acks.
    pub fn with_acks(
        mut client: Client,
        topic: &str,
        partition: i32,
        acks: i16,
        batch: &Batch,
    ) -> Outcome<Self> {
        // This response is read whole, by the broker's own tables.
        let first_offset = client.produce(topic, partition, acks, &batch.bytes)?;
        let body = produce_body(topic, partition, acks, batch.bytes.len());
        let header = request_header(PRODUCE_VERSION, &body, 0);
        Ok(Self {
            wire: client.into_wire(),
            request: sized(&request_bytes(&header, &body, &batch.bytes))?,
            records: batch.records,
            topic_bytes: topic.len(),
            sent: 0,
            received: 0,
            next_offset: first_offset + batch.records,
            buffer: vec![0; 2 * IN_FLIGHT * (RESPONSE_BYTES + topic.len())],
            filled: 0,
        })
    }

    /// Produces until this time, waits for what is in flight, and returns how many requests were
    /// answered.
    pub fn produce_until(&mut self, end: Instant) -> Outcome<u64> {
        let before = self.received;
        while Instant::now() < end {
            while self.in_flight() < IN_FLIGHT {
                self.send()?;
            }
            self.receive()?;
        }
        while self.in_flight() > 0 {
            self.receive()?;
        }
        Ok(u64::try_from(self.received - before)?)
    }

    /// Produces so many requests, and waits for all of them.
    pub fn produce_count(&mut self, requests: u64) -> Outcome<()> {
        for _ in 0..requests {
            while self.in_flight() >= IN_FLIGHT {
                self.receive()?;
            }
            self.send()?;
        }
        while self.in_flight() > 0 {
            self.receive()?;
        }
        Ok(())
    }

    /// To see when a response comes.
    pub fn stream(&self) -> &TcpStream {
        self.wire.stream()
    }

    /// The offset of the first record of the next request that is answered.
    pub fn next_offset(&self) -> i64 {
        self.next_offset
    }

    fn in_flight(&self) -> usize {
        (self.sent - self.received) as usize
    }

    /// Sends a request, whatever is in flight.
    pub fn send(&mut self) -> Outcome<()> {
        BigEndian::write_i32(&mut self.request[CORRELATION_ID_OF_REQUEST..], self.sent);
        self.wire.write_all(&self.request)?;
        self.sent += 1;
        Ok(())
    }

    /// Waits for bytes, and takes the responses that are whole.
    pub fn receive(&mut self) -> Outcome<()> {
        match self.wire.read(&mut self.buffer[self.filled..])? {
            0 => return failed("the server has closed the connection"),
            come => self.filled += come,
        }
        let size = RESPONSE_BYTES + self.topic_bytes;
        let mut taken = 0;
        while self.filled - taken >= size {
            self.check(taken)?;
            taken += size;
        }
        self.buffer.copy_within(taken..self.filled, 0);
        self.filled -= taken;
        Ok(())
    }

    /// Checks the response at this position: it is the next, without an error, and its records lie
    /// behind those of the one before.
    fn check(&mut self, at: usize) -> Outcome<()> {
        let size = RESPONSE_BYTES + self.topic_bytes;
        let response = &self.buffer[at..at + size];
        let behind_name = &response[self.topic_bytes..];
        let found = (
            BigEndian::read_u32(response) as usize,
            BigEndian::read_i32(&response[CORRELATION_ID..]),
            BigEndian::read_i16(&behind_name[ERROR_CODE..]),
            BigEndian::read_i64(&behind_name[BASE_OFFSET..]),
        );
        let expected = (size - 4, self.received, 0, self.next_offset);
        if found != expected {
            return failed(format!("size, id, error, offset are {found:?}, not {expected:?}"));
        }
        self.received += 1;
        self.next_offset += self.records;
        Ok(())
    }
}
