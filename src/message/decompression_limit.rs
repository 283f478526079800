//! How much may come out of compressed bytes, of which a few can stand for gigabytes.

use std::io;
use std::io::Read;

use crate::message::drawn_bytes::DrawnBytes;

/// 64 times the default `message.max.bytes`.
const DECOMPRESSED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What is read at first; then as much as there is already.
const READ_BYTES_MIN: usize = 32 * 1024;
/// A sender of more than 4 MiB has paid for more memory.
const DECOMPRESSED_RATIO_MAX: usize = 16;

/// What conversions let `compressed_bytes` become: 64 MiB, or sixteen times their number if that is
/// more. A bomb of 1 MB then costs a handler thread 64 MiB at most, and an honest message that
/// large is more than any client of these formats makes.
pub const fn decompression_bound(compressed_bytes: usize) -> usize {
    let by_ratio = compressed_bytes.saturating_mul(DECOMPRESSED_RATIO_MAX);
    if by_ratio > DECOMPRESSED_BYTES_MAX { by_ratio } else { DECOMPRESSED_BYTES_MAX }
}

/// Reads all of `source`, and fails when more than `limit_bytes` come, or more than there is memory
/// for.
pub(crate) fn read_bounded(source: impl Read, limit_bytes: usize) -> io::Result<DrawnBytes> {
    let mut source = source.take(limit_bytes as u64 + 1);
    let mut out = DrawnBytes::new();
    loop {
        let room = out.len().max(READ_BYTES_MIN).min(limit_bytes.saturating_add(1) - out.len());
        out.reserve_exact(room)?;
        let taken = source.by_ref().take(room as u64).read_to_end(out.bytes_mut())?;
        if out.len() > limit_bytes {
            return Err(too_large(limit_bytes));
        }
        if taken < room {
            return Ok(out);
        }
    }
}

/// The error of a codec that would give more than `limit_bytes`.
pub(crate) fn too_large(limit_bytes: usize) -> io::Error {
    let why = format!("it decompresses to more than {limit_bytes} bytes");
    io::Error::new(io::ErrorKind::FileTooLarge, why)
}
