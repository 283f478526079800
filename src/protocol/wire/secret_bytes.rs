//! Bytes that a message carries and nobody is to see.

use std::fmt;

use crate::protocol::wire::decode_error::DecodeError;
use crate::protocol::wire::types::{Reader, Version, WireType, Writer};

/// Bytes as any others on the wire; a trace of the message shows how many they are.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretBytes(pub Vec<u8>);

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} hidden bytes]", self.0.len())
    }
}

impl WireType for SecretBytes {
    fn read(reader: &mut Reader<'_>, version: Version) -> Result<Self, DecodeError> {
        Vec::<u8>::read(reader, version).map(Self)
    }

    fn write(&self, writer: &mut Writer<'_>, version: Version) {
        self.0.write(writer, version);
    }

    fn size_min(version: Version) -> usize {
        Vec::<u8>::size_min(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let secret = SecretBytes(b"pencil".to_vec());
        assert_eq!(format!("{secret:?}"), "[6 hidden bytes]");
    }
}
