//! Not in Kafka: the size at which a queue is purged of what clients that are gone have left in it.

/// With fewer entries a queue is not worth the look at each.
pub const PURGE_SIZE_MIN: usize = 1000;

/// Twice what the last purge has left: so a queue has at most about twice as many entries as there
/// are clients, and each entry that comes pays for the look at two.
#[derive(Default)]
pub struct PurgeSize {
    /// 0 before the first purge.
    doubled: usize,
}

impl PurgeSize {
    /// Whether a queue of so many entries is to be purged.
    pub fn is_reached(&self, entries: usize) -> bool {
        entries >= self.doubled.max(PURGE_SIZE_MIN)
    }

    /// A purge has left so many entries.
    pub fn set(&mut self, entries_left: usize) {
        self.doubled = entries_left.saturating_mul(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_purged_when_it_has_doubled_and_is_not_short() {
        let mut size = PurgeSize::default();
        assert_eq!([999, 1000].map(|entries| size.is_reached(entries)), [false, true]);
        size.set(700);
        assert_eq!([1399, 1400].map(|entries| size.is_reached(entries)), [false, true]);
        size.set(0);
        assert!(size.is_reached(1000));
    }
}
