//! Port of `org.xerial.snappy.SnappyOutputStream` and `SnappyInputStream`, through which the Java
//! clients write and read snappy.
//!
//! A header of a magic number and two INT32 versions is followed by chunks, each an INT32 size and
//! one raw snappy block. Java reads nothing else; other clients write bare blocks, which are read
//! here too.

use std::io;
use std::io::{BufRead, Read};

use byteorder::{BigEndian, ByteOrder};

use crate::message::decompression_limit::{decompression_bound, too_large};
use crate::message::drawn_bytes::DrawnBytes;

const XERIAL_MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const XERIAL_VERSIONS: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];
const XERIAL_BLOCK_BYTES: usize = 32 * 1024;
/// Three bytes of snappy stand for 64 at most, so a block that declares more is a lie.
const SNAPPY_RATIO_MAX: usize = 22;

/// Compresses `bytes` into as many chunks as they need.
///
/// # Errors
/// The codec's own error: it has no reason to fail.
pub(crate) fn compress_snappy(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = [XERIAL_MAGIC, XERIAL_VERSIONS].concat();
    let mut encoder = snap::raw::Encoder::new();
    for block in bytes.chunks(XERIAL_BLOCK_BYTES) {
        let compressed = encoder.compress_vec(block)?;
        let mut size = [0; 4];
        BigEndian::write_u32(&mut size, compressed.len() as u32);
        out.extend_from_slice(&size);
        out.extend_from_slice(&compressed);
    }
    Ok(out)
}

/// Decompresses the chunks of `bytes`, or the one bare block that they are.
///
/// # Errors
/// `InvalidData`, `UnexpectedEof` or the codec's own if `bytes` are neither; `FileTooLarge` if more
/// than `limit_bytes` come out.
pub(crate) fn decompress_snappy(bytes: &[u8], limit_bytes: usize) -> io::Result<DrawnBytes> {
    let mut out = DrawnBytes::new();
    let mut blocks = Blocks::new(bytes)?;
    while let Some(block) = blocks.next_block()? {
        decompress_block(block, limit_bytes, &mut out)?;
    }
    Ok(out)
}

/// The blocks of a message, each still compressed.
struct Blocks<'a> {
    rest: &'a [u8],
    /// Whether what is left is one block without a frame.
    is_bare: bool,
}

impl<'a> Blocks<'a> {
    fn new(bytes: &'a [u8]) -> io::Result<Self> {
        if !bytes.starts_with(&XERIAL_MAGIC) {
            return Ok(Self { rest: bytes, is_bare: true });
        }
        let header_bytes = XERIAL_MAGIC.len() + XERIAL_VERSIONS.len();
        let rest = bytes.get(header_bytes..).ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(Self { rest, is_bare: false })
    }

    fn next_block(&mut self) -> io::Result<Option<&'a [u8]>> {
        if std::mem::take(&mut self.is_bare) {
            return Ok(Some(std::mem::take(&mut self.rest)));
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (size, after) = self.rest.split_at_checked(4).ok_or(io::ErrorKind::UnexpectedEof)?;
        let size = BigEndian::read_u32(size) as usize;
        let (block, after) = after.split_at_checked(size).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.rest = after;
        Ok(Some(block))
    }
}

/// Decompresses one block after another, in a buffer that is used again.
pub(crate) struct SnappyReader<'a> {
    blocks: Blocks<'a>,
    block: DrawnBytes,
    /// How much of the block was taken.
    taken: usize,
}

impl<'a> SnappyReader<'a> {
    /// # Errors
    /// `UnexpectedEof` if `bytes` end within the header.
    pub(crate) fn new(bytes: &'a [u8]) -> io::Result<Self> {
        Ok(Self { blocks: Blocks::new(bytes)?, block: DrawnBytes::new(), taken: 0 })
    }
}

impl BufRead for SnappyReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.taken == self.block.len() {
            let Some(block) = self.blocks.next_block()? else { break };
            self.block.bytes_mut().clear();
            self.taken = 0;
            let limit_bytes = decompression_bound(block.len());
            decompress_block(block, limit_bytes, &mut self.block)?;
        }
        Ok(&self.block[self.taken..])
    }

    fn consume(&mut self, count: usize) {
        self.taken = (self.taken + count).min(self.block.len());
    }
}

impl Read for SnappyReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

fn decompress_block(block: &[u8], limit_bytes: usize, out: &mut DrawnBytes) -> io::Result<()> {
    let declared = snap::raw::decompress_len(block)?;
    if declared > block.len().saturating_mul(SNAPPY_RATIO_MAX) {
        let why = "a snappy block declares an impossible size";
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    if declared > limit_bytes - out.len() {
        return Err(too_large(limit_bytes));
    }
    let start = out.len();
    out.reserve(declared)?;
    let out = out.bytes_mut();
    out.resize(start + declared, 0);
    snap::raw::Decoder::new().decompress(block, &mut out[start..])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snappy_is_written_in_xerial_chunks_of_32_kib() {
        let compressed = compress_snappy(&vec![7; 70_000]).unwrap();
        assert_eq!(compressed[..16], *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01");
        let mut rest = &compressed[16..];
        let mut sizes = Vec::new();
        while !rest.is_empty() {
            let (block, after) = rest[4..].split_at(BigEndian::read_u32(rest) as usize);
            sizes.push(snap::raw::decompress_len(block).unwrap());
            rest = after;
        }
        assert_eq!(sizes, [32768, 32768, 70_000 - 65536]);
    }

    #[test]
    fn a_bare_snappy_block_is_read() {
        let block = snap::raw::Encoder::new().compress_vec(b"librdkafka writes it so").unwrap();
        let text = decompress_snappy(&block, decompression_bound(block.len())).unwrap();
        assert_eq!(*text, *b"librdkafka writes it so");
    }

    #[test]
    fn a_snappy_block_that_declares_gigabytes_gets_nothing() {
        let lie = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, b'x'];
        assert!(decompress_snappy(&lie, decompression_bound(lie.len())).is_err());
        let mut xerial = [XERIAL_MAGIC, XERIAL_VERSIONS].concat();
        xerial.extend_from_slice(&[0xff; 4]);
        assert!(decompress_snappy(&xerial, decompression_bound(xerial.len())).is_err());
    }
}
