//! Port of `org.apache.kafka.common.metrics.stats.Rate`, `SampledStat` and `Total`: how much came
//! per second, over a window that slides.

/// How a [`Rate`] divides time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateConfig {
    /// How many samples are kept, at least 1.
    pub samples: usize,
    /// How long each of them collects, in milliseconds, at least 1.
    pub sample_ms: i64,
}

impl RateConfig {
    /// After so long a sample no longer counts, in milliseconds.
    fn expire_age_ms(&self) -> i64 {
        let samples = i64::try_from(self.samples).unwrap_or(i64::MAX);
        samples.saturating_mul(self.sample_ms)
    }
}

/// A rate over the last few samples. It reads no clock: its caller passes the time, by a clock that
/// does not go back.
///
/// The samples are a ring that grows to its full size only as time goes by, so a rate that was used
/// once is small.
#[derive(Debug)]
pub struct Rate {
    config: RateConfig,
    samples: Vec<Sample>,
    /// The sample that collects; `current < samples.len()` once there is one.
    current: usize,
}

/// The amount that came from `began_ms` on, until the next sample began.
#[derive(Clone, Copy, Debug)]
struct Sample {
    began_ms: i64,
    sum: f64,
}

/// The measurement of a [`Rate`] at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The sum of the samples that count.
    pub total: f64,
    /// The time they stand for, in milliseconds.
    pub window_ms: i64,
}

impl Rate {
    /// A rate that has recorded nothing.
    pub fn new(config: RateConfig) -> Self {
        Self { config, samples: Vec::new(), current: 0 }
    }

    /// How this rate divides time.
    pub fn config(&self) -> &RateConfig {
        &self.config
    }

    /// The most memory that a rate takes, in bytes.
    pub fn size_max_bytes(config: &RateConfig) -> usize {
        // A vector that grows may hold twice what is in it.
        size_of::<Self>() + config.samples.saturating_mul(2 * size_of::<Sample>())
    }

    /// Adds `value` at the time `now_ms`.
    pub fn record(&mut self, value: f64, now_ms: i64) {
        let sample = Sample { began_ms: now_ms, sum: 0.0 };
        match self.samples.get(self.current) {
            None => self.samples.push(sample),
            Some(current) if now_ms - current.began_ms >= self.config.sample_ms => {
                self.current = (self.current + 1) % self.config.samples.max(1);
                match self.samples.get_mut(self.current) {
                    Some(oldest) => *oldest = sample,
                    None => self.samples.push(sample),
                }
            }
            Some(_) => (),
        }
        self.samples[self.current].sum += value;
    }

    /// Port of `SimpleRate`: as [`measure`](Self::measure), but the window reaches back to the first sample that
    /// counts, and is only never shorter than one sample.
    pub fn measure_simply(&mut self, now_ms: i64) -> Measured {
        let Measured { total, .. } = self.measure(now_ms);
        let window_ms = self.elapsed_ms(now_ms).max(self.config.sample_ms);
        Measured { total, window_ms }
    }

    /// The samples that count at the time `now_ms`, added up.
    ///
    /// The window reaches back to the oldest of them, and is never shorter than all samples but one
    /// and the elapsed part of that one: so the first bytes of a client do not look like a torrent.
    pub fn measure(&mut self, now_ms: i64) -> Measured {
        let expire_age_ms = self.config.expire_age_ms();
        for sample in &mut self.samples {
            if now_ms - sample.began_ms >= expire_age_ms {
                *sample = Sample { began_ms: now_ms, sum: 0.0 };
            }
        }
        let elapsed_ms = self.elapsed_ms(now_ms);
        let full_samples = elapsed_ms / self.config.sample_ms;
        let full_samples_min = i64::try_from(self.config.samples - 1).unwrap_or(i64::MAX);
        let missing_ms =
            (full_samples_min - full_samples).max(0).saturating_mul(self.config.sample_ms);
        Measured {
            total: self.samples.iter().map(|it| it.sum).sum(),
            window_ms: elapsed_ms.saturating_add(missing_ms),
        }
    }

    /// Since the oldest sample began.
    fn elapsed_ms(&self, now_ms: i64) -> i64 {
        let oldest_ms = self.samples.iter().map(|it| it.began_ms).min().unwrap_or(now_ms);
        now_ms - oldest_ms
    }

    /// Whether no sample counts any more: the rate then measures what a new one would.
    pub fn is_obsolete(&self, now_ms: i64) -> bool {
        let expire_age_ms = self.config.expire_age_ms();
        self.samples.iter().all(|it| now_ms - it.began_ms >= expire_age_ms)
    }
}

impl Measured {
    pub fn per_second(&self) -> f64 {
        self.total * 1000.0 / self.window_ms as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: RateConfig = RateConfig { samples: 11, sample_ms: 1000 };

    #[test]
    fn the_window_is_never_shorter_than_all_samples_but_one() {
        let mut rate = Rate::new(CONFIG);
        assert_eq!(rate.measure(5), Measured { total: 0.0, window_ms: 10_000 });
        rate.record(400.0, 5);
        assert_eq!(rate.measure(5), Measured { total: 400.0, window_ms: 10_000 });
        assert_eq!(rate.measure(505), Measured { total: 400.0, window_ms: 10_500 });
        assert_eq!(rate.measure(10_504), Measured { total: 400.0, window_ms: 10_499 });
        assert!((rate.measure(5).per_second() - 40.0).abs() < 1e-9);
    }

    #[test]
    fn a_sample_counts_for_all_windows_and_no_longer() {
        let mut rate = Rate::new(CONFIG);
        for second in 0..11 {
            rate.record(100.0, second * 1000);
        }
        assert_eq!(rate.measure(10_999), Measured { total: 1100.0, window_ms: 10_999 });
        assert!((rate.measure(11_000).total - 1000.0).abs() < 1e-9);
        assert!(!rate.is_obsolete(20_999));
        assert!(rate.is_obsolete(30_000));
    }

    #[test]
    fn the_ring_takes_its_oldest_sample_again() {
        let config = RateConfig { samples: 2, sample_ms: 10 };
        let mut rate = Rate::new(config);
        for now_ms in [0, 10, 20, 30] {
            rate.record(1.0, now_ms);
        }
        assert_eq!(rate.samples.len(), 2);
        assert!((rate.measure(30).total - 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_rate_of_which_nothing_counts_measures_as_a_new_one() {
        let mut old = Rate::new(CONFIG);
        for second in 0..30 {
            old.record(1e9, second * 1000);
        }
        let mut new = Rate::new(CONFIG);
        for step in 0..50 {
            let now_ms = 100_000 + step * 700;
            old.record(5.0, now_ms);
            new.record(5.0, now_ms);
            assert_eq!(old.measure(now_ms), new.measure(now_ms), "at {now_ms}");
        }
    }

    #[test]
    fn impossible_sizes_do_not_overflow() {
        let mut rate = Rate::new(RateConfig { samples: usize::MAX, sample_ms: i64::MAX });
        rate.record(1.0, 0);
        assert_eq!(rate.measure(1), Measured { total: 1.0, window_ms: i64::MAX });
        let mut single = Rate::new(RateConfig { samples: 1, sample_ms: 1000 });
        single.record(1.0, 0);
        assert_eq!(single.measure(0), Measured { total: 1.0, window_ms: 0 });
    }
}
