//! Brokers that reach Apache Kafka's controller, and each other, over TLS and SASL.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use support::broker::Broker;
use support::client::{Client, topic_named};
use support::records::batch;
use support::temp::TempDir;
use support::tls::{TestCa, TlsFiles};
use support::wait::{wait_for, wait_until};
use transferto::protocol::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, ScramCredentialUpsertion,
};
use transferto::protocol::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use transferto::protocol::metadata::MetadataRequest;
use transferto::protocol::request::{RequestBody, ResponseBody};
use transferto::protocol::wire::secret_bytes::SecretBytes;
use transferto::security::scram::scram_formatter::ScramFormatter;
use transferto::security::scram::scram_mechanism::ScramMechanism;

use crate::apache_broker::{ApacheBroker, free_port};
use crate::apache_cluster::settings;
use crate::apache_controller::ApacheController;

const NEWEST_PRODUCE: i16 = 9;
const METADATA: i16 = 4;
const PLAIN: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required";
const SCRAM: &str = "org.apache.kafka.common.security.scram.ScramLoginModule required";
const NODE: &str = "username=\"node\" password=\"node-secret\"";

type Settings = Vec<(String, String)>;

fn owned(settings: &[(&str, &str)]) -> Settings {
    settings.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn lines(settings: &[(String, String)]) -> String {
    settings.iter().map(|(name, value)| format!("{name}={value}\n")).collect()
}

/// Of the keys, as Kafka reads them, too.
fn stores(keystore: &Path, truststore: &Path) -> Settings {
    owned(&[
        ("ssl.keystore.type", "PEM"),
        ("ssl.keystore.location", keystore.to_str().unwrap()),
        ("ssl.truststore.type", "PEM"),
        ("ssl.truststore.location", truststore.to_str().unwrap()),
    ])
}

/// A certificate for both sides of a connection, which every node shows.
fn write_node_key(ca: &TestCa, path: &Path) {
    ca.server_with(|params| params.extended_key_usages.clear()).write_keystore(path);
}

/// The settings of a node whose controllers and brokers authenticate by PLAIN over TLS.
fn by_sasl(files: &Settings) -> Settings {
    let login = format!("{PLAIN} {NODE} user_node=\"node-secret\";");
    let mut settings = owned(&[
        (
            "listener.security.protocol.map",
            "CONTROLLER:SASL_SSL,INTERNAL:SASL_SSL,PLAINTEXT:PLAINTEXT",
        ),
        ("sasl.mechanism.controller.protocol", "PLAIN"),
        ("sasl.mechanism.inter.broker.protocol", "PLAIN"),
        ("sasl.enabled.mechanisms", "PLAIN"),
        ("listener.name.controller.plain.sasl.jaas.config", &login),
        ("listener.name.internal.plain.sasl.jaas.config", &login),
    ]);
    settings.extend(files.iter().cloned());
    settings
}

/// The same by SCRAM, whose users the controller keeps.
fn by_scram(files: &Settings) -> Settings {
    let login = format!("{SCRAM} {NODE};");
    let mut settings = owned(&[
        (
            "listener.security.protocol.map",
            "CONTROLLER:SASL_SSL,INTERNAL:SASL_SSL,PLAINTEXT:PLAINTEXT",
        ),
        ("sasl.mechanism.controller.protocol", "SCRAM-SHA-512"),
        ("sasl.mechanism.inter.broker.protocol", "SCRAM-SHA-512"),
        ("sasl.enabled.mechanisms", "SCRAM-SHA-512"),
        ("listener.name.controller.sasl.enabled.mechanisms", "SCRAM-SHA-512"),
        ("listener.name.controller.scram-sha-512.sasl.jaas.config", &login),
        ("listener.name.internal.scram-sha-512.sasl.jaas.config", &login),
    ]);
    settings.extend(files.iter().cloned());
    settings
}

/// Those of a controller, which has no listener of brokers.
fn without_internal(settings: &[(String, String)]) -> Settings {
    let is_of_brokers = |name: &str| name.contains("inter.broker") || name.contains(".internal.");
    settings.iter().filter(|(name, _)| !is_of_brokers(name)).cloned().collect()
}

/// Those of a controller that takes requests of brokers from `User:node` alone. The clients of these brokers are
/// nobody, and no node is.
fn guarded(settings: &[(String, String)]) -> String {
    let mut settings = without_internal(settings);
    let authorizer = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";
    settings.extend(owned(&[
        ("authorizer.class.name", authorizer),
        ("super.users", "User:node;User:ANONYMOUS"),
    ]));
    lines(&settings)
}

fn start(controller: &ApacheController, id: i32, more: &[&Settings]) -> Broker {
    let mut all = settings(controller, id);
    all.extend(more.iter().flat_map(|it| it.iter().cloned()));
    all.push(("transferto.ktls".to_string(), "off".to_string()));
    let borrowed: Vec<_> = all.iter().map(|(name, value)| (&**name, &**value)).collect();
    Broker::start_in(Arc::new(TempDir::new()), &borrowed)
}

/// A listener for the other brokers beside that of the clients.
fn with_internal() -> Settings {
    owned(&[
        ("listeners", "PLAINTEXT://127.0.0.1:0,INTERNAL://127.0.0.1:0"),
        ("inter.broker.listener.name", "INTERNAL"),
    ])
}

fn create(client: &mut Client, name: &str, replicas: &[i32]) {
    let config = |(name, value): (&str, &str)| CreatableTopicConfig {
        name: name.to_string(),
        value: Some(value.to_string()),
    };
    let topic = CreatableTopic {
        name: name.to_string(),
        num_partitions: -1,
        replication_factor: -1,
        assignments: vec![CreatableReplicaAssignment {
            partition_index: 0,
            broker_ids: replicas.to_vec(),
        }],
        configs: [("min.insync.replicas", "2"), ("retention.ms", "-1")].map(config).to_vec(),
    };
    let request = CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() };
    let response = client.call(7, &RequestBody::CreateTopics(request), &[]).0;
    let ResponseBody::CreateTopics(response) = response else { panic!("{response:?}") };
    assert_eq!(response.topics[0].error_code, 0, "{response:?}");
}

/// A user of SCRAM-SHA-512.
fn make_user(client: &mut Client, name: &str, password: &str) {
    let (salt, iterations) = (b"salt".to_vec(), 4096);
    let formatter = ScramFormatter::new(ScramMechanism::ScramSha512);
    let salted = formatter.salted_password(password, &salt, NonZeroU32::new(iterations).unwrap());
    let upsertion = ScramCredentialUpsertion {
        name: name.to_string(),
        mechanism: ScramMechanism::ScramSha512.id(),
        iterations: 4096,
        salt,
        salted_password: SecretBytes(salted),
    };
    let request =
        AlterUserScramCredentialsRequest { deletions: vec![], upsertions: vec![upsertion] };
    let response = client.call(0, &RequestBody::AlterUserScramCredentials(request), &[]).0;
    let ResponseBody::AlterUserScramCredentials(response) = response else {
        panic!("{response:?}")
    };
    assert_eq!(response.results[0].error_code, 0, "{response:?}");
}

fn in_sync(client: &mut Client, topic: &str) -> Option<usize> {
    let request = MetadataRequest {
        topics: Some(vec![topic_named(topic)]),
        allow_auto_topic_creation: false,
        ..MetadataRequest::default()
    };
    let response = client.call(METADATA, &RequestBody::Metadata(request), &[]).0;
    let ResponseBody::Metadata(mut response) = response else { panic!("{response:?}") };
    Some(response.topics.remove(0).partitions.into_iter().next()?.isr_nodes.len())
}

/// Has the leader acknowledge when all replicas in sync have the record.
fn produce(leader: &mut Client, topic: &str, value: &str) {
    wait_until("an acknowledgement", || {
        let sent = leader.produce_with(NEWEST_PRODUCE, -1, (topic, 0), &batch(&[value]));
        sent.error_code == 0
    });
}

fn log_in(dir: &Path, topic: &str) -> Vec<u8> {
    std::fs::read(dir.join(format!("{topic}-0/00000000000000000000.log"))).unwrap_or_default()
}

#[test]
fn three_brokers_replicate_over_sasl_ssl_under_a_controller_that_is_secured_likewise() {
    let dir = TempDir::new();
    let tls = TlsFiles::in_dir(dir.path());
    let secured = by_sasl(&stores(&tls.keystore, &tls.truststore));
    let Some(controller) = ApacheController::secured(&guarded(&secured)) else { return };
    let brokers = [1, 2, 3].map(|id| start(&controller, id, &[&secured, &with_internal()]));
    let mut client = brokers[0].connect();
    create(&mut client, "t", &[1, 2, 3]);
    wait_until("three in sync", || in_sync(&mut client, "t") == Some(3));
    for value in ["one", "two", "three"] {
        produce(&mut client, "t", value);
    }
    let logs = wait_for("logs that are the same", || {
        let logs = brokers.each_ref().map(|it| log_in(it.dir.path(), "t"));
        (logs[0] == logs[1] && logs[1] == logs[2] && !logs[0].is_empty()).then_some(logs)
    });
    assert!(logs[0].windows(5).any(|it| it == b"three"));
    for broker in brokers {
        broker.shutdown().unwrap();
    }
}

#[test]
fn a_controller_that_asks_for_certificates_is_followed_and_written_to() {
    let dir = TempDir::new();
    let tls = TlsFiles::in_dir(dir.path());
    let key = dir.path().join("node.pem");
    write_node_key(&tls.ca, &key);
    let mut secured = stores(&key, &tls.truststore);
    secured.extend(owned(&[
        ("listener.security.protocol.map", "CONTROLLER:SSL,PLAINTEXT:PLAINTEXT"),
        ("ssl.client.auth", "required"),
    ]));
    let Some(controller) = ApacheController::secured(&lines(&secured)) else { return };
    let broker = start(&controller, 1, &[&secured]);
    let mut client = broker.connect();
    create(&mut client, "t", &[1]);
    wait_until("a leader", || in_sync(&mut client, "t") == Some(1));
    broker.shutdown().unwrap();
}

/// The controller has the user before it has a log: `kafka-storage format --add-scram`.
#[test]
fn a_controller_knows_a_broker_by_scram_if_its_user_was_made_at_the_format() {
    let dir = TempDir::new();
    let tls = TlsFiles::in_dir(dir.path());
    let files = stores(&tls.keystore, &tls.truststore);
    let login = format!("{SCRAM} {NODE};");
    let mut secured = owned(&[
        ("listener.security.protocol.map", "CONTROLLER:SASL_SSL,PLAINTEXT:PLAINTEXT"),
        ("sasl.mechanism.controller.protocol", "SCRAM-SHA-512"),
        ("listener.name.controller.sasl.enabled.mechanisms", "SCRAM-SHA-512"),
        ("listener.name.controller.scram-sha-512.sasl.jaas.config", &login),
    ]);
    secured.extend(files);
    let user = "SCRAM-SHA-512=[name=node,password=node-secret]";
    let Some(controller) = ApacheController::with_user(&lines(&secured), user) else { return };
    let broker = start(&controller, 1, &[&secured]);
    let mut client = broker.connect();
    create(&mut client, "t", &[1]);
    wait_until("a leader", || in_sync(&mut client, "t") == Some(1));
    broker.shutdown().unwrap();
}

/// The brokers find their own user in what the controller has: each knows the others by its own copy of the log.
#[test]
fn brokers_know_each_other_by_scram_if_their_user_was_made_at_the_format() {
    let dir = TempDir::new();
    let tls = TlsFiles::in_dir(dir.path());
    let secured = by_scram(&stores(&tls.keystore, &tls.truststore));
    let user = "SCRAM-SHA-512=[name=node,password=node-secret]";
    let started = ApacheController::with_user(&guarded(&secured), user);
    let Some(controller) = started else { return };
    let rights = owned(&[
        ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
        ("super.users", "User:node;User:ANONYMOUS"),
    ]);
    let brokers = [1, 2].map(|id| start(&controller, id, &[&secured, &with_internal(), &rights]));
    let mut client = brokers[0].connect();
    create(&mut client, "t", &[1, 2]);
    wait_until("both in sync", || in_sync(&mut client, "t") == Some(2));
    produce(&mut client, "t", "a value");
    wait_until("logs that are the same", || {
        let [ours, theirs] = brokers.each_ref().map(|it| log_in(it.dir.path(), "t"));
        !ours.is_empty() && ours == theirs
    });
    for broker in brokers {
        broker.shutdown().unwrap();
    }
}

/// Until then its leaders refuse a follower, which tries again: nobody has to start a broker anew.
#[test]
fn brokers_whose_user_is_made_when_they_run_already_know_each_other_from_then_on() {
    let dir = TempDir::new();
    let tls = TlsFiles::in_dir(dir.path());
    let mut secured = by_scram(&stores(&tls.keystore, &tls.truststore));
    secured[0].1 = secured[0].1.replace("CONTROLLER:SASL_SSL", "CONTROLLER:SSL");
    let Some(controller) = ApacheController::secured(&lines(&without_internal(&secured))) else {
        return;
    };
    secured.extend(owned(&[("replica.lag.time.max.ms", "1500")]));
    let brokers = [1, 2].map(|id| start(&controller, id, &[&secured, &with_internal()]));
    let mut client = brokers[0].connect();
    create(&mut client, "t", &[1, 2]);
    wait_until("a leader alone", || in_sync(&mut client, "t") == Some(1));
    make_user(&mut client, "node", "node-secret");
    wait_until("both in sync", || in_sync(&mut client, "t") == Some(2));
    for broker in brokers {
        broker.shutdown().unwrap();
    }
}

#[test]
fn a_broker_of_kafka_and_ours_follow_each_other_over_sasl_ssl() {
    const OURS: i32 = 1;
    const THEIRS: i32 = 2;
    let dir = TempDir::new();
    let tls = TlsFiles::in_dir(dir.path());
    let secured = by_sasl(&stores(&tls.keystore, &tls.truststore));
    let Some(controller) = ApacheController::secured(&guarded(&secured)) else { return };
    let ours = start(&controller, OURS, &[&secured, &with_internal()]);
    let theirs = ApacheBroker::start_with(&controller, THEIRS, |port| {
        let mut settings = secured.clone();
        let internal = free_port();
        settings.extend(owned(&[
            (
                "listeners",
                &*format!("PLAINTEXT://127.0.0.1:{port},INTERNAL://127.0.0.1:{internal}"),
            ),
            ("inter.broker.listener.name", "INTERNAL"),
            // A replica that comes back is in sync soon.
            ("offsets.topic.replication.factor", "1"),
        ]));
        lines(&settings)
    });
    let mut clients = [ours.connect(), Client::connect(theirs.port)];
    for (topic, replicas, leader) in [("led-by-ours", [1, 2], 0), ("led-by-theirs", [2, 1], 1)] {
        create(&mut clients[0], topic, &replicas);
        wait_until("both in sync", || in_sync(&mut clients[0], topic) == Some(2));
        produce(&mut clients[leader], topic, "a value");
        wait_until("logs that are the same", || {
            let log = log_in(ours.dir.path(), topic);
            !log.is_empty() && log == log_in(&theirs.log_dir, topic)
        });
    }
    ours.shutdown().unwrap();
}
