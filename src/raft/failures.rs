//! In the place of Kafka's log lines for each failed request: with several controllers the same failures take
//! turns while an election runs, and each of them is worth one line.

/// How many different ones in a row are news.
const NEWS_MAX: usize = 16;

/// The failures since a controller has answered.
#[derive(Debug, Default)]
pub struct Failures(Vec<String>);

impl Failures {
    /// A controller has answered: the same failure is news again.
    pub fn forget(&mut self) {
        self.0.clear();
    }

    /// Whether there has been none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there has been no such failure since.
    pub fn is_news(&mut self, why: &str) -> bool {
        let is_news = self.0.len() < NEWS_MAX && !self.0.iter().any(|known| known == why);
        if is_news {
            self.0.push(why.to_string());
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_that_take_turns_are_news_once_until_there_is_an_answer() {
        let mut failures = Failures::default();
        let news = |failures: &mut Failures| ["a", "b", "a", "b"].map(|why| failures.is_news(why));
        assert_eq!(news(&mut failures), [true, true, false, false]);
        failures.forget();
        assert_eq!(news(&mut failures), [true, true, false, false]);
    }

    #[test]
    fn failures_that_are_never_the_same_are_news_a_few_times() {
        let mut failures = Failures::default();
        let news = (0..1_000).filter(|number| failures.is_news(&number.to_string())).count();
        assert_eq!(news, NEWS_MAX);
    }
}
