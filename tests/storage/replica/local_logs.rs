//! How far a fetch may read of a partition whose log is longer than its high watermark.

use std::sync::{Arc, Mutex};

use support::engine::context_of_one;
use support::records::batch;
use support::temp::TempDir;
use transferto::common::errors::Errors;
use transferto::common::metrics::Metrics;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::common::units::{LeaderEpoch, Offset, Position};
use transferto::config::log_config::LogConfig;
use transferto::message::message_set::{Destination, MessageSet};
use transferto::message::record_batch::RecordBatch;
use transferto::purgatory::delayed_operation::DelayedOperation;
use transferto::replica::delayed_produce::{
    DelayedProduce, PartitionResponse, ProducePartitionStatus,
};
use transferto::replica::local_logs::{LocalLogs, PartitionFetchInfo, ReadMode};
use transferto::replica::partition::{ASKED_BY_NAME, Acknowledgement, LEADER_EPOCH, Partition};
use transferto::replica::partition_state::PartitionState;
use transferto::replica::replica::Replica;

use crate::fixture;
use crate::fixture::{Mocks, records_of};

const TOPIC_ID: [u8; 16] = [7; 16];

const HIGH_WATERMARK: i64 = 5;
const LOG_END_OFFSET: i64 = 20;

/// Port of `SimpleFetchTest.testReadFromLog`.
///
/// The original asks a mocked log what it was asked for; here a real one is read.
#[test]
fn a_consumer_reads_below_the_high_watermark_and_a_follower_to_the_end() {
    let (dir, mocks) = (TempDir::new(), Mocks::new());
    let key = TopicAndPartition::new("test-topic", 0);
    let log = mocks.log(&dir.join("test-topic-0"), &LogConfig::default());
    for offset in 0..LOG_END_OFFSET {
        log.append(&mut batch(&[&offset.to_string()]), LEADER_EPOCH).unwrap();
    }
    let local_logs = LocalLogs::new(context_of_one());
    let replica = Replica::new(0, log, Offset(HIGH_WATERMARK));
    local_logs.add_partition(Partition::new(
        context_of_one(),
        key.clone(),
        TOPIC_ID,
        replica,
        LEADER_EPOCH,
    ));

    let read = |fetch_only_committed, offset| {
        let mode = ReadMode {
            fetch_only_from_leader: true,
            fetch_only_committed,
            refuses_transactions: false,
            follower: None,
            max_bytes: i32::MAX,
            hard_max_bytes_limit: false,
            newest_readable_magic: 2,
        };
        let fetch_info = PartitionFetchInfo {
            topic_id: ASKED_BY_NAME,
            offset,
            log_start_offset: Offset::NONE,
            fetch_size: i32::MAX,
            current_leader_epoch: LeaderEpoch::NONE,
            last_fetched_epoch: LeaderEpoch::NONE,
            preferred_read_replica: None,
        };
        let (_, result) =
            local_logs.read_from_local_log(mode, &[(key.clone(), fetch_info)]).remove(0);
        let read = result.unwrap();
        assert_eq!(read.high_watermark, Offset(HIGH_WATERMARK));
        let records = records_of(&read.fetched_data.message_set);
        records.into_iter().map(|(offset, _)| offset).collect::<Vec<_>>()
    };
    assert_eq!(read(true, Offset(0)), (0..HIGH_WATERMARK).collect::<Vec<_>>());
    assert_eq!(read(false, Offset(0)), (0..LOG_END_OFFSET).collect::<Vec<_>>());
    // From the watermark on there is nothing for a consumer, and that is no error (KAFKA-725).
    for offset in [HIGH_WATERMARK, HIGH_WATERMARK + 1, LOG_END_OFFSET] {
        assert!(read(true, Offset(offset)).is_empty());
    }
    assert_eq!(read(false, Offset(LOG_END_OFFSET - 1)), [LOG_END_OFFSET - 1]);
}

/// Messages without an index between them are walked through one by one: that is no work for a
/// Processor, though all of them are in memory.
#[test]
fn a_read_that_waits_for_nothing_gives_up_when_the_way_is_long() {
    const MESSAGES: i64 = 1_000;
    let (dir, mocks) = (TempDir::new(), Mocks::new());
    let config = LogConfig { index_interval: u64::MAX, ..LogConfig::default() };
    let log = mocks.log(&dir.join("test-topic-0"), &config);
    for _ in 0..MESSAGES {
        log.append(&mut batch(&["message"]), LEADER_EPOCH).unwrap();
    }
    if !log.segments()[0].log().read(Position::START, 1).is_resident().unwrap() {
        eprintln!("skipped: this kernel has no cachestat(2)");
        return;
    }
    let key = TopicAndPartition::new("test-topic", 0);
    let local_logs = LocalLogs::new(context_of_one());
    let partition = Partition::new(
        context_of_one(),
        key.clone(),
        TOPIC_ID,
        Replica::new(0, log, Offset(0)),
        LEADER_EPOCH,
    );
    partition.make_leader(PartitionState::alone(0, LEADER_EPOCH)).unwrap();
    local_logs.add_partition(partition);
    let mode = ReadMode {
        fetch_only_from_leader: true,
        fetch_only_committed: true,
        refuses_transactions: false,
        follower: None,
        max_bytes: i32::MAX,
        hard_max_bytes_limit: false,
        newest_readable_magic: 2,
    };
    let read = |offset| {
        let fetch_info = PartitionFetchInfo {
            topic_id: ASKED_BY_NAME,
            offset,
            log_start_offset: Offset::NONE,
            fetch_size: 1000,
            current_leader_epoch: LeaderEpoch::NONE,
            last_fetched_epoch: LeaderEpoch::NONE,
            preferred_read_replica: None,
        };
        local_logs.read_resident(mode, &[(key.clone(), fetch_info)])
    };
    let size = |offset| read(offset).map(|it| it[0].1.as_ref().unwrap().size_in_bytes());
    assert!(size(Offset(0)).unwrap() > 0);
    assert!(size(Offset(200)).unwrap() > 0);
    assert_eq!(size(Offset(MESSAGES - 1)), None);
    // At the end there is nothing to look for.
    assert_eq!(size(Offset(MESSAGES)), Some(0));
}

/// A partition led in epoch 3, with one message, and all of it committed.
fn led_partition(dir: &TempDir, mocks: &Mocks) -> Partition {
    let log = mocks.log(&dir.join("test-topic-0"), &LogConfig::default());
    let key = TopicAndPartition::new("test-topic", 0);
    let partition = Partition::new(
        context_of_one(),
        key,
        TOPIC_ID,
        Replica::new(0, log, Offset(0)),
        LeaderEpoch(3),
    );
    partition.make_leader(PartitionState::alone(0, LeaderEpoch(3))).unwrap();
    partition.append_messages_to_leader(&mut batch(&["message"]), 1).unwrap();
    partition
}

#[test]
fn an_epoch_is_compared_with_the_one_that_the_partition_is_led_in() {
    let (dir, mocks) = (TempDir::new(), Mocks::new());
    let partition = led_partition(&dir, &mocks);
    let leader_epoch = |epoch| partition.check_leader_epoch(epoch).map_err(|it| it.code());
    assert_eq!([leader_epoch(LeaderEpoch::NONE), leader_epoch(LeaderEpoch(3))], [Ok(()), Ok(())]);
    assert_eq!(leader_epoch(LeaderEpoch(4)), Err(Errors::UnknownLeaderEpoch));
    assert_eq!(leader_epoch(LeaderEpoch(2)), Err(Errors::FencedLeaderEpoch));

    let read = partition.local_replica().log.read(Offset(0), None, fixture::hard(1_000)).unwrap();
    let mut bytes = Vec::new();
    let size = read.message_set.size_in_bytes();
    read.message_set.write_to(Destination::Channel(&mut bytes), 0, size).unwrap();
    assert_eq!(RecordBatch::parse(&bytes).unwrap().partition_leader_epoch(), 3);
}

#[test]
fn acks_are_in_once_enough_replicas_have_everything() {
    let (dir, mocks) = (TempDir::new(), Mocks::new());
    let partition = led_partition(&dir, &mocks);
    let reach = |offset| partition.check_enough_replicas_reach_offset(offset, LeaderEpoch(3));
    assert_eq!(
        (reach(Offset(1)), reach(Offset(2))),
        (Acknowledgement::Complete, Acknowledgement::Pending)
    );

    let config = LogConfig { min_in_sync_replicas: 2, ..LogConfig::default() };
    partition.local_replica().log.update_config(config);
    assert_eq!(
        (reach(Offset(1)), reach(Offset(2))),
        (Acknowledgement::TooFewReplicas, Acknowledgement::Pending)
    );
}

#[test]
fn a_produce_is_answered_for_each_partition_by_what_its_replicas_have() {
    let (dir, mocks) = (TempDir::new(), Mocks::new());
    let (metrics, partition) = (Arc::new(Metrics::default()), led_partition(&dir, &mocks));
    let local_logs = Arc::new(LocalLogs::new(context_of_one()));
    local_logs.add_partition(partition);

    let answers = Arc::new(Mutex::new(Vec::new()));
    let taken = Arc::clone(&answers);
    let callback = move |all: Vec<(TopicAndPartition, PartitionResponse)>| {
        taken.lock().unwrap().extend(all.into_iter().map(|(_, it)| (it.error, it.base_offset)));
    };
    let waiting = |topic: &str, base_offset| {
        let response =
            PartitionResponse { base_offset: Some(base_offset), ..PartitionResponse::default() };
        let required_offset = Some(base_offset.next());
        let leader_epoch = LeaderEpoch(3);
        let status = ProducePartitionStatus { required_offset, leader_epoch, response };
        (TopicAndPartition::new(topic, 0), status)
    };
    let status = vec![
        waiting("test-topic", Offset(0)),
        waiting("gone", Offset(5)),
        waiting("test-topic", Offset(1)),
    ];
    let produce = DelayedProduce::new(10, status, local_logs, metrics, Box::new(callback));
    assert!(!produce.try_complete(), "offset 2 is still to be reached");
    produce.on_complete();
    assert_eq!(
        *answers.lock().unwrap(),
        [
            (None, Some(Offset(0))),
            (Some(Errors::UnknownTopicOrPartition), Some(Offset(5))),
            (Some(Errors::RequestTimedOut), Some(Offset(1))),
        ]
    );
}
