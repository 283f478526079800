//! What is refused of a request, for its response and for the log.

use std::fmt;

use crate::common::errors::{Errors, KafkaError};

/// The longest explanation that a client gets, in characters: it may quote what the client sent.
const MESSAGE_CHARS_MAX: usize = 1000;

/// What is refused of a request that is answered all the same: how many of its topics or
/// partitions, and why the first.
///
/// It makes one line in the log, however many partitions the request names.
#[derive(Debug, Default)]
pub struct Refusals {
    count: usize,
    first: String,
}

impl Refusals {
    /// Refuses `what` (a topic, a partition) because of `why`.
    pub fn note(&mut self, what: &dyn fmt::Display, why: &dyn fmt::Display) {
        if self.count == 0 {
            self.first = format!("{what}: {why}");
        }
        self.count += 1;
    }

    /// The code and the explanation that the response has for `what`. An error is noted, too.
    pub fn error_fields(
        &mut self,
        result: Result<(), KafkaError>,
        what: &dyn fmt::Display,
    ) -> (i16, Option<String>) {
        let Err(error) = result else { return (Errors::None.code(), None) };
        // It may quote the request, whose line breaks must not forge log lines.
        let on_one_line = |c: char| if c.is_control() { ' ' } else { c };
        let why: String = error.why().chars().take(MESSAGE_CHARS_MAX).map(on_one_line).collect();
        self.note(what, &why);
        (error.code().code(), Some(why))
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} refused, the first is {}", self.count, self.first)
    }
}
