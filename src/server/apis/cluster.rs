//! Port of the admin's part of `kafka.server.KafkaApis`: which handler takes which request, and
//! what all of them answer alike.

use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;

use crate::common::errors::{Errors, KafkaError};
use crate::protocol::describe_cluster::{
    BROKERS, DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};
use crate::protocol::request::{RequestBody, ResponseBody};
use crate::server::kafka_apis::KafkaApis;
use crate::server::metadata::metadata_cache::Node;
use crate::server::reply::reply::{Refusals, Reply};

/// In place of [`BROKERS`]: the controllers.
const CONTROLLERS: i8 = 2;
/// The longest explanation that a client gets, in characters: it may quote what the client sent.
const MESSAGE_CHARS_MAX: usize = 1000;

impl KafkaApis {
    /// The entry of an admin's requests.
    pub(crate) fn handle_admin_request(&self, reply: Reply, body: RequestBody) {
        match &body {
            RequestBody::CreateTopics(it) => self.handle_create_topics_request(reply, it),
            RequestBody::DeleteTopics(it) => self.handle_delete_topics_request(reply, it),
            RequestBody::CreatePartitions(it) => self.handle_create_partitions_request(reply, it),
            RequestBody::DescribeCluster(it) => self.handle_describe_cluster_request(reply, it),
            RequestBody::DescribeConfigs(it) => self.handle_describe_configs_request(reply, it),
            RequestBody::AlterConfigs(it) => self.handle_alter_configs_request(reply, it),
            RequestBody::IncrementalAlterConfigs(it) => {
                self.handle_incremental_alter_configs_request(reply, it);
            }
            RequestBody::DeleteRecords(it) => self.handle_delete_records_request(reply, it),
            RequestBody::DescribeLogDirs(it) => self.handle_describe_log_dirs_request(reply, it),
            RequestBody::DescribeClientQuotas(it) => {
                self.handle_describe_client_quotas_request(reply, it);
            }
            RequestBody::AlterClientQuotas(it) => {
                self.handle_alter_client_quotas_request(reply, it);
            }
            RequestBody::DescribeAcls(it) => self.handle_describe_acls_request(reply, it),
            RequestBody::CreateAcls(it) => self.handle_create_acls_request(reply, it),
            RequestBody::DeleteAcls(it) => self.handle_delete_acls_request(reply, it),
            // Read, but not advertised: nothing is done for it.
            unsupported => reply.send_error(unsupported, Errors::UnsupportedVersion),
        }
    }

    /// An admin asks for the brokers: there is one, and it is the controller.
    fn handle_describe_cluster_request(&self, reply: Reply, request: &DescribeClusterRequest) {
        let error = match request.endpoint_type {
            BROKERS => None,
            CONTROLLERS => Some(Errors::MismatchedEndpointType),
            _ => Some(Errors::UnsupportedEndpointType),
        };
        let response = error.map(|error| request.error_response(error)).unwrap_or_else(|| {
            let cache = &self.metadata_cache;
            let brokers = cache.alive_brokers(reply.session.local_address).into_iter();
            let is_asked = request.include_cluster_authorized_operations;
            DescribeClusterResponse {
                cluster_id: cache.cluster_id().to_string(),
                controller_id: cache.controller_id(),
                brokers: brokers.map(described).collect(),
                cluster_authorized_operations: self.cluster_authorized_operations(&reply, is_asked),
                ..DescribeClusterResponse::default()
            }
        });
        reply.send_body(&ResponseBody::DescribeCluster(response));
    }
}

fn described(Node { id, host, port }: Node) -> DescribeClusterBroker {
    DescribeClusterBroker { broker_id: id, host, port, rack: None }
}

/// The code and the explanation that a client gets for one thing of its request; a refusal is noted
/// for the log too.
pub(crate) fn told(
    result: Result<(), KafkaError>,
    what: &dyn fmt::Display,
    refusals: &mut Refusals,
) -> (i16, Option<String>) {
    let Err(error) = result else { return (Errors::None.code(), None) };
    // It may quote the request: no line break of a client's makes a line of its own in the log.
    let on_one_line = |c: char| if c.is_control() { ' ' } else { c };
    let why: String = error.why().chars().take(MESSAGE_CHARS_MAX).map(on_one_line).collect();
    refusals.note(what, &why);
    (error.code().code(), Some(why))
}

/// Those of `items` that occur more than once.
pub(crate) fn named_twice<T: Copy + Eq + Hash>(items: impl Iterator<Item = T>) -> HashSet<T> {
    let mut named = HashSet::new();
    items.filter(|&item| !named.insert(item)).collect()
}

/// What is wrong with a request that names one thing twice.
pub(crate) fn refuse_twice() -> KafkaError {
    KafkaError::api(Errors::InvalidRequest, "the request names it twice")
}
