//! Port of `kafka.server.ConfigHelper` and `ServerTopicConfigSynonyms`: what each setting is, and
//! where that comes from.
//!
//! A setting that the broker's file sets to its own default cannot be told from one that the file
//! leaves out: both come from the default.

use std::collections::BTreeMap;

use crate::config::config_def::Setting;
use crate::config::kafka_config::KafkaConfig;
use crate::config::log_config::LogConfig;

/// The topic setting that decides how the bytes of a log are to be read.
pub const MESSAGE_FORMAT_VERSION: &str = "message.format.version";

/// Where the value of a setting comes from, with Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum ConfigSource {
    /// The topic overrides it: `DYNAMIC_TOPIC_CONFIG`.
    Topic = 1,
    /// The broker's file or command line: `STATIC_BROKER_CONFIG`.
    Broker = 4,
    /// Nobody sets it: `DEFAULT_CONFIG`.
    Default = 5,
}

/// A setting with its value.
#[derive(Clone, Debug)]
pub struct ConfigEntry {
    /// The row of the setting.
    pub setting: &'static Setting,
    /// The value that holds; none if it is not set.
    pub value: Option<String>,
    /// Where that comes from.
    pub source: ConfigSource,
    /// Whether it cannot be altered while the broker runs.
    pub is_read_only: bool,
    /// All places where it stands, the one that prevails first.
    pub synonyms: Vec<ConfigSynonym>,
}

/// A place where a setting stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// The setting's name there.
    pub name: &'static str,
    /// Its value there.
    pub value: String,
    /// Which place it is.
    pub source: ConfigSource,
}

/// All settings of a topic that has these overrides, which make `log_config`.
pub fn topic_entries(
    broker: &KafkaConfig,
    overrides: &BTreeMap<String, String>,
    log_config: &LogConfig,
) -> Vec<ConfigEntry> {
    let stated = stated_by(broker);
    let rows = LogConfig::SETTINGS.iter().zip(log_config.values());
    rows.map(|(setting, (name, value))| {
        let own = overrides.get(name).map(|value| ConfigSynonym {
            name,
            value: value.clone(),
            source: ConfigSource::Topic,
        });
        let inherited = broker_synonyms(name).iter().filter_map(|name| stated.get(name));
        let mut synonyms: Vec<_> = own.into_iter().chain(inherited.flatten().cloned()).collect();
        // What the file says prevails over every default.
        synonyms.sort_by_key(|it| it.source as i8);
        ConfigEntry {
            setting,
            value: Some(value),
            source: synonyms.first().map_or(ConfigSource::Default, |it| it.source),
            is_read_only: name == MESSAGE_FORMAT_VERSION,
            synonyms,
        }
    })
    .collect()
}

/// All settings of the broker. None of them can be altered while it runs.
pub fn broker_entries(broker: &KafkaConfig) -> Vec<ConfigEntry> {
    let stated = stated_by(broker);
    let rows = KafkaConfig::SETTINGS.iter().zip(broker.values());
    rows.map(|(setting, (name, value))| {
        let synonyms = stated.get(name).cloned().unwrap_or_default();
        ConfigEntry {
            setting,
            value: Some(value).filter(|value| !value.is_empty()),
            source: synonyms.first().map_or(ConfigSource::Default, |it| it.source),
            is_read_only: true,
            synonyms,
        }
    })
    .collect()
}

/// Each setting of the broker with the values that its file and its table state, in this order.
fn stated_by(broker: &KafkaConfig) -> BTreeMap<&'static str, Vec<ConfigSynonym>> {
    let rows = broker.values().into_iter().zip(KafkaConfig::default().values());
    rows.map(|((name, value), (_, default))| {
        let differs = value != default;
        let synonym = |value, source| ConfigSynonym { name, value, source };
        let of_file = differs.then(|| synonym(value, ConfigSource::Broker));
        let of_table = (!default.is_empty()).then(|| synonym(default, ConfigSource::Default));
        (name, of_file.into_iter().chain(of_table).collect())
    })
    .collect()
}

/// The settings of the broker that a topic's follows, the one that prevails first.
fn broker_synonyms(topic_setting: &str) -> &'static [&'static str] {
    match topic_setting {
        "segment.bytes" => &["log.segment.bytes"],
        "segment.ms" => &["log.roll.ms", "log.roll.hours"],
        "segment.jitter.ms" => &["log.roll.jitter.ms", "log.roll.jitter.hours"],
        "segment.index.bytes" => &["log.index.size.max.bytes"],
        "index.interval.bytes" => &["log.index.interval.bytes"],
        "flush.messages" => &["log.flush.interval.messages"],
        "flush.ms" => &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
        "retention.bytes" => &["log.retention.bytes"],
        "retention.ms" => &["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
        "file.delete.delay.ms" => &["log.segment.delete.delay.ms"],
        "delete.retention.ms" => &["log.cleaner.delete.retention.ms"],
        "min.cleanable.dirty.ratio" => &["log.cleaner.min.cleanable.ratio"],
        "min.compaction.lag.ms" => &["log.cleaner.min.compaction.lag.ms"],
        "cleanup.policy" => &["log.cleanup.policy"],
        "min.insync.replicas" => &["min.insync.replicas"],
        "max.message.bytes" => &["message.max.bytes"],
        "compression.type" => &["compression.type"],
        "preallocate" => &["log.preallocate"],
        MESSAGE_FORMAT_VERSION => &["log.message.format.version"],
        "message.timestamp.type" => &["log.message.timestamp.type"],
        "message.timestamp.difference.max.ms" => &["log.message.timestamp.difference.max.ms"],
        "message.downconversion.enable" => &["log.message.downconversion.enable"],
        "transferto.compressed.records.validation.enable" => {
            &["transferto.compressed.records.validation.enable"]
        }
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic_entry(broker: &str, overrides: &[(&str, &str)], name: &str) -> ConfigEntry {
        let broker = KafkaConfig::from_properties(broker, &[]).unwrap();
        let overrides: BTreeMap<_, _> =
            overrides.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let pairs: Vec<_> = overrides.clone().into_iter().collect();
        let log_config = LogConfig::from_broker(&broker).with_overrides(&pairs).unwrap();
        let entries = topic_entries(&broker, &overrides, &log_config);
        entries.into_iter().find(|it| it.setting.name == name).unwrap()
    }

    fn places(entry: &ConfigEntry) -> Vec<(&str, &str, ConfigSource)> {
        entry.synonyms.iter().map(|it| (it.name, it.value.as_str(), it.source)).collect()
    }

    #[test]
    fn the_override_prevails_over_the_file_and_the_file_over_the_default() {
        let entry =
            topic_entry("log.retention.minutes=5", &[("retention.ms", "7")], "retention.ms");
        assert_eq!((entry.value.as_deref(), entry.source), (Some("7"), ConfigSource::Topic));
        let expected = [
            ("retention.ms", "7", ConfigSource::Topic),
            ("log.retention.minutes", "5", ConfigSource::Broker),
            ("log.retention.hours", "168", ConfigSource::Default),
        ];
        assert_eq!(places(&entry), expected);
        let entry = topic_entry("log.retention.minutes=5", &[], "retention.ms");
        assert_eq!((entry.value.as_deref(), entry.source), (Some("300000"), ConfigSource::Broker));
        let entry = topic_entry("", &[], "retention.ms");
        assert_eq!(entry.source, ConfigSource::Default);
        assert_eq!(places(&entry), [("log.retention.hours", "168", ConfigSource::Default)]);
    }

    #[test]
    fn every_setting_of_a_topic_but_one_follows_the_broker() {
        let alone = LogConfig::SETTINGS.iter().filter(|it| broker_synonyms(it.name).is_empty());
        let alone: Vec<_> = alone.map(|it| it.name).collect();
        assert_eq!(alone, ["unclean.leader.election.enable"]);
    }

    #[test]
    fn what_the_file_of_the_broker_sets_comes_from_the_broker() {
        let broker = KafkaConfig::from_properties("num.partitions=3", &[]).unwrap();
        let entries = broker_entries(&broker);
        let entry = |name| entries.iter().find(|it| it.setting.name == name).unwrap();
        let partitions = entry("num.partitions");
        assert_eq!(partitions.source, ConfigSource::Broker);
        let expected = [
            ("num.partitions", "3", ConfigSource::Broker),
            ("num.partitions", "1", ConfigSource::Default),
        ];
        assert_eq!(places(partitions), expected);
        assert_eq!(entry("log.roll.ms").value, None);
        assert!(entries.iter().all(|it| it.is_read_only));
    }
}
