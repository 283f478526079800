//! Port of `KafkaApis.handleDescribeCluster` (Kafka 2.8).

use std::sync::Arc;

use crate::common::errors::Errors;
use crate::protocol::describe_cluster::{
    BROKERS, DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};
use crate::protocol::request::ResponseBody;
use crate::server::apis::parts::Parts;
use crate::server::metadata::metadata_cache::{IsFenced, MetadataCache, Node};
use crate::server::reply::reply::Reply;
use crate::server::security::authorization::Authorization;

/// In place of [`BROKERS`]: the controllers.
const CONTROLLERS: i8 = 2;

/// Handles DescribeCluster.
pub(crate) struct ClusterApis {
    metadata_cache: Arc<dyn MetadataCache>,
    authorization: Authorization,
}

impl ClusterApis {
    pub(crate) fn new(parts: &Parts<'_>) -> Self {
        Self {
            metadata_cache: Arc::clone(&parts.metadata_cache),
            authorization: parts.authorization(),
        }
    }

    /// In a cluster of one broker that one is the controller.
    pub(crate) fn handle_describe_cluster_request(
        &self,
        reply: Reply,
        request: &DescribeClusterRequest,
    ) {
        let response = match request.endpoint_type {
            BROKERS => self.cluster(&reply, request),
            CONTROLLERS => request.error_response(Errors::MismatchedEndpointType),
            _ => request.error_response(Errors::UnsupportedEndpointType),
        };
        reply.send_body(&ResponseBody::DescribeCluster(response));
    }

    fn cluster(&self, reply: &Reply, request: &DescribeClusterRequest) -> DescribeClusterResponse {
        let (cache, context) = (&self.metadata_cache, &reply.context);
        let listener = &context.session.listener.listener_name;
        let brokers = cache.registered_brokers(listener, context.session.local_address);
        let shown = brokers
            .into_iter()
            .filter(|(_, is_fenced)| !is_fenced || request.include_fenced_brokers);
        let is_asking = request.include_cluster_authorized_operations;
        let operations = self.authorization.authorized_cluster_operations(context, is_asking);
        DescribeClusterResponse {
            cluster_id: cache.cluster_id().to_string(),
            controller_id: cache.controller_id(),
            brokers: shown.map(described).collect(),
            cluster_authorized_operations: operations,
            ..DescribeClusterResponse::default()
        }
    }
}

fn described((node, is_fenced): (Node, IsFenced)) -> DescribeClusterBroker {
    let Node { id: broker_id, host, port, rack } = node;
    DescribeClusterBroker { broker_id, host, port, rack, is_fenced }
}
