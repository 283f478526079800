//! Port of `KafkaApis.handleTopicMetadataRequest`: which topics there are, and who leads them
//! (Metadata).

use std::collections::HashSet;
use std::sync::Arc;

use crate::common::errors::{Errors, KafkaError};
use crate::common::topic_partition::is_internal;
use crate::protocol::metadata::{
    MetadataRequest, MetadataResponse, MetadataResponseBroker, MetadataResponseTopic,
};
use crate::protocol::request::ResponseBody;
use crate::protocol::wire::uuid::Uuid;
use crate::server::apis::controller_requests::ControllerRequests;
use crate::server::apis::group_metadata_topic::GroupMetadataTopic;
use crate::server::apis::parts::Parts;
use crate::server::apis::topic_view::TopicView;
use crate::server::metadata::auto_topic_creation_manager::{AutoTopicCreationManager, Requester};
use crate::server::metadata::metadata_cache::{MetadataCache, Node};
use crate::server::reply::refusals::Refusals;
use crate::server::reply::reply::Reply;
use crate::server::security::authorization::Authorization;
use crate::server::security::authorizer::{Operation, Resource};
use crate::server::security::request_context::RequestContext;

/// Handles Metadata.
pub(crate) struct MetadataApis {
    metadata_cache: Arc<dyn MetadataCache>,
    auto_topics: Arc<dyn AutoTopicCreationManager>,
    group_metadata_topic: GroupMetadataTopic,
    controller_requests: ControllerRequests,
    authorization: Authorization,
}

impl MetadataApis {
    pub(crate) fn new(parts: &Parts<'_>) -> Self {
        Self {
            metadata_cache: Arc::clone(&parts.metadata_cache),
            auto_topics: Arc::clone(&parts.auto_topics),
            group_metadata_topic: GroupMetadataTopic::new(parts),
            controller_requests: ControllerRequests::new(parts),
            authorization: parts.authorization(),
        }
    }

    /// Topics that the question creates are created on the controller's thread, which then answers, if that
    /// takes the disk.
    pub(crate) fn handle_topic_metadata_request(
        self: &Arc<Self>,
        reply: Reply,
        request: MetadataRequest,
    ) {
        let version = reply.header.api_version;
        if let Err(error) = request.check_topics(version) {
            let mut refusals = Refusals::default();
            refusals.note(&"its topics", &error);
            reply.log_refusals(&refusals);
            reply.send_body(&ResponseBody::Metadata(request.error_response(error.code())));
            return;
        }
        let topics = if request.asks_for_all_topics(version) {
            self.all_topics(&reply.context, &self.view(&reply))
        } else if request.asks_by_id() {
            self.topics_by_id(&reply.context, &request, &self.view(&reply))
        } else {
            let found = self.topics_by_name(&reply, &request);
            let makes_any = found.iter().any(|it| it.name_to_make().is_some());
            if makes_any && self.auto_topics.waits_for_disk() {
                let apis = Arc::clone(self);
                self.controller_requests.put(reply, move |reply| {
                    let topics = apis.made(&reply, found);
                    apis.answer(reply, &request, topics);
                });
                return;
            }
            if makes_any {
                self.made(&reply, found)
            } else {
                found.into_iter().map(Found::topic).collect()
            }
        };
        self.answer(reply, &request, topics);
    }

    fn answer(
        &self,
        reply: Reply,
        request: &MetadataRequest,
        mut topics: Vec<MetadataResponseTopic>,
    ) {
        let cache = &self.metadata_cache;
        for topic in topics.iter_mut().filter(|it| it.error_code == Errors::None.code()) {
            let is_asking = request.include_topic_authorized_operations;
            let resource = Resource::topic(topic.name.as_deref().unwrap_or_default());
            topic.topic_authorized_operations =
                self.authorization.authorized_operations(&reply.context, is_asking, resource);
        }
        let brokers = cache
            .alive_brokers(
                &reply.context.session.listener.listener_name,
                reply.context.session.local_address,
            )
            .into_iter();
        let broker = |Node { id: node_id, host, port, rack }: Node| MetadataResponseBroker {
            node_id,
            host,
            port,
            rack,
        };
        let is_asking = request.include_cluster_authorized_operations;
        let response = MetadataResponse {
            brokers: brokers.map(broker).collect(),
            cluster_id: Some(cache.cluster_id().to_string()),
            controller_id: cache.controller_id(),
            topics,
            cluster_authorized_operations: self
                .authorization
                .authorized_cluster_operations(&reply.context, is_asking),
            ..MetadataResponse::default()
        };
        reply.send_body(&ResponseBody::Metadata(response));
    }

    fn view<'a>(&self, reply: &'a Reply) -> TopicView<'a> {
        TopicView {
            brokers: self.metadata_cache.reachable_brokers(),
            listener: &reply.context.session.listener.listener_name,
            version: reply.header.api_version,
        }
    }

    fn all_topics(
        &self,
        context: &RequestContext,
        view: &TopicView<'_>,
    ) -> Vec<MetadataResponseTopic> {
        let may_see = |name: &str| {
            self.authorization.authorize_quietly(
                context,
                Operation::Describe,
                Resource::topic(name),
            )
        };
        let topics = self.metadata_cache.topics().into_iter().filter(|(name, _)| may_see(name));
        topics.map(|(name, topic)| view.existing_topic(&name, &topic)).collect()
    }

    /// What is known of the topics whose ids are asked for, each once, as of those that are
    /// [named](Self::topics_by_name).
    fn topics_by_id(
        &self,
        context: &RequestContext,
        request: &MetadataRequest,
        view: &TopicView<'_>,
    ) -> Vec<MetadataResponseTopic> {
        let mut asked = HashSet::from([Uuid::ZERO]);
        let ids = request.topics.iter().flatten().map(|topic| topic.topic_id);
        let ids = ids.filter(|&id| asked.insert(id));
        ids.map(|id| self.topic_by_id(context, id, view)).collect()
    }

    fn topic_by_id(
        &self,
        context: &RequestContext,
        topic_id: Uuid,
        view: &TopicView<'_>,
    ) -> MetadataResponseTopic {
        let cache = &self.metadata_cache;
        // A client that may not see the topic does not learn its name.
        let missing = |error: Errors| MetadataResponseTopic {
            error_code: error.code(),
            topic_id,
            ..MetadataResponseTopic::default()
        };
        let found = cache.topic_name(&topic_id.0).and_then(|name| {
            let record = cache.topic(&name)?;
            (record.id == topic_id.0).then_some((name, record))
        });
        match found {
            None => missing(Errors::UnknownTopicId),
            Some((name, _))
                if !self.authorization.authorize(
                    context,
                    Operation::Describe,
                    Resource::topic(&name),
                ) =>
            {
                missing(Errors::TopicAuthorizationFailed)
            }
            Some((name, record)) => view.existing_topic(&name, &record),
        }
    }

    /// What is known of the topics that are named. One that is named a million times is answered
    /// once, as in Kafka: the answer takes far more bytes than the question.
    fn topics_by_name(&self, reply: &Reply, request: &MetadataRequest) -> Vec<Found> {
        let may_create = request.allow_auto_topic_creation;
        let (mut named, mut refusals) = (HashSet::new(), Refusals::default());
        let view = self.view(reply);
        let names = request.topics.iter().flatten().filter_map(|topic| topic.name.as_deref());
        let topics = names
            .filter(|&name| named.insert(name))
            .map(|name| self.topic_by_name(&reply.context, name, may_create, &view, &mut refusals))
            .collect();
        reply.log_refusals(&refusals);
        topics
    }

    fn topic_by_name(
        &self,
        context: &RequestContext,
        name: &str,
        may_create: bool,
        view: &TopicView<'_>,
        refusals: &mut Refusals,
    ) -> Found {
        let cache = &self.metadata_cache;
        let missing = |error: Errors| Found::Topic(missing_topic(name, error));
        // Before anything else: a client that may not see a topic must not learn whether it exists
        // (KAFKA-3396).
        if !self.authorization.authorize(context, Operation::Describe, Resource::topic(name)) {
            return missing(Errors::TopicAuthorizationFailed);
        }
        if let Some(record) = cache.topic(name) {
            return Found::Topic(view.existing_topic(name, &record));
        }
        if !(may_create && self.auto_topics.may_create(name)) {
            return missing(Errors::UnknownTopicOrPartition);
        }
        if !self.authorization.authorized_to_create(context, std::iter::once(name)).contains(name) {
            return missing(Errors::TopicAuthorizationFailed);
        }
        match self.auto_topics.must_be_made(name) {
            Ok(true) => Found::MustBeMade(name.to_string()),
            Ok(false) => missing(Errors::LeaderNotAvailable),
            Err(error) => Found::Topic(not_made(name, &error, refusals)),
        }
    }

    /// Makes the topics that must be made. As in Kafka, the client asks again and gets their
    /// partitions then.
    fn made(&self, reply: &Reply, found: Vec<Found>) -> Vec<MetadataResponseTopic> {
        let names = found.iter().filter_map(Found::name_to_make).filter(|it| !is_internal(it));
        let names: Vec<String> = names.map(str::to_string).collect();
        let requester = Requester {
            session: &reply.context.session,
            client_id: reply.header.client_id.as_deref(),
            correlation_id: reply.header.correlation_id,
        };
        let mut others = self.auto_topics.auto_create_topics(names, &requester).into_iter();
        let mut refusals = Refusals::default();
        let make = |found: Found| {
            let Found::MustBeMade(name) = found else { return found.topic() };
            let created = match is_internal(&name) {
                true => self.group_metadata_topic.create(),
                // Of topics beyond the limit of one request there is no result.
                false => others.next().unwrap_or(Ok(())),
            };
            match created {
                Ok(()) | Err(KafkaError::Api(Errors::LeaderNotAvailable, _)) => {
                    missing_topic(&name, Errors::LeaderNotAvailable)
                }
                Err(error) => not_made(&name, &error, &mut refusals),
            }
        };
        let topics = found.into_iter().map(make).collect();
        reply.log_refusals(&refusals);
        topics
    }
}

/// What a question for a topic by its name has found.
enum Found {
    Topic(MetadataResponseTopic),
    /// Nothing, and the question creates the topic.
    MustBeMade(String),
}

impl Found {
    fn name_to_make(&self) -> Option<&str> {
        match self {
            Self::Topic(_) => None,
            Self::MustBeMade(name) => Some(name),
        }
    }

    fn topic(self) -> MetadataResponseTopic {
        match self {
            Self::Topic(topic) => topic,
            Self::MustBeMade(name) => missing_topic(&name, Errors::LeaderNotAvailable),
        }
    }
}

fn not_made(name: &str, error: &KafkaError, refusals: &mut Refusals) -> MetadataResponseTopic {
    refusals.note(&"a new topic", error);
    missing_topic(name, error.code())
}

fn missing_topic(name: &str, error: Errors) -> MetadataResponseTopic {
    MetadataResponseTopic {
        error_code: error.code(),
        name: Some(name.to_string()),
        ..MetadataResponseTopic::default()
    }
}
