//! Port of `FetchSession.CachedPartition`, and of the `ImplicitLinkedHashCollection` that holds them: the
//! partitions of a fetch session, in the order in which they are served.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::common::errors::Errors;
use crate::protocol::fetch_response_send::FetchResponsePartitionData;
use crate::replica::local_logs::PartitionFetchInfo;
use crate::replica::partition::ASKED_BY_NAME;
use crate::server::fetch::asked::Asked;

/// What the client knows of no partition, so that any answer is news.
const UNKNOWN: i64 = -1;

/// The partitions of one session, each once.
///
/// Each has a place, a number that only grows: one that is moved behind the others gets a new one.
#[derive(Debug, Default)]
pub(crate) struct CachedPartitions {
    by_place: BTreeMap<u64, CachedPartition>,
    places: HashMap<PartitionKey, u64>,
    next_place: u64,
}

/// A partition that the client fetches, and what it was told of it last.
#[derive(Debug)]
struct CachedPartition {
    /// `None` as long as no topic has the id.
    topic: Option<Arc<str>>,
    partition: i32,
    fetch_info: PartitionFetchInfo,
    high_watermark: i64,
    log_start_offset: i64,
}

/// A session goes by ids or by names. A topic that has an id may get its name later.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum PartitionKey {
    Id([u8; 16], i32),
    Name(Arc<str>, i32),
}

impl CachedPartitions {
    pub(crate) fn len(&self) -> usize {
        self.by_place.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_place.is_empty()
    }

    /// Fetches a partition as `asked` says from now on: where it stands, or behind all others if it is
    /// new.
    pub(crate) fn add_or_update(&mut self, asked: &Asked) {
        let key = PartitionKey::of(asked);
        match self.places.get(&key).and_then(|place| self.by_place.get_mut(place)) {
            Some(partition) => partition.fetch_info = asked.fetch_info,
            None => self.push(key, CachedPartition::new(asked)),
        }
    }

    /// Adds a partition that is answered with `data`. One that is there already stays as it is.
    pub(crate) fn add_answered(&mut self, asked: &Asked, data: &FetchResponsePartitionData) {
        let key = PartitionKey::of(asked);
        if !self.places.contains_key(&key) {
            let mut partition = CachedPartition::new(asked);
            partition.high_watermark = data.high_watermark;
            partition.log_start_offset = data.log_start_offset;
            self.push(key, partition);
        }
    }

    pub(crate) fn remove(&mut self, asked: &Asked) {
        if let Some(place) = self.places.remove(&PartitionKey::of(asked)) {
            self.by_place.remove(&place);
        }
    }

    /// The place of a partition that is there.
    pub(crate) fn place_of(&self, asked: &Asked) -> Option<u64> {
        self.places.get(&PartitionKey::of(asked)).copied()
    }

    /// All of them, as they are to be fetched. `name_of` is asked for the names that are still missing.
    pub(crate) fn asked(&mut self, name_of: impl Fn(&[u8; 16]) -> Option<Arc<str>>) -> Vec<Asked> {
        let resolve = |(&place, partition): (&u64, &mut CachedPartition)| {
            if partition.topic.is_none() {
                partition.topic = name_of(&partition.fetch_info.topic_id);
            }
            partition.asked(place)
        };
        self.by_place.iter_mut().map(resolve).collect()
    }

    /// The same without a change: a name that is missing still is.
    pub(crate) fn asked_so_far(&self) -> Vec<Asked> {
        self.by_place.iter().map(|(&place, partition)| partition.asked(place)).collect()
    }

    /// Whether `data` is news for the client: notes that it knows it, and moves a partition that gets
    /// messages behind the others, so that each has its turn.
    pub(crate) fn must_respond(&mut self, place: u64, data: &FetchResponsePartitionData) -> bool {
        let Some(partition) = self.by_place.get_mut(&place) else { return false };
        let has_messages = data.messages.size_in_bytes() > 0;
        let must_respond = partition.maybe_update_response_data(data, has_messages);
        if has_messages && let Some(partition) = self.by_place.remove(&place) {
            self.push(partition.key(), partition);
        }
        must_respond
    }

    fn push(&mut self, key: PartitionKey, partition: CachedPartition) {
        let place = self.next_place;
        self.next_place += 1;
        self.places.insert(key, place);
        self.by_place.insert(place, partition);
    }
}

impl CachedPartition {
    fn new(asked: &Asked) -> Self {
        Self {
            topic: asked.topic().cloned(),
            partition: asked.key.partition,
            fetch_info: asked.fetch_info,
            high_watermark: UNKNOWN,
            log_start_offset: UNKNOWN,
        }
    }

    fn key(&self) -> PartitionKey {
        PartitionKey::of(&self.asked(0))
    }

    fn asked(&self, place: u64) -> Asked {
        Asked { place, ..Asked::new(self.topic.clone(), self.partition, self.fetch_info) }
    }

    fn maybe_update_response_data(
        &mut self,
        data: &FetchResponsePartitionData,
        has_messages: bool,
    ) -> bool {
        let is_news = has_messages
            || self.high_watermark != data.high_watermark
            || self.log_start_offset != data.log_start_offset
            || data.error != Errors::None
            || data.diverging_epoch.is_some()
            || data.preferred_read_replica.is_some();
        self.high_watermark = data.high_watermark;
        self.log_start_offset = data.log_start_offset;
        if data.error != Errors::None {
            // Its end is news, too.
            self.high_watermark = UNKNOWN;
        }
        is_news
    }
}

impl PartitionKey {
    fn of(asked: &Asked) -> Self {
        let partition = asked.key.partition;
        match asked.fetch_info.topic_id {
            ASKED_BY_NAME => Self::Name(Arc::clone(&asked.key.topic), partition),
            id => Self::Id(id, partition),
        }
    }
}
