//! Port of `org.apache.kafka.common.requests.DescribeClusterRequest` and `DescribeClusterResponse`:
//! lists the brokers, without the topics.

use crate::common::errors::Errors;
use crate::protocol::client_request::ClientRequest;
use crate::protocol::metadata::OPERATIONS_NOT_ASKED_FOR;
use crate::protocol::wire::message_table::message;

/// The `endpoint_type` of brokers.
pub const BROKERS: i8 = 1;
/// The `endpoint_type` of controllers.
pub const CONTROLLERS: i8 = 2;

message! {
    pub struct DescribeClusterRequest {
        0.. => include_cluster_authorized_operations: bool,
        /// 1 asks for brokers, 2 for controllers.
        1.. => endpoint_type: i8 = BROKERS,
        /// Those that the controllers have taken out of service (KIP-1073).
        2.. => include_fenced_brokers: bool,
    }

    pub struct DescribeClusterResponse {
        0.. => throttle_time_ms: i32,
        0.. => error_code: i16,
        0.. => error_message: Option<String>,
        1.. => endpoint_type: i8 = BROKERS,
        0.. => cluster_id: String,
        /// -1 for none.
        0.. => controller_id: i32 = -1,
        0.. => brokers: Vec<DescribeClusterBroker>,
        0.. => cluster_authorized_operations: i32 = OPERATIONS_NOT_ASKED_FOR,
    }

    /// The advertised address.
    pub struct DescribeClusterBroker {
        0.. => broker_id: i32,
        0.. => host: String,
        0.. => port: i32,
        0.. => rack: Option<String>,
        2.. => is_fenced: bool,
    }
}

impl DescribeClusterRequest {
    pub fn error_response(&self, error: Errors) -> DescribeClusterResponse {
        DescribeClusterResponse {
            error_code: error.code(),
            error_message: Some(error.message().to_string()),
            ..DescribeClusterResponse::default()
        }
    }
}

/// As this broker asks a controller.
impl ClientRequest for DescribeClusterRequest {
    const NAME: &'static str = "DescribeCluster";
    const API_KEY: i16 = 60;
    const FIRST_FLEXIBLE_VERSION: i16 = 0;
    type Response = DescribeClusterResponse;
}
