//! Port of `org.apache.kafka.common.requests.IncrementalAlterConfigsRequest` and
//! `IncrementalAlterConfigsResponse`: some settings of a topic or broker are altered, and the
//! others kept (KIP-339).

use crate::common::errors::Errors;
use crate::protocol::alter_configs::AlterConfigsResourceResponse;
use crate::protocol::wire::message_table::message;

message! {
    /// Settings to alter.
    pub struct IncrementalAlterConfigsRequest {
        /// The topics and brokers.
        0.. => resources: Vec<IncrementalAlterConfigsResource>,
        /// Whether only to say what would become of them.
        0.. => validate_only: bool,
    }

    /// The settings to alter of one topic or broker.
    pub struct IncrementalAlterConfigsResource {
        /// What it is: 2 a topic, 4 a broker.
        0.. => resource_type: i8,
        /// The topic's name, or the broker's id in digits.
        0.. => resource_name: String,
        /// Its settings.
        0.. => configs: Vec<IncrementalAlterableConfig>,
    }

    /// A setting to alter.
    pub struct IncrementalAlterableConfig {
        /// Its name.
        0.. => name: String,
        /// What to do: 0 set it, 1 return to the default, 2 append to its list, 3 take from its
        /// list.
        0.. => config_operation: i8,
        /// The value to do it with.
        0.. => value: Option<String>,
    }

    /// What became of them.
    pub struct IncrementalAlterConfigsResponse {
        /// How long the response was held back by a quota, in milliseconds.
        0.. => throttle_time_ms: i32,
        /// The topics and brokers of the request.
        0.. => responses: Vec<AlterConfigsResourceResponse>,
    }
}

impl IncrementalAlterConfigsRequest {
    /// The answer that says `error` for every topic and broker.
    pub fn error_response(&self, error: Errors) -> IncrementalAlterConfigsResponse {
        let response = |asked: &IncrementalAlterConfigsResource| AlterConfigsResourceResponse {
            error_code: error.code(),
            error_message: Some(error.message().to_string()),
            resource_type: asked.resource_type,
            resource_name: asked.resource_name.clone(),
        };
        let responses = self.resources.iter().map(response).collect();
        IncrementalAlterConfigsResponse { throttle_time_ms: 0, responses }
    }
}
