//! Runs steps one after the other, each with a limit of time, and prints a line for each.

use std::error::Error;
use std::time::Duration;
use std::time::Instant;

pub type StepResult<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// After so many steps that did not end, no further one is tried.
const LATE_MAX: u32 = 3;

pub struct Steps {
    limit: Duration,
    late: u32,
}

impl Steps {
    pub fn new(limit_seconds: u64) -> Self {
        Self { limit: Duration::from_secs(limit_seconds), late: 0 }
    }

    pub async fn step(
        &mut self,
        name: &str,
        step: impl Future<Output = StepResult> + Send + 'static,
    ) {
        if self.late >= LATE_MAX {
            println!("FAIL {name}: not tried, because {} steps before it never ended", self.late);
            return;
        }
        let started = Instant::now();
        // In a task of its own, so that a panic is this step's only.
        let mut task = tokio::spawn(step);
        match tokio::time::timeout(self.limit, &mut task).await {
            Ok(Ok(Ok(()))) => println!("PASS {name} [{:.1} s]", started.elapsed().as_secs_f64()),
            Ok(Ok(Err(why))) => println!("FAIL {name}: {}", why.to_string().replace('\n', " ")),
            Ok(Err(panic)) => println!("FAIL {name}: {panic}"),
            Err(_) => {
                self.late += 1;
                task.abort();
                println!("FAIL {name}: not done after {} s", self.limit.as_secs());
            }
        }
    }
}
