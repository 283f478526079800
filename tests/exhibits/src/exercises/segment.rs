//! The entries of a segment, or of what a fetch has brought, by their heads.

/// A record batch, or an older message, that is there as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The base offset of a batch.
    pub(crate) offset: i64,
    /// Of its first byte.
    pub(crate) position: i64,
    /// With the head.
    pub(crate) size_bytes: i64,
}

/// An offset and a size.
const HEAD_BYTES: usize = 12;

impl Entry {
    /// All whole entries; what is cut off at the end is left out.
    pub(crate) fn all_of(bytes: &[u8]) -> Vec<Self> {
        let (mut entries, mut position) = (Vec::new(), 0);
        while let Some(head) = bytes.get(position..position + HEAD_BYTES) {
            let offset = i64::from_be_bytes(head[..8].try_into().unwrap_or_default());
            let size = u32::from_be_bytes(head[8..].try_into().unwrap_or_default());
            let size_bytes = HEAD_BYTES + size as usize;
            if position + size_bytes > bytes.len() {
                break;
            }
            entries.push(Self { offset, position: position as i64, size_bytes: size_bytes as i64 });
            position += size_bytes;
        }
        entries
    }
}
