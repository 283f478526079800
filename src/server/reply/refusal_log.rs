//! Where Kafka's log4j has an `authorizerAppender`, which writes denials to a file of their own,
//! denials and all other refusals stand among the other log lines here. So that a flood of them
//! does not drown those, it is logged in part.

use std::sync::Mutex;

use crate::common::lock::locked;

const LOGGED_PER_SECOND_MAX: u64 = 100;

/// How many refusals were logged lately. A client that is refused may ask again at once, thousands
/// of times a second.
#[derive(Debug, Default)]
pub struct RefusalLog {
    second: Mutex<Second>,
}

#[derive(Debug, Default)]
struct Second {
    began_ms: i64,
    logged: u64,
    suppressed: u64,
}

impl RefusalLog {
    /// Whether one more refusal may be logged at `now_ms`, and how many were suppressed in the
    /// second that ends with it.
    pub fn may_log(&self, now_ms: i64) -> (bool, u64) {
        let mut second = locked(&self.second);
        let mut suppressed = 0;
        if second.logged == 0 || now_ms - second.began_ms >= 1000 {
            suppressed = second.suppressed;
            *second = Second { began_ms: now_ms, ..Second::default() };
        }
        let may_log = second.logged < LOGGED_PER_SECOND_MAX;
        match may_log {
            true => second.logged += 1,
            false => second.suppressed += 1,
        }
        (may_log, suppressed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_flood_of_refusals_some_are_logged_each_second_and_the_others_counted() {
        let log = RefusalLog::default();
        let ask = |times: u64, now_ms| {
            let answers: Vec<_> = (0..times).map(|_| log.may_log(now_ms)).collect();
            let logged = answers.iter().filter(|(may_log, _)| *may_log).count();
            (logged, answers.iter().map(|(_, suppressed)| suppressed).sum::<u64>())
        };
        assert_eq!(ask(1, 5), (1, 0));
        assert_eq!(ask(5000, 1004), (99, 0));
        assert_eq!(ask(3, 1005), (3, 4901));
        assert_eq!(ask(98, 1900), (97, 0));
        assert_eq!(ask(1, 9000), (1, 1));
        assert_eq!(ask(1, 99_000), (1, 0));
    }
}
