//! Brokers of Apache Kafka 0.9.0.1 and their ZooKeeper.

use std::path::Path;

use bench::jars::{self, Jars};
use bench::outcome::{Outcome, failed};
use bench::peers::kafka::{JVM_FLAGS_OF_A_TOOL, free_ports};
use bench::process::Server;

use crate::kafka::original::{self, KAFKA_STARTED, NAME};
use crate::kafka::release::Release;
use crate::kafka::{fetched, shortly};

/// The log cleaner has 128 MiB for itself.
const JVM_FLAGS: [&str; 3] = ["-Xmx512m", "-XX:+UseSerialGC", "-Djava.awt.headless=true"];
/// That one is truncated, above all.
const WHAT_BECOMES_OF_LOGS: &str = "log4j.logger.kafka.log.Log=INFO\n";

pub(super) struct Original {
    jars: Jars,
    log4j: String,
    zookeeper_port: u16,
    /// Held for its `Drop`.
    _zookeeper: Server,
}

impl Original {
    pub(super) fn start_in(dir: &Path) -> Outcome<Self> {
        let jars = fetched(Release::Original)?;
        let [zookeeper_port] = free_ports()?;
        let log4j = original::write_log4j(dir, WHAT_BECOMES_OF_LOGS)?;
        let zookeeper = original::start_zookeeper(&jars, dir, zookeeper_port, &log4j)?;
        Ok(Self { jars, log4j, zookeeper_port, _zookeeper: zookeeper })
    }

    pub(super) fn settings(&self, id: i32, port: u16) -> Vec<String> {
        vec![
            format!("broker.id={id}"),
            format!("listeners=PLAINTEXT://127.0.0.1:{port}"),
            format!("zookeeper.connect=127.0.0.1:{}", self.zookeeper_port),
        ]
    }

    pub(super) fn start_broker(&self, properties: &Path, log: &Path) -> Outcome<Server> {
        let flags: Vec<&str> = JVM_FLAGS.into_iter().chain([self.log4j.as_str()]).collect();
        let mut broker = self.jars.java(&flags)?;
        broker.arg("kafka.Kafka").arg(properties);
        jars::start(broker, NAME, log, KAFKA_STARTED)
    }

    /// By Kafka's own tool: no request of 0.9 creates a topic.
    pub(super) fn create_topic(
        &self,
        topic: &str,
        replicas: &[i32],
        configs: &[(&str, &str)],
    ) -> Outcome<()> {
        let flags: Vec<&str> =
            JVM_FLAGS_OF_A_TOOL.iter().copied().chain([self.log4j.as_str()]).collect();
        let mut tool = self.jars.java(&flags)?;
        let ids: Vec<String> = replicas.iter().map(ToString::to_string).collect();
        let zookeeper = format!("127.0.0.1:{}", self.zookeeper_port);
        tool.args(["kafka.admin.TopicCommand", "--zookeeper", &zookeeper, "--create"]);
        tool.args(["--topic", topic, "--replica-assignment", &ids.join(":")]);
        for (name, value) in configs {
            tool.args(["--config", &format!("{name}={value}")]);
        }
        let output = tool.output()?;
        if output.status.success() {
            return Ok(());
        }
        failed(format!("no topic {topic}: {}", shortly(&output.stdout)))
    }
}
