//! The two ages between which a message is compacted, as the broker or a topic sets them.

/// `min.compaction.lag.ms` and `max.compaction.lag.ms`, each under the name that it has where it
/// was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompactionLags {
    pub min_name: &'static str,
    pub max_name: &'static str,
    pub min_ms: i64,
    pub max_ms: i64,
}

impl CompactionLags {
    /// What is wrong with the maximum, if the two contradict each other: a message that must not be
    /// cleaned yet cannot be due for it.
    pub fn contradiction(&self) -> Option<String> {
        let Self { min_name, min_ms, .. } = self;
        let is_contradiction = self.min_ms > self.max_ms;
        is_contradiction.then(|| format!("must not be less than `{min_name}`, {min_ms}"))
    }

    /// The same as a sentence of its own.
    pub fn contradiction_sentence(&self) -> Option<String> {
        let why = self.contradiction()?;
        Some(format!("`{}`, {}, {why}", self.max_name, self.max_ms))
    }
}
