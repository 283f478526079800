//! The fetcher threads of a broker, of which the simulation turns each step.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use transferto::common::errors::Errors;
use transferto::common::time::Time;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::common::units::{LeaderEpoch, Offset, Position};
use transferto::message::message_set::MessageSet;
use transferto::replica::broker_end_point::BrokerEndPoint;
use transferto::replica::fetcher::leader_end_point::{
    EpochQuestion, FetchedPartition, LeaderEndPoint, ReplicaFetch, ReplicaFetchPartition,
    ReplicaFetched,
};
use transferto::replica::fetcher::partition_fetch_state::{PartitionFetchState, ReplicaState};
use transferto::replica::fetcher::replica_fetchers::{InitialFetchState, ReplicaFetchers};
use transferto::replica::local_logs::LogReadResult;
use transferto::replica::partition::Partition;
use transferto::replica::replica_manager::ReplicaManager;
use transferto::storage::epochs::epoch_entry::{EpochEndOffset, EpochEntry};

use crate::network::{FetchCall, Incarnation};
use crate::reach::Reach;

/// How the simulation breaks what it is to watch, to show that it would notice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sabotage {
    #[default]
    Nothing,
}

pub(crate) struct SimulatedFetchers {
    this: Incarnation,
    replica_manager: Arc<ReplicaManager>,
    reach: Arc<Reach>,
    time: Arc<dyn Time>,
    sabotage: Sabotage,
    threads: Mutex<BTreeMap<i32, Thread>>,
}

struct Thread {
    leader: SimulatedLeader,
    states: BTreeMap<TopicAndPartition, PartitionFetchState>,
    waiting: Option<(u64, ReplicaFetch)>,
}

impl SimulatedFetchers {
    pub(crate) fn new(
        this: Incarnation,
        replica_manager: Arc<ReplicaManager>,
        reach: Arc<Reach>,
        time: Arc<dyn Time>,
        sabotage: Sabotage,
    ) -> Arc<Self> {
        let threads = Mutex::default();
        Arc::new(Self { this, replica_manager, reach, time, sabotage, threads })
    }

    pub(crate) fn begin(&self, leader: i32, serial: u64) -> Option<ReplicaFetch> {
        let mut threads = self.threads.lock().unwrap();
        let thread = threads.get_mut(&leader).filter(|it| it.waiting.is_none())?;
        let states: Vec<_> = thread.states.iter().map(|(k, s)| (k.clone(), s.clone())).collect();
        let fetch = thread.leader.build_fetch(&states)?;
        thread.waiting = Some((serial, fetch.clone()));
        Some(fetch)
    }

    pub(crate) fn complete(&self, call: FetchCall, fetched: io::Result<ReplicaFetched>) -> String {
        let mut threads = self.threads.lock().unwrap();
        let Some(thread) = threads.get_mut(&call.leader) else { return "gone".into() };
        let Some((_, fetch)) = thread.waiting.take_if(|it| it.0 == call.serial) else {
            return "late".into();
        };
        let Ok(fetched) = fetched else { return "err".into() };
        let mut text = String::new();
        for (key, answer) in &fetched.partitions {
            let Some((_, asked)) = fetch.partitions.iter().find(|it| it.0 == *key) else {
                continue;
            };
            let Some(state) = thread.states.get_mut(key) else { continue };
            if state.fetch_offset != asked.fetch_offset
                || state.current_leader_epoch != asked.current_leader_epoch
            {
                continue;
            }
            let partition = self.replica_manager.local_logs().get_partition(key).unwrap();
            let replica = partition.local_replica();
            if answer.error == Errors::OffsetOutOfRange {
                let epoch = state.current_leader_epoch;
                let end = replica.log.log_end_offset();
                let Ok(Ok(latest)) = thread.leader.fetch_latest_offset(key, epoch) else {
                    continue;
                };
                if latest.start_offset < end {
                    partition.truncate_to(latest.start_offset).unwrap();
                } else {
                    let Ok(Ok(earliest)) = thread.leader.fetch_earliest_offset(key, epoch) else {
                        continue;
                    };
                    if earliest.start_offset > end {
                        partition.truncate_fully_and_start_at(earliest.start_offset).unwrap();
                    }
                }
                state.fetch_offset = replica.log.log_end_offset();
                state.last_fetched_epoch = replica.log.leader_epochs().latest_epoch();
                text += &format!(" resets to {}", state.fetch_offset);
                continue;
            }
            if answer.error != Errors::None {
                text += &format!(" {:?}", answer.error);
                continue;
            }
            if let Some(diverging) = answer.diverging_epoch {
                let end = replica.log.log_end_offset();
                let to = match replica.log.end_offset_for_epoch(diverging.leader_epoch) {
                    None => diverging.end_offset.min(end),
                    Some(own) if own.leader_epoch != diverging.leader_epoch => {
                        own.end_offset.min(end)
                    }
                    Some(own) => own.end_offset.min(diverging.end_offset).min(end),
                };
                partition.truncate_to(to).unwrap();
                state.fetch_offset = replica.log.log_end_offset();
                state.last_fetched_epoch = replica.log.leader_epochs().latest_epoch();
                text += &format!(" truncates to {to}");
                continue;
            }
            let records = &fetched.frame[answer.records.clone()];
            let appended =
                partition.append_records_to_follower(records, asked.current_leader_epoch);
            if let Err(error) = &appended {
                let (a, b) = (replica.log.log_start_offset(), replica.log.log_end_offset());
                let batches: Vec<_> = crate::ledger::batches_in(records)
                    .iter()
                    .map(|it| (it.base, it.next))
                    .collect();
                text += &format!(" fails {error} {a} {b} {batches:?}");
                continue;
            }
            if let Some(info) = appended.unwrap() {
                state.fetch_offset = info.last_offset.next();
                state.last_fetched_epoch = replica.log.leader_epochs().latest_epoch();
                text += &format!(" appends to {}", state.fetch_offset);
            }
            replica.update_follower_high_watermark(answer.high_watermark);
            replica.maybe_increment_log_start_offset(answer.log_start_offset).unwrap();
        }
        text
    }

    pub(crate) fn waiting(&self) -> Vec<FetchCall> {
        let threads = self.threads.lock().unwrap();
        let call = |(leader, it): (&i32, &Thread)| {
            let serial = it.waiting.as_ref()?.0;
            Some(FetchCall { follower: self.this, leader: *leader, serial })
        };
        threads.iter().filter_map(call).collect()
    }
}

impl ReplicaFetchers for SimulatedFetchers {
    fn add_fetcher_for_partitions(&self, partitions: Vec<(TopicAndPartition, InitialFetchState)>) {
        let mut threads = self.threads.lock().unwrap();
        for (key, initial) in partitions {
            let leader = SimulatedLeader {
                follower: self.this.id,
                leader: initial.leader.clone(),
                reach: Arc::clone(&self.reach),
                replica_manager: Arc::clone(&self.replica_manager),
                time: Arc::clone(&self.time),
            };
            let thread = threads.entry(initial.leader.id).or_insert_with(|| Thread {
                leader,
                states: BTreeMap::new(),
                waiting: None,
            });
            let partition = self.replica_manager.local_logs().get_partition(&key).unwrap();
            let state = PartitionFetchState {
                topic_id: initial.topic_id,
                fetch_offset: initial.offset,
                lag: None,
                current_leader_epoch: initial.current_leader_epoch,
                delayed_until_ms: None,
                state: ReplicaState::Fetching,
                last_fetched_epoch: partition.local_replica().log.leader_epochs().latest_epoch(),
            };
            thread.states.insert(key, state);
        }
    }

    fn remove_fetcher_for_partitions(
        &self,
        keys: &[TopicAndPartition],
    ) -> Vec<(TopicAndPartition, PartitionFetchState)> {
        let mut threads = self.threads.lock().unwrap();
        for thread in threads.values_mut() {
            thread.states.retain(|key, _| !keys.contains(key));
        }
        Vec::new()
    }

    fn shutdown_idle_fetcher_threads(&self) {
        self.threads.lock().unwrap().retain(|_, it| !it.states.is_empty());
    }

    fn shutdown(&self) {
        self.threads.lock().unwrap().clear();
    }
}

/// A leader that is asked by messages for records, and by calls for offsets.
struct SimulatedLeader {
    follower: i32,
    leader: BrokerEndPoint,
    reach: Arc<Reach>,
    replica_manager: Arc<ReplicaManager>,
    time: Arc<dyn Time>,
}

impl SimulatedLeader {
    /// What the leader says of a partition, unless it is not the leader in this epoch.
    fn ask<T>(
        &self,
        key: &TopicAndPartition,
        epoch: LeaderEpoch,
        answer: impl Fn(&Partition) -> T,
    ) -> io::Result<Result<T, Errors>> {
        let hosted = self.reach.partition(self.follower, self.leader.id, key)?;
        let Some(partition) = hosted else { return Ok(Err(Errors::UnknownTopicOrPartition)) };
        let checked = partition
            .check_leader_epoch(epoch)
            .and_then(|()| partition.leader_replica().map(|_| ()));
        Ok(checked.map(|()| answer(&partition)).map_err(|error| error.code()))
    }
}

impl LeaderEndPoint for SimulatedLeader {
    fn broker_end_point(&self) -> &BrokerEndPoint {
        &self.leader
    }

    fn closer(&self) -> Box<dyn Fn() + Send + Sync> {
        Box::new(|| ())
    }

    fn build_fetch(
        &mut self,
        partitions: &[(TopicAndPartition, PartitionFetchState)],
    ) -> Option<ReplicaFetch> {
        let now_ms = self.time.hi_res_clock_ms();
        let ready = partitions.iter().filter(|(_, state)| state.is_ready_for_fetch(now_ms));
        let asked = ready.filter_map(|(key, state)| {
            let hosted = self.replica_manager.local_logs().get_partition(key)?;
            let fetch = ReplicaFetchPartition {
                topic_id: state.topic_id,
                current_leader_epoch: state.current_leader_epoch,
                fetch_offset: state.fetch_offset,
                last_fetched_epoch: state.last_fetched_epoch,
                log_start_offset: hosted.local_replica().log.log_start_offset(),
                max_bytes: 1_048_576,
            };
            Some((key.clone(), fetch))
        });
        let partitions: Vec<_> = asked.collect();
        (!partitions.is_empty()).then_some(ReplicaFetch { partitions })
    }

    fn fetch(&mut self, _fetch: &ReplicaFetch) -> io::Result<ReplicaFetched> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }

    fn fetch_earliest_offset(
        &mut self,
        key: &TopicAndPartition,
        current_leader_epoch: LeaderEpoch,
    ) -> io::Result<Result<EpochEntry, Errors>> {
        self.ask(key, current_leader_epoch, |partition| {
            let log = &partition.local_replica().log;
            let start_offset = log.log_start_offset();
            let earliest = log.leader_epochs().earliest_entry();
            let epoch = earliest.map_or(LeaderEpoch::NONE, |it| it.epoch);
            EpochEntry { epoch, start_offset }
        })
    }

    fn fetch_latest_offset(
        &mut self,
        key: &TopicAndPartition,
        current_leader_epoch: LeaderEpoch,
    ) -> io::Result<Result<EpochEntry, Errors>> {
        self.ask(key, current_leader_epoch, |partition| EpochEntry {
            epoch: partition.leader_epoch(),
            start_offset: partition.local_replica().log.log_end_offset(),
        })
    }

    fn fetch_epoch_end_offsets(
        &mut self,
        partitions: &[EpochQuestion],
    ) -> Vec<Result<Option<EpochEndOffset>, Errors>> {
        let answer = |it: &EpochQuestion| {
            let asked = self.ask(&it.key, it.current_leader_epoch, |partition| {
                partition.local_replica().log.end_offset_for_epoch(it.leader_epoch)
            });
            asked.unwrap_or(Err(Errors::NetworkException))
        };
        partitions.iter().map(answer).collect()
    }
}

/// A response, with the records that lie in the files now. `None` if there are fewer than when it was made: the
/// connection ends then.
pub(crate) fn sent(results: &[(TopicAndPartition, LogReadResult)]) -> Option<ReplicaFetched> {
    let mut fetched = ReplicaFetched::default();
    for (key, result) in results {
        let partition = match result {
            Ok(read) => {
                let set = &read.fetched_data.message_set;
                let begin = fetched.frame.len();
                fetched.frame.resize(begin + set.size_in_bytes(), 0);
                set.read_exact_at(&mut fetched.frame[begin..], Position(0)).ok()?;
                FetchedPartition {
                    error: Errors::None,
                    high_watermark: read.high_watermark,
                    log_start_offset: read.log_start_offset,
                    diverging_epoch: read.diverging_epoch,
                    records: begin..fetched.frame.len(),
                }
            }
            Err(error) => FetchedPartition {
                error: error.code(),
                high_watermark: Offset::NONE,
                log_start_offset: Offset::NONE,
                diverging_epoch: None,
                records: 0..0,
            },
        };
        fetched.partitions.push((key.clone(), partition));
    }
    Some(fetched)
}
