//! Port of `org.apache.kafka.common.requests.IncrementalAlterConfigsRequest` and
//! `IncrementalAlterConfigsResponse`: alters some settings of a topic or broker, and keeps the
//! others (KIP-339).

use crate::common::errors::Errors;
use crate::protocol::alter_configs::AlterConfigsResourceResponse;
use crate::protocol::wire::message_table::message;

message! {
    pub struct IncrementalAlterConfigsRequest {
        0.. => resources: Vec<IncrementalAlterConfigsResource>,
        /// Checks the request and changes nothing.
        0.. => validate_only: bool,
    }

    pub struct IncrementalAlterConfigsResource {
        /// 2 is a topic, 4 a broker.
        0.. => resource_type: i8,
        /// The topic's name, or the broker's id in digits.
        0.. => resource_name: String,
        0.. => configs: Vec<IncrementalAlterableConfig>,
    }

    pub struct IncrementalAlterableConfig {
        0.. => name: String,
        /// 0 sets the value, 1 returns to the default, 2 appends to a list, 3 removes from it.
        0.. => config_operation: i8,
        0.. => value: Option<String>,
    }

    pub struct IncrementalAlterConfigsResponse {
        0.. => throttle_time_ms: i32,
        0.. => responses: Vec<AlterConfigsResourceResponse>,
    }
}

impl IncrementalAlterConfigsRequest {
    /// Every topic and broker fails with `error`.
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
