//! Port of `KafkaApis.handleFetchRequest`, with its two callbacks: the fetch path of the post.

use std::sync::Arc;

use crate::common::errors::Errors;
use crate::common::step::step;
use crate::common::text::counted;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::{LeaderEpoch, Offset};
use crate::protocol::fetch::{FetchRequest, FetchResponse, FetchResponseHeader};
use crate::protocol::fetch_response_send::{
    FetchResponseData, FetchResponsePartitionData, FetchResponseSend, response_size,
};
use crate::protocol::request::ResponseBody;
use crate::replica::local_logs::{LogReadResult, PartitionFetchInfo, STEPS_MAX};
use crate::replica::replica_manager::{FetchParams, ReplicaManager};
use crate::server::apis::duplicates::NamedPartitions;
use crate::server::apis::fetch_conversion::{
    Asked, FetchedData, has_hard_max_bytes_limit, newest_readable_magic,
};
use crate::server::apis::parts::Parts;
use crate::server::quota::client_limits::UserClient;
use crate::server::quota::client_quota_manager::ClientQuotaManager;
use crate::server::reply::refusals::Refusals;
use crate::server::reply::reply::Reply;
use crate::server::security::authorization::{Authorization, Authorized};
use crate::server::security::authorizer::{Operation, Resource, ResourceType};
use crate::server::security::request_context::{RequestContext, Session};

/// The epochs of a fetch that asks for everything, in a new session or in none: Kafka's
/// `FetchMetadata`.
const INITIAL_EPOCH: i32 = 0;
const FINAL_EPOCH: i32 = -1;

/// Handles Fetch.
pub(crate) struct FetchApis {
    replica_manager: Arc<ReplicaManager>,
    fetched_data: Arc<FetchedData>,
    quota_manager: Arc<ClientQuotaManager>,
    authorization: Authorization,
    /// No longer than a connection may be idle: nobody would hear a later answer, and a fetch that
    /// waits costs memory, and a look at every append.
    longest_wait_ms: i64,
    /// The same for a fetch that holds memory of the pool.
    longest_wait_with_memory_ms: i64,
}

impl FetchApis {
    pub(crate) fn new(parts: &Parts<'_>) -> Self {
        let replica_manager = Arc::clone(&parts.replica_manager);
        let metrics = Arc::clone(&parts.metrics);
        Self {
            fetched_data: Arc::new(FetchedData::new(metrics)),
            replica_manager,
            quota_manager: Arc::clone(&parts.quota_managers.fetch),
            authorization: parts.authorization(),
            longest_wait_ms: parts.config.connections_max_idle_ms.ms().unwrap_or(i64::MAX),
            longest_wait_with_memory_ms: parts.config.transferto_memory_progress_timeout_ms,
        }
    }

    /// Reads what is there, or waits for it, and answers with slices of files.
    pub(crate) fn handle_fetch_request(&self, reply: Reply, request: &FetchRequest) {
        if goes_on_in_a_session(request) {
            reply.send_body(&no_such_fetch_session());
            return;
        }
        let may_fetch = self.authorized_to_fetch(&reply.context, request);
        let (version, memory_bytes) = (reply.header.api_version, reply.memory_bytes());
        let fetch = self.authorized_fetch(request, version, memory_bytes, &may_fetch);
        let (params, readable) = (fetch.params, fetch.readable());
        let count = counted(readable.len(), "partition");
        let _step = step!([6] "KafkaApis.handleFetchRequest", "{count}, {params}");
        let is_none_authorized = fetch.authorized_request_info.is_empty();
        let hang_up = Arc::clone(reply.hang_up());
        // ANCHOR: fetch_messages
        let send_response_callback = self.send_response_callback(reply, fetch);
        if is_none_authorized {
            send_response_callback(Vec::new());
        } else {
            let callback = Box::new(send_response_callback);
            self.replica_manager.fetch_messages(params, &readable, &hang_up, callback);
        }
        // ANCHOR_END: fetch_messages
    }

    /// Reads what a fetch is answered with, on the thread of a Processor. `None` if it is for a
    /// request handler: a slice or what leads to it is not in memory, the fetch waits for more, it
    /// takes a conversion, or anything is refused.
    pub(crate) fn read_resident(
        &self,
        session: &Session,
        request: &FetchRequest,
        version: i16,
        memory_bytes: usize,
    ) -> Option<ResidentFetch> {
        let names = request.topics.iter().map(|it| it.topic.as_str());
        let (operation, topic) = (Operation::Read, ResourceType::Topic);
        let is_plain = request.replica_id < 0
            && is_short(request)
            && !goes_on_in_a_session(request)
            && self.authorization.allows_all(session, operation, topic, names);
        if !is_plain {
            return None;
        }
        let fetch = self.authorized_fetch(request, version, memory_bytes, &Authorized::All);
        let results = self.replica_manager.fetch_resident(fetch.params, &fetch.readable())?;
        Some(ResidentFetch { fetch, results })
    }

    /// Answers a fetch with what was read for it.
    pub(crate) fn answer(&self, reply: Reply, ResidentFetch { fetch, results }: ResidentFetch) {
        self.send_response_callback(reply, fetch)(results);
    }

    /// The fetch of `request`, split into what `may_fetch` allows and the rest.
    fn authorized_fetch(
        &self,
        request: &FetchRequest,
        version: i16,
        memory_bytes: usize,
        may_fetch: &Authorized<'_>,
    ) -> AuthorizedFetch {
        let (authorized_request_info, unauthorized_request_info): (Vec<_>, Vec<_>) =
            partitions_of(request).into_iter().partition(|it| may_fetch.contains(&it.key.topic));
        let is_all_readable = authorized_request_info.iter().all(|it| it.refusal.is_none());
        let max_wait_ms = if is_all_readable { self.max_wait_ms(request, memory_bytes) } else { 0 };
        let params = fetch_params(request, version, max_wait_ms);
        AuthorizedFetch { params, authorized_request_info, unauthorized_request_info }
    }

    /// Called with the slices: on this thread if there is enough to send, else on the thread that
    /// appends it, or that sees the time run out.
    fn send_response_callback(
        &self,
        mut reply: Reply,
        fetch: AuthorizedFetch,
    ) -> impl FnOnce(Vec<(TopicAndPartition, LogReadResult)>) + Send + 'static {
        reply.release_frame();
        let mut memory = reply.take_memory();
        let AuthorizedFetch { params, authorized_request_info, unauthorized_request_info } = fetch;
        let unauthorized_response_status = unauthorized_request_info.into_iter().map(unauthorized);
        let is_from_follower = params.replica_id >= 0;
        let fetched_data = Arc::clone(&self.fetched_data);
        let quota_manager = Arc::clone(&self.quota_manager);
        // ANCHOR: send_response_callback
        move |results: Vec<(TopicAndPartition, LogReadResult)>| {
            let partitions = counted(results.len(), "partition");
            let _step = step!([12] "KafkaApis.sendResponseCallback", "{partitions}");
            let version = reply.header.api_version;
            let merged_response_status =
                authorized_request_info.into_iter().chain(unauthorized_response_status);
            let topics = fetched_data.merge(version, merged_response_status, results, &mut memory);
            reply.log_refusals(&refusals_of(&topics));
            reply.remote_complete();
            let client_id = reply.header.client_id.take().unwrap_or_default();
            let end_of_mute = reply.end_of_mute();
            let user = Arc::clone(&reply.context.session.principal.name);
            let client = UserClient { user: &user, client_id: &client_id };
            let hang_up = Arc::clone(reply.hang_up());
            let is_limited = !is_from_follower && quota_manager.limits(client);
            let size = if is_limited { response_size(&reply.header, &topics) } else { 0 };
            // Called when the client's quota allows it: at once, as a rule.
            let fetch_response_callback = move |delay_time_ms: i32| {
                let _step =
                    step!([12] "KafkaApis.fetchResponseCallback", "delayed by {delay_time_ms} ms");
                reply.throttled_by(delay_time_ms);
                let response = FetchResponseData {
                    throttle_time_ms: delay_time_ms,
                    error: Errors::None,
                    session_id: 0,
                    topics,
                };
                reply.count_errors(|found| response.for_each_error_code(found));
                match FetchResponseSend::new(&reply.header, response) {
                    Ok(send) => reply.send_drawn(Box::new(send), memory),
                    Err(error) => reply.give_up(&error),
                }
            };
            if is_from_follower {
                fetch_response_callback(0);
            } else {
                quota_manager.record_and_maybe_throttle(
                    client,
                    size,
                    &hang_up,
                    end_of_mute,
                    fetch_response_callback,
                );
            }
        }
        // ANCHOR_END: send_response_callback
    }

    /// The topics of a fetch that may be read. A follower reads beyond the high watermark, for which
    /// it needs the right of a broker (as in Kafka 0.10.1; 0.9 asked for that of a consumer).
    fn authorized_to_fetch<'a>(
        &self,
        context: &RequestContext,
        request: &'a FetchRequest,
    ) -> Authorized<'a> {
        let (authorization, topic) = (&self.authorization, ResourceType::Topic);
        if request.replica_id < 0 {
            let names = request.topics.iter().map(|it| it.topic.as_str());
            return authorization.filter_by_authorized(context, Operation::Read, topic, names);
        }
        match authorization.authorize(context, Operation::ClusterAction, Resource::CLUSTER) {
            true => Authorized::All,
            false => Authorized::none_of(topic),
        }
    }

    fn max_wait_ms(&self, request: &FetchRequest, memory_bytes: usize) -> i64 {
        let longest_ms = match memory_bytes {
            0 => self.longest_wait_ms,
            _ => self.longest_wait_ms.min(self.longest_wait_with_memory_ms),
        };
        i64::from(request.max_wait_ms).min(longest_ms)
    }
}

/// A fetch, by the partitions that its sender may read and the others.
struct AuthorizedFetch {
    params: FetchParams,
    authorized_request_info: Vec<Asked>,
    unauthorized_request_info: Vec<Asked>,
}

impl AuthorizedFetch {
    fn readable(&self) -> Vec<(TopicAndPartition, PartitionFetchInfo)> {
        self.authorized_request_info.iter().filter_map(Asked::readable).collect()
    }
}

/// A fetch, and what it is answered with: all of it is in memory.
pub(crate) struct ResidentFetch {
    fetch: AuthorizedFetch,
    results: Vec<(TopicAndPartition, LogReadResult)>,
}

/// There are no fetch sessions here, so one that goes on was another broker's: the client begins
/// anew.
fn goes_on_in_a_session(request: &FetchRequest) -> bool {
    !matches!(request.session_epoch, INITIAL_EPOCH | FINAL_EPOCH)
}

/// Whether so little is named that a thread that must not wait can look all of it up.
fn is_short(request: &FetchRequest) -> bool {
    let partitions: usize = request.topics.iter().map(|it| it.partitions.len()).sum();
    request.topics.len() + partitions <= STEPS_MAX
}

fn fetch_params(request: &FetchRequest, version: i16, max_wait_ms: i64) -> FetchParams {
    // ANCHOR: fetch_params
    FetchParams {
        max_wait_ms,
        replica_id: request.replica_id,
        min_bytes: request.min_bytes,
        max_bytes: request.max_bytes,
        hard_max_bytes_limit: has_hard_max_bytes_limit(version),
        newest_readable_magic: newest_readable_magic(version),
    }
    // ANCHOR_END: fetch_params
}

/// The partitions of a fetch, in its order.
fn partitions_of(request: &FetchRequest) -> Vec<Asked> {
    let mut asked = Vec::new();
    let mut named = NamedPartitions::default();
    // A negative `max_bytes` is refused for every partition, as a negative `partition_max_bytes` is:
    // see `ReadLimit::bytes_within`.
    let impossible_size = Some(request.max_bytes).filter(|&max_bytes| max_bytes < 0);
    for topic in &request.topics {
        let name: Arc<str> = Arc::from(topic.topic.as_str());
        for partition in &topic.partitions {
            let key =
                TopicAndPartition { topic: Arc::clone(&name), partition: partition.partition };
            let verdict = named.check_named_once(&key);
            asked.push(Asked {
                key,
                fetch_info: PartitionFetchInfo {
                    offset: Offset(partition.fetch_offset),
                    fetch_size: impossible_size.unwrap_or(partition.partition_max_bytes),
                    current_leader_epoch: LeaderEpoch(partition.current_leader_epoch),
                    last_fetched_epoch: LeaderEpoch(partition.last_fetched_epoch),
                },
                refusal: verdict.err().map(|error| error.code()),
            });
        }
    }
    asked
}

/// A topic is authorized as a whole, so it stays in one piece when the authorized and the
/// unauthorized partitions are put together again.
fn unauthorized(asked: Asked) -> Asked {
    Asked { refusal: Some(Errors::TopicAuthorizationFailed), ..asked }
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
    ResponseBody::Fetch(FetchResponse { header, ..FetchResponse::default() })
}
