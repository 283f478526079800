//! Port of `org.apache.kafka.server.DefaultAutoTopicCreationManager`: topics that the cluster's controller creates
//! because a client uses them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use log::{Level, debug, info, log};

use crate::common::errors::{Errors, KafkaError};
use crate::common::lock::locked;
use crate::common::log_limit::{LogKind, limited};
use crate::common::text::for_log;
use crate::common::topic_partition::{GROUP_METADATA_TOPIC_NAME, is_internal, validate_topic_name};
use crate::config::kafka_config::KafkaConfig;
use crate::protocol::api_keys::ApiKeys;
use crate::protocol::client_request::{client_request_bytes, read_client_response};
use crate::protocol::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse,
};
use crate::server::cluster::controller_channel::{
    ControllerChannel, ControllerError, send_request,
};
use crate::server::cluster::forwarding_manager::{
    FORWARDING_TIMEOUT_MS, ForwardedRequest, ForwardingError, ForwardingManager,
};
use crate::server::metadata::auto_topic_creation_manager::{
    AutoTopicCreationManager, Requester, offsets_topic_overrides,
};
use crate::server::metadata::controller::PARTITIONS_PER_REQUEST_MAX;
use crate::server::metadata::metadata_cache::MetadataCache;

/// In the place of a number that the controller chooses.
const CONTROLLERS_DEFAULT: i8 = -1;
/// Kafka's `request.timeout.ms`: how long the controller may take.
const CREATE_TIMEOUT_MS: i32 = 30_000;
/// How many topics may be on their way at once. What exceeds it is created when it is asked for again.
const IN_FLIGHT_MAX: usize = PARTITIONS_PER_REQUEST_MAX as usize;

/// Has the controller create topics, and waits for none: a client that uses a topic asks for it until it is
/// there.
pub struct DefaultAutoTopicCreationManager {
    channel: Arc<dyn ControllerChannel>,
    forwarding: Arc<ForwardingManager>,
    metadata_cache: Arc<dyn MetadataCache>,
    in_flight: Arc<InFlightTopics>,
    is_auto_create_enabled: bool,
    /// As `default_replication_factor`: `None` leaves it to the controller.
    num_partitions: Option<i32>,
    default_replication_factor: Option<i16>,
    offsets_topic: CreatableTopic,
}

impl DefaultAutoTopicCreationManager {
    pub fn new(
        config: &KafkaConfig,
        channel: &Arc<dyn ControllerChannel>,
        forwarding: &Arc<ForwardingManager>,
        metadata_cache: &Arc<dyn MetadataCache>,
    ) -> Self {
        let default = KafkaConfig::default();
        let factor = i16::try_from(config.default_replication_factor).unwrap_or(i16::MAX);
        Self {
            channel: Arc::clone(channel),
            forwarding: Arc::clone(forwarding),
            metadata_cache: Arc::clone(metadata_cache),
            in_flight: Arc::default(),
            is_auto_create_enabled: config.auto_create_topics_enable,
            // A setting that has its default counts as not set.
            num_partitions: Some(config.num_partitions).filter(|it| *it != default.num_partitions),
            default_replication_factor: Some(factor)
                .filter(|it| i32::from(*it) != default.default_replication_factor),
            offsets_topic: offsets_topic(config),
        }
    }

    /// The names of these that nobody is creating yet: from now on this caller is.
    fn begin(&self, names: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut in_flight = locked(&self.in_flight.names);
        let is_new =
            |name: &String| in_flight.len() < IN_FLIGHT_MAX && in_flight.insert(name.clone());
        names.into_iter().filter(is_new).collect()
    }

    fn creatable_topic(&self, name: &str) -> CreatableTopic {
        CreatableTopic {
            name: name.to_string(),
            num_partitions: self.num_partitions.unwrap_or(i32::from(CONTROLLERS_DEFAULT)),
            replication_factor: self
                .default_replication_factor
                .unwrap_or(i16::from(CONTROLLERS_DEFAULT)),
            ..CreatableTopic::default()
        }
    }

    /// In an envelope: the controller creates the topics if the client may.
    fn send_for_client(&self, names: Vec<String>, requester: &Requester<'_>) {
        let topics = names.iter().map(|name| self.creatable_topic(name)).collect();
        let request = create_topics_request(topics);
        let version = self.create_topics_version();
        let bytes = client_request_bytes(
            &request,
            version,
            requester.correlation_id,
            requester.client_id.unwrap_or_default(),
        );
        let forwarded = ForwardedRequest {
            api: ApiKeys::CreateTopics.name(),
            correlation_id: requester.correlation_id,
            bytes,
            principal: &requester.session.principal,
            client_address: requester.session.client_address.ip(),
        };
        let in_flight = Arc::clone(&self.in_flight);
        self.forwarding.forward_request(forwarded, move |response| {
            in_flight.end(&names);
            let refused = &in_flight.refused;
            let response = response.map_err(|error| match error {
                ForwardingError::UnsupportedVersion => {
                    "the controller cannot read it any more; the client asks again".to_string()
                }
                ForwardingError::Failed(error) => error.to_string(),
            });
            log_created(
                refused,
                &names,
                response.and_then(|bytes| {
                    read_client_response::<CreateTopicsRequest>(&bytes, version)
                        .map(|(_, response)| response)
                        .map_err(|error| error.to_string())
                }),
            );
        });
    }

    /// The newest that the controller has; any, while it is not known: the client asks again.
    fn create_topics_version(&self) -> i16 {
        let ours = ApiKeys::CreateTopics.versions();
        let controller = self.channel.controller_api_versions();
        controller
            .and_then(|it| it.latest_usable_version(ApiKeys::CreateTopics.id(), &ours))
            .unwrap_or(*ours.end())
    }

    /// As this broker itself: the topic is the cluster's own, whoever uses it first.
    fn send_for_broker(&self, topic: CreatableTopic) {
        let names = [topic.name.clone()];
        let in_flight = Arc::clone(&self.in_flight);
        let on_complete = move |response: Result<CreateTopicsResponse, ControllerError>| {
            in_flight.end(&names);
            let response = response.map_err(|error| error.to_string());
            log_created(&in_flight.refused, &names, response);
        };
        // Responses have their own errors from version 2 on, and nothing else is read.
        let versions = 2..=*ApiKeys::CreateTopics.versions().end();
        let request = create_topics_request(vec![topic]);
        send_request(&*self.channel, request, versions, FORWARDING_TIMEOUT_MS, on_complete);
    }
}

impl AutoTopicCreationManager for DefaultAutoTopicCreationManager {
    fn may_create(&self, topic: &str) -> bool {
        self.is_auto_create_enabled || is_internal(topic)
    }

    fn must_be_made(&self, topic: &str) -> Result<bool, KafkaError> {
        if self.metadata_cache.topic(topic).is_some() {
            return Ok(false);
        }
        validate_topic_name(topic)?;
        Ok(!locked(&self.in_flight.names).contains(topic))
    }

    fn waits_for_disk(&self) -> bool {
        false
    }

    /// All are still on their way when this returns.
    fn auto_create_topics(
        &self,
        names: Vec<String>,
        requester: &Requester<'_>,
    ) -> Vec<Result<(), KafkaError>> {
        let results: Vec<_> = names.iter().map(|name| validate_topic_name(name)).collect();
        let legal = names.into_iter().zip(&results).filter(|(_, it)| it.is_ok());
        let begun = self.begin(legal.map(|(name, _)| name));
        if !begun.is_empty() {
            self.send_for_client(begun, requester);
        }
        results
    }

    fn group_metadata_topic_partitions(&self) -> Result<i32, KafkaError> {
        let topic = self.metadata_cache.topic(GROUP_METADATA_TOPIC_NAME);
        topic.map(|it| it.partition_count()).ok_or_else(|| {
            let why = format!("the controller has not created {GROUP_METADATA_TOPIC_NAME} yet");
            KafkaError::api(Errors::LeaderNotAvailable, why)
        })
    }

    fn create_group_metadata_topic(&self) -> Result<i32, KafkaError> {
        let partitions = self.group_metadata_topic_partitions();
        if partitions.is_err() && !self.begin([GROUP_METADATA_TOPIC_NAME.to_string()]).is_empty() {
            self.send_for_broker(self.offsets_topic.clone());
        }
        partitions
    }
}

/// The topics that the controller is creating for this broker: one request goes out for each.
#[derive(Default)]
struct InFlightTopics {
    names: Mutex<HashSet<String>>,
    refused: RefusedTopics,
}

/// The topics that the controller does not create, and the error of each: a client asks every second.
#[derive(Default)]
struct RefusedTopics(Mutex<HashMap<String, Errors>>);

impl RefusedTopics {
    /// Whether the topic was not refused for this last time, or so many have been since that it is forgotten.
    fn is_news(&self, topic: &str, error: Errors) -> bool {
        let mut refused = locked(&self.0);
        if refused.len() >= IN_FLIGHT_MAX && !refused.contains_key(topic) {
            refused.clear();
        }
        refused.insert(topic.to_string(), error) != Some(error)
    }

    /// The topic is there.
    fn forget(&self, topic: &str) {
        locked(&self.0).remove(topic);
    }
}

impl InFlightTopics {
    fn end(&self, names: &[String]) {
        let mut in_flight = locked(&self.names);
        for name in names {
            in_flight.remove(name);
        }
    }
}

fn create_topics_request(topics: Vec<CreatableTopic>) -> CreateTopicsRequest {
    CreateTopicsRequest { topics, timeout_ms: CREATE_TIMEOUT_MS, validate_only: false }
}

fn offsets_topic(config: &KafkaConfig) -> CreatableTopic {
    let configs = offsets_topic_overrides(config).into_iter();
    CreatableTopic {
        name: GROUP_METADATA_TOPIC_NAME.to_string(),
        num_partitions: config.offsets_topic_num_partitions,
        replication_factor: config.offsets_topic_replication_factor,
        configs: configs
            .map(|(name, value)| CreatableTopicConfig { name, value: Some(value) })
            .collect(),
        ..CreatableTopic::default()
    }
}

/// Clients are told no more than that a topic is not there yet; what keeps it from coming stands here.
fn log_created(
    refused: &RefusedTopics,
    names: &[String],
    response: Result<CreateTopicsResponse, String>,
) {
    let response = match response {
        Ok(response) => response,
        Err(why) => {
            let level = limited(LogKind::Failures, Level::Warn);
            let (first, count) = (for_log(&names[0]), names.len());
            log!(
                level,
                "the controller did not create {count} topics, of which {first} is one: {why}"
            );
            return;
        }
    };
    for topic in response.topics {
        let name = for_log(&topic.name);
        let error = Errors::for_code(topic.error_code);
        if matches!(error, Errors::None | Errors::TopicAlreadyExists) {
            refused.forget(&topic.name);
        }
        match error {
            Errors::None => info!("the controller has created the topic {name}"),
            // Another broker was asked, too.
            Errors::TopicAlreadyExists => debug!("the topic {name} is there already"),
            error => {
                let why = topic.error_message.unwrap_or_else(|| error.message().to_string());
                let level = match refused.is_news(&topic.name, error) {
                    true => limited(LogKind::Failures, Level::Warn),
                    false => Level::Debug,
                };
                let advice = advice(&topic.name, error);
                log!(
                    level,
                    "the controller does not create the topic {name}: {}{advice}",
                    for_log(&why)
                );
            }
        }
    }
}

/// The controller says what is wrong, but not by which setting it was asked for.
fn advice(topic: &str, error: Errors) -> &'static str {
    match (error, topic) {
        (Errors::InvalidReplicationFactor, GROUP_METADATA_TOPIC_NAME) => {
            "; consumer groups wait for it: start more brokers, or lower `offsets.topic.replication.factor` of \
             the brokers"
        }
        (Errors::InvalidReplicationFactor, _) => {
            "; start more brokers, or lower `default.replication.factor` of the controllers, or of the brokers \
             where they have it"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_news_once_unless_its_reason_changes_or_the_topic_was_there() {
        let refused = RefusedTopics::default();
        assert!(refused.is_news("t", Errors::TopicAuthorizationFailed));
        assert!(!refused.is_news("t", Errors::TopicAuthorizationFailed));
        assert!(refused.is_news("t", Errors::InvalidReplicationFactor));
        assert!(refused.is_news("another", Errors::InvalidReplicationFactor));
        refused.forget("t");
        assert!(refused.is_news("t", Errors::InvalidReplicationFactor));
    }

    #[test]
    fn where_brokers_are_too_few_the_setting_that_asks_for_more_is_named() {
        let too_few = Errors::InvalidReplicationFactor;
        let of_groups = advice(GROUP_METADATA_TOPIC_NAME, too_few);
        assert!(of_groups.contains("`offsets.topic.replication.factor`"), "{of_groups}");
        assert!(advice("t", too_few).contains("`default.replication.factor`"));
        assert_eq!(advice("t", Errors::TopicAuthorizationFailed), "");
    }

    #[test]
    fn the_refusals_that_are_remembered_have_a_bound() {
        let refused = RefusedTopics::default();
        let count = 3 * IN_FLIGHT_MAX;
        for number in 0..count {
            assert!(refused.is_news(&number.to_string(), Errors::PolicyViolation));
        }
        assert!(locked(&refused.0).len() <= IN_FLIGHT_MAX);
        assert!(!refused.is_news(&(count - 1).to_string(), Errors::PolicyViolation));
    }
}
