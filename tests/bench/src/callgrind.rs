//! Instructions and allocations of a process that runs under valgrind's callgrind, between two moments.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::Pid;

use crate::outcome::{Outcome, failed};

/// What takes memory from the allocator, by the names that the C library gives it.
const ALLOCATORS: [&str; 6] =
    ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign"];

/// What a process did between two moments.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// In user space.
    pub instructions: f64,
    pub allocations: f64,
}

/// Where a process under callgrind leaves its counts.
#[derive(Clone, Debug)]
pub struct Callgrind {
    file: PathBuf,
    option: String,
    dumps: usize,
}

impl Callgrind {
    /// Why there can be none here; nothing if there can.
    pub fn obstacle() -> Option<String> {
        let probe = Command::new("valgrind").arg("--version").output();
        probe.is_err().then(|| "valgrind is not installed: apt-get install valgrind".to_string())
    }

    /// Its files are `file` and those that are named after it.
    pub fn new(file: PathBuf) -> Self {
        let option = format!("--callgrind-out-file={}", file.display());
        Self { file, option, dumps: 0 }
    }

    /// The words in front of the program's.
    pub fn wrapper(&self) -> [&str; 4] {
        ["valgrind", "--quiet", "--tool=callgrind", &self.option]
    }

    /// What the process does meanwhile, which must have begun under [`wrapper`](Self::wrapper).
    pub fn between(&mut self, pid: Pid, work: impl FnOnce() -> Outcome<()>) -> Outcome<Counts> {
        control("--zero", pid)?;
        work()?;
        control("--dump", pid)?;
        self.dumps += 1;
        counts(&PathBuf::from(format!("{}.{}", self.file.display(), self.dumps)))
    }
}

/// Returns when it is done.
fn control(what: &str, pid: Pid) -> Outcome<()> {
    let output = Command::new("callgrind_control").arg(what).arg(pid.to_string()).output()?;
    // Of a process that it does not know it says so, and that all is well.
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() || !printed.contains("OK.") {
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        return failed(format!("callgrind_control {what}: {printed}{why}"));
    }
    Ok(())
}

/// A line such as `cfn=(12) malloc` names a function, which is only `(12)` from then on, and the line behind
/// it, such as `calls=3 0`, says how often it was called.
fn counts(dump: &Path) -> Outcome<Counts> {
    let text = fs::read_to_string(dump)?;
    let (mut instructions, mut allocations) = (None, 0.0);
    let mut allocators = HashSet::new();
    let mut called = "";
    for line in text.lines() {
        if let Some(function) = line.strip_prefix("cfn=").or_else(|| line.strip_prefix("fn=")) {
            let (id, name) = function.split_once(' ').unwrap_or((function, ""));
            if ALLOCATORS.contains(&name) {
                allocators.insert(id);
            }
            called = id;
        } else if let Some(calls) = line.strip_prefix("calls=") {
            let count = calls.split(' ').next().unwrap_or_default();
            if allocators.contains(called) {
                allocations += count.parse::<f64>()?;
            }
        } else if let Some(totals) = line.strip_prefix("totals: ") {
            instructions = Some(totals.trim().parse()?);
        }
    }
    match instructions {
        Some(instructions) => Ok(Counts { instructions, allocations }),
        None => failed(format!("no totals in {}", dump.display())),
    }
}
