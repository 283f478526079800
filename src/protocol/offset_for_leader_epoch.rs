//! Port of `org.apache.kafka.common.requests.OffsetsForLeaderEpochRequest` and
//! `OffsetsForLeaderEpochResponse`: where the messages of a leader epoch end.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

/// In place of the end of an epoch: it is not known.
pub const UNDEFINED_EPOCH_OFFSET: i64 = -1;
/// In place of an epoch: it is not known.
pub const UNDEFINED_EPOCH: i32 = -1;
/// In place of the broker that asks: it is a consumer that may ask any broker.
const DEBUGGING_CONSUMER_ID: i32 = -2;

message! {
    /// A question for the ends of epochs.
    pub struct OffsetForLeaderEpochRequest {
        /// The broker that asks, -1 for a consumer.
        3.. => replica_id: i32 = DEBUGGING_CONSUMER_ID,
        /// The topics.
        0.. => topics: Vec<OffsetForLeaderTopic>,
    }

    /// A question for the ends of epochs in one topic.
    pub struct OffsetForLeaderTopic {
        /// The topic's name.
        0.. => topic: String,
        /// Its partitions.
        0.. => partitions: Vec<OffsetForLeaderPartition>,
    }

    /// A question for the end of an epoch in one partition.
    pub struct OffsetForLeaderPartition {
        /// The partition's number.
        0.. => partition: i32,
        /// The epoch that the client takes for the current one, -1 if it does not know.
        2.. => current_leader_epoch: i32 = UNDEFINED_EPOCH,
        /// The epoch whose end is wanted.
        0.. => leader_epoch: i32,
    }

    /// The ends of epochs.
    pub struct OffsetForLeaderEpochResponse {
        /// How long the response was held back by a quota, in milliseconds.
        2.. => throttle_time_ms: i32,
        /// The topics of the request.
        0.. => topics: Vec<OffsetForLeaderTopicResult>,
    }

    /// The ends of epochs in one topic.
    pub struct OffsetForLeaderTopicResult {
        /// The topic's name.
        0.. => topic: String,
        /// Its partitions.
        0.. => partitions: Vec<EpochEndOffset>,
    }

    /// The end of an epoch in one partition.
    pub struct EpochEndOffset {
        /// What went wrong.
        0.. => error_code: i16,
        /// The partition's number.
        0.. => partition: i32,
        /// The last epoch up to the wanted one that has messages, [`UNDEFINED_EPOCH`] for none.
        1.. => leader_epoch: i32 = UNDEFINED_EPOCH,
        /// The offset after the last message of that epoch, [`UNDEFINED_EPOCH_OFFSET`] for none.
        0.. => end_offset: i64 = UNDEFINED_EPOCH_OFFSET,
    }
}

impl OffsetForLeaderEpochRequest {
    /// The answer that says `error` for every partition.
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
