//! Not in Kafka, whose shutdown waits for the start: ends a start that waits for a controller.

use std::sync::Mutex;

use crate::common::lock::locked;

/// Shared by the thread that starts a broker and one that may want it to stop. Nothing happens to a broker
/// that runs.
#[derive(Default)]
pub struct StartCancellation(Mutex<State>);

#[derive(Default)]
struct State {
    is_cancelled: bool,
    /// What the start waits in, and how each wait is ended.
    waits: Vec<Box<dyn Fn() + Send>>,
}

impl StartCancellation {
    /// Has every wait of the start end, now and later.
    pub fn cancel(&self) {
        let mut state = locked(&self.0);
        state.is_cancelled = true;
        let waits = std::mem::take(&mut state.waits);
        drop(state);
        waits.iter().for_each(|end| end());
    }

    pub fn is_cancelled(&self) -> bool {
        locked(&self.0).is_cancelled
    }

    /// `end` is called when the start is cancelled, at once if it is. It has to return soon.
    pub fn on_cancel(&self, end: impl Fn() + Send + 'static) {
        let mut state = locked(&self.0);
        if state.is_cancelled {
            drop(state);
            return end();
        }
        state.waits.push(Box::new(end));
    }

    /// The start is over: nothing is left to be cancelled.
    pub fn finish(&self) {
        locked(&self.0).waits.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn each_wait_of_a_start_ends_once_also_one_that_comes_too_late() {
        let (cancellation, ended) = (StartCancellation::default(), Arc::new(AtomicU32::new(0)));
        let end = || {
            let ended = Arc::clone(&ended);
            move || {
                ended.fetch_add(1, Ordering::SeqCst);
            }
        };
        cancellation.on_cancel(end());
        cancellation.cancel();
        cancellation.cancel();
        assert!(cancellation.is_cancelled());
        cancellation.on_cancel(end());
        assert_eq!(ended.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_start_that_is_over_is_not_cancelled() {
        let cancellation = StartCancellation::default();
        cancellation.on_cancel(|| panic!("it is over"));
        cancellation.finish();
        cancellation.cancel();
    }
}
