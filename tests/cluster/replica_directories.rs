//! In which of several log directories the replicas of a broker are made, and what becomes of them when one fails.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;

use transferto::common::end_point::ListenerName;
use transferto::common::errors::Errors;
use transferto::common::mock_scheduler::MockScheduler;
use transferto::common::mock_time::MockTime;
use transferto::common::scheduler::Scheduler;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::image::current_image::CurrentImage;
use transferto::image::directory_id::{LOST, MIGRATING, UNASSIGNED};
use transferto::image::records::broker_records::RegisterBrokerRecord;
use transferto::image::records::metadata_record::MetadataRecord;
use transferto::image::records::topic_records::PartitionRecord;
use transferto::protocol::wire::uuid::Uuid;
use transferto::replica::replication_engine::ReplicationEngine;
use transferto::server::cluster::default_alter_partition_manager::DefaultAlterPartitionManager;
use transferto::server::cluster::kraft_engine::KRaftEngine;

use crate::images::{of_listeners, topic_id};
use crate::replica_changes::{Broker, LOCAL, OTHER};

const A: [u8; 16] = [0xa; 16];
const B: [u8; 16] = [0xb; 16];
const UNKNOWN: [u8; 16] = [0xc; 16];

fn broker() -> Broker {
    let broker = Broker::with_log_dirs(&["a", "b"]);
    for (dir, id) in broker.log_manager.log_dirs().iter().zip([A, B]) {
        broker.log_manager.set_directory_id(dir, id);
    }
    broker
}

impl Broker {
    /// A new topic of one partition, which the controller has in this directory of this broker.
    fn topic_in(&mut self, name: &str, number: u8, leader: i32, directory: [u8; 16]) {
        let topic_id = topic_id(number);
        self.cluster.topic(name, topic_id);
        self.cluster.replay(MetadataRecord::Partition(PartitionRecord {
            partition_id: 0,
            topic_id: Uuid(topic_id),
            replicas: vec![LOCAL, OTHER],
            isr: vec![LOCAL, OTHER],
            leader,
            directories: vec![Uuid(directory), Uuid(UNKNOWN)],
            ..PartitionRecord::default()
        }));
        self.apply();
    }

    /// The name of the directory in which the only log of a topic lies.
    fn place(&self, topic: &str) -> Option<String> {
        let log = self.log_manager.get_log(&TopicAndPartition::new(topic, 0))?;
        let dir: PathBuf = log.dir().parent()?.to_path_buf();
        Some(dir.file_name()?.to_str()?.to_string())
    }

    fn fail(&self, name: &str) {
        let statuses = self.log_manager.log_dir_statuses();
        let status = statuses.iter().find(|it| it.path().ends_with(name)).unwrap();
        status.take_offline("a test says so".to_string());
    }

    fn error(&self, topic: &str) -> Option<Errors> {
        self.hosted(&TopicAndPartition::new(topic, 0)).err()
    }

    /// What a client is answered beside that error.
    fn why(&self, topic: &str) -> String {
        let key = TopicAndPartition::new(topic, 0);
        self.replica_manager.local_logs().get_partition_or_error(&key).err().unwrap().why()
    }
}

#[test]
fn a_log_is_made_where_the_controller_has_it_and_else_where_the_fewest_are() {
    let mut broker = broker();
    broker.topic_in("first", 1, LOCAL, B);
    broker.topic_in("second", 2, OTHER, B);
    let place = |broker: &Broker, topic: &str| broker.place(topic).unwrap();
    assert_eq!((place(&broker, "first"), place(&broker, "second")), ("b".into(), "b".into()));
    for (number, directory) in (3..).zip([UNASSIGNED, UNKNOWN, LOST, MIGRATING]) {
        broker.topic_in(&format!("free-{number}"), number, LOCAL, directory);
    }
    let places = [3, 4, 5, 6].map(|number| place(&broker, &format!("free-{number}")));
    assert_eq!(places, ["a", "a", "a", "b"]);
}

/// KAFKA-16234.
#[test]
fn a_log_that_may_lie_in_an_offline_directory_is_not_begun_anew_in_another() {
    let mut broker = broker();
    broker.fail("a");
    for (number, directory) in (1..).zip([A, LOST, UNKNOWN, MIGRATING]) {
        for (leader, role) in [(LOCAL, "led"), (OTHER, "followed")] {
            let name = format!("{role}-{number}");
            broker.topic_in(&name, number * 2 + u8::from(leader == LOCAL), leader, directory);
            assert_eq!(broker.place(&name), None, "{directory:?}");
            assert_eq!(broker.error(&name), Some(Errors::KafkaStorageError));
            let why = broker.why(&name);
            assert!(why.contains("the controller has its log in"), "{why}");
        }
    }
    broker.topic_in("new", 90, LOCAL, UNASSIGNED);
    broker.topic_in("other", 91, OTHER, B);
    assert_eq!((broker.place("new"), broker.place("other")), (Some("b".into()), Some("b".into())));
    assert_eq!((broker.error("new"), broker.error("other")), (None, None));
}

#[test]
fn what_lies_in_a_directory_that_has_failed_is_neither_led_nor_copied_any_more() {
    let mut broker = broker();
    broker.cluster.broker(OTHER, &["PLAINTEXT"]);
    for (number, name, directory) in [(1, "lost", A), (2, "kept", B)] {
        broker.topic_in(name, number, LOCAL, directory);
    }
    broker.fail("a");
    for number in [1, 2] {
        broker.cluster.lead(topic_id(number), 0, OTHER, &[OTHER]);
    }
    broker.apply();
    let copied = |name| broker.fetchers.of(&TopicAndPartition::new(name, 0)).is_some();
    assert_eq!((copied("lost"), copied("kept")), (false, true));
    assert_eq!(broker.error("lost"), Some(Errors::KafkaStorageError));
    let why = broker.why("lost");
    assert!(why.ends_with("/a is offline: a test says so"), "{why}");

    for number in [1, 2] {
        broker.cluster.lead(topic_id(number), 0, LOCAL, &[LOCAL]);
    }
    broker.apply();
    let led = |name| broker.leader(&TopicAndPartition::new(name, 0)).map(|_| ());
    assert_eq!((led("lost"), led("kept")), (Err(Errors::KafkaStorageError), Ok(())));
}

/// Else a leader would go on waiting for what it fetched last, and acknowledge nothing, as Kafka's does until
/// `replica.lag.time.max.ms` is over.
#[test]
fn a_leader_knows_which_followers_have_their_replica_on_a_disk_that_has_failed() {
    let image = Arc::<CurrentImage>::default();
    let scheduler: Arc<dyn Scheduler> = Arc::new(MockScheduler::new(Arc::new(MockTime::new())));
    let manager = DefaultAlterPartitionManager::new(LOCAL, scheduler);
    let listener = ListenerName::normalised("PLAINTEXT");
    let engine = KRaftEngine::new(listener, Arc::clone(&image), manager);
    let mut broker = broker();
    broker.topic_in("foo", 1, LOCAL, A);
    let mut is_offline = |directories: &[[u8; 16]], broker_id| {
        broker.cluster.broker_with(RegisterBrokerRecord {
            broker_id: OTHER,
            log_dirs: directories.iter().map(|it| Uuid(*it)).collect(),
            ..of_listeners(&["PLAINTEXT"])
        });
        image.set(broker.cluster.publish().after);
        engine.is_replica_directory_offline(&TopicAndPartition::new("foo", 0), broker_id)
    };
    assert!(!is_offline(&[UNKNOWN, B], OTHER));
    assert!(is_offline(&[B], OTHER));
    assert!(!is_offline(&[], OTHER), "it is from before the cluster kept directories");
    assert!(!is_offline(&[B], 7), "it is no replica");
}

/// KAFKA-16157.
#[test]
fn a_topic_that_is_made_again_has_its_log_in_another_directory_than_the_one_that_failed() {
    let mut broker = broker();
    broker.topic_in("again", 1, LOCAL, A);
    broker.fail("a");
    broker.cluster.remove(topic_id(1));
    broker.apply();
    assert!(broker.dir.join("a/again-0").exists(), "nothing is deleted on a disk that fails");
    broker.topic_in("again", 2, LOCAL, UNASSIGNED);
    assert_eq!((broker.place("again"), broker.error("again")), (Some("b".into()), None));
}

#[test]
fn a_directory_that_fails_as_a_log_is_made_in_it_leaves_the_log_to_the_other() {
    let mut broker = broker();
    fs::remove_dir_all(broker.dir.join("a")).unwrap();
    // Nobody makes directories there.
    symlink("/proc", broker.dir.join("a")).unwrap();
    broker.topic_in("new", 1, LOCAL, UNASSIGNED);
    assert_eq!((broker.place("new"), broker.error("new")), (Some("b".into()), None));
    assert!(!broker.log_manager.log_dir_statuses()[0].is_online());
}
