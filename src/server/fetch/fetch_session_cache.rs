//! Port of `FetchSession.FetchSessionCache` and `FetchSessionCacheShard`: the fetch sessions that there
//! are, at most so many.
//!
//! Kafka has eight shards, each with a lock and an eighth of the slots. Here is one: its lock is held
//! for a look-up, and while a session is made.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};

use log::debug;

use crate::common::lock::locked;
use crate::common::metrics::Metrics;
use crate::server::fetch::cached_partitions::CachedPartitions;
use crate::server::fetch::fetch_session::{FetchSession, INVALID_SESSION_ID};

/// The most partitions of one session: with more, a fetch could not be sure of the memory that it takes.
pub(crate) const PARTITIONS_PER_SESSION_MAX: usize = 20_000;

/// How much there may be of sessions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CacheLimits {
    /// `max.incremental.fetch.session.cache.slots`.
    pub(crate) slots: usize,
    /// Partitions of all sessions together.
    pub(crate) partitions: usize,
    /// How long a session must have been unused to give way to any other: Kafka's
    /// `MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS`.
    pub(crate) eviction_ms: i64,
}

/// A session that a client asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewSession {
    /// A follower's may take the place of a consumer's.
    pub(crate) is_privileged: bool,
    pub(crate) size: usize,
    pub(crate) uses_topic_ids: bool,
}

/// All sessions.
pub(crate) struct FetchSessionCache {
    limits: CacheLimits,
    metrics: Arc<Metrics>,
    sessions: Mutex<Sessions>,
}

struct Sessions {
    by_id: HashMap<i32, Entry>,
    /// Of all of them, as of their last use.
    partitions: usize,
    /// Ids are drawn from it, by a count that only grows: nobody guesses another client's.
    random: RandomState,
    drawn_ids: u64,
}

/// A session, with what decides whether it has to give way.
struct Entry {
    session: Arc<FetchSession>,
    is_privileged: bool,
    created_ms: i64,
    last_used_ms: i64,
    /// How many partitions it had when it was used last.
    size: usize,
}

impl FetchSessionCache {
    /// Counts the sessions in `metrics`.
    pub(crate) fn new(limits: CacheLimits, metrics: Arc<Metrics>) -> Self {
        let sessions = Sessions {
            by_id: HashMap::new(),
            partitions: 0,
            random: RandomState::new(),
            drawn_ids: 0,
        };
        Self { limits, metrics, sessions: Mutex::new(sessions) }
    }

    pub(crate) fn get(&self, id: i32) -> Option<Arc<FetchSession>> {
        locked(&self.sessions).by_id.get(&id).map(|entry| Arc::clone(&entry.session))
    }

    /// Makes a session of what `partitions` returns, and returns its id; [`INVALID_SESSION_ID`] if no
    /// other has to give way to it. Then the client goes on as it would with a broker that has none.
    pub(crate) fn maybe_create_session(
        &self,
        now_ms: i64,
        new: NewSession,
        partitions: impl FnOnce() -> CachedPartitions,
    ) -> i32 {
        if !self.has_room(&mut locked(&self.sessions), now_ms, new) {
            debug!("no fetch session for {new:?}");
            return INVALID_SESSION_ID;
        }
        // Outside of the lock: there may be many of them, and others only want to look theirs up.
        let partitions = partitions();
        let mut sessions = locked(&self.sessions);
        if !self.has_room(&mut sessions, now_ms, new) {
            return INVALID_SESSION_ID;
        }
        let id = sessions.new_session_id();
        let session = Arc::new(FetchSession::new(id, new.uses_topic_ids, partitions));
        let size = session.size();
        let is_privileged = new.is_privileged;
        let entry =
            Entry { session, is_privileged, created_ms: now_ms, last_used_ms: now_ms, size };
        sessions.by_id.insert(id, entry);
        sessions.partitions += size;
        self.note_size(&sessions);
        debug!("fetch session {id} is for {new:?}");
        id
    }

    /// Notes that a session is used, and how many partitions it has. One that has grown beyond what
    /// there is room for ends: the client begins anew.
    pub(crate) fn touch(&self, session: &FetchSession, now_ms: i64) {
        let size = session.size();
        let mut sessions = locked(&self.sessions);
        let Some(entry) = sessions.by_id.get_mut(&session.id) else { return };
        entry.last_used_ms = now_ms;
        let old_size = std::mem::replace(&mut entry.size, size);
        if size != old_size {
            sessions.partitions = sessions.partitions - old_size + size;
            if size > PARTITIONS_PER_SESSION_MAX || sessions.partitions > self.limits.partitions {
                sessions.remove(session.id);
            }
            self.note_size(&sessions);
        }
    }

    pub(crate) fn remove(&self, id: i32) {
        let mut sessions = locked(&self.sessions);
        sessions.remove(id);
        self.note_size(&sessions);
    }

    /// Whether there is room for a session, if need be that of one that is worth less.
    fn has_room(&self, sessions: &mut Sessions, now_ms: i64, new: NewSession) -> bool {
        let limits = self.limits;
        if new.size > PARTITIONS_PER_SESSION_MAX {
            return false;
        }
        while sessions.partitions + new.size > limits.partitions {
            if !self.evict(sessions.stale(now_ms, limits.eviction_ms), sessions) {
                return false;
            }
        }
        if sessions.by_id.len() < limits.slots {
            return true;
        }
        let stale = sessions.stale(now_ms, limits.eviction_ms);
        let evictable = stale.or_else(|| sessions.less_valuable(new, limits.eviction_ms));
        self.evict(evictable, sessions)
    }

    fn evict(&self, id: Option<i32>, sessions: &mut Sessions) -> bool {
        let Some(id) = id else { return false };
        debug!("fetch session {id} gives way to another");
        sessions.remove(id);
        self.metrics.incremental_fetch_session_evictions.increment();
        true
    }

    fn note_size(&self, sessions: &Sessions) {
        self.metrics.incremental_fetch_sessions.set(sessions.by_id.len() as u64);
        self.metrics.incremental_fetch_partitions_cached.set(sessions.partitions as u64);
    }
}

impl Sessions {
    /// Positive, and no other session's.
    fn new_session_id(&mut self) -> i32 {
        loop {
            self.drawn_ids += 1;
            let drawn = self.random.hash_one(self.drawn_ids);
            let id = (drawn & u64::from(i32::MAX.unsigned_abs())) as i32;
            if id != INVALID_SESSION_ID && !self.by_id.contains_key(&id) {
                return id;
            }
        }
    }

    /// The session that has not been used for the longest time, if that is long enough.
    fn stale(&self, now_ms: i64, eviction_ms: i64) -> Option<i32> {
        let oldest = self.by_id.iter().min_by_key(|(id, entry)| (entry.last_used_ms, **id));
        oldest.filter(|(_, it)| now_ms - it.last_used_ms > eviction_ms).map(|(id, _)| *id)
    }

    /// The session that has to give way to a new one by its value: a consumer's to a follower's, a
    /// smaller one to a larger one. One that has just been made is left alone, but by followers.
    fn less_valuable(&self, new: NewSession, eviction_ms: i64) -> Option<i32> {
        let is_evictable = |entry: &Entry| {
            let is_settled = entry.last_used_ms - entry.created_ms > eviction_ms;
            is_settled || (new.is_privileged && !entry.is_privileged)
        };
        let value = |id: i32, entry: &Entry| (entry.is_privileged, entry.size, id);
        let evictable = self.by_id.iter().filter(|(_, entry)| is_evictable(entry));
        let least = evictable.map(|(id, entry)| value(*id, entry)).min()?;
        let is_worth_more = (new.is_privileged, new.size, INVALID_SESSION_ID) >= least;
        is_worth_more.then_some(least.2)
    }

    fn remove(&mut self, id: i32) {
        if let Some(entry) = self.by_id.remove(&id) {
            self.partitions -= entry.size;
        }
    }
}
