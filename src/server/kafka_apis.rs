//! Port of `kafka.server.KafkaApis`: takes each request to the handler that owns it.

use std::sync::Arc;

use crate::common::metrics::Metrics;
use crate::common::step::step;
use crate::common::time::Time;
use crate::network::inline_handler::InlineHandler;
use crate::network::request_channel::{Request, RequestChannel};
use crate::protocol::request::RequestBody as Body;
use crate::server::apis::acls::AclApis;
use crate::server::apis::api_versions::{
    handle_api_versions_request, handle_sasl_authenticate_request, handle_sasl_handshake_request,
    handle_unsupported_api_versions_request,
};
use crate::server::apis::cluster::ClusterApis;
use crate::server::apis::configs::ConfigApis;
use crate::server::apis::controller_requests::ControllerRequests;
use crate::server::apis::fetch::FetchApis;
use crate::server::apis::forwarding::{ForwardingApis, refuse_forwarded_request};
use crate::server::apis::group_admin::GroupAdminApis;
use crate::server::apis::group_offsets::GroupOffsetApis;
use crate::server::apis::groups::GroupApis;
use crate::server::apis::leader_epochs::LeaderEpochApis;
use crate::server::apis::list_offsets::ListOffsetsApis;
use crate::server::apis::logs::LogApis;
use crate::server::apis::metadata::MetadataApis;
use crate::server::apis::parts::Parts;
use crate::server::apis::produce::ProduceApis;
use crate::server::apis::quotas::QuotaApis;
use crate::server::apis::scram_credentials::ScramApis;
use crate::server::apis::topics::TopicApis;
use crate::server::reply::reply::Reply;
use crate::transport::network_receive::Frame;

/// The handlers of all requests. Each owns what it needs.
pub struct KafkaApis {
    request_channel: Arc<RequestChannel>,
    time: Arc<dyn Time>,
    metrics: Arc<Metrics>,
    controller_requests: ControllerRequests,
    produce: ProduceApis,
    fetch: FetchApis,
    list_offsets: ListOffsetsApis,
    leader_epochs: LeaderEpochApis,
    metadata: Arc<MetadataApis>,
    groups: Arc<GroupApis>,
    group_offsets: GroupOffsetApis,
    group_admin: GroupAdminApis,
    cluster: ClusterApis,
    topics: Arc<TopicApis>,
    configs: ConfigApis,
    logs: LogApis,
    quotas: QuotaApis,
    scram: ScramApis,
    acls: AclApis,
    /// In a cluster whose controller is another node.
    forwarding: Option<ForwardingApis>,
}

impl KafkaApis {
    /// Answers leave by `request_channel`.
    pub fn new(request_channel: &Arc<RequestChannel>, parts: &Parts<'_>) -> Self {
        Self {
            request_channel: Arc::clone(request_channel),
            time: Arc::clone(&parts.time),
            metrics: Arc::clone(&parts.metrics),
            controller_requests: ControllerRequests::new(parts),
            produce: ProduceApis::new(parts),
            fetch: FetchApis::new(parts),
            list_offsets: ListOffsetsApis::new(parts),
            leader_epochs: LeaderEpochApis::new(parts),
            metadata: Arc::new(MetadataApis::new(parts)),
            groups: Arc::new(GroupApis::new(parts)),
            group_offsets: GroupOffsetApis::new(parts),
            group_admin: GroupAdminApis::new(parts),
            cluster: ClusterApis::new(parts),
            topics: Arc::new(TopicApis::new(parts)),
            configs: ConfigApis::new(parts),
            logs: LogApis::new(parts),
            quotas: QuotaApis::new(parts),
            scram: ScramApis::new(parts),
            acls: AclApis::new(parts),
            forwarding: ForwardingApis::new(parts),
        }
    }

    /// Handles a request. It may be answered later, by the thread that completes it. Returns the
    /// moment when this thread is done with it, in nanoseconds.
    #[allow(clippy::too_many_lines, reason = "one arm for each API")]
    pub fn handle(self: &Arc<Self>, request: Request) -> i64 {
        let api = request.header.api_key;
        if let Some(forwarding) = self.forwarding.as_ref().filter(|_| api.is_forwardable()) {
            return self.handle_by(request, |reply, body, frame| {
                forwarding.forward_to_controller(reply, body, frame.bytes, frame.memory);
            });
        }
        // ANCHOR: handle
        self.handle_by(request, |reply, body, frame| match body {
            Body::Produce(it) => self.produce.handle_producer_request(reply, it, frame.bytes),
            Body::Fetch(it) => self.fetch.handle_fetch_request(reply, &it),
            // ANCHOR_END: handle
            Body::ListOffsets(it) => self.list_offsets.handle_offset_request(reply, &it),
            Body::Metadata(it) => self.metadata.handle_topic_metadata_request(reply, it),
            Body::OffsetCommit(it) => self.group_offsets.handle_offset_commit_request(reply, &it),
            Body::OffsetFetch(it) => self.group_offsets.handle_offset_fetch_request(reply, &it),
            Body::FindCoordinator(it) => self.groups.handle_group_coordinator_request(reply, it),
            Body::JoinGroup(it) => self.groups.handle_join_group_request(reply, it),
            Body::Heartbeat(it) => self.groups.handle_heartbeat_request(reply, it),
            Body::LeaveGroup(it) => self.groups.handle_leave_group_request(reply, &it),
            Body::SyncGroup(it) => self.groups.handle_sync_group_request(reply, it),
            Body::DescribeGroups(it) => self.group_admin.handle_describe_groups_request(reply, &it),
            Body::ListGroups(it) => self.group_admin.handle_list_groups_request(reply, &it),
            Body::SaslHandshake(it) => handle_sasl_handshake_request(reply, &it),
            Body::ApiVersions(_) => {
                handle_api_versions_request(reply, self.forwarding.as_ref().map(|it| it.versions()))
            }
            Body::Forwarded(_) => refuse_forwarded_request(reply, &self.metrics),
            Body::UnsupportedApiVersions => handle_unsupported_api_versions_request(reply),
            Body::CreateTopics(it) => self.topics.handle_create_topics_request(reply, it),
            Body::DeleteTopics(it) => self.on_controllers_thread(reply, move |apis, reply| {
                apis.topics.handle_delete_topics_request(reply, &it);
            }),
            Body::DeleteRecords(it) => self.logs.handle_delete_records_request(reply, it),
            Body::InitProducerId(it) => self.produce.handle_init_producer_id_request(reply, &it),
            Body::OffsetForLeaderEpoch(it) => {
                self.leader_epochs.handle_offset_for_leader_epoch_request(reply, &it)
            }
            Body::DescribeAcls(it) => self.acls.handle_describe_acls_request(reply, &it),
            Body::CreateAcls(it) => self.on_controllers_thread(reply, move |apis, reply| {
                apis.acls.handle_create_acls_request(reply, &it);
            }),
            Body::DeleteAcls(it) => self.on_controllers_thread(reply, move |apis, reply| {
                apis.acls.handle_delete_acls_request(reply, &it);
            }),
            Body::DescribeConfigs(it) => self.configs.handle_describe_configs_request(reply, &it),
            Body::AlterConfigs(it) => self.on_controllers_thread(reply, move |apis, reply| {
                apis.configs.handle_alter_configs_request(reply, &it);
            }),
            Body::IncrementalAlterConfigs(it) => {
                self.on_controllers_thread(reply, move |apis, reply| {
                    apis.configs.handle_incremental_alter_configs_request(reply, &it);
                });
            }
            Body::DescribeLogDirs(it) => self.logs.handle_describe_log_dirs_request(reply, &it),
            Body::SaslAuthenticate(_) => handle_sasl_authenticate_request(reply),
            Body::CreatePartitions(it) => self.on_controllers_thread(reply, move |apis, reply| {
                apis.topics.handle_create_partitions_request(reply, &it);
            }),
            Body::DeleteGroups(it) => self.group_admin.handle_delete_groups_request(reply, &it),
            Body::OffsetDelete(it) => self.group_offsets.handle_offset_delete_request(reply, &it),
            Body::DescribeClientQuotas(it) => {
                self.quotas.handle_describe_client_quotas_request(reply, &it)
            }
            Body::AlterClientQuotas(it) => self.on_controllers_thread(reply, move |apis, reply| {
                apis.quotas.handle_alter_client_quotas_request(reply, &it);
            }),
            Body::DescribeUserScramCredentials(it) => {
                self.scram.handle_describe_user_scram_credentials_request(reply, &it)
            }
            Body::AlterUserScramCredentials(it) => {
                self.on_controllers_thread(reply, move |apis, reply| {
                    apis.scram.handle_alter_user_scram_credentials_request(reply, &it);
                });
            }
            Body::DescribeCluster(it) => self.cluster.handle_describe_cluster_request(reply, &it),
        })
    }

    fn handle_by(&self, request: Request, handler: impl FnOnce(Reply, Body, Frame)) -> i64 {
        let _request = request.subject().enter();
        let (reply, body, frame) = Reply::split(request, &self.request_channel, &self.time);
        let _step = step!(
            [6] "KafkaApis.handle",
            "{} version {} from {}",
            reply.header.api_key.name(),
            reply.header.api_version,
            reply.client()
        );
        let local_complete = reply.local_complete();
        handler(reply, body, frame);
        let now_ns = self.time.nanoseconds();
        // Nobody else sets it; a reply that is out already has no use for it.
        let _ = local_complete.set(now_ns);
        now_ns
    }

    /// Leaves to the controller's thread what changes topics, settings, ACLs, quotas or users: the disk, or
    /// the look-up of a host's name, keeps that one waiting, not every handler whose client asks.
    fn on_controllers_thread(
        self: &Arc<Self>,
        reply: Reply,
        handle: impl FnOnce(&Self, Reply) + Send + 'static,
    ) {
        let apis = Arc::clone(self);
        self.controller_requests.put(reply, move |reply| handle(&apis, reply));
    }
}

/// A fetch whose slices are in memory is answered by the Processor itself; everything else is for
/// the request handlers.
impl InlineHandler for KafkaApis {
    fn try_handle(&self, mut request: Box<Request>) -> Result<(), Box<Request>> {
        let Request { body, header, session, memory, .. } = &mut *request;
        let Body::Fetch(fetch) = body else { return Err(request) };
        let read = self.fetch.read_resident(session, fetch, header.api_version, memory);
        let Some(read) = read else {
            self.metrics.fetches_handed_over.increment();
            return Err(request);
        };
        self.metrics.fetches_answered_inline.increment();
        self.handle_by(*request, |reply, _, _| self.fetch.answer(reply, read));
        Ok(())
    }
}
