//! A partition whose leader changes: what it answers to clients and followers of other epochs.

use std::fs;
use std::sync::{Arc, Mutex};

use support::engine::context_of_one;
use support::records::batch;
use support::temp::TempDir;
use transferto::common::errors::Errors;
use transferto::common::metrics::Metrics;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::common::units::{LeaderEpoch, Offset};
use transferto::config::log_config::LogConfig;
use transferto::purgatory::delayed_operation::DelayedOperation;
use transferto::replica::delayed_fetch::{DelayedFetch, FetchMetadata, FetchPartitionStatus};
use transferto::replica::isr_state::IsrState;
use transferto::replica::local_logs::{LocalLogs, PartitionFetchInfo, ReadMode};
use transferto::replica::partition::{ASKED_BY_NAME, Partition};
use transferto::replica::partition_state::PartitionState;
use transferto::replica::replica::Replica;
use transferto::storage::log::log::Log;

use crate::fixture::Mocks;

const BROKER: i32 = 0;
const OTHER_BROKER: i32 = 1;

/// A follower reads to the end of the log, from the leader alone.
const FOLLOWER: ReadMode = ReadMode {
    fetch_only_from_leader: true,
    fetch_only_committed: false,
    refuses_transactions: false,
    follower: None,
    max_bytes: i32::MAX,
    hard_max_bytes_limit: false,
    newest_readable_magic: 2,
};

/// A partition of a cluster, of whose leader nothing is known yet.
struct Scene {
    _dir: TempDir,
    local_logs: Arc<LocalLogs>,
    log: Arc<Log>,
}

impl Scene {
    fn new(config: LogConfig) -> Self {
        let dir = TempDir::new();
        let log = Mocks::new().log(&dir.join("test-topic-0"), &config);
        let replica = Replica::new(BROKER, Arc::clone(&log), Offset(0));
        let local_logs = Arc::new(LocalLogs::new(context_of_one()));
        local_logs.add_partition(Partition::in_cluster(context_of_one(), key(), [1; 16], replica));
        Self { _dir: dir, local_logs, log }
    }

    fn partition(&self) -> Arc<Partition> {
        self.local_logs.get_partition(&key()).unwrap()
    }

    /// Appends `count` messages as the leader of `epoch`, one batch.
    fn append(&self, epoch: i32, count: usize) {
        self.log.append(&mut batch(&vec!["message"; count]), LeaderEpoch(epoch)).unwrap();
    }

    fn make_leader(&self, epoch: i32) -> bool {
        self.partition().make_leader(state(BROKER, epoch)).unwrap()
    }

    fn make_follower(&self, epoch: i32) -> bool {
        self.partition().make_follower(state(OTHER_BROKER, epoch))
    }

    /// The end of `epoch` for a client that has the `current` one in mind.
    fn end_of(&self, current: i32, epoch: i32) -> Result<Option<(i32, i64)>, Errors> {
        let end = self
            .partition()
            .last_offset_for_leader_epoch(LeaderEpoch(current), LeaderEpoch(epoch))
            .map_err(|error| error.code())?;
        Ok(end.map(|end| (end.leader_epoch.0, end.end_offset.0)))
    }

    /// Where the log of a reader parts from this one, and how many bytes it gets.
    fn read(
        &self,
        current: i32,
        last_fetched: i32,
        offset: i64,
    ) -> Result<(Option<(i32, i64)>, usize), Errors> {
        let fetch = fetch_info(current, last_fetched, offset);
        let (_, result) =
            self.local_logs.read_from_local_log(FOLLOWER, &[(key(), fetch)]).remove(0);
        let read = result.map_err(|error| error.code())?;
        let diverging = read.diverging_epoch.map(|it| (it.leader_epoch.0, it.end_offset.0));
        Ok((diverging, read.size_in_bytes()))
    }
}

fn key() -> TopicAndPartition {
    TopicAndPartition::new("test-topic", 0)
}

/// The broker `leader` leads in `epoch`, and no other replica is in sync.
fn state(leader: i32, epoch: i32) -> PartitionState {
    PartitionState {
        leader,
        leader_epoch: LeaderEpoch(epoch),
        partition_epoch: epoch,
        isr: IsrState::committed_as(Arc::new([leader])),
        assigned_replicas: Some(Arc::new([leader])),
        ..PartitionState::unknown()
    }
}

fn fetch_info(current: i32, last_fetched: i32, offset: i64) -> PartitionFetchInfo {
    PartitionFetchInfo {
        topic_id: ASKED_BY_NAME,
        offset: Offset(offset),
        log_start_offset: Offset::NONE,
        fetch_size: i32::MAX,
        current_leader_epoch: LeaderEpoch(current),
        last_fetched_epoch: LeaderEpoch(last_fetched),
        preferred_read_replica: None,
    }
}

/// Port of `PartitionTest.testLastFetchedOffsetValidation`.
#[test]
fn a_reader_whose_log_parts_from_this_one_learns_where() {
    let scene = Scene::new(LogConfig::default());
    for (epoch, count) in [(0, 2), (3, 3), (3, 3), (4, 5), (7, 1), (9, 3)] {
        scene.append(epoch, count);
    }
    assert_eq!(scene.log.log_end_offset(), Offset(17));
    assert!(scene.make_leader(10));
    let read = |last_fetched, offset| scene.read(10, last_fetched, offset);
    for (last_fetched, offset, diverging) in
        [(2, 5, (0, 2)), (0, 4, (0, 2)), (6, 6, (4, 13)), (5, 9, (4, 13)), (10, 18, (10, 17))]
    {
        assert_eq!(read(last_fetched, offset), Ok((Some(diverging), 0)), "{last_fetched} {offset}");
    }
    for (last_fetched, offset) in [(0, 2), (7, 14), (9, 17), (10, 17), (-1, 3), (-2, 3)] {
        let (diverging, bytes) = read(last_fetched, offset).unwrap();
        assert_eq!((diverging, bytes > 0), (None, offset < 17), "{last_fetched} {offset}");
    }
    let out_of_range = Err(Errors::OffsetOutOfRange);
    assert_eq!(read(11, 5), out_of_range, "of an epoch that never was");

    scene.log.update_high_watermark(Offset(17));
    scene.log.delete_records_before(Offset(5)).unwrap();
    assert_eq!(read(2, 8), Ok((Some((2, 5)), 0)));
    for last_fetched in [0, 3] {
        assert_eq!(read(last_fetched, 5).unwrap().0, None, "{last_fetched}");
    }
    assert_eq!(read(0, 0), out_of_range);

    scene.log.delete_records_before(Offset(10)).unwrap();
    assert_eq!(read(5, 6), out_of_range, "below the first offset, though it diverges");
    assert_eq!(read(3, 6), out_of_range);
}

/// Port of `PartitionTest.testMakeLeaderUpdatesEpochCache`.
#[test]
fn a_new_leader_begins_its_epoch_before_it_appends() {
    let scene = Scene::new(LogConfig::default());
    scene.append(0, 2);
    scene.append(5, 2);
    assert!(scene.make_leader(8));
    assert_eq!(scene.end_of(8, 8), Ok(Some((8, 4))));
    assert_eq!(scene.end_of(8, 5), Ok(Some((5, 4))));
    assert_eq!(scene.partition().state().epoch_start_offset, Offset(4));
}

/// Port of `PartitionTest.testMakeLeaderDoesNotUpdateEpochCacheForOldFormats`.
#[test]
fn a_leader_of_old_messages_begins_no_epoch() {
    let scene = Scene::new(LogConfig { message_format_magic: 1, ..LogConfig::default() });
    scene.append(0, 2);
    assert!(scene.make_leader(8));
    assert_eq!(scene.end_of(8, 8), Ok(None));
    assert_eq!(scene.log.leader_epochs().latest_epoch(), None);
}

/// Port of `PartitionTest.testOffsetForLeaderEpochValidationForLeader` and
/// `PartitionTest.testOffsetForLeaderEpochValidationForFollower`.
#[test]
fn the_end_of_an_epoch_is_the_leaders_to_tell() {
    let scene = Scene::new(LogConfig::default());
    scene.make_leader(5);
    let (fenced, unknown) = (Err(Errors::FencedLeaderEpoch), Err(Errors::UnknownLeaderEpoch));
    for (current, answer) in
        [(-1, Ok(Some((5, 0)))), (5, Ok(Some((5, 0)))), (4, fenced), (6, unknown)]
    {
        assert_eq!(scene.end_of(current, 5), answer, "{current}");
    }
    scene.make_follower(6);
    let not_leader = Err(Errors::NotLeaderForPartition);
    for (current, answer) in [(-1, not_leader), (6, not_leader), (5, fenced), (7, unknown)] {
        assert_eq!(scene.end_of(current, 5), answer, "{current}");
    }
}

/// Port of `PartitionTest.testLeaderEpochValidationOnLeader` and
/// `PartitionTest.testLeaderEpochValidationOnFollower`.
#[test]
fn a_read_is_checked_for_its_epoch_before_it_is_checked_for_the_leader() {
    let scene = Scene::new(LogConfig::default());
    scene.make_leader(5);
    let (fenced, unknown) = (Err(Errors::FencedLeaderEpoch), Err(Errors::UnknownLeaderEpoch));
    let nothing = Ok((None, 0));
    for (current, answer) in [(-1, nothing), (5, nothing), (4, fenced), (6, unknown)] {
        assert_eq!(scene.read(current, -1, 0), answer, "{current}");
    }
    scene.make_follower(6);
    let not_leader = Err(Errors::NotLeaderForPartition);
    for (current, answer) in [(-1, not_leader), (6, not_leader), (5, fenced), (7, unknown)] {
        assert_eq!(scene.read(current, -1, 0), answer, "{current}");
    }
}

/// Port of `PartitionTest.testDoNotUpdateEpochStartOffsetIfLeaderEpochIsNotBumped` and
/// `PartitionTest.testIgnoreLeaderPartitionStateChangeWithOlderPartitionEpoch`.
#[test]
fn a_change_that_keeps_the_leader_keeps_its_epoch() {
    let scene = Scene::new(LogConfig::default());
    assert!(scene.make_leader(5));
    scene.append(5, 3);
    let later = PartitionState { partition_epoch: 6, ..state(BROKER, 5) };
    assert!(!scene.partition().make_leader(later.clone()).unwrap(), "it leads already");
    assert_eq!(
        scene.partition().state(),
        PartitionState { epoch_start_offset: Offset(0), ..later }
    );

    let stale = PartitionState { partition_epoch: 4, ..state(BROKER, 9) };
    assert!(!scene.partition().make_leader(stale).unwrap());
    assert_eq!(scene.partition().leader_epoch(), LeaderEpoch(5));
    assert_eq!(scene.end_of(5, 9), Ok(None), "that epoch has not begun");
}

/// A full disk must not leave the partition without a leader: nobody would make it one again.
#[test]
fn an_epoch_that_cannot_be_written_down_is_led_and_takes_no_record_until_it_can() {
    let scene = Scene::new(LogConfig::default());
    scene.append(4, 3);
    let in_the_way = scene.log.dir().join("leader-epoch-checkpoint.tmp");
    fs::create_dir(&in_the_way).unwrap();
    assert!(scene.make_leader(5));
    assert_eq!(scene.end_of(5, 5), Ok(Some((5, 3))));
    assert_eq!(scene.end_of(5, 4), Ok(Some((4, 3))));
    let append = || scene.partition().append_messages_to_leader(&mut batch(&["message"]), 1);
    append().unwrap_err();
    assert_eq!(scene.log.log_end_offset(), Offset(3));

    fs::remove_dir(in_the_way).unwrap();
    append().unwrap();
    let on_disk = fs::read_to_string(scene.log.dir().join("leader-epoch-checkpoint")).unwrap();
    assert_eq!(on_disk, "0\n2\n4 0\n5 3\n");
}

/// KAFKA-9434 and the pull request 9434: a truncation comes under a fetch that waits.
#[test]
fn a_fetch_that_waits_is_answered_when_the_logs_part() {
    let scene = Scene::new(LogConfig::default());
    // Two batches: a log is cut between batches.
    scene.append(3, 2);
    scene.append(3, 3);
    scene.make_leader(4);
    let answers = Arc::new(Mutex::new(Vec::new()));
    let taken = Arc::clone(&answers);
    let callback = Box::new(move |results: Vec<_>| taken.lock().unwrap().extend(results));
    let status = FetchPartitionStatus {
        key: key(),
        start_offset_metadata: scene.log.log_end_offset_metadata(),
        fetch_info: fetch_info(-1, 3, 5),
    };
    let metadata = FetchMetadata { min_bytes: 1, mode: FOLLOWER, status: vec![status] };
    let (logs, metrics) = (Arc::clone(&scene.local_logs), Arc::new(Metrics::default()));
    let fetch = DelayedFetch::new(1_000, metadata, logs, metrics, callback);
    assert!(!fetch.try_complete(), "there is nothing to read yet");

    scene.log.truncate_to(Offset(2)).unwrap();
    scene.make_leader(5);
    scene.append(5, 3);
    assert_eq!(scene.log.log_end_offset(), Offset(5));
    assert!(fetch.try_complete());
    fetch.on_complete();
    let (_, result) = answers.lock().unwrap().remove(0);
    let diverging = result.unwrap().diverging_epoch.unwrap();
    assert_eq!((diverging.leader_epoch, diverging.end_offset), (LeaderEpoch(3), Offset(2)));
}
