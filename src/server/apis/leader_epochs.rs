//! Port of `KafkaApis.handleOffsetForLeaderEpochRequest`: where the messages of a leader epoch end
//! (OffsetForLeaderEpoch). Kafka 0.9 has no such request: it came with KIP-101.

use std::sync::Arc;

use crate::common::errors::KafkaError;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::LeaderEpoch;
use crate::protocol::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition, OffsetForLeaderTopicResult,
};
use crate::protocol::request::ResponseBody;
use crate::replica::replica_manager::ReplicaManager;
use crate::server::apis::duplicates::NamedPartitions;
use crate::server::apis::parts::Parts;
use crate::server::reply::refusals::Refusals;
use crate::server::reply::reply::Reply;
use crate::server::security::authorization::{Authorization, Authorized};
use crate::server::security::authorizer::{Operation, Resource, ResourceType};
use crate::server::security::request_context::RequestContext;

/// Handles OffsetForLeaderEpoch.
pub(crate) struct LeaderEpochApis {
    replica_manager: Arc<ReplicaManager>,
    authorization: Authorization,
}

impl LeaderEpochApis {
    pub(crate) fn new(parts: &Parts<'_>) -> Self {
        Self {
            replica_manager: Arc::clone(&parts.replica_manager),
            authorization: parts.authorization(),
        }
    }

    /// The answer shows a consumer whether the messages up to its offset are still those that it has
    /// read.
    pub(crate) fn handle_offset_for_leader_epoch_request(
        &self,
        reply: Reply,
        request: &OffsetForLeaderEpochRequest,
    ) {
        let mut topics = Vec::with_capacity(request.topics.len());
        let names = request.topics.iter().map(|it| it.topic.as_str());
        let authorized = self.authorized(&reply.context, names);
        let (mut named, mut refusals) = (NamedPartitions::default(), Refusals::default());
        for topic in &request.topics {
            let name: Arc<str> = Arc::from(topic.topic.as_str());
            let answer = |asked: &OffsetForLeaderPartition| {
                let partition = asked.partition;
                let key = TopicAndPartition { topic: Arc::clone(&name), partition };
                authorized
                    .check(&name)
                    .and_then(|()| named.check_named_once(&key))
                    .and_then(|()| self.last_offset_for_leader_epoch(&key, asked))
                    .unwrap_or_else(|error| {
                        refusals.note(&key, &error);
                        let error_code = error.code().code();
                        EpochEndOffset { error_code, partition, ..EpochEndOffset::default() }
                    })
            };
            topics.push(OffsetForLeaderTopicResult {
                topic: topic.topic.clone(),
                partitions: topic.partitions.iter().map(answer).collect(),
            });
        }
        reply.log_refusals(&refusals);
        let response = OffsetForLeaderEpochResponse { throttle_time_ms: 0, topics };
        reply.send_body(&ResponseBody::OffsetForLeaderEpoch(response));
    }

    /// The topics that the sender may ask about: all of them for another broker.
    fn authorized<'a>(
        &self,
        context: &RequestContext,
        names: impl Iterator<Item = &'a str>,
    ) -> Authorized<'a> {
        let (authorization, cluster) = (&self.authorization, Resource::CLUSTER);
        if authorization.authorize_quietly(context, Operation::ClusterAction, cluster) {
            return Authorized::All;
        }
        authorization.filter_by_authorized(context, Operation::Describe, ResourceType::Topic, names)
    }

    /// `Partition.lastOffsetForLeaderEpoch`: the end of the epoch that is asked for, if the client
    /// has the same current epoch in mind as the broker.
    fn last_offset_for_leader_epoch(
        &self,
        key: &TopicAndPartition,
        asked: &OffsetForLeaderPartition,
    ) -> Result<EpochEndOffset, KafkaError> {
        let partition = self.replica_manager.local_logs().get_partition_or_error(key)?;
        let current = LeaderEpoch(asked.current_leader_epoch);
        let end =
            partition.last_offset_for_leader_epoch(current, LeaderEpoch(asked.leader_epoch))?;
        let found = EpochEndOffset { partition: asked.partition, ..EpochEndOffset::default() };
        Ok(match end {
            None => found,
            Some(end) => EpochEndOffset {
                leader_epoch: end.leader_epoch.0,
                end_offset: end.end_offset.0,
                ..found
            },
        })
    }
}
