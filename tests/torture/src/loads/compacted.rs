//! A producer of a compacted topic: of each key the last value that was acknowledged must stay.

use std::collections::BTreeMap;

use support::random::Random;
use transferto::message::compression_codec::CompressionCodec;

use crate::client::{Client, PRODUCE_VERSION};
use crate::loads::{Extent, Load, Verdict};
use crate::outcome::{Outcome, failed};
use crate::records::keyed;

const TOPIC: &str = "compacted";
const KEYS: u64 = 40;
const BATCH_RECORDS: usize = 8;
/// Small segments, and a cleaner that finds something to do at every look.
const SETTINGS: [(&str, &str); 4] = [
    ("cleanup.policy", "compact"),
    ("segment.bytes", "20000"),
    ("min.cleanable.dirty.ratio", "0.01"),
    ("segment.index.bytes", "4096"),
];

/// Gives its keys values that only rise.
pub(crate) struct CompactedProducer {
    random: Random,
    next: u64,
    /// The last value of each key that was acknowledged.
    acknowledged: BTreeMap<Vec<u8>, u64>,
    /// The last value of each key that was sent.
    sent: BTreeMap<Vec<u8>, u64>,
    /// Acknowledged since the last verification.
    count: u64,
}

impl CompactedProducer {
    /// One that has sent nothing.
    pub(crate) fn new(seed: u64) -> Self {
        let (acknowledged, sent) = (BTreeMap::new(), BTreeMap::new());
        Self { random: Random(seed), next: 1, acknowledged, sent, count: 0 }
    }

    fn next_records(&mut self) -> Vec<(Vec<u8>, u64)> {
        let first = self.next;
        self.next += BATCH_RECORDS as u64;
        let mut key = || format!("key-{}", self.random.below(KEYS)).into_bytes();
        (first..self.next).map(|number| (key(), number)).collect()
    }
}

impl Load for CompactedProducer {
    fn name(&self) -> &str {
        TOPIC
    }

    fn prepare(&mut self, client: &mut Client) -> Outcome<()> {
        client.ensure_topic(TOPIC, &SETTINGS)
    }

    fn work(&mut self, port: u16) -> Outcome<()> {
        let mut client = Client::connect(port)?;
        loop {
            let records = self.next_records();
            self.sent.extend(records.iter().cloned());
            let batch = keyed(CompressionCodec::Lz4, &records)?;
            let response = client.produce(PRODUCE_VERSION, 1, TOPIC, &batch)?;
            if response.error_code != 0 {
                return failed(format!("{TOPIC} refuses with error {}", response.error_code));
            }
            self.count += records.len() as u64;
            self.acknowledged.extend(records);
        }
    }

    fn verify(&mut self, client: &mut Client, extent: Extent) -> Outcome<Verdict> {
        let found = client.read_all(TOPIC, 0)?;
        let mut verdict =
            Verdict { acknowledged: std::mem::take(&mut self.count), ..Verdict::default() };
        if found.windows(2).any(|pair| pair[0].offset >= pair[1].offset) {
            verdict.failures.push(format!("{TOPIC}: offsets do not rise"));
        }
        if extent == Extent::Whole && found.len() as u64 * 2 > self.next {
            verdict.failures.push(format!("{TOPIC}: compaction has left {} records", found.len()));
        }
        let latest: BTreeMap<_, _> =
            found.into_iter().map(|it| (it.key.unwrap_or_default(), it.number)).collect();
        for (key, &number) in &self.acknowledged {
            let there = latest.get(key).copied().unwrap_or_default();
            let sent = self.sent.get(key).copied().unwrap_or_default();
            if there < number || there > sent {
                let key = String::from_utf8_lossy(key);
                verdict.lose(|| format!("{TOPIC}: {key} has {there}, {number} was acknowledged"));
            }
        }
        Ok(verdict)
    }
}
