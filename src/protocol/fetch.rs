//! Port of `kafka.api.FetchRequest` and the fields of `kafka.api.FetchResponse`: reads
//! messages.
//!
//! A broker does not encode a [`FetchResponse`] with messages in it:
//! [`FetchResponseSend`](crate::protocol::fetch_response_send::FetchResponseSend) writes the parts
//! of the table below, and puts the messages between them. Clients, and the tests, read one.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::{message, message_part};
use crate::protocol::wire::types::Records;

message! {
    pub struct FetchRequest {
        /// -1 for a consumer, -2 for a debugging consumer, a broker's id for a follower.
        0..  => replica_id: i32 = -1,
        /// How long the response may wait for `min_bytes`.
        0..  => max_wait_ms: i32,
        0..  => min_bytes: i32,
        /// Of messages in the whole response; the first batch may exceed it.
        3..  => max_bytes: i32 = i32::MAX,
        /// 0 reads uncommitted records too, 1 committed ones only.
        4..  => isolation_level: i8,
        /// 0 for none.
        7..  => session_id: i32,
        /// 0 begins a session, -1 ends it or does without.
        7..  => session_epoch: i32 = -1,
        0..  => topics: Vec<FetchTopic>,
        7..  => forgotten_topics: Vec<ForgottenTopic>,
        /// Empty for none.
        11.. => rack_id: String,
    }

    pub struct FetchTopic {
        0..  => topic: String,
        0..  => partitions: Vec<FetchPartition>,
    }

    pub struct FetchPartition {
        0..  => partition: i32,
        /// -1 if the client does not know it.
        9..  => current_leader_epoch: i32 = -1,
        0..  => fetch_offset: i64,
        /// The leader epoch of the last record that the client has, -1 for none.
        12.. => last_fetched_epoch: i32 = -1,
        /// That of the follower's log; -1 from a consumer.
        5..  => log_start_offset: i64 = -1,
        /// Of this partition's messages; the first batch may exceed it.
        0..  => partition_max_bytes: i32,
    }

    /// Partitions to drop from the fetch session.
    pub struct ForgottenTopic {
        7..  => topic: String,
        7..  => partitions: Vec<i32>,
    }

    pub struct FetchResponse {
        0..  => header: FetchResponseHeader,
        0..  => topics: Vec<FetchResponseTopic>,
    }

    pub struct FetchResponseTopic {
        0..  => header: TopicHeader,
        0..  => partitions: Vec<FetchResponsePartition>,
    }

    pub struct FetchResponsePartition {
        0..  => header: PartitionHeader,
        0..  => records: Option<Records>,
    }

    pub struct AbortedTransaction {
        4..  => producer_id: i64,
        4..  => first_offset: i64,
    }
}

message_part! {
    /// The fields of a response before its topics.
    pub struct FetchResponseHeader {
        1..  => throttle_time_ms: i32,
        7..  => error_code: i16,
        /// 0 for none.
        7..  => session_id: i32,
    }

    /// The fields of a topic before its partitions.
    pub struct TopicHeader {
        0..  => topic: String,
    }

    /// The fields of a partition before its messages.
    pub struct PartitionHeader {
        0..  => partition: i32,
        0..  => error_code: i16,
        /// -1 on error.
        0..  => high_watermark: i64 = -1,
        /// Always the high watermark: there are no transactions.
        4..  => last_stable_offset: i64 = -1,
        /// -1 if unknown.
        5..  => log_start_offset: i64 = -1,
        /// Transactions whose records the consumer must drop; null for none.
        4..  => aborted_transactions: Option<Vec<AbortedTransaction>>,
        /// -1 for none.
        11.. => preferred_read_replica: i32 = -1,
    }
}

impl FetchRequest {
    /// The request and every partition fail with `error`: clients miss a partition that is left
    /// out.
    pub fn error_response(&self, error: Errors) -> FetchResponse {
        let error_code = error.code();
        let partition = |asked: &FetchPartition| {
            let partition = asked.partition;
            let header = PartitionHeader { partition, error_code, ..PartitionHeader::default() };
            FetchResponsePartition { header, records: Some(0..0) }
        };
        let topic = |asked: &FetchTopic| FetchResponseTopic {
            header: TopicHeader { topic: asked.topic.clone() },
            partitions: asked.partitions.iter().map(partition).collect(),
        };
        let topics = self.topics.iter().map(topic).collect();
        let header = FetchResponseHeader { error_code, ..FetchResponseHeader::default() };
        FetchResponse { header, topics }
    }
}
