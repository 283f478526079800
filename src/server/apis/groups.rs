//! Port of `KafkaApis.handleGroupCoordinatorRequest`, `handleJoinGroupRequest`,
//! `handleSyncGroupRequest`, `handleHeartbeatRequest` and `handleLeaveGroupRequest`: the life of a
//! member of a consumer group.

use log::{Level, log};

use crate::common::errors::{Errors, KafkaError};
use crate::coordinator::group_results::{
    JoinGroup, JoinGroupResult, MemberIdentity, SyncGroup, SyncGroupResult,
};
use crate::protocol::find_coordinator::{
    Coordinator, FindCoordinatorRequest, FindCoordinatorResponse,
};
use crate::protocol::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use crate::protocol::join_group::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember};
use crate::protocol::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberResponse};
use crate::protocol::request::{RequestBody, ResponseBody};
use crate::protocol::sync_group::{SyncGroupRequest, SyncGroupResponse};
use crate::server::kafka_apis::KafkaApis;
use crate::server::metadata::metadata_cache::Node;
use crate::server::reply::reply::Reply;
use crate::server::security::authorizer::{Operation, Resource};

/// What a FindCoordinator request can look for.
const KEY_TYPE_GROUP: i8 = 0;
const KEY_TYPE_TRANSACTION: i8 = 1;

/// The first FindCoordinator version that asks for several.
const FIND_OF_SEVERAL_VERSION: i16 = 4;
/// The first JoinGroup version whose clients join again with an id that they get from the first try
/// (KIP-394).
const JOIN_WITH_KNOWN_ID_VERSION: i16 = 4;
/// The first JoinGroup version whose leaders can be told not to assign (KIP-814).
const JOIN_SKIPPING_ASSIGNMENT_VERSION: i16 = 9;
/// The first LeaveGroup version in which several members leave at once.
const LEAVE_OF_SEVERAL_VERSION: i16 = 3;

impl KafkaApis {
    /// The entry of every request that concerns a group.
    pub(crate) fn handle_group_request(&self, reply: Reply, body: RequestBody) {
        if let Some((operation, group_id)) = right_to_the_group(&body)
            && !self.authorize(&reply, operation, Resource::group(group_id))
        {
            reply.send_error(&body, Errors::GroupAuthorizationFailed);
            return;
        }
        match body {
            RequestBody::FindCoordinator(request) => {
                self.handle_group_coordinator_request(reply, &request);
            }
            RequestBody::JoinGroup(request) => self.handle_join_group_request(reply, request),
            RequestBody::SyncGroup(request) => self.handle_sync_group_request(reply, request),
            RequestBody::Heartbeat(request) => self.handle_heartbeat_request(reply, request),
            RequestBody::LeaveGroup(request) => self.handle_leave_group_request(reply, &request),
            RequestBody::OffsetCommit(request) => {
                self.handle_offset_commit_request(reply, &request);
            }
            RequestBody::OffsetFetch(request) => self.handle_offset_fetch_request(reply, &request),
            RequestBody::OffsetDelete(request) => {
                self.handle_offset_delete_request(reply, &request);
            }
            RequestBody::DescribeGroups(request) => {
                self.handle_describe_groups_request(reply, &request);
            }
            RequestBody::ListGroups(request) => self.handle_list_groups_request(reply, &request),
            RequestBody::DeleteGroups(request) => {
                self.handle_delete_groups_request(reply, &request);
            }
            other => reply.send_error(&other, Errors::UnsupportedVersion),
        }
    }

    /// A client asks who coordinates groups, or transactions.
    fn handle_group_coordinator_request(&self, reply: Reply, request: &FindCoordinatorRequest) {
        let coordinator = |key: &String| self.coordinator(&reply, request.key_type, key);
        let response = if reply.header.api_version >= FIND_OF_SEVERAL_VERSION {
            let coordinators = request.coordinator_keys.iter().map(coordinator).collect();
            FindCoordinatorResponse { coordinators, ..FindCoordinatorResponse::default() }
        } else {
            let Coordinator { node_id, host, port, error_code, error_message, .. } =
                coordinator(&request.key);
            let none = FindCoordinatorResponse::default();
            FindCoordinatorResponse { error_code, error_message, node_id, host, port, ..none }
        };
        reply.send_body(&ResponseBody::FindCoordinator(response));
    }

    /// The coordinator of one group, or of one transactional id: this broker is the only one. The
    /// first question for a group brings `__consumer_offsets` into being; who asks meanwhile has to
    /// ask again.
    fn coordinator(&self, reply: &Reply, key_type: i8, key: &str) -> Coordinator {
        let (group, transactional_id) = (Resource::group(key), Resource::transactional_id(key));
        let found = match key_type {
            KEY_TYPE_GROUP if !self.authorize(reply, Operation::Describe, group) => {
                Err(Errors::GroupAuthorizationFailed)
            }
            KEY_TYPE_GROUP => self.create_group_metadata_topic().map_err(|why| {
                // That it is about to be there is no fault.
                let is_near = why.code() == Errors::LeaderNotAvailable;
                let level = if is_near { Level::Debug } else { Level::Error };
                log!(level, "{} asks for a coordinator, there is none: {why}", reply.client());
                Errors::CoordinatorNotAvailable
            }),
            KEY_TYPE_TRANSACTION => {
                match self.authorize(reply, Operation::Describe, transactional_id) {
                    true => Ok(()),
                    false => Err(Errors::TransactionalIdAuthorizationFailed),
                }
            }
            _ => Err(Errors::InvalidRequest),
        };
        let node = found.and_then(|()| self.coordinator_node(reply, key_type, key));
        let key = key.to_string();
        let node = match node {
            Ok(node) => node,
            Err(error) => {
                let (error_code, error_message) = (error.code(), Some(error.message().to_string()));
                return Coordinator { key, error_code, error_message, ..Coordinator::default() };
            }
        };
        let Node { id: node_id, host, port } = node;
        Coordinator { key, node_id, host, port, ..Coordinator::default() }
    }

    /// The broker that leads the group's partition of `__consumer_offsets`; for a transactional id
    /// this one, which keeps no transactions.
    fn coordinator_node(&self, reply: &Reply, key_type: i8, key: &str) -> Result<Node, Errors> {
        let cache = &self.metadata_cache;
        let leader = || {
            let partition = self.group_coordinator.manager().partition_for(key)?;
            let topic = cache.topic(&partition.topic)?;
            Some(topic.partitions.get(usize::try_from(partition.partition).ok()?)?.leader)
        };
        let id = if key_type == KEY_TYPE_GROUP { leader() } else { Some(cache.broker_id()) };
        let brokers = cache.alive_brokers(reply.session.local_address);
        brokers.into_iter().find(|it| Some(it.id) == id).ok_or(Errors::CoordinatorNotAvailable)
    }

    /// Brings `__consumer_offsets` into being if it is not there, and lets the coordinator use it.
    pub(crate) fn create_group_metadata_topic(&self) -> Result<(), KafkaError> {
        let partition_count = self.auto_topics.create_group_metadata_topic()?;
        self.group_coordinator.manager().set_partition_count(partition_count);
        Ok(())
    }

    /// A client wants to be a member. It is answered when the group is complete.
    fn handle_join_group_request(&self, reply: Reply, request: JoinGroupRequest) {
        let version = reply.header.api_version;
        let is_dynamic = request.group_instance_id.is_none();
        let join = JoinGroup {
            group_id: request.group_id,
            member: identity(request.member_id, request.group_instance_id),
            is_known_member_id_required: version >= JOIN_WITH_KNOWN_ID_VERSION && is_dynamic,
            is_skipping_assignment_supported: version >= JOIN_SKIPPING_ASSIGNMENT_VERSION,
            client_id: reply.header.client_id.clone().unwrap_or_default(),
            // As Java prints an address without a name.
            client_host: format!("/{}", reply.client().ip().to_canonical()),
            rebalance_timeout_ms: match version {
                0 => request.session_timeout_ms,
                _ => request.rebalance_timeout_ms,
            },
            session_timeout_ms: request.session_timeout_ms,
            protocol_type: request.protocol_type,
            protocols: request.protocols.into_iter().map(|it| (it.name, it.metadata)).collect(),
        };
        let send_response_callback = move |result: JoinGroupResult| {
            reply.send_body(&ResponseBody::JoinGroup(join_group_response(result)));
        };
        self.group_coordinator.join_group(&join, Box::new(send_response_callback));
    }

    /// A member asks for its assignment. It is answered when the leader has brought it.
    fn handle_sync_group_request(&self, reply: Reply, request: SyncGroupRequest) {
        let assignments = request.assignments.into_iter();
        let sync = SyncGroup {
            group_id: request.group_id,
            member: identity(request.member_id, request.group_instance_id),
            generation_id: request.generation_id,
            protocol_type: request.protocol_type,
            protocol_name: request.protocol_name,
            assignments: assignments.map(|it| (it.member_id, it.assignment)).collect(),
        };
        let send_response_callback = move |result: SyncGroupResult| {
            reply.send_body(&ResponseBody::SyncGroup(SyncGroupResponse {
                throttle_time_ms: 0,
                error_code: result.error.code(),
                protocol_type: result.protocol_type,
                protocol_name: result.protocol_name,
                assignment: result.assignment,
            }));
        };
        self.group_coordinator.sync_group(&sync, Box::new(send_response_callback));
    }

    /// A member is alive.
    fn handle_heartbeat_request(&self, reply: Reply, request: HeartbeatRequest) {
        let member = identity(request.member_id, request.group_instance_id);
        let error =
            self.group_coordinator.heartbeat(&request.group_id, &member, request.generation_id);
        let response = HeartbeatResponse { throttle_time_ms: 0, error_code: error.code() };
        reply.send_body(&ResponseBody::Heartbeat(response));
    }

    /// Members leave: before version 3 the one who asks, later whoever is named.
    fn handle_leave_group_request(&self, reply: Reply, request: &LeaveGroupRequest) {
        let is_of_several = reply.header.api_version >= LEAVE_OF_SEVERAL_VERSION;
        let leaving: Vec<MemberIdentity> = match is_of_several {
            true => request
                .members
                .iter()
                .map(|it| identity(it.member_id.clone(), it.group_instance_id.clone()))
                .collect(),
            false => vec![identity(request.member_id.clone(), None)],
        };
        let response = match self.group_coordinator.leave_group(&request.group_id, &leaving) {
            Err(error) => request.error_response(error),
            Ok(results) if !is_of_several => {
                request.error_response(results.first().copied().unwrap_or(Errors::None))
            }
            Ok(results) => LeaveGroupResponse {
                members: leaving.into_iter().zip(results).map(left).collect(),
                ..LeaveGroupResponse::default()
            },
        };
        reply.send_body(&ResponseBody::LeaveGroup(response));
    }
}

/// The right that a request needs to the one group that it is about; nothing if it may be about
/// several, and each is looked at alone.
fn right_to_the_group(body: &RequestBody) -> Option<(Operation, &str)> {
    match body {
        RequestBody::JoinGroup(it) => Some((Operation::Read, &it.group_id)),
        RequestBody::SyncGroup(it) => Some((Operation::Read, &it.group_id)),
        RequestBody::Heartbeat(it) => Some((Operation::Read, &it.group_id)),
        RequestBody::LeaveGroup(it) => Some((Operation::Read, &it.group_id)),
        RequestBody::OffsetCommit(it) => Some((Operation::Read, &it.group_id)),
        RequestBody::OffsetDelete(it) => Some((Operation::Delete, &it.group_id)),
        _ => None,
    }
}

/// How a member names itself.
pub(crate) fn identity(member_id: String, group_instance_id: Option<String>) -> MemberIdentity {
    MemberIdentity { member_id, group_instance_id }
}

fn join_group_response(result: JoinGroupResult) -> JoinGroupResponse {
    let members = result.members.into_iter().map(|it| JoinGroupResponseMember {
        member_id: it.member_id,
        group_instance_id: it.group_instance_id,
        metadata: it.metadata,
    });
    JoinGroupResponse {
        throttle_time_ms: 0,
        error_code: result.error.code(),
        generation_id: result.generation_id,
        protocol_type: result.protocol_type,
        protocol_name: result.protocol_name,
        leader: result.leader_id,
        skip_assignment: result.skip_assignment,
        member_id: result.member_id,
        members: members.collect(),
    }
}

fn left((member, error): (MemberIdentity, Errors)) -> MemberResponse {
    MemberResponse {
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
        error_code: error.code(),
    }
}
