//! Clients that say nothing, say it slowly, do not listen, or hang up in the midst of an answer;
//! and what all of them, and those who send bombs, may cost in memory: no more than they paid for
//! in bytes.
//!
//! Memory and file descriptors are those of the process, so each of these tests runs alone.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use byteorder::{BigEndian, WriteBytesExt};
use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt};
use support::client::{Client, NEWEST_FETCH, fetch_request};
use support::wait::wait_until;
use transferto::common::errors::Errors;
use transferto::common::mock_time::MockTime;
use transferto::message::compression_codec::CompressionCodec;
use transferto::protocol::api_keys::ApiKeys;
use transferto::protocol::api_versions::ApiVersionsRequest;
use transferto::protocol::fetch::{FetchPartition, FetchRequest, FetchTopic};
use transferto::protocol::header::RequestHeader;
use transferto::protocol::request::{RequestBody, request_bytes};

use crate::hostile::{self, Scene, TOPIC, alone, assert_logged_once, lines_of};

const MEGABYTE: usize = 1024 * 1024;
/// What the clients of one test may cost beside what they paid for: threads, buffers, the
/// allocator's own.
const MEMORY_MAX: usize = 20 * MEGABYTE;
/// More than two thirds of `connections.max.idle.ms`: two such steps are too long for a client, one
/// is not.
const IDLE_STEP_MS: i64 = 400_000;

#[test]
fn a_client_that_says_nothing_is_closed_when_it_has_been_idle() {
    let _alone = alone();
    let (time, mut scene) = scene(&[]);
    let mut silent = scene.connect();
    let mut half = scene.connect();
    half.stream.write_all(&[0, 0]).unwrap();
    scene.assert_others_are_served();
    time.sleep(IDLE_STEP_MS);
    scene.assert_others_are_served();
    assert_eq!(lines_of(&silent), [""; 0], "it may be idle for {IDLE_STEP_MS} ms");
    time.sleep(IDLE_STEP_MS);
    silent.assert_closed();
    half.assert_closed();
    assert_logged_once(&silent, "idle");
    assert_logged_once(&half, "idle");
    // The witness has been idle for one step only.
    scene.assert_others_are_served();
}

#[test]
fn a_fetch_that_would_wait_for_weeks_ends_with_its_connection() {
    let _alone = alone();
    let (time, mut scene) = scene(&[]);
    let mut silent = scene.connect();
    let request =
        FetchRequest { max_wait_ms: i32::MAX, min_bytes: i32::MAX, ..fetch_request(TOPIC, 0, 0) };
    silent.send(NEWEST_FETCH, &RequestBody::Fetch(request), &[]);
    let waiting = |scene: &Scene| scene.server().replica_manager().delayed_fetches();
    wait_until("the fetch", || waiting(&scene) == 1);
    for _ in 0..2 {
        assert_eq!(waiting(&scene), 1);
        time.sleep(IDLE_STEP_MS);
        scene.assert_others_are_served();
    }
    assert_logged_once(&silent, "idle");
    wait_until("the end of its fetch", || waiting(&scene) == 0);
    scene.assert_others_are_served();
}

#[test]
fn a_client_that_sends_a_byte_a_minute_is_answered_in_the_end() {
    let _alone = alone();
    let (time, mut scene) = scene(&[]);
    let mut slow = scene.connect();
    let body = RequestBody::ApiVersions(ApiVersionsRequest::default());
    let client_id = Some("slow".to_string());
    let header = RequestHeader {
        api_key: ApiKeys::ApiVersions,
        api_version: 3,
        correlation_id: 9,
        client_id,
    };
    let frame = request_bytes(&header, &body, &[]);
    let whole = [&(frame.len() as u32).to_be_bytes(), &frame[..]].concat();
    for byte in whole {
        slow.stream.write_all(&[byte]).unwrap();
        scene.assert_others_are_served();
        time.sleep(60_000);
    }
    slow.receive(&header);
    assert_eq!(lines_of(&slow), [""; 0]);
}

#[test]
fn a_client_that_does_not_read_its_response_costs_nothing_and_is_closed_when_it_has_been_idle() {
    let _alone = alone();
    let (time, mut scene) = scene(&[]);
    scene.fill(0, 40);
    let mut deaf = scene.connect();
    let before = resident_bytes();
    for _ in 0..50 {
        deaf.send(NEWEST_FETCH, &RequestBody::Fetch(fetch_everything(&[0])), &[]);
    }
    wait_until("the first bytes of the response", || scene.metrics().sendfile_bytes.value() > 0);
    for _ in 0..20 {
        scene.assert_others_are_served();
    }
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < MEMORY_MAX, "{grown} bytes for a response that nobody reads");
    let sent = scene.metrics().sendfile_bytes.value();
    assert!(sent < 36_000_000, "{sent} bytes have left, so somebody reads");
    for _ in 0..2 {
        time.sleep(IDLE_STEP_MS);
        scene.assert_others_are_served();
    }
    assert_logged_once(&deaf, "idle");
    scene.assert_others_are_served();
}

#[test]
fn a_client_that_resets_in_the_middle_of_its_response_leaves_nothing_behind() {
    let _alone = alone();
    let (_, mut scene) = scene(&[]);
    scene.fill(0, 20);
    scene.assert_others_are_served();
    let open_files = || open_files_in(&scene.dir().display().to_string());
    let before = (scene.open_connections(), open_files(), all_open_files());
    let mut addresses = Vec::new();
    for _ in 0..20 {
        let mut leaver = scene.connect();
        leaver.send(NEWEST_FETCH, &RequestBody::Fetch(fetch_everything(&[0])), &[]);
        leaver.stream.read_exact(&mut vec![0; 100_000]).unwrap();
        let abort = linger { l_onoff: 1, l_linger: 0 };
        setsockopt(&leaver.stream, sockopt::Linger, &abort).unwrap();
        let address = leaver.stream.local_addr().unwrap();
        drop(leaver);
        addresses.push(address);
    }
    wait_until("the end of all connections", || scene.open_connections() == before.0);
    assert_eq!((open_files(), all_open_files()), (before.1, before.2), "files are closed");
    for address in addresses {
        let lines = hostile::lines_with(&address.to_string());
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with("INFO"), "{lines:?}");
    }
    scene.assert_others_are_served();
}

#[test]
fn a_response_outlives_its_segment_and_a_reset_then_closes_the_file() {
    let _alone = alone();
    // The log keeps next to nothing: what is old is deleted as soon as somebody looks.
    let settings = [
        ("log.segment.bytes", "2000000"),
        ("log.retention.bytes", "1"),
        ("log.segment.delete.delay.ms", "1"),
    ];
    let (_, mut scene) = scene(&settings);
    let dir = scene.dir().display().to_string();
    scene.fill(0, 1);
    let mut leaver = scene.connect();
    // One segment is a response that fits the socket's buffers, so the client asks often and reads
    // nothing.
    let whole = fetch_everything(&[0]);
    for _ in 0..20 {
        leaver.send(NEWEST_FETCH, &RequestBody::Fetch(whole.clone()), &[]);
    }
    // A response that has left in part, by no more than the budget of a turn, has found the socket
    // full.
    let size = scene.dir().join(format!("{TOPIC}-0/00000000000000000000.log"));
    let size = fs::metadata(size).unwrap().len();
    let sent = || scene.metrics().sendfile_bytes.value();
    wait_until("a response that is stuck", || !sent().is_multiple_of(size));
    scene.fill(0, 10);
    scene.server().log_manager().cleanup_logs();
    wait_until("a deleted file that is still open", || deleted_files_in(&dir) > 0);
    scene.assert_others_are_served();
    let abort = linger { l_onoff: 1, l_linger: 0 };
    setsockopt(&leaver.stream, sockopt::Linger, &abort).unwrap();
    drop(leaver);
    wait_until("no deleted file that is still open", || deleted_files_in(&dir) == 0);
    scene.assert_others_are_served();
}

#[test]
fn two_hundred_clients_that_declare_100_megabytes_and_send_4_bytes_cost_next_to_nothing() {
    let _alone = alone();
    let (_, mut scene) = scene(&[]);
    scene.assert_others_are_served();
    let (connections, before) = (scene.open_connections(), resident_bytes());
    let mut frame_begun = Vec::new();
    frame_begun.write_u32::<BigEndian>(100 * 1024 * 1024).unwrap();
    frame_begun.extend_from_slice(&[0, 1, 0, 12]);
    let clients: Vec<Client> = (0..200)
        .map(|_| {
            let mut client = scene.connect();
            client.stream.write_all(&frame_begun).unwrap();
            client
        })
        .collect();
    wait_until("all of them", || scene.open_connections() == connections + 200);
    scene.assert_others_are_served();
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < MEMORY_MAX / 4, "{grown} bytes for 1,600 that were sent");
    drop(clients);
    wait_until("the end of all of them", || scene.open_connections() == connections);
    scene.assert_others_are_served();
}

#[test]
fn a_bomb_in_an_old_message_set_is_refused_before_it_goes_off() {
    let _alone = alone();
    let (_, mut scene) = scene(&[]);
    for magic in [0, 1] {
        let mut hostile = scene.connect();
        let bomb = wrapper(magic, &gigabyte_of_zeros());
        assert!(bomb.len() < 1_000_000, "{} bytes: the limit of a message", bomb.len());
        forget_the_peak();
        let before = resident_bytes();
        let response = hostile.produce_with(2, 1, (TOPIC, 0), &bomb);
        assert_eq!(response.error_code, Errors::RecordTooLarge.code());
        let grown = peak_bytes().saturating_sub(before);
        assert!(grown < 150 * MEGABYTE, "{grown} bytes for {}", bomb.len());
        scene.assert_others_are_served();
        assert_logged_once(&hostile, "decompresses to more");
    }
}

fn scene(settings: &[(&str, &str)]) -> (Arc<MockTime>, Scene) {
    let time = Arc::new(MockTime::new());
    let scene = Scene::open(settings, time.clone());
    (time, scene)
}

/// A fetch that sets no limits.
fn fetch_everything(partitions: &[i32]) -> FetchRequest {
    let partition = |&partition: &i32| FetchPartition {
        partition,
        partition_max_bytes: i32::MAX,
        ..FetchPartition::default()
    };
    let partitions = partitions.iter().map(partition).collect();
    let topic = FetchTopic { topic: TOPIC.to_string(), partitions, ..FetchTopic::default() };
    FetchRequest { topics: vec![topic], ..fetch_request(TOPIC, 0, 0) }
}

/// Gzip members of a megabyte each, one after another: Java's reader and this broker's read on
/// through all of them.
fn gigabyte_of_zeros() -> Vec<u8> {
    let megabyte = CompressionCodec::Gzip.compress(&vec![0; MEGABYTE], 1).unwrap();
    megabyte.repeat(950)
}

/// A message of an old producer that holds `compressed` as a set of gzip.
fn wrapper(magic: u8, compressed: &[u8]) -> Vec<u8> {
    let mut message = vec![magic, CompressionCodec::Gzip.id()];
    if magic == 1 {
        message.write_i64::<BigEndian>(1_000).unwrap();
    }
    message.write_i32::<BigEndian>(-1).unwrap();
    message.write_i32::<BigEndian>(compressed.len() as i32).unwrap();
    message.extend_from_slice(compressed);
    let mut entry = Vec::new();
    entry.write_i64::<BigEndian>(0).unwrap();
    entry.write_i32::<BigEndian>(message.len() as i32 + 4).unwrap();
    entry.write_u32::<BigEndian>(crc32fast::hash(&message)).unwrap();
    entry.extend_from_slice(&message);
    entry
}

/// The resident memory of this process.
fn resident_bytes() -> usize {
    status_bytes("VmRSS:")
}

/// The most resident memory since [`forget_the_peak`].
fn peak_bytes() -> usize {
    status_bytes("VmHWM:")
}

fn forget_the_peak() {
    // proc(5): 5 resets the peak to what is resident now.
    fs::write("/proc/self/clear_refs", "5").unwrap();
}

fn status_bytes(field: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// What the open file descriptors of this process lead to, and how many names each of those files
/// has left.
fn open_paths() -> Vec<(String, u64)> {
    let entries = fs::read_dir("/proc/self/fd").unwrap().filter_map(Result::ok);
    let open = entries.filter_map(|entry| {
        // The one that reads this directory is gone again when it is looked at.
        let names = fs::metadata(entry.path()).map_or(1, |it| it.nlink());
        Some((fs::read_link(entry.path()).ok()?.display().to_string(), names))
    });
    open.collect()
}

fn all_open_files() -> usize {
    open_paths().len()
}

fn open_files_in(dir: &str) -> usize {
    open_paths().iter().filter(|(path, _)| path.starts_with(dir)).count()
}

fn deleted_files_in(dir: &str) -> usize {
    open_paths().iter().filter(|(path, names)| path.starts_with(dir) && *names == 0).count()
}
