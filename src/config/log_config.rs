//! Port of `kafka.log.LogConfig`: the settings of one topic's logs, which start as the broker's and
//! may be overridden.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::compaction_lags::CompactionLags;
use crate::config::config_def::{Allowed, ConfigError, VALUE_BYTES_MAX, nearest, settings};
use crate::config::config_type::Int;
use crate::config::kafka_config::KafkaConfig;
use crate::config::limit::Limit;
use crate::config::log_policies::{
    CleanupPolicy, CompressionType, MessageFormatVersion, MessageTimestampType, ThrottledReplicas,
};

settings! {
    /// The settings of a log, under the names that a topic overrides them with.
    pub struct LogConfig {
        /// A segment is rolled before it grows beyond this, in bytes.
        segment_size: u64 as Int<u64>,
            "segment.bytes" = "1073741824", Allowed::AtLeast(14), Medium;
        /// A segment is rolled at this age, in milliseconds.
        segment_ms: i64,
            "segment.ms" = "604800000", Allowed::AtLeast(1), Medium;
        /// The most that is taken at random from the age at which a segment rolls, in milliseconds.
        segment_jitter_ms: i64,
            "segment.jitter.ms" = "0", Allowed::AtLeast(0), Medium;
        /// The most that a segment's offset index may take, in bytes, and its time index too.
        max_index_size: usize as Int<usize>,
            "segment.index.bytes" = "10485760", Allowed::AtLeast(4), Medium;
        /// An index entry is written after so many bytes of messages.
        index_interval: u64 as Int<u64>,
            "index.interval.bytes" = "4096", Allowed::AtLeast(0), Medium;
        /// Messages are forced to disk after so many of them.
        flush_interval: i64,
            "flush.messages" = "9223372036854775807", Allowed::AtLeast(1), Medium;
        /// Messages are forced to disk at this age, in milliseconds.
        flush_ms: i64,
            "flush.ms" = "9223372036854775807", Allowed::AtLeast(0), Medium;
        /// The oldest segments are deleted when the partition holds more than this, in bytes; a
        /// negative value sets no limit.
        retention_size: Limit,
            "retention.bytes" = "-1", Allowed::Any, Medium;
        /// A segment is deleted at this age, in milliseconds; a negative value never deletes one.
        retention_ms: Limit,
            "retention.ms" = "604800000", Allowed::Any, Medium;
        /// How long the files of a deleted segment stay on disk, in milliseconds.
        file_delete_delay_ms: i64,
            "file.delete.delay.ms" = "60000", Allowed::AtLeast(0), Medium;
        /// How long a compacted log keeps a tombstone, the mark of a deletion, in milliseconds.
        delete_retention_ms: i64,
            "delete.retention.ms" = "86400000", Allowed::AtLeast(0), Medium;
        /// The share of a compacted log that must be dirty before it is cleaned.
        min_cleanable_ratio: f64,
            "min.cleanable.dirty.ratio" = "0.5", Allowed::Fraction, Medium;
        /// How long a message of a compacted log is kept, whatever follows it, in milliseconds.
        min_compaction_lag_ms: i64,
            "min.compaction.lag.ms" = "0", Allowed::AtLeast(0), Medium;
        /// A compacted log is cleaned when its oldest dirty message is this old, in milliseconds,
        /// however little of it is dirty; its segments roll at this age, too. It must not be less
        /// than `min.compaction.lag.ms`.
        max_compaction_lag_ms: i64,
            "max.compaction.lag.ms" = "9223372036854775807", Allowed::AtLeast(1), Medium;
        /// Whether the log keeps all messages for a time, the last message of each key, or the last
        /// message of each key for a time. Empty: it keeps all messages.
        cleanup_policy: CleanupPolicy,
            "cleanup.policy" = "delete", Allowed::Any, Medium;
        /// Whether a replica that was not in sync may become leader, if no other is left. The
        /// controllers of a cluster go by it; a broker that is alone does not.
        unclean_leader_election_enable: bool,
            "unclean.leader.election.enable" = "false", Allowed::Any, Medium;
        /// Replicas that must have a message before acks=-1 is answered.
        min_in_sync_replicas: usize as Int<usize>,
            "min.insync.replicas" = "1", Allowed::AtLeast(1), Medium;
        /// The largest batch that a producer may send, in bytes, the 12 bytes of offset and size
        /// included.
        max_message_size: usize as Int<usize>,
            "max.message.bytes" = "1048588", Allowed::AtLeast(0), Medium;
        /// How messages are compressed on disk.
        compression_type: CompressionType,
            "compression.type" = "producer", Allowed::Any, Medium;
        /// How hard gzip tries where `compression.type` is gzip, from 1, the fastest, to 9, the
        /// smallest; -1 is 6.
        compression_gzip_level: i32,
            "compression.gzip.level" = "-1", Allowed::OrBetween(-1, 1, 9), Medium;
        /// Kept for Kafka's tools. It has no effect: LZ4 has one level here, the fastest.
        compression_lz4_level: i32,
            "compression.lz4.level" = "9", Allowed::Between(1, 17), Medium;
        /// How hard Zstandard tries where `compression.type` is zstd, up to 22, the smallest; 0
        /// is 3.
        compression_zstd_level: i32,
            "compression.zstd.level" = "3", Allowed::Between(-131072, 22), Medium;
        /// The most that one record may be decompressed to, in bytes.
        max_decompressed_message_size: i32,
            "max.decompressed.message.bytes" = "2147483639",
            Allowed::Only("2147483639", "a batch that stays as it came is not decompressed here"), Medium;
        /// Whether a new segment's file gets its full size at once.
        preallocate: bool,
            "preallocate" = "false", Allowed::Any, Medium;
        /// The format of the messages, as the version of Kafka that began to write it; held as the
        /// magic, 0 to 2. It is chosen when the topic is created: a later change has no effect.
        message_format_magic: u8 as MessageFormatVersion,
            "message.format.version" = "3.0-IV1", Allowed::Any, Medium;
        /// Whose clock a message's timestamp is.
        message_timestamp_type: MessageTimestampType,
            "message.timestamp.type" = "CreateTime", Allowed::Any, Medium;
        /// A message is refused if the producer's timestamp is earlier than the broker's clock by
        /// more than this, in milliseconds. The default leaves it to
        /// `message.timestamp.difference.max.ms`.
        message_timestamp_before_max_ms: i64,
            "message.timestamp.before.max.ms" = "9223372036854775807",
            Allowed::AtLeast(0), Medium;
        /// A message is refused if the producer's timestamp is later than the broker's clock by
        /// more than this, in milliseconds. The default leaves it to
        /// `message.timestamp.difference.max.ms`.
        message_timestamp_after_max_ms: i64,
            "message.timestamp.after.max.ms" = "9223372036854775807",
            Allowed::AtLeast(0), Medium;
        /// The value of the two above where they are not set, in milliseconds: their name before
        /// Kafka 3.6.
        message_timestamp_difference_max_ms: i64,
            "message.timestamp.difference.max.ms" = "9223372036854775807",
            Allowed::AtLeast(0), Medium;
        /// Whether messages are converted for consumers that are older than the format.
        message_downconversion_enable: bool,
            "message.downconversion.enable" = "true", Allowed::Any, Low;
        /// Whether old segments move to a store of their own.
        remote_storage_enable: bool,
            "remote.storage.enable" = "false",
            Allowed::Only("false", "this broker keeps its logs on its own disks only"), Medium;
        /// Kept for Kafka's tools. It has no effect without `remote.storage.enable`.
        local_retention_ms: i64,
            "local.retention.ms" = "-2", Allowed::AtLeast(-2), Medium;
        /// Kept for Kafka's tools. It has no effect without `remote.storage.enable`.
        local_retention_bytes: i64,
            "local.retention.bytes" = "-2", Allowed::AtLeast(-2), Medium;
        /// Kept for Kafka's tools. It has no effect without `remote.storage.enable`.
        remote_log_copy_disable: bool,
            "remote.log.copy.disable" = "false", Allowed::Any, Medium;
        /// Kept for Kafka's tools. It has no effect without `remote.storage.enable`.
        remote_log_delete_on_disable: bool,
            "remote.log.delete.on.disable" = "false", Allowed::Any, Medium;
        /// Kept for Kafka's tools. It has no effect without `remote.storage.enable`.
        remote_copy_lag_ms: i64,
            "remote.copy.lag.ms" = "0", Allowed::AtLeast(-1), Medium;
        /// Kept for Kafka's tools. It has no effect without `remote.storage.enable`.
        remote_copy_lag_bytes: i64,
            "remote.copy.lag.bytes" = "-1", Allowed::AtLeast(-1), Medium;
        /// Of which partitions, and on which brokers, replicas that catch up copy no more than
        /// `leader.replication.throttled.rate` from the leader. A broker that is alone copies nothing.
        leader_replication_throttled_replicas: Arc<str> as ThrottledReplicas,
            "leader.replication.throttled.replicas" = "", Allowed::Any, Medium;
        /// Of which partitions, and on which brokers, replicas that catch up copy no more than
        /// `follower.replication.throttled.rate`. A broker that is alone copies nothing.
        follower_replication_throttled_replicas: Arc<str> as ThrottledReplicas,
            "follower.replication.throttled.replicas" = "", Allowed::Any, Medium;
        /// Kept for Kafka's tools. It has no effect: there are no share groups.
        errors_deadletterqueue_group_enable: bool,
            "errors.deadletterqueue.group.enable" = "false", Allowed::Any, Medium;
        /// Whether compressed batches are decompressed as they arrive, to compare their records
        /// with their header. Those that are not compressed are always compared.
        transferto_compressed_records_validation_enable: bool,
            "transferto.compressed.records.validation.enable" = "false", Allowed::Any, Medium;
    }
}

impl LogConfig {
    /// What a topic without overrides gets: port of `KafkaServer.copyKafkaConfigToLog`.
    pub fn from_broker(config: &KafkaConfig) -> Self {
        Self {
            segment_size: config.log_segment_bytes,
            segment_ms: config.log_roll_time_ms(),
            segment_jitter_ms: config.log_roll_time_jitter_ms(),
            max_index_size: config.log_index_size_max_bytes,
            index_interval: config.log_index_interval_bytes,
            flush_interval: config.log_flush_interval_messages,
            flush_ms: config.log_flush_time_ms(),
            retention_size: config.log_retention_bytes,
            retention_ms: config.log_retention_time(),
            file_delete_delay_ms: config.log_segment_delete_delay_ms,
            delete_retention_ms: config.log_cleaner_delete_retention_ms,
            min_cleanable_ratio: config.log_cleaner_min_cleanable_ratio,
            min_compaction_lag_ms: config.log_cleaner_min_compaction_lag_ms,
            max_compaction_lag_ms: config.log_cleaner_max_compaction_lag_ms,
            cleanup_policy: config.log_cleanup_policy,
            min_in_sync_replicas: config.min_insync_replicas,
            max_message_size: config.message_max_bytes,
            compression_type: config.compression_type,
            compression_gzip_level: config.compression_gzip_level,
            compression_lz4_level: config.compression_lz4_level,
            compression_zstd_level: config.compression_zstd_level,
            preallocate: config.log_preallocate,
            message_format_magic: config.log_message_format_version,
            message_timestamp_type: config.log_message_timestamp_type,
            message_timestamp_before_max_ms: config.log_message_timestamp_before_max_ms,
            message_timestamp_after_max_ms: config.log_message_timestamp_after_max_ms,
            message_timestamp_difference_max_ms: config.log_message_timestamp_difference_max_ms,
            message_downconversion_enable: config.log_message_downconversion_enable,
            transferto_compressed_records_validation_enable: config
                .transferto_compressed_records_validation_enable,
            // The others follow no setting of the broker.
            ..Self::default()
        }
    }

    /// Port of `LogConfig.maxSegmentMs`: the age at which a segment rolls, in milliseconds. The
    /// active segment is not cleaned, so a message must not stay in it beyond
    /// `max.compaction.lag.ms`.
    pub fn max_segment_ms(&self) -> i64 {
        match self.cleanup_policy.is_compacted() {
            true => self.segment_ms.min(self.max_compaction_lag_ms),
            false => self.segment_ms,
        }
    }

    /// How much earlier than the broker's clock a producer's timestamp may be, in milliseconds;
    /// `i64::MAX` is no limit. The old setting holds where the new one is not set, as in Kafka 3.6
    /// to 3.9.
    pub fn timestamp_before_max_ms(&self) -> i64 {
        self.timestamp_max_ms(self.message_timestamp_before_max_ms)
    }

    /// How much later it may be; see [`timestamp_before_max_ms`](Self::timestamp_before_max_ms).
    pub fn timestamp_after_max_ms(&self) -> i64 {
        self.timestamp_max_ms(self.message_timestamp_after_max_ms)
    }

    fn timestamp_max_ms(&self, newer_ms: i64) -> i64 {
        if newer_ms == i64::MAX { self.message_timestamp_difference_max_ms } else { newer_ms }
    }

    /// These settings with the overrides of a topic; the later of two wins.
    ///
    /// # Errors
    /// Every override that is unknown or not allowed.
    pub fn with_overrides(&self, overrides: &[(String, String)]) -> Result<Self, Vec<ConfigError>> {
        let mut config = self.clone();
        let mut errors = Vec::new();
        for (name, value) in overrides {
            let is_known = Self::SETTINGS.iter().any(|it| it.name == name);
            let result = if is_known { config.set(name, value) } else { Err(unknown(name)) };
            if let Err(why) = result {
                let (name, value, place) = (name.clone(), value.clone(), String::new());
                errors.push(ConfigError { name, value, place, why });
            }
        }
        if errors.is_empty() { Ok(config) } else { Err(errors) }
    }

    /// As [`with_overrides`](Self::with_overrides), with those that are known and allowed here. A cluster's
    /// controller keeps others as well: returns what is wrong with each of them.
    pub fn with_known_overrides(
        &self,
        overrides: &BTreeMap<String, String>,
    ) -> (Self, Vec<ConfigError>) {
        let (mut config, mut passed_over) = (self.clone(), Vec::new());
        for (name, value) in overrides {
            match config.with_overrides(&[(name.clone(), value.clone())]) {
                Ok(changed) => config = changed,
                Err(errors) => passed_over.extend(errors),
            }
        }
        (config, passed_over)
    }

    /// Port of `LogConfig.validateValues`: where the overrides that make these settings contradict
    /// each other or the broker, or one is too long to keep. Checked when they are set, not when they
    /// are read again: a topic outlives a change of the broker's file.
    pub fn contradiction(&self, overrides: &BTreeMap<String, String>) -> Option<String> {
        let lags = CompactionLags {
            min_name: "min.compaction.lag.ms",
            max_name: "max.compaction.lag.ms",
            min_ms: self.min_compaction_lag_ms,
            max_ms: self.max_compaction_lag_ms,
        };
        let is_own =
            [lags.min_name, lags.max_name].iter().any(|name| overrides.contains_key(*name));
        if let Some(why) = lags.contradiction_sentence().filter(|_| is_own) {
            return Some(why);
        }
        let too_long = overrides.iter().find(|(_, value)| value.len() > VALUE_BYTES_MAX);
        too_long.map(|(name, value)| {
            format!("`{name}` is {} bytes long; {VALUE_BYTES_MAX} are allowed", value.len())
        })
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self::of_the_table()
    }
}

fn unknown(name: &str) -> String {
    match nearest(name, LogConfig::SETTINGS.iter().map(|it| it.name)) {
        Some(nearest) => format!("unknown topic setting; did you mean `{nearest}`?"),
        None => "unknown topic setting".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::config_def::Setting;
    use crate::config::config_reader::read_properties;

    fn overrides(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn the_defaults_of_the_broker_are_the_defaults_of_a_log() {
        assert_eq!(LogConfig::from_broker(&KafkaConfig::default()), LogConfig::default());
    }

    /// A row whose field cannot be negative allows no negative number.
    #[test]
    fn every_number_that_a_row_allows_fits_its_field() {
        let (mut broker, mut log) = (KafkaConfig::default(), LogConfig::default());
        set_to_bounds(KafkaConfig::SETTINGS, |name, number| broker.set(name, number));
        set_to_bounds(LogConfig::SETTINGS, |name, number| log.set(name, number));
    }

    fn set_to_bounds(settings: &[Setting], mut set: impl FnMut(&str, &str) -> Result<(), String>) {
        for setting in settings {
            let (least, most) = match setting.kind {
                "short" => (i64::from(i16::MIN), i64::from(i16::MAX)),
                "int" => (i64::from(i32::MIN), i64::from(i32::MAX)),
                "long" => (i64::MIN, i64::MAX),
                _ => continue,
            };
            let bounds = match setting.allowed {
                Allowed::Any => vec![least, most],
                Allowed::AtLeast(low) => vec![low, most],
                Allowed::Between(low, high) => vec![low, high],
                Allowed::OrBetween(other, low, high) => vec![other, low, high],
                Allowed::NotZero => vec![least, -1, 1, most],
                Allowed::Fraction | Allowed::Only(..) => continue,
            };
            for bound in bounds {
                let set = set(setting.name, &bound.to_string());
                assert_eq!(set, Ok(()), "{}={bound}", setting.name);
            }
        }
    }

    #[test]
    fn a_topic_starts_with_what_the_broker_is_set_to() {
        let text = "log.roll.ms=5\nlog.retention.minutes=2\nlog.flush.scheduler.interval.ms=7\n\
                    log.message.format.version=0.9.0\nmessage.max.bytes=100";
        let broker = read_properties(text, &[]).unwrap();
        let log = LogConfig::from_broker(&broker);
        let expected = LogConfig {
            segment_ms: 5,
            retention_ms: Limit::from(120_000),
            flush_ms: 7,
            message_format_magic: 0,
            max_message_size: 100,
            ..LogConfig::default()
        };
        assert_eq!(log, expected);
    }

    #[test]
    fn an_override_changes_its_setting_only() {
        let given = overrides(&[
            ("retention.ms", "1"),
            ("cleanup.policy", "compact"),
            ("retention.ms", "2"),
        ]);
        let log = LogConfig::default().with_overrides(&given).unwrap();
        let cleanup_policy = CleanupPolicy::Compact;
        let retention_ms = Limit::from(2);
        assert_eq!(log, LogConfig { retention_ms, cleanup_policy, ..LogConfig::default() });
    }

    #[test]
    fn the_old_limit_of_timestamps_holds_where_the_new_ones_are_not_set() {
        let limits = |pairs: &[(&str, &str)]| {
            let config = LogConfig::default().with_overrides(&overrides(pairs)).unwrap();
            (config.timestamp_before_max_ms(), config.timestamp_after_max_ms())
        };
        let (before, after, old) = (
            "message.timestamp.before.max.ms",
            "message.timestamp.after.max.ms",
            "message.timestamp.difference.max.ms",
        );
        assert_eq!(limits(&[]), (i64::MAX, i64::MAX));
        assert_eq!(limits(&[(old, "7")]), (7, 7));
        assert_eq!(limits(&[(old, "7"), (after, "9")]), (7, 9));
        assert_eq!(limits(&[(before, "0")]), (0, i64::MAX));
    }

    #[test]
    fn a_compacted_log_rolls_in_time_to_be_cleaned() {
        let config = LogConfig { segment_ms: 10, max_compaction_lag_ms: 5, ..LogConfig::default() };
        assert_eq!(config.max_segment_ms(), 10);
        for cleanup_policy in [CleanupPolicy::Compact, CleanupPolicy::DeleteAndCompact] {
            let config = LogConfig { cleanup_policy, ..config.clone() };
            assert_eq!(config.max_segment_ms(), 5);
            assert_eq!(LogConfig { segment_ms: 3, ..config }.max_segment_ms(), 3);
        }
    }

    #[test]
    fn an_override_may_not_contradict_another_or_be_longer_than_an_answer_can_hold() {
        let why = |pairs: &[(&str, &str)], broker: LogConfig| {
            let config = broker.with_overrides(&overrides(pairs)).unwrap();
            config.contradiction(&overrides(pairs).into_iter().collect())
        };
        let (min, max) = ("min.compaction.lag.ms", "max.compaction.lag.ms");
        let broker = LogConfig { max_compaction_lag_ms: 5, ..LogConfig::default() };
        assert_eq!(why(&[(min, "5")], broker.clone()), None);
        let too_much = why(&[(min, "6")], broker).unwrap();
        assert_eq!(
            too_much,
            "`max.compaction.lag.ms`, 5, must not be less than `min.compaction.lag.ms`, 6"
        );
        assert!(why(&[(min, "6"), (max, "5")], LogConfig::default()).is_some());
        let long = "0".repeat(VALUE_BYTES_MAX);
        assert_eq!(why(&[("flush.ms", &long)], LogConfig::default()), None);
        assert!(why(&[("flush.ms", &format!("{long}0"))], LogConfig::default()).is_some());
    }

    #[test]
    fn each_wrong_override_is_named_with_its_value() {
        let given =
            overrides(&[("flush.messages", "0"), ("retention.mss", "1"), ("segment.bytes", "13")]);
        let errors = LogConfig::default().with_overrides(&given).unwrap_err();
        let texts: Vec<String> = errors.iter().map(ConfigError::to_string).collect();
        assert_eq!(
            texts,
            [
                "`flush.messages=0`: must be a whole number of at least 1",
                "`retention.mss=1`: unknown topic setting; did you mean `retention.ms`?",
                "`segment.bytes=13`: must be a whole number of at least 14",
            ]
        );
    }
}
