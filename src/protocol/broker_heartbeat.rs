//! Port of `org.apache.kafka.common.requests.BrokerHeartbeatRequest` and `BrokerHeartbeatResponse`: keeps a
//! registered broker alive, and asks the controller to fence it, to unfence it or to let it go. This broker
//! sends it.

use crate::protocol::client_request::ClientRequest;
use crate::protocol::wire::message_table::message;
use crate::protocol::wire::uuid::Uuid;

message! {
    pub struct BrokerHeartbeatRequest {
        0..         => broker_id: i32,
        /// That of the registration; -1 for none.
        0..         => broker_epoch: i64 = -1,
        /// Of the last metadata record that is applied and published.
        0..         => current_metadata_offset: i64,
        0..         => want_fence: bool,
        0..         => want_shut_down: bool,
        /// The ids of all directories that have failed since the start.
        1.., tag 0  => offline_log_dirs: Vec<Uuid>,
        /// The ids of the directories that take no new replicas; null while they are not known.
        2.., null 2.., tag 1 => cordoned_log_dirs: Option<Vec<Uuid>>,
    }

    pub struct BrokerHeartbeatResponse {
        0.. => throttle_time_ms: i32,
        0.. => error_code: i16,
        /// The broker has applied the record that registered it.
        0.. => is_caught_up: bool,
        0.. => is_fenced: bool = true,
        /// A broker that wants to shut down may.
        0.. => should_shut_down: bool,
    }
}

impl ClientRequest for BrokerHeartbeatRequest {
    const NAME: &'static str = "BrokerHeartbeat";
    const API_KEY: i16 = 63;
    const FIRST_FLEXIBLE_VERSION: i16 = 0;
    type Response = BrokerHeartbeatResponse;
}
