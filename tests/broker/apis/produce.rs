//! Produces over a real socket: what is appended, what is refused and how, and the old formats in
//! and out.

use support::broker::Broker;
use support::client::{Client, NEWEST_PRODUCE, fetch_request, produce_request};
use support::records::{batch, stored};
use transferto::common::errors::Errors;
use transferto::message::byte_buffer_message_set::for_each_record;
use transferto::message::compression_codec::CompressionCodec;
use transferto::message::message_set_builder::MessageSetBuilder;
use transferto::message::record_batch::RecordBatch;
use transferto::message::record_batch_builder::RecordBatchBuilder;
use transferto::message::records::{Header, Headers, LogRecord};
use transferto::protocol::request::{RequestBody, ResponseBody};

const VALIDATION: &str = "transferto.compressed.records.validation.enable";
const MAGIC_0_CODECS: [CompressionCodec; 4] = [
    CompressionCodec::None,
    CompressionCodec::Gzip,
    CompressionCodec::Snappy,
    CompressionCodec::Lz4,
];

#[test]
fn every_version_that_brings_batches_appends_them_unchanged() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    let records = batch(&[b"abcd"]);
    let mut expected = Vec::new();
    for (offset, version) in (3..=NEWEST_PRODUCE).enumerate() {
        let response = client.produce_with(version, 1, ("post", 0), &records);
        assert_eq!((response.error_code, response.base_offset), (0, offset as i64), "{version}");
        expected.extend(stored(&records, offset as i64));
    }
    assert_eq!(broker.first_segment("post", 0), expected);
}

#[test]
fn acks_0_is_not_answered_and_acks_1_and_all_are() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    let records = batch(&[b"a"]);
    let silent = produce_request(0, "post", 0, records.len());
    client.send(NEWEST_PRODUCE, &RequestBody::Produce(silent), &records);
    // The answer to the next request is the next answer.
    assert_eq!(client.produce_with(NEWEST_PRODUCE, 1, ("post", 0), &records).base_offset, 1);
    assert_eq!(client.produce_with(NEWEST_PRODUCE, -1, ("post", 0), &records).base_offset, 2);
}

#[test]
fn an_error_with_acks_0_closes_the_connection() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let records = batch(&[b"a"]);
    let request = produce_request(0, "nobody", 0, records.len());
    client.send(NEWEST_PRODUCE, &RequestBody::Produce(request), &records);
    client.assert_closed();
}

/// A Java producer's `max.request.size`, which bounds its batches, is 1048576 by default.
#[test]
fn the_largest_batch_that_todays_producers_send_by_default_is_taken() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    let of_bytes = |bytes: usize| {
        let small = batch(&[&[7; 1_000_000]]).len() - 1_000_000;
        let large = batch(&[&vec![7; bytes - small]]);
        assert_eq!(large.len(), bytes);
        large
    };
    for (bytes, error) in
        [(1_048_576, Errors::None), (1_048_588, Errors::None), (1_048_589, Errors::RecordTooLarge)]
    {
        let answer = client.produce("post", 0, &of_bytes(bytes));
        assert_eq!(answer.error_code, error.code(), "{bytes} bytes");
    }
}

#[test]
fn what_cannot_be_appended_is_refused_with_its_own_code() {
    let broker = Broker::start(&[("message.max.bytes", "10000")]);
    let mut client = broker.connect_with_topic("post");
    let good = batch(&[b"abcd"]);
    let changed = |position: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[position] = byte;
        bytes
    };
    let last = good.len() - 1;
    let cases = [
        ("a flipped bit", changed(last, good[last] ^ 1), Errors::CorruptMessage),
        ("a wrong CRC", changed(17, good[17] ^ 1), Errors::CorruptMessage),
        ("two batches", [good.clone(), good.clone()].concat(), Errors::InvalidRecord),
        ("half a batch", good[..40].to_vec(), Errors::CorruptMessage),
        ("nothing", Vec::new(), Errors::InvalidRecord),
        ("magic 1", changed(16, 1), Errors::InvalidRecord),
        ("magic 9", changed(16, 9), Errors::InvalidRecord),
        ("a huge batch", batch(&[&[1; 20_000]]), Errors::RecordTooLarge),
    ];
    for (what, records, error) in cases {
        let response = client.produce("post", 0, &records);
        assert_eq!(response.error_code, error.code(), "{what}");
        assert_eq!(response.base_offset, -1, "{what}");
        assert!(response.error_message.is_some(), "{what}");
    }
    for (topic, partition) in [("nobody", 0), ("post", 1), ("post", -1)] {
        let response = client.produce(topic, partition, &good);
        assert_eq!(response.error_code, Errors::UnknownTopicOrPartition.code());
    }
    let response = client.produce_with(NEWEST_PRODUCE, 2, ("post", 0), &good);
    assert_eq!(response.error_code, Errors::InvalidRequiredAcks.code());
    assert_eq!(broker.first_segment("post", 0), b"", "nothing of it was written");
    assert_eq!(client.produce("post", 0, &good).base_offset, 0, "the connection still works");
}

#[test]
fn more_replicas_than_there_are_cannot_acknowledge() {
    let broker = Broker::start(&[("min.insync.replicas", "2")]);
    let mut client = broker.connect_with_topic("post");
    let records = batch(&[b"a"]);
    let response = client.produce_with(NEWEST_PRODUCE, -1, ("post", 0), &records);
    assert_eq!(response.error_code, Errors::NotEnoughReplicas.code());
    assert_eq!(client.produce_with(NEWEST_PRODUCE, 1, ("post", 0), &records).error_code, 0);
}

#[test]
fn zstd_needs_a_produce_version_that_knows_it() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    let builder = RecordBatchBuilder::new(0).codec(CompressionCodec::Zstd);
    let records = builder.record(5, None, Some(b"squeezed")).build().unwrap();
    let error = client.produce_with(6, 1, ("post", 0), &records).error_code;
    assert_eq!(error, Errors::UnsupportedCompressionType.code());
    assert_eq!(client.produce_with(7, 1, ("post", 0), &records).error_code, 0);
    assert_eq!(client.fetch("post", 0, 0).records, stored(&records, 0));
}

#[test]
fn old_message_sets_are_kept_as_batches_and_old_consumers_get_message_sets() {
    let broker = Broker::start(&[]);
    for magic in [0, 1] {
        for codec in MAGIC_0_CODECS {
            let topic = format!("magic-{magic}-{}", codec.name());
            let mut client = broker.connect_with_topic(&topic);
            let sent: [(&[u8], &[u8]); 3] = [(b"k1", b"abcd"), (b"k2", b""), (b"k3", b"ijkl")];
            let set = message_set(magic, codec, &sent);
            let version = i16::from(magic) * 2;
            let response = client.produce_with(version, 1, (&topic, 0), &set);
            assert_eq!((response.error_code, response.base_offset), (0, 0), "{topic}");

            let kept = broker.first_segment(&topic, 0);
            let kept = RecordBatch::parse(&kept).unwrap();
            assert_eq!(kept.codec().unwrap(), codec, "the codec is kept");
            assert_eq!((kept.base_offset(), kept.record_count()), (0, 3));

            for version in 0..=12 {
                let read = fetch_records(&mut client, version, &topic);
                let expected: Vec<_> =
                    (0..3).map(|i| (i as i64, sent[i].0.to_vec(), sent[i].1.to_vec())).collect();
                assert_eq!(read, expected, "{topic} by Fetch version {version}");
            }
        }
    }
    let conversions = broker.server().metrics().produce_message_conversions.value();
    assert_eq!(conversions, 8);
}

#[test]
fn the_magic_byte_decides_about_an_old_message_set_and_not_the_version() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    let set = message_set(1, CompressionCodec::None, &[(b"k", b"v")]);
    assert_eq!(client.produce_with(0, 1, ("post", 0), &set).error_code, 0);
}

#[test]
fn fetches_of_version_0_to_2_may_be_cut_within_a_message_as_in_kafka_0_9() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    client.produce("post", 0, &batch(&[&[7; 500]]));
    for (version, size) in [(0, 100), (1, 100), (2, 100)] {
        let mut request = fetch_request("post", 0, 0);
        request.topics[0].partitions[0].partition_max_bytes = size;
        let fetched = client.fetch_with(version, request).remove(0);
        assert_eq!(fetched.error, 0);
        assert_eq!(fetched.records.len(), size as usize, "Fetch version {version}");
    }
    let mut request = fetch_request("post", 0, 0);
    request.topics[0].partitions[0].partition_max_bytes = 100;
    let fetched = client.fetch_with(3, request).remove(0);
    assert!(fetched.records.len() > 500, "from version 3 on the first message comes whole");
}

#[test]
fn a_topic_of_the_posts_format_refuses_what_its_messages_cannot_hold() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    client.create_topic_with("old", &[("message.format.version", "0.9.0")]);
    let mut buffer = Vec::new();
    let headers = Headers::encode(&[Header { key: b"trace", value: Some(b"1") }], &mut buffer);
    let (key, value) = (Some(&b"k"[..]), Some(&b"v"[..]));
    let mut with_headers = RecordBatchBuilder::new(0);
    let record = LogRecord { offset: 0, timestamp: 5, key, value, headers };
    with_headers.append(&record).unwrap();
    let empty = || RecordBatchBuilder::new(0);
    let cases = [
        ("headers", with_headers, Errors::UnsupportedForMessageFormat),
        ("a producer's id", empty().producer(7, 0, 0), Errors::UnsupportedForMessageFormat),
        ("zstd", empty().codec(CompressionCodec::Zstd), Errors::UnsupportedCompressionType),
    ];
    for (what, builder, error) in cases {
        let records = builder.record(5, key, value).build().unwrap();
        let response = client.produce("old", 0, &records);
        assert_eq!((response.error_code, response.base_offset), (error.code(), -1), "{what}");
        assert!(response.error_message.is_some(), "{what}");
    }
    assert_eq!(broker.first_segment("old", 0), b"", "nothing of it was written");

    // What it can hold is converted, whoever brings it.
    let records = empty().record(5, key, value).build().unwrap();
    assert_eq!(client.produce("old", 0, &records).base_offset, 0);
    let kept = message_set(0, CompressionCodec::None, &[(b"k", b"v")]);
    assert_eq!(broker.first_segment("old", 0), kept);
}

#[test]
fn compression_type_makes_the_broker_compress_what_arrives() {
    let broker = Broker::start(&[("compression.type", "gzip")]);
    let mut client = broker.connect_with_topic("post");
    assert_eq!(client.produce("post", 0, &batch(&[&[7; 5_000]])).error_code, 0);
    let kept = broker.first_segment("post", 0);
    assert!(kept.len() < 1_000, "{} bytes", kept.len());
    assert_eq!(RecordBatch::parse(&kept).unwrap().codec().unwrap(), CompressionCodec::Gzip);
}

#[test]
fn a_produce_names_many_partitions_and_each_has_its_own_answer() {
    let broker = Broker::start(&[("num.partitions", "2")]);
    let mut client = broker.connect_with_topic("post");
    let records = batch(&[b"a"]);
    let mut request = produce_request(-1, "post", 0, records.len());
    let again = request.topics[0].partitions[0].clone();
    for index in [1, 9] {
        let partition =
            transferto::protocol::produce::PartitionProduceData { index, ..again.clone() };
        request.topics[0].partitions.push(partition);
    }
    let (body, _) = client.call(NEWEST_PRODUCE, &RequestBody::Produce(request), &records);
    let ResponseBody::Produce(response) = body else { panic!("{body:?}") };
    let answers: Vec<_> = response.responses[0]
        .partition_responses
        .iter()
        .map(|it| (it.index, it.error_code, it.base_offset))
        .collect();
    let unknown = Errors::UnknownTopicOrPartition.code();
    assert_eq!(answers, [(0, 0, 0), (1, 0, 0), (9, unknown, -1)]);
}

/// `log.message.timestamp.difference.max.ms` and keys: what Kafka 4.4.0 answers, text by text.
/// librdkafka's test 0011 counts on it: 10 bad records of 100.
#[test]
fn the_guilty_records_of_a_batch_are_named_from_version_8_on_and_nothing_is_stored() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    client.create_topic_with("post", &[("cleanup.policy", "compact")]);
    for codec in CompressionCodec::ALL {
        let mut builder = RecordBatchBuilder::new(0).codec(codec);
        for index in 0..100 {
            builder = builder.record(5, (index % 10 != 4).then_some(&b"k"[..]), Some(b"v"));
        }
        let records = builder.build().unwrap();
        for version in 7..=NEWEST_PRODUCE {
            let response = client.produce_with(version, -1, ("post", 0), &records);
            assert_eq!(response.error_code, Errors::InvalidRecord.code());
            assert_eq!((response.base_offset, response.log_start_offset), (-1, 0));
            if version == 7 {
                assert_eq!((response.record_errors.len(), response.error_message), (0, None));
                continue;
            }
            let text =
                "Compacted topic cannot accept message without key in topic partition post-0";
            let named: Vec<_> = response
                .record_errors
                .into_iter()
                .map(|it| (it.batch_index, it.batch_index_error_message))
                .collect();
            let guilty: Vec<_> = (0..10).map(|it| (10 * it + 4, Some(text.to_string()))).collect();
            assert_eq!(named, guilty, "version {version}, {}", codec.name());
            let message = response.error_message.unwrap();
            let expected =
                "One or more records have been rejected due to 10 record errors in total";
            assert!(message.starts_with(expected), "{message}");
        }
    }
    assert_eq!(broker.first_segment("post", 0), b"", "nothing of it was written");
}

#[test]
fn a_bad_timestamp_is_named_and_decides_about_the_code() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let limits = [("message.timestamp.difference.max.ms", "1000"), ("cleanup.policy", "compact")];
    client.create_topic_with("post", &limits);
    let now_ms =
        i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    let records = RecordBatchBuilder::new(0)
        .record(now_ms, Some(b"k"), None)
        .record(now_ms, None, None)
        .record(5, Some(b"k"), None)
        .build()
        .unwrap();
    let response = client.produce("post", 0, &records);
    assert_eq!(response.error_code, Errors::InvalidTimestamp.code());
    let named: Vec<i32> = response.record_errors.iter().map(|it| it.batch_index).collect();
    assert_eq!(named, [1, 2]);
    let text = response.record_errors[1].batch_index_error_message.as_ref().unwrap();
    let expected = "Timestamp 5 of message with offset 2 is out of range. The timestamp should be";
    assert!(text.starts_with(expected), "{text}");
    assert_eq!(
        response.error_message.unwrap(),
        "One or more records have been rejected due to invalid timestamp"
    );
}

#[test]
fn a_batch_that_its_producer_marks_as_stamped_is_stored_with_its_own_timestamps() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    let own = || RecordBatchBuilder::new(0).record(4_000, None, Some(b"v"));
    let marked = own().log_append_time(9_000).build().unwrap();
    let response = client.produce("post", 0, &marked);
    assert_eq!((response.error_code, response.log_append_time_ms), (0, -1));
    assert_eq!(broker.first_segment("post", 0), stored(&own().build().unwrap(), 0));

    client.create_topic_with("stamped", &[("message.timestamp.type", "LogAppendTime")]);
    let response = client.produce("stamped", 0, &marked);
    assert_eq!(response.error_code, Errors::InvalidTimestamp.code());
    assert_eq!(response.record_errors.len(), 1);
}

#[test]
fn a_right_batch_stays_as_it_came_whatever_is_compared() {
    for setting in ["false", "true"] {
        let broker = Broker::start(&[(VALIDATION, setting)]);
        for codec in CompressionCodec::ALL {
            let mut client = broker.connect_with_topic(codec.name());
            let mut builder = RecordBatchBuilder::new(0).codec(codec);
            for index in 0..300 {
                builder = builder.record(5_000 - 7 * index, Some(b"k"), Some(&[7; 300]));
            }
            let records = builder.build().unwrap();
            assert_eq!(client.produce(codec.name(), 0, &records).error_code, 0);
            assert_eq!(broker.first_segment(codec.name(), 0), stored(&records, 0), "{setting}");
        }
    }
}

/// A message set of an old producer, whose offsets all begin at 0.
fn message_set(magic: u8, codec: CompressionCodec, messages: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut set = MessageSetBuilder::new(magic, codec);
    for (offset, (key, value)) in messages.iter().enumerate() {
        let record = LogRecord {
            offset: offset as i64,
            timestamp: 1_000,
            key: Some(key),
            value: Some(value),
            headers: Headers::NONE,
        };
        set.append(&record).unwrap();
    }
    set.build().unwrap()
}

/// The records of a partition as a client of this version decodes them: offset, key, value.
fn fetch_records(client: &mut Client, version: i16, topic: &str) -> Vec<(i64, Vec<u8>, Vec<u8>)> {
    let fetched = client.fetch_with(version, fetch_request(topic, 0, 0)).remove(0);
    let newest_magic = match version {
        0..=1 => 0,
        2..=3 => 1,
        _ => 2,
    };
    assert_eq!(fetched.records[16], newest_magic, "Fetch version {version}");
    let mut records = Vec::new();
    for_each_record(&fetched.records, &mut |record| {
        let bytes = |it: Option<&[u8]>| it.unwrap().to_vec();
        records.push((record.offset, bytes(record.key), bytes(record.value)));
        Ok(())
    })
    .unwrap();
    records
}
