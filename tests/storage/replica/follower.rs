//! A partition that another broker leads: what its log takes from that leader, and gives up for it.

use std::sync::Arc;

use support::engine::context_of_one;
use support::random::Random;
use support::records::{batch, batch_at};
use transferto::common::errors::{Errors, KafkaError};
use transferto::common::topic_partition::TopicAndPartition;
use transferto::common::units::{LeaderEpoch, Offset};
use transferto::config::log_config::LogConfig;
use transferto::message::record_batch::set_partition_leader_epoch;
use transferto::replica::partition::Partition;
use transferto::replica::partition_state::PartitionState;
use transferto::replica::replica::Replica;
use transferto::storage::log::log::Log;
use transferto::storage::log::log_append::LogAppendInfo;
use transferto::storage::log::read_limit::ReadLimit;

use crate::fixture::{ANY_EPOCH, TestLog, bytes_of};

const BROKER: i32 = 0;
const LEADER: i32 = 1;

/// A follower of broker 1 in epoch 5.
struct Follower {
    test: TestLog,
    partition: Partition,
    log: Arc<Log>,
}

impl Follower {
    fn new(config: LogConfig) -> Self {
        let test = TestLog::new(config);
        let (partition, log) = opened(&test, 0);
        Self { test, partition, log }
    }

    /// Stops as in a crash, and starts with this high watermark in the checkpoint.
    fn restart(&mut self, checkpointed: i64) {
        (self.partition, self.log) = opened(&self.test, checkpointed);
    }

    fn append(&self, records: &[u8]) -> Result<Option<LogAppendInfo>, KafkaError> {
        self.partition.append_records_to_follower(records, ANY_EPOCH)
    }

    fn replica(&self) -> &Replica {
        self.partition.local_replica()
    }

    fn high_watermark(&self) -> i64 {
        let of_replica = self.replica().high_watermark().message_offset;
        assert_eq!(self.log.high_watermark(), of_replica, "retention knows the same");
        of_replica.0
    }

    fn ends(&self) -> (i64, i64) {
        (self.log.log_start_offset().0, self.log.log_end_offset().0)
    }

    /// All bytes of its segments.
    fn bytes(&self) -> Vec<u8> {
        let segments = self.log.segments();
        segments.iter().flat_map(|segment| bytes_of(segment.log())).collect()
    }
}

fn opened(test: &TestLog, checkpointed: i64) -> (Partition, Arc<Log>) {
    let log = test.log();
    let replica = Replica::new(BROKER, Arc::clone(&log), Offset(checkpointed));
    let partition = Partition::in_cluster(
        context_of_one(),
        TopicAndPartition::new("kafkatest", 0),
        [1; 16],
        replica,
    );
    partition.make_follower(state(LEADER, 5));
    (partition, log)
}

fn state(leader: i32, epoch: i32) -> PartitionState {
    PartitionState {
        leader,
        leader_epoch: LeaderEpoch(epoch),
        partition_epoch: epoch,
        ..PartitionState::unknown()
    }
}

/// A batch as the leader of `epoch` has it.
fn of_epoch(epoch: i32, base_offset: i64, values: &[&str]) -> Vec<u8> {
    let mut bytes = batch_at(base_offset, values);
    set_partition_leader_epoch(&mut bytes, epoch);
    bytes
}

fn code<T: std::fmt::Debug>(result: Result<T, KafkaError>) -> Errors {
    result.unwrap_err().code()
}

#[test]
fn a_follower_has_byte_for_byte_what_it_is_sent() {
    let follower = Follower::new(LogConfig::default());
    let sent = [of_epoch(2, 0, &["a", "b"]), of_epoch(4, 7, &["after a gap"])].concat();
    let info = follower.append(&sent).unwrap().unwrap();
    assert_eq!((info.first_offset, info.last_offset), (Offset(0), Offset(7)));
    assert_eq!((follower.bytes(), follower.ends()), (sent, (0, 8)));
    assert_eq!(follower.log.leader_epochs().latest_epoch(), Some(LeaderEpoch(4)));
    assert_eq!(follower.high_watermark(), 0, "what is committed only the leader knows");
}

/// A fetch is cut where its limit says.
#[test]
fn half_a_batch_is_left_for_the_next_fetch() {
    let follower = Follower::new(LogConfig::default());
    let (whole, next) = (of_epoch(0, 0, &["a"]), of_epoch(0, 1, &["b"]));
    let cut = [&whole[..], &next[..next.len() - 1]].concat();
    assert_eq!(follower.append(&cut).unwrap().unwrap().last_offset, Offset(0));
    assert_eq!(follower.append(&next[..20]).unwrap(), None);
    assert_eq!(follower.append(&[]).unwrap(), None);
    assert_eq!(follower.bytes(), whole);
}

/// The leader took it when `max.message.bytes` was larger. In Kafka, too, only the leader asks for it.
#[test]
fn a_batch_that_the_leader_would_not_take_any_more_is_taken() {
    let max_message_size = batch(&["x"]).len();
    let follower = Follower::new(LogConfig { max_message_size, ..LogConfig::default() });
    let large = of_epoch(0, 0, &["larger than that"]);
    follower.append(&large).unwrap().unwrap();
    assert_eq!(follower.bytes(), large);
}

/// `segment.bytes` is a matter of each log: the leader may have had another.
#[test]
fn what_is_larger_than_a_segment_goes_into_several() {
    let segment_size = 2 * batch(&["x"]).len() as u64;
    let follower = Follower::new(LogConfig { segment_size, ..LogConfig::default() });
    let mut sent: Vec<u8> = (0..5).flat_map(|offset| of_epoch(0, offset, &["x"])).collect();
    sent.extend(of_epoch(1, 5, &["larger than a whole segment".repeat(9).as_str()]));
    sent.extend(of_epoch(1, 6, &["x"]));
    let info = follower.append(&sent).unwrap().unwrap();
    assert_eq!((info.first_offset, info.last_offset), (Offset(0), Offset(6)));
    assert_eq!((info.record_count, info.valid_bytes), (7, sent.len()));
    let bases: Vec<_> = follower.log.segments().iter().map(|it| it.base_offset().0).collect();
    assert_eq!(bases, [0, 2, 4, 5, 6]);
    assert_eq!(follower.bytes(), sent);
}

/// What is read on the leader may have been written by the next one (KAFKA-18723).
#[test]
fn batches_of_an_epoch_after_the_one_that_was_asked_in_are_left_out() {
    let follower = Follower::new(LogConfig::default());
    let known = [of_epoch(3, 0, &["a"]), of_epoch(5, 1, &["b"])].concat();
    let sent = [&known[..], &of_epoch(6, 2, &["c"]), &of_epoch(5, 3, &["d"])].concat();
    let append = |records: &[u8]| {
        follower.partition.append_records_to_follower(records, LeaderEpoch(5)).unwrap()
    };
    assert_eq!(append(&sent).unwrap().last_offset, Offset(1));
    assert_eq!(append(&of_epoch(6, 2, &["c"])), None);
    assert_eq!(follower.bytes(), known);
    assert_eq!(follower.log.leader_epochs().latest_epoch(), Some(LeaderEpoch(5)));
}

#[test]
fn a_corrupt_batch_is_refused_and_those_of_earlier_segments_stay() {
    let segment_size = batch(&["x"]).len() as u64;
    let follower = Follower::new(LogConfig { segment_size, ..LogConfig::default() });
    let (good, mut bad) = (of_epoch(0, 0, &["x"]), of_epoch(0, 1, &["x"]));
    *bad.last_mut().unwrap() ^= 1;
    let sent = [&good[..], &bad].concat();
    assert_eq!(follower.append(&sent).unwrap().unwrap().last_offset, Offset(0));
    assert_eq!(code(follower.append(&bad)), Errors::CorruptMessage);
    assert_eq!(code(follower.append(&good)), Errors::UnknownServerError, "it is there already");
    assert_eq!((follower.bytes(), follower.ends()), (good, (0, 1)));
}

/// Port of `PartitionTest.testAppendRecordsAsFollowerBelowLogStartOffset`.
#[test]
fn an_empty_log_begins_with_a_batch_that_its_start_lies_in() {
    let follower = Follower::new(LogConfig::default());
    follower.partition.truncate_fully_and_start_at(Offset(5)).unwrap();
    assert_eq!(follower.ends(), (5, 5));

    follower.append(&of_epoch(0, 3, &["3", "4", "5", "6"])).unwrap();
    assert_eq!(follower.ends(), (3, 7), "the batch starts before the log, which is empty");
    assert_eq!(code(follower.append(&of_epoch(0, 1, &["1"]))), Errors::UnknownServerError);
    assert_eq!(
        code(follower.append(&of_epoch(0, 5, &["5", "6", "7"]))),
        Errors::UnknownServerError
    );
    assert_eq!(follower.ends(), (3, 7));

    follower.append(&of_epoch(0, 7, &["7"])).unwrap();
    assert_eq!(follower.ends(), (3, 8));
    follower.partition.truncate_fully_and_start_at(Offset(9)).unwrap();
    assert_eq!(code(follower.append(&of_epoch(0, 7, &["7"]))), Errors::UnknownServerError);
    assert_eq!(follower.ends(), (9, 9), "a batch that ends below the start is of no use");
}

/// Port of `UnifiedLogTest.testMaybeUpdateHighWatermarkAsFollower`.
#[test]
fn the_high_watermark_of_a_follower_is_its_leaders_as_far_as_its_log_reaches() {
    let follower = Follower::new(LogConfig::default());
    follower.append(&of_epoch(0, 0, &["a", "b", "c"])).unwrap();
    for (of_leader, moves, high_watermark) in
        [(2, true, 2), (2, false, 2), (1, false, 2), (99, true, 3), (99, false, 3), (-1, false, 3)]
    {
        let moved = follower.replica().update_follower_high_watermark(Offset(of_leader));
        assert_eq!((moved, follower.high_watermark()), (moves, high_watermark));
    }
}

#[test]
fn the_log_of_a_follower_begins_where_its_leaders_does_but_within_what_is_committed() {
    let follower = Follower::new(LogConfig::default());
    follower.append(&of_epoch(0, 0, &["a", "b", "c"])).unwrap();
    follower.replica().update_follower_high_watermark(Offset(2));
    for (of_leader, moves, start) in [(0, false, 0), (1, true, 1), (3, true, 2), (1, false, 2)] {
        let moved = follower.replica().maybe_increment_log_start_offset(Offset(of_leader));
        assert_eq!((moved.unwrap(), follower.ends().0), (moves, start));
    }
}

#[test]
fn a_truncation_takes_the_high_watermark_along() {
    let follower = Follower::new(LogConfig::default());
    for offset in 0..6 {
        follower.append(&of_epoch(0, offset, &["x"])).unwrap();
    }
    follower.replica().update_follower_high_watermark(Offset(4));
    for (offset, end, high_watermark) in [(6, 6, 4), (5, 5, 4), (4, 4, 4), (2, 2, 2)] {
        follower.partition.truncate_to(Offset(offset)).unwrap();
        assert_eq!((follower.ends().1, follower.high_watermark()), (end, high_watermark));
    }
    // What follows is not committed because there was something at its offset before.
    follower.append(&of_epoch(1, 2, &["y", "z"])).unwrap();
    assert_eq!(follower.high_watermark(), 2);
}

/// KAFKA-9491.
#[test]
fn a_log_that_begins_anew_begins_at_its_high_watermark() {
    let follower = Follower::new(LogConfig::default());
    follower.append(&of_epoch(0, 0, &["a", "b", "c"])).unwrap();
    follower.replica().update_follower_high_watermark(Offset(2));
    for start in [100, 7] {
        follower.partition.truncate_fully_and_start_at(Offset(start)).unwrap();
        assert_eq!((follower.ends(), follower.high_watermark()), ((start, start), start));
        assert_eq!(follower.log.leader_epochs().latest_epoch(), None);
    }
}

/// The thread that fetches may be late: the broker leads by now.
#[test]
fn the_log_of_a_leader_is_none_of_a_fetchers_business() {
    let follower = Follower::new(LogConfig::default());
    let records = of_epoch(5, 0, &["a"]);
    follower.append(&records).unwrap();
    follower.partition.make_leader(state(BROKER, 6)).unwrap();
    let partition = &follower.partition;
    assert_eq!(code(follower.append(&of_epoch(5, 1, &["b"]))), Errors::NotLeaderForPartition);
    assert_eq!(code(partition.truncate_to(Offset(0))), Errors::NotLeaderForPartition);
    let truncated = partition.truncate_fully_and_start_at(Offset(9));
    assert_eq!(code(truncated), Errors::NotLeaderForPartition);
    assert_eq!(follower.bytes(), records);
}

/// Wherever fetches are cut, and wherever in a batch the leader's log begins.
#[test]
fn a_follower_that_has_caught_up_has_the_bytes_of_its_leader() {
    for seed in 0..20 {
        let mut random = Random(seed);
        let size = batch(&["test"]).len() as u64;
        let config =
            |segments: u64| LogConfig { segment_size: segments * size, ..LogConfig::default() };
        let of_leader = TestLog::new(config(3 + random.below(5)));
        let leader = of_leader.log();
        for epoch in 0..4 {
            for _ in 0..random.below(9) {
                let values = vec!["test"; 1 + random.index(3)];
                leader.append(&mut batch(&values), LeaderEpoch(epoch)).unwrap();
            }
        }
        let end = leader.log_end_offset();
        leader.update_high_watermark(end);
        let start = Offset(random.below(end.0 as u64 + 1) as i64);
        leader.delete_records_before(start).unwrap();

        let follower = Follower::new(config(3 + random.below(5)));
        follower.partition.truncate_fully_and_start_at(start).unwrap();
        while follower.log.log_end_offset() < end {
            let from = follower.log.log_end_offset();
            let limit = ReadLimit::min_one_message(random.below(5 * size) as i32);
            let read = leader.read(from, None, limit).unwrap();
            follower.append(&bytes_of(&read.message_set)).unwrap();
            assert!(follower.log.log_end_offset() > from, "seed {seed}");
            follower.replica().update_follower_high_watermark(end);
            follower.replica().maybe_increment_log_start_offset(start).unwrap();
        }
        let segments = leader.segments();
        let of_leader: Vec<u8> = segments.iter().flat_map(|it| bytes_of(it.log())).collect();
        assert!(of_leader.ends_with(&follower.bytes()), "seed {seed}");
        assert_eq!(follower.ends(), (start.0, end.0), "seed {seed}");
        let epochs = |log: &Log| log.leader_epochs().epoch_entries();
        assert_eq!(epochs(&follower.log), epochs(&leader), "seed {seed}");
    }
}

/// What the log of a follower has to hold.
#[derive(Default)]
struct Model {
    /// Base offset, last offset, epoch and bytes.
    batches: Vec<(i64, i64, i32, Vec<u8>)>,
    start: i64,
    end: i64,
    high_watermark: i64,
}

impl Model {
    fn epochs(&self) -> Vec<(i32, i64)> {
        let mut epochs: Vec<(i32, i64)> = Vec::new();
        for (base, _, epoch, _) in &self.batches {
            if epochs.last().is_none_or(|(last, _)| last != epoch) {
                epochs.push((*epoch, *base));
            }
        }
        epochs
    }

    fn truncate_to(&mut self, offset: i64) {
        self.batches.retain(|(_, last, ..)| *last < offset);
        self.end = self.end.min(offset);
        self.high_watermark = self.high_watermark.min(self.end);
    }

    fn restart_at(&mut self, offset: i64) {
        *self = Self { start: offset, end: offset, high_watermark: offset, ..Self::default() };
    }
}

/// Whatever a leader and its successors have a follower do, it holds what the model says, and so it does
/// after a crash.
#[test]
fn a_follower_holds_what_its_leaders_have_sent_and_not_taken_back() {
    for seed in 0..20 {
        let mut random = Random(seed);
        let segment_size = 4 * batch(&["test"]).len() as u64;
        let mut follower = Follower::new(LogConfig { segment_size, ..LogConfig::default() });
        // Of epoch 0 alone a log keeps no book: it has been in it from its start on, in a gap as well.
        let (mut model, mut epoch) = (Model::default(), 1);
        for step in 0..60 {
            let within = random.below((model.end - model.start + 1) as u64) as i64;
            match random.below(12) {
                0..=5 => append_some(&mut random, &follower, &mut model, epoch),
                6 => epoch += 1 + random.below(2) as i32,
                7 => {
                    // Behind a batch: a restart would not know of a gap at the end.
                    let last = model.batches.get(random.index(model.batches.len()));
                    let offset = last.map_or(model.end, |(_, last, ..)| last + 1);
                    follower.partition.truncate_to(Offset(offset)).unwrap();
                    model.truncate_to(offset);
                }
                8 if within == 0 => {
                    let offset = random.below(1_000) as i64;
                    follower.partition.truncate_fully_and_start_at(Offset(offset)).unwrap();
                    model.restart_at(offset);
                }
                8 | 9 => {
                    let of_leader = model.start + within + random.below(3) as i64;
                    follower.replica().update_follower_high_watermark(Offset(of_leader));
                    model.high_watermark = model.high_watermark.max(of_leader.min(model.end));
                }
                10 => follower.test.mocks.scheduler.tick(),
                _ => follower.restart(model.high_watermark),
            }
            check(&follower, &model, &format!("seed {seed}, step {step}"));
        }
    }
}

/// A response with up to three batches, the first of them perhaps behind a gap.
fn append_some(random: &mut Random, follower: &Follower, model: &mut Model, epoch: i32) {
    let mut sent = Vec::new();
    for _ in 0..1 + random.below(3) {
        let (base, count) = (model.end + random.below(2) as i64, 1 + random.index(3));
        let bytes = of_epoch(epoch, base, &vec!["test"; count]);
        sent.extend_from_slice(&bytes);
        let last = base + count as i64 - 1;
        model.batches.push((base, last, epoch, bytes));
        model.end = last + 1;
    }
    let info = follower.append(&sent).unwrap().unwrap();
    assert_eq!((info.last_offset.0 + 1, info.valid_bytes), (model.end, sent.len()));
}

fn check(follower: &Follower, model: &Model, when: &str) {
    assert_eq!(follower.ends(), (model.start, model.end), "{when}");
    let bytes: Vec<u8> = model.batches.iter().flat_map(|(.., bytes)| bytes.clone()).collect();
    assert_eq!(follower.bytes(), bytes, "{when}");
    assert_eq!(follower.high_watermark(), model.high_watermark, "{when}");
    let entries = follower.log.leader_epochs().epoch_entries();
    let epochs: Vec<_> = entries.iter().map(|it| (it.epoch.0, it.start_offset.0)).collect();
    assert_eq!(epochs, model.epochs(), "{when}");
}
