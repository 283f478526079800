//! Port of `kafka.server.ConfigHelper` and `ServerTopicConfigSynonyms`: the value of each setting, and
//! its source.
//!
//! A setting that the broker's file sets to its default is treated as if the file left it out: the
//! source of both is the default.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::config::config_def::Setting;
use crate::config::config_type::Kind;
use crate::config::dynamic_config::{ConfigMap, CurrentConfig, DYNAMIC_SETTINGS};
use crate::config::kafka_config::KafkaConfig;
use crate::config::log_config::LogConfig;
use crate::config::password::Password;

/// The topic setting that decides the format of a log.
pub const MESSAGE_FORMAT_VERSION: &str = "message.format.version";

/// Where the value of a setting comes from, with the numbers of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum ConfigSource {
    /// An override of the topic: `DYNAMIC_TOPIC_CONFIG`.
    Topic = 1,
    /// Altered for this broker while it ran: `DYNAMIC_BROKER_CONFIG`.
    DynamicBroker = 2,
    /// Altered for all brokers while they ran: `DYNAMIC_DEFAULT_BROKER_CONFIG`.
    DynamicDefault = 3,
    /// The broker's file or command line: `STATIC_BROKER_CONFIG`.
    Broker = 4,
    /// Set nowhere: `DEFAULT_CONFIG`.
    Default = 5,
}

/// A setting with its value.
#[derive(Clone, Debug)]
pub struct ConfigEntry {
    /// That of the setting, for one listener with its prefix.
    pub name: Cow<'static, str>,
    pub setting: &'static Setting,
    /// The value in effect; none if it is not set. Of a secret, what is shown in place of it.
    pub value: Option<String>,
    pub source: ConfigSource,
    /// Whether it cannot be altered while the broker runs.
    pub is_read_only: bool,
    /// All places that set it, the one that prevails first.
    pub synonyms: Vec<ConfigSynonym>,
}

impl ConfigEntry {
    /// Whether no client may see the value.
    pub fn is_sensitive(&self) -> bool {
        self.setting.kind == Password::NAME
    }
}

/// A place that sets a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigSynonym {
    pub name: Cow<'static, str>,
    pub value: String,
    pub source: ConfigSource,
}

/// All settings of a topic that has these overrides, which make `log_config`.
pub fn topic_entries(
    broker: &CurrentConfig,
    overrides: &BTreeMap<String, String>,
    log_config: &LogConfig,
) -> Vec<ConfigEntry> {
    let stated = stated_by(broker);
    let rows = LogConfig::SETTINGS.iter().zip(log_config.values());
    rows.map(|(setting, (name, mut value))| {
        // Several versions of Kafka have the same magic; show the one that was given.
        if let Some(version) = overrides.get(MESSAGE_FORMAT_VERSION)
            && name == MESSAGE_FORMAT_VERSION
        {
            value = version.trim().to_string();
        }
        // Not the text as given, but the value as Kafka shows it: tools compare it.
        let own = overrides.contains_key(name).then(|| ConfigSynonym {
            name: Cow::Borrowed(name),
            value: value.clone(),
            source: ConfigSource::Topic,
        });
        let inherited = broker_synonyms(name).iter().filter_map(|name| stated.get(name));
        let mut synonyms: Vec<_> = own.into_iter().chain(inherited.flatten().cloned()).collect();
        // The source decides which one prevails, whichever of the names it uses.
        synonyms.sort_by_key(|it| it.source as i8);
        ConfigEntry {
            name: Cow::Borrowed(name),
            setting,
            value: Some(value),
            source: synonyms.first().map_or(ConfigSource::Default, |it| it.source),
            is_read_only: name == MESSAGE_FORMAT_VERSION,
            synonyms,
        }
    })
    .collect()
}

/// All settings of the broker, and those that are set for single listeners.
pub fn broker_entries(broker: &CurrentConfig) -> Vec<ConfigEntry> {
    let stated = stated_by(broker);
    let mut entries = entries_of_all_listeners(broker, &stated);
    entries.extend(entries_of_single_listeners(broker, &stated));
    entries
}

fn entries_of_all_listeners(broker: &CurrentConfig, stated: &Stated) -> Vec<ConfigEntry> {
    let rows = KafkaConfig::SETTINGS.iter().zip(broker.config().values());
    rows.map(|(setting, (name, value))| {
        let names = broker_alternatives(name).unwrap_or(std::slice::from_ref(&setting.name));
        let mut synonyms: Vec<_> =
            names.iter().filter_map(|name| stated.get(name)).flatten().cloned().collect();
        synonyms.sort_by_key(|it| it.source as i8);
        // Like Kafka, omit synonyms that precede the setting's own name.
        let before = synonyms.iter().take_while(|it| it.name != name).count();
        synonyms.drain(..before);
        ConfigEntry {
            name: Cow::Borrowed(name),
            setting,
            value: Some(value).filter(|value| !is_unset(setting, value)),
            source: synonyms.first().map_or(ConfigSource::Default, |it| it.source),
            is_read_only: !DYNAMIC_SETTINGS.contains(&name),
            synonyms,
        }
    })
    .collect()
}

/// Each is shown as read-only, as Kafka shows it, whether it can be altered or not. What it overrides
/// follows as a synonym.
fn entries_of_single_listeners(broker: &CurrentConfig, stated: &Stated) -> Vec<ConfigEntry> {
    let mut entries = BTreeMap::new();
    // Of several with one name the last one prevails: what was altered, before what the file says.
    for it in broker.config().listener_settings.iter().rev() {
        let is_altered = broker.dynamic().of_broker.contains_key(&it.full_name());
        let of_file = || ConfigSource::Broker;
        let entry = entries.entry(it.full_name()).or_insert_with(|| ConfigEntry {
            name: Cow::Owned(it.full_name()),
            setting: KafkaConfig::row(&it.name).expect("a listener has settings of the table"),
            value: Some(it.shown_value()),
            source: if is_altered { ConfigSource::DynamicBroker } else { of_file() },
            is_read_only: true,
            synonyms: Vec::new(),
        });
        let source = if entry.synonyms.is_empty() { entry.source } else { of_file() };
        let (name, value) = (entry.name.clone(), it.shown_value());
        entry.synonyms.push(ConfigSynonym { name, value, source });
    }
    for entry in entries.values_mut() {
        entry.synonyms.extend(stated.get(entry.setting.name).into_iter().flatten().cloned());
    }
    entries.into_values().collect()
}

/// The settings that were altered for all brokers while they ran.
pub fn broker_default_entries(broker: &CurrentConfig) -> Vec<ConfigEntry> {
    let set = KafkaConfig::SETTINGS.iter().filter_map(|setting| {
        let value = broker.dynamic().of_all.get(setting.name)?.clone();
        Some((setting, value))
    });
    set.map(|(setting, value)| {
        let (name, source) = (Cow::Borrowed(setting.name), ConfigSource::DynamicDefault);
        let synonyms = vec![ConfigSynonym { name: name.clone(), value: value.clone(), source }];
        ConfigEntry { name, setting, value: Some(value), source, is_read_only: false, synonyms }
    })
    .collect()
}

/// A setting without a value, which is not the same as one with an empty value.
fn is_unset(setting: &Setting, value: &str) -> bool {
    setting.is_optional && value.is_empty()
}

/// Each setting of the broker with its values, the one that prevails first.
type Stated = BTreeMap<&'static str, Vec<ConfigSynonym>>;

fn stated_by(broker: &CurrentConfig) -> Stated {
    let rows = broker.of_file().values().into_iter().zip(KafkaConfig::default().values());
    let rows = KafkaConfig::SETTINGS.iter().zip(rows);
    let dynamic = |configs: &ConfigMap, name: &'static str, source| {
        let synonym = |value: &String| ConfigSynonym {
            name: Cow::Borrowed(name),
            value: value.clone(),
            source,
        };
        configs.get(name).map(synonym)
    };
    rows.map(|(setting, ((name, value), (_, default)))| {
        let differs = value != default;
        let synonym = |value, source| ConfigSynonym { name: Cow::Borrowed(name), value, source };
        let synonyms = [
            dynamic(&broker.dynamic().of_broker, name, ConfigSource::DynamicBroker),
            dynamic(&broker.dynamic().of_all, name, ConfigSource::DynamicDefault),
            differs.then(|| synonym(value, ConfigSource::Broker)),
            (!is_unset(setting, &default)).then(|| synonym(default, ConfigSource::Default)),
        ];
        (name, synonyms.into_iter().flatten().collect())
    })
    .collect()
}

/// Port of `DynamicBrokerConfig.brokerConfigSynonyms`: settings that mean the same in different units,
/// the one that prevails first.
fn broker_alternatives(name: &str) -> Option<&'static [&'static str]> {
    const ALTERNATIVES: [&[&str]; 4] = [
        &["log.roll.ms", "log.roll.hours"],
        &["log.roll.jitter.ms", "log.roll.jitter.hours"],
        &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
        &["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
    ];
    ALTERNATIVES.into_iter().find(|it| it.contains(&name))
}

/// The settings of the broker that a topic setting defaults to, the one that prevails first.
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
        "max.compaction.lag.ms" => &["log.cleaner.max.compaction.lag.ms"],
        "cleanup.policy" => &["log.cleanup.policy"],
        "min.insync.replicas" => &["min.insync.replicas"],
        "max.message.bytes" => &["message.max.bytes"],
        "compression.type" => &["compression.type"],
        "compression.gzip.level" => &["compression.gzip.level"],
        "compression.lz4.level" => &["compression.lz4.level"],
        "compression.zstd.level" => &["compression.zstd.level"],
        "preallocate" => &["log.preallocate"],
        MESSAGE_FORMAT_VERSION => &["log.message.format.version"],
        "message.timestamp.type" => &["log.message.timestamp.type"],
        "message.timestamp.before.max.ms" => &["log.message.timestamp.before.max.ms"],
        "message.timestamp.after.max.ms" => &["log.message.timestamp.after.max.ms"],
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
    use crate::config::config_reader::read_properties;
    use crate::config::dynamic_config::DynamicConfigs;

    fn map(pairs: &[(&str, &str)]) -> ConfigMap {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    fn current(file: &str, of_all: &[(&str, &str)], of_broker: &[(&str, &str)]) -> CurrentConfig {
        let file = read_properties(file, &[]).unwrap();
        let dynamic = DynamicConfigs { of_broker: map(of_broker), of_all: map(of_all) };
        CurrentConfig::new(file, dynamic).unwrap()
    }

    fn topic_entry(broker: &str, overrides: &[(&str, &str)], name: &str) -> ConfigEntry {
        let broker = current(broker, &[], &[]);
        let overrides: BTreeMap<_, _> =
            overrides.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let pairs: Vec<_> = overrides.clone().into_iter().collect();
        let log_config = LogConfig::from_broker(broker.config()).with_overrides(&pairs).unwrap();
        let entries = topic_entries(&broker, &overrides, &log_config);
        entries.into_iter().find(|it| it.setting.name == name).unwrap()
    }

    fn places(entry: &ConfigEntry) -> Vec<(&str, &str, ConfigSource)> {
        entry.synonyms.iter().map(|it| (&*it.name, it.value.as_str(), it.source)).collect()
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
    fn an_override_is_shown_as_what_it_means() {
        for (name, given, shown) in [
            ("retention.ms", " +007 ", "7"),
            ("preallocate", "TRUE", "true"),
            ("min.cleanable.dirty.ratio", "1", "1.0"),
            ("cleanup.policy", "delete , compact", "delete,compact"),
            ("compression.type", " gzip ", "gzip"),
            ("message.format.version", " 0.10.2 ", "0.10.2"),
        ] {
            let entry = topic_entry("", &[(name, given)], name);
            assert_eq!(entry.value.as_deref(), Some(shown));
            assert_eq!(places(&entry)[0], (name, shown, ConfigSource::Topic));
        }
    }

    #[test]
    fn every_setting_that_has_an_effect_follows_the_broker() {
        let alone = LogConfig::SETTINGS.iter().filter(|it| broker_synonyms(it.name).is_empty());
        let alone: Vec<_> = alone.map(|it| it.name).collect();
        let without_effect = [
            "unclean.leader.election.enable",
            "max.decompressed.message.bytes",
            "remote.storage.enable",
            "local.retention.ms",
            "local.retention.bytes",
            "remote.log.copy.disable",
            "remote.log.delete.on.disable",
            "remote.copy.lag.ms",
            "remote.copy.lag.bytes",
            "leader.replication.throttled.replicas",
            "follower.replication.throttled.replicas",
            "errors.deadletterqueue.group.enable",
        ];
        assert_eq!(alone, without_effect);
    }

    /// Kafka lets all of them be altered, too, but for the one that no log can follow.
    #[test]
    fn what_a_topic_follows_may_change_while_the_broker_runs() {
        let followed = LogConfig::SETTINGS.iter().filter_map(|it| broker_synonyms(it.name).first());
        let fixed: Vec<_> = followed.filter(|it| !DYNAMIC_SETTINGS.contains(it)).collect();
        assert_eq!(fixed, [&"log.message.format.version"]);
    }

    #[test]
    fn what_the_file_of_the_broker_sets_comes_from_the_broker() {
        let broker = current("num.partitions=3", &[], &[]);
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
        assert!(partitions.is_read_only && !entry("log.roll.ms").is_read_only);
    }

    /// As a Kafka 4.4.0 describes the same settings.
    #[test]
    fn what_was_set_while_the_broker_ran_comes_first_and_the_other_units_behind_it() {
        let broker = current(
            "log.retention.minutes=5\nlog.roll.hours=9",
            &[("log.retention.ms", "100000"), ("log.roll.ms", "50")],
            &[("log.retention.ms", "200000")],
        );
        let entries = broker_entries(&broker);
        let entry = |name| entries.iter().find(|it| it.setting.name == name).unwrap();
        let retention = entry("log.retention.ms");
        assert_eq!(retention.value.as_deref(), Some("200000"));
        assert_eq!(retention.source, ConfigSource::DynamicBroker);
        let expected = [
            ("log.retention.ms", "200000", ConfigSource::DynamicBroker),
            ("log.retention.ms", "100000", ConfigSource::DynamicDefault),
            ("log.retention.minutes", "5", ConfigSource::Broker),
            ("log.retention.hours", "168", ConfigSource::Default),
        ];
        assert_eq!(places(retention), expected);
        assert_eq!(places(entry("log.retention.minutes")), expected[2..]);
        assert_eq!(places(entry("log.retention.hours")), expected[3..]);
        assert_eq!(places(entry("log.roll.jitter.ms")), []);
        let of_all = broker_default_entries(&broker);
        let of_all: Vec<_> = of_all.iter().map(places).collect();
        let expected = [
            [("log.roll.ms", "50", ConfigSource::DynamicDefault)],
            [("log.retention.ms", "100000", ConfigSource::DynamicDefault)],
        ];
        assert_eq!(of_all, expected);
    }

    /// As a Kafka 4.4.0 describes the same settings.
    #[test]
    fn what_is_set_for_a_listener_is_shown_with_what_it_overrides() {
        let file = "listeners=IN://127.0.0.1:1,OUT://127.0.0.1:2\n\
                    listener.security.protocol.map=IN:PLAINTEXT,OUT:SASL_SSL\n\
                    sasl.enabled.mechanisms=PLAIN\nssl.keystore.type=PKCS12\n\
                    listener.name.out.ssl.keystore.location=/a.p12\n\
                    listener.name.out.ssl.keystore.password=hush\n\
                    listener.name.out.plain.sasl.jaas.config=hush\nsasl.jaas.config=hush\n";
        let of_broker = [("listener.name.out.ssl.keystore.location", "/b.p12")];
        let entries = broker_entries(&current(file, &[], &of_broker));
        let entry = |name: &str| entries.iter().find(|it| it.name == name).unwrap();
        let (location, source) = ("listener.name.out.ssl.keystore.location", ConfigSource::Broker);
        let dynamic = (location, "/b.p12", ConfigSource::DynamicBroker);
        assert_eq!(places(entry(location)), [dynamic, (location, "/a.p12", source)]);
        assert_eq!(entry(location).value.as_deref(), Some("/b.p12"));
        assert_eq!(entry(location).source, ConfigSource::DynamicBroker);
        assert!(entry(location).is_read_only && !entry(location).is_sensitive());
        let jaas = "listener.name.out.plain.sasl.jaas.config";
        let hidden = [(jaas, "[hidden]", source), ("sasl.jaas.config", "[hidden]", source)];
        assert_eq!(places(entry(jaas)), hidden);
        assert!(entry(jaas).is_sensitive() && entry("ssl.keystore.password").is_sensitive());
        assert!(!format!("{entries:?}").contains("hush"));
    }

    /// As a Kafka 4.4.0 describes the same settings.
    #[test]
    fn nothing_and_an_empty_text_are_distinguished() {
        let entries = broker_entries(&current("", &[], &[]));
        let entry = |name| entries.iter().find(|it| it.setting.name == name).unwrap();
        for name in ["authorizer.class.name", "max.connections.per.ip.overrides"] {
            assert_eq!(entry(name).value.as_deref(), Some(""), "{name}");
            assert_eq!(places(entry(name)), [(name, "", ConfigSource::Default)]);
        }
        for name in ["advertised.listeners", "log.roll.ms"] {
            assert_eq!(entry(name).value, None, "{name}");
            assert_eq!(places(entry(name)), []);
        }
    }
}
