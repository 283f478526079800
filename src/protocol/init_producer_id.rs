//! Port of `org.apache.kafka.common.requests.InitProducerIdRequest` and `InitProducerIdResponse`:
//! an idempotent producer gets the id under which it numbers its batches.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

/// In place of a producer's id: there is none.
pub const NO_PRODUCER_ID: i64 = -1;
/// In place of a producer's epoch: there is none.
pub const NO_PRODUCER_EPOCH: i16 = -1;

message! {
    /// A wish for a producer's id.
    pub struct InitProducerIdRequest {
        /// Whose transactions it is for, null for a producer without transactions.
        0.. => transactional_id: Option<String>,
        /// After how long the coordinator gives up a transaction, in milliseconds.
        0.. => transaction_timeout_ms: i32,
        /// The id that the producer has, if it wants only a new epoch.
        3.. => producer_id: i64 = NO_PRODUCER_ID,
        /// The epoch that it has.
        3.. => producer_epoch: i16 = NO_PRODUCER_EPOCH,
    }

    /// A producer's id.
    pub struct InitProducerIdResponse {
        /// How long the response was held back by a quota, in milliseconds.
        0.. => throttle_time_ms: i32,
        /// What went wrong.
        0.. => error_code: i16,
        /// The id.
        0.. => producer_id: i64 = NO_PRODUCER_ID,
        /// The epoch.
        0.. => producer_epoch: i16 = NO_PRODUCER_EPOCH,
    }
}

impl InitProducerIdRequest {
    /// The answer that says `error` and gives no id.
    pub fn error_response(&self, error: Errors) -> InitProducerIdResponse {
        InitProducerIdResponse { error_code: error.code(), ..InitProducerIdResponse::default() }
    }
}
