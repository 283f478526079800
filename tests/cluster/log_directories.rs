//! Brokers with two log directories each, one of which fails, under Apache's controller.
//!
//! The disk is made to fail by a link that leads to itself in its place, which no call gets through.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use nix::sys::signal::Signal;
use support::broker_process::BrokerProcess;
use support::client::{Client, topic_named};
use support::records::batch;
use support::temp::TempDir;
use support::wait::{wait_for, wait_until};
use transferto::common::errors::Errors;
use transferto::message::byte_buffer_message_set::for_each_record;
use transferto::protocol::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use transferto::protocol::describe_log_dirs::{DescribeLogDirsRequest, DescribeLogDirsResult};
use transferto::protocol::metadata::{MetadataRequest, MetadataResponsePartition};
use transferto::protocol::request::{RequestBody, ResponseBody};

use crate::apache_cluster::settings;
use crate::apache_controller::ApacheController;

const NEWEST_PRODUCE: i16 = 9;
const METADATA_WITH_OFFLINE_REPLICAS: i16 = 9;
const PARTITIONS: i32 = 4;

struct Brokers {
    controller: &'static ApacheController,
    /// Before their directories, which go last.
    running: BTreeMap<i32, BrokerProcess>,
    dirs: BTreeMap<i32, TempDir>,
}

impl Brokers {
    fn start(controller: &'static ApacheController, ids: &[i32]) -> Self {
        let dirs = ids.iter().map(|id| (*id, TempDir::new())).collect();
        let mut brokers = Self { controller, dirs, running: BTreeMap::new() };
        ids.iter().for_each(|id| brokers.start_again(*id));
        brokers
    }

    fn start_again(&mut self, id: i32) {
        let dirs = ["a", "b"].map(|name| self.disk(id, name).display().to_string()).join(",");
        let mut settings: Vec<_> = settings(self.controller, id)
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        settings.push(format!("log.dirs={dirs}"));
        // A disk that fails is met soon.
        settings.push("replica.high.watermark.checkpoint.interval.ms=100".to_string());
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        self.running.insert(id, BrokerProcess::start(self.dirs[&id].path(), &settings));
    }

    fn end(&mut self, id: i32) {
        self.running.remove(&id).unwrap().end_with(Signal::SIGTERM);
    }

    fn disk(&self, id: i32, name: &str) -> PathBuf {
        self.dirs[&id].join(name)
    }

    fn fail(&mut self, id: i32, name: &str) {
        fs::rename(self.disk(id, name), self.disk(id, "away")).unwrap();
        symlink(self.disk(id, name), self.disk(id, name)).unwrap();
        let said = format!("/{name} is offline until the broker is restarted");
        self.running.get_mut(&id).unwrap().lines_until(&said);
    }

    fn heal(&self, id: i32, name: &str) {
        fs::remove_file(self.disk(id, name)).unwrap();
        fs::rename(self.disk(id, "away"), self.disk(id, name)).unwrap();
    }

    fn replace(&self, id: i32, name: &str) {
        fs::remove_file(self.disk(id, name)).unwrap();
        fs::create_dir(self.disk(id, name)).unwrap();
    }

    fn client_of(&self, id: i32) -> Client {
        Client::connect(self.running[&id].port)
    }

    /// By way of any.
    fn client(&self) -> Client {
        self.client_of(*self.running.keys().next().unwrap())
    }

    /// Of [`PARTITIONS`] partitions that need two replicas in sync; the replicas take turns to lead.
    fn create_topic(&self, name: &str, replicas: &[i32]) {
        let assignment = |partition_index| {
            let mut broker_ids = replicas.to_vec();
            let turn = usize::try_from(partition_index).unwrap() % replicas.len();
            broker_ids.rotate_left(turn);
            CreatableReplicaAssignment { partition_index, broker_ids }
        };
        let config = |(name, value): (&str, &str)| CreatableTopicConfig {
            name: name.to_string(),
            value: Some(value.to_string()),
        };
        let configs = [("min.insync.replicas", "2"), ("retention.ms", "-1")];
        let topic = CreatableTopic {
            name: name.to_string(),
            num_partitions: -1,
            replication_factor: -1,
            assignments: (0..PARTITIONS).map(assignment).collect(),
            configs: configs.map(config).to_vec(),
        };
        let request = CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() };
        let response = self.client().call(7, &RequestBody::CreateTopics(request), &[]).0;
        let ResponseBody::CreateTopics(response) = response else { panic!("{response:?}") };
        assert_eq!(response.topics[0].error_code, 0, "{response:?}");
    }

    /// Of each partition the leader, the ISR and the replicas that are offline.
    fn partitions(&self, topic: &str) -> Vec<(i32, Vec<i32>, Vec<i32>)> {
        let request = MetadataRequest {
            topics: Some(vec![topic_named(topic)]),
            allow_auto_topic_creation: false,
            ..MetadataRequest::default()
        };
        let version = METADATA_WITH_OFFLINE_REPLICAS;
        let response = self.client().call(version, &RequestBody::Metadata(request), &[]).0;
        let ResponseBody::Metadata(mut response) = response else { panic!("{response:?}") };
        let mut partitions = response.topics.remove(0).partitions;
        partitions.sort_by_key(|it| it.partition_index);
        let of = |it: MetadataResponsePartition| (it.leader_id, it.isr_nodes, it.offline_replicas);
        partitions.into_iter().map(of).collect()
    }

    fn wait_until_in_sync(&self, topic: &str, replicas: usize) {
        self.wait_until_in_sync_on(topic, &Vec::from_iter(0..PARTITIONS), replicas);
    }

    fn wait_until_in_sync_on(&self, topic: &str, partitions: &[i32], replicas: usize) {
        wait_until("the replicas in sync", || {
            let all = self.partitions(topic);
            let is_in_sync = |it: &i32| {
                let partition = all.get(*it as usize);
                partition.is_some_and(|(leader, isr, _)| *leader >= 0 && isr.len() == replicas)
            };
            partitions.iter().all(is_in_sync)
        });
    }

    /// Returns when all replicas in sync have it; an error has it sent again.
    fn produce(&self, topic: &str, partition: i32, value: &str) {
        wait_until(&format!("an acknowledgement of {value} in {partition}"), || {
            let leader = self.partitions(topic).get(partition as usize).map_or(-1, |it| it.0);
            self.running.get(&leader).is_some_and(|broker| {
                let mut client = Client::connect(broker.port);
                let to = (topic, partition);
                client.produce_with(NEWEST_PRODUCE, -1, to, &batch(&[value])).error_code == 0
            })
        });
    }

    fn consume(&self, topic: &str, partition: i32) -> Vec<String> {
        let leader = wait_for("a leader", || {
            Some(self.partitions(topic)[partition as usize].0).filter(|it| *it >= 0)
        });
        let (mut client, mut values) = (self.client_of(leader), Vec::new());
        loop {
            let fetched = client.fetch(topic, partition, values.len() as i64);
            assert_eq!(fetched.error, 0);
            if fetched.records.is_empty() {
                break;
            }
            for_each_record(&fetched.records, &mut |record| {
                values.push(String::from_utf8_lossy(record.value.unwrap()).into_owned());
                Ok(())
            })
            .unwrap();
        }
        // What was sent again, since too few were in sync at first, may be there twice.
        values.dedup();
        values
    }

    fn described(&self, id: i32) -> Vec<DescribeLogDirsResult> {
        let request = RequestBody::DescribeLogDirs(DescribeLogDirsRequest { topics: None });
        let ResponseBody::DescribeLogDirs(response) = self.client_of(id).call(4, &request, &[]).0
        else {
            panic!("it is answered as it was asked")
        };
        response.results
    }

    /// Waits until so many replicas lie in each directory of a broker.
    fn wait_until_spread(&self, id: i32, expected: [usize; 2]) {
        let spread = || ["a", "b"].map(|name| self.logs_in(id, name, "disks").len());
        wait_until(&format!("{expected:?} logs on {id}"), || spread() == expected);
    }

    /// The partitions of a topic that lie in a directory of a broker.
    fn logs_in(&self, id: i32, name: &str, topic: &str) -> Vec<i32> {
        let is_there = |it: &i32| self.disk(id, name).join(format!("{topic}-{it}")).is_dir();
        (0..PARTITIONS).filter(is_there).collect()
    }
}

/// The whole life of a disk: it takes its half of the replicas, fails, is healed, fails again and is replaced.
#[test]
fn a_disk_that_fails_takes_only_its_replicas_along_and_they_come_back_with_the_next_one() {
    let Some(controller) = ApacheController::shared() else { return };
    let ids = [60, 61, 62];
    let mut brokers = Brokers::start(controller, &ids);
    brokers.create_topic("disks", &ids);
    brokers.wait_until_in_sync("disks", 3);
    for id in ids {
        brokers.wait_until_spread(id, [2, 2]);
    }
    let mut expected = vec![Vec::new(); PARTITIONS as usize];
    let mut produce = |brokers: &Brokers, value: &str| {
        for partition in 0..PARTITIONS {
            brokers.produce("disks", partition, value);
            expected[partition as usize].push(value.to_string());
        }
        expected.clone()
    };
    produce(&brokers, "before");

    let lost = brokers.logs_in(60, "a", "disks");
    let kept = brokers.logs_in(60, "b", "disks");
    brokers.fail(60, "a");
    wait_until("new leaders and smaller ISRs", || {
        let partitions = brokers.partitions("disks");
        let is_without = |it: &i32| {
            let (leader, isr, offline) = &partitions[*it as usize];
            *leader != 60 && *leader >= 0 && !isr.contains(&60) && *offline == [60]
        };
        let is_whole = |it: &i32| partitions[*it as usize].1.len() == 3;
        lost.iter().all(is_without) && kept.iter().all(is_whole)
    });
    let mut client = brokers.client_of(60);
    let error = client.produce("disks", lost[0], &batch(&["x"])).error_code;
    assert_eq!(error, Errors::KafkaStorageError.code());
    let described = brokers.described(60);
    assert_eq!(described[0].error_code, Errors::KafkaStorageError.code());
    let [topic] = &described[1].topics[..] else { panic!("{described:?}") };
    let in_b: Vec<i32> = topic.partitions.iter().map(|it| it.partition_index).collect();
    assert_eq!((described[1].error_code, in_b), (0, kept));
    assert!(described[1].total_bytes > 0 && topic.partitions.iter().all(|it| it.offset_lag == 0));
    produce(&brokers, "during");

    brokers.end(60);
    brokers.heal(60, "a");
    brokers.start_again(60);
    brokers.wait_until_in_sync("disks", 3);
    brokers.wait_until_spread(60, [2, 2]);
    produce(&brokers, "healed");

    // It starts without a disk that is still broken, and does not begin its replicas anew elsewhere.
    brokers.fail(60, "a");
    brokers.end(60);
    brokers.start_again(60);
    brokers.wait_until_in_sync_on("disks", &lost, 2);
    brokers.wait_until_spread(60, [0, 2]);
    assert_eq!(brokers.described(60)[0].error_code, Errors::KafkaStorageError.code());
    produce(&brokers, "without");

    brokers.end(60);
    brokers.replace(60, "a");
    brokers.start_again(60);
    brokers.wait_until_in_sync("disks", 3);
    brokers.wait_until_spread(60, [2, 2]);
    let expected = produce(&brokers, "replaced");
    // Another one goes, so that it leads some of what it has copied.
    brokers.end(61);
    brokers.wait_until_in_sync("disks", 2);
    for partition in 0..PARTITIONS {
        // A new leader learns by and by what is committed.
        wait_until(&format!("all of partition {partition}"), || {
            brokers.consume("disks", partition) == expected[partition as usize]
        });
    }
}
