//! What the coordinator is asked and what it answers, apart from any version of the protocol: port
//! of `kafka.coordinator.JoinGroupResult`, `SyncGroupResult`, `LeaveGroupResult`, `GroupSummary`
//! and `GroupOverview`.

use crate::common::errors::Errors;
use crate::common::topic_partition::TopicAndPartition;
use crate::coordinator::offset_and_metadata::OffsetAndMetadata;

/// The generation that a consumer names if it assigns its partitions itself.
pub const NO_GENERATION: i32 = -1;

/// The member id of one who has none yet.
pub const NO_MEMBER_ID: &str = "";

/// How a member names itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberIdentity {
    /// The id that the broker gave it; empty if it has none.
    pub member_id: String,
    /// The id that it brought, if it is a static member.
    pub group_instance_id: Option<String>,
}

/// A request to become a member, or to remain one in the next generation.
#[derive(Clone, Debug)]
pub struct JoinGroup {
    /// The group.
    pub group_id: String,
    /// Who asks.
    pub member: MemberIdentity,
    /// Whether a first join only gets an id, with which the client joins again (JoinGroup v4 and
    /// later): a client that gives up on a slow first join then leaves no nameless member behind.
    pub is_known_member_id_required: bool,
    /// Whether a leader can be told that nothing is to be assigned anew (JoinGroup v9 and later).
    pub is_skipping_assignment_supported: bool,
    /// The client's name for itself.
    pub client_id: String,
    /// Where it is.
    pub client_host: String,
    /// How long it may take to rejoin, in milliseconds.
    pub rebalance_timeout_ms: i32,
    /// How long it may be silent, in milliseconds.
    pub session_timeout_ms: i32,
    /// What kind of group it takes this for, for example `consumer`.
    pub protocol_type: String,
    /// What it can work with, the best first.
    pub protocols: Vec<(String, Vec<u8>)>,
}

/// A member as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub member_id: String,
    /// Its own id, if it is static.
    pub group_instance_id: Option<String>,
    /// What it told about the group's protocol.
    pub metadata: Vec<u8>,
}

/// The answer to a join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinGroupResult {
    /// `None`, or why the client is not a member of a new generation.
    pub error: Errors,
    /// All members if this one is the leader, else none.
    pub members: Vec<JoinedMember>,
    /// The id of the one who asked.
    pub member_id: String,
    /// The generation; -1 on error.
    pub generation_id: i32,
    /// The kind of group; unknown on error.
    pub protocol_type: Option<String>,
    /// What the group works with now; unknown on error.
    pub protocol_name: Option<String>,
    /// The leader's id; empty on error.
    pub leader_id: String,
    /// Whether the leader must leave the assignment as it is.
    pub skip_assignment: bool,
}

impl JoinGroupResult {
    /// An error.
    pub fn error(error: Errors, member_id: &str) -> Self {
        Self {
            error,
            members: Vec::new(),
            member_id: member_id.to_string(),
            generation_id: NO_GENERATION,
            protocol_type: None,
            protocol_name: None,
            leader_id: NO_MEMBER_ID.to_string(),
            skip_assignment: false,
        }
    }
}

/// A request for the assignment; the leader brings it along.
#[derive(Clone, Debug)]
pub struct SyncGroup {
    /// The group.
    pub group_id: String,
    /// Who asks.
    pub member: MemberIdentity,
    /// The generation it has joined.
    pub generation_id: i32,
    /// What kind of group it takes this for, if it says so.
    pub protocol_type: Option<String>,
    /// What it takes the group to work with, if it says so.
    pub protocol_name: Option<String>,
    /// From the leader: who gets what. Empty from all others.
    pub assignments: Vec<(String, Vec<u8>)>,
}

/// The answer to a sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncGroupResult {
    /// `None`, or why there is no assignment.
    pub error: Errors,
    /// The kind of group; unknown on error.
    pub protocol_type: Option<String>,
    /// What the group works with; unknown on error.
    pub protocol_name: Option<String>,
    /// What the member got.
    pub assignment: Vec<u8>,
}

impl SyncGroupResult {
    /// An error.
    pub fn error(error: Errors) -> Self {
        Self { error, protocol_type: None, protocol_name: None, assignment: Vec::new() }
    }
}

/// Takes the answer to a join, exactly once. Called under the group's lock: it may encode and queue
/// the answer, and must not ask the coordinator for anything.
pub type JoinCallback = Box<dyn FnOnce(JoinGroupResult) + Send>;

/// Takes the answer to a sync, in the same way.
pub type SyncCallback = Box<dyn FnOnce(SyncGroupResult) + Send>;

/// Offsets to keep for a group.
#[derive(Clone, Debug)]
pub struct CommitOffsets {
    /// The group.
    pub group_id: String,
    /// Who asks; nobody, if the consumer assigns its partitions itself.
    pub member: MemberIdentity,
    /// The generation it has joined, or -1.
    pub generation_id: i32,
    /// The offsets.
    pub offsets: Vec<(TopicAndPartition, OffsetAndMetadata)>,
}

/// A group in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSummary {
    /// Kafka's name of its state.
    pub state: &'static str,
    /// What kind of group it is; empty if it has never had a member.
    pub protocol_type: String,
    /// What it works with; empty unless it is stable.
    pub protocol: String,
    /// Its members.
    pub members: Vec<MemberSummary>,
}

/// A member in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberSummary {
    /// Its id.
    pub member_id: String,
    /// Its own id, if it is static.
    pub group_instance_id: Option<String>,
    /// Its client's name for itself.
    pub client_id: String,
    /// Where it is.
    pub client_host: String,
    /// What it told about the group's protocol; empty unless the group is stable.
    pub metadata: Vec<u8>,
    /// What the leader gave it; empty unless the group is stable.
    pub assignment: Vec<u8>,
}

/// A line in the list of groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOverview {
    /// The group.
    pub group_id: String,
    /// What kind of group it is; empty if it has never had a member.
    pub protocol_type: String,
    /// Kafka's name of its state.
    pub state: &'static str,
}
