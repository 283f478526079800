//! Port of the LRU map of `org.apache.kafka.common.network.Selector`: which connections have been
//! idle for too long.

use std::collections::BTreeSet;

use crate::transport::connection_id::ConnectionId;

/// The connections in the order of their last activity. Times are milliseconds of the monotonic
/// clock.
///
/// A connection is entered when it is registered (Kafka 0.9 entered it at its first event, so that
/// one that never said anything was never closed: KAFKA-7453), and all that have expired are found
/// in one go (Kafka closed one per poll).
#[derive(Debug)]
pub struct IdleExpiry {
    max_idle_ms: Option<i64>,
    by_last_active: BTreeSet<(i64, ConnectionId)>,
}

impl IdleExpiry {
    /// Connections expire after more than `max_idle_ms` without activity; without it,
    /// never.
    pub fn new(max_idle_ms: Option<i64>) -> Self {
        Self { max_idle_ms, by_last_active: BTreeSet::new() }
    }

    pub fn enter(&mut self, id: ConnectionId, now_ms: i64) {
        self.by_last_active.insert((now_ms, id));
    }

    /// The connection that was last active at `last_active_ms` is active now.
    pub fn touch(&mut self, id: ConnectionId, last_active_ms: i64, now_ms: i64) {
        if now_ms != last_active_ms {
            self.leave(id, last_active_ms);
            self.enter(id, now_ms);
        }
    }

    /// The connection that was last active at `last_active_ms` ends.
    pub fn leave(&mut self, id: ConnectionId, last_active_ms: i64) {
        let was_there = self.by_last_active.remove(&(last_active_ms, id));
        debug_assert!(was_there, "every open connection is entered once");
    }

    /// The connection that has been idle longest, if that is too long. It stays entered until
    /// [`leave`](Self::leave).
    pub fn expired(&self, now_ms: i64) -> Option<ConnectionId> {
        let (last_active_ms, id) = self.by_last_active.first()?;
        let is_expired = self.max_idle_ms.is_some_and(|max_ms| now_ms - last_active_ms > max_ms);
        is_expired.then_some(*id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_idle_expires_first_and_activity_puts_it_off() {
        let mut idle = IdleExpiry::new(Some(100));
        let (a, b) = (ConnectionId::new(0, 0, 0), ConnectionId::new(0, 1, 1));
        idle.enter(a, 0);
        idle.enter(b, 50);
        assert_eq!(idle.expired(100), None);
        assert_eq!(idle.expired(101), Some(a));
        idle.touch(a, 0, 101);
        assert_eq!(idle.expired(151), Some(b));
        idle.leave(b, 50);
        assert_eq!(idle.expired(201), None);
        assert_eq!(idle.expired(202), Some(a));
    }

    #[test]
    fn a_negative_time_never_expires() {
        let mut idle = IdleExpiry::new(None);
        idle.enter(ConnectionId::new(0, 0, 0), 0);
        assert_eq!(idle.expired(i64::MAX), None);
    }
}
