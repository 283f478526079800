//! Port of `kafka.network.RequestMetrics` and of `RequestChannel.Request.updateRequestMetrics`:
//! where the time of a request went, and which errors its response had.

use std::array;
use std::fmt;

use crate::common::errors::Errors;
use crate::common::histogram::{Histogram, HistogramValues};
use crate::common::metrics::Counter;
use crate::protocol::api_keys::ApiKeys;

/// Kafka's names of the stages of a request, and of their sum.
pub const STAGES: [&str; 7] = [
    "RequestQueueTimeMs",
    "LocalTimeMs",
    "RemoteTimeMs",
    "ThrottleTimeMs",
    "ResponseQueueTimeMs",
    "ResponseSendTimeMs",
    "TotalTimeMs",
];

/// The places of two errors in [`Errors::ALL`].
const UNKNOWN_SERVER_ERROR: usize = 0;
const NONE: usize = 1;

/// The moments of one request's life, in nanoseconds of the monotonic clock.
///
/// Only `start_ns` is known from the outset; each station stamps its own. A request that is
/// answered while its handler still works on it never gets the stamps of the stations it skipped.
#[derive(Clone, Copy, Debug)]
pub struct RequestTimes {
    /// A Processor has read the last byte of the request.
    pub start_ns: i64,
    /// A handler thread took it from the request queue.
    pub request_dequeue_ns: Option<i64>,
    /// The handler has done its part, and the request waits: for bytes, or for acks.
    pub api_local_complete_ns: Option<i64>,
    /// The wait is over, because the bytes or acks have come or because the time ran out.
    pub api_remote_complete_ns: Option<i64>,
    /// The response was put on the response queue.
    pub response_complete_ns: Option<i64>,
    /// A Processor took the response from the queue.
    pub response_dequeue_ns: Option<i64>,
}

impl RequestTimes {
    /// The times of a request that was received at `start_ns`.
    pub fn starting_at(start_ns: i64) -> Self {
        Self {
            start_ns,
            request_dequeue_ns: None,
            api_local_complete_ns: None,
            api_remote_complete_ns: None,
            response_complete_ns: None,
            response_dequeue_ns: None,
        }
    }

    /// The time spent in each stage, in the order of [`STAGES`], for a request that is over at
    /// `end_ns`. The last is the sum of the others.
    ///
    /// A stage that was skipped takes no time. Kafka's rule for the two stamps of the handler:
    /// without one, the stage ended when the response was complete.
    pub fn spent_ns(&self, end_ns: i64) -> [u64; STAGES.len()] {
        let response_dequeue = self.response_dequeue_ns.unwrap_or(end_ns);
        let response_complete = self.response_complete_ns.unwrap_or(response_dequeue);
        let request_dequeue = self.request_dequeue_ns.unwrap_or(self.start_ns);
        let local_complete = self.api_local_complete_ns.unwrap_or(response_complete);
        let remote_complete = self.api_remote_complete_ns.unwrap_or(response_complete);
        [
            request_dequeue - self.start_ns,
            local_complete - request_dequeue,
            remote_complete - local_complete,
            response_complete - remote_complete,
            response_dequeue - response_complete,
            end_ns - response_dequeue,
            end_ns - self.start_ns,
        ]
        .map(|spent| spent.max(0).unsigned_abs())
    }
}

/// For each API, what time the stages of its requests took, and which errors it was answered with.
///
/// A request is counted when it is over: its response is in the socket, or was dropped, or its
/// connection is gone. Its errors are counted when its response is made.
#[derive(Debug)]
pub struct RequestMetrics {
    by_api: Vec<(ApiKeys, ApiMetrics)>,
}

impl RequestMetrics {
    pub fn new() -> Self {
        let apis = ApiKeys::ALL.iter().chain(ApiKeys::FORWARDED);
        let by_api = apis.map(|&api| (api, ApiMetrics::default())).collect();
        Self { by_api }
    }

    /// Counts a request of `api` that is over, with what was spent in each of the [`STAGES`].
    pub fn record(&self, api: ApiKeys, spent_ns: &[u64; STAGES.len()]) {
        for (stage, spent_ns) in self.of(api).stages.iter().zip(spent_ns) {
            stage.record(*spent_ns);
        }
    }

    /// Port of `RequestChannel.updateErrorMetrics`: counts the codes in a response to a request of
    /// `api`, of which `for_each_code` calls what it is given. A response has one for each partition,
    /// topic or group that it is about, and often one for itself; `NONE` is counted, too.
    pub fn count_errors(&self, api: ApiKeys, for_each_code: impl FnOnce(&mut dyn FnMut(i16))) {
        let errors = &self.of(api).errors;
        let mut without_error = 0;
        for_each_code(&mut |code| match code {
            0 => without_error += 1,
            // A number that no error has is a fault of ours.
            code => errors[Errors::place_of(code).unwrap_or(UNKNOWN_SERVER_ERROR)].increment(),
        });
        errors[NONE].add(without_error);
    }

    /// How many requests of `api` are over.
    pub fn requests(&self, api: ApiKeys) -> u64 {
        self.of(api).requests()
    }

    /// For each API that was asked for: its name, the number of requests, and the sums of the
    /// [`STAGES`] in nanoseconds.
    pub fn values(&self) -> Vec<(&'static str, u64, [u64; STAGES.len()])> {
        self.stages()
            .map(|(api, stages)| {
                let total = &stages[STAGES.len() - 1];
                (api, total.count(), stages.each_ref().map(|stage| stage.sum_ns))
            })
            .collect()
    }

    /// For each API that was asked for: its name, and the [`STAGES`].
    pub fn stages(&self) -> impl Iterator<Item = (&'static str, [HistogramValues; STAGES.len()])> {
        let asked_for = self.by_api.iter().filter(|(_, metrics)| metrics.requests() > 0);
        asked_for
            .map(|(api, metrics)| (api.name(), metrics.stages.each_ref().map(Histogram::values)))
    }

    /// For each API and each error that it was answered with, `NONE` included: in how many places.
    pub fn errors(&self) -> impl Iterator<Item = (&'static str, Errors, u64)> {
        self.by_api.iter().flat_map(|(api, metrics)| {
            let counts = Errors::ALL.iter().zip(&metrics.errors);
            let counted = counts.map(|(error, count)| (api.name(), *error, count.value()));
            counted.filter(|(_, _, count)| *count > 0)
        })
    }

    fn of(&self, api: ApiKeys) -> &ApiMetrics {
        let entry = self.by_api.iter().find(|(key, _)| *key == api);
        &entry.expect("`new` made an entry for every api").1
    }
}

impl Default for RequestMetrics {
    fn default() -> Self {
        Self::new()
    }
}

/// One line per API that was asked for, with the mean of each stage.
impl fmt::Display for RequestMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (api, requests, sums_ns) in self.values() {
            write!(f, "{api}: Requests={requests}")?;
            for (stage, sum_ns) in STAGES.iter().zip(sums_ns) {
                let mean_us = sum_ns / requests / 1000;
                write!(f, " {stage}={}.{:03}", mean_us / 1000, mean_us % 1000)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[derive(Debug)]
struct ApiMetrics {
    stages: [Histogram; STAGES.len()],
    /// In the order of [`Errors::ALL`].
    errors: [Counter; Errors::ALL.len()],
}

impl ApiMetrics {
    fn requests(&self) -> u64 {
        self.stages[STAGES.len() - 1].values().count()
    }
}

impl Default for ApiMetrics {
    fn default() -> Self {
        Self { stages: Default::default(), errors: array::from_fn(|_| Counter::default()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stages_of_a_request_add_up_to_its_total() {
        let times = RequestTimes {
            start_ns: 10,
            request_dequeue_ns: Some(11),
            api_local_complete_ns: Some(13),
            api_remote_complete_ns: Some(16),
            response_complete_ns: Some(20),
            response_dequeue_ns: Some(25),
        };
        assert_eq!(times.spent_ns(31), [1, 2, 3, 4, 5, 6, 21]);
    }

    #[test]
    fn a_request_that_was_answered_at_once_has_only_local_time() {
        let mut times = RequestTimes::starting_at(10);
        times.request_dequeue_ns = Some(11);
        times.response_complete_ns = Some(20);
        times.response_dequeue_ns = Some(25);
        assert_eq!(times.spent_ns(31), [1, 9, 0, 0, 5, 6, 21]);
    }

    #[test]
    fn a_handler_that_ends_after_its_response_was_sent_counts_no_negative_time() {
        let mut times = RequestTimes::starting_at(0);
        times.api_local_complete_ns = Some(50);
        times.response_complete_ns = Some(20);
        times.response_dequeue_ns = Some(30);
        assert_eq!(times.spent_ns(40), [0, 50, 0, 0, 10, 10, 40]);
    }

    #[test]
    fn the_errors_of_an_api_are_counted_by_their_names() {
        let metrics = RequestMetrics::new();
        for codes in [vec![0, 1, 0], vec![0, 1, i16::MAX]] {
            metrics.count_errors(ApiKeys::Fetch, |found| codes.into_iter().for_each(found));
        }
        let errors: Vec<_> = metrics.errors().collect();
        let expected =
            [(Errors::UnknownServerError, 1), (Errors::None, 3), (Errors::OffsetOutOfRange, 2)];
        assert_eq!(errors, expected.map(|(error, count)| ("Fetch", error, count)));
    }

    #[test]
    fn each_api_prints_its_count_and_mean_times() {
        let metrics = RequestMetrics::new();
        for end_ns in [1_000_000, 3_000_000] {
            metrics.record(ApiKeys::Fetch, &RequestTimes::starting_at(0).spent_ns(end_ns));
        }
        assert_eq!(metrics.requests(ApiKeys::Fetch), 2);
        assert_eq!(metrics.requests(ApiKeys::Produce), 0);
        let printed = metrics.to_string();
        assert!(printed.starts_with("Fetch: Requests=2"), "{printed}");
        assert!(printed.contains("TotalTimeMs=2.000"), "{printed}");
        assert_eq!(printed.lines().count(), 1);
    }
}
