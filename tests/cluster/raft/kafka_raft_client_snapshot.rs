//! Port of Kafka's `KafkaRaftClientSnapshotTest`, as far as it speaks of those who load snapshots.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use transferto::protocol::fetch::FetchRequest;
use transferto::protocol::fetch_snapshot::{
    FetchSnapshotRequest, FetchSnapshotResponse, FetchSnapshotResponsePartition,
    FetchSnapshotResponseTopic, SnapshotId as FieldsOfId,
};
use transferto::raft::raft_config::RaftConfig;
use transferto::raft::raft_listener::SnapshotId;

use crate::raft::recording_listener::{Followed, Observing, config};
use crate::scripted_controller::{Answer, ScriptedController};
use crate::scripted_log::snapshot_bytes;

const ID: SnapshotId = SnapshotId { end_offset: 70, epoch: 1 };

fn value(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// A controller whose log begins behind a snapshot of two records, and has one more.
fn controller_with_snapshot() -> ScriptedController {
    let controller = ScriptedController::start(100);
    controller.change(|state| {
        let bytes = snapshot_bytes(1, &[value("of"), value("snapshot")]);
        state.log.snapshot_at(ID, bytes);
    });
    controller.append(&[value("behind it")]);
    controller
}

/// Port of `KafkaRaftClientSnapshotTest.testFetchResponseWithSnapshotId` and
/// `KafkaRaftClientSnapshotTest.testFetchSnapshotResponsePartialData`.
#[test]
fn a_snapshot_is_loaded_piece_by_piece_and_the_log_goes_on_behind_it() {
    let controller = controller_with_snapshot();
    let config = RaftConfig { fetch_snapshot_bytes_max: 10, ..config(&[controller.addr()]) };
    let observing = Observing::with(config, Followed::default());
    let values = observing.wait_for_values(3);
    assert_eq!(values, [value("of"), value("snapshot"), value("behind it")]);
    let followed = observing.followed();
    assert_eq!((followed.snapshots, followed.high_watermark), (vec![ID], 71));
    let asked = controller.asked::<FetchSnapshotRequest>();
    let positions: Vec<_> = asked.iter().map(|it| it.topics[0].partitions[0].position).collect();
    assert!(positions.len() > 10 && positions.windows(2).all(|pair| pair[1] == pair[0] + 10));
    let fetches = controller.asked::<FetchRequest>();
    let behind = fetches.iter().map(|it| &it.topics[0].partitions[0]);
    let mut behind = behind.filter(|it| it.fetch_offset == 70);
    assert_eq!(behind.next().unwrap().last_fetched_epoch, 1);
}

/// Port of `KafkaRaftClientSnapshotTest.testFetchSnapshotResponseMissingSnapshot`: the leader has made a newer one meanwhile.
#[test]
fn a_snapshot_that_is_gone_gives_way_to_the_newer_one() {
    let controller = Arc::new(controller_with_snapshot());
    let newer = SnapshotId { end_offset: 80, epoch: 1 };
    let weak = Arc::downgrade(&controller);
    controller.script_once(move |request: &FetchSnapshotRequest| {
        let controller = weak.upgrade().unwrap();
        controller.change(|state| {
            state.log.snapshot_at(newer, snapshot_bytes(1, &[value("of the newer one")]));
        });
        Answer::Send(with_error(request, 98))
    });
    let observing = Observing::of(&[controller.addr()]);
    assert_eq!(observing.wait_for_values(1), [value("of the newer one")]);
    assert_eq!(observing.followed().snapshots, [newer]);
}

/// An observer that has been away for long meets a log that begins behind what it knows.
#[test]
fn a_snapshot_takes_the_place_of_what_was_known() {
    let controller = ScriptedController::start(100);
    controller.append(&[value("old")]);
    let observing = Observing::of(&[controller.addr()]);
    observing.wait_for_values(1);
    controller.change(|state| {
        state.log.snapshot_at(ID, snapshot_bytes(1, &[value("new")]));
    });
    observing.wait_until("the snapshot", |it| it.snapshots == [ID]);
    assert_eq!(observing.wait_for_values(1), [value("new")]);
}

/// Port of `KafkaRaftClientSnapshotTest.testFetchSnapshotResponseFromNewerEpochNotLeader`.
#[test]
fn a_leader_that_falls_while_its_snapshot_is_loaded_is_followed_by_the_next() {
    let (first, second) = (controller_with_snapshot(), controller_with_snapshot());
    second.set_leader(Some((101, second.addr())), 2);
    second.change(|state| state.node_id = 101);
    second.append(&[value("of the new leader")]);
    let (id, addr) = (101, second.addr());
    let first = Arc::new(first);
    let weak = Arc::downgrade(&first);
    first.script_once(move |request: &FetchSnapshotRequest| {
        weak.upgrade().unwrap().set_leader(Some((id, addr)), 2);
        let mut response = with_error(request, 74);
        let partition = &mut response.topics[0].partitions[0];
        (partition.current_leader.leader_id, partition.current_leader.leader_epoch) = (id, 2);
        Answer::Send(response)
    });
    let observing = Observing::of(&[first.addr()]);
    let values = observing.wait_for_values(4);
    assert_eq!(values[3], value("of the new leader"));
    assert_eq!(second.asked::<FetchSnapshotRequest>()[0].topics[0].partitions[0].position, 0);
}

fn with_error(request: &FetchSnapshotRequest, error_code: i16) -> FetchSnapshotResponse {
    let partition = FetchSnapshotResponsePartition {
        error_code,
        snapshot_id: request.topics[0].partitions[0].snapshot_id.clone(),
        unaligned_records: Some(0..0),
        ..Default::default()
    };
    let name = request.topics[0].name.clone();
    FetchSnapshotResponse {
        topics: vec![FetchSnapshotResponseTopic { name, partitions: vec![partition] }],
        ..Default::default()
    }
}

/// Port of `KafkaRaftClientSnapshotTest.testFetchSnapshotResponseWithInvalidId`, and of its neighbours: an
/// answer that is wrong costs a retry, never the observer.
#[test]
fn a_wrong_piece_of_a_snapshot_is_thrown_away_and_asked_for_again() {
    type Wrong = fn(&mut FetchSnapshotResponsePartition, &mut Vec<u8>);
    let wrong: [Wrong; 9] = [
        |partition, _| partition.position = 3,
        |partition, _| partition.snapshot_id = FieldsOfId { end_offset: 71, epoch: 1 },
        |partition, _| partition.size = -1,
        |partition, _| partition.size = i64::MAX,
        |partition, _| partition.size = 1,
        |partition, _| partition.index = 1,
        |partition, _| partition.unaligned_records = Some(0..0),
        |_, bytes| bytes[90] ^= 1,
        |partition, bytes| {
            bytes.truncate(bytes.len() - 1);
            partition.size -= 1;
            partition.unaligned_records = Some(0..bytes.len());
        },
    ];
    for (number, wrong) in wrong.into_iter().enumerate() {
        let controller = controller_with_snapshot();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let bytes = Mutex::new(snapshot_bytes(1, &[value("of"), value("snapshot")]));
        controller.script_once(move |request: &FetchSnapshotRequest| {
            counted.fetch_add(1, Ordering::Relaxed);
            let mut bytes = bytes.lock().unwrap().clone();
            let mut response = with_error(request, 0);
            let partition = &mut response.topics[0].partitions[0];
            partition.size = bytes.len() as i64;
            partition.unaligned_records = Some(0..bytes.len());
            wrong(partition, &mut bytes);
            Answer::SendRecords(response, bytes)
        });
        let observing = Observing::of(&[controller.addr()]);
        assert_eq!(observing.wait_for_values(3).len(), 3, "{number}");
        assert_eq!(observing.followed().snapshots, [ID], "{number}");
        assert_eq!(count.load(Ordering::Relaxed), 1);
        assert!(controller.asked::<FetchSnapshotRequest>().len() > 1);
    }
}
