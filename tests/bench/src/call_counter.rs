//! System calls of a process by their names, counted by the kernel's tracepoints: `perf stat` reads
//! them and stops no thread, as strace would.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};

use crate::outcome::{Outcome, failed};

const ALL: &str = "raw_syscalls:sys_enter";
const PREFIX: &str = "syscalls:sys_enter_";
/// What servers call for a fetch; what else they call is counted together.
const NAMES: [&str; 20] = [
    "cachestat",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_wait",
    "fadvise64",
    "futex",
    "getpid",
    "mmap",
    "newfstat",
    "pread64",
    "read",
    "recvfrom",
    "sendfile64",
    "sendmsg",
    "sendto",
    "setsockopt",
    "splice",
    "timerfd_settime",
    "write",
    "writev",
];
/// Where the kernel lists its tracepoints, and where it did before.
const TRACE_DIRS: [&str; 2] =
    ["/sys/kernel/tracing/events/syscalls", "/sys/kernel/debug/tracing/events/syscalls"];
const PATIENCE_MS: u16 = 10_000;

/// A `perf stat` that watches a process, and counts when it is asked to.
#[derive(Debug)]
pub struct CallCounter {
    perf: Child,
    control: File,
    acknowledgement: File,
    output: PathBuf,
}

/// What was counted.
#[derive(Clone, Debug)]
pub struct Calls {
    pub all: f64,
    /// Only those that were called.
    pub by_name: Vec<(String, f64)>,
}

impl CallCounter {
    /// Why there can be none here; nothing if there can.
    pub fn obstacle() -> Option<String> {
        let probe = Command::new("perf").args(["stat", "-e", ALL, "true"]).output();
        match probe {
            Err(_) => Some("perf is not installed: apt-get install linux-perf".to_string()),
            Ok(output) if !output.status.success() => Some(
                "perf may not count system calls here: that needs root and tracefs".to_string(),
            ),
            Ok(_) => None,
        }
    }

    /// Watches all threads of the process. Its files lie in `dir`.
    pub fn attach(pid: Pid, dir: &Path) -> Outcome<Self> {
        let [control, acknowledgement] =
            ["control", "acknowledgement"].map(|name| dir.join(format!("perf.{name}")));
        for path in [&control, &acknowledgement] {
            if path.exists() {
                fs::remove_file(path)?;
            }
            mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR)?;
        }
        let output = dir.join("perf.csv");
        let names =
            NAMES.iter().filter(|name| is_known(name)).map(|name| format!("{PREFIX}{name}"));
        let events: Vec<String> = std::iter::once(ALL.to_string()).chain(names).collect();
        let perf = Command::new("perf")
            .args(["stat", "-x", ",", "-D", "-1", "-e", &events.join(",")])
            .arg("--control")
            .arg(format!("fifo:{},{}", control.display(), acknowledgement.display()))
            .args(["-p", &pid.to_string(), "-o"])
            .arg(&output)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        // To open a pipe for both directions waits for nobody.
        let open = |path| File::options().read(true).write(true).open(path);
        let (control, acknowledgement) = (open(control)?, open(acknowledgement)?);
        Ok(Self { perf, control, acknowledgement, output })
    }

    pub fn begin(&mut self) -> Outcome<()> {
        self.command("enable\n")
    }

    /// Ends the count, and `perf` with it.
    pub fn finish(mut self) -> Outcome<Calls> {
        self.command("disable\n")?;
        kill(Pid::from_raw(self.perf.id().cast_signed()), Signal::SIGINT)?;
        self.perf.wait()?;
        let text = fs::read_to_string(&self.output)?;
        let mut calls = Calls { all: 0.0, by_name: Vec::new() };
        for line in text.lines() {
            // 1234,,syscalls:sys_enter_read,5678,100.00,,
            let fields: Vec<&str> = line.split(',').collect();
            let [count, _, event, ..] = fields[..] else { continue };
            // `<not counted>` stands for none.
            let count = count.parse().unwrap_or(0.0);
            match event.strip_prefix(PREFIX) {
                None => calls.all = count,
                Some(name) if count > 0.0 => calls.by_name.push((name.to_string(), count)),
                Some(_) => {}
            }
        }
        Ok(calls)
    }

    /// Returns when `perf` has done it.
    fn command(&mut self, command: &str) -> Outcome<()> {
        self.control.write_all(command.as_bytes())?;
        let mut ready = [PollFd::new(self.acknowledgement.as_fd(), PollFlags::POLLIN)];
        if poll(&mut ready, PollTimeout::from(PATIENCE_MS))? == 0 {
            return failed("perf does not answer");
        }
        // `ack`, a line end, and in some versions a zero.
        let mut answer = [0; 8];
        let _ = self.acknowledgement.read(&mut answer)?;
        Ok(())
    }
}

/// Whether this kernel has the call: `perf` counts nothing if one of the events is unknown to it.
fn is_known(call: &str) -> bool {
    TRACE_DIRS.iter().any(|dir| Path::new(dir).join(format!("sys_enter_{call}")).exists())
}

impl Drop for CallCounter {
    fn drop(&mut self) {
        // Has ended already unless a measurement has failed.
        let _ = self.perf.kill();
        let _ = self.perf.wait();
    }
}
