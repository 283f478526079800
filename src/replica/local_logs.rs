//! Port of the half of `kafka.server.ReplicaManager` that touches logs: `getPartition`,
//! `readFromLocalLog`, `appendToLocalLog`.
//!
//! It stands in a file of its own because `DelayedFetch` reads the logs again when its wait is
//! over: in Kafka it calls back into the manager that made it, here both stand on this.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};

use log::{Level, log};

use crate::common::errors::{Errors, KafkaError};
use crate::common::lock::{read_locked, write_locked};
use crate::common::log_limit::{LogKind, limited};
use crate::common::record_error::RECORD_ERRORS_MAX;
use crate::common::step::{mark, step};
use crate::common::text::counted;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::{LeaderEpoch, Offset};
use crate::config::log_config::LogConfig;
use crate::message::end_transaction_marker::EndTransactionMarker;
use crate::message::message_set::MessageSet;
use crate::message::record_batch::MAGIC_VALUE_V2;
use crate::replica::partition::Partition;
use crate::replica::partition_context::PartitionContext;
use crate::replica::replica::Replica;
use crate::storage::epochs::epoch_entry::EpochEndOffset;
use crate::storage::log::file_message_set::FileMessageSet;
use crate::storage::log::log_append::LogAppendInfo;
use crate::storage::log::log_offset_metadata::FetchDataInfo;
use crate::storage::log::patience::{Patience, Steps};
use crate::storage::log::read_limit::{FirstEntry, ReadLimit};

/// The `replica_id` of a consumer.
pub const ORDINARY_CONSUMER_ID: i32 = -1;
/// The `replica_id` of a consumer that may read from any replica.
pub const DEBUGGING_CONSUMER_ID: i32 = -2;

/// The most steps of a read that waits for nothing. So many partitions and system calls together
/// take a tenth of a millisecond; with the pages of as many MiB to look at they take as long as a
/// turn to write may, at most.
pub const STEPS_MAX: usize = 256;

/// A fetch's request to one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionFetchInfo {
    /// The id of the topic that is meant, or
    /// [`ASKED_BY_NAME`](crate::replica::partition::ASKED_BY_NAME).
    pub topic_id: [u8; 16],
    /// The offset to read from.
    pub offset: Offset,
    /// Where the log of the reader begins, if it is a follower; [`Offset::NONE`] of a consumer.
    pub log_start_offset: Offset,
    /// The most bytes to return for this partition.
    pub fetch_size: i32,
    /// The leader epoch that the client has in mind.
    pub current_leader_epoch: LeaderEpoch,
    /// The epoch of the last record that the client has.
    pub last_fetched_epoch: LeaderEpoch,
    /// The follower that is to be read, if it is not this leader.
    pub preferred_read_replica: Option<i32>,
}

/// How a fetch may read: the flags that `ReplicaManager::fetch_messages` derives from the request.
#[derive(Clone, Copy, Debug)]
pub struct ReadMode {
    /// Only a leader may answer.
    pub fetch_only_from_leader: bool,
    /// Only below the high watermark.
    pub fetch_only_committed: bool,
    /// Only what no transaction was aborted of: Kafka's `FetchIsolation.TXN_COMMITTED`. No such index is kept, so
    /// a read ends before the first record of a transaction, and one that begins there is refused.
    pub refuses_transactions: bool,
    /// The broker that reads, if it is one: only replicas of a partition may read it beyond its high watermark.
    pub follower: Option<i32>,
    /// The most bytes over all partitions (`max_bytes` of Fetch v3).
    pub max_bytes: i32,
    /// Every message is cut where a limit says, the first one too: Fetch v0 to v2. From v3 on, the
    /// first batch of the first partition that has one comes whole, whatever its size, and in the
    /// others a first batch that does not fit is left out.
    pub hard_max_bytes_limit: bool,
    /// The newest magic that the client can read. Anything newer is converted for it.
    pub newest_readable_magic: u8,
}

impl ReadMode {
    /// Port of `localLogWithEpochOrThrow`: the replica that may be read this way by who has this leader epoch in mind.
    ///
    /// # Errors
    /// Those of [`Partition::check_leader_epoch`]; `NOT_LEADER_OR_FOLLOWER` if only the leader may answer, and this
    /// broker is not it.
    pub fn replica_of<'a>(
        &self,
        partition: &'a Partition,
        leader_epoch: LeaderEpoch,
    ) -> Result<&'a Arc<Replica>, KafkaError> {
        partition.check_leader_epoch(leader_epoch)?;
        match self.fetch_only_from_leader {
            true => partition.leader_replica(),
            false => Ok(partition.local_replica()),
        }
    }
}

/// In words, for the trace.
impl fmt::Display for ReadMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end =
            if self.fetch_only_committed { "the high watermark" } else { "the end of the log" };
        let replica = if self.fetch_only_from_leader { "the leader" } else { "any replica" };
        write!(f, "up to {end}, from {replica}")
    }
}

/// For whom a partition was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadBy {
    Consumer,
    Follower {
        /// Kafka's `isReassignmentFetch`: a reassignment brings this replica.
        is_reassignment: bool,
    },
}

impl ReadBy {
    /// For a follower it is known whether a reassignment brings it.
    fn new(is_reassignment: Option<bool>) -> Self {
        is_reassignment.map_or(Self::Consumer, |is_reassignment| Self::Follower { is_reassignment })
    }
}

/// The result of reading one partition, with all that a conversion of it needs.
pub struct LogReadInfo {
    pub fetched_data: FetchDataInfo,
    /// Taken before the read. A consumer sees no data beyond it, and a follower learns with its next fetch what this
    /// one has moved.
    pub high_watermark: Offset,
    /// Where a read of committed records ends, because what comes next is of a transaction of which this broker does
    /// not know whether it was committed; otherwise the high watermark.
    pub last_stable_offset: Offset,
    pub log_start_offset: Offset,
    /// The end of the log, taken before the read: an append that slips in does not keep a follower from being caught
    /// up. [`Offset::NONE`] for a consumer, which has no use for it.
    pub log_end_offset: Offset,
    /// The leader epoch in which it was read, [`LeaderEpoch::NONE`] for a consumer.
    pub leader_epoch: LeaderEpoch,
    /// The topic's settings at the time of the read: the format of its log, its compression,
    /// whether it may be converted.
    pub log_config: Arc<LogConfig>,
    /// The replica that was read: a conversion may have to read on.
    pub replica: Arc<Replica>,
    pub read_by: ReadBy,
    /// Where the reader's log and this one part, if they do: nothing was read then, and the reader has to
    /// truncate.
    pub diverging_epoch: Option<EpochEndOffset>,
    /// The follower that the reader is to ask instead: nothing was read then.
    pub preferred_read_replica: Option<i32>,
}

impl LogReadInfo {
    pub fn size_in_bytes(&self) -> usize {
        self.fetched_data.message_set.size_in_bytes()
    }

    /// The bytes that count for `min_bytes`.
    pub fn bytes_within_limit(&self) -> i64 {
        i64::try_from(self.fetched_data.bytes_within_limit).unwrap_or(i64::MAX)
    }
}

pub type LogReadResult = Result<LogReadInfo, KafkaError>;

pub type LogAppendResult = Result<LogAppendInfo, KafkaError>;

/// All partitions of this broker.
pub struct LocalLogs {
    partitions: RwLock<HashMap<TopicAndPartition, Arc<Partition>>>,
    /// Kafka's `HostedPartition.Offline`: partitions of this broker whose logs cannot be used, and why.
    offline: RwLock<HashMap<TopicAndPartition, String>>,
    /// Its engine knows the partitions of other brokers, too.
    context: Arc<PartitionContext>,
    /// Whether there has ever been a partition.
    has_hosted: AtomicBool,
    leaves_cold_pages: bool,
}

impl LocalLogs {
    pub fn new(context: Arc<PartitionContext>) -> Self {
        let (partitions, offline) = (RwLock::default(), RwLock::default());
        let has_hosted = AtomicBool::new(false);
        Self { partitions, offline, context, has_hosted, leaves_cold_pages: false }
    }

    /// What a partition of this broker is made with.
    pub fn context(&self) -> &Arc<PartitionContext> {
        &self.context
    }

    /// LESSON: pages that are not in memory are left to `sendfile` from now on.
    pub fn leave_cold_pages(&mut self) {
        self.leaves_cold_pages = true;
    }

    /// The partition, if this broker hosts it.
    pub fn get_partition(&self, key: &TopicAndPartition) -> Option<Arc<Partition>> {
        read_locked(&self.partitions).get(key).cloned()
    }

    /// Port of `getPartitionOrError`: the partition, if it can be read and appended to.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION` if this broker does not host it; `KAFKA_STORAGE_ERROR` if its log
    /// directory is offline.
    pub fn get_partition_or_error(
        &self,
        key: &TopicAndPartition,
    ) -> Result<Arc<Partition>, KafkaError> {
        let partition = self.get_partition(key).ok_or_else(|| self.not_hosted(key))?;
        partition.local_replica().log.log_dir().check_online()?;
        Ok(partition)
    }

    fn not_hosted(&self, key: &TopicAndPartition) -> KafkaError {
        if let Some(why) = read_locked(&self.offline).get(key) {
            let why = format!("its log cannot be used: {why}");
            return KafkaError::api(Errors::KafkaStorageError, why);
        }
        let (error, why) = if self.context.engine.partition(key).is_some() {
            (Errors::NotLeaderForPartition, "other brokers have its replicas")
        } else {
            (Errors::UnknownTopicOrPartition, "it is not hosted by this broker")
        };
        KafkaError::api(error, why)
    }

    /// Port of `markPartitionOffline`: a partition of this broker whose log cannot be used, and `why`, which clients
    /// are answered. It is not hosted from now on.
    pub fn mark_offline(&self, key: &TopicAndPartition, why: String) {
        self.remove_partition(key);
        write_locked(&self.offline).insert(key.clone(), why);
    }

    /// How many partitions have a log that cannot be used.
    pub fn offline_count(&self) -> usize {
        read_locked(&self.offline).len()
    }

    /// Every partition, in no order.
    pub fn all_partitions(&self) -> Vec<Arc<Partition>> {
        read_locked(&self.partitions).values().cloned().collect()
    }

    /// Whether there has ever been a partition.
    pub fn has_hosted(&self) -> bool {
        self.has_hosted.load(Ordering::Relaxed)
    }

    /// Adds a partition, unless it is there already.
    pub fn add_partition(&self, partition: Partition) {
        self.has_hosted.store(true, Ordering::Relaxed);
        let key = partition.topic_and_partition.clone();
        write_locked(&self.offline).remove(&key);
        write_locked(&self.partitions).entry(key).or_insert_with(|| Arc::new(partition));
    }

    /// Forgets a partition: nothing is read from it or appended to it from now on.
    pub fn remove_partition(&self, key: &TopicAndPartition) {
        write_locked(&self.offline).remove(key);
        write_locked(&self.partitions).remove(key);
    }

    /// Reads each partition, in the order of the request, until the response is full.
    pub fn read_from_local_log(
        &self,
        mode: ReadMode,
        fetch_info: &[(TopicAndPartition, PartitionFetchInfo)],
    ) -> Vec<(TopicAndPartition, LogReadResult)> {
        let partitions = counted(fetch_info.len(), "partition");
        let _step = step!([7] "ReplicaManager.readFromLocalLog", "{partitions}, {mode}");
        self.reads(mode, fetch_info, Patience::ForDisk).collect()
    }

    /// The same for a thread that must not wait. `None` if the disk would have to be waited for, now
    /// or when the slices are sent, or if it would take too many steps or a conversion.
    pub fn read_resident(
        &self,
        mode: ReadMode,
        fetch_info: &[(TopicAndPartition, PartitionFetchInfo)],
    ) -> Option<Vec<(TopicAndPartition, LogReadResult)>> {
        let _step =
            step!([7] "LocalLogs.readResident", "{}", counted(fetch_info.len(), "partition"));
        let steps = Steps::new(STEPS_MAX);
        let would_block =
            |result: &LogReadResult| result.as_ref().is_err_and(KafkaError::is_would_block);
        self.reads(mode, fetch_info, Patience::ForNothing(&steps))
            .map(|(key, result)| (!would_block(&result)).then_some((key, result)))
            .collect()
    }

    /// What the partitions hold, each read when its turn comes.
    fn reads<'a>(
        &'a self,
        mode: ReadMode,
        fetch_info: &'a [(TopicAndPartition, PartitionFetchInfo)],
        patience: Patience<'a>,
    ) -> impl Iterator<Item = (TopicAndPartition, LogReadResult)> + 'a {
        let mut bytes_left = usize::try_from(mode.max_bytes).unwrap_or(0);
        let mut min_one_message = !mode.hard_max_bytes_limit;
        fetch_info.iter().map(move |(key, fetch)| {
            let limit = PartitionFetchInfo {
                fetch_size: fetch.fetch_size.min(i32::try_from(bytes_left).unwrap_or(i32::MAX)),
                ..*fetch
            };
            let result = self.read_partition(key, limit, mode, min_one_message, patience);
            let size = result.as_ref().map_or(0, LogReadInfo::size_in_bytes);
            bytes_left = bytes_left.saturating_sub(size);
            // Once one message is in, the rest of the response keeps to its limits.
            min_one_message = min_one_message && size == 0;
            (key.clone(), result)
        })
    }

    fn read_partition(
        &self,
        key: &TopicAndPartition,
        fetch: PartitionFetchInfo,
        mode: ReadMode,
        min_one_message: bool,
        patience: Patience<'_>,
    ) -> LogReadResult {
        patience.step()?;
        let partition = self.get_partition_or_error(key)?;
        partition.check_topic_id(&fetch.topic_id)?;
        let hold = |id| partition.hold_for_follower(id, fetch.current_leader_epoch);
        let held = mode.follower.map(hold).transpose()?;
        let replica = match held {
            Some(_) => partition.local_replica(),
            None => mode.replica_of(&partition, fetch.current_leader_epoch)?,
        };
        let high_watermark = replica.high_watermark().message_offset;
        let log_config = replica.log.config();
        let (leader_epoch, log_end_offset) = match &held {
            Some(held) => (held.leader_epoch(), replica.log.log_end_offset()),
            None => (LeaderEpoch::NONE, Offset::NONE),
        };
        let of_follower = mode.follower.zip(held.as_ref());
        let read = |fetched_data, diverging_epoch, log_config| LogReadInfo {
            fetched_data,
            high_watermark,
            last_stable_offset: high_watermark,
            log_start_offset: replica.log.log_start_offset(),
            log_end_offset,
            leader_epoch,
            log_config,
            replica: Arc::clone(replica),
            read_by: ReadBy::new(of_follower.map(|(id, held)| held.is_adding(id))),
            diverging_epoch,
            preferred_read_replica: fetch.preferred_read_replica,
        };
        if fetch.preferred_read_replica.is_some() {
            return Ok(read(replica.log.read_nothing(fetch.offset), None, log_config));
        }
        let diverging_epoch = partition.diverging_epoch(fetch.offset, fetch.last_fetched_epoch)?;
        if diverging_epoch.is_some() {
            let nothing = replica.log.read_nothing(fetch.offset);
            return Ok(read(nothing, diverging_epoch, log_config));
        }
        let is_held_back = of_follower.is_some_and(|(id, held)| {
            fetch.fetch_size >= 0 && !held.is_in_sync(id) && self.is_throttled(key)
        });
        // Messages to convert are read by this process, and a cut end costs nothing there.
        let is_converted = mode.newest_readable_magic < MAGIC_VALUE_V2
            && log_config.message_format_magic > mode.newest_readable_magic;
        if is_converted {
            patience.wait()?;
        }
        // ANCHOR: log_read
        let max_offset = mode.fetch_only_committed.then_some(high_watermark);
        let limit = ReadLimit {
            max_bytes: fetch.fetch_size,
            first_entry: match mode.hard_max_bytes_limit {
                true => FirstEntry::MayBeCut,
                false if min_one_message => FirstEntry::IsWhole,
                false => FirstEntry::MustFit,
            },
            ends_at_entry: !mode.hard_max_bytes_limit && !is_converted,
            patience,
        };
        let fetched_data = replica.log.read(fetch.offset, max_offset, limit);
        // ANCHOR_END: log_read
        let mut fetched_data =
            fetched_data.inspect_err(|error| note_failed_read(key, &fetch, error))?;
        if is_held_back {
            // After the read, which knows whether the log has the offset: one that it has not says nothing of how
            // far the follower is, and must not bring it into the ISR.
            let fetch_offset_metadata = fetched_data.fetch_offset_metadata;
            let nothing = replica.log.read_nothing(fetch.offset);
            return Ok(read(FetchDataInfo { fetch_offset_metadata, ..nothing }, None, log_config));
        }
        let set = &mut fetched_data.message_set;
        let undecided = self.cut_at_transaction(mode, replica, fetch.offset, set, patience)?;
        let last_stable_offset = undecided.unwrap_or(high_watermark);
        fetched_data.message_set.check_resident(patience)?;
        Ok(LogReadInfo { last_stable_offset, ..read(fetched_data, None, log_config) })
    }

    /// Cuts what a consumer of committed records is to get, and says where. A log that is not copied from another
    /// broker has no transactions.
    fn cut_at_transaction(
        &self,
        mode: ReadMode,
        replica: &Replica,
        offset: Offset,
        set: &mut FileMessageSet,
        patience: Patience<'_>,
    ) -> Result<Option<Offset>, KafkaError> {
        match mode.refuses_transactions && self.context.engine.copies_logs() {
            true => replica.log.cut_at_transaction(offset, set, patience),
            false => Ok(None),
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
        leader_epoch: LeaderEpoch,
    ) -> (Vec<(TopicAndPartition, LogAppendResult)>, Vec<TopicAndPartition>) {
        let _step = step!(
            "ReplicaManager.appendToLocalLog",
            "{}, acks {required_acks}",
            counted(entries.len(), "partition")
        );
        let mut high_watermark_moved = Vec::new();
        let mut results = Vec::with_capacity(entries.len());
        let mut record_errors_left = RECORD_ERRORS_MAX;
        for (key, range) in entries {
            let partition = self.get_partition_or_error(key);
            let mut appended = match (partition, buffer.get_mut(range.clone())) {
                (Ok(partition), Some(records)) => {
                    partition.append_messages_in_epoch(leader_epoch, records, required_acks)
                }
                (Err(error), _) => Err(error),
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
                    self.context.metrics.produce_message_conversions.increment();
                }
                info
            });
            if let Err(error) = &result {
                mark!("Log.append", "{key}: {error}");
                log_failure("Log.append", key, error);
            }
            results.push((key.clone(), result));
        }
        (results, high_watermark_moved)
    }

    /// Ends the transaction of a producer in each of these partitions. Returns as
    /// [`append_to_local_log`](Self::append_to_local_log).
    pub fn append_markers(
        &self,
        marker: &EndTransactionMarker,
        keys: &[TopicAndPartition],
    ) -> (Vec<(TopicAndPartition, LogAppendResult)>, Vec<TopicAndPartition>) {
        let mut high_watermark_moved = Vec::new();
        let results = keys.iter().map(|key| {
            let partition = self.get_partition_or_error(key);
            let appended = partition.and_then(|it| it.append_marker_to_leader(marker));
            let result = appended.map(|(info, moved)| {
                high_watermark_moved.extend(moved.then(|| key.clone()));
                info
            });
            if let Err(error) = &result {
                log_failure("Log.appendMarker", key, error);
            }
            (key.clone(), result)
        });
        (results.collect(), high_watermark_moved)
    }

    /// Port of `shouldLeaderThrottle`: whether a follower has to wait with what it lacks of a partition. One in sync
    /// never has to.
    pub fn is_held_back(&self, partition: &Partition, follower: i32) -> bool {
        self.is_throttled(&partition.topic_and_partition)
            && !partition.isr().committed().contains(&follower)
    }

    fn is_throttled(&self, key: &TopicAndPartition) -> bool {
        let quota = &self.context.quotas.leader;
        quota.is_throttled(key) && quota.is_quota_exceeded()
    }

    /// Counts what a follower is sent of partitions that are throttled.
    pub fn count_replicated(&self, mode: ReadMode, results: &[(TopicAndPartition, LogReadResult)]) {
        if mode.follower.is_none() {
            return;
        }
        let quota = &self.context.quotas.leader;
        for (key, result) in results {
            let size = result.as_ref().map_or(0, LogReadInfo::size_in_bytes);
            if size > 0 && quota.is_throttled(key) {
                quota.record(size as u64);
            }
        }
    }

    /// Reads the slices' pages into the page cache if they are not there: here, on a handler
    /// thread, where waiting for a disk delays one request, and not in a Processor, where it would
    /// delay all of its connections (KAFKA-7504).
    pub fn warm(&self, results: &[(TopicAndPartition, LogReadResult)]) {
        // ANCHOR: warm_slices
        // LESSON: they are left to `sendfile`, and so to the Processor.
        if self.leaves_cold_pages {
            return;
        }
        for (key, result) in results {
            let Ok(read) = result else { continue };
            let size = read.size_in_bytes();
            match read.fetched_data.message_set.warm() {
                Ok(false) => (),
                Ok(true) => {
                    self.context.metrics.cold_slices_warmed.increment();
                    self.context.metrics.cold_bytes_warmed.add(size as u64);
                }
                // The send will meet the same error, and close the connection that asked.
                Err(error) => log!(
                    limited(LogKind::Failures, Level::Error),
                    "cannot read {size} bytes of {key}: {error}"
                ),
            }
        }
        // ANCHOR_END: warm_slices
    }
}

fn note_failed_read(key: &TopicAndPartition, fetch: &PartitionFetchInfo, error: &KafkaError) {
    if error.is_would_block() {
        return;
    }
    mark!([8] "Log.read", "{key}: {error}");
    // A negative size is the client's fault, though Kafka's code says otherwise.
    if fetch.fetch_size >= 0 || !matches!(error, KafkaError::Api(..)) {
        log_failure("Log.read", key, error);
    }
}

/// Logs a fault of this broker or its disk for each partition. A client's mistakes get one line for
/// the whole request, with the client's address, where the request is answered. A log that failed
/// halfway has logged that itself, once: its producers retry.
fn log_failure(what: &str, key: &TopicAndPartition, error: &KafkaError) {
    match error {
        KafkaError::Records(_) | KafkaError::Undecodable(_) => (),
        KafkaError::Api(code, _) if *code != Errors::UnknownServerError => (),
        _ => log!(limited(LogKind::Failures, Level::Error), "{what} of {key} failed: {error}"),
    }
}
