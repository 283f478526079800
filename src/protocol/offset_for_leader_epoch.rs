//! Port of `org.apache.kafka.common.requests.OffsetsForLeaderEpochRequest` and
//! `OffsetsForLeaderEpochResponse`: finds where a leader epoch ends.

use crate::common::errors::Errors;
use crate::protocol::client_request::ClientRequest;
use crate::protocol::wire::message_table::message;

pub const UNDEFINED_EPOCH_OFFSET: i64 = -1;
pub const UNDEFINED_EPOCH: i32 = -1;
/// A consumer that may ask any broker.
const DEBUGGING_CONSUMER_ID: i32 = -2;

message! {
    pub struct OffsetForLeaderEpochRequest {
        /// -1 for a consumer.
        3.. => replica_id: i32 = DEBUGGING_CONSUMER_ID,
        0.. => topics: Vec<OffsetForLeaderTopic>,
    }

    pub struct OffsetForLeaderTopic {
        0.. => topic: String,
        0.. => partitions: Vec<OffsetForLeaderPartition>,
    }

    pub struct OffsetForLeaderPartition {
        0.. => partition: i32,
        /// -1 if the client does not know it.
        2.. => current_leader_epoch: i32 = UNDEFINED_EPOCH,
        0.. => leader_epoch: i32,
    }

    pub struct OffsetForLeaderEpochResponse {
        2.. => throttle_time_ms: i32,
        0.. => topics: Vec<OffsetForLeaderTopicResult>,
    }

    pub struct OffsetForLeaderTopicResult {
        0.. => topic: String,
        0.. => partitions: Vec<EpochEndOffset>,
    }

    pub struct EpochEndOffset {
        0.. => error_code: i16,
        0.. => partition: i32,
        /// The last epoch up to the wanted one that has messages, [`UNDEFINED_EPOCH`] for none.
        1.. => leader_epoch: i32 = UNDEFINED_EPOCH,
        /// The offset after the last message of that epoch, [`UNDEFINED_EPOCH_OFFSET`] for none.
        0.. => end_offset: i64 = UNDEFINED_EPOCH_OFFSET,
    }
}

impl ClientRequest for OffsetForLeaderEpochRequest {
    const NAME: &'static str = "OffsetForLeaderEpoch";
    const API_KEY: i16 = 23;
    const FIRST_FLEXIBLE_VERSION: i16 = 4;
    type Response = OffsetForLeaderEpochResponse;
}

impl OffsetForLeaderEpochRequest {
    /// Every partition fails with `error`.
    pub fn error_response(&self, error: Errors) -> OffsetForLeaderEpochResponse {
        let partition = |asked: &OffsetForLeaderPartition| EpochEndOffset {
            error_code: error.code(),
            partition: asked.partition,
            ..EpochEndOffset::default()
        };
        let topic = |asked: &OffsetForLeaderTopic| OffsetForLeaderTopicResult {
            topic: asked.topic.clone(),
            partitions: asked.partitions.iter().map(partition).collect(),
        };
        let topics = self.topics.iter().map(topic).collect();
        OffsetForLeaderEpochResponse { throttle_time_ms: 0, topics }
    }
}
