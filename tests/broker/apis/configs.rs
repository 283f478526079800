//! The settings of topics and of the broker, described and altered over a real socket.

use support::broker::Broker;
use support::client::Client;
use support::records::batch;
use transferto::common::errors::Errors;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::protocol::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource, AlterConfigsResourceResponse, AlterableConfig,
};
use transferto::protocol::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
    DescribeConfigsResult,
};
use transferto::protocol::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource, IncrementalAlterableConfig,
};
use transferto::protocol::request::{RequestBody, ResponseBody};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// A setting's name, what to do, and the value to do it with.
type Alteration<'a> = (&'a str, i8, Option<&'a str>);

fn resource(resource_type: i8, name: &str, keys: Option<&[&str]>) -> DescribeConfigsResource {
    DescribeConfigsResource {
        resource_type,
        resource_name: name.to_string(),
        configuration_keys: keys.map(|keys| keys.iter().map(ToString::to_string).collect()),
    }
}

fn describe(
    client: &mut Client,
    version: i16,
    resources: Vec<DescribeConfigsResource>,
) -> Vec<DescribeConfigsResult> {
    let request = DescribeConfigsRequest {
        resources,
        include_synonyms: version >= 1,
        include_documentation: version >= 3,
    };
    match client.call(version, &RequestBody::DescribeConfigs(request), &[]).0 {
        ResponseBody::DescribeConfigs(response) => response.results,
        other => panic!("{other:?}"),
    }
}

/// The value of a topic's setting, and where it comes from.
fn topic_config(client: &mut Client, topic: &str, name: &str) -> (String, i8) {
    let asked = resource(TOPIC, topic, Some(&[name]));
    let config = describe(client, 4, vec![asked]).remove(0).configs.remove(0);
    (config.value.unwrap(), config.config_source)
}

fn alter(
    client: &mut Client,
    version: i16,
    (resource_type, name): (i8, &str),
    configs: &[(&str, Option<&str>)],
    validate_only: bool,
) -> AlterConfigsResourceResponse {
    let config = |&(name, value): &(&str, Option<&str>)| AlterableConfig {
        name: name.to_string(),
        value: value.map(str::to_string),
    };
    let resource = AlterConfigsResource {
        resource_type,
        resource_name: name.to_string(),
        configs: configs.iter().map(config).collect(),
    };
    let request = AlterConfigsRequest { resources: vec![resource], validate_only };
    match client.call(version, &RequestBody::AlterConfigs(request), &[]).0 {
        ResponseBody::AlterConfigs(mut response) => response.responses.remove(0),
        other => panic!("{other:?}"),
    }
}

fn alter_some(
    client: &mut Client,
    version: i16,
    (resource_type, name): (i8, &str),
    configs: &[Alteration<'_>],
) -> AlterConfigsResourceResponse {
    let config = |&(name, config_operation, value): &Alteration<'_>| {
        let (name, value) = (name.to_string(), value.map(str::to_string));
        IncrementalAlterableConfig { name, config_operation, value }
    };
    let resource = IncrementalAlterConfigsResource {
        resource_type,
        resource_name: name.to_string(),
        configs: configs.iter().map(config).collect(),
    };
    let request =
        IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
    match client.call(version, &RequestBody::IncrementalAlterConfigs(request), &[]).0 {
        ResponseBody::IncrementalAlterConfigs(mut response) => response.responses.remove(0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_topics_settings_are_described_with_their_sources_in_every_version() {
    let broker = Broker::start(&[("log.segment.bytes", "1000000")]);
    let mut client = broker.connect();
    client.create_topic_with("post", &[("retention.ms", "5000")]);
    for version in 0..=4 {
        let result = describe(&mut client, version, vec![resource(TOPIC, "post", None)]).remove(0);
        assert_eq!((result.error_code, result.error_message), (0, None));
        assert_eq!((result.resource_type, result.resource_name.as_str()), (TOPIC, "post"));
        let find = |name: &str| -> DescribeConfigsResourceResult {
            result.configs.iter().find(|it| it.name == name).unwrap().clone()
        };
        let (own, file, default) = (find("retention.ms"), find("segment.bytes"), find("flush.ms"));
        assert_eq!(own.value.as_deref(), Some("5000"));
        assert_eq!(file.value.as_deref(), Some("1000000"));
        assert!(!own.read_only && find("message.format.version").read_only);
        if version == 0 {
            let are_default = [&own, &file, &default].map(|it| it.is_default);
            assert_eq!(are_default, [false, false, true]);
            continue;
        }
        let sources = [&own, &file, &default].map(|it| it.config_source);
        assert_eq!(sources, [1, 4, 5], "the topic, the broker's file, the default");
        let synonyms: Vec<_> =
            own.synonyms.iter().map(|it| (it.name.as_str(), it.source)).collect();
        assert_eq!(synonyms, [("retention.ms", 1), ("log.retention.hours", 5)]);
        if version >= 3 {
            let types = [own, file, find("preallocate")].map(|it| it.config_type);
            assert_eq!(types, [5, 3, 1], "a long, an int, a boolean");
            assert!(default.documentation.unwrap().contains("forced to disk"));
        }
    }
}

#[test]
fn what_is_not_asked_for_is_not_described() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    let keys = Some(&["retention.ms", "nothing"][..]);
    let asked = DescribeConfigsRequest {
        resources: vec![resource(TOPIC, "post", keys)],
        ..DescribeConfigsRequest::default()
    };
    let (body, _) = client.call(4, &RequestBody::DescribeConfigs(asked), &[]);
    let ResponseBody::DescribeConfigs(response) = body else { panic!("{body:?}") };
    let configs = &response.results[0].configs;
    assert_eq!(configs.len(), 1);
    assert!(configs[0].synonyms.is_empty() && configs[0].documentation.is_none());
}

#[test]
fn the_brokers_settings_are_described_with_their_sources() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let result = describe(&mut client, 4, vec![resource(BROKER, "0", None)]).remove(0);
    assert_eq!(result.error_code, 0);
    let threads = result.configs.iter().find(|it| it.name == "num.io.threads").unwrap();
    assert_eq!((threads.value.as_deref(), threads.config_source), (Some("2"), 4));
    let of_all_brokers = describe(&mut client, 4, vec![resource(BROKER, "", None)]).remove(0);
    assert_eq!((of_all_brokers.error_code, of_all_brokers.configs.len()), (0, 0));
}

#[test]
fn what_cannot_be_described_is_reported_and_what_is_named_twice_is_answered_once() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    let asked = [
        (TOPIC, "nobody", Errors::UnknownTopicOrPartition),
        (TOPIC, "a/b", Errors::InvalidTopicException),
        (BROKER, "1", Errors::InvalidRequest),
        (BROKER, "zero", Errors::InvalidRequest),
        (BROKER_LOGGER, "0", Errors::InvalidRequest),
        (TOPIC, "post", Errors::None),
        (TOPIC, "post", Errors::None),
    ];
    let resources = asked.iter().map(|&(kind, name, _)| resource(kind, name, None)).collect();
    for version in 0..=4 {
        let results = describe(&mut client, version, Vec::clone(&resources));
        let codes: Vec<_> = results.iter().map(|it| it.error_code).collect();
        let expected: Vec<_> = asked[..6].iter().map(|(.., error)| error.code()).collect();
        assert_eq!(codes, expected, "version {version}");
        assert!(results[..5].iter().all(|it| it.error_message.is_some() && it.configs.is_empty()));
    }
}

#[test]
fn altering_replaces_all_that_a_topic_overrides_at_once_and_for_ever() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    client.create_topic_with("post", &[("retention.ms", "5000"), ("segment.bytes", "1000")]);
    for version in 0..=2 {
        let size = (200 + version).to_string();
        let configs = [("max.message.bytes", Some(size.as_str()))];
        let validated = alter(&mut client, version, (TOPIC, "post"), &configs, true);
        assert_eq!(validated.error_code, 0);
        assert_ne!(topic_config(&mut client, "post", "max.message.bytes").0, size);
        let altered = alter(&mut client, version, (TOPIC, "post"), &configs, false);
        assert_eq!((altered.error_code, altered.error_message), (0, None));
        assert_eq!((altered.resource_type, altered.resource_name.as_str()), (TOPIC, "post"));
        assert_eq!(topic_config(&mut client, "post", "max.message.bytes"), (size, 1));
    }
    assert_eq!(topic_config(&mut client, "post", "retention.ms"), ("604800000".to_string(), 5));
    let too_large = batch(&[&[7; 300]]);
    let refused = client.produce("post", 0, &too_large).error_code;
    assert_eq!(refused, Errors::RecordTooLarge.code(), "the log has the setting at once");

    let broker = Broker::start_in(broker.stop(), &[]);
    let mut client = broker.connect();
    assert_eq!(topic_config(&mut client, "post", "max.message.bytes"), ("202".to_string(), 1));
    assert_eq!(client.produce("post", 0, &too_large).error_code, Errors::RecordTooLarge.code());
}

#[test]
fn the_old_format_stays_when_all_that_a_topic_overrides_is_replaced() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    client.create_topic_with("old", &[("message.format.version", "0.9.0"), ("flush.ms", "5")]);
    let altered = alter(&mut client, 2, (TOPIC, "old"), &[("retention.ms", Some("1"))], false);
    assert_eq!((altered.error_code, altered.error_message), (0, None));
    assert_eq!(
        topic_config(&mut client, "old", "message.format.version"),
        ("0.9.0".to_string(), 1)
    );
    assert_eq!(topic_config(&mut client, "old", "flush.ms").1, 5);
    let others = [Some("3.0-IV1"), Some(" 0.10.2"), None];
    for other in others {
        let operation = if other.is_some() { SET } else { DELETE };
        let both = [("message.format.version", operation, other), ("flush.ms", SET, Some("7"))];
        let altered = alter_some(&mut client, 1, (TOPIC, "old"), &both);
        assert_eq!((altered.error_code, altered.error_message), (0, None), "{other:?}");
        let format = topic_config(&mut client, "old", "message.format.version");
        assert_eq!(format, ("0.9.0".to_string(), 1));
        assert_eq!(topic_config(&mut client, "old", "flush.ms").0, "7");
    }
    let replaced = [("message.format.version", Some("2.0")), ("flush.ms", Some("8"))];
    assert_eq!(alter(&mut client, 2, (TOPIC, "old"), &replaced, false).error_code, 0);
    let key = TopicAndPartition::new("old", 0);
    let log = |broker: &Broker| broker.server().log_manager().get_log(&key).unwrap();
    let magic_of = |broker: &Broker| log(broker).config().message_format_magic;
    assert_eq!((magic_of(&broker), log(&broker).config().flush_ms), (0, 8));
    let broker = Broker::start_in(broker.stop(), &[]);
    assert_eq!((magic_of(&broker), log(&broker).config().flush_ms), (0, 8));
}

#[test]
fn the_format_of_the_broker_stays_that_of_its_topics_and_a_version_of_it_is_shown_as_given() {
    let broker = Broker::start(&[("log.message.format.version", "0.9.0")]);
    let mut client = broker.connect_with_topic("post");
    let format = |client: &mut Client| topic_config(client, "post", "message.format.version");
    for version in ["0.11.0", "0.10.0"] {
        let set = [("message.format.version", SET, Some(version))];
        assert_eq!(alter_some(&mut client, 1, (TOPIC, "post"), &set).error_code, 0);
        assert_eq!(format(&mut client), ("0.9.0".to_string(), 4), "nothing is stored");
        let set = [("message.format.version", Some(version))];
        assert_eq!(alter(&mut client, 2, (TOPIC, "post"), &set, false).error_code, 0);
        assert_eq!(format(&mut client), ("0.9.0".to_string(), 4), "nothing is stored");
    }
    let set = [("message.format.version", SET, Some("0.8.2"))];
    assert_eq!(alter_some(&mut client, 1, (TOPIC, "post"), &set).error_code, 0);
    assert_eq!(format(&mut client), ("0.8.2".to_string(), 1), "it means the same format");
    let wrong = [("message.format.version", SET, Some("0.7"))];
    let refused = alter_some(&mut client, 1, (TOPIC, "post"), &wrong);
    assert_eq!(refused.error_code, Errors::InvalidConfig.code());
}

#[test]
fn some_settings_are_set_and_others_returned_to_the_default_in_one_request() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    client.create_topic_with("post", &[("retention.ms", "5000"), ("segment.bytes", "1000")]);
    for version in 0..=1 {
        let value = (6000 + i32::from(version)).to_string();
        let configs =
            [("retention.ms", SET, Some(value.as_str())), ("segment.bytes", DELETE, None)];
        let altered = alter_some(&mut client, version, (TOPIC, "post"), &configs);
        assert_eq!((altered.error_code, altered.error_message), (0, None));
        assert_eq!(topic_config(&mut client, "post", "retention.ms"), (value, 1));
        let segment_bytes = topic_config(&mut client, "post", "segment.bytes");
        assert_eq!(segment_bytes, ("1073741824".to_string(), 5));
    }
    let key = TopicAndPartition::new("post", 0);
    let log = broker.server().log_manager().get_log(&key).unwrap();
    assert_eq!(log.config().retention_ms.ms(), Some(6001));
    let broker = Broker::start_in(broker.stop(), &[]);
    let log = broker.server().log_manager().get_log(&key).unwrap();
    assert_eq!(log.config().retention_ms.ms(), Some(6001));
}

#[test]
fn a_list_is_appended_to_and_subtracted_from() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    for (operation, word, list) in [
        (APPEND, "compact", "delete,compact"),
        (APPEND, "delete,delete", "delete,compact"),
        (SUBTRACT, " delete ", "compact"),
        (APPEND, "compact", "compact"),
        (SUBTRACT, "delete", "compact"),
        (SUBTRACT, "compact", ""),
        (APPEND, "compact, delete", "compact,delete"),
    ] {
        let configs = [("cleanup.policy", operation, Some(word))];
        let altered = alter_some(&mut client, 1, (TOPIC, "post"), &configs);
        assert_eq!((altered.error_code, altered.error_message), (0, None));
        assert_eq!(topic_config(&mut client, "post", "cleanup.policy"), (list.to_string(), 1));
    }
    let wrong = [("cleanup.policy", APPEND, Some("shred"))];
    let refused = alter_some(&mut client, 1, (TOPIC, "post"), &wrong);
    assert_eq!(refused.error_code, Errors::InvalidConfig.code());
}

/// As Kafka 4.4.0. MirrorMaker 2 deletes all that the topic it copies does not override.
#[test]
fn deleting_what_is_not_set_changes_nothing_and_is_no_error() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    client.create_topic_with("post", &[("flush.ms", "5")]);
    for (name, value) in [
        ("retention.ms", None),
        ("retention.ms", Some("soon")),
        ("nothing.of.the.kind", None),
        ("nothing.of.the.kind", Some("1")),
        ("", None),
        ("message.format.version", None),
        ("internal.segment.bytes", None),
    ] {
        for version in 0..=1 {
            let size = (1000 + version).to_string();
            let configs = [(name, DELETE, value), ("max.message.bytes", SET, Some(size.as_str()))];
            let altered = alter_some(&mut client, version, (TOPIC, "post"), &configs);
            assert_eq!((altered.error_code, altered.error_message), (0, None), "{name}");
            assert_eq!(topic_config(&mut client, "post", "max.message.bytes"), (size, 1));
        }
    }
    assert_eq!(own_configs(&mut client, "post"), ["flush.ms=5", "max.message.bytes=1001"]);
    let nothing: &[Alteration<'_>] = &[];
    assert_eq!(alter_some(&mut client, 1, (TOPIC, "post"), nothing).error_code, 0);
    assert_eq!(own_configs(&mut client, "post"), ["flush.ms=5", "max.message.bytes=1001"]);
}

/// What a topic overrides, as it is described.
fn own_configs(client: &mut Client, topic: &str) -> Vec<String> {
    let all = describe(client, 4, vec![resource(TOPIC, topic, None)]).remove(0).configs;
    let own = all.into_iter().filter(|it| it.config_source == 1);
    let mut own: Vec<_> = own.map(|it| format!("{}={}", it.name, it.value.unwrap())).collect();
    own.sort();
    own
}

/// Each text is what Kafka 4.4.0 gives back.
#[test]
fn what_is_set_is_described_as_what_it_means() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    for (name, given, shown) in [
        ("retention.ms", "0", "0"),
        ("retention.ms", "-1", "-1"),
        ("segment.bytes", "+2097152", "2097152"),
        ("segment.bytes", "007000000", "7000000"),
        ("segment.bytes", " 2097152 ", "2097152"),
        ("min.cleanable.dirty.ratio", "0", "0.0"),
        ("min.cleanable.dirty.ratio", "1", "1.0"),
        ("min.cleanable.dirty.ratio", "1E-5", "1.0E-5"),
        ("cleanup.policy", "delete,compact", "delete,compact"),
        ("cleanup.policy", "compact, delete", "compact,delete"),
        ("cleanup.policy", "delete , delete", "delete"),
        ("cleanup.policy", " ", ""),
        ("preallocate", " TRUE", "true"),
        ("unclean.leader.election.enable", "False", "false"),
        ("compression.type", " gzip ", "gzip"),
        ("message.timestamp.type", " LogAppendTime", "LogAppendTime"),
        ("compression.gzip.level", "9", "9"),
        ("compression.lz4.level", "17", "17"),
        ("compression.zstd.level", "-131072", "-131072"),
        ("max.compaction.lag.ms", "1", "1"),
        ("message.timestamp.before.max.ms", "0", "0"),
        ("message.timestamp.after.max.ms", "0", "0"),
        ("remote.storage.enable", "FALSE", "false"),
        ("local.retention.ms", "-2", "-2"),
        ("local.retention.bytes", "9223372036854775807", "9223372036854775807"),
        ("remote.copy.lag.ms", "-1", "-1"),
        ("leader.replication.throttled.replicas", "0:1, 1:1", "0:1,1:1"),
        ("follower.replication.throttled.replicas", " * ", "*"),
        ("errors.deadletterqueue.group.enable", "true", "true"),
    ] {
        let altered = alter_some(&mut client, 1, (TOPIC, "post"), &[(name, SET, Some(given))]);
        assert_eq!((altered.error_code, altered.error_message), (0, None), "{name}={given}");
        let asked = resource(TOPIC, "post", Some(&[name]));
        let config = describe(&mut client, 4, vec![asked]).remove(0).configs.remove(0);
        assert_eq!(config.value.as_deref(), Some(shown));
        assert_eq!(config.synonyms[0].value.as_deref(), Some(shown));
        let altered = alter_some(&mut client, 1, (TOPIC, "post"), &[(name, DELETE, None)]);
        assert_eq!(altered.error_code, 0);
    }
}

/// Refused by Kafka 4.4.0, too.
#[test]
fn a_value_beyond_the_bounds_of_kafka_is_refused() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    for (name, values) in [
        ("max.compaction.lag.ms", &["0", "-1"][..]),
        ("compression.gzip.level", &["-2", "0", "10"]),
        ("compression.lz4.level", &["0", "18"]),
        ("compression.zstd.level", &["-131073", "23"]),
        ("message.timestamp.before.max.ms", &["-1"]),
        ("message.timestamp.after.max.ms", &["-1"]),
        ("remote.storage.enable", &["true", ""]),
        ("local.retention.ms", &["-3"]),
        ("local.retention.bytes", &["-3"]),
        ("remote.copy.lag.ms", &["-2"]),
        ("remote.copy.lag.bytes", &["-2"]),
        ("leader.replication.throttled.replicas", &["x", "0", "*,*"]),
        ("follower.replication.throttled.replicas", &["a:b"]),
        ("errors.deadletterqueue.group.enable", &["x"]),
        ("max.decompressed.message.bytes", &["0", "2147483640"]),
        ("cleanup.policy", &["shred", ",", "none"]),
    ] {
        for value in values {
            let refused = alter_some(&mut client, 1, (TOPIC, "post"), &[(name, SET, Some(value))]);
            assert_eq!(refused.error_code, Errors::InvalidConfig.code(), "{name}={value}");
        }
    }
    let lags =
        [("min.compaction.lag.ms", SET, Some("6")), ("max.compaction.lag.ms", SET, Some("5"))];
    let refused = alter_some(&mut client, 1, (TOPIC, "post"), &lags);
    assert_eq!(refused.error_code, Errors::InvalidConfig.code());
    assert_eq!(own_configs(&mut client, "post"), [""; 0]);
}

/// The names, types, defaults and broker settings that Kafka 4.4.0 describes for a topic without
/// overrides.
const FACTS: &str = include_str!("../../kafka-4.4.0-topic-configs.txt");

/// Where a default is not Kafka's, and why.
const OTHER_DEFAULTS: &[(&str, &str, &str)] =
    &[("message.timestamp.after.max.ms", "9223372036854775807", "an hour refuses what was taken")];

/// Settings that Kafka 4 does not have.
const OTHER_NAMES: &[(&str, &str, &str)] = &[
    ("message.downconversion.enable", "boolean", "old consumers are served here"),
    ("message.format.version", "string", "old formats are written here"),
    ("message.timestamp.difference.max.ms", "long", "it holds where the newer two are not set"),
    ("transferto.compressed.records.validation.enable", "boolean", "Kafka always validates"),
];

/// Settings whose synonyms are not Kafka's, and why.
const OTHER_SYNONYMS: &[(&str, &str)] = &[
    ("flush.ms", "Kafka leaves out the defaults of the settings that stand in for another"),
    ("retention.ms", "as above, and also what the file says"),
    ("segment.jitter.ms", "as above"),
    ("segment.ms", "as above"),
    ("local.retention.bytes", "the broker has no such setting"),
    ("local.retention.ms", "the broker has no such setting"),
    ("max.decompressed.message.bytes", "the broker has no such setting"),
    ("remote.copy.lag.bytes", "the broker has no such setting"),
    ("remote.copy.lag.ms", "the broker has no such setting"),
    ("unclean.leader.election.enable", "the broker's has no effect"),
];

#[test]
fn a_topics_settings_are_those_of_kafka_but_for_what_has_a_reason() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    let mut ours = describe(&mut client, 4, vec![resource(TOPIC, "post", None)]).remove(0).configs;
    ours.sort_by(|a, b| a.name.cmp(&b.name));
    let facts: Vec<Vec<&str>> = FACTS
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(' ').map(|it| if it == "-" { "" } else { it }).collect())
        .collect();
    let mut names: Vec<_> = facts.iter().map(|fact| fact[0]).collect();
    names.extend(OTHER_NAMES.iter().map(|it| it.0));
    names.sort_unstable();
    assert_eq!(ours.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), names);
    let types = ["", "boolean", "string", "int", "short", "long", "double", "list"];
    for it in &ours {
        assert!(!it.is_sensitive && it.documentation.as_ref().is_some_and(|it| !it.is_empty()));
        assert_eq!(it.read_only, it.name == "message.format.version", "{}", it.name);
        let kind = types[usize::try_from(it.config_type).unwrap()];
        if let Some((_, old, _)) = OTHER_NAMES.iter().find(|old| old.0 == it.name) {
            assert_eq!(kind, *old);
            continue;
        }
        let fact = facts.iter().find(|fact| fact[0] == it.name).unwrap();
        let own_default = OTHER_DEFAULTS.iter().find(|other| other.0 == it.name);
        assert!(own_default.is_none_or(|other| other.1 != fact[2]), "{} needs no reason", it.name);
        let default = own_default.map_or(fact[2], |other| other.1);
        assert_eq!((kind, it.value.as_deref()), (fact[1], Some(default)), "{}", it.name);
        let synonyms: Vec<_> = it.synonyms.iter().map(|it| it.name.as_str()).collect();
        let is_kafkas = synonyms.join(",") == fact[3];
        let has_reason = OTHER_SYNONYMS.iter().any(|other| other.0 == it.name);
        assert!(is_kafkas != has_reason, "{}: {synonyms:?}", it.name);
    }
}

#[test]
fn an_alteration_that_cannot_be_changes_nothing() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    let cases: [(_, &[Alteration<'_>], _); 13] = [
        ((TOPIC, "nobody"), &[], Errors::UnknownTopicOrPartition),
        ((TOPIC, "post"), &[("retention.mss", SET, Some("1"))], Errors::InvalidConfig),
        ((TOPIC, ""), &[("retention.ms", SET, Some("1"))], Errors::InvalidRequest),
        ((TOPIC, "a/b"), &[("retention.ms", SET, Some("1"))], Errors::InvalidTopicException),
        ((TOPIC, "post"), &[("retention.mss", APPEND, Some("1"))], Errors::InvalidConfig),
        ((TOPIC, "post"), &[("cleanup.policy", SUBTRACT, None)], Errors::InvalidRequest),
        ((TOPIC, "post"), &[("retention.ms", SET, Some("soon"))], Errors::InvalidConfig),
        ((TOPIC, "post"), &[("retention.ms", SET, None)], Errors::InvalidRequest),
        ((TOPIC, "post"), &[("retention.ms", APPEND, Some("1"))], Errors::InvalidConfig),
        ((TOPIC, "post"), &[("retention.ms", SUBTRACT, Some("1"))], Errors::InvalidConfig),
        ((TOPIC, "post"), &[("retention.ms", 4, Some("1"))], Errors::InvalidRequest),
        (
            (TOPIC, "post"),
            &[("retention.ms", SET, Some("1")), ("retention.ms", DELETE, None)],
            Errors::InvalidRequest,
        ),
        ((BROKER_LOGGER, "0"), &[("root", SET, Some("TRACE"))], Errors::InvalidRequest),
    ];
    for (resource, configs, error) in cases {
        for version in 0..=1 {
            let refused = alter_some(&mut client, version, resource, configs);
            assert_eq!(refused.error_code, error.code(), "{configs:?}: {refused:?}");
            assert!(!refused.error_message.unwrap().is_empty());
        }
    }
    let all = describe(&mut client, 4, vec![resource(TOPIC, "post", None)]).remove(0).configs;
    assert!(all.iter().all(|it| it.config_source == 5), "{all:?}");
    for (resource, configs, error) in [
        ((TOPIC, "nobody"), ("retention.ms", Some("1")), Errors::UnknownTopicOrPartition),
        ((TOPIC, "post"), ("retention.ms", None), Errors::InvalidRequest),
        ((TOPIC, "post"), ("remote.storage.enable", Some("true")), Errors::InvalidConfig),
        ((TOPIC, "post"), ("nothing.of.the.kind", Some("1")), Errors::InvalidConfig),
    ] {
        let refused = alter(&mut client, 2, resource, &[configs], false);
        assert_eq!(refused.error_code, error.code(), "{configs:?}: {refused:?}");
    }
}
