//! Port of `kafka.server.KafkaApis`: what each request does. The fetch path of the post is here; the
//! other requests stand in files of their own beside it.

use std::collections::HashSet;
use std::sync::Arc;

use log::trace;

use crate::common::errors::{Errors, KafkaError};
use crate::common::time::Time;
use crate::common::topic_partition::TopicAndPartition;
use crate::coordinator::group_coordinator::GroupCoordinator;
use crate::network::request_channel::{Request, RequestChannel};
use crate::protocol::api_versions::ApiVersionsResponse;
use crate::protocol::fetch::{FetchRequest, FetchResponse, FetchResponseHeader};
use crate::protocol::fetch_response_send::{
    FetchResponseData, FetchResponsePartitionData, FetchResponseSend, response_size,
};
use crate::protocol::request::{RequestBody, ResponseBody};
use crate::replica::local_logs::{LogReadResult, PartitionFetchInfo};
use crate::replica::replica_manager::{FetchParams, ReplicaManager};
use crate::server::apis::fetch_conversion::{
    Asked, FetchedData, has_hard_max_bytes_limit, newest_readable_magic,
};
use crate::server::metadata::auto_topic_creation_manager::AutoTopicCreationManager;
use crate::server::metadata::config_helper::ConfigHelper;
use crate::server::metadata::controller::Controller;
use crate::server::metadata::dynamic_broker_config::DynamicBrokerConfig;
use crate::server::metadata::metadata_cache::MetadataCache;
use crate::server::metadata::producer_id_manager::ProducerIdManager;
use crate::server::quota::quota_managers::QuotaManagers;
use crate::server::reply::refusal_log::RefusalLog;
use crate::server::reply::reply::{Refusals, Reply};
use crate::server::security::authorizer::Authorizer;
use crate::storage::log_manager::LogManager;

/// The epochs of a fetch that asks for everything, in a new session or in none: Kafka's
/// `FetchMetadata`.
const INITIAL_EPOCH: i32 = 0;
const FINAL_EPOCH: i32 = -1;

/// The business of the broker: takes requests, owes each one response.
pub struct KafkaApis {
    pub(crate) request_channel: Arc<RequestChannel>,
    pub(crate) replica_manager: Arc<ReplicaManager>,
    pub(crate) metadata_cache: Arc<dyn MetadataCache>,
    pub(crate) controller: Arc<dyn Controller>,
    pub(crate) auto_topics: AutoTopicCreationManager,
    pub(crate) config_helper: ConfigHelper,
    pub(crate) log_manager: Arc<LogManager>,
    pub(crate) dynamic_config: Arc<DynamicBrokerConfig>,
    pub(crate) fetched_data: Arc<FetchedData>,
    pub(crate) group_coordinator: Arc<GroupCoordinator>,
    pub(crate) producer_ids: ProducerIdManager,
    pub(crate) quota_managers: Arc<QuotaManagers>,
    /// Who is asked before anything is done for a client; nobody if everything is allowed.
    pub(crate) authorizer: Option<Arc<dyn Authorizer>>,
    pub(crate) refusal_log: Arc<RefusalLog>,
    pub(crate) time: Arc<dyn Time>,
    /// `connections.max.idle.ms`; negative is never.
    pub(crate) connections_max_idle_ms: i64,
}

impl KafkaApis {
    /// The entry of every request.
    pub fn handle(&self, request: Request) {
        let (reply, body, buffer) =
            Reply::split(request, &self.request_channel, &self.refusal_log, &self.time);
        trace!(
            "KafkaApis.handle: {} version {} from {}",
            reply.header.api_key.name(),
            reply.header.api_version,
            reply.client()
        );
        let local_complete = reply.local_complete();
        match body {
            RequestBody::Produce(produce) => self.handle_producer_request(reply, produce, buffer),
            RequestBody::Fetch(fetch) => self.handle_fetch_request(reply, &fetch),
            RequestBody::ListOffsets(offsets) => self.handle_offset_request(reply, &offsets),
            RequestBody::OffsetForLeaderEpoch(epochs) => {
                self.handle_offset_for_leader_epoch_request(reply, &epochs);
            }
            RequestBody::Metadata(metadata) => {
                self.handle_topic_metadata_request(reply, &metadata);
            }
            group_request @ (RequestBody::FindCoordinator(_)
            | RequestBody::JoinGroup(_)
            | RequestBody::SyncGroup(_)
            | RequestBody::Heartbeat(_)
            | RequestBody::LeaveGroup(_)
            | RequestBody::OffsetCommit(_)
            | RequestBody::OffsetFetch(_)
            | RequestBody::OffsetDelete(_)
            | RequestBody::DescribeGroups(_)
            | RequestBody::ListGroups(_)
            | RequestBody::DeleteGroups(_)) => {
                self.handle_group_request(reply, group_request);
            }
            RequestBody::InitProducerId(init) => self.handle_init_producer_id_request(reply, &init),
            RequestBody::ApiVersions(_) => {
                reply.send_body(&ResponseBody::ApiVersions(ApiVersionsResponse::supported()));
            }
            // As Kafka answers it on a listener without SASL.
            handshake @ RequestBody::SaslHandshake(_) => {
                reply.send_error(&handshake, Errors::IllegalSaslState);
            }
            RequestBody::UnsupportedApiVersions => {
                let response = ApiVersionsResponse::unsupported_version();
                reply.send_body(&ResponseBody::ApiVersions(response));
            }
            admin_request @ (RequestBody::CreateTopics(_)
            | RequestBody::DeleteTopics(_)
            | RequestBody::CreatePartitions(_)
            | RequestBody::DescribeCluster(_)
            | RequestBody::DescribeConfigs(_)
            | RequestBody::AlterConfigs(_)
            | RequestBody::IncrementalAlterConfigs(_)
            | RequestBody::DeleteRecords(_)
            | RequestBody::DescribeLogDirs(_)
            | RequestBody::DescribeClientQuotas(_)
            | RequestBody::AlterClientQuotas(_)
            | RequestBody::DescribeAcls(_)
            | RequestBody::CreateAcls(_)
            | RequestBody::DeleteAcls(_)) => {
                self.handle_admin_request(reply, admin_request);
            }
        }
        // Nobody else sets it; a reply that is out already has no use for it.
        let _ = local_complete.set(self.time.nanoseconds());
    }

    /// A consumer asks for messages: read what is there, or wait for it, and answer with slices of
    /// files.
    fn handle_fetch_request(&self, mut reply: Reply, request: &FetchRequest) {
        // There are no fetch sessions here, so one that goes on was another broker's: the client
        // begins anew.
        if !matches!(request.session_epoch, INITIAL_EPOCH | FINAL_EPOCH) {
            reply.send_body(&no_such_fetch_session());
            return;
        }
        let version = reply.header.api_version;
        let may_fetch = self.authorized_to_fetch(&reply, request);
        let (authorized_request_info, unauthorized_request_info): (Vec<_>, Vec<_>) =
            partitions_of(request).into_iter().partition(|it| may_fetch.contains(&it.key.topic));
        let unauthorized_response_status = unauthorized_request_info.into_iter().map(unauthorized);
        let readable: Vec<_> = authorized_request_info.iter().filter_map(Asked::readable).collect();
        let is_all_readable = readable.len() == authorized_request_info.len();
        let is_none_authorized = authorized_request_info.is_empty();
        let params = FetchParams {
            max_wait_ms: if is_all_readable { self.max_wait_ms(request) } else { 0 },
            replica_id: request.replica_id,
            min_bytes: request.min_bytes,
            max_bytes: request.max_bytes,
            hard_max_bytes_limit: has_hard_max_bytes_limit(version),
            newest_readable_magic: newest_readable_magic(version),
        };
        trace!("KafkaApis.handleFetchRequest: {} partitions, {params:?}", readable.len());

        let fetched_data = Arc::clone(&self.fetched_data);
        let quota_manager = Arc::clone(&self.quota_managers.fetch);
        let is_from_follower = request.replica_id >= 0;
        // Called with the slices: here if there is enough to send, else by whoever appends it, or
        // when time runs out.
        // ANCHOR: send_response_callback
        let send_response_callback = move |results: Vec<(TopicAndPartition, LogReadResult)>| {
            trace!("KafkaApis.sendResponseCallback: {} partitions", results.len());
            let merged_response_status =
                authorized_request_info.into_iter().chain(unauthorized_response_status);
            let topics = fetched_data.merge(version, merged_response_status, results);
            reply.log_refusals(&refusals_of(&topics));
            reply.remote_complete();
            let client_id = reply.header.client_id.take().unwrap_or_default();
            let end_of_mute = reply.end_of_mute();
            let is_limited = !is_from_follower && quota_manager.limits(&client_id);
            let size = if is_limited { response_size(&reply.header, &topics) } else { 0 };
            // Called when the client's quota allows it: at once, as a rule.
            let fetch_response_callback = move |delay_time_ms: i32| {
                trace!("KafkaApis.fetchResponseCallback: delayed by {delay_time_ms} ms");
                reply.throttled_by(delay_time_ms);
                let response = FetchResponseData {
                    throttle_time_ms: delay_time_ms,
                    error: Errors::None,
                    session_id: 0,
                    topics,
                };
                match FetchResponseSend::new(&reply.header, response) {
                    Ok(send) => reply.send(Box::new(send)),
                    Err(error) => reply.give_up(&error),
                }
            };
            if is_from_follower {
                fetch_response_callback(0);
            } else {
                quota_manager.record_and_maybe_throttle(
                    &client_id,
                    size,
                    end_of_mute,
                    fetch_response_callback,
                );
            }
        };
        if is_none_authorized {
            send_response_callback(Vec::new());
        } else {
            let replica_manager = &self.replica_manager;
            replica_manager.fetch_messages(params, &readable, Box::new(send_response_callback));
        }
        // ANCHOR_END: send_response_callback
    }

    /// How long a fetch waits: no longer than its connection may be idle. Nobody would hear a later
    /// answer, and what waits for nobody costs memory, and a look at every append.
    fn max_wait_ms(&self, request: &FetchRequest) -> i64 {
        let max_idle_ms = self.connections_max_idle_ms;
        i64::from(request.max_wait_ms).min(if max_idle_ms < 0 { i64::MAX } else { max_idle_ms })
    }
}

/// The partitions of a fetch, in its order.
fn partitions_of(request: &FetchRequest) -> Vec<Asked> {
    let mut asked = Vec::new();
    let mut named = HashSet::new();
    // A negative `max_bytes` is refused for every partition, as a negative `partition_max_bytes` is:
    // see `ReadLimit::bytes_within`.
    let impossible_size = Some(request.max_bytes).filter(|&max_bytes| max_bytes < 0);
    for topic in &request.topics {
        let name: Arc<str> = Arc::from(topic.topic.as_str());
        for partition in &topic.partitions {
            let key =
                TopicAndPartition { topic: Arc::clone(&name), partition: partition.partition };
            let verdict = check_named_once(&mut named, &key);
            asked.push(Asked {
                key,
                fetch_info: PartitionFetchInfo {
                    offset: partition.fetch_offset,
                    fetch_size: impossible_size.unwrap_or(partition.partition_max_bytes),
                    current_leader_epoch: partition.current_leader_epoch,
                    last_fetched_epoch: partition.last_fetched_epoch,
                },
                refusal: verdict.map_or_else(|error| error.code(), |()| Errors::None),
            });
        }
    }
    asked
}

/// What becomes of a partition that may not be read. A topic is authorized as a whole, so that it
/// stays in one piece when the two kinds of partitions are put together again.
fn unauthorized(asked: Asked) -> Asked {
    Asked { refusal: Errors::TopicAuthorizationFailed, ..asked }
}

/// Refuses a partition that a request has named before. (Kafka, to this day, keeps the last of them
/// and forgets the others.) A fetch that names one partition a million times, and waits, would cost
/// every producer of it a million looks; a question for offsets may take a decompression each time;
/// and records that are forgotten must not look acknowledged.
pub(crate) fn check_named_once(
    named: &mut HashSet<TopicAndPartition>,
    key: &TopicAndPartition,
) -> Result<(), KafkaError> {
    if named.insert(key.clone()) {
        return Ok(());
    }
    Err(KafkaError::api(Errors::InvalidRequest, "the request names it twice"))
}

fn refusals_of(topics: &[(String, Vec<FetchResponsePartitionData>)]) -> Refusals {
    let mut refusals = Refusals::default();
    for (topic, partitions) in topics {
        for refused in partitions.iter().filter(|it| it.error != Errors::None) {
            refusals.note(&TopicAndPartition::new(topic, refused.partition), &refused.error);
        }
    }
    refusals
}

fn no_such_fetch_session() -> ResponseBody {
    let error_code = Errors::FetchSessionIdNotFound.code();
    let header = FetchResponseHeader { error_code, ..FetchResponseHeader::default() };
    ResponseBody::Fetch(FetchResponse { header, topics: Vec::new() })
}
