//! Partitions with several replicas, on brokers that are killed, beside each other and beside Kafka's, under Apache's
//! controller.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;
use support::broker_process::BrokerProcess;
use support::client::{Client, topic_named};
use support::records::batch;
use support::temp::TempDir;
use support::wait::{wait_for, wait_until};
use transferto::protocol::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use transferto::protocol::metadata::MetadataRequest;
use transferto::protocol::request::{RequestBody, ResponseBody};

use crate::apache_broker::ApacheBroker;
use crate::apache_cluster::settings;
use crate::apache_controller::ApacheController;

const NEWEST_PRODUCE: i16 = 9;
const METADATA: i16 = 4;

/// Brokers of one cluster, some of which may not run now.
struct Brokers {
    controller: &'static ApacheController,
    dirs: BTreeMap<i32, TempDir>,
    running: BTreeMap<i32, BrokerProcess>,
    /// Of Kafka.
    apache: BTreeMap<i32, ApacheBroker>,
}

impl Brokers {
    fn start(controller: &'static ApacheController, ids: &[i32]) -> Self {
        let dirs = ids.iter().map(|id| (*id, TempDir::new())).collect();
        let (running, apache) = (BTreeMap::new(), BTreeMap::new());
        let mut brokers = Self { controller, dirs, running, apache };
        ids.iter().for_each(|id| brokers.start_again(*id));
        brokers
    }

    /// On another port than before.
    fn start_again(&mut self, id: i32) {
        let settings = settings(self.controller, id);
        let settings: Vec<String> =
            settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        let process = BrokerProcess::start(self.dirs[&id].path(), &settings);
        self.running.insert(id, process);
    }

    fn end(&mut self, id: i32, signal: Signal) {
        self.running.remove(&id).unwrap().end_with(signal);
    }

    fn port(&self, id: i32) -> Option<u16> {
        let ours = self.running.get(&id).map(|it| it.port);
        ours.or_else(|| self.apache.get(&id).map(|it| it.port))
    }

    /// By way of any of ours.
    fn client(&self) -> Client {
        Client::connect(self.running.values().next().unwrap().port)
    }

    /// With one partition, whose first replica is to lead, and which needs two in sync.
    fn create_topic(&self, name: &str, replicas: &[i32]) {
        let assignment =
            CreatableReplicaAssignment { partition_index: 0, broker_ids: replicas.to_vec() };
        let config = |(name, value): (&str, &str)| CreatableTopicConfig {
            name: name.to_string(),
            value: Some(value.to_string()),
        };
        // The records of tests are old.
        let configs = [("min.insync.replicas", "2"), ("retention.ms", "-1")];
        let topic = CreatableTopic {
            name: name.to_string(),
            num_partitions: -1,
            replication_factor: -1,
            assignments: vec![assignment],
            configs: configs.map(config).to_vec(),
        };
        let request = CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() };
        let response = self.client().call(7, &RequestBody::CreateTopics(request), &[]).0;
        let ResponseBody::CreateTopics(response) = response else { panic!("{response:?}") };
        assert_eq!(response.topics[0].error_code, 0, "{response:?}");
    }

    /// The leader and how many are in sync, as one of ours has it; none while it does not know.
    fn leader_and_isr(&self, topic: &str) -> Option<(i32, usize)> {
        let request = MetadataRequest {
            topics: Some(vec![topic_named(topic)]),
            allow_auto_topic_creation: false,
            ..MetadataRequest::default()
        };
        let response = self.client().call(METADATA, &RequestBody::Metadata(request), &[]).0;
        let ResponseBody::Metadata(mut response) = response else { panic!("{response:?}") };
        let partition = response.topics.remove(0).partitions.into_iter().next()?;
        Some((partition.leader_id, partition.isr_nodes.len()))
    }

    fn wait_until_in_sync(&self, topic: &str, replicas: usize) -> i32 {
        wait_for("the replicas in sync", || {
            let (leader, in_sync) = self.leader_and_isr(topic)?;
            (in_sync == replicas && self.port(leader).is_some()).then_some(leader)
        })
    }

    /// Returns when all replicas in sync have it. An error says that not all of them have, and it is sent again.
    fn produce(&self, topic: &str, value: &str) {
        wait_until("an acknowledgement", || {
            let leader = self.leader_and_isr(topic).and_then(|(leader, _)| self.port(leader));
            leader.is_some_and(|port| {
                let mut client = Client::connect(port);
                let to = (topic, 0);
                client.produce_with(NEWEST_PRODUCE, -1, to, &batch(&[value])).error_code == 0
            })
        });
    }

    fn log_of(&self, id: i32, topic: &str) -> Vec<u8> {
        let dir: &Path = match self.apache.get(&id) {
            Some(apache) => &apache.log_dir,
            None => self.dirs[&id].path(),
        };
        // Leader and follower need not roll at the same record.
        let files = fs::read_dir(dir.join(format!("{topic}-0"))).into_iter().flatten();
        let files = files.map(|it| it.unwrap().path());
        let mut segments: Vec<_> =
            files.filter(|it| it.extension().is_some_and(|it| it == "log")).collect();
        segments.sort();
        segments.iter().flat_map(|it| fs::read(it).unwrap_or_default()).collect()
    }

    /// Waits until the logs of these brokers are the same, byte by byte, and returns what is in them.
    fn the_same_log(&self, topic: &str, ids: &[i32]) -> Vec<u8> {
        wait_for("logs that are the same", || {
            let logs: Vec<_> = ids.iter().map(|id| self.log_of(*id, topic)).collect();
            logs.iter().all(|it| *it == logs[0]).then(|| logs[0].clone())
        })
    }
}

fn holds(log: &[u8], value: &str) -> bool {
    log.windows(value.len()).any(|it| it == value.as_bytes())
}

fn values(round: usize) -> impl Iterator<Item = String> {
    (0..20).map(move |number| format!("<round {round}, record {number}>"))
}

#[test]
fn what_two_replicas_have_acknowledged_survives_the_end_of_each_leader() {
    const IDS: [i32; 3] = [10, 11, 12];
    let Some(controller) = ApacheController::shared() else { return };
    let mut brokers = Brokers::start(controller, &IDS);
    brokers.create_topic("survives", &IDS);
    let ends = [Signal::SIGKILL, Signal::SIGKILL, Signal::SIGTERM];
    for (round, signal) in ends.into_iter().enumerate() {
        let leader = brokers.wait_until_in_sync("survives", IDS.len());
        values(round).for_each(|value| brokers.produce("survives", &value));
        brokers.end(leader, signal);
        brokers.produce("survives", "<in between>");
        assert_ne!(brokers.leader_and_isr("survives").unwrap().0, leader);
        brokers.start_again(leader);
    }
    brokers.wait_until_in_sync("survives", IDS.len());
    let log = brokers.the_same_log("survives", &IDS);
    for value in (0..ends.len()).flat_map(values) {
        assert!(holds(&log, &value), "{value} was acknowledged");
    }
}

#[test]
fn a_broker_of_ours_and_one_of_kafka_copy_from_each_other() {
    const OURS: i32 = 13;
    const THEIRS: i32 = 14;
    const THIRD: i32 = 15;
    let Some(controller) = ApacheController::shared() else { return };
    let mut brokers = Brokers::start(controller, &[OURS, THIRD]);
    brokers.apache.insert(THEIRS, ApacheBroker::start(controller, THEIRS));
    for (topic, replicas) in
        [("they-follow", [OURS, THEIRS, THIRD]), ("we-follow", [THEIRS, OURS, THIRD])]
    {
        brokers.create_topic(topic, &replicas);
        assert_eq!(brokers.wait_until_in_sync(topic, 3), replicas[0]);
        values(0).for_each(|value| brokers.produce(topic, &value));
        let log = brokers.the_same_log(topic, &replicas);
        assert!(values(0).all(|value| holds(&log, &value)));
    }

    // The next in the list is elected: Kafka's, where it does not lead already.
    brokers.end(OURS, Signal::SIGKILL);
    for topic in ["they-follow", "we-follow"] {
        values(1).for_each(|value| brokers.produce(topic, &value));
        assert_eq!(brokers.leader_and_isr(topic).unwrap().0, THEIRS);
    }
    brokers.start_again(OURS);
    for topic in ["they-follow", "we-follow"] {
        brokers.wait_until_in_sync(topic, 3);
        let log = brokers.the_same_log(topic, &[OURS, THEIRS, THIRD]);
        assert!(values(0).chain(values(1)).all(|value| holds(&log, &value)));
    }
}
