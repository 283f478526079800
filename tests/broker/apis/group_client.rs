//! A member of a consumer group that speaks to a broker in frames, one request after another.

use std::sync::Arc;

use support::broker::Broker;
use support::client::Client;
use support::temp::TempDir;
use support::wait::wait_until;
use transferto::common::errors::Errors;
use transferto::common::mock_time::MockTime;
use transferto::protocol::describe_groups::{DescribeGroupsRequest, DescribedGroup};
use transferto::protocol::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use transferto::protocol::header::RequestHeader;
use transferto::protocol::heartbeat::HeartbeatRequest;
use transferto::protocol::join_group::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse,
};
use transferto::protocol::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity};
use transferto::protocol::list_groups::{ListGroupsRequest, ListedGroup};
use transferto::protocol::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use transferto::protocol::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic,
    OffsetFetchResponsePartition,
};
use transferto::protocol::request::{RequestBody, ResponseBody};
use transferto::protocol::sync_group::{
    SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse,
};

/// The newest versions that are spoken here.
pub(crate) const NEWEST_JOIN: i16 = 9;
pub(crate) const NEWEST_SYNC: i16 = 5;
pub(crate) const NEWEST_HEARTBEAT: i16 = 4;
pub(crate) const NEWEST_LEAVE: i16 = 5;
pub(crate) const NEWEST_OFFSET_COMMIT: i16 = 8;
pub(crate) const NEWEST_OFFSET_FETCH: i16 = 8;

/// The last version in which a first join makes a member at once.
pub(crate) const JOIN_AT_ONCE: i16 = 3;

pub(crate) const SESSION_TIMEOUT_MS: i32 = 10_000;

/// Few partitions, so that a broker starts quickly.
pub(crate) const SETTINGS: &[(&str, &str)] = &[("offsets.topic.num.partitions", "2")];

/// A broker whose clocks the test moves.
pub(crate) fn broker_by(time: &Arc<MockTime>) -> Broker {
    Broker::start_with(Arc::new(TempDir::new()), SETTINGS, |it| it.time(time.clone()))
}

/// Takes the one kind of response that is due.
macro_rules! expect {
    ($api:ident, $body:expr) => {
        match $body {
            ResponseBody::$api(response) => response,
            other => panic!("{other:?}"),
        }
    };
}

pub(crate) struct Member {
    pub client: Client,
    pub group: String,
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub generation: i32,
    pub session_timeout_ms: i32,
    pub protocol_type: String,
    pub protocols: Vec<(String, Vec<u8>)>,
}

impl Member {
    /// One that has not joined yet, but has found the coordinator.
    pub(crate) fn of(broker: &Broker, group: &str) -> Self {
        let mut client = broker.connect();
        assert_eq!(find_coordinator(&mut client, 2, group).error_code, 0);
        Self {
            client,
            group: group.to_string(),
            member_id: String::new(),
            group_instance_id: None,
            generation: -1,
            session_timeout_ms: SESSION_TIMEOUT_MS,
            protocol_type: "consumer".to_string(),
            protocols: vec![("range".to_string(), subscription(&["post"]))],
        }
    }

    /// A static one.
    pub(crate) fn named(broker: &Broker, group: &str, group_instance_id: &str) -> Self {
        let group_instance_id = Some(group_instance_id.to_string());
        Self { group_instance_id, ..Self::of(broker, group) }
    }

    /// One that has joined alone and assigned everything to itself.
    pub(crate) fn alone_in(broker: &Broker, group: &str) -> Self {
        let mut member = Self::of(broker, group);
        member.join();
        assert_eq!(member.sync(&[]).error_code, 0);
        member
    }

    pub(crate) fn send_join(&mut self, version: i16) -> RequestHeader {
        let protocol = |(name, metadata): &(String, Vec<u8>)| JoinGroupRequestProtocol {
            name: name.clone(),
            metadata: metadata.clone(),
        };
        let request = JoinGroupRequest {
            group_id: self.group.clone(),
            session_timeout_ms: self.session_timeout_ms,
            rebalance_timeout_ms: 60_000,
            member_id: self.member_id.clone(),
            group_instance_id: self.group_instance_id.clone(),
            protocol_type: self.protocol_type.clone(),
            protocols: self.protocols.iter().map(protocol).collect(),
            ..JoinGroupRequest::default()
        };
        self.client.send(version, &RequestBody::JoinGroup(request), &[])
    }

    pub(crate) fn receive_join(&mut self, header: &RequestHeader) -> JoinGroupResponse {
        let response = expect!(JoinGroup, self.client.receive(header).0);
        if matches!(response.error_code, 0 | 79) {
            self.member_id.clone_from(&response.member_id);
            self.generation = response.generation_id;
        }
        response
    }

    /// Joins, in two steps if the broker asks for them.
    pub(crate) fn join_in(&mut self, version: i16) -> JoinGroupResponse {
        let header = self.send_join(version);
        let response = self.receive_join(&header);
        if response.error_code != Errors::MemberIdRequired.code() {
            return response;
        }
        let header = self.send_join(version);
        self.receive_join(&header)
    }

    /// Joins in the newest version, and does so well.
    pub(crate) fn join(&mut self) -> JoinGroupResponse {
        let response = self.join_in(NEWEST_JOIN);
        assert_eq!(response.error_code, 0);
        response
    }

    /// Asks to join and does not wait for the group: only for the id, if that is needed.
    pub(crate) fn begin_join(&mut self) -> RequestHeader {
        if self.member_id.is_empty() && self.group_instance_id.is_none() {
            self.get_id();
        }
        self.send_join(NEWEST_JOIN)
    }

    /// The first half of a first join.
    pub(crate) fn get_id(&mut self) {
        assert_eq!(self.join_once().error_code, Errors::MemberIdRequired.code());
    }

    /// Asks once, in the newest version.
    pub(crate) fn join_once(&mut self) -> JoinGroupResponse {
        let header = self.send_join(NEWEST_JOIN);
        self.receive_join(&header)
    }

    pub(crate) fn send_sync(
        &mut self,
        version: i16,
        assignments: &[(&str, &[u8])],
    ) -> RequestHeader {
        let assignment = |(member_id, bytes): &(&str, &[u8])| SyncGroupRequestAssignment {
            member_id: (*member_id).to_string(),
            assignment: bytes.to_vec(),
        };
        let request = SyncGroupRequest {
            group_id: self.group.clone(),
            generation_id: self.generation,
            member_id: self.member_id.clone(),
            group_instance_id: self.group_instance_id.clone(),
            assignments: assignments.iter().map(assignment).collect(),
            ..SyncGroupRequest::default()
        };
        self.client.send(version, &RequestBody::SyncGroup(request), &[])
    }

    pub(crate) fn receive_sync(&mut self, header: &RequestHeader) -> SyncGroupResponse {
        expect!(SyncGroup, self.client.receive(header).0)
    }

    pub(crate) fn sync(&mut self, assignments: &[(&str, &[u8])]) -> SyncGroupResponse {
        let header = self.send_sync(NEWEST_SYNC, assignments);
        self.receive_sync(&header)
    }

    /// Sends heartbeats until one is answered with the rebalance.
    pub(crate) fn await_rebalance(&mut self) {
        let rebalance = Errors::RebalanceInProgress.code();
        wait_until("the rebalance", || self.heartbeat() == rebalance);
    }

    pub(crate) fn heartbeat(&mut self) -> i16 {
        self.heartbeat_in(NEWEST_HEARTBEAT)
    }

    pub(crate) fn heartbeat_in(&mut self, version: i16) -> i16 {
        let request = HeartbeatRequest {
            group_id: self.group.clone(),
            generation_id: self.generation,
            member_id: self.member_id.clone(),
            group_instance_id: self.group_instance_id.clone(),
        };
        let body = self.client.call(version, &RequestBody::Heartbeat(request), &[]).0;
        expect!(Heartbeat, body).error_code
    }

    /// Leaves; the error of the whole or else of the member.
    pub(crate) fn leave(&mut self, version: i16) -> i16 {
        let identity = MemberIdentity {
            member_id: self.member_id.clone(),
            group_instance_id: self.group_instance_id.clone(),
            ..MemberIdentity::default()
        };
        let response = leave(&mut self.client, version, &self.group, vec![identity]);
        match response.members.first() {
            Some(member) if response.error_code == 0 => member.error_code,
            _ => response.error_code,
        }
    }

    /// Commits one offset, and returns what became of it.
    pub(crate) fn commit(&mut self, topic: &str, partition: i32, offset: i64) -> i16 {
        let request = self.commit_request(&[(topic, partition, offset, Some("m"))]);
        self.commit_with(NEWEST_OFFSET_COMMIT, request).remove(0)
    }

    pub(crate) fn commit_request(
        &self,
        offsets: &[(&str, i32, i64, Option<&str>)],
    ) -> OffsetCommitRequest {
        let topic =
            |(topic, partition_index, offset, metadata): &(&str, i32, i64, Option<&str>)| {
                let partition = OffsetCommitRequestPartition {
                    partition_index: *partition_index,
                    committed_offset: *offset,
                    committed_metadata: metadata.map(str::to_string),
                    ..OffsetCommitRequestPartition::default()
                };
                OffsetCommitRequestTopic { name: (*topic).to_string(), partitions: vec![partition] }
            };
        OffsetCommitRequest {
            group_id: self.group.clone(),
            generation_id: self.generation,
            member_id: self.member_id.clone(),
            group_instance_id: self.group_instance_id.clone(),
            topics: offsets.iter().map(topic).collect(),
            ..OffsetCommitRequest::default()
        }
    }

    pub(crate) fn commit_with(&mut self, version: i16, request: OffsetCommitRequest) -> Vec<i16> {
        let header = self.client.send(version, &RequestBody::OffsetCommit(request), &[]);
        self.receive_commit(&header)
    }

    pub(crate) fn send_commit(
        &mut self,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> RequestHeader {
        let request = self.commit_request(&[(topic, partition, offset, None)]);
        self.client.send(NEWEST_OFFSET_COMMIT, &RequestBody::OffsetCommit(request), &[])
    }

    pub(crate) fn receive_commit(&mut self, header: &RequestHeader) -> Vec<i16> {
        let body = self.client.receive(header).0;
        let topics = expect!(OffsetCommit, body).topics;
        topics.iter().flat_map(|topic| topic.partitions.iter().map(|it| it.error_code)).collect()
    }

    /// The committed offset of one partition, in the newest version.
    pub(crate) fn committed(
        &mut self,
        topic: &str,
        partition: i32,
    ) -> OffsetFetchResponsePartition {
        self.committed_in(NEWEST_OFFSET_FETCH, topic, partition)
    }

    pub(crate) fn committed_in(
        &mut self,
        version: i16,
        topic: &str,
        partition: i32,
    ) -> OffsetFetchResponsePartition {
        let topics = vec![OffsetFetchRequestTopic {
            name: topic.to_string(),
            partition_indexes: vec![partition],
        }];
        let mut found = self.fetch_offsets(version, Some(topics));
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0).2
    }

    /// Topics, partitions and what is committed there; all if none are named.
    pub(crate) fn fetch_offsets(
        &mut self,
        version: i16,
        topics: Option<Vec<OffsetFetchRequestTopic>>,
    ) -> Vec<(String, i32, OffsetFetchResponsePartition)> {
        let group =
            OffsetFetchRequestGroup { group_id: self.group.clone(), topics: topics.clone() };
        let request = OffsetFetchRequest {
            group_id: self.group.clone(),
            topics,
            groups: vec![group],
            ..OffsetFetchRequest::default()
        };
        let body = self.client.call(version, &RequestBody::OffsetFetch(request), &[]).0;
        let mut response = expect!(OffsetFetch, body);
        let topics = match version {
            8.. => response.groups.remove(0).topics,
            _ => response.topics,
        };
        let mut found = Vec::new();
        for topic in topics {
            for it in topic.partitions {
                found.push((topic.name.clone(), it.partition_index, it));
            }
        }
        found
    }

    pub(crate) fn describe(&mut self) -> DescribedGroup {
        describe(&mut self.client, 5, &self.group)
    }
}

/// Two members of a stable group: the leader, to whom `a` was assigned, and the other, who has `b`.
pub(crate) fn pair(broker: &Broker, group: &str) -> (Member, Member) {
    let (mut one, mut other) = (Member::alone_in(broker, group), Member::of(broker, group));
    let joining = other.begin_join();
    one.await_rebalance();
    one.join();
    assert_eq!(other.receive_join(&joining).error_code, 0);
    assign(&mut one, &mut other);
    (one, other)
}

/// The leader assigns `a` to itself and `b` to the other.
pub(crate) fn assign(leader: &mut Member, other: &mut Member) {
    let ids = (leader.member_id.clone(), other.member_id.clone());
    let given = leader.sync(&[(&ids.0, b"a"), (&ids.1, b"b")]);
    assert_eq!((given.error_code, given.assignment.as_slice()), (0, &b"a"[..]));
    let given = other.sync(&[]);
    assert_eq!((given.error_code, given.assignment.as_slice()), (0, &b"b"[..]));
}

/// What a consumer tells about itself: the topics that it reads.
pub(crate) fn subscription(topics: &[&str]) -> Vec<u8> {
    let mut bytes = vec![0, 1];
    bytes.extend_from_slice(&i32::try_from(topics.len()).unwrap().to_be_bytes());
    for topic in topics {
        bytes.extend_from_slice(&i16::try_from(topic.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(topic.as_bytes());
    }
    bytes.extend_from_slice(&[0xff; 4]);
    bytes
}

pub(crate) fn find_coordinator(
    client: &mut Client,
    version: i16,
    key: &str,
) -> FindCoordinatorResponse {
    let request = FindCoordinatorRequest {
        key: key.to_string(),
        coordinator_keys: vec![key.to_string()],
        ..FindCoordinatorRequest::default()
    };
    let body = client.call(version, &RequestBody::FindCoordinator(request), &[]).0;
    expect!(FindCoordinator, body)
}

pub(crate) fn leave(
    client: &mut Client,
    version: i16,
    group: &str,
    members: Vec<MemberIdentity>,
) -> LeaveGroupResponse {
    let member_id = members.first().map(|it| it.member_id.clone()).unwrap_or_default();
    let request = LeaveGroupRequest { group_id: group.to_string(), member_id, members };
    expect!(LeaveGroup, client.call(version, &RequestBody::LeaveGroup(request), &[]).0)
}

pub(crate) fn describe(client: &mut Client, version: i16, group: &str) -> DescribedGroup {
    let request = DescribeGroupsRequest {
        groups: vec![group.to_string()],
        include_authorized_operations: version >= 3,
    };
    let body = client.call(version, &RequestBody::DescribeGroups(request), &[]).0;
    expect!(DescribeGroups, body).groups.remove(0)
}

pub(crate) fn list_groups(client: &mut Client, version: i16, states: &[&str]) -> Vec<ListedGroup> {
    let states_filter = states.iter().map(|it| (*it).to_string()).collect();
    let request = ListGroupsRequest { states_filter, ..ListGroupsRequest::default() };
    let body = client.call(version, &RequestBody::ListGroups(request), &[]).0;
    expect!(ListGroups, body).groups
}
