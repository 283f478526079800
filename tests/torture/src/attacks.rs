//! What hostile peers do, each for about a second, and how much memory it may cost at its height.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};
use support::random::Random;
use transferto::protocol::api_keys::ApiKeys;
use transferto::protocol::create_topics::{CreatableTopic, CreateTopicsRequest};
use transferto::protocol::fetch::FetchRequest;
use transferto::protocol::find_coordinator::FindCoordinatorRequest;
use transferto::protocol::header::RequestHeader;
use transferto::protocol::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use transferto::protocol::metadata::MetadataRequest;
use transferto::protocol::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use transferto::protocol::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestTopic};
use transferto::protocol::request::{RequestBody, request_bytes};

use crate::answer;
use crate::client::{Client, PRODUCE_VERSION, fetch_request, wait_for};
use crate::outcome::{Outcome, failed};
use crate::security::Entrances;

/// A topic with records to ask for.
pub(crate) const BIG_TOPIC: &str = "big";

/// One kind of harm.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// Does it, and says what was done.
    pub(crate) run: fn(&mut Field<'_>) -> Outcome<String>,
    /// At its height, beyond what there was before.
    pub(crate) peak_kib_max: u64,
}

/// Where an attack takes place.
pub(crate) struct Field<'a> {
    pub(crate) port: u16,
    pub(crate) random: &'a mut Random,
    /// Of a broker with TLS and SASL.
    pub(crate) entrances: Option<&'a Entrances>,
}

impl<'a> Field<'a> {
    pub(crate) fn entrances(&self) -> Outcome<&'a Entrances> {
        self.entrances.map_or_else(|| failed("this broker has no TLS"), Ok)
    }
}

pub(crate) const MIB: u64 = 1024;
/// Of an attack without an end of its own.
pub(crate) const DURATION: Duration = Duration::from_secs(1);
const ATTACK_PATIENCE: Duration = Duration::from_secs(10);
/// Just below `socket.request.max.bytes`.
const LARGE_FRAME_BYTES: u32 = 100_000_000;

/// All of them. What is read by `sendfile` or announced and never sent costs next to nothing; what
/// is sent is bounded by the budget for all requests together.
pub(crate) const ATTACKS: &[Attack] = &[
    Attack { name: "slow readers", run: slow_readers, peak_kib_max: 32 * MIB },
    Attack { name: "dripped frames", run: dripped_frames, peak_kib_max: 64 * MIB },
    Attack { name: "stalled frames", run: stalled_frames, peak_kib_max: 512 * MIB },
    Attack { name: "random bytes", run: random_bytes, peak_kib_max: 256 * MIB },
    Attack { name: "random frames", run: random_frames, peak_kib_max: 128 * MIB },
    Attack { name: "resets", run: resets, peak_kib_max: 32 * MIB },
    Attack { name: "half closes", run: half_closes, peak_kib_max: 32 * MIB },
    Attack { name: "long polls of the gone", run: long_polls, peak_kib_max: 64 * MIB },
    Attack { name: "joins of the gone", run: joins_of_the_gone, peak_kib_max: 64 * MIB },
    Attack { name: "huge joins", run: huge_joins, peak_kib_max: 512 * MIB },
    Attack { name: "unread answers", run: unread_answers, peak_kib_max: 64 * MIB },
    Attack { name: "one offset, many times", run: repeated_offset, peak_kib_max: 512 * MIB },
    Attack { name: "many partitions", run: many_partitions, peak_kib_max: 64 * MIB },
];

fn slow_readers(field: &mut Field<'_>) -> Outcome<String> {
    fill(field, 20)?;
    let request = FetchRequest { max_bytes: i32::MAX, ..fetch_request(BIG_TOPIC, 0) };
    let frame = framed(11, &RequestBody::Fetch(request));
    let mut peers = connect_many(field, 20)?;
    for peer in &mut peers {
        setsockopt(&*peer, sockopt::RcvBuf, &4096)?;
        peer.write_all(&frame)?;
    }
    thread::sleep(DURATION);
    Ok(format!("{} peers read nothing of what they fetch", peers.len()))
}

fn dripped_frames(field: &mut Field<'_>) -> Outcome<String> {
    let mut peers = connect_many(field, 500)?;
    for peer in &mut peers {
        peer.write_all(&LARGE_FRAME_BYTES.to_be_bytes())?;
    }
    for _ in 0..4 {
        for peer in &mut peers {
            peer.write_all(&[0])?;
        }
        thread::sleep(DURATION / 4);
    }
    Ok(format!("{} frames of 100 MB dripped in", peers.len()))
}

/// The peers send as fast as they are read, and stop in the middle.
fn stalled_frames(field: &mut Field<'_>) -> Outcome<String> {
    let mut peers = connect_many(field, 12)?;
    let (piece, mut sent) = (vec![0; 1 << 20], 0);
    for peer in &mut peers {
        peer.set_nonblocking(true)?;
        sent += write_some(peer, &LARGE_FRAME_BYTES.to_be_bytes())?;
    }
    let began = Instant::now();
    while began.elapsed() < 3 * DURATION {
        for peer in &mut peers {
            sent += write_some(peer, &piece)?;
        }
        thread::park_timeout(Duration::from_millis(10));
        if sent > 12 * 50_000_000 {
            break;
        }
    }
    Ok(format!("{} MB of 12 frames of 100 MB, then nothing", sent / 1_000_000))
}

fn random_bytes(field: &mut Field<'_>) -> Outcome<String> {
    let bytes = field.random.bytes(1 << 16);
    let (began, mut sent, mut peers) = (Instant::now(), 0, 0);
    while began.elapsed() < DURATION {
        let mut peer = connect(field)?;
        peers += 1;
        // The broker hangs up in the midst of it, as it should.
        while began.elapsed() < DURATION {
            let at = field.random.index(bytes.len());
            match peer.write(&bytes[at..]) {
                Ok(count) => sent += count,
                Err(_) => break,
            }
        }
    }
    Ok(format!("{} KiB on {peers} connections", sent >> 10))
}

fn random_frames(field: &mut Field<'_>) -> Outcome<String> {
    let (began, mut frames) = (Instant::now(), 0);
    while began.elapsed() < DURATION {
        let mut peer = connect(field)?;
        while began.elapsed() < DURATION {
            let api = ApiKeys::ALL[field.random.index(ApiKeys::ALL.len())].id();
            let version = field.random.below(9) as i16;
            let length = field.random.below(200);
            let body = field.random.bytes(length);
            let frame = [&api.to_be_bytes()[..], &version.to_be_bytes(), &[0; 4], &body].concat();
            let size = (frame.len() as u32).to_be_bytes();
            if peer.write_all(&[&size[..], &frame].concat()).is_err() {
                break;
            }
            frames += 1;
        }
    }
    Ok(format!("{frames} frames"))
}

/// Connections that end in RST: at once, within a frame, with a request under way.
fn resets(field: &mut Field<'_>) -> Outcome<String> {
    let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
    let request = framed(11, &RequestBody::Fetch(fetch_request(BIG_TOPIC, 0)));
    let (began, mut count) = (Instant::now(), 0);
    while began.elapsed() < DURATION {
        let mut peer = connect(field)?;
        setsockopt(&peer, sockopt::Linger, &linger)?;
        match count % 3 {
            0 => (),
            1 => peer.write_all(&[0, 0])?,
            _ => peer.write_all(&request)?,
        }
        count += 1;
    }
    Ok(format!("{count} connections"))
}

/// A peer that says it will send no more still waits for its answer.
fn half_closes(field: &mut Field<'_>) -> Outcome<String> {
    fill(field, 20)?;
    let ask = |request: FetchRequest| -> Outcome<usize> {
        let mut peer = connect(field)?;
        peer.write_all(&framed(11, &RequestBody::Fetch(request)))?;
        peer.shutdown(Shutdown::Write)?;
        let mut answer = Vec::new();
        peer.read_to_end(&mut answer)?;
        let size = answer.first_chunk().map_or(0, |size| u32::from_be_bytes(*size) as usize);
        if answer.len() < 8 || answer.len() != size + 4 {
            return failed(format!("{} bytes of an answer of {size}", answer.len()));
        }
        Ok(size)
    };
    let mut bytes = 0;
    for _ in 0..30 {
        bytes += ask(fetch_request(BIG_TOPIC, 0))?;
    }
    let end = Client::connect(field.port)?.fetch(BIG_TOPIC, 0)?.1;
    ask(FetchRequest { max_wait_ms: 1_000, min_bytes: 1 << 30, ..fetch_request(BIG_TOPIC, end) })?;
    Ok(format!("31 whole answers, {} MB", bytes / 1_000_000))
}

/// More connections than the soft limit has descriptors, each gone as soon as it has asked.
fn long_polls(field: &mut Field<'_>) -> Outcome<String> {
    let end = Client::connect(field.port)?.fetch(BIG_TOPIC, 0)?.1;
    let long = FetchRequest {
        max_wait_ms: i32::MAX,
        min_bytes: i32::MAX,
        ..fetch_request(BIG_TOPIC, end)
    };
    let frame = framed(11, &RequestBody::Fetch(long));
    for _ in 0..1_100 {
        connect(field)?.write_all(&frame)?;
    }
    Ok("1,100 fetches that wait 24 days, closed at once".to_string())
}

/// Members that wait for one that does not come back, and do not wait themselves.
fn joins_of_the_gone(field: &mut Field<'_>) -> Outcome<String> {
    let mut first = coordinated(field)?;
    let group = format!("gone-{}", field.random.next_u64());
    let joined = answer!(first, 2, JoinGroup, join_request(&group, 300_000, vec![1]));
    if joined.error_code != 0 {
        return failed(format!("JoinGroup: error {}", joined.error_code));
    }
    let frame = framed(2, &RequestBody::JoinGroup(join_request(&group, 300_000, vec![1])));
    for _ in 0..200 {
        connect(field)?.write_all(&frame)?;
    }
    Ok("200 members, gone while their group waits for another".to_string())
}

fn huge_joins(field: &mut Field<'_>) -> Outcome<String> {
    coordinated(field)?;
    let metadata = vec![7; 40 << 20];
    let mut answers = 0;
    for _ in 0..12 {
        let group = format!("huge-{}", field.random.next_u64());
        let request = join_request(&group, 1_800_000, metadata.clone());
        let mut peer = Client::connect(field.port)?;
        // Refused by an answer or by a closed connection: either is right.
        answers += i32::from(peer.call(2, &RequestBody::JoinGroup(request), &[]).is_ok());
    }
    Ok(format!("12 members of 40 MB for half an hour, {answers} answered"))
}

fn unread_answers(field: &mut Field<'_>) -> Outcome<String> {
    let fetch = framed(11, &RequestBody::Fetch(fetch_request(BIG_TOPIC, 0)));
    let metadata = framed(4, &RequestBody::Metadata(MetadataRequest::default()));
    let requests = [fetch, metadata].concat().repeat(500);
    let (mut peers, mut sent) = (connect_many(field, 30)?, 0);
    for peer in &mut peers {
        peer.set_nonblocking(true)?;
    }
    let began = Instant::now();
    while began.elapsed() < DURATION {
        for peer in &mut peers {
            sent += write_some(peer, &requests)?;
        }
        thread::park_timeout(Duration::from_millis(5));
    }
    Ok(format!("{} KiB of requests whose answers nobody reads", sent >> 10))
}

/// 2 MB that ask for the same 4 KiB half a million times.
fn repeated_offset(field: &mut Field<'_>) -> Outcome<String> {
    let mut client = coordinated(field)?;
    let partition = OffsetCommitRequestPartition {
        committed_metadata: Some("m".repeat(4_000)),
        ..OffsetCommitRequestPartition::default()
    };
    let topics =
        vec![OffsetCommitRequestTopic { name: BIG_TOPIC.to_string(), partitions: vec![partition] }];
    let group_id = "repeated".to_string();
    let commit = OffsetCommitRequest { group_id, topics, ..OffsetCommitRequest::default() };
    answer!(client, 2, OffsetCommit, commit);
    let topic = OffsetFetchRequestTopic {
        name: BIG_TOPIC.to_string(),
        partition_indexes: vec![0; 500_000],
    };
    let request = OffsetFetchRequest {
        group_id: "repeated".to_string(),
        topics: Some(vec![topic]),
        ..OffsetFetchRequest::default()
    };
    let asked = Client::connect(field.port)?.call(1, &RequestBody::OffsetFetch(request), &[]);
    Ok(asked
        .map_or("refused".to_string(), |(_, frame)| format!("{} MB answered", frame.len() >> 20)))
}

fn many_partitions(field: &mut Field<'_>) -> Outcome<String> {
    let topic = |name: String| CreatableTopic {
        name,
        num_partitions: 150,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let port = field.port;
    let names: Vec<String> = (0..4).map(|_| format!("many-{}", field.random.next_u64())).collect();
    let created: Vec<bool> = thread::scope(|scope| {
        let create = |name: &String| {
            let topics = vec![topic(name.clone())];
            let request = CreateTopicsRequest { topics, ..CreateTopicsRequest::default() };
            let body = RequestBody::CreateTopics(request);
            scope.spawn(move || {
                Client::connect(port).and_then(|mut it| it.call(4, &body, &[])).is_ok()
            })
        };
        let threads: Vec<_> = names.iter().map(create).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(false)).collect()
    });
    let mut client = Client::connect(port)?;
    for name in &names {
        delete_topic(&mut client, name)?;
    }
    match created.iter().all(|it| *it) {
        true => Ok("4 topics of 150 partitions at once".to_string()),
        false => failed(format!("CreateTopics was answered: {created:?}")),
    }
}

fn delete_topic(client: &mut Client, name: &str) -> Outcome<()> {
    let request = transferto::protocol::delete_topics::DeleteTopicsRequest {
        topic_names: vec![name.to_string()],
        timeout_ms: 10_000,
        ..Default::default()
    };
    answer!(client, 1, DeleteTopics, request);
    Ok(())
}

fn connect(field: &Field<'_>) -> Outcome<TcpStream> {
    Ok(Client::connect(field.port)?.stream)
}

fn connect_many(field: &Field<'_>, count: usize) -> Outcome<Vec<TcpStream>> {
    (0..count).map(|_| connect(field)).collect()
}

/// Writes without waiting; how many bytes went.
fn write_some(peer: &mut TcpStream, bytes: &[u8]) -> Outcome<usize> {
    match peer.write(bytes) {
        Ok(count) => Ok(count),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        // The broker may hang up on such a peer.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(0),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// The size and the frame.
pub(crate) fn framed(api_version: i16, body: &RequestBody) -> Vec<u8> {
    let api_key = body.api_key();
    let header = RequestHeader { api_key, api_version, correlation_id: 1, client_id: None };
    let frame = request_bytes(&header, body, &[]);
    [&(frame.len() as u32).to_be_bytes()[..], &frame].concat()
}

/// Batches of 900,000 bytes.
pub(crate) fn fill(field: &Field<'_>, count: usize) -> Outcome<()> {
    let mut client = Client::connect(field.port)?;
    let value = vec![b'.'; 900_000];
    let records = crate::records::batch(Default::default()).record(1_000, None, Some(&value));
    let records = records.build()?;
    for _ in 0..count {
        let code = client.produce(PRODUCE_VERSION, 1, BIG_TOPIC, &records)?.error_code;
        if code != 0 {
            return failed(format!("{BIG_TOPIC} refuses with error {code}"));
        }
    }
    Ok(())
}

/// A client of a broker that coordinates groups.
fn coordinated(field: &Field<'_>) -> Outcome<Client> {
    let mut client = Client::connect(field.port)?;
    wait_for("a coordinator", ATTACK_PATIENCE, || {
        let key = "group".to_string();
        let request = FindCoordinatorRequest { key, ..FindCoordinatorRequest::default() };
        Ok((answer!(client, 0, FindCoordinator, request).error_code == 0).then_some(()))
    })?;
    Ok(client)
}

fn join_request(group: &str, session_timeout_ms: i32, metadata: Vec<u8>) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: group.to_string(),
        session_timeout_ms,
        rebalance_timeout_ms: session_timeout_ms,
        protocol_type: "consumer".to_string(),
        protocols: vec![JoinGroupRequestProtocol { name: "range".to_string(), metadata }],
        ..JoinGroupRequest::default()
    }
}
