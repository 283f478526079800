//! A broker with two log directories, one of which goes offline: what its partitions and its groups
//! answer, that the other directory goes on, and what a restart finds.
//!
//! The disk is made to fail by moving the directory of one log away: then the first flush of that
//! log, which has to sync it, cannot.

use std::fs;
use std::sync::Arc;

use support::broker::Broker;
use support::client::{Client, NEWEST_FETCH, fetch_request};
use support::http::HTTP_LISTENER;
use support::records::batch;
use support::temp::TempDir;
use support::wait::wait_until;
use transferto::common::errors::Errors;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::coordinator::rebalance::Rebalance;
use transferto::protocol::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use transferto::protocol::delete_topics::DeleteTopicsRequest;
use transferto::protocol::describe_log_dirs::DescribeLogDirsRequest;
use transferto::protocol::list_offsets::EARLIEST_TIMESTAMP;
use transferto::protocol::request::{RequestBody, ResponseBody};

use crate::apis::group_client::{Member, find_coordinator, list_groups};

const STORAGE_ERROR: i16 = Errors::KafkaStorageError.code();
const COORDINATOR_NOT_AVAILABLE: i16 = Errors::CoordinatorNotAvailable.code();

/// Groups whose records lie in partition 0 of `__consumer_offsets`, and in partition 1. Logs are
/// spread evenly, so the first lies where `failing` does.
const GROUP_OF_FAILING: &str = "b";
const GROUP_OF_OTHER: &str = "g";

fn start(dir: &Arc<TempDir>) -> Broker {
    let dirs = ["a", "b"].map(|name| dir.join(name).display().to_string()).join(",");
    let settings =
        [("log.dirs", dirs.as_str()), ("offsets.topic.num.partitions", "2"), HTTP_LISTENER];
    Broker::start_in(Arc::clone(dir), &settings)
}

/// A broker with a topic in each directory, that in `a` about to fail.
pub(crate) fn start_with_topics(dir: &Arc<TempDir>) -> (Broker, Client) {
    let broker = start(dir);
    let mut client = broker.connect();
    client.create_topic_with("failing", &[]);
    client.create_topic("other");
    assert!(dir.join("a/failing-0").exists() && dir.join("b/other-0").exists());
    for topic in ["failing", "other"] {
        assert_eq!(client.produce(topic, 0, &batch(&["kept"])).error_code, 0);
    }
    (broker, client)
}

pub(crate) fn fail(broker: &Broker, dir: &TempDir) {
    let (log, elsewhere) = (dir.join("a/failing-0"), dir.join("elsewhere"));
    fs::rename(&log, &elsewhere).unwrap();
    let failing = TopicAndPartition::new("failing", 0);
    broker.server().log_manager().get_log(&failing).unwrap().flush().unwrap_err();
    fs::rename(&elsewhere, &log).unwrap();
}

fn deletion(client: &mut Client, topic: &str) -> i16 {
    let topic_names = vec![topic.to_string()];
    let request = DeleteTopicsRequest { topic_names, ..DeleteTopicsRequest::default() };
    match client.call(3, &RequestBody::DeleteTopics(request), &[]).0 {
        ResponseBody::DeleteTopics(it) => it.responses[0].error_code,
        other => panic!("{other:?}"),
    }
}

fn records_deletion(client: &mut Client, topic: &str) -> i16 {
    let partitions = vec![DeleteRecordsPartition { partition_index: 0, offset: 1 }];
    let topics = vec![DeleteRecordsTopic { name: topic.to_string(), partitions }];
    let request = DeleteRecordsRequest { topics, timeout_ms: 1000 };
    match client.call(2, &RequestBody::DeleteRecords(request), &[]).0 {
        ResponseBody::DeleteRecords(it) => it.topics[0].partitions[0].error_code,
        other => panic!("{other:?}"),
    }
}

/// The end of each directory's name, its error, and how many topics it shows.
fn log_dirs(client: &mut Client) -> Vec<(String, i16, usize)> {
    let request = RequestBody::DescribeLogDirs(DescribeLogDirsRequest { topics: None });
    match client.call(4, &request, &[]).0 {
        ResponseBody::DescribeLogDirs(it) => {
            let name = |path: &str| path.rsplit('/').next().unwrap().to_string();
            let results = it.results.iter();
            results.map(|it| (name(&it.log_dir), it.error_code, it.topics.len())).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_partitions_of_an_offline_directory_have_an_error_for_everything_and_the_others_go_on() {
    let dir = Arc::new(TempDir::new());
    let (broker, mut client) = start_with_topics(&dir);
    let mut waiting = broker.connect();
    let mut request = fetch_request("failing", 0, 1);
    request.max_wait_ms = i32::MAX;
    let long_poll = waiting.send(NEWEST_FETCH, &RequestBody::Fetch(request), &[]);
    fail(&broker, &dir);

    assert_eq!(waiting.receive_fetch(&long_poll)[0].error, STORAGE_ERROR, "it waits no longer");
    let offline = &broker.server().metrics().offline_log_directory_count;
    wait_until("the count", || offline.value() == 1);
    for acks in [-1, 1] {
        let produced = client.produce_with(9, acks, ("failing", 0), &batch(&["lost"]));
        assert_eq!((produced.error_code, produced.base_offset), (STORAGE_ERROR, -1));
    }
    assert_eq!(client.fetch("failing", 0, 0).error, STORAGE_ERROR);
    assert_eq!(client.list_offset(7, "failing", EARLIEST_TIMESTAMP).error_code, STORAGE_ERROR);
    assert_eq!(records_deletion(&mut client, "failing"), STORAGE_ERROR);
    assert_eq!(deletion(&mut client, "failing"), STORAGE_ERROR, "a restart would bring it back");
    for version in [1, 5, 12] {
        let topic = client.metadata(version, Some(&["failing"])).topics.remove(0);
        let partition = &topic.partitions[0];
        assert_eq!((topic.error_code, partition.leader_id), (0, -1));
        assert_eq!(partition.error_code, Errors::LeaderNotAvailable.code());
        assert_eq!((&*partition.replica_nodes, &*partition.isr_nodes), (&[0][..], &[0][..]));
        let offline_replicas = if version >= 5 { vec![0] } else { vec![] };
        assert_eq!(partition.offline_replicas, offline_replicas);
    }

    assert_eq!(client.produce("other", 0, &batch(&["kept"])).base_offset, 1);
    assert_eq!(records_deletion(&mut client, "other"), 0);
    let other = client.metadata(12, Some(&["other"])).topics[0].partitions.remove(0);
    assert_eq!((other.error_code, other.leader_id), (0, 0));
    assert!(other.offline_replicas.is_empty());
    for topic in ["new-1", "new-2"] {
        client.create_topic(topic);
        assert!(dir.join("b").join(format!("{topic}-0")).exists());
    }
    assert_eq!(
        log_dirs(&mut client),
        [("a".to_string(), STORAGE_ERROR, 0), ("b".to_string(), 0, 3)]
    );
}

#[test]
fn the_groups_of_an_offline_directory_have_no_coordinator_and_the_others_go_on() {
    let dir = Arc::new(TempDir::new());
    let (broker, mut client) = start_with_topics(&dir);
    let mut failing = Member::alone_in(&broker, GROUP_OF_FAILING);
    let mut other = Member::alone_in(&broker, GROUP_OF_OTHER);
    assert!(dir.join("a/__consumer_offsets-0").exists());
    for member in [&mut failing, &mut other] {
        assert_eq!(member.commit("other", 0, 1), 0);
    }
    let mut joining = Member::of(&broker, GROUP_OF_FAILING);
    let join = joining.begin_join();
    failing.await_rebalance();
    fail(&broker, &dir);

    assert_eq!(
        joining.receive_join(&join).error_code,
        COORDINATOR_NOT_AVAILABLE,
        "it waits in vain"
    );
    assert_eq!(failing.heartbeat(), COORDINATOR_NOT_AVAILABLE);
    assert_eq!(failing.commit("other", 0, 2), COORDINATOR_NOT_AVAILABLE);
    let found = find_coordinator(&mut client, 2, GROUP_OF_FAILING);
    assert_eq!((found.error_code, found.node_id), (COORDINATOR_NOT_AVAILABLE, -1));
    let listed = || list_groups(&mut broker.connect(), 4, &[]);
    wait_until("the end of the group", || listed().len() == 1);
    assert_eq!(listed()[0].group_id, GROUP_OF_OTHER);

    assert_eq!((other.heartbeat(), other.commit("other", 0, 2)), (0, 0));
    assert_eq!(find_coordinator(&mut client, 2, GROUP_OF_OTHER).error_code, 0);
    broker.stop();
    let broker = start(&dir);
    for (group, offset) in [(GROUP_OF_FAILING, 1), (GROUP_OF_OTHER, 2)] {
        let mut member = Member::of(&broker, group);
        assert_eq!(member.committed("other", 0).committed_offset, offset);
    }
}

/// As long as its records cannot be read it is tried again each second, and here for ever.
#[test]
fn a_group_that_has_failed_is_unloaded_with_the_others_of_an_offline_directory() {
    let dir = Arc::new(TempDir::new());
    let (broker, _client) = start_with_topics(&dir);
    let _member = Member::alone_in(&broker, GROUP_OF_FAILING);
    let coordinator = broker.server().group_coordinator();
    let partition = TopicAndPartition::new("__consumer_offsets", 0);
    broker.server().replica_manager().stop_replicas(&[partition]);
    let group_of_failing = || coordinator.manager().get_group(GROUP_OF_FAILING);
    let group = group_of_failing().unwrap();
    let fault = |_: &mut Rebalance<'_>| -> Result<(), Errors> { panic!("a fault") };
    assert_eq!(coordinator.changes().change(&group, fault), Err(Errors::NotCoordinator));
    assert!(group_of_failing().is_some(), "it cannot be loaded again");
    fail(&broker, &dir);
    wait_until("the end of the group", || group_of_failing().is_none());
}

#[test]
fn only_a_restart_brings_an_offline_directory_back_and_recovers_it() {
    let dir = Arc::new(TempDir::new());
    let (broker, mut client) = start_with_topics(&dir);
    fail(&broker, &dir);
    for log in broker.server().log_manager().all_logs() {
        assert_eq!(log.flush().is_err(), &*log.topic_and_partition().topic == "failing");
    }
    assert_eq!(client.produce("failing", 0, &batch(&["lost"])).error_code, STORAGE_ERROR);
    broker.stop();
    let is_marked = |name: &str| dir.join(name).join(".kafka_cleanshutdown").exists();
    assert!(!is_marked("a") && is_marked("b"));
    let recovery_points = dir.join("a/recovery-point-offset-checkpoint");
    assert!(!fs::read_to_string(recovery_points).unwrap_or_default().contains("failing 0 1"));

    let broker = start(&dir);
    let mut client = broker.connect();
    assert_eq!(client.produce("failing", 0, &batch(&["kept"])).base_offset, 1);
    assert_eq!(log_dirs(&mut client).iter().map(|it| it.1).collect::<Vec<_>>(), [0, 0]);
}
