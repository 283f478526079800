//! Port of `org.apache.kafka.common.record.KafkaLZ4BlockOutputStream` and
//! `KafkaLZ4BlockInputStream`: the LZ4 frame of the Java clients.
//!
//! Its blocks are independent and hold 64 KiB each; it has no checksum but the one of the header.
//! Kafka before 0.10 computed that one over the magic number too, and reads no other (KAFKA-3160).
//! So magic 0 is written with the wrong one, and both are read everywhere.

use std::io;
use std::io::{Read, Write};

use byteorder::{ByteOrder, LittleEndian};

const FRAME_MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
const FLAG_CONTENT_SIZE: u8 = 0x08;
const FLAG_DICTIONARY: u8 = 0x01;

// The primes of xxHash.

const PRIME_1: u32 = 0x9e37_79b1;
const PRIME_2: u32 = 0x85eb_ca77;
const PRIME_3: u32 = 0xc2b2_ae3d;
const PRIME_4: u32 = 0x27d4_eb2f;
const PRIME_5: u32 = 0x1656_67b1;

/// Compresses `bytes` for a message of `magic`.
///
/// # Errors
/// The codec's own error: it has no reason to fail.
pub(crate) fn compress_lz4(bytes: &[u8], magic: u8) -> io::Result<Vec<u8>> {
    let frame = lz4_flex::frame::FrameInfo::new()
        .block_size(lz4_flex::frame::BlockSize::Max64KB)
        .block_mode(lz4_flex::frame::BlockMode::Independent);
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(frame, Vec::new());
    encoder.write_all(bytes)?;
    if bytes.is_empty() {
        encoder.flush()?; // Without any write the frame would have no header.
    }
    let mut out = encoder.finish()?;
    let checksum_at = header_checksum_position(&out)?;
    if magic == 0 {
        out[checksum_at] = header_checksum(&out[..checksum_at]);
    }
    Ok(out)
}

/// Decompresses `bytes`, whichever of the two checksums they have.
///
/// # Errors
/// `InvalidData` or `UnexpectedEof` if `bytes` do not begin with the header of a frame.
pub(crate) fn lz4_reader(bytes: &[u8]) -> io::Result<impl Read + '_> {
    let checksum_at = header_checksum_position(bytes)?;
    let (header, rest) = bytes.split_at(checksum_at + 1);
    let mut header = header.to_vec();
    let (right, wrong) = (
        header_checksum(&header[FRAME_MAGIC.len()..checksum_at]),
        header_checksum(&header[..checksum_at]),
    );
    if header[checksum_at] == wrong {
        header[checksum_at] = right;
    }
    Ok(lz4_flex::frame::FrameDecoder::new(io::Cursor::new(header).chain(rest)))
}

/// Where the header's checksum stands: after magic number, two bytes of flags, and perhaps the size
/// of the content.
fn header_checksum_position(frame: &[u8]) -> io::Result<usize> {
    if !frame.starts_with(&FRAME_MAGIC) {
        return Err(invalid("no LZ4 frame"));
    }
    let flags = *frame.get(FRAME_MAGIC.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
    if flags & FLAG_DICTIONARY != 0 {
        return Err(invalid("an LZ4 frame with a dictionary"));
    }
    let content_size_bytes = if flags & FLAG_CONTENT_SIZE == 0 { 0 } else { 8 };
    let position = FRAME_MAGIC.len() + 2 + content_size_bytes;
    if frame.len() <= position {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(position)
}

fn header_checksum(bytes: &[u8]) -> u8 {
    (xx_hash_32_short(bytes) >> 8) as u8
}

/// xxHash, 32 bits, seed 0, for fewer than 16 bytes: the tail of the algorithm alone.
/// Little-endian by definition.
fn xx_hash_32_short(bytes: &[u8]) -> u32 {
    debug_assert!(bytes.len() < 16, "longer inputs are hashed in stripes first");
    let mut hash = PRIME_5.wrapping_add(bytes.len() as u32);
    let words = bytes.chunks_exact(4);
    let tail = words.remainder();
    for word in words {
        let word = LittleEndian::read_u32(word);
        hash = hash.wrapping_add(word.wrapping_mul(PRIME_3));
        hash = hash.rotate_left(17).wrapping_mul(PRIME_4);
    }
    for byte in tail {
        hash = hash.wrapping_add(u32::from(*byte).wrapping_mul(PRIME_5));
        hash = hash.rotate_left(11).wrapping_mul(PRIME_1);
    }
    hash = (hash ^ (hash >> 15)).wrapping_mul(PRIME_2);
    hash = (hash ^ (hash >> 13)).wrapping_mul(PRIME_3);
    hash ^ (hash >> 16)
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(frame: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        lz4_reader(frame)?.read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn xx_hash_gives_the_published_values() {
        let known: [(&[u8], u32); 3] =
            [(b"", 0x02cc_5d05), (b"a", 0x550d_7456), (b"abc", 0x32d1_53ff)];
        for (bytes, hash) in known {
            assert_eq!(xx_hash_32_short(bytes), hash);
        }
    }

    #[test]
    fn lz4_of_magic_0_has_the_old_header_checksum_and_both_are_read() {
        let [old, new, newer] = [0, 1, 2].map(|magic| compress_lz4(b"text", magic).unwrap());
        assert_eq!(old[..7], [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x1a]);
        assert_eq!(new[..7], [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);
        assert_eq!(new, newer);
        assert_eq!(old[7..], new[7..]);
        assert!(old.ends_with(&[0; 4]), "the end mark");
        for frame in [&old, &new] {
            assert_eq!(read(frame).unwrap(), b"text");
        }
        let mut neither = old.clone();
        neither[6] = 0x77;
        assert!(read(&neither).is_err());
    }
}
