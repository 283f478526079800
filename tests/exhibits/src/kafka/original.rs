//! Apache Kafka 0.9.0.1, the release that the post reads, and the ZooKeeper that it needs: two JVMs.

use std::fs;
use std::path::{Path, PathBuf};

use bench::jars::{self, Jars};
use bench::outcome::Outcome;
use bench::peers::kafka::{JVM_FLAGS, JVM_FLAGS_OF_A_TOOL, free_ports};
use bench::process::Server;

use crate::kafka::release::Running;
use crate::kafka::ssl_listener::SslListener;

pub(crate) const NAME: &str = "Apache Kafka 0.9.0.1";
const VERSION: &str = "0.9.0.1";
/// Names the artifacts.
const POM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench/kafka/pom-0.9.0.1.xml");

/// The last lines of the two starts.
pub(crate) const KAFKA_STARTED: &str = "started (kafka.server.KafkaServer)";
const ZOOKEEPER_STARTED: &str = "binding to port";
/// Warnings, and the two lines above.
const LOG4J: &str = "\
log4j.rootLogger=WARN, stdout
log4j.logger.kafka.server.KafkaServer=INFO
log4j.logger.org.apache.zookeeper.server.NIOServerCnxnFactory=INFO
log4j.appender.stdout=org.apache.log4j.ConsoleAppender
log4j.appender.stdout.layout=org.apache.log4j.PatternLayout
log4j.appender.stdout.layout.ConversionPattern=[%d] %p %m (%c)%n
";

pub(crate) fn jars_in(work_dir: &Path) -> Jars {
    Jars::new(NAME, Path::new(POM), work_dir.join(format!("kafka_jars_{VERSION}")))
}

/// Starts both in `dir`, which is empty, and waits until the broker serves.
pub(crate) fn start(jars: &Jars, dir: &Path, ssl: Option<&SslListener>) -> Outcome<Running> {
    let [port, zookeeper_port] = free_ports()?;
    let log4j = write_log4j(dir, "")?;
    let zookeeper = start_zookeeper(jars, dir, zookeeper_port, &log4j)?;

    let properties = dir.join("server.properties");
    let mut lines = settings(dir, port, zookeeper_port);
    if let Some(ssl) = ssl {
        lines += &ssl.settings_beside(port).join("\n");
    }
    fs::write(&properties, lines)?;
    let mut broker = jars.java(&[JVM_FLAGS, &[&log4j]].concat())?;
    broker.arg("kafka.Kafka").arg(&properties);
    let log = dir.join("server.log");
    let server = jars::start(broker, NAME, &log, KAFKA_STARTED)?;
    Ok(Running { server, port, log, _zookeeper: Some(zookeeper) })
}

/// Writes what a JVM is to log, and `more`; returns its flag for that.
pub(crate) fn write_log4j(dir: &Path, more: &str) -> Outcome<String> {
    let path = dir.join("log4j.properties");
    fs::write(&path, format!("{LOG4J}{more}"))?;
    Ok(format!("-Dlog4j.configuration=file:{}", path.display()))
}

pub(crate) fn start_zookeeper(jars: &Jars, dir: &Path, port: u16, log4j: &str) -> Outcome<Server> {
    let (data, properties) = (dir.join("zookeeper"), dir.join("zookeeper.properties"));
    fs::create_dir_all(&data)?;
    let lines =
        format!("dataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\n", data.display());
    fs::write(&properties, lines)?;
    let mut zookeeper = jars.java(&[JVM_FLAGS_OF_A_TOOL, &[log4j]].concat())?;
    zookeeper.arg("org.apache.zookeeper.server.ZooKeeperServerMain").arg(&properties);
    jars::start(zookeeper, "ZooKeeper", &dir.join("zookeeper.log"), ZOOKEEPER_STARTED)
}

/// What Kafka cannot do without; all else has its defaults.
fn settings(dir: &Path, port: u16, zookeeper_port: u16) -> String {
    let logs: PathBuf = dir.join("logs");
    format!(
        "broker.id=0\nlisteners=PLAINTEXT://127.0.0.1:{port}\nlog.dirs={}\n\
         zookeeper.connect=127.0.0.1:{zookeeper_port}\n",
        logs.display()
    )
}
