//! Port of `org.apache.kafka.server.FetchManager`: from a request to what it asks for, by itself or by
//! its session.

use std::sync::Arc;

use crate::common::errors::Errors;
use crate::common::metrics::Metrics;
use crate::common::time::Time;
use crate::common::topic_partition::{TOPIC_NAME_BYTES_MAX, TopicAndPartition};
use crate::common::units::{LeaderEpoch, Offset};
use crate::protocol::fetch::{FetchPartition, FetchRequest, TOPIC_IDS_VERSION};
use crate::protocol::fetch_response_send::TopicData;
use crate::protocol::wire::uuid::Uuid;
use crate::replica::local_logs::PartitionFetchInfo;
use crate::replica::partition::ASKED_BY_NAME;
use crate::server::fetch::asked::Asked;
use crate::server::fetch::fetch_context::{FetchContext, SessionAnswer};
use crate::server::fetch::fetch_session::{
    FINAL_EPOCH, FetchSession, INITIAL_EPOCH, INVALID_SESSION_ID, SessionUpdate,
};
use crate::server::fetch::fetch_session_cache::{CacheLimits, FetchSessionCache};
use crate::server::metadata::metadata_cache::MetadataCache;

/// Knows the sessions of all clients.
pub(crate) struct FetchManager {
    cache: FetchSessionCache,
    metadata_cache: Arc<dyn MetadataCache>,
    time: Arc<dyn Time>,
}

/// What a fetch asks for, partition by partition, and what it is to its session.
pub(crate) struct Fetch {
    pub(crate) context: FetchContext,
    pub(crate) asked: Vec<Asked>,
}

impl FetchManager {
    pub(crate) fn new(
        limits: CacheLimits,
        metadata_cache: Arc<dyn MetadataCache>,
        metrics: Arc<Metrics>,
        time: Arc<dyn Time>,
    ) -> Self {
        Self { cache: FetchSessionCache::new(limits, metrics), metadata_cache, time }
    }

    /// How many partitions a fetch asks for that it does not name: so many at least, if its session is
    /// as it says.
    pub(crate) fn partitions_by_session(&self, request: &FetchRequest) -> usize {
        match goes_on_in_a_session(request) {
            true => self.cache.get(request.session_id).map_or(0, |session| session.size()),
            false => 0,
        }
    }

    /// Port of `newContext`: what the fetch asks for. Its session goes on to the next epoch.
    pub(crate) fn new_context(&self, version: i16, request: &FetchRequest) -> Fetch {
        if goes_on_in_a_session(request) {
            return self.incremental(version, request).unwrap_or_else(|error| Fetch {
                context: FetchContext::SessionError(error),
                asked: Vec::new(),
            });
        }
        if request.session_id != INVALID_SESSION_ID {
            self.cache.remove(request.session_id);
        }
        self.full(version, request)
    }

    /// The same for a fetch that may have to be asked for again, since nothing has changed yet: for a
    /// full one, and for one that goes on with the partitions of its session as they are. `None` for any
    /// other.
    pub(crate) fn look_ahead(&self, version: i16, request: &FetchRequest) -> Option<Fetch> {
        if goes_on_in_a_session(request) {
            if !request.forgotten_topics.is_empty() {
                return None;
            }
            let session = self.cache.get(request.session_id)?;
            let named = self.partitions_of(version, request);
            let updated = session.look_ahead(&update(version, request, &named, &[]))?;
            let context = FetchContext::Incremental { session, next_epoch: updated.next_epoch };
            return Some(Fetch { context, asked: updated.asked });
        }
        (request.session_id == INVALID_SESSION_ID).then(|| self.full(version, request))
    }

    /// Has a fetch that was looked at go on in its session. Returns whether it does: another may have
    /// gone on there since.
    pub(crate) fn go_on(&self, version: i16, request: &FetchRequest, fetch: &Fetch) -> bool {
        let FetchContext::Incremental { session, .. } = &fetch.context else { return true };
        let named = self.partitions_of(version, request);
        let goes_on = session.go_on(&update(version, request, &named, &[])).is_ok();
        if goes_on {
            self.cache.touch(session, self.time.hi_res_clock_ms());
        }
        goes_on
    }

    /// Leaves of the answers in `topics` those that the client is to get, and returns what it is told of
    /// its session.
    pub(crate) fn update_and_generate_response_data(
        &self,
        fetch: &Fetch,
        topics: &mut Vec<TopicData>,
    ) -> SessionAnswer {
        let Fetch { context, asked } = fetch;
        context.update_and_generate_response_data(&self.cache, &*self.time, asked, topics)
    }

    fn full(&self, version: i16, request: &FetchRequest) -> Fetch {
        let asked = self.partitions_of(version, request);
        let context = match request.session_epoch {
            INITIAL_EPOCH if asked.iter().all(can_be_cached) => FetchContext::Full {
                is_from_follower: request.replica_id() >= 0,
                uses_topic_ids: version >= TOPIC_IDS_VERSION,
            },
            _ => FetchContext::Sessionless,
        };
        Fetch { context, asked }
    }

    fn incremental(&self, version: i16, request: &FetchRequest) -> Result<Fetch, Errors> {
        let session = self.session(request.session_id)?;
        let named = self.partitions_of(version, request);
        if !named.iter().all(can_be_cached) {
            self.cache.remove(session.id);
            return Err(Errors::FetchSessionIdNotFound);
        }
        let forgotten = forgotten_of(request);
        let update = update(version, request, &named, &forgotten);
        let updated = session.update(&update, |id| self.metadata_cache.topic_name(id))?;
        if updated.asked.is_empty() {
            self.cache.remove(session.id);
            return Ok(Fetch { context: FetchContext::Sessionless, asked: Vec::new() });
        }
        self.cache.touch(&session, self.time.hi_res_clock_ms());
        let context = FetchContext::Incremental { session, next_epoch: updated.next_epoch };
        Ok(Fetch { context, asked: updated.asked })
    }

    fn session(&self, id: i32) -> Result<Arc<FetchSession>, Errors> {
        self.cache.get(id).ok_or(Errors::FetchSessionIdNotFound)
    }

    /// The partitions that a fetch names, in its order.
    fn partitions_of(&self, version: i16, request: &FetchRequest) -> Vec<Asked> {
        let mut asked = Vec::new();
        for topic in &request.topics {
            let (name, topic_id) = match version {
                ..TOPIC_IDS_VERSION => (Some(Arc::from(topic.topic.as_str())), ASKED_BY_NAME),
                _ => (self.metadata_cache.topic_name(&topic.topic_id.0), topic.topic_id.0),
            };
            asked.extend(topic.partitions.iter().map(|partition| {
                Asked::new(name.clone(), partition.partition, fetch_info(topic_id, partition))
            }));
        }
        asked
    }
}

/// Whether it is neither without a session nor the first in one: the opposite of Kafka's
/// `FetchMetadata.isFull`.
fn goes_on_in_a_session(request: &FetchRequest) -> bool {
    !matches!(request.session_epoch, INITIAL_EPOCH | FINAL_EPOCH)
}

/// No topic has a longer name, so a session would only remember what its client made up.
fn can_be_cached(asked: &Asked) -> bool {
    asked.key.topic.len() <= TOPIC_NAME_BYTES_MAX
}

fn update<'a>(
    version: i16,
    request: &FetchRequest,
    named: &'a [Asked],
    forgotten: &'a [Asked],
) -> SessionUpdate<'a> {
    let uses_topic_ids = version >= TOPIC_IDS_VERSION;
    SessionUpdate { epoch: request.session_epoch, uses_topic_ids, named, forgotten }
}

fn fetch_info(topic_id: [u8; 16], partition: &FetchPartition) -> PartitionFetchInfo {
    PartitionFetchInfo {
        topic_id,
        offset: Offset(partition.fetch_offset),
        log_start_offset: Offset(partition.log_start_offset),
        fetch_size: partition.partition_max_bytes,
        // Any negative one is none, as in Kafka.
        current_leader_epoch: LeaderEpoch(partition.current_leader_epoch).max(LeaderEpoch::NONE),
        last_fetched_epoch: LeaderEpoch(partition.last_fetched_epoch).max(LeaderEpoch::NONE),
        preferred_read_replica: None,
    }
}

/// The partitions that a fetch takes out of its session. Of these only the names, or the ids, matter.
fn forgotten_of(request: &FetchRequest) -> Vec<Asked> {
    let mut forgotten = Vec::new();
    for topic in &request.forgotten_topics {
        let name: Arc<str> = Arc::from(topic.topic.as_str());
        forgotten.extend(topic.partitions.iter().map(|&partition| Asked {
            key: TopicAndPartition { topic: Arc::clone(&name), partition },
            fetch_info: of_no_interest(topic.topic_id),
            refusal: None,
            place: 0,
        }));
    }
    forgotten
}

fn of_no_interest(topic_id: Uuid) -> PartitionFetchInfo {
    PartitionFetchInfo {
        topic_id: topic_id.0,
        offset: Offset::FIRST,
        log_start_offset: Offset::NONE,
        fetch_size: 0,
        current_leader_epoch: LeaderEpoch::NONE,
        last_fetched_epoch: LeaderEpoch::NONE,
        preferred_read_replica: None,
    }
}
