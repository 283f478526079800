//! Port of `org.apache.kafka.common.requests.AlterConfigsRequest` and `AlterConfigsResponse`:
//! replaces all settings of a topic or broker.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

message! {
    pub struct AlterConfigsRequest {
        0.. => resources: Vec<AlterConfigsResource>,
        /// Checks the request and changes nothing.
        0.. => validate_only: bool,
    }

    /// A setting that is not named returns to its default.
    pub struct AlterConfigsResource {
        /// 2 is a topic, 4 a broker.
        0.. => resource_type: i8,
        /// The topic's name, or the broker's id in digits.
        0.. => resource_name: String,
        0.. => configs: Vec<AlterableConfig>,
    }

    pub struct AlterableConfig {
        0.. => name: String,
        0.. => value: Option<String>,
    }

    pub struct AlterConfigsResponse {
        0.. => throttle_time_ms: i32,
        0.. => responses: Vec<AlterConfigsResourceResponse>,
    }

    pub struct AlterConfigsResourceResponse {
        0.. => error_code: i16,
        0.. => error_message: Option<String>,
        0.. => resource_type: i8,
        0.. => resource_name: String,
    }
}

impl AlterConfigsRequest {
    /// Every topic and broker fails with `error`.
    pub fn error_response(&self, error: Errors) -> AlterConfigsResponse {
        let response = |asked: &AlterConfigsResource| AlterConfigsResourceResponse {
            error_code: error.code(),
            error_message: Some(error.message().to_string()),
            resource_type: asked.resource_type,
            resource_name: asked.resource_name.clone(),
        };
        let responses = self.resources.iter().map(response).collect();
        AlterConfigsResponse { throttle_time_ms: 0, responses }
    }
}
