//! Port of `org.apache.kafka.common.requests.ProduceRequest` and `ProduceResponse`: appends
//! messages.

use crate::common::errors::{Errors, KafkaError};
use crate::message::compression_codec::CompressionCodec;
use crate::message::message_set::MAGIC_OFFSET;
use crate::message::record_batch::{MAGIC_VALUE_V2, RecordBatch};
use crate::protocol::wire::message_table::message;
use crate::protocol::wire::types::Records;

/// The first version that brings record batches.
const RECORD_BATCH_VERSION: i16 = 3;
/// The first version that may compress them with zstd (KIP-110).
const ZSTD_VERSION: i16 = 7;

message! {
    /// Versions 0 to 2 bring message sets, later ones exactly one record batch per partition.
    pub struct ProduceRequest {
        /// Null unless the producer is transactional.
        3.. => transactional_id: Option<String>,
        /// 0 wants no response at all, 1 waits for the leader's log, -1 for all replicas in sync.
        0.. => acks: i16 = -1,
        /// How long to wait for `acks`.
        0.. => timeout_ms: i32,
        0.. => topics: Vec<TopicProduceData>,
    }

    pub struct TopicProduceData {
        0.. => name: String,
        0.. => partitions: Vec<PartitionProduceData>,
    }

    pub struct PartitionProduceData {
        0.. => index: i32,
        0.. => records: Option<Records>,
    }

    pub struct ProduceResponse {
        0.. => responses: Vec<TopicProduceResponse>,
        /// At the end, unlike in all other responses.
        1.. => throttle_time_ms: i32,
        /// Where the leaders can be reached that the partitions name.
        10.., tag 0 => node_endpoints: Vec<NodeEndpoint>,
    }

    pub struct TopicProduceResponse {
        0.. => name: String,
        0.. => partition_responses: Vec<PartitionProduceResponse>,
    }

    pub struct PartitionProduceResponse {
        0.. => index: i32,
        0.. => error_code: i16,
        /// -1 on error.
        0.. => base_offset: i64 = -1,
        /// -1 unless the topic uses `LogAppendTime`.
        2.. => log_append_time_ms: i64 = -1,
        /// -1 if unknown.
        5.. => log_start_offset: i64 = -1,
        /// The records that caused the error, if they are known.
        8.. => record_errors: Vec<BatchIndexAndErrorMessage>,
        8.. => error_message: Option<String>,
        /// Where the records would have been taken (KIP-951).
        10.., tag 0 => current_leader: LeaderIdAndEpoch,
    }

    pub struct LeaderIdAndEpoch {
        /// -1 if there is none, or none is known.
        10.. => leader_id: i32 = -1,
        10.. => leader_epoch: i32 = -1,
    }

    pub struct NodeEndpoint {
        10.. => node_id: i32,
        10.. => host: String,
        10.. => port: i32,
        10.. => rack: Option<String>,
    }

    /// A record because of which the whole batch is refused.
    pub struct BatchIndexAndErrorMessage {
        8.. => batch_index: i32,
        8.. => batch_index_error_message: Option<String>,
    }
}

impl ProduceRequest {
    /// Every partition fails with `error`. `None` for acks 0, where the client expects no response.
    pub fn error_response(&self, error: Errors) -> Option<ProduceResponse> {
        let partition = |data: &PartitionProduceData| PartitionProduceResponse {
            index: data.index,
            error_code: error.code(),
            ..PartitionProduceResponse::default()
        };
        let topic = |data: &TopicProduceData| TopicProduceResponse {
            name: data.name.clone(),
            partition_responses: data.partitions.iter().map(partition).collect(),
        };
        let responses = self.topics.iter().map(topic).collect();
        (self.acks != 0).then(|| ProduceResponse { responses, ..ProduceResponse::default() })
    }
}

/// Checks that `records` are what version `version` of the request may bring.
///
/// From version 3 on that is exactly one record batch of magic 2. Before, the magic byte decides
/// alone, because some clients send a newer magic than the request's version stands for, and Kafka
/// lets them. Only the head of the batch is looked at: no CRC, no record.
///
/// # Errors
/// `INVALID_RECORD` if there is no batch, more than one, or one of another magic; `CORRUPT_MESSAGE`
/// if the batch is cut or shorter than its own head; `UNSUPPORTED_COMPRESSION_TYPE` for zstd before
/// version 7.
pub fn check_records(records: Option<&[u8]>, version: i16) -> Result<(), KafkaError> {
    if version < RECORD_BATCH_VERSION {
        return Ok(());
    }
    let refuse = |code, why| Err(KafkaError::api(code, why));
    let records = records.unwrap_or_default();
    let Some(&magic) = records.get(MAGIC_OFFSET) else {
        let why = format!("{} bytes hold no record batch", records.len());
        return refuse(Errors::InvalidRecord, why);
    };
    if magic != MAGIC_VALUE_V2 {
        let why = format!("Produce version {version} does not take magic {magic}");
        return refuse(Errors::InvalidRecord, why);
    }
    let batch = RecordBatch::parse(records)?;
    if batch.size_in_bytes() != records.len() {
        let why =
            format!("{} bytes follow the record batch", records.len() - batch.size_in_bytes());
        return refuse(Errors::InvalidRecord, why);
    }
    if batch.codec()? == CompressionCodec::Zstd && version < ZSTD_VERSION {
        let why = format!("Produce version {version} does not take zstd");
        return refuse(Errors::UnsupportedCompressionType, why);
    }
    Ok(())
}
