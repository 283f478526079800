//! What consumers of committed records are answered from a log that has transactions of Kafka's brokers in it.

use std::sync::mpsc::channel;

use support::wait::PATIENCE;
use transferto::common::errors::Errors;
use transferto::common::hang_up::HangUp;
use transferto::common::units::{LeaderEpoch, Offset};
use transferto::message::end_transaction_marker::EndTransactionMarker;
use transferto::message::record_batch::TRANSACTIONAL_FLAG;
use transferto::message::record_batch_builder::RecordBatchBuilder;
use transferto::replica::local_logs::PartitionFetchInfo;
use transferto::replica::replica_manager::FetchParams;

use crate::replica_changes::{Broker, FOO, LOCAL, foo};

const PRODUCER: i64 = 7;

/// What is read: how many bytes, the end of what is decided, and the high watermark.
type Read = Result<(usize, i64, i64), Errors>;

/// A leader with a plain record at 0, one of a transaction at 1, the marker of its end at 2, a plain one at 3.
fn leader_with_a_transaction() -> Broker {
    let mut broker = Broker::new();
    broker.cluster.topic("foo", FOO).partition(FOO, 0, &[LOCAL], LOCAL);
    broker.apply();
    produce(&broker);
    let log = broker.leader(&foo()).unwrap();
    let log = &log.local_replica().log;
    let of_transaction = RecordBatchBuilder::new(1)
        .partition_leader_epoch(0)
        .producer(PRODUCER, 0, 0)
        .flags(TRANSACTIONAL_FLAG)
        .record(1_000, None, Some(b"value"));
    log.append_as_follower(&of_transaction.build().unwrap(), LeaderEpoch(0)).unwrap();
    let marker = EndTransactionMarker {
        producer_id: PRODUCER,
        producer_epoch: 0,
        is_committed: true,
        coordinator_epoch: 0,
    };
    log.append_as_follower(&marker.batch(2, 0, 1_000).unwrap(), LeaderEpoch(0)).unwrap();
    produce(&broker);
    broker
}

fn produce(broker: &Broker) {
    let answer = broker.produce(&foo(), 1).recv_timeout(PATIENCE).unwrap();
    assert_eq!(answer.error, None);
}

/// Of a consumer that waits long for more bytes than there are before the transaction.
fn read(broker: &Broker, offset: i64, min_bytes: i32, is_read_committed: bool) -> Read {
    let params = FetchParams {
        max_wait_ms: 3_600_000,
        replica_id: -1,
        replica_epoch: None,
        min_bytes,
        max_bytes: 1_000_000,
        hard_max_bytes_limit: false,
        newest_readable_magic: 2,
        is_read_committed,
        may_read_follower: false,
    };
    let fetch_info = PartitionFetchInfo {
        topic_id: FOO,
        offset: Offset(offset),
        log_start_offset: Offset::NONE,
        fetch_size: 1_000_000,
        current_leader_epoch: LeaderEpoch::NONE,
        last_fetched_epoch: LeaderEpoch::NONE,
        preferred_read_replica: None,
    };
    let (answer, answers) = channel();
    broker.replica_manager.fetch_messages(
        params,
        &[(foo(), fetch_info)],
        &HangUp::default(),
        Box::new(move |mut all| answer.send(all.remove(0).1).unwrap()),
    );
    let read = answers.recv_timeout(PATIENCE).unwrap().map_err(|error| error.code())?;
    Ok((read.size_in_bytes(), read.last_stable_offset.0, read.high_watermark.0))
}

#[test]
fn a_consumer_of_committed_records_gets_what_stands_before_a_transaction() {
    let broker = leader_with_a_transaction();
    let one_record = read(&broker, 3, 1, false).unwrap().0;
    assert_eq!(read(&broker, 0, 1, true), Ok((one_record, 1, 4)));
    let all = read(&broker, 0, 1, false).unwrap();
    assert_eq!((all.0 > 3 * one_record, all.1, all.2), (true, 4, 4), "others get all");
}

#[test]
fn it_does_not_wait_for_bytes_that_it_will_not_get() {
    let broker = leader_with_a_transaction();
    let (one_record, ..) = read(&broker, 3, 1, false).unwrap();
    let min_bytes = i32::try_from(one_record).unwrap() + 1;
    assert_eq!(read(&broker, 0, min_bytes, true), Ok((one_record, 1, 4)));
}

#[test]
fn it_is_refused_where_the_transaction_is_next_and_goes_on_behind_it() {
    let broker = leader_with_a_transaction();
    assert_eq!(read(&broker, 1, 1, true), Err(Errors::UnsupportedForMessageFormat));
    for offset in [2, 3] {
        let read = read(&broker, offset, 1, true).unwrap();
        assert_eq!((read.1, read.2), (4, 4), "{offset}");
    }
}
