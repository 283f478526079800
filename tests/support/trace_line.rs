//! A line of the broker's trace, taken apart.

/// `2026-11-29T18:06:20.123456Z TRACE [thread] 2#0/5     [8] Log.read: words`.
#[derive(Clone, Debug)]
pub struct TraceLine {
    /// Microseconds since midnight, in UTC.
    pub day_us: i64,
    pub thread: String,
    /// `2#0/5`, `2#0`, or nothing.
    pub subject: String,
    /// In how many calls of its thread it was logged.
    pub depth: usize,
    /// Its number on the page of a fetch, if it has one.
    pub step: Option<u32>,
    pub kafkas_name: String,
    pub words: String,
}

impl TraceLine {
    /// `None` for a line of another level.
    ///
    /// # Panics
    /// If a line of this level has another form.
    pub fn parse(line: &str) -> Option<Self> {
        let (time, rest) = line.split_once(" TRACE [")?;
        let (thread, rest) = rest.split_once("] ").unwrap();
        let is_named = rest.starts_with(|c: char| c.is_ascii_digit());
        let (subject, rest) = if is_named { rest.split_once(' ').unwrap() } else { ("", rest) };
        let text = rest.trim_start_matches(' ');
        let spaces = rest.len() - text.len();
        assert_eq!(spaces % 2, 0, "{line}");
        let numbered = text.strip_prefix('[').map(|it| it.split_once("] ").unwrap());
        let (step, text) = match numbered {
            Some((step, text)) => (Some(step.parse().unwrap()), text),
            None => (None, text),
        };
        let (kafkas_name, words) = text.split_once(": ").unwrap_or_else(|| panic!("{line}"));
        Some(Self {
            day_us: day_us(time),
            thread: thread.to_string(),
            subject: subject.to_string(),
            depth: spaces / 2,
            step,
            kafkas_name: kafkas_name.to_string(),
            words: words.to_string(),
        })
    }
}

/// Of `2026-11-29T18:06:20.123456Z`.
fn day_us(time: &str) -> i64 {
    let (_date, clock) = time.trim_end_matches('Z').split_once('T').unwrap();
    let (clock, fraction) = clock.split_once('.').unwrap();
    assert_eq!(fraction.len(), 6, "a time has microseconds: {time}");
    let seconds = clock.split(':').fold(0, |sum, part| sum * 60 + part.parse::<i64>().unwrap());
    seconds * 1_000_000 + fraction.parse::<i64>().unwrap()
}
