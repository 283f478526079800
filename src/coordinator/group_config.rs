//! Port of `kafka.coordinator.GroupConfig` and `kafka.server.OffsetManagerConfig`: the settings of
//! the coordinator.

use crate::config::limit::Limit;

/// Limits of groups.
#[derive(Clone, Debug)]
pub struct GroupConfig {
    /// `group.min.session.timeout.ms`.
    pub group_min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`.
    pub group_max_session_timeout_ms: i32,
    /// `group.max.size`: the most members of a group.
    pub group_max_size: usize,
    /// `group.initial.rebalance.delay.ms`: how long an empty group waits for more members before
    /// its first generation.
    pub group_initial_rebalance_delay_ms: i32,
}

/// How offsets are kept.
#[derive(Clone, Debug)]
pub struct OffsetConfig {
    /// `offset.metadata.max.bytes`: the most characters of an offset's metadata.
    pub max_metadata_size: usize,
    /// `offsets.retention.minutes`, in milliseconds: how long offsets outlive the last member.
    pub offsets_retention_ms: i64,
    /// `offsets.load.buffer.size`: how much is read at once when groups are loaded, in bytes.
    pub load_buffer_size: i32,
    /// `offsets.commit.timeout.ms`: how long a change may wait for the replicas.
    pub offset_commit_timeout_ms: u32,
    /// `offsets.commit.required.acks`.
    pub offset_commit_required_acks: i16,
    /// `transferto.group.memory.max.bytes`: how much all groups may hold; without a limit, a share of
    /// what the process may use.
    pub memory_max_bytes: Limit,
}
