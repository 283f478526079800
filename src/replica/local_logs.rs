//! Port of the half of `kafka.server.ReplicaManager` that touches logs: `getPartition`,
//! `readFromLocalLog`, `appendToLocalLog`.
//!
//! It stands in a file of its own because `DelayedFetch` reads the logs again when its wait is
//! over: in Kafka it calls back into the manager that made it, here both stand on this.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, RwLock};

use log::{error, trace};

use crate::common::errors::{Errors, KafkaError};
use crate::common::metrics::Metrics;
use crate::common::record_error::RECORD_ERRORS_MAX;
use crate::common::topic_partition::TopicAndPartition;
use crate::message::message_set::MessageSet;
use crate::message::record_batch::MAGIC_VALUE_V2;
use crate::replica::partition::{LEADER_EPOCH, Partition, check_leader_epoch};
use crate::storage::log::log_append::LogAppendInfo;
use crate::storage::log::log_offset_metadata::{FetchDataInfo, LogOffsetMetadata};
use crate::storage::log::read_limit::{FirstEntry, ReadLimit};

/// A consumer that says `replica_id` -1.
pub const ORDINARY_CONSUMER_ID: i32 = -1;
/// A consumer that may read from any replica.
pub const DEBUGGING_CONSUMER_ID: i32 = -2;

/// What a fetch asks of one partition.
#[derive(Clone, Copy, Debug)]
pub struct PartitionFetchInfo {
    /// The offset to read from.
    pub offset: i64,
    /// The most bytes to return for this partition.
    pub fetch_size: i32,
    /// The leader epoch that the client has in mind; -1 stands for none.
    pub current_leader_epoch: i32,
    /// The epoch of the last record that the client has; -1 stands for none.
    pub last_fetched_epoch: i32,
}

/// How a fetch may read: the flags that `ReplicaManager::fetch_messages` works out from the
/// request.
#[derive(Clone, Copy, Debug)]
pub struct ReadMode {
    /// Only a leader may answer. Every replica here is a leader, so this never refuses; it is told
    /// in the trace.
    pub fetch_only_from_leader: bool,
    /// Only below the high watermark.
    pub fetch_only_committed: bool,
    /// The most bytes over all partitions (`max_bytes` of Fetch v3).
    pub max_bytes: i32,
    /// Every message is cut where a limit says, the first one too: Fetch v0 to v2. From v3 on, the
    /// first batch of the first partition that has one comes whole, whatever its size, and in the
    /// others a first batch that does not fit is left out.
    pub hard_max_bytes_limit: bool,
    /// The newest magic that the client reads. What is newer is converted for it.
    pub newest_readable_magic: u8,
}

/// What reading one partition gave.
#[derive(Clone, Debug)]
pub struct LogReadResult {
    /// `None`, or why there is no data.
    pub error: Errors,
    /// The slice. Absent after an error.
    pub info: Option<FetchDataInfo>,
    /// The high watermark, read after the log: a consumer never sees data beyond it. -1 after an
    /// error.
    pub high_watermark: i64,
    /// The first offset of the log. -1 after an error.
    pub log_start_offset: i64,
}

impl LogReadResult {
    fn failed(error: Errors) -> Self {
        Self { error, info: None, high_watermark: -1, log_start_offset: -1 }
    }

    /// The bytes of the slice.
    pub fn size_in_bytes(&self) -> usize {
        self.info.as_ref().map_or(0, |info| info.message_set.size_in_bytes())
    }

    /// The bytes that count for `min_bytes`.
    pub fn bytes_within_limit(&self) -> i64 {
        let bytes = self.info.as_ref().map_or(0, |info| info.bytes_within_limit);
        i64::try_from(bytes).unwrap_or(i64::MAX)
    }

    /// Where the fetch began; unknown after an error.
    pub fn fetch_offset_metadata(&self) -> LogOffsetMetadata {
        self.info.as_ref().map_or(LogOffsetMetadata::UNKNOWN, |info| info.fetch_offset_metadata)
    }
}

/// What appending to one partition gave.
pub type LogAppendResult = Result<LogAppendInfo, KafkaError>;

/// All partitions of this broker.
pub struct LocalLogs {
    partitions: RwLock<HashMap<TopicAndPartition, Arc<Partition>>>,
    metrics: Arc<Metrics>,
}

impl LocalLogs {
    /// No partition yet.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { partitions: RwLock::default(), metrics }
    }

    /// The partition, if this broker hosts it.
    pub fn get_partition(&self, key: &TopicAndPartition) -> Option<Arc<Partition>> {
        self.partitions.read().expect("no thread panics while it holds the table").get(key).cloned()
    }

    /// Every partition, in no order.
    pub fn all_partitions(&self) -> Vec<Arc<Partition>> {
        let table = self.partitions.read().expect("no thread panics while it holds the table");
        table.values().cloned().collect()
    }

    /// Adds a partition; one that is there already stays.
    pub fn add_partition(&self, partition: Partition) {
        let key = partition.topic_and_partition.clone();
        let mut table = self.partitions.write().expect("no thread panics while it holds the table");
        table.entry(key).or_insert_with(|| Arc::new(partition));
    }

    /// Forgets a partition: nothing is read from it or appended to it from now on.
    pub fn remove_partition(&self, key: &TopicAndPartition) {
        self.partitions.write().expect("no thread panics while it holds the table").remove(key);
    }

    /// Reads each partition, in the order of the request, until the response is full.
    pub fn read_from_local_log(
        &self,
        mode: ReadMode,
        fetch_info: &[(TopicAndPartition, PartitionFetchInfo)],
    ) -> Vec<(TopicAndPartition, LogReadResult)> {
        trace!(
            "ReplicaManager.readFromLocalLog: {} partitions, fetchOnlyFromLeader={} fetchOnlyCommitted={}",
            fetch_info.len(),
            mode.fetch_only_from_leader,
            mode.fetch_only_committed
        );
        let mut bytes_left = usize::try_from(mode.max_bytes).unwrap_or(0);
        let mut min_one_message = !mode.hard_max_bytes_limit;
        let mut results = Vec::with_capacity(fetch_info.len());
        for (key, fetch) in fetch_info {
            let limit = PartitionFetchInfo {
                fetch_size: fetch.fetch_size.min(i32::try_from(bytes_left).unwrap_or(i32::MAX)),
                ..*fetch
            };
            let result = self.read_partition(key, limit, mode, min_one_message);
            let size = result.size_in_bytes();
            bytes_left = bytes_left.saturating_sub(size);
            // Once one message is in, the rest of the response keeps to its limits.
            min_one_message = min_one_message && size == 0;
            results.push((key.clone(), result));
        }
        results
    }

    fn read_partition(
        &self,
        key: &TopicAndPartition,
        fetch: PartitionFetchInfo,
        mode: ReadMode,
        min_one_message: bool,
    ) -> LogReadResult {
        let Some(partition) = self.get_partition(key) else {
            return LogReadResult::failed(Errors::UnknownTopicOrPartition);
        };
        if let Err(error) = check_epochs(&fetch) {
            return LogReadResult::failed(error.code());
        }
        let replica = partition.leader_replica();
        let max_offset = mode.fetch_only_committed.then(|| replica.high_watermark().message_offset);
        // What is converted is read by this process, and a cut end costs nothing there.
        let is_converted = mode.newest_readable_magic < MAGIC_VALUE_V2
            && replica.log.config().message_format_magic > mode.newest_readable_magic;
        let limit = ReadLimit {
            max_bytes: fetch.fetch_size,
            first_entry: match mode.hard_max_bytes_limit {
                true => FirstEntry::MayBeCut,
                false if min_one_message => FirstEntry::IsWhole,
                false => FirstEntry::MustFit,
            },
            ends_at_entry: !mode.hard_max_bytes_limit && !is_converted,
        };
        match replica.log.read(fetch.offset, max_offset, limit) {
            Ok(info) => LogReadResult {
                error: Errors::None,
                info: Some(info),
                high_watermark: replica.high_watermark().message_offset,
                log_start_offset: replica.log.log_start_offset(),
            },
            Err(error) => {
                // A negative size is the client's fault, though Kafka's code says otherwise.
                match error {
                    KafkaError::Api(..) if fetch.fetch_size < 0 => {
                        trace!("Log.read of {key}: {error}");
                    }
                    _ => log_failure("Log.read", key, &error),
                }
                LogReadResult::failed(error.code())
            }
        }
    }

    /// Appends each partition's range of `buffer` to its log; offsets are written into the buffer
    /// in place.
    ///
    /// Returns the results, and the partitions whose high watermark moved.
    pub fn append_to_local_log(
        &self,
        entries: &[(TopicAndPartition, Range<usize>)],
        buffer: &mut [u8],
        required_acks: i16,
    ) -> (Vec<(TopicAndPartition, LogAppendResult)>, Vec<TopicAndPartition>) {
        let mut high_watermark_moved = Vec::new();
        let mut results = Vec::with_capacity(entries.len());
        let mut record_errors_left = RECORD_ERRORS_MAX;
        for (key, range) in entries {
            let mut appended = match (self.get_partition(key), buffer.get_mut(range.clone())) {
                (Some(partition), Some(records)) => {
                    partition.append_messages_to_leader(records, required_acks)
                }
                (None, _) => Err(KafkaError::api(
                    Errors::UnknownTopicOrPartition,
                    "it is not hosted by this broker",
                )),
                (_, None) => Err(KafkaError::api(
                    Errors::CorruptMessage,
                    "its records lie outside of the request",
                )),
            };
            if let Err(KafkaError::Records(errors)) = &mut appended {
                errors.limit(&mut record_errors_left);
            }
            let result = appended.map(|(info, moved)| {
                if moved {
                    high_watermark_moved.push(key.clone());
                }
                if info.was_converted {
                    self.metrics.produce_message_conversions.increment();
                }
                info
            });
            if let Err(error) = &result {
                log_failure("Log.append", key, error);
            }
            results.push((key.clone(), result));
        }
        (results, high_watermark_moved)
    }

    /// Reads what the slices name into the page cache, if it is not there: here, on a handler
    /// thread, where waiting for a disk delays one request, and not in a Processor, where it would
    /// delay all of its connections (KAFKA-7504).
    pub fn warm(&self, results: &[(TopicAndPartition, LogReadResult)]) {
        for (key, result) in results {
            let Some(info) = &result.info else { continue };
            match info.message_set.warm() {
                Ok(false) => (),
                Ok(true) => {
                    let size = info.message_set.size_in_bytes();
                    self.metrics.cold_slices_warmed.increment();
                    self.metrics.cold_bytes_warmed.add(size as u64);
                }
                // The send will meet the same error, and close the connection that asked.
                Err(error) => error!(
                    "Cannot read {size} bytes of {key}: {error}",
                    size = result.size_in_bytes()
                ),
            }
        }
    }
}

/// Whether the client has the same epochs in mind as the broker. A record of an epoch yet to come is
/// none of this log's: the client has to find out where the two part (KIP-595).
fn check_epochs(fetch: &PartitionFetchInfo) -> Result<(), KafkaError> {
    check_leader_epoch(fetch.current_leader_epoch)?;
    if fetch.last_fetched_epoch <= LEADER_EPOCH {
        return Ok(());
    }
    let why = format!("there has been no epoch {} of this partition", fetch.last_fetched_epoch);
    Err(KafkaError::api(Errors::OffsetOutOfRange, why))
}

/// A fault of this broker or its disk is worth a line for each partition. What a client is to blame
/// for gets one line for the whole request, with the client's address, from whoever answers it.
fn log_failure(what: &str, key: &TopicAndPartition, error: &KafkaError) {
    match error {
        KafkaError::Records(_) | KafkaError::Undecodable(_) => trace!("{what} of {key}: {error}"),
        KafkaError::Api(code, _) if *code != Errors::UnknownServerError => {
            trace!("{what} of {key}: {error}");
        }
        _ => error!("{what} of {key} failed: {error}"),
    }
}
