//! Port of `KafkaApis.handleFetchRequest`, with its two callbacks: the fetch path of the post.

use std::sync::Arc;

use crate::common::errors::Errors;
use crate::common::memory_limit::memory_limit_bytes;
use crate::common::memory_pool::{MemoryDraw, Shortage, Stage};
use crate::common::step::step;
use crate::common::text::counted;
use crate::common::topic_partition::TopicAndPartition;
use crate::config::kafka_config::KafkaConfig;
use crate::protocol::fetch::{FetchRequest, LeaderIdAndEpoch, NodeEndpoint};
use crate::protocol::fetch_response_send::{
    FetchResponseData, FetchResponseSend, TopicData, response_size,
};
use crate::replica::local_logs::{LogReadResult, PartitionFetchInfo, STEPS_MAX};
use crate::replica::replica_manager::{FetchParams, ReplicaManager};
use crate::server::apis::current_leaders::{CurrentLeaders, LeaderNode, is_answered_by_leader};
use crate::server::apis::duplicates::NamedPartitions;
use crate::server::apis::fetch_conversion::{
    FetchedData, has_hard_max_bytes_limit, newest_readable_magic,
};
use crate::server::apis::parts::Parts;
use crate::server::apis::preferred_replicas::PreferredReplicas;
use crate::server::fetch::asked::{ASKED_BYTES, Asked};
use crate::server::fetch::fetch_context::{FetchContext, SessionAnswer};
use crate::server::fetch::fetch_manager::{Fetch, FetchManager};
use crate::server::fetch::fetch_session_cache::CacheLimits;
use crate::server::metadata::metadata_cache::{MetadataCache, Node};
use crate::server::quota::client_limits::UserClient;
use crate::server::quota::client_quota_manager::ClientQuotaManager;
use crate::server::reply::refusals::Refusals;
use crate::server::reply::reply::Reply;
use crate::server::security::authorization::{Authorization, Authorized};
use crate::server::security::authorizer::{Operation, Resource, ResourceType};
use crate::server::security::request_context::{RequestContext, Session};

/// The first version whose clients are told who leads (KIP-951).
const CURRENT_LEADER_VERSION: i16 = 16;
/// The first version whose consumers may be answered by a follower (KIP-392).
const FOLLOWER_VERSION: i16 = 11;
/// The part of the process's memory that fetch sessions may take, as a divisor, and what they may take
/// if the system does not say what there is.
const SESSIONS_MEMORY_SHARE: u64 = 64;
const SESSIONS_BYTES_UNKNOWN: u64 = 32 << 20;
/// What a partition takes in a session, with a name of its own.
const CACHED_PARTITION_BYTES: u64 = 512;
/// Kafka's `IsolationLevel.READ_COMMITTED`.
const READ_COMMITTED: i8 = 1;
/// Kafka's `MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS`.
const SESSION_EVICTION_MS: i64 = 120_000;

/// Handles Fetch.
pub(crate) struct FetchApis {
    replica_manager: Arc<ReplicaManager>,
    fetch_manager: Arc<FetchManager>,
    metadata_cache: Arc<dyn MetadataCache>,
    fetched_data: Arc<FetchedData>,
    preferred_replicas: PreferredReplicas,
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
        let metadata_cache = Arc::clone(&parts.metadata_cache);
        let metrics = Arc::clone(&parts.metrics);
        let fetch_manager = FetchManager::new(
            session_limits(parts.config),
            Arc::clone(&metadata_cache),
            Arc::clone(&metrics),
            Arc::clone(&parts.time),
        );
        Self {
            fetched_data: Arc::new(FetchedData::new(metrics)),
            preferred_replicas: PreferredReplicas {
                selector: parts.config.replica_selector_class,
                replica_manager: Arc::clone(&replica_manager),
                metadata_cache: Arc::clone(&metadata_cache),
            },
            fetch_manager: Arc::new(fetch_manager),
            metadata_cache,
            replica_manager,
            quota_manager: Arc::clone(&parts.quota_managers.fetch),
            authorization: parts.authorization(),
            longest_wait_ms: parts.config.connections_max_idle_ms.ms().unwrap_or(i64::MAX),
            longest_wait_with_memory_ms: parts.config.transferto_memory_progress_timeout_ms,
        }
    }

    /// Reads what is there, or waits for it, and answers with slices of files.
    pub(crate) fn handle_fetch_request(&self, mut reply: Reply, request: &FetchRequest) {
        let by_session = self.fetch_manager.partitions_by_session(request);
        if let Err(shortage) = draw_for_session(reply.memory(), by_session) {
            reply.retry(shortage);
            return;
        }
        let (version, memory_bytes) = (reply.header.api_version, reply.memory_bytes());
        // ANCHOR: new_context
        let mut fetch = self.fetch_manager.new_context(version, request);
        self.authorize_to_fetch(&reply.context, request, &mut fetch);
        // ANCHOR_END: new_context
        let fetch = self.authorized_fetch(request, version, memory_bytes, fetch);
        let (params, mut readable) = (fetch.params, fetch.readable());
        self.preferred_replicas.select(&reply.context.session, request, &mut readable);
        let count = counted(readable.len(), "partition");
        let _step = step!([6] "KafkaApis.handleFetchRequest", "{count}, {params}");
        let is_none_readable = readable.is_empty();
        let hang_up = Arc::clone(reply.hang_up());
        // ANCHOR: fetch_messages
        let send_response_callback = self.send_response_callback(reply, fetch);
        if is_none_readable {
            send_response_callback(Vec::new());
        } else {
            let callback = Box::new(send_response_callback);
            self.replica_manager.fetch_messages(params, &readable, &hang_up, callback);
        }
        // ANCHOR_END: fetch_messages
    }

    /// Reads what a fetch is answered with, on the thread of a Processor. `None` if it is for a
    /// request handler: a slice or what leads to it is not in memory, the fetch waits for more, it
    /// takes a conversion, anything is refused, or partitions enter a session or leave one.
    pub(crate) fn read_resident(
        &self,
        session: &Session,
        request: &FetchRequest,
        version: i16,
        memory: &mut MemoryDraw,
    ) -> Option<ResidentFetch> {
        if request.replica_id() >= 0 || !is_short(request) {
            return None;
        }
        let by_session = self.fetch_manager.partitions_by_session(request);
        if by_session > STEPS_MAX {
            return None;
        }
        let mut fetch = self.fetch_manager.look_ahead(version, request)?;
        if fetch.asked.iter().any(is_not_read) {
            return None;
        }
        let names = fetch.asked.iter().map(|it| &*it.key.topic);
        let (operation, topic) = (Operation::Read, ResourceType::Topic);
        if !self.authorization.allows_all(session, operation, topic, names) {
            return None;
        }
        refuse_duplicates(&mut fetch);
        let fetch = self.authorized_fetch(request, version, memory.bytes(), fetch);
        let mut readable = fetch.readable();
        self.preferred_replicas.select(session, request, &mut readable);
        let results = self.replica_manager.fetch_resident(fetch.params, &readable)?;
        draw_for_session(memory, by_session).ok()?;
        let goes_on = self.fetch_manager.go_on(version, request, &fetch.fetch);
        goes_on.then_some(ResidentFetch { fetch, results })
    }

    /// Answers a fetch with what was read for it.
    pub(crate) fn answer(&self, reply: Reply, ResidentFetch { fetch, results }: ResidentFetch) {
        self.send_response_callback(reply, fetch)(results);
    }

    /// The fetch with its parameters. One that names a partition twice waits for nothing.
    fn authorized_fetch(
        &self,
        request: &FetchRequest,
        version: i16,
        memory_bytes: usize,
        fetch: Fetch,
    ) -> AuthorizedFetch {
        let is_duplicate = |it: &Asked| it.refusal == Some(Errors::InvalidRequest);
        let max_wait_ms = match fetch.asked.iter().any(is_duplicate) {
            true => 0,
            false => self.max_wait_ms(request, memory_bytes),
        };
        AuthorizedFetch { params: fetch_params(request, version, max_wait_ms), fetch }
    }

    /// Called with the slices: on this thread if there is enough to send, else on the thread that
    /// appends it, or that sees the time run out.
    fn send_response_callback(
        &self,
        mut reply: Reply,
        AuthorizedFetch { params, fetch }: AuthorizedFetch,
    ) -> impl FnOnce(Vec<(TopicAndPartition, LogReadResult)>) + Send + 'static {
        reply.release_frame();
        let mut memory = reply.take_memory();
        let is_from_follower = params.is_from_follower();
        let fetched_data = Arc::clone(&self.fetched_data);
        let fetch_manager = Arc::clone(&self.fetch_manager);
        let metadata_cache = Arc::clone(&self.metadata_cache);
        let quota_manager = Arc::clone(&self.quota_manager);
        // ANCHOR: send_response_callback
        move |results: Vec<(TopicAndPartition, LogReadResult)>| {
            let partitions = counted(results.len(), "partition");
            let _step = step!([12] "KafkaApis.sendResponseCallback", "{partitions}");
            let version = reply.header.api_version;
            let mut topics = fetched_data.merge(version, &fetch.asked, results, &mut memory);
            reply.log_refusals(&refusals_of(&topics));
            reply.remote_complete();
            let node_endpoints =
                name_leaders(version, &*metadata_cache, &reply.context.session, &mut topics);
            let SessionAnswer { error, session_id } =
                fetch_manager.update_and_generate_response_data(&fetch, &mut topics);
            let mut response = FetchResponseData {
                throttle_time_ms: 0,
                error,
                session_id,
                topics,
                node_endpoints,
            };
            let client_id = reply.header.client_id.take().unwrap_or_default();
            let end_of_mute = reply.end_of_mute();
            let user = Arc::clone(&reply.context.session.principal.name);
            let client = UserClient { user: &user, client_id: &client_id };
            let hang_up = Arc::clone(reply.hang_up());
            let is_limited = !is_from_follower && quota_manager.limits(client);
            let size = if is_limited { response_size(&reply.header, &response) } else { 0 };
            // Called when the client's quota allows it: at once, as a rule.
            let fetch_response_callback = move |delay_time_ms: i32| {
                let _step =
                    step!([12] "KafkaApis.fetchResponseCallback", "delayed by {delay_time_ms} ms");
                reply.throttled_by(delay_time_ms);
                response.throttle_time_ms = delay_time_ms;
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

    /// Refuses the partitions of a fetch that its sender may not read, and those that it names twice.
    fn authorize_to_fetch(
        &self,
        context: &RequestContext,
        request: &FetchRequest,
        fetch: &mut Fetch,
    ) {
        refuse_duplicates(fetch);
        let is_from_follower = request.replica_id() >= 0;
        let may_fetch = self.authorized_to_fetch(context, is_from_follower, &fetch.asked);
        // A topic that does not exist stays unknown.
        let is_denied = |it: &Asked| {
            it.refusal != Some(Errors::UnknownTopicId) && !may_fetch.contains(&it.key.topic)
        };
        let denied =
            (0..).zip(&fetch.asked).filter(|(_, it)| is_denied(it)).map(|(index, _)| index);
        for index in denied.collect::<Vec<usize>>() {
            fetch.asked[index].refusal = Some(Errors::TopicAuthorizationFailed);
        }
        // As in Kafka, what can be read comes first.
        if fetch.asked.iter().any(is_not_read) {
            fetch.asked.sort_by_key(is_not_read);
        }
    }

    /// The topics of a fetch that may be read. A follower reads beyond the high watermark, for which
    /// it needs the right of a broker (as in Kafka 0.10.1; 0.9 asked for that of a consumer).
    fn authorized_to_fetch<'a>(
        &self,
        context: &RequestContext,
        is_from_follower: bool,
        asked: &'a [Asked],
    ) -> Authorized<'a> {
        let (authorization, topic) = (&self.authorization, ResourceType::Topic);
        if !is_from_follower {
            let known = asked.iter().filter(|it| it.refusal != Some(Errors::UnknownTopicId));
            let names = known.map(|it| &*it.key.topic);
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

/// A fetch that is known to be allowed, as far as its partitions are not refused.
struct AuthorizedFetch {
    params: FetchParams,
    fetch: Fetch,
}

impl AuthorizedFetch {
    fn readable(&self) -> Vec<(TopicAndPartition, PartitionFetchInfo)> {
        self.fetch.asked.iter().filter_map(Asked::readable).map(|it| self.limited(it)).collect()
    }

    /// A negative `max_bytes` is refused for every partition, as a negative `partition_max_bytes` is: see
    /// `ReadLimit::bytes_within`.
    fn limited(
        &self,
        (key, fetch_info): (TopicAndPartition, PartitionFetchInfo),
    ) -> (TopicAndPartition, PartitionFetchInfo) {
        match self.params.max_bytes {
            impossible @ ..0 => (key, PartitionFetchInfo { fetch_size: impossible, ..fetch_info }),
            _ => (key, fetch_info),
        }
    }
}

/// A fetch, and what it is answered with: all of it is in memory.
pub(crate) struct ResidentFetch {
    fetch: AuthorizedFetch,
    results: Vec<(TopicAndPartition, LogReadResult)>,
}

/// How much there may be of sessions: as many as the setting says, of as many partitions as a share of
/// the memory holds.
fn session_limits(config: &KafkaConfig) -> CacheLimits {
    let share_bytes =
        memory_limit_bytes().map_or(SESSIONS_BYTES_UNKNOWN, |it| it / SESSIONS_MEMORY_SHARE);
    CacheLimits {
        slots: config.max_incremental_fetch_session_cache_slots,
        partitions: usize::try_from(share_bytes / CACHED_PARTITION_BYTES).unwrap_or(usize::MAX),
        eviction_ms: SESSION_EVICTION_MS,
    }
}

/// Draws what the partitions take that a request need not name: its own bytes do not pay for them.
fn draw_for_session(memory: &mut MemoryDraw, by_session: usize) -> Result<(), Shortage> {
    let more_bytes = by_session.saturating_mul(ASKED_BYTES);
    memory.grow_to(memory.bytes().saturating_add(more_bytes), Stage::Decode)
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
        replica_id: request.replica_id(),
        replica_epoch: request.replica_epoch(),
        min_bytes: request.min_bytes,
        max_bytes: request.max_bytes,
        hard_max_bytes_limit: has_hard_max_bytes_limit(version),
        newest_readable_magic: newest_readable_magic(version),
        is_read_committed: request.isolation_level == READ_COMMITTED,
        may_read_follower: version >= FOLLOWER_VERSION,
    }
    // ANCHOR_END: fetch_params
}

/// Whether it is refused before anything is looked up.
fn is_not_read(asked: &Asked) -> bool {
    matches!(asked.refusal, Some(Errors::TopicAuthorizationFailed | Errors::UnknownTopicId))
}

/// Refuses what a fetch names for the second time. What comes by a session is there once.
fn refuse_duplicates(fetch: &mut Fetch) {
    if matches!(fetch.context, FetchContext::Incremental { .. }) {
        return;
    }
    let mut named = NamedPartitions::default();
    for asked in fetch.asked.iter_mut().filter(|it| it.refusal.is_none()) {
        asked.refusal = named.check_named_once(&asked.key).err().map(|error| error.code());
    }
}

/// Tells of each partition that is led elsewhere by whom it is (KIP-951). Returns where those leaders
/// can be reached.
fn name_leaders(
    version: i16,
    metadata_cache: &dyn MetadataCache,
    session: &Session,
    topics: &mut [TopicData],
) -> Vec<NodeEndpoint> {
    if version < CURRENT_LEADER_VERSION {
        return Vec::new();
    }
    let mut leaders = CurrentLeaders::new(metadata_cache, session);
    for TopicData { topic, partitions, .. } in topics {
        for data in partitions.iter_mut().filter(|it| is_answered_by_leader(it.error)) {
            let key = TopicAndPartition { topic: Arc::clone(topic), partition: data.partition };
            let LeaderNode { id, epoch } = leaders.current_leader(&key);
            data.current_leader = Some(LeaderIdAndEpoch { leader_id: id, leader_epoch: epoch });
        }
    }
    let endpoint = |node: Node| NodeEndpoint {
        node_id: node.id,
        host: node.host,
        port: node.port,
        rack: node.rack,
    };
    leaders.into_nodes().map(endpoint).collect()
}

fn refusals_of(topics: &[TopicData]) -> Refusals {
    let mut refusals = Refusals::default();
    for TopicData { topic, partitions, .. } in topics {
        for refused in partitions.iter().filter(|it| it.error != Errors::None) {
            refusals.note(&TopicAndPartition::new(topic, refused.partition), &refused.error);
        }
    }
    refusals
}
