//! The faults of Kafka 0.9's `Selector` that are not ported, and the traps that edges set where
//! Kafka trusts levels.
//!
//! Here the selector is the server; the peer is a plain socket in the hands of the test.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;

use support::temp::TempFile;
use support::transports::{
    BlackHole, Counts, FailsToClose, Faulty, FileSend, PromisesMore, SevenBytes,
    WouldBlockEveryOther, counting, ends_after_reading, fails_after_writing, pattern, seven_bytes,
    would_block_every_other, wrapping,
};
use transferto::common::memory_pool::FREE_BYTES;
use transferto::transport::channel_builder::PlaintextChannelBuilder;
use transferto::transport::kafka_channel::SendError;
use transferto::transport::selector::DisconnectCause;
use transferto::transport::send::{ByteBufferSend, NetworkSend};
use transferto::transport::write_turn::TURN_BYTES;

use crate::frames::{frame, read_frame};
use crate::transport::harness::{EchoServer, Harness, IDLE_MS};

// Faults of Kafka 0.9.

/// KAFKA-3703: the peer has sent three requests and is gone; all three are handed out, one after
/// the other's answer.
#[test]
fn requests_of_a_peer_that_is_gone_are_still_handed_out() {
    let mut harness = Harness::new();
    let (id, mut peer) = harness.accept();
    peer.write_all(&[frame(b"1"), frame(b"2"), frame(b"3")].concat()).unwrap();
    drop(peer);
    for request in ["1", "2", "3"] {
        assert_eq!(harness.next_receive(id), request);
        assert!(harness.selector.mute(id));
        harness.poll(0);
        assert!(harness.disconnected.is_empty());
        assert!(harness.selector.unmute(id));
    }
    harness.poll_until(|it| it.is_disconnected(id));
    assert_eq!(harness.disconnected[0].cause, DisconnectCause::PeerClosed);
}

/// KAFKA-6529: a failed send ends the connection at once, muted or not, whatever is left to read.
#[test]
fn a_failed_send_closes_at_once_and_drops_the_unread_requests() {
    let mut harness = Harness::with(-1, IDLE_MS, |metrics| fails_after_writing(&metrics, 3));
    let (id, mut peer) = harness.accept();
    peer.write_all(&[frame(b"1"), frame(b"2")].concat()).unwrap();
    assert_eq!(harness.next_receive(id), "1");
    harness.selector.mute(id);
    harness.send(id, b"answer");
    harness.poll_until(|it| it.is_disconnected(id));
    assert_eq!(harness.disconnected[0].cause, DisconnectCause::Failed);
    assert!(harness.receives.is_empty());
    assert!(harness.sends.is_empty());
    assert_eq!(harness.selector.channel_count(), 0);
}

/// KAFKA-5587: a request arrives just when its connection's idle time is over. The request is
/// activity, and its answer finds the connection.
#[test]
fn a_channel_with_a_completed_receive_is_not_closed_as_idle() {
    let mut harness = Harness::new();
    let (id, mut peer) = harness.accept();
    harness.poll(0);
    peer.write_all(&frame(b"request")).unwrap();
    harness.time.sleep(IDLE_MS + 1);
    assert_eq!(harness.next_receive(id), "request");
    harness.send(id, b"answer");
    harness.poll_until(|it| it.sends == [id]);
    assert_eq!(read_frame(&mut peer).unwrap(), b"answer");
}

/// KAFKA-5595: the newcomer has the slab key of a closed connection; what is meant for that one
/// does not reach it.
#[test]
fn a_late_response_does_not_reach_a_newcomer_on_a_reused_key() {
    let mut harness = Harness::new();
    let (gone, mut old_peer) = harness.accept();
    old_peer.write_all(&frame(b"secret?")).unwrap();
    assert_eq!(harness.next_receive(gone), "secret?");
    harness.selector.mute(gone);
    harness.selector.close(gone).unwrap();

    let (newcomer, mut peer) = harness.accept();
    assert_eq!(newcomer.key(), gone.key());
    let late = harness.selector.send(gone, Box::new(NetworkSend::new(b"secret".to_vec()).unwrap()));
    assert_eq!(late, Err(SendError::NotConnected(gone)));
    assert!(!harness.selector.mute(gone));
    assert!(!harness.selector.unmute(gone));
    assert!(harness.selector.close(gone).is_none());
    assert!(harness.selector.channel(gone).is_none());
    assert!(!harness.selector.channel(newcomer).unwrap().is_muted());

    peer.write_all(&frame(b"hello")).unwrap();
    assert_eq!(harness.next_receive(newcomer), "hello");
    harness.send(newcomer, b"hi");
    harness.poll_until(|it| it.sends == [newcomer]);
    assert_eq!(read_frame(&mut peer).unwrap(), b"hi");
}

/// KAFKA-7453: a connection that never says anything is closed, too.
#[test]
fn a_connection_that_never_had_an_event_is_closed_when_idle() {
    let mut harness = Harness::new();
    let (id, _peer) = harness.accept();
    harness.time.sleep(IDLE_MS + 1);
    harness.poll(0);
    assert_eq!(harness.disconnected[0].id, id);
    assert_eq!(harness.disconnected[0].cause, DisconnectCause::Idle);
}

/// KAFKA-6260: the closed channel is on the ready list and has edges under way; the newcomer with
/// its key and the next polls are not troubled.
#[test]
fn what_was_noted_for_a_closed_channel_does_not_reach_a_newcomer() {
    let mut harness = Harness::new();
    let (gone, mut old_peer) = harness.accept();
    old_peer.write_all(&[frame(b"1"), frame(b"2")].concat()).unwrap();
    assert_eq!(harness.next_receive(gone), "1");
    old_peer.write_all(&frame(b"3")).unwrap();
    harness.selector.close(gone).unwrap();
    let (newcomer, mut peer) = harness.accept();
    assert_eq!(newcomer.key(), gone.key());
    for _ in 0..5 {
        harness.poll(0);
    }
    assert!(harness.receives.is_empty());
    assert!(harness.disconnected.is_empty());
    peer.write_all(&frame(b"mine")).unwrap();
    assert_eq!(harness.next_receive(newcomer), "mine");
}

/// KAFKA-10014: a channel that does not close well keeps no other from being closed.
#[test]
fn all_channels_are_closed_though_one_fails_to() {
    let mut harness = Harness::with(-1, IDLE_MS, |metrics| {
        wrapping(&metrics, |inner, number| match number {
            0 => Faulty::boxed(inner, FailsToClose),
            _ => inner,
        })
    });
    let mut peers: Vec<TcpStream> = (0..3).map(|_| harness.accept().1).collect();
    assert_eq!(harness.selector.close_all().len(), 3);
    assert_eq!(harness.selector.channel_count(), 0);
    for peer in &mut peers {
        assert_eq!(peer.read(&mut [0]).unwrap(), 0, "the end of the stream");
    }
}

/// KAFKA-7639: many requests are in the socket. One is handed out; of the others only the little is
/// read that comes along with it.
#[test]
fn one_request_is_handed_out_and_the_next_ones_stay_in_the_socket() {
    let mut harness = Harness::new();
    let (id, mut peer) = harness.accept();
    peer.write_all(&frame(&pattern(1_000)).repeat(100)).unwrap();
    harness.poll_until(|it| !it.receives.is_empty());
    assert_eq!(harness.receives.len(), 1);
    assert!(harness.metrics.read_bytes.value() <= FREE_BYTES as u64);
    assert!(harness.selector.has_work());
    harness.selector.mute(id);
    assert!(!harness.selector.has_work(), "a muted channel does not keep poll from waiting");
    for _ in 0..5 {
        harness.poll(0);
    }
    assert_eq!(harness.metrics.read_calls.value(), 1);
}

/// They are in user space, and no edge will ever speak of them: the ready list must.
#[test]
fn requests_that_were_read_along_are_handed_out_one_per_poll_without_a_call() {
    let mut harness = Harness::new();
    let (id, mut peer) = harness.accept();
    let requests = [frame(b"1"), frame(b""), frame(b"3"), frame(b"4")];
    peer.write_all(&requests.concat()).unwrap();
    for request in ["1", "", "3", "4"] {
        assert_eq!(harness.next_receive(id), request);
        assert_eq!(harness.metrics.read_calls.value(), 1);
        harness.selector.mute(id);
        harness.poll(0);
        assert!(harness.receives.is_empty());
        harness.selector.unmute(id);
    }
}

#[test]
fn a_connection_with_a_request_that_was_read_along_is_not_idle() {
    let mut harness = Harness::new();
    let (id, mut peer) = harness.accept();
    peer.write_all(&[frame(b"first"), frame(b"second")].concat()).unwrap();
    assert_eq!(harness.next_receive(id), "first");
    harness.time.sleep(IDLE_MS + 1);
    harness.poll(0);
    assert_eq!(harness.next_receive(id), "second");
    assert!(harness.disconnected.is_empty());
}

/// KAFKA-4602: four bytes that announce 100 MiB allocate nothing like it.
#[test]
fn a_declared_size_allocates_nothing() {
    let mut harness = Harness::with(100 << 20, IDLE_MS, |metrics| {
        Arc::new(PlaintextChannelBuilder::new(metrics))
    });
    let (id, mut peer) = harness.accept();
    peer.write_all(&(100_u32 << 20).to_be_bytes()).unwrap();
    harness.poll_until(|it| it.selector.channel(id).unwrap().has_begun_receive());
    assert!(harness.selector.channel(id).unwrap().receive_allocated_bytes() <= 64 << 10);

    peer.write_all(&pattern(100_000)).unwrap();
    harness.poll_until(|it| it.metrics.read_bytes.value() == 100_004);
    assert!(harness.selector.channel(id).unwrap().receive_allocated_bytes() <= 200_000);
}

/// KAFKA-3378: the connection is there before the first poll, and is reported all the same.
#[test]
fn a_connection_that_is_there_before_the_first_poll_is_reported_once() {
    let (server, mut harness) = (EchoServer::start(), Harness::new());
    let id = harness.selector.connect(server.addr).unwrap();
    // On loopback the handshake is over by now; elsewhere it takes until some later poll.
    harness.poll_until(|it| it.connected == [id]);
    for _ in 0..5 {
        harness.poll(0);
    }
    assert_eq!(harness.connected, [id]);
    assert_eq!(harness.blocking_request(id, "hello"), "hello");
}

/// Kafka 0.9 closes one idle connection per poll.
#[test]
fn all_idle_connections_are_closed_in_one_poll() {
    let mut harness = Harness::new();
    let idle: Vec<_> = (0..20).map(|_| harness.accept()).collect();
    harness.time.sleep(IDLE_MS);
    let (active, _peer) = harness.accept();
    harness.time.sleep(1);
    harness.poll(0);
    assert_eq!(harness.disconnected.len(), idle.len());
    assert!(harness.selector.channel(active).is_some());
}

/// In Kafka 0.9 a negative `connections.max.idle.ms` closes everyone after his first event.
#[test]
fn a_negative_idle_time_never_closes() {
    let mut harness =
        Harness::with(-1, -1, |metrics| Arc::new(PlaintextChannelBuilder::new(metrics)));
    let (id, mut peer) = harness.accept();
    peer.write_all(&frame(b"hello")).unwrap();
    assert_eq!(harness.next_receive(id), "hello");
    harness.time.sleep(i64::from(i32::MAX));
    harness.poll(0);
    assert!(harness.selector.channel(id).is_some());
}

/// A frame that is too large or has a negative size ends its own connection, and no other.
#[test]
fn an_impossible_size_closes_one_connection_and_serves_the_other() {
    for size in [101_u32, u32::MAX, 0x8000_0000] {
        let mut harness =
            Harness::with(100, IDLE_MS, |metrics| Arc::new(PlaintextChannelBuilder::new(metrics)));
        let (bad, mut bad_peer) = harness.accept();
        let (good, mut good_peer) = harness.accept();
        bad_peer.write_all(&size.to_be_bytes()).unwrap();
        good_peer.write_all(&frame(&[b'x'; 100])).unwrap();
        assert_eq!(harness.next_receive(good).len(), 100);
        harness.poll_until(|it| it.is_disconnected(bad));
        assert_eq!(harness.disconnected[0].cause, DisconnectCause::Failed);
        assert_eq!(bad_peer.read(&mut [0]).unwrap(), 0, "no answer, only the end");
        assert!(harness.selector.channel(good).is_some());
    }
}

/// A peer that is cut off in the middle of a request has not closed cleanly.
#[test]
fn an_end_in_the_middle_of_a_request_is_a_failure() {
    let mut harness = Harness::with(-1, IDLE_MS, |metrics| ends_after_reading(&metrics, 7));
    let (id, mut peer) = harness.accept();
    peer.write_all(&frame(b"hello")).unwrap();
    harness.poll_until(|it| it.is_disconnected(id));
    assert_eq!(harness.disconnected[0].cause, DisconnectCause::Failed);
    assert!(harness.receives.is_empty());
}

/// Channels that always have work, and a poll that asks epoll only now and then: what is new waits
/// for a few of their turns, one or all of them, and not longer.
#[test]
fn a_new_event_waits_for_eight_turns_at_most() {
    for busy in [1, 3, 8, 20] {
        let mut harness = Harness::with(-1, IDLE_MS, move |metrics| {
            wrapping(&metrics, move |inner, number| match number {
                number if number < busy => Faulty::boxed(inner, BlackHole(Arc::default())),
                _ => inner,
            })
        });
        let file = TempFile::with(b"");
        let _endless: Vec<_> = (0..busy)
            .map(|_| {
                let (id, peer) = harness.accept();
                harness.selector.send(id, FileSend::boxed(&file.file, 0, usize::MAX)).unwrap();
                peer
            })
            .collect();
        let (_, mut peer) = harness.accept();
        let (mut polls, rounds) = (0, 50);
        for _ in 0..rounds {
            peer.write_all(&frame(b"request")).unwrap();
            let begun = polls;
            while harness.receives.is_empty() {
                harness.poll(600_000);
                polls += 1;
            }
            // Those that it waits for, and those of the poll that hands it out.
            let turns = (polls - begun) * busy;
            assert!(turns <= 8 + busy, "{turns} turns of {busy} channels");
            harness.receives.clear();
        }
        assert_eq!(polls > rounds, 2 * busy <= 8, "polls of {busy} channels that did not ask");
    }
}

/// A reader that takes everything at once gets one turn per poll, and the other channel gets its
/// own.
#[test]
fn a_fast_reader_with_an_endless_send_starves_nobody() {
    let counts = Arc::new(Counts::default());
    let seen = Arc::clone(&counts);
    let mut harness = Harness::with(-1, IDLE_MS, |metrics| {
        wrapping(&metrics, move |inner, number| match number {
            0 => Faulty::boxed(inner, BlackHole(Arc::clone(&seen))),
            _ => inner,
        })
    });
    let file = TempFile::with(b"");
    let (endless, _peer) = harness.accept();
    harness.selector.send(endless, FileSend::boxed(&file.file, 0, usize::MAX)).unwrap();
    let (other, mut peer) = harness.accept();

    let mut turns = 0;
    for round in 0..50 {
        peer.write_all(&frame(format!("{round}").as_bytes())).unwrap();
        while harness.receives.is_empty() {
            let before = counts.transfer_bytes.value();
            harness.poll(10);
            turns += 1;
            let moved = counts.transfer_bytes.value() - before;
            assert!(moved <= TURN_BYTES as u64, "one turn per poll, not {moved} bytes");
        }
        assert_eq!(harness.next_receive(other), format!("{round}"));
    }
    assert_eq!(counts.transfer_bytes.value(), turns * TURN_BYTES as u64);
    assert!(harness.selector.channel(endless).unwrap().has_send());
    assert!(harness.sends.is_empty());
}

// The traps of edges.

/// Kafka stops reading at an incomplete request and trusts the next select to come back to it.
#[test]
fn the_second_half_of_a_request_makes_it_complete() {
    let mut harness = Harness::new();
    let (id, mut peer) = harness.accept();
    let bytes = frame(b"hello");
    for cut in 1..bytes.len() {
        let read = harness.metrics.read_bytes.value();
        peer.write_all(&bytes[..cut]).unwrap();
        harness.poll_until(|it| it.metrics.read_bytes.value() == read + cut as u64);
        assert!(harness.receives.is_empty());
        peer.write_all(&bytes[cut..]).unwrap();
        assert_eq!(harness.next_receive(id), "hello");
    }
}

/// Kafka skips a readable channel with staged requests and trusts the next select to name it again.
#[test]
fn pipelined_requests_are_read_one_per_poll_without_a_new_edge() {
    let mut harness = Harness::new();
    let (id, mut peer) = harness.accept();
    let requests: Vec<String> = (0..50).map(|i| format!("request {i}")).collect();
    let bytes: Vec<u8> = requests.iter().flat_map(|it| frame(it.as_bytes())).collect();
    peer.write_all(&bytes).unwrap();
    assert_eq!(harness.next_receive(id), requests[0]);
    for request in &requests[1..] {
        // It must be on the ready list, for epoll has nothing to tell: else this takes ten minutes.
        assert!(harness.selector.has_work());
        harness.poll(600_000);
        assert_eq!(harness.receives.len(), 1);
        assert_eq!(harness.next_receive(id), *request);
    }
}

/// A read that brought less than it asked for has emptied the socket: nobody looks again before the
/// next edge.
#[test]
fn requests_one_after_another_cost_one_call_each() {
    let counts = Arc::new(Counts::default());
    let mut harness = Harness::with(-1, IDLE_MS, |metrics| counting(&metrics, &counts));
    let (id, mut peer) = harness.accept();
    for request in 1..=50 {
        peer.write_all(&frame(b"request")).unwrap();
        assert_eq!(harness.next_receive(id), "request");
        harness.selector.mute(id);
        harness.selector.unmute(id);
        assert!(!harness.selector.has_work());
        assert_eq!(counts.read_calls.value(), request);
    }
    assert_eq!(counts.would_blocks.value(), 0);
}

/// The bytes came while the channel was muted, and their edge is long gone when it is unmuted.
#[test]
fn unmute_reads_what_came_while_muted() {
    let mut harness = Harness::new();
    let (id, mut peer) = harness.accept();
    harness.poll(0);
    harness.selector.mute(id);
    peer.write_all(&frame(b"hello")).unwrap();
    for _ in 0..5 {
        harness.poll(1);
    }
    assert!(harness.receives.is_empty());
    assert_eq!(harness.metrics.read_calls.value(), 0);
    harness.selector.unmute(id);
    harness.poll(0);
    assert_eq!(harness.next_receive(id), "hello");
}

/// A send that fills the socket goes on when the peer reads.
#[test]
fn a_partial_write_goes_on_when_the_socket_has_room() {
    let mut harness = Harness::new();
    let (id, mut peer) = harness.accept();
    let body = pattern(32 << 20);
    harness.send(id, &body);
    // The peer does not read: the socket fills up, and poll comes to rest.
    let sent = |it: &Harness| it.metrics.write_bytes.value();
    loop {
        let before = sent(&harness);
        harness.poll(20);
        if before > 0 && sent(&harness) == before {
            break;
        }
    }
    assert!(harness.sends.is_empty());
    // A full socket is left alone until epoll tells of room.
    let calls = harness.metrics.write_calls.value();
    for _ in 0..5 {
        assert!(!harness.selector.has_work());
        harness.poll(0);
    }
    assert_eq!(harness.metrics.write_calls.value(), calls);
    let reader = thread::spawn(move || read_frame(&mut peer).unwrap());
    harness.poll_until(|it| it.sends == [id]);
    assert_eq!(reader.join().unwrap(), body);
}

/// The edge "writable" came once, long ago; the send begins all the same.
#[test]
fn a_send_on_a_socket_that_has_long_been_writable_leaves_in_the_next_poll() {
    let mut harness = Harness::new();
    let (id, mut peer) = harness.accept();
    for _ in 0..3 {
        harness.poll(1);
    }
    harness.send(id, b"hello");
    harness.poll(0);
    assert_eq!(harness.sends, [id]);
    assert_eq!(read_frame(&mut peer).unwrap(), b"hello");
}

/// A send that promised more and has no more is pushed out all the same, before it counts as
/// complete.
#[test]
fn a_promise_of_more_that_is_not_kept_holds_nothing_back() {
    let mut harness = Harness::new();
    let (id, mut peer) = harness.accept();
    let send = Box::new(PromisesMore(Box::new(NetworkSend::new(b"hello".to_vec()).unwrap())));
    harness.selector.send(id, send).unwrap();
    harness.poll_until(|it| it.sends == [id]);
    assert_eq!(read_frame(&mut peer).unwrap(), b"hello");
}

/// Chosen deliberately: a hang-up is not seen while the channel is muted, does not keep poll from
/// waiting, and is not forgotten either.
#[test]
fn a_hang_up_while_muted_waits_for_unmute() {
    let mut harness = Harness::new();
    let (id, peer) = harness.accept();
    harness.poll(0);
    harness.selector.mute(id);
    drop(peer);
    for _ in 0..5 {
        harness.poll(1);
        assert!(!harness.selector.has_work());
    }
    assert!(harness.disconnected.is_empty());
    assert_eq!(harness.metrics.read_calls.value(), 0);
    harness.selector.unmute(id);
    harness.poll_until(|it| it.is_disconnected(id));
    assert_eq!(harness.disconnected[0].cause, DisconnectCause::PeerClosed);
}

/// `Selector.wakeup` before poll: the next poll returns at once. (If not, this test takes ten
/// minutes.)
#[test]
fn a_wake_up_before_poll_ends_the_next_poll() {
    let mut harness = Harness::new();
    harness.selector.wakeup().wake().unwrap();
    harness.poll(600_000);
}

#[test]
fn a_negative_timeout_is_refused() {
    let error = Harness::new().selector.poll(-1).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}

// Transports that stutter.

/// Every byte of requests, answers and file slices goes through a transport that moves seven at a
/// time, or that says `WouldBlock` in every other call: both must resume anywhere.
#[test]
fn a_stuttering_transport_loses_nothing() {
    echo_and_send_file(Harness::with(-1, IDLE_MS, |metrics| seven_bytes(&metrics)));
    echo_and_send_file(Harness::with(-1, IDLE_MS, |metrics| would_block_every_other(&metrics)));
    let both = Harness::with(-1, IDLE_MS, |metrics| {
        wrapping(&metrics, |inner, _| {
            Faulty::boxed(Faulty::boxed(inner, SevenBytes), WouldBlockEveryOther::default())
        })
    });
    echo_and_send_file(both);
}

fn echo_and_send_file(mut harness: Harness) {
    let (id, mut peer) = harness.accept();
    let request = pattern(1_000);
    let bytes = [frame(&request), frame(b"")].concat();
    peer.write_all(&bytes).unwrap();
    harness.poll_until(|it| it.receives.len() == 2);
    assert_eq!(harness.receives[0].frame.bytes, request);

    let file = TempFile::with(&pattern(3_000));
    let slices = vec![
        Box::new(ByteBufferSend::new(b"header one".to_vec())) as _,
        FileSend::boxed(&file.file, 5, 1_001),
        Box::new(ByteBufferSend::new(b"header two".to_vec())) as _,
        FileSend::boxed(&file.file, 2_990, 10),
        Box::new(ByteBufferSend::new(b"trailer".to_vec())) as _,
    ];
    let sends = transferto::transport::multi_send::MultiSend::new(slices);
    harness.selector.send(id, Box::new(sends)).unwrap();
    harness.poll_until(|it| it.sends == [id]);
    let file = pattern(3_000);
    let expected =
        [b"header one", &file[5..1_006], b"header two", &file[2_990..], b"trailer"].concat();
    let mut seen = vec![0; expected.len()];
    peer.read_exact(&mut seen).unwrap();
    assert_eq!(seen, expected);
}
