//! Port of `org.apache.kafka.common.requests.DescribeConfigsRequest` and `DescribeConfigsResponse`:
//! the settings of topics and brokers, and where they come from.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

message! {
    /// A question for settings.
    pub struct DescribeConfigsRequest {
        /// The topics and brokers.
        0..    => resources: Vec<DescribeConfigsResource>,
        /// Whether to name the other places where each setting stands or could stand.
        1..    => include_synonyms: bool,
        /// Whether to say what each setting is for.
        3..    => include_documentation: bool,
    }

    /// A question for the settings of one topic or broker.
    pub struct DescribeConfigsResource {
        /// What it is: 2 a topic, 4 a broker.
        0..    => resource_type: i8,
        /// The topic's name, or the broker's id in digits.
        0..    => resource_name: String,
        /// The settings that are wanted, null for all.
        0..    => configuration_keys: Option<Vec<String>>,
    }

    /// Settings.
    pub struct DescribeConfigsResponse {
        /// How long the response was held back by a quota, in milliseconds.
        0..    => throttle_time_ms: i32,
        /// The topics and brokers of the request.
        0..    => results: Vec<DescribeConfigsResult>,
    }

    /// The settings of one topic or broker.
    pub struct DescribeConfigsResult {
        /// What went wrong.
        0..    => error_code: i16,
        /// The same for a person, null if nothing did.
        0..    => error_message: Option<String>,
        /// What it is, as in the request.
        0..    => resource_type: i8,
        /// Its name, as in the request.
        0..    => resource_name: String,
        /// Its settings.
        0..    => configs: Vec<DescribeConfigsResourceResult>,
    }

    /// A setting.
    pub struct DescribeConfigsResourceResult {
        /// Its name.
        0..    => name: String,
        /// Its value.
        0..    => value: Option<String>,
        /// Whether it cannot be altered.
        0..    => read_only: bool,
        /// Whether the value is the default; later versions say it by `config_source`.
        0..=0  => is_default: bool,
        /// Where the value comes from: 1 the topic, 2 this broker's dynamic settings, 3 those of
        /// all brokers, 4 this broker's file, 5 the default; -1 if it is not said.
        1..    => config_source: i8 = -1,
        /// Whether the value is a secret, and therefore null.
        0..    => is_sensitive: bool,
        /// The other places where it stands or could stand, the one that prevails first.
        1..    => synonyms: Vec<DescribeConfigsSynonym>,
        /// What its value is: 1 a boolean, 2 a string, 3 an int, 4 a short, 5 a long, 6 a double,
        /// 7 a list, 8 a class, 9 a password; 0 if it is not said.
        3..    => config_type: i8,
        /// What it is for, null if that was not asked.
        3..    => documentation: Option<String>,
    }

    /// Another place where a setting stands or could stand.
    pub struct DescribeConfigsSynonym {
        /// The setting's name there.
        1..    => name: String,
        /// Its value there.
        1..    => value: Option<String>,
        /// Which place it is, as in `config_source`.
        1..    => source: i8,
    }
}

impl DescribeConfigsRequest {
    /// The answer that says `error` for every topic and broker.
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
