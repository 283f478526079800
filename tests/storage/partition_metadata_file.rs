//! The file that says which topic a log belongs to.

use std::fs;

use support::temp::TempDir;
use transferto::common::errors::Errors;
use transferto::common::uuid::{random_uuid, uuid_text};
use transferto::storage::files::partition_metadata_file::{
    PARTITION_METADATA_FILE, read_topic_id, record_topic_id,
};

/// Port of `PartitionMetadataFileTest.testSetRecordWithDifferentTopicId`.
#[test]
fn a_log_that_belongs_to_a_topic_belongs_to_no_other() {
    let (dir, topic_id) = (TempDir::new(), random_uuid().unwrap());
    record_topic_id(dir.path(), &topic_id).unwrap();
    let error = record_topic_id(dir.path(), &random_uuid().unwrap()).unwrap_err();
    assert_eq!(error.code(), Errors::InconsistentTopicId);
    assert_eq!(read_topic_id(dir.path()).unwrap(), Some(topic_id));
}

/// Port of `PartitionMetadataFileTest.testSetRecordWithSameTopicId`.
#[test]
fn the_same_topic_is_recorded_as_often_as_one_likes() {
    let (dir, topic_id) = (TempDir::new(), random_uuid().unwrap());
    for _ in 0..3 {
        record_topic_id(dir.path(), &topic_id).unwrap();
    }
    assert_eq!(read_topic_id(dir.path()).unwrap(), Some(topic_id));
}

/// Port of `PartitionMetadataFileTest.testMaybeFlushWithTopicIdPresent`.
#[test]
fn the_file_has_two_lines_that_kafka_reads() {
    let (dir, topic_id) = (TempDir::new(), random_uuid().unwrap());
    record_topic_id(dir.path(), &topic_id).unwrap();
    let text = fs::read_to_string(dir.join(PARTITION_METADATA_FILE)).unwrap();
    assert_eq!(text, format!("version: 0\ntopic_id: {}\n", uuid_text(&topic_id)));
}

/// Port of `PartitionMetadataFileTest.testMaybeFlushWithNoTopicIdPresent` and
/// `PartitionMetadataFileTest.testRead`.
#[test]
fn a_log_belongs_to_no_topic_until_one_is_recorded() {
    let dir = TempDir::new();
    assert_eq!(read_topic_id(dir.path()).unwrap(), None);
    fs::write(dir.join(PARTITION_METADATA_FILE), "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ\n")
        .unwrap();
    let mut one = [0; 16];
    one[15] = 1;
    assert_eq!(read_topic_id(dir.path()).unwrap(), Some(one));
}

/// Port of `PartitionMetadataFileTest.testReadMalformedFileThrowsKafkaStorageExceptionAndMarksLogDirOffline`.
/// Here the start ends with the reason.
#[test]
fn a_file_that_names_no_topic_is_corrupt() {
    for text in [
        "",
        "version: 0\n",
        "version: 0\ntopic_id: \n",
        "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA\n",
        "version: 0\ntopic_id: AAAA\n",
        "version: 1\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ\n",
        "topic_id: AAAAAAAAAAAAAAAAAAAAAQ\nversion: 0\n",
    ] {
        let dir = TempDir::new();
        fs::write(dir.join(PARTITION_METADATA_FILE), text).unwrap();
        let why = read_topic_id(dir.path()).unwrap_err().to_string();
        assert!(why.contains(PARTITION_METADATA_FILE), "{text:?}: {why}");
        assert!(record_topic_id(dir.path(), &[1; 16]).is_err(), "{text:?}");
    }
}
