//! Port of `kafka.api.FetchRequest` and the fields of `kafka.api.FetchResponse`: messages go out.
//!
//! A broker does not write a [`FetchResponse`] with messages in it: that is
//! [`FetchResponseSend`](crate::protocol::fetch_response_send::FetchResponseSend), which takes the
//! parts of the table below and puts the messages between them. Clients, and the tests, read one.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::{message, message_part};
use crate::protocol::wire::types::Records;

message! {
    /// A question for messages.
    pub struct FetchRequest {
        /// -1 for a consumer, -2 for a debugging consumer, a broker's id for a follower.
        0..  => replica_id: i32 = -1,
        /// How long the answer may wait for `min_bytes`, in milliseconds.
        0..  => max_wait_ms: i32,
        /// The bytes that are worth an answer.
        0..  => min_bytes: i32,
        /// The bytes of messages that the answer may hold in all; the first batch may exceed it.
        3..  => max_bytes: i32 = i32::MAX,
        /// 0 shows all records, 1 only committed ones.
        4..  => isolation_level: i8,
        /// The fetch session, 0 for none.
        7..  => session_id: i32,
        /// The session's epoch: 0 begins one, -1 ends or does without.
        7..  => session_epoch: i32 = -1,
        /// The topics.
        0..  => topics: Vec<FetchTopic>,
        /// What the session shall forget.
        7..  => forgotten_topics: Vec<ForgottenTopic>,
        /// The consumer's rack, empty for none.
        11.. => rack_id: String,
    }

    /// A question for messages of one topic.
    pub struct FetchTopic {
        /// The topic's name.
        0..  => topic: String,
        /// Its partitions.
        0..  => partitions: Vec<FetchPartition>,
    }

    /// A question for messages of one partition.
    pub struct FetchPartition {
        /// The partition's number.
        0..  => partition: i32,
        /// The leader epoch that the client knows, -1 for none.
        9..  => current_leader_epoch: i32 = -1,
        /// The offset from which on messages are wanted.
        0..  => fetch_offset: i64,
        /// The leader epoch of the last record that the client has, -1 for none.
        12.. => last_fetched_epoch: i32 = -1,
        /// The first offset of the follower's log, -1 from a consumer.
        5..  => log_start_offset: i64 = -1,
        /// The bytes of messages that the answer may hold for this partition; the first batch may
        /// exceed it.
        0..  => partition_max_bytes: i32,
    }

    /// Partitions that leave a fetch session.
    pub struct ForgottenTopic {
        /// The topic's name.
        7..  => topic: String,
        /// The partitions' numbers.
        7..  => partitions: Vec<i32>,
    }

    /// Messages.
    pub struct FetchResponse {
        /// What stands before the topics.
        0..  => header: FetchResponseHeader,
        /// The topics.
        0..  => topics: Vec<FetchResponseTopic>,
    }

    /// Messages of one topic.
    pub struct FetchResponseTopic {
        /// What stands before the partitions.
        0..  => header: TopicHeader,
        /// The partitions.
        0..  => partitions: Vec<FetchResponsePartition>,
    }

    /// Messages of one partition.
    pub struct FetchResponsePartition {
        /// What stands before the messages.
        0..  => header: PartitionHeader,
        /// Where the messages lie in the frame.
        0..  => records: Option<Records>,
    }

    /// A transaction that came to nothing.
    pub struct AbortedTransaction {
        /// Its producer.
        4..  => producer_id: i64,
        /// Its first offset.
        4..  => first_offset: i64,
    }
}

message_part! {
    /// The fields of a response before its topics.
    pub struct FetchResponseHeader {
        /// How long the response was held back by a quota, in milliseconds.
        1..  => throttle_time_ms: i32,
        /// What went wrong with the request as a whole.
        7..  => error_code: i16,
        /// The fetch session, 0 for none.
        7..  => session_id: i32,
    }

    /// The fields of a topic before its partitions.
    pub struct TopicHeader {
        /// The topic's name.
        0..  => topic: String,
    }

    /// The fields of a partition before its messages.
    pub struct PartitionHeader {
        /// The partition's number.
        0..  => partition: i32,
        /// What went wrong.
        0..  => error_code: i16,
        /// The offset up to which all replicas in sync have the log, -1 on error.
        0..  => high_watermark: i64 = -1,
        /// The offset up to which every transaction is decided: here always the high watermark.
        4..  => last_stable_offset: i64 = -1,
        /// The first offset of the log, -1 if unknown.
        5..  => log_start_offset: i64 = -1,
        /// Transactions whose records the consumer must drop; null if there are none.
        4..  => aborted_transactions: Option<Vec<AbortedTransaction>>,
        /// A replica nearer to the consumer, -1 for none.
        11.. => preferred_read_replica: i32 = -1,
    }
}

impl FetchRequest {
    /// The answer that says `error` for the request and for every partition: clients miss a
    /// partition that is left out.
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
