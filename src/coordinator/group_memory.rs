//! In place of the heap, which alone bounds Kafka's coordinator: how much memory all groups hold, and
//! how much they may.
//!
//! What clients bring into groups stays for a session, or for as long as its offsets do, whether the
//! client is still connected or not. So it is held here before it is kept: what is refused costs
//! nothing, and what is kept gives its share back when it goes, wherever that happens, by being
//! dropped. A member that joins again with no more than it had asks for nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use log::{info, warn};

use crate::common::errors::Errors;
use crate::common::memory_limit::memory_limit_bytes;
use crate::config::limit::Limit;

/// The part of the memory of the process that groups may hold together, as a divisor: half of what
/// requests may take.
const MEMORY_SHARE: u64 = 8;
/// They may hold this much however little there is: some thousands of members.
const LIMIT_BYTES_MIN: usize = 16 << 20;
/// And this much if the system does not say what there is.
const LIMIT_BYTES_UNKNOWN: usize = 128 << 20;

/// How many times what its record may be a group may hold. A record has each member's metadata for
/// one protocol; the group has that for each protocol, of which clients name two or three, and the
/// ids that it has given away.
const RECORDS_PER_GROUP: usize = 8;

/// The most that a group may hold, however large its record may be: what its leader gets to read
/// stays far below the 2 GiB of a frame.
const GROUP_BYTES_MAX: usize = 1 << 30;

/// How much a group may hold whose record may have `record_bytes_max` bytes.
pub fn group_bytes_max(record_bytes_max: usize) -> usize {
    record_bytes_max.saturating_mul(RECORDS_PER_GROUP).min(GROUP_BYTES_MAX)
}

/// The memory of all groups.
pub struct GroupMemory {
    limit_bytes: usize,
    held_bytes: AtomicUsize,
    /// Whether something was refused, since when half of the memory has not been free.
    is_spent: AtomicBool,
}

impl GroupMemory {
    /// As `transferto.group.memory.max.bytes` sets it, or else a share of what the process may use.
    /// Logs how much it is.
    pub fn of_setting(set: Limit) -> Arc<Self> {
        let limit_bytes = limit_bytes(set.bytes(), memory_limit_bytes());
        info!(
            "consumer groups may hold {limit_bytes} bytes together \
             (transferto.group.memory.max.bytes={set})"
        );
        Self::new(limit_bytes)
    }

    /// Of which nothing is held.
    pub fn new(limit_bytes: usize) -> Arc<Self> {
        let (held_bytes, is_spent) = (AtomicUsize::new(0), AtomicBool::new(false));
        Arc::new(Self { limit_bytes, held_bytes, is_spent })
    }

    pub fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    pub fn held_bytes(&self) -> usize {
        self.held_bytes.load(Ordering::Relaxed)
    }

    /// Holds `bytes` more.
    ///
    /// # Errors
    /// `COORDINATOR_NOT_AVAILABLE`, upon which a client tries again, if that is above the limit.
    pub fn hold(self: &Arc<Self>, bytes: usize) -> Result<Held, Errors> {
        if bytes == 0 {
            return Ok(Held::default());
        }
        let within_limit =
            |held: usize| held.checked_add(bytes).filter(|sum| *sum <= self.limit_bytes);
        let held = self.held_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within_limit);
        held.map_err(|_| self.refuse())?;
        Ok(Held { memory: Some(Arc::clone(self)), bytes })
    }

    /// Tells the operator once, not for each client that is refused.
    fn refuse(&self) -> Errors {
        if !self.is_spent.swap(true, Ordering::Relaxed) {
            warn!(
                "consumer groups hold all of the {} bytes that they may: new members, groups and \
                 offsets are refused until some is given back \
                 (`transferto.group.memory.max.bytes` sets how much that is)",
                self.limit_bytes
            );
        }
        Errors::CoordinatorNotAvailable
    }

    fn give_back(&self, bytes: usize) {
        let before_bytes = self.held_bytes.fetch_sub(bytes, Ordering::Relaxed);
        if before_bytes - bytes < self.limit_bytes / 2 {
            self.is_spent.store(false, Ordering::Relaxed);
        }
    }

    /// Holds what the log has already: it is loaded whatever the limit, which was another one, or
    /// another broker's, when it was written.
    pub fn hold_stored(self: &Arc<Self>, bytes: usize) -> Held {
        self.held_bytes.fetch_add(bytes, Ordering::Relaxed);
        Held { memory: Some(Arc::clone(self)), bytes }
    }
}

fn limit_bytes(set_bytes: Option<u64>, memory_bytes: Option<u64>) -> usize {
    let saturated = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    match (set_bytes, memory_bytes) {
        (Some(bytes), _) => saturated(bytes),
        (None, Some(bytes)) => saturated(bytes / MEMORY_SHARE).max(LIMIT_BYTES_MIN),
        (None, None) => LIMIT_BYTES_UNKNOWN,
    }
}

/// A share of the memory, given back when it is dropped.
#[derive(Default)]
pub struct Held {
    /// None if it holds nothing.
    memory: Option<Arc<GroupMemory>>,
    bytes: usize,
}

impl Held {
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes over what `other` holds.
    pub fn absorb(&mut self, mut other: Self) {
        self.bytes += std::mem::take(&mut other.bytes);
        if self.memory.is_none() {
            self.memory = other.memory.take();
        }
    }

    /// Holds just `bytes`, be it above the limit: so much is kept already.
    pub fn settle_at(&mut self, bytes: usize) {
        self.shrink_to(bytes);
        if let Some(memory) = &self.memory {
            memory.held_bytes.fetch_add(bytes - self.bytes, Ordering::Relaxed);
            self.bytes = bytes;
        }
    }

    /// Gives back what is above `bytes`.
    pub fn shrink_to(&mut self, bytes: usize) {
        let surplus_bytes = self.bytes.saturating_sub(bytes);
        self.bytes -= surplus_bytes;
        if let Some(memory) = &self.memory {
            memory.give_back(surplus_bytes);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_never_above_the_limit_and_is_given_back_to_the_last_byte() {
        let memory = GroupMemory::new(100);
        let mut first = memory.hold(60).unwrap();
        assert_eq!(memory.hold(41).err(), Some(Errors::CoordinatorNotAvailable));
        assert_eq!(memory.hold(usize::MAX).err(), Some(Errors::CoordinatorNotAvailable));
        assert_eq!(memory.held_bytes(), 60, "what is refused costs nothing");
        first.absorb(memory.hold(40).unwrap());
        assert_eq!((first.bytes(), memory.held_bytes()), (100, 100));
        assert!(memory.hold(0).is_ok(), "whoever needs no more is never refused");
        first.shrink_to(30);
        first.shrink_to(50);
        assert_eq!((first.bytes(), memory.held_bytes()), (30, 30));
        first.settle_at(120);
        assert_eq!((first.bytes(), memory.held_bytes()), (120, 120));
        drop(first);
        assert_eq!(memory.held_bytes(), 0);
    }

    #[test]
    fn groups_hold_what_is_set_or_else_a_share_of_what_the_process_may_use() {
        assert_eq!(limit_bytes(Some(5), Some(16 << 30)), 5);
        assert_eq!(limit_bytes(None, Some(16 << 30)), 2 << 30);
        assert_eq!(limit_bytes(None, Some(256 << 20)), 32 << 20);
        assert_eq!(limit_bytes(None, Some(1)), 16 << 20);
        assert_eq!(limit_bytes(None, None), 128 << 20);
    }

    #[test]
    fn that_the_memory_is_spent_is_said_again_only_after_half_of_it_was_free() {
        let memory = GroupMemory::new(100);
        let mut held = memory.hold(100).unwrap();
        assert!(memory.hold(1).is_err() && memory.is_spent.load(Ordering::Relaxed));
        held.shrink_to(50);
        assert!(memory.is_spent.load(Ordering::Relaxed));
        held.shrink_to(49);
        assert!(!memory.is_spent.load(Ordering::Relaxed));
    }

    #[test]
    fn what_the_log_has_is_held_above_the_limit_and_others_wait_until_it_is_gone() {
        let memory = GroupMemory::new(100);
        let stored = memory.hold_stored(200);
        assert_eq!(memory.hold(1).err(), Some(Errors::CoordinatorNotAvailable));
        drop(stored);
        let mut nothing = Held::default();
        nothing.absorb(memory.hold(100).unwrap());
        assert_eq!(nothing.bytes(), 100);
    }

    #[test]
    fn threads_that_hold_at_once_stay_within_the_limit() {
        let memory = GroupMemory::new(1_000);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for bytes in 1..500 {
                        let held = memory.hold(bytes);
                        assert!(memory.held_bytes() <= 1_000);
                        drop(held);
                    }
                });
            }
        });
        assert_eq!(memory.held_bytes(), 0);
    }
}
