//! A controller that a test plays: it speaks the protocol of Kafka's over a real socket, answers as one that
//! leads its quorum unless the test has it answer otherwise, and writes down what it was asked.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use support::wait::PATIENCE;
use transferto::image::records::broker_records::{BrokerEndpoint, RegisterBrokerRecord};
use transferto::image::records::metadata_record::{MetadataRecord, RecordAndVersion};
use transferto::protocol::allocate_producer_ids::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse,
};
use transferto::protocol::alter_partition::{AlterPartitionRequest, AlterPartitionResponse};
use transferto::protocol::api_versions::{
    ApiVersion, ApiVersionsRequest, ApiVersionsResponse, FinalizedFeature, SupportedFeature,
};
use transferto::protocol::broker_heartbeat::{BrokerHeartbeatRequest, BrokerHeartbeatResponse};
use transferto::protocol::broker_registration::{
    BrokerRegistrationRequest, BrokerRegistrationResponse,
};
use transferto::protocol::client_request::ClientRequest;
use transferto::protocol::create_topics::{
    CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse,
};
use transferto::protocol::describe_cluster::{DescribeClusterRequest, DescribeClusterResponse};
use transferto::protocol::envelope::{EnvelopeRequest, EnvelopeResponse};
use transferto::protocol::fetch::{
    EpochEndOffset, FetchRequest, FetchResponse, FetchResponsePartition, FetchResponseTopic,
    LeaderIdAndEpoch, NodeEndpoint, SnapshotId,
};
use transferto::protocol::fetch_snapshot;
use transferto::protocol::fetch_snapshot::{
    FetchSnapshotRequest, FetchSnapshotResponse, FetchSnapshotResponsePartition,
    FetchSnapshotResponseTopic,
};
use transferto::protocol::list_offsets::ListOffsetsRequest;
use transferto::protocol::offset_for_leader_epoch::OffsetForLeaderEpochRequest;
use transferto::protocol::wire::types::{Reader, Version, WireType, Writer};
use transferto::protocol::wire::uuid::Uuid;
use transferto::raft::snapshot_fetch::METADATA_TOPIC;

use crate::alter_partition_rules::alter_partitions;
use crate::scripted_log::ScriptedLog;

/// The id of the cluster, unless a test sets another.
pub(crate) const CLUSTER_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";
/// Of `__cluster_metadata`.
pub(crate) const METADATA_TOPIC_ID: Uuid = Uuid([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

/// The record that controllers write while nothing happens: frame version 1, type 20, version 0, no tags.
pub(crate) const NO_OP: [u8; 4] = [1, 20, 0, 0];

/// The APIs of a 4.4.0 controller that are played here, and their versions.
const SUPPORTED_VERSIONS: [(i16, i16, i16); 10] = [
    (1, 4, 18),
    (18, 0, 4),
    (19, 2, 7),
    (56, 2, 3),
    (58, 0, 0),
    (59, 0, 1),
    (60, 0, 2),
    (62, 0, 4),
    (63, 0, 2),
    (67, 0, 0),
];

/// What the controller does with a request.
pub(crate) enum Answer<T> {
    Send(T),
    /// The ranges of records in the response are ranges of these bytes.
    SendRecords(T, Vec<u8>),
    /// These bytes in the place of a response, behind their length.
    SendRaw(Vec<u8>),
    /// It answers neither this request nor any later one of the connection.
    Silence,
    HangUp,
}

/// A request as it came.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) api_key: i16,
    pub(crate) version: i16,
    pub(crate) client_id: Option<String>,
    /// Behind the header.
    pub(crate) body: Vec<u8>,
}

/// What the controller is, and what its test may change at any time.
pub(crate) struct State {
    pub(crate) node_id: i32,
    pub(crate) cluster_id: String,
    /// The quorum's epoch.
    pub(crate) epoch: i32,
    /// Who leads in it, and where that node is; the controller itself if the id is its own.
    pub(crate) leader: Option<(i32, SocketAddr)>,
    pub(crate) log: ScriptedLog,
    pub(crate) supported_versions: Vec<(i16, i16, i16)>,
    /// Name, lowest and highest level.
    pub(crate) supported_features: Vec<(String, i16, i16)>,
    pub(crate) finalized_features: Vec<(String, i16)>,
    next_producer_id: i64,
    /// The epoch of each broker that has registered.
    pub(crate) broker_epochs: HashMap<i32, i64>,
    /// What brokers have registered with that are fenced still.
    fenced: HashMap<i32, BrokerRegistrationRequest>,
    asked: Vec<Asked>,
    /// By the key of the API: first those that hold for one request each, then the one for all others.
    scripts: HashMap<i16, (VecDeque<Script>, Option<Script>)>,
    connections: Vec<TcpStream>,
    is_stopped: bool,
}

/// Takes a `&dyn Any` that is the request, and makes of it an `Answer` for its response.
type Script = Arc<Mutex<dyn FnMut(&dyn Any) -> Box<dyn Any> + Send>>;

/// Runs until it is dropped.
pub(crate) struct ScriptedController {
    shared: Arc<Shared>,
    addr: SocketAddr,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// Whenever the state or the log has changed, and whenever something was asked.
    changed: Condvar,
}

impl ScriptedController {
    /// One that leads a quorum in epoch 1, with an empty log.
    pub(crate) fn start(node_id: i32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let state = State {
            node_id,
            cluster_id: CLUSTER_ID.to_string(),
            epoch: 1,
            leader: Some((node_id, addr)),
            log: ScriptedLog::default(),
            supported_versions: SUPPORTED_VERSIONS.to_vec(),
            supported_features: vec![
                ("metadata.version".to_string(), 7, 33),
                ("kraft.version".to_string(), 0, 1),
            ],
            finalized_features: vec![
                ("metadata.version".to_string(), 21),
                ("kraft.version".to_string(), 1),
            ],
            next_producer_id: 0,
            broker_epochs: HashMap::new(),
            fenced: HashMap::new(),
            asked: Vec::new(),
            scripts: HashMap::new(),
            connections: Vec::new(),
            is_stopped: false,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let for_acceptor = Arc::clone(&shared);
        let acceptor = thread::spawn(move || accept_all(&listener, &for_acceptor));
        Self { shared, addr, acceptor: Some(acceptor) }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Changes what the controller is, and lets requests that wait look again.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.shared.locked());
        self.shared.changed.notify_all();
        changed
    }

    /// Appends a batch of records whose values these are, and commits it. Returns the offset of the first.
    pub(crate) fn append(&self, values: &[Vec<u8>]) -> i64 {
        self.change(|state| {
            let base_offset = state.log.append(state.epoch, values);
            state.log.high_watermark = state.log.end_offset();
            base_offset
        })
    }

    /// The same for a batch that the quorum has not committed yet.
    pub(crate) fn append_uncommitted(&self, values: &[Vec<u8>]) -> i64 {
        self.change(|state| state.log.append(state.epoch, values))
    }

    /// Appends a control record, and commits it.
    pub(crate) fn append_control(&self, kind: i16, value: &[u8]) -> i64 {
        self.change(|state| {
            let offset = state.log.append_control(state.epoch, kind, value);
            state.log.high_watermark = state.log.end_offset();
            offset
        })
    }

    /// Commits everything that is in the log.
    pub(crate) fn commit(&self) {
        self.change(|state| state.log.high_watermark = state.log.end_offset());
    }

    /// Another node leads, in this epoch; `None` while an election runs.
    pub(crate) fn set_leader(&self, leader: Option<(i32, SocketAddr)>, epoch: i32) {
        self.change(|state| (state.leader, state.epoch) = (leader, epoch));
    }

    /// Answers every request of this API so from now on.
    pub(crate) fn script<R: ClientRequest + 'static>(
        &self,
        script: impl FnMut(&R) -> Answer<R::Response> + Send + 'static,
    ) where
        R::Response: 'static,
    {
        self.change(|state| state.scripts.entry(R::API_KEY).or_default().1 = Some(erased(script)));
    }

    /// Answers one request of this API so: the next one for which no such answer was set before.
    pub(crate) fn script_once<R: ClientRequest + 'static>(
        &self,
        script: impl FnMut(&R) -> Answer<R::Response> + Send + 'static,
    ) where
        R::Response: 'static,
    {
        self.change(|state| {
            state.scripts.entry(R::API_KEY).or_default().0.push_back(erased(script));
        });
    }

    /// Answers requests of this API as a controller does, again.
    pub(crate) fn unscript<R: ClientRequest>(&self) {
        self.change(|state| state.scripts.remove(&R::API_KEY));
    }

    /// Closes every connection; new ones are accepted.
    pub(crate) fn hang_up(&self) {
        self.change(|state| {
            for connection in state.connections.drain(..) {
                let _ = connection.shutdown(Shutdown::Both);
            }
        });
    }

    /// All requests of this API so far.
    pub(crate) fn asked<R: ClientRequest>(&self) -> Vec<R> {
        self.shared.locked().requests()
    }

    /// All requests of all APIs so far.
    pub(crate) fn asked_all(&self) -> Vec<Asked> {
        self.shared.locked().asked.clone()
    }

    /// Waits until so many requests of this API have come, and returns them.
    pub(crate) fn wait_for_requests<R: ClientRequest>(&self, count: usize) -> Vec<R> {
        let what = format!("{count} requests {}", R::NAME);
        self.wait_until(&what, |state| {
            let requests = state.requests::<R>();
            (requests.len() >= count).then_some(requests)
        })
    }

    /// Waits until the state gives an answer.
    pub(crate) fn wait_until<T>(
        &self,
        what: &str,
        mut answer: impl FnMut(&mut State) -> Option<T>,
    ) -> T {
        let began = Instant::now();
        let mut state = self.shared.locked();
        loop {
            if let Some(answer) = answer(&mut state) {
                return answer;
            }
            let left = PATIENCE.checked_sub(began.elapsed());
            let left = left.unwrap_or_else(|| panic!("waited in vain for {what}"));
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for ScriptedController {
    fn drop(&mut self) {
        self.change(|state| state.is_stopped = true);
        self.hang_up();
        // The acceptor looks at the mark when a connection wakes it.
        let _ = TcpStream::connect(self.addr);
        let ended = self.acceptor.take().map(JoinHandle::join);
        if !thread::panicking() {
            ended.unwrap().unwrap();
        }
    }
}

impl Shared {
    fn locked(&self) -> MutexGuard<'_, State> {
        // A thread that has panicked is reported by its test, which still has to end this.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_body<R: ClientRequest>(asked: &Asked) -> R {
    let version = version_of::<R>(asked.version);
    let mut reader = Reader::new(&asked.body);
    let request = reader.read(version, R::NAME).unwrap();
    assert_eq!(reader.remaining(), 0, "bytes behind a request {}", R::NAME);
    request
}

fn version_of<R: ClientRequest>(number: i16) -> Version {
    Version { number, is_flexible: number >= R::FIRST_FLEXIBLE_VERSION }
}

fn erased<R: ClientRequest + 'static>(
    mut script: impl FnMut(&R) -> Answer<R::Response> + Send + 'static,
) -> Script
where
    R::Response: 'static,
{
    Arc::new(Mutex::new(move |request: &dyn Any| -> Box<dyn Any> {
        Box::new(script(request.downcast_ref().unwrap()))
    }))
}

fn accept_all(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut threads = Vec::new();
    loop {
        let (connection, _) = listener.accept().unwrap();
        let mut state = shared.locked();
        if state.is_stopped {
            break;
        }
        state.connections.push(connection.try_clone().unwrap());
        drop(state);
        let shared = Arc::clone(shared);
        threads.push(thread::spawn(move || {
            // A peer that hangs up, or that is hung up on.
            let _ = serve(connection, &shared);
        }));
    }
    for thread in threads {
        thread.join().unwrap();
    }
}

/// Serves one connection until it ends.
fn serve(mut connection: TcpStream, shared: &Shared) -> io::Result<()> {
    connection.set_nodelay(true)?;
    while let Some(frame) = read_frame(&mut connection)? {
        let Some(response) = answer(&frame, shared) else {
            return connection.shutdown(Shutdown::Both);
        };
        if let Some(response) = response {
            let length = u32::try_from(response.len()).unwrap().to_be_bytes();
            connection.write_all(&[&length[..], &response].concat())?;
        } else {
            // Silent from now on, and its peer ends it.
            io::copy(&mut connection, &mut io::sink())?;
        }
    }
    Ok(())
}

fn read_frame(connection: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match connection.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    connection.read_exact(&mut frame)?;
    Ok(Some(frame))
}

/// The frame of the response; `Some(None)` for silence, `None` to hang up.
fn answer(frame: &[u8], shared: &Shared) -> Option<Option<Vec<u8>>> {
    match i16::from_be_bytes([frame[0], frame[1]]) {
        1 => answer_to(frame, shared, fetch),
        // Of a broker alone: a test that has it play one says what it answers.
        2 => answer_to(frame, shared, |_, _: &ListOffsetsRequest| Answer::HangUp),
        23 => answer_to(frame, shared, |_, _: &OffsetForLeaderEpochRequest| Answer::HangUp),
        18 => answer_to(frame, shared, api_versions),
        19 => answer_to(frame, shared, create_topics),
        56 => answer_to(frame, shared, alter_partition),
        58 => answer_to(frame, shared, envelope),
        59 => answer_to(frame, shared, fetch_snapshot),
        60 => answer_to(frame, shared, describe_cluster),
        62 => answer_to(frame, shared, register),
        63 => answer_to(frame, shared, heartbeat),
        67 => answer_to(frame, shared, allocate_producer_ids),
        _ => None,
    }
}

fn answer_to<R: ClientRequest + 'static>(
    frame: &[u8],
    shared: &Shared,
    default: impl Fn(&Shared, &R) -> Answer<R::Response>,
) -> Option<Option<Vec<u8>>>
where
    R::Response: 'static,
{
    const OLD_ENCODING: Version = Version { number: 0, is_flexible: false };
    let mut reader = Reader::new(frame);
    let api_key = reader.read(OLD_ENCODING, "key").unwrap();
    let version_number = reader.read(OLD_ENCODING, "version").unwrap();
    let correlation_id: i32 = reader.read(OLD_ENCODING, "correlation id").unwrap();
    let client_id = reader.read(OLD_ENCODING, "client id").unwrap();
    let version = version_of::<R>(version_number);
    if version.is_flexible {
        reader.skip_tagged_fields("header").unwrap();
    }
    let body = frame[reader.position()..].to_vec();
    let asked = Asked { api_key, version: version_number, client_id, body };
    let request: R = read_body(&asked);
    let answer = match take_script::<R>(shared, asked) {
        Some(script) => {
            let answer = (script.lock().unwrap())(&request);
            *answer.downcast::<Answer<R::Response>>().unwrap()
        }
        None => default(shared, &request),
    };
    let (response, records) = match answer {
        Answer::Send(response) => (response, Vec::new()),
        Answer::SendRecords(response, records) => (response, records),
        Answer::SendRaw(bytes) => return Some(Some(bytes)),
        Answer::Silence => return Some(None),
        Answer::HangUp => return None,
    };
    let mut writer = Writer::with_records_from(&records);
    correlation_id.write(&mut writer, OLD_ENCODING);
    if version.is_flexible && api_key != ApiVersionsRequest::API_KEY {
        writer.write_no_tagged_fields();
    }
    response.write(&mut writer, version);
    Some(Some(writer.into_bytes()))
}

/// Writes down what was asked, and takes the script for it, which runs without the lock of the state: it may
/// look at its controller.
fn take_script<R: ClientRequest>(shared: &Shared, asked: Asked) -> Option<Script> {
    let mut state = shared.locked();
    state.asked.push(asked);
    let script = state
        .scripts
        .get_mut(&R::API_KEY)
        .and_then(|(once, for_all)| once.pop_front().or_else(|| for_all.clone()));
    shared.changed.notify_all();
    script
}

fn api_versions(shared: &Shared, _: &ApiVersionsRequest) -> Answer<ApiVersionsResponse> {
    let state = shared.locked();
    let api =
        |&(api_key, min_version, max_version)| ApiVersion { api_key, min_version, max_version };
    let supported = |(name, min, max): &(String, i16, i16)| SupportedFeature {
        name: name.clone(),
        min_version: *min,
        max_version: *max,
    };
    let finalized = |(name, level): &(String, i16)| FinalizedFeature {
        name: name.clone(),
        max_version_level: *level,
        min_version_level: *level,
    };
    Answer::Send(ApiVersionsResponse {
        api_keys: state.supported_versions.iter().map(api).collect(),
        supported_features: state.supported_features.iter().map(supported).collect(),
        finalized_features_epoch: state.log.high_watermark - 1,
        finalized_features: state.finalized_features.iter().map(finalized).collect(),
        ..ApiVersionsResponse::default()
    })
}

/// Port of `KafkaRaftClient.handleFetchRequest`: waits for records, or for the high watermark to move.
fn fetch(shared: &Shared, request: &FetchRequest) -> Answer<FetchResponse> {
    let mut state = shared.locked();
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap());
    let (began, known) = (Instant::now(), state.log.high_watermark);
    loop {
        let (response, records) = state.fetched(request);
        let is_plain = response.topics.iter().flat_map(|it| &it.partitions).all(|it| {
            it.header.error_code == 0
                && it.snapshot_id == SnapshotId::default()
                && it.diverging_epoch == EpochEndOffset::default()
        });
        let is_worth_waiting = is_plain && !response.topics.is_empty() && records.is_empty();
        let left = wait.checked_sub(began.elapsed()).filter(|it| !it.is_zero());
        let (Some(left), true) = (left, is_worth_waiting && state.log.high_watermark == known)
        else {
            return Answer::SendRecords(response, records);
        };
        if state.is_stopped {
            return Answer::HangUp;
        }
        state = shared.changed.wait_timeout(state, left).unwrap().0;
    }
}

impl State {
    /// All requests of this API so far.
    pub(crate) fn requests<R: ClientRequest>(&self) -> Vec<R> {
        let of_api = self.asked.iter().filter(|asked| asked.api_key == R::API_KEY);
        of_api.map(read_body).collect()
    }

    fn is_leader(&self) -> bool {
        self.leader.is_some_and(|(id, _)| id == self.node_id)
    }

    fn current_leader(&self) -> LeaderIdAndEpoch {
        let leader_id = self.leader.map_or(-1, |(id, _)| id);
        LeaderIdAndEpoch { leader_id, leader_epoch: self.epoch }
    }

    /// What is wrong with a request that comes with this epoch.
    fn epoch_error(&self, epoch: i32) -> i16 {
        match epoch {
            lower if lower < self.epoch => 74,
            higher if higher > self.epoch => 75,
            _ if !self.is_leader() => 6,
            _ => 0,
        }
    }

    fn fetched(&self, request: &FetchRequest) -> (FetchResponse, Vec<u8>) {
        let mut response = FetchResponse::default();
        if request.cluster_id.as_ref().is_some_and(|id| *id != self.cluster_id) {
            response.header.error_code = 104;
            return (response, Vec::new());
        }
        let [topic] = &request.topics[..] else { panic!("one topic, not {:?}", request.topics) };
        let [asked] = &topic.partitions[..] else { panic!("one partition") };
        assert!(topic.topic_id == METADATA_TOPIC_ID || topic.topic == METADATA_TOPIC);
        assert_eq!(asked.partition, 0);
        let is_wrong = asked.fetch_offset < 0
            || asked.last_fetched_epoch < 0
            || asked.last_fetched_epoch > asked.current_leader_epoch;
        if is_wrong {
            response.header.error_code = 42;
            return (response, Vec::new());
        }
        let max_bytes = usize::try_from(request.max_bytes).unwrap();
        let (offset, epoch) = (asked.fetch_offset, asked.last_fetched_epoch);
        let mut partition = FetchResponsePartition { records: Some(0..0), ..Default::default() };
        partition.header.error_code = self.epoch_error(asked.current_leader_epoch);
        partition.current_leader = self.current_leader();
        let mut records = Vec::new();
        if partition.header.error_code == 0 {
            partition.header.high_watermark = self.log.high_watermark;
            partition.header.log_start_offset = self.log.start_offset();
            if let Some((id, _)) = &self.log.snapshot
                && offset < id.end_offset
            {
                partition.snapshot_id = SnapshotId { end_offset: id.end_offset, epoch: id.epoch };
            } else if let Some((epoch, end_offset)) = self.log.diverging_epoch(offset, epoch)
                && (offset, epoch) != (0, 0)
            {
                partition.diverging_epoch = EpochEndOffset { epoch, end_offset };
            } else {
                records = self.log.read(offset, max_bytes);
                partition.records = Some(0..records.len());
            }
        }
        let mut of_topic = FetchResponseTopic { partitions: vec![partition], ..Default::default() };
        of_topic.header.topic = METADATA_TOPIC.to_string();
        of_topic.header.topic_id = METADATA_TOPIC_ID;
        response.topics = vec![of_topic];
        let endpoint = |(node_id, addr): (i32, SocketAddr)| NodeEndpoint {
            node_id,
            host: addr.ip().to_string(),
            port: i32::from(addr.port()),
            rack: None,
        };
        response.node_endpoints = self.leader.map(endpoint).into_iter().collect();
        (response, records)
    }
}

fn fetch_snapshot(
    shared: &Shared,
    request: &FetchSnapshotRequest,
) -> Answer<FetchSnapshotResponse> {
    let state = shared.locked();
    let asked = &request.topics[0].partitions[0];
    let mut partition = FetchSnapshotResponsePartition {
        error_code: state.epoch_error(asked.current_leader_epoch),
        snapshot_id: asked.snapshot_id.clone(),
        position: asked.position,
        unaligned_records: Some(0..0),
        current_leader: fetch_snapshot::LeaderIdAndEpoch {
            leader_id: state.current_leader().leader_id,
            leader_epoch: state.epoch,
        },
        ..Default::default()
    };
    let mut piece = Vec::new();
    if partition.error_code == 0 {
        let wanted = (asked.snapshot_id.end_offset, asked.snapshot_id.epoch);
        let snapshot = state.log.snapshot.as_ref();
        let position = usize::try_from(asked.position).unwrap();
        match snapshot.filter(|(id, _)| (id.end_offset, id.epoch) == wanted) {
            None => partition.error_code = 98,
            Some((_, bytes)) if position >= bytes.len() => partition.error_code = 99,
            Some((_, bytes)) => {
                let left = &bytes[position..];
                piece = left[..left.len().min(request.max_bytes.unsigned_abs() as usize)].to_vec();
                partition.size = bytes.len() as i64;
                partition.unaligned_records = Some(0..piece.len());
            }
        }
    }
    let endpoint = |(node_id, addr): (i32, SocketAddr)| fetch_snapshot::NodeEndpoint {
        node_id,
        host: addr.ip().to_string(),
        port: addr.port(),
    };
    let name = request.topics[0].name.clone();
    let response = FetchSnapshotResponse {
        topics: vec![FetchSnapshotResponseTopic { name, partitions: vec![partition] }],
        node_endpoints: state.leader.map(endpoint).into_iter().collect(),
        ..Default::default()
    };
    Answer::SendRecords(response, piece)
}

/// Takes the end of the log as the broker's epoch, and appends a record that says nothing: the image has the
/// broker when it is unfenced.
fn register(
    shared: &Shared,
    request: &BrokerRegistrationRequest,
) -> Answer<BrokerRegistrationResponse> {
    let mut state = shared.locked();
    let error_code = if !state.is_leader() {
        41
    } else if request.cluster_id != state.cluster_id {
        104
    } else {
        0
    };
    if error_code != 0 {
        return Answer::Send(BrokerRegistrationResponse { error_code, ..Default::default() });
    }
    let epoch = state.epoch;
    let broker_epoch = state.log.append(epoch, &[NO_OP.to_vec()]);
    state.log.high_watermark = state.log.end_offset();
    state.broker_epochs.insert(request.broker_id, broker_epoch);
    state.fenced.insert(request.broker_id, request.clone());
    shared.changed.notify_all();
    Answer::Send(BrokerRegistrationResponse { broker_epoch, ..Default::default() })
}

fn heartbeat(shared: &Shared, request: &BrokerHeartbeatRequest) -> Answer<BrokerHeartbeatResponse> {
    let mut state = shared.locked();
    if !state.is_leader() {
        return Answer::Send(BrokerHeartbeatResponse { error_code: 41, ..Default::default() });
    }
    if state.broker_epochs.get(&request.broker_id) != Some(&request.broker_epoch) {
        return Answer::Send(BrokerHeartbeatResponse { error_code: 77, ..Default::default() });
    }
    let is_caught_up = request.current_metadata_offset >= request.broker_epoch;
    let is_fenced = request.want_fence || request.want_shut_down || !is_caught_up;
    if !is_fenced && let Some(registered) = state.fenced.remove(&request.broker_id) {
        let record = unfenced(&registered, request.broker_epoch);
        let epoch = state.epoch;
        state.log.append(epoch, &[RecordAndVersion::from(record).to_bytes()]);
        state.log.high_watermark = state.log.end_offset();
        shared.changed.notify_all();
    }
    Answer::Send(BrokerHeartbeatResponse {
        is_caught_up,
        is_fenced,
        should_shut_down: request.want_shut_down,
        ..Default::default()
    })
}

/// In one record what Kafka has in two: the registration, and its change.
fn unfenced(registered: &BrokerRegistrationRequest, broker_epoch: i64) -> MetadataRecord {
    let end_points = registered.listeners.iter().map(|it| BrokerEndpoint {
        name: it.name.clone(),
        host: it.host.clone(),
        port: it.port,
        security_protocol: it.security_protocol,
    });
    MetadataRecord::RegisterBroker(RegisterBrokerRecord {
        broker_id: registered.broker_id,
        broker_epoch,
        incarnation_id: registered.incarnation_id,
        end_points: end_points.collect(),
        rack: registered.rack.clone(),
        fenced: false,
        log_dirs: registered.log_dirs.clone(),
        ..RegisterBrokerRecord::default()
    })
}

/// Writes what it grants to the log; the answer is on its way before the record is fetched, or after.
fn alter_partition(
    shared: &Shared,
    request: &AlterPartitionRequest,
) -> Answer<AlterPartitionResponse> {
    let mut state = shared.locked();
    let error_code = if !state.is_leader() {
        41
    } else if state.broker_epochs.get(&request.broker_id) != Some(&request.broker_epoch) {
        77
    } else {
        0
    };
    if error_code != 0 {
        return Answer::Send(AlterPartitionResponse { error_code, ..Default::default() });
    }
    let version = state.finalized_features.iter().find(|(name, _)| name == "metadata.version");
    let version = version.map_or(7, |(_, level)| *level);
    let (response, records) = alter_partitions(&state.log.image(), version, request);
    if !records.is_empty() {
        let values = records.into_iter().map(|it| RecordAndVersion::from(it).to_bytes());
        let (epoch, values) = (state.epoch, values.collect::<Vec<_>>());
        state.log.append(epoch, &values);
        state.log.high_watermark = state.log.end_offset();
        shared.changed.notify_all();
    }
    Answer::Send(response)
}

fn allocate_producer_ids(
    shared: &Shared,
    request: &AllocateProducerIdsRequest,
) -> Answer<AllocateProducerIdsResponse> {
    const BLOCK: i32 = 1_000;
    let mut state = shared.locked();
    let error_code = if !state.is_leader() {
        41
    } else if state.broker_epochs.get(&request.broker_id) != Some(&request.broker_epoch) {
        77
    } else {
        0
    };
    if error_code != 0 {
        return Answer::Send(AllocateProducerIdsResponse { error_code, ..Default::default() });
    }
    let producer_id_start = state.next_producer_id;
    state.next_producer_id += i64::from(BLOCK);
    Answer::Send(AllocateProducerIdsResponse {
        producer_id_start,
        producer_id_len: BLOCK,
        ..Default::default()
    })
}

/// What a request means that is in an envelope only its test knows.
fn envelope(_: &Shared, _: &EnvelopeRequest) -> Answer<EnvelopeResponse> {
    Answer::Send(EnvelopeResponse { response_data: None, error_code: -1 })
}

/// Says that all were created; a test that wants them in the image appends them.
fn create_topics(shared: &Shared, request: &CreateTopicsRequest) -> Answer<CreateTopicsResponse> {
    let error_code = if shared.locked().is_leader() { 0 } else { 41 };
    let topic = |(number, topic): (u8, &transferto::protocol::create_topics::CreatableTopic)| {
        CreatableTopicResult {
            name: topic.name.clone(),
            topic_id: Uuid([number; 16]),
            error_code,
            num_partitions: topic.num_partitions,
            replication_factor: topic.replication_factor,
            ..Default::default()
        }
    };
    let topics = (1..).zip(&request.topics).map(topic).collect();
    Answer::Send(CreateTopicsResponse { topics, ..Default::default() })
}

fn describe_cluster(
    shared: &Shared,
    request: &DescribeClusterRequest,
) -> Answer<DescribeClusterResponse> {
    let state = shared.locked();
    Answer::Send(DescribeClusterResponse {
        error_code: if request.endpoint_type == 2 { 0 } else { 114 },
        endpoint_type: 2,
        cluster_id: state.cluster_id.clone(),
        controller_id: state.leader.map_or(-1, |(id, _)| id),
        ..Default::default()
    })
}
