//! Port of `kafka.common.TopicAndPartition` and `kafka.common.Topic`: the name of a log.

use std::fmt;
use std::sync::Arc;

use crate::common::errors::{Errors, KafkaError};

/// The longest legal topic name, in bytes.
///
/// A partition's directory is called `<topic>-<partition>` and most file systems stop at 255 bytes,
/// so Kafka 0.10 lowered 0.9's 255 to this (KAFKA-3219); what 0.9 accepted above it could not be
/// created on disk.
pub const TOPIC_NAME_BYTES_MAX: usize = 249;

/// The topic that holds consumer groups and their offsets. Clients may read it; only the group
/// coordinator writes it.
pub const GROUP_METADATA_TOPIC_NAME: &str = "__consumer_offsets";

/// The topic in which Kafka's transaction coordinators keep their transactions. Only brokers of Kafka's own make
/// it.
pub const TRANSACTION_STATE_TOPIC_NAME: &str = "__transaction_state";
/// The topic in which Kafka's brokers keep what is read by share groups.
pub const SHARE_GROUP_STATE_TOPIC_NAME: &str = "__share_group_state";

/// Whether a topic is the broker's own: Kafka's `Topic.InternalTopics`.
pub fn is_internal(topic: &str) -> bool {
    topic == GROUP_METADATA_TOPIC_NAME
}

/// A topic and the number of one of its partitions: the key to everything that is kept per
/// partition.
///
/// Cheap to clone: the topic's name is shared.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicAndPartition {
    pub topic: Arc<str>,
    /// From 0 on.
    pub partition: i32,
}

impl TopicAndPartition {
    pub fn new(topic: &str, partition: i32) -> Self {
        Self { topic: Arc::from(topic), partition }
    }
}

/// An illegal name, which only a client can have made up, is cut and escaped: it must not fill the
/// log or forge a line.
impl fmt::Display for TopicAndPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match validate_topic_name(&self.topic) {
            Ok(()) => write!(f, "{}-{}", self.topic, self.partition),
            Err(_) => write!(f, "{:?}-{}", beginning(&self.topic), self.partition),
        }
    }
}

/// Checks that `topic` is a name Kafka allows: 1 to 249 of `[a-zA-Z0-9._-]`, and neither `.` nor
/// `..`.
///
/// # Errors
/// `INVALID_TOPIC_EXCEPTION` with the rule that was broken.
pub fn validate_topic_name(topic: &str) -> Result<(), KafkaError> {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let broken_rule = if topic.is_empty() {
        "it is empty"
    } else if topic.len() > TOPIC_NAME_BYTES_MAX {
        "it is longer than 249 characters"
    } else if matches!(topic, "." | "..") {
        "it cannot be `.` or `..`"
    } else if !topic.chars().all(is_legal) {
        "it has a character other than ASCII alphanumerics, `.`, `_` and `-`"
    } else {
        return Ok(());
    };
    Err(KafkaError::api(
        Errors::InvalidTopicException,
        format!("the topic name {:?} is illegal: {broken_rule}", beginning(topic)),
    ))
}

/// Whether two topics would share the names of their metrics, in which `.` becomes `_`: Kafka's
/// `Topic.hasCollision`. In a monitoring system they could not be distinguished.
pub fn collide(topic: &str, other: &str) -> bool {
    let in_metrics = |byte| if byte == b'.' { b'_' } else { byte };
    topic.bytes().map(in_metrics).eq(other.bytes().map(in_metrics))
}

/// As much of a name as a legal one can be long.
fn beginning(topic: &str) -> String {
    topic.chars().take(TOPIC_NAME_BYTES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_kafka_allows_are_allowed() {
        for name in ["a", "test_topic", "with.dots-and-dashes", &"x".repeat(249)] {
            assert!(validate_topic_name(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn names_collide_that_differ_in_dots_and_underscores_alone() {
        for (topic, other) in [("a.b", "a_b"), ("a_b.c", "a.b_c"), ("...", "___"), ("a", "a")] {
            assert!(collide(topic, other) && collide(other, topic), "{topic} and {other}");
        }
        for (topic, other) in [("a.b", "a-b"), ("a.b", "ab"), ("a_", "a__"), ("a.b", "a_c")] {
            assert!(!collide(topic, other), "{topic} and {other}");
        }
    }

    #[test]
    fn an_illegal_name_is_shown_cut_and_on_one_line() {
        assert_eq!(TopicAndPartition::new("post", 3).to_string(), "post-3");
        let forged = TopicAndPartition::new("a\nERROR all is lost", 0).to_string();
        assert_eq!(forged, r#""a\nERROR all is lost"-0"#);
        let endless = TopicAndPartition::new(&"é".repeat(10_000), 0).to_string();
        assert_eq!(endless.len(), 2 * TOPIC_NAME_BYTES_MAX + "[]-0".len());
    }

    #[test]
    fn names_that_could_not_be_a_directory_are_refused() {
        for name in ["", ".", "..", "a/b", "a b", "é", "nul\0", &"x".repeat(250)] {
            let error = validate_topic_name(name).unwrap_err();
            assert_eq!(error.code(), Errors::InvalidTopicException, "{name}");
        }
    }
}
