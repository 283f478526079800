//! A compacted topic over a real socket: what producers must send, and what consumers see after the
//! cleaner's thread was there.

use std::collections::BTreeMap;

use support::broker::Broker;
use support::client::{Client, fetch_request};
use support::records::batch;
use support::wait::{wait_for, wait_until};
use transferto::common::errors::Errors;
use transferto::message::byte_buffer_message_set::{for_each_record, shallow_entries};
use transferto::message::compression_codec::CompressionCodec;
use transferto::message::record_batch_builder::RecordBatchBuilder;
use transferto::message::records::LogRecord;

const SETTINGS: [(&str, &str); 4] = [
    ("log.cleanup.policy", "compact"),
    ("log.cleaner.backoff.ms", "1"),
    ("log.cleaner.min.cleanable.ratio", "0"),
    ("log.segment.bytes", "1000"),
];

const KEYS: i64 = 7;
const RECORDS: i64 = 200;

/// Consumes from offset 0 to the high watermark. Returns the offsets, and the last offset of each
/// key, which is its value.
fn consume(client: &mut Client) -> (Vec<i64>, BTreeMap<String, String>) {
    let (mut offsets, mut values) = (Vec::new(), BTreeMap::new());
    let mut offset = 0;
    loop {
        let fetched = client.fetch("post", 0, offset);
        assert_eq!(fetched.error, 0);
        for_each_record(&fetched.records, &mut |record| {
            let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
            offsets.push(record.offset);
            values.insert(text(record.key), text(record.value));
            offset = record.offset + 1;
            Ok(())
        })
        .unwrap();
        if offset == fetched.high_watermark {
            return (offsets, values);
        }
        assert!(!fetched.records.is_empty(), "a fetch below the high watermark brings something");
    }
}

#[test]
fn the_last_record_of_each_key_stays_and_so_it_is_after_a_restart() {
    let broker = Broker::start(&SETTINGS);
    let mut client = broker.connect_with_topic("post");
    let refused = client.produce("post", 0, &batch(&[b"no key"]));
    assert_eq!(refused.error_code, Errors::InvalidRecord.code());
    let mut expected = BTreeMap::new();
    for offset in 0..RECORDS {
        let (key, value) = (format!("key {}", offset % KEYS), offset.to_string());
        let record = RecordBatchBuilder::new(0);
        let record = record.record(-1, Some(key.as_bytes()), Some(value.as_bytes()));
        let response = client.produce("post", 0, &record.build().unwrap());
        assert_eq!((response.error_code, response.base_offset), (0, offset));
        expected.insert(key, value);
    }
    let mut offsets = wait_for("the cleaner", || {
        let (offsets, values) = consume(&mut client);
        assert_eq!(values, expected);
        // A segment holds about a dozen: what is left is a round of the keys, and the active one.
        (offsets.len() < 30).then_some(offsets)
    });
    let dir = broker.stop();
    let broker = Broker::start_in(dir, &SETTINGS);
    let (after, values) = consume(&mut broker.connect());
    assert_eq!(values, expected);
    offsets.retain(|offset| after.contains(offset));
    assert_eq!(offsets, after, "a restart brings nothing back");
}

/// A batch of these keys, whose values are empty.
fn batch_of(keys: &[&str], producer_id: i64, codec: CompressionCodec) -> Vec<u8> {
    let mut builder = RecordBatchBuilder::new(0).codec(codec);
    if producer_id >= 0 {
        builder = builder.producer(producer_id, 0, 0);
    }
    for key in keys {
        builder = builder.record(-1, Some(key.as_bytes()), Some(b""));
    }
    builder.build().unwrap()
}

/// Reads from offset 0 as a client of today does, which goes on behind the batches that it got.
/// Returns the offsets of the batches' records.
fn batches(client: &mut Client) -> Vec<Vec<i64>> {
    let (mut batches, mut offset) = (Vec::new(), 0);
    loop {
        let fetched = client.fetch("post", 0, offset);
        assert_eq!(fetched.error, 0);
        for entry in shallow_entries(&fetched.records) {
            let (entry, mut offsets) = (entry.unwrap(), Vec::new());
            let mut note = |record: &LogRecord<'_>| {
                offsets.push(record.offset);
                Ok(())
            };
            entry.for_each_record(&mut note).unwrap();
            batches.push(offsets);
            offset = entry.last_offset + 1;
        }
        if offset == fetched.high_watermark {
            return batches;
        }
    }
}

/// Reads from offset 0 as a client of Fetch `version` does, which goes on behind the records that
/// it got, and asks for `max_bytes`. Returns their offsets.
fn seen_by_old(client: &mut Client, version: i16, max_bytes: i32) -> Vec<i64> {
    let (mut seen, mut offset) = (Vec::new(), 0);
    loop {
        let mut request = fetch_request("post", 0, offset);
        request.topics[0].partitions[0].partition_max_bytes = max_bytes;
        let fetched = client.fetch_with(version, request).remove(0);
        assert_eq!(fetched.error, 0);
        if offset == fetched.high_watermark {
            return seen;
        }
        let before = offset;
        let mut note = |record: &LogRecord<'_>| {
            if record.offset >= before {
                seen.push(record.offset);
                offset = record.offset + 1;
            }
            Ok(())
        };
        for_each_record(&fetched.records, &mut note).unwrap();
        assert!(offset > before, "version {version} never gets beyond offset {offset}");
    }
}

#[test]
fn an_old_consumer_gets_past_batches_in_which_nothing_is_left_for_it() {
    for codec in [CompressionCodec::None, CompressionCodec::Gzip] {
        let broker = Broker::start(&SETTINGS);
        let mut client = broker.connect_with_topic("post");
        // Three producers whose only record goes: the batch stays, as it shows their sequence.
        for producer_id in [7, 8, 9] {
            let idempotent = batch_of(&["a"], producer_id, codec);
            assert_eq!(client.produce("post", 0, &idempotent).error_code, 0);
        }
        // Offsets 3 to 5, of which 4 and 5 go.
        assert_eq!(client.produce("post", 0, &batch_of(&["b", "a", "a"], -1, codec)).error_code, 0);
        for _ in 0..100 {
            assert_eq!(client.produce("post", 0, &batch_of(&["a"], -1, codec)).error_code, 0);
        }
        wait_until("the cleaner", || batches(&mut client).len() <= 20);
        // From here on nothing more goes.
        let no_cleaner = [("log.cleaner.enable", "false")];
        let broker = Broker::start_in(broker.stop(), &no_cleaner);
        let mut client = broker.connect();
        let expected = batches(&mut client);
        assert_eq!(expected[..4], [vec![], vec![], vec![], vec![3]], "{}", codec.name());
        let expected = expected.concat();
        for version in 0..=3 {
            // Room for one batch, and for all.
            for max_bytes in [90, 1_000_000] {
                assert_eq!(seen_by_old(&mut client, version, max_bytes), expected);
            }
        }
    }
}
