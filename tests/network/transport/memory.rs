//! Requests that find no memory: they wait in their sockets, small ones do not, and a peer that keeps
//! memory waiting is closed while somebody waits for it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use transferto::common::memory_pool::{MemoryDraw, MemoryPool, Stage};
use transferto::transport::connection_id::ConnectionId;
use transferto::transport::selector::DisconnectCause;
use transferto::transport::send::{DrawnSend, NetworkSend};

use crate::frames::frame;
use crate::transport::harness::{Harness, MEMORY_BYTES, PROGRESS_TIMEOUT_MS};

/// More than is read before memory is drawn.
const BEGUN_BYTES: usize = 10_000;

fn pool(harness: &Harness) -> Arc<MemoryPool> {
    Arc::clone(harness.selector.memory_pool())
}

/// A peer that has declared a request of `declared` bytes and sent [`BEGUN_BYTES`] of it, which the
/// selector has seen.
fn begins(harness: &mut Harness, declared: usize) -> (ConnectionId, TcpStream) {
    let (id, mut peer) = harness.accept();
    peer.write_all(&u32::try_from(declared).unwrap().to_be_bytes()).unwrap();
    peer.write_all(&vec![7; BEGUN_BYTES]).unwrap();
    let has_seen = |it: &Harness| {
        let channel = it.selector.channel(id).unwrap();
        channel.drawn_bytes() > 0 || channel.lacks_memory()
    };
    harness.poll_until(has_seen);
    (id, peer)
}

fn lacks_memory(harness: &Harness, id: ConnectionId) -> bool {
    harness.selector.channel(id).unwrap().lacks_memory()
}

fn has_received(harness: &Harness, id: ConnectionId, bytes: usize) -> bool {
    harness.receives.iter().any(|it| it.id == id && it.frame.bytes.len() == bytes)
}

/// Port of `SelectorTest.testMuteOnOOM`.
#[test]
fn a_request_without_memory_waits_and_goes_on_when_memory_is_given_back() {
    let mut harness = Harness::new();
    let (hog, _hog) = begins(&mut harness, MEMORY_BYTES);
    let (waiting, mut peer) = begins(&mut harness, 100_000);
    assert!(lacks_memory(&harness, waiting) && !lacks_memory(&harness, hog));
    peer.write_all(&vec![7; 100_000 - BEGUN_BYTES]).unwrap();
    for _ in 0..3 {
        harness.poll(0);
    }
    assert!(!harness.selector.has_work(), "a channel that waits for memory does not spin");
    assert_eq!(harness.metrics.memory_pool_waits.value(), 1);
    assert!(pool(&harness).is_waited_for());

    harness.selector.close(hog).unwrap();
    harness.poll_until(|it| has_received(it, waiting, 100_000));
    harness.poll(0);
    assert!(!pool(&harness).is_waited_for());
}

/// The poll that finds it gone may be the last for a while, and what others hold is in nobody's way.
#[test]
fn nobody_waits_from_the_poll_on_that_finds_the_last_waiting_connection_gone() {
    let mut harness = Harness::new();
    let (_, _hog) = begins(&mut harness, MEMORY_BYTES);
    let (waiting, _peer) = begins(&mut harness, 100_000);
    harness.poll(0);
    assert!(pool(&harness).is_waited_for());
    harness.selector.close(waiting).unwrap();
    harness.poll(0);
    assert!(!pool(&harness).is_waited_for());
}

#[test]
fn memory_that_another_thread_gives_back_ends_the_poll() {
    let mut harness = Harness::new();
    let pool = pool(&harness);
    let mut hog = MemoryDraw::new(&pool);
    hog.grow_to(MEMORY_BYTES, Stage::Receive).unwrap();
    let (waiting, mut peer) = begins(&mut harness, 100_000);
    peer.write_all(&vec![7; 100_000 - BEGUN_BYTES]).unwrap();
    let giver = std::thread::spawn(move || drop(hog));
    // Were it not woken, this test would take an hour.
    while !has_received(&harness, waiting, 100_000) {
        harness.poll(3_600_000);
    }
    giver.join().unwrap();
}

#[test]
fn small_requests_go_on_while_large_ones_wait() {
    let mut harness = Harness::new();
    let (_, _hog) = begins(&mut harness, MEMORY_BYTES);
    let (_, _waiting) = begins(&mut harness, MEMORY_BYTES);
    for bytes in [100, 4_096, 50_000] {
        let (id, mut peer) = harness.accept();
        peer.write_all(&frame(&vec![7; bytes])).unwrap();
        harness.poll_until(|it| has_received(it, id, bytes));
    }
}

#[test]
fn a_large_request_is_not_overtaken_by_those_that_came_after_it() {
    let mut harness = Harness::new();
    let (hog, _hog) = begins(&mut harness, MEMORY_BYTES);
    let (first, _first) = begins(&mut harness, MEMORY_BYTES);
    let (second, _second) = begins(&mut harness, MEMORY_BYTES / 2);
    harness.selector.close(hog).unwrap();
    harness.poll_until(|it| !lacks_memory(it, first));
    assert!(lacks_memory(&harness, second));
}

#[test]
fn the_mute_for_a_request_and_the_mute_for_memory_know_nothing_of_each_other() {
    let mut harness = Harness::new();
    let (hog, _hog) = begins(&mut harness, MEMORY_BYTES);
    let (id, mut peer) = begins(&mut harness, 100_000);
    peer.write_all(&vec![7; 100_000 - BEGUN_BYTES]).unwrap();
    harness.selector.mute(id);
    harness.selector.unmute(id);
    harness.poll(0);
    assert!(lacks_memory(&harness, id), "unmute finds no memory");

    harness.selector.mute(id);
    harness.selector.close(hog).unwrap();
    harness.poll(0);
    harness.poll(0);
    assert!(!lacks_memory(&harness, id) && !has_received(&harness, id, 100_000));
    harness.selector.unmute(id);
    harness.poll_until(|it| has_received(it, id, 100_000));
}

#[test]
fn a_peer_that_stops_in_the_middle_is_closed_only_while_others_wait() {
    let mut harness = Harness::new();
    let (hog, mut hog_peer) = begins(&mut harness, MEMORY_BYTES);
    harness.time.sleep(PROGRESS_TIMEOUT_MS + 1);
    harness.poll(0);
    assert!(!harness.is_disconnected(hog), "nobody waits");

    // It goes on, so its time begins again.
    hog_peer.write_all(&[7; 1]).unwrap();
    let begun = harness.metrics.read_bytes.value();
    harness.poll_until(|it| it.metrics.read_bytes.value() > begun);
    let (waiting, mut peer) = begins(&mut harness, 100_000);
    peer.write_all(&vec![7; 100_000 - BEGUN_BYTES]).unwrap();
    harness.time.sleep(PROGRESS_TIMEOUT_MS);
    harness.poll(0);
    assert!(!harness.is_disconnected(hog));
    harness.time.sleep(PROGRESS_TIMEOUT_MS / 5);
    harness.poll_until(|it| has_received(it, waiting, 100_000));
    assert_eq!(harness.disconnected[0].cause, DisconnectCause::Stalled);
    assert_eq!((harness.disconnected.len(), harness.disconnected[0].id), (1, hog));
    assert_eq!(harness.metrics.memory_stalls.value(), 1);
}

#[test]
fn a_request_that_drips_is_closed_in_the_end_while_others_wait() {
    let mut harness = Harness::new();
    let (hog, mut hog_peer) = begins(&mut harness, MEMORY_BYTES);
    let (_waiting, _peer) = begins(&mut harness, MEMORY_BYTES);
    let mut drops = 0;
    while !harness.is_disconnected(hog) && drops < 20 {
        hog_peer.write_all(&[7; 1]).unwrap();
        let read = harness.metrics.read_bytes.value();
        harness.poll_until(|it| it.metrics.read_bytes.value() > read || it.is_disconnected(hog));
        harness.time.sleep(PROGRESS_TIMEOUT_MS / 2);
        harness.poll(0);
        drops += 1;
    }
    assert!((12..=14).contains(&drops), "{drops} times half of the time");
}

/// As that of a consumer far away, whose messages leave by `sendfile(2)`.
#[test]
fn a_long_answer_that_holds_little_may_take_its_time_while_it_is_read() {
    let mut harness = Harness::new();
    let mut hog = MemoryDraw::new(&pool(&harness));
    hog.grow_to(MEMORY_BYTES, Stage::Receive).unwrap();
    let (_, _waiting) = begins(&mut harness, MEMORY_BYTES);
    let (id, peer) = harness.accept();
    peer.set_nonblocking(true).unwrap();
    let mut memory = MemoryDraw::new(&pool(&harness));
    memory.grow_to(10_000, Stage::Answer).unwrap();
    let answer = Box::new(NetworkSend::new(vec![7; 64 << 20]).unwrap());
    harness.selector.send(id, Box::new(DrawnSend::new(answer, memory))).unwrap();
    for _ in 0..2 * 7 {
        // Until the socket has taken more, which is progress.
        let written = harness.metrics.write_bytes.value();
        harness.poll_until(|it| {
            let _ = (&peer).read(&mut [0; 64 << 10]);
            it.metrics.write_bytes.value() > written
        });
        harness.time.sleep(PROGRESS_TIMEOUT_MS / 2);
        harness.poll(0);
    }
    assert!(!harness.is_disconnected(id));
    assert!(pool(&harness).is_waited_for());
}

#[test]
fn an_answer_that_is_not_read_holds_its_memory_only_while_nobody_waits() {
    let mut harness = Harness::new();
    let (id, _peer) = harness.accept();
    let mut memory = MemoryDraw::new(&pool(&harness));
    memory.grow_to(MEMORY_BYTES, Stage::Answer).unwrap();
    let answer = Box::new(NetworkSend::new(vec![7; 16 << 20]).unwrap());
    harness.selector.send(id, Box::new(DrawnSend::new(answer, memory))).unwrap();
    // The socket is full when a poll finds nothing to do.
    while harness.selector.has_work() || harness.metrics.write_bytes.value() == 0 {
        harness.poll(0);
    }
    harness.time.sleep(PROGRESS_TIMEOUT_MS + 1);
    harness.poll(0);
    assert!(!harness.is_disconnected(id));

    let (waiting, _waiting) = begins(&mut harness, 100_000);
    assert!(harness.is_disconnected(id) || lacks_memory(&harness, waiting));
    harness.poll_until(|it| !lacks_memory(it, waiting));
    assert!(harness.is_disconnected(id));
    assert_eq!(harness.disconnected[0].cause, DisconnectCause::Stalled);
}
