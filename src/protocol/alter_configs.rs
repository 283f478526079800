//! Port of `org.apache.kafka.common.requests.AlterConfigsRequest` and `AlterConfigsResponse`: all
//! settings of a topic or broker are replaced.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

message! {
    /// Settings to replace.
    pub struct AlterConfigsRequest {
        /// The topics and brokers.
        0.. => resources: Vec<AlterConfigsResource>,
        /// Whether only to say what would become of them.
        0.. => validate_only: bool,
    }

    /// The settings that one topic or broker is to have, and no others.
    pub struct AlterConfigsResource {
        /// What it is: 2 a topic, 4 a broker.
        0.. => resource_type: i8,
        /// The topic's name, or the broker's id in digits.
        0.. => resource_name: String,
        /// Its settings.
        0.. => configs: Vec<AlterableConfig>,
    }

    /// A setting.
    pub struct AlterableConfig {
        /// Its name.
        0.. => name: String,
        /// Its value.
        0.. => value: Option<String>,
    }

    /// What became of them.
    pub struct AlterConfigsResponse {
        /// How long the response was held back by a quota, in milliseconds.
        0.. => throttle_time_ms: i32,
        /// The topics and brokers of the request.
        0.. => responses: Vec<AlterConfigsResourceResponse>,
    }

    /// What became of one topic or broker.
    pub struct AlterConfigsResourceResponse {
        /// What went wrong.
        0.. => error_code: i16,
        /// The same for a person, null if nothing did.
        0.. => error_message: Option<String>,
        /// What it is, as in the request.
        0.. => resource_type: i8,
        /// Its name, as in the request.
        0.. => resource_name: String,
    }
}

impl AlterConfigsRequest {
    /// The answer that says `error` for every topic and broker.
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
