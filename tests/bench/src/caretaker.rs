//! Cleans up behind a benchmark that is interrupted, even by `kill -9`: a process beside it that
//! knows which servers run and which directories are full, and waits for the end of its input.
//!
//! It has a process group of its own, so that Ctrl-C does not reach it.

use std::fs;
use std::io::{self, BufRead, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use transferto::common::lock::locked;

use crate::outcome::{Outcome, failed};
use crate::process::STOP_PATIENCE;

/// The first argument of the child process.
pub const COMMAND: &str = "take-care";
const LOOKS_EVERY: Duration = Duration::from_millis(20);
const SERVER: &str = "server ";
const DIRECTORY: &str = "directory ";

/// What the caretaker reads; there is none in a process that needs none.
static NOTES: OnceLock<Mutex<ChildStdin>> = OnceLock::new();

/// Starts the caretaker of this process.
pub fn start() -> Outcome<()> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg(COMMAND)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    match child.stdin.take() {
        Some(notes) => NOTES.set(Mutex::new(notes)).or_else(|_| failed("a second caretaker")),
        None => failed("the caretaker has no input"),
    }
}

/// A server runs, and is to be stopped if this process ends before it.
pub fn server_runs(pid: u32) {
    note(&format!("+{SERVER}{pid}"));
}

/// A server has ended.
pub fn server_has_ended(pid: u32) {
    note(&format!("-{SERVER}{pid}"));
}

/// A directory is to be removed if this process ends before that.
pub fn directory_is_there(path: &Path) {
    note(&format!("+{DIRECTORY}{}", path.display()));
}

/// A directory is gone.
pub fn directory_is_gone(path: &Path) {
    note(&format!("-{DIRECTORY}{}", path.display()));
}

fn note(line: &str) {
    // At once, so that half a line never stands for another process.
    let line = format!("{line}\n");
    if let Some(notes) = NOTES.get()
        && let Err(error) = locked(notes).write_all(line.as_bytes())
    {
        println!("  an interruption will leave files and servers behind: {error}");
    }
}

/// The child process: reads notes until the benchmark has ended, and does what that has left undone.
pub fn serve() -> Outcome<()> {
    let mut left = Vec::new();
    for note in io::stdin().lock().lines() {
        let note = note?;
        match note.strip_prefix('+') {
            Some(thing) => left.push(thing.to_string()),
            None => left.retain(|it| Some(it.as_str()) != note.strip_prefix('-')),
        }
    }
    let servers = left.iter().filter_map(|it| it.strip_prefix(SERVER)?.parse().ok());
    stop(&servers.map(Pid::from_raw).collect::<Vec<_>>());
    for directory in left.iter().filter_map(|it| it.strip_prefix(DIRECTORY)) {
        if Path::new(directory).exists() {
            fs::remove_dir_all(directory)?;
        }
    }
    Ok(())
}

/// Asks them to stop, and kills those that do not.
fn stop(servers: &[Pid]) {
    let signal = |signal| {
        for pid in servers {
            // One that has ended needs none.
            let _ = kill(*pid, signal);
        }
    };
    signal(Signal::SIGTERM);
    let began = Instant::now();
    while servers.iter().any(|pid| is_running(*pid)) {
        if began.elapsed() > STOP_PATIENCE {
            return signal(Signal::SIGKILL);
        }
        thread::sleep(LOOKS_EVERY);
    }
}

/// One that has ended has no program, even if nobody has asked for its status yet.
fn is_running(server: Pid) -> bool {
    fs::read_link(format!("/proc/{server}/exe")).is_ok()
}
