//! Hostile bytes: whatever a socket or a disk brings, reading and converting it ends in a result,
//! and takes no memory that the bytes do not pay for.

use support::own_process::in_own_process;
use support::random::Random;
use transferto::common::errors::{Errors, KafkaError};
use transferto::message::append_format::AppendFormat;
use transferto::message::byte_buffer_message_set::{for_each_record, shallow_entries};
use transferto::message::compression_codec::CompressionCodec;
use transferto::message::conversion::{Target, convert, down_convert};
use transferto::message::log_validator::validate_messages_and_assign_offsets;
use transferto::message::message::NewMessage;
use transferto::message::message_set_builder::MessageSetBuilder;
use transferto::message::record_batch::{RECORD_BATCH_OVERHEAD, compute_crc};
use transferto::message::record_batch_builder::RecordBatchBuilder;
use transferto::message::records::{Header, Headers, LogRecord};
use transferto::message::timestamp_type::TimestampType;

const FORMATS: [(u8, CompressionCodec); 13] = [
    (0, CompressionCodec::None),
    (0, CompressionCodec::Gzip),
    (0, CompressionCodec::Snappy),
    (0, CompressionCodec::Lz4),
    (1, CompressionCodec::None),
    (1, CompressionCodec::Gzip),
    (1, CompressionCodec::Snappy),
    (1, CompressionCodec::Lz4),
    (2, CompressionCodec::None),
    (2, CompressionCodec::Gzip),
    (2, CompressionCodec::Snappy),
    (2, CompressionCodec::Lz4),
    (2, CompressionCodec::Zstd),
];

/// Some records of all shapes, in one entry or set of the given format.
fn valid_set(magic: u8, codec: CompressionCodec) -> Vec<u8> {
    let mut buffer = Vec::new();
    let headers = [Header { key: b"trace", value: Some(b"42") }, Header { key: b"", value: None }];
    let headers = Headers::encode(&headers, &mut buffer);
    let fields: [Option<&[u8]>; 4] = [None, Some(b""), Some(b"key"), Some(&[b'x'; 200])];
    let mut messages = MessageSetBuilder::new(magic.min(1), codec);
    let mut batch = RecordBatchBuilder::new(0).codec(codec);
    for offset in 0..16 {
        let (key, value) = (fields[offset % 4], fields[offset / 4]);
        let (offset, timestamp) = (offset as i64, 1_455_148_800_000 + offset as i64);
        let record = LogRecord { offset, timestamp, key, value, headers };
        if magic == 2 { batch.append(&record) } else { messages.append(&record) }.unwrap();
    }
    if magic == 2 { batch.build() } else { messages.build() }.unwrap()
}

/// Flips bits, overwrites fields with sizes that lie, cuts off, and repeats a part.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.index(3) {
        if bytes.is_empty() {
            return;
        }
        let at = random.index(bytes.len());
        match random.index(5) {
            0 => bytes[at] ^= 1 << random.index(8),
            1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.index(5)],
            2 => {
                let end = bytes.len().min(at + 4);
                bytes[at..end].fill([0, 0x7f, 0xff][random.index(3)]);
            }
            3 => bytes.truncate(at),
            _ => bytes.extend_from_within(at..),
        }
    }
}

/// Makes the outer CRC fit, so that the mutation gets past it.
fn repair_crc(bytes: &mut [u8]) {
    let Some(Ok(entry)) = shallow_entries(bytes).next() else { return };
    let (magic, size) = (entry.magic, entry.size_in_bytes());
    if magic == 2 {
        let crc = compute_crc(&bytes[..size]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    } else {
        let crc = crc32fast::hash(&bytes[16..size]);
        bytes[12..16].copy_from_slice(&crc.to_be_bytes());
    }
}

fn format(magic: u8, compression: Option<CompressionCodec>, is_strict: bool) -> AppendFormat {
    AppendFormat {
        magic,
        compression,
        timestamp_type: TimestampType::CreateTime,
        compression_level: None,
        timestamp_before_max_ms: if is_strict { 1_000 } else { i64::MAX },
        timestamp_after_max_ms: if is_strict { 1_000 } else { i64::MAX },
        message_bytes_max: 1_048_588,
        is_compacted: is_strict,
        validates_compressed: true,
        partition_leader_epoch: 0,
    }
}

/// A set in which not the compressed bytes but what they hold has been mutated, so that the
/// mutation gets past the codec.
fn with_mutated_content(magic: u8, codec: CompressionCodec, random: &mut Random) -> Vec<u8> {
    let mut plain = valid_set(magic, CompressionCodec::None);
    let mut bytes = Vec::new();
    if magic == 2 {
        let mut records = plain.split_off(RECORD_BATCH_OVERHEAD);
        mutate(&mut records, random);
        bytes = plain;
        bytes[22] = codec.id();
        bytes.extend_from_slice(&codec.compress(&records, magic).unwrap());
        let size = (bytes.len() - 12) as i32;
        bytes[8..12].copy_from_slice(&size.to_be_bytes());
    } else {
        mutate(&mut plain, random);
        let compressed = codec.compress(&plain, magic).unwrap();
        let (timestamp_type, timestamp, key) = (TimestampType::CreateTime, 0, None);
        let value = Some(&compressed[..]);
        let wrapper = NewMessage { magic, codec, timestamp_type, timestamp, key, value };
        wrapper.write_entry(15, &mut bytes).unwrap();
    }
    repair_crc(&mut bytes);
    bytes
}

/// Everything that the broker does with bytes it did not write.
fn do_everything(bytes: &[u8]) -> usize {
    let mut ok_count = 0;
    let mut note = |result: Result<(), KafkaError>| match result {
        Ok(()) => ok_count += 1,
        Err(error) => assert!(
            matches!(
                error.code(),
                Errors::CorruptMessage
                    | Errors::InvalidRecord
                    | Errors::InvalidTimestamp
                    | Errors::RecordTooLarge
                    | Errors::UnsupportedCompressionType
                    | Errors::UnsupportedForMessageFormat
                    | Errors::UnknownServerError
            ),
            "{error}"
        ),
    };
    note(for_each_record(bytes, &mut |_| Ok(())));
    let (codec, partition_leader_epoch) = (CompressionCodec::None, -1);
    let batch =
        Target { magic: 2, codec, level: None, log_append_time: None, partition_leader_epoch };
    note(convert(bytes, 0, &batch).map(drop));
    note(down_convert(bytes, 1, 0).map(drop));
    note(down_convert(bytes, 0, 5).map(drop));
    for magic in [0, 1, 2] {
        for (compression, is_strict) in [(None, true), (Some(CompressionCodec::Lz4), false)] {
            let mut copy = bytes.to_vec();
            let format = format(magic, compression, is_strict);
            let now_ms = 1_455_148_800_000;
            let validated = validate_messages_and_assign_offsets(&mut copy, 7, now_ms, &format);
            note(validated.map(drop));
        }
    }
    ok_count
}

/// The most memory that this process ever had resident, in KiB.
fn resident_peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// 20,000 mutations of sets in all formats: a third as they are, a third with a CRC that fits
/// again, a third of what is compressed.
#[test]
fn no_mutation_of_a_valid_set_panics_or_takes_memory() {
    let name = "message::hostile_sets::no_mutation_of_a_valid_set_panics_or_takes_memory";
    in_own_process(name, "", mutate_valid_sets);
}

fn mutate_valid_sets() {
    let mut random = Random(0x5eed_2016_0211);
    let valid = FORMATS.map(|(magic, codec)| valid_set(magic, codec));
    assert!(valid.iter().all(|bytes| do_everything(bytes) > 0));
    let before_kib = resident_peak_kib();
    for round in 0..20_000 {
        let mut bytes = valid[round % valid.len()].clone();
        mutate(&mut bytes, &mut random);
        match random.index(3) {
            0 => repair_crc(&mut bytes),
            1 => {
                let (magic, codec) = FORMATS[round % FORMATS.len()];
                bytes = with_mutated_content(magic, codec, &mut random);
            }
            _ => {} // The CRC tells.
        }
        do_everything(&bytes);
    }
    let grown_kib = resident_peak_kib() - before_kib;
    assert!(grown_kib < 64 * 1024, "{grown_kib} KiB for inputs of a few hundred bytes");
}

#[test]
fn a_set_cut_anywhere_gives_a_result() {
    for (magic, codec) in FORMATS {
        let bytes = valid_set(magic, codec);
        for end in 0..bytes.len() {
            do_everything(&bytes[..end]);
        }
    }
}

/// The way of an old client's messages: produced, stored as a batch, fetched by the same client.
#[test]
fn what_an_old_producer_sends_an_old_consumer_gets() {
    for (magic, codec) in FORMATS.into_iter().filter(|(magic, _)| *magic < 2) {
        let sent = valid_set(magic, codec);
        let mut buffer = sent.clone();
        let format = format(2, None, false);
        let stored = validate_messages_and_assign_offsets(&mut buffer, 0, 0, &format).unwrap();
        assert!(stored.was_converted);
        assert_eq!(down_convert(&stored.bytes, magic, 0).unwrap(), sent);
    }
}
