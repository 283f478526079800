//! In the place of log4j's `authorizerAppender`, by which Kafka writes denials to a file of their own:
//! here they, and all other refusals, stand among the other lines, so that a flood of them is told
//! in part.

use std::sync::Mutex;

/// The most refusals in a second that the log tells of.
const TOLD_PER_SECOND_MAX: u64 = 100;

/// How many refusals the log has been told of lately. A client that is refused may ask again at
/// once, thousands of times a second.
#[derive(Debug, Default)]
pub struct RefusalLog {
    second: Mutex<Second>,
}

#[derive(Debug, Default)]
struct Second {
    began_ms: i64,
    told: u64,
    untold: u64,
}

impl RefusalLog {
    /// Whether the log may be told of one more at the moment `now_ms`, and of how many it has not
    /// been told in the second that ends with it.
    pub fn may_tell(&self, now_ms: i64) -> (bool, u64) {
        let mut second = self.second.lock().expect("no thread panics while it counts refusals");
        let mut untold = 0;
        if second.told == 0 || now_ms - second.began_ms >= 1000 {
            untold = second.untold;
            *second = Second { began_ms: now_ms, ..Second::default() };
        }
        let may_tell = second.told < TOLD_PER_SECOND_MAX;
        match may_tell {
            true => second.told += 1,
            false => second.untold += 1,
        }
        (may_tell, untold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_flood_of_refusals_some_are_told_each_second_and_the_others_counted() {
        let log = RefusalLog::default();
        let ask = |times: u64, now_ms| {
            let answers: Vec<_> = (0..times).map(|_| log.may_tell(now_ms)).collect();
            let told = answers.iter().filter(|(may_tell, _)| *may_tell).count();
            (told, answers.iter().map(|(_, untold)| untold).sum::<u64>())
        };
        assert_eq!(ask(1, 5), (1, 0));
        assert_eq!(ask(5000, 1004), (99, 0));
        assert_eq!(ask(3, 1005), (3, 4901));
        assert_eq!(ask(98, 1900), (97, 0));
        assert_eq!(ask(1, 9000), (1, 1));
        assert_eq!(ask(1, 99_000), (1, 0));
    }
}
