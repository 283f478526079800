//! Port of `org.apache.kafka.common.requests.RequestContext`, as far as an authorizer needs it: who
//! sent a request. Beside it stands what the sender was denied, which the log owes a line.

use std::cell::{Cell, OnceCell};
use std::fmt;

use log::{Level, log};

use crate::common::log_limit::{LogKind, limited};

// The sender, so that a handler imports it from here.
pub use crate::network::request_channel::Session;

/// The target under which denials are logged: Kafka's logger of this name.
pub const AUTHORIZER_LOG: &str = "kafka.authorizer.logger";

/// The sender of one request, and what it was denied.
#[derive(Debug)]
pub struct RequestContext {
    pub session: Session,
    pub denials: Denials,
}

impl RequestContext {
    pub fn new(session: Session) -> Self {
        Self { session, denials: Denials::default() }
    }
}

/// What the sender of one request was denied. It makes one line in the log, however many things the
/// request names.
#[derive(Debug, Default)]
pub struct Denials {
    count: Cell<usize>,
    first: OnceCell<String>,
}

impl Denials {
    /// Only the first is put into words.
    pub fn note(&self, denial: &dyn fmt::Display) {
        self.count.set(self.count.get() + 1);
        self.first.get_or_init(|| denial.to_string());
    }

    /// Logs the denials of a request of this API.
    pub fn log(&self, api: &str) {
        let Some(first) = self.first.get() else { return };
        let more = match self.count.get() {
            1 => String::new(),
            count => format!(", the first of {count}"),
        };
        let level = limited(LogKind::Denials, Level::Info);
        log!(target: AUTHORIZER_LOG, level, "{first} for request = {api}{more}");
    }
}
