//! The settings of topics and of the broker, described and altered over a real socket.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod broker;

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

use broker::{Broker, Client, batch};

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
fn what_cannot_be_described_is_told_and_what_is_named_twice_is_told_once() {
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
    let none: &[Alteration<'_>] = &[("message.format.version", DELETE, None)];
    let refused = alter_some(&mut client, 1, (TOPIC, "old"), none);
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
    assert_eq!(log.config().retention_ms, 6001);
    let broker = Broker::start_in(broker.stop(), &[]);
    let log = broker.server().log_manager().get_log(&key).unwrap();
    assert_eq!(log.config().retention_ms, 6001);
}

#[test]
fn a_list_is_appended_to_and_subtracted_from() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    for (operation, word, list) in [
        (APPEND, "compact", "compact,delete"),
        (SUBTRACT, "delete", "compact"),
        (APPEND, "compact", "compact"),
    ] {
        let configs = [("cleanup.policy", operation, Some(word))];
        let altered = alter_some(&mut client, 1, (TOPIC, "post"), &configs);
        assert_eq!((altered.error_code, altered.error_message), (0, None));
        assert_eq!(topic_config(&mut client, "post", "cleanup.policy"), (list.to_string(), 1));
    }
    let nothing_left = [("cleanup.policy", SUBTRACT, Some("compact"))];
    let refused = alter_some(&mut client, 1, (TOPIC, "post"), &nothing_left);
    assert_eq!(refused.error_code, Errors::InvalidConfig.code());
}

#[test]
fn an_alteration_that_cannot_be_changes_nothing() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    let cases: [(_, &[Alteration<'_>], _); 11] = [
        ((TOPIC, "nobody"), &[], Errors::UnknownTopicOrPartition),
        ((TOPIC, "post"), &[("retention.mss", SET, Some("1"))], Errors::InvalidConfig),
        ((TOPIC, "post"), &[("retention.mss", DELETE, None)], Errors::InvalidConfig),
        ((TOPIC, "post"), &[("retention.ms", SET, Some("soon"))], Errors::InvalidConfig),
        ((TOPIC, "post"), &[("retention.ms", SET, None)], Errors::InvalidConfig),
        ((TOPIC, "post"), &[("retention.ms", APPEND, Some("1"))], Errors::InvalidConfig),
        ((TOPIC, "post"), &[("retention.ms", SUBTRACT, Some("1"))], Errors::InvalidConfig),
        ((TOPIC, "post"), &[("retention.ms", 4, Some("1"))], Errors::InvalidRequest),
        (
            (TOPIC, "post"),
            &[("retention.ms", SET, Some("1")), ("retention.ms", DELETE, None)],
            Errors::InvalidRequest,
        ),
        ((TOPIC, "post"), &[("message.format.version", SET, Some("0.9.0"))], Errors::InvalidConfig),
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
        ((TOPIC, "post"), ("retention.ms", None), Errors::InvalidConfig),
        ((TOPIC, "post"), ("remote.storage.enable", Some("true")), Errors::InvalidConfig),
        ((TOPIC, "post"), ("message.format.version", Some("0.10.0")), Errors::InvalidConfig),
    ] {
        let refused = alter(&mut client, 2, resource, &[configs], false);
        assert_eq!(refused.error_code, error.code(), "{configs:?}: {refused:?}");
    }
}
