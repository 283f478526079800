//! A server as a child process, and what the system says of it.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

use crate::caretaker;
use crate::outcome::{Outcome, failed};

/// A clean stop flushes logs, of up to nine gigabytes.
pub const STOP_PATIENCE: Duration = Duration::from_secs(300);

/// A child that is stopped when it is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// The process that does the work: the child, or a child of it.
    measured: Pid,
}

impl Server {
    pub fn of(child: Child) -> Self {
        caretaker::server_runs(child.id());
        let measured = Pid::from_raw(child.id().cast_signed());
        Self { child, measured }
    }

    /// Starts this binary with these arguments. Returns the port as well, which it says first; it
    /// serves until its input ends.
    pub fn of_this_binary(arguments: &[&OsStr]) -> Outcome<(Self, u16)> {
        let mut child = Command::new(env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take();
        // From here on it is stopped even if it says nothing.
        let server = Self::of(child);
        let mut line = String::new();
        if let Some(stdout) = stdout {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        Ok((server, line.trim().parse()?))
    }

    /// The same server, whose work is done by another process than the child.
    pub fn measured_at(mut self, measured: Pid) -> Self {
        self.measured = measured;
        self
    }

    /// The process that does the work.
    pub fn pid(&self) -> Pid {
        self.measured
    }

    /// Whether the process has ended by itself.
    pub fn has_ended(&mut self) -> Outcome<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// The time that all its threads have run on a CPU, in nanoseconds.
    pub fn cpu_ns(&self) -> Outcome<i64> {
        let clock: ClockId = clock_getcpuclockid(self.pid())?;
        let time = clock.now()?;
        Ok(time.tv_sec() * 1_000_000_000 + time.tv_nsec())
    }

    /// Its resident memory, in bytes.
    pub fn resident_bytes(&self) -> Outcome<u64> {
        resident_bytes(self.pid())
    }

    /// How often its threads have left their CPU, by themselves or not.
    pub fn context_switches(&self) -> Outcome<u64> {
        let mut switches = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.pid()))? {
            // A thread may have ended since it was listed.
            let Ok(status) = fs::read_to_string(thread?.path().join("status")) else { continue };
            for line in status.lines().filter(|line| line.contains("voluntary_ctxt_switches:")) {
                let count = line.rsplit(':').next().unwrap_or_default();
                switches += count.trim().parse::<u64>()?;
            }
        }
        Ok(switches)
    }

    /// Ends it at once, as a crash does.
    pub fn kill(&mut self) -> Outcome<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to stop, waits, and kills it if it does not.
    fn stop(&mut self) {
        let _ = kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM);
        let began = Instant::now();
        while began.elapsed() < STOP_PATIENCE {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        println!("  {} was killed: it did not stop in {STOP_PATIENCE:?}", self.measured);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The resident memory of a process, in bytes.
pub fn resident_bytes(pid: Pid) -> Outcome<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let Some(kib) = line.and_then(|line| line.trim().strip_suffix(" kB")) else {
        return failed("no VmRSS in /proc");
    };
    Ok(kib.trim().parse::<u64>()? << 10)
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        caretaker::server_has_ended(self.child.id());
    }
}
