//! The settings of the broker, altered over a real socket while it runs, and what they change at
//! once.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Barrier};
use std::thread;

use nix::sys::signal::Signal;
use support::broker::Broker;
use support::broker_process::BrokerProcess;
use support::client::{Client, fetch_request};
use support::records::batch;
use support::temp::TempDir;
use support::wait::wait_until;
use transferto::common::errors::Errors;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::config::config_def::{Allowed, Setting};
use transferto::config::dynamic_config::DYNAMIC_SETTINGS;
use transferto::config::kafka_config::KafkaConfig;
use transferto::config::log_config::LogConfig;
use transferto::protocol::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource, AlterableConfig,
};
use transferto::protocol::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
};
use transferto::protocol::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource, IncrementalAlterableConfig,
};
use transferto::protocol::request::{RequestBody, ResponseBody};
use transferto::registry::broker_config_registry::BROKER_CONFIG_REGISTRY_FILE;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// The names of a broker's resource: this broker, and all brokers.
const THIS: &str = "0";
const ALL: &str = "";

/// The newest version whose clients know no record batches.
const LAST_FETCH_WITHOUT_BATCHES: i16 = 3;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// A setting's name, what to do, and the value to do it with.
type Alteration<'a> = (&'a str, i8, Option<&'a str>);

fn resource(name: &str, configs: &[Alteration<'_>]) -> IncrementalAlterConfigsResource {
    let config = |&(name, config_operation, value): &Alteration<'_>| {
        let (name, value) = (name.to_string(), value.map(str::to_string));
        IncrementalAlterableConfig { name, config_operation, value }
    };
    IncrementalAlterConfigsResource {
        resource_type: BROKER,
        resource_name: name.to_string(),
        configs: configs.iter().map(config).collect(),
    }
}

/// The code of each resource, and what is told with it.
fn alter_each(
    client: &mut Client,
    resources: Vec<IncrementalAlterConfigsResource>,
    validate_only: bool,
) -> Vec<(i16, String)> {
    let request = IncrementalAlterConfigsRequest { resources, validate_only };
    match client.call(1, &RequestBody::IncrementalAlterConfigs(request), &[]).0 {
        ResponseBody::IncrementalAlterConfigs(response) => {
            let told = response.responses.into_iter();
            told.map(|it| (it.error_code, it.error_message.unwrap_or_default())).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn alter(client: &mut Client, name: &str, configs: &[Alteration<'_>]) -> (i16, String) {
    alter_each(client, vec![resource(name, configs)], false).remove(0)
}

fn set(client: &mut Client, name: &str, config: &str, value: &str) {
    assert_eq!(alter(client, name, &[(config, SET, Some(value))]), (0, String::new()));
}

/// The old request: what it does not name is not set any more.
fn replace(client: &mut Client, name: &str, configs: &[(&str, Option<&str>)]) -> i16 {
    let config = |&(name, value): &(&str, Option<&str>)| AlterableConfig {
        name: name.to_string(),
        value: value.map(str::to_string),
    };
    let resource = AlterConfigsResource {
        resource_type: BROKER,
        resource_name: name.to_string(),
        configs: configs.iter().map(config).collect(),
    };
    let request = AlterConfigsRequest { resources: vec![resource], validate_only: false };
    match client.call(2, &RequestBody::AlterConfigs(request), &[]).0 {
        ResponseBody::AlterConfigs(response) => response.responses[0].error_code,
        other => panic!("{other:?}"),
    }
}

fn describe(
    client: &mut Client,
    resource_type: i8,
    name: &str,
) -> Vec<DescribeConfigsResourceResult> {
    let resource = DescribeConfigsResource {
        resource_type,
        resource_name: name.to_string(),
        configuration_keys: None,
    };
    let request = DescribeConfigsRequest {
        resources: vec![resource],
        include_synonyms: true,
        include_documentation: false,
    };
    match client.call(4, &RequestBody::DescribeConfigs(request), &[]).0 {
        ResponseBody::DescribeConfigs(mut response) => response.results.remove(0).configs,
        other => panic!("{other:?}"),
    }
}

/// The value of one setting, and each place that states it with its number.
fn stated(
    client: &mut Client,
    (resource_type, name): (i8, &str),
    config: &str,
) -> (String, Vec<String>) {
    let all = describe(client, resource_type, name);
    let it = all.into_iter().find(|it| it.name == config).unwrap();
    assert_eq!(it.config_source, it.synonyms.first().map_or(5, |it| it.source));
    let shown = it.synonyms.iter();
    let shown = shown.map(|it| format!("{} {}={}", it.source, it.name, it.value.as_ref().unwrap()));
    (it.value.unwrap_or_default(), shown.collect())
}

fn set_names(client: &mut Client, name: &str) -> Vec<String> {
    let set = describe(client, BROKER, name).into_iter();
    set.filter(|it| matches!(it.config_source, 2 | 3)).map(|it| it.name).collect()
}

fn config_of(broker: &Broker, topic: &str) -> Arc<LogConfig> {
    let log = broker.server().log_manager().get_log(&TopicAndPartition::new(topic, 0));
    log.unwrap().config()
}

#[test]
fn a_topic_follows_the_broker_at_once_and_after_a_restart_unless_it_has_its_own() {
    let broker = Broker::start(&[("message.max.bytes", "90000")]);
    let mut client = broker.connect_with_topic("follows");
    client.create_topic_with("own", &[("max.message.bytes", "80000")]);
    let large = batch(&[&[7; 1000]]);
    let too_large = Errors::RecordTooLarge.code();
    assert_eq!(client.produce("follows", 0, &large).error_code, 0);

    set(&mut client, ALL, "message.max.bytes", "500");
    assert_eq!(client.produce("follows", 0, &large).error_code, too_large);
    assert_eq!(client.produce("own", 0, &large).error_code, 0);
    set(&mut client, THIS, "message.max.bytes", "70000");
    assert_eq!(client.produce("follows", 0, &large).error_code, 0);
    set(&mut client, THIS, "message.max.bytes", "600");
    assert_eq!(client.produce("follows", 0, &large).error_code, too_large);

    let places = ["2 message.max.bytes=600", "3 message.max.bytes=500"];
    let below = ["4 message.max.bytes=90000", "5 message.max.bytes=1048588"];
    let of_broker = [&places[..], &below].concat();
    let broker = Broker::start_in(broker.stop(), &[("message.max.bytes", "90000")]);
    let mut client = broker.connect_with_topic("new");
    for topic in ["follows", "new"] {
        assert_eq!(client.produce(topic, 0, &large).error_code, too_large);
        let (value, stated) = stated(&mut client, (TOPIC, topic), "max.message.bytes");
        assert_eq!(
            (value.as_str(), &stated),
            ("600", &of_broker.clone().into_iter().map(String::from).collect())
        );
    }
    let (value, of_own) = stated(&mut client, (TOPIC, "own"), "max.message.bytes");
    assert_eq!((value.as_str(), of_own[0].as_str()), ("80000", "1 max.message.bytes=80000"));
    assert_eq!(of_own[1..], of_broker);
    assert_eq!(stated(&mut client, (BROKER, THIS), "message.max.bytes").1, of_broker);
    assert_eq!(stated(&mut client, (BROKER, ALL), "message.max.bytes").1, of_broker[1..2]);

    assert_eq!(alter(&mut client, THIS, &[("message.max.bytes", DELETE, None)]).0, 0);
    assert_eq!(config_of(&broker, "follows").max_message_size, 500);
    assert_eq!(alter(&mut client, ALL, &[("message.max.bytes", DELETE, None)]).0, 0);
    assert_eq!(config_of(&broker, "follows").max_message_size, 90000);
    assert_eq!(client.produce("follows", 0, &large).error_code, 0);
    assert_eq!(stated(&mut client, (BROKER, THIS), "message.max.bytes").1, of_broker[2..]);
}

/// Another value that the row of a setting allows.
fn other_value(setting: &Setting) -> &'static str {
    match (setting.name, setting.allowed) {
        ("log.cleaner.threads" | "num.replica.fetchers", _) => "2",
        ("log.cleaner.dedupe.buffer.size", _) => "4194304",
        ("num.io.threads" | "num.recovery.threads.per.data.dir", _) => "3",
        ("background.threads", _) => "4",
        ("max.connections.per.ip.overrides", _) => "127.0.0.1:100,::1:7",
        ("compression.type", _) => "gzip",
        ("compression.gzip.level" | "compression.lz4.level" | "compression.zstd.level", _) => "5",
        ("log.cleanup.policy", _) => "compact,delete",
        ("log.message.timestamp.type", _) => "LogAppendTime",
        ("log.preallocate" | "transferto.compressed.records.validation.enable", _) => "true",
        ("log.message.downconversion.enable", _) => "false",
        ("log.cleaner.io.max.bytes.per.second", _) => "12345.0",
        (_, Allowed::Fraction) => "0.25",
        _ => "12345",
    }
}

#[test]
fn each_setting_that_may_change_holds_and_is_kept_and_all_others_are_read_only() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    let dynamic = |it: &&Setting| DYNAMIC_SETTINGS.contains(&it.name);
    let settings: Vec<_> = KafkaConfig::SETTINGS.iter().filter(dynamic).collect();
    for setting in &settings {
        set(&mut client, THIS, setting.name, other_value(setting));
    }
    let dir = broker.stop();
    let broker = Broker::start_in(dir, &[]);
    let mut client = broker.connect();
    let described = describe(&mut client, BROKER, THIS);
    for config in described {
        let is_dynamic = DYNAMIC_SETTINGS.contains(&config.name.as_str());
        assert_eq!(config.read_only, !is_dynamic, "{}", config.name);
        let setting = settings.iter().find(|it| it.name == config.name);
        let expected = setting.map(|it| other_value(it).to_string());
        if is_dynamic {
            assert_eq!((config.value, config.config_source), (expected, 2), "{}", config.name);
        }
    }
    let current = broker.server().dynamic_config().current();
    assert_eq!(*config_of(&broker, "post"), LogConfig::from_broker(current.config()));
    assert_eq!(config_of(&broker, "post").retention_ms.ms(), Some(12345));
    assert_eq!(broker.server().request_handler_count(), 3);
    assert_eq!(broker.server().log_manager().cleaner().thread_count(), 2);
}

#[test]
fn request_handlers_and_cleaner_threads_come_and_go_and_every_request_is_answered() {
    let broker = Broker::start(&[]);
    let mut clients: Vec<_> = (0..4).map(|_| broker.connect()).collect();
    for (threads, cleaners) in
        [("4", "2"), ("8", "4"), ("4", "2"), ("2", "1"), ("1", "1"), ("2", "1")]
    {
        let alterations =
            [("num.io.threads", SET, Some(threads)), ("log.cleaner.threads", SET, Some(cleaners))];
        assert_eq!(alter(&mut clients[0], THIS, &alterations), (0, String::new()));
        let server = broker.server();
        assert_eq!(server.request_handler_count().to_string(), threads);
        assert_eq!(server.log_manager().cleaner().thread_count().to_string(), cleaners);
        for client in &mut clients {
            client.create_topic("post");
        }
    }
}

/// How many threads of a process have a name, of which the system keeps 15 bytes.
fn threads_named(pid: i32, name: &str) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let names = tasks.filter_map(|it| std::fs::read_to_string(it.ok()?.path().join("comm")).ok());
    names.filter(|it| it.starts_with(name)).count()
}

/// A cleaner thread sleeps for 15 seconds when there is nothing to clean, and must not be waited
/// for so long.
#[test]
fn threads_that_are_one_too_many_leave_by_themselves() {
    let dir = TempDir::new();
    let settings = ["num.io.threads=2", "background.threads=4"];
    let broker = BrokerProcess::start(dir.path(), &settings);
    let mut client = Client::connect(broker.port);
    for (io, cleaner, background) in [("4", "2", "8"), ("2", "1", "4"), ("1", "1", "2")] {
        let configs = [
            ("num.io.threads", SET, Some(io)),
            ("log.cleaner.threads", SET, Some(cleaner)),
            ("background.threads", SET, Some(background)),
        ];
        assert_eq!(alter(&mut client, THIS, &configs), (0, String::new()));
        wait_until("as many threads as are set", || {
            let counts = ["kafka-request-h", "kafka-log-clean", "kafka-scheduler"]
                .map(|name| threads_named(broker.pid(), name).to_string());
            counts[..2] == [io, cleaner] && counts[2].as_str() <= background
        });
    }
}

#[test]
fn what_was_answered_survives_a_kill_and_is_logged_at_the_start() {
    let dir = TempDir::new();
    let settings = ["num.io.threads=2", "log.roll.ms=7000"];
    let broker = BrokerProcess::start(dir.path(), &settings);
    let mut client = Client::connect(broker.port);
    set(&mut client, ALL, "log.roll.ms", "9000");
    set(&mut client, THIS, "num.io.threads", "3");
    broker.end_with(Signal::SIGKILL);
    let broker = BrokerProcess::start(dir.path(), &settings);
    let told = broker.first_lines.concat();
    for line in [
        "`log.roll.ms` is \"9000\" instead of \"7000\"",
        "`num.io.threads` is \"3\" instead of \"2\"",
        "3 request handlers",
    ] {
        assert!(told.contains(line), "{told}");
    }
    let mut client = Client::connect(broker.port);
    assert_eq!(stated(&mut client, (BROKER, THIS), "log.roll.ms").0, "9000");
}

#[test]
fn an_address_gets_no_more_connections_than_the_limit_that_holds_now() {
    let broker = Broker::start(&[]);
    let mut first = broker.connect();
    let port = broker.port();
    set(&mut first, ALL, "max.connections.per.ip", "1");
    Client::connect(port).assert_closed();
    set(&mut first, THIS, "max.connections.per.ip.overrides", "127.0.0.1:2");
    let mut second = broker.connect();
    second.create_topic("post");
    Client::connect(port).assert_closed();
    let refused = alter(
        &mut first,
        THIS,
        &[("max.connections.per.ip.overrides", SET, Some("no.such.host.invalid:3"))],
    );
    assert_eq!(refused.0, Errors::InvalidRequest.code());
    assert!(refused.1.contains("no.such.host.invalid"), "{refused:?}");
    drop(first);
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let broker_of = broker.server();
    wait_until("the connection that was closed counts no more", || {
        broker_of.connection_count(local) == 1
    });
    let broker = Broker::start_in(broker.stop(), &[]);
    let port = broker.port();
    let (mut third, mut fourth) = (broker.connect(), broker.connect());
    third.create_topic("post");
    fourth.create_topic("post");
    Client::connect(port).assert_closed();
}

/// As a name that was there when it was set, and has gone since.
#[test]
fn a_host_that_has_lost_its_name_hinders_no_other_limit_and_no_other_alteration() {
    let dir = TempDir::new();
    let overrides = "gone.invalid:5,127.0.0.1:2,lost.invalid:7";
    let stored = format!(
        "0\n1\nbroker max.connections.per.ip=1 max.connections.per.ip.overrides={overrides}\n"
    );
    std::fs::write(dir.path().join(BROKER_CONFIG_REGISTRY_FILE), stored).unwrap();
    let broker = BrokerProcess::start(dir.path(), &[]);
    let log = broker.first_lines.concat();
    for host in ["gone.invalid", "lost.invalid"] {
        assert!(log.contains(&format!("`{host}` in max.connections.per.ip.overrides")), "{log}");
    }
    let (mut first, mut second) = (Client::connect(broker.port), Client::connect(broker.port));
    first.create_topic("post");
    set(&mut second, ALL, "log.retention.ms", "5000");
    Client::connect(broker.port).assert_closed();
    set(&mut second, THIS, "max.connections.per.ip", "3");
    Client::connect(broker.port).assert_closed();
    let shown = stated(&mut first, (BROKER, THIS), "max.connections.per.ip.overrides").0;
    assert_eq!(shown, overrides);
}

#[test]
fn nobody_shuts_out_the_address_that_the_request_comes_from() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let (limit, overrides) = ("max.connections.per.ip", "max.connections.per.ip.overrides");
    let attempts: [&[Alteration<'_>]; 4] = [
        &[(overrides, SET, Some("127.0.0.1:0"))],
        &[(overrides, SET, Some("192.0.2.1:1,localhost:0"))],
        &[(limit, SET, Some("0")), (overrides, SET, Some("192.0.2.1:1"))],
        &[(limit, SET, Some("0")), (overrides, SET, Some("192.0.2.1:0"))],
    ];
    for attempt in attempts {
        for scope in [THIS, ALL] {
            let (code, why) = alter(&mut client, scope, attempt);
            assert_eq!(code, Errors::InvalidRequest.code(), "{attempt:?}: {why}");
        }
    }
    set(&mut client, THIS, overrides, "127.0.0.1:9,192.0.2.1:0");
    set(&mut client, ALL, limit, "0");
    let refused = alter(&mut client, THIS, &[(overrides, DELETE, None)]);
    assert_eq!(refused.0, Errors::InvalidRequest.code(), "{}", refused.1);
    broker.connect().create_topic("post");
}

/// A topic's own setting was shown, but the broker's alone was obeyed.
#[test]
fn messages_are_converted_for_old_consumers_as_their_topic_says_or_else_the_broker() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("follows");
    client.create_topic_with("never", &[("message.downconversion.enable", "false")]);
    client.create_topic_with("always", &[("message.downconversion.enable", "true")]);
    let refused = Errors::UnsupportedVersion.code();
    let fetched = |client: &mut Client, topic| {
        let request = fetch_request(topic, 0, 0);
        client.fetch_with(LAST_FETCH_WITHOUT_BATCHES, request).remove(0).error
    };
    for topic in ["follows", "never", "always"] {
        assert_eq!(client.produce(topic, 0, &batch(&[b"a"])).error_code, 0);
    }
    let all = ["follows", "never", "always"];
    assert_eq!(all.map(|topic| fetched(&mut client, topic)), [0, refused, 0]);
    set(&mut client, ALL, "log.message.downconversion.enable", "false");
    assert_eq!(all.map(|topic| fetched(&mut client, topic)), [refused, refused, 0]);
}

/// The codes are those of a Kafka 4.4.0, but for the unknown name, which that keeps.
#[test]
fn an_alteration_that_cannot_be_is_refused_as_kafka_refuses_it_and_nothing_of_it_is_kept() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let (request, config) = (Errors::InvalidRequest, Errors::InvalidConfig);
    let good = ("log.roll.ms", SET, Some("5"));
    let cases: [(&str, Alteration<'_>, _, &str); 22] = [
        (THIS, ("queued.max.requests", SET, Some("9")), request, "change it in its file"),
        (ALL, ("auto.create.topics.enable", SET, Some("false")), request, "change it in its file"),
        (THIS, ("log.retention.hours", SET, Some("5")), request, "change it in its file"),
        (THIS, ("quota.producer.default", SET, Some("5")), request, "change it in its file"),
        (THIS, ("no.such.config", SET, Some("5")), request, "unknown setting"),
        (ALL, ("retention.ms", SET, Some("5")), request, "did you mean `log.retention.ms`?"),
        (THIS, ("num.io.threads", SET, Some("abc")), request, "whole number from 1 to 1024"),
        (THIS, ("num.io.threads", SET, Some("0")), request, "whole number from 1 to 1024"),
        (THIS, ("num.io.threads", SET, Some("5")), request, "must be from 1 to 4"),
        (ALL, ("background.threads", SET, Some("99")), request, "must be from 1 to 4"),
        (ALL, ("log.retention.ms", SET, Some("0")), request, "other than 0"),
        (ALL, ("compression.type", SET, Some("rar")), request, "gzip"),
        (THIS, ("max.connections.per.ip", SET, Some("0")), request, "at least 1"),
        (THIS, ("message.max.bytes", SET, None), request, "has no value"),
        (THIS, ("message.max.bytes", SET, Some("")), request, "must be a whole number"),
        (THIS, ("log.roll.jitter.ms", 9, Some("1")), request, "unknown operation: 9"),
        (THIS, ("num.io.threads", APPEND, Some("3")), config, "is not a list"),
        (ALL, ("max.connections.per.ip.overrides", APPEND, Some("::1:3")), config, "is not a list"),
        (ALL, ("no.such.list", SUBTRACT, Some("3")), config, "is not a list"),
        (THIS, good, request, "twice"),
        ("77", ("message.max.bytes", SET, Some("5")), request, "this is broker 0"),
        ("abc", ("message.max.bytes", SET, Some("5")), request, "this is broker 0"),
    ];
    for (name, alteration, error, why) in cases {
        let (code, told) = alter(&mut client, name, &[good, alteration]);
        assert_eq!(code, error.code(), "{alteration:?}: {told}");
        assert!(told.contains(why), "{alteration:?}: {told}");
    }
    for configs in [
        &[("log.roll.ms", Some("5")), ("queued.max.requests", Some("9"))][..],
        &[("log.roll.ms", None)],
        &[("log.roll.ms", Some("5")), ("log.roll.ms", Some("6"))],
    ] {
        assert_eq!(replace(&mut client, THIS, configs), request.code(), "{configs:?}");
    }
    let validated = alter_each(&mut client, vec![resource(ALL, &[good])], true);
    assert_eq!(validated, [(0, String::new())]);
    let bad = ("log.roll.ms", SET, Some("x"));
    let validated = alter_each(&mut client, vec![resource(ALL, &[bad])], true);
    assert_eq!(validated[0].0, request.code());
    assert_eq!(set_names(&mut client, THIS), [""; 0]);
    assert!(describe(&mut client, BROKER, ALL).is_empty());
    assert!(!broker.dir.path().join(BROKER_CONFIG_REGISTRY_FILE).exists());
}

#[test]
fn what_is_not_set_can_be_deleted_and_each_resource_is_answered_for_itself() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    for name in ["message.max.bytes", "queued.max.requests", "no.such.config"] {
        assert_eq!(alter(&mut client, THIS, &[(name, DELETE, None)]), (0, String::new()));
    }
    let both = vec![
        resource(THIS, &[("log.segment.bytes", SET, Some("2000000"))]),
        resource(ALL, &[("log.segment.bytes", SET, Some("abc"))]),
    ];
    let codes: Vec<_> = alter_each(&mut client, both, false).into_iter().map(|it| it.0).collect();
    assert_eq!(codes, [0, Errors::InvalidRequest.code()]);
    assert_eq!(set_names(&mut client, THIS), ["log.segment.bytes"]);
}

#[test]
fn a_list_of_the_broker_is_appended_to_and_subtracted_from() {
    let broker = Broker::start(&[("log.cleanup.policy", "compact")]);
    let mut client = broker.connect();
    for (name, operation, word, list) in [
        (ALL, APPEND, "delete", "compact,delete"),
        (THIS, SUBTRACT, "compact", "delete"),
        (THIS, APPEND, "delete", "delete"),
        (ALL, SUBTRACT, "delete", "compact"),
    ] {
        assert_eq!(alter(&mut client, name, &[("log.cleanup.policy", operation, Some(word))]).0, 0);
        assert_eq!(stated(&mut client, (BROKER, name), "log.cleanup.policy").0, list);
    }
    // Neither: Kafka 4 knows that too.
    let nothing_left = [("log.cleanup.policy", SUBTRACT, Some("delete"))];
    assert_eq!(alter(&mut client, THIS, &nothing_left).0, 0);
    assert_eq!(stated(&mut client, (BROKER, THIS), "log.cleanup.policy").0, "");
}

#[test]
fn the_old_request_replaces_all_that_was_set() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    set(&mut client, THIS, "log.retention.bytes", "7");
    set(&mut client, ALL, "log.retention.bytes", "8");
    assert_eq!(replace(&mut client, THIS, &[("log.roll.ms", Some("9"))]), 0);
    let config = config_of(&broker, "post");
    assert_eq!((config.retention_size.bytes(), config.segment_ms), (Some(8), 9));
    assert_eq!(replace(&mut client, THIS, &[]), 0);
    assert_eq!(replace(&mut client, ALL, &[]), 0);
    assert_eq!(*config_of(&broker, "post"), LogConfig::default());
    let broker = Broker::start_in(broker.stop(), &[]);
    assert_eq!(*config_of(&broker, "post"), LogConfig::default());
}

#[test]
fn a_topic_that_comes_into_being_meanwhile_misses_no_change() {
    const PARTITIONS: i32 = 20;
    let broker = Broker::start(&[("num.partitions", &PARTITIONS.to_string())]);
    let port = broker.port();
    let mut client = broker.connect();
    for round in 1..=20 {
        let topic = format!("topic-{round}");
        let (name, both) = (topic.clone(), Arc::new(Barrier::new(2)));
        let ready = Arc::clone(&both);
        let creator = thread::spawn(move || {
            let mut client = Client::connect(port);
            ready.wait();
            client.create_topic(&name);
        });
        both.wait();
        // Each round a little later in the creation, which makes one log after another.
        for step in 0..round {
            let value = (100 * round + step).to_string();
            set(&mut client, THIS, "log.retention.bytes", &value);
        }
        creator.join().unwrap();
        for partition in 0..PARTITIONS {
            let key = TopicAndPartition::new(&topic, partition);
            let log = broker.server().log_manager().get_log(&key).unwrap();
            let expected = (100 * round + round - 1).into();
            assert_eq!(log.config().retention_size, expected, "{key}");
        }
    }
}
