//! When a topic is there for others: while its partitions are led. Each test holds the broker in the
//! midst of a change, at a file of the broker's that is a FIFO, and looks on with another client.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use support::broker::Broker;
use support::client::{Client, fetch_request, topic_named};
use support::records::batch;
use support::wait::{PATIENCE, wait_until};
use transferto::common::errors::Errors;
use transferto::common::hang_up::HangUp;
use transferto::common::topic_partition::{GROUP_METADATA_TOPIC_NAME, TopicAndPartition};
use transferto::common::units::LeaderEpoch;
use transferto::common::units::Offset;
use transferto::protocol::create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic};
use transferto::protocol::create_topics::{CreatableTopic, CreateTopicsRequest};
use transferto::protocol::delete_topics::DeleteTopicsRequest;
use transferto::protocol::find_coordinator::FindCoordinatorRequest;
use transferto::protocol::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource, IncrementalAlterableConfig,
};
use transferto::protocol::metadata::MetadataRequest;
use transferto::protocol::request::{RequestBody, ResponseBody};
use transferto::registry::topic_registry::TOPIC_REGISTRY_FILE;
use transferto::replica::local_logs::{LogReadResult, PartitionFetchInfo};
use transferto::replica::partition::ASKED_BY_NAME;
use transferto::replica::replica_manager::{FetchParams, HIGH_WATERMARK_FILENAME};

use crate::apis::group_client::{Member, find_coordinator};

const SETTINGS: &[(&str, &str)] = &[
    ("num.partitions", "2"),
    ("offsets.topic.num.partitions", "2"),
    // If a change kept a handler, nobody else would be answered.
    ("num.io.threads", "1"),
    // Nobody but the tests comes to the file.
    ("replica.high.watermark.checkpoint.interval.ms", "86400000"),
];

/// A FIFO in the place of the broker's file of high watermarks, or of the next one: whoever reads
/// the one, or writes the other, waits at it for the test.
struct Gate {
    path: PathBuf,
}

impl Gate {
    /// Where partitions are about to be led, and their logs are made.
    fn before_partitions_are_led(broker: &Broker) -> Self {
        Self::at(broker.dir.path().join(HIGH_WATERMARK_FILENAME))
    }

    /// Where logs are deleted, and the topic is still in the list of topics on disk.
    fn behind_deleted_logs(broker: &Broker) -> Self {
        Self::at(broker.dir.path().join(format!("{HIGH_WATERMARK_FILENAME}.tmp")))
    }

    fn at(path: PathBuf) -> Self {
        let _ = fs::remove_file(&path);
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        Self { path }
    }

    /// Returns when the broker reads here; it goes on when the file is dropped, and what it reads
    /// is empty.
    fn reached_by_reader(&self) -> File {
        self.open(OpenOptions::new().write(true))
    }

    /// Lets the broker write here when it comes to it. It fails: what it wrote cannot be synced.
    fn open_to_writer(&self) -> File {
        self.open(OpenOptions::new().read(true))
    }

    /// One end of a FIFO opens when somebody opens the other.
    fn open(&self, options: &OpenOptions) -> File {
        let (path, options) = (self.path.clone(), options.clone());
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || sender.send(options.open(path)));
        receiver.recv_timeout(PATIENCE).unwrap().unwrap()
    }
}

impl Drop for Gate {
    /// Lets go of whoever waits, also after a test that failed.
    fn drop(&mut self) {
        let nonblocking = nix::fcntl::OFlag::O_NONBLOCK.bits();
        let file =
            OpenOptions::new().read(true).write(true).custom_flags(nonblocking).open(&self.path);
        fs::remove_file(&self.path).unwrap();
        drop(file);
    }
}

fn create_topic(name: &str, num_partitions: i32) -> RequestBody {
    let topic = CreatableTopic {
        name: name.to_string(),
        num_partitions,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    RequestBody::CreateTopics(CreateTopicsRequest {
        topics: vec![topic],
        timeout_ms: 1000,
        validate_only: false,
    })
}

fn created(body: ResponseBody) -> i16 {
    let ResponseBody::CreateTopics(response) = body else { panic!("{body:?}") };
    response.topics[0].error_code
}

/// The code and the number of partitions of a topic, which the question does not create.
fn seen(client: &mut Client, topic: &str) -> (i16, usize) {
    let mut request = MetadataRequest { topics: Some(vec![]), ..MetadataRequest::default() };
    request.allow_auto_topic_creation = false;
    request.topics.as_mut().unwrap().push(topic_named(topic));
    let body = client.call(12, &RequestBody::Metadata(request), &[]).0;
    let ResponseBody::Metadata(response) = body else { panic!("{body:?}") };
    (response.topics[0].error_code, response.topics[0].partitions.len())
}

const UNKNOWN: i16 = Errors::UnknownTopicOrPartition.code();

#[test]
fn a_new_topic_is_seen_when_its_partitions_are_led_not_before() {
    let broker = Broker::start(SETTINGS);
    let (mut creator, mut other) = (broker.connect(), broker.connect());
    let gate = Gate::before_partitions_are_led(&broker);
    let header = creator.send(7, &create_topic("post", 3), &[]);
    let held = gate.reached_by_reader();
    assert_eq!(seen(&mut other, "post"), (UNKNOWN, 0));
    assert!(other.metadata(12, None).topics.is_empty());
    assert_eq!(other.produce("post", 0, &batch(&[b"a"])).error_code, UNKNOWN);
    assert_eq!(other.list_offset(7, "post", -1).error_code, UNKNOWN);
    // Others who create it do not wait for the first, nor make a second.
    let exists = Errors::TopicAlreadyExists.code();
    assert_eq!(created(other.call(7, &create_topic("post", 9), &[]).0), exists);
    let first_use = other.metadata(12, Some(&["post"])).topics.remove(0);
    assert_eq!(first_use.error_code, Errors::LeaderNotAvailable.code());
    assert!(first_use.partitions.is_empty());

    drop((gate, held));
    assert_eq!(created(creator.receive(&header).0), 0);
    assert_eq!(seen(&mut other, "post"), (0, 3));
    for partition in 0..3 {
        assert_eq!(other.produce("post", partition, &batch(&[b"a"])).error_code, 0);
    }
}

#[test]
fn a_topic_of_a_first_use_is_seen_when_its_partitions_are_led_not_before() {
    let broker = Broker::start(SETTINGS);
    let (mut creator, mut other) = (broker.connect(), broker.connect());
    let gate = Gate::before_partitions_are_led(&broker);
    let request =
        MetadataRequest { topics: Some(vec![topic_named("post")]), ..MetadataRequest::default() };
    let header = creator.send(12, &RequestBody::Metadata(request), &[]);
    let held = gate.reached_by_reader();
    let not_available = Errors::LeaderNotAvailable.code();
    assert_eq!(other.metadata(1, Some(&["post"])).topics[0].error_code, not_available);
    assert_eq!(seen(&mut other, "post"), (UNKNOWN, 0));

    drop((gate, held));
    let ResponseBody::Metadata(first) = creator.receive(&header).0 else { panic!() };
    assert_eq!(first.topics[0].error_code, not_available);
    assert_eq!(seen(&mut other, "post"), (0, 2));
}

#[test]
fn a_coordinator_is_found_when_it_can_keep_groups_not_before() {
    let broker = Broker::start(SETTINGS);
    let (mut first, mut other) = (broker.connect(), broker.connect());
    let gate = Gate::before_partitions_are_led(&broker);
    let request = FindCoordinatorRequest { key: "a".to_string(), ..Default::default() };
    let header = first.send(2, &RequestBody::FindCoordinator(request), &[]);
    let held = gate.reached_by_reader();
    let not_available = Errors::CoordinatorNotAvailable.code();
    assert_eq!(find_coordinator(&mut other, 2, "b").error_code, not_available);
    let several = find_coordinator(&mut other, 4, "b");
    assert_eq!(several.coordinators[0].error_code, not_available);
    let topic = other.metadata(12, Some(&[GROUP_METADATA_TOPIC_NAME])).topics.remove(0);
    assert_eq!(topic.error_code, Errors::LeaderNotAvailable.code());
    assert_eq!(seen(&mut other, GROUP_METADATA_TOPIC_NAME), (UNKNOWN, 0));

    drop((gate, held));
    let ResponseBody::FindCoordinator(found) = first.receive(&header).0 else { panic!() };
    assert_eq!(found.error_code, 0);
    assert_eq!(Member::alone_in(&broker, "b").heartbeat(), 0, "its group is kept");
    assert_eq!(seen(&mut other, GROUP_METADATA_TOPIC_NAME), (0, 2));
}

#[test]
fn new_partitions_are_seen_when_all_of_them_are_led() {
    let broker = Broker::start(SETTINGS);
    let (mut admin, mut other) = (broker.connect_with_topic("post"), broker.connect());
    let gate = Gate::before_partitions_are_led(&broker);
    let topic = CreatePartitionsTopic { name: "post".to_string(), count: 5, assignments: None };
    let request =
        CreatePartitionsRequest { topics: vec![topic], timeout_ms: 1000, validate_only: false };
    let header = admin.send(3, &RequestBody::CreatePartitions(request), &[]);
    let held = gate.reached_by_reader();
    assert_eq!(seen(&mut other, "post"), (0, 2));
    assert_eq!(other.produce("post", 1, &batch(&[b"a"])).error_code, 0);
    assert_eq!(other.produce("post", 2, &batch(&[b"a"])).error_code, UNKNOWN);

    drop((gate, held));
    let ResponseBody::CreatePartitions(more) = admin.receive(&header).0 else { panic!() };
    assert_eq!(more.results[0].error_code, 0);
    assert_eq!(seen(&mut other, "post"), (0, 5));
}

/// The deletion fails behind the gate, and the topic is there again.
#[test]
fn a_topic_is_gone_for_others_before_its_partitions_are_and_back_if_it_cannot_be_deleted() {
    let broker = Broker::start(SETTINGS);
    let (mut admin, mut other) = (broker.connect_with_topic("post"), broker.connect());
    // It has a high watermark that is written behind the gate.
    other.create_topic("stays");
    let topic_id = other.metadata(12, Some(&["post"])).topics[0].topic_id;
    let mut waiting = broker.connect();
    let mut request = fetch_request("post", 0, 0);
    (request.max_wait_ms, request.min_bytes) = (500_000, 1);
    let fetch = waiting.send(12, &RequestBody::Fetch(request), &[]);
    let gate = Gate::behind_deleted_logs(&broker);
    let delete = || {
        let topic_names = vec!["post".to_string()];
        let request = DeleteTopicsRequest { topic_names, ..DeleteTopicsRequest::default() };
        RequestBody::DeleteTopics(request)
    };
    let header = admin.send(5, &delete(), &[]);
    // Whoever waits for the topic learns that it is gone; the deletion is not done yet.
    assert_eq!(waiting.receive_fetch(&fetch).remove(0).error, UNKNOWN);
    assert_eq!(seen(&mut other, "post"), (UNKNOWN, 0));
    assert_eq!(other.metadata(12, None).topics.len(), 1);
    assert_eq!(other.produce("post", 0, &batch(&[b"a"])).error_code, UNKNOWN);

    let end = gate.open_to_writer();
    let ResponseBody::DeleteTopics(failed) = admin.receive(&header).0 else { panic!() };
    assert_eq!(failed.responses[0].error_code, Errors::KafkaStorageError.code());
    drop((gate, end));
    assert_eq!(seen(&mut other, "post"), (0, 2));
    assert_eq!(other.metadata(12, Some(&["post"])).topics[0].topic_id, topic_id);
    assert_eq!(other.produce("post", 0, &batch(&[b"a"])).error_code, 0);
    let ResponseBody::DeleteTopics(done) = admin.call(5, &delete(), &[]).0 else { panic!() };
    assert_eq!(done.responses[0].error_code, 0);
    assert_eq!(seen(&mut other, "post"), (UNKNOWN, 0));
}

/// The file of high watermarks can neither be written nor read, so the logs are gone and cannot be
/// led again.
#[test]
fn a_topic_that_is_led_no_more_can_still_be_deleted() {
    let broker = Broker::start(SETTINGS);
    let mut client = broker.connect_with_topic("post");
    // It has a high watermark, for which the file is written.
    client.create_topic("stays");
    let checkpoint = broker.dir.path().join(HIGH_WATERMARK_FILENAME);
    let _ = fs::remove_file(&checkpoint);
    fs::create_dir(&checkpoint).unwrap();
    let mut delete = || {
        let topic_names = vec!["post".to_string()];
        let request = DeleteTopicsRequest { topic_names, ..DeleteTopicsRequest::default() };
        match client.call(5, &RequestBody::DeleteTopics(request), &[]).0 {
            ResponseBody::DeleteTopics(it) => it.responses[0].error_code,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(delete(), Errors::KafkaStorageError.code());
    fs::remove_dir(&checkpoint).unwrap();
    assert_eq!(delete(), 0);
    assert_eq!(delete(), UNKNOWN);
    assert_eq!(client.create_topic("post").partitions.len(), 2);
}

/// What was made of the partitions is gone at the next start, which adopts what lies on disk.
#[test]
fn partitions_that_cannot_all_be_made_are_none() {
    let broker = Broker::start(SETTINGS);
    let mut client = broker.connect_with_topic("post");
    let in_the_way = broker.dir.path().join("post-3");
    fs::write(&in_the_way, "not a directory").unwrap();
    let topic = CreatePartitionsTopic { name: "post".to_string(), count: 5, assignments: None };
    let request =
        CreatePartitionsRequest { topics: vec![topic], timeout_ms: 1000, validate_only: false };
    let body = client.call(3, &RequestBody::CreatePartitions(request), &[]).0;
    let ResponseBody::CreatePartitions(failed) = body else { panic!("{body:?}") };
    assert_ne!(failed.results[0].error_code, 0);
    assert_eq!(seen(&mut client, "post"), (0, 2));
    fs::remove_file(in_the_way).unwrap();
    let broker = Broker::start_in(broker.stop(), SETTINGS);
    assert_eq!(seen(&mut broker.connect(), "post"), (0, 2));
}

/// The list of topics is written behind the gate, which fails.
#[test]
fn nobody_waits_while_a_topic_is_listed_and_one_that_cannot_be_listed_is_none() {
    let broker = Broker::start(SETTINGS);
    let (mut creator, mut other) = (broker.connect_with_topic("stays"), broker.connect());
    let gate = Gate::at(broker.dir.path().join(format!("{TOPIC_REGISTRY_FILE}.tmp")));
    let header = creator.send(7, &create_topic("post", 3), &[]);
    let exists = Errors::TopicAlreadyExists.code();
    wait_until("the topic to exist", || {
        let RequestBody::CreateTopics(mut request) = create_topic("post", 3) else { panic!() };
        request.validate_only = true;
        let code = created(other.call(7, &RequestBody::CreateTopics(request), &[]).0);
        code == exists
    });
    assert_eq!(created(other.call(7, &create_topic("post", 9), &[]).0), exists);
    let first_use = other.metadata(12, Some(&["post"])).topics.remove(0);
    assert_eq!(first_use.error_code, Errors::LeaderNotAvailable.code());
    assert_eq!(seen(&mut other, "stays"), (0, 2));

    let end = gate.open_to_writer();
    assert_eq!(created(creator.receive(&header).0), Errors::KafkaStorageError.code());
    drop((gate, end));
    assert_eq!(seen(&mut other, "post"), (UNKNOWN, 0));
    assert_eq!(created(other.call(7, &create_topic("post", 3), &[]).0), 0);
    assert_eq!(seen(&mut other, "post"), (0, 3));
}

/// The answer to a fetch takes a request of another client here, which is answered meanwhile.
#[test]
fn a_fetch_of_a_deleted_topic_is_answered_while_others_are_served() {
    let broker = Broker::start(SETTINGS);
    let mut admin = broker.connect_with_topic("post");
    let mut other = broker.connect_with_topic("stays");
    let params = FetchParams {
        max_wait_ms: 500_000,
        replica_id: -1,
        replica_epoch: None,
        min_bytes: 1,
        max_bytes: 1000,
        hard_max_bytes_limit: false,
        newest_readable_magic: 2,
        is_read_committed: false,
        may_read_follower: false,
    };
    let fetch_info = PartitionFetchInfo {
        topic_id: ASKED_BY_NAME,
        offset: Offset(0),
        log_start_offset: Offset::NONE,
        fetch_size: 1000,
        current_leader_epoch: LeaderEpoch::NONE,
        last_fetched_epoch: LeaderEpoch::NONE,
        preferred_read_replica: None,
    };
    let (answers, answer) = mpsc::channel();
    let callback = move |mut results: Vec<(TopicAndPartition, LogReadResult)>| {
        let error = results.remove(0).1.err().map(|error| error.code());
        let code = other.produce("stays", 0, &batch(&[b"a"])).error_code;
        answers.send((error, code)).unwrap();
    };
    let fetch_info = [(TopicAndPartition::new("post", 0), fetch_info)];
    broker.server().replica_manager().fetch_messages(
        params,
        &fetch_info,
        &HangUp::default(),
        Box::new(callback),
    );
    let topic_names = vec!["post".to_string()];
    let request = DeleteTopicsRequest { topic_names, ..DeleteTopicsRequest::default() };
    let body = admin.call(5, &RequestBody::DeleteTopics(request), &[]).0;
    let ResponseBody::DeleteTopics(deleted) = body else { panic!("{body:?}") };
    assert_eq!(deleted.responses[0].error_code, 0);
    let unknown = Some(Errors::UnknownTopicOrPartition);
    assert_eq!(answer.recv_timeout(PATIENCE).unwrap(), (unknown, 0));
}

fn delete_topic(name: &str) -> RequestBody {
    let topic_names = vec![name.to_string()];
    RequestBody::DeleteTopics(DeleteTopicsRequest { topic_names, ..Default::default() })
}

fn alter_topic(name: &str) -> RequestBody {
    let config = IncrementalAlterableConfig {
        name: "retention.ms".to_string(),
        config_operation: 0,
        value: Some("5000".to_string()),
    };
    let resource = IncrementalAlterConfigsResource {
        resource_type: 2,
        resource_name: name.to_string(),
        configs: vec![config],
    };
    RequestBody::IncrementalAlterConfigs(IncrementalAlterConfigsRequest {
        resources: vec![resource],
        validate_only: false,
    })
}

fn first_use(name: &str) -> RequestBody {
    let topics = Some(vec![topic_named(name)]);
    RequestBody::Metadata(MetadataRequest { topics, ..MetadataRequest::default() })
}

/// There is one handler: whoever is answered shows that no change has it.
#[test]
fn any_number_of_changes_wait_for_one_another_and_keep_no_handler() {
    let broker = Broker::start(SETTINGS);
    let mut other = broker.connect_with_topic("stays");
    other.create_topic("goes");
    let gate = Gate::before_partitions_are_led(&broker);
    let mut first = broker.connect();
    let header = first.send(7, &create_topic("first", 2), &[]);
    let held = gate.reached_by_reader();

    let find = FindCoordinatorRequest { key: "a".to_string(), ..Default::default() };
    let mut changes: Vec<_> =
        (0..30).map(|number| (7, create_topic(&format!("new{number}"), 1))).collect();
    changes.extend([
        (5, delete_topic("goes")),
        (1, alter_topic("stays")),
        (12, first_use("used")),
        (2, RequestBody::FindCoordinator(find)),
    ]);
    let waiting: Vec<_> = changes
        .iter()
        .map(|(version, body)| {
            let mut client = broker.connect();
            let header = client.send(*version, body, &[]);
            (client, header)
        })
        .collect();
    for _ in 0..3 {
        assert_eq!(other.produce("stays", 0, &batch(&[b"a"])).error_code, 0);
        assert_eq!(seen(&mut other, "stays"), (0, 2));
        assert_eq!(seen(&mut other, "new0"), (UNKNOWN, 0));
    }
    assert_eq!(seen(&mut other, "goes"), (0, 2), "it has not begun");

    drop((gate, held));
    assert_eq!(created(first.receive(&header).0), 0);
    for (mut client, header) in waiting {
        match client.receive(&header).0 {
            ResponseBody::CreateTopics(response) => assert_eq!(response.topics[0].error_code, 0),
            ResponseBody::DeleteTopics(response) => assert_eq!(response.responses[0].error_code, 0),
            ResponseBody::IncrementalAlterConfigs(it) => assert_eq!(it.responses[0].error_code, 0),
            ResponseBody::FindCoordinator(found) => assert_eq!(found.error_code, 0),
            ResponseBody::Metadata(first) => {
                let not_available = Errors::LeaderNotAvailable.code();
                assert_eq!(first.topics[0].error_code, not_available);
            }
            body => panic!("{body:?}"),
        }
    }
    assert_eq!(seen(&mut other, "new29"), (0, 1));
    assert_eq!(seen(&mut other, "goes"), (UNKNOWN, 0));
}

/// Which of those that wait are begun before the queue is closed, nobody knows.
#[test]
fn a_broker_that_stops_in_a_change_leaves_each_change_whole_or_not_begun() {
    let broker = Broker::start(SETTINGS);
    let gate = Gate::before_partitions_are_led(&broker);
    let (mut first, mut second) = (broker.connect(), broker.connect());
    first.send(7, &create_topic("first", 2), &[]);
    let held = gate.reached_by_reader();
    second.send(7, &create_topic("second", 2), &[]);
    let dir = thread::scope(|scope| {
        let stopped = scope.spawn(|| broker.stop());
        second.assert_closed();
        drop((gate, held));
        stopped.join().unwrap()
    });
    let broker = Broker::start_in(dir, SETTINGS);
    let mut client = broker.connect();
    assert_eq!(seen(&mut client, "first"), (0, 2));
    assert!([(UNKNOWN, 0), (0, 2)].contains(&seen(&mut client, "second")));
}

/// A file in the place of a log's directory.
#[test]
fn topics_that_cannot_be_made_are_taken_back_and_the_others_of_their_request_are_there() {
    let broker = Broker::start(SETTINGS);
    let mut client = broker.connect();
    let obstacles = ["b-1", "d-0"].map(|name| broker.dir.path().join(name));
    obstacles.iter().for_each(|path| fs::write(path, "").unwrap());
    let mut create = || {
        let topic = |name: &str| CreatableTopic {
            name: name.to_string(),
            num_partitions: 2,
            replication_factor: 1,
            ..CreatableTopic::default()
        };
        let topics = ["a", "b", "c", "d"].map(topic).to_vec();
        let request = CreateTopicsRequest { topics, ..CreateTopicsRequest::default() };
        match client.call(4, &RequestBody::CreateTopics(request), &[]).0 {
            ResponseBody::CreateTopics(it) => it.topics.iter().map(|it| it.error_code).collect(),
            other => panic!("{other:?}"),
        }
    };
    let codes: Vec<i16> = create();
    assert_eq!(codes.iter().map(|code| *code == 0).collect::<Vec<_>>(), [true, false, true, false]);
    assert!(!broker.dir.path().join("b-0").exists());
    let listed = fs::read_to_string(broker.dir.path().join(TOPIC_REGISTRY_FILE)).unwrap();
    assert!(listed.contains("\na ") && !listed.contains("\nb ") && !listed.contains("\nd "));
    obstacles.iter().for_each(|path| fs::remove_file(path).unwrap());
    let exists = Errors::TopicAlreadyExists.code();
    assert_eq!(create(), [exists, 0, exists, 0]);
}
