//! Not in Kafka: how far a start has got with its logs, for those who wait for it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// The threads that open logs count here; others look.
#[derive(Debug, Default)]
pub struct LoadingProgress {
    logs_found: AtomicU64,
    logs_opened: AtomicU64,
    segments_recovered: AtomicU64,
    bytes_recovered: AtomicU64,
}

impl LoadingProgress {
    /// Notes that a log directory has so many logs to open.
    pub fn found(&self, logs: usize) {
        self.logs_found.fetch_add(logs as u64, Ordering::Relaxed);
    }

    /// Notes that a log is open.
    pub fn opened(&self) {
        self.logs_opened.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a segment of so many bytes was read through and recovered.
    pub fn recovered(&self, bytes: u64) {
        self.segments_recovered.fetch_add(1, Ordering::Relaxed);
        self.bytes_recovered.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Rises with everything that was done.
    pub fn steps(&self) -> u64 {
        self.logs_opened.load(Ordering::Relaxed) + self.segments_recovered.load(Ordering::Relaxed)
    }
}

impl fmt::Display for LoadingProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        write!(f, "opened {} of {} logs", count(&self.logs_opened), count(&self.logs_found))?;
        match count(&self.segments_recovered) {
            0 => Ok(()),
            segments => {
                let mib = count(&self.bytes_recovered) >> 20;
                write!(f, ", recovered {segments} segments of {mib} MiB")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_shown_and_counted() {
        let progress = LoadingProgress::default();
        progress.found(2);
        progress.found(1);
        assert_eq!((progress.to_string().as_str(), progress.steps()), ("opened 0 of 3 logs", 0));
        progress.recovered(3 << 20);
        progress.opened();
        let shown = "opened 1 of 3 logs, recovered 1 segments of 3 MiB";
        assert_eq!((progress.to_string().as_str(), progress.steps()), (shown, 2));
    }
}
