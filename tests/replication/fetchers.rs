//! The fetcher threads of a broker, of which the simulation turns each step.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use transferto::common::errors::{Errors, KafkaError};
use transferto::common::time::Time;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::common::units::{LeaderEpoch, Offset, Position};
use transferto::message::message_set::MessageSet;
use transferto::replica::broker_end_point::BrokerEndPoint;
use transferto::replica::fetcher::abstract_fetcher_thread::{AbstractFetcherThread, FetcherConfig};
use transferto::replica::fetcher::failed_partitions::FailedPartitions;
use transferto::replica::fetcher::fetcher_replicas::FetcherReplicas;
use transferto::replica::fetcher::leader_end_point::{
    EpochQuestion, FetchedPartition, LeaderEndPoint, ReplicaFetch, ReplicaFetchPartition,
    ReplicaFetched,
};
use transferto::replica::fetcher::partition_fetch_state::PartitionFetchState;
use transferto::replica::fetcher::replica_fetcher_thread::ReplicaFetcherThread;
use transferto::replica::fetcher::replica_fetchers::{InitialFetchState, ReplicaFetchers};
use transferto::replica::local_logs::LogReadResult;
use transferto::replica::partition::Partition;
use transferto::replica::replica_manager::ReplicaManager;
use transferto::storage::epochs::epoch_entry::{EpochEndOffset, EpochEntry};
use transferto::storage::log::log_append::LogAppendInfo;

use crate::network::{FetchCall, Incarnation};
use crate::reach::Reach;
use crate::sabotage::Sabotage;

/// `replica.fetch.backoff.ms`
const BACKOFF_MS: i64 = 200;

/// A thread that asks a broker for partitions, and the request that it waits for.
struct Turned {
    thread: AbstractFetcherThread,
    waiting: Option<(u64, ReplicaFetch)>,
}

pub(crate) struct SimulatedFetchers {
    this: Incarnation,
    replica_manager: Arc<ReplicaManager>,
    reach: Arc<Reach>,
    time: Arc<dyn Time>,
    sabotage: Sabotage,
    failed: Arc<FailedPartitions>,
    /// What the logs could not do.
    faults: Arc<Mutex<Vec<String>>>,
    threads: Mutex<BTreeMap<i32, Turned>>,
}

impl SimulatedFetchers {
    pub(crate) fn new(
        this: Incarnation,
        replica_manager: Arc<ReplicaManager>,
        reach: Arc<Reach>,
        time: Arc<dyn Time>,
        sabotage: Sabotage,
    ) -> Arc<Self> {
        let (failed, faults, threads) = (Arc::default(), Arc::default(), Mutex::default());
        Arc::new(Self { this, replica_manager, reach, time, sabotage, failed, faults, threads })
    }

    /// Half a round of the thread that copies from `leader`: what it asks for. `None` if it waits already, or
    /// has nothing to ask for.
    pub(crate) fn begin(&self, leader: i32, serial: u64) -> Option<ReplicaFetch> {
        let mut threads = self.threads.lock().unwrap();
        let turned = threads.get_mut(&leader).filter(|it| it.waiting.is_none())?;
        turned.thread.maybe_truncate();
        let fetch = turned.thread.build_fetch()?;
        turned.waiting = Some((serial, fetch.clone()));
        Some(fetch)
    }

    /// The other half. Returns the offsets at which it goes on, `None` if the thread does not wait for this.
    pub(crate) fn complete(
        &self,
        call: FetchCall,
        fetched: io::Result<ReplicaFetched>,
    ) -> Option<String> {
        let mut threads = self.threads.lock().unwrap();
        let turned = threads.get_mut(&call.leader)?;
        let (_, fetch) = turned.waiting.take_if(|(serial, _)| *serial == call.serial)?;
        if let Ok(fetched) = &fetched {
            self.maybe_sabotage(fetched);
        }
        turned.thread.complete_fetch(&fetch, fetched);
        let offset = |(key, _): &(TopicAndPartition, _)| match turned.thread.fetch_state(key) {
            Some(state) => format!("{key} at {}", state.fetch_offset),
            None => format!("{key} no more"),
        };
        Some(fetch.partitions.iter().map(offset).collect::<Vec<_>>().join(", "))
    }

    /// KAFKA-14704, undone.
    fn maybe_sabotage(&self, fetched: &ReplicaFetched) {
        if self.sabotage != Sabotage::TakeDivergingHighWatermark {
            return;
        }
        for (key, answer) in
            fetched.partitions.iter().filter(|(_, it)| it.diverging_epoch.is_some())
        {
            if let Some(partition) = self.replica_manager.local_logs().get_partition(key) {
                partition.local_replica().update_follower_high_watermark(answer.high_watermark);
            }
        }
    }

    /// The requests that wait for their answers.
    pub(crate) fn waiting(&self) -> Vec<FetchCall> {
        let threads = self.threads.lock().unwrap();
        let call = |(leader, it): (&i32, &Turned)| {
            let serial = it.waiting.as_ref()?.0;
            Some(FetchCall { follower: self.this, leader: *leader, serial })
        };
        threads.iter().filter_map(call).collect()
    }

    pub(crate) fn take_fault(&self) -> Option<String> {
        self.faults.lock().unwrap().pop()
    }

    fn thread(&self, leader: &BrokerEndPoint) -> AbstractFetcherThread {
        let simulated = SimulatedLeader {
            follower: self.this.id,
            leader: leader.clone(),
            reach: Arc::clone(&self.reach),
            replica_manager: Arc::clone(&self.replica_manager),
            time: Arc::clone(&self.time),
            sabotage: self.sabotage,
        };
        let replicas = WatchedReplicas {
            replicas: ReplicaFetcherThread::new(Arc::clone(&self.replica_manager)),
            faults: Arc::clone(&self.faults),
        };
        let config = FetcherConfig {
            name: format!("ReplicaFetcherThread-0-{}", leader.id),
            backoff_ms: BACKOFF_MS,
            time: Arc::clone(&self.time),
            failed: Arc::clone(&self.failed),
        };
        AbstractFetcherThread::new(config, Box::new(simulated), Box::new(replicas))
    }

    /// As 0.9 did: a follower begins at its high watermark, whatever it and its leader have beyond.
    fn truncated_to_high_watermark(
        &self,
        key: &TopicAndPartition,
        initial: InitialFetchState,
    ) -> InitialFetchState {
        let hosted = self.replica_manager.local_logs().get_partition(key).unwrap();
        let offset = hosted.local_replica().high_watermark().message_offset;
        hosted.truncate_to(offset).unwrap();
        InitialFetchState { offset, ..initial }
    }
}

impl ReplicaFetchers for SimulatedFetchers {
    fn add_fetcher_for_partitions(&self, partitions: Vec<(TopicAndPartition, InitialFetchState)>) {
        let mut threads = self.threads.lock().unwrap();
        for (key, initial) in partitions {
            let initial = match self.sabotage {
                Sabotage::TruncateToHighWatermark => {
                    self.truncated_to_high_watermark(&key, initial)
                }
                _ => initial,
            };
            let (id, new) = (initial.leader.id, || self.thread(&initial.leader));
            let turned =
                threads.entry(id).or_insert_with(|| Turned { thread: new(), waiting: None });
            turned.thread.add_partitions(vec![(key, initial)]);
        }
    }

    fn remove_fetcher_for_partitions(
        &self,
        keys: &[TopicAndPartition],
    ) -> Vec<(TopicAndPartition, PartitionFetchState)> {
        let threads = self.threads.lock().unwrap();
        let removed = threads.values().flat_map(|it| it.thread.remove_partitions(keys)).collect();
        self.failed.remove(keys);
        removed
    }

    fn shutdown_idle_fetcher_threads(&self) {
        self.threads.lock().unwrap().retain(|_, it| it.thread.partition_count() > 0);
    }

    fn shutdown(&self) {
        self.threads.lock().unwrap().clear();
    }
}

/// The logs of a follower. Nothing that a thread does with them may fail, but for records that have been
/// overwritten while they were sent.
struct WatchedReplicas {
    replicas: ReplicaFetcherThread,
    faults: Arc<Mutex<Vec<String>>>,
}

impl WatchedReplicas {
    fn watch<T>(
        &self,
        key: &TopicAndPartition,
        done: Result<T, KafkaError>,
    ) -> Result<T, KafkaError> {
        done.inspect_err(|error| {
            if error.code() != Errors::CorruptMessage {
                self.faults.lock().unwrap().push(format!("{key}: {error}"));
            }
        })
    }
}

impl FetcherReplicas for WatchedReplicas {
    fn process_partition_data(
        &mut self,
        key: &TopicAndPartition,
        fetch_offset: Offset,
        leader_epoch: LeaderEpoch,
        partition: &FetchedPartition,
        records: &[u8],
    ) -> Result<Option<LogAppendInfo>, KafkaError> {
        let replicas = &mut self.replicas;
        let done =
            replicas.process_partition_data(key, fetch_offset, leader_epoch, partition, records);
        self.watch(key, done)
    }

    fn truncate(&mut self, key: &TopicAndPartition, offset: Offset) -> Result<(), KafkaError> {
        let done = self.replicas.truncate(key, offset);
        self.watch(key, done)
    }

    fn truncate_fully_and_start_at(
        &mut self,
        key: &TopicAndPartition,
        offset: Offset,
    ) -> Result<(), KafkaError> {
        let done = self.replicas.truncate_fully_and_start_at(key, offset);
        self.watch(key, done)
    }

    fn latest_epoch(&self, key: &TopicAndPartition) -> Result<Option<LeaderEpoch>, KafkaError> {
        self.replicas.latest_epoch(key)
    }

    fn log_start_offset(&self, key: &TopicAndPartition) -> Result<Offset, KafkaError> {
        self.replicas.log_start_offset(key)
    }

    fn log_end_offset(&self, key: &TopicAndPartition) -> Result<Offset, KafkaError> {
        self.replicas.log_end_offset(key)
    }

    fn high_watermark(&self, key: &TopicAndPartition) -> Result<Offset, KafkaError> {
        self.replicas.high_watermark(key)
    }

    fn end_offset_for_epoch(
        &self,
        key: &TopicAndPartition,
        epoch: LeaderEpoch,
    ) -> Result<Option<EpochEndOffset>, KafkaError> {
        self.replicas.end_offset_for_epoch(key, epoch)
    }
}

/// A leader that is asked by messages for records, and by calls for offsets.
struct SimulatedLeader {
    follower: i32,
    leader: BrokerEndPoint,
    reach: Arc<Reach>,
    replica_manager: Arc<ReplicaManager>,
    time: Arc<dyn Time>,
    sabotage: Sabotage,
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
                last_fetched_epoch: match self.sabotage {
                    Sabotage::TruncateToHighWatermark => None,
                    _ => state.last_fetched_epoch,
                },
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
