//! Port of `kafka.server.RemoteLeaderEndPoint`: a leader in another broker, asked by Kafka's protocol.
//!
//! Records stay where they came in: what a fetch returns are ranges of the response's frame, and the follower's
//! log writes them from there.

use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;

use log::{Level, debug, log};

use crate::clients::blocking_channel::Response;
use crate::clients::client_channel_builder::ClientChannelBuilder;
use crate::clients::interrupter::Interrupter;
use crate::common::errors::Errors;
use crate::common::failures::Failures;
use crate::common::log_limit::{LogKind, limited};
use crate::common::time::Time;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::{LeaderEpoch, Offset};
use crate::protocol::fetch::{
    FetchPartition, FetchRequest, FetchResponsePartition, FetchTopic, ForgottenTopic, ReplicaState,
};
use crate::protocol::list_offsets::{
    EARLIEST_TIMESTAMP, LATEST_TIMESTAMP, ListOffsetsPartition, ListOffsetsRequest,
    ListOffsetsTopic,
};
use crate::protocol::offset_for_leader_epoch::{
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use crate::protocol::wire::uuid::Uuid;
use crate::replica::broker_end_point::BrokerEndPoint;
use crate::replica::fetcher::leader_end_point::{
    EpochQuestion, FetchedPartition, LeaderEndPoint, ReplicaFetch, ReplicaFetchPartition,
    ReplicaFetched,
};
use crate::replica::fetcher::partition_fetch_state::PartitionFetchState;
use crate::replica::replica_manager::ReplicaManager;
use crate::replica::replication_quota_manager::ReplicationQuotaManagers;
use crate::server::replication::broker_blocking_sender::BrokerBlockingSender;
use crate::server::replication::fetch_session_handler::{
    FetchRequestData, FetchSessionHandler, SessionFault,
};
use crate::server::replication::replication_config::ReplicationConfig;
use crate::storage::epochs::epoch_entry::{EpochEndOffset, EpochEntry};

/// From the first one with the ids of topics on: each leader of a cluster with Kafka's controllers has it.
const FETCH_VERSIONS: RangeInclusive<i16> = 13..=18;
/// From the first one with the epoch of the leader on.
const LIST_OFFSETS_VERSIONS: RangeInclusive<i16> = 4..=11;
/// From the first one in which a follower names itself on.
const OFFSET_FOR_LEADER_EPOCH_VERSIONS: RangeInclusive<i16> = 3..=4;
/// In the place of an epoch or an offset that is not known.
const UNDEFINED: i32 = -1;

/// What the leaders of all fetchers of a broker are asked by.
pub struct FollowerContext {
    pub config: ReplicationConfig,
    /// What secures the connections to them.
    pub channel_builder: Arc<dyn ClientChannelBuilder>,
    pub replica_manager: Arc<ReplicaManager>,
    pub quotas: Arc<ReplicationQuotaManagers>,
    pub time: Arc<dyn Time>,
    /// Of this broker's registration; `None` before it has one.
    pub broker_epoch: Box<dyn Fn() -> Option<i64> + Send + Sync>,
}

/// The leader that one thread asks, by a connection of its own.
pub struct RemoteLeaderEndPoint {
    context: Arc<FollowerContext>,
    sender: BrokerBlockingSender,
    session: FetchSessionHandler,
    interrupter: Arc<Interrupter>,
    /// Why the ends of epochs could not be asked for, since they last could.
    failures: Failures,
}

impl RemoteLeaderEndPoint {
    /// For fetcher number `fetcher_id` of those that copy from `broker`. Nothing is sent yet.
    pub fn new(broker: BrokerEndPoint, fetcher_id: usize, context: Arc<FollowerContext>) -> Self {
        let config = &context.config;
        let client_id = format!("broker-{}-fetcher-{fetcher_id}", config.broker_id);
        let interrupter = Arc::new(Interrupter::new());
        Self {
            session: FetchSessionHandler::new(broker.id),
            sender: BrokerBlockingSender::new(
                broker,
                client_id,
                config,
                Arc::clone(&context.channel_builder),
                Arc::clone(&interrupter),
            ),
            interrupter,
            failures: Failures::default(),
            context,
        }
    }

    /// What to ask of a partition; `None` if this broker does not have its log, or cannot read it.
    fn fetch_partition(
        &self,
        key: &TopicAndPartition,
        state: &PartitionFetchState,
    ) -> Option<ReplicaFetchPartition> {
        let partition =
            self.context.replica_manager.local_logs().get_partition_or_error(key).ok()?;
        Some(ReplicaFetchPartition {
            topic_id: state.topic_id,
            current_leader_epoch: state.current_leader_epoch,
            fetch_offset: state.fetch_offset,
            last_fetched_epoch: state.last_fetched_epoch,
            log_start_offset: partition.local_replica().log.log_start_offset(),
            max_bytes: self.context.config.fetch_max_bytes,
        })
    }

    /// Port of `shouldFollowerThrottle`: a replica that is behind waits while its quota is used up.
    fn is_throttled(
        &self,
        key: &TopicAndPartition,
        state: &PartitionFetchState,
        is_quota_exceeded: bool,
    ) -> bool {
        let has_caught_up = state.lag.is_some_and(|lag| lag <= 0);
        is_quota_exceeded && !has_caught_up && self.context.quotas.follower.is_throttled(key)
    }

    fn fetch_request(&self, data: &FetchRequestData) -> FetchRequest {
        let config = &self.context.config;
        FetchRequest {
            replica_id: config.broker_id,
            replica_state: ReplicaState {
                replica_id: config.broker_id,
                replica_epoch: (self.context.broker_epoch)().unwrap_or(i64::from(UNDEFINED)),
            },
            max_wait_ms: config.fetch_wait_max_ms,
            min_bytes: config.fetch_min_bytes,
            max_bytes: config.fetch_response_max_bytes,
            session_id: data.metadata.session_id,
            session_epoch: data.metadata.epoch,
            topics: topics_of(&data.to_send),
            forgotten_topics: forgotten_topics_of(&data.to_forget),
            ..FetchRequest::default()
        }
    }

    /// Port of `fetchOffset`.
    fn fetch_offset(
        &mut self,
        key: &TopicAndPartition,
        current_leader_epoch: LeaderEpoch,
        timestamp: i64,
    ) -> io::Result<Result<EpochEntry, Errors>> {
        let partition = ListOffsetsPartition {
            partition_index: key.partition,
            current_leader_epoch: current_leader_epoch.0,
            timestamp,
            ..ListOffsetsPartition::default()
        };
        let request = ListOffsetsRequest {
            replica_id: self.context.config.broker_id,
            topics: vec![ListOffsetsTopic {
                name: key.topic.to_string(),
                partitions: vec![partition],
            }],
            ..ListOffsetsRequest::default()
        };
        let (_, Response { body, .. }) =
            self.sender.send_request(&request, LIST_OFFSETS_VERSIONS)?;
        let topic = body.topics.iter().find(|topic| *topic.name == *key.topic);
        let partitions = topic.map_or(&[][..], |topic| &topic.partitions);
        let Some(found) = partitions.iter().find(|it| it.partition_index == key.partition) else {
            let why = format!("ListOffsets by {}: no word of {key}", self.sender.broker());
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        };
        Ok(match Errors::for_code(found.error_code) {
            Errors::None => Ok(EpochEntry {
                epoch: LeaderEpoch(found.leader_epoch),
                start_offset: Offset(found.offset),
            }),
            error => Err(error),
        })
    }
}

impl LeaderEndPoint for RemoteLeaderEndPoint {
    fn broker_end_point(&self) -> &BrokerEndPoint {
        self.sender.broker()
    }

    fn closer(&self) -> Box<dyn Fn() + Send + Sync> {
        let interrupter = Arc::clone(&self.interrupter);
        Box::new(move || interrupter.interrupt())
    }

    fn build_fetch(
        &mut self,
        partitions: &[(TopicAndPartition, PartitionFetchState)],
    ) -> Option<ReplicaFetch> {
        let now_ms = self.context.time.hi_res_clock_ms();
        let is_quota_exceeded = self.context.quotas.follower.is_quota_exceeded();
        let is_ready = |(key, state): &&(TopicAndPartition, PartitionFetchState)| {
            state.is_ready_for_fetch(now_ms) && !self.is_throttled(key, state, is_quota_exceeded)
        };
        let ready = partitions.iter().filter(is_ready);
        let partitions: Vec<_> = ready
            .filter_map(|(key, state)| Some((key.clone(), self.fetch_partition(key, state)?)))
            .collect();
        (!partitions.is_empty()).then_some(ReplicaFetch { partitions })
    }

    fn fetch(&mut self, fetch: &ReplicaFetch) -> io::Result<ReplicaFetched> {
        let data = self.session.build(&fetch.partitions);
        let request = self.fetch_request(&data);
        let sent = self.sender.send_request(&request, FETCH_VERSIONS);
        let (_, Response { body, frame }) = sent.inspect_err(|_| self.session.handle_error())?;
        match self.session.handle_response(&body) {
            Ok(partitions) => {
                let partitions = partitions.into_iter().map(|(key, it)| (key, fetched(it)));
                Ok(ReplicaFetched { partitions: partitions.collect(), frame })
            }
            Err(SessionFault::Lost(error)) => {
                let level = limited(LogKind::Failures, Level::Info);
                log!(level, "the session with {} begins anew: {error}", self.sender.broker());
                Ok(ReplicaFetched::default())
            }
            Err(SessionFault::Refused(why)) => {
                let why = format!("Fetch by {}: {why}", self.sender.broker());
                Err(io::Error::other(why))
            }
        }
    }

    fn fetch_earliest_offset(
        &mut self,
        key: &TopicAndPartition,
        current_leader_epoch: LeaderEpoch,
    ) -> io::Result<Result<EpochEntry, Errors>> {
        self.fetch_offset(key, current_leader_epoch, EARLIEST_TIMESTAMP)
    }

    fn fetch_latest_offset(
        &mut self,
        key: &TopicAndPartition,
        current_leader_epoch: LeaderEpoch,
    ) -> io::Result<Result<EpochEntry, Errors>> {
        self.fetch_offset(key, current_leader_epoch, LATEST_TIMESTAMP)
    }

    fn fetch_epoch_end_offsets(
        &mut self,
        partitions: &[EpochQuestion],
    ) -> Vec<Result<Option<EpochEndOffset>, Errors>> {
        if partitions.is_empty() {
            return Vec::new();
        }
        let request = OffsetForLeaderEpochRequest {
            replica_id: self.context.config.broker_id,
            topics: epoch_topics_of(partitions),
        };
        let sent = self.sender.send_request(&request, OFFSET_FOR_LEADER_EPOCH_VERSIONS);
        let (_, Response { body, .. }) = match sent {
            Ok(response) => response,
            Err(error) => {
                let why = error.to_string();
                match self.failures.news(&why, self.context.time.hi_res_clock_ms()) {
                    Some(repeats) => log!(
                        limited(LogKind::Failures, Level::Warn),
                        "cannot ask where epochs end: {why}{repeats}"
                    ),
                    None => debug!("cannot ask where epochs end: {why}"),
                }
                return vec![Err(Errors::NetworkException); partitions.len()];
            }
        };
        self.failures.forget();
        let end_of = |asked: &EpochQuestion| {
            let topic = body.topics.iter().find(|topic| *topic.topic == *asked.key.topic);
            let ends = topic.map_or(&[][..], |topic| &topic.partitions);
            let end = ends.iter().find(|end| end.partition == asked.key.partition);
            let end = end.ok_or(Errors::UnknownServerError)?;
            match Errors::for_code(end.error_code) {
                Errors::None => Ok(epoch_end_offset(end.leader_epoch, end.end_offset)),
                error => Err(error),
            }
        };
        partitions.iter().map(end_of).collect()
    }
}

fn topics_of(partitions: &[(TopicAndPartition, ReplicaFetchPartition)]) -> Vec<FetchTopic> {
    let mut topics: Vec<FetchTopic> = Vec::new();
    for (key, asked) in partitions {
        let partition = FetchPartition {
            partition: key.partition,
            current_leader_epoch: asked.current_leader_epoch.0,
            fetch_offset: asked.fetch_offset.0,
            last_fetched_epoch: asked.last_fetched_epoch.unwrap_or(LeaderEpoch::NONE).0,
            log_start_offset: asked.log_start_offset.0,
            partition_max_bytes: asked.max_bytes,
            ..FetchPartition::default()
        };
        match topics.last_mut() {
            Some(topic) if topic.topic_id.0 == asked.topic_id => topic.partitions.push(partition),
            _ => topics.push(FetchTopic {
                topic: String::new(),
                topic_id: Uuid(asked.topic_id),
                partitions: vec![partition],
            }),
        }
    }
    topics
}

fn forgotten_topics_of(partitions: &[([u8; 16], i32)]) -> Vec<ForgottenTopic> {
    let mut topics: Vec<ForgottenTopic> = Vec::new();
    for (topic_id, partition) in partitions {
        match topics.last_mut() {
            Some(topic) if topic.topic_id.0 == *topic_id => topic.partitions.push(*partition),
            _ => topics.push(ForgottenTopic {
                topic: String::new(),
                topic_id: Uuid(*topic_id),
                partitions: vec![*partition],
            }),
        }
    }
    topics
}

fn epoch_topics_of(partitions: &[EpochQuestion]) -> Vec<OffsetForLeaderTopic> {
    let mut topics: Vec<OffsetForLeaderTopic> = Vec::new();
    for asked in partitions {
        let partition = OffsetForLeaderPartition {
            partition: asked.key.partition,
            current_leader_epoch: asked.current_leader_epoch.0,
            leader_epoch: asked.leader_epoch.0,
        };
        match topics.iter_mut().find(|topic| *topic.topic == *asked.key.topic) {
            Some(topic) => topic.partitions.push(partition),
            None => topics.push(OffsetForLeaderTopic {
                topic: asked.key.topic.to_string(),
                partitions: vec![partition],
            }),
        }
    }
    topics
}

fn fetched(partition: &FetchResponsePartition) -> FetchedPartition {
    let diverging = &partition.diverging_epoch;
    FetchedPartition {
        error: Errors::for_code(partition.header.error_code),
        high_watermark: Offset(partition.header.high_watermark),
        log_start_offset: Offset(partition.header.log_start_offset),
        diverging_epoch: epoch_end_offset(diverging.epoch, diverging.end_offset),
        records: partition.records.clone().unwrap_or_default(),
    }
}

/// An end without an epoch is one of a log of old messages.
fn epoch_end_offset(epoch: i32, end_offset: i64) -> Option<EpochEndOffset> {
    let end = EpochEndOffset { leader_epoch: LeaderEpoch(epoch), end_offset: Offset(end_offset) };
    (end_offset >= 0).then_some(end)
}
