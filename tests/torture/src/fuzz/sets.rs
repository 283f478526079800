//! Record sets of all formats and codecs, most of them damaged: in their headers with a CRC that is
//! made right again, in their records before compression, or anywhere without mending.

use byteorder::{BigEndian, ByteOrder};
use support::random::Random;
use transferto::message::compression_codec::CompressionCodec;
use transferto::message::message_set::{LOG_OVERHEAD, SIZE_OFFSET};
use transferto::message::message_set_builder::MessageSetBuilder;
use transferto::message::record_batch::{
    ATTRIBUTES_OFFSET, CRC_OFFSET, RECORDS_OFFSET, compute_crc,
};
use transferto::message::record_batch_builder::RecordBatchBuilder;
use transferto::message::records::{Header, Headers, LogRecord};

const TIMESTAMP_MS: i64 = 1_700_000_000_000;
/// In a message of magic 0 and 1 the CRC covers what follows it.
const OLD_CRC_END: usize = LOG_OVERHEAD + 4;

/// A set of a random format, damaged or not.
pub(crate) fn make_set(random: &mut Random) -> Vec<u8> {
    let codec = CompressionCodec::ALL[random.index(CompressionCodec::ALL.len())];
    let set = match random.below(4) {
        0 => old_set(random, 0, codec),
        1 => old_set(random, 1, codec),
        _ => batch(random, codec),
    };
    match random.below(4) {
        0 => set,
        1 => with_changes(set, random),
        _ => with_changes_and_right_crc(set, random),
    }
}

fn old_set(random: &mut Random, magic: u8, codec: CompressionCodec) -> Vec<u8> {
    let codec = if codec == CompressionCodec::Zstd { CompressionCodec::Gzip } else { codec };
    let mut set = MessageSetBuilder::new(magic, codec);
    for at in 0..1 + random.below(4) {
        let (key, value) = key_and_value(random);
        let (offset, timestamp, headers) = (at.cast_signed(), TIMESTAMP_MS, Headers::NONE);
        let (key, value) = (key.as_deref(), value.as_deref());
        // A message that does not fit is left out; these are small.
        let _ = set.append(&LogRecord { offset, timestamp, key, value, headers });
    }
    set.build().unwrap_or_default()
}

fn batch(random: &mut Random, codec: CompressionCodec) -> Vec<u8> {
    let mut builder = RecordBatchBuilder::new(0);
    if random.below(3) == 0 {
        builder = builder.producer(random.below(5).cast_signed(), 0, random.below(3) as i32);
    }
    for at in 0..1 + random.below(4) {
        let (key, value) = key_and_value(random);
        let mut buffer = Vec::new();
        let some = [Header { key: b"h", value: Some(b"v") }];
        let headers = if random.below(3) == 0 { &some[..] } else { &[] };
        let (offset, timestamp) = (at.cast_signed(), TIMESTAMP_MS);
        let headers = Headers::encode(headers, &mut buffer);
        let (key, value) = (key.as_deref(), value.as_deref());
        let _ = builder.append(&LogRecord { offset, timestamp, key, value, headers });
    }
    let mut bytes = builder.build().unwrap_or_default();
    if random.below(3) == 0 {
        change(&mut bytes[RECORDS_OFFSET..], random);
    }
    compressed(bytes, codec)
}

fn key_and_value(random: &mut Random) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let mut some = |length: u64| (random.below(4) > 0).then(|| random.bytes(length));
    (some(5), some(40))
}

/// The batch with its records, whatever they are, compressed.
fn compressed(mut bytes: Vec<u8>, codec: CompressionCodec) -> Vec<u8> {
    if codec != CompressionCodec::None {
        let records = codec.compress(&bytes[RECORDS_OFFSET..], 2).unwrap_or_default();
        bytes.truncate(RECORDS_OFFSET);
        bytes.extend_from_slice(&records);
    }
    let attributes = BigEndian::read_i16(&bytes[ATTRIBUTES_OFFSET..]) | i16::from(codec.id());
    BigEndian::write_i16(&mut bytes[ATTRIBUTES_OFFSET..], attributes);
    let size = (bytes.len() - LOG_OVERHEAD) as u32;
    BigEndian::write_u32(&mut bytes[SIZE_OFFSET..], size);
    with_right_crc(bytes)
}

fn with_changes(mut set: Vec<u8>, random: &mut Random) -> Vec<u8> {
    match random.below(4) {
        0 => set.truncate(random.index(set.len())),
        1 => set.extend_from_slice(&random.bytes(20)),
        _ => change(&mut set, random),
    }
    set
}

/// Half of the changes go to the first 64 bytes, where the header lies.
fn with_changes_and_right_crc(mut set: Vec<u8>, random: &mut Random) -> Vec<u8> {
    let end = if random.below(2) == 0 { set.len().min(64) } else { set.len() };
    change(&mut set[..end], random);
    with_right_crc(set)
}

fn change(bytes: &mut [u8], random: &mut Random) {
    if bytes.is_empty() {
        return;
    }
    for _ in 0..1 + random.below(3) {
        let at = random.index(bytes.len());
        match random.below(4) {
            0 => bytes[at] = [0, 1, 0x7F, 0x80, 0xFF][random.index(5)],
            1 => bytes[at] = bytes[at].wrapping_add(1),
            2 => bytes[at..].iter_mut().take(4).for_each(|it| *it = 0xFF),
            _ => bytes[at] ^= 1 << random.below(8),
        }
    }
}

/// What was changed before the CRC stays changed, so that the change is looked at, not the CRC.
fn with_right_crc(mut set: Vec<u8>) -> Vec<u8> {
    if set.len() > RECORDS_OFFSET && set[LOG_OVERHEAD + 4] == 2 {
        let crc = compute_crc(&set);
        BigEndian::write_u32(&mut set[CRC_OFFSET..], crc);
    } else if set.len() > OLD_CRC_END {
        let size = BigEndian::read_u32(&set[SIZE_OFFSET..]) as usize;
        let end = (LOG_OVERHEAD.saturating_add(size)).clamp(OLD_CRC_END, set.len());
        let crc = crc32fast::hash(&set[OLD_CRC_END..end]);
        BigEndian::write_u32(&mut set[LOG_OVERHEAD..], crc);
    }
    set
}
