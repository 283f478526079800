//! Holds a partition to what its producer was promised.

use std::thread;
use std::time::{Duration, Instant};

use support::random::Random;

use crate::cluster::nodes::Cluster;
use crate::cluster::partitions::Partition;
use crate::cluster::producer::ReplicatedProducer;
use crate::cluster::reader::read_all;
use crate::cluster::replicas::{Compared, compare};
use crate::loads::Verdict;
use crate::outcome::Outcome;
use crate::records::Found;

/// All records are below the high watermark within this time.
const READ_PATIENCE: Duration = Duration::from_secs(20);
const READ_PAUSE: Duration = Duration::from_millis(20);

/// How far a partition has been verified.
pub(crate) struct Ledger {
    partition: Partition,
    /// The offset of the next record to look at.
    offset: i64,
    /// The next acknowledgement to look at.
    acknowledgement: usize,
    /// How often each number is in the log.
    seen: Vec<u8>,
}

impl Ledger {
    /// Of a partition without records.
    pub(crate) fn new(partition: Partition) -> Self {
        Self { partition, offset: 0, acknowledgement: 0, seen: Vec::new() }
    }

    /// Reads what is new in the log, and compares all of it with the other replicas. Every batch has
    /// been acknowledged, and a consumer has read up to the offset `read`.
    pub(crate) fn check(
        &mut self,
        producer: &ReplicatedProducer,
        read: i64,
        cluster: &Cluster,
        random: &mut Random,
        compared: &mut Compared,
    ) -> Outcome<Verdict> {
        let (found, high_watermark) = self.read_new(producer.made(), random)?;
        let mut verdict = Verdict::default();
        self.count(&found, &mut verdict);
        self.check_acknowledged(producer, &found, &mut verdict);
        let partition = self.partition;
        let made = producer.made();
        if high_watermark.cast_unsigned() != made {
            verdict.failures.push(format!(
                "{partition}: {made} records were made, but the high watermark is {high_watermark}"
            ));
        }
        if read > high_watermark {
            let gone = read - high_watermark;
            verdict.failures.push(format!("{partition}: {gone} records that were read are gone"));
        }
        self.offset = found.last().map_or(self.offset, |last| last.offset + 1);
        compare(cluster, partition, high_watermark, compared)?;
        Ok(verdict)
    }

    /// What is new in the log, and its high watermark. A leader that is new, because the leadership
    /// went back to where it belongs, knows how far its followers are only when they have fetched.
    fn read_new(&self, made: u64, random: &mut Random) -> Outcome<(Vec<Found>, i64)> {
        let began = Instant::now();
        loop {
            let read = read_all(self.partition, self.offset, random);
            let is_whole = read.as_ref().is_ok_and(|(_, end)| end.cast_unsigned() >= made);
            if is_whole || began.elapsed() > READ_PATIENCE {
                return read;
            }
            thread::sleep(READ_PAUSE);
        }
    }

    /// Each number comes once, and at the offset that it is.
    fn count(&mut self, found: &[Found], verdict: &mut Verdict) {
        for record in found {
            let Ok(number) = usize::try_from(record.number) else { continue };
            if self.seen.len() <= number {
                self.seen.resize(number + 1, 0);
            }
            self.seen[number] = self.seen[number].saturating_add(1);
            if self.seen[number] > 1 {
                verdict.duplicated += 1;
            }
        }
        let misplaced = found.iter().find(|it| it.offset.cast_unsigned() != it.number);
        if let Some(record) = misplaced {
            let partition = self.partition;
            verdict.failures.push(format!("{partition}: {record:?} is out of its order"));
        }
    }

    fn check_acknowledged(
        &mut self,
        producer: &ReplicatedProducer,
        found: &[Found],
        verdict: &mut Verdict,
    ) {
        let from = self.offset;
        for it in &producer.acknowledged[self.acknowledgement..] {
            verdict.acknowledged += it.count;
            for at in 0..it.count {
                let number = it.first + at;
                // Where the leader said that it is, or, if it did not say, where it has to be.
                let base_offset = it.base_offset.unwrap_or(it.first.cast_signed());
                let offset = base_offset + at.cast_signed();
                let there = usize::try_from(offset - from).ok().and_then(|at| found.get(at));
                if !there.is_some_and(|it| it.offset == offset && it.number == number) {
                    let partition = self.partition;
                    verdict.lose(|| {
                        format!("{partition}: number {number} at offset {offset} is now {there:?}")
                    });
                }
            }
        }
        self.acknowledgement = producer.acknowledged.len();
    }
}
