//! A cluster of processes: Apache Kafka's controller, three brokers of ours and one of Kafka's, each
//! in a network of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use support::temp::TempDir;

use crate::broker::{Broker, Setup};
use crate::client::{Client, wait_for};
use crate::cluster::apache::{Apache, ApacheProcess, ApacheSetup};
use crate::cluster::namespace::{Network, address};
use crate::full_disk::Disk;
use crate::outcome::{Outcome, failed};
use crate::plan::Plan;
use crate::report::Report;

/// The brokers.
pub(crate) const BROKERS: [i32; 4] = [1, 2, 3, 4];
/// The broker of Kafka's among them.
pub(crate) const APACHE_BROKER: i32 = 4;
/// The broker whose disk is small.
pub(crate) const SMALL_DISK_BROKER: i32 = 3;
/// The controller.
pub(crate) const CONTROLLER: i32 = 100;
/// More than a cluster writes to one broker before it is made anew.
const DISK_BYTES: u64 = 320 << 20;
/// A JVM that starts while everything else recovers.
const START_PATIENCE: Duration = Duration::from_secs(90);
const CONNECT_PATIENCE: Duration = Duration::from_millis(500);
/// What a JVM returns that has shut down because of a SIGTERM.
const JVM_TERMINATED: i32 = 143;
/// A controller fences a broker that has been silent for so long.
pub(crate) const SESSION_MS: u64 = 2_000;
/// A leader takes a follower out of its ISR that has been behind for so long.
pub(crate) const LAG_MS: u64 = 1_200;
/// Leaders go back to where they belong soon, so that every round finds them spread.
const CONTROLLER_SETTINGS: [&str; 3] =
    ["process.roles=controller", "leader.imbalance.check.interval.seconds=3", "num.partitions=1"];
/// Segments are as small as Kafka allows, and nothing is waited for that long.
const BROKER_SETTINGS: [&str; 16] = [
    "process.roles=broker",
    "min.insync.replicas=2",
    "default.replication.factor=3",
    "offsets.topic.replication.factor=3",
    "offsets.topic.num.partitions=2",
    "group.initial.rebalance.delay.ms=0",
    "broker.heartbeat.interval.ms=400",
    "replica.fetch.backoff.ms=100",
    "replica.socket.timeout.ms=2000",
    "replica.high.watermark.checkpoint.interval.ms=300",
    "log.segment.bytes=1048576",
    "log.index.size.max.bytes=65536",
    "log.flush.offset.checkpoint.interval.ms=300",
    "log.retention.ms=-1",
    "controlled.shutdown.enable=true",
    "unclean.leader.election.enable=false",
];

/// A broker of the cluster, whoever has made it.
struct Node {
    id: i32,
    how: How,
    process: Option<Process>,
    /// Its `log.dirs`.
    log_dir: PathBuf,
}

enum How {
    Ours(Setup),
    Apache(ApacheSetup),
}

enum Process {
    Ours(Broker),
    Apache(ApacheProcess),
}

impl Node {
    fn start(&mut self) -> Outcome<()> {
        let started = match &self.how {
            How::Ours(setup) => setup.start().map(Process::Ours),
            How::Apache(setup) => start_apache(setup, self.id).map(Process::Apache),
        };
        match started {
            Ok(process) => self.process = Some(process),
            Err(error) => return failed(format!("broker {}: {error}", self.id)),
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Outcome<()> {
        match &self.process {
            Some(Process::Ours(broker)) => broker.signal(signal),
            Some(Process::Apache(process)) => process.signal(signal),
            None => failed("a process that does not run gets no signal"),
        }
    }

    fn kill(&mut self) {
        match self.process.take() {
            Some(Process::Ours(mut broker)) => broker.kill(),
            Some(Process::Apache(mut process)) => process.kill(),
            None => (),
        }
    }

    fn stop(&mut self) -> Outcome<ExitStatus> {
        match self.process.take() {
            Some(Process::Ours(mut broker)) => broker.stop(),
            Some(Process::Apache(mut process)) => process.stop(),
            None => failed(format!("broker {} does not run", self.id)),
        }
    }

    fn is_alive(&mut self) -> bool {
        match &mut self.process {
            Some(Process::Ours(broker)) => broker.is_alive(),
            Some(Process::Apache(process)) => process.is_alive(),
            None => false,
        }
    }
}

/// All of it; dropped, it is killed and its directory removed.
pub(crate) struct Cluster {
    nodes: Vec<Node>,
    controller: ApacheProcess,
    controller_setup: ApacheSetup,
    /// Who sees whom.
    pub(crate) network: Network,
    disk: Disk,
    dir: Option<TempDir>,
}

impl Cluster {
    /// Starts all nodes, each in its place of the network. With `of_apache` all brokers are Kafka's: what
    /// holds there is no invention of this torture.
    pub(crate) fn start(
        plan: &Plan,
        apache: &Apache,
        network: Network,
        of_apache: bool,
    ) -> Outcome<Self> {
        let dir = TempDir::new();
        let disk = Disk::mount(DISK_BYTES)?;
        let controller_setup = controller_setup(apache, &network, dir.path())?;
        let controller = start_apache(&controller_setup, CONTROLLER)?;
        let mut nodes = Vec::new();
        for id in BROKERS {
            let log_dir = match id {
                SMALL_DISK_BROKER => disk.path().join("data"),
                _ => dir.join(&format!("broker-{id}")),
            };
            let mut settings = settings(id);
            let how = if of_apache || id == APACHE_BROKER {
                let place = dir.join(&format!("apache-{id}"));
                settings.push(format!("listeners=PLAINTEXT://{}", address(id)));
                settings.push(format!("log.dirs={}", log_dir.display()));
                How::Apache(ApacheSetup::new(apache, network.node(id), &place, &settings, &[])?)
            } else {
                let mut setup = Setup::new(plan, &log_dir, &[]);
                setup.settings = settings;
                setup.address = address(id);
                setup.namespace = Some(network.node(id));
                setup.log_file = Some(dir.join(&format!("broker-{id}.log")));
                How::Ours(setup)
            };
            nodes.push(Node { id, how, process: None, log_dir });
        }
        let dir = Some(dir);
        let mut cluster = Self { nodes, controller, controller_setup, network, disk, dir };
        cluster.start_brokers(&BROKERS)?;
        Ok(cluster)
    }

    /// Starts these brokers at once, and waits until all of them serve.
    pub(crate) fn start_brokers(&mut self, ids: &[i32]) -> Outcome<()> {
        let nodes = self.nodes.iter_mut().filter(|node| ids.contains(&node.id));
        let started: Vec<Outcome<()>> = thread::scope(|scope| {
            let starting: Vec<_> = nodes.map(|node| scope.spawn(|| node.start())).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, Outcome<()>>| {
                thread.join().unwrap_or_else(|_| failed("the start of a broker panicked"))
            };
            starting.into_iter().map(join).collect()
        });
        started.into_iter().collect()
    }

    /// Starts this broker of ours as another version from now on.
    pub(crate) fn set_binary(&mut self, id: i32, binary: &Path) {
        if let How::Ours(setup) = &mut self.node(id).how {
            setup.binary = binary.to_path_buf();
        }
    }

    /// `kill -9` of this broker.
    pub(crate) fn kill_broker(&mut self, id: i32) {
        self.node(id).kill();
    }

    /// Asks this broker for a clean stop.
    pub(crate) fn stop_broker(&mut self, id: i32) -> Outcome<()> {
        let status = self.node(id).stop()?;
        if status.success() || status.code() == Some(JVM_TERMINATED) {
            return Ok(());
        }
        failed(format!("the clean stop of broker {id} ended with {status}"))
    }

    /// The broker's process stops where it is, with all its connections open, or goes on.
    pub(crate) fn signal_broker(&mut self, id: i32, signal: Signal) -> Outcome<()> {
        self.node(id).signal(signal)
    }

    /// `kill -9` of the controller.
    pub(crate) fn kill_controller(&mut self) {
        self.controller.kill();
    }

    /// Starts it again.
    pub(crate) fn start_controller(&mut self) -> Outcome<()> {
        self.controller = start_apache(&self.controller_setup, CONTROLLER)?;
        Ok(())
    }

    /// Brokers that have ended though nobody asked them to.
    pub(crate) fn dead_brokers(&mut self) -> Vec<i32> {
        let dead = |node: &mut Node| (!node.is_alive()).then_some(node.id);
        self.nodes.iter_mut().filter_map(dead).collect()
    }

    /// The directory of the broker.
    pub(crate) fn log_dir(&self, id: i32) -> &Path {
        &self.nodes[place(id)].log_dir
    }

    /// The small file system of one of them.
    pub(crate) fn disk(&self) -> &Path {
        self.disk.path()
    }

    /// All brokers shut down cleanly, and then the controller.
    pub(crate) fn stop(&mut self) -> Outcome<()> {
        for id in BROKERS {
            self.stop_broker(id)?;
        }
        self.controller.stop()?;
        Ok(())
    }

    /// No broker of ours may have panicked; measures what the first one costs.
    pub(crate) fn watch(&self, report: &mut Report) -> Outcome<()> {
        for node in &self.nodes {
            if let How::Ours(setup) = &node.how {
                report.demand_no_panic(setup);
            }
        }
        if let Some(Process::Ours(broker)) = &self.nodes[0].process {
            report.measure(broker.vitals()?);
        }
        Ok(())
    }

    /// Leaves the directory with all logs for a person, and says where that is.
    pub(crate) fn keep(&mut self) -> String {
        let Some(dir) = self.dir.take() else { return "nowhere".to_string() };
        let path = dir.path().display().to_string();
        // What is on the small disk goes away with it.
        let (from, to) =
            (self.nodes[place(SMALL_DISK_BROKER)].log_dir.clone(), dir.join("broker-3"));
        if let Err(error) = copy_all(&from, &to) {
            eprintln!("torture: cannot keep {}: {error}", from.display());
        }
        std::mem::forget(dir);
        path
    }

    fn node(&mut self, id: i32) -> &mut Node {
        &mut self.nodes[place(id)]
    }
}

/// The first broker is number 1.
fn place(id: i32) -> usize {
    usize::try_from(id - 1).unwrap_or(usize::MAX)
}

fn settings(id: i32) -> Vec<String> {
    let mut settings: Vec<String> = BROKER_SETTINGS.iter().map(ToString::to_string).collect();
    settings.extend([
        format!("node.id={id}"),
        format!("replica.lag.time.max.ms={LAG_MS}"),
        format!("controller.quorum.bootstrap.servers={}", address(CONTROLLER)),
        "controller.listener.names=CONTROLLER".to_string(),
        "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT".to_string(),
    ]);
    settings
}

fn controller_setup(apache: &Apache, network: &Network, dir: &Path) -> Outcome<ApacheSetup> {
    let mut settings: Vec<String> = CONTROLLER_SETTINGS.iter().map(ToString::to_string).collect();
    let address = address(CONTROLLER);
    settings.extend([
        format!("node.id={CONTROLLER}"),
        format!("controller.quorum.bootstrap.servers={address}"),
        format!("listeners=CONTROLLER://{address}"),
        "controller.listener.names=CONTROLLER".to_string(),
        "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT".to_string(),
        format!("broker.session.timeout.ms={SESSION_MS}"),
        format!("log.dirs={}", dir.join("controller-log").display()),
    ]);
    let (node, place) = (network.node(CONTROLLER), dir.join("controller"));
    ApacheSetup::new(apache, node, &place, &settings, &["--standalone"])
}

/// Waits until it listens.
fn start_apache(setup: &ApacheSetup, id: i32) -> Outcome<ApacheProcess> {
    let mut process = setup.start()?;
    wait_for(&format!("node {id} to listen"), START_PATIENCE, || {
        if !process.is_alive() {
            return failed(format!("node {id} has ended: {}", setup.tail()));
        }
        Ok(Client::connect_to(address(id), CONNECT_PATIENCE).ok())
    })?;
    Ok(process)
}

fn copy_all(from: &Path, to: &Path) -> Outcome<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_all(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
