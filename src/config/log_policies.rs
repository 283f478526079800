//! What the settings of a log say in words: the values of `cleanup.policy`, `compression.type`,
//! `message.timestamp.type`, `message.format.version` and of the throttled replicas.

use std::sync::Arc;

use crate::config::config_type::{Kind, entries, words};

words! {
    /// The setting `compression.type`.
    pub enum CompressionType takes "producer, uncompressed, gzip, snappy, lz4 or zstd" {
        /// Keeps the producer's compression: the only type that recompresses nothing.
        Producer = "producer",
        Uncompressed = "uncompressed",
        Gzip = "gzip",
        Snappy = "snappy",
        Lz4 = "lz4",
        Zstd = "zstd",
    }
}

words! {
    /// Whose clock a message's timestamp is: the setting `message.timestamp.type`.
    pub enum MessageTimestampType takes "CreateTime or LogAppendTime" {
        /// The producer's clock.
        CreateTime = "CreateTime",
        /// The broker's clock at the append.
        LogAppendTime = "LogAppendTime",
    }
}

/// The setting `cleanup.policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CleanupPolicy {
    /// Old segments are deleted.
    Delete,
    /// The last message of each key is kept.
    Compact,
    /// Both, written in this order: DescribeConfigs returns it as it was written.
    CompactAndDelete,
    /// Both, written in the other order.
    DeleteAndCompact,
    /// All messages are kept.
    Neither,
}

impl CleanupPolicy {
    /// Whether the cleaner keeps nothing but the last message of each key.
    pub const fn is_compacted(self) -> bool {
        matches!(self, Self::Compact | Self::CompactAndDelete | Self::DeleteAndCompact)
    }

    /// Whether retention by time and by size deletes old segments.
    pub const fn is_deleted(self) -> bool {
        matches!(self, Self::Delete | Self::CompactAndDelete | Self::DeleteAndCompact)
    }
}

impl Kind for CleanupPolicy {
    type Value = Self;
    const NAME: &'static str = "list";
    const TAKES: &'static str = "delete, compact, both with a comma between them, or nothing";

    /// A repeated word does not count, as in Kafka 4.
    fn parse(text: &str) -> Result<Self, String> {
        let text = text.to_ascii_lowercase();
        let mut words: Vec<&str> = Vec::new();
        for word in entries(&text) {
            if !words.contains(&word) {
                words.push(word);
            }
        }
        match words[..] {
            [] if text.is_empty() => Ok(Self::Neither),
            ["delete"] => Ok(Self::Delete),
            ["compact"] => Ok(Self::Compact),
            ["compact", "delete"] => Ok(Self::CompactAndDelete),
            ["delete", "compact"] => Ok(Self::DeleteAndCompact),
            _ => Err(Self::must_be()),
        }
    }

    fn show(value: &Self) -> String {
        match value {
            Self::Delete => "delete",
            Self::Compact => "compact",
            Self::CompactAndDelete => "compact,delete",
            Self::DeleteAndCompact => "delete,compact",
            Self::Neither => "",
        }
        .to_string()
    }
}

/// The settings `leader.replication.throttled.replicas` and the follower's: port of
/// `ThrottledReplicaListValidator`. Held as text, of which each broker reads its own part.
#[derive(Clone, Copy, Debug)]
pub struct ThrottledReplicas;

impl Kind for ThrottledReplicas {
    type Value = Arc<str>;
    const NAME: &'static str = "list";
    const TAKES: &'static str =
        "nothing, `*`, or pairs such as 0:1, a partition and a broker, with commas between them";

    fn parse(text: &str) -> Result<Arc<str>, String> {
        let is_number = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
        let is_replica = |it: &str| {
            it.split_once(':')
                .is_some_and(|(partition, broker)| is_number(partition) && is_number(broker))
        };
        // An empty entry is kept, as in Kafka, so that the text comes back.
        let replicas: Vec<&str> = text.split(',').map(str::trim).collect();
        if text == "*" || replicas.iter().all(|it| it.is_empty() || is_replica(it)) {
            return Ok(replicas.join(",").into());
        }
        Err(Self::must_be())
    }

    fn show(value: &Arc<str>) -> String {
        value.to_string()
    }
}

/// The setting `message.format.version`, held as the magic that this version of Kafka began to
/// write.
#[derive(Clone, Copy, Debug)]
pub struct MessageFormatVersion;

impl Kind for MessageFormatVersion {
    type Value = u8;
    const NAME: &'static str = "string";
    const TAKES: &'static str =
        "a version of Kafka from 0.8.0 to 4.x, such as 0.9.0, 0.10.2 or 3.0-IV1";

    fn parse(text: &str) -> Result<u8, String> {
        let mut numbers = text.split(['.', '-']).map(|it| it.parse::<u32>().ok());
        match (numbers.next().flatten(), numbers.next().flatten()) {
            (Some(0), Some(8 | 9)) => Ok(0),
            (Some(0), Some(10)) => Ok(1),
            (Some(0), Some(11)) | (Some(1..=4), Some(_)) => Ok(2),
            _ => Err(Self::must_be()),
        }
    }

    fn show(value: &u8) -> String {
        match value {
            0 => "0.9.0",
            1 => "0.10.0",
            _ => "3.0-IV1",
        }
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads_back<K: Kind>(text: &str) {
        let value = K::parse(text).unwrap();
        assert_eq!(K::show(&value), text);
    }

    #[test]
    fn a_shown_policy_reads_back() {
        reads_back::<CompressionType>("zstd");
        reads_back::<MessageTimestampType>("LogAppendTime");
        reads_back::<CleanupPolicy>("compact");
        reads_back::<CleanupPolicy>("compact,delete");
        reads_back::<CleanupPolicy>("delete,compact");
        reads_back::<CleanupPolicy>("");
        reads_back::<ThrottledReplicas>("0:1,0:1,2:3");
        reads_back::<ThrottledReplicas>("*");
        reads_back::<ThrottledReplicas>("");
        reads_back::<MessageFormatVersion>("0.10.0");
    }

    #[test]
    fn a_log_may_be_compacted_and_deleted_from() {
        let both = CleanupPolicy::parse(" Delete, compact").unwrap();
        assert!(both.is_compacted() && both.is_deleted());
        let neither = CleanupPolicy::parse("").unwrap();
        assert!(!neither.is_compacted() && !neither.is_deleted());
        assert_eq!(CleanupPolicy::parse("compact , compact"), Ok(CleanupPolicy::Compact));
        for text in ["shred", ",", "none", "delete,shred"] {
            assert!(CleanupPolicy::parse(text).is_err(), "{text}");
        }
    }

    /// Kafka 4.4.0 takes the same.
    #[test]
    fn throttled_replicas_are_pairs_or_all() {
        assert_eq!(ThrottledReplicas::parse("0:1, 1:1").as_deref(), Ok("0:1,1:1"));
        assert_eq!(ThrottledReplicas::parse(" , ").as_deref(), Ok(","));
        for text in ["x", "0", "0:", ":", "a:b", "-1:0", "0:1:2", "0:1,*", "*,*", "none"] {
            assert!(ThrottledReplicas::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn each_version_of_kafka_names_the_magic_it_wrote() {
        for (version, magic) in [
            ("0.8.2", 0),
            ("0.9.0", 0),
            ("0.9.0.X", 0),
            ("0.10.0-IV1", 1),
            ("0.10.2", 1),
            ("0.11.0", 2),
            ("1.0", 2),
            ("3.0-IV1", 2),
            ("4.0", 2),
        ] {
            assert_eq!(MessageFormatVersion::parse(version), Ok(magic), "{version}");
        }
        for text in ["", "9", "0.7.2", "0.12", "5.0", "x.y"] {
            assert!(MessageFormatVersion::parse(text).is_err(), "{text}");
        }
    }
}
