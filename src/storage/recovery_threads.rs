//! Port of the pools of threads in `LogManager.loadLogs` and `LogManager.shutdown`: one thing done
//! to many logs at once.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::thread;

use log::{error, warn};

use crate::common::errors::KafkaError;

/// Does `work` for each of `items`, on `threads` threads, of which the caller's is one. All are
/// tried; the first error is returned, and every one is logged.
///
/// # Errors
/// The first one that `work` returned.
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
            let item = queue.lock().expect("taking an item does not panic").pop_front();
            let Some(item) = item else { return };
            if let Err(error) = work(item) {
                error!("{error}");
                let mut result = result.lock().expect("keeping an error does not panic");
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
                warn!("opening or closing logs with fewer threads than asked for: {error}");
            }
        }
        run();
    });
    result.into_inner().expect("keeping an error does not panic")
}
