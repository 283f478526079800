//! Port of `org.apache.kafka.common.requests.MetadataRequest` and its response: brokers and topics.

use crate::common::errors::{Errors, KafkaError};
use crate::protocol::wire::message_table::message;
use crate::protocol::wire::uuid::Uuid;

/// In place of a set of operations: the client did not ask for it.
pub const OPERATIONS_NOT_ASKED_FOR: i32 = i32::MIN;
/// The first version in which topics can be asked for by id, though versions 10 and 11 have the field
/// (KIP-516).
const TOPICS_BY_ID_VERSION: i16 = 12;

message! {
    /// A question for brokers and topics.
    pub struct MetadataRequest {
        /// The topics: see [`asks_for_all_topics`](MetadataRequest::asks_for_all_topics).
        0.., null 1..  => topics: Option<Vec<MetadataRequestTopic>>,
        /// Whether a topic that does not exist may be created; before version 4 always.
        4..            => allow_auto_topic_creation: bool = true,
        /// Whether to say what the client may do with the cluster.
        8..=10         => include_cluster_authorized_operations: bool,
        /// Whether to say what the client may do with each topic.
        8..            => include_topic_authorized_operations: bool,
    }

    /// A topic that is asked for, by name or by id.
    pub struct MetadataRequestTopic {
        /// The topic's id, zero if it is asked for by name.
        10..           => topic_id: Uuid,
        /// The topic's name, null if it is asked for by id (which works from version 12 on).
        0.., null 10.. => name: Option<String>,
    }

    /// Brokers and topics.
    pub struct MetadataResponse {
        /// How long the response was held back by a quota, in milliseconds.
        3..            => throttle_time_ms: i32,
        /// The brokers that are alive.
        0..            => brokers: Vec<MetadataResponseBroker>,
        /// The cluster's name.
        2..            => cluster_id: Option<String>,
        /// The broker that is the controller, -1 for none.
        1..            => controller_id: i32 = -1,
        /// The topics.
        0..            => topics: Vec<MetadataResponseTopic>,
        /// What the client may do with the cluster, as a set of bits.
        8..=10         => cluster_authorized_operations: i32 = OPERATIONS_NOT_ASKED_FOR,
    }

    /// A broker, at the address under which clients reach it.
    pub struct MetadataResponseBroker {
        /// The broker's id.
        0..            => node_id: i32,
        /// Its host name or address.
        0..            => host: String,
        /// Its port.
        0..            => port: i32,
        /// Its rack, if it has one.
        1..            => rack: Option<String>,
    }

    /// A topic.
    pub struct MetadataResponseTopic {
        /// What went wrong.
        0..            => error_code: i16,
        /// The topic's name, null if it was asked for by an id that is not known.
        0.., null 12.. => name: Option<String>,
        /// The topic's id.
        10..           => topic_id: Uuid,
        /// Whether the topic belongs to Kafka itself.
        1..            => is_internal: bool,
        /// Its partitions.
        0..            => partitions: Vec<MetadataResponsePartition>,
        /// What the client may do with the topic, as a set of bits.
        8..            => topic_authorized_operations: i32 = OPERATIONS_NOT_ASKED_FOR,
    }

    /// A partition.
    pub struct MetadataResponsePartition {
        /// What went wrong.
        0..            => error_code: i16,
        /// The partition's number.
        0..            => partition_index: i32,
        /// The broker that leads it, -1 for none.
        0..            => leader_id: i32 = -1,
        /// How often leadership has changed, -1 if unknown.
        7..            => leader_epoch: i32 = -1,
        /// All brokers that hold it.
        0..            => replica_nodes: Vec<i32>,
        /// Those that have caught up.
        0..            => isr_nodes: Vec<i32>,
        /// Those that are gone.
        5..            => offline_replicas: Vec<i32>,
    }
}

impl MetadataRequest {
    /// Whether all topics are wanted, in the words of `version`: none named in version 0, null from
    /// version 1 on.
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

    /// The answer that says `error` for every topic that is asked for. A name that is null comes
    /// back empty, as in Kafka: before version 12 an answer has no null.
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
