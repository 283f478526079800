//! Network namespaces: each node of the cluster has a network of its own, joined to the others by a
//! bridge, so that two nodes can lose sight of each other while both go on to see the rest.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd;
use std::process::{self, Child, Command, Stdio};
use std::sync::Arc;
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};

use crate::outcome::{Outcome, failed};

/// Every node listens on this port of its own address.
pub(crate) const PORT: u16 = 9092;
/// Clients have this one; it is not the id of a node.
const HUB: u8 = 254;
/// An address of no interface: the bridge floods what is sent to it, and every node throws it away.
const NOBODY: &str = "02:00:00:00:00:fe";
/// What a slow node gets: 40 kB in a second, less than is produced to it.
const SLOW: &str = "rate 320kbit burst 8kb latency 300ms";

/// A network namespace; it goes away with this value and the processes in it.
#[derive(Debug)]
pub(crate) struct Namespace(File);

impl Namespace {
    /// A new one, with nothing in it but a loopback interface.
    fn new() -> Outcome<Self> {
        let made = thread::spawn(|| -> Outcome<File> {
            unshare(CloneFlags::CLONE_NEWNET)?;
            Ok(File::open("/proc/thread-self/ns/net")?)
        });
        let namespace = match made.join() {
            Ok(Ok(file)) => Self(file),
            Ok(Err(error)) => return cannot(error),
            Err(_) => return failed("the thread of a new namespace panicked"),
        };
        namespace.run("ip link set lo up")?;
        Ok(namespace)
    }

    /// Does this on a thread that lives in the namespace, and so do its threads and processes.
    pub(crate) fn within<T: Send>(&self, act: impl FnOnce() -> Outcome<T> + Send) -> Outcome<T> {
        let entered = || {
            setns(&self.0, CloneFlags::CLONE_NEWNET)?;
            act()
        };
        match thread::scope(|scope| scope.spawn(entered).join()) {
            Ok(outcome) => outcome,
            Err(_) => failed("a thread in a namespace panicked"),
        }
    }

    /// Starts a process in it.
    pub(crate) fn spawn(&self, command: &mut Command) -> Outcome<Child> {
        self.within(|| Ok(command.spawn()?))
    }

    /// Runs a command of iproute2 in it.
    fn run(&self, words: &str) -> Outcome<()> {
        let mut parts = words.split_whitespace();
        let mut command = Command::new(parts.next().unwrap_or_default());
        command.args(parts).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let output = self.spawn(&mut command)?.wait_with_output()?;
        if output.status.success() {
            return Ok(());
        }
        cannot(format!("{words}: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }

    /// As a name that iproute2 takes.
    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.0.as_raw_fd())
    }
}

fn cannot<T>(why: impl std::fmt::Display) -> Outcome<T> {
    failed(format!(
        "cannot give every broker a network of its own, which takes root and iproute2 (name the \
         other tortures by PARTS= to do without): {why}"
    ))
}

/// The networks of all nodes, and that of the clients, which see every node at all times.
pub(crate) struct Network {
    hub: Arc<Namespace>,
    nodes: BTreeMap<i32, Arc<Namespace>>,
}

impl Network {
    /// Of nodes with these ids, each below 250.
    pub(crate) fn of(ids: &[i32]) -> Outcome<Self> {
        let hub = Namespace::new()?;
        hub.run("ip link add br0 type bridge")?;
        hub.run(&format!("ip addr add {}/24 dev br0", ip(HUB.into())))?;
        hub.run("ip link set br0 up")?;
        let mut nodes = BTreeMap::new();
        for &id in ids {
            let node = Namespace::new()?;
            let path = node.path();
            hub.run(&format!("ip link add v{id} type veth peer name eth0 netns {path}"))?;
            hub.run(&format!("ip link set v{id} master br0 up"))?;
            node.run(&format!("ip addr add {}/24 dev eth0", ip(id)))?;
            node.run("ip link set eth0 up")?;
            nodes.insert(id, Arc::new(node));
        }
        Ok(Self { hub: Arc::new(hub), nodes })
    }

    /// The network of the clients.
    pub(crate) fn hub(&self) -> Arc<Namespace> {
        Arc::clone(&self.hub)
    }

    /// The network of this node.
    pub(crate) fn node(&self, id: i32) -> Arc<Namespace> {
        Arc::clone(&self.nodes[&id])
    }

    /// From now on whatever either of the two sends to the other is lost without a word.
    pub(crate) fn cut(&self, one: i32, other: i32) -> Outcome<()> {
        let lose = |from: i32, to: i32| {
            let to = ip(to);
            self.nodes[&from]
                .run(&format!("ip neigh replace {to} lladdr {NOBODY} dev eth0 nud permanent"))
        };
        lose(one, other)?;
        lose(other, one)
    }

    /// The two see each other again.
    pub(crate) fn join(&self, one: i32, other: i32) -> Outcome<()> {
        let find = |from: i32, to: i32| {
            self.nodes[&from].run(&format!("ip neigh del {} dev eth0", ip(to)))
        };
        find(one, other)?;
        find(other, one)
    }

    /// Lets only a trickle through to this node.
    pub(crate) fn slow_down(&self, id: i32) -> Outcome<()> {
        self.hub.run(&format!("tc qdisc add dev v{id} root tbf {SLOW}"))
    }

    /// Takes the trickle's limit away.
    pub(crate) fn speed_up(&self, id: i32) -> Outcome<()> {
        self.hub.run(&format!("tc qdisc del dev v{id} root"))
    }
}

/// Where the node listens.
pub(crate) fn address(id: i32) -> SocketAddrV4 {
    SocketAddrV4::new(ip(id), PORT)
}

fn ip(id: i32) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, u8::try_from(id).unwrap_or(HUB))
}
