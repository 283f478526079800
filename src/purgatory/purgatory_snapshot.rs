//! Not in Kafka: a purgatory at one moment, for the page that shows the path at work.

/// What waits, under which keys and on which wheels.
#[derive(Clone, Debug)]
pub struct PurgatorySnapshot<K> {
    /// The operations whose time runs.
    pub delayed: usize,
    /// The entries of all lists, those of completed operations included.
    pub watched: usize,
    pub key_count: usize,
    /// Some of the keys, each with how many operations wait under it.
    pub keys: Vec<(K, usize)>,
    pub wheel: WheelSnapshot,
}

/// A timing wheel: its levels, the finest first.
#[derive(Clone, Debug)]
pub struct WheelSnapshot {
    pub buckets_per_level: usize,
    pub levels: Vec<LevelSnapshot>,
}

/// One level of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelSnapshot {
    /// The width of a bucket.
    pub tick_ms: i64,
    pub entries: usize,
}
