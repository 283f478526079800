//! Port of `org.apache.kafka.common.requests.InitProducerIdRequest` and `InitProducerIdResponse`:
//! gives an idempotent producer the id under which it numbers its batches.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

pub const NO_PRODUCER_ID: i64 = -1;
pub const NO_PRODUCER_EPOCH: i16 = -1;

message! {
    pub struct InitProducerIdRequest {
        /// Null for a producer without transactions.
        0.. => transactional_id: Option<String>,
        /// After this time the coordinator aborts a transaction.
        0.. => transaction_timeout_ms: i32,
        /// The one that the producer has, if it only wants a new epoch.
        3.. => producer_id: i64 = NO_PRODUCER_ID,
        3.. => producer_epoch: i16 = NO_PRODUCER_EPOCH,
    }

    pub struct InitProducerIdResponse {
        0.. => throttle_time_ms: i32,
        0.. => error_code: i16,
        0.. => producer_id: i64 = NO_PRODUCER_ID,
        0.. => producer_epoch: i16 = NO_PRODUCER_EPOCH,
    }
}

impl InitProducerIdRequest {
    pub fn error_response(&self, error: Errors) -> InitProducerIdResponse {
        InitProducerIdResponse { error_code: error.code(), ..InitProducerIdResponse::default() }
    }
}
