//! The member of a consumer group that reads all partitions and commits how far it is, as Kafka's consumer
//! does: if its coordinator moves, it goes on at the new one, and only if it has lost its membership does it
//! join again and go back to what is committed.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use support::random::Random;
use transferto::common::errors::Errors;
use transferto::protocol::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use transferto::protocol::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use transferto::protocol::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestTopic};
use transferto::protocol::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};

use crate::answer;
use crate::client::{Client, wait_for};
use crate::cluster::commits::coordinator_of;
use crate::cluster::gaps::Gaps;
use crate::cluster::partitions::{Partition, all_partitions};
use crate::cluster::reader::Consumer;
use crate::outcome::{Outcome, failed};

const GROUP: &str = "readers";
/// The shortest that a broker takes by default.
const SESSION_TIMEOUT_MS: i32 = 6_000;
const PATIENCE: Duration = Duration::from_secs(30);
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Errors of a coordinator that is another broker's by now, or soon again this one's.
const MOVED: [Errors; 5] = [
    Errors::NotCoordinator,
    Errors::CoordinatorNotAvailable,
    Errors::CoordinatorLoadInProgress,
    Errors::RequestTimedOut,
    Errors::NotEnoughReplicas,
];
/// Errors of a member that the group has not, or not in this generation.
const EXPELLED: [Errors; 3] =
    [Errors::UnknownMemberId, Errors::IllegalGeneration, Errors::RebalanceInProgress];

/// The only member of a group.
pub(crate) struct Member {
    random: Random,
    consumer: Consumer,
    coordinator: Option<Client>,
    member_id: String,
    generation_id: i32,
    /// Of each partition, the offset that was acknowledged last.
    committed: BTreeMap<Partition, i64>,
    /// Records that it read again, since they were not committed when it had to join again.
    pub(crate) read_again: u64,
    /// How often it had to join again.
    pub(crate) joined_again: u64,
    /// Between two commits.
    pub(crate) gaps: Gaps,
}

impl Member {
    /// One that has not joined.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: Random(seed),
            consumer: Consumer::new(seed ^ 1),
            coordinator: None,
            member_id: String::new(),
            generation_id: -1,
            committed: BTreeMap::new(),
            read_again: 0,
            joined_again: 0,
            gaps: Gaps::default(),
        }
    }

    /// Joins for the first time.
    pub(crate) fn prepare(&mut self) -> Outcome<()> {
        self.until_done("the group to let its member in", Self::join)
    }

    /// Reads and commits until it is over, and then commits once more.
    pub(crate) fn work(&mut self, is_over: &AtomicBool) -> Outcome<()> {
        let mut leaders = BTreeMap::new();
        self.gaps.begin();
        while !is_over.load(Ordering::Relaxed) {
            self.consumer.pass(&mut leaders);
            self.try_once(Self::commit)?;
        }
        self.until_done("the last commit", Self::commit)
    }

    /// What it saw and must not have seen.
    pub(crate) fn take_failures(&mut self) -> Vec<String> {
        std::mem::take(&mut self.consumer.failures)
    }

    fn until_done(
        &mut self,
        what: &str,
        step: fn(&mut Self, &mut Client) -> Outcome<()>,
    ) -> Outcome<()> {
        let began = Instant::now();
        while !self.try_once(step)? {
            if began.elapsed() > PATIENCE {
                return failed(format!("{what} is waited for in vain: {}", self.gaps.troubles()));
            }
            thread::sleep(RETRY_PAUSE);
        }
        Ok(())
    }

    /// Returns whether the step was done; else the coordinator is looked for anew.
    fn try_once(&mut self, step: fn(&mut Self, &mut Client) -> Outcome<()>) -> Outcome<bool> {
        let outcome = match self.coordinator.take() {
            Some(client) => Ok(Some(client)),
            None => coordinator_of(GROUP, &mut self.random)
                .and_then(|it| it.map(|at| Client::connect_to(at, PATIENCE)).transpose()),
        }
        .and_then(|client| match client {
            None => failed_for_now("there is no coordinator"),
            Some(mut client) => step(self, &mut client).map(|()| client),
        });
        match outcome {
            Ok(client) => {
                self.coordinator = Some(client);
                Ok(true)
            }
            Err(error) if error.is::<io::Error>() => {
                self.gaps.trouble(&error);
                Ok(false)
            }
            Err(error) => failed(format!("the group {GROUP}: {error}")),
        }
    }

    fn join(&mut self, client: &mut Client) -> Outcome<()> {
        let joined = answer!(client, 2, JoinGroup, self.join_request());
        if joined.error_code == Errors::UnknownMemberId.code() {
            self.member_id.clear();
        }
        check("JoinGroup", joined.error_code)?;
        self.member_id = joined.member_id;
        self.generation_id = joined.generation_id;
        let member_id = self.member_id.clone();
        let request = SyncGroupRequest {
            group_id: GROUP.to_string(),
            generation_id: self.generation_id,
            member_id: member_id.clone(),
            assignments: vec![SyncGroupRequestAssignment { member_id, assignment: vec![1] }],
            ..SyncGroupRequest::default()
        };
        check("SyncGroup", answer!(client, 1, SyncGroup, request).error_code)?;
        self.go_back_to_committed(client)
    }

    fn join_request(&self) -> JoinGroupRequest {
        let name = "range".to_string();
        JoinGroupRequest {
            group_id: GROUP.to_string(),
            session_timeout_ms: SESSION_TIMEOUT_MS,
            rebalance_timeout_ms: SESSION_TIMEOUT_MS,
            member_id: self.member_id.clone(),
            protocol_type: "consumer".to_string(),
            protocols: vec![JoinGroupRequestProtocol { name, metadata: vec![0; 6] }],
            ..JoinGroupRequest::default()
        }
    }

    /// As a consumer does with the partitions that it is assigned.
    fn go_back_to_committed(&mut self, client: &mut Client) -> Outcome<()> {
        for partition in all_partitions() {
            let name = partition.topic.to_string();
            let topic = OffsetFetchRequestTopic { name, partition_indexes: vec![partition.index] };
            let request = OffsetFetchRequest {
                group_id: GROUP.to_string(),
                topics: Some(vec![topic]),
                ..OffsetFetchRequest::default()
            };
            let response = answer!(client, 2, OffsetFetch, request);
            check("OffsetFetch", response.error_code)?;
            let found = response.topics.into_iter().flat_map(|it| it.partitions).next();
            let offset = found.map_or(0, |it| it.committed_offset).max(0);
            let acknowledged = self.committed.get(&partition).copied().unwrap_or(0);
            if offset < acknowledged {
                return failed(format!(
                    "{partition}: {acknowledged} is committed, but there is {offset}"
                ));
            }
            self.read_again += self.consumer.go_back_to(partition, offset);
        }
        Ok(())
    }

    fn commit(&mut self, client: &mut Client) -> Outcome<()> {
        let positions: Vec<(Partition, i64)> =
            all_partitions().into_iter().map(|it| (it, self.consumer.position(it))).collect();
        let topic = |&(partition, committed_offset): &(Partition, i64)| OffsetCommitRequestTopic {
            name: partition.topic.to_string(),
            partitions: vec![OffsetCommitRequestPartition {
                partition_index: partition.index,
                committed_offset,
                ..OffsetCommitRequestPartition::default()
            }],
        };
        let request = OffsetCommitRequest {
            group_id: GROUP.to_string(),
            generation_id: self.generation_id,
            member_id: self.member_id.clone(),
            topics: positions.iter().map(topic).collect(),
            ..OffsetCommitRequest::default()
        };
        let response = answer!(client, 2, OffsetCommit, request);
        for code in response.topics.iter().flat_map(|it| &it.partitions).map(|it| it.error_code) {
            if EXPELLED.iter().any(|it| it.code() == code) {
                self.gaps.trouble(format!("the member is expelled with error {code}"));
                self.joined_again += 1;
                return self.join(client);
            }
            check("OffsetCommit", code)?;
        }
        self.committed.extend(positions);
        self.gaps.acknowledged();
        Ok(())
    }

    /// How many partitions it has committed to their ends, as far as it has read.
    pub(crate) fn demand_committed(&mut self, made: &BTreeMap<Partition, i64>) -> Outcome<()> {
        wait_for("the group to read to the end", PATIENCE, || {
            self.consumer.pass(&mut BTreeMap::new());
            self.try_once(Self::commit)?;
            let is_at_end = |(partition, end): (&Partition, &i64)| {
                self.committed.get(partition).is_some_and(|committed| committed == end)
            };
            Ok(made.iter().all(is_at_end).then_some(()))
        })
    }
}

fn check(what: &str, code: i16) -> Outcome<()> {
    match code {
        0 => Ok(()),
        code if MOVED.iter().chain(&EXPELLED).any(|it| it.code() == code) => {
            failed_for_now(&format!("{what}: error {code}"))
        }
        code => failed(format!("{what}: error {code}")),
    }
}

/// As a connection does that breaks: it is tried again.
fn failed_for_now<T>(why: &str) -> Outcome<T> {
    Err(io::Error::other(why.to_string()).into())
}
