//! When an image is published, and what is a fault.

use transferto::image::loader::metadata_loader::MetadataLoader;
use transferto::image::records::metadata_record::MetadataRecord;
use transferto::image::records::transaction_records::{
    AbortTransactionRecord, BeginTransactionRecord, EndTransactionRecord, NoOpRecord,
};
use transferto::protocol::quorum_records::{LeaderChangeMessage, QuorumRecord};
use transferto::protocol::wire::uuid::Uuid;
use transferto::raft::raft_listener::{MetadataFault, RaftListener, SnapshotId};

use crate::image::made_records::{
    BAR, FOO, broker, feature, partition, remove_topic, topic, topic_config, values,
};
use crate::image::published::Published;
use crate::scripted_log::{control_batch, data_batch, snapshot_bytes};

const EPOCH: i32 = 1;

fn loader() -> (MetadataLoader, std::sync::Arc<Published>) {
    let published = Published::new();
    (MetadataLoader::new(vec![published.clone()]), published)
}

fn batch(base_offset: i64, records: &[MetadataRecord]) -> Vec<u8> {
    data_batch(base_offset, EPOCH, &values(records))
}

/// A batch that ends at the high watermark.
fn commit(
    loader: &mut MetadataLoader,
    base_offset: i64,
    records: &[MetadataRecord],
) -> Result<(), MetadataFault> {
    let high_watermark = base_offset + records.len() as i64;
    loader.handle_commit(&batch(base_offset, records), high_watermark)
}

fn snapshot(
    loader: &mut MetadataLoader,
    end_offset: i64,
    records: &[MetadataRecord],
    high_watermark: i64,
) -> Result<(), MetadataFault> {
    let bytes = snapshot_bytes(EPOCH, &values(records));
    loader.handle_load_snapshot(SnapshotId { end_offset, epoch: EPOCH }, &bytes, high_watermark)
}

fn begin() -> MetadataRecord {
    BeginTransactionRecord { name: Some("txn-1".to_string()) }.into()
}

fn end() -> MetadataRecord {
    EndTransactionRecord {}.into()
}

fn abort() -> MetadataRecord {
    AbortTransactionRecord::default().into()
}

fn no_op() -> MetadataRecord {
    NoOpRecord {}.into()
}

/// The value of the quorum's record of a new leader.
fn leader_change() -> Vec<u8> {
    QuorumRecord::LeaderChange(LeaderChangeMessage::default()).to_bytes().1
}

fn mv(level: i16) -> MetadataRecord {
    feature("metadata.version", level)
}

fn offset(published: &Published) -> i64 {
    published.last().provenance.last_contained_offset
}

/// Port of `MetadataLoaderTest.testCatchingUpState`.
#[test]
fn nothing_is_published_before_the_high_watermark_is_reached() {
    let (mut loader, published) = loader();
    let records = [mv(7), topic("foo", FOO)];
    snapshot(&mut loader, 201, &records, i64::MAX).unwrap();
    snapshot(&mut loader, 211, &records, 221).unwrap();
    assert_eq!(published.count(), 0);
    snapshot(&mut loader, 221, &records, 221).unwrap();
    assert_eq!(offset(&published), 220);
    let updates = published.take();
    let delta = &updates[0].delta;
    assert_eq!(delta.topics.changed, ["foo"], "the first delta is from nothing");
    assert!(delta.is_features_changed && !delta.is_cluster_changed);
}

#[test]
fn a_high_watermark_that_comes_without_a_batch_ends_the_wait() {
    let (mut loader, published) = loader();
    loader.handle_commit(&batch(0, &[mv(7)]), 5).unwrap();
    loader.handle_high_watermark(3).unwrap();
    assert_eq!(published.count(), 0);
    // The quorum has thrown away what was not committed.
    loader.handle_high_watermark(1).unwrap();
    loader.handle_high_watermark(1).unwrap();
    assert_eq!(published.count(), 1);
}

/// Port of `MetadataLoaderTest.testNoPublishEmptyImage`.
#[test]
fn a_quorum_that_has_said_nothing_of_the_cluster_publishes_nothing() {
    let (mut loader, published) = loader();
    loader.handle_commit(&control_batch(0, EPOCH, 2, &leader_change()), 1).unwrap();
    assert_eq!(published.count(), 0);
    commit(&mut loader, 1, &[mv(7)]).unwrap();
    assert_eq!(published.last().features.metadata_version(), 7);
}

/// Port of `MetadataLoaderTest.testLastAppliedOffset`.
#[test]
fn each_image_says_which_record_it_contains_last() {
    let (mut loader, published) = loader();
    snapshot(&mut loader, 201, &[mv(7), topic("foo", FOO)], 201).unwrap();
    assert_eq!(offset(&published), 200);
    commit(&mut loader, 201, &[remove_topic(FOO)]).unwrap();
    assert_eq!(offset(&published), 201);
    assert!(published.last().topics.topic("foo").is_none());
    commit(&mut loader, 202, &[no_op(), no_op()]).unwrap();
    assert_eq!(offset(&published), 203);
    assert_eq!(published.last().features.metadata_version(), 7);
}

/// Port of `MetadataLoaderTest.testLoadEmptyBatch`.
#[test]
fn a_batch_of_the_quorums_own_records_counts_as_well() {
    let (mut loader, published) = loader();
    commit(&mut loader, 0, &[mv(7)]).unwrap();
    loader.handle_commit(&control_batch(1, 2, 2, &leader_change()), 2).unwrap();
    let provenance = published.last().provenance;
    assert_eq!((provenance.last_contained_offset, provenance.last_contained_epoch), (1, 2));
    let updates = published.take();
    assert_eq!(updates[1].delta, Default::default());
}

/// Port of `MetadataLoaderTest.testReloadSnapshot`.
#[test]
fn a_snapshot_takes_the_place_of_all_that_was_known() {
    let (mut loader, published) = loader();
    snapshot(&mut loader, 100, &[mv(7), topic("foo", FOO)], 100).unwrap();
    snapshot(&mut loader, 400, &[mv(21), topic("bar", BAR)], 400).unwrap();
    let updates = published.take();
    let (delta, after) = (&updates[1].delta, &updates[1].after);
    assert_eq!(delta.topics.deleted, [("foo".to_string(), FOO.0)]);
    assert_eq!(delta.topics.changed, ["bar"]);
    assert!(after.topics.topic("foo").is_none() && after.topics.topic("bar").is_some());
    assert_eq!(after.features.metadata_version(), 21);
    commit(&mut loader, 400, &[mv(9)]).unwrap();
    assert_eq!(published.last().features.metadata_version(), 9);
}

/// Port of `MetadataLoaderTest.testLoadEmptySnapshot`.
#[test]
fn an_empty_snapshot_empties_the_image() {
    let (mut loader, published) = loader();
    commit(&mut loader, 0, &[mv(7), broker(1, 1).into(), topic("foo", FOO)]).unwrap();
    snapshot(&mut loader, 200, &[], 200).unwrap();
    let updates = published.take();
    assert_eq!(updates[1].after.topics.iter().count(), 0);
    assert_eq!(updates[1].after.cluster.iter().count(), 0);
    assert!(updates[1].delta.is_cluster_changed);
}

/// Port of `MetadataLoaderTest.testPublishTransaction` and of
/// `MetadataBatchLoaderTest.testOneTransactionInMultipleBatches`.
#[test]
fn nothing_of_a_transaction_is_published_before_its_end_and_nothing_at_all_if_it_is_aborted() {
    for is_aborted in [true, false] {
        let (mut loader, published) = loader();
        commit(&mut loader, 0, &[mv(7)]).unwrap();
        commit(&mut loader, 1, &[begin(), topic("foo", FOO)]).unwrap();
        commit(&mut loader, 3, &[partition(FOO, 0, &[1]), partition(FOO, 1, &[1])]).unwrap();
        assert_eq!((published.count(), offset(&published)), (1, 0));
        commit(&mut loader, 5, &[if is_aborted { abort() } else { end() }]).unwrap();
        assert_eq!((published.count(), offset(&published)), (2, 5));
        let image = published.last();
        let partitions = image.topics.topic("foo").map(|it| it.partitions.len());
        assert_eq!(partitions, if is_aborted { None } else { Some(2) });
    }
}

/// Port of `MetadataLoaderTest.testPublishTransactionWithinBatch`.
#[test]
fn a_transaction_may_begin_and_end_within_one_batch() {
    let (mut loader, published) = loader();
    commit(&mut loader, 0, &[mv(7), begin(), topic("foo", FOO), end()]).unwrap();
    assert!(published.last().topics.topic("foo").is_some());
}

/// Port of `MetadataBatchLoaderTest.testMultipleTransactionsInOneBatch`, of
/// `MetadataBatchLoaderTest.testMultipleTransactionsInOneBatchesWithNoOp` and of
/// `MetadataBatchLoaderTest.testTransactionAlignmentOnBatchBoundary`.
#[test]
fn what_stands_before_a_transaction_is_published_without_it() {
    let (mut loader, published) = loader();
    let first = [begin(), topic("foo", FOO), end(), no_op(), begin(), topic("bar", BAR)];
    commit(&mut loader, 10, &first).unwrap();
    assert_eq!(published.count(), 0, "the end is not reached");
    commit(&mut loader, 16, &[end(), no_op()]).unwrap();
    assert_eq!(offset(&published), 17);

    let (mut loader, published) = self::loader();
    loader.handle_commit(&batch(10, &first), 14).unwrap();
    assert_eq!(offset(&published), 13);
    let image = published.last();
    assert!(image.topics.topic("foo").is_some() && image.topics.topic("bar").is_none());
    commit(&mut loader, 16, &[abort()]).unwrap();
    assert_eq!(offset(&published), 16);
    assert!(published.last().topics.topic("bar").is_none());
}

/// Port of `MetadataBatchLoaderTest.testAlignedTransactionBatches` and of
/// `MetadataBatchLoaderTest.testSingletonBeginAndEnd`.
#[test]
fn records_within_a_transaction_belong_to_it_whichever_batch_they_are_in() {
    let (mut loader, published) = loader();
    commit(&mut loader, 0, &[mv(7)]).unwrap();
    let batches = [
        batch(1, &[begin()]),
        batch(2, &[topic("foo", FOO), partition(FOO, 0, &[1])]),
        batch(4, &[no_op(); 1]),
        batch(5, &[end()]),
    ];
    for batch in &batches[..3] {
        loader.handle_commit(batch, 6).unwrap();
        assert_eq!(published.count(), 1);
    }
    loader.handle_commit(&batches[3], 6).unwrap();
    assert_eq!((published.count(), offset(&published)), (2, 5));
    assert_eq!(published.last().topics.topic("foo").unwrap().partitions.len(), 1);
}

/// Port of `MetadataLoaderTest.testSnapshotDuringTransaction`.
#[test]
fn a_snapshot_ends_a_transaction_that_is_open() {
    let (mut loader, published) = loader();
    commit(&mut loader, 0, &[mv(7)]).unwrap();
    commit(&mut loader, 1, &[begin(), topic("foo", FOO)]).unwrap();
    snapshot(&mut loader, 600, &[topic("foo", BAR)], 600).unwrap();
    assert_eq!(published.last().topics.topic("foo").unwrap().id, BAR.0);
    let error = commit(&mut loader, 600, &[end()]).unwrap_err();
    assert!(error.to_string().contains("no transaction is open"), "{error}");
}

/// Port of `MetadataBatchLoaderTest.testUnexpectedBeginTransaction`, of
/// `MetadataBatchLoaderTest.testUnexpectedEndTransaction` and of
/// `MetadataBatchLoaderTest.testUnexpectedAbortTransaction`.
#[test]
fn a_transaction_that_does_not_fit_is_a_fault() {
    for (records, why) in [
        (
            vec![begin(), begin()],
            "offset 1: BEGIN_TRANSACTION_RECORD (version 0): a transaction is open",
        ),
        (
            vec![mv(7), end()],
            "offset 1: END_TRANSACTION_RECORD (version 0): no transaction is open",
        ),
        (vec![abort()], "offset 0: ABORT_TRANSACTION_RECORD (version 0): no transaction is open"),
    ] {
        let (mut loader, published) = loader();
        let error = commit(&mut loader, 0, &records).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(published.count(), 0);
    }
}

#[test]
fn a_record_of_a_later_kafka_is_a_fault_that_says_what_to_do() {
    for (value, why) in [
        (&[1, 40, 0][..], "metadata log, offset 4: record type 40 is not known"),
        (&[1, 3, 3], "offset 4: version 3 of PARTITION_RECORD is not known, only 0 to 2"),
        (&[2, 3, 0], "offset 4: frame version 2 is not known"),
    ] {
        let (mut loader, published) = loader();
        let error = loader.handle_commit(&data_batch(4, EPOCH, &[value.to_vec()]), 5).unwrap_err();
        let error = error.to_string();
        assert!(error.contains(why), "{error}");
        assert!(error.contains("use a broker that knows it"), "{error}");
        assert_eq!(published.count(), 0);
    }
}

#[test]
fn a_record_that_cannot_be_true_is_a_fault_that_names_it() {
    let unknown = Uuid([9; 16]);
    for (record, why) in [
        (
            partition(unknown, 0, &[1]),
            "PARTITION_RECORD (version 2): there is no topic with the id CQkJ",
        ),
        (
            remove_topic(unknown),
            "REMOVE_TOPIC_RECORD (version 0): there is no topic with the id CQkJ",
        ),
        (partition(FOO, -1, &[1]), "PARTITION_RECORD (version 2): partition -1 is below 0"),
    ] {
        let (mut loader, _) = loader();
        let is_of_foo = matches!(&record, MetadataRecord::Partition(it) if it.topic_id == FOO);
        let before = if is_of_foo { topic("foo", FOO) } else { no_op() };
        let error = commit(&mut loader, 7, &[before, record]).unwrap_err().to_string();
        assert!(error.contains(&format!("offset 8: {why}")), "{error}");
        assert!(error.contains("restart it"), "{error}");
    }
}

#[test]
fn a_batch_that_comes_again_is_a_fault() {
    let (mut loader, published) = loader();
    commit(&mut loader, 5, &[mv(7), no_op()]).unwrap();
    for base_offset in [5, 6] {
        let error = commit(&mut loader, base_offset, &[no_op()]).unwrap_err();
        assert!(error.to_string().contains("offset 6 was followed already"), "{error}");
    }
    assert_eq!(published.count(), 1);
}

/// Kafka's own images keep the settings of a topic that was made and removed between two publications, and
/// so do its snapshots.
#[test]
fn settings_of_a_topic_that_is_not_there_are_passed_over() {
    let (mut loader, published) = loader();
    snapshot(&mut loader, 10, &[mv(7), topic_config("foo", "retention.ms", Some("1"))], 10)
        .unwrap();
    commit(&mut loader, 10, &[topic("foo", FOO)]).unwrap();
    assert!(published.last().topics.topic("foo").unwrap().config.is_empty());
}

#[test]
fn a_topic_that_lacks_a_partition_is_a_fault_when_it_would_be_published() {
    let (mut loader, published) = loader();
    let error = commit(&mut loader, 0, &[topic("foo", FOO), partition(FOO, 2, &[1])]).unwrap_err();
    assert!(
        error.to_string().contains("has a partition 2, and none of a number below it"),
        "{error}"
    );
    assert_eq!(published.count(), 0);
}

/// Java's maps give no order.
#[test]
fn a_snapshot_may_list_the_partitions_of_a_topic_in_any_order() {
    let (mut loader, published) = loader();
    let numbers = [3, 1, 0, 4, 2];
    let mut records = vec![topic("foo", FOO)];
    records.extend(numbers.map(|number| partition(FOO, number, &[number + 10])));
    snapshot(&mut loader, 50, &records, 50).unwrap();
    let image = published.last();
    let leaders: Vec<i32> =
        image.topics.topic("foo").unwrap().partitions.iter().map(|it| it.leader).collect();
    assert_eq!(leaders, [10, 11, 12, 13, 14]);
}

/// Port of `MetadataLoaderTest.testInstallPublishers`.
#[test]
fn publishers_get_each_image_in_their_order() {
    let (first, second) = (Published::new(), Published::new());
    let mut loader = MetadataLoader::new(vec![first.clone(), second.clone()]);
    commit(&mut loader, 0, &[mv(7)]).unwrap();
    assert!(std::sync::Arc::ptr_eq(&first.last(), &second.last()));
}
