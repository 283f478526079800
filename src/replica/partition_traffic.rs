//! Port of `kafka.server.BrokerTopicStats`: what was appended to a partition and fetched from it.
//!
//! Kafka keeps a table of meters by topic. Here each partition has its own counters, and the reader
//! adds up those of a topic: an append needs no look into a table, and the counters of a topic go
//! with its partitions.

use crate::common::metrics::Counter;
use crate::storage::log::log_append::LogAppendInfo;

/// The counters of one partition since this broker began to lead it.
#[derive(Debug, Default)]
pub struct PartitionTraffic {
    pub messages_in: Counter,
    /// As they are in the log.
    pub bytes_in: Counter,
    /// Of messages, as they are in the responses.
    pub bytes_out: Counter,
}

impl PartitionTraffic {
    pub fn appended(&self, info: &LogAppendInfo) {
        self.messages_in.add(info.record_count);
        self.bytes_in.add(info.valid_bytes as u64);
    }
}
