//! The kernel's own count of system calls: a check on what the ways say of themselves, and the only count
//! there is of a broker.

use std::path::Path;

use bench::call_counter::{CallCounter, Calls};
use bench::figure::number;
use bench::outcome::Outcome;
use nix::unistd::Pid;

use crate::measured::Table;

const GB: f64 = 1e9;
/// What is called less often for a gigabyte does not count.
const LEAST_PER_GB: f64 = 0.9;

/// Calls for a gigabyte, of each process that was watched.
#[derive(Default)]
pub(crate) struct KernelCount {
    lines: Vec<Vec<String>>,
    obstacle: Option<String>,
}

impl KernelCount {
    /// Counts while `send` runs, which returns how many bytes went. `perf` has its files in `dir`.
    pub(crate) fn during(
        &mut self,
        name: &str,
        pid: Pid,
        dir: &Path,
        send: impl FnOnce() -> Outcome<f64>,
    ) -> Outcome<()> {
        if self.obstacle.is_none() {
            self.obstacle = CallCounter::obstacle();
        }
        if self.obstacle.is_some() {
            return Ok(());
        }
        let mut counter = CallCounter::attach(pid, dir)?;
        counter.begin()?;
        let bytes = send()?;
        self.lines.push(line(name, &counter.finish()?, bytes));
        Ok(())
    }

    /// A table, or a remark why there is none.
    pub(crate) fn shown(self) -> (Vec<Table>, Vec<String>) {
        if let Some(why) = self.obstacle {
            return (Vec::new(), vec![format!("the kernel did not count system calls: {why}")]);
        }
        let head = ["", "system calls/GB, by the kernel", "mode switches/GB", "of them"];
        let head = head.map(ToString::to_string).to_vec();
        (vec![Table([head].into_iter().chain(self.lines).collect())], Vec::new())
    }
}

fn line(name: &str, calls: &Calls, bytes: f64) -> Vec<String> {
    let per_gb = |count: f64| count / (bytes / GB);
    let mut by_name: Vec<_> =
        calls.by_name.iter().filter(|it| per_gb(it.1) >= LEAST_PER_GB).collect();
    by_name.sort_by(|a, b| b.1.total_cmp(&a.1));
    let names = by_name.iter().take(4).map(|it| format!("{} {}", it.0, number(per_gb(it.1))));
    vec![
        name.to_string(),
        number(per_gb(calls.all)),
        number(2.0 * per_gb(calls.all)),
        names.collect::<Vec<_>>().join(", "),
    ]
}
