//! The fetcher threads of a broker, of which the simulation turns each step.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use transferto::common::errors::Errors;
use transferto::common::time::Time;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::common::units::{LeaderEpoch, Offset, Position};
use transferto::replica::broker_end_point::BrokerEndPoint;
use transferto::replica::fetcher::leader_end_point::{
    EpochQuestion, FetchedPartition, LeaderEndPoint, ReplicaFetch, ReplicaFetchPartition,
    ReplicaFetched,
};
use transferto::replica::fetcher::partition_fetch_state::PartitionFetchState;
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
}

impl SimulatedFetchers {
    pub(crate) fn new(
        this: Incarnation,
        replica_manager: Arc<ReplicaManager>,
        reach: Arc<Reach>,
        time: Arc<dyn Time>,
    ) -> Arc<Self> {
        Arc::new(Self { this, replica_manager, reach, time })
    }

    pub(crate) fn begin(&self, _leader: i32, _serial: u64) -> Option<ReplicaFetch> {
        None
    }

    pub(crate) fn complete(&self, _call: FetchCall, _fetched: io::Result<ReplicaFetched>) -> String {
        String::new()
    }

    pub(crate) fn waiting(&self) -> Vec<FetchCall> {
        Vec::new()
    }
}

impl ReplicaFetchers for SimulatedFetchers {
    fn add_fetcher_for_partitions(&self, _partitions: Vec<(TopicAndPartition, InitialFetchState)>) {}

    fn remove_fetcher_for_partitions(
        &self,
        _keys: &[TopicAndPartition],
    ) -> Vec<(TopicAndPartition, PartitionFetchState)> {
        Vec::new()
    }

    fn shutdown_idle_fetcher_threads(&self) {}

    fn shutdown(&self) {}
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
        let checked = partition.check_leader_epoch(epoch).and_then(|()| partition.leader_replica().map(|_| ()));
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
