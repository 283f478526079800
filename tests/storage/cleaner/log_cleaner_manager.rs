//! Ports of `kafka.log.LogCleanerManagerTest` and of the parts of `LogCleanerIntegrationTest` about
//! which log is cleaned, how far, by whom, and what a truncation, a deletion or a restart does to
//! that.

use std::sync::{Arc, mpsc};
use std::time::Duration;
use std::{fs, thread};

use support::random::Random;
use support::wait::wait_until;
use transferto::common::time::Time;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::common::units::{Offset, TimestampMs};
use transferto::config::log_config::LogConfig;
use transferto::config::log_policies::CleanupPolicy;
use transferto::message::compression_codec::CompressionCodec;
use transferto::replica::partition::LEADER_EPOCH;
use transferto::storage::cleaner::log_cleaner_manager::LogToClean;
use transferto::storage::files::offset_checkpoint::{
    CLEANER_OFFSET_CHECKPOINT_FILE, OffsetCheckpoint,
};
use transferto::storage::log::log::Log;
use transferto::storage::log::segment_swap::{create_cleaned_segment, replace_segments};

use crate::cleaner::compaction::{
    self, Contents, Test, append, assert_found_from_every_offset, contents, last_values,
};
use crate::fixture::{files_in, missing_in};

fn checkpoint(test: &Test, topic: &str) -> Option<i64> {
    let file = test.manager().log_dirs()[0].join(CLEANER_OFFSET_CHECKPOINT_FILE);
    let checkpoints = OffsetCheckpoint::new(file).read().unwrap();
    checkpoints.get(&TopicAndPartition::new(topic, 0)).copied().map(|it| it.0)
}

/// `rounds` segments, each with the same `keys` keys.
fn fill(log: &Log, rounds: usize, keys: usize) {
    for round in 0..rounds {
        for key in 0..keys {
            append(log, &format!("key {key}"), &round.to_string());
        }
        log.roll().unwrap();
    }
}

#[test]
fn the_dirtiest_log_is_cleaned_first_and_none_below_its_ratio() {
    let test = Test::new(LogConfig { min_cleanable_ratio: 0.5, ..compaction::config() });
    let (half, most, all) = (test.log("half", 0), test.log("most", 0), test.log("all", 0));
    fill(&half, 1, 8);
    fill(&most, 1, 4);
    while test.clean().is_some() {}
    fill(&half, 1, 8);
    fill(&most, 2, 4);
    fill(&all, 2, 4);
    let ratio = |log: &Arc<Log>, clean| {
        LogToClean::new(Arc::clone(log), clean, TimestampMs(0)).cleanable_ratio()
    };
    assert_eq!((ratio(&half, Some(Offset(8))), ratio(&all, None)), (0.5, 1.0));
    let mut cleaned = Vec::new();
    while let Some(stats) = test.clean() {
        cleaned.push(stats.messages_read);
    }
    assert_eq!(cleaned, [8, 12], "all of one, then most of the other, and not half of the third");
}

#[test]
fn nothing_beyond_the_high_watermark_the_active_segment_or_the_lag_is_cleaned() {
    let test = Test::new(LogConfig { min_compaction_lag_ms: 1000, ..compaction::config() });
    let log = test.log("t", 0);
    let now_ms = || test.mocks.time.milliseconds().0;
    let send = |timestamp_ms: i64| {
        let batch = compaction::builder(0).record(timestamp_ms, Some(b"key"), Some(b"value"));
        log.append(&mut batch.build().unwrap(), LEADER_EPOCH).unwrap();
    };
    let limits = || {
        let cleanable = LogToClean::new(Arc::clone(&log), None, TimestampMs(now_ms()));
        (cleanable.first_dirty_offset, cleanable.first_uncleanable_offset)
    };
    send(now_ms() - 2000);
    send(now_ms() - 1500);
    assert_eq!(limits(), (Offset(0), Offset(0)), "all is active");
    log.roll().unwrap();
    send(now_ms());
    log.roll().unwrap();
    assert_eq!(limits(), (Offset(0), Offset(2)), "the second segment is young");
    test.mocks.sleep(1000);
    assert_eq!(limits(), (Offset(0), Offset(3)));
    log.update_high_watermark(Offset(1));
    assert_eq!(limits(), (Offset(0), Offset(1)));
    let stats = test.clean().unwrap();
    assert_eq!(stats.end_offset, Offset(1));
    assert_eq!(
        contents(&log).len(),
        3,
        "the offset below the watermark is the only one of its key"
    );
    log.update_high_watermark(Offset(3));
    assert_eq!(test.clean().unwrap().end_offset, Offset(3));
    assert_eq!(contents(&log).len(), 1);
}

/// Port of `LogCleanerManagerTest` (the logs that must be compacted now, KIP-354).
#[test]
fn a_message_that_is_dirty_for_too_long_is_cleaned_however_few_are() {
    let config = LogConfig { min_cleanable_ratio: 1.0, ..compaction::config() };
    for (max_compaction_lag_ms, is_overdue) in [(1000, true), (1001, false), (i64::MAX, false)] {
        let test = Test::new(LogConfig { max_compaction_lag_ms, ..config.clone() });
        let log = test.log("t", 0);
        let now_ms = test.mocks.time.milliseconds().0;
        for (timestamp_ms, key) in [(now_ms - 1001, b"a"), (now_ms, b"b"), (now_ms, b"b")] {
            let batch = compaction::builder(0).record(timestamp_ms, Some(key), Some(b"value"));
            log.append(&mut batch.build().unwrap(), LEADER_EPOCH).unwrap();
        }
        assert!(test.clean().is_none(), "what is active is not cleaned, however old");
        log.roll().unwrap();
        log.update_high_watermark(Offset(3));
        let cleanable = LogToClean::new(Arc::clone(&log), None, TimestampMs(now_ms));
        assert_eq!(cleanable.is_overdue, is_overdue);
        assert_eq!(test.clean().is_some(), is_overdue);
        assert_eq!(contents(&log).len(), if is_overdue { 2 } else { 3 });
        assert!(test.clean().is_none(), "what has been cleaned is not overdue");
    }
}

/// Ports of `LogCleanerIntegrationTest` (the checkpoint) and of KAFKA-3330: it follows the log.
#[test]
fn the_checkpoint_survives_a_restart_and_is_cut_by_a_truncation() {
    let test = Test::new(compaction::config());
    fill(&test.log("t", 0), 2, 4);
    test.clean().unwrap();
    assert_eq!(checkpoint(&test, "t"), Some(8));
    let path = test.dir.join("logs").join("cleaner-offset-checkpoint");
    assert_eq!(fs::read_to_string(&path).unwrap(), "0\n1\nt 0 8\n");
    test.restart();
    assert_eq!(checkpoint(&test, "t"), Some(8));
    assert!(test.clean().is_none(), "what was clean is not cleaned again");

    let name = TopicAndPartition::new("t", 0);
    let log = test.log("t", 0);
    log.truncate_to(Offset(6)).unwrap();
    assert_eq!(checkpoint(&test, "t"), Some(6));
    append(&log, "key 0", "new");
    append(&log, "key 0", "newer");
    log.roll().unwrap();
    assert_eq!(test.clean().unwrap().end_offset, Offset(8));
    assert_eq!(last_values(&contents(&log))["key 0"], "newer");
    log.truncate_to(Offset(100)).unwrap();
    assert_eq!(checkpoint(&test, "t"), Some(8), "nothing was cut");

    assert!(test.manager().delete_log(&name).unwrap());
    assert_eq!(checkpoint(&test, "t"), None);
    fill(&test.log("t", 0), 2, 4);
    assert_eq!(
        test.clean().unwrap().end_offset,
        Offset(8),
        "a new log of the same name begins dirty"
    );
}

#[test]
fn a_checkpoint_that_cannot_be_read_or_cannot_be_true_means_all_is_dirty() {
    for text in ["junk", "0\n1\nt 0 9999\n", "0\n1\nt 0 -5\n"] {
        let test = Test::new(compaction::config());
        fill(&test.log("t", 0), 2, 4);
        test.restart();
        fs::write(test.dir.join("logs").join("cleaner-offset-checkpoint"), text).unwrap();
        assert_eq!(test.clean().unwrap().messages_kept, 4, "{text}");
        assert_eq!(checkpoint(&test, "t"), Some(8));
    }
}

/// Port of `LogCleanerManager.abortAndPauseCleaning`: who pauses waits until the cleaner has seen
/// it.
#[test]
fn a_pause_waits_for_the_cleaning_to_stop_and_keeps_it_from_beginning() {
    let test = Test::new(compaction::config());
    let log = test.log("t", 0);
    fill(&log, 2, 4);
    let manager = test.manager();
    let cleaner = manager.cleaner();
    let grabbed = cleaner.manager().grab_filthiest_compacted_log(TimestampMs(0)).unwrap();
    assert!(test.clean().is_none(), "one log is cleaned by one thread");
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let pause = cleaner.pause(&log);
            sender.send("paused").unwrap();
            drop(pause);
        });
        wait_until("the pass to be aborted", || {
            cleaner.manager().check_cleaning_aborted(log.topic_and_partition()).is_err()
        });
        assert!(receiver.try_recv().is_err(), "it still waits");
        // The pass was done when it saw the pause: it says so, and yet nothing counts as clean.
        cleaner.manager().done_cleaning(&grabbed.log, Offset(8));
        assert_eq!(receiver.recv().unwrap(), "paused");
    });
    assert_eq!(checkpoint(&test, "t"), None);
    let (first, second) = (cleaner.pause(&log), cleaner.pause(&log));
    drop(first);
    assert!(test.clean().is_none(), "one pause is left");
    drop(second);
    assert!(test.clean().is_some());
}

/// A truncation that fails does not stop the cleaning for ever (KAFKA-3123).
/// What wakes a thread after it has read its settings, and before it sleeps.
#[test]
fn a_thread_that_was_woken_before_it_sleeps_does_not_sleep() {
    let test = Test::new(compaction::config());
    let manager = test.manager();
    let (sender, slept) = mpsc::channel();
    thread::spawn(move || {
        let cleaner = manager.cleaner().manager();
        let seen = cleaner.wake_ups();
        cleaner.wake();
        sender.send(cleaner.sleep(Duration::from_secs(3600), seen)).unwrap();
    });
    assert_eq!(slept.recv_timeout(Duration::from_secs(30)), Ok(true));
}

#[test]
fn cleaning_goes_on_after_a_truncation_that_failed() {
    let test = Test::new(compaction::config());
    let log = test.log("t", 0);
    fill(&log, 2, 4);
    assert!(log.truncate_to(Offset::NONE).is_err());
    assert!(test.clean().is_some());
}

/// What was cleaned from a log that has changed under the cleaner is thrown away.
#[test]
fn segments_that_left_the_log_meanwhile_are_not_replaced() {
    let test = Test::new(compaction::config());
    let log = test.log("t", 0);
    fill(&log, 3, 4);
    let replaced = log.segments()[..2].to_vec();
    let cleaned = Arc::new(create_cleaned_segment(&log, Offset(0)).unwrap());
    log.truncate_to(Offset(6)).unwrap();
    assert!(
        !replace_segments(&log, &cleaned, &replaced).unwrap(),
        "the second one is active again"
    );
    log.truncate_fully_and_start_at(Offset(20)).unwrap();
    assert!(!replace_segments(&log, &cleaned, &replaced).unwrap(), "both are gone");
    assert_eq!((log.log_start_offset(), log.log_end_offset()), (Offset(20), Offset(20)));
}

/// With `compact,delete` retention takes the oldest segments, and the cleaner is who lets it.
#[test]
fn a_log_may_be_compacted_and_deleted_from() {
    let cleanup_policy = CleanupPolicy::CompactAndDelete;
    let config = LogConfig { cleanup_policy, retention_ms: 10_000.into(), ..compaction::config() };
    let test = Test::new(LogConfig { min_cleanable_ratio: 0.9, ..config });
    let log = test.log("t", 0);
    for round in 0..3 {
        let now_ms = test.mocks.time.milliseconds().0;
        for key in ["a", "b", &format!("only {round}")] {
            let batch = compaction::builder(0).record(now_ms, Some(key.as_bytes()), Some(b"value"));
            log.append(&mut batch.build().unwrap(), LEADER_EPOCH).unwrap();
        }
        log.roll().unwrap();
        test.mocks.sleep(4000);
    }
    log.update_config(LogConfig { segment_size: 1, ..(*log.config()).clone() });
    test.clean().unwrap();
    let offsets = || contents(&log).iter().map(|(offset, _, _)| *offset).collect::<Vec<_>>();
    assert_eq!(offsets(), [2, 5, 6, 7, 8]);
    test.manager().cleaner().delete_old_segments();
    assert_eq!((offsets(), log.log_start_offset()), (vec![5, 6, 7, 8], Offset(3)));
    test.mocks.sleep(4000);
    // Without cleaner threads the task of the log manager does it.
    test.manager().cleanup_logs();
    assert_eq!((offsets(), log.log_start_offset()), (vec![6, 7, 8], Offset(6)));
    assert!(test.clean().is_none());
}

/// The thread finds what is dirty, and ends with the log manager, also in the midst of a pass that
/// may do next to nothing per second.
#[test]
fn the_threads_clean_and_stop() {
    for bytes_per_second in [f64::MAX, 1.0] {
        let mut test = Test::new(compaction::config());
        test.config.cleaner.enable_cleaner = true;
        test.config.cleaner.num_threads = 2;
        test.config.cleaner.back_off_ms = 1;
        test.config.cleaner.max_io_bytes_per_second = bytes_per_second;
        let log = test.log("t", 0);
        fill(&log, 2, 100);
        // The first bytes that are counted after a while decide how long to wait.
        test.mocks.time.sleep(1000);
        test.manager().startup();
        if bytes_per_second == f64::MAX {
            wait_until("the cleaner", || checkpoint(&test, "t") == Some(200));
            assert_eq!(contents(&log).len(), 100);
        }
        test.manager().shutdown();
        assert_eq!(last_values(&contents(&log)).len(), 100);
        let unfinished = |name: &String| name.ends_with(".cleaned") || name.ends_with(".swap");
        assert!(!files_in(log.dir()).iter().any(unfinished));
    }
}

/// Appends and fetches go on while a log is cleaned, and see what they would have seen.
#[test]
fn a_log_is_read_and_appended_to_while_it_is_cleaned() {
    let test = Test::new(LogConfig { segment_size: 2000, ..compaction::config() });
    let log = test.log("t", 0);
    let manager = test.manager();
    thread::scope(|scope| {
        let (done, is_done) = mpsc::channel::<()>();
        scope.spawn(move || {
            let done = done;
            for number in 0..2000 {
                append(&log, &format!("key {}", number % 13), &number.to_string());
            }
            drop(done);
        });
        let log = test.log("t", 0);
        scope.spawn(move || {
            while is_done.try_recv() != Err(mpsc::TryRecvError::Disconnected) {
                let end = log.log_end_offset();
                let seen = contents(&log);
                for window in seen.windows(2) {
                    assert!(window[0].0 < window[1].0, "offsets ascend");
                }
                assert!(end == Offset(0) || seen.last().unwrap().0 >= (end - 1).0);
                assert_eq!(
                    last_values(&seen).len(),
                    13.min(seen.last().map_or(0, |it| it.0 as usize + 1))
                );
            }
        });
        for _ in 0..50 {
            manager.cleaner().clean_filthiest_log();
            thread::yield_now();
        }
    });
    let log = test.log("t", 0);
    log.roll().unwrap();
    while test.clean().is_some() {}
    let offsets: Vec<i64> = contents(&log).iter().map(|(offset, _, _)| *offset).collect();
    assert_eq!(offsets, (1987..2000).collect::<Vec<_>>());
}

/// Random appends, rolls, passes with a map too small, truncations, restarts and crashes, against a
/// list of all that was ever appended.
#[test]
fn whatever_happens_the_last_values_are_those_of_an_uncompacted_log() {
    let seeds = std::env::var("SEEDS").map_or(6, |seeds| seeds.parse().unwrap());
    for seed in 0..seeds {
        let mut random = Random(seed);
        let config = LogConfig {
            message_format_magic: random.below(3) as u8,
            segment_size: 1000 + random.below(2000),
            index_interval: random.below(300),
            delete_retention_ms: random.below(2) as i64 * 1000,
            ..compaction::config()
        };
        let mut test = Test::new(config);
        test.set_keys_max(1 + random.below(30) as usize);
        test.config.cleaner.io_buffer_size = random.below(500) as usize;
        let mut log = test.log("t", 0);
        let mut model = Model::default();
        for _ in 0..120 {
            match random.below(20) {
                0..=9 => model.append(&log, &mut random),
                10..=12 => drop(log.roll().unwrap()),
                13..=16 => drop(test.clean()),
                17 => test.mocks.sleep(random.below(1500) as i64),
                18 => model.truncate(&test, &mut random),
                _ => {
                    let is_clean = random.below(2) == 0;
                    if is_clean {
                        test.restart();
                    } else {
                        test.crash();
                    }
                    let (dir, open) = (test.dir.join("logs/t-0"), test.mocks.open(0, is_clean));
                    assert_eq!(missing_in(&dir, &test.config.default_config, &open), []);
                    log = test.log("t", 0);
                }
            }
            let found = contents(&log);
            assert!(found.iter().all(|record| model.records.contains(record)), "seed {seed}");
            assert_eq!(last_values(&found), last_values(&model.records), "seed {seed}");
        }
        assert_found_from_every_offset(&log);
        log.roll().unwrap();
        while test.clean().is_some() {}
        let found = contents(&log);
        let keys: std::collections::BTreeSet<_> = found.iter().map(|(_, key, _)| key).collect();
        assert_eq!(keys.len(), found.len(), "seed {seed}: each key stands there once");
        assert_eq!(last_values(&found), last_values(&model.records), "seed {seed}");
        assert_found_from_every_offset(&log);
    }
}

/// All that was ever appended and not truncated.
#[derive(Default)]
struct Model {
    records: Contents,
    /// The first offset of each batch.
    starts: Vec<i64>,
}

impl Model {
    fn append(&mut self, log: &Log, random: &mut Random) {
        let magic = log.config().message_format_magic;
        let codecs = if magic < 2 { 4 } else { 5 };
        let codec = CompressionCodec::ALL[random.below(codecs) as usize];
        let mut batch = compaction::builder(0).codec(codec);
        if magic == 2 && random.below(3) == 0 {
            // Always a new producer, so that its first sequence number is right.
            batch = batch.producer(random.below(1 << 40) as i64, 0, 0);
        }
        let start = log.log_end_offset().0;
        for offset in start..=start + random.below(4) as i64 {
            let key = format!("key {}", random.below(12));
            let value = (random.below(4) > 0).then(|| "x".repeat(random.below(100) as usize));
            let value = value.map(|padding| format!("{offset} {padding}"));
            let bytes = value.as_ref().map(String::as_bytes);
            batch = batch.record(offset, Some(key.as_bytes()), bytes);
            self.records.push((offset, Some(key), value));
        }
        log.append(&mut batch.build().unwrap(), LEADER_EPOCH).unwrap();
        self.starts.push(start);
    }

    /// Cuts some batches off that are not clean: below, older values are gone.
    fn truncate(&mut self, test: &Test, random: &mut Random) {
        let clean = checkpoint(test, "t").unwrap_or(0);
        let dirty: Vec<i64> = self.starts.iter().copied().filter(|it| *it >= clean).collect();
        let cut = random.below(5) as usize;
        let Some(&target) = dirty.iter().nth_back(cut) else { return };
        test.log("t", 0).truncate_to(Offset(target)).unwrap();
        self.records.retain(|(offset, _, _)| *offset < target);
        self.starts.retain(|start| *start < target);
    }
}
