//! Port of `kafka.message.CompressionCodec` and `CompressionFactory`: the codecs, both ways.
//!
//! A batch on its way through the broker stays compressed. Conversions between formats come here,
//! and checks of what is in a batch. The containers are those of the Java clients: a gzip stream,
//! snappy in xerial chunks, an LZ4 frame, a zstd frame.

use std::io;
use std::io::{BufRead, BufReader, Read, Write};

use byteorder::{BigEndian, ByteOrder, LittleEndian};

use crate::common::errors::{Errors, KafkaError};

/// How messages are compressed. The number is the low three bits of the attributes, in all magics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CompressionCodec {
    /// Not at all.
    #[default]
    None = 0,
    /// RFC 1952.
    Gzip = 1,
    /// In the chunks of the xerial library.
    Snappy = 2,
    /// An LZ4 frame.
    Lz4 = 3,
    /// A Zstandard frame: magic 2 only.
    Zstd = 4,
}

/// 64 times the default `message.max.bytes`.
const DECOMPRESSED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// A sender of more than 4 MiB has paid for more memory.
const DECOMPRESSED_RATIO_MAX: usize = 16;

impl CompressionCodec {
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The codec of a number.
    ///
    /// # Errors
    /// `UNSUPPORTED_COMPRESSION_TYPE` if there is none.
    pub fn from_id(id: u8) -> Result<Self, KafkaError> {
        Self::ALL.into_iter().find(|codec| codec.id() == id).ok_or_else(|| {
            KafkaError::api(Errors::UnsupportedCompressionType, format!("codec {id} is unknown"))
        })
    }

    /// The number in the attributes.
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// Kafka's name, a value of `compression.type` (where "none" is written "uncompressed").
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// Compresses `bytes` for a message of `magic`: in magic 0 LZ4 has KAFKA-3160's header.
    ///
    /// # Errors
    /// `UNKNOWN_SERVER_ERROR` with the codec's own error: it has no reason to fail.
    pub fn compress(self, bytes: &[u8], magic: u8) -> Result<Vec<u8>, KafkaError> {
        self.compress_at(None, bytes, magic)
    }

    /// As [`compress`](Self::compress), at a level of the settings `compression.gzip.level` and
    /// `compression.zstd.level`. The other codecs have one level.
    ///
    /// # Errors
    /// As [`compress`](Self::compress).
    pub fn compress_at(
        self,
        level: Option<i32>,
        bytes: &[u8],
        magic: u8,
    ) -> Result<Vec<u8>, KafkaError> {
        let compressed = match self {
            Self::None => Ok(bytes.to_vec()),
            Self::Gzip => compress_gzip(bytes, level),
            Self::Snappy => compress_snappy(bytes),
            Self::Lz4 => compress_lz4(bytes, magic),
            Self::Zstd => {
                zstd::bulk::compress(bytes, level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL))
            }
        };
        compressed.map_err(|error| {
            let why = format!("{} cannot compress: {error}", self.name());
            KafkaError::api(Errors::UnknownServerError, why)
        })
    }

    /// Decompresses `bytes` of a message of any magic, within the [`decompression_bound`].
    ///
    /// # Errors
    /// As [`decompress_bounded`](Self::decompress_bounded).
    pub fn decompress(self, bytes: &[u8]) -> Result<Vec<u8>, KafkaError> {
        self.decompress_bounded(bytes, decompression_bound(bytes.len()))
    }

    /// Decompresses `bytes` into at most `limit_bytes`. Memory grows with what comes out, never by
    /// a size that the input declares.
    ///
    /// # Errors
    /// `Undecodable` if `bytes` is not what this codec writes; `MESSAGE_TOO_LARGE` if more than
    /// `limit_bytes` come out.
    pub fn decompress_bounded(
        self,
        bytes: &[u8],
        limit_bytes: usize,
    ) -> Result<Vec<u8>, KafkaError> {
        let decompressed = match self {
            Self::None => read_bounded(bytes, limit_bytes),
            // Java's reader, too, takes several members one after another.
            Self::Gzip => read_bounded(flate2::read::MultiGzDecoder::new(bytes), limit_bytes),
            Self::Snappy => decompress_snappy(bytes, limit_bytes),
            Self::Lz4 => decompress_lz4(bytes, limit_bytes),
            // A frame may ask for a window of 128 MiB: address space, until bytes come out.
            Self::Zstd => zstd::stream::read::Decoder::with_buffer(bytes)
                .and_then(|decoder| read_bounded(decoder, limit_bytes)),
        };
        decompressed.map_err(|error| undecodable(self, &error))
    }

    /// Decompresses `bytes` as they are asked for, through a buffer of fixed size. Snappy alone has
    /// to have a block whole: 32 KiB of it, or what a client wrote as a single block.
    ///
    /// # Errors
    /// `InvalidData` or `UnexpectedEof` if `bytes` do not even begin as this codec writes them.
    pub fn reader(self, bytes: &[u8]) -> io::Result<Box<dyn BufRead + '_>> {
        Ok(match self {
            Self::None => Box::new(bytes),
            Self::Gzip => Box::new(BufReader::new(flate2::read::MultiGzDecoder::new(bytes))),
            Self::Snappy => Box::new(SnappyReader::new(bytes)?),
            Self::Lz4 => Box::new(BufReader::new(lz4_reader(bytes)?)),
            Self::Zstd => {
                Box::new(BufReader::new(zstd::stream::read::Decoder::with_buffer(bytes)?))
            }
        })
    }
}

/// The error for bytes that `codec` cannot read, or of which it makes too many.
pub(crate) fn undecodable(codec: CompressionCodec, error: &io::Error) -> KafkaError {
    let why = format!("the bytes of {} cannot be read: {error}", codec.name());
    match error.kind() {
        io::ErrorKind::FileTooLarge => KafkaError::api(Errors::RecordTooLarge, why),
        _ => KafkaError::Undecodable(why),
    }
}

/// What conversions let `compressed_bytes` become: 64 MiB, or sixteen times their number if that is
/// more. A bomb of 1 MB then costs a handler thread 64 MiB at most, and an honest message that
/// large is more than any client of these formats makes.
pub const fn decompression_bound(compressed_bytes: usize) -> usize {
    let by_ratio = compressed_bytes.saturating_mul(DECOMPRESSED_RATIO_MAX);
    if by_ratio > DECOMPRESSED_BYTES_MAX { by_ratio } else { DECOMPRESSED_BYTES_MAX }
}

/// Reads all of `source`, and fails when more than `limit_bytes` come.
fn read_bounded(source: impl Read, limit_bytes: usize) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    source.take(limit_bytes as u64 + 1).read_to_end(&mut out)?;
    if out.len() > limit_bytes {
        return Err(too_large(limit_bytes));
    }
    Ok(out)
}

/// A negative level is zlib's own default.
fn compress_gzip(bytes: &[u8], level: Option<i32>) -> io::Result<Vec<u8>> {
    let level = level.and_then(|it| u32::try_from(it).ok()).map(flate2::Compression::new);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level.unwrap_or_default());
    encoder.write_all(bytes)?;
    encoder.finish()
}

// Snappy as xerial's `SnappyOutputStream` frames it: this header, two INT32 versions, and then
// chunks of INT32 size + one raw snappy block. Java reads nothing else; others write bare blocks.

const XERIAL_MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const XERIAL_VERSIONS: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];
const XERIAL_BLOCK_BYTES: usize = 32 * 1024;
/// Three bytes of snappy stand for 64 at most, so a block that declares more is a lie.
const SNAPPY_RATIO_MAX: usize = 22;

fn compress_snappy(bytes: &[u8]) -> io::Result<Vec<u8>> {
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

fn decompress_snappy(bytes: &[u8], limit_bytes: usize) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut blocks = SnappyBlocks::new(bytes)?;
    while let Some(block) = blocks.next_block()? {
        decompress_snappy_block(block, limit_bytes, &mut out)?;
    }
    Ok(out)
}

/// The blocks of a message, each still compressed.
struct SnappyBlocks<'a> {
    rest: &'a [u8],
    /// Whether what is left is one block without a frame.
    is_bare: bool,
}

impl<'a> SnappyBlocks<'a> {
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

/// One block after another, in a buffer that is used again.
struct SnappyReader<'a> {
    blocks: SnappyBlocks<'a>,
    block: Vec<u8>,
    /// How much of the block was taken.
    taken: usize,
}

impl<'a> SnappyReader<'a> {
    fn new(bytes: &'a [u8]) -> io::Result<Self> {
        Ok(Self { blocks: SnappyBlocks::new(bytes)?, block: Vec::new(), taken: 0 })
    }
}

impl BufRead for SnappyReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.taken == self.block.len() {
            let Some(block) = self.blocks.next_block()? else { break };
            self.block.clear();
            self.taken = 0;
            let limit_bytes = decompression_bound(block.len());
            decompress_snappy_block(block, limit_bytes, &mut self.block)?;
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

fn decompress_snappy_block(block: &[u8], limit_bytes: usize, out: &mut Vec<u8>) -> io::Result<()> {
    let declared = snap::raw::decompress_len(block)?;
    if declared > block.len().saturating_mul(SNAPPY_RATIO_MAX) {
        return Err(invalid("a snappy block declares an impossible size"));
    }
    if declared > limit_bytes - out.len() {
        return Err(too_large(limit_bytes));
    }
    let start = out.len();
    out.resize(start + declared, 0);
    snap::raw::Decoder::new().decompress(block, &mut out[start..])?;
    Ok(())
}

// LZ4 as `KafkaLZ4BlockOutputStream` writes it: independent blocks of 64 KiB, no checksums but the
// one of the header. Kafka before 0.10 computed that one over the magic number too, and reads no
// other (KAFKA-3160). So magic 0 is written with the wrong one, and both are read everywhere.

const LZ4_MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
const LZ4_FLAG_CONTENT_SIZE: u8 = 0x08;
const LZ4_FLAG_DICTIONARY: u8 = 0x01;

fn compress_lz4(bytes: &[u8], magic: u8) -> io::Result<Vec<u8>> {
    let frame = lz4_flex::frame::FrameInfo::new()
        .block_size(lz4_flex::frame::BlockSize::Max64KB)
        .block_mode(lz4_flex::frame::BlockMode::Independent);
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(frame, Vec::new());
    encoder.write_all(bytes)?;
    if bytes.is_empty() {
        encoder.flush()?; // Without any write the frame would have no header.
    }
    let mut out = encoder.finish()?;
    let checksum_at = lz4_header_checksum_position(&out)?;
    if magic == 0 {
        out[checksum_at] = lz4_header_checksum(&out[..checksum_at]);
    }
    Ok(out)
}

fn decompress_lz4(bytes: &[u8], limit_bytes: usize) -> io::Result<Vec<u8>> {
    read_bounded(lz4_reader(bytes)?, limit_bytes)
}

fn lz4_reader(bytes: &[u8]) -> io::Result<impl Read + '_> {
    let checksum_at = lz4_header_checksum_position(bytes)?;
    let (header, rest) = bytes.split_at(checksum_at + 1);
    let mut header = header.to_vec();
    let (right, wrong) = (
        lz4_header_checksum(&header[LZ4_MAGIC.len()..checksum_at]),
        lz4_header_checksum(&header[..checksum_at]),
    );
    if header[checksum_at] == wrong {
        header[checksum_at] = right;
    }
    Ok(lz4_flex::frame::FrameDecoder::new(io::Cursor::new(header).chain(rest)))
}

/// Where the header's checksum stands: after magic number, two bytes of flags, and perhaps the size
/// of the content.
fn lz4_header_checksum_position(frame: &[u8]) -> io::Result<usize> {
    if !frame.starts_with(&LZ4_MAGIC) {
        return Err(invalid("no LZ4 frame"));
    }
    let flags = *frame.get(LZ4_MAGIC.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
    if flags & LZ4_FLAG_DICTIONARY != 0 {
        return Err(invalid("an LZ4 frame with a dictionary"));
    }
    let content_size_bytes = if flags & LZ4_FLAG_CONTENT_SIZE == 0 { 0 } else { 8 };
    let position = LZ4_MAGIC.len() + 2 + content_size_bytes;
    if frame.len() <= position {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(position)
}

fn lz4_header_checksum(bytes: &[u8]) -> u8 {
    (xx_hash_32_short(bytes) >> 8) as u8
}

/// xxHash, 32 bits, seed 0, for fewer than 16 bytes: the tail of the algorithm alone.
/// Little-endian by definition.
fn xx_hash_32_short(bytes: &[u8]) -> u32 {
    const PRIME_1: u32 = 0x9e37_79b1;
    const PRIME_2: u32 = 0x85eb_ca77;
    const PRIME_3: u32 = 0xc2b2_ae3d;
    const PRIME_4: u32 = 0x27d4_eb2f;
    const PRIME_5: u32 = 0x1656_67b1;
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

fn too_large(limit_bytes: usize) -> io::Error {
    let why = format!("it decompresses to more than {limit_bytes} bytes");
    io::Error::new(io::ErrorKind::FileTooLarge, why)
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that repeat only after 2^32 steps: nothing here compresses them.
    fn noise(size: usize) -> Vec<u8> {
        let mut state = 1u32;
        let next = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        std::iter::repeat_with(next).take(size).collect()
    }

    fn samples() -> Vec<Vec<u8>> {
        let text = b"one thing after another, ".repeat(20_000);
        vec![vec![], vec![1], noise(100), noise(200_000), text, vec![0; 32 * 1024], vec![9; 32769]]
    }

    #[test]
    fn every_codec_returns_what_it_was_given() {
        for codec in CompressionCodec::ALL {
            for magic in [0, 1, 2] {
                for sample in samples() {
                    let compressed = codec.compress(&sample, magic).unwrap();
                    let back = codec.decompress_bounded(&compressed, sample.len()).unwrap();
                    assert!(back == sample, "{} of {} bytes", codec.name(), sample.len());
                    let mut streamed = Vec::new();
                    codec.reader(&compressed).unwrap().read_to_end(&mut streamed).unwrap();
                    assert!(streamed == sample, "{} of {} bytes", codec.name(), sample.len());
                }
            }
        }
    }

    #[test]
    fn numbers_and_names_are_kafkas() {
        let names = ["none", "gzip", "snappy", "lz4", "zstd"];
        for (id, name) in names.into_iter().enumerate() {
            let codec = CompressionCodec::from_id(id as u8).unwrap();
            assert_eq!((codec.id() as usize, codec.name()), (id, name));
        }
        let error = CompressionCodec::from_id(5).unwrap_err();
        assert_eq!(error.code(), Errors::UnsupportedCompressionType);
    }

    #[test]
    fn more_than_the_limit_is_an_error_and_not_memory() {
        let bomb = vec![0; 8 * 1024 * 1024];
        for codec in CompressionCodec::ALL {
            let compressed = codec.compress(&bomb, 2).unwrap();
            assert!(codec.decompress_bounded(&compressed, bomb.len()).is_ok());
            for limit_bytes in [bomb.len() - 1, 1000, 0] {
                let error = codec.decompress_bounded(&compressed, limit_bytes).unwrap_err();
                assert_eq!(error.code(), Errors::RecordTooLarge, "{error}");
            }
        }
    }

    #[test]
    fn the_bound_of_conversions_is_64_mib_or_sixteen_fold() {
        let zeros = |mib: usize| vec![0; mib * 1024 * 1024];
        let fits = CompressionCodec::Zstd.compress(&zeros(64), 2).unwrap();
        assert!(CompressionCodec::Zstd.decompress(&fits).is_ok());
        let bomb = CompressionCodec::Zstd.compress(&zeros(65), 2).unwrap();
        assert!(CompressionCodec::Zstd.decompress(&bomb).is_err());
    }

    #[test]
    fn a_compressed_block_cut_short_never_gives_the_whole() {
        let sample = noise(70_000);
        for codec in CompressionCodec::ALL {
            let compressed = codec.compress(&sample, 2).unwrap();
            for end in [0, 1, 6, 20, compressed.len() / 2, compressed.len() - 5] {
                let result = codec.decompress_bounded(&compressed[..end], sample.len());
                assert!(result.is_err() || result.unwrap().len() < sample.len());
            }
        }
    }

    #[test]
    fn snappy_is_written_in_xerial_chunks_of_32_kib() {
        let compressed = CompressionCodec::Snappy.compress(&noise(70_000), 2).unwrap();
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
        let text = CompressionCodec::Snappy.decompress(&block).unwrap();
        assert_eq!(text, b"librdkafka writes it so");
    }

    #[test]
    fn a_snappy_block_that_declares_gigabytes_gets_nothing() {
        let lie = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, b'x'];
        assert!(CompressionCodec::Snappy.decompress(&lie).is_err());
        let mut xerial = [XERIAL_MAGIC, XERIAL_VERSIONS].concat();
        xerial.extend_from_slice(&[0xff; 4]);
        assert!(CompressionCodec::Snappy.decompress(&xerial).is_err());
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
        let [old, new, newer] =
            [0, 1, 2].map(|magic| CompressionCodec::Lz4.compress(b"text", magic).unwrap());
        assert_eq!(old[..7], [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x1a]);
        assert_eq!(new[..7], [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);
        assert_eq!(new, newer);
        assert_eq!(old[7..], new[7..]);
        assert!(old.ends_with(&[0; 4]), "the end mark");
        for frame in [&old, &new] {
            assert_eq!(CompressionCodec::Lz4.decompress(frame).unwrap(), b"text");
        }
        let mut neither = old.clone();
        neither[6] = 0x77;
        assert!(CompressionCodec::Lz4.decompress(&neither).is_err());
    }
}
