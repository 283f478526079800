//! Not in Kafka: for whom a thread works, a connection or a request, so that the trace and the page
//! that shows the path at work can name it.
//!
//! A thread that goes on with what another has put aside takes the subject over with it: a fetch
//! that a producer's append completes bears the name of the fetch.
//!
//! While nobody wants to know, a change of subject costs a look at the log's level.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use log::LevelFilter;

thread_local! {
    static SUBJECT: Cell<Option<Subject>> = const { Cell::new(None) };
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

    /// Whether both came by the same connection.
    pub fn shares_connection(self, other: Self) -> bool {
        (self.processor, self.connection) == (other.processor, other.connection)
    }

    /// A number that others hardly have: to see in one look that two are not the same.
    pub fn fingerprint(self) -> u64 {
        let of_request = self.correlation_id.map_or(0, |it| u64::from(it.cast_unsigned()) + 1);
        of_request ^ self.connection.rotate_left(36) ^ u64::from(self.processor).rotate_left(56)
    }

    /// The id of a request; a connection has none.
    pub fn correlation_id(self) -> Option<i32> {
        self.correlation_id
    }

    /// Whom this thread works for now.
    pub fn present() -> Option<Self> {
        SUBJECT.get()
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

/// Whether anything is traced or followed. The caller's module need not be traced.
#[inline]
pub fn is_traced() -> bool {
    log::max_level() == LevelFilter::Trace
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_shares_its_connection_with_all_that_came_by_it() {
        let connection = Subject::connection(2, 0);
        assert_eq!(connection.request(5).to_string(), "2#0/5");
        assert!(connection.request(5).shares_connection(connection.request(6)));
        assert!(!connection.shares_connection(Subject::connection(0, 2)));
    }

    #[test]
    fn neighbours_have_other_fingerprints() {
        let of = |processor, connection, id| Subject::connection(processor, connection).request(id);
        let request = of(2, 0, 5);
        for other in [of(2, 0, 6), of(2, 1, 5), of(1, 0, 5), of(0, 2, 5), of(2, 0, -1)] {
            assert_ne!(request.fingerprint(), other.fingerprint(), "{other}");
        }
        assert_ne!(request.fingerprint(), Subject::connection(2, 0).fingerprint());
        assert_eq!(request.fingerprint(), of(2, 0, 5).fingerprint());
    }
}
