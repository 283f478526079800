//! What strace can do here, and what to do if it cannot.

use std::io::ErrorKind;
use std::process::{Command, Output, Stdio};

use bench::outcome::{Outcome, failed};

/// What every explanation ends with: there are other ways to see the same.
const WITHOUT: &str = "
Without it, docs/exhibits/strace-session.txt shows the session as it was recorded, and strace-kafka-0.9.0.1.txt
beside Kafka; RUST_LOG=trace make run logs the same steps under the same numbers; and kill -USR1 makes the
broker write its counters, of which sendfile_bytes counts what left without a copy.";

const MISSING: &str = "there is no strace on the PATH; get it, for example:
  apt-get install strace    or    dnf install strace    or    apk add strace";

const NO_RIGHT: &str = "strace is not allowed to watch a process of its own. What may forbid it:
  a container without the right: docker run --cap-add=SYS_PTRACE .., in Kubernetes the capability SYS_PTRACE
  a seccomp filter that knows no ptrace: docker run --security-opt seccomp=unconfined ..
  Yama, if /proc/sys/kernel/yama/ptrace_scope is 3, or 2 and you are not root: sudo, or as root
    sysctl kernel.yama.ptrace_scope=1 (from 3 there is no way back before the next boot)";

/// Of strace, the options that can be had.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ability {
    /// `-k`: the functions that were running.
    pub(crate) stacks: bool,
}

impl Ability {
    /// Lets strace watch a program that does nothing.
    pub(crate) fn of_strace() -> Outcome<Self> {
        let output = match watch(&[]) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return failed(format!("{MISSING}\n{WITHOUT}"));
            }
            other => other?,
        };
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            let words = words.trim_end();
            return failed(format!("{NO_RIGHT}\nstrace itself says:\n{words}\n{WITHOUT}"));
        }
        Ok(Self { stacks: watch(&["-k"])?.status.success() })
    }

    /// The options for strace that make use of it.
    pub(crate) fn options(self) -> &'static [&'static str] {
        if self.stacks { &["-k"] } else { &[] }
    }
}

fn watch(options: &[&str]) -> std::io::Result<Output> {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o", "/dev/null"]).args(options).arg("true");
    strace.stdin(Stdio::null()).output()
}
