//! What `org.apache.kafka.common.protocol.types` lacks: a limit to the memory of one request.

use crate::common::memory_pool::{FREE_BYTES, MemoryDraw, Shortage, Stage};
use crate::protocol::wire::decode_error::Malformed;

/// How much memory the elements of all arrays of one frame may take together, in bytes.
///
/// An element that takes 1 byte on the wire may take 24 in memory, and arrays lie in arrays:
/// without a limit a frame of 100 MB would take 3.8 GB. This one has room for 300,000 partitions of
/// a fetch.
pub const ALLOWANCE_BYTES: usize = 16 * 1024 * 1024;
/// How much each byte of a frame may take, beside a little for every frame. A list of names of two
/// letters takes 8, other honest requests less.
pub const ALLOWANCE_PER_BYTE: usize = 16;
/// What is drawn for each byte of an element: itself, and what its handler makes of it. That is a
/// place in a table, and an element of the answer before that is encoded.
const BYTES_TO_HANDLE: usize = 8;

/// The memory that what is read from one frame may still take.
#[derive(Debug)]
pub struct Allowance<'a> {
    /// What is left of [`ALLOWANCE_BYTES`].
    left_bytes: usize,
    /// What has been spent, on elements, their handling and copies of strings.
    spent_bytes: usize,
    /// How much may be spent before the next draw.
    drawn_bytes: usize,
    /// `None`: nothing is drawn.
    memory: Option<&'a mut MemoryDraw>,
}

impl<'a> Allowance<'a> {
    /// For a frame that is not a client's.
    pub fn full() -> Self {
        Self { left_bytes: ALLOWANCE_BYTES, spent_bytes: 0, drawn_bytes: usize::MAX, memory: None }
    }

    /// The same for a frame of `frame_bytes`: a short one may not take what a long one may.
    pub(crate) fn of_frame(self, frame_bytes: usize) -> Self {
        let of_bytes = frame_bytes.saturating_mul(ALLOWANCE_PER_BYTE).saturating_add(FREE_BYTES);
        Self { left_bytes: self.left_bytes.min(of_bytes), ..self }
    }

    /// For a client's frame: everything that is spent is drawn for `memory`.
    pub fn drawn_by(memory: &'a mut MemoryDraw) -> Self {
        Self { drawn_bytes: FREE_BYTES, memory: Some(memory), ..Self::full() }
    }

    /// Charges `count` elements of `size_bytes` in memory, before they are reserved.
    ///
    /// # Errors
    /// `TooMuchMemory` if less is left; then nothing is taken. As [`copy`](Self::copy).
    pub fn spend(&mut self, count: usize, size_bytes: usize) -> Result<(), Malformed> {
        let needed = count.saturating_mul(size_bytes);
        let left = self.left_bytes;
        self.left_bytes =
            left.checked_sub(needed).ok_or(Malformed::TooMuchMemory { needed, left })?;
        self.copy(needed.saturating_mul(BYTES_TO_HANDLE))
    }

    /// Charges bytes that are copied as they are: the frame has paid for each with one of its own,
    /// so they come out of the pool only.
    ///
    /// # Errors
    /// `OutOfMemory` if the pool lacks them now, `TooMuchMemory` if it could lack them for ever:
    /// frames may not take what reading them needs.
    pub fn copy(&mut self, bytes: usize) -> Result<(), Malformed> {
        self.spent_bytes = self.spent_bytes.saturating_add(bytes);
        if self.spent_bytes <= self.drawn_bytes { Ok(()) } else { self.draw() }
    }

    fn draw(&mut self) -> Result<(), Malformed> {
        let Some(memory) = &mut self.memory else { return Ok(()) };
        let pool = memory.pool();
        let of_frames = pool.grant_max_bytes(Stage::Receive);
        let left = pool.grant_max_bytes(Stage::Decode).saturating_sub(of_frames);
        let needed = self.spent_bytes.next_multiple_of(FREE_BYTES);
        if needed > left {
            return Err(Malformed::TooMuchMemory { needed, left });
        }
        memory.grow_to(needed, Stage::Decode).map_err(Malformed::OutOfMemory)?;
        self.drawn_bytes = needed;
        Ok(())
    }
}

/// What the system did not grant, although the pool did.
pub(crate) fn refused_by_system(bytes: usize) -> Malformed {
    Malformed::OutOfMemory(Shortage::of_system(bytes, Stage::Decode))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::memory_pool::MemoryPool;

    #[test]
    fn what_is_spent_is_drawn_in_steps_and_the_first_is_free() {
        let pool = MemoryPool::for_frames_of(1 << 20);
        let mut memory = MemoryDraw::new(&pool);
        let mut allowance = Allowance::drawn_by(&mut memory);
        allowance.copy(FREE_BYTES).unwrap();
        assert_eq!(pool.drawn_bytes(), 0);
        allowance.copy(1).unwrap();
        assert_eq!(pool.drawn_bytes(), 2 * FREE_BYTES);
        allowance.spend(10, 1_000).unwrap();
        let to_handle = FREE_BYTES + 1 + 10 * 1_000 * BYTES_TO_HANDLE;
        assert_eq!(pool.drawn_bytes(), to_handle.next_multiple_of(FREE_BYTES));
        drop(memory);
        assert_eq!(pool.drawn_bytes(), 0);
    }

    #[test]
    fn a_pool_that_is_spent_is_no_fault_of_the_frame() {
        let pool = MemoryPool::for_frames_of(1 << 20);
        let (mut hog, mut memory) = (MemoryDraw::new(&pool), MemoryDraw::new(&pool));
        hog.grow_to(pool.grant_max_bytes(Stage::Decode), Stage::Decode).unwrap();
        let shortage = match Allowance::drawn_by(&mut memory).copy(100_000) {
            Err(Malformed::OutOfMemory(shortage)) => shortage,
            other => panic!("{other:?}"),
        };
        assert!(!pool.has_room(shortage));
        drop(hog);
        assert!(pool.has_room(shortage));
        Allowance::drawn_by(&mut memory).copy(100_000).unwrap();
    }

    /// Or a pool full of such frames would wait for itself.
    #[test]
    fn a_request_that_needs_more_than_frames_leave_free_is_refused() {
        let pool = MemoryPool::for_frames_of(1 << 20);
        let mut memory = MemoryDraw::new(&pool);
        let refused = Allowance::drawn_by(&mut memory).copy(1 << 20);
        assert!(matches!(refused, Err(Malformed::TooMuchMemory { .. })), "{refused:?}");
        Allowance::drawn_by(&mut memory).copy((1 << 19) - FREE_BYTES).unwrap();
    }
}
