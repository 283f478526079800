//! What the coordinator is asked and what it answers, apart from any version of the protocol: port
//! of `kafka.coordinator.JoinGroupResult`, `SyncGroupResult`, `GroupSummary` and `GroupOverview`.

use std::sync::Arc;

use crate::common::errors::Errors;
use crate::common::hang_up::HangUp;
use crate::common::topic_partition::TopicAndPartition;
use crate::coordinator::group_state::GroupState;
use crate::coordinator::offset_and_metadata::OffsetAndMetadata;

/// The generation that a consumer names if it assigns its partitions itself.
pub const NO_GENERATION: i32 = -1;

/// The member id in a first join.
pub const NO_MEMBER_ID: &str = "";

/// Takes an answer, exactly once. It is called without any lock, so it may encode, queue bytes, or
/// ask the coordinator again, also about the same group.
pub type Callback<T> = Box<dyn FnOnce(T) + Send>;

/// A callback with its result, due when the group's lock is released.
pub type Answer = Box<dyn FnOnce() + Send>;

pub type JoinResult = Result<JoinedGroup, JoinError>;
pub type JoinCallback = Callback<JoinResult>;

pub type SyncResult = Result<SyncedGroup, Errors>;
pub type SyncCallback = Callback<SyncResult>;

/// One result for each offset of the commit, in their order.
pub type CommitCallback = Callback<Vec<Result<(), Errors>>>;

/// Takes the end of a removal.
pub type DoneCallback = Callback<Result<(), Errors>>;

/// The partitions of an OffsetFetch, with what the group has committed there.
pub type FetchedOffsets = Vec<(TopicAndPartition, Option<OffsetAndMetadata>)>;

/// How a member names itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberIdentity {
    /// The id that the broker gave it; empty if it has none.
    pub member_id: String,
    /// The id of its own that a static member has.
    pub group_instance_id: Option<String>,
}

/// A request to become a member, or to remain one in the next generation.
#[derive(Clone, Debug)]
pub struct JoinGroup {
    pub group_id: String,
    pub member: MemberIdentity,
    /// Whether a first join only gets an id, with which the client joins again (JoinGroup v4 and
    /// later): a client that gives up on a slow first join then leaves no nameless member behind.
    pub is_known_member_id_required: bool,
    /// Whether the answer can keep a leader from assigning anew (JoinGroup v9 and later).
    pub is_skipping_assignment_supported: bool,
    pub client_id: String,
    pub client_host: String,
    /// How long it may take to rejoin.
    pub rebalance_timeout_ms: i32,
    /// How long it may be silent.
    pub session_timeout_ms: i32,
    /// The kind of group that it expects, for example `consumer`.
    pub protocol_type: String,
    /// The protocols that it supports, the best first, each with its metadata for the leader.
    pub protocols: Vec<(String, Vec<u8>)>,
    /// The client's connection: it ends the wait if the client hangs up.
    pub client: Arc<HangUp>,
}

impl JoinGroup {
    /// The least size of its member's part in the record of the group, whichever of its protocols
    /// the group chooses, in bytes.
    pub fn record_bytes_min(&self) -> usize {
        let largest = self.protocols.iter().map(|(_, metadata)| metadata.len()).max();
        self.client_id.len() + self.client_host.len() + largest.unwrap_or(0)
    }
}

/// A member as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    pub member_id: String,
    pub group_instance_id: Option<String>,
    /// The member's metadata for the protocol of the generation.
    pub metadata: Vec<u8>,
}

/// A member's place in a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedGroup {
    /// All members if this one is the leader, else none.
    pub members: Vec<JoinedMember>,
    /// The id of the member that is answered.
    pub member_id: String,
    pub generation_id: i32,
    pub protocol_type: Option<String>,
    pub protocol_name: Option<String>,
    pub leader_id: String,
    /// Whether the leader must leave the assignment as it is.
    pub skip_assignment: bool,
}

/// Why a client is not a member of a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinError {
    pub error: Errors,
    /// The id that the client named, or with `MEMBER_ID_REQUIRED` the one to join with.
    pub member_id: String,
}

impl JoinError {
    pub fn new(error: Errors, member_id: &str) -> Self {
        Self { error, member_id: member_id.to_string() }
    }
}

/// A request for the assignment; the leader brings it along.
#[derive(Clone, Debug)]
pub struct SyncGroup {
    pub group_id: String,
    pub member: MemberIdentity,
    pub generation_id: i32,
    /// Checked if the client names it.
    pub protocol_type: Option<String>,
    /// Checked if the client names it.
    pub protocol_name: Option<String>,
    /// From the leader: each member id with its assignment. Empty from all others.
    pub assignments: Vec<(String, Vec<u8>)>,
    /// The client's connection: it ends the wait if the client hangs up.
    pub client: Arc<HangUp>,
}

/// A member's share of the assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncedGroup {
    pub protocol_type: Option<String>,
    pub protocol_name: Option<String>,
    pub assignment: Vec<u8>,
}

/// Offsets to keep for a group.
#[derive(Clone, Debug)]
pub struct CommitOffsets {
    pub group_id: String,
    /// Without ids if the consumer assigns its partitions itself.
    pub member: MemberIdentity,
    /// The generation of the member, or [`NO_GENERATION`].
    pub generation_id: i32,
    pub offsets: Vec<(TopicAndPartition, OffsetAndMetadata)>,
    /// What the answer takes in memory that waits with the callback, in bytes.
    pub answer_bytes: usize,
}

/// A group in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSummary {
    /// Kafka's name of its state.
    pub state: &'static str,
    /// Empty if the group has never had a member.
    pub protocol_type: String,
    /// Empty unless the group is stable.
    pub protocol: String,
    pub members: Vec<MemberSummary>,
}

impl GroupSummary {
    /// Of a group that does not exist.
    pub fn dead() -> Self {
        let state = GroupState::Dead.name();
        Self { state, protocol_type: String::new(), protocol: String::new(), members: Vec::new() }
    }
}

/// A member in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberSummary {
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    /// Its metadata for the group's protocol; empty unless the group is stable.
    pub metadata: Vec<u8>,
    /// Empty unless the group is stable.
    pub assignment: Vec<u8>,
}

/// A line in the list of groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOverview {
    pub group_id: String,
    /// Empty if the group has never had a member.
    pub protocol_type: String,
    /// Kafka's name of its state.
    pub state: &'static str,
}
