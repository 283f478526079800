//! Port of `org.apache.kafka.common.requests.CreateTopicsRequest` and `CreateTopicsResponse`: new
//! topics.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;
use crate::protocol::wire::uuid::Uuid;

message! {
    /// Topics to create.
    pub struct CreateTopicsRequest {
        /// The topics.
        0.. => topics: Vec<CreatableTopic>,
        /// How long the client waits for them, in milliseconds.
        0.. => timeout_ms: i32 = 60_000,
        /// Whether only to say what would become of them.
        1.. => validate_only: bool,
    }

    /// A topic to create.
    pub struct CreatableTopic {
        /// The topic's name.
        0.. => name: String,
        /// The number of its partitions; -1 for the broker's own, or if `assignments` say it.
        0.. => num_partitions: i32,
        /// On how many brokers each partition is kept; -1 for the broker's own, or if
        /// `assignments` say it.
        0.. => replication_factor: i16,
        /// On which brokers each partition is kept; none leaves it to the broker.
        0.. => assignments: Vec<CreatableReplicaAssignment>,
        /// The settings in which the topic differs from the broker.
        0.. => configs: Vec<CreatableTopicConfig>,
    }

    /// On which brokers one partition is kept.
    pub struct CreatableReplicaAssignment {
        /// The partition's number.
        0.. => partition_index: i32,
        /// The brokers, the preferred leader first.
        0.. => broker_ids: Vec<i32>,
    }

    /// A setting.
    pub struct CreatableTopicConfig {
        /// Its name.
        0.. => name: String,
        /// Its value.
        0.. => value: Option<String>,
    }

    /// What became of the topics.
    pub struct CreateTopicsResponse {
        /// How long the response was held back by a quota, in milliseconds.
        2.. => throttle_time_ms: i32,
        /// The topics of the request.
        0.. => topics: Vec<CreatableTopicResult>,
    }

    /// What became of one topic.
    ///
    /// The error with which its settings are kept back, a tagged field, is never sent.
    pub struct CreatableTopicResult {
        /// The topic's name.
        0.. => name: String,
        /// The topic's id.
        7.. => topic_id: Uuid,
        /// What went wrong.
        0.. => error_code: i16,
        /// The same for a person, null if nothing did.
        1.. => error_message: Option<String>,
        /// The number of its partitions, -1 if there is no topic.
        5.. => num_partitions: i32 = -1,
        /// On how many brokers each partition is kept, -1 if there is no topic.
        5.. => replication_factor: i16 = -1,
        /// All settings that hold for the topic, null if the client may not see them.
        5.. => configs: Option<Vec<CreatableTopicConfigs>>,
    }

    /// A setting that holds for the topic.
    pub struct CreatableTopicConfigs {
        /// Its name.
        5.. => name: String,
        /// Its value.
        5.. => value: Option<String>,
        /// Whether it cannot be altered.
        5.. => read_only: bool,
        /// Where the value comes from, as in DescribeConfigs.
        5.. => config_source: i8 = -1,
        /// Whether the value is a secret, and therefore null.
        5.. => is_sensitive: bool,
    }
}

impl CreateTopicsRequest {
    /// The answer that says `error` for every topic.
    pub fn error_response(&self, error: Errors) -> CreateTopicsResponse {
        let topic = |asked: &CreatableTopic| CreatableTopicResult {
            name: asked.name.clone(),
            error_code: error.code(),
            error_message: Some(error.message().to_string()),
            ..CreatableTopicResult::default()
        };
        let topics = self.topics.iter().map(topic).collect();
        CreateTopicsResponse { throttle_time_ms: 0, topics }
    }
}
