//! Runs a program under strace, one file per thread, so that no line is torn, and says when all its
//! threads sleep.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use bench::caretaker;
use bench::outcome::{Outcome, failed};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::temp::TempDir;

use crate::call::Call;

/// What makes lines that `Call` can read: descriptors explained, times, no data, no signals.
const OPTIONS: [&str; 10] =
    ["--output-separately", "-yy", "-ttt", "-T", "-a", "1", "-s", "0", "-e", "signal=none"];
/// How often the recorder looks whether all threads sleep, and how often in a row they must.
const LOOKS_EVERY: Duration = Duration::from_millis(10);
const QUIET_LOOKS: u32 = 3;
/// How long it waits for that: a program under strace is slow, and so may the machine be.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A program under strace.
pub(crate) struct Recorder {
    strace: Child,
    traces: TempDir,
}

/// What one thread called, in order.
#[derive(Clone, Debug)]
pub(crate) struct Thread {
    pub(crate) id: i32,
    /// As Linux keeps it, 15 characters of it.
    pub(crate) name: String,
    pub(crate) calls: Vec<Call>,
}

impl Recorder {
    /// Starts `command` under strace, with these options besides those that the parser needs: `-k`
    /// for stacks, `-e trace=..` for fewer calls.
    pub(crate) fn start(options: &[&str], command: Command) -> Outcome<Self> {
        Self::run(options, |strace| {
            strace.arg("--follow-forks").arg(command.get_program()).args(command.get_args());
            for (name, value) in command.get_envs() {
                strace.env(name, value.unwrap_or_default());
            }
        })
    }

    /// Watches these threads of a program that runs already, and none of its others; returns when
    /// strace has them.
    pub(crate) fn attach(options: &[&str], threads: &[i32]) -> Outcome<Self> {
        let mut recorder = Self::run(options, |strace| {
            for thread in threads {
                strace.args(["-p", &thread.to_string()]);
            }
        })?;
        wait_until("strace to attach", || {
            if recorder.strace.try_wait()?.is_some() {
                return failed(recorder.words_of_strace());
            }
            Ok(recorder.files()?.len() >= threads.len())
        })?;
        Ok(recorder)
    }

    fn run(options: &[&str], what: impl FnOnce(&mut Command)) -> Outcome<Self> {
        let traces = TempDir::new();
        caretaker::directory_is_there(traces.path());
        let mut strace = Command::new("strace");
        strace.args(OPTIONS).args(options).arg("-o").arg(traces.join("thread"));
        what(&mut strace);
        let strace = strace.stderr(Stdio::piped()).spawn()?;
        Ok(Self { strace, traces })
    }

    /// What strace and the program say, for whoever wants to read it.
    pub(crate) fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.strace.stderr.take()
    }

    /// Waits until every thread is in a call that does not return, and stays in it for a few looks.
    pub(crate) fn wait_until_asleep(&self) -> Outcome<()> {
        let (mut quiet_looks, mut seen_bytes) = (0, 0);
        wait_until("all threads to sleep", || {
            let bytes = self.trace_bytes()?;
            let is_quiet = bytes == seen_bytes && self.is_asleep()?;
            quiet_looks = if is_quiet { quiet_looks + 1 } else { 0 };
            seen_bytes = bytes;
            Ok(quiet_looks >= QUIET_LOOKS)
        })
    }

    /// How much strace has written.
    fn trace_bytes(&self) -> Outcome<u64> {
        let sizes = self.files()?.into_values().map(|path| fs::metadata(path).map(|it| it.len()));
        Ok(sizes.sum::<Result<u64, _>>()?)
    }

    /// What all threads have called until now. Those that run still have a name.
    pub(crate) fn threads(&self) -> Outcome<Vec<Thread>> {
        let files = self.files()?.into_iter();
        let threads = files.map(|(id, path)| {
            let name = fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
            let calls = Call::all_of(&fs::read_to_string(path)?);
            Ok(Thread { id, name: name.trim_end().to_string(), calls })
        });
        threads.collect()
    }

    fn is_asleep(&self) -> Outcome<bool> {
        for path in self.files()?.values() {
            if !is_in_a_call(path)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The file of each thread, by the thread's number.
    fn files(&self) -> Outcome<BTreeMap<i32, PathBuf>> {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(self.traces.path())? {
            let path = entry?.path();
            let id = path.extension().and_then(|it| it.to_str()?.parse().ok());
            if let Some(id) = id {
                files.insert(id, path);
            }
        }
        Ok(files)
    }

    fn words_of_strace(&mut self) -> String {
        let mut words = String::new();
        if let Some(mut stderr) = self.take_stderr() {
            // What cannot be read is not said; that strace has ended is said all the same.
            let _ = stderr.read_to_string(&mut words);
        }
        format!("strace has ended: {}", words.trim_end())
    }

    /// Waits for strace, which ends with the program that it has started.
    pub(crate) fn wait(mut self) -> Outcome<()> {
        self.strace.wait()?;
        Ok(())
    }
}

/// A strace that is asked to end lets go of a program that it was attached to, and ends one that it
/// has started.
impl Drop for Recorder {
    fn drop(&mut self) {
        caretaker::directory_is_gone(self.traces.path());
        if let Ok(None) = self.strace.try_wait() {
            let _ = kill(Pid::from_raw(self.strace.id().cast_signed()), Signal::SIGTERM);
            let _ = self.strace.wait();
        }
    }
}

/// strace writes the beginning of a line when a call is made, and its end when the call returns.
fn is_in_a_call(trace: &Path) -> Outcome<bool> {
    const TAIL_BYTES: u64 = 64;
    let mut file = File::open(trace)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(TAIL_BYTES)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let has_ended = tail.ends_with(b"+++\n");
    Ok(has_ended || tail.last().is_some_and(|it| *it != b'\n'))
}

/// Looks again and again whether it has come to pass.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> Outcome<bool>) -> Outcome<()> {
    let began = Instant::now();
    while !condition()? {
        if began.elapsed() > PATIENCE {
            return failed(format!("waited in vain for {what}"));
        }
        thread::sleep(LOOKS_EVERY);
    }
    Ok(())
}

/// Now, by the clock that strace writes in front of its lines.
pub(crate) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
