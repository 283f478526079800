//! How far the lab is, and how long it will still take.

use std::io::{IsTerminal, Write, stdout};
use std::time::Instant;

/// Of one experiment, whose steps are known before it begins.
pub(crate) struct Progress {
    began: Instant,
    total: f64,
    done: f64,
    steps: usize,
}

impl Progress {
    /// For steps whose weights come to this: what takes twice as long has twice the weight.
    pub(crate) fn of(total: f64) -> Self {
        Self { began: Instant::now(), total, done: 0.0, steps: 0 }
    }

    /// A step begins. On a terminal one line stays up to date; elsewhere every tenth step has a line.
    pub(crate) fn begin(&mut self, what: &str) {
        let line = format!("  {:3.0} % {}  {what}", 100.0 * self.done / self.total, self.left());
        if stdout().is_terminal() {
            print!("\r\x1b[K{line}");
            // A terminal that is gone needs no line.
            let _ = stdout().flush();
        } else if self.steps.is_multiple_of(10) {
            println!("{line}");
        }
        self.steps += 1;
    }

    pub(crate) fn end(&mut self, weight: f64) {
        self.done += weight;
        if stdout().is_terminal() && self.done >= self.total * 0.999 {
            print!("\r\x1b[K");
        }
    }

    fn left(&self) -> String {
        if self.done == 0.0 {
            return "         ".to_string();
        }
        let left_s = self.began.elapsed().as_secs_f64() * (self.total / self.done - 1.0);
        format!("{left_s:4.0} s left")
    }
}
