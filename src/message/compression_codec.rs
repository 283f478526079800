//! Port of `kafka.message.CompressionCodec` and `CompressionFactory`: the codecs, both ways.
//!
//! A batch on its way through the broker stays compressed. Conversions between formats come here,
//! and checks of what is in a batch. The containers are those of the Java clients: a gzip stream,
//! snappy in xerial chunks, an LZ4 frame, a zstd frame.

use std::io;
use std::io::{BufRead, BufReader, Write};

use crate::common::errors::{Errors, KafkaError};
use crate::message::decompression_limit::{decompression_bound, read_bounded};
use crate::message::drawn_bytes::DrawnBytes;
use crate::message::lz4_frame::{compress_lz4, lz4_reader};
use crate::message::xerial_snappy::{SnappyReader, compress_snappy, decompress_snappy};

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
    pub fn decompress(self, bytes: &[u8]) -> Result<DrawnBytes, KafkaError> {
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
    ) -> Result<DrawnBytes, KafkaError> {
        let decompressed = match self {
            Self::None => read_bounded(bytes, limit_bytes),
            // Java's reader, too, takes several members one after another.
            Self::Gzip => read_bounded(flate2::read::MultiGzDecoder::new(bytes), limit_bytes),
            Self::Snappy => decompress_snappy(bytes, limit_bytes),
            Self::Lz4 => lz4_reader(bytes).and_then(|frame| read_bounded(frame, limit_bytes)),
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
        io::ErrorKind::OutOfMemory => KafkaError::out_of_memory(),
        _ => KafkaError::Undecodable(why),
    }
}

/// A negative level is zlib's own default.
fn compress_gzip(bytes: &[u8], level: Option<i32>) -> io::Result<Vec<u8>> {
    let level = level.and_then(|it| u32::try_from(it).ok()).map(flate2::Compression::new);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level.unwrap_or_default());
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

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
                    assert!(*back == *sample, "{} of {} bytes", codec.name(), sample.len());
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
}
