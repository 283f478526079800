//! In the place of `kafka.utils.ShutdownableThread`'s constructor: threads have the names that Kafka
//! gives them, and a system that has none left is an error with advice.

use std::io;
use std::thread;
use std::thread::JoinHandle;

/// Starts a thread called `name`.
///
/// # Errors
/// If the system gives no thread, in one sentence that says what to raise.
pub fn spawn_named(
    name: String,
    run: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.clone()).spawn(run).map_err(|error| {
        let advice = "raise the limit on threads (`ulimit -u`) or on memory (`ulimit -v`)";
        let why = format!("the thread {name} cannot be started: {error}; {advice}");
        io::Error::new(error.kind(), why)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_bears_its_name() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let run = move || sender.send(thread::current().name().map(str::to_string)).unwrap();
        spawn_named("reaper-7".to_string(), run).unwrap().join().unwrap();
        assert_eq!(receiver.recv().unwrap().as_deref(), Some("reaper-7"));
    }
}
