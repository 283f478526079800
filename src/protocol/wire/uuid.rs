//! Port of `org.apache.kafka.common.Uuid`: a topic's id on the wire.

use std::fmt;

use byteorder::{BigEndian, ByteOrder};

use crate::common::uuid::uuid_text;
use crate::protocol::wire::decode_error::DecodeError;
use crate::protocol::wire::types::{Reader, Version, WireType, Writer};

/// The name of a topic may be given to another later, its id never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// In a request that names its topic.
    pub const ZERO: Self = Self([0; 16]);
}

/// 22 characters of base64url, as Kafka writes it.
impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&uuid_text(&self.0))
    }
}

/// Two numbers of 64 bits, the most significant first.
impl WireType for Uuid {
    fn read(reader: &mut Reader<'_>, version: Version) -> Result<Self, DecodeError> {
        let mut id = [0; 16];
        for half in id.chunks_exact_mut(8) {
            BigEndian::write_i64(half, i64::read(reader, version)?);
        }
        Ok(Self(id))
    }

    fn write(&self, writer: &mut Writer<'_>, version: Version) {
        for half in self.0.chunks_exact(8) {
            BigEndian::read_i64(half).write(writer, version);
        }
    }

    fn size_min(_: Version) -> usize {
        16
    }
}
