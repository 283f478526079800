//! A consumer that joins its group and commits: no commit that was acknowledged may go back.

use transferto::common::errors::Errors;
use transferto::protocol::find_coordinator::FindCoordinatorRequest;
use transferto::protocol::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use transferto::protocol::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use transferto::protocol::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestTopic};
use transferto::protocol::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};

use std::time::Duration;

use crate::answer;
use crate::client::{Client, wait_for};
use crate::loads::{Extent, Load, Verdict};
use crate::outcome::{Outcome, failed};

/// The topic that commits are for; nobody reads it.
const TOPIC: &str = "committed";
const SESSION_TIMEOUT_MS: i32 = 60_000;
const PATIENCE: Duration = Duration::from_secs(30);

/// One group, with one member or with a consumer that manages its partitions itself.
pub(crate) struct Committer {
    group: String,
    is_member: bool,
    member_id: String,
    generation_id: i32,
    acknowledged: i64,
    sent: i64,
    count: u64,
}

impl Committer {
    /// Of the group with this name.
    pub(crate) fn new(group: &str, is_member: bool) -> Self {
        Self {
            group: group.to_string(),
            is_member,
            member_id: String::new(),
            generation_id: -1,
            acknowledged: -1,
            sent: -1,
            count: 0,
        }
    }

    /// The last commit that was acknowledged; -1 before the first.
    pub(crate) fn acknowledged(&self) -> i64 {
        self.acknowledged
    }

    /// Joins and gets its assignment; the member of the round before is still known.
    fn join(&mut self, client: &mut Client) -> Outcome<()> {
        let group = self.group.clone();
        wait_for(&format!("{group} to let its member in"), PATIENCE, || {
            let joined = answer!(client, 2, JoinGroup, self.join_request());
            match joined.error_code {
                0 => {
                    self.member_id = joined.member_id;
                    self.generation_id = joined.generation_id;
                    self.sync(client)
                }
                code if code == Errors::UnknownMemberId.code() => {
                    self.member_id.clear();
                    Ok(None)
                }
                code if is_temporary(code) => Ok(None),
                code => failed(format!("JoinGroup of {group}: error {code}")),
            }
        })
    }

    fn join_request(&self) -> JoinGroupRequest {
        let name = "range".to_string();
        JoinGroupRequest {
            group_id: self.group.clone(),
            session_timeout_ms: SESSION_TIMEOUT_MS,
            rebalance_timeout_ms: SESSION_TIMEOUT_MS,
            member_id: self.member_id.clone(),
            protocol_type: "consumer".to_string(),
            protocols: vec![JoinGroupRequestProtocol { name, metadata: vec![0; 6] }],
            ..JoinGroupRequest::default()
        }
    }

    fn sync(&self, client: &mut Client) -> Outcome<Option<()>> {
        let member_id = self.member_id.clone();
        let assignment = SyncGroupRequestAssignment { member_id, assignment: vec![1, 2, 3] };
        let request = SyncGroupRequest {
            group_id: self.group.clone(),
            generation_id: self.generation_id,
            member_id: self.member_id.clone(),
            assignments: vec![assignment],
            ..SyncGroupRequest::default()
        };
        let synced = answer!(client, 1, SyncGroup, request);
        match synced.error_code {
            0 if synced.assignment == [1, 2, 3] => Ok(Some(())),
            0 => failed(format!("the assignment of {} is {:?}", self.group, synced.assignment)),
            code if is_temporary(code) => Ok(None),
            code => failed(format!("SyncGroup of {}: error {code}", self.group)),
        }
    }

    fn commit_request(&self, committed_offset: i64) -> OffsetCommitRequest {
        let partition = OffsetCommitRequestPartition {
            committed_offset,
            ..OffsetCommitRequestPartition::default()
        };
        let topic =
            OffsetCommitRequestTopic { name: TOPIC.to_string(), partitions: vec![partition] };
        OffsetCommitRequest {
            group_id: self.group.clone(),
            generation_id: self.generation_id,
            member_id: self.member_id.clone(),
            topics: vec![topic],
            ..OffsetCommitRequest::default()
        }
    }

    pub(crate) fn commit_on(&mut self, client: &mut Client) -> Outcome<()> {
        self.sent += 1;
        let response = answer!(client, 2, OffsetCommit, self.commit_request(self.sent));
        let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
        match partitions.map(|it| it.error_code).next() {
            Some(0) => {
                self.acknowledged = self.sent;
                self.count += 1;
                Ok(())
            }
            Some(code) if is_temporary(code) => Ok(()),
            other => failed(format!("a commit of {}: error {other:?}", self.group)),
        }
    }
}

/// The group is being loaded, or moves to a new generation.
fn is_temporary(code: i16) -> bool {
    [
        Errors::CoordinatorLoadInProgress,
        Errors::NotCoordinator,
        Errors::CoordinatorNotAvailable,
        Errors::RebalanceInProgress,
        // The other replicas have not had it in time; they may have it yet.
        Errors::RequestTimedOut,
    ]
    .iter()
    .any(|error| error.code() == code)
}

impl Load for Committer {
    fn name(&self) -> &str {
        &self.group
    }

    fn prepare(&mut self, client: &mut Client) -> Outcome<()> {
        client.ensure_topic(TOPIC, &[])?;
        let key = self.group.clone();
        wait_for("a coordinator", PATIENCE, || {
            let request =
                FindCoordinatorRequest { key: key.clone(), ..FindCoordinatorRequest::default() };
            let response = answer!(client, 0, FindCoordinator, request);
            Ok((response.error_code == 0).then_some(()))
        })
    }

    fn work(&mut self, port: u16) -> Outcome<()> {
        let mut client = Client::connect(port)?;
        if self.is_member {
            self.join(&mut client)?;
        }
        loop {
            self.commit_on(&mut client)?;
        }
    }

    fn verify(&mut self, client: &mut Client, _: Extent) -> Outcome<Verdict> {
        let topic = OffsetFetchRequestTopic { name: TOPIC.to_string(), partition_indexes: vec![0] };
        let request = OffsetFetchRequest {
            group_id: self.group.clone(),
            topics: Some(vec![topic]),
            ..OffsetFetchRequest::default()
        };
        let offset = wait_for("a committed offset", PATIENCE, || {
            let response = answer!(client, 2, OffsetFetch, request.clone());
            let mut partitions = response.topics.into_iter().flat_map(|topic| topic.partitions);
            match partitions.next() {
                _ if is_temporary(response.error_code) => Ok(None),
                Some(it) if it.error_code == 0 => Ok(Some(it.committed_offset)),
                other => failed(format!("OffsetFetch: {} {other:?}", response.error_code)),
            }
        })?;
        let mut verdict =
            Verdict { acknowledged: std::mem::take(&mut self.count), ..Verdict::default() };
        if offset < self.acknowledged || offset > self.sent {
            let (group, acknowledged) = (&self.group, self.acknowledged);
            verdict.lose(|| format!("{group}: committed {acknowledged}, but there is {offset}"));
        }
        Ok(verdict)
    }
}
