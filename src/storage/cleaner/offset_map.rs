//! Port of `kafka.log.SkimpyOffsetMap`: from the keys of messages to their last offsets, in 24
//! bytes per key however long the keys are.
//!
//! A key is known by its hash of 128 bits alone: two keys that shared it would count as one, and the
//! older message would be lost. At 2^32 keys the chance of that is about one in 2^65, and it cannot
//! be provoked, for the hash has a secret drawn for each map (Kafka takes MD5, for which collisions
//! can be made).

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use crate::common::units::Offset;
/// Two halves of a hash, and the offset plus 1. All zeros is a free slot: such memory comes from
/// the system untouched, and costs nothing until it is written.
type Slot = [u64; 3];

/// The memory that a key takes.
pub const SLOT_BYTES: usize = size_of::<Slot>();

/// The map of one pass.
///
/// Invariants: `length <= length_max < slots.len()`, so a search always ends at a free slot; an
/// entry stands between the slot that its hash names and the next free one.
pub struct OffsetMap {
    slots: Vec<Slot>,
    length: usize,
    length_max: usize,
    secrets: [RandomState; 2],
}

impl OffsetMap {
    /// A map for `length_max` keys at least 1, in slots of which the share `load_factor` will be
    /// full at most.
    pub fn new(length_max: usize, load_factor: f64) -> Self {
        let length_max = length_max.max(1);
        let slots = (length_max as f64 / load_factor.clamp(0.01, 1.0)) as usize;
        Self {
            slots: vec![[0; 3]; slots.max(length_max + 1)],
            length: 0,
            length_max,
            secrets: [RandomState::new(), RandomState::new()],
        }
    }

    /// How many keys fit into `bytes` of memory.
    pub fn length_max_in(bytes: usize, load_factor: f64) -> usize {
        let slots = bytes / SLOT_BYTES;
        let length_max = (slots as f64 * load_factor.clamp(0.01, 1.0)) as usize;
        length_max.clamp(1, slots.saturating_sub(1).max(1))
    }

    /// Notes that the last message with `key` is the one at `offset`. Returns whether there was room:
    /// a full map takes no new key.
    ///
    /// # Panics
    /// If the offset is negative: no message has one.
    pub fn put(&mut self, key: &[u8], offset: Offset) -> bool {
        let number = u64::try_from(offset.0).expect("offsets are not negative") + 1;
        let hash = self.hash(key);
        let slot = self.find(hash);
        if self.slots[slot][2] == 0 {
            if self.length == self.length_max {
                return false;
            }
            self.length += 1;
        }
        self.slots[slot] = [hash[0], hash[1], number];
        true
    }

    /// The last offset that was put for `key`.
    pub fn get(&self, key: &[u8]) -> Option<Offset> {
        let number = self.slots[self.find(self.hash(key))][2];
        let offset = number.checked_sub(1)?;
        Some(Offset(i64::try_from(offset).expect("it was made of an i64")))
    }

    /// In keys.
    pub fn length(&self) -> usize {
        self.length
    }

    /// In keys.
    pub fn length_max(&self) -> usize {
        self.length_max
    }

    /// The slot of the key with this hash, or the free one that it would get.
    ///
    /// Linear probing: with nine of ten slots full, a search for a key that is not there looks at
    /// some fifty of them, but they lie side by side. Double hashing would look at ten, each in a
    /// cache line of its own.
    fn find(&self, hash: [u64; 2]) -> usize {
        // The high bits of the product name a slot: a division without the division.
        let mut slot = ((u128::from(hash[0]) * self.slots.len() as u128) >> 64) as usize;
        while self.slots[slot][2] != 0 && self.slots[slot][..2] != hash {
            slot = if slot + 1 == self.slots.len() { 0 } else { slot + 1 };
        }
        slot
    }

    fn hash(&self, key: &[u8]) -> [u64; 2] {
        self.secrets.each_ref().map(|secret| {
            let mut hasher = secret.build_hasher();
            hasher.write(key);
            hasher.finish()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: i64) -> Vec<u8> {
        format!("key {number}").into_bytes()
    }

    /// Port of `OffsetMapTest.testBasicValidation`.
    #[test]
    fn each_key_has_the_offset_that_was_put_last() {
        for count in [10, 100, 1000, 5000] {
            let mut map = OffsetMap::new(count as usize, 0.9);
            for number in 0..count {
                assert!(map.put(&key(number), Offset(number)));
            }
            for number in 0..count {
                assert_eq!(map.get(&key(number)), Some(Offset(number)));
                assert!(map.put(&key(number), Offset(number + count)), "a full map knows its keys");
            }
            for number in 0..count {
                assert_eq!(map.get(&key(number)), Some(Offset(number + count)));
                assert_eq!(map.get(&key(number + count)), None);
            }
        }
    }

    #[test]
    fn a_full_map_takes_no_new_key_and_keeps_the_old_ones() {
        for load_factor in [0.0, 0.5, 0.9, 1.0] {
            let mut map = OffsetMap::new(3, load_factor);
            assert!((0..3).all(|number| map.put(&key(number), Offset(number))));
            assert!(!map.put(&key(3), Offset(3)));
            assert_eq!((map.length(), map.length_max()), (3, 3));
            assert_eq!(
                [0, 2, 3].map(|number| map.get(&key(number)).map(|it| it.0)),
                [Some(0), Some(2), None]
            );
        }
    }

    #[test]
    fn the_empty_key_and_offset_0_are_like_any_other() {
        let mut map = OffsetMap::new(0, 0.9);
        assert_eq!(map.get(b""), None);
        assert!(map.put(b"", Offset(0)));
        assert_eq!(map.get(b""), Some(Offset(0)));
        assert!(map.put(b"", Offset(i64::MAX - 1)));
        assert_eq!(map.get(b""), Some(Offset(i64::MAX - 1)));
    }

    #[test]
    fn a_map_takes_no_more_memory_than_it_is_given() {
        for bytes in [100, 1000, 1_048_576, 134_217_728] {
            for load_factor in [0.5, 0.9, 1.0] {
                let map = OffsetMap::new(OffsetMap::length_max_in(bytes, load_factor), load_factor);
                assert!(map.slots.len() * SLOT_BYTES <= bytes, "{bytes} at {load_factor}");
                let full = map.length_max() as f64 / (bytes / SLOT_BYTES) as f64;
                assert!(full <= load_factor && map.length_max() < map.slots.len());
            }
        }
    }
}
