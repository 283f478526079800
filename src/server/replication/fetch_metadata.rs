//! Port of `org.apache.kafka.common.requests.FetchMetadata`: where in a fetch session a request stands.

/// In the place of a session's id, if there is none.
pub const INVALID_SESSION_ID: i32 = 0;
/// Of a request that begins a session, and names all that it wants.
pub const INITIAL_EPOCH: i32 = 0;
/// Of a request that ends a session, or does without.
pub const FINAL_EPOCH: i32 = -1;

/// A session, and which of its requests this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchMetadata {
    pub session_id: i32,
    pub epoch: i32,
}

impl FetchMetadata {
    /// There is no session yet, and one is wanted.
    pub const INITIAL: Self = Self { session_id: INVALID_SESSION_ID, epoch: INITIAL_EPOCH };

    /// Whether a request names all that it wants. Else it names what has changed.
    pub fn is_full(self) -> bool {
        self.epoch == INITIAL_EPOCH || self.epoch == FINAL_EPOCH
    }

    /// What follows the first request of a session.
    pub fn new_incremental(session_id: i32) -> Self {
        Self { session_id, epoch: next_epoch(INITIAL_EPOCH) }
    }

    /// What follows an incremental request.
    pub fn next_incremental(self) -> Self {
        Self { epoch: next_epoch(self.epoch), ..self }
    }

    /// Ends this session, and begins another.
    pub fn next_close_existing_attempt_new(self) -> Self {
        Self { epoch: INITIAL_EPOCH, ..self }
    }
}

fn next_epoch(epoch: i32) -> i32 {
    match epoch {
        ..0 => FINAL_EPOCH,
        i32::MAX => 1,
        _ => epoch + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_last_epoch_comes_the_first() {
        assert_eq!([-1, 0, 1, i32::MAX].map(next_epoch), [-1, 1, 2, 1]);
    }
}
