//! Port of `kafka.message.MessageSet`: messages one after another, in a file or in memory, that can
//! write themselves.

use std::io;

use crate::transport::transport_layer::TransportLayer;

/// i64, the offset field of an entry. In a record batch it is the base offset, the offset of the
/// first record.
pub const OFFSET_OFFSET: usize = 0;
pub const OFFSET_LENGTH: usize = 8;
/// i32, the size field of an entry: how many bytes follow it.
pub const SIZE_OFFSET: usize = OFFSET_OFFSET + OFFSET_LENGTH;
pub const SIZE_LENGTH: usize = 4;
/// What stands before every entry, whatever its magic: offset and size. The only bytes a fetch ever
/// reads.
pub const LOG_OVERHEAD: usize = SIZE_OFFSET + SIZE_LENGTH;
/// The magic byte has the same place in all formats: after a CRC (magic 0, 1) or a leader epoch
/// (magic 2).
pub const MAGIC_OFFSET: usize = LOG_OVERHEAD + 4;

/// Where a message set is written to: the two branches of `FileMessageSet.writeTo`.
pub enum Destination<'a> {
    /// A connection: a file goes there by `sendfile(2)`.
    TransportLayer(&'a mut dyn TransportLayer),
    /// Anything else that takes bytes: they are copied.
    Channel(&'a mut dyn io::Write),
}

/// A run of messages of known size.
pub trait MessageSet: std::marker::Send + Sync {
    fn size_in_bytes(&self) -> usize;

    /// Writes at most `size` bytes, from `write_position` within the set on, and returns how many
    /// were taken.
    ///
    /// Never waits, and never asks a socket again that has taken nothing: a full one is the caller's
    /// business (KAFKA-3996). A transport may take several calls to move the bytes.
    ///
    /// # Errors
    /// `WouldBlock` if the destination takes nothing now; `UnexpectedEof` if the file under the set
    /// has become shorter than the set; whatever the operating system reports otherwise.
    fn write_to(
        &self,
        destination: Destination<'_>,
        write_position: usize,
        size: usize,
    ) -> io::Result<usize>;
}
