//! Port of `org.apache.kafka.common.requests.MetadataRequest` and its response: lists
//! the brokers and topics.

use crate::common::errors::{Errors, KafkaError};
use crate::protocol::wire::message_table::message;
use crate::protocol::wire::uuid::Uuid;

/// In place of a set of operations that the client did not ask for.
pub const OPERATIONS_NOT_ASKED_FOR: i32 = i32::MIN;
/// The first version in which topics can be asked for by id, though versions 10 and 11 have the
/// field (KIP-516).
const TOPICS_BY_ID_VERSION: i16 = 12;

message! {
    pub struct MetadataRequest {
        /// See [`asks_for_all_topics`](MetadataRequest::asks_for_all_topics).
        0.., null 1..  => topics: Option<Vec<MetadataRequestTopic>>,
        /// Before version 4 a topic that does not exist is always created.
        4..            => allow_auto_topic_creation: bool = true,
        8..=10         => include_cluster_authorized_operations: bool,
        8..            => include_topic_authorized_operations: bool,
    }

    pub struct MetadataRequestTopic {
        /// Zero if the topic is given by its name.
        10..           => topic_id: Uuid,
        /// Null if the topic is given by its id, which works from version 12 on.
        0.., null 10.. => name: Option<String>,
    }

    pub struct MetadataResponse {
        3..            => throttle_time_ms: i32,
        0..            => brokers: Vec<MetadataResponseBroker>,
        2..            => cluster_id: Option<String>,
        /// -1 for none.
        1..            => controller_id: i32 = -1,
        0..            => topics: Vec<MetadataResponseTopic>,
        8..=10         => cluster_authorized_operations: i32 = OPERATIONS_NOT_ASKED_FOR,
    }

    /// The advertised address.
    pub struct MetadataResponseBroker {
        0..            => node_id: i32,
        0..            => host: String,
        0..            => port: i32,
        1..            => rack: Option<String>,
    }

    pub struct MetadataResponseTopic {
        0..            => error_code: i16,
        /// Null for an id that is not known.
        0.., null 12.. => name: Option<String>,
        10..           => topic_id: Uuid,
        1..            => is_internal: bool,
        0..            => partitions: Vec<MetadataResponsePartition>,
        8..            => topic_authorized_operations: i32 = OPERATIONS_NOT_ASKED_FOR,
    }

    pub struct MetadataResponsePartition {
        0..            => error_code: i16,
        0..            => partition_index: i32,
        /// -1 for none.
        0..            => leader_id: i32 = -1,
        /// -1 if unknown.
        7..            => leader_epoch: i32 = -1,
        0..            => replica_nodes: Vec<i32>,
        0..            => isr_nodes: Vec<i32>,
        5..            => offline_replicas: Vec<i32>,
    }
}

impl MetadataRequest {
    /// Whether all topics are asked for: by an empty list in version 0, by null from version 1 on.
    pub fn asks_for_all_topics(&self, version: i16) -> bool {
        match &self.topics {
            Some(topics) => version == 0 && topics.is_empty(),
            None => true,
        }
    }

    /// Whether topics are wanted by id: one of them carries an id. Names are of no account then
    /// (the Java client sends empty ones), nor are topics without an id.
    pub fn asks_by_id(&self) -> bool {
        self.topics.iter().flatten().any(|topic| topic.topic_id != Uuid::ZERO)
    }

    /// Whether each topic is named in a way that works in `version`.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for an id, or no name, before version 12; for a topic with neither, if no
    /// other has an id (of which Kafka says `UNKNOWN_SERVER_ERROR`).
    pub fn check_topics(&self, version: i16) -> Result<(), KafkaError> {
        let is_any_nameless = self.topics.iter().flatten().any(|topic| topic.name.is_none());
        let why = match (version, self.asks_by_id()) {
            (..TOPICS_BY_ID_VERSION, true) => "topics are asked for by id from version 12 on",
            (_, false) if is_any_nameless => "a topic has neither a name nor an id",
            _ => return Ok(()),
        };
        Err(KafkaError::api(Errors::InvalidRequest, why))
    }

    /// Every topic fails with `error`. A name that is null comes back empty, as in Kafka: before
    /// version 12 a response has no null.
    pub fn error_response(&self, error: Errors) -> MetadataResponse {
        let topic = |asked: &MetadataRequestTopic| MetadataResponseTopic {
            error_code: error.code(),
            name: Some(asked.name.clone().unwrap_or_default()),
            topic_id: asked.topic_id,
            ..MetadataResponseTopic::default()
        };
        let topics = self.topics.iter().flatten().map(topic).collect();
        MetadataResponse { topics, ..MetadataResponse::default() }
    }
}
