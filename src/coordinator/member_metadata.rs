//! Port of `kafka.coordinator.MemberMetadata`: one member of a group.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::SystemTime;

use crate::common::errors::Errors;
use crate::coordinator::group_results::{
    JoinCallback, JoinGroupResult, SyncCallback, SyncGroupResult,
};
use crate::purgatory::timing_wheel::TimerTaskId;

/// A protocol that a member can work with: its name, and what the member has to tell the leader
/// about it. The broker does not look into that.
pub type Protocol = (String, Vec<u8>);

/// A member, from its first join to its leaving or dying.
///
/// Holds: at most one of `awaiting_join` and `awaiting_sync` is set, because a client has one
/// request in flight.
pub struct MemberMetadata {
    /// The name that the broker gave it.
    pub member_id: String,
    /// The name that it brought itself: then it is a static member, whose place is kept while it is
    /// away.
    pub group_instance_id: Option<String>,
    /// Whose member it is.
    pub client_id: String,
    /// Where it is.
    pub client_host: String,
    /// How long the group waits for it to rejoin, in milliseconds.
    pub rebalance_timeout_ms: i32,
    /// How long it may be silent, in milliseconds.
    pub session_timeout_ms: i32,
    /// What it can work with, the best first.
    pub supported_protocols: Vec<Protocol>,
    /// What the leader gave it.
    pub assignment: Vec<u8>,
    /// Whether it is in its first join and does not know its id yet, so that it cannot send
    /// heartbeats.
    pub is_new: bool,
    /// When it is dead unless it is heard of, by the monotonic clock.
    pub session_deadline_ms: i64,
    /// The timer that looks after that.
    pub session_timer: Option<TimerTaskId>,
    /// Waits for the group to be complete.
    awaiting_join: Option<JoinCallback>,
    /// Waits for the leader's assignment.
    awaiting_sync: Option<SyncCallback>,
}

impl MemberMetadata {
    /// A member that is not waiting for anything. The other fields are as in a first join.
    pub fn new(member_id: String, group_instance_id: Option<String>) -> Self {
        Self {
            member_id,
            group_instance_id,
            client_id: String::new(),
            client_host: String::new(),
            rebalance_timeout_ms: 0,
            session_timeout_ms: 0,
            supported_protocols: Vec::new(),
            assignment: Vec::new(),
            is_new: false,
            session_deadline_ms: 0,
            session_timer: None,
            awaiting_join: None,
            awaiting_sync: None,
        }
    }

    /// Whether it waits for the group to be complete.
    pub fn is_awaiting_join(&self) -> bool {
        self.awaiting_join.is_some()
    }

    /// Whether it waits for the leader's assignment.
    pub fn is_awaiting_sync(&self) -> bool {
        self.awaiting_sync.is_some()
    }

    /// Parks a join. One that was parked before, on another connection, is told to ask again.
    pub fn await_join(&mut self, callback: JoinCallback) {
        if let Some(earlier) = self.awaiting_join.replace(callback) {
            let error = Errors::RebalanceInProgress;
            earlier(JoinGroupResult::error(error, &self.member_id));
        }
    }

    /// Parks a sync, in the same way.
    pub fn await_sync(&mut self, callback: SyncCallback) {
        if let Some(earlier) = self.awaiting_sync.replace(callback) {
            earlier(SyncGroupResult::error(Errors::RebalanceInProgress));
        }
    }

    /// Answers the parked join, if there is one.
    pub fn answer_join(&mut self, result: JoinGroupResult) {
        if let Some(callback) = self.awaiting_join.take() {
            callback(result);
        }
    }

    /// Answers the parked sync, if there is one.
    pub fn answer_sync(&mut self, result: SyncGroupResult) {
        if let Some(callback) = self.awaiting_sync.take() {
            callback(result);
        }
    }

    /// What it tells the leader about a protocol; nothing if it does not have that protocol.
    pub fn metadata(&self, protocol: &str) -> &[u8] {
        let found = self.supported_protocols.iter().find(|(name, _)| name == protocol);
        found.map_or(&[], |(_, metadata)| metadata.as_slice())
    }

    /// Whether it would rejoin with just what it has joined with.
    pub fn matches(&self, protocols: &[Protocol]) -> bool {
        self.supported_protocols == protocols
    }

    /// The first of its protocols that everybody has.
    pub fn vote(&self, is_candidate: impl Fn(&str) -> bool) -> Option<&str> {
        self.supported_protocols.iter().map(|(name, _)| name.as_str()).find(|it| is_candidate(it))
    }

    /// Whether it is not to be taken for dead at `now_ms`: it was heard of lately, or it is the
    /// broker that keeps it waiting. A new member is different: if its client gives up and joins
    /// again, that makes another member, and this one would wait here for ever.
    pub fn has_satisfied_heartbeat(&self, now_ms: i64) -> bool {
        let is_kept_waiting = self.is_awaiting_join() || self.is_awaiting_sync();
        (is_kept_waiting && !self.is_new) || now_ms < self.session_deadline_ms
    }
}

/// A name that no other member has or will have: the client's own name for itself, and 128 bits at
/// random.
pub fn generate_member_id(prefix: &str) -> String {
    // The keys of `RandomState` come from the system's random numbers. The name must be unique, not
    // secret.
    let draw = |salt: u64| {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u64(salt);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        hasher.write_u128(now.map_or(0, |it| it.as_nanos()));
        hasher.finish()
    };
    let (high, low) = (draw(1), draw(2));
    format!(
        "{prefix}-{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0x0fff,
        (low >> 48) & 0x3fff | 0x8000,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member() -> MemberMetadata {
        let protocols = [("roundrobin", b"a".to_vec()), ("range", b"b".to_vec())];
        let supported_protocols = protocols.map(|(name, it)| (name.to_string(), it)).to_vec();
        MemberMetadata { supported_protocols, ..MemberMetadata::new("m".to_string(), None) }
    }

    /// Port of `MemberMetadataTest.testMatchesSupportedProtocols`.
    #[test]
    fn a_member_matches_the_same_protocols_in_the_same_order_only() {
        let member = member();
        let mut same = member.supported_protocols.clone();
        assert!(member.matches(&same));
        same.swap(0, 1);
        assert!(!member.matches(&same));
        assert!(!member.matches(&same[..1]));
        assert!(!member.matches(&[("roundrobin".to_string(), b"x".to_vec())]));
    }

    /// Port of `MemberMetadataTest.testVoteForPreferredProtocol`.
    #[test]
    fn a_member_votes_for_its_first_protocol_among_the_candidates() {
        let member = member();
        assert_eq!(member.vote(|_| true), Some("roundrobin"));
        assert_eq!(member.vote(|name| name == "range"), Some("range"));
        assert_eq!(member.vote(|name| name == "other"), None);
        assert_eq!(member.metadata("range"), b"b");
        assert_eq!(member.metadata("other"), b"");
    }

    #[test]
    fn no_two_member_ids_are_the_same() {
        let ids: std::collections::BTreeSet<_> =
            (0..1000).map(|_| generate_member_id("c")).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == "c-".len() + 36));
    }
}
