//! Port of the rules of `kafka.server.DynamicBrokerConfig`: which settings of the broker may change
//! while it runs, and which value prevails if a setting has several.

use std::collections::BTreeMap;

use crate::config::config_def::VALUE_BYTES_MAX;
use crate::config::config_reader::unknown;
use crate::config::kafka_config::KafkaConfig;
use crate::config::unsupported::Unsupported;

/// The settings that may change while the broker runs: of Kafka's `AllDynamicConfigs` those that
/// take effect here at once.
///
/// `num.network.threads` is not one of them: a connection stays with its Processor. Neither is
/// `log.message.format.version`, in Kafka as here: a log holds one format.
pub const DYNAMIC_SETTINGS: &[&str] = &[
    "background.threads",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "log.cleaner.backoff.ms",
    "log.cleaner.dedupe.buffer.size",
    "log.cleaner.delete.retention.ms",
    "log.cleaner.io.buffer.load.factor",
    "log.cleaner.io.buffer.size",
    "log.cleaner.io.max.bytes.per.second",
    "log.cleaner.max.compaction.lag.ms",
    "log.cleaner.min.cleanable.ratio",
    "log.cleaner.min.compaction.lag.ms",
    "log.cleaner.threads",
    "log.cleanup.policy",
    "log.flush.interval.messages",
    "log.flush.interval.ms",
    "log.index.interval.bytes",
    "log.index.size.max.bytes",
    "log.message.downconversion.enable",
    "log.message.timestamp.after.max.ms",
    "log.message.timestamp.before.max.ms",
    "log.message.timestamp.difference.max.ms",
    "log.message.timestamp.type",
    "log.preallocate",
    "log.retention.bytes",
    "log.retention.ms",
    "log.roll.jitter.ms",
    "log.roll.ms",
    "log.segment.bytes",
    "log.segment.delete.delay.ms",
    "max.connections.per.ip",
    "max.connections.per.ip.overrides",
    "message.max.bytes",
    "min.insync.replicas",
    "num.io.threads",
    "num.recovery.threads.per.data.dir",
    "producer.id.expiration.ms",
    "transferto.compressed.records.validation.enable",
];

/// The least memory for keys that a cleaner thread can work with, in bytes.
const DEDUPE_BUFFER_MIN_BYTES: usize = 1024 * 1024;

/// Settings by name, as they were given.
pub type ConfigMap = BTreeMap<String, String>;

/// Which settings an alteration is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DynamicScope {
    /// Those of this broker.
    Broker,
    /// Those of all brokers; a broker's own prevail.
    Default,
}

/// The settings that were altered while the broker ran.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DynamicConfigs {
    pub of_broker: ConfigMap,
    pub of_all: ConfigMap,
}

impl DynamicConfigs {
    pub fn of(&self, scope: DynamicScope) -> &ConfigMap {
        match scope {
            DynamicScope::Broker => &self.of_broker,
            DynamicScope::Default => &self.of_all,
        }
    }

    /// These, with the settings of one scope replaced.
    pub fn with(&self, scope: DynamicScope, configs: ConfigMap) -> Self {
        match scope {
            DynamicScope::Broker => Self { of_broker: configs, of_all: self.of_all.clone() },
            DynamicScope::Default => Self { of_broker: self.of_broker.clone(), of_all: configs },
        }
    }
}

/// The settings in effect, and the three places that they come from.
#[derive(Clone, Debug)]
pub struct CurrentConfig {
    of_file: KafkaConfig,
    dynamic: DynamicConfigs,
    config: KafkaConfig,
}

impl CurrentConfig {
    /// The settings of the file, overridden by those that were altered for all brokers, and these by
    /// those that were altered for this one.
    ///
    /// # Errors
    /// A sentence about the first setting that cannot be altered or has a value that is not allowed.
    pub fn new(of_file: KafkaConfig, dynamic: DynamicConfigs) -> Result<Self, String> {
        let mut config = of_file.clone();
        for (name, value) in dynamic.of_all.iter().chain(&dynamic.of_broker) {
            check_name(name)?;
            if value.len() > VALUE_BYTES_MAX {
                return Err(format!("`{name}` must be at most {VALUE_BYTES_MAX} bytes long"));
            }
            config.set(name, value).map_err(|why| format!("`{name}={value}`: {why}"))?;
        }
        Ok(Self { of_file, dynamic, config })
    }

    /// These settings, with other altered ones.
    ///
    /// # Errors
    /// As [`new`](Self::new); also for changes that Kafka refuses in view of the settings before: a
    /// number of threads may be halved or doubled at most, each cleaner thread needs memory, and some
    /// client must be able to connect.
    pub fn altered(&self, dynamic: DynamicConfigs) -> Result<Self, String> {
        let after = Self::new(self.of_file.clone(), dynamic)?;
        check_threads(&self.config, &after.config)?;
        check_cleaner(&self.config, &after.config)?;
        check_connections(&self.config, &after.config)?;
        check_compaction_lag(&self.config, &after.config)?;
        Ok(after)
    }

    /// A sentence about settings that contradict each other, but came from two places: the file, and
    /// an alteration made under another file. They are in effect all the same.
    pub fn contradiction(&self) -> Option<String> {
        self.config.compaction_lags().contradiction_sentence()
    }

    /// The settings in effect.
    pub fn config(&self) -> &KafkaConfig {
        &self.config
    }

    /// The settings of the file and the command line.
    pub fn of_file(&self) -> &KafkaConfig {
        &self.of_file
    }

    pub fn dynamic(&self) -> &DynamicConfigs {
        &self.dynamic
    }
}

/// A part of the broker whose settings may be altered: port of `kafka.server.BrokerReconfigurable`.
pub trait BrokerReconfigurable: Send + Sync {
    /// Applies `new` without waiting for anything, for other alterations wait meanwhile. The host
    /// names in `max.connections.per.ip.overrides` are replaced by their addresses. A failure is
    /// logged, and the settings are in effect all the same.
    fn reconfigure(&self, old: &KafkaConfig, new: &KafkaConfig);
}

/// Checks that a setting can be altered while the broker runs.
///
/// # Errors
/// A sentence that says why not. Kafka keeps unknown names for its users' own classes; this broker
/// loads none, and a misspelt name must not look as if it had an effect.
fn check_name(name: &str) -> Result<(), String> {
    if DYNAMIC_SETTINGS.contains(&name) {
        return Ok(());
    }
    if KafkaConfig::SETTINGS.iter().any(|it| it.name == name) {
        return Err(format!(
            "`{name}` cannot be altered while the broker runs; change it in its file or on its \
             command line, and restart it"
        ));
    }
    Err(match Unsupported::of(name) {
        Some(Unsupported::HasNoEffect(why)) => format!("`{name}` has no effect: {why}"),
        Some(Unsupported::StopsTheStart(why)) => format!("`{name}` is not supported: {why}"),
        None => format!("`{name}`: {}", unknown(name)),
    })
}

/// A contradiction with the file, which may have changed since, does not prevent an alteration of
/// other settings.
fn check_compaction_lag(before: &KafkaConfig, after: &KafkaConfig) -> Result<(), String> {
    let lags = after.compaction_lags();
    if before.compaction_lags() == lags {
        return Ok(());
    }
    lags.contradiction_sentence().map_or(Ok(()), Err)
}

/// Port of the checks in `DynamicThreadPool` and in `LogCleaner.validateReconfiguration`.
fn check_threads(before: &KafkaConfig, after: &KafkaConfig) -> Result<(), String> {
    for (name, before, after) in [
        ("num.io.threads", before.num_io_threads, after.num_io_threads),
        ("background.threads", before.background_threads, after.background_threads),
        (
            "num.recovery.threads.per.data.dir",
            before.num_recovery_threads_per_data_dir,
            after.num_recovery_threads_per_data_dir,
        ),
        ("log.cleaner.threads", before.log_cleaner_threads, after.log_cleaner_threads),
    ] {
        let (least, most) = (before / 2, before.saturating_mul(2));
        if !(least..=most).contains(&after) {
            let least = least.max(1);
            return Err(format!(
                "`{name}={after}`: must be from {least} to {most}: \
                 {before} threads can be halved or doubled at most at once"
            ));
        }
    }
    Ok(())
}

fn check_cleaner(before: &KafkaConfig, after: &KafkaConfig) -> Result<(), String> {
    let memory = |it: &KafkaConfig| (it.log_cleaner_dedupe_buffer_size, it.log_cleaner_threads);
    let (bytes, threads) = memory(after);
    let per_thread = bytes / threads.max(1);
    if memory(before) == memory(after) || per_thread >= DEDUPE_BUFFER_MIN_BYTES {
        return Ok(());
    }
    Err(format!(
        "`log.cleaner.dedupe.buffer.size={bytes}`: must be at least {DEDUPE_BUFFER_MIN_BYTES} for \
         each of the {threads} threads of `log.cleaner.threads`"
    ))
}

/// Without a client that can connect, the alteration could not be undone.
fn check_connections(before: &KafkaConfig, after: &KafkaConfig) -> Result<(), String> {
    let admits_nobody = |it: &KafkaConfig| {
        let overrides = &it.max_connections_per_ip_overrides;
        it.max_connections_per_ip == 0 && overrides.iter().all(|(_, limit)| *limit == 0)
    };
    if admits_nobody(after) && !admits_nobody(before) {
        let why = "`max.connections.per.ip=0`: must be at least 1, unless \
                   `max.connections.per.ip.overrides` names an address that may connect";
        return Err(why.to_string());
    }
    Ok(())
}

/// A Markdown table of the settings that may change while the broker runs.
pub fn dynamic_settings_to_markdown() -> String {
    let row = |name: &&str| {
        let setting = KafkaConfig::SETTINGS.iter().find(|it| it.name == *name);
        let setting = setting.expect("a dynamic setting is a setting");
        format!("| `{name}` | {} |\n", setting.allowed_values())
    };
    let head = "| name | allowed |\n|---|---|\n".to_string();
    head + &DYNAMIC_SETTINGS.iter().map(row).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::config_reader::read_properties;
    use crate::config::limit::Limit;

    fn map(pairs: &[(&str, &str)]) -> ConfigMap {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    fn current(file: &str) -> CurrentConfig {
        let config = read_properties(file, &[]).unwrap();
        CurrentConfig::new(config, DynamicConfigs::default()).unwrap()
    }

    fn altered(file: &str, pairs: &[(&str, &str)]) -> Result<CurrentConfig, String> {
        let configs = DynamicConfigs::default().with(DynamicScope::Broker, map(pairs));
        current(file).altered(configs)
    }

    #[test]
    fn what_is_dynamic_is_a_setting_and_in_order() {
        assert!(DYNAMIC_SETTINGS.is_sorted());
        for name in DYNAMIC_SETTINGS {
            assert!(KafkaConfig::SETTINGS.iter().any(|it| it.name == *name), "{name}");
        }
    }

    #[test]
    fn this_brokers_prevail_over_those_of_all_brokers_and_those_over_the_file() {
        let (of_all, of_broker) = (
            map(&[("message.max.bytes", "2"), ("log.retention.bytes", "2")]),
            map(&[("message.max.bytes", "3")]),
        );
        let file = "message.max.bytes=1\nlog.retention.bytes=1\nlog.roll.ms=1";
        let after = current(file).altered(DynamicConfigs { of_broker, of_all }).unwrap();
        let config = after.config();
        assert_eq!((config.message_max_bytes, config.log_retention_bytes), (3, Limit::from(2)));
        assert_eq!(config.log_roll_ms, Some(1));
        assert_eq!(after.of_file().message_max_bytes, 1);
    }

    #[test]
    fn what_cannot_be_altered_is_refused_with_the_reason() {
        for (name, value, why) in [
            ("queued.max.requests", "9", "on its command line, and restart"),
            ("num.network.threads", "4", "on its command line, and restart"),
            ("unclean.leader.election.enable", "true", "has no effect: this broker is alone"),
            ("max.connections", "9", "is not supported: this broker limits"),
            ("retention.ms", "9", "did you mean `log.retention.ms`?"),
            ("num.oi.threads", "9", "did you mean `num.io.threads`?"),
            ("num.io.threads", "none", "must be a whole number from 1 to 1024"),
            ("log.retention.ms", "0", "must be a whole number other than 0"),
        ] {
            let error = altered("", &[(name, value)]).unwrap_err();
            assert!(error.starts_with(&format!("`{name}")) && error.contains(why), "{error}");
        }
        let long = "127.0.0.1:1,".repeat(VALUE_BYTES_MAX / 12 + 1);
        let error = altered("", &[("max.connections.per.ip.overrides", &long)]).unwrap_err();
        assert!(error.contains("at most 32767 bytes"), "{error}");
        let as_long_as_can_be_described = format!("{:>32767}", "127.0.0.1:1");
        let name = "max.connections.per.ip.overrides";
        altered("", &[(name, &as_long_as_can_be_described)]).unwrap();
        assert!(altered("", &[(name, &format!(" {as_long_as_can_be_described}"))]).is_err());
    }

    #[test]
    fn threads_are_halved_or_doubled_at_most() {
        let file = "num.io.threads=9";
        for good in ["4", "9", "18"] {
            altered(file, &[("num.io.threads", good)]).unwrap();
        }
        for bad in ["3", "19", "1024"] {
            let error = altered(file, &[("num.io.threads", bad)]).unwrap_err();
            assert!(error.contains("must be from 4 to 18: 9 threads"), "{error}");
        }
        assert!(altered("", &[("log.cleaner.threads", "3")]).is_err(), "1 thread becomes 2");
        for name in ["num.io.threads", "background.threads", "num.recovery.threads.per.data.dir"] {
            let file = format!("{name}=1000");
            altered(&file, &[(name, "1024")]).unwrap();
            let error = altered(&file, &[(name, "1025")]).unwrap_err();
            assert!(error.contains("must be a whole number from 1 to 1024"), "{error}");
        }
        let read_from_a_file = DynamicConfigs::default();
        let stored = map(&[("num.io.threads", "64")]);
        let stored = read_from_a_file.with(DynamicScope::Broker, stored);
        CurrentConfig::new(KafkaConfig::default(), stored).expect("what was allowed step by step");
    }

    #[test]
    fn the_lags_of_compaction_may_not_contradict_each_other_wherever_they_are_set() {
        let (min, max) = ("log.cleaner.min.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms");
        let file = format!("{min}=5");
        altered(&file, &[(max, "5")]).unwrap();
        let error = altered(&file, &[(max, "4")]).unwrap_err();
        assert_eq!(error, format!("`{max}`, 4, must not be less than `{min}`, 5"));
        assert!(altered("", &[(min, "6"), (max, "5")]).is_err());
    }

    #[test]
    fn lags_that_contradict_each_other_since_the_file_changed_hinder_no_other_alteration() {
        let (min, max) = ("log.cleaner.min.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms");
        let stored = map(&[(max, "4000")]);
        let stored = DynamicConfigs::default().with(DynamicScope::Broker, stored);
        let file = read_properties(&format!("{min}=5000"), &[]).unwrap();
        let current = CurrentConfig::new(file, stored.clone()).unwrap();
        assert!(current.contradiction().unwrap().contains("must not be less"));
        let with =
            |pairs: &[(&str, &str)]| current.altered(stored.with(DynamicScope::Broker, map(pairs)));
        with(&[(max, "4000"), ("log.roll.ms", "5")]).unwrap();
        assert!(with(&[(max, "4001")]).is_err());
        assert_eq!(with(&[(max, "5000")]).unwrap().contradiction(), None);
    }

    #[test]
    fn each_cleaner_thread_has_memory_and_what_the_file_says_is_not_held_against_the_rest() {
        let file = "log.cleaner.dedupe.buffer.size=1048576\nlog.cleaner.threads=2";
        altered(file, &[("message.max.bytes", "5")]).unwrap();
        let error = altered(file, &[("log.cleaner.threads", "3")]).unwrap_err();
        assert!(error.contains("each of the 3 threads"), "{error}");
    }

    #[test]
    fn an_admin_cannot_lock_everybody_out_for_good() {
        assert!(altered("", &[("max.connections.per.ip", "0")]).is_err());
        let overrides = ("max.connections.per.ip.overrides", "127.0.0.1:5");
        altered("", &[("max.connections.per.ip", "0"), overrides]).unwrap();
        let nobody = ("max.connections.per.ip.overrides", "127.0.0.1:0,::1:0");
        assert!(altered("", &[("max.connections.per.ip", "0"), nobody]).is_err());
        altered("max.connections.per.ip=0", &[("log.roll.ms", "5")]).unwrap();
    }
}
