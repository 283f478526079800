//! Port of `org.apache.kafka.common.requests.DescribeClientQuotasRequest` and
//! `DescribeClientQuotasResponse`: which quotas hold for whom.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

message! {
    /// A question for quotas.
    pub struct DescribeClientQuotasRequest {
        /// What the entities that are asked for have in common.
        0.. => components: Vec<ComponentData>,
        /// Whether entities that have more components than those are left out.
        0.. => strict: bool,
    }

    /// One thing that entities have in common.
    pub struct ComponentData {
        /// The component: `user` or `client-id`.
        0.. => entity_type: String,
        /// Which names match: 0 the one below, 1 the default entity, 2 any.
        0.. => match_type: i8,
        /// The name, null if `match_type` is not 0.
        0.. => match_name: Option<String>,
    }

    /// Quotas.
    pub struct DescribeClientQuotasResponse {
        /// How long the response was held back by a quota, in milliseconds.
        0.. => throttle_time_ms: i32,
        /// What went wrong.
        0.. => error_code: i16,
        /// The same for a person, null if nothing did.
        0.. => error_message: Option<String>,
        /// The entities and their quotas, null on error.
        0.. => entries: Option<Vec<EntryData>>,
    }

    /// An entity and its quotas.
    pub struct EntryData {
        /// The entity's components.
        0.. => entity: Vec<EntityData>,
        /// Its quotas.
        0.. => values: Vec<ValueData>,
    }

    /// A component of an entity.
    pub struct EntityData {
        /// The component: `user` or `client-id`.
        0.. => entity_type: String,
        /// Its name, null for the default entity.
        0.. => entity_name: Option<String>,
    }

    /// A quota.
    pub struct ValueData {
        /// Its name.
        0.. => key: String,
        /// Its value.
        0.. => value: f64,
    }
}

impl DescribeClientQuotasRequest {
    /// The answer that says `error`.
    pub fn error_response(&self, error: Errors) -> DescribeClientQuotasResponse {
        DescribeClientQuotasResponse {
            error_code: error.code(),
            error_message: Some(error.message().to_string()),
            ..DescribeClientQuotasResponse::default()
        }
    }
}
