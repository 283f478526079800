//! What an admin does to logs over a real socket: the oldest records go, directories are described.

use support::broker::Broker;
use support::client::Client;
use support::records::{batch, stored};
use transferto::common::errors::Errors;
use transferto::protocol::delete_records::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsTopic,
};
use transferto::protocol::describe_log_dirs::{
    DescribableLogDirTopic, DescribeLogDirsRequest, DescribeLogDirsResult,
};
use transferto::protocol::request::{RequestBody, ResponseBody};

/// Each batch holds one record, so batches and offsets have the same numbers.
const RECORDS: i64 = 10;

fn delete_records(
    client: &mut Client,
    version: i16,
    topic: &str,
    partitions: &[(i32, i64)],
) -> Vec<DeleteRecordsPartitionResult> {
    let partition = |&(partition_index, offset): &(i32, i64)| DeleteRecordsPartition {
        partition_index,
        offset,
    };
    let topic = DeleteRecordsTopic {
        name: topic.to_string(),
        partitions: partitions.iter().map(partition).collect(),
    };
    let request = DeleteRecordsRequest { topics: vec![topic], timeout_ms: 1000 };
    match client.call(version, &RequestBody::DeleteRecords(request), &[]).0 {
        ResponseBody::DeleteRecords(mut response) => response.topics.remove(0).partitions,
        other => panic!("{other:?}"),
    }
}

fn describe_log_dirs(
    client: &mut Client,
    version: i16,
    topics: Option<&[(&str, &[i32])]>,
) -> DescribeLogDirsResult {
    let topic = |(topic, partitions): &(&str, &[i32])| DescribableLogDirTopic {
        topic: topic.to_string(),
        partitions: partitions.to_vec(),
    };
    let topics = topics.map(|topics| topics.iter().map(topic).collect());
    let request = DescribeLogDirsRequest { topics };
    match client.call(version, &RequestBody::DescribeLogDirs(request), &[]).0 {
        ResponseBody::DescribeLogDirs(mut response) => {
            assert_eq!((response.error_code, response.results.len()), (0, 1));
            response.results.remove(0)
        }
        other => panic!("{other:?}"),
    }
}

fn filled(client: &mut Client, topic: &str) -> Vec<u8> {
    let record = batch(&[&[7; 100]]);
    for _ in 0..RECORDS {
        assert_eq!(client.produce(topic, 0, &record).error_code, 0);
    }
    record
}

#[test]
fn deleted_records_are_gone_for_readers_and_for_the_next_start() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    let record = filled(&mut client, "post");
    for version in 0..=2 {
        let offset = 2 + i64::from(version);
        let result = delete_records(&mut client, version, "post", &[(0, offset)]).remove(0);
        assert_eq!((result.error_code, result.low_watermark), (0, offset));
    }
    let again = delete_records(&mut client, 2, "post", &[(0, 1)]).remove(0);
    assert_eq!((again.error_code, again.low_watermark), (0, 4), "what is deleted stays deleted");

    let mut broker = broker;
    for _ in 0..2 {
        let mut client = broker.connect();
        assert_eq!(client.fetch("post", 0, 3).error, Errors::OffsetOutOfRange.code());
        let rest = client.fetch("post", 0, 4);
        assert_eq!((rest.error, rest.high_watermark), (0, RECORDS));
        assert!(rest.records.starts_with(&stored(&record, 4)));
        assert_eq!(client.list_offset(1, "post", -2).offset, 4, "the earliest");
        assert_eq!(client.list_offset(1, "post", 0).offset, 4, "the first of a time");
        assert_eq!(client.list_offset(0, "post", -2).old_style_offsets, [4]);
        broker = Broker::start_in(broker.stop(), &[]);
    }
}

#[test]
fn segments_that_hold_deleted_records_only_leave_the_disk() {
    let settings = [("segment.bytes", "400"), ("file.delete.delay.ms", "0")];
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    client.create_topic_with("post", &settings);
    let record = filled(&mut client, "post");
    let before = describe_log_dirs(&mut client, 4, None).topics[0].partitions[0].partition_size;
    assert_eq!(before, RECORDS * record.len() as i64);
    // Two records fit into a segment, so offset 5 is the second of its own.
    assert_eq!(delete_records(&mut client, 2, "post", &[(0, 5)])[0].low_watermark, 5);
    let after = describe_log_dirs(&mut client, 4, None).topics[0].partitions[0].partition_size;
    assert_eq!(after, (RECORDS - 4) * record.len() as i64);
    assert_eq!(client.fetch("post", 0, 4).error, Errors::OffsetOutOfRange.code());
    assert_eq!(client.fetch("post", 0, 5).records, stored(&record, 5));

    let all = delete_records(&mut client, 2, "post", &[(0, -1)]).remove(0);
    assert_eq!((all.error_code, all.low_watermark), (0, RECORDS));
    assert_eq!(describe_log_dirs(&mut client, 4, None).topics[0].partitions[0].partition_size, 0);
    let broker = Broker::start_in(broker.stop(), &[]);
    let mut client = broker.connect();
    assert_eq!(client.list_offset(1, "post", -2).offset, RECORDS);
    assert_eq!(client.produce("post", 0, &record).base_offset, RECORDS);
}

#[test]
fn what_cannot_be_deleted_is_refused_and_the_rest_is_deleted() {
    let broker = Broker::start(&[("num.partitions", "2")]);
    let mut client = broker.connect_with_topic("post");
    filled(&mut client, "post");
    let asked = [(0, RECORDS + 1), (0, 1), (1, -2), (7, 0), (-1, 0)];
    let answers: Vec<_> = delete_records(&mut client, 2, "post", &asked)
        .iter()
        .map(|it| (it.partition_index, it.error_code, it.low_watermark))
        .collect();
    let (out_of_range, unknown) = (Errors::OffsetOutOfRange, Errors::UnknownTopicOrPartition);
    let expected = [
        (0, out_of_range.code(), -1),
        (0, Errors::InvalidRequest.code(), -1),
        (1, out_of_range.code(), -1),
        (7, unknown.code(), -1),
        (-1, unknown.code(), -1),
    ];
    assert_eq!(answers, expected);
    let both = delete_records(&mut client, 2, "post", &[(1, 0), (0, 3)]);
    assert_eq!((both[0].low_watermark, both[1].low_watermark), (0, 3));
    assert_eq!(delete_records(&mut client, 0, "nobody", &[(0, 0)])[0].error_code, unknown.code());

    client.create_topic_with("compacted", &[("cleanup.policy", "compact")]);
    let refused = delete_records(&mut client, 2, "compacted", &[(0, 0)])[0].error_code;
    assert_eq!(refused, Errors::PolicyViolation.code());
}

#[test]
fn the_log_directories_are_described_in_every_version() {
    let broker = Broker::start(&[("num.partitions", "2")]);
    let mut client = broker.connect_with_topic("post");
    client.create_topic("other");
    let size = RECORDS * filled(&mut client, "post").len() as i64;
    for version in 0..=4 {
        let all = describe_log_dirs(&mut client, version, None);
        assert_eq!(all.error_code, 0);
        let dir = broker.dir.path().canonicalize().unwrap();
        assert_eq!(all.log_dir, dir.display().to_string());
        let names: Vec<_> = all.topics.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["other", "post"]);
        let partitions = &all.topics[1].partitions;
        let sizes: Vec<_> =
            partitions.iter().map(|it| (it.partition_index, it.partition_size)).collect();
        assert_eq!(sizes, [(0, size), (1, 0)]);
        assert!(partitions.iter().all(|it| it.offset_lag == 0 && !it.is_future_key));
        assert_eq!(all.total_bytes > 0, version >= 4);

        let wanted = Some(&[("post", &[1, 9][..]), ("nobody", &[0]), ("post", &[1])][..]);
        let some = describe_log_dirs(&mut client, version, wanted);
        assert_eq!(some.topics.len(), 1);
        assert_eq!(some.topics[0].partitions.len(), 1);
        assert!(describe_log_dirs(&mut client, version, Some(&[])).topics.is_empty());
    }
}
