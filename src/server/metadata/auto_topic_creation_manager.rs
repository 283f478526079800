//! Port of `kafka.server.AutoTopicCreationManager` (Kafka 2.8), which 0.9 has in `KafkaApis`: topics
//! that are created because a client uses them.

use std::collections::BTreeMap;

use crate::common::errors::KafkaError;
use crate::config::kafka_config::KafkaConfig;
use crate::network::request_channel::Session;
use crate::server::metadata::controller::Overrides;

/// Creates topics at their first use. A request handler asks here whether a topic
/// [has to be made](Self::must_be_made).
pub trait AutoTopicCreationManager: Send + Sync {
    /// Whether the topic is created when a client uses it: `__consumer_offsets` is, whatever
    /// `auto.create.topics.enable` says of others.
    fn may_create(&self, topic: &str) -> bool;

    /// Whether the topic is neither there nor being made.
    ///
    /// # Errors
    /// `INVALID_TOPIC_EXCEPTION` for an illegal name.
    fn must_be_made(&self, topic: &str) -> Result<bool, KafkaError>;

    /// Whether a creation waits for a disk: then it is left to the controller's thread.
    fn waits_for_disk(&self) -> bool;

    /// Creates each topic, unless it exists: the first of them, as many as one request may create. The
    /// client that asks for more asks again, as it does anyway, and so does one whose topics are still on
    /// their way when this returns.
    ///
    /// # Errors
    /// `INVALID_TOPIC_EXCEPTION` for an illegal name; whatever the disk reports.
    fn auto_create_topics(
        &self,
        names: Vec<String>,
        requester: &Requester<'_>,
    ) -> Vec<Result<(), KafkaError>>;

    /// How many partitions `__consumer_offsets` has.
    ///
    /// # Errors
    /// `LEADER_NOT_AVAILABLE` as long as it is not there.
    fn group_metadata_topic_partitions(&self) -> Result<i32, KafkaError>;

    /// Creates `__consumer_offsets`, unless it is there. Returns how many partitions it has.
    ///
    /// # Errors
    /// Whatever the disk reports; `LEADER_NOT_AVAILABLE` if it is still on its way, or cannot be led.
    fn create_group_metadata_topic(&self) -> Result<i32, KafkaError>;
}

/// The client whose request creates topics.
#[derive(Clone, Copy, Debug)]
pub struct Requester<'a> {
    pub session: &'a Session,
    pub client_id: Option<&'a str>,
    /// That of the request.
    pub correlation_id: i32,
}

/// Port of `GroupCoordinator.offsetsTopicConfigs`: the last record of each key stays, in small
/// segments, because all of them are read at the start.
pub fn offsets_topic_overrides(config: &KafkaConfig) -> Overrides {
    let overrides = [
        ("cleanup.policy", "compact".to_string()),
        ("segment.bytes", config.offsets_topic_segment_bytes.to_string()),
        ("compression.type", "producer".to_string()),
    ];
    BTreeMap::from(overrides.map(|(name, value)| (name.to_string(), value)))
}
