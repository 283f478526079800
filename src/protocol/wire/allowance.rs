//! What `org.apache.kafka.common.protocol.types` lacks: a limit to the memory of one request.

use crate::protocol::wire::decode_error::Malformed;

/// How much memory the elements of all arrays of one frame may take together, in bytes.
///
/// An element that takes 1 byte on the wire may take 24 in memory, and arrays lie in arrays:
/// without a limit a frame of 100 MB would take 3.8 GB. This one has room for 1.6 million partitions
/// of a fetch.
pub const ALLOWANCE_BYTES: usize = 64 * 1024 * 1024;

/// What is left of [`ALLOWANCE_BYTES`].
#[derive(Debug)]
pub struct Allowance {
    left_bytes: usize,
}

impl Allowance {
    pub fn full() -> Self {
        Self { left_bytes: ALLOWANCE_BYTES }
    }

    /// Charges `count` elements of `size_bytes` in memory, before they are reserved.
    ///
    /// # Errors
    /// `TooMuchMemory` if less is left; then nothing is taken.
    pub fn spend(&mut self, count: usize, size_bytes: usize) -> Result<(), Malformed> {
        let needed = count.saturating_mul(size_bytes);
        let left = self.left_bytes;
        self.left_bytes =
            left.checked_sub(needed).ok_or(Malformed::TooMuchMemory { needed, left })?;
        Ok(())
    }
}
