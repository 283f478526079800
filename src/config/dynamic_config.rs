//! Port of the rules of `kafka.server.DynamicBrokerConfig`: which settings of the broker may change
//! while it runs, and which value prevails if a setting has several.

use std::collections::BTreeMap;

use crate::config::config_def::VALUE_BYTES_MAX;
use crate::config::config_reader::unknown;
use crate::config::kafka_config::KafkaConfig;
use crate::config::listener_setting::{ListenerSetting, PREFIX};
use crate::config::listener_setting_reader;
use crate::config::listener_setting_reader::Taken;
use crate::config::secrets;
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
    "follower.replication.throttled.rate",
    "leader.replication.throttled.rate",
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
    "num.replica.fetchers",
    "producer.id.expiration.ms",
    "transferto.compressed.records.validation.enable",
];

/// Port of `SslConfigs.RECONFIGURABLE_CONFIGS`: what may change for one listener, with its prefix, and
/// for this broker only: its key and certificates, and whom it trusts.
pub const DYNAMIC_LISTENER_SETTINGS: &[&str] = &[
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
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

    fn of_mut(&mut self, scope: DynamicScope) -> &mut ConfigMap {
        match scope {
            DynamicScope::Broker => &mut self.of_broker,
            DynamicScope::Default => &mut self.of_all,
        }
    }

    /// Each setting with its scope, those that prevail last.
    fn into_each(self) -> impl Iterator<Item = (DynamicScope, String, String)> {
        let of = |scope| move |(name, value)| (scope, name, value);
        let of_all = self.of_all.into_iter().map(of(DynamicScope::Default));
        of_all.chain(self.of_broker.into_iter().map(of(DynamicScope::Broker)))
    }

    /// Whether a value is for nobody's eyes.
    pub fn hold_secrets(&self) -> bool {
        self.of_broker.keys().chain(self.of_all.keys()).any(|name| secrets::is_secret(name))
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
    without_listener: Vec<String>,
}

impl CurrentConfig {
    /// The settings of the file, overridden by those that were altered for all brokers, and these by
    /// those that were altered for this one.
    ///
    /// What was altered for a listener that the file has no longer is kept, without effect:
    /// [`without_listener`](Self::without_listener).
    ///
    /// # Errors
    /// A sentence about the first setting that cannot be altered or has a value that is not allowed.
    pub fn new(of_file: KafkaConfig, dynamic: DynamicConfigs) -> Result<Self, String> {
        let mut current = Self::unaltered(of_file);
        for (scope, name, value) in dynamic.into_each() {
            current.put(scope, name, value)?;
        }
        Ok(current)
    }

    /// As [`new`](Self::new) with those of the altered settings that can be altered, to the value that they
    /// have. Returns a sentence about each of the others.
    pub fn admitting(of_file: KafkaConfig, dynamic: DynamicConfigs) -> (Self, Vec<String>) {
        let mut current = Self::unaltered(of_file);
        let mut refused = Vec::new();
        for (scope, name, value) in dynamic.into_each() {
            refused.extend(current.put(scope, name, value).err());
        }
        (current, refused)
    }

    fn unaltered(of_file: KafkaConfig) -> Self {
        let config = of_file.clone();
        Self { of_file, dynamic: DynamicConfigs::default(), config, without_listener: Vec::new() }
    }

    /// Overrides what is there. Nothing changed if it fails.
    fn put(&mut self, scope: DynamicScope, name: String, value: String) -> Result<(), String> {
        if scope == DynamicScope::Default {
            check_scope_of_all(&name)?;
        }
        if value.len() > VALUE_BYTES_MAX {
            return Err(format!("`{name}` must be at most {VALUE_BYTES_MAX} bytes long"));
        }
        if name.starts_with(PREFIX) {
            match listener_setting_reader::listener_of(&self.of_file, &name) {
                Ok(_) => {
                    let setting = listener_setting(&self.config, &name, &value)?;
                    self.config.listener_settings.push(setting);
                }
                Err(_) => self.without_listener.push(name.clone()),
            }
        } else {
            check_name(&name)?;
            self.config.set(&name, &value).map_err(|why| wrong(&name, &value, &why))?;
        }
        self.dynamic.of_mut(scope).insert(name, value);
        Ok(())
    }

    /// These settings, with other altered ones.
    ///
    /// # Errors
    /// As [`new`](Self::new); also for a listener that is not there, and for changes that Kafka refuses
    /// in view of the settings before: a number of threads may be halved or doubled at most, each
    /// cleaner thread needs memory, and some client must be able to connect.
    pub fn altered(&self, dynamic: DynamicConfigs) -> Result<Self, String> {
        let after = Self::new(self.of_file.clone(), dynamic)?;
        let is_new = |name: &&String| {
            self.dynamic.of_broker.get(*name) != after.dynamic.of_broker.get(*name)
        };
        if let Some(name) = after.without_listener.iter().find(is_new) {
            let value = &after.dynamic.of_broker[name];
            let why = listener_setting_reader::listener_of(&self.of_file, name).err();
            return Err(wrong(name, value, &why.unwrap_or_default()));
        }
        check_threads(&self.config, &after.config)?;
        check_cleaner(&self.config, &after.config)?;
        check_connections(&self.config, &after.config)?;
        check_compaction_lag(&self.config, &after.config)?;
        Ok(after)
    }

    /// The altered settings of listeners that are no longer there.
    pub fn without_listener(&self) -> &[String] {
        &self.without_listener
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
    /// Whether this part can apply `new`: asked before an alteration is kept, and if it is only to be
    /// checked. Port of `BrokerReconfigurable.validateReconfiguration`.
    ///
    /// # Errors
    /// A sentence for the client, without a secret.
    fn validate(&self, _new: &KafkaConfig) -> Result<(), String> {
        Ok(())
    }

    /// Applies `new` without waiting for anything, for other alterations wait meanwhile. The host
    /// names in `max.connections.per.ip.overrides` are replaced by their addresses. A failure is
    /// logged, and the settings are in effect all the same.
    ///
    /// `old` and `new` are the same if a client has set what was set before. The files that the
    /// settings name may have changed all the same: Kafka's `reloadUpdatedFilesWithoutConfigChange`.
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
    if DYNAMIC_LISTENER_SETTINGS.contains(&name) {
        return Err(format!(
            "`{name}` can be altered for one listener only: `{PREFIX}<listener>.{name}`, with the \
             listener's name in lower case"
        ));
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

/// A listener is this broker's.
fn check_scope_of_all(name: &str) -> Result<(), String> {
    if !name.starts_with(PREFIX) {
        return Ok(());
    }
    Err(format!("`{name}` cannot be altered for all brokers: name the broker whose listener it is"))
}

/// What an alteration sets for a listener that is there.
fn listener_setting(
    config: &KafkaConfig,
    name: &str,
    value: &str,
) -> Result<ListenerSetting, String> {
    let setting = match listener_setting_reader::take(config, name, value) {
        Ok(Taken::Holds(setting)) => setting,
        Ok(Taken::HasNoEffect(why)) => return Err(format!("`{name}` has no effect: {why}")),
        Err(why) => return Err(wrong(name, value, &why)),
    };
    if setting.mechanism.is_none() && DYNAMIC_LISTENER_SETTINGS.contains(&setting.name.as_str()) {
        return Ok(setting);
    }
    Err(format!(
        "`{name}` cannot be altered while the broker runs; change it in its file or on its command \
         line, and restart it"
    ))
}

/// The error for a value that is not allowed, or a name that nobody has; a secret is not shown.
fn wrong(name: &str, value: &str, why: &str) -> String {
    format!("`{name}={}`: {why}", secrets::shown(name, value))
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
        ("num.replica.fetchers", before.num_replica_fetchers, after.num_replica_fetchers),
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
    let of_listener = |name: &&str| row(name).replacen('`', "`listener.name.<listener>.", 1);
    let rows = DYNAMIC_SETTINGS.iter().map(row);
    head + &rows.chain(DYNAMIC_LISTENER_SETTINGS.iter().map(of_listener)).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::end_point::ListenerName;
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

    const TLS: &str = "listeners=IN://:1,OUT://:2\n\
                       listener.security.protocol.map=IN:PLAINTEXT,OUT:SSL\n\
                       ssl.keystore.type=PEM\nlistener.name.out.ssl.keystore.location=/a.pem\n";

    fn keystore_of(config: &KafkaConfig) -> String {
        let own = config.of_listener(&ListenerName::normalised("out"));
        own.ssl_keystore_location.unwrap().display().to_string()
    }

    #[test]
    fn the_key_of_a_listener_may_change_and_what_is_taken_back_is_that_of_the_file() {
        let name = "listener.name.out.ssl.keystore.location";
        let after = altered(TLS, &[(name, "/b.pem")]).unwrap();
        assert_eq!(keystore_of(after.config()), "/b.pem");
        assert_eq!(keystore_of(after.of_file()), "/a.pem");
        let back = after.altered(DynamicConfigs::default()).unwrap();
        assert_eq!(keystore_of(back.config()), "/a.pem");
        assert_eq!(DYNAMIC_LISTENER_SETTINGS.len(), 10);
        for name in DYNAMIC_LISTENER_SETTINGS {
            altered(TLS, &[(&format!("listener.name.out.{name}"), "x")]).unwrap();
        }
    }

    #[test]
    fn what_cannot_be_altered_for_a_listener_is_refused_and_no_secret_is_said() {
        for (name, why) in [
            ("ssl.keystore.password", "for one listener only: `listener.name.<listener>.ssl.key"),
            ("listener.name.on.ssl.keystore.password", "begins with `listener.name.in.` or"),
            ("listener.name.OUT.ssl.keystore.password", "in lower case"),
            (
                "listener.name.out.ssl.keystore.pasword",
                "`listener.name.out.ssl.keystore.password`?",
            ),
            ("listener.name.out.plain.sasl.jaas.config", "cannot be altered while the broker runs"),
            ("listener.name.out.ssl.client.auth", "must be none, requested or required"),
            ("listener.name.out.sasl.jaas.config", "has no effect: a login module belongs to"),
        ] {
            let error = altered(TLS, &[(name, "hush")]).unwrap_err();
            assert!(error.starts_with(&format!("`{name}")) && error.contains(why), "{error}");
            let is_secret = name != "listener.name.out.ssl.client.auth";
            assert_eq!(error.contains("hush"), !is_secret, "{error}");
        }
        let of_all = map(&[("listener.name.out.ssl.keystore.type", "PEM")]);
        let dynamic = DynamicConfigs::default().with(DynamicScope::Default, of_all);
        let error = current(TLS).altered(dynamic).unwrap_err();
        assert!(error.contains("cannot be altered for all brokers"), "{error}");
    }

    #[test]
    fn what_was_altered_for_a_listener_that_is_gone_hinders_nothing() {
        let gone = ("listener.name.gone.ssl.keystore.location", "/c.pem");
        let stored = DynamicConfigs::default().with(DynamicScope::Broker, map(&[gone]));
        let file = read_properties(TLS, &[]).unwrap();
        let current = CurrentConfig::new(file, stored.clone()).unwrap();
        assert_eq!(current.without_listener(), [gone.0]);
        let with =
            |pairs: &[(&str, &str)]| current.altered(stored.with(DynamicScope::Broker, map(pairs)));
        with(&[gone, ("log.roll.ms", "5")]).unwrap();
        with(&[]).unwrap();
        assert!(with(&[(gone.0, "/d.pem")]).is_err());
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
            (
                "unclean.leader.election.enable",
                "true",
                "has no effect: this broker elects no leader",
            ),
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
