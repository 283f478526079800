//! In place of the buffers that `kafka.message` takes from Java's heap, whose end is an error of one
//! request there: bytes of which a client decides how many come.

use std::io;
use std::ops::Deref;

use crate::common::memory_pool::{MemoryDraw, Stage};

/// What a codec makes of a batch, or a conversion of its records: it grows by what comes, and each
/// time draws from the pool of the thread first.
#[derive(Debug)]
pub struct DrawnBytes {
    bytes: Vec<u8>,
    memory: MemoryDraw,
}

impl DrawnBytes {
    pub fn new() -> Self {
        Self { bytes: Vec::new(), memory: MemoryDraw::of_this_thread() }
    }

    /// Makes room for `more_bytes`, or for twice of what there is, as a `Vec` does: many small
    /// additions are few draws.
    ///
    /// # Errors
    /// `OutOfMemory` if the pool, or the system, does not have them now.
    pub fn reserve(&mut self, more_bytes: usize) -> io::Result<()> {
        match self.bytes.capacity() - self.bytes.len() {
            free if free >= more_bytes => Ok(()),
            free => self.reserve_exact(more_bytes.max(free + self.bytes.capacity())),
        }
    }

    /// Makes room for `more_bytes` and no more.
    ///
    /// # Errors
    /// Those of [`reserve`](Self::reserve).
    pub fn reserve_exact(&mut self, more_bytes: usize) -> io::Result<()> {
        let size = self.bytes.len().saturating_add(more_bytes);
        let drawn = self.memory.grow_to(size, Stage::Answer);
        drawn.map_err(|shortage| io::Error::new(io::ErrorKind::OutOfMemory, shortage))?;
        Ok(self.bytes.try_reserve_exact(more_bytes)?)
    }

    /// To write into the room that was [reserved](Self::reserve).
    pub fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The bytes for an owner that soon drops them, or draws for them.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Default for DrawnBytes {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for DrawnBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::memory_pool::MemoryPool;

    #[test]
    fn what_grows_is_drawn_from_the_pool_of_the_thread_and_goes_back() {
        let pool = MemoryPool::new(8 << 20);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                pool.serve_this_thread();
                let mut bytes = DrawnBytes::new();
                bytes.reserve(1 << 20).unwrap();
                bytes.bytes_mut().resize(1 << 20, 7);
                assert_eq!(pool.drawn_bytes(), 1 << 20);
                bytes.reserve(1).unwrap();
                assert_eq!(pool.drawn_bytes(), 2 << 20);
                let error = bytes.reserve(8 << 20).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
                assert_eq!((bytes.len(), pool.drawn_bytes()), (1 << 20, 2 << 20));
                drop(bytes);
                assert_eq!(pool.drawn_bytes(), 0);
            });
        });
        let mut unbounded = DrawnBytes::new();
        unbounded.reserve(16 << 20).unwrap();
        assert_eq!(pool.drawn_bytes(), 0, "another thread has nothing to do with it");
    }
}
