//! What a process costs, as `/proc` tells.

use std::fs;

use crate::outcome::{Outcome, failed};

/// The memory and the descriptors of a process at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Vitals {
    /// `RssAnon`: what the process itself asked for, without the pages of files.
    pub(crate) memory_kib: u64,
    /// Open descriptors.
    pub(crate) descriptors: u64,
}

impl Vitals {
    /// Of the process `pid`.
    pub(crate) fn of(pid: i32) -> Outcome<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let Some(words) = line else { return failed(format!("process {pid} has no RssAnon")) };
        let memory_kib = words.trim().trim_end_matches(" kB").parse()?;
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64;
        Ok(Self { memory_kib, descriptors })
    }

    /// The larger of each.
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            memory_kib: self.memory_kib.max(other.memory_kib),
            descriptors: self.descriptors.max(other.descriptors),
        }
    }
}
