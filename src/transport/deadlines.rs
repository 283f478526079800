//! Not in Kafka: by when a connection has to have come to something.

use std::collections::BTreeSet;

use crate::transport::connection_id::ConnectionId;

/// The connections that have a deadline, the first first. Times are milliseconds of the monotonic
/// clock.
///
/// Each connection has one at most, which its owner keeps beside it, so that no entry outlives its
/// purpose.
#[derive(Debug, Default)]
pub struct Deadlines {
    by_due: BTreeSet<(i64, ConnectionId)>,
}

impl Deadlines {
    /// The deadline of this connection, which was `kept_ms`, is `due_ms` from now on.
    pub fn set(&mut self, id: ConnectionId, kept_ms: &mut Option<i64>, due_ms: Option<i64>) {
        if let Some(before_ms) = kept_ms.take() {
            let was_there = self.by_due.remove(&(before_ms, id));
            debug_assert!(was_there, "what is kept is entered");
        }
        self.by_due.extend(due_ms.map(|due_ms| (due_ms, id)));
        *kept_ms = due_ms;
    }

    /// The earliest.
    pub fn first_ms(&self) -> Option<i64> {
        self.by_due.first().map(|(due_ms, _)| *due_ms)
    }

    /// The first connection whose deadline has come. It stays entered.
    pub fn due(&self, now_ms: i64) -> Option<ConnectionId> {
        let (due_ms, id) = self.by_due.first()?;
        (*due_ms <= now_ms).then_some(*id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_has_one_deadline_and_the_last_counts() {
        let mut deadlines = Deadlines::default();
        let (a, b) = (ConnectionId::new(0, 0, 0), ConnectionId::new(0, 1, 1));
        let (mut of_a, mut of_b) = (None, None);
        deadlines.set(a, &mut of_a, Some(10));
        deadlines.set(b, &mut of_b, Some(20));
        assert_eq!(
            (deadlines.first_ms(), deadlines.due(9), deadlines.due(10)),
            (Some(10), None, Some(a))
        );
        deadlines.set(a, &mut of_a, Some(30));
        assert_eq!((deadlines.due(30), of_a), (Some(b), Some(30)));
        deadlines.set(b, &mut of_b, None);
        assert_eq!((deadlines.due(30), of_b), (Some(a), None));
        deadlines.set(a, &mut of_a, None);
        assert_eq!((deadlines.first_ms(), deadlines.due(i64::MAX)), (None, None));
    }
}
