//! In place of the choice between `SimpleMemoryPool` and `MemoryPool.NONE` in
//! `kafka.network.SocketServer`: how much memory requests may take together.

use std::sync::Arc;

use log::info;

use crate::common::memory_limit::memory_limit_bytes;
use crate::common::memory_pool::{MemoryPool, Stage};
use crate::common::sys;
use crate::config::limit::Limit;

/// The part of the memory of the process that requests may take together, as a divisor.
const MEMORY_SHARE: u64 = 4;
/// They may take this much however little there is, or nobody could be served.
const POOL_BYTES_MIN: usize = 32 << 20;
/// And this much if the system does not say what there is.
const POOL_BYTES_UNKNOWN: usize = 256 << 20;
/// A flood of less is not worth the look at every heap.
const RELEASED_BYTES_MIN: usize = 16 << 20;

/// The memory of all requests, as `queued.max.request.bytes` sets it, or else a share of what the
/// process may use. Logs how much it is.
pub(crate) fn request_memory(queued_max_request_bytes: Limit) -> Arc<MemoryPool> {
    let pool = pool(queued_max_request_bytes.bytes(), memory_limit_bytes());
    info!(
        "requests of more than 64 KiB may take {} bytes together while they arrive, and everything \
         that is done for requests may take {} bytes \
         (queued.max.request.bytes={queued_max_request_bytes})",
        pool.grant_max_bytes(Stage::Receive),
        pool.size_bytes()
    );
    pool
}

fn pool(set_bytes: Option<u64>, memory_bytes: Option<u64>) -> Arc<MemoryPool> {
    let saturated = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    match (set_bytes, memory_bytes) {
        (Some(bytes), _) => MemoryPool::for_frames_of(saturated(bytes)),
        (None, Some(bytes)) => MemoryPool::new(saturated(bytes / MEMORY_SHARE).max(POOL_BYTES_MIN)),
        (None, None) => MemoryPool::new(POOL_BYTES_UNKNOWN),
    }
}

/// Looks for the end of a flood, after which the allocator keeps what nobody needs.
pub struct MemoryRelease {
    pool: Arc<MemoryPool>,
    /// The most that requests took at one time since memory was released last.
    highest_bytes: usize,
}

impl MemoryRelease {
    /// How often to look.
    pub const INTERVAL_MS: i64 = 5_000;

    pub fn new(pool: Arc<MemoryPool>) -> Self {
        Self { pool, highest_bytes: 0 }
    }

    /// Gives free memory back to the system if requests took much and now take little.
    pub fn check(&mut self) {
        if self.is_due() {
            sys::release_free_memory();
        }
    }

    fn is_due(&mut self) -> bool {
        let recent_bytes = self.pool.take_peak_bytes();
        self.highest_bytes = self.highest_bytes.max(recent_bytes);
        let is_due =
            self.highest_bytes >= RELEASED_BYTES_MIN && recent_bytes <= self.highest_bytes / 2;
        if is_due {
            self.highest_bytes = recent_bytes;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::memory_pool::MemoryDraw;

    #[test]
    fn what_is_set_goes_before_what_there_is_and_little_is_not_nothing() {
        let frames = |set, there| pool(set, there).grant_max_bytes(Stage::Receive);
        assert!(frames(Some(100 << 20), Some(1 << 20)) >= 100 << 20);
        assert_eq!(frames(None, Some(16 << 30)), 3 << 29);
        assert_eq!(frames(None, Some(1)), 12 << 20);
        assert_eq!(frames(None, None), 96 << 20);
    }

    #[test]
    fn memory_is_released_once_after_a_flood_and_not_in_it() {
        let pool = MemoryPool::for_frames_of(100 << 20);
        let mut release = MemoryRelease::new(Arc::clone(&pool));
        let mut draw = MemoryDraw::new(&pool);
        assert!(!release.is_due());
        draw.grow_to(RELEASED_BYTES_MIN, Stage::Receive).unwrap();
        assert!(!release.is_due());
        drop(draw);
        assert!(!release.is_due(), "the flood was in the last interval, too");
        assert!(release.is_due());
        assert!(!release.is_due());
    }
}
