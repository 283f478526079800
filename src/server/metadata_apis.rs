//! Port of `KafkaApis.handleTopicMetadataRequest`: which topics there are, and who leads them
//! (Metadata).

use std::collections::HashSet;

use crate::common::errors::Errors;
use crate::common::topic_partition::is_internal;
use crate::protocol::metadata::MetadataRequest;
use crate::protocol::metadata::MetadataRequestTopic;
use crate::protocol::metadata::MetadataResponse;
use crate::protocol::metadata::MetadataResponseBroker;
use crate::protocol::metadata::MetadataResponsePartition;
use crate::protocol::metadata::MetadataResponseTopic;
use crate::protocol::request::ResponseBody;
use crate::protocol::uuid::Uuid;
use crate::replica::partition::LEADER_EPOCH;
use crate::server::authorizer::Operation;
use crate::server::authorizer::Resource;
use crate::server::kafka_apis::KafkaApis;
use crate::server::reply::Refusals;
use crate::server::reply::Reply;
use crate::storage::topic_registry::TopicRecord;

impl KafkaApis {
    /// A client asks for the cluster.
    pub(crate) fn handle_topic_metadata_request(&self, reply: Reply, request: &MetadataRequest) {
        let (cache, version) = (&self.metadata_cache, reply.header.api_version);
        let mut topics = if request.asks_for_all_topics(version) {
            let may_see = |name: &str| {
                self.authorize_quietly(&reply, Operation::Describe, Resource::topic(name))
            };
            let topics = cache.topics().into_iter().filter(|(name, _)| may_see(name));
            topics.map(|(name, it)| self.existing_topic(&name, &it)).collect()
        } else {
            self.asked_topics(&reply, request)
        };
        for topic in topics.iter_mut().filter(|it| it.error_code == Errors::None.code()) {
            let is_asked = request.include_topic_authorized_operations;
            let resource = Resource::topic(topic.name.as_deref().unwrap_or_default());
            topic.topic_authorized_operations =
                self.authorized_operations(&reply, is_asked, resource);
        }
        let (host, port) = cache.broker_end_point(reply.session.local_address);
        let broker = MetadataResponseBroker { node_id: cache.broker_id, host, port, rack: None };
        let is_asked = request.include_cluster_authorized_operations;
        let response = MetadataResponse {
            brokers: vec![broker],
            cluster_id: Some(cache.cluster_id.clone()),
            controller_id: cache.broker_id,
            topics,
            cluster_authorized_operations: self.cluster_authorized_operations(&reply, is_asked),
            ..MetadataResponse::default()
        };
        reply.send_body(&ResponseBody::Metadata(response));
    }

    /// What is known of the topics that are asked for. One that is named a million times is
    /// answered once, as in Kafka: the answer takes far more bytes than the question.
    fn asked_topics(&self, reply: &Reply, request: &MetadataRequest) -> Vec<MetadataResponseTopic> {
        let may_create = request.allow_auto_topic_creation;
        let (mut named, mut refusals) = (HashSet::new(), Refusals::default());
        let asked = request.topics.iter().flatten();
        let topics = asked
            .filter(|topic| named.insert((&topic.name, topic.topic_id)))
            .map(|topic| self.asked_topic(reply, topic, may_create, &mut refusals))
            .collect();
        reply.log_refusals(&refusals);
        topics
    }

    fn asked_topic(
        &self,
        reply: &Reply,
        asked: &MetadataRequestTopic,
        may_create: bool,
        refusals: &mut Refusals,
    ) -> MetadataResponseTopic {
        let missing = |error: Errors| MetadataResponseTopic {
            error_code: error.code(),
            name: asked.name.clone(),
            topic_id: asked.topic_id,
            ..MetadataResponseTopic::default()
        };
        let cache = &self.metadata_cache;
        let name = match &asked.name {
            Some(name) => Some(name.clone()),
            None => cache.topic_name(&asked.topic_id.0),
        };
        let Some(name) = name else { return missing(Errors::UnknownTopicId) };
        // Before anything else: who may not see a topic must not learn whether it exists
        // (KAFKA-3396).
        if !self.authorize(reply, Operation::Describe, Resource::topic(&name)) {
            return missing(Errors::TopicAuthorizationFailed);
        }
        if let Some(record) = cache.topic(&name) {
            return self.existing_topic(&name, &record);
        }
        // The broker's own topic comes into being whatever the broker is told about the topics of
        // others.
        if !(may_create && (cache.is_auto_create_enabled || is_internal(&name))) {
            return missing(Errors::UnknownTopicOrPartition);
        }
        if !self.authorized_to_create(reply, std::iter::once(name.as_str())).contains(&name) {
            return missing(Errors::TopicAuthorizationFailed);
        }
        let created = match is_internal(&name) {
            true => self.create_group_metadata_topic(),
            false => cache.auto_create_topic(&name),
        };
        match created {
            // As in Kafka, the client asks again and gets the partitions then.
            Ok(()) => missing(Errors::LeaderNotAvailable),
            Err(error) => {
                refusals.note(&"a new topic", &error);
                missing(error.code())
            }
        }
    }

    fn existing_topic(&self, name: &str, record: &TopicRecord) -> MetadataResponseTopic {
        let broker_id = self.metadata_cache.broker_id;
        let partition = |partition_index| MetadataResponsePartition {
            partition_index,
            leader_id: broker_id,
            leader_epoch: LEADER_EPOCH,
            replica_nodes: vec![broker_id],
            isr_nodes: vec![broker_id],
            ..MetadataResponsePartition::default()
        };
        MetadataResponseTopic {
            name: Some(name.to_string()),
            topic_id: Uuid(record.id),
            is_internal: is_internal(name),
            partitions: (0..record.partitions).map(partition).collect(),
            ..MetadataResponseTopic::default()
        }
    }
}
