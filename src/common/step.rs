//! Not in Kafka: the trace tells one request. Each line says whom it is about, on whatever thread,
//! and lines are nested as calls are.
//!
//! `2#0/5     [8] Log.read: ..` is step 8 of the request with correlation id 5 on connection 2#0,
//! two calls deep. The name before the step is that of the [`Subject`] that the thread works for. A
//! thread that goes on with what another has put aside takes the name over with it: a fetch that a
//! producer's append completes bears the name of the fetch.
//!
//! While the trace is off, a step and a change of subject cost a look at the log's level each.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use log::LevelFilter;

/// By how many spaces a call is moved to the right of its caller.
const INDENTATION: usize = 2;

thread_local! {
    static SUBJECT: Cell<Option<Subject>> = const { Cell::new(None) };
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Whom a line of the trace is about: a connection, or a request that came by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    processor: u32,
    connection: u64,
    correlation_id: Option<i32>,
}

impl Subject {
    /// The connection of `processor` with this number.
    pub fn connection(processor: u32, connection: u64) -> Self {
        Self { processor, connection, correlation_id: None }
    }

    /// The request of the same connection with this id.
    #[must_use]
    pub fn request(self, correlation_id: i32) -> Self {
        Self { correlation_id: Some(correlation_id), ..self }
    }

    /// Makes it the subject of what this thread traces, until the scope is dropped.
    #[inline]
    pub fn enter(self) -> Scope {
        Scope::of(Some(self))
    }
}

/// `2#0`, or `2#0/5`.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.processor, self.connection)?;
        self.correlation_id.map_or(Ok(()), |correlation_id| write!(f, "/{correlation_id}"))
    }
}

/// The subject of the thread that has put something aside, for the one that goes on with it.
#[derive(Clone, Copy, Debug)]
pub struct Carried(Option<Subject>);

impl Carried {
    /// Whom this thread works for now.
    #[inline]
    pub fn along() -> Self {
        Self(if is_traced() { SUBJECT.get() } else { None })
    }

    /// Goes on with it, until the scope is dropped.
    #[inline]
    pub fn resume(self) -> Scope {
        Scope::of(self.0)
    }
}

/// Restores the subject before, when it is dropped.
#[must_use = "the subject changes back when this is dropped"]
pub struct Scope {
    /// `None` if nothing has changed.
    before: Option<Option<Subject>>,
    of_this_thread: PhantomData<*const ()>,
}

impl Scope {
    #[inline]
    fn of(subject: Option<Subject>) -> Self {
        let before = if is_traced() { Self::change_to(subject) } else { None };
        Self { before, of_this_thread: PhantomData }
    }

    #[cold]
    fn change_to(subject: Option<Subject>) -> Option<Option<Subject>> {
        subject.map(|subject| SUBJECT.replace(Some(subject)))
    }
}

impl Drop for Scope {
    #[inline]
    fn drop(&mut self) {
        if let Some(before) = self.before {
            SUBJECT.set(before);
        }
    }
}

/// A call in the trace. What is logged before it is dropped is part of it.
#[must_use = "the step lasts as long as this is kept"]
pub struct Step {
    is_traced: bool,
    of_this_thread: PhantomData<*const ()>,
}

impl Step {
    /// One whose line has been logged, if it `is_traced`.
    #[inline]
    pub fn begun(is_traced: bool) -> Self {
        if is_traced {
            DEPTH.set(DEPTH.get() + 1);
        }
        Self { is_traced, of_this_thread: PhantomData }
    }
}

impl Drop for Step {
    #[inline]
    fn drop(&mut self) {
        if self.is_traced {
            DEPTH.set(DEPTH.get() - 1);
        }
    }
}

/// What stands before the text of a line: the subject of this thread, and its depth in spaces.
pub fn line_prefix() -> impl fmt::Display {
    in_words(|f| {
        if let Some(subject) = SUBJECT.get() {
            write!(f, "{subject} ")?;
        }
        write!(f, "{:1$}", "", DEPTH.get() * INDENTATION)
    })
}

/// Text that is put together only when a line is written.
pub fn in_words(write: impl Fn(&mut fmt::Formatter<'_>) -> fmt::Result) -> impl fmt::Display {
    InWords(write)
}

struct InWords<W>(W);

impl<W: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> fmt::Display for InWords<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)(f)
    }
}

/// Whether anything is traced. That of the caller's module need not be.
#[inline]
fn is_traced() -> bool {
    log::max_level() == LevelFilter::Trace
}

/// Logs one line of the trace: what a step has come to, or a step that calls no other.
///
/// `mark!([9] "FileMessageSet.read", "positions {start} to {end}")`: the step on the page of a fetch,
/// if it is on that way; Kafka's name; and words.
macro_rules! mark {
    ($([$number:literal])? $name:literal, $($words:tt)+) => {
        log::trace!("{}{}", concat!($("[", $number, "] ",)? $name, ": "), format_args!($($words)+))
    };
}

/// Logs as [`mark`] does, and returns the [`Step`] in which all that follows is nested:
/// `let _step = step!(..);`.
macro_rules! step {
    ($([$number:literal])? $name:literal, $($words:tt)+) => {{
        let is_traced = log::log_enabled!(log::Level::Trace);
        if is_traced {
            $crate::common::step::mark!($([$number])? $name, $($words)+);
        }
        $crate::common::step::Step::begun(is_traced)
    }};
}

pub(crate) use {mark, step};

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;
    use std::thread;

    use super::*;

    fn prefix() -> String {
        line_prefix().to_string()
    }

    fn with_trace(test: impl FnOnce()) {
        log::set_max_level(LevelFilter::Trace);
        test();
    }

    #[test]
    fn a_line_bears_the_innermost_subject() {
        with_trace(|| {
            assert_eq!(prefix(), "");
            let connection = Subject::connection(2, 0);
            let outer = connection.enter();
            assert_eq!(prefix(), "2#0 ");
            {
                let _inner = connection.request(5).enter();
                assert_eq!(prefix(), "2#0/5 ");
                let _other = Subject::connection(1, 7).request(-1).enter();
                assert_eq!(prefix(), "1#7/-1 ");
            }
            assert_eq!(prefix(), "2#0 ");
            drop(outer);
            assert_eq!(prefix(), "");
        });
    }

    #[test]
    fn what_is_put_aside_takes_its_subject_to_another_thread() {
        with_trace(|| {
            let fetch = Subject::connection(2, 0).request(5).enter();
            let carried = Carried::along();
            drop(fetch);
            let resumed = thread::spawn(move || {
                let _producer = Subject::connection(0, 1).request(9).enter();
                let before = prefix();
                let resumed = carried.resume();
                let during = prefix();
                drop(resumed);
                [before, during, prefix()]
            });
            assert_eq!(resumed.join().unwrap(), ["0#1/9 ", "2#0/5 ", "0#1/9 "]);
            assert_eq!(prefix(), "");
        });
    }

    #[test]
    fn what_nobody_asked_for_leaves_the_subject_as_it_is() {
        with_trace(|| {
            let carried = Carried::along();
            let _request = Subject::connection(0, 0).request(1).enter();
            let _resumed = carried.resume();
            assert_eq!(prefix(), "0#0/1 ");
        });
    }

    #[test]
    fn a_call_is_deeper_than_its_caller_also_after_a_panic() {
        let outer = Step::begun(true);
        assert_eq!(prefix(), "  ");
        let inner = catch_unwind(|| {
            let _inner = Step::begun(true);
            let _hidden = Step::begun(false);
            assert_eq!(prefix(), "    ");
            panic!("as this test wants");
        });
        assert!(inner.is_err());
        assert_eq!(prefix(), "  ");
        drop(outer);
        assert_eq!(prefix(), "");
    }
}
