//! Port of `org.apache.kafka.common.requests.DescribeClusterRequest` and `DescribeClusterResponse`:
//! the brokers, without the topics.

use crate::common::errors::Errors;
use crate::protocol::metadata::OPERATIONS_NOT_ASKED_FOR;
use crate::protocol::wire::message_table::message;

/// What is asked for are brokers, not controllers.
pub const BROKERS: i8 = 1;

message! {
    /// A question for the brokers.
    pub struct DescribeClusterRequest {
        /// Whether to say what the client may do with the cluster.
        0.. => include_cluster_authorized_operations: bool,
        /// What is asked for: 1 the brokers, 2 the controllers.
        1.. => endpoint_type: i8 = BROKERS,
    }

    /// The brokers.
    pub struct DescribeClusterResponse {
        /// How long the response was held back by a quota, in milliseconds.
        0.. => throttle_time_ms: i32,
        /// What went wrong.
        0.. => error_code: i16,
        /// The same for a person, null if nothing did.
        0.. => error_message: Option<String>,
        /// What is answered, as in the request.
        1.. => endpoint_type: i8 = BROKERS,
        /// The cluster's name.
        0.. => cluster_id: String,
        /// The broker that is the controller, -1 for none.
        0.. => controller_id: i32 = -1,
        /// The brokers that are alive.
        0.. => brokers: Vec<DescribeClusterBroker>,
        /// What the client may do with the cluster, as a set of bits.
        0.. => cluster_authorized_operations: i32 = OPERATIONS_NOT_ASKED_FOR,
    }

    /// A broker, at the address under which clients reach it.
    pub struct DescribeClusterBroker {
        /// The broker's id.
        0.. => broker_id: i32,
        /// Its host name or address.
        0.. => host: String,
        /// Its port.
        0.. => port: i32,
        /// Its rack, if it has one.
        0.. => rack: Option<String>,
    }
}

impl DescribeClusterRequest {
    /// The answer that says `error` and names no broker.
    pub fn error_response(&self, error: Errors) -> DescribeClusterResponse {
        DescribeClusterResponse {
            error_code: error.code(),
            error_message: Some(error.message().to_string()),
            ..DescribeClusterResponse::default()
        }
    }
}
