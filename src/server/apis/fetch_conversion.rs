//! Turns log reads into what a client of this Fetch version can decode, down-converting before v4:
//! the second half of `KafkaApis.sendResponseCallback`, with the conversion that Kafka 0.10 added
//! to it.
//!
//! For every client since 2017 a slice of a file stays a slice of a file. An older one (Fetch
//! versions 0 to 3) cannot decode record batches: its slice is read into memory and converted,
//! here, on a handler thread. **Zero copy is lost** then, and that is counted and logged.

use std::sync::Arc;

use log::{Level, debug, info, log};

use crate::common::errors::{Errors, KafkaError};
use crate::common::log_limit::{LogKind, limited};
use crate::common::memory_pool::{MemoryDraw, Stage};
use crate::common::metrics::Metrics;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::Offset;
use crate::config::log_config::LogConfig;
use crate::config::log_policies::CompressionType;
use crate::message::byte_buffer_message_set::{ByteBufferMessageSet, shallow_entries};
use crate::message::compression_codec::CompressionCodec;
use crate::message::conversion::down_convert;
use crate::message::message::{MAGIC_VALUE_V0, MAGIC_VALUE_V1};
use crate::message::message_set::{Destination, MessageSet};
use crate::message::record_batch::MAGIC_VALUE_V2;
use crate::protocol::fetch::EpochEndOffset;
use crate::protocol::fetch_response_send::{FetchResponsePartitionData, TopicData};
use crate::protocol::wire::uuid::Uuid;
use crate::replica::local_logs::{LogReadInfo, LogReadResult, ReadBy};
use crate::replica::replica::Replica;
use crate::server::fetch::asked::Asked;
use crate::storage::log::log_offset_metadata::FetchDataInfo;
use crate::storage::log::read_limit::ReadLimit;

/// The most bytes that are converted for one fetch, give or take a batch: an old client's
/// `max_bytes` may be 2 GiB for each of its partitions, and what is converted is in memory twice.
const CONVERTED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The last Fetch version whose clients can decode magic 0 only.
const LAST_VERSION_WITH_MAGIC_0: i16 = 1;
/// The last Fetch version whose clients cannot decode magic 2.
const LAST_VERSION_WITH_MAGIC_1: i16 = 3;
/// The last Fetch version whose clients may not know zstd (KIP-110).
const LAST_VERSION_WITHOUT_ZSTD: i16 = 9;
/// The last Fetch version in which the first message may be cut, as in Kafka 0.9.
const LAST_VERSION_WITH_CUT_MESSAGES: i16 = 2;

/// The newest magic that the clients of a Fetch version can decode.
pub(crate) fn newest_readable_magic(version: i16) -> u8 {
    if version <= LAST_VERSION_WITH_MAGIC_0 {
        MAGIC_VALUE_V0
    } else if version <= LAST_VERSION_WITH_MAGIC_1 {
        MAGIC_VALUE_V1
    } else {
        MAGIC_VALUE_V2
    }
}

/// Whether a Fetch version's `max_bytes` are a limit for the first message too: Kafka's
/// `hardMaxBytesLimit`.
pub(crate) fn has_hard_max_bytes_limit(version: i16) -> bool {
    version <= LAST_VERSION_WITH_CUT_MESSAGES
}

/// Makes the data of a response from the results of reading.
pub struct FetchedData {
    metrics: Arc<Metrics>,
}

impl FetchedData {
    /// Counts the conversions in `metrics`.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics }
    }

    /// Puts every partition that was asked for into the response, in their order: what was read, or why
    /// it was not. A client misses a partition that is left out, unless its session says so.
    ///
    /// What is converted comes out of `memory`. If that has no more, the rest is left for the next
    /// fetch.
    pub(crate) fn merge(
        &self,
        version: i16,
        asked: &[Asked],
        results: Vec<(TopicAndPartition, LogReadResult)>,
        memory: &mut MemoryDraw,
    ) -> Vec<TopicData> {
        let mut results = results.into_iter().map(|(_, result)| result);
        let mut topics: Vec<TopicData> = Vec::new();
        let taken_bytes = memory.bytes();
        let mut convertible = Convertible { left_bytes: CONVERTED_BYTES_MAX, taken_bytes, memory };
        for asked in asked {
            let partition = asked.key.partition;
            let data = match asked.refusal {
                Some(refusal) => failed(partition, refusal),
                None => match results.next() {
                    Some(Ok(read)) => self.partition_data(version, asked, read, &mut convertible),
                    Some(Err(error)) => failed(partition, error.code()),
                    None => failed(partition, Errors::UnknownServerError),
                },
            };
            let topic_id = Uuid(asked.fetch_info.topic_id);
            match topics.last_mut() {
                Some(it) if it.topic_id == topic_id && it.topic == asked.key.topic => {
                    it.partitions.push(data);
                }
                _ => topics.push(TopicData {
                    topic: Arc::clone(&asked.key.topic),
                    topic_id,
                    partitions: vec![data],
                }),
            }
        }
        topics
    }

    /// Port of `BrokerTopicStats.updateBytesOut`: what followers copy is not what consumers read.
    fn count_bytes_out(&self, replica: &Replica, read_by: ReadBy, bytes: u64) {
        match read_by {
            ReadBy::Consumer => replica.traffic.bytes_out.add(bytes),
            ReadBy::Follower { is_reassignment } => {
                self.metrics.replication_bytes_out.add(bytes);
                if is_reassignment {
                    self.metrics.reassignment_bytes_out.add(bytes);
                }
            }
        }
    }

    fn partition_data(
        &self,
        version: i16,
        asked: &Asked,
        read: LogReadInfo,
        convertible: &mut Convertible<'_>,
    ) -> FetchResponsePartitionData {
        let partition = asked.key.partition;
        // As the topic is set. A codec that its producers chose is up to them and their
        // consumers.
        let is_kept_in_zstd = read.log_config.compression_type == CompressionType::Zstd;
        if version <= LAST_VERSION_WITHOUT_ZSTD && is_kept_in_zstd {
            debug!("{} is kept in zstd, which Fetch version {version} does not know", asked.key);
            return failed(partition, Errors::UnsupportedCompressionType);
        }
        let LogReadInfo { high_watermark, last_stable_offset, log_start_offset, .. } = read;
        let (replica, read_by) = (Arc::clone(&read.replica), read.read_by);
        let preferred_read_replica = read.preferred_read_replica;
        let diverging_epoch = read
            .diverging_epoch
            .map(|it| EpochEndOffset { epoch: it.leader_epoch.0, end_offset: it.end_offset.0 });
        // ANCHOR: slice_or_conversion
        let messages = match magic_to_convert_to(version, &read.log_config) {
            None => Ok(Box::new(read.fetched_data.message_set) as Box<dyn MessageSet>),
            Some(magic) => self.maybe_convert(version, magic, asked, read, convertible),
        };
        // ANCHOR_END: slice_or_conversion
        match messages {
            Ok(messages) => {
                self.count_bytes_out(&replica, read_by, messages.size_in_bytes() as u64);
                // ANCHOR: fetch_response_partition_data
                FetchResponsePartitionData {
                    partition,
                    error: Errors::None,
                    high_watermark: high_watermark.0,
                    last_stable_offset: last_stable_offset.0,
                    log_start_offset: log_start_offset.0,
                    diverging_epoch,
                    preferred_read_replica,
                    current_leader: None,
                    messages,
                }
                // ANCHOR_END: fetch_response_partition_data
            }
            Err(error) => {
                // A consumer that is refused may ask again at once, for as long as it runs.
                let is_of_records =
                    matches!(error, KafkaError::Api(..) | KafkaError::Undecodable(_));
                let level = match is_of_records {
                    true => Level::Debug,
                    false => limited(LogKind::Failures, Level::Warn),
                };
                log!(level, "Cannot convert {} for Fetch version {version}: {error}", asked.key);
                failed(partition, error.code())
            }
        }
    }

    /// Reads the slice into memory and converts it: the copying path, outside of every reactor.
    ///
    /// Deducts what that costs from `convertible`; once that is used up, the rest is left for the
    /// next fetch.
    fn maybe_convert(
        &self,
        version: i16,
        magic: u8,
        asked: &Asked,
        read: LogReadInfo,
        convertible: &mut Convertible<'_>,
    ) -> Result<Box<dyn MessageSet>, KafkaError> {
        if read.size_in_bytes() == 0 {
            return Ok(Box::new(read.fetched_data.message_set));
        }
        if !read.log_config.message_downconversion_enable {
            let why = "message.downconversion.enable is false";
            return Err(KafkaError::api(Errors::UnsupportedVersion, why));
        }
        if convertible.left_bytes == 0 {
            return Ok(Box::new(ByteBufferMessageSet::empty()));
        }
        let LogReadInfo { fetched_data, replica, .. } = read;
        let mut slice = slice_to_convert(asked, &replica, fetched_data, convertible.left_bytes)?;
        loop {
            let drawn_bytes = slice.message_set.size_in_bytes().saturating_mul(2);
            if !convertible.draw(drawn_bytes) {
                return Ok(Box::new(ByteBufferMessageSet::empty()));
            }
            let batches = in_memory(&slice)?;
            let mut converted = down_convert(&batches, magic, asked.fetch_info.offset.0)?;
            convertible.deduct(batches.len().max(converted.len()));
            if converted.is_empty() {
                match slice_behind(asked, &replica, &batches, convertible.left_bytes)? {
                    Some(behind) => slice = behind,
                    None => return Ok(Box::new(ByteBufferMessageSet::empty())),
                }
                continue;
            }
            if !convertible.draw(converted.len().saturating_sub(drawn_bytes)) {
                return Ok(Box::new(ByteBufferMessageSet::empty()));
            }
            if has_hard_max_bytes_limit(version) {
                cut_as_kafka_0_9_did(&mut converted, asked.fetch_info.fetch_size);
            }
            self.count_lost_zero_copy(version, asked, converted.len());
            return Ok(Box::new(ByteBufferMessageSet::new(converted)));
        }
    }

    /// Every loss is counted and logged: at debug level each one, at info level the first, second,
    /// fourth, eighth and so on, so that an old consumer is noticed without filling the disk.
    fn count_lost_zero_copy(&self, version: i16, asked: &Asked, size: usize) {
        self.metrics.fetch_message_conversions.increment();
        self.metrics.copied_message_bytes.add(size as u64);
        let count = self.metrics.fetch_message_conversions.value();
        debug!("Zero copy lost: {} for Fetch version {version}, {size} bytes copied", asked.key);
        if count.is_power_of_two() {
            info!(
                "zero copy lost, fetch number {count}: a consumer that speaks Fetch version {version} \
                 cannot read the messages as {} keeps them, so they were converted in memory. \
                 Newer consumers get them by sendfile.",
                asked.key
            );
        }
    }
}

/// What one fetch may still convert.
struct Convertible<'a> {
    left_bytes: usize,
    /// What the fetch itself and its conversions have taken so far.
    taken_bytes: usize,
    memory: &'a mut MemoryDraw,
}

impl Convertible<'_> {
    /// Draws memory: for a slice and what it becomes, and once more where that has grown, as a
    /// compressed one does. Without it nothing more is converted.
    fn draw(&mut self, bytes: usize) -> bool {
        self.taken_bytes = self.taken_bytes.saturating_add(bytes);
        let drawn = self.memory.grow_to(self.taken_bytes, Stage::Answer);
        if drawn.is_err() {
            self.left_bytes = 0;
        }
        drawn.is_ok()
    }

    fn deduct(&mut self, bytes: usize) {
        self.left_bytes = self.left_bytes.saturating_sub(bytes);
    }
}

/// The magic that a client of this version can decode, if it is older than the log's.
fn magic_to_convert_to(version: i16, log_config: &LogConfig) -> Option<u8> {
    let newest_readable = newest_readable_magic(version);
    (log_config.message_format_magic > newest_readable).then_some(newest_readable)
}

/// The slice that was read, or another one that begins with a whole batch and is not too large for
/// memory: half a batch cannot be converted.
fn slice_to_convert(
    asked: &Asked,
    replica: &Replica,
    read: FetchDataInfo,
    convertible_bytes: usize,
) -> Result<FetchDataInfo, KafkaError> {
    let is_small = read.message_set.size_in_bytes() <= convertible_bytes;
    if is_small && !read.first_entry_incomplete {
        return Ok(read);
    }
    read_from(asked, replica, asked.fetch_info.offset, convertible_bytes)
}

/// The slice that follows `batches`, of which an old consumer would see no record: compaction has
/// emptied them, or has left only records below the offset that was asked for. A consumer of record
/// batches learns from the batch where the next one begins. An old one goes on by what it sees, and
/// would ask for the same offset for ever. `None` at the end of the log, and once
/// `convertible_bytes` are used up.
fn slice_behind(
    asked: &Asked,
    replica: &Replica,
    batches: &[u8],
    convertible_bytes: usize,
) -> Result<Option<FetchDataInfo>, KafkaError> {
    let last = shallow_entries(batches).last().transpose()?;
    let next_offset = last.and_then(|last| last.last_offset.checked_add(1));
    let Some(next_offset) = next_offset.filter(|_| convertible_bytes > 0) else {
        return Ok(None);
    };
    let behind = read_from(asked, replica, Offset(next_offset), convertible_bytes)?;
    Ok(Some(behind).filter(|behind| behind.message_set.size_in_bytes() > 0))
}

/// A slice that begins with a whole batch, however few bytes were asked for.
fn read_from(
    asked: &Asked,
    replica: &Replica,
    offset: Offset,
    convertible_bytes: usize,
) -> Result<FetchDataInfo, KafkaError> {
    let max_offset = Some(replica.high_watermark().message_offset);
    let max_size = i32::try_from(convertible_bytes).unwrap_or(i32::MAX);
    let max_size = asked.fetch_info.fetch_size.min(max_size);
    replica.log.read(offset, max_offset, ReadLimit::min_one_message(max_size))
}

fn in_memory(slice: &FetchDataInfo) -> Result<Vec<u8>, KafkaError> {
    let size = slice.message_set.size_in_bytes();
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).map_err(|_| KafkaError::out_of_memory())?;
    while bytes.len() < size {
        let (position, rest) = (bytes.len(), size - bytes.len());
        slice.message_set.write_to(Destination::Channel(&mut bytes), position, rest)?;
    }
    Ok(bytes)
}

/// The answer for a partition that could not be read.
fn failed(partition: i32, error: Errors) -> FetchResponsePartitionData {
    FetchResponsePartitionData {
        partition,
        error,
        high_watermark: -1,
        last_stable_offset: -1,
        log_start_offset: -1,
        diverging_epoch: None,
        preferred_read_replica: None,
        current_leader: None,
        messages: Box::new(ByteBufferMessageSet::empty()),
    }
}

/// Kafka 0.9 ends a response where `max_bytes` says, be it inside a message; a consumer that gets
/// no whole message says so to its user, who raises the limit.
///
/// A compressed wrapper stays whole: it holds what its producer sent as a batch, it may have grown
/// by the conversion, and no limit that the user could know of would let it pass.
fn cut_as_kafka_0_9_did(converted: &mut Vec<u8>, max_bytes: i32) {
    let first_is_plain = shallow_entries(converted)
        .next()
        .and_then(|first| first.ok()?.codec().ok())
        .is_some_and(|codec| codec == CompressionCodec::None);
    if first_is_plain {
        converted.truncate(usize::try_from(max_bytes).unwrap_or(0));
    }
}
