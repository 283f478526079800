//! A measurement while a reader that it must not suffer from reads on and on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::outcome::{Outcome, failed};

/// Has `read` run in a thread of its own until `measure` is done, which it sees by the flag.
/// Returns what was measured.
pub(crate) fn beside<T>(
    read: impl FnOnce(&AtomicBool) -> Outcome<()> + Send,
    measure: impl FnOnce() -> Outcome<T>,
) -> Outcome<T> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| read(&is_over));
        let measured = measure();
        is_over.store(true, Ordering::Relaxed);
        match reader.join() {
            Ok(read) => read?,
            Err(_) => return failed("the reader beside the measurement panicked"),
        }
        measured
    })
}
