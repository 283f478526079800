//! Port of `org.apache.kafka.common.requests.AllocateProducerIdsRequest` and `AllocateProducerIdsResponse`:
//! a block of ids for idempotent producers. This broker sends it.

use crate::protocol::client_request::ClientRequest;
use crate::protocol::wire::message_table::message;

message! {
    pub struct AllocateProducerIdsRequest {
        0.. => broker_id: i32,
        /// That of the registration; -1 for none.
        0.. => broker_epoch: i64 = -1,
    }

    /// The block is whoever's asked, for ever.
    pub struct AllocateProducerIdsResponse {
        0.. => throttle_time_ms: i32,
        0.. => error_code: i16,
        0.. => producer_id_start: i64,
        /// How many there are.
        0.. => producer_id_len: i32,
    }
}

impl ClientRequest for AllocateProducerIdsRequest {
    const NAME: &'static str = "AllocateProducerIds";
    const API_KEY: i16 = 67;
    const FIRST_FLEXIBLE_VERSION: i16 = 0;
    type Response = AllocateProducerIdsResponse;
}
