//! Answers that take more memory than there is at the moment: they wait for it, and who does not read
//! one gives it up in the end.

use std::io::Read;
use std::net::TcpStream;
use std::os::fd::AsFd;

use nix::sys::socket::{setsockopt, sockopt};
use support::broker::Broker;
use support::client::Client;
use transferto::protocol::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use transferto::protocol::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestTopic};
use transferto::protocol::request::{RequestBody, ResponseBody};

const TOPIC: &str = "wide";
const GROUP: &str = "g";
/// An answer with the offsets of all partitions takes 1.8 MB.
const PARTITIONS: i32 = 450;
const METADATA_BYTES: usize = 4_000;
/// Of partitions whose offsets are committed by one request.
const COMMIT_PARTITIONS: i32 = 50;
/// With this, everything that is large has 2 MiB.
const MEMORY_BYTES: &str = "1048576";

#[test]
fn an_answer_without_memory_waits_for_one_that_is_not_read_until_that_is_given_up() {
    let broker = Broker::start(&[
        ("socket.request.max.bytes", MEMORY_BYTES),
        ("queued.max.request.bytes", MEMORY_BYTES),
        ("transferto.memory.progress.timeout.ms", "300"),
        // The system's would grow until it holds the answer.
        ("socket.send.buffer.bytes", "102400"),
        ("num.partitions", &PARTITIONS.to_string()),
        ("log.index.size.max.bytes", "4096"),
        ("offsets.topic.num.partitions", "1"),
    ]);
    let mut client = broker.connect_with_topic(TOPIC);
    client.create_topic("__consumer_offsets");
    commit_all(&mut client);
    let closes_before = broker.server().metrics().memory_stalls.value();

    let mut idle = Client::over(with_small_buffer(broker.port()));
    idle.send(7, &all_offsets(), &[]);
    // Its answer is on its way, and it reads no further.
    idle.stream.read_exact(&mut [0; 4]).unwrap();
    let mut patient = broker.connect();
    // Ordinary answers are not held up.
    patient.metadata(1, Some(&["__consumer_offsets"]));
    assert_eq!(offsets_in(patient.call(7, &all_offsets(), &[]).0), PARTITIONS as usize);
    let metrics = broker.server().metrics();
    assert_eq!(metrics.memory_stalls.value(), closes_before + 1);
    assert!(metrics.memory_pool_waits.value() >= 1);

    // Nobody waits, so nobody is given up.
    assert_eq!(offsets_in(patient.call(7, &all_offsets(), &[]).0), PARTITIONS as usize);
    assert_eq!(metrics.memory_stalls.value(), closes_before + 1);
}

#[test]
fn an_answer_that_the_memory_could_never_hold_closes_its_connection_alone() {
    let broker = Broker::start(&[
        ("socket.request.max.bytes", "262144"),
        ("queued.max.request.bytes", "262144"),
        ("num.partitions", &PARTITIONS.to_string()),
        ("log.index.size.max.bytes", "4096"),
        ("offsets.topic.num.partitions", "1"),
    ]);
    let mut client = broker.connect_with_topic(TOPIC);
    client.create_topic("__consumer_offsets");
    let asked = (0..PARTITIONS).step_by(10);
    asked.for_each(|first| commit(&mut client, first..(first + 10).min(PARTITIONS)));
    let mut greedy = broker.connect();
    greedy.send(7, &all_offsets(), &[]);
    greedy.assert_closed();
    client.metadata(1, None);
}

/// The answer alone would fit, and never does beside the request that it is made for. Nor would it
/// the second time.
#[test]
fn an_answer_that_never_fits_beside_its_own_request_closes_its_connection() {
    let broker = Broker::start(&[
        ("socket.request.max.bytes", MEMORY_BYTES),
        ("queued.max.request.bytes", MEMORY_BYTES),
        ("num.partitions", &PARTITIONS.to_string()),
        ("log.index.size.max.bytes", "4096"),
        ("offsets.topic.num.partitions", "1"),
    ]);
    let mut client = broker.connect_with_topic(TOPIC);
    client.create_topic("__consumer_offsets");
    commit_all(&mut client);
    let mut greedy = broker.connect();
    greedy.send(7, &offsets_named(1), &[]);
    assert!(greedy.receive_frame().len() > PARTITIONS as usize * METADATA_BYTES);
    greedy.send(7, &offsets_named(30), &[]);
    greedy.assert_closed();
    client.metadata(1, None);
}

/// A connection that takes few bytes before they are read.
fn with_small_buffer(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    setsockopt(&stream.as_fd(), sockopt::RcvBuf, &4096).unwrap();
    stream
}

fn commit_all(client: &mut Client) {
    for first in (0..PARTITIONS).step_by(COMMIT_PARTITIONS as usize) {
        commit(client, first..first + COMMIT_PARTITIONS);
    }
}

fn commit(client: &mut Client, partitions: std::ops::Range<i32>) {
    let partition = |partition_index| OffsetCommitRequestPartition {
        partition_index,
        committed_metadata: Some("m".repeat(METADATA_BYTES)),
        ..OffsetCommitRequestPartition::default()
    };
    let topic = OffsetCommitRequestTopic {
        name: TOPIC.to_string(),
        partitions: partitions.map(partition).collect(),
    };
    let request = OffsetCommitRequest {
        group_id: GROUP.to_string(),
        topics: vec![topic],
        ..OffsetCommitRequest::default()
    };
    match client.call(7, &RequestBody::OffsetCommit(request), &[]).0 {
        ResponseBody::OffsetCommit(it) => {
            assert!(it.topics[0].partitions.iter().all(|it| it.error_code == 0), "{it:?}");
        }
        other => panic!("{other:?}"),
    }
}

/// Every offset of the group.
fn all_offsets() -> RequestBody {
    let request = OffsetFetchRequest { group_id: GROUP.to_string(), ..Default::default() };
    RequestBody::OffsetFetch(OffsetFetchRequest { topics: None, ..request })
}

/// The same, with each partition named so many times.
fn offsets_named(times: usize) -> RequestBody {
    let partition_indexes = (0..PARTITIONS).cycle().take(PARTITIONS as usize * times).collect();
    let topic = OffsetFetchRequestTopic { name: TOPIC.to_string(), partition_indexes };
    let request = OffsetFetchRequest { group_id: GROUP.to_string(), ..Default::default() };
    RequestBody::OffsetFetch(OffsetFetchRequest { topics: Some(vec![topic]), ..request })
}

fn offsets_in(response: ResponseBody) -> usize {
    match response {
        ResponseBody::OffsetFetch(it) => {
            it.topics.iter().flat_map(|it| &it.partitions).filter(|it| it.error_code == 0).count()
        }
        other => panic!("{other:?}"),
    }
}
