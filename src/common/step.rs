//! Not in Kafka: the trace tells one request. Each line says whom it is about, on whatever thread,
//! and lines are nested as calls are.
//!
//! `2#0/5     [8] Log.read: ..` is step 8 of the request with correlation id 5 on connection 2#0,
//! two calls deep. The name before the step is that of the
//! [`Subject`] that the thread works for.
//!
//! A step is a line of the log if the trace is on, and a hop of the [`HopRecorder`] if somebody
//! follows the request on the page that shows the path at work. While neither is so, a step costs a
//! look at the log's level.
//!
//! [`HopRecorder`]: crate::common::hop_recorder::HopRecorder

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use log::{Level, Record};

use crate::common::hop_recorder::RECORDER;
use crate::common::subject::Subject;

/// By how many spaces a call is moved to the right of its caller.
const INDENTATION: usize = 2;

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// A call in the trace. What is logged before it is dropped is part of it.
#[must_use = "the step lasts as long as this is kept"]
pub struct Step {
    /// The number of its hop, or one of the two below, which are no numbers of hops.
    hop: u32,
    of_this_thread: PhantomData<*const ()>,
}

const UNTRACED: u32 = 0;
const LOGGED_ONLY: u32 = 1;

impl Step {
    /// One that nobody wants to know of.
    #[inline]
    pub fn untraced() -> Self {
        Self { hop: UNTRACED, of_this_thread: PhantomData }
    }

    /// One that was [noted](note) with this result.
    #[cold]
    pub fn begun(hop: u32) -> Self {
        if hop != UNTRACED {
            DEPTH.set(DEPTH.get() + 1);
        }
        Self { hop, of_this_thread: PhantomData }
    }

    #[cold]
    fn end(&self) {
        DEPTH.set(DEPTH.get() - 1);
        if self.hop != LOGGED_ONLY {
            RECORDER.end_hop(self.hop);
        }
    }
}

impl Drop for Step {
    #[inline]
    fn drop(&mut self) {
        if self.hop != UNTRACED {
            self.end();
        }
    }
}

/// Where in the source a step stands, and what it is called.
pub struct Place {
    pub module: &'static str,
    pub file: &'static str,
    pub line: u32,
    /// The step on the page of a fetch.
    pub step: Option<u8>,
    /// Kafka's.
    pub name: &'static str,
}

/// Logs a step, if its module is traced, and leaves it to the recorder. Returns the number of its
/// hop, or what stands for none. One call, so that the code of a hot path grows as little as
/// possible round it.
#[cold]
#[inline(never)]
pub fn note(place: &'static Place, words: fmt::Arguments<'_>) -> u32 {
    let Place { module, file, line, step, name } = *place;
    let is_logged = log::log_enabled!(target: module, Level::Trace);
    if is_logged {
        let mut record = Record::builder();
        record.level(Level::Trace).target(module).module_path_static(Some(module));
        record.file_static(Some(file)).line(Some(line));
        let number = in_words(|f| step.map_or(Ok(()), |step| write!(f, "[{step}] ")));
        log::logger().log(&record.args(format_args!("{number}{name}: {words}")).build());
    }
    RECORDER.record(DEPTH.get(), step, name, words).max(u32::from(is_logged))
}

/// What stands before the text of a line: the subject of this thread, and its depth in spaces.
pub fn line_prefix() -> impl fmt::Display {
    in_words(|f| {
        if let Some(subject) = Subject::present() {
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

/// Notes one line of the trace: what a step has come to, or a step that calls no other.
///
/// `mark!([9] "FileMessageSet.read", "positions {start} to {end}")`: the step on the page of a fetch,
/// if it is on that way; Kafka's name; and words.
macro_rules! mark {
    ($([$number:literal])? $name:literal, $($words:tt)+) => {
        if $crate::common::subject::is_traced() {
            $crate::common::step::note_here!($([$number])? $name, $($words)+);
        }
    };
}

/// Notes as [`mark`] does, and returns the [`Step`] in which all that follows is nested:
/// `let _step = step!(..);`.
macro_rules! step {
    ($([$number:literal])? $name:literal, $($words:tt)+) => {
        if $crate::common::subject::is_traced() {
            let hop = $crate::common::step::note_here!($([$number])? $name, $($words)+);
            $crate::common::step::Step::begun(hop)
        } else {
            $crate::common::step::Step::untraced()
        }
    };
}

macro_rules! note_here {
    ($([$number:literal])? $name:literal, $($words:tt)+) => {{
        static PLACE: $crate::common::step::Place = $crate::common::step::Place {
            module: module_path!(),
            file: file!(),
            line: line!(),
            step: [$(Some($number),)? None][0],
            name: $name,
        };
        $crate::common::step::note(&PLACE, format_args!($($words)+))
    }};
}

pub(crate) use {mark, note_here, step};

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;
    use std::thread;

    use log::LevelFilter;

    use super::*;
    use crate::common::subject::Carried;

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
        let outer = Step::begun(LOGGED_ONLY);
        assert_eq!(prefix(), "  ");
        let inner = catch_unwind(|| {
            let _inner = Step::begun(LOGGED_ONLY);
            let _hidden = Step::untraced();
            assert_eq!(prefix(), "    ");
            panic!("as this test wants");
        });
        assert!(inner.is_err());
        assert_eq!(prefix(), "  ");
        drop(outer);
        assert_eq!(prefix(), "");
    }
}
