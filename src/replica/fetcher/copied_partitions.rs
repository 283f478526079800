//! Port of what the `partitionMapLock` of `kafka.server.AbstractFetcherThread` guards: how far each partition of a
//! thread is, and its log, to which nobody else appends.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use log::{Level, debug, info, log};

use crate::common::errors::{Errors, KafkaError};
use crate::common::failures::{Failures, Repeats};
use crate::common::log_limit::{LogKind, limited};
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::{LeaderEpoch, Offset};
use crate::replica::fetcher::failed_partitions::FailedPartitions;
use crate::replica::fetcher::fetcher_replicas::FetcherReplicas;
use crate::replica::fetcher::fetcher_stats::FetcherStats;
use crate::replica::fetcher::leader_end_point::{
    EpochQuestion, FetchedPartition, ReplicaFetch, ReplicaFetchPartition, ReplicaFetched,
};
use crate::replica::fetcher::offset_truncation_state::OffsetTruncationState;
use crate::replica::fetcher::partition_fetch_state::{PartitionFetchState, ReplicaState};
use crate::replica::fetcher::partition_states::PartitionStates;
use crate::replica::fetcher::replica_fetchers::InitialFetchState;
use crate::storage::epochs::epoch_entry::EpochEndOffset;

/// The partitions that a thread copies, and their logs.
pub struct CopiedPartitions {
    states: PartitionStates,
    replicas: Box<dyn FetcherReplicas>,
    failed: Arc<FailedPartitions>,
    stats: Arc<FetcherStats>,
    backoff_ms: i64,
    /// Whether something was added since the last question was made.
    has_news: bool,
    /// Why the leader could not be asked, since it last answered.
    failures: Failures,
    /// What kept single partitions from being copied, while the leader answers for others.
    refusals: Failures,
}

/// A partition whose leader does not have the offset that it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutOfRange {
    pub key: TopicAndPartition,
    /// In which it was asked.
    pub current_leader_epoch: LeaderEpoch,
    pub fetch_offset: Offset,
    /// Of the follower.
    pub log_end_offset: Offset,
}

/// Where a follower goes on whose offset was out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoOnAt {
    /// At the leader's end, after what is beyond it has been cut off.
    LeaderEnd(Offset),
    /// At the leader's start, after everything has been deleted.
    LeaderStart(Offset),
    /// At its own end.
    OwnEnd,
}

/// What becomes of a partition that cannot go on at once.
enum Trouble {
    /// It is asked for again after `replica.fetch.backoff.ms`.
    Passing,
    /// It is not asked for until the cluster changes it.
    Final,
}

impl CopiedPartitions {
    pub fn new(
        replicas: Box<dyn FetcherReplicas>,
        failed: Arc<FailedPartitions>,
        stats: Arc<FetcherStats>,
        backoff_ms: i64,
    ) -> Self {
        Self {
            states: PartitionStates::default(),
            replicas,
            failed,
            stats,
            backoff_ms,
            has_news: false,
            failures: Failures::default(),
            refusals: Failures::default(),
        }
    }

    pub fn states(&self) -> &PartitionStates {
        &self.states
    }

    /// Whether something was added since the last call of [`to_ask_for`](Self::to_ask_for).
    pub fn has_news(&self) -> bool {
        self.has_news
    }

    /// What may be asked for now, as [`all`](Self::all).
    pub fn to_ask_for(&mut self) -> Vec<(TopicAndPartition, PartitionFetchState)> {
        self.has_news = false;
        self.all()
    }

    /// In the order in which they are to be asked for.
    pub fn all(&self) -> Vec<(TopicAndPartition, PartitionFetchState)> {
        self.states.iter().map(|(key, state)| (key.clone(), state.clone())).collect()
    }

    /// Port of `partitionFetchState`. A log that knows the epoch of its last record need not be cut before it is
    /// copied: the leader says in its answer where the logs part.
    pub fn add(&mut self, key: &TopicAndPartition, initial: &InitialFetchState) {
        self.failed.remove([key]);
        let current = self.states.get(key);
        if current.is_some_and(|it| it.current_leader_epoch == initial.current_leader_epoch) {
            return;
        }
        let last_fetched_epoch = match self.replicas.latest_epoch(key) {
            Ok(epoch) => epoch,
            Err(error) => return self.fail(key, &error),
        };
        let state = PartitionFetchState {
            topic_id: initial.topic_id,
            fetch_offset: initial.offset,
            lag: None,
            current_leader_epoch: initial.current_leader_epoch,
            delayed_until_ms: None,
            state: match last_fetched_epoch {
                Some(_) => ReplicaState::Fetching,
                None => ReplicaState::Truncating,
            },
            last_fetched_epoch,
        };
        self.states.update_and_move_to_end(key, state);
        self.has_news = true;
    }

    pub fn remove(
        &mut self,
        keys: &[TopicAndPartition],
    ) -> Vec<(TopicAndPartition, PartitionFetchState)> {
        self.failed.remove(keys);
        let remove = |key: &TopicAndPartition| {
            self.stats.remove_lag(key);
            Some((key.clone(), self.states.remove(key)?))
        };
        keys.iter().filter_map(remove).collect()
    }

    /// The leader could not be asked. `Some` if that is worth a line: it is asked again every second.
    pub fn news_of_failure(&mut self, why: &str, now_ms: i64) -> Option<Repeats> {
        self.failures.news(why, now_ms)
    }

    /// The same for what keeps a partition, or several of them, from being copied.
    pub fn news_of_refusal(&mut self, why: &str, now_ms: i64) -> Option<Repeats> {
        self.refusals.news(why, now_ms)
    }

    /// Port of `delayPartitions`. One that is delayed already stays so for as long as it was.
    pub fn delay<'a>(
        &mut self,
        keys: impl IntoIterator<Item = &'a TopicAndPartition>,
        now_ms: i64,
    ) {
        for key in keys {
            let Some(state) = self.states.get(key) else { continue };
            if !state.is_delayed(now_ms) {
                let delayed_until_ms = Some(now_ms.saturating_add(self.backoff_ms));
                let state = PartitionFetchState { delayed_until_ms, ..state.clone() };
                self.states.update_and_move_to_end(key, state);
            }
        }
    }

    /// Port of `fetchTruncatingPartitions` and `truncateToHighWatermark`: cuts the logs without epochs, and returns
    /// what the leader has to be asked for the others.
    pub fn begin_truncation(&mut self, now_ms: i64) -> Vec<EpochQuestion> {
        let truncating = self.states.iter().filter(|(_, state)| state.is_truncating(now_ms));
        let truncating: Vec<_> =
            truncating.map(|(key, state)| (key.clone(), state.clone())).collect();
        let mut questions = Vec::new();
        for (key, state) in truncating {
            match self.replicas.latest_epoch(&key) {
                Ok(Some(leader_epoch)) => questions.push(EpochQuestion {
                    key,
                    current_leader_epoch: state.current_leader_epoch,
                    leader_epoch,
                }),
                Ok(None) => {
                    let offset = state.fetch_offset;
                    let target = OffsetTruncationState { offset, truncation_completed: true };
                    self.cut(&key, target, ReplicaState::Truncating, now_ms);
                }
                Err(error) => self.fail(&key, &error),
            }
        }
        questions
    }

    /// Port of `truncateToEpochEndOffsets` from the answers on. One whose leader epoch is another by now is asked
    /// for again (KAFKA-7786). One that is not to be cut any more was copied by another thread meanwhile: the answer
    /// would cut off what came since.
    pub fn truncate_to_epoch_ends(
        &mut self,
        questions: &[EpochQuestion],
        answers: Vec<Result<Option<EpochEndOffset>, Errors>>,
        now_ms: i64,
    ) {
        for (question, answer) in questions.iter().zip(answers) {
            let EpochQuestion { key, current_leader_epoch, .. } = question;
            let is_as_asked = |state: &PartitionFetchState| {
                state.current_leader_epoch == *current_leader_epoch
                    && state.state == ReplicaState::Truncating
            };
            if !self.states.get(key).is_some_and(is_as_asked) {
                continue;
            }
            match answer {
                Ok(end) => {
                    self.truncate_to_epoch_end(key, end, ReplicaState::Truncating, now_ms);
                }
                Err(Errors::FencedLeaderEpoch) => self.fence(key, *current_leader_epoch, now_ms),
                Err(error) => {
                    self.say_refused(key, error, now_ms);
                    self.delay([key], now_ms);
                }
            }
        }
    }

    /// `end` is where the leader's log parts from this one, at the latest. If that is not certain yet, the
    /// partition is `in_doubt` then.
    fn truncate_to_epoch_end(
        &mut self,
        key: &TopicAndPartition,
        end: Option<EpochEndOffset>,
        in_doubt: ReplicaState,
        now_ms: i64,
    ) {
        let Some(state) = self.states.get(key) else { return };
        let (initial, replicas) = (state.fetch_offset, &self.replicas);
        let target = replicas.log_end_offset(key).and_then(|log_end| {
            OffsetTruncationState::new(end, initial, log_end, |epoch| {
                replicas.end_offset_for_epoch(key, epoch)
            })
        });
        match target {
            Ok(target) => self.cut(key, target, in_doubt, now_ms),
            Err(error) => self.fail(key, &error),
        }
    }

    /// Port of `doTruncate` and `updateFetchOffsetAndMaybeMarkTruncationComplete`.
    fn cut(
        &mut self,
        key: &TopicAndPartition,
        target: OffsetTruncationState,
        in_doubt: ReplicaState,
        now_ms: i64,
    ) {
        let OffsetTruncationState { offset, truncation_completed } = target;
        let replicas = &mut self.replicas;
        let cut = guarded(key, || {
            let end_offset = cut_log(&mut **replicas, key, offset)?;
            Ok((end_offset, replicas.latest_epoch(key)?))
        });
        match cut {
            Ok((offset, last_fetched_epoch)) => {
                let state = match truncation_completed {
                    true => ReplicaState::Fetching,
                    false => in_doubt,
                };
                self.go_on(key, (offset, state, last_fetched_epoch), now_ms);
            }
            Err(error) => self.set_back(key, &error, now_ms),
        }
    }

    /// If the next question is the same as the last one, the answer would be as well: it is not asked at once.
    fn go_on(
        &mut self,
        key: &TopicAndPartition,
        (fetch_offset, state, last_fetched_epoch): (Offset, ReplicaState, Option<LeaderEpoch>),
        now_ms: i64,
    ) {
        let Some(before) = self.states.get(key) else { return };
        let is_same = (before.fetch_offset, before.state, before.last_fetched_epoch)
            == (fetch_offset, state, last_fetched_epoch);
        let after = PartitionFetchState {
            fetch_offset,
            lag: None,
            delayed_until_ms: None,
            state,
            last_fetched_epoch,
            ..before.clone()
        };
        self.states.update(key, after);
        if is_same {
            self.delay([key], now_ms);
        }
    }

    /// Takes over what the leader has answered to `fetch`. What has changed since it was asked is passed over.
    /// Returns what needs more questions.
    pub fn process(
        &mut self,
        fetch: &ReplicaFetch,
        fetched: &ReplicaFetched,
        now_ms: i64,
    ) -> Vec<OutOfRange> {
        self.failures.forget();
        let asked: HashMap<_, _> = fetch.partitions.iter().map(|(key, it)| (key, it)).collect();
        let mut out_of_range = Vec::new();
        for (key, answer) in &fetched.partitions {
            let Some(asked) = asked.get(key) else { continue };
            if self.is_as_asked(key, asked, now_ms) {
                let records = fetched.frame.get(answer.records.clone()).unwrap_or_default();
                out_of_range.extend(self.process_one(key, asked, (answer, records), now_ms));
            }
        }
        out_of_range
    }

    /// A partition that was removed, cut or added again meanwhile is not where the question was.
    fn is_as_asked(
        &self,
        key: &TopicAndPartition,
        asked: &ReplicaFetchPartition,
        now_ms: i64,
    ) -> bool {
        self.states.get(key).is_some_and(|state| {
            state.fetch_offset == asked.fetch_offset
                && state.current_leader_epoch == asked.current_leader_epoch
                && state.topic_id == asked.topic_id
                && state.is_ready_for_fetch(now_ms)
        })
    }

    fn process_one(
        &mut self,
        key: &TopicAndPartition,
        asked: &ReplicaFetchPartition,
        (answer, records): (&FetchedPartition, &[u8]),
        now_ms: i64,
    ) -> Option<OutOfRange> {
        match (answer.error, answer.diverging_epoch) {
            // Neither the watermark nor the start of such an answer counts: they are of the leader's log, from
            // which ours still parts (KAFKA-14704). If it does so after the cut, the next answer says so again.
            (Errors::None, Some(end)) => {
                self.truncate_to_epoch_end(key, Some(end), ReplicaState::Fetching, now_ms);
            }
            (Errors::None, None) => self.append(key, asked, (answer, records), now_ms),
            (Errors::OffsetOutOfRange, _) => return self.out_of_range(key, asked),
            (Errors::FencedLeaderEpoch, _) => {
                self.fence(key, asked.current_leader_epoch, now_ms);
            }
            (error, _) => {
                self.say_refused(key, error, now_ms);
                self.delay([key], now_ms);
            }
        }
        None
    }

    fn append(
        &mut self,
        key: &TopicAndPartition,
        asked: &ReplicaFetchPartition,
        (answer, records): (&FetchedPartition, &[u8]),
        now_ms: i64,
    ) {
        let ReplicaFetchPartition { fetch_offset, current_leader_epoch, .. } = *asked;
        let replicas = &mut self.replicas;
        let processed = guarded(key, || {
            let info = replicas.process_partition_data(
                key,
                fetch_offset,
                current_leader_epoch,
                answer,
                records,
            )?;
            let Some(info) = info else { return Ok(None) };
            Ok(Some((info.valid_bytes, replicas.log_end_offset(key)?, replicas.latest_epoch(key)?)))
        });
        match processed {
            Ok(appended) => {
                let Some(before) = self.states.get(key) else { return };
                let (fetch_offset, last_fetched_epoch) = match appended {
                    Some((_, end_offset, epoch)) => (end_offset, epoch),
                    None => (fetch_offset, before.last_fetched_epoch),
                };
                let lag = answer.high_watermark.saturating_sub(fetch_offset).max(0);
                let after = PartitionFetchState {
                    fetch_offset,
                    lag: Some(lag),
                    last_fetched_epoch,
                    ..before.clone()
                };
                self.stats.set_lag(key, lag);
                match appended {
                    Some((bytes, ..)) => {
                        self.stats.bytes.add(bytes as u64);
                        self.states.update_and_move_to_end(key, after);
                    }
                    None => self.states.update(key, after),
                }
            }
            Err(error) => self.set_back(key, &error, now_ms),
        }
    }

    fn out_of_range(
        &mut self,
        key: &TopicAndPartition,
        asked: &ReplicaFetchPartition,
    ) -> Option<OutOfRange> {
        match self.replicas.log_end_offset(key) {
            Ok(log_end_offset) => Some(OutOfRange {
                key: key.clone(),
                current_leader_epoch: asked.current_leader_epoch,
                fetch_offset: asked.fetch_offset,
                log_end_offset,
            }),
            Err(error) => {
                self.fail(key, &error);
                None
            }
        }
    }

    /// Ends what [`process`](Self::process) has returned, unless the partition has moved meanwhile.
    pub fn resume(&mut self, it: &OutOfRange, target: GoOnAt, now_ms: i64) {
        let OutOfRange { key, current_leader_epoch, fetch_offset, log_end_offset } = it;
        let is_as_asked = |state: &PartitionFetchState| {
            state.current_leader_epoch == *current_leader_epoch
                && state.fetch_offset == *fetch_offset
        };
        if !self.states.get(key).is_some_and(is_as_asked) {
            return;
        }
        let replicas = &mut self.replicas;
        let resumed = guarded(key, || {
            let offset = match target {
                GoOnAt::LeaderEnd(offset) => cut_log(&mut **replicas, key, offset)?,
                GoOnAt::LeaderStart(offset) => {
                    replicas.truncate_fully_and_start_at(key, offset)?;
                    offset
                }
                GoOnAt::OwnEnd => *log_end_offset,
            };
            Ok((offset, replicas.latest_epoch(key)?))
        });
        match resumed {
            Ok((offset, epoch)) => {
                let level = limited(LogKind::Failures, Level::Info);
                log!(
                    level,
                    "{key}: offset {fetch_offset} is out of its leader's range; goes on at {offset}"
                );
                self.go_on(key, (offset, ReplicaState::Fetching, epoch), now_ms);
            }
            Err(error) => self.set_back(key, &error, now_ms),
        }
    }

    /// Port of `onPartitionFenced`: the leader knows of a newer epoch than `asked_in`. So does this broker soon, or
    /// already.
    pub fn fence(&mut self, key: &TopicAndPartition, asked_in: LeaderEpoch, now_ms: i64) {
        let Some(state) = self.states.get(key) else { return };
        if state.current_leader_epoch != asked_in {
            return self.delay([key], now_ms);
        }
        info!("{key}: epoch {asked_in} is over; waits for the cluster to say who leads");
        self.give_up(key);
    }

    /// See [`FetcherReplicas::owed`].
    pub fn owed(&mut self) -> Option<Box<dyn FnOnce() + Send>> {
        self.replicas.owed()
    }

    /// A log was not changed as its leader would have it.
    fn set_back(&mut self, key: &TopicAndPartition, error: &KafkaError, now_ms: i64) {
        match trouble(error) {
            Trouble::Passing => {
                let why = format!("{key} is asked for again: {error}");
                match self.refusals.news(&why, now_ms) {
                    Some(repeats) => {
                        log!(limited(LogKind::Failures, Level::Error), "{why}{repeats}");
                    }
                    None => debug!("{why}"),
                }
                self.follow_cut(key);
                self.delay([key], now_ms);
            }
            Trouble::Final => self.fail(key, error),
        }
    }

    /// What has failed may have cut the log before, and the next answer must begin where it ends.
    fn follow_cut(&mut self, key: &TopicAndPartition) {
        let Some(state) = self.states.get(key) else { return };
        let log = self.replicas.log_end_offset(key);
        let log = log.and_then(|end| Ok((end, self.replicas.latest_epoch(key)?)));
        match log {
            Ok((fetch_offset, last_fetched_epoch)) if fetch_offset < state.fetch_offset => {
                let after =
                    PartitionFetchState { fetch_offset, last_fetched_epoch, ..state.clone() };
                self.states.update(key, after);
            }
            // Of a log that cannot be looked at the next call says why.
            Ok(_) | Err(_) => (),
        }
    }

    /// As a rule the leader, or this broker, has not heard yet what the cluster has decided. A right that is missing
    /// does not come by waiting: one partition speaks for all of them.
    fn say_refused(&mut self, key: &TopicAndPartition, error: Errors, now_ms: i64) {
        let is_of_rights =
            matches!(error, Errors::TopicAuthorizationFailed | Errors::ClusterAuthorizationFailed);
        let news = is_of_rights.then(|| self.refusals.news(error.name(), now_ms)).flatten();
        match news {
            Some(repeats) => log!(
                limited(LogKind::Failures, Level::Warn),
                "{key}: the leader answers {error}: its `super.users` must have the principal that this broker has \
                 there, or an ACL must give that one ClusterAction on the cluster{repeats}"
            ),
            None => debug!("{key}: the leader answers {error}"),
        }
    }

    /// Port of `markPartitionFailed`.
    fn fail(&mut self, key: &TopicAndPartition, error: &KafkaError) {
        let level = limited(LogKind::Failures, Level::Error);
        log!(level, "{key} is copied no more until the cluster changes it: {error}");
        self.give_up(key);
    }

    fn give_up(&mut self, key: &TopicAndPartition) {
        self.states.remove(key);
        self.stats.remove_lag(key);
        self.failed.add(key);
    }
}

/// Returns where the log ends: before `offset` if that lies inside of a batch, which goes as a whole.
fn cut_log(
    replicas: &mut dyn FetcherReplicas,
    key: &TopicAndPartition,
    offset: Offset,
) -> Result<Offset, KafkaError> {
    replicas.truncate(key, offset)?;
    Ok(offset.min(replicas.log_end_offset(key)?))
}

/// A corrupt batch may come whole the next time, and a full disk have room: what the disk refuses leaves the log
/// as it was. After a fault of the disk itself the next call says `KAFKA_STORAGE_ERROR`.
fn trouble(error: &KafkaError) -> Trouble {
    match error {
        KafkaError::Io(_) => Trouble::Passing,
        other => match other.code() {
            Errors::CorruptMessage | Errors::InvalidRecord => Trouble::Passing,
            _ => Trouble::Final,
        },
    }
}

/// A bug in one partition's log leaves the others their thread (KAFKA-8346).
fn guarded<T>(
    key: &TopicAndPartition,
    work: impl FnOnce() -> Result<T, KafkaError>,
) -> Result<T, KafkaError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let why = format!("copying {key} panicked");
        Err(KafkaError::api(Errors::UnknownServerError, why))
    })
}
