//! What a log knows of its leader epochs, and what of it is on disk.

use std::fs;

use support::temp::TempDir;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::common::units::{LeaderEpoch, Offset};
use transferto::storage::epochs::epoch_entries::EpochEntries;
use transferto::storage::epochs::epoch_entry::EpochEntry;
use transferto::storage::epochs::leader_epoch_checkpoint_file::{
    LEADER_EPOCH_CHECKPOINT_FILE, LeaderEpochCheckpointFile,
};
use transferto::storage::epochs::leader_epoch_file_cache::LeaderEpochFileCache;

use crate::fixture::entry;

/// No epoch, or no offset.
const UNDEFINED: Option<(i32, i64)> = None;

/// The epochs of a log that has a directory to itself.
struct Scene {
    dir: TempDir,
    cache: LeaderEpochFileCache,
}

impl Scene {
    /// Epochs that begin one after the other.
    fn new(assigned: &[(i32, i64)]) -> Self {
        let dir = TempDir::new();
        let cache = open(&dir);
        let scene = Self { dir, cache };
        assigned.iter().for_each(|&(epoch, start_offset)| scene.assign(epoch, start_offset));
        scene
    }

    fn assign(&self, epoch: i32, start_offset: i64) {
        self.cache.assign(&[entry(epoch, start_offset)]).unwrap();
    }

    fn entries(&self) -> Vec<(i32, i64)> {
        pairs(&self.cache.epoch_entries())
    }

    fn end_offset_for(&self, epoch: i32, log_end_offset: i64) -> Option<(i32, i64)> {
        let end = self.cache.end_offset_for(LeaderEpoch(epoch), Offset(log_end_offset));
        end.map(|end| (end.leader_epoch.0, end.end_offset.0))
    }

    fn latest_epoch(&self) -> Option<i32> {
        self.cache.latest_epoch().map(|it| it.0)
    }

    fn truncate_from_end(&self, end_offset: i64) -> bool {
        self.cache.truncate_from_end(Offset(end_offset))
    }

    fn truncate_from_start(&self, start_offset: i64) -> bool {
        self.cache.truncate_from_start(Offset(start_offset))
    }

    /// What the file holds, if it is there.
    fn on_disk(&self) -> Option<Vec<(i32, i64)>> {
        let read = LeaderEpochCheckpointFile::new(self.dir.path()).read().unwrap();
        read.map(|entries| pairs(entries.as_slice()))
    }
}

fn open(dir: &TempDir) -> LeaderEpochFileCache {
    let checkpoint = LeaderEpochCheckpointFile::new(dir.path());
    let on_disk = checkpoint.read().unwrap();
    let exists = on_disk.is_some();
    let log = TopicAndPartition::new("TestTopic", 5);
    LeaderEpochFileCache::new(log, checkpoint, on_disk.unwrap_or_default(), exists, false)
}

fn pairs(entries: &[EpochEntry]) -> Vec<(i32, i64)> {
    entries.iter().map(|it| (it.epoch.0, it.start_offset.0)).collect()
}

/// Port of `LeaderEpochFileCacheTest.shouldAddEpochAndMessageOffsetToCache`,
/// `LeaderEpochFileCacheTest.shouldReturnLogEndOffsetIfLatestEpochRequested` and
/// `LeaderEpochFileCacheTest.shouldSupportEpochsThatDoNotStartFromZero`.
#[test]
fn the_latest_epoch_ends_where_the_log_ends() {
    let scene = Scene::new(&[(2, 10)]);
    assert_eq!((scene.latest_epoch(), scene.entries()), (Some(2), vec![(2, 10)]));
    assert_eq!(scene.end_offset_for(2, 11), Some((2, 11)));
    scene.assign(2, 12);
    assert_eq!(scene.end_offset_for(2, 14), Some((2, 14)));
}

/// Port of `LeaderEpochFileCacheTest.shouldReturnUndefinedOffsetIfUndefinedEpochRequested`,
/// `LeaderEpochFileCacheTest.shouldReturnUnsupportedIfNoEpochRecorded`,
/// `LeaderEpochFileCacheTest.shouldReturnUnsupportedIfNoEpochRecordedAndUndefinedEpochRequested`,
/// `LeaderEpochFileCacheTest.shouldReturnInvalidOffsetIfEpochIsRequestedWhichIsNotCurrentlyTracked`,
/// `LeaderEpochFileCacheTest.shouldFetchLatestEpochOfEmptyCache` and
/// `LeaderEpochFileCacheTest.shouldFetchEndOffsetOfEmptyCache`.
#[test]
fn there_is_no_end_of_no_epoch_and_of_one_yet_to_come() {
    let empty = Scene::new(&[]);
    assert_eq!(empty.latest_epoch(), None);
    for epoch in [-1, 0, 7] {
        assert_eq!(empty.end_offset_for(epoch, 73), UNDEFINED, "{epoch}");
    }
    let scene = Scene::new(&[(2, 11), (3, 12)]);
    for epoch in [-1, 4, i32::MAX] {
        assert_eq!(scene.end_offset_for(epoch, 13), UNDEFINED, "{epoch}");
    }
}

/// Port of
/// `LeaderEpochFileCacheTest.shouldNotOverwriteLogEndOffsetForALeaderEpochOnceItHasBeenAssigned`,
/// `LeaderEpochFileCacheTest.shouldNotOverwriteOffsetForALeaderEpochOnceItHasBeenAssigned` and
/// `LeaderEpochFileCacheTest.shouldNotUpdateEpochAndStartOffsetIfItDidNotChange`.
#[test]
fn an_epoch_that_has_begun_begins_nowhere_else() {
    let scene = Scene::new(&[(2, 6)]);
    for later in [6, 7, 10] {
        scene.assign(2, later);
        assert_eq!(scene.entries(), [(2, 6)], "{later}");
    }
}

/// Port of `LeaderEpochFileCacheTest.shouldEnforceMonotonicallyIncreasingStartOffsets`,
/// `LeaderEpochFileCacheTest.shouldEnforceMonotonicallyIncreasingEpochs`,
/// `LeaderEpochFileCacheTest.shouldEnforceOffsetsIncreaseMonotonically` and
/// `LeaderEpochFileCacheTest.shouldTruncateIfMatchingEpochButEarlierStartingOffset`.
#[test]
fn what_would_not_be_before_a_new_epoch_makes_way_for_it() {
    let scene = Scene::new(&[(2, 9), (3, 9)]);
    assert_eq!(scene.entries(), [(3, 9)], "epoch 2 has no record");

    let scene = Scene::new(&[(1, 5), (2, 6), (1, 7)]);
    assert_eq!((scene.latest_epoch(), scene.entries()), (Some(1), vec![(1, 7)]));
    assert_eq!(scene.end_offset_for(1, 8), Some((1, 8)));
    assert_eq!(scene.end_offset_for(2, 8), UNDEFINED);

    let scene = Scene::new(&[(2, 6), (3, 5)]);
    assert_eq!(scene.entries(), [(3, 5)]);

    let scene = Scene::new(&[(5, 11), (6, 12), (7, 13), (7, 12)]);
    assert_eq!(scene.entries(), [(5, 11), (7, 12)]);
    assert_eq!([5, 6].map(|epoch| scene.end_offset_for(epoch, 20)), [Some((5, 12)); 2]);
}

/// Port of
/// `LeaderEpochFileCacheTest.shouldGetFirstOffsetOfSubsequentEpochWhenOffsetRequestedForPreviousEpoch`,
/// `LeaderEpochFileCacheTest.shouldReturnNextAvailableEpochIfThereIsNoExactEpochForTheOneRequested` and
/// `LeaderEpochFileCacheTest.shouldReturnFirstEpochIfRequestedEpochLessThanFirstEpoch`.
#[test]
fn an_epoch_ends_where_the_next_one_begins() {
    let scene = Scene::new(&[(1, 11), (1, 12), (2, 13), (2, 14), (3, 15), (3, 16)]);
    assert_eq!(scene.end_offset_for(2, 17), Some((2, 15)));

    let scene = Scene::new(&[(0, 10), (2, 13), (4, 17)]);
    assert_eq!(
        scene.end_offset_for(1, 20),
        Some((0, 13)),
        "epoch 1 has no record, 0 is its answer"
    );
    assert_eq!([2, 3].map(|epoch| scene.end_offset_for(epoch, 20)), [Some((2, 17)); 2]);

    let scene = Scene::new(&[(5, 11), (6, 12), (7, 13)]);
    assert_eq!(scene.end_offset_for(4, 20), Some((4, 11)), "its records are deleted");
}

/// Port of `LeaderEpochFileCacheTest.shouldIncreaseAndTrackEpochsAsLeadersChangeManyTimes` and
/// `LeaderEpochFileCacheTest.shouldIncreaseAndTrackEpochsAsFollowerReceivesManyMessages`.
#[test]
fn each_change_of_the_leader_ends_an_epoch() {
    let scene = Scene::new(&[(0, 0), (1, 0)]);
    assert_eq!(scene.latest_epoch(), Some(1));
    assert_eq!([1, 0].map(|epoch| scene.end_offset_for(epoch, 0)), [Some((1, 0)), Some((0, 0))]);
    assert_eq!([1, 0].map(|epoch| scene.end_offset_for(epoch, 5)), [Some((1, 5)), Some((0, 0))]);
    scene.assign(2, 5);
    let ends = [2, 1, 0].map(|epoch| scene.end_offset_for(epoch, 10));
    assert_eq!(ends, [Some((2, 10)), Some((1, 5)), Some((0, 0))]);

    let scene = Scene::new(&[]);
    for offset in 0..9 {
        let epoch = i32::try_from(offset / 3).unwrap();
        scene.assign(epoch, offset);
        assert_eq!(scene.end_offset_for(epoch, offset + 1), Some((epoch, offset + 1)));
    }
    let ends = [0, 1, 2].map(|epoch| scene.end_offset_for(epoch, 9));
    assert_eq!(ends, [Some((0, 3)), Some((1, 6)), Some((2, 9))]);
}

/// Port of `LeaderEpochFileCacheTest.shouldDropEntriesOnEpochBoundaryWhenRemovingLatestEntries`,
/// `LeaderEpochFileCacheTest.shouldDropEntriesBetweenEpochBoundaryWhenRemovingNewest`,
/// `LeaderEpochFileCacheTest.shouldNotResetEpochHistoryTailIfUndefinedPassed` and
/// `LeaderEpochFileCacheTest.shouldClearLatestOnEmptyCache`.
#[test]
fn a_log_that_is_cut_forgets_the_epochs_that_began_behind_the_cut() {
    let epochs = [(2, 6), (3, 8), (4, 11)];
    for (end_offset, left) in [(-1, 3), (12, 3), (11, 2), (9, 2), (8, 1), (7, 1), (6, 0), (0, 0)] {
        let scene = Scene::new(&epochs);
        assert_eq!(scene.truncate_from_end(end_offset), left < 3, "{end_offset}");
        assert_eq!(scene.entries(), epochs[..left], "{end_offset}");
        assert_eq!(scene.latest_epoch(), epochs[..left].last().map(|it| it.0));
    }
    assert!(!Scene::new(&[]).truncate_from_end(7));
}

/// Port of `LeaderEpochFileCacheTest.shouldPreserveResetOffsetOnClearEarliestIfOneExists`,
/// `LeaderEpochFileCacheTest.shouldNotClearAnythingIfOffsetTooEarly`,
/// `LeaderEpochFileCacheTest.shouldNotClearAnythingIfOffsetIsFirstOffset`,
/// `LeaderEpochFileCacheTest.shouldRetainLatestEpochOnClearAllEarliest`,
/// `LeaderEpochFileCacheTest.shouldUpdateOffsetBetweenEpochBoundariesOnClearEarliest`,
/// `LeaderEpochFileCacheTest.shouldUpdateOffsetBetweenFirstTwoEpochBoundariesOnClearEarliest`,
/// `LeaderEpochFileCacheTest.shouldRetainLatestEpochOnClearAllEarliestAndUpdateItsOffset`,
/// `LeaderEpochFileCacheTest.shouldNotResetEpochHistoryHeadIfUndefinedPassed` and
/// `LeaderEpochFileCacheTest.shouldClearEarliestOnEmptyCache`.
#[test]
fn a_log_that_begins_later_keeps_the_epoch_that_it_begins_in() {
    let epochs = [(2, 6), (3, 8), (4, 11)];
    for (start_offset, left) in [
        (-1, &[(2, 6), (3, 8), (4, 11)][..]),
        (1, &[(2, 6), (3, 8), (4, 11)]),
        (6, &[(2, 6), (3, 8), (4, 11)]),
        (7, &[(2, 7), (3, 8), (4, 11)]),
        (8, &[(3, 8), (4, 11)]),
        (9, &[(3, 9), (4, 11)]),
        (11, &[(4, 11)]),
        (15, &[(4, 15)]),
    ] {
        let scene = Scene::new(&epochs);
        assert_eq!(scene.truncate_from_start(start_offset), left != epochs, "{start_offset}");
        assert_eq!(scene.entries(), left, "{start_offset}");
        assert_eq!(scene.cache.earliest_entry().map(|it| it.epoch.0), Some(left[0].0));
    }
    assert!(!Scene::new(&[]).truncate_from_start(7));
}

/// Port of `LeaderEpochFileCacheTest.shouldPersistEpochsBetweenInstances`.
#[test]
fn epochs_are_on_disk_as_soon_as_they_begin() {
    let scene = Scene::new(&[(2, 6), (4, 9)]);
    assert_eq!(pairs(&open(&scene.dir).epoch_entries()), [(2, 6), (4, 9)]);
    let path = scene.dir.join(LEADER_EPOCH_CHECKPOINT_FILE);
    assert_eq!(fs::read_to_string(path).unwrap(), "0\n2\n2 6\n4 9\n");
}

/// Port of `LeaderEpochFileCacheTest.shouldWriteCheckpointOnTruncation` and
/// `LeaderEpochFileCacheTest.shouldClearAllEntries`.
#[test]
fn what_a_truncation_takes_leaves_the_file_with_the_next_flush() {
    let scene = Scene::new(&[(2, 6), (3, 8), (4, 11)]);
    assert!(scene.truncate_from_end(11) && scene.truncate_from_start(8));
    assert_eq!(scene.on_disk(), Some(vec![(2, 6), (3, 8), (4, 11)]), "it may wait");
    scene.cache.flush().unwrap();
    assert_eq!(scene.on_disk(), Some(vec![(3, 8)]));
    assert!(!scene.cache.is_stale());

    scene.cache.clear_and_flush().unwrap();
    assert_eq!((scene.entries(), scene.on_disk()), (vec![], Some(vec![])));
}

#[test]
fn an_epoch_that_begins_takes_along_what_the_file_was_owed() {
    let scene = Scene::new(&[(2, 6), (3, 8)]);
    assert!(scene.truncate_from_end(7));
    scene.assign(4, 7);
    assert_eq!(scene.on_disk(), Some(vec![(2, 6), (4, 7)]));
    assert!(!scene.cache.is_stale());
}

#[test]
fn a_log_that_knows_no_epoch_but_0_has_no_file() {
    let scene = Scene::new(&[(0, 0), (0, 5)]);
    assert_eq!(scene.entries(), [(0, 0)]);
    assert!(!scene.truncate_from_start(3), "there is nothing to flush");
    assert_eq!(scene.entries(), [(0, 3)]);
    assert!(!scene.truncate_from_end(0));
    scene.assign(0, 4);
    scene.cache.clear_and_flush().unwrap();
    assert_eq!(scene.on_disk(), None);

    scene.assign(0, 4);
    scene.assign(1, 9);
    assert_eq!(scene.on_disk(), Some(vec![(0, 4), (1, 9)]), "the next epoch makes it");
    assert!(scene.truncate_from_end(9));
    scene.cache.flush().unwrap();
    assert_eq!(scene.on_disk(), Some(vec![(0, 4)]), "and from then on it is kept");
}

#[test]
fn an_epoch_that_cannot_be_written_down_has_not_begun() {
    let scene = Scene::new(&[(2, 6)]);
    fs::create_dir(scene.dir.join("leader-epoch-checkpoint.tmp")).unwrap();
    let error = scene.cache.assign(&[entry(3, 8)]).unwrap_err().to_string();
    assert!(error.contains("leader-epoch-checkpoint"), "{error}");
    assert_eq!((scene.entries(), scene.latest_epoch()), (vec![(2, 6)], Some(2)));
}

#[test]
fn an_epoch_that_the_disk_refused_is_seen_and_written_down_by_the_next_try() {
    let scene = Scene::new(&[(2, 6)]);
    scene.cache.assign_in_memory(entry(3, 8));
    assert_eq!((scene.entries(), scene.latest_epoch()), (vec![(2, 6), (3, 8)], Some(3)));
    assert_eq!(scene.on_disk(), Some(vec![(2, 6)]));
    assert!(scene.cache.owes_write() && scene.cache.is_stale());
    scene.assign(3, 9);
    assert_eq!(scene.on_disk(), Some(vec![(2, 6), (3, 8)]));
    assert!(!scene.cache.owes_write() && !scene.cache.is_stale());
}

#[test]
fn several_epochs_begin_by_one_write_and_a_negative_one_is_none() {
    let scene = Scene::new(&[]);
    scene.cache.assign(&[entry(-1, 0), entry(3, 4), entry(3, 6), entry(5, 9)]).unwrap();
    assert_eq!(scene.entries(), [(3, 4), (5, 9)]);
    assert_eq!(scene.on_disk(), Some(vec![(3, 4), (5, 9)]));
}

#[test]
fn the_epochs_of_a_deleted_log_are_written_to_no_other() {
    let scene = Scene::new(&[(2, 6), (3, 8)]);
    assert!(scene.truncate_from_end(8));
    scene.cache.close();
    scene.cache.flush().unwrap();
    scene.assign(4, 9);
    assert_eq!(scene.on_disk(), Some(vec![(2, 6), (3, 8)]));
}

#[test]
fn epochs_and_offsets_ascend_whatever_is_assigned() {
    let mut random = support::random::Random(14);
    for _ in 0..500 {
        let mut entries = EpochEntries::default();
        for _ in 0..20 {
            let epoch = i32::try_from(random.below(10)).unwrap();
            let offset = i64::try_from(random.below(20)).unwrap();
            match random.below(4) {
                0 => drop(entries.truncate_from_end(Offset(offset))),
                1 => drop(entries.truncate_from_start(Offset(offset))),
                _ => drop(entries.assign(entry(epoch, offset))),
            }
            let ascends = entries.as_slice().windows(2).all(|pair| {
                pair[0].epoch < pair[1].epoch && pair[0].start_offset < pair[1].start_offset
            });
            assert!(ascends, "{entries:?}");
        }
    }
}
