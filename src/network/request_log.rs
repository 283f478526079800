//! Port of the `requestLogger` of `kafka.network.RequestChannel`: a line for each request that is
//! over, with the times of its stages; and a warning for one that was slow, which Kafka has not.
//!
//! Under the target [`REQUEST_LOGGER`], at debug level; at trace level with what was asked for. It is
//! off by default, and then costs a look at the level of the log.

use std::collections::HashMap;
use std::fmt;
use std::fmt::Write;

use log::{Level, debug, log, log_enabled};

use crate::common::log_limit::{LogKind, limited};
use crate::common::text::for_log;
use crate::network::loggable_request::loggable;
use crate::network::request_channel::{ReplyTo, Request, Session};
use crate::network::request_metrics::STAGES;
use crate::protocol::header::RequestHeader;
use crate::transport::connection_id::ConnectionId;

/// The target of these lines: Kafka's logger of this name.
pub const REQUEST_LOGGER: &str = "kafka.request.logger";

/// The longest description of what was asked for, in bytes: a request may name millions of things.
const BODY_BYTES_MAX: usize = 1000;

/// In place of a description that would be a secret.
const NOT_SHOWN: &str = "(not shown: it holds secrets)";

/// The places in [`STAGES`] of the time that a request waits by its own wish, or by its client's
/// quota, and of the sum.
const REMOTE: usize = 2;
const THROTTLE: usize = 3;
const TOTAL: usize = 6;

/// What was spent in each of the [`STAGES`], in nanoseconds.
pub type SpentNs = [u64; STAGES.len()];

/// The log of one Processor's requests.
///
/// Holds what a line says of each request from its arrival until it is over: a connection has one
/// at a time, and each is over once.
pub struct RequestLog {
    slow_ns: Option<u64>,
    described: HashMap<ConnectionId, Description>,
}

/// What a line says of a request beside its times.
struct Description {
    header: RequestHeader,
    body: String,
    request_bytes: usize,
    /// 0 if there is no response.
    response_bytes: u64,
    session: Session,
}

impl RequestLog {
    /// A request that takes more than `slow_ms` milliseconds is slow; `None`: none is.
    pub fn new(slow_ms: Option<i64>) -> Self {
        let slow_ns = slow_ms.map(|ms| ms.unsigned_abs().saturating_mul(1_000_000));
        Self { slow_ns, described: HashMap::new() }
    }

    /// Notes what a request asks for, if it may be logged when it is over.
    pub fn begin(&mut self, request: &Request) {
        if self.slow_ns.is_none() && !log_enabled!(target: REQUEST_LOGGER, Level::Debug) {
            return;
        }
        let description = Description {
            header: request.header.clone(),
            body: match log_enabled!(target: REQUEST_LOGGER, Level::Trace) {
                true => loggable(request.header.api_key, &request.body)
                    .map_or(NOT_SHOWN.to_string(), |it| beginning_of(&it)),
                false => String::new(),
            },
            request_bytes: request.frame.bytes.len(),
            response_bytes: 0,
            session: request.session.clone(),
        };
        self.described.insert(request.connection_id, description);
    }

    /// Forgets a request that will begin again.
    pub fn withdraw(&mut self, connection_id: ConnectionId) {
        self.described.remove(&connection_id);
    }

    /// Notes how long the response to the connection's request is.
    pub fn answer(&mut self, connection_id: ConnectionId, response_bytes: u64) {
        if self.described.is_empty() {
            return;
        }
        if let Some(description) = self.described.get_mut(&connection_id) {
            description.response_bytes = response_bytes;
        }
    }

    /// Logs the request behind `reply_to`, which is over.
    pub fn end(&mut self, reply_to: &ReplyTo, spent_ns: &SpentNs) {
        if self.described.is_empty() {
            return;
        }
        let Some(description) = self.described.remove(&reply_to.connection_id) else { return };
        let line = Line { description: &description, spent_ns };
        debug!(target: REQUEST_LOGGER, "Completed {line}");
        // What it was its client's will to wait for makes no request slow.
        let own_ns = spent_ns[TOTAL].saturating_sub(spent_ns[REMOTE] + spent_ns[THROTTLE]);
        if self.slow_ns.is_some_and(|slow_ns| own_ns > slow_ns) {
            // When all are slow, the log should not be what makes them so.
            let level = limited(LogKind::SlowRequests, Level::Warn);
            log!(target: REQUEST_LOGGER, level, "slow {line}");
        }
    }
}

/// A request and its times, in the order and by the names of Kafka's line.
struct Line<'a> {
    description: &'a Description,
    spent_ns: &'a SpentNs,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Description { header, body, request_bytes, response_bytes, .. } = self.description;
        let Session { listener, principal, client_address, local_address } =
            &self.description.session;
        let api = header.api_key.name();
        let client_id = header.client_id.as_deref().map_or("null".to_string(), for_log);
        write!(
            f,
            "request: apiKey={api}, apiVersion={}, correlationId={}, clientId={client_id}, \
             requestSize={request_bytes}, responseSize={response_bytes}",
            header.api_version, header.correlation_id
        )?;
        if !body.is_empty() {
            write!(f, " -- {body}")?;
        }
        let [queue, local, remote, throttle, response_queue, send, total] =
            self.spent_ns.map(|ns| ns as f64 / 1e6);
        write!(
            f,
            " from connection {local_address}-{client_address};totalTime:{total:.3},\
             requestQueueTime:{queue:.3},localTime:{local:.3},remoteTime:{remote:.3},\
             throttleTime:{throttle:.3},responseQueueTime:{response_queue:.3},\
             sendTime:{send:.3},securityProtocol:{},principal:{principal},listener:{}",
            listener.security_protocol.name(),
            listener.listener_name
        )
    }
}

/// How a value is shown to people who debug, as far as there is room. In it, texts are quoted and
/// escaped.
fn beginning_of(value: &impl fmt::Debug) -> String {
    let mut beginning = Beginning(String::new());
    match write!(beginning, "{value:?}") {
        Ok(()) => beginning.0,
        Err(fmt::Error) => beginning.0 + "...",
    }
}

/// Text that refuses to become long.
struct Beginning(String);

impl fmt::Write for Beginning {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > BODY_BYTES_MAX {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_ends_where_there_is_no_more_room() {
        assert_eq!(beginning_of(&vec!["a\n", "b"]), r#"["a\n", "b"]"#);
        let long = beginning_of(&vec![7_u8; 1_000_000]);
        assert!(long.starts_with("[7, 7, ") && long.ends_with("..."), "{long}");
        assert!(long.len() <= BODY_BYTES_MAX + 3);
    }
}
