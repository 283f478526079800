//! Port of `KafkaApis.handleOffsetCommitRequest`, `handleOffsetFetchRequest` and
//! `handleOffsetDeleteRequest`: how far groups have read.
//!
//! Version 0 of the first two kept offsets in ZooKeeper. There is none here: all versions keep them
//! in the same place, so that a group finds its offsets whichever of its clients asks.

use std::collections::HashSet;
use std::sync::Arc;

use crate::common::errors::Errors;
use crate::common::time::Time;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::{LeaderEpoch, Offset, TimestampMs};
use crate::coordinator::group_coordinator::GroupCoordinator;
use crate::coordinator::group_results::{CommitOffsets, FetchedOffsets};
use crate::coordinator::offset_and_metadata::OffsetAndMetadata;
use crate::protocol::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitResponse,
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use crate::protocol::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
};
use crate::protocol::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchResponse,
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponseTopic,
};
use crate::protocol::request::ResponseBody;
use crate::server::apis::groups::{error_code, identity};
use crate::server::apis::parts::Parts;
use crate::server::metadata::metadata_cache::MetadataCache;
use crate::server::reply::reply::Reply;
use crate::server::security::authorization::{Authorization, Authorized};
use crate::server::security::authorizer::{Operation, Resource, ResourceType};

/// In place of a time or a retention that the consumer leaves to the broker.
const NOT_GIVEN: i64 = -1;
/// In place of a result that the coordinator owes.
const MISSING: Result<(), Errors> = Err(Errors::UnknownServerError);
/// The first OffsetFetch version in which null, and not an empty list, stands for all partitions.
const FETCH_ALL_BY_NULL_VERSION: i16 = 2;
/// The first OffsetFetch version that asks for several groups.
const FETCH_OF_SEVERAL_VERSION: i16 = 8;

/// Handles OffsetCommit, OffsetFetch and OffsetDelete.
pub(crate) struct GroupOffsetApis {
    group_coordinator: Arc<GroupCoordinator>,
    metadata_cache: Arc<dyn MetadataCache>,
    authorization: Authorization,
    time: Arc<dyn Time>,
}

impl GroupOffsetApis {
    pub(crate) fn new(parts: &Parts<'_>) -> Self {
        Self {
            group_coordinator: Arc::clone(&parts.group_coordinator),
            metadata_cache: Arc::clone(&parts.metadata_cache),
            authorization: parts.authorization(),
            time: Arc::clone(&parts.time),
        }
    }

    pub(crate) fn handle_offset_commit_request(
        &self,
        mut reply: Reply,
        request: &OffsetCommitRequest,
    ) {
        let group = Resource::group(&request.group_id);
        if !self.authorization.authorize(&reply.context, Operation::Read, group) {
            let response = request.error_response(Errors::GroupAuthorizationFailed);
            reply.send_body(&ResponseBody::OffsetCommit(response));
            return;
        }
        let names = request.topics.iter().map(|it| it.name.as_str());
        let authorized = self.authorization.filter_by_authorized(
            &reply.context,
            Operation::Read,
            ResourceType::Topic,
            names,
        );
        let mut offsets = Vec::new();
        // For each partition its place among the offsets, or why it has none.
        let mut places = Vec::new();
        for topic in &request.topics {
            let name: Arc<str> = Arc::from(topic.name.as_str());
            let partitions = self.metadata_cache.topic(&name).map_or(0, |it| it.partition_count());
            for partition in &topic.partitions {
                let place = match (0..partitions).contains(&partition.partition_index) {
                    _ if !authorized.contains(&name) => Err(Errors::TopicAuthorizationFailed),
                    true => Ok(offsets.len()),
                    false => Err(Errors::UnknownTopicOrPartition),
                };
                places.push(place);
                if place.is_ok() {
                    let index = partition.partition_index;
                    let key = TopicAndPartition { topic: Arc::clone(&name), partition: index };
                    offsets.push((key, self.offset_and_metadata(request, partition)));
                }
            }
        }
        let topics = request.topics.iter().map(|topic| OffsetCommitResponseTopic {
            name: topic.name.clone(),
            partitions: topic
                .partitions
                .iter()
                .map(|it| OffsetCommitResponsePartition {
                    partition_index: it.partition_index,
                    error_code: Errors::UnknownServerError.code(),
                })
                .collect(),
        });
        let mut response = OffsetCommitResponse { throttle_time_ms: 0, topics: topics.collect() };
        let commit = CommitOffsets {
            group_id: request.group_id.clone(),
            member: identity(request.member_id.clone(), request.group_instance_id.clone()),
            generation_id: request.generation_id,
            offsets,
            answer_bytes: answer_bytes(&response),
        };
        reply.header.client_id = None; // Nobody needs it while the answer waits.
        let send_response_callback = move |results: Vec<Result<(), Errors>>| {
            let partitions = response.topics.iter_mut().flat_map(|it| &mut it.partitions);
            for (partition, place) in partitions.zip(places) {
                let result = place.and_then(|place| results.get(place).copied().unwrap_or(MISSING));
                partition.error_code = error_code(result);
            }
            reply.send_body(&ResponseBody::OffsetCommit(response));
        };
        self.group_coordinator.commit_offsets(commit, Box::new(send_response_callback));
    }

    /// What is to be kept for one partition. In 0.9 the consumer set the time of the commit, and how
    /// long it is kept from then on.
    fn offset_and_metadata(
        &self,
        request: &OffsetCommitRequest,
        partition: &OffsetCommitRequestPartition,
    ) -> OffsetAndMetadata {
        let now_ms = self.time.milliseconds();
        let retention_ms = Some(request.retention_time_ms).filter(|it| *it != NOT_GIVEN);
        OffsetAndMetadata {
            offset: Offset(partition.committed_offset),
            leader_epoch: LeaderEpoch(partition.committed_leader_epoch),
            metadata: partition.committed_metadata.clone().unwrap_or_default(),
            commit_timestamp_ms: match partition.commit_timestamp {
                NOT_GIVEN => now_ms,
                given_ms => TimestampMs(given_ms),
            },
            expire_timestamp_ms: retention_ms.map(|it| now_ms.saturating_add_ms(it)),
        }
    }

    pub(crate) fn handle_offset_fetch_request(&self, reply: Reply, request: &OffsetFetchRequest) {
        let version = reply.header.api_version;
        let response = if version >= FETCH_OF_SEVERAL_VERSION {
            // A group that is named a million times is answered once: the answer may be far longer
            // than the question.
            let mut named = HashSet::new();
            let groups = request.groups.iter().filter(|group| named.insert(&group.group_id));
            let groups = groups.map(|group| self.fetch_offsets_of_group(&reply, group)).collect();
            OffsetFetchResponse { groups, ..OffsetFetchResponse::default() }
        } else {
            let means_all = |it: &Vec<_>| version < FETCH_ALL_BY_NULL_VERSION && it.is_empty();
            let group = OffsetFetchRequestGroup {
                group_id: request.group_id.clone(),
                topics: request.topics.clone().filter(|topics| !means_all(topics)),
            };
            let OffsetFetchResponseGroup { topics, error_code, .. } =
                self.fetch_offsets_of_group(&reply, &group);
            OffsetFetchResponse { topics, error_code, ..OffsetFetchResponse::default() }
        };
        reply.send_body(&ResponseBody::OffsetFetch(response));
    }

    fn fetch_offsets_of_group(
        &self,
        reply: &Reply,
        asked: &OffsetFetchRequestGroup,
    ) -> OffsetFetchResponseGroup {
        let version = reply.header.api_version;
        let group_id = asked.group_id.clone();
        let fail = |error| {
            let groups = vec![asked.clone()];
            let request = OffsetFetchRequest { groups, ..OffsetFetchRequest::default() };
            request.error_response(error).groups.remove(0)
        };
        if !self.authorization.authorize(
            &reply.context,
            Operation::Describe,
            Resource::group(&group_id),
        ) {
            return fail(Errors::GroupAuthorizationFailed);
        }
        let topics = asked.topics.as_deref().map(each_once);
        let names = topics.iter().flatten().map(|it| it.name.as_str());
        let authorized = self.authorization.filter_by_authorized(
            &reply.context,
            Operation::Describe,
            ResourceType::Topic,
            names,
        );
        let partitions = topics.as_ref().map(|topics| partitions_of(topics, &authorized));
        match self.group_coordinator.fetch_offsets(&group_id, partitions.as_deref()) {
            Ok(fetched) => {
                let topics = match &topics {
                    Some(topics) => fetched_topics(version, topics, &authorized, fetched),
                    None => {
                        let mut topics = all_topics(version, fetched);
                        topics.retain(|it| {
                            let topic = Resource::topic(&it.name);
                            self.authorization.authorize_quietly(
                                &reply.context,
                                Operation::Describe,
                                topic,
                            )
                        });
                        topics
                    }
                };
                OffsetFetchResponseGroup { group_id, topics, error_code: Errors::None.code() }
            }
            Err(error) => fail(error),
        }
    }

    pub(crate) fn handle_offset_delete_request(&self, reply: Reply, request: &OffsetDeleteRequest) {
        let group = Resource::group(&request.group_id);
        if !self.authorization.authorize(&reply.context, Operation::Delete, group) {
            let response = request.error_response(Errors::GroupAuthorizationFailed);
            reply.send_body(&ResponseBody::OffsetDelete(response));
            return;
        }
        let names = request.topics.iter().map(|it| it.name.as_str());
        let authorized = self.authorization.filter_by_authorized(
            &reply.context,
            Operation::Read,
            ResourceType::Topic,
            names,
        );
        // Looked up once: a topic may come or go before the answer is put together.
        let refusal_of = |topic: &str, partition: i32| {
            let record = self.metadata_cache.topic(topic);
            let is_there = record.is_some_and(|it| (0..it.partition_count()).contains(&partition));
            match authorized.contains(topic) {
                false => Some(Errors::TopicAuthorizationFailed),
                true if !is_there => Some(Errors::UnknownTopicOrPartition),
                true => None,
            }
        };
        let (mut partitions, mut refusals) = (Vec::new(), Vec::new());
        for topic in &request.topics {
            let name: Arc<str> = Arc::from(topic.name.as_str());
            for partition in topic.partitions.iter().map(|it| it.partition_index) {
                let refusal = refusal_of(&topic.name, partition);
                if refusal.is_none() {
                    partitions.push(TopicAndPartition { topic: Arc::clone(&name), partition });
                }
                refusals.push(refusal);
            }
        }
        let asked = request.clone();
        let callback = move |deleted| {
            let response = offset_delete_response(&asked, refusals, deleted);
            reply.send_body(&ResponseBody::OffsetDelete(response));
        };
        let group_id = &request.group_id;
        self.group_coordinator.delete_offsets(group_id, &partitions, Box::new(callback));
    }
}

/// `refusals` are of all partitions in the order of the request, `deleted` of those that were not refused.
fn offset_delete_response(
    request: &OffsetDeleteRequest,
    refusals: Vec<Option<Errors>>,
    deleted: Result<Vec<Result<(), Errors>>, Errors>,
) -> OffsetDeleteResponse {
    let mut results = match deleted {
        Err(error) => return request.error_response(error),
        Ok(results) => results.into_iter(),
    };
    let result_of = |refusal: Option<Errors>| match refusal {
        Some(error) => Err(error),
        None => results.next().unwrap_or(MISSING),
    };
    let mut results = refusals.into_iter().map(result_of);
    let mut next_result = || results.next().unwrap_or(MISSING);
    let topics = request.topics.iter().map(|topic| OffsetDeleteResponseTopic {
        name: topic.name.clone(),
        partitions: topic
            .partitions
            .iter()
            .map(|it| OffsetDeleteResponsePartition {
                partition_index: it.partition_index,
                error_code: error_code(next_result()),
            })
            .collect(),
    });
    let topics = topics.collect();
    OffsetDeleteResponse { topics, ..OffsetDeleteResponse::default() }
}

/// What an answer takes in memory, in bytes.
fn answer_bytes(response: &OffsetCommitResponse) -> usize {
    let of_topic = |topic: &OffsetCommitResponseTopic| {
        size_of_val(topic) + topic.name.len() + size_of_val(topic.partitions.as_slice())
    };
    response.topics.iter().map(of_topic).sum()
}

/// The topics without the partitions that they name again: the answer has up to
/// `offset.metadata.max.bytes` for each, and the question 4.
fn each_once(topics: &[OffsetFetchRequestTopic]) -> Vec<OffsetFetchRequestTopic> {
    let mut named = HashSet::new();
    let topics = topics.iter().map(|topic| {
        let (name, partitions) = (&topic.name, topic.partition_indexes.iter().copied());
        OffsetFetchRequestTopic {
            name: name.clone(),
            partition_indexes: partitions.filter(|it| named.insert((name, *it))).collect(),
        }
    });
    topics.collect()
}

/// The partitions whose offsets the client may learn, in the order of the request.
fn partitions_of(
    topics: &[OffsetFetchRequestTopic],
    authorized: &Authorized<'_>,
) -> Vec<TopicAndPartition> {
    let mut partitions = Vec::new();
    for topic in topics.iter().filter(|it| authorized.contains(&it.name)) {
        let name: Arc<str> = Arc::from(topic.name.as_str());
        let key = |&partition| TopicAndPartition { topic: Arc::clone(&name), partition };
        partitions.extend(topic.partition_indexes.iter().map(key));
    }
    partitions
}

/// The answers in the order of the request.
fn fetched_topics(
    version: i16,
    topics: &[OffsetFetchRequestTopic],
    authorized: &Authorized<'_>,
    fetched: FetchedOffsets,
) -> Vec<OffsetFetchResponseTopic> {
    let mut fetched = fetched.into_iter();
    let topic = |topic: &OffsetFetchRequestTopic| OffsetFetchResponseTopic {
        name: topic.name.clone(),
        partitions: match authorized.contains(&topic.name) {
            true => fetched
                .by_ref()
                .take(topic.partition_indexes.len())
                .map(|(key, it)| fetched_partition(version, &key, it))
                .collect(),
            false => topic.partition_indexes.iter().copied().map(unauthorized).collect(),
        },
    };
    topics.iter().map(topic).collect()
}

fn unauthorized(partition_index: i32) -> OffsetFetchResponsePartition {
    OffsetFetchResponsePartition {
        partition_index,
        error_code: Errors::TopicAuthorizationFailed.code(),
        ..OffsetFetchResponsePartition::default()
    }
}

/// The answers by topic: `fetched` has the partitions of each topic side by side.
fn all_topics(version: i16, fetched: FetchedOffsets) -> Vec<OffsetFetchResponseTopic> {
    let mut topics: Vec<OffsetFetchResponseTopic> = Vec::new();
    for (key, it) in fetched {
        let partition = fetched_partition(version, &key, it);
        match topics.last_mut().filter(|topic| *topic.name == *key.topic) {
            Some(topic) => topic.partitions.push(partition),
            None => topics.push(OffsetFetchResponseTopic {
                name: key.topic.to_string(),
                partitions: vec![partition],
            }),
        }
    }
    topics
}

fn fetched_partition(
    version: i16,
    key: &TopicAndPartition,
    committed: Option<OffsetAndMetadata>,
) -> OffsetFetchResponsePartition {
    // The version that read from ZooKeeper had an error for an offset that is not there.
    let nothing_committed = match version {
        0 => Errors::UnknownTopicOrPartition,
        _ => Errors::None,
    };
    let nothing = OffsetFetchResponsePartition {
        partition_index: key.partition,
        error_code: nothing_committed.code(),
        ..OffsetFetchResponsePartition::default()
    };
    committed.map_or(nothing, |it| OffsetFetchResponsePartition {
        partition_index: key.partition,
        committed_offset: it.offset.0,
        committed_leader_epoch: it.leader_epoch.0,
        metadata: it.metadata,
        error_code: Errors::None.code(),
    })
}
