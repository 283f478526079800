//! Port of the thread pools of `LogManager.loadLogs` and `LogManager.shutdown`: opens or closes many
//! logs at once.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::thread;

use log::{error, warn};

use crate::common::errors::KafkaError;
use crate::common::lock::locked;

/// Does `work` for each of `items`, on `threads` threads, of which the caller's is one. An error does
/// not stop the others: each is logged, and the first is returned.
///
/// # Errors
/// The first that `work` returned.
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
            if let Err(error) = work(item) {
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
