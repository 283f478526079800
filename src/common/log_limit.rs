//! Not in Kafka: the one bound on what peers can have this broker log.
//!
//! A peer may break off, be refused or join a group thousands of times a second, and each time is
//! worth a line. Of each kind of line the first hundred in ten seconds are logged, and the others
//! counted: a flood of one kind hides no line of another. The count is logged when the flood is
//! over or has lasted ten seconds. What is left out is still there at debug level.
//!
//! The limits belong to the process, as the log does. They have no thread: whoever has a loop calls
//! [`report_left_out`].

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};

use log::{Level, info};

use crate::common::lock::locked;
use crate::common::time::{SystemTime, Time};

/// How many lines of a kind are logged in each window.
const LINES_MAX: u64 = 100;
const WINDOW_MS: i64 = 10_000;

/// What the lines are about that peers cause. Each kind has a limit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind {
    /// Connections that ended in the middle of something, or were idle.
    Disconnects,
    /// Connections that were not accepted.
    RefusedConnections,
    /// Bytes that are no request.
    BadRequests,
    /// Requests, or parts of them, that were refused.
    Refusals,
    /// What a client has no right to do.
    Denials,
    /// Requests that failed here.
    Failures,
    /// Members that come and go, and their generations.
    Groups,
    /// Topics and logs that come and go.
    Topics,
    /// Segments that are rolled and deleted.
    Segments,
    /// Settings, quotas and access control lists that are altered.
    Settings,
    /// Clients that did not prove who they are.
    FailedAuthentications,
    /// Requests that took longer than `transferto.request.slow.ms`.
    SlowRequests,
}

/// All kinds, each at the index that it has as a number.
const KINDS: [LogKind; 12] = [
    LogKind::Disconnects,
    LogKind::RefusedConnections,
    LogKind::BadRequests,
    LogKind::Refusals,
    LogKind::Denials,
    LogKind::Failures,
    LogKind::Groups,
    LogKind::Topics,
    LogKind::Segments,
    LogKind::Settings,
    LogKind::FailedAuthentications,
    LogKind::SlowRequests,
];

impl fmt::Display for LogKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disconnects => "connections that ended",
            Self::RefusedConnections => "connections that were not accepted",
            Self::BadRequests => "bad requests",
            Self::Refusals => "refusals",
            Self::Denials => "denials",
            Self::Failures => "failures",
            Self::Groups => "groups",
            Self::Topics => "topics",
            Self::Segments => "segments",
            Self::Settings => "settings",
            Self::FailedAuthentications => "failed authentications",
            Self::SlowRequests => "slow requests",
        })
    }
}

/// The level of a line that a peer has caused: `level` within the limit of its kind, debug beyond.
pub fn limited(kind: LogKind, level: Level) -> Level {
    if level > log::max_level() || IS_LIFTED.load(Ordering::Relaxed) {
        return level; // Nobody sees it, or somebody wants to see all.
    }
    let (level, left_out) = LIMITS.level(kind, level, CLOCK.hi_res_clock_ms());
    log_left_out(kind, left_out);
    level
}

/// Logs how many lines were left out in floods that are over. Costs one look if there is nothing.
pub fn report_left_out() {
    if LIMITS.has_left_out.load(Ordering::Relaxed) {
        for (kind, left_out) in LIMITS.take_left_out(CLOCK.hi_res_clock_ms()) {
            log_left_out(kind, left_out);
        }
    }
}

/// The same also for floods that are not over: nothing more is logged by this broker.
pub fn report_all_left_out() {
    for (kind, left_out) in LIMITS.take_all_left_out() {
        log_left_out(kind, left_out);
    }
}

/// How many lines of each kind were left out since the process began.
pub fn left_out() -> [(LogKind, u64); KINDS.len()] {
    LIMITS.left_out_ever()
}

/// Ends all limits of this process, for tests that look for each line of many.
#[doc(hidden)]
pub fn lift() {
    IS_LIFTED.store(true, Ordering::Relaxed);
}

fn log_left_out(kind: LogKind, left_out: u64) {
    if left_out > 0 {
        info!("{left_out} more lines about {kind} were left out");
    }
}

static LIMITS: Limits = Limits::new();
static IS_LIFTED: AtomicBool = AtomicBool::new(false);
static CLOCK: LazyLock<SystemTime> = LazyLock::new(SystemTime::new);

struct Limits {
    windows: [Mutex<Window>; KINDS.len()],
    left_out_ever: [AtomicU64; KINDS.len()],
    /// Whether a window may have a count that is to be logged.
    has_left_out: AtomicBool,
}

#[derive(Clone, Copy)]
struct Window {
    began_ms: i64,
    logged: u64,
    left_out: u64,
}

impl Limits {
    const fn new() -> Self {
        let windows = [const { Mutex::new(Window::EMPTY) }; KINDS.len()];
        let left_out_ever = [const { AtomicU64::new(0) }; KINDS.len()];
        Self { windows, left_out_ever, has_left_out: AtomicBool::new(false) }
    }

    /// The level of one more line, and how many were left out in the window that ends with it.
    fn level(&self, kind: LogKind, level: Level, now_ms: i64) -> (Level, u64) {
        let mut window = locked(&self.windows[kind as usize]);
        let left_out = window.end_if_over(now_ms);
        if window.logged < LINES_MAX {
            window.logged += 1;
            return (level, left_out);
        }
        window.left_out += 1;
        self.left_out_ever[kind as usize].fetch_add(1, Ordering::Relaxed);
        self.has_left_out.store(true, Ordering::Relaxed);
        (level.max(Level::Debug), left_out)
    }

    fn left_out_ever(&self) -> [(LogKind, u64); KINDS.len()] {
        KINDS.map(|kind| (kind, self.left_out_ever[kind as usize].load(Ordering::Relaxed)))
    }

    /// What was left out in the windows that are over.
    fn take_left_out(&self, now_ms: i64) -> Vec<(LogKind, u64)> {
        // Before the look: a count that comes after it sets it again.
        self.has_left_out.store(false, Ordering::Relaxed);
        let mut taken = Vec::new();
        for kind in KINDS {
            let mut window = locked(&self.windows[kind as usize]);
            let left_out = window.end_if_over(now_ms);
            if left_out > 0 {
                taken.push((kind, left_out));
            }
            if window.left_out > 0 {
                self.has_left_out.store(true, Ordering::Relaxed);
            }
        }
        taken
    }

    /// What was left out, whether its window is over or not.
    fn take_all_left_out(&self) -> Vec<(LogKind, u64)> {
        let take = |kind| std::mem::take(&mut locked(&self.windows[kind as usize]).left_out);
        KINDS.map(|kind| (kind, take(kind))).into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

impl Window {
    const EMPTY: Self = Self { began_ms: 0, logged: 0, left_out: 0 };

    /// Begins the next window if this one is over, and returns what was left out in this one.
    fn end_if_over(&mut self, now_ms: i64) -> u64 {
        if self.logged > 0 && now_ms - self.began_ms < WINDOW_MS {
            return 0;
        }
        let left_out = self.left_out;
        *self = Self { began_ms: now_ms, logged: 0, left_out: 0 };
        left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of so many lines at `now_ms` are logged, and how many are reported as left out.
    fn flood(limits: &Limits, kind: LogKind, lines: u64, now_ms: i64) -> (usize, u64) {
        let levels: Vec<_> = (0..lines).map(|_| limits.level(kind, Level::Warn, now_ms)).collect();
        let logged = levels.iter().filter(|(level, _)| *level == Level::Warn).count();
        (logged, levels.iter().map(|(_, left_out)| left_out).sum())
    }

    #[test]
    fn of_a_flood_a_hundred_lines_are_logged_in_ten_seconds_and_the_others_counted() {
        let (limits, kind) = (Limits::new(), LogKind::Refusals);
        assert_eq!(flood(&limits, kind, 1, 5), (1, 0));
        assert_eq!(flood(&limits, kind, 5000, 10_004), (99, 0));
        assert_eq!(flood(&limits, kind, 3, 10_005), (3, 4901));
        assert_eq!(flood(&limits, kind, 98, 19_000), (97, 0));
        assert_eq!(flood(&limits, kind, 1, 90_000), (1, 1));
        assert_eq!(flood(&limits, kind, 1, 990_000), (1, 0));
    }

    #[test]
    fn a_flood_of_one_kind_hides_no_line_of_another() {
        let limits = Limits::new();
        assert_eq!(flood(&limits, LogKind::Disconnects, 1_000_000, 1), (100, 0));
        for kind in &KINDS[1..] {
            assert_eq!(flood(&limits, *kind, 1, 1), (1, 0));
        }
    }

    #[test]
    fn what_was_left_out_is_reported_once_when_the_flood_is_over() {
        let limits = Limits::new();
        assert!(!limits.has_left_out.load(Ordering::Relaxed));
        flood(&limits, LogKind::Groups, 350, 1_000);
        flood(&limits, LogKind::Topics, 3, 1_000);
        assert_eq!(limits.take_left_out(10_999), [], "it may go on");
        assert!(limits.has_left_out.load(Ordering::Relaxed));
        assert_eq!(limits.take_left_out(11_000), [(LogKind::Groups, 250)]);
        assert_eq!(limits.take_left_out(11_001), []);
        assert!(!limits.has_left_out.load(Ordering::Relaxed));
        assert_eq!(flood(&limits, LogKind::Groups, 1, 11_002), (1, 0));
        flood(&limits, LogKind::Groups, 101, 11_003);
        assert_eq!(limits.take_all_left_out(), [(LogKind::Groups, 2)], "at the stop");
        assert_eq!(limits.take_all_left_out(), []);
        let ever = limits.left_out_ever().into_iter().filter(|(_, count)| *count > 0);
        assert_eq!(ever.collect::<Vec<_>>(), [(LogKind::Groups, 252)], "what was reported counts");
    }

    #[test]
    fn a_line_beyond_the_limit_is_there_at_debug_level_and_a_trace_stays_one() {
        let limits = Limits::new();
        flood(&limits, LogKind::Failures, 100, 1);
        assert_eq!(limits.level(LogKind::Failures, Level::Error, 1).0, Level::Debug);
        assert_eq!(limits.level(LogKind::Failures, Level::Trace, 1).0, Level::Trace);
    }

    #[test]
    fn each_kind_stands_at_its_number() {
        for (index, kind) in KINDS.iter().enumerate() {
            assert_eq!(*kind as usize, index);
        }
    }
}
