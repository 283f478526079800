//! Brokers of transferto, and the controller of the newest Kafka, which they need.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bench::jars::{self, Jars};
use bench::outcome::{Outcome, failed};
use bench::peers::kafka::{CLUSTER_ID, JVM_FLAGS_OF_A_TOOL, STARTED, WARNINGS_ONLY, free_ports};
use bench::process::Server;
use support::client::Client;
use transferto::protocol::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use transferto::protocol::request::{RequestBody, ResponseBody};

use crate::kafka::release::Release;
use crate::kafka::{fetched, shortly};
use crate::traced_broker::binary;

const CONTROLLER_ID: i32 = 100;
/// The newest whose metadata log this broker reads.
const RELEASE_VERSION: &str = "3.9";
/// What a broker says when it serves.
const LISTENING: &str = "listening on PLAINTEXT://";
const CREATE_TOPICS_VERSION: i16 = 7;

pub(super) struct Ours {
    binary: PathBuf,
    controller_port: u16,
    /// Held for its `Drop`.
    _controller: Server,
}

impl Ours {
    pub(super) fn start_in(dir: &Path, settings: &[&str]) -> Outcome<Self> {
        let (jars, binary) = (fetched(Release::Newest)?, binary()?);
        let [controller_port] = free_ports()?;
        let properties = dir.join("controller.properties");
        fs::write(&properties, controller_settings(dir, controller_port, settings))?;
        format(&jars, &properties)?;
        let mut controller = jars.java(JVM_FLAGS_OF_A_TOOL)?;
        controller.arg("kafka.Kafka").arg(&properties);
        let log = dir.join("controller.log");
        let controller = jars::start(controller, "the controller", &log, STARTED)?;
        Ok(Self { binary, controller_port, _controller: controller })
    }

    pub(super) fn settings(&self, id: i32, port: u16) -> Vec<String> {
        vec![
            "process.roles=broker".to_string(),
            format!("node.id={id}"),
            format!("controller.quorum.bootstrap.servers=127.0.0.1:{}", self.controller_port),
            "controller.listener.names=CONTROLLER".to_string(),
            "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT".to_string(),
            format!("listeners=PLAINTEXT://127.0.0.1:{port}"),
        ]
    }

    pub(super) fn start_broker(&self, properties: &Path, log: &Path) -> Outcome<Server> {
        let mut broker = Command::new(&self.binary);
        broker.arg(properties).env("RUST_LOG", "info").stdin(Stdio::null());
        jars::start(broker, "transferto", log, LISTENING)
    }
}

fn controller_settings(dir: &Path, port: u16, settings: &[&str]) -> String {
    let controller = format!("127.0.0.1:{port}");
    let logs = dir.join("controller");
    let own = [
        "process.roles=controller".to_string(),
        format!("node.id={CONTROLLER_ID}"),
        format!("controller.quorum.bootstrap.servers={controller}"),
        format!("listeners=CONTROLLER://{controller}"),
        "controller.listener.names=CONTROLLER".to_string(),
        "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT".to_string(),
        format!("log.dirs={}", logs.display()),
    ];
    let given = settings.iter().map(ToString::to_string);
    own.into_iter().chain(given).map(|it| it + "\n").collect()
}

fn format(jars: &Jars, properties: &Path) -> Outcome<()> {
    let mut format = jars.java(JVM_FLAGS_OF_A_TOOL)?;
    format.arg(WARNINGS_ONLY).args(["kafka.tools.StorageTool", "format", "--standalone"]);
    format.args(["--release-version", RELEASE_VERSION, "-t", CLUSTER_ID, "-c"]).arg(properties);
    let output = format.output()?;
    if output.status.success() {
        return Ok(());
    }
    failed(format!("no format: {}", shortly(&output.stderr)))
}

pub(super) fn create_topic(
    client: &mut Client,
    topic: &str,
    replicas: &[i32],
    configs: &[(&str, &str)],
) -> Outcome<()> {
    let config = |(name, value): &(&str, &str)| CreatableTopicConfig {
        name: name.to_string(),
        value: Some(value.to_string()),
    };
    let assignment =
        CreatableReplicaAssignment { partition_index: 0, broker_ids: replicas.to_vec() };
    let creatable = CreatableTopic {
        name: topic.to_string(),
        num_partitions: -1,
        replication_factor: -1,
        assignments: vec![assignment],
        configs: configs.iter().map(config).collect(),
    };
    let request = CreateTopicsRequest { topics: vec![creatable], ..CreateTopicsRequest::default() };
    match client.call(CREATE_TOPICS_VERSION, &RequestBody::CreateTopics(request), &[]).0 {
        ResponseBody::CreateTopics(it) if it.topics[0].error_code == 0 => Ok(()),
        other => failed(format!("no topic {topic}: {other:?}")),
    }
}
