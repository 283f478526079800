//! Not in Kafka's source, but in its history: faults that this broker avoids and a student may switch
//! on, one by one, by `transferto.lesson.*`. docs/en/lessons.md shows each of them fail.
//!
//! Each fault stands beside the line that avoids it; `grep -rn LESSON src` finds them all.

/// Which of the faults are on. None of them is, unless somebody has asked for it twice: see
/// `src/config/lessons.rs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lessons {
    /// What epoll reports of a muted connection is forgotten.
    pub forgets_edges: bool,
    /// A connection bears the name of its predecessor in the same place (KAFKA-5595).
    pub reuses_names: bool,
    /// A response whose connection is gone takes the next one with it (KAFKA-5790).
    pub loses_responses: bool,
    /// A Processor reads the disk inside of `sendfile` (KAFKA-7504).
    pub leaves_cold_pages: bool,
}
