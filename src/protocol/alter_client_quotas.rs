//! Port of `org.apache.kafka.common.requests.AlterClientQuotasRequest` and
//! `AlterClientQuotasResponse`: quotas are set and taken away.

use crate::common::errors::Errors;
use crate::protocol::describe_client_quotas::EntityData;
use crate::protocol::wire::message_table::message;

message! {
    /// Quotas to alter.
    pub struct AlterClientQuotasRequest {
        /// The entities.
        0.. => entries: Vec<AlterEntryData>,
        /// Whether only to say what would become of them.
        0.. => validate_only: bool,
    }

    /// The quotas to alter of one entity.
    pub struct AlterEntryData {
        /// The entity's components.
        0.. => entity: Vec<EntityData>,
        /// What to do.
        0.. => ops: Vec<OpData>,
    }

    /// What to do with one quota.
    pub struct OpData {
        /// Its name.
        0.. => key: String,
        /// Its value.
        0.. => value: f64,
        /// Whether to take it away, whatever the value.
        0.. => remove: bool,
    }

    /// What became of them.
    pub struct AlterClientQuotasResponse {
        /// How long the response was held back by a quota, in milliseconds.
        0.. => throttle_time_ms: i32,
        /// The entities of the request.
        0.. => entries: Vec<AlterEntryResponse>,
    }

    /// What became of the quotas of one entity.
    pub struct AlterEntryResponse {
        /// What went wrong.
        0.. => error_code: i16,
        /// The same for a person, null if nothing did.
        0.. => error_message: Option<String>,
        /// The entity's components.
        0.. => entity: Vec<EntityData>,
    }
}

impl AlterClientQuotasRequest {
    /// The answer that says `error` for every entity.
    pub fn error_response(&self, error: Errors) -> AlterClientQuotasResponse {
        let entry = |asked: &AlterEntryData| AlterEntryResponse {
            error_code: error.code(),
            error_message: Some(error.message().to_string()),
            entity: asked.entity.clone(),
        };
        let entries = self.entries.iter().map(entry).collect();
        AlterClientQuotasResponse { throttle_time_ms: 0, entries }
    }
}
