//! What strace saw of a broker's files, and from it what a power loss would have left: bytes that
//! were synced, under names whose directory was.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use crate::outcome::Outcome;

/// The words before a program whose calls go to the file `trace`. Syncs of directories are slow, so
/// that an acknowledgement which does not wait for one is found out.
pub(crate) fn strace(trace: &Path) -> Vec<String> {
    let calls = "trace=openat,mkdir,mkdirat,rename,renameat,renameat2,pwrite64,fdatasync,fsync";
    let slow = "inject=fsync:delay_enter=5000";
    let words = [
        "strace",
        "-f",
        "-y",
        "-ttt",
        "-qq",
        "-s",
        "0",
        "-e",
        "signal=none",
        "-e",
        calls,
        "-e",
        slow,
        "-o",
    ];
    let trace = trace.display().to_string();
    words.into_iter().map(String::from).chain([trace]).collect()
}

/// What is on disk, whatever the page cache holds.
#[derive(Debug, Default)]
pub(crate) struct Durable {
    /// Up to where each file was written, as far as calls have returned.
    written: HashMap<PathBuf, u64>,
    /// Up to where it had been written when a sync of it began that has returned.
    synced: HashMap<PathBuf, u64>,
    /// Names that were made and whose directory was not synced since.
    unsure: BTreeSet<PathBuf>,
    /// What each sync that has returned brought to the disk: when, and up to where.
    syncs: HashMap<PathBuf, Vec<(u64, u64)>>,
    /// When the names became durable that were made since the trace began.
    names: HashMap<PathBuf, u64>,
    /// The calls that are under way in each thread.
    under_way: HashMap<String, Call>,
    /// Calls that were understood.
    pub(crate) calls: u64,
}

/// A call that has begun.
#[derive(Debug, Default)]
struct Call {
    text: String,
    /// Of a sync: how far the file was written, and which names were unsure, when it began.
    written: Option<u64>,
    unsure: BTreeSet<PathBuf>,
}

impl Durable {
    /// What is there before a trace begins counts as durable.
    pub(crate) fn before(dir: &Path) -> Outcome<Self> {
        let mut durable = Self::default();
        for path in paths_below(dir)? {
            let size = fs::metadata(&path)?.len();
            durable.written.insert(path.clone(), size);
            durable.syncs.insert(path.clone(), vec![(0, size)]);
            durable.synced.insert(path, size);
        }
        Ok(durable)
    }

    /// Reads the trace to its end; `dir` is the log directory.
    pub(crate) fn follow(&mut self, trace: &Path, dir: &Path) -> Outcome<()> {
        let text = String::from_utf8_lossy(&fs::read(trace)?).into_owned();
        for line in text.lines() {
            self.take(line, dir);
        }
        Ok(())
    }

    fn take(&mut self, line: &str, dir: &Path) {
        let Some((thread, rest)) = line.split_once(' ') else { return };
        let Some((time, rest)) = rest.trim_start().split_once(' ') else { return };
        let at_us = time.parse().map_or(0, |seconds: f64| (seconds * 1e6) as u64);
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let Some(mut call) = self.under_way.remove(thread) else { return };
            call.text += resumed.split_once("resumed>").map_or("", |(_, end)| end);
            self.end(&call, at_us, dir);
        } else {
            let is_under_way = rest.ends_with("<unfinished ...>");
            let call = self.begin(rest.trim_end_matches("<unfinished ...>").trim_end());
            if is_under_way {
                self.under_way.insert(thread.to_string(), call);
            } else {
                self.end(&call, at_us, dir);
            }
        }
    }

    fn begin(&self, text: &str) -> Call {
        let mut call = Call { text: text.to_string(), ..Call::default() };
        if text.starts_with("fsync(") || text.starts_with("fdatasync(") {
            let path = path_of_descriptor(text).unwrap_or_default();
            call.written = Some(self.written.get(&path).copied().unwrap_or_default());
            call.unsure =
                self.unsure.iter().filter(|it| it.parent() == Some(&path)).cloned().collect();
        }
        call
    }

    fn end(&mut self, call: &Call, at_us: u64, dir: &Path) {
        let Some((text, result)) = call.text.rsplit_once(" = ") else { return };
        let result: i64 = match result.split(['<', ' ']).next().map(str::parse) {
            Some(Ok(result)) if result >= 0 => result,
            _ => return,
        };
        self.calls += 1;
        let text = text.trim_end();
        let name = text.split('(').next().unwrap_or_default();
        match name {
            "pwrite64" => self.end_write(text, result.unsigned_abs()),
            "fsync" | "fdatasync" => self.end_sync(text, call, at_us),
            "openat" if text.contains("O_CREAT") => self.make(text, dir),
            "mkdir" | "mkdirat" => self.make(text, dir),
            _ => (),
        }
    }

    fn end_sync(&mut self, text: &str, call: &Call, at_us: u64) {
        let path = path_of_descriptor(text).unwrap_or_default();
        let written = call.written.unwrap_or_default();
        self.syncs.entry(path.clone()).or_default().push((at_us, written));
        let size = self.synced.entry(path).or_default();
        *size = (*size).max(written);
        for name in &call.unsure {
            if self.unsure.remove(name) {
                self.names.insert(name.clone(), at_us);
            }
        }
    }

    /// When the first `end` bytes of a file of the log directory became durable, its name and that of
    /// its directory with them; `None` for never.
    pub(crate) fn since_us(&self, path: &Path, end: u64) -> Option<u64> {
        let name_since = |path: &Path| match self.names.get(path) {
            _ if self.unsure.contains(path) => None,
            Some(at_us) => Some(*at_us),
            None => Some(0),
        };
        let mut syncs = self.syncs.get(path).into_iter().flatten();
        let (bytes_since, _) = syncs.find(|(_, written)| *written >= end)?;
        Some((*bytes_since).max(name_since(path)?).max(name_since(path.parent()?)?))
    }

    /// `pwrite64(7</dir/file.log>, ""..., 85, 4096)`
    fn end_write(&mut self, text: &str, count: u64) {
        let position = text.trim_end_matches(')').rsplit(", ").next().map(str::parse);
        if let (Some(path), Some(Ok(position))) = (path_of_descriptor(text), position) {
            let position: u64 = position;
            let end = self.written.entry(path).or_default();
            *end = (*end).max(position + count);
        }
    }

    /// A file that was there before is not made again.
    fn make(&mut self, text: &str, dir: &Path) {
        let path = text.split('"').nth(1).map(PathBuf::from).unwrap_or_default();
        let is_known = self.written.contains_key(&path) || self.unsure.contains(&path);
        if path.starts_with(dir) && !is_known {
            self.written.entry(path.clone()).or_default();
            self.unsure.insert(path);
        }
    }

    /// Cuts every file of messages to what is durable, and removes what has no durable name. Returns
    /// how many bytes and names that took.
    pub(crate) fn lose_the_rest(&self, dir: &Path) -> Outcome<(u64, u64)> {
        let (mut bytes, mut names) = (0, 0);
        for path in self.unsure.iter().filter(|path| path.exists()) {
            names += 1;
            match path.is_dir() {
                true => fs::remove_dir_all(path)?,
                false => fs::remove_file(path)?,
            }
        }
        let is_segment = |path: &PathBuf| path.extension().is_some_and(|it| it == "log");
        for path in paths_below(dir)?.into_iter().filter(is_segment) {
            let (size, Some(written)) = (fs::metadata(&path)?.len(), self.written.get(&path))
            else {
                continue;
            };
            let synced = self.synced.get(&path).copied().unwrap_or_default().min(*written);
            if size > synced {
                bytes += size - synced;
                fs::OpenOptions::new().write(true).open(&path)?.set_len(synced)?;
            }
        }
        Ok((bytes, names))
    }
}

/// `/dir/file.log` of `fdatasync(7</dir/file.log>)`.
fn path_of_descriptor(text: &str) -> Option<PathBuf> {
    let (_, rest) = text.split_once('<')?;
    Some(PathBuf::from(rest.split_once('>')?.0))
}

/// The files and directories below a log directory.
fn paths_below(dir: &Path) -> Outcome<Vec<PathBuf>> {
    let mut paths = Vec::new();
    if !dir.exists() {
        return Ok(paths);
    }
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            paths.extend(paths_below(&path)?);
        }
        paths.push(path);
    }
    Ok(paths)
}
