//! Not in Kafka: writes down the hops of one request, for the page that shows the path at work.
//!
//! The hops are the steps of the trace. While somebody seeks a request or follows one, the log's
//! highest level is `Trace`, so that the steps are looked at; the logger still decides what is
//! written, by its own filter. Otherwise that level is what it was, and a step costs what it costs
//! without this file: the one look at the level.
//!
//! One request is followed at a time in the whole process. What is kept of it is bounded, and so is
//! the time that anybody seeks or follows.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::fmt::Write;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use log::LevelFilter;

use crate::common::lock::locked;
use crate::common::subject::{Subject, is_traced};

/// The one recorder of this process, which the steps of the trace write to.
pub static RECORDER: HopRecorder = HopRecorder::new();

/// How long a request is sought, and how long one is followed.
const PATIENCE: Duration = Duration::from_secs(60);
/// A long answer takes many turns of its connection. Of its hops the first are kept,
const FIRST_HOPS_MAX: usize = 300;
/// and the last.
const LAST_HOPS_MAX: usize = 100;
/// How many hops of a Processor are kept while a request is sought: those that led to it are among
/// them.
const LEAD_IN_MAX: usize = 256;
/// Of the words of a hop.
const CHARS_MAX: usize = 240;
/// The step with which a Processor begins to look at its sockets: what it did before belongs to
/// other requests.
const POLL_STEP: u8 = 3;
/// The steps that lead a Processor to a request. Only they are kept while one is sought: what the
/// handlers do then belongs to other requests.
const LEAD_IN_STEPS: RangeInclusive<u8> = POLL_STEP..=5;

const AT_REST: u8 = 0;
const SEEKING: u8 = 1;
const FOLLOWING: u8 = 2;

/// 0 and 1 stand for hops that were not written down.
const FIRST_SERIAL: u32 = 2;

thread_local! {
    /// What this thread has done lately, while a request is sought.
    static LEAD_IN: RefCell<VecDeque<(Option<Subject>, Hop)>> =
        const { RefCell::new(VecDeque::new()) };
}

/// One step of the trace, written down.
#[derive(Clone, Debug)]
pub struct Hop {
    serial: u32,
    at: Instant,
    /// Only a call ends, and only once.
    ended: Option<Instant>,
    /// The name of the thread.
    pub thread: String,
    /// How many calls of the trace it is nested in.
    pub depth: usize,
    /// The step of docs/en/fetch.md.
    pub step: Option<u8>,
    /// Kafka's name of it.
    pub name: &'static str,
    pub words: String,
}

/// How far a follower has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pursuit {
    /// Nobody has asked yet.
    None,
    /// The next request is the one.
    Seeking,
    Following,
    /// The answer has left.
    Answered,
    /// The connection was closed before.
    Lost,
    /// It took too long, or the server that was asked for it has stopped.
    GivenUp,
}

/// What has been written down so far.
#[derive(Clone, Debug)]
pub struct Followed {
    /// Grows by one with each request that somebody asks to follow.
    pub number: u64,
    pub pursuit: Pursuit,
    /// The only connection of interest.
    pub of_connection: Option<Subject>,
    pub request: Option<Subject>,
    /// In the order of their beginnings on each thread, each with its time since the first, and how
    /// long it took, in nanoseconds.
    pub hops: Vec<(u64, Option<u64>, Hop)>,
    /// How many are missing between the first and the last.
    pub left_out: usize,
}

/// Seeks a request and writes its hops down.
pub struct HopRecorder {
    /// What `follow` is about, for those who have nothing to add to it.
    stage: AtomicU8,
    next_serial: AtomicU32,
    /// The [fingerprint](Subject::fingerprint) of the request that is followed: the other threads
    /// see by it, without the lock, that what they do is of no interest.
    followed: AtomicU64,
    follow: Mutex<Follow>,
}

struct Follow {
    number: u64,
    pursuit: Pursuit,
    of_connection: Option<Subject>,
    request: Option<Subject>,
    /// When it was asked for, or chosen.
    since: Option<Instant>,
    first_hops: Vec<Hop>,
    last_hops: VecDeque<Hop>,
    left_out: usize,
    /// The log's highest level while nothing is followed; `None` unless it was changed.
    level_before: Option<LevelFilter>,
}

impl HopRecorder {
    const fn new() -> Self {
        let follow = Follow {
            number: 0,
            pursuit: Pursuit::None,
            of_connection: None,
            request: None,
            since: None,
            first_hops: Vec::new(),
            last_hops: VecDeque::new(),
            left_out: 0,
            level_before: None,
        };
        Self {
            stage: AtomicU8::new(AT_REST),
            next_serial: AtomicU32::new(FIRST_SERIAL),
            followed: AtomicU64::new(0),
            follow: Mutex::new(follow),
        }
    }

    /// Follows the next request that [begins](Self::begins), of one connection if one is given, in
    /// place of what is followed now. Returns the number of this pursuit.
    pub fn seek(&self, of_connection: Option<Subject>) -> u64 {
        let mut follow = locked(&self.follow);
        let level_before = level_to_restore(follow.level_before, log::max_level());
        *follow = Follow {
            number: follow.number + 1,
            pursuit: Pursuit::Seeking,
            of_connection,
            request: None,
            since: Some(Instant::now()),
            first_hops: Vec::new(),
            last_hops: VecDeque::new(),
            left_out: 0,
            level_before: Some(level_before),
        };
        log::set_max_level(LevelFilter::Trace);
        self.stage.store(SEEKING, Ordering::Release);
        follow.number
    }

    /// What has been written down.
    pub fn look(&self) -> Followed {
        let follow = self.in_time();
        let mut hops: Vec<&Hop> = follow.first_hops.iter().chain(&follow.last_hops).collect();
        hops.sort_by_key(|hop| hop.at);
        let began = hops.first().map(|hop| hop.at);
        let since =
            |from: Instant, to: Instant| to.saturating_duration_since(from).as_nanos() as u64;
        let timed = |hop: &Hop| {
            let lasted = hop.ended.map(|ended| since(hop.at, ended));
            (began.map_or(0, |began| since(began, hop.at)), lasted, hop.clone())
        };
        Followed {
            number: follow.number,
            pursuit: follow.pursuit,
            of_connection: follow.of_connection,
            request: follow.request,
            hops: hops.into_iter().map(timed).collect(),
            left_out: follow.left_out,
        }
    }

    /// A request has been read. If it is the one that is sought, its hops are those that have led to
    /// it on this thread, and all to come.
    #[inline]
    pub fn begins(&self, request: Subject) {
        if is_traced() {
            self.choose(request);
        }
    }

    /// The answer to a request has left.
    #[inline]
    pub fn is_over(&self, request: Subject) {
        if is_traced() {
            self.end_if(Pursuit::Answered, |followed| followed == request);
        }
    }

    /// A connection is closed: its request ends, and none of it has to be sought any longer.
    #[inline]
    pub fn is_gone(&self, connection: Subject) {
        if is_traced() {
            self.end_if(Pursuit::Lost, |followed| followed.shares_connection(connection));
        }
    }

    /// Ends the pursuit with this number, if it is still under way: whoever asked for it has no more
    /// use for it.
    pub fn give_up(&self, number: u64) {
        let mut follow = self.in_time();
        if follow.number == number && follow.is_under_way() {
            self.end(&mut follow, Pursuit::GivenUp);
        }
    }

    /// Writes a hop down if somebody wants it. Returns its number, for its [end](Self::end_hop), or 0.
    #[cold]
    pub fn record(
        &self,
        depth: usize,
        step: Option<u8>,
        name: &'static str,
        words: fmt::Arguments<'_>,
    ) -> u32 {
        let stage = self.stage.load(Ordering::Acquire);
        if stage != AT_REST && step == Some(POLL_STEP) {
            drop(self.in_time());
        }
        match stage {
            SEEKING if step.is_some_and(|step| LEAD_IN_STEPS.contains(&step)) => {
                self.keep_for_now(self.hop(depth, step, name, words))
            }
            FOLLOWING if self.may_follow(Subject::present()) => {
                // Put into words before the lock is taken: they are the caller's code.
                self.keep(self.hop(depth, step, name, words))
            }
            _ => 0,
        }
    }

    /// Nobody knows yet whether a request of interest comes of it.
    fn keep_for_now(&self, hop: Hop) -> u32 {
        let serial = hop.serial;
        LEAD_IN.with_borrow_mut(|hops| {
            if hop.step == Some(POLL_STEP) {
                hops.clear();
            }
            if hops.len() == LEAD_IN_MAX {
                hops.pop_front();
            }
            hops.push_back((Subject::present(), hop));
        });
        serial
    }

    fn keep(&self, hop: Hop) -> u32 {
        let mut follow = self.in_time();
        if follow.pursuit != Pursuit::Following || follow.request != Subject::present() {
            return 0;
        }
        let serial = hop.serial;
        follow.push(hop);
        serial
    }

    /// `false` for nearly all requests but the one that is followed.
    fn may_follow(&self, subject: Option<Subject>) -> bool {
        let followed = self.followed.load(Ordering::Relaxed);
        subject.is_some_and(|subject| subject.fingerprint() == followed)
    }

    /// The call of the hop with this number has returned.
    #[cold]
    pub fn end_hop(&self, serial: u32) {
        let now = Instant::now();
        let is_here = LEAD_IN.with_borrow_mut(|hops| {
            let hop = hops.iter_mut().rev().find(|(_, hop)| hop.serial == serial);
            hop.map(|(_, hop)| hop.ended = Some(now)).is_some()
        });
        if is_here {
            return;
        }
        let mut follow = locked(&self.follow);
        let Follow { first_hops, last_hops, .. } = &mut *follow;
        let mut hops = last_hops.iter_mut().rev().chain(first_hops.iter_mut().rev());
        if let Some(hop) = hops.find(|hop| hop.serial == serial) {
            hop.ended = Some(now);
        }
    }

    #[cold]
    fn choose(&self, request: Subject) {
        if self.stage.load(Ordering::Acquire) != SEEKING {
            return;
        }
        let mut follow = self.in_time();
        let is_other = |it: Subject| !it.shares_connection(request);
        if follow.pursuit != Pursuit::Seeking || follow.of_connection.is_some_and(is_other) {
            return;
        }
        let sought_since = follow.since;
        // What is older was kept for an earlier pursuit, which has ended on another thread.
        let led_to_it = |subject: Option<Subject>, hop: &Hop| match subject {
            _ if sought_since.is_none_or(|since| hop.at < since) => false,
            Some(it) => it == request || it.correlation_id().is_none() && !is_other(it),
            None => hop.step == Some(POLL_STEP),
        };
        for (subject, hop) in LEAD_IN.take() {
            if led_to_it(subject, &hop) {
                follow.push(hop);
            }
        }
        (follow.pursuit, follow.request) = (Pursuit::Following, Some(request));
        follow.since = Some(Instant::now());
        self.followed.store(request.fingerprint(), Ordering::Relaxed);
        self.stage.store(FOLLOWING, Ordering::Release);
    }

    #[cold]
    fn end_if(&self, how: Pursuit, is_meant: impl Fn(Subject) -> bool) {
        if self.stage.load(Ordering::Acquire) == AT_REST {
            return;
        }
        let mut follow = self.in_time();
        let of_interest = match follow.pursuit {
            Pursuit::Following => follow.request,
            Pursuit::Seeking => follow.of_connection,
            _ => None,
        };
        if of_interest.is_some_and(is_meant) {
            self.end(&mut follow, how);
        }
    }

    /// The lock, with what has taken too long ended.
    fn in_time(&self) -> MutexGuard<'_, Follow> {
        let mut follow = locked(&self.follow);
        if follow.is_under_way() && follow.since.is_some_and(|since| since.elapsed() > PATIENCE) {
            self.end(&mut follow, Pursuit::GivenUp);
        }
        follow
    }

    fn end(&self, follow: &mut Follow, how: Pursuit) {
        follow.pursuit = how;
        self.stage.store(AT_REST, Ordering::Release);
        // Unless somebody has set another level meanwhile.
        if let Some(level) = follow.level_before.take()
            && log::max_level() == LevelFilter::Trace
        {
            log::set_max_level(level);
        }
    }

    fn hop(
        &self,
        depth: usize,
        step: Option<u8>,
        name: &'static str,
        words: fmt::Arguments<'_>,
    ) -> Hop {
        let serial = self.next_serial.fetch_add(1, Ordering::Relaxed).max(FIRST_SERIAL);
        let thread = thread::current().name().unwrap_or("unnamed").to_string();
        let words = in_few_chars(words);
        Hop { serial, at: Instant::now(), ended: None, thread, depth, step, name, words }
    }
}

/// The level before the pursuit, or what somebody has set instead during the one before.
fn level_to_restore(before: Option<LevelFilter>, present: LevelFilter) -> LevelFilter {
    before.filter(|_| present == LevelFilter::Trace).unwrap_or(present)
}

/// The first characters of `words`; what comes behind them is not even put together.
fn in_few_chars(words: fmt::Arguments<'_>) -> String {
    let mut few = FewChars { text: String::new(), room: CHARS_MAX };
    // An error says that there was no room for all.
    let _ = few.write_fmt(words);
    few.text
}

struct FewChars {
    text: String,
    room: usize,
}

impl Write for FewChars {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        for c in more.chars() {
            self.room = self.room.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(c);
        }
        Ok(())
    }
}

impl Follow {
    fn is_under_way(&self) -> bool {
        matches!(self.pursuit, Pursuit::Seeking | Pursuit::Following)
    }

    fn push(&mut self, hop: Hop) {
        if self.first_hops.len() < FIRST_HOPS_MAX {
            return self.first_hops.push(hop);
        }
        if self.last_hops.len() == LAST_HOPS_MAX {
            self.last_hops.pop_front();
            self.left_out += 1;
        }
        self.last_hops.push_back(hop);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every test sets the level that a pursuit would set, and none takes it back: it is one for the
    /// process, and the tests run at once.
    fn recorder() -> HopRecorder {
        log::set_max_level(LevelFilter::Trace);
        HopRecorder::new()
    }

    fn names(recorder: &HopRecorder) -> Vec<&'static str> {
        recorder.look().hops.iter().map(|(.., hop)| hop.name).collect()
    }

    fn record(recorder: &HopRecorder, step: u8, name: &'static str) -> u32 {
        recorder.record(0, Some(step), name, format_args!("words"))
    }

    #[test]
    fn the_hops_are_those_that_led_to_the_request_and_its_own() {
        let recorder = recorder();
        let number = recorder.seek(None);
        let (connection, other) = (Subject::connection(7, 1), Subject::connection(7, 2));
        let request = connection.request(5);
        record(&recorder, 3, "an earlier poll");
        record(&recorder, 3, "poll");
        {
            let _other = other.enter();
            record(&recorder, 4, "another's read");
        }
        let _connection = connection.enter();
        record(&recorder, 4, "read");
        let _request = request.enter();
        recorder.begins(request);
        let parse = record(&recorder, 5, "parse");
        recorder.end_hop(parse);
        {
            let _other = other.request(5).enter();
            record(&recorder, 5, "another's parse");
        }
        recorder.is_over(other.request(5));
        recorder.is_over(request);
        record(&recorder, 5, "after the end");

        let followed = recorder.look();
        assert_eq!((followed.number, followed.pursuit), (number, Pursuit::Answered));
        assert_eq!(followed.request, Some(request));
        assert_eq!(names(&recorder), ["poll", "read", "parse"]);
        let has_ended: Vec<bool> = followed.hops.iter().map(|(_, it, _)| it.is_some()).collect();
        assert_eq!(has_ended, [false, false, true]);
    }

    #[test]
    fn only_the_connection_that_was_asked_for_is_followed_and_its_end_ends_that() {
        let recorder = recorder();
        let (connection, other) = (Subject::connection(8, 1), Subject::connection(8, 2));
        recorder.seek(Some(connection));
        recorder.begins(other.request(1));
        assert_eq!(recorder.look().pursuit, Pursuit::Seeking);
        recorder.begins(connection.request(1));
        assert_eq!(recorder.look().pursuit, Pursuit::Following);
        recorder.is_gone(other);
        assert_eq!(recorder.look().pursuit, Pursuit::Following);
        recorder.is_gone(connection);
        assert_eq!(recorder.look().pursuit, Pursuit::Lost);
    }

    #[test]
    fn a_connection_that_is_gone_is_not_sought_any_longer() {
        let recorder = recorder();
        let (connection, other) = (Subject::connection(8, 3), Subject::connection(8, 4));
        recorder.seek(Some(connection));
        recorder.is_gone(other);
        assert_eq!(recorder.look().pursuit, Pursuit::Seeking);
        recorder.is_gone(connection);
        assert_eq!(recorder.look().pursuit, Pursuit::Lost);
        recorder.seek(None);
        recorder.is_gone(connection);
        assert_eq!(recorder.look().pursuit, Pursuit::Seeking);
    }

    #[test]
    fn only_the_pursuit_with_its_number_is_given_up_and_the_level_is_as_before() {
        let recorder = recorder();
        let (first, second) = (recorder.seek(None), recorder.seek(None));
        recorder.give_up(first);
        assert_eq!(recorder.look().pursuit, Pursuit::Seeking);
        assert_eq!(locked(&recorder.follow).level_before, Some(LevelFilter::Trace));
        recorder.give_up(second);
        assert_eq!(recorder.look().pursuit, Pursuit::GivenUp);
        assert_eq!(locked(&recorder.follow).level_before, None, "it was set back");
        assert_eq!(recorder.stage.load(Ordering::Acquire), AT_REST);
    }

    #[test]
    fn the_level_to_restore_is_the_last_that_somebody_else_has_set() {
        use LevelFilter::{Info, Trace, Warn};
        assert_eq!(level_to_restore(None, Info), Info);
        assert_eq!(level_to_restore(Some(Info), Trace), Info);
        assert_eq!(level_to_restore(Some(Info), Warn), Warn);
        assert_eq!(level_to_restore(None, Trace), Trace);
    }

    #[test]
    fn what_an_earlier_pursuit_has_left_on_a_thread_does_not_lead_to_a_later_request() {
        let recorder = recorder();
        let connection = Subject::connection(8, 5);
        recorder.seek(None);
        record(&recorder, 3, "an old poll");
        {
            let _connection = connection.enter();
            record(&recorder, 4, "an old read");
        }
        recorder.seek(None);
        let request = connection.request(1);
        let _request = request.enter();
        record(&recorder, 5, "parse");
        recorder.begins(request);
        assert_eq!(names(&recorder), ["parse"]);
    }

    #[test]
    fn what_a_handler_does_while_a_request_is_sought_is_not_kept() {
        let recorder = recorder();
        recorder.seek(None);
        assert_eq!(record(&recorder, 8, "the read of another request"), 0);
        assert!(LEAD_IN.with_borrow(VecDeque::is_empty));
    }

    #[test]
    fn of_long_words_the_first_are_kept_and_the_rest_is_not_put_together() {
        struct Endless;
        impl fmt::Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for at in 0.. {
                    write!(f, "这{at}")?;
                }
                Ok(())
            }
        }
        let words = in_few_chars(format_args!("{Endless}"));
        assert_eq!(words.chars().count(), CHARS_MAX);
        assert!(words.starts_with("这0这1"), "{words}");
        assert_eq!(in_few_chars(format_args!("few {}", 1)), "few 1");
    }

    #[test]
    fn of_a_long_answer_the_first_hops_are_kept_and_the_last() {
        let recorder = recorder();
        recorder.seek(None);
        let request = Subject::connection(9, 1).request(1);
        let _request = request.enter();
        recorder.begins(request);
        for _ in 0..FIRST_HOPS_MAX + 2 * LAST_HOPS_MAX {
            record(&recorder, 17, "write");
        }
        record(&recorder, 19, "unmute");
        let followed = recorder.look();
        assert_eq!(followed.hops.len(), FIRST_HOPS_MAX + LAST_HOPS_MAX);
        assert_eq!(followed.left_out, LAST_HOPS_MAX + 1);
        assert_eq!(followed.hops.last().unwrap().2.name, "unmute");
    }
}
