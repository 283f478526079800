//! A producer that numbers its records: idempotent, plain, or of the years before 2017.

use std::collections::HashMap;

use support::random::Random;
use transferto::message::compression_codec::CompressionCodec;
use transferto::protocol::init_producer_id::InitProducerIdRequest;

use crate::answer;
use crate::client::{Client, PRODUCE_VERSION};
use crate::loads::{Acknowledgement, Extent, Load, Verdict};
use crate::outcome::{Outcome, failed};
use crate::records::{Found, batch, numbered, old_set};

const BATCH_RECORDS_MAX: u64 = 20;
/// Codecs of all formats.
const CODECS: [CompressionCodec; 4] = [
    CompressionCodec::None,
    CompressionCodec::Gzip,
    CompressionCodec::Snappy,
    CompressionCodec::Lz4,
];

/// How a producer writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writes {
    /// Batches of the current format with a producer id and sequence numbers.
    Idempotent,
    /// The same batches without them.
    Plain,
    /// Message sets of magic 0 or 1.
    Old(u8),
}

/// Repeats every batch that was not acknowledged, as a producer with retries does.
pub(crate) struct NumberedProducer {
    name: String,
    topic: String,
    settings: Vec<(&'static str, &'static str)>,
    writes: Writes,
    acks: i16,
    random: Random,
    producer_id: i64,
    /// The number of the next record that was never sent.
    next: u64,
    /// A batch that was sent and not acknowledged: its first number, its records, its bytes.
    in_doubt: Option<(u64, u64, Vec<u8>)>,
    /// Offset and first number of each acknowledged batch, and how many records it has.
    acknowledged: Vec<(i64, u64, u64)>,
    recent: Vec<Acknowledgement>,
    /// How many entries of `acknowledged` have been verified, and up to which offset.
    verified: (usize, i64),
}

impl NumberedProducer {
    /// Of the topic `name`, which overrides these settings.
    pub(crate) fn new(
        name: &str,
        writes: Writes,
        acks: i16,
        settings: &[(&'static str, &'static str)],
        seed: u64,
    ) -> Self {
        Self {
            name: name.to_string(),
            topic: name.to_string(),
            settings: settings.to_vec(),
            writes,
            acks,
            random: Random(seed),
            producer_id: -1,
            next: 0,
            in_doubt: None,
            acknowledged: Vec::new(),
            recent: Vec::new(),
            verified: (0, 0),
        }
    }

    /// Produces `count` batches, and returns the error code of the first that is refused.
    pub(crate) fn produce(&mut self, client: &mut Client, count: usize) -> Outcome<Option<i16>> {
        for _ in 0..count {
            let code = self.produce_one(client)?;
            if code != 0 {
                return Ok(Some(code));
            }
        }
        Ok(None)
    }

    fn produce_one(&mut self, client: &mut Client) -> Outcome<i16> {
        let (first, count, bytes) = match self.in_doubt.take() {
            Some(in_doubt) => in_doubt,
            None => self.next_batch()?,
        };
        self.in_doubt = Some((first, count, bytes.clone()));
        let response = client.produce(self.version(), self.acks, &self.topic, &bytes)?;
        if response.error_code == 0 {
            let last_offset = response.base_offset + count.cast_signed() - 1;
            self.acknowledged.push((response.base_offset, first, count));
            self.recent.push(Acknowledgement::now(&self.topic, last_offset));
            self.in_doubt = None;
        }
        Ok(response.error_code)
    }

    fn next_batch(&mut self) -> Outcome<(u64, u64, Vec<u8>)> {
        let (first, count) = (self.next, 1 + self.random.below(BATCH_RECORDS_MAX));
        let codec = CODECS[self.random.index(CODECS.len())];
        let bytes = match self.writes {
            Writes::Old(magic) => old_set(magic, codec, first, count)?,
            Writes::Plain => numbered(batch(codec), first, count)?,
            Writes::Idempotent => {
                let sequence = i32::try_from(first)?;
                numbered(batch(codec).producer(self.producer_id, 0, sequence), first, count)?
            }
        };
        self.next += count;
        Ok((first, count, bytes))
    }

    fn version(&self) -> i16 {
        match self.writes {
            Writes::Old(0) => 1,
            Writes::Old(_) => 2,
            Writes::Idempotent | Writes::Plain => PRODUCE_VERSION,
        }
    }

    /// How many entries of `acknowledged` to skip, and the offset to begin with: a batch that was
    /// repeated has the offset that it had at first, and may lie before what was read last.
    fn first_unverified(&self) -> (usize, i64) {
        let (skipped, end) = self.verified;
        let bases = self.acknowledged[skipped..].iter().map(|&(base_offset, _, _)| base_offset);
        (skipped, bases.chain([end]).min().unwrap_or(end))
    }

    /// Records come in the order of their numbers; only a batch that was repeated goes back.
    fn check_order(&self, found: &[Found], verdict: &mut Verdict) {
        let mut seen: HashMap<u64, u64> = HashMap::new();
        for record in found {
            *seen.entry(record.number).or_default() += 1;
        }
        verdict.duplicated += seen.values().map(|times| times - 1).sum::<u64>();
        for pair in found.windows(2) {
            let (before, after) = (&pair[0], &pair[1]);
            let is_next = after.number == before.number + 1;
            let is_repeated = after.number <= before.number && self.writes != Writes::Idempotent;
            if after.offset != before.offset + 1 || !(is_next || is_repeated) {
                let text = format!("{}: {before:?} is followed by {after:?}", self.name);
                verdict.failures.push(text);
                return;
            }
        }
    }
}

impl Load for NumberedProducer {
    fn name(&self) -> &str {
        &self.name
    }

    fn prepare(&mut self, client: &mut Client) -> Outcome<()> {
        client.ensure_topic(&self.topic, &self.settings)?;
        if self.writes == Writes::Idempotent && self.producer_id < 0 {
            let request = InitProducerIdRequest::default();
            let response = answer!(client, 1, InitProducerId, request);
            if response.error_code != 0 {
                return failed(format!("InitProducerId: error {}", response.error_code));
            }
            self.producer_id = response.producer_id;
        }
        Ok(())
    }

    fn work(&mut self, port: u16) -> Outcome<()> {
        let mut client = Client::connect(port)?;
        loop {
            if let Some(code) = self.produce(&mut client, 1)? {
                return failed(format!("a batch of {} is refused with error {code}", self.topic));
            }
        }
    }

    fn take_acknowledgements(&mut self) -> Vec<Acknowledgement> {
        std::mem::take(&mut self.recent)
    }

    fn verify(&mut self, client: &mut Client, extent: Extent) -> Outcome<Verdict> {
        let (skipped, from) = match extent {
            Extent::Whole => (0, 0),
            Extent::Latest => self.first_unverified(),
        };
        let found = client.read_all(&self.topic, from)?;
        let mut verdict = Verdict::default();
        self.check_order(&found, &mut verdict);
        for &(base_offset, first, count) in &self.acknowledged[skipped..] {
            verdict.acknowledged += count;
            for at in 0..count {
                let (offset, number) = (base_offset + at.cast_signed(), first + at);
                let there = usize::try_from(offset - from).ok().and_then(|at| found.get(at));
                if !there.is_some_and(|it| it.offset == offset && it.number == number) {
                    verdict.lose(|| {
                        let name = &self.name;
                        format!("{name}: number {number} at offset {offset} is now {there:?}")
                    });
                }
            }
        }
        let end = found.last().map_or(from, |last| last.offset + 1);
        self.verified = (self.acknowledged.len(), end);
        Ok(verdict)
    }
}
