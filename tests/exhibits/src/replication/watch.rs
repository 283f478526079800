//! Two brokers, one of which copies from the other, watched while a record goes through both.

use std::collections::BTreeMap;
use std::fs;
use std::thread::sleep;

use bench::outcome::{Outcome, failed};
use nix::unistd::Pid;
use support::client::{Client, Fetched, fetch_request};
use support::tunnel::port_of;

use crate::call::{Call, descriptor_in};
use crate::cluster::{Cluster, Software};
use crate::kafka::GRACE;
use crate::kafka::jvm_threads::{self, Role};
use crate::kafka::watch::{AFTER_ATTACHING, hint};
use crate::recorder::{Recorder, Thread, now_us};
use crate::session::{TOPIC, Told, VALUE_BYTES, Year};

pub(super) const LEADER: i32 = 1;
pub(super) const FOLLOWER: i32 = 2;
const BOTH: [i32; 2] = [LEADER, FOLLOWER];
/// A follower's fetch waits so long for a record: nothing but the record moves anything meanwhile.
const SETTINGS: [&str; 1] = ["replica.fetch.wait.max.ms=8000"];
/// For records that are older than the default retention.
const TOPIC_SETTINGS: [(&str, &str); 1] = [("retention.ms", "-1")];
const ALL_IN_SYNC: i16 = -1;

/// The records that nobody watches: a JVM has loaded its classes by then.
const WARM_UP_RECORDS: usize = 40;
/// As much of what is read and written as shows what a request says; in hexadecimal digits, so that no
/// text of it looks like a part of a line.
const OPTIONS: [&str; 3] = ["-x", "-s", "512"];

/// A thread and all that it called.
pub(super) type Watched = (Role, Vec<Call>);

pub(super) struct Replication {
    pub(super) leader: Vec<Watched>,
    pub(super) follower: Vec<Watched>,
    /// As the leader's trace knows the others, and as the follower's does.
    pub(super) told_of_leader: Told,
    pub(super) told_of_follower: Told,
    /// When the record was sent, when the consumer asked for it, and when all was over.
    pub(super) produced_us: u64,
    pub(super) consumed_us: u64,
    pub(super) end_us: u64,
    /// The offset of the record.
    pub(super) offset: i64,
    /// Whether both brokers have the same bytes in their first segments.
    pub(super) is_identical: bool,
}

impl Replication {
    pub(super) fn of(software: Software) -> Outcome<Self> {
        eprintln!("Starting two brokers of {}.", software.name());
        let cluster = Cluster::start(software, &BOTH, &SETTINGS)?;
        cluster.create_topic(TOPIC, &BOTH, &TOPIC_SETTINGS)?;
        cluster.await_replicas(TOPIC, &BOTH)?;
        let mut stage = Stage::new(&cluster, software.year());
        eprintln!("Warming them up: {WARM_UP_RECORDS} records that nobody watches.");
        for _ in 0..WARM_UP_RECORDS {
            stage.carry_one()?;
        }
        let threads = BOTH.map(|id| threads_of(&cluster, software, id));
        let [leader, follower] = threads;
        let (leader, mut follower) = (leader?, follower?);
        follower.retain(|_, role| *role == Role::Fetcher);
        let all: Vec<i32> = leader.keys().chain(follower.keys()).copied().collect();
        let recorder = Recorder::attach(&OPTIONS, &all).or_else(hint)?;
        sleep(AFTER_ATTACHING);
        stage.record(&recorder, &leader, &follower)
    }
}

/// The client's side.
struct Stage<'a> {
    cluster: &'a Cluster,
    year: Year,
    producer: Client,
    consumer: Client,
    /// Of the next record.
    offset: i64,
}

impl<'a> Stage<'a> {
    fn new(cluster: &'a Cluster, year: Year) -> Self {
        let (producer, consumer) = (cluster.connect(LEADER), cluster.connect(LEADER));
        Self { cluster, year, producer, consumer, offset: 0 }
    }

    fn carry_one(&mut self) -> Outcome<()> {
        self.produce()?;
        self.consume().map(|_| ())
    }

    /// Returns when both brokers have it.
    fn produce(&mut self) -> Outcome<()> {
        let (version, records) =
            (self.year.produce_version(), self.year.records(&[7; VALUE_BYTES]));
        let answer = self.producer.produce_with(version, ALL_IN_SYNC, (TOPIC, 0), &records);
        if answer.error_code != 0 {
            return failed(format!("a record is not stored: error {}", answer.error_code));
        }
        self.offset = answer.base_offset + 1;
        Ok(())
    }

    /// The last record.
    fn consume(&mut self) -> Outcome<Fetched> {
        let fetch = fetch_request(TOPIC, 0, self.offset - 1);
        let fetched = self.consumer.fetch_with(self.year.fetch_version(), fetch).remove(0);
        if fetched.error != 0 || fetched.records.is_empty() {
            return failed(format!("a record cannot be fetched: error {}", fetched.error));
        }
        Ok(fetched)
    }

    fn record(
        mut self,
        recorder: &Recorder,
        leader: &BTreeMap<i32, Role>,
        follower: &BTreeMap<i32, Role>,
    ) -> Outcome<Replication> {
        // From here on the follower's fetch has all its time before it.
        self.produce()?;
        let rest = || -> Outcome<u64> {
            sleep(GRACE);
            recorder.wait_until_asleep()?;
            Ok(now_us())
        };
        let produced_us = rest()?;
        let offset = self.offset;
        self.produce()?;
        let consumed_us = rest()?;
        let fetched_bytes = self.consume()?.records.len();
        let end_us = rest()?;

        let threads = recorder.threads()?.into_iter();
        let (of_leader, of_follower): (Vec<_>, Vec<_>) =
            threads.partition(|it| leader.contains_key(&it.id));
        let with_role = |threads: Vec<Thread>, roles: &BTreeMap<i32, Role>| {
            let threads = threads.into_iter();
            Vec::from_iter(threads.filter_map(|it| Some((*roles.get(&it.id)?, it.calls))))
        };
        let (of_leader, of_follower) =
            (with_role(of_leader, leader), with_role(of_follower, follower));
        let leader_port = self.cluster.port(LEADER);
        let told_of_leader = Told {
            producer_port: port_of(&self.producer.stream),
            consumer_port: port_of(&self.consumer.stream),
            follower_port: Some(own_port(&of_follower, leader_port)?),
            leader_port: None,
            fetched_bytes,
            polled_bytes: 0,
        };
        let told_of_follower =
            Told { follower_port: None, leader_port: Some(leader_port), ..told_of_leader };
        Ok(Replication {
            leader: of_leader,
            follower: of_follower,
            told_of_leader,
            told_of_follower,
            produced_us,
            consumed_us,
            end_us,
            offset,
            is_identical: is_identical(self.cluster)?,
        })
    }
}

fn is_identical(cluster: &Cluster) -> Outcome<bool> {
    let [ours, theirs] = BOTH.map(|id| fs::read(cluster.segment(id, TOPIC)));
    Ok(ours? == theirs?)
}

/// The port from which the follower has connected, by what its thread reads from.
fn own_port(follower: &[Watched], leader_port: u16) -> Outcome<u16> {
    let end = format!(":{leader_port}]");
    let calls = follower.iter().flat_map(|it| &it.1);
    let mut ports = calls.filter_map(|call| {
        let descriptor = call.argument_list().first().copied().and_then(descriptor_in)?;
        let (own, _) = descriptor.split_once("->").filter(|_| descriptor.ends_with(&end))?;
        own.rsplit(':').next()?.parse().ok()
    });
    match ports.next() {
        Some(port) => Ok(port),
        None => failed("the follower has not fetched"),
    }
}

fn threads_of(cluster: &Cluster, software: Software, id: i32) -> Outcome<BTreeMap<i32, Role>> {
    let pid = cluster.pid(id)?;
    match software {
        Software::Original => jvm_threads::of_broker(pid, &cluster.log_of(id)),
        Software::Ours => by_name(pid),
    }
}

/// What this broker calls its threads; Linux keeps 15 characters of it.
fn by_name(pid: Pid) -> Outcome<BTreeMap<i32, Role>> {
    const ROLES: [(&str, Role); 4] = [
        ("kafka-socket-ac", Role::Acceptor),
        ("kafka-network-t", Role::Processor),
        ("kafka-request-h", Role::Handler),
        ("ReplicaFetcherT", Role::Fetcher),
    ];
    let mut roles = BTreeMap::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = thread?.path();
        let name = fs::read_to_string(path.join("comm"))?;
        let role = ROLES.iter().find(|(prefix, _)| name.starts_with(prefix));
        let id = path.file_name().and_then(|it| it.to_str()?.parse().ok());
        if let (Some((_, role)), Some(id)) = (role, id) {
            roles.insert(id, *role);
        }
    }
    Ok(roles)
}
