//! Port of `org.apache.kafka.server.FetchSession`: what one client fetches again and again.

use std::sync::{Arc, Mutex};

use crate::common::errors::Errors;
use crate::common::lock::locked;
use crate::protocol::fetch_response_send::TopicData;
use crate::server::fetch::asked::Asked;
use crate::server::fetch::cached_partitions::CachedPartitions;

/// The epoch of a fetch that begins a session: Kafka's `FetchMetadata.INITIAL_EPOCH`.
pub(crate) const INITIAL_EPOCH: i32 = 0;
/// That of a fetch that ends one, or does without.
pub(crate) const FINAL_EPOCH: i32 = -1;
/// The id of a fetch in no session.
pub(crate) const INVALID_SESSION_ID: i32 = 0;

/// A session. Each of its fetches counts its epoch up, so that two fetches that were sent at the same
/// time cannot both go on in it.
#[derive(Debug)]
pub(crate) struct FetchSession {
    pub(crate) id: i32,
    /// Whether its fetches have ids for topics. They may not change to names, or back.
    uses_topic_ids: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// That of the next fetch.
    epoch: i32,
    partitions: CachedPartitions,
}

/// A fetch within a session, as far as it concerns that.
pub(crate) struct SessionUpdate<'a> {
    pub(crate) epoch: i32,
    pub(crate) uses_topic_ids: bool,
    /// Partitions to add, or to fetch otherwise than before.
    pub(crate) named: &'a [Asked],
    pub(crate) forgotten: &'a [Asked],
}

/// What a session is after an update.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Updated {
    /// The epoch of the next fetch, which nobody may have sent before this one is answered.
    pub(crate) next_epoch: i32,
    /// All partitions of the session; none if it is at its end.
    pub(crate) asked: Vec<Asked>,
}

impl FetchSession {
    pub(crate) fn new(id: i32, uses_topic_ids: bool, partitions: CachedPartitions) -> Self {
        let state = Mutex::new(State { epoch: next_epoch(INITIAL_EPOCH), partitions });
        Self { id, uses_topic_ids, state }
    }

    /// How many partitions it has.
    pub(crate) fn size(&self) -> usize {
        locked(&self.state).partitions.len()
    }

    /// Takes over what a fetch changes in its session, and counts the epoch up.
    ///
    /// # Errors
    /// `INVALID_FETCH_SESSION_EPOCH` or `FETCH_SESSION_TOPIC_ID_ERROR`; nothing has changed then.
    pub(crate) fn update(
        &self,
        update: &SessionUpdate<'_>,
        name_of: impl Fn(&[u8; 16]) -> Option<Arc<str>>,
    ) -> Result<Updated, Errors> {
        let mut state = locked(&self.state);
        self.check(&state, update)?;
        state.apply(update);
        Ok(Updated { next_epoch: state.epoch, asked: state.partitions.asked(name_of) })
    }

    /// The same for a fetch whose partitions are known, by [`look_ahead`](Self::look_ahead).
    ///
    /// # Errors
    /// As for [`update`](Self::update): another fetch may have gone on in the session since.
    pub(crate) fn go_on(&self, update: &SessionUpdate<'_>) -> Result<(), Errors> {
        let mut state = locked(&self.state);
        self.check(&state, update)?;
        state.apply(update);
        Ok(())
    }

    /// What [`update`](Self::update) would return for a fetch that forgets nothing: `None` where it would
    /// fail, or where partitions come or get a name.
    pub(crate) fn look_ahead(&self, update: &SessionUpdate<'_>) -> Option<Updated> {
        let state = locked(&self.state);
        self.check(&state, update).ok()?;
        let mut asked = state.partitions.asked_so_far();
        for named in update.named {
            let place = state.partitions.place_of(named)?;
            let index = asked.binary_search_by_key(&place, |it| it.place).ok()?;
            asked[index].fetch_info = named.fetch_info;
        }
        let is_whole = !asked.is_empty() && asked.iter().all(|it| it.refusal.is_none());
        is_whole.then(|| Updated { next_epoch: next_epoch(state.epoch), asked })
    }

    fn check(&self, state: &State, update: &SessionUpdate<'_>) -> Result<(), Errors> {
        if state.epoch != update.epoch {
            return Err(Errors::InvalidFetchSessionEpoch);
        }
        match self.uses_topic_ids == update.uses_topic_ids {
            true => Ok(()),
            false => Err(Errors::FetchSessionTopicIdError),
        }
    }

    /// Leaves of the answers in `topics`, which stand in the order of `asked`, those that are news for
    /// the client. `next_epoch` is the epoch that the fetch has left the session with.
    ///
    /// # Errors
    /// `INVALID_FETCH_SESSION_EPOCH` if another fetch has gone on in the session since.
    pub(crate) fn retain_news(
        &self,
        next_epoch: i32,
        asked: &[Asked],
        topics: &mut Vec<TopicData>,
    ) -> Result<(), Errors> {
        let mut state = locked(&self.state);
        if state.epoch != next_epoch {
            topics.clear();
            return Err(Errors::InvalidFetchSessionEpoch);
        }
        let mut places = asked.iter().map(|it| it.place);
        for topic in topics.iter_mut() {
            topic.partitions.retain(|data| {
                places.next().is_some_and(|place| state.partitions.must_respond(place, data))
            });
        }
        topics.retain(|topic| !topic.partitions.is_empty());
        Ok(())
    }
}

impl State {
    fn apply(&mut self, update: &SessionUpdate<'_>) {
        for asked in update.named {
            self.partitions.add_or_update(asked);
        }
        for asked in update.forgotten {
            self.partitions.remove(asked);
        }
        if !self.partitions.is_empty() {
            self.epoch = next_epoch(self.epoch);
        }
    }
}

/// Port of `FetchMetadata.nextEpoch`.
fn next_epoch(epoch: i32) -> i32 {
    match epoch {
        ..0 => FINAL_EPOCH,
        i32::MAX => INITIAL_EPOCH + 1,
        _ => epoch + 1,
    }
}
