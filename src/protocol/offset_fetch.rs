//! Port of `org.apache.kafka.common.requests.OffsetFetchRequest` and `OffsetFetchResponse`: which
//! offsets a group has committed.
//!
//! Versions 0 and 1 have the same bytes: Kafka 0.9 reads the offsets of the one from ZooKeeper and
//! those of the other from its own log. From version 8 on one request asks for several groups.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

/// In place of an offset: the group has committed none.
pub const NO_COMMITTED_OFFSET: i64 = -1;

message! {
    /// A question for committed offsets.
    pub struct OffsetFetchRequest {
        /// The group.
        0..=7          => group_id: String,
        /// The topics; from version 2 on null stands for all that the group has offsets in.
        0..=7, null 2.. => topics: Option<Vec<OffsetFetchRequestTopic>>,
        /// The groups, in place of the two fields above.
        8..            => groups: Vec<OffsetFetchRequestGroup>,
        /// Whether to wait for the end of the transactions that have pending commits.
        7..            => require_stable: bool,
    }

    /// A question for committed offsets of one group.
    pub struct OffsetFetchRequestGroup {
        /// The group.
        8..            => group_id: String,
        /// The topics, null for all that the group has offsets in.
        8..            => topics: Option<Vec<OffsetFetchRequestTopic>>,
    }

    /// A question for committed offsets of one topic.
    pub struct OffsetFetchRequestTopic {
        /// The topic's name.
        0..            => name: String,
        /// The partitions' numbers.
        0..            => partition_indexes: Vec<i32>,
    }

    /// Committed offsets.
    pub struct OffsetFetchResponse {
        /// How long the response was held back by a quota, in milliseconds.
        3..            => throttle_time_ms: i32,
        /// The topics of the request.
        0..=7          => topics: Vec<OffsetFetchResponseTopic>,
        /// What went wrong with the whole group; before version 2 each partition says it.
        2..=7          => error_code: i16,
        /// The groups of the request, in place of the two fields above.
        8..            => groups: Vec<OffsetFetchResponseGroup>,
    }

    /// Committed offsets of one group.
    pub struct OffsetFetchResponseGroup {
        /// The group.
        8..            => group_id: String,
        /// The topics of the request.
        8..            => topics: Vec<OffsetFetchResponseTopic>,
        /// What went wrong with the whole group.
        8..            => error_code: i16,
    }

    /// Committed offsets of one topic.
    pub struct OffsetFetchResponseTopic {
        /// The topic's name.
        0..            => name: String,
        /// Its partitions.
        0..            => partitions: Vec<OffsetFetchResponsePartition>,
    }

    /// The committed offset of one partition.
    pub struct OffsetFetchResponsePartition {
        /// The partition's number.
        0..            => partition_index: i32,
        /// The offset, [`NO_COMMITTED_OFFSET`] if there is none.
        0..            => committed_offset: i64 = NO_COMMITTED_OFFSET,
        /// The leader epoch of the last message read, -1 if unknown.
        5..            => committed_leader_epoch: i32 = -1,
        /// What the consumer wrote beside it; never null, because old consumers do not read null
        /// (KAFKA-3394).
        0..            => metadata: String,
        /// What went wrong.
        0..            => error_code: i16,
    }
}

impl OffsetFetchRequest {
    /// The answer that says `error` for every group and partition and, with `Errors::None`, that
    /// nothing was committed.
    pub fn error_response(&self, error: Errors) -> OffsetFetchResponse {
        let group = |asked: &OffsetFetchRequestGroup| OffsetFetchResponseGroup {
            group_id: asked.group_id.clone(),
            topics: failed_topics(asked.topics.as_ref(), error),
            error_code: error.code(),
        };
        OffsetFetchResponse {
            throttle_time_ms: 0,
            topics: failed_topics(self.topics.as_ref(), error),
            error_code: error.code(),
            groups: self.groups.iter().map(group).collect(),
        }
    }
}

fn failed_topics(
    topics: Option<&Vec<OffsetFetchRequestTopic>>,
    error: Errors,
) -> Vec<OffsetFetchResponseTopic> {
    let partition = |&partition_index: &i32| OffsetFetchResponsePartition {
        partition_index,
        error_code: error.code(),
        ..OffsetFetchResponsePartition::default()
    };
    let topic = |asked: &OffsetFetchRequestTopic| OffsetFetchResponseTopic {
        name: asked.name.clone(),
        partitions: asked.partition_indexes.iter().map(partition).collect(),
    };
    topics.into_iter().flatten().map(topic).collect()
}
