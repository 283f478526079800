//! Port of `KafkaConfig.fromProps` and `KafkaConfig.validateValues`: from a file and a command line
//! to the settings, or to all that is wrong with them.

use std::path::Path;

use crate::common::end_point::EndPoint;
use crate::config::cluster_membership;
use crate::config::config_def::{ConfigError, nearest};
use crate::config::config_type::entries;
use crate::config::kafka_config::KafkaConfig;
use crate::config::lessons;
use crate::config::listener_security;
use crate::config::listener_setting;
use crate::config::listener_setting_reader;
use crate::config::listener_setting_reader::{JAAS_WITHOUT_MECHANISM, Taken};
use crate::config::listeners;
use crate::config::listeners::Contradiction;
use crate::config::precedence::passed_over;
use crate::config::properties;
use crate::config::properties::{COMMAND_LINE, Property};
use crate::config::secrets::{torn_pem, without_secret};
use crate::config::unsupported::Unsupported;

/// What became of the settings that were given.
#[derive(Debug)]
pub struct Reading {
    /// The settings, or everything that is wrong with them, each with the file and the line.
    pub config: Result<KafkaConfig, Vec<ConfigError>>,
    /// What is no reason not to start, and what the user should know: a sentence each.
    pub warnings: Vec<String>,
}

impl Reading {
    /// The settings, once the warnings are in the log.
    fn logged(self) -> Result<KafkaConfig, Vec<ConfigError>> {
        for warning in self.warnings {
            log::warn!("{warning}");
        }
        self.config
    }
}

/// The settings of a file, if there is one, and of the command line, which prevails.
///
/// # Errors
/// Everything that is wrong, each with the file and the line.
pub fn read_file(
    file: Option<&Path>,
    overrides: &[(String, String)],
) -> Result<KafkaConfig, Vec<ConfigError>> {
    examine_file(file, overrides).logged()
}

/// As [`read_file`], and logs nothing.
pub fn examine_file(file: Option<&Path>, overrides: &[(String, String)]) -> Reading {
    match file.map(properties::read).transpose() {
        Ok(given) => read(given.unwrap_or_default(), overrides),
        Err(error) => Reading { config: Err(vec![without_secret(error)]), warnings: Vec::new() },
    }
}

/// The settings that a program gives, by name. The later of two prevails.
///
/// # Errors
/// Everything that is wrong.
pub fn read_settings<'a>(
    settings: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<KafkaConfig, Vec<ConfigError>> {
    let property = |(name, value): (&str, &str)| Property {
        name: name.to_string(),
        value: value.to_string(),
        place: String::new(),
    };
    read(settings.into_iter().map(property).collect(), &[]).logged()
}

/// As [`read_file`], for the text of a file: what the tests of this folder read.
#[cfg(test)]
pub(crate) fn read_properties(
    text: &str,
    overrides: &[(String, String)],
) -> Result<KafkaConfig, Vec<ConfigError>> {
    let given = properties::parse(text, "").map_err(|error| vec![without_secret(error)])?;
    read(given, overrides).logged()
}

/// The errors of a text, as a person sees them: for the tests of this folder.
#[cfg(test)]
pub(crate) fn errors_of(text: &str) -> Vec<String> {
    let errors = read_properties(text, &[]).err().unwrap_or_default();
    errors.iter().map(ConfigError::to_string).collect()
}

/// The warnings about a text that is valid.
#[cfg(test)]
pub(crate) fn warnings_of(text: &str) -> Vec<String> {
    let reading = read(properties::parse(text, "").unwrap(), &[]);
    assert!(reading.config.is_ok(), "{:?}", reading.config);
    reading.warnings
}

/// Sets what was given, the later of two prevails, and checks what rows cannot check alone.
fn read(mut given: Vec<Property>, overrides: &[(String, String)]) -> Reading {
    given.extend(overrides.iter().map(|(name, value)| Property {
        name: name.clone(),
        value: value.clone(),
        place: COMMAND_LINE.to_string(),
    }));
    let mut config = KafkaConfig::of_the_table();
    let mut errors = torn_pem(&mut given);
    let mut ignored = Ignored::default();
    for (i, property) in given.iter().enumerate() {
        let is_of_listener = property.name.starts_with(listener_setting::PREFIX);
        if is_last(&given, i)
            && !is_of_listener
            && let Err(why) = take(&mut config, &mut ignored, property)
        {
            errors.push(config_error(property, why));
        }
    }
    errors.extend(settle_id(&mut config, &given));
    errors.extend(without_directory(&given));
    config.fill_in();
    errors.extend(take_listener_settings(&mut config, &mut ignored, &given));
    for property in cluster_membership::without_effect(&config, &given) {
        ignored.add(format!("`{}`", property.name), cluster_membership::WHY_WITHOUT_EFFECT);
    }
    errors.extend(contradictions(&config, &given));
    errors.extend(lessons::forbidden(&config, &given));
    ignored.leave_out_controllers(&mut config);
    let warnings = passed_over(&given).into_iter().chain(ignored.sentence());
    let warnings = warnings.chain(too_few_replicas(&config, &given));
    let warnings = warnings.chain(listener_security::warnings(&config, &given));
    let warnings = warnings.chain(lessons::warnings(&config, &given)).collect();
    Reading { config: if errors.is_empty() { Ok(config) } else { Err(errors) }, warnings }
}

/// Sets one setting, or says why not. What has no effect here is noted.
fn take(
    config: &mut KafkaConfig,
    ignored: &mut Ignored,
    property: &Property,
) -> Result<(), String> {
    let Property { name, value, .. } = property;
    if KafkaConfig::SETTINGS.iter().any(|it| it.name == name) {
        if name == "sasl.jaas.config" && !value.trim().is_empty() {
            ignored.add(format!("`{name}`"), JAAS_WITHOUT_MECHANISM);
        }
        return config.set(name, value);
    }
    match Unsupported::of(name) {
        Some(Unsupported::HasNoEffect(why)) => {
            ignored.add(format!("`{name}`"), why);
            Ok(())
        }
        Some(Unsupported::StopsTheStart(_)) if Unsupported::asks_for_nothing(name, value) => Ok(()),
        Some(Unsupported::StopsTheStart(why)) => {
            Err(format!("not supported: {why}; remove the setting"))
        }
        None => Err(unknown(name)),
    }
}

/// Whether no later property has the name of this one.
fn is_last(given: &[Property], place: usize) -> bool {
    given[place + 1..].iter().all(|later| later.name != given[place].name)
}

/// Sets what was given for single listeners; returns what cannot be.
fn take_listener_settings(
    config: &mut KafkaConfig,
    ignored: &mut Ignored,
    given: &[Property],
) -> Vec<ConfigError> {
    let is_of_listener = |it: &Property| it.name.starts_with(listener_setting::PREFIX);
    let mut errors = Vec::new();
    for (i, property) in given.iter().enumerate() {
        if !is_of_listener(property) || !is_last(given, i) {
            continue;
        }
        match listener_setting_reader::take(config, &property.name, &property.value) {
            Ok(Taken::Holds(setting)) => config.listener_settings.push(setting),
            Ok(Taken::HasNoEffect(why)) => ignored.add(format!("`{}`", property.name), why),
            Err(why) => errors.push(config_error(property, why)),
        }
    }
    errors
}

/// `broker.id` and `node.id` are one number by two names. The command line prevails over the file,
/// by whichever name.
fn settle_id(config: &mut KafkaConfig, given: &[Property]) -> Option<ConfigError> {
    let last = |name: &str| given.iter().rfind(|it| it.name == name);
    let is_overruled =
        |this: &Property, by: &Property| this.place != COMMAND_LINE && by.place == COMMAND_LINE;
    let node_id = config.node_id?;
    match last("broker.id").zip(last("node.id")) {
        Some((broker, node)) if is_overruled(node, broker) => {
            config.node_id = Some(config.broker_id);
        }
        Some((broker, node)) if config.broker_id != node_id && !is_overruled(broker, node) => {
            let why = format!("must be the same as `node.id={node_id}`, or left out");
            return Some(config_error(broker, why));
        }
        _ => config.broker_id = node_id,
    }
    None
}

/// An empty list of directories is a slip, as of a script whose variable is not set: the data must
/// not go to the default directory without a word.
fn without_directory(given: &[Property]) -> Option<ConfigError> {
    let property = given.iter().rfind(|it| it.name == "log.dirs")?;
    let why = "must name a directory; without the setting it is `log.dir`".to_string();
    entries(&property.value).next().is_none().then(|| config_error(property, why))
}

/// Port of `KafkaConfig.validateValues`: where two rows, or two entries of one, contradict each
/// other.
fn contradictions(config: &KafkaConfig, given: &[Property]) -> Vec<ConfigError> {
    let error = |Contradiction { name, value, why }| {
        let place = given.iter().rfind(|it| it.name == name).map(|it| it.place.clone());
        ConfigError { name: name.to_string(), value, place: place.unwrap_or_default(), why }
    };
    let mut found = listeners::contradictions(config);
    found.extend(listener_security::contradictions(config));
    found.extend(cluster_membership::contradictions(config, given));
    let (queued, largest) = (config.queued_max_request_bytes, config.socket_request_max_bytes);
    if queued.bytes().is_some_and(|bytes| bytes < u64::from(largest.unsigned_abs())) {
        found.push(Contradiction {
            name: "queued.max.request.bytes",
            value: queued.to_string(),
            why: format!("must not be less than `socket.request.max.bytes`, {largest}"),
        });
    }
    let lags = config.compaction_lags();
    if let Some(why) = lags.contradiction() {
        found.push(Contradiction { name: lags.max_name, value: lags.max_ms.to_string(), why });
    }
    found.into_iter().map(error).collect()
}

/// More in-sync replicas than there will ever be. Kafka starts so, too, and a topic may have a
/// `min.insync.replicas` of its own; but a user who copied the setting from a cluster would look for
/// the reason in the producers.
fn too_few_replicas(config: &KafkaConfig, given: &[Property]) -> Option<String> {
    let property = given.iter().rfind(|it| it.name == "min.insync.replicas")?;
    let groups = match config.offsets_commit_required_acks {
        -1 => ", and consumer groups cannot join or commit",
        _ => "",
    };
    let (place, value) = (&property.place, config.min_insync_replicas);
    (value > 1 && !config.joins_a_cluster()).then(|| {
        format!(
            "{place}: `min.insync.replicas={value}`: this broker is alone, so that each partition \
             has one in-sync replica: what a producer with acks=all sends is refused with \
             NOT_ENOUGH_REPLICAS{groups}; set it to 1, or leave it out"
        )
    })
}

fn config_error(property: &Property, why: String) -> ConfigError {
    let Property { name, value, place } = property.clone();
    without_secret(ConfigError { name, value, place, why })
}

/// What was given and is not followed, by the reason: one line of the log, whatever the file.
#[derive(Default)]
struct Ignored(Vec<(&'static str, Vec<String>)>);

impl Ignored {
    fn add(&mut self, what: String, why: &'static str) {
        match self.0.iter_mut().find(|it| it.0 == why) {
            Some((_, others)) => others.push(what),
            None => self.0.push((why, vec![what])),
        }
    }

    /// A single node is its own controller, without a socket for it.
    fn leave_out_controllers(&mut self, config: &mut KafkaConfig) {
        let names = config.controller_listener_names.clone();
        let is_controllers = |it: &mut EndPoint| names.contains(&it.listener_name);
        for end_point in config.listeners.extract_if(.., is_controllers) {
            self.add(format!("the listener `{end_point}`"), "it is for controllers only");
        }
        config.advertised_listeners.retain(|it| !names.contains(&it.listener_name));
    }

    fn sentence(&self) -> Option<String> {
        let part = |(why, what): &(&str, Vec<String>)| format!("{} ({why})", what.join(", "));
        let parts: Vec<String> = self.0.iter().map(part).collect();
        (!parts.is_empty()).then(|| format!("without effect here: {}", parts.join("; ")))
    }
}

/// What is wrong with a name that is in no table.
pub(super) fn unknown(name: &str) -> String {
    let known = KafkaConfig::SETTINGS.iter().map(|it| it.name).chain(Unsupported::names());
    let advice = match nearest(name, known) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => "`transferto --settings` lists all of them".to_string(),
    };
    format!("unknown setting; {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::limit::Limit;
    use crate::config::replica_selector::ReplicaSelector;

    fn config(text: &str) -> KafkaConfig {
        read_properties(text, &[]).unwrap()
    }

    fn errors(text: &str) -> Vec<String> {
        errors_of(text)
    }

    #[test]
    fn a_stock_file_of_kafka_starts_and_what_has_no_effect_is_passed_over() {
        let config = config(
            "broker.id=0\nlisteners=PLAINTEXT://:9092\nnum.network.threads=3\nnum.io.threads=8\n\
             socket.send.buffer.bytes=102400\nsocket.receive.buffer.bytes=102400\n\
             socket.request.max.bytes=104857600\nlog.dirs=/tmp/kafka-logs\nnum.partitions=1\n\
             num.recovery.threads.per.data.dir=1\nlog.retention.hours=168\n\
             log.segment.bytes=1073741824\nlog.retention.check.interval.ms=300000\n\
             zookeeper.connect=localhost:2181\nzookeeper.connection.timeout.ms=6000\n",
        );
        let differing = config.non_default_settings();
        assert_eq!(
            differing,
            [
                ("listeners", "PLAINTEXT://:9092".to_string()),
                ("socket.send.buffer.bytes", "102400".to_string()),
                ("socket.receive.buffer.bytes", "102400".to_string()),
                ("log.dirs", "/tmp/kafka-logs".to_string()),
                ("num.recovery.threads.per.data.dir", "1".to_string())
            ]
        );
    }

    #[test]
    fn the_later_setting_wins_and_the_command_line_wins_over_the_file() {
        let overrides = [("num.io.threads".to_string(), "4".to_string())];
        let text = "num.io.threads=zero\nport=1\nport=2";
        let config = read_properties(text, &overrides).unwrap();
        assert_eq!((config.num_io_threads, config.port), (4, 2));
    }

    #[test]
    fn buffers_are_left_to_the_system_and_an_address_may_get_no_connection() {
        let config = config(
            "max.connections.per.ip=0\nmax.connections.per.ip.overrides=127.0.0.1:2\n\
             connections.max.idle.ms=-1",
        );
        assert_eq!(
            (config.socket_send_buffer_bytes, config.socket_receive_buffer_bytes),
            (None, None)
        );
        assert_eq!(config.max_connections_per_ip, 0);
        assert_eq!(config.max_connections_per_ip_overrides, [("127.0.0.1".to_string(), 2)]);
        assert_eq!(config.connections_max_idle_ms, Limit::NONE);
    }

    #[test]
    fn a_wrong_setting_is_reported_with_line_name_value_and_what_is_allowed() {
        assert_eq!(
            errors("\nnum.io.threads=0"),
            ["line 2: `num.io.threads=0`: must be a whole number from 1 to 1024"]
        );
        assert_eq!(
            errors("default.replication.factor=3"),
            ["line 1: `default.replication.factor=3`: must be 1, because this broker is alone"]
        );
        assert_eq!(
            errors("log.cleanup.policy=shred"),
            ["line 1: `log.cleanup.policy=shred`: \
             must be delete, compact, both with a comma between them, or nothing"]
        );
        assert_eq!(
            errors("log.cleaner.min.compaction.lag.ms=6\nlog.cleaner.max.compaction.lag.ms=5"),
            ["line 2: `log.cleaner.max.compaction.lag.ms=5`: \
             must not be less than `log.cleaner.min.compaction.lag.ms`, 6"]
        );
        assert_eq!(
            errors("queued.max.request.bytes=5\nsocket.request.max.bytes=6"),
            ["line 1: `queued.max.request.bytes=5`: \
             must not be less than `socket.request.max.bytes`, 6"]
        );
        assert!(errors("listeners=SSL://:9093")[0].contains("needs a key and its certificate"));
    }

    #[test]
    fn all_that_is_wrong_is_reported_at_once() {
        assert_eq!(errors("log.retention.ms=0\nlog.dri=x\nssl.client.auth=TLS").len(), 3);
    }

    #[test]
    fn an_unknown_name_is_reported_with_the_nearest_known_one() {
        assert_eq!(
            errors("num.oi.threads=8"),
            ["line 1: `num.oi.threads=8`: \
             unknown setting; did you mean `num.io.threads`?"]
        );
        let error = &errors("colour=red")[0];
        assert!(error.starts_with("line 1: `colour=[hidden]`: unknown setting; "), "{error}");
        assert!(error.contains("`transferto --settings` lists"), "{error}");
        assert!(errors("Listeners=x")[0].contains("did you mean `listeners`?"));
    }

    #[test]
    fn a_setting_that_a_user_would_rely_on_stops_the_start_unless_it_is_empty() {
        let error = &errors("principal.builder.class=com.example.Builder")[0];
        assert!(error.contains("`ssl.principal.mapping.rules`"), "{error}");
        assert_eq!(config("principal.builder.class="), KafkaConfig::default());
    }

    #[test]
    fn the_authorizer_goes_by_three_names_and_no_class_is_loaded() {
        for name in [
            "kafka.security.auth.SimpleAclAuthorizer",
            "kafka.security.authorizer.AclAuthorizer",
            "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        ] {
            let config = config(&format!("authorizer.class.name={name}"));
            assert_eq!(config.authorizer_class_name, name);
        }
        assert_eq!(config("authorizer.class.name="), KafkaConfig::default());
        let error = &errors("authorizer.class.name=com.example.MyAuthorizer")[0];
        assert!(error.contains("SimpleAclAuthorizer"), "{error}");
        assert!(error.contains("loads no classes"), "{error}");
    }

    #[test]
    fn the_replica_that_consumers_read_is_chosen_by_the_classes_that_kafka_ships() {
        for (name, selector) in [
            ("LeaderSelector", ReplicaSelector::Leader),
            ("RackAwareReplicaSelector", ReplicaSelector::RackAware),
        ] {
            let given = format!("replica.selector.class=org.apache.kafka.common.replica.{name}");
            assert_eq!(config(&given).replica_selector_class, selector);
        }
        let error = &errors("replica.selector.class=com.example.Nearest")[0];
        assert!(
            error.contains("org.apache.kafka.common.replica.RackAwareReplicaSelector"),
            "{error}"
        );
    }

    #[test]
    fn a_path_for_a_shell_is_refused_in_each_place_of_a_list() {
        for text in ["log.dirs=/a,~/x", "log.dir=~", "log.dirs=${HOME}/x", "log.dir=$HOME/x"] {
            let errors = errors(text);
            assert!(errors.len() == 1 && errors[0].contains("for a shell"), "{text}: {errors:?}");
        }
        for text in ["log.dirs=./~/x,./$a", "log.dirs=/a~1,/b$c"] {
            assert_eq!(config(text).log_dirs.len(), 2, "{text}");
        }
    }

    #[test]
    fn more_in_sync_replicas_than_there_are_is_a_warning() {
        let warnings = |text: &str| {
            let reading = read(properties::parse(text, "a.properties").unwrap(), &[]);
            assert!(reading.config.is_ok());
            reading.warnings.concat()
        };
        let refused = warnings("min.insync.replicas=2");
        assert!(refused.starts_with("a.properties, line 1: `min.insync.replicas=2`"), "{refused}");
        assert!(refused.contains("acks=all") && refused.contains("groups cannot"), "{refused}");
        let commits_go_on = warnings("min.insync.replicas=2\noffsets.commit.required.acks=1");
        assert!(!commits_go_on.contains("groups cannot"), "{commits_go_on}");
        assert_eq!(warnings("min.insync.replicas=1"), "");
    }

    #[test]
    fn super_users_are_parted_by_semicolons_and_need_no_authorizer() {
        let config =
            config("super.users=User:CN=a,O=b; User:c;\nallow.everyone.if.no.acl.found=true");
        let names: Vec<_> = config.super_users.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["User:CN=a,O=b", "User:c"]);
        assert!(config.allow_everyone_if_no_acl_found && config.authorizer_class_name.is_empty());
        assert!(errors("super.users=alice")[0].contains("such as User:alice"));
        for by_commas in ["User:a,User:b", "User:c;User:a, User:b", "User:a,O=b,User:c"] {
            let error = &errors(&format!("super.users={by_commas}"))[0];
            assert!(error.contains("with semicolons between them: `User:a,"), "{error}");
        }
    }

    #[test]
    fn listeners_that_contradict_each_other_are_refused() {
        for (text, why) in [
            ("listeners=PLAINTEXT://:1,TRACE://:1", "a port of its own"),
            ("listeners=PLAINTEXT://:1,PLAINTEXT://:2", "a name of its own"),
            ("advertised.listeners=PLAINTEXT://0.0.0.0:1", "clients can connect to"),
            ("advertised.listeners=TRACE://a:1", "one of `listeners`"),
        ] {
            let errors = errors(text);
            assert!(errors.len() == 1 && errors[0].contains(why), "{errors:?}");
            assert!(errors[0].starts_with("line 1: "), "{errors:?}");
        }
        let two = config("listeners=PLAINTEXT://:0,TRACE://:0");
        assert_eq!(two.listeners.len(), 2);
    }

    #[test]
    fn an_error_of_the_command_line_names_the_command_line() {
        let overrides = [("port".to_string(), "70000".to_string())];
        let errors = read_properties("port=1", &overrides).unwrap_err();
        assert_eq!(
            errors[0].to_string(),
            "the command line: `port=70000`: must be a whole number from 0 to 65535"
        );
    }
}
