//! Port of `KafkaRaftClient.pollFollowerAsObserver`, `pollUnattachedAsObserver`, `buildFetchRequest` and
//! `handleFetchResponse`: an observer of the quorum, one step at a time.
//!
//! It asks whom it takes for the leader for what follows its log, and hands on what is committed. If it knows
//! no leader, or the leader does not answer, it asks any other controller: the answer is an error that names
//! the leader. A step that fails says why, and the next one asks somebody else.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use log::{debug, info};

use crate::clients::interrupter::Interrupter;
use crate::common::errors::Errors;
use crate::common::lock::locked;
use crate::config::quorum_config::BootstrapServer;
use crate::message::record_batch::RecordBatch;
use crate::protocol::fetch::{
    FetchPartition, FetchRequest, FetchResponse, FetchResponsePartition, FetchTopic, ReplicaState,
};
use crate::protocol::fetch_snapshot::FetchSnapshotResponse;
use crate::protocol::quorum_records::QuorumRecord;
use crate::protocol::wire::uuid::Uuid;
use crate::raft::controller_connection::ControllerConnection;
use crate::raft::observed_log::{LogEnd, ObservedLog};
use crate::raft::observed_quorum::ObservedQuorum;
use crate::raft::quorum::LeaderAndEpoch;
use crate::raft::raft_config::RaftConfig;
use crate::raft::raft_fault::RaftFault;
use crate::raft::raft_listener::{RaftListener, SnapshotId};
use crate::raft::snapshot_fetch::{METADATA_TOPIC, Piece, SnapshotFetch, only_partition};

/// Of the metadata log's topic, in every cluster.
const METADATA_TOPIC_ID: Uuid = Uuid([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
/// The error of a controller of another cluster.
const INCONSISTENT_CLUSTER_ID: i16 = 104;
/// How long a leader may wait for news before it answers that there are none.
const FETCH_WAIT_MAX: Duration = Duration::from_millis(500);

/// What a step came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// The leader has answered, or somebody has named another one: the next step can follow at once.
    Answered,
    /// It is worth a wait before the next step. Says why.
    Failed(String),
}

/// Whether the answer of a controller is worth reading on.
enum Judged {
    FromLeader,
    Not(Step),
}

/// The observer: who leads, what is fetched, and who follows.
pub struct Observer {
    config: RaftConfig,
    quorum: Arc<Mutex<ObservedQuorum>>,
    log: ObservedLog,
    listener: Box<dyn RaftListener>,
    connection: Option<ControllerConnection>,
    interrupter: Arc<Interrupter>,
    /// When the leader was heard of last.
    heard_at: Instant,
    /// The leader did not answer the last request: somebody else is asked before it is asked again.
    avoids_leader: bool,
    /// How many controllers in a row have said that they are of another cluster.
    foreign_answers: usize,
}

impl Observer {
    /// One that knows nothing yet. `quorum` and `interrupter` are for other threads to look at, and to stop
    /// it by.
    pub fn new(
        config: RaftConfig,
        quorum: Arc<Mutex<ObservedQuorum>>,
        interrupter: Arc<Interrupter>,
        listener: Box<dyn RaftListener>,
    ) -> Self {
        Self {
            config,
            quorum,
            log: ObservedLog::default(),
            listener,
            connection: None,
            interrupter,
            heard_at: Instant::now(),
            avoids_leader: false,
            foreign_answers: 0,
        }
    }

    /// What has been handed to the listener.
    pub fn committed(&self) -> LogEnd {
        self.log.committed()
    }

    /// The newest that a leader has told; 0 before the first answer.
    pub fn high_watermark(&self) -> i64 {
        self.log.high_watermark()
    }

    /// Asks one controller once, for as long as a request may take; a snapshot takes as long as it takes.
    ///
    /// # Errors
    /// What no later step can mend.
    pub fn step(&mut self) -> Result<Step, RaftFault> {
        let mut connection = match self.connect() {
            Ok(connection) => connection,
            Err(why) => return Ok(Step::Failed(why)),
        };
        let asked = self.ask(&mut connection);
        if matches!(asked, Ok(Step::Answered)) {
            // After the listener, which may take its time.
            self.heard_at = Instant::now();
            self.connection = Some(connection);
        }
        asked
    }

    /// The connection to whoever is to be asked now.
    fn connect(&mut self) -> Result<ControllerConnection, String> {
        let mut quorum = locked(&self.quorum);
        if quorum.leader().leader_id.is_some()
            && self.heard_at.elapsed() > self.config.fetch_timeout
        {
            quorum.forget_leader();
        }
        let leader = quorum.leader();
        if let Some(open) = self.connection.take()
            && leader.leader_id.is_some()
            && open.is_of == leader
        {
            return Ok(open);
        }
        let node = quorum.leader_node().filter(|_| !self.avoids_leader);
        self.avoids_leader = node.is_some();
        let (address, who) = match node {
            Some(node) => {
                let who = node.to_string();
                (BootstrapServer { host: node.host, port: node.port }, who)
            }
            None => {
                let address = quorum.next_candidate().ok_or("no controller is known")?;
                let who = format!("the controller at {address}");
                (address, who)
            }
        };
        drop(quorum); // Nobody who looks who leads waits for a connection.
        let timeout = self.config.request_timeout;
        let client_id = self.config.node_id.to_string();
        let builder = &*self.config.channel_builder;
        ControllerConnection::open(builder, address, &client_id, timeout, &self.interrupter)
            .map_err(|error| format!("cannot reach {who}: {error}"))
    }

    fn ask(&mut self, connection: &mut ControllerConnection) -> Result<Step, RaftFault> {
        let at = connection.address.to_string();
        let failed = |why: &dyn std::fmt::Display| Ok(Step::Failed(format!("{at}: {why}")));
        let response = match connection.fetch(&self.fetch_request()) {
            Ok(response) => response,
            Err(error) => return failed(&error),
        };
        let error_code = response.body.header.error_code;
        self.check_cluster(error_code)?;
        if error_code != 0 {
            return failed(&self.refusal(error_code));
        }
        let partition = match fetched_partition(&response.body) {
            Ok(partition) => partition,
            Err(why) => return failed(&why),
        };
        let (id, epoch) =
            (partition.current_leader.leader_id, partition.current_leader.leader_epoch);
        let address = leader_address(&response.body, id);
        match self.judge(connection, partition.header.error_code, id, epoch, address)? {
            Judged::FromLeader => (),
            Judged::Not(step) => return Ok(step),
        }
        self.log.learn_high_watermark(partition.header.high_watermark);
        locked(&self.quorum).learn_high_watermark(partition.header.high_watermark);
        let snapshot = &partition.snapshot_id;
        if snapshot.end_offset >= 0 {
            let id = SnapshotId { end_offset: snapshot.end_offset, epoch: snapshot.epoch };
            return self.load_snapshot(connection, id);
        }
        if partition.diverging_epoch.end_offset >= 0 {
            return self.truncate(partition);
        }
        let records = partition.records.clone().unwrap_or(0..0);
        match self.take(&response.frame[records])? {
            Ok(()) => Ok(Step::Answered),
            Err(why) => failed(&why),
        }
    }

    /// Port of `buildFetchRequest`.
    fn fetch_request(&self) -> FetchRequest {
        let end = self.log.end();
        let epoch = locked(&self.quorum).leader().epoch;
        let partition = FetchPartition {
            current_leader_epoch: epoch,
            fetch_offset: end.offset,
            last_fetched_epoch: end.epoch,
            ..FetchPartition::default()
        };
        let wait = FETCH_WAIT_MAX.min(self.config.request_timeout / 2);
        FetchRequest {
            replica_id: self.config.node_id,
            replica_state: ReplicaState { replica_id: self.config.node_id, replica_epoch: -1 },
            cluster_id: self.config.cluster_id.clone(),
            max_wait_ms: i32::try_from(wait.as_millis()).unwrap_or(i32::MAX),
            max_bytes: self.config.fetch_bytes_max,
            topics: vec![FetchTopic {
                topic: METADATA_TOPIC.to_string(),
                topic_id: METADATA_TOPIC_ID,
                partitions: vec![partition],
            }],
            ..FetchRequest::default()
        }
    }

    /// Port of `maybeHandleCommonResponse`: takes over what an answer says of the leader, and tells whether
    /// it is the leader's own.
    fn judge(
        &mut self,
        connection: &mut ControllerConnection,
        error_code: i16,
        leader_id: i32,
        epoch: i32,
        address: Option<BootstrapServer>,
    ) -> Result<Judged, RaftFault> {
        // Before version 16 of Fetch nobody says where the leader is. If it is this one, it is here.
        let is_itself = error_code == 0 && leader_id >= 0;
        let address = address.or_else(|| is_itself.then(|| connection.address.clone()));
        let mut quorum = locked(&self.quorum);
        let is_changed = quorum.learn(leader_id, epoch, address)?;
        let (leader, node) = (quorum.leader(), quorum.leader_node());
        drop(quorum);
        if is_changed {
            self.heard_at = Instant::now();
            match node {
                Some(node) => info!("{node} leads epoch {}", leader.epoch),
                None => info!("epoch {} of the controllers has no leader yet", leader.epoch),
            }
        }
        if error_code == 0 && leader.leader_id.is_some() {
            self.heard_at = Instant::now();
            self.avoids_leader = false;
            connection.is_of = leader;
            return Ok(Judged::FromLeader);
        }
        if is_changed && leader.leader_id.is_some() {
            self.avoids_leader = false;
            return Ok(Judged::Not(Step::Answered));
        }
        let (at, epoch) = (&connection.address, leader.epoch);
        let why = match (leader.leader_id, Errors::place_of(error_code).map(|it| Errors::ALL[it])) {
            (None, _) => format!("epoch {epoch} of the controllers has no leader yet"),
            (Some(id), Some(Errors::NotLeaderForPartition | Errors::FencedLeaderEpoch)) => {
                format!("takes controller {id} for the leader of epoch {epoch}")
            }
            _ => self.refusal(error_code),
        };
        Ok(Judged::Not(Step::Failed(format!("{at}: {why}"))))
    }

    /// An observer that never had a leader, and whose candidates have all said twice that they are of another
    /// cluster, would ask them for ever. One that had a leader asks on, as Kafka's does: its address may be
    /// somebody else's for a while.
    fn check_cluster(&mut self, error_code: i16) -> Result<(), RaftFault> {
        if error_code != INCONSISTENT_CLUSTER_ID {
            self.foreign_answers = 0;
            return Ok(());
        }
        self.foreign_answers += 1;
        let quorum = locked(&self.quorum);
        let had_leader = quorum.leader() != LeaderAndEpoch::default();
        if had_leader || self.foreign_answers < 2 * quorum.candidates().len() {
            return Ok(());
        }
        Err(RaftFault(format!(
            "{}, which the log directory belongs to: its meta.properties says so; check the addresses of the \
             controllers ({}), or give the broker a directory of its own by `--override log.dirs=...`",
            self.refusal(error_code),
            quorum.settings()
        )))
    }

    /// What an error of a controller means here.
    fn refusal(&self, error_code: i16) -> String {
        const CLUSTER_AUTHORIZATION_FAILED: i16 = 31;
        let of_place = |place: usize| Errors::ALL[place].to_string();
        let error =
            Errors::place_of(error_code).map_or_else(|| format!("error {error_code}"), of_place);
        match error_code {
            CLUSTER_AUTHORIZATION_FAILED => format!(
                "{error}: the controller's `super.users` must have the principal that this node has there"
            ),
            INCONSISTENT_CLUSTER_ID => format!(
                "{error}: the controller is of another cluster than {}",
                self.config.cluster_id.as_deref().unwrap_or_default()
            ),
            _ => error,
        }
    }

    /// Takes records that follow the log, and hands on what is committed. The inner error is the
    /// controller's fault.
    fn take(&mut self, records: &[u8]) -> Result<Result<(), String>, RaftFault> {
        let epoch = locked(&self.quorum).leader().epoch;
        // First what waits already: it may be what there is no room for.
        self.commit()?;
        let appended = self.log.append(records, epoch);
        let taken = match appended {
            Ok([]) if !records.is_empty() => Err("a batch that is not whole".to_string()),
            Ok(bytes) => {
                self.learn_voters(bytes);
                Ok(())
            }
            Err(why) => Err(why),
        };
        self.commit()?;
        Ok(taken)
    }

    fn commit(&mut self) -> Result<(), RaftFault> {
        let listener = &mut self.listener;
        self.log.commit(|batches, high_watermark| match batches {
            [] => listener.handle_high_watermark(high_watermark),
            batches => listener.handle_commit(batches, high_watermark),
        })?;
        Ok(())
    }

    fn truncate(&mut self, partition: &FetchResponsePartition) -> Result<Step, RaftFault> {
        let (before, diverging) = (self.log.end(), &partition.diverging_epoch);
        self.log.truncate_to(LogEnd { offset: diverging.end_offset, epoch: diverging.epoch })?;
        let after = self.log.end();
        if after == before {
            return Ok(Step::Failed(format!(
                "the leader has another log than this, and none that ends before offset {}",
                before.offset
            )));
        }
        debug!("truncated the metadata log from offset {} to {}", before.offset, after.offset);
        Ok(Step::Answered)
    }

    /// Loads a snapshot in the place of everything before its end.
    fn load_snapshot(
        &mut self,
        connection: &mut ControllerConnection,
        id: SnapshotId,
    ) -> Result<Step, RaftFault> {
        let at = connection.address.to_string();
        let failed = |why: &dyn std::fmt::Display| Ok(Step::Failed(format!("{at}: {why}")));
        let known = self.log.committed().offset;
        let epoch = locked(&self.quorum).leader().epoch;
        if id.end_offset <= known || !(0..=epoch).contains(&id.epoch) {
            return failed(&format!(
                "offers snapshot {id} in epoch {epoch}, and up to offset {known} is known"
            ));
        }
        info!("loading snapshot {id} of the metadata log from {at}");
        let mut snapshot = SnapshotFetch::new(id);
        loop {
            let request = snapshot.request(&self.config, epoch);
            let response = match connection.fetch_snapshot(&request) {
                Ok(response) => response,
                Err(error) => return failed(&error),
            };
            match snapshot.take(&response.body, &response.frame) {
                Ok(Piece::More) => self.heard_at = Instant::now(),
                Ok(Piece::Whole) => break,
                Ok(Piece::Gone) => return failed(&"the snapshot gave way to a newer one"),
                Ok(Piece::Refused(error_code)) => {
                    return self.refused_snapshot(connection, error_code, &response.body);
                }
                Err(why) => return failed(&why),
            }
        }
        self.heard_at = Instant::now();
        self.log.start_at(id);
        self.learn_voters(snapshot.bytes());
        self.listener.handle_load_snapshot(id, snapshot.bytes(), self.log.high_watermark())?;
        Ok(Step::Answered)
    }

    fn refused_snapshot(
        &mut self,
        connection: &mut ControllerConnection,
        error_code: i16,
        response: &FetchSnapshotResponse,
    ) -> Result<Step, RaftFault> {
        let Ok(partition) = only_partition(response) else {
            let why = self.refusal(error_code);
            return Ok(Step::Failed(format!("{}: {why}", connection.address)));
        };
        let (id, epoch) =
            (partition.current_leader.leader_id, partition.current_leader.leader_epoch);
        let node = response.node_endpoints.iter().find(|node| node.node_id == id);
        let address = node.map(|node| BootstrapServer { host: node.host.clone(), port: node.port });
        match self.judge(connection, error_code, id, epoch, address)? {
            Judged::FromLeader => Ok(Step::Answered),
            Judged::Not(step) => Ok(step),
        }
    }

    /// Where the controllers are, if these batches say it.
    fn learn_voters(&mut self, mut batches: &[u8]) {
        while let Ok(batch) = RecordBatch::parse(batches) {
            if batch.is_control_batch() {
                self.learn_voters_of(&batch);
            }
            batches = &batches[batch.size_in_bytes()..];
        }
    }

    /// What cannot be read says nothing here; it is for the listener to judge.
    fn learn_voters_of(&mut self, batch: &RecordBatch<'_>) {
        let visited = batch.for_each_record(&mut |record| {
            let (key, value) = (record.key.unwrap_or_default(), record.value.unwrap_or_default());
            if let Ok(QuorumRecord::KRaftVoters(voters)) = QuorumRecord::read(key, value) {
                locked(&self.quorum).learn_voters(&voters);
            }
            Ok(())
        });
        if let Err(error) = visited {
            debug!("a control batch at offset {} that is not read: {error}", batch.base_offset());
        }
    }
}

/// The partition of the metadata log: an answer has no other. Topics go by names before version 13.
fn fetched_partition(response: &FetchResponse) -> Result<&FetchResponsePartition, String> {
    let [topic] = &response.topics[..] else {
        return Err(format!("an answer that is not of {METADATA_TOPIC} alone"));
    };
    let is_named =
        topic.header.topic_id == METADATA_TOPIC_ID || topic.header.topic == METADATA_TOPIC;
    match &topic.partitions[..] {
        [partition] if is_named && partition.header.partition == 0 => Ok(partition),
        _ => Err(format!("an answer that is not of {METADATA_TOPIC}-0 alone")),
    }
}

/// Where the leader is, if the answer says it.
fn leader_address(response: &FetchResponse, leader_id: i32) -> Option<BootstrapServer> {
    let node = response.node_endpoints.iter().find(|node| node.node_id == leader_id)?;
    let port = u16::try_from(node.port).ok().filter(|port| *port > 0)?;
    Some(BootstrapServer { host: node.host.clone(), port })
}
