//! Clusters of real brokers, of which one can be ended and started again: Kafka 0.9.0.1 with its
//! ZooKeeper, and this broker with the controller of the newest Kafka.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bench::caretaker;
use bench::outcome::{Outcome, failed};
use bench::peers::kafka::free_ports;
use bench::process::Server;
use nix::unistd::Pid;
use support::client::{Client, fetch_request};
use support::temp::TempDir;
use transferto::message::byte_buffer_message_set::for_each_record;

use crate::cluster::original::Original;
use crate::cluster::ours::Ours;
use crate::recorder::wait_until;
use crate::session::Year;

mod original;
mod ours;

/// Which brokers it is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Software {
    Original,
    Ours,
}

/// What the brokers of a cluster have in common.
enum Common {
    Original(Original),
    Ours(Ours),
}

/// Brokers on this machine that hold topics together; dropped, all of it is ended, and its files go.
pub(crate) struct Cluster {
    members: BTreeMap<i32, Member>,
    common: Common,
    dir: TempDir,
}

struct Member {
    port: u16,
    /// None of a broker that was killed.
    server: Option<Server>,
    /// How often it was started: each time it writes what it says to another file.
    starts: usize,
}

impl Software {
    pub(crate) const BOTH: [Self; 2] = [Self::Original, Self::Ours];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Original => "Apache Kafka 0.9.0.1",
            Self::Ours => "transferto",
        }
    }

    /// Of the client: what Kafka 0.9 speaks, or what is spoken today.
    pub(crate) fn year(self) -> Year {
        match self {
            Self::Original => Year::Of2016,
            Self::Ours => Year::Today,
        }
    }
}

impl Cluster {
    /// Starts brokers with these ids, one after another, each with these settings (`name=value`).
    pub(crate) fn start(software: Software, ids: &[i32], settings: &[&str]) -> Outcome<Self> {
        let dir = TempDir::new();
        caretaker::directory_is_there(dir.path());
        let common = match software {
            Software::Original => Common::Original(Original::start_in(dir.path())?),
            Software::Ours => Common::Ours(Ours::start_in(dir.path(), &[])?),
        };
        Self::with_brokers(dir, common, ids, settings)
    }

    /// The same of this broker, with these settings of the controller.
    pub(crate) fn start_ours(
        ids: &[i32],
        settings: &[&str],
        of_controller: &[&str],
    ) -> Outcome<Self> {
        let dir = TempDir::new();
        caretaker::directory_is_there(dir.path());
        let ours = Ours::start_in(dir.path(), of_controller)?;
        Self::with_brokers(dir, Common::Ours(ours), ids, settings)
    }

    fn with_brokers(dir: TempDir, common: Common, ids: &[i32], settings: &[&str]) -> Outcome<Self> {
        let mut cluster = Self { members: BTreeMap::new(), common, dir };
        for id in ids {
            let [port] = free_ports()?;
            cluster.write_settings(*id, port, settings)?;
            cluster.members.insert(*id, Member { port, server: None, starts: 0 });
            cluster.start_broker(*id)?;
        }
        Ok(cluster)
    }

    fn write_settings(&self, id: i32, port: u16, settings: &[&str]) -> Outcome<()> {
        let own = match &self.common {
            Common::Original(original) => original.settings(id, port),
            Common::Ours(ours) => ours.settings(id, port),
        };
        let logs = format!("log.dirs={}", self.logs_of(id).display());
        let given = settings.iter().map(ToString::to_string);
        let lines: String =
            own.into_iter().chain([logs]).chain(given).map(|it| it + "\n").collect();
        Ok(fs::write(self.properties_of(id), lines)?)
    }

    /// Starts a broker that does not run, and waits until it serves.
    pub(crate) fn start_broker(&mut self, id: i32) -> Outcome<()> {
        let properties = self.properties_of(id);
        let member = self.members.get_mut(&id).expect("the broker is of the cluster");
        member.starts += 1;
        let log = self.dir.join(&format!("broker-{id}-{}.log", member.starts));
        member.server = Some(match &self.common {
            Common::Original(original) => original.start_broker(&properties, &log)?,
            Common::Ours(ours) => ours.start_broker(&properties, &log)?,
        });
        Ok(())
    }

    /// Ends a broker as `kill -9` does.
    pub(crate) fn kill(&mut self, id: i32) -> Outcome<()> {
        match self.member_mut(id).server.take() {
            Some(mut server) => server.kill(),
            None => failed(format!("broker {id} does not run")),
        }
    }

    pub(crate) fn is_running(&self, id: i32) -> bool {
        self.member(id).server.is_some()
    }

    pub(crate) fn pid(&self, id: i32) -> Outcome<Pid> {
        match &self.member(id).server {
            Some(server) => Ok(server.pid()),
            None => failed(format!("broker {id} does not run")),
        }
    }

    pub(crate) fn port(&self, id: i32) -> u16 {
        self.member(id).port
    }

    pub(crate) fn connect(&self, id: i32) -> Client {
        Client::connect(self.port(id))
    }

    /// What the broker has said since it was last started.
    pub(crate) fn log_of(&self, id: i32) -> PathBuf {
        self.dir.join(&format!("broker-{id}-{}.log", self.member(id).starts))
    }

    /// Creates a topic of one partition, on these brokers; the first is to lead.
    pub(crate) fn create_topic(
        &self,
        topic: &str,
        replicas: &[i32],
        configs: &[(&str, &str)],
    ) -> Outcome<()> {
        match &self.common {
            Common::Original(original) => original.create_topic(topic, replicas, configs),
            Common::Ours(_) => {
                ours::create_topic(&mut self.connect(replicas[0]), topic, replicas, configs)
            }
        }
    }

    /// Who leads the topic's partition, if a broker that runs has heard of somebody.
    pub(crate) fn leader(&self, asked: i32, topic: &str) -> Option<i32> {
        let found = self.connect(asked).metadata(0, Some(&[topic])).topics.remove(0);
        let leader = found.partitions.first()?.leader_id;
        (leader >= 0).then_some(leader)
    }

    /// Those that the topic's partition has in sync, as a broker that runs has heard, sorted.
    pub(crate) fn isr(&self, asked: i32, topic: &str) -> Vec<i32> {
        let found = self.connect(asked).metadata(0, Some(&[topic])).topics.remove(0);
        let mut isr = found.partitions.first().map_or(Vec::new(), |it| it.isr_nodes.clone());
        isr.sort_unstable();
        isr
    }

    /// Waits until these replicas are in sync and the first of them leads, as all of them have heard.
    pub(crate) fn await_replicas(&self, topic: &str, replicas: &[i32]) -> Outcome<()> {
        let mut sorted = replicas.to_vec();
        sorted.sort_unstable();
        wait_until("all replicas to be in sync", || {
            let has_heard = |id: &i32| {
                self.isr(*id, topic) == sorted && self.leader(*id, topic) == Some(replicas[0])
            };
            Ok(replicas.iter().all(has_heard) && self.serves(replicas[0], topic))
        })
    }

    /// A broker may hear of its leadership a moment before it is ready for it.
    fn serves(&self, leader: i32, topic: &str) -> bool {
        self.connect(leader).fetch_with(1, fetch_request(topic, 0, 0))[0].error == 0
    }

    /// The first segment of the topic's partition on this broker.
    pub(crate) fn segment(&self, id: i32, topic: &str) -> PathBuf {
        self.logs_of(id).join(format!("{topic}-0")).join("00000000000000000000.log")
    }

    /// The values of the messages in that segment, whether the broker runs or not.
    pub(crate) fn values_in(&self, id: i32, topic: &str) -> Outcome<Vec<String>> {
        let path = self.segment(id, topic);
        values(&if path.exists() { fs::read(path)? } else { Vec::new() })
    }

    fn member(&self, id: i32) -> &Member {
        self.members.get(&id).expect("the broker is of the cluster")
    }

    fn member_mut(&mut self, id: i32) -> &mut Member {
        self.members.get_mut(&id).expect("the broker is of the cluster")
    }

    fn logs_of(&self, id: i32) -> PathBuf {
        self.dir.join(&format!("broker-{id}"))
    }

    fn properties_of(&self, id: i32) -> PathBuf {
        self.dir.join(&format!("broker-{id}.properties"))
    }
}

/// The values of messages of whatever format.
pub(crate) fn values(records: &[u8]) -> Outcome<Vec<String>> {
    let mut values = Vec::new();
    for_each_record(records, &mut |record| {
        values.push(String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned());
        Ok(())
    })?;
    Ok(values)
}

/// Nothing in it is to be kept, so nobody is asked to stop.
impl Drop for Cluster {
    fn drop(&mut self) {
        for (id, member) in &mut self.members {
            if let Some(mut server) = member.server.take()
                && let Err(error) = server.kill()
            {
                eprintln!("broker {id} cannot be killed: {error}");
            }
        }
        caretaker::directory_is_gone(self.dir.path());
    }
}

/// The lines of a log that have this word in them, from it on.
pub(crate) fn said(log: &Path, word: &str) -> Outcome<Vec<String>> {
    let log = fs::read_to_string(log)?;
    Ok(log.lines().filter_map(|line| Some(line[line.find(word)?..].to_string())).collect())
}
