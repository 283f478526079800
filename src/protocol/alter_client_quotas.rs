//! Port of `org.apache.kafka.common.requests.AlterClientQuotasRequest` and
//! `AlterClientQuotasResponse`: sets and removes quotas.

use crate::common::errors::Errors;
use crate::protocol::describe_client_quotas::EntityData;
use crate::protocol::wire::message_table::message;

message! {
    pub struct AlterClientQuotasRequest {
        0.. => entries: Vec<AlterEntryData>,
        /// Checks the request and changes nothing.
        0.. => validate_only: bool,
    }

    pub struct AlterEntryData {
        0.. => entity: Vec<EntityData>,
        0.. => ops: Vec<OpData>,
    }

    pub struct OpData {
        0.. => key: String,
        0.. => value: f64,
        /// Removes the quota; `value` is ignored then.
        0.. => remove: bool,
    }

    pub struct AlterClientQuotasResponse {
        0.. => throttle_time_ms: i32,
        0.. => entries: Vec<AlterEntryResponse>,
    }

    pub struct AlterEntryResponse {
        0.. => error_code: i16,
        0.. => error_message: Option<String>,
        0.. => entity: Vec<EntityData>,
    }
}

impl AlterClientQuotasRequest {
    /// Every entity fails with `error`.
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
