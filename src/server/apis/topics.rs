//! Port of `KafkaApis.handleCreateTopicsRequest`, `handleDeleteTopicsRequest` and
//! `handleCreatePartitionsRequest`.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::common::errors::{Errors, KafkaError};
use crate::common::text::for_log;
use crate::common::topic_partition::TopicAndPartition;
use crate::config::config_source::ConfigEntry;
use crate::coordinator::group_coordinator::GroupCoordinator;
use crate::protocol::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic,
    CreatePartitionsTopicResult,
};
use crate::protocol::create_topics::{
    CreatableTopic, CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest,
    CreateTopicsResponse,
};
use crate::protocol::delete_topics::{
    DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse,
};
use crate::protocol::request::ResponseBody;
use crate::protocol::wire::uuid::Uuid;
use crate::registry::topic_registry::NewTopic;
use crate::server::apis::controller_requests::ControllerRequests;
use crate::server::apis::duplicates::{duplicate_error, duplicates};
use crate::server::apis::parts::Parts;
use crate::server::metadata::config_helper::ConfigHelper;
use crate::server::metadata::controller::{Controller, PARTITIONS_PER_REQUEST_MAX};
use crate::server::metadata::metadata_cache::MetadataCache;
use crate::server::reply::refusals::Refusals;
use crate::server::reply::reply::Reply;
use crate::server::security::authorization::Authorization;
use crate::server::security::authorizer::{Operation, Resource};
use crate::server::security::request_context::RequestContext;

/// In place of a number of partitions or replicas that the broker's settings or the assignments
/// give.
const UNSAID: i32 = -1;
/// The first DeleteTopics version whose clients know that deletion may be disabled.
const TOPIC_DELETION_DISABLED_VERSION: i16 = 3;

/// A topic that a request asks for, and that could be created when it was looked at.
struct PlannedTopic {
    num_partitions: i32,
    overrides: BTreeMap<String, String>,
}

/// Handles CreateTopics, DeleteTopics and CreatePartitions.
pub(crate) struct TopicApis {
    metadata_cache: Arc<dyn MetadataCache>,
    controller: Arc<dyn Controller>,
    controller_requests: ControllerRequests,
    config_helper: ConfigHelper,
    group_coordinator: Arc<GroupCoordinator>,
    authorization: Authorization,
}

impl TopicApis {
    pub(crate) fn new(parts: &Parts<'_>) -> Self {
        Self {
            metadata_cache: Arc::clone(&parts.metadata_cache),
            controller: Arc::clone(&parts.controller),
            controller_requests: ControllerRequests::new(parts),
            config_helper: ConfigHelper::new(&parts.metadata_cache, &parts.dynamic_config),
            group_coordinator: Arc::clone(&parts.group_coordinator),
            authorization: parts.authorization(),
        }
    }

    /// What is refused, is refused at once; topics are created when the changes before are made.
    pub(crate) fn handle_create_topics_request(
        self: &Arc<Self>,
        reply: Reply,
        request: CreateTopicsRequest,
    ) {
        let planned = self.plan_topics(&reply.context, &request);
        if request.validate_only || planned.iter().all(|(_, plan)| plan.is_err()) {
            self.create_planned(reply, planned, true);
            return;
        }
        let apis = Arc::clone(self);
        self.controller_requests
            .put(reply, move |reply| apis.create_planned(reply, planned, false));
    }

    /// What is to become of each topic, once for each name.
    fn plan_topics(
        &self,
        context: &RequestContext,
        request: &CreateTopicsRequest,
    ) -> Vec<(String, Result<PlannedTopic, KafkaError>)> {
        let names = || request.topics.iter().map(|topic| topic.name.as_str());
        let twice = duplicates(names());
        let may_create = self.authorization.authorized_to_create(context, names());
        let mut named = HashSet::new();
        let mut partitions_left = PARTITIONS_PER_REQUEST_MAX;
        let plan = |topic: &CreatableTopic| {
            let plan = match twice.contains(topic.name.as_str()) {
                true => Err(duplicate_error()),
                false => may_create
                    .check(&topic.name)
                    .and_then(|()| self.plan_topic(topic, &mut partitions_left)),
            };
            (topic.name.clone(), plan)
        };
        request.topics.iter().filter(|topic| named.insert(topic.name.as_str())).map(plan).collect()
    }

    fn create_planned(
        &self,
        reply: Reply,
        planned: Vec<(String, Result<PlannedTopic, KafkaError>)>,
        validate_only: bool,
    ) {
        let mut ids = match validate_only {
            true => Vec::new(),
            false => self.controller.create_topics(new_topics(&planned)),
        }
        .into_iter();
        let mut refusals = Refusals::default();
        let mut topics = Vec::with_capacity(planned.len());
        for (name, plan) in planned {
            let created = plan.and_then(|plan| {
                let id = match validate_only {
                    true => Uuid::ZERO,
                    false => Uuid(ids.next().expect("each topic has a result")?),
                };
                self.created(id, &plan)
            });
            let mut result = created.unwrap_or_else(|error| {
                let (error_code, error_message) =
                    refusals.error_fields(Err(error), &for_log(&name));
                let configs = Some(Vec::new());
                CreatableTopicResult { error_code, error_message, configs, ..Default::default() }
            });
            result.name = name;
            topics.push(self.without_hidden_configs(&reply.context, result));
        }
        reply.log_refusals(&refusals);
        let response = CreateTopicsResponse { throttle_time_ms: 0, topics };
        reply.send_body(&ResponseBody::CreateTopics(response));
    }

    fn created(&self, id: Uuid, plan: &PlannedTopic) -> Result<CreatableTopicResult, KafkaError> {
        let configs = self.config_helper.config_entries_with(&plan.overrides)?;
        Ok(CreatableTopicResult {
            topic_id: id,
            num_partitions: plan.num_partitions,
            replication_factor: 1,
            configs: Some(configs.iter().map(creatable_topic_config).collect()),
            ..CreatableTopicResult::default()
        })
    }

    /// What the client may learn of a new topic.
    fn without_hidden_configs(
        &self,
        context: &RequestContext,
        result: CreatableTopicResult,
    ) -> CreatableTopicResult {
        let topic = Resource::topic(&result.name);
        let describe_configs = Operation::DescribeConfigs;
        if self.authorization.authorize_quietly(context, describe_configs, topic) {
            return result;
        }
        let CreatableTopicResult { name, topic_id, error_code, error_message, .. } = result;
        let nothing = CreatableTopicResult::default();
        CreatableTopicResult { name, topic_id, error_code, error_message, ..nothing }
    }

    /// Checks a topic as far as that can be done without creating it.
    fn plan_topic(
        &self,
        asked: &CreatableTopic,
        partitions_left: &mut i32,
    ) -> Result<PlannedTopic, KafkaError> {
        let overrides = overrides_of(asked)?;
        self.controller.check_new_topic(&asked.name, &overrides)?;
        let num_partitions = self.partitions_of(asked)?;
        take_partitions(partitions_left, num_partitions)?;
        Ok(PlannedTopic { num_partitions, overrides })
    }

    /// How many partitions a new topic gets, all of them on this broker.
    fn partitions_of(&self, asked: &CreatableTopic) -> Result<i32, KafkaError> {
        let (count, factor) = (asked.num_partitions, i32::from(asked.replication_factor));
        if !asked.assignments.is_empty() {
            if (count, factor) != (UNSAID, UNSAID) {
                let why = "assignments exclude a number of partitions and a replication factor";
                return Err(KafkaError::api(Errors::InvalidRequest, why));
            }
            return self.assigned_partitions(asked);
        }
        if factor != UNSAID && factor < 1 {
            let why = "the replication factor must be 1 or more";
            return Err(KafkaError::api(Errors::InvalidReplicationFactor, why));
        }
        if factor > 1 {
            let why = format!("the replication factor is {factor}, and there is 1 broker");
            return Err(KafkaError::api(Errors::InvalidReplicationFactor, why));
        }
        match count {
            UNSAID => Ok(self.controller.default_partitions()),
            1.. => Ok(count),
            _ => {
                let why = format!("the number of partitions must be 1 or more, not {count}");
                Err(KafkaError::api(Errors::InvalidPartitions, why))
            }
        }
    }

    fn assigned_partitions(&self, asked: &CreatableTopic) -> Result<i32, KafkaError> {
        let wrong = |why: &str| KafkaError::api(Errors::InvalidReplicaAssignment, why);
        for assignment in &asked.assignments {
            self.check_assignment(&assignment.broker_ids)?;
        }
        let mut numbers: Vec<_> = asked.assignments.iter().map(|it| it.partition_index).collect();
        numbers.sort_unstable();
        let count = i32::try_from(numbers.len()).map_err(|_| wrong("too many partitions"))?;
        if !numbers.into_iter().eq(0..count) {
            return Err(wrong("the partitions must be numbered from 0, each once"));
        }
        Ok(count)
    }

    /// A partition can be assigned to this broker only: there is no other.
    fn check_assignment(&self, broker_ids: &[i32]) -> Result<(), KafkaError> {
        let broker_id = self.metadata_cache.broker_id();
        if broker_ids == [broker_id] {
            return Ok(());
        }
        let why = format!("each partition must be assigned to the only broker, {broker_id}");
        Err(KafkaError::api(Errors::InvalidReplicaAssignment, why))
    }

    pub(crate) fn handle_delete_topics_request(&self, reply: Reply, request: &DeleteTopicsRequest) {
        let by_name = request.topic_names.iter().map(|name| (Some(name.as_str()), Uuid::ZERO));
        let by_state = request.topics.iter().map(|it| (it.name.as_deref(), it.topic_id));
        let asked: Vec<_> = by_name.chain(by_state).collect();
        let twice = duplicates(asked.iter().copied());
        let all: HashSet<_> = asked.iter().copied().collect();
        let (mut named, mut refusals) = (HashSet::new(), Refusals::default());
        let mut responses = Vec::new();
        for (name, topic_id) in asked.into_iter().filter(|&it| named.insert(it)) {
            let asked = DeleteTopicState { name: name.map(str::to_string), topic_id };
            let mut result = DeletableTopicResult {
                name: asked.name.clone(),
                topic_id,
                ..DeletableTopicResult::default()
            };
            let deleted = match twice.contains(&(name, topic_id)) {
                true => Err(duplicate_error()),
                false => self.delete_topic(&reply, &asked, &all, &mut result),
            };
            (result.error_code, result.error_message) =
                refusals.error_fields(deleted, &for_log(name.unwrap_or_default()));
            responses.push(result);
        }
        reply.log_refusals(&refusals);
        let response = DeleteTopicsResponse { throttle_time_ms: 0, responses };
        reply.send_body(&ResponseBody::DeleteTopics(response));
    }

    /// Deletes a topic, and notes its name and its id as far as they are known, and as far as the
    /// client may know them. `all` are the names and ids that the request has.
    fn delete_topic(
        &self,
        reply: &Reply,
        asked: &DeleteTopicState,
        all: &HashSet<(Option<&str>, Uuid)>,
        result: &mut DeletableTopicResult,
    ) -> Result<(), KafkaError> {
        let cache = &self.metadata_cache;
        if !self.controller.is_topic_deletion_enabled() {
            let error = match reply.header.api_version {
                TOPIC_DELETION_DISABLED_VERSION.. => Errors::TopicDeletionDisabled,
                _ => Errors::InvalidRequest,
            };
            return Err(KafkaError::api(error, "delete.topic.enable is false"));
        }
        let name = match (&asked.name, asked.topic_id) {
            (Some(name), Uuid::ZERO) => name.clone(),
            (None, id) if id != Uuid::ZERO => {
                let name = cache.topic_name(&id.0).ok_or_else(|| {
                    KafkaError::api(Errors::UnknownTopicId, "there is no topic of this id")
                })?;
                name.to_string()
            }
            _ => {
                let why = "a topic is given by its name, or by its id";
                return Err(KafkaError::api(Errors::InvalidRequest, why));
            }
        };
        self.authorization.check(&reply.context, Operation::Describe, Resource::topic(&name))?;
        let record = cache.topic(&name);
        if let Some(record) = &record {
            (result.name, result.topic_id) = (Some(name.clone()), Uuid(record.id));
        }
        self.authorization.check(&reply.context, Operation::Delete, Resource::topic(&name))?;
        let is_in = |name, id| all.contains(&(name, id));
        if record.is_some() && is_in(Some(&name), Uuid::ZERO) && is_in(None, result.topic_id) {
            return Err(duplicate_error());
        }
        let partitions = self.controller.delete_topic(&name)?;
        // A later topic of this name has other messages: no group has read them.
        let deleted: Vec<_> = (0..partitions).map(|it| TopicAndPartition::new(&name, it)).collect();
        self.group_coordinator.handle_deleted_partitions(&deleted);
        Ok(())
    }

    pub(crate) fn handle_create_partitions_request(
        &self,
        reply: Reply,
        request: &CreatePartitionsRequest,
    ) {
        let twice = duplicates(request.topics.iter().map(|topic| topic.name.as_str()));
        let (mut named, mut refusals) = (HashSet::new(), Refusals::default());
        let mut partitions_left = PARTITIONS_PER_REQUEST_MAX;
        let mut results = Vec::new();
        for topic in request.topics.iter().filter(|topic| named.insert(topic.name.as_str())) {
            let created = match twice.contains(topic.name.as_str()) {
                true => Err(duplicate_error()),
                false => self
                    .authorization
                    .check(&reply.context, Operation::Alter, Resource::topic(&topic.name))
                    .and_then(|()| {
                        self.create_partitions(topic, request.validate_only, &mut partitions_left)
                    }),
            };
            let (error_code, error_message) = refusals.error_fields(created, &for_log(&topic.name));
            let name = topic.name.clone();
            results.push(CreatePartitionsTopicResult { name, error_code, error_message });
        }
        reply.log_refusals(&refusals);
        let response = CreatePartitionsResponse { throttle_time_ms: 0, results };
        reply.send_body(&ResponseBody::CreatePartitions(response));
    }

    fn create_partitions(
        &self,
        asked: &CreatePartitionsTopic,
        validate_only: bool,
        partitions_left: &mut i32,
    ) -> Result<(), KafkaError> {
        let before = self.controller.check_more_partitions(&asked.name, asked.count)?;
        let more = asked.count - before;
        if let Some(assignments) = &asked.assignments {
            if i32::try_from(assignments.len()) != Ok(more) {
                let why = format!("{} assignments for {more} new partitions", assignments.len());
                return Err(KafkaError::api(Errors::InvalidReplicaAssignment, why));
            }
            assignments.iter().try_for_each(|it| self.check_assignment(&it.broker_ids))?;
        }
        take_partitions(partitions_left, more)?;
        if validate_only {
            return Ok(());
        }
        self.controller.create_partitions(&asked.name, asked.count)
    }
}

/// Those that are to be created.
fn new_topics(planned: &[(String, Result<PlannedTopic, KafkaError>)]) -> Vec<NewTopic> {
    let new = |(name, plan): &(String, Result<PlannedTopic, _>)| {
        let PlannedTopic { num_partitions, overrides, .. } = plan.as_ref().ok()?;
        let (name, config) = (name.clone(), overrides.clone());
        Some(NewTopic { name, partitions: *num_partitions, config })
    };
    planned.iter().filter_map(new).collect()
}

/// The settings that a new topic is to override. Of two for one name the later prevails.
fn overrides_of(asked: &CreatableTopic) -> Result<BTreeMap<String, String>, KafkaError> {
    let setting = |name: &String, value: &Option<String>| match value {
        Some(value) => Ok((name.clone(), value.clone())),
        None => {
            let why = format!("`{name}` has no value");
            Err(KafkaError::api(Errors::InvalidConfig, why))
        }
    };
    asked.configs.iter().map(|config| setting(&config.name, &config.value)).collect()
}

fn take_partitions(partitions_left: &mut i32, count: i32) -> Result<(), KafkaError> {
    if count > *partitions_left {
        let why = format!("one request may create {PARTITIONS_PER_REQUEST_MAX} partitions at most");
        return Err(KafkaError::api(Errors::PolicyViolation, why));
    }
    *partitions_left -= count;
    Ok(())
}

fn creatable_topic_config(entry: &ConfigEntry) -> CreatableTopicConfigs {
    CreatableTopicConfigs {
        name: entry.setting.name.to_string(),
        value: entry.value.clone(),
        read_only: entry.is_read_only,
        config_source: entry.source as i8,
        is_sensitive: false,
    }
}
