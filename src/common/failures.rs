//! In the place of Kafka's log lines for each failed request: what is tried again every second fails as often, and
//! with several controllers the same failures take turns while an election runs. Each of them is worth one line, and
//! a reminder while it lasts.

use std::fmt;

/// How many different failures are remembered: more of them are not logged before one has passed.
const NEWS_MAX: usize = 16;
/// A failure that lasts is logged again after this time.
const REMINDER_MS: i64 = 600_000;
/// A failure that has not come for so long has passed, and is news when it comes again.
const QUIET_MS: i64 = 60_000;

/// The failures since there was a success, or of the last minute.
#[derive(Debug, Default)]
pub struct Failures(Vec<Failure>);

#[derive(Debug)]
struct Failure {
    why: String,
    logged_at_ms: i64,
    seen_at_ms: i64,
    /// Since it was logged.
    repeats: u64,
}

/// How often a failure has come since it was logged last, as the end of its next line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeats(pub u64);

impl fmt::Display for Repeats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            repeats => write!(f, " (and {repeats} times since the last such line)"),
        }
    }
}

impl Failures {
    /// What failed has succeeded: the same failure is news again.
    pub fn forget(&mut self) {
        self.0.clear();
    }

    /// Whether there has been none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `Some` if this failure is worth a line now. `now_ms` is of a clock that does not jump.
    pub fn news(&mut self, why: &str, now_ms: i64) -> Option<Repeats> {
        self.0.retain(|it| now_ms.saturating_sub(it.seen_at_ms) < QUIET_MS);
        let Some(known) = self.0.iter_mut().find(|it| it.why == why) else {
            return self.add(why, now_ms);
        };
        known.seen_at_ms = now_ms;
        if now_ms.saturating_sub(known.logged_at_ms) < REMINDER_MS {
            known.repeats += 1;
            return None;
        }
        known.logged_at_ms = now_ms;
        Some(Repeats(std::mem::take(&mut known.repeats)))
    }

    fn add(&mut self, why: &str, now_ms: i64) -> Option<Repeats> {
        let is_news = self.0.len() < NEWS_MAX;
        if is_news {
            let why = why.to_string();
            self.0.push(Failure { why, logged_at_ms: now_ms, seen_at_ms: now_ms, repeats: 0 });
        }
        is_news.then_some(Repeats(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(failures: &mut Failures, names: &[&str], now_ms: i64) -> Vec<bool> {
        names.iter().map(|why| failures.news(why, now_ms).is_some()).collect()
    }

    #[test]
    fn failures_that_take_turns_are_news_once_until_there_is_a_success() {
        let mut failures = Failures::default();
        let turns = ["a", "b", "a", "b"];
        assert_eq!(lines(&mut failures, &turns, 0), [true, true, false, false]);
        assert!(!failures.is_empty());
        failures.forget();
        assert!(failures.is_empty());
        assert_eq!(lines(&mut failures, &turns, 0), [true, true, false, false]);
    }

    #[test]
    fn failures_that_are_never_the_same_are_news_a_few_times() {
        let mut failures = Failures::default();
        let is_news = |number: &i32| failures.news(&number.to_string(), 0).is_some();
        assert_eq!((0..1_000).filter(is_news).count(), NEWS_MAX);
        assert!(failures.news("another", QUIET_MS).is_some(), "the others have passed");
    }

    #[test]
    fn a_failure_of_each_second_is_logged_every_ten_minutes_with_its_number() {
        let mut failures = Failures::default();
        let logged: Vec<_> = (0..=1_200)
            .filter_map(|second| Some((second, failures.news("a", second * 1_000)?.0)))
            .collect();
        assert_eq!(logged, [(0, 0), (600, 599), (1_200, 599)]);
        assert_eq!(Repeats(0).to_string(), "");
        assert_eq!(Repeats(599).to_string(), " (and 599 times since the last such line)");
    }

    #[test]
    fn a_failure_that_has_passed_is_news_when_it_comes_again() {
        let mut failures = Failures::default();
        assert_eq!(failures.news("a", 0), Some(Repeats(0)));
        assert_eq!(failures.news("a", QUIET_MS - 1), None);
        assert_eq!(failures.news("a", 2 * QUIET_MS - 1), Some(Repeats(0)));
    }
}
