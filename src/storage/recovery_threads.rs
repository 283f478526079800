//! Port of the thread pools of `LogManager.loadLogs` and `LogManager.shutdown`: opens or closes many
//! logs at once.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::thread;

use log::{error, warn};

use crate::common::errors::{Errors, KafkaError};
use crate::common::lock::locked;

/// Does `work` for each of `items`, on `threads` threads, of which the caller's is one. An error does
/// not stop the others, nor does a panic: each is logged, and the first is returned.
///
/// # Errors
/// The first that `work` returned; `UNKNOWN_SERVER_ERROR` in place of a panic.
pub fn for_each<T: Send>(
    items: Vec<T>,
    threads: usize,
    work: impl Fn(T) -> Result<(), KafkaError> + Sync,
) -> Result<(), KafkaError> {
    let threads = threads.clamp(1, items.len().max(1));
    let queue = Mutex::new(VecDeque::from(items));
    let result = Mutex::new(Ok(()));
    let run = || {
        loop {
            let item = locked(&queue).pop_front();
            let Some(item) = item else { return };
            if let Err(error) = without_panic(|| work(item)) {
                error!("{error}");
                let mut result = locked(&result);
                if result.is_ok() {
                    *result = Err(error);
                }
            }
        }
    };
    thread::scope(|scope| {
        for number in 1..threads {
            let thread = thread::Builder::new().name(format!("kafka-log-recovery-{number}"));
            if let Err(error) = thread.spawn_scoped(scope, run) {
                warn!("opening or closing logs with fewer than {threads} threads: {error}");
            }
        }
        run();
    });
    result.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// A panic over one log must not leave the others unopened, or unflushed.
fn without_panic(work: impl FnOnce() -> Result<(), KafkaError>) -> Result<(), KafkaError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_panic| {
        let why = "this broker panicked over a log".to_string();
        Err(KafkaError::api(Errors::UnknownServerError, why))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_panic_over_one_item_leaves_out_no_other() {
        for threads in [1, 3] {
            let done = AtomicUsize::new(0);
            let work = |item: usize| {
                assert_ne!(item, 2, "the one that panics");
                done.fetch_add(1, Ordering::Relaxed);
                Ok(())
            };
            let result = for_each((0..9).collect(), threads, work);
            assert_eq!(result.unwrap_err().code(), Errors::UnknownServerError);
            assert_eq!(done.load(Ordering::Relaxed), 8);
        }
    }
}
