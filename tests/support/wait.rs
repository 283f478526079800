//! Waiting for what other threads do, without a fixed time.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Long enough for the slowest machine: a test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `condition` holds.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(what, || condition().then_some(()));
}

/// Asks again and again until the answer is there.
pub fn wait_for<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::park_timeout(Duration::from_millis(1));
    }
}

/// What `ask` is answered by its callback, on whichever thread.
pub fn answered<T: Send + 'static>(ask: impl FnOnce(Box<dyn FnOnce(T) + Send>)) -> T {
    let (sender, answer) = mpsc::channel();
    ask(Box::new(move |it| drop(sender.send(it))));
    answer.recv_timeout(PATIENCE).expect("an answer")
}
