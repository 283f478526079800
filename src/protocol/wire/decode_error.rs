//! Port of `org.apache.kafka.common.protocol.types.SchemaException`: why bytes are not a message.

use std::fmt;

use crate::common::memory_pool::Shortage;

/// Why bytes are not the message they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// Message and field, for example `FetchTopic.partitions`.
    pub field: &'static str,
    /// Where in the frame, in bytes.
    pub position: usize,
    pub what: Malformed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The frame ends before the value does.
    Truncated {
        /// Bytes that the value needs, as far as its own length says.
        needed: u64,
        /// Bytes that are left.
        remaining: usize,
    },
    /// A length or count below zero that does not stand for null.
    NegativeLength(i32),
    /// An array of more elements than the rest of the frame can hold.
    CountTooLarge {
        /// As announced.
        count: u64,
        /// Bytes that are left.
        remaining: usize,
    },
    /// Arrays that would take more memory than one frame may have.
    TooMuchMemory {
        /// Bytes of memory that the next array needs.
        needed: usize,
        /// Bytes of memory that the arrays before it have left over.
        left: usize,
    },
    /// Nothing is wrong with the bytes: they can be read when there is memory for it.
    OutOfMemory(Shortage),
    /// Null where the protocol allows none.
    Null,
    /// A varint longer than 5 bytes or above 32 bits.
    VarintTooLong,
    UnknownApiKey(i16),
    UnsupportedVersion {
        api: &'static str,
        version: i16,
    },
}

impl DecodeError {
    /// Names `field`, unless the error has a field already: the innermost one says most.
    pub(crate) fn in_field(self, field: &'static str) -> Self {
        if self.field.is_empty() { Self { field, ..self } } else { self }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, position, what } = self;
        write!(f, "{field} at byte {position}: ")?;
        match what {
            Malformed::Truncated { needed, remaining } => {
                write!(f, "{needed} bytes needed, {remaining} left")
            }
            Malformed::NegativeLength(length) => write!(f, "the length {length} is negative"),
            Malformed::CountTooLarge { count, remaining } => {
                write!(f, "{count} elements cannot lie in the {remaining} bytes left")
            }
            Malformed::TooMuchMemory { needed, left } => {
                write!(f, "{needed} bytes of memory needed, {left} left of a request's allowance")
            }
            Malformed::OutOfMemory(shortage) => write!(f, "{shortage}"),
            Malformed::Null => write!(f, "null is not allowed"),
            Malformed::VarintTooLong => write!(f, "the varint is longer than 32 bits"),
            Malformed::UnknownApiKey(key) => write!(f, "the API key {key} is unknown"),
            Malformed::UnsupportedVersion { api, version } => {
                write!(f, "version {version} of {api} is not supported")
            }
        }
    }
}

impl std::error::Error for DecodeError {}
