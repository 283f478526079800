//! Ports of `kafka.server.RemoteLeaderEndPointTest`: a follower asks a leader that a test plays, over a real
//! socket.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::Duration;

use support::engine::ScriptedEngine;
use support::records::batch_at;
use support::temp::TempDir;
use transferto::clients::client_channel_builder::PlaintextClientChannelBuilder;
use transferto::common::errors::Errors;
use transferto::common::metrics::Metrics;
use transferto::common::mock_scheduler::MockScheduler;
use transferto::common::mock_time::MockTime;
use transferto::common::time::Time;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::common::units::{LeaderEpoch, Offset};
use transferto::config::config_reader::read_settings;
use transferto::config::log_config::LogConfig;
use transferto::protocol::fetch::{
    EpochEndOffset as Diverging, FetchRequest, FetchResponse, FetchResponseHeader,
    FetchResponsePartition, FetchResponseTopic, PartitionHeader, TopicHeader,
};
use transferto::protocol::list_offsets::{
    ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use transferto::protocol::offset_for_leader_epoch::{
    EpochEndOffset as EpochEnd, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    OffsetForLeaderTopicResult,
};
use transferto::protocol::wire::uuid::Uuid;
use transferto::replica::broker_end_point::BrokerEndPoint;
use transferto::replica::delayed_operations::PurgeIntervals;
use transferto::replica::fetcher::leader_end_point::{
    EpochQuestion, FetchedPartition, LeaderEndPoint, ReplicaFetched,
};
use transferto::replica::fetcher::partition_fetch_state::{PartitionFetchState, ReplicaState};
use transferto::replica::replica_manager::{ReplicaManager, ReplicaManagerConfig};
use transferto::replica::replication_quota_manager::{
    ReplicationQuotaManagers, ThrottledPartitions,
};
use transferto::server::replication::remote_leader_end_point::{
    FollowerContext, RemoteLeaderEndPoint,
};
use transferto::server::replication::replication_config::ReplicationConfig;
use transferto::storage::epochs::epoch_entry::{EpochEndOffset, EpochEntry};
use transferto::storage::files::log_dir_failure_channel::LogDirFailureChannel;
use transferto::storage::log::log::{Log, LogOpen};

use crate::scripted_controller::{Answer, ScriptedController};

const LEADER: i32 = 2;
const FOLLOWER: i32 = 7;
const FOO: [u8; 16] = [9; 16];
const EPOCH: LeaderEpoch = LeaderEpoch(10);

/// A follower of partition 0 and 1 of `foo`, and the leader that it asks.
struct Scene {
    _dir: TempDir,
    leader: ScriptedController,
    time: Arc<MockTime>,
    quotas: Arc<ReplicationQuotaManagers>,
    broker_epoch: Arc<AtomicI64>,
    end_point: RemoteLeaderEndPoint,
}

impl Scene {
    fn new() -> Self {
        Self::with_settings([])
    }

    fn with_settings<const N: usize>(settings: [(&str, &str); N]) -> Self {
        let (dir, time) = (TempDir::new(), Arc::new(MockTime::new()));
        let clock: Arc<dyn Time> = time.clone();
        let replica_manager = Arc::new(replica_manager(&dir, &time));
        let quotas = Arc::new(ReplicationQuotaManagers::new(&clock));
        let broker_epoch = Arc::new(AtomicI64::new(5));
        let config = read_settings(settings).unwrap();
        let context = FollowerContext {
            config: ReplicationConfig { broker_id: FOLLOWER, ..ReplicationConfig::from(&config) },
            channel_builder: Arc::new(PlaintextClientChannelBuilder),
            replica_manager,
            quotas: Arc::clone(&quotas),
            time: clock,
            broker_epoch: Box::new({
                let broker_epoch = Arc::clone(&broker_epoch);
                move || Some(broker_epoch.load(Ordering::Relaxed))
            }),
        };
        let leader = ScriptedController::start(LEADER);
        // Those of a 4.4.0 broker.
        leader.change(|state| state.supported_versions = vec![(1, 4, 18), (2, 1, 11), (23, 2, 4)]);
        let (host, port) = ("127.0.0.1".to_string(), leader.addr().port());
        let broker = BrokerEndPoint { id: LEADER, host, port };
        let end_point = RemoteLeaderEndPoint::new(broker, 3, Arc::new(context));
        Self { _dir: dir, leader, time, quotas, broker_epoch, end_point }
    }

    /// Asks for partition 0, from `offset` on.
    fn fetch(&mut self, offset: i64) -> std::io::Result<ReplicaFetched> {
        let fetch = self.end_point.build_fetch(&[(foo(0), fetching(offset))]).unwrap();
        self.end_point.fetch(&fetch)
    }
}

fn replica_manager(dir: &TempDir, time: &Arc<MockTime>) -> ReplicaManager {
    let log_dir = Arc::new(LogDirFailureChannel::default()).watch(dir.path());
    let config = ReplicaManagerConfig {
        broker_id: FOLLOWER,
        purge_intervals: PurgeIntervals::of(1),
        replica_lag_time_max_ms: 30_000,
        leaves_cold_pages: false,
    };
    let clock: Arc<dyn Time> = time.clone();
    let manager = ReplicaManager::new(
        config,
        &[Arc::clone(&log_dir)],
        ScriptedEngine::new(),
        &clock,
        Arc::new(Metrics::default()),
    );
    let manager = manager.unwrap();
    for partition in 0..2 {
        let open = LogOpen {
            recovery_point: Offset(0),
            is_clean_shutdown: false,
            log_dir: Arc::clone(&log_dir),
            progress: Arc::default(),
            scheduler: Arc::new(MockScheduler::new(Arc::clone(time))),
            time: time.clone(),
        };
        let log = || {
            let path = dir.join(&format!("foo-{partition}"));
            Ok((Log::open(&path, LogConfig::default(), open)?, Offset(0)))
        };
        manager.host(&FOO, &foo(partition), log).unwrap();
    }
    let hosted = manager.local_logs().get_partition(&foo(0)).unwrap();
    hosted.truncate_fully_and_start_at(Offset(20)).unwrap();
    manager
}

fn foo(partition: i32) -> TopicAndPartition {
    TopicAndPartition::new("foo", partition)
}

fn fetching(offset: i64) -> PartitionFetchState {
    PartitionFetchState {
        topic_id: FOO,
        fetch_offset: Offset(offset),
        lag: None,
        current_leader_epoch: EPOCH,
        delayed_until_ms: None,
        state: ReplicaState::Fetching,
        last_fetched_epoch: Some(LeaderEpoch(9)),
    }
}

/// The answer to a fetch of partition 0, in session 123.
fn answer(partition: FetchResponsePartition) -> FetchResponse {
    FetchResponse {
        header: FetchResponseHeader { session_id: 123, ..FetchResponseHeader::default() },
        topics: vec![FetchResponseTopic {
            header: TopicHeader { topic_id: Uuid(FOO), ..TopicHeader::default() },
            partitions: vec![partition],
        }],
        ..FetchResponse::default()
    }
}

fn records_up_to(high_watermark: i64, records: std::ops::Range<usize>) -> FetchResponsePartition {
    FetchResponsePartition {
        header: PartitionHeader { high_watermark, log_start_offset: 3, ..Default::default() },
        records: Some(records),
        ..FetchResponsePartition::default()
    }
}

fn offset(of: ListOffsetsPartitionResponse) -> Answer<ListOffsetsResponse> {
    let topic = ListOffsetsTopicResponse { name: "foo".to_string(), partitions: vec![of] };
    Answer::Send(ListOffsetsResponse { throttle_time_ms: 0, topics: vec![topic] })
}

#[test]
fn a_fetch_says_who_asks_and_gets_the_records_where_they_came_in() {
    let mut scene = Scene::new();
    let records = batch_at(30, &["a", "b"]);
    let (sent, size) = (records.clone(), records.len());
    scene.leader.script(move |_: &FetchRequest| {
        Answer::SendRecords(answer(records_up_to(31, 0..size)), sent.clone())
    });
    let mut fetched = scene.fetch(30).unwrap();
    let (key, partition) = fetched.partitions.remove(0);
    assert_eq!(fetched.frame[partition.records.clone()], records);
    let expected = FetchedPartition {
        error: Errors::None,
        high_watermark: Offset(31),
        log_start_offset: Offset(3),
        diverging_epoch: None,
        records: partition.records.clone(),
    };
    assert_eq!((key, partition), (foo(0), expected));

    let asked = scene.leader.asked_all().remove(0);
    assert_eq!(asked.api_key, 18, "first it asks which versions there are");
    let asked = scene.leader.asked_all().remove(1);
    assert_eq!((asked.version, asked.client_id.as_deref()), (18, Some("broker-7-fetcher-3")));
    let request = scene.leader.asked::<FetchRequest>().remove(0);
    assert_eq!((request.replica_id(), request.replica_state.replica_epoch), (FOLLOWER, 5));
    assert_eq!((request.max_wait_ms, request.min_bytes, request.max_bytes), (500, 1, 10 << 20));
    assert_eq!((request.session_id, request.session_epoch), (0, 0));
    let [topic] = &request.topics[..] else { panic!("{request:?}") };
    assert_eq!(topic.topic_id, Uuid(FOO));
    let [partition] = &topic.partitions[..] else { panic!("{request:?}") };
    assert_eq!((partition.partition, partition.fetch_offset), (0, 30));
    assert_eq!((partition.current_leader_epoch, partition.last_fetched_epoch), (10, 9));
    assert_eq!((partition.log_start_offset, partition.partition_max_bytes), (20, 1 << 20));
}

#[test]
fn what_the_session_knows_is_not_said_again() {
    let mut scene = Scene::new();
    scene.leader.script_once(|_: &FetchRequest| Answer::Send(answer(records_up_to(30, 0..0))));
    let nothing_new = |_: &FetchRequest| {
        Answer::Send(FetchResponse { topics: vec![], ..answer(Default::default()) })
    };
    scene.leader.script_once(nothing_new);
    scene.leader.script_once(|_: &FetchRequest| {
        let error_code = Errors::FetchSessionIdNotFound.code();
        let header = FetchResponseHeader { error_code, ..FetchResponseHeader::default() };
        Answer::Send(FetchResponse { header, ..FetchResponse::default() })
    });
    scene.leader.script_once(|_: &FetchRequest| Answer::Send(answer(records_up_to(30, 0..0))));
    let partitions: Vec<_> = (0..4).map(|_| scene.fetch(30).unwrap().partitions.len()).collect();
    assert_eq!(partitions, [1, 0, 0, 1]);
    let requests = scene.leader.asked::<FetchRequest>();
    let said: Vec<_> =
        requests.iter().map(|it| (it.session_id, it.session_epoch, it.topics.len())).collect();
    assert_eq!(said, [(0, 0, 1), (123, 1, 0), (123, 2, 0), (0, 0, 1)]);
}

#[test]
fn a_fetch_that_diverges_says_where_and_one_that_fails_why() {
    let mut scene = Scene::new();
    scene.leader.script_once(|_: &FetchRequest| {
        let diverging_epoch = Diverging { epoch: 8, end_offset: 25 };
        let partition = records_up_to(30, 0..0);
        Answer::Send(answer(FetchResponsePartition { diverging_epoch, ..partition }))
    });
    scene.leader.script(|_: &FetchRequest| {
        let error_code = Errors::FencedLeaderEpoch.code();
        let header = PartitionHeader { error_code, ..PartitionHeader::default() };
        Answer::Send(answer(FetchResponsePartition { header, ..Default::default() }))
    });
    let (_, partition) = scene.fetch(30).unwrap().partitions.remove(0);
    let (leader_epoch, end_offset) = (LeaderEpoch(8), Offset(25));
    assert_eq!(partition.diverging_epoch, Some(EpochEndOffset { leader_epoch, end_offset }));
    let (_, partition) = scene.fetch(31).unwrap().partitions.remove(0);
    assert_eq!(partition.error, Errors::FencedLeaderEpoch);
    assert_eq!((partition.high_watermark, partition.records), (Offset::NONE, 0..0));
}

/// Port of `RemoteLeaderEndPointTest.testBrokerEpochSupplier`.
#[test]
fn each_fetch_has_the_epoch_that_the_broker_has_then() {
    let mut scene = Scene::new();
    scene.leader.script(|_: &FetchRequest| Answer::Send(answer(records_up_to(30, 0..0))));
    for epoch in [1, 2] {
        scene.broker_epoch.store(epoch, Ordering::Relaxed);
        scene.fetch(30 + epoch).unwrap();
    }
    let requests = scene.leader.asked::<FetchRequest>();
    let epochs: Vec<_> = requests.iter().map(|it| it.replica_state.replica_epoch).collect();
    assert_eq!(epochs, [1, 2]);
}

/// Port of `RemoteLeaderEndPointTest.testFetchLatestOffset` and
/// `RemoteLeaderEndPointTest.testFetchEarliestOffset`.
#[test]
fn the_ends_of_the_leaders_log_come_with_their_epochs() {
    let mut scene = Scene::new();
    scene.leader.script(|request: &ListOffsetsRequest| {
        let asked = &request.topics[0].partitions[0];
        assert_eq!((request.replica_id, asked.current_leader_epoch), (FOLLOWER, 10));
        let (offset_there, leader_epoch) = if asked.timestamp == -1 { (300, 7) } else { (20, 5) };
        offset(ListOffsetsPartitionResponse {
            offset: offset_there,
            leader_epoch,
            ..ListOffsetsPartitionResponse::default()
        })
    });
    let entry = |epoch, start_offset| {
        Ok(EpochEntry { epoch: LeaderEpoch(epoch), start_offset: Offset(start_offset) })
    };
    assert_eq!(scene.end_point.fetch_latest_offset(&foo(0), EPOCH).unwrap(), entry(7, 300));
    assert_eq!(scene.end_point.fetch_earliest_offset(&foo(0), EPOCH).unwrap(), entry(5, 20));
    let error = scene.end_point.fetch_latest_offset(&foo(1), EPOCH).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData, "the answer is for another partition");
}

/// Port of `RemoteLeaderEndPointTest.testThrowsFencedLeaderEpochException` and
/// `RemoteLeaderEndPointTest.testThrowsUnknownLeaderEpochException`.
#[test]
fn a_leader_of_another_epoch_says_so_when_it_is_asked_for_an_offset() {
    for error in [Errors::FencedLeaderEpoch, Errors::UnknownLeaderEpoch] {
        let mut scene = Scene::new();
        scene.leader.script(move |_: &ListOffsetsRequest| {
            let error_code = error.code();
            offset(ListOffsetsPartitionResponse { error_code, ..Default::default() })
        });
        let end_point = &mut scene.end_point;
        assert_eq!(end_point.fetch_earliest_offset(&foo(0), EPOCH).unwrap(), Err(error));
        assert_eq!(end_point.fetch_latest_offset(&foo(0), EPOCH).unwrap(), Err(error));
    }
}

/// Port of `RemoteLeaderEndPointTest.testFetchEpochEndOffsets`.
#[test]
fn the_ends_of_epochs_come_in_the_order_of_the_questions() {
    let mut scene = Scene::new();
    scene.leader.script(|request: &OffsetForLeaderEpochRequest| {
        assert_eq!(request.replica_id, FOLLOWER);
        let end = |partition: i32, error: Errors, leader_epoch, end_offset| EpochEnd {
            error_code: error.code(),
            partition,
            leader_epoch,
            end_offset,
        };
        let ends = vec![
            end(2, Errors::None, -1, -1),
            end(1, Errors::UnknownLeaderEpoch, -1, -1),
            end(0, Errors::None, 0, 300),
        ];
        let topic = OffsetForLeaderTopicResult { topic: "foo".to_string(), partitions: ends };
        let topics = vec![topic];
        Answer::Send(OffsetForLeaderEpochResponse { throttle_time_ms: 0, topics })
    });
    let questions: Vec<_> = (0..4)
        .map(|partition| EpochQuestion {
            key: foo(partition),
            current_leader_epoch: EPOCH,
            leader_epoch: LeaderEpoch(4),
        })
        .collect();
    let end = EpochEndOffset { leader_epoch: LeaderEpoch(0), end_offset: Offset(300) };
    let expected =
        [Ok(Some(end)), Err(Errors::UnknownLeaderEpoch), Ok(None), Err(Errors::UnknownServerError)];
    assert_eq!(scene.end_point.fetch_epoch_end_offsets(&questions), expected);
    let request = scene.leader.asked::<OffsetForLeaderEpochRequest>().remove(0);
    let asked = &request.topics[0].partitions;
    assert!(request.topics.len() == 1 && asked.len() == 4, "{request:?}");
    assert_eq!((asked[0].current_leader_epoch, asked[0].leader_epoch), (10, 4));

    scene.leader.script(|_: &OffsetForLeaderEpochRequest| Answer::HangUp);
    let lost = vec![Err(Errors::NetworkException); 4];
    assert_eq!(scene.end_point.fetch_epoch_end_offsets(&questions), lost);
}

#[test]
fn what_is_not_ready_is_not_asked_for() {
    let mut scene = Scene::new();
    let delayed = PartitionFetchState { delayed_until_ms: Some(1_000), ..fetching(0) };
    let truncating = PartitionFetchState { state: ReplicaState::Truncating, ..fetching(0) };
    assert!(
        scene.end_point.build_fetch(&[(foo(0), delayed.clone()), (foo(1), truncating)]).is_none()
    );
    // This broker has no such partition.
    assert!(scene.end_point.build_fetch(&[(foo(2), fetching(0))]).is_none());
    scene.time.sleep(1_000);
    let fetch = scene.end_point.build_fetch(&[(foo(0), delayed)]).unwrap();
    assert_eq!(fetch.partitions[0].0, foo(0));
}

/// Port of `ReplicaFetcherThreadTest.testBuildFetch`, as far as it throttles.
#[test]
fn a_replica_that_is_behind_waits_while_its_quota_is_used_up() {
    let mut scene = Scene::new();
    let follower = &scene.quotas.follower;
    follower.mark_throttled("foo", ThrottledPartitions::Of([1].into()));
    follower.update_quota(1);
    let caught_up = PartitionFetchState { lag: Some(0), ..fetching(0) };
    let mut asked = |of_one: &PartitionFetchState| -> Vec<_> {
        let all = [(foo(0), fetching(0)), (foo(1), of_one.clone())];
        let fetch = scene.end_point.build_fetch(&all).unwrap();
        fetch.partitions.into_iter().map(|(key, _)| key.partition).collect()
    };
    assert_eq!(asked(&fetching(0)), [0, 1], "there is still some left");
    scene.quotas.follower.record(1_000);
    assert_eq!(asked(&fetching(0)), [0]);
    assert_eq!(asked(&caught_up), [0, 1]);
}

/// Port of `ReplicaFetcherThreadTest.shouldHandleExceptionFromBlockingSend`.
#[test]
fn a_leader_that_hangs_up_is_asked_again_over_another_connection() {
    let mut scene = Scene::new();
    scene.leader.script_once(|_: &FetchRequest| Answer::Send(answer(records_up_to(30, 0..0))));
    scene.leader.script_once(|_: &FetchRequest| Answer::HangUp);
    scene.leader.script(|_: &FetchRequest| Answer::Send(answer(records_up_to(30, 0..0))));
    scene.fetch(30).unwrap();
    let error = scene.fetch(31).unwrap_err();
    assert!(error.to_string().starts_with("Fetch by broker 2 at 127.0.0.1:"), "{error}");
    assert_eq!(scene.fetch(31).unwrap().partitions.len(), 1);
    let request = scene.leader.asked::<FetchRequest>().remove(2);
    assert_eq!((request.session_id, request.session_epoch), (123, 0), "it ends the session");
    let keys: Vec<_> = scene.leader.asked_all().iter().map(|it| it.api_key).collect();
    assert_eq!(keys, [18, 1, 1, 18, 1], "what the other has is asked for each connection");
}

/// Port of `ReplicaFetcherThreadTest.shouldSendLatestRequestVersionsByDefault`.
#[test]
fn a_leader_is_asked_in_the_newest_version_that_it_has() {
    let mut scene = Scene::new();
    for version in 13..=17 {
        scene.leader.change(|state| state.supported_versions = vec![(1, 4, version)]);
        scene.leader.hang_up();
        scene.leader.script(|_: &FetchRequest| Answer::Send(answer(records_up_to(30, 0..0))));
        // The connection of the version before may be found closed only now.
        let _ = scene.fetch(30);
        scene.fetch(31).unwrap();
        assert_eq!(scene.leader.asked_all().last().unwrap().version, version);
        let request = scene.leader.asked::<FetchRequest>().pop().unwrap();
        assert_eq!(request.replica_id(), FOLLOWER, "in version {version}");
    }
    scene.leader.change(|state| state.supported_versions = vec![(1, 4, 12)]);
    scene.leader.hang_up();
    let _ = scene.fetch(30);
    let error = scene.fetch(30).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[test]
fn a_leader_that_is_silent_is_given_up_on_in_time() {
    let mut scene = Scene::with_settings([
        ("replica.socket.timeout.ms", "200"),
        ("replica.fetch.wait.max.ms", "100"),
    ]);
    scene.leader.script(|_: &FetchRequest| Answer::Silence);
    assert_eq!(scene.fetch(30).unwrap_err().kind(), ErrorKind::TimedOut);
}

/// KAFKA-7576: a stop must not wait for a leader that is silent.
#[test]
fn a_closed_end_point_gives_up_the_fetch_under_way_and_all_later_ones() {
    let mut scene = Scene::new();
    scene.leader.script(|_: &FetchRequest| Answer::Silence);
    let close = scene.end_point.closer();
    let fetch = scene.end_point.build_fetch(&[(foo(0), fetching(30))]).unwrap();
    let mut end_point = scene.end_point;
    let waiting = thread::spawn(move || {
        [end_point.fetch(&fetch), end_point.fetch(&fetch)].map(|it| it.unwrap_err().kind())
    });
    scene.leader.wait_for_requests::<FetchRequest>(1);
    close();
    assert_eq!(waiting.join().unwrap(), [ErrorKind::ConnectionAborted; 2]);
}

#[test]
fn the_settings_say_how_a_follower_asks() {
    let config = read_settings([
        ("broker.id", "4"),
        ("replica.fetch.max.bytes", "11"),
        ("replica.fetch.response.max.bytes", "12"),
        ("replica.fetch.min.bytes", "13"),
        ("replica.fetch.wait.max.ms", "14"),
        ("replica.socket.timeout.ms", "15"),
        ("replica.socket.receive.buffer.bytes", "16"),
        ("socket.request.max.bytes", "1000"),
    ]);
    let expected = ReplicationConfig {
        broker_id: 4,
        socket_timeout: Duration::from_millis(15),
        socket_receive_buffer_bytes: Some(16),
        fetch_wait_max_ms: 14,
        fetch_min_bytes: 13,
        fetch_response_max_bytes: 12,
        fetch_max_bytes: 11,
        response_bytes_max: 1_012 + (1 << 20),
    };
    assert_eq!(ReplicationConfig::from(&config.unwrap()), expected);
}
