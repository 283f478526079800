//! Port of `org.apache.kafka.common.requests.DescribeConfigsRequest` and `DescribeConfigsResponse`:
//! returns the settings of topics and brokers, and where they come from.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

message! {
    pub struct DescribeConfigsRequest {
        0..    => resources: Vec<DescribeConfigsResource>,
        /// Names the other places where each setting is set or could be.
        1..    => include_synonyms: bool,
        3..    => include_documentation: bool,
    }

    pub struct DescribeConfigsResource {
        /// 2 is a topic, 4 a broker.
        0..    => resource_type: i8,
        /// The topic's name, or the broker's id in digits.
        0..    => resource_name: String,
        /// Null for all.
        0..    => configuration_keys: Option<Vec<String>>,
    }

    pub struct DescribeConfigsResponse {
        0..    => throttle_time_ms: i32,
        0..    => results: Vec<DescribeConfigsResult>,
    }

    pub struct DescribeConfigsResult {
        0..    => error_code: i16,
        0..    => error_message: Option<String>,
        0..    => resource_type: i8,
        0..    => resource_name: String,
        0..    => configs: Vec<DescribeConfigsResourceResult>,
    }

    pub struct DescribeConfigsResourceResult {
        0..    => name: String,
        0..    => value: Option<String>,
        0..    => read_only: bool,
        /// Later versions show it by `config_source`.
        0..=0  => is_default: bool,
        /// 1 the topic, 2 this broker's dynamic settings, 3 those of all brokers, 4 this broker's
        /// file, 5 the default; -1 unknown.
        1..    => config_source: i8 = -1,
        0..    => is_sensitive: bool,
        /// Where it is set or could be, the place that prevails first.
        1..    => synonyms: Vec<DescribeConfigsSynonym>,
        /// 1 a boolean, 2 a string, 3 an int, 4 a short, 5 a long, 6 a double, 7 a list, 8 a class,
        /// 9 a password; 0 unknown.
        3..    => config_type: i8,
        /// Null unless it was asked for.
        3..    => documentation: Option<String>,
    }

    /// Another place where a setting is set or could be.
    pub struct DescribeConfigsSynonym {
        1..    => name: String,
        1..    => value: Option<String>,
        /// As `config_source` above.
        1..    => source: i8,
    }
}

impl DescribeConfigsRequest {
    /// Every topic and broker fails with `error`.
    pub fn error_response(&self, error: Errors) -> DescribeConfigsResponse {
        let result = |asked: &DescribeConfigsResource| DescribeConfigsResult {
            error_code: error.code(),
            error_message: Some(error.message().to_string()),
            resource_type: asked.resource_type,
            resource_name: asked.resource_name.clone(),
            configs: Vec::new(),
        };
        let results = self.resources.iter().map(result).collect();
        DescribeConfigsResponse { throttle_time_ms: 0, results }
    }
}
