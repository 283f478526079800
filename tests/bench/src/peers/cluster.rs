//! Three brokers, ours or Kafka's own, under one controller of Apache Kafka's.
//!
//! The controller is the same for both, and the level of the cluster is one that both have.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use transferto::protocol::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponsePartition,
};
use transferto::protocol::request::{RequestBody, ResponseBody};

use crate::client::Client;
use crate::jars::{self, Jars};
use crate::outcome::{Outcome, failed};
use crate::peers::Broker;
use crate::peers::kafka::{self, JVM_FLAGS, JVM_FLAGS_OF_A_TOOL, WARNINGS_ONLY, free_ports};
use crate::peers::transferto::{TRANSFERTO, Transferto};
use crate::plan::Plan;
use crate::process::Server;

/// Any UUID will do.
const CLUSTER_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";
/// The newest level that our brokers claim.
const RELEASE_VERSION: &str = "3.9";
const CONTROLLER_ID: i32 = 100;
/// The last lines of a start.
const CONTROLLER_STARTED: &str = "Kafka Server started";
const BROKER_STARTED: &str = "Kafka Server started";
/// As many as each partition has replicas.
pub const BROKERS: i32 = 3;
const METADATA_VERSION: i16 = 7;
const PATIENCE: Duration = Duration::from_secs(60);
const LOOKS_EVERY: Duration = Duration::from_millis(5);

/// Whose brokers they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Make {
    Transferto,
    Kafka,
}

impl Make {
    /// As the tables name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Transferto => TRANSFERTO,
            Self::Kafka => kafka::NAME,
        }
    }
}

/// Runs until it is dropped; the brokers end before the controller.
pub struct Cluster {
    make: Make,
    jars: Jars,
    dir: PathBuf,
    /// Of all brokers, `name=value`.
    settings: Vec<String>,
    /// By id, from 1; `None` while one does not run.
    members: Vec<Option<Running>>,
    controller_port: u16,
    _controller: Server,
}

/// A broker that runs.
struct Running {
    server: Server,
    port: u16,
}

impl Cluster {
    /// Starts a controller and three brokers below `dir`, with these settings (`name=value`) beside the
    /// defaults, and waits until all serve.
    pub fn start(
        plan: &Plan,
        make: Make,
        dir: &Path,
        controller_settings: &[&str],
        broker_settings: &[&str],
    ) -> Outcome<Self> {
        let jars = kafka::jars_in(&plan.work_dir);
        let [controller_port] = free_ports()?;
        let controller_dir = dir.join("controller");
        let controller =
            start_controller(&jars, &controller_dir, controller_port, controller_settings)?;
        let mut cluster = Self {
            make,
            jars,
            dir: dir.to_path_buf(),
            settings: broker_settings.iter().map(ToString::to_string).collect(),
            members: Vec::new(),
            controller_port,
            _controller: controller,
        };
        for id in 1..=BROKERS {
            fs::create_dir_all(cluster.dir.join(format!("broker-{id}")))?;
            cluster.members.push(None);
            cluster.start_broker(plan, id)?;
        }
        Ok(cluster)
    }

    /// As the tables name its brokers.
    pub fn name(&self) -> &'static str {
        self.make.name()
    }

    /// Starts the broker with this id, whether for the first time or again, and waits until it serves.
    pub fn start_broker(&mut self, plan: &Plan, id: i32) -> Outcome<()> {
        self.start_broker_under(plan, id, &[])
    }

    /// The same, with words in front of the binary if it is ours, such as those of valgrind.
    pub fn start_broker_under(&mut self, plan: &Plan, id: i32, wrapper: &[&str]) -> Outcome<()> {
        let running = match self.make {
            Make::Transferto => self.start_transferto(plan, id, wrapper)?,
            Make::Kafka => self.start_kafka(id)?,
        };
        *self.member(id)? = Some(running);
        Ok(())
    }

    /// What the system says of the broker with this id.
    pub fn server(&self, id: i32) -> Outcome<&Server> {
        Ok(&self.running(id)?.server)
    }

    fn start_transferto(&self, plan: &Plan, id: i32, wrapper: &[&str]) -> Outcome<Running> {
        let own = self.settings_of(id);
        let settings: Vec<&str> = own.iter().map(String::as_str).collect();
        let (binary, dir) = (&plan.binary, self.log_dir(id));
        let broker = Transferto::start_under(binary, wrapper, TRANSFERTO, &dir, &settings)?;
        let port = broker.port();
        Ok(Running { server: broker.into_server(), port })
    }

    fn start_kafka(&self, id: i32) -> Outcome<Running> {
        let [port] = free_ports()?;
        let dir = self.dir.join(format!("broker-{id}"));
        let properties = dir.join("server.properties");
        let mut lines = self.settings_of(id);
        lines.push(format!("listeners=PLAINTEXT://127.0.0.1:{port}"));
        lines
            .push("listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT".into());
        lines.push(format!("log.dirs={}", self.log_dir(id).display()));
        fs::write(&properties, lines.join("\n"))?;
        if !self.log_dir(id).exists() {
            format(&self.jars, &properties, &[])?;
        }
        let mut broker = self.jars.java(JVM_FLAGS)?;
        broker.arg("kafka.Kafka").arg(&properties);
        let server = jars::start(broker, kafka::NAME, &dir.join("server.log"), BROKER_STARTED)?;
        Ok(Running { server, port })
    }

    fn settings_of(&self, id: i32) -> Vec<String> {
        let mut settings = vec![
            "process.roles=broker".to_string(),
            format!("node.id={id}"),
            format!("controller.quorum.bootstrap.servers=127.0.0.1:{}", self.controller_port),
            "controller.listener.names=CONTROLLER".to_string(),
        ];
        settings.extend(self.settings.iter().cloned());
        settings
    }

    /// Where the broker with this id keeps its logs.
    pub fn log_dir(&self, id: i32) -> PathBuf {
        kafka::log_dir(&self.dir.join(format!("broker-{id}")))
    }

    /// Ends a broker as a crash does.
    pub fn kill(&mut self, id: i32) -> Outcome<()> {
        match self.member(id)?.take() {
            Some(mut running) => running.server.kill(),
            None => failed(format!("broker {id} does not run")),
        }
    }

    /// Ends a broker in order.
    pub fn stop(&mut self, id: i32) -> Outcome<()> {
        drop(self.member(id)?.take());
        Ok(())
    }

    /// A client of this broker.
    pub fn client(&self, id: i32) -> Outcome<Client> {
        Client::connect(self.running(id)?.port)
    }

    /// A client of any broker that runs.
    pub fn any_client(&self) -> Outcome<Client> {
        let is_running = |id: &i32| self.members[(*id - 1) as usize].is_some();
        match (1..=BROKERS).find(is_running) {
            Some(id) => self.client(id),
            None => failed("no broker runs"),
        }
    }

    /// The time that all threads of the brokers that run have been on a CPU, in nanoseconds.
    pub fn cpu_ns(&self) -> Outcome<i64> {
        self.members.iter().flatten().map(|it| it.server.cpu_ns()).sum()
    }

    /// Creates a topic with a replica on each broker, and waits until all of them are in sync.
    pub fn create_topic(
        &self,
        topic: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> Outcome<()> {
        let replicas = i16::try_from(BROKERS)?;
        self.any_client()?.create_replicated_topic(topic, partitions, replicas, configs)?;
        for partition in 0..partitions {
            self.wait_until_in_sync(topic, partition, BROKERS as usize)?;
        }
        Ok(())
    }

    /// Waits until so many replicas are in sync and one of them leads and says so; returns which.
    pub fn wait_until_in_sync(&self, topic: &str, partition: i32, count: usize) -> Outcome<i32> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(found) = self.partition(topic, partition)?
                && found.isr_nodes.len() == count
                && found.leader_id > 0
                && self.client(found.leader_id)?.end_offset(topic, partition).is_ok()
            {
                return Ok(found.leader_id);
            }
            thread::sleep(LOOKS_EVERY);
        }
        failed(format!("{topic}-{partition} has not {count} replicas in sync after {PATIENCE:?}"))
    }

    /// Who leads a partition, as a broker that runs believes.
    pub fn leader(&self, topic: &str, partition: i32) -> Outcome<Option<i32>> {
        let found = self.partition(topic, partition)?;
        Ok(found.map(|it| it.leader_id).filter(|it| *it > 0))
    }

    /// What a broker says of a partition; `None` while it does not know it.
    fn partition(&self, topic: &str, number: i32) -> Outcome<Option<MetadataResponsePartition>> {
        let name = Some(topic.to_string());
        let asked = MetadataRequestTopic { name, ..MetadataRequestTopic::default() };
        let request = MetadataRequest {
            topics: Some(vec![asked]),
            allow_auto_topic_creation: false,
            ..MetadataRequest::default()
        };
        let body = RequestBody::Metadata(request);
        let response = self.any_client()?.call(METADATA_VERSION, &body, &[])?.0;
        let ResponseBody::Metadata(response) = response else {
            return failed("not a response to Metadata");
        };
        let mut partitions = response.topics.into_iter().flat_map(|it| it.partitions);
        Ok(partitions.find(|it| it.partition_index == number))
    }

    fn running(&self, id: i32) -> Outcome<&Running> {
        let running = usize::try_from(id - 1).ok().and_then(|at| self.members.get(at));
        let running = running.and_then(Option::as_ref);
        running.map_or_else(|| failed(format!("broker {id} does not run")), Ok)
    }

    fn member(&mut self, id: i32) -> Outcome<&mut Option<Running>> {
        let member = usize::try_from(id - 1).ok().and_then(|at| self.members.get_mut(at));
        member.map_or_else(|| failed(format!("there is no broker {id}")), Ok)
    }
}

impl Drop for Cluster {
    /// All of them at once: one after the other each would wait for the next to take its place.
    fn drop(&mut self) {
        for running in self.members.iter_mut().flatten() {
            // What is on the disk goes with the directory.
            let _ = running.server.kill();
        }
    }
}

fn start_controller(jars: &Jars, dir: &Path, port: u16, settings: &[&str]) -> Outcome<Server> {
    fs::create_dir_all(dir)?;
    let address = format!("127.0.0.1:{port}");
    let own = [
        "process.roles=controller".to_string(),
        format!("node.id={CONTROLLER_ID}"),
        format!("controller.quorum.bootstrap.servers={address}"),
        format!("listeners=CONTROLLER://{address}"),
        "controller.listener.names=CONTROLLER".to_string(),
        "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT".to_string(),
        format!("log.dirs={}", kafka::log_dir(dir).display()),
    ];
    let lines: Vec<_> = own.into_iter().chain(settings.iter().map(ToString::to_string)).collect();
    let properties = dir.join("controller.properties");
    fs::write(&properties, lines.join("\n"))?;
    format(jars, &properties, &["--standalone", "--release-version", RELEASE_VERSION])?;
    let mut controller = jars.java(JVM_FLAGS_OF_A_TOOL)?;
    controller.arg("kafka.Kafka").arg(&properties);
    jars::start(controller, "the controller", &dir.join("controller.log"), CONTROLLER_STARTED)
}

fn format(jars: &Jars, properties: &Path, more: &[&str]) -> Outcome<()> {
    let mut format = jars.java(JVM_FLAGS_OF_A_TOOL)?;
    format.arg(WARNINGS_ONLY).args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"]);
    let output = format.arg(properties).args(more).output()?;
    if !output.status.success() {
        return failed(format!("no format: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(())
}
