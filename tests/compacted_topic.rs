//! A compacted topic over a real socket: what producers must send, and what consumers see after the
//! cleaner's thread was there.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod broker;

use std::collections::BTreeMap;
use std::thread;

use broker::{Broker, Client, batch};
use transferto::common::errors::Errors;
use transferto::message::byte_buffer_message_set::for_each_record;
use transferto::message::record_batch::RecordBatchBuilder;

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
    let mut offsets = loop {
        let (offsets, values) = consume(&mut client);
        assert_eq!(values, expected);
        // A segment holds about a dozen: what is left is a round of the keys, and the active one.
        if offsets.len() < 30 {
            break offsets;
        }
        thread::yield_now();
    };
    let dir = broker.stop();
    let broker = Broker::start_in(dir, &SETTINGS);
    let (after, values) = consume(&mut broker.connect());
    assert_eq!(values, expected);
    offsets.retain(|offset| after.contains(offset));
    assert_eq!(offsets, after, "a restart brings nothing back");
}
