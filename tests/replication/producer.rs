//! Producers of the simulation.

use transferto::common::topic_partition::TopicAndPartition;
use transferto::message::record_batch_builder::RecordBatchBuilder;

const TIMESTAMP_MS: i64 = 1_455_148_800_000;

/// One with a single batch under way.
pub(crate) struct Producer {
    pub(crate) number: usize,
    /// Idempotent: it sends a batch again until it is acknowledged, and the log has it once.
    producer_id: Option<i64>,
    pub(crate) key: TopicAndPartition,
    pub(crate) acks: i16,
    next_sequence: i32,
    pub(crate) under_way: Option<UnderWay>,
}

/// A batch that is not acknowledged.
pub(crate) struct UnderWay {
    pub(crate) batch: Vec<u8>,
    record_count: i32,
    /// The request that waits for its answer.
    pub(crate) attempt: Option<u64>,
}

impl Producer {
    pub(crate) fn idempotent(number: usize, key: TopicAndPartition) -> Self {
        let producer_id = Some(i64::try_from(1_000 + number).unwrap());
        Self { number, producer_id, key, acks: -1, next_sequence: 0, under_way: None }
    }

    pub(crate) fn plain(number: usize, key: TopicAndPartition, acks: i16) -> Self {
        Self { number, producer_id: None, key, acks, next_sequence: 0, under_way: None }
    }

    pub(crate) fn is_idempotent(&self) -> bool {
        self.producer_id.is_some()
    }

    /// Begins with the next batch, if none is under way.
    pub(crate) fn fill(&mut self, record_count: i32) -> &mut UnderWay {
        let batch = || {
            let empty = RecordBatchBuilder::new(0);
            let empty = match self.producer_id {
                Some(id) => empty.producer(id, 0, self.next_sequence),
                None => empty,
            };
            let numbers = self.next_sequence..self.next_sequence + record_count;
            let filled = numbers.fold(empty, |batch, number| {
                let value = format!("{}:{number}", self.number);
                batch.record(TIMESTAMP_MS, None, Some(value.as_bytes()))
            });
            UnderWay { batch: filled.build().unwrap(), record_count, attempt: None }
        };
        let under_way = self.under_way.take().unwrap_or_else(batch);
        self.under_way.insert(under_way)
    }

    /// The batch is done with: acknowledged, or given up by a producer that may.
    pub(crate) fn finish(&mut self) {
        if let Some(under_way) = self.under_way.take() {
            self.next_sequence += under_way.record_count;
        }
    }
}
