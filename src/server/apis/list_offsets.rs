//! Port of `KafkaApis.handleOffsetRequest`: which offset a time stands for (ListOffsets).

use std::sync::Arc;

use crate::common::errors::{Errors, KafkaError};
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::{LeaderEpoch, Offset, TimestampMs};
use crate::protocol::list_offsets::{
    EARLIEST_LOCAL_TIMESTAMP, EARLIEST_PENDING_UPLOAD_TIMESTAMP, EARLIEST_TIMESTAMP,
    LATEST_TIERED_TIMESTAMP, LATEST_TIMESTAMP, ListOffsetsPartition, ListOffsetsPartitionResponse,
    ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopicResponse, MAX_TIMESTAMP,
};
use crate::protocol::request::ResponseBody;
use crate::replica::local_logs::{DEBUGGING_CONSUMER_ID, ORDINARY_CONSUMER_ID};
use crate::replica::partition_state::PartitionState;
use crate::replica::replica::Replica;
use crate::replica::replica_manager::ReplicaManager;
use crate::server::apis::duplicates::NamedPartitions;
use crate::server::apis::parts::Parts;
use crate::server::reply::refusals::Refusals;
use crate::server::reply::reply::Reply;
use crate::server::security::authorization::Authorization;
use crate::server::security::authorizer::{Operation, ResourceType};
use crate::storage::log::log::Log;
use crate::storage::log::offset_search::{
    FoundRecord, fetch_offset_of_max_timestamp, fetch_offsets_by_timestamp, legacy_offsets_before,
};

/// The first version in which a question has one answer: a record's timestamp and its offset
/// (KIP-79).
const TIMESTAMP_VERSION: i16 = 1;
/// The first versions that may ask for the record with the largest timestamp (KIP-734), and for what
/// tiered storage has divided (KIP-405, KIP-1005, KIP-1023): Kafka's `timestampMinSupportedVersion`.
const MAX_TIMESTAMP_VERSION: i16 = 7;
const EARLIEST_LOCAL_TIMESTAMP_VERSION: i16 = 8;
const LATEST_TIERED_TIMESTAMP_VERSION: i16 = 9;
const EARLIEST_PENDING_UPLOAD_TIMESTAMP_VERSION: i16 = 11;
/// The first version whose clients know `OFFSET_NOT_AVAILABLE` (KIP-207).
const OFFSET_NOT_AVAILABLE_VERSION: i16 = 5;

/// Handles ListOffsets.
pub(crate) struct ListOffsetsApis {
    replica_manager: Arc<ReplicaManager>,
    authorization: Authorization,
}

impl ListOffsetsApis {
    pub(crate) fn new(parts: &Parts<'_>) -> Self {
        Self {
            replica_manager: Arc::clone(&parts.replica_manager),
            authorization: parts.authorization(),
        }
    }

    pub(crate) fn handle_offset_request(&self, reply: Reply, request: &ListOffsetsRequest) {
        let version = reply.header.api_version;
        let mut topics = Vec::with_capacity(request.topics.len());
        let names = request.topics.iter().map(|it| it.name.as_str());
        let authorized = self.authorization.filter_by_authorized(
            &reply.context,
            Operation::Describe,
            ResourceType::Topic,
            names,
        );
        let (mut named, mut refusals) = (NamedPartitions::default(), Refusals::default());
        for topic in &request.topics {
            let name: Arc<str> = Arc::from(topic.name.as_str());
            let answer = |asked: &ListOffsetsPartition| {
                let partition = asked.partition_index;
                let key = TopicAndPartition { topic: Arc::clone(&name), partition };
                authorized
                    .check(&name)
                    .and_then(|()| named.check_named_once(&key))
                    .and_then(|()| self.list_offset(version, request.replica_id, &key, asked))
                    .unwrap_or_else(|error| {
                        refusals.note(&key, &error);
                        ListOffsetsPartitionResponse {
                            partition_index: partition,
                            error_code: error.code().code(),
                            ..ListOffsetsPartitionResponse::default()
                        }
                    })
            };
            topics.push(ListOffsetsTopicResponse {
                name: topic.name.clone(),
                partitions: topic.partitions.iter().map(answer).collect(),
            });
        }
        reply.log_refusals(&refusals);
        let response = ListOffsetsResponse { throttle_time_ms: 0, topics };
        reply.send_body(&ResponseBody::ListOffsets(response));
    }

    fn list_offset(
        &self,
        version: i16,
        replica_id: i32,
        key: &TopicAndPartition,
        asked: &ListOffsetsPartition,
    ) -> Result<ListOffsetsPartitionResponse, KafkaError> {
        let mut response = ListOffsetsPartitionResponse {
            partition_index: asked.partition_index,
            ..ListOffsetsPartitionResponse::default()
        };
        let partition = self.replica_manager.local_logs().get_partition_or_error(key)?;
        partition.check_leader_epoch(LeaderEpoch(asked.current_leader_epoch))?;
        let replica = match replica_id {
            DEBUGGING_CONSUMER_ID => partition.local_replica(),
            _ => partition.leader_replica()?,
        };
        if version < TIMESTAMP_VERSION {
            let offsets = offsets_before(replica, replica_id, asked)?;
            response.old_style_offsets = offsets.into_iter().map(|it| it.0).collect();
            return Ok(response);
        }
        let is_consumer = replica_id == ORDINARY_CONSUMER_ID;
        let state = partition.state();
        let end = FoundRecord {
            timestamp_ms: TimestampMs::NONE,
            offset: match is_consumer {
                true => replica.high_watermark().message_offset,
                false => replica.log.log_end_offset(),
            },
            leader_epoch: state.leader_epoch,
        };
        let found = offset_for_timestamp(&replica.log, end, version, asked.timestamp)?;
        if is_consumer && (asked.timestamp == LATEST_TIMESTAMP || found.is_none()) {
            check_offset_available(&state, replica, version)?;
        }
        if let Some(FoundRecord { timestamp_ms, offset, leader_epoch }) = found {
            (response.timestamp, response.offset) = (timestamp_ms.0, offset.0);
            response.leader_epoch = leader_epoch.0;
        }
        Ok(response)
    }
}

/// A new leader whose watermark has not reached the start of its epoch does not know yet what is
/// committed: an answer might be less than the last leader has given (KIP-207).
fn check_offset_available(
    state: &PartitionState,
    replica: &Replica,
    version: i16,
) -> Result<(), KafkaError> {
    let high_watermark = replica.high_watermark().message_offset;
    if high_watermark >= state.epoch_start_offset {
        return Ok(());
    }
    let error = match version {
        ..OFFSET_NOT_AVAILABLE_VERSION => Errors::LeaderNotAvailable,
        _ => Errors::OffsetNotAvailable,
    };
    let why = format!(
        "the leader began at {}, and other replicas in sync are known to have what is below \
         {high_watermark}",
        state.epoch_start_offset
    );
    Err(KafkaError::api(error, why))
}

/// Port of `Partition.fetchOffsetForTimestamp`: the first record at or after `timestamp`, below the
/// `end` of what may be read, or an end of the log.
fn offset_for_timestamp(
    log: &Log,
    end: FoundRecord,
    version: i16,
    timestamp: i64,
) -> Result<Option<FoundRecord>, KafkaError> {
    let found = match timestamp {
        LATEST_TIMESTAMP => return Ok(Some(end)),
        EARLIEST_TIMESTAMP => return Ok(Some(start_of(log))),
        MAX_TIMESTAMP if version >= MAX_TIMESTAMP_VERSION => fetch_offset_of_max_timestamp(log)?,
        // All of a log is on this broker's own disks: as Kafka answers without tiered storage.
        EARLIEST_LOCAL_TIMESTAMP if version >= EARLIEST_LOCAL_TIMESTAMP_VERSION => {
            return Ok(Some(start_of(log)));
        }
        LATEST_TIERED_TIMESTAMP if version >= LATEST_TIERED_TIMESTAMP_VERSION => None,
        EARLIEST_PENDING_UPLOAD_TIMESTAMP
            if version >= EARLIEST_PENDING_UPLOAD_TIMESTAMP_VERSION =>
        {
            None
        }
        ..0 => return Err(no_such_timestamp(version, timestamp)),
        _ => fetch_offsets_by_timestamp(log, TimestampMs(timestamp))?,
    };
    Ok(found.filter(|found| found.offset < end.offset))
}

/// The first offset, with its epoch if it is known: not if the messages there are of an older format.
fn start_of(log: &Log) -> FoundRecord {
    let offset = log.log_start_offset();
    let earliest = log.leader_epochs().earliest_entry();
    let earliest = earliest.filter(|it| it.start_offset <= offset);
    FoundRecord {
        timestamp_ms: TimestampMs::NONE,
        offset,
        leader_epoch: earliest.map_or(LeaderEpoch::NONE, |it| it.epoch),
    }
}

fn no_such_timestamp(version: i16, timestamp: i64) -> KafkaError {
    let why = format!("ListOffsets version {version} does not know the timestamp {timestamp}");
    KafkaError::api(Errors::UnsupportedVersion, why)
}

/// Version 0: the first offsets of the segments whose files were changed before `timestamp`, the
/// newest first. A consumer sees none beyond the high watermark (`KafkaApis.fetchOffsets`).
fn offsets_before(
    replica: &Replica,
    replica_id: i32,
    asked: &ListOffsetsPartition,
) -> Result<Vec<Offset>, KafkaError> {
    if asked.timestamp < EARLIEST_TIMESTAMP {
        return Err(no_such_timestamp(0, asked.timestamp));
    }
    let count = usize::try_from(asked.max_num_offsets).unwrap_or(0);
    let offsets = legacy_offsets_before(&replica.log, TimestampMs(asked.timestamp), count)?;
    let high_watermark = replica.high_watermark().message_offset;
    if replica_id >= 0 || !offsets.iter().any(|&offset| offset > high_watermark) {
        return Ok(offsets);
    }
    let readable = offsets.into_iter().filter(|&offset| offset < high_watermark);
    Ok(std::iter::once(high_watermark).chain(readable).collect())
}
