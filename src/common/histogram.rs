//! Durations by their length: in place of the `Histogram` of Yammer Metrics, which Kafka uses.
//!
//! Kafka keeps a sample of the durations, and gives out quantiles of it. Quantiles of several
//! brokers cannot be added up. Here each bucket counts, so that a scraper adds and subtracts, and
//! makes its quantiles of the difference.

use std::array;

use crate::common::metrics::Counter;

/// The buckets whose bounds are finite. One more takes what is longer.
const BOUNDED: usize = 20;
/// The bound of the first bucket: a sixteenth of a millisecond. Each bound is twice the one before;
/// the last is 32,768 ms, longer than the longest wait that clients ask for by default.
const FIRST_BOUND_NS: u64 = 62_500;

/// Counts durations in buckets. A duration costs two additions and no lock.
#[derive(Debug)]
pub struct Histogram {
    buckets: [Counter; BOUNDED + 1],
    sum_ns: Counter,
}

/// What a [`Histogram`] holds at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramValues {
    /// How many durations were counted in each bucket; the last has no bound.
    pub counts: [u64; BOUNDED + 1],
    pub sum_ns: u64,
}

impl Histogram {
    pub fn record(&self, duration_ns: u64) {
        self.buckets[bucket_of(duration_ns)].increment();
        // A stage that was skipped takes no time: of the seven of a request that is half.
        if duration_ns > 0 {
            self.sum_ns.add(duration_ns);
        }
    }

    pub fn values(&self) -> HistogramValues {
        let counts = self.buckets.each_ref().map(Counter::value);
        HistogramValues { counts, sum_ns: self.sum_ns.value() }
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: array::from_fn(|_| Counter::default()), sum_ns: Counter::default() }
    }
}

impl HistogramValues {
    /// The bounds of the buckets but the last, in milliseconds; a duration equal to a bound is below
    /// it.
    pub fn bounds_ms() -> impl Iterator<Item = f64> {
        (0..BOUNDED).map(|bucket| (FIRST_BOUND_NS << bucket) as f64 / 1e6)
    }

    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// How often the first bound must be doubled until it is not below the duration.
fn bucket_of(duration_ns: u64) -> usize {
    // Most are as short as that.
    if duration_ns <= FIRST_BOUND_NS {
        return 0;
    }
    let bounds = (duration_ns - 1) / FIRST_BOUND_NS;
    let doublings = 1 + bounds.ilog2() as usize;
    doublings.min(BOUNDED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        let bounds: Vec<f64> = HistogramValues::bounds_ms().collect();
        assert_eq!((bounds[0], bounds[4], bounds[BOUNDED - 1]), (0.0625, 1.0, 32_768.0));
        for (bucket, bound_ms) in bounds.iter().enumerate() {
            let bound_ns = (bound_ms * 1e6) as u64;
            assert_eq!(bucket_of(bound_ns), bucket);
            assert_eq!(bucket_of(bound_ns + 1), bucket + 1);
        }
        assert_eq!(bucket_of(0), 0);
        assert_eq!(bucket_of(u64::MAX), BOUNDED);
    }

    #[test]
    fn durations_are_counted_and_added_up() {
        let histogram = Histogram::default();
        for duration_ns in [0, 62_500, 62_501, u64::MAX / 2] {
            histogram.record(duration_ns);
        }
        let values = histogram.values();
        assert_eq!((values.counts[0], values.counts[1], values.counts[BOUNDED]), (2, 1, 1));
        assert_eq!((values.count(), values.sum_ns), (4, u64::MAX / 2 + 125_001));
    }
}
