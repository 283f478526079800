//! The records that consumers catch up with: equal batches, as a producer makes them that is never
//! short of records.

use std::time::{SystemTime, UNIX_EPOCH};

use transferto::message::record_batch_builder::RecordBatchBuilder;

use crate::client::{Client, PRODUCE_VERSION, Place, produce_body};
use crate::outcome::{Outcome, failed};
use crate::topic::wait_until_led;
use transferto::protocol::request::ResponseBody;

/// Requests that are sent before the first response is awaited.
const IN_FLIGHT: usize = 16;
/// Nothing is deleted while it is measured, and all of a partition is one file.
const TOPIC_CONFIGS: [(&str, &str); 1] = [("segment.bytes", "1073741824")];

/// What lies in a topic.
#[derive(Clone, Debug)]
pub struct DataSet {
    pub topic: &'static str,
    pub partitions: usize,
    /// In each partition.
    pub batches: usize,
    pub records_per_batch: usize,
    batch: Vec<u8>,
}

impl DataSet {
    /// Of batches that are as near to `batch_bytes_max` as records with values of this size allow.
    pub fn new(
        topic: &'static str,
        partitions: usize,
        bytes: usize,
        value_bytes: usize,
        batch_bytes_max: usize,
    ) -> Outcome<Self> {
        let (records_per_batch, batch) = full_batch(value_bytes, batch_bytes_max)?;
        let batches = bytes / partitions / batch.len();
        Ok(Self { topic, partitions, batches, records_per_batch, batch })
    }

    pub fn batch(&self) -> &[u8] {
        &self.batch
    }

    pub fn batch_bytes(&self) -> usize {
        self.batch.len()
    }

    /// The size of each partition's file.
    pub fn partition_bytes(&self) -> usize {
        self.batches * self.batch_bytes()
    }

    /// Where a consumer begins that has `share` of a partition behind it.
    pub fn start(&self, partition: usize, share: f64) -> Outcome<Place> {
        let batch = (self.batches as f64 * share) as usize;
        let offset = i64::try_from(batch * self.records_per_batch)?;
        Ok(Place { partition: i32::try_from(partition)?, offset })
    }

    /// The byte of the partition's file at which this offset begins.
    pub fn position(&self, offset: i64) -> usize {
        offset as usize / self.records_per_batch * self.batch_bytes()
    }

    /// Creates the topic and fills it.
    pub fn fill(&self, port: u16) -> Outcome<()> {
        let mut client = Client::connect(port)?;
        let partitions = i32::try_from(self.partitions)?;
        client.ensure_topic(self.topic, partitions, &TOPIC_CONFIGS)?;
        wait_until_led(&mut client, self.topic, partitions)?;
        for partition in 0..partitions {
            let mut left = self.batches;
            while left > 0 {
                let count = left.min(IN_FLIGHT);
                self.produce(&mut client, partition, count)?;
                left -= count;
            }
            let (end, all) = (client.end_offset(self.topic, partition)?, self.batches);
            if end != i64::try_from(all * self.records_per_batch)? {
                return failed(format!("{}-{partition} ends at {end}", self.topic));
            }
        }
        Ok(())
    }

    fn produce(&self, client: &mut Client, partition: i32, count: usize) -> Outcome<()> {
        let body = produce_body(self.topic, partition, 1, self.batch.len());
        let send = |_| client.send(PRODUCE_VERSION, &body, &self.batch);
        let sent = (0..count).map(send).collect::<Outcome<Vec<_>>>()?;
        for header in &sent {
            let ResponseBody::Produce(response) = client.receive(header)?.0 else {
                return failed("not a response to Produce");
            };
            let mut all = response.responses.iter().flat_map(|it| &it.partition_responses);
            if let Some(it) = all.find(|it| it.error_code != 0) {
                return failed(format!("cannot fill {}: error {}", self.topic, it.error_code));
            }
        }
        Ok(())
    }
}

/// A batch that has no room for one record more, and how many it has.
fn full_batch(value_bytes: usize, bytes_max: usize) -> Outcome<(usize, Vec<u8>)> {
    let timestamp_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let value = vec![b'.'; value_bytes];
    let batch_of = |count: usize| {
        let add = |batch: RecordBatchBuilder, _| batch.record(timestamp_ms, None, Some(&value));
        (0..count).fold(RecordBatchBuilder::new(0), add).build()
    };
    let mut count = (bytes_max / value_bytes).max(1);
    let mut batch = batch_of(count)?;
    while batch.len() > bytes_max && count > 1 {
        // Each record takes more than its value.
        count -= ((batch.len() - bytes_max) / (value_bytes + 16)).max(1);
        batch = batch_of(count)?;
    }
    Ok((count, batch))
}
