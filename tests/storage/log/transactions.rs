//! What a log that was copied from a leader of Kafka's own keeps of its transactions.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use support::records::batch;
use transferto::common::errors::{Errors, KafkaError};
use transferto::common::units::{LeaderEpoch, Offset};
use transferto::config::log_config::LogConfig;
use transferto::message::end_transaction_marker::EndTransactionMarker;
use transferto::message::record_batch::TRANSACTIONAL_FLAG;
use transferto::message::record_batch_builder::RecordBatchBuilder;
use transferto::replica::partition::LEADER_EPOCH;
use transferto::storage::log::log::Log;
use transferto::storage::log::patience::{Patience, Steps};
use transferto::storage::log::read_limit::ReadLimit;

use crate::fixture::{ANY_EPOCH, TestLog, records_of};

const PRODUCER: i64 = 7;
const EPOCH: i16 = 2;

fn marker(producer_epoch: i16) -> EndTransactionMarker {
    EndTransactionMarker {
        producer_id: PRODUCER,
        producer_epoch,
        is_committed: true,
        coordinator_epoch: 0,
    }
}

/// A record of a transaction, as a follower gets it.
fn copy_transactional(log: &Log, first_sequence: i32) {
    let bytes = RecordBatchBuilder::new(log.log_end_offset().0)
        .partition_leader_epoch(0)
        .producer(PRODUCER, EPOCH, first_sequence)
        .flags(TRANSACTIONAL_FLAG)
        .record(1_000, None, Some(b"value"));
    log.append_as_follower(&bytes.build().unwrap(), ANY_EPOCH).unwrap();
}

fn copy_marker(log: &Log) {
    let bytes = marker(EPOCH).batch(log.log_end_offset().0, 0, 1_000).unwrap();
    log.append_as_follower(&bytes, ANY_EPOCH).unwrap();
}

fn append(log: &Log) {
    log.append(&mut batch(&["test"]), LEADER_EPOCH).unwrap();
}

/// The offsets of what a consumer of committed records is answered.
fn read_committed(log: &Log, offset: i64) -> Result<Vec<i64>, Errors> {
    let limit = ReadLimit::min_one_message(1 << 20);
    let mut set = log.read(Offset(offset), None, limit).unwrap().message_set;
    let cut = log.cut_at_transaction(Offset(offset), &mut set, Patience::ForDisk);
    let first = cut.map_err(|error| error.code())?;
    let offsets: Vec<_> = records_of(&set).into_iter().map(|(offset, _)| offset).collect();
    if let Some(first) = first {
        assert_eq!(
            offsets.last().map(|last| last + 1),
            Some(first.0),
            "the cut is at the transaction"
        );
    }
    Ok(offsets)
}

/// Offsets 0 and 3 are plain, 1 is of a transaction, and 2 is the marker of its end.
fn with_a_transaction(test: &TestLog) -> Arc<Log> {
    let log = test.log();
    append(&log);
    copy_transactional(&log, 0);
    copy_marker(&log);
    append(&log);
    log
}

#[test]
fn a_read_of_committed_records_ends_before_a_transaction_and_is_refused_where_one_is_next() {
    let test = TestLog::new(LogConfig::default());
    let log = with_a_transaction(&test);
    append(&log);
    assert_eq!(read_committed(&log, 0), Ok(vec![0]));
    assert_eq!(read_committed(&log, 1), Err(Errors::UnsupportedForMessageFormat));
    assert_eq!(read_committed(&log, 2), Ok(vec![2, 3, 4]), "the marker says nothing of what comes");
    assert_eq!(read_committed(&log, 4), Ok(vec![4]));
    assert_eq!(read_committed(&log, 5), Ok(vec![]));
}

#[test]
fn all_that_stands_before_the_first_of_several_transactions_is_read() {
    let test = TestLog::new(LogConfig::default());
    let log = test.log();
    (0..3).for_each(|_| append(&log));
    for first_sequence in 0..2 {
        copy_transactional(&log, first_sequence);
        append(&log);
    }
    assert_eq!(read_committed(&log, 1), Ok(vec![1, 2]));
    assert_eq!(read_committed(&log, 3), Err(Errors::UnsupportedForMessageFormat));
    assert_eq!(read_committed(&log, 4), Ok(vec![4]), "up to the next one");
}

#[test]
fn they_are_refused_after_a_restart_and_after_a_clean_one() {
    let test = TestLog::new(LogConfig::default());
    with_a_transaction(&test).close().unwrap();
    for log in [test.log_after_clean_shutdown(), test.log()] {
        assert_eq!(read_committed(&log, 1), Err(Errors::UnsupportedForMessageFormat));
        assert_eq!(read_committed(&log, 3), Ok(vec![3]), "it was looked at");
        assert_eq!(read_committed(&log, 0), Ok(vec![0]));
    }
}

#[test]
fn a_transaction_that_was_copied_is_ended_once() {
    let test = TestLog::new(LogConfig::default());
    let log = test.log();
    let refusal = |appended: Result<_, KafkaError>| appended.map(|_| ()).unwrap_err().code();
    assert_eq!(
        refusal(log.append_marker(&marker(EPOCH), LEADER_EPOCH)),
        Errors::UnsupportedForMessageFormat,
        "none is open"
    );
    copy_transactional(&log, 0);
    copy_transactional(&log, 1);
    let open = log.producer(PRODUCER).unwrap().unwrap().current_txn_first_offset();
    assert_eq!(open, Some(Offset(0)));
    assert_eq!(
        refusal(log.append_marker(&marker(EPOCH - 1), LEADER_EPOCH)),
        Errors::InvalidProducerEpoch
    );

    let info = log.append_marker(&marker(EPOCH), LeaderEpoch(3)).unwrap();
    assert_eq!((info.first_offset, info.last_offset), (Offset(2), Offset(2)));
    assert_eq!(log.log_end_offset(), Offset(3));
    assert_eq!(log.leader_epochs().latest_epoch(), Some(LeaderEpoch(3)));
    assert_eq!(log.producer(PRODUCER).unwrap().unwrap().current_txn_first_offset(), None);
    assert_eq!(
        refusal(log.append_marker(&marker(EPOCH), LeaderEpoch(3))),
        Errors::UnsupportedForMessageFormat,
        "it has ended"
    );
}

/// Port of `ProducerStateManagerTest.testCoordinatorFencing` and
/// `ProducerStateManagerTest.testCoordinatorFencedAfterReload`.
#[test]
fn a_coordinator_that_has_been_replaced_ends_no_transaction_not_even_after_a_restart() {
    let by = |coordinator_epoch| EndTransactionMarker { coordinator_epoch, ..marker(EPOCH) };
    let fenced = Some(Errors::TransactionCoordinatorFenced);
    let refusal = |log: &Log, epoch| {
        log.append_marker(&by(epoch), LEADER_EPOCH).err().map(|error| error.code())
    };
    let test = TestLog::new(LogConfig::default());
    let mut log = test.log();
    copy_transactional(&log, 0);
    assert_eq!(refusal(&log, 5), None);
    copy_transactional(&log, 1);
    log.close().unwrap();
    // From the snapshot, and from the batches alone.
    for is_snapshot_there in [true, false] {
        if !is_snapshot_there {
            log.close().unwrap();
            let is_snapshot = |it: &Path| it.extension().is_some_and(|it| it == "snapshot");
            let files = fs::read_dir(log.dir()).unwrap().map(|it| it.unwrap().path());
            files.filter(|it| is_snapshot(it)).for_each(|it| fs::remove_file(it).unwrap());
        }
        log = test.log_after_clean_shutdown();
        let producer = log.producer(PRODUCER).unwrap().unwrap();
        assert_eq!(producer.coordinator_epoch(), 5, "{is_snapshot_there}");
        assert_eq!(refusal(&log, 4), fenced);
    }
    assert_eq!(refusal(&log, 5), None, "the same coordinator goes on");
    assert_eq!(refusal(&log, 4), fenced, "also where nothing is open");
    copy_transactional(&log, 2);
    assert_eq!(refusal(&log, 7), None, "and so does the next one");
    assert_eq!(refusal(&log, 6), fenced);
}

#[test]
fn a_follower_learns_of_coordinators_from_the_markers_that_it_copies() {
    let test = TestLog::new(LogConfig::default());
    let log = test.log();
    copy_transactional(&log, 0);
    let copied = EndTransactionMarker { coordinator_epoch: 3, ..marker(EPOCH + 1) };
    let bytes = copied.batch(log.log_end_offset().0, 0, 1_000).unwrap();
    log.append_as_follower(&bytes, ANY_EPOCH).unwrap();
    let producer = log.producer(PRODUCER).unwrap().unwrap();
    assert_eq!((producer.coordinator_epoch(), producer.producer_epoch()), (3, EPOCH + 1));
    let late = EndTransactionMarker { coordinator_epoch: 2, ..marker(EPOCH + 1) };
    let refused = log.append_marker(&late, LEADER_EPOCH).unwrap_err().code();
    assert_eq!(refused, Errors::TransactionCoordinatorFenced);
}

#[test]
fn an_open_transaction_is_known_after_a_restart_and_outlives_its_producers_time() {
    let test = TestLog::new(LogConfig::default());
    let log = test.log();
    copy_transactional(&log, 0);
    log.close().unwrap();

    let log = test.log_after_clean_shutdown();
    test.mocks.sleep(1_000_000);
    log.remove_expired_producers(1_000).unwrap();
    assert!(log.append_marker(&marker(EPOCH), LEADER_EPOCH).is_ok());
}

#[test]
fn a_truncation_opens_the_transaction_again_whose_end_it_cuts_off() {
    let test = TestLog::new(LogConfig::default());
    let log = with_a_transaction(&test);
    log.truncate_to(Offset(2)).unwrap();
    assert!(log.append_marker(&marker(EPOCH), LEADER_EPOCH).is_ok());
}

/// Nobody knows what a log holds that was opened again. A reader looks, and where it has looked to the end, no header
/// is read any more: `Patience::ForNothing` with no step left refuses every read of one.
#[test]
fn a_log_that_was_opened_again_is_looked_through_once_by_whoever_reads_it() {
    let test = TestLog::new(LogConfig::default());
    let log = test.log();
    (0..3).for_each(|_| append(&log));
    drop(log);
    let log = test.log();
    let steps = Steps::new(0);
    let without_a_look = |offset: i64| {
        let limit = ReadLimit::min_one_message(1 << 20);
        let mut set = log.read(Offset(offset), None, limit).unwrap().message_set;
        let patience = Patience::ForNothing(&steps);
        log.cut_at_transaction(Offset(offset), &mut set, patience).is_ok()
    };
    assert!(!without_a_look(1));
    assert_eq!(read_committed(&log, 1), Ok(vec![1, 2]));
    assert!(without_a_look(1) && without_a_look(2));
    assert!(!without_a_look(0), "the first record was not looked at");
}
