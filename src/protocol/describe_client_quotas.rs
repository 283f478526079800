//! Port of `org.apache.kafka.common.requests.DescribeClientQuotasRequest` and
//! `DescribeClientQuotasResponse`: lists quotas.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

message! {
    pub struct DescribeClientQuotasRequest {
        0.. => components: Vec<ComponentData>,
        /// Leaves out entities with further components.
        0.. => strict: bool,
    }

    /// A condition that entities must meet.
    pub struct ComponentData {
        /// `user` or `client-id`.
        0.. => entity_type: String,
        /// 0 matches the name below, 1 the default entity, 2 any.
        0.. => match_type: i8,
        /// Null unless `match_type` is 0.
        0.. => match_name: Option<String>,
    }

    pub struct DescribeClientQuotasResponse {
        0.. => throttle_time_ms: i32,
        0.. => error_code: i16,
        0.. => error_message: Option<String>,
        /// Null on error.
        0.. => entries: Option<Vec<EntryData>>,
    }

    pub struct EntryData {
        0.. => entity: Vec<EntityData>,
        0.. => values: Vec<ValueData>,
    }

    /// A component of an entity: its user or its client id.
    pub struct EntityData {
        /// `user` or `client-id`.
        0.. => entity_type: String,
        /// Null for the default entity.
        0.. => entity_name: Option<String>,
    }

    pub struct ValueData {
        0.. => key: String,
        0.. => value: f64,
    }
}

impl DescribeClientQuotasRequest {
    pub fn error_response(&self, error: Errors) -> DescribeClientQuotasResponse {
        DescribeClientQuotasResponse {
            error_code: error.code(),
            error_message: Some(error.message().to_string()),
            ..DescribeClientQuotasResponse::default()
        }
    }
}
