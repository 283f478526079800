//! What would be wrong in a broken broker, so that the simulation shows that it would notice.

/// How the simulation breaks what it watches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sabotage {
    #[default]
    Nothing,
    /// As 0.9 did: a follower cuts its log at its high watermark, and compares no epochs (KIP-101).
    TruncateToHighWatermark,
    /// A follower takes the high watermark out of an answer that says that its log is another (KAFKA-14704).
    TakeDivergingHighWatermark,
    /// The controller elects any replica that is there.
    ElectOutOfSync,
}
