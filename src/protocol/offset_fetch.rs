//! Port of `org.apache.kafka.common.requests.OffsetFetchRequest` and `OffsetFetchResponse`: returns
//! the offsets that a group has committed.
//!
//! Versions 0 and 1 have the same bytes: Kafka 0.9 reads the offsets of the one from ZooKeeper and
//! those of the other from its own log. From version 8 on a request has several groups.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

pub const NO_COMMITTED_OFFSET: i64 = -1;

message! {
    pub struct OffsetFetchRequest {
        0..=7          => group_id: String,
        /// Null for all in which the group has offsets.
        0..=7, null 2.. => topics: Option<Vec<OffsetFetchRequestTopic>>,
        /// In place of the two fields above.
        8..            => groups: Vec<OffsetFetchRequestGroup>,
        /// Fails while a transaction has commits pending.
        7..            => require_stable: bool,
    }

    pub struct OffsetFetchRequestGroup {
        8..            => group_id: String,
        /// Null for all in which the group has offsets.
        8..            => topics: Option<Vec<OffsetFetchRequestTopic>>,
    }

    pub struct OffsetFetchRequestTopic {
        0..            => name: String,
        0..            => partition_indexes: Vec<i32>,
    }

    pub struct OffsetFetchResponse {
        3..            => throttle_time_ms: i32,
        0..=7          => topics: Vec<OffsetFetchResponseTopic>,
        /// Before version 2 each partition has it.
        2..=7          => error_code: i16,
        /// In place of the two fields above.
        8..            => groups: Vec<OffsetFetchResponseGroup>,
    }

    pub struct OffsetFetchResponseGroup {
        8..            => group_id: String,
        8..            => topics: Vec<OffsetFetchResponseTopic>,
        8..            => error_code: i16,
    }

    pub struct OffsetFetchResponseTopic {
        0..            => name: String,
        0..            => partitions: Vec<OffsetFetchResponsePartition>,
    }

    pub struct OffsetFetchResponsePartition {
        0..            => partition_index: i32,
        /// [`NO_COMMITTED_OFFSET`] if there is none.
        0..            => committed_offset: i64 = NO_COMMITTED_OFFSET,
        /// That of the last message read, -1 if unknown.
        5..            => committed_leader_epoch: i32 = -1,
        /// Never null, because old consumers cannot read null (KAFKA-3394).
        0..            => metadata: String,
        0..            => error_code: i16,
    }
}

impl OffsetFetchRequest {
    /// Every group and partition fails with `error`; with `Errors::None` nothing was committed.
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
