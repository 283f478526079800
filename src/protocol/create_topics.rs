//! Port of `org.apache.kafka.common.requests.CreateTopicsRequest` and `CreateTopicsResponse`:
//! creates topics.

use crate::common::errors::Errors;
use crate::protocol::client_request::ClientRequest;
use crate::protocol::wire::message_table::message;
use crate::protocol::wire::uuid::Uuid;

message! {
    pub struct CreateTopicsRequest {
        0.. => topics: Vec<CreatableTopic>,
        0.. => timeout_ms: i32 = 60_000,
        /// Checks the request and changes nothing.
        1.. => validate_only: bool,
    }

    pub struct CreatableTopic {
        0.. => name: String,
        /// -1 for the broker's default, or if `assignments` are given.
        0.. => num_partitions: i32,
        /// -1 for the broker's default, or if `assignments` are given.
        0.. => replication_factor: i16,
        /// Empty leaves them to the broker.
        0.. => assignments: Vec<CreatableReplicaAssignment>,
        /// Those in which the topic differs from the broker.
        0.. => configs: Vec<CreatableTopicConfig>,
    }

    pub struct CreatableReplicaAssignment {
        0.. => partition_index: i32,
        /// The preferred leader first.
        0.. => broker_ids: Vec<i32>,
    }

    pub struct CreatableTopicConfig {
        0.. => name: String,
        0.. => value: Option<String>,
    }

    pub struct CreateTopicsResponse {
        2.. => throttle_time_ms: i32,
        0.. => topics: Vec<CreatableTopicResult>,
    }

    /// Kafka's tagged field `topic_config_error_code` is never sent.
    pub struct CreatableTopicResult {
        0.. => name: String,
        7.. => topic_id: Uuid,
        0.. => error_code: i16,
        1.. => error_message: Option<String>,
        /// -1 if the topic was not created.
        5.. => num_partitions: i32 = -1,
        /// -1 if the topic was not created.
        5.. => replication_factor: i16 = -1,
        /// All that apply to the topic; null if the client may not see them.
        5.. => configs: Option<Vec<CreatableTopicConfigs>>,
    }

    pub struct CreatableTopicConfigs {
        5.. => name: String,
        5.. => value: Option<String>,
        5.. => read_only: bool,
        /// As in DescribeConfigs.
        5.. => config_source: i8 = -1,
        5.. => is_sensitive: bool,
    }
}

impl CreateTopicsRequest {
    /// Every topic fails with `error`.
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

/// As this broker asks the controller.
impl ClientRequest for CreateTopicsRequest {
    const NAME: &'static str = "CreateTopics";
    const API_KEY: i16 = 19;
    const FIRST_FLEXIBLE_VERSION: i16 = 5;
    type Response = CreateTopicsResponse;
}
