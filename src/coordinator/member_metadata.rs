//! Port of `kafka.coordinator.MemberMetadata`: one member of a group.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Weak};
use std::time::SystemTime;

use crate::common::hang_up::HangUp;
use crate::coordinator::group_memory::Held;
use crate::coordinator::group_results::{JoinCallback, JoinGroup, SyncCallback};
use crate::purgatory::timing_wheel::TimerTaskId;

/// The name of a protocol that a member supports, and its metadata for the leader, which the broker
/// does not look into.
pub type Protocol = (String, Vec<u8>);

/// What a member takes beside what its client brings: its record, its timer, its places in tables.
const MEMBER_BYTES: usize = 1024;

/// The same of a protocol.
const PROTOCOL_BYTES: usize = 128;

/// In how many places the id of a member is kept: in its record, its timer and the group's tables.
const COPIES_OF_ID: usize = 5;

/// In how many places its other names are kept: an instance id also in a table of the group.
const COPIES_OF_NAME: usize = 2;

/// What a member with this id takes in memory that joins with `request`, in bytes.
pub fn member_bytes(member_id: &str, request: &JoinGroup) -> usize {
    let instance_id = request.member.group_instance_id.as_deref();
    let names = [instance_id.unwrap_or_default(), &request.client_id, &request.client_host];
    bytes_of(member_id, names, &request.protocols)
}

fn bytes_of(member_id: &str, names: [&str; 3], protocols: &[Protocol]) -> usize {
    let names_bytes: usize = names.iter().map(|it| COPIES_OF_NAME * it.len()).sum();
    let of_protocol = |(name, metadata): &Protocol| PROTOCOL_BYTES + name.len() + metadata.len();
    let protocols_bytes: usize = protocols.iter().map(of_protocol).sum();
    pending_member_bytes(member_id) + names_bytes + protocols_bytes
}

/// What is held for an id that is given away, in bytes: room for the member, so that its client finds
/// some when it joins.
pub fn pending_member_bytes(member_id: &str) -> usize {
    MEMBER_BYTES + COPIES_OF_ID * member_id.len()
}

/// A member, from its first join until it leaves or its session ends.
///
/// Holds: at most one of `awaiting_join` and `awaiting_sync` is set, because a client has one
/// request in flight.
pub struct MemberMetadata {
    pub member_id: String,
    /// The id of its own that a static member has: its place is kept while it is away.
    pub group_instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    /// How long the group waits for it to rejoin.
    pub rebalance_timeout_ms: i32,
    /// How long it may be silent.
    pub session_timeout_ms: i32,
    /// The best first.
    pub supported_protocols: Vec<Protocol>,
    /// The memory of what its client has brought, without its assignment.
    pub held: Held,
    pub assignment: Vec<u8>,
    /// Whether it is in its first join and does not know its id yet, so that it cannot send
    /// heartbeats.
    pub is_new: bool,
    /// When its session ends, by the monotonic clock.
    pub session_deadline_ms: i64,
    pub session_timer: Option<TimerTaskId>,
    /// A JoinGroup that waits for the other members to join.
    pub awaiting_join: Option<JoinCallback>,
    /// A SyncGroup that waits for the leader's assignment.
    pub awaiting_sync: Option<SyncCallback>,
    /// The connection of its last request that waited.
    pub client: Weak<HangUp>,
    /// That client has hung up: nothing but its session keeps the member.
    pub has_hung_up: bool,
}

impl MemberMetadata {
    /// A member that waits for nothing. The other fields are as in a first join.
    pub fn new(member_id: String, group_instance_id: Option<String>) -> Self {
        Self {
            member_id,
            group_instance_id,
            client_id: String::new(),
            client_host: String::new(),
            rebalance_timeout_ms: 0,
            session_timeout_ms: 0,
            supported_protocols: Vec::new(),
            held: Held::default(),
            assignment: Vec::new(),
            is_new: false,
            session_deadline_ms: 0,
            session_timer: None,
            awaiting_join: None,
            awaiting_sync: None,
            client: Weak::new(),
            has_hung_up: false,
        }
    }

    /// What it takes in memory without its assignment, in bytes.
    pub fn bytes(&self) -> usize {
        bytes_of(&self.member_id, self.names(), &self.supported_protocols)
    }

    fn names(&self) -> [&str; 3] {
        let instance_id = self.group_instance_id.as_deref();
        [instance_id.unwrap_or_default(), &self.client_id, &self.client_host]
    }

    pub fn is_awaiting_join(&self) -> bool {
        self.awaiting_join.is_some()
    }

    /// Its request waits on this connection.
    pub fn waits_on(&mut self, client: &Arc<HangUp>) {
        self.client = Arc::downgrade(client);
        self.has_hung_up = false;
    }

    /// Whether a request of it waits on this connection.
    pub fn is_waiting_on(&self, client: &Arc<HangUp>) -> bool {
        let is_waiting = self.is_awaiting_join() || self.is_awaiting_sync();
        is_waiting && !self.has_hung_up && std::ptr::eq(self.client.as_ptr(), Arc::as_ptr(client))
    }

    pub fn is_awaiting_sync(&self) -> bool {
        self.awaiting_sync.is_some()
    }

    /// Takes over what a join asks for, for whose [growth](Self::growth_bytes) `held` was taken.
    pub fn update(&mut self, request: &JoinGroup, held: Held) {
        self.supported_protocols.clone_from(&request.protocols);
        self.held.absorb(held);
        self.held.shrink_to(self.bytes());
        self.rebalance_timeout_ms = request.rebalance_timeout_ms;
        self.session_timeout_ms = request.session_timeout_ms;
    }

    /// How much more memory it takes if it joins again with `protocols`, under the id `member_id`.
    pub fn growth_bytes(&self, member_id: &str, protocols: &[Protocol]) -> usize {
        bytes_of(member_id, self.names(), protocols).saturating_sub(self.held.bytes())
    }

    /// Begins a whole session at `now_ms` of the monotonic clock. The session's timer finds the new
    /// deadline when it fires.
    pub fn extend_session(&mut self, now_ms: i64) {
        self.session_deadline_ms = now_ms.saturating_add(i64::from(self.session_timeout_ms));
    }

    /// Its metadata for a protocol; nothing if it does not support it.
    pub fn metadata(&self, protocol: &str) -> &[u8] {
        let found = self.supported_protocols.iter().find(|(name, _)| name == protocol);
        found.map_or(&[], |(_, metadata)| metadata.as_slice())
    }

    /// Whether it would rejoin with just what it has joined with.
    pub fn matches(&self, protocols: &[Protocol]) -> bool {
        self.supported_protocols == protocols
    }

    /// The first of its protocols that is a candidate.
    pub fn vote(&self, is_candidate: impl Fn(&str) -> bool) -> Option<&str> {
        self.supported_protocols.iter().map(|(name, _)| name.as_str()).find(|it| is_candidate(it))
    }

    /// Whether its session goes on at `now_ms`: it sent something in time, or the broker keeps it
    /// waiting. A new member is different: if its client gives up and joins again, that makes
    /// another member, and this one would wait here for ever. So is one whose client has hung up.
    pub fn has_satisfied_heartbeat(&self, now_ms: i64) -> bool {
        let is_kept_waiting = self.is_awaiting_join() || self.is_awaiting_sync();
        (is_kept_waiting && !self.is_new && !self.has_hung_up) || now_ms < self.session_deadline_ms
    }
}

/// An id that no other member has or will have: `prefix` and 128 random bits.
pub fn generate_member_id(prefix: &str) -> String {
    // The keys of `RandomState` come from the system's random numbers. The id must be unique, not
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
