//! What a muted channel sees of its peer's end, and what it says about it.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, mpsc};

use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt};
use transferto::common::hang_up::Ending;
use transferto::transport::connection_id::ConnectionId;
use transferto::transport::selector::DisconnectCause;

use crate::frames::{frame, read_frame};
use crate::transport::harness::Harness;

/// Closes a peer so that its system sends a reset.
fn reset(peer: TcpStream) {
    let abort = linger { l_onoff: 1, l_linger: 0 };
    setsockopt(&peer, sockopt::Linger, &abort).unwrap();
}

/// A muted channel whose request waits for something.
fn waiting(harness: &mut Harness) -> (ConnectionId, TcpStream, Receiver<Ending>) {
    let (id, peer) = harness.accept();
    harness.selector.mute(id);
    let (sender, told) = mpsc::channel();
    let hang_up = Arc::clone(harness.selector.channel(id).unwrap().hang_up());
    hang_up.watch(move |ending| sender.send(ending).unwrap());
    (id, peer, told)
}

/// Tells what the selector has found.
fn tell(harness: &mut Harness) {
    harness.selector.take_hang_ups().iter().for_each(|it| it.tell());
}

#[test]
fn a_muted_channel_sees_once_that_its_peer_sends_nothing_more_and_goes_on() {
    let mut harness = Harness::new();
    let (id, mut peer, told) = waiting(&mut harness);
    peer.write_all(&frame(b"unread")).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    harness.poll_until(|it| it.selector.channel(id).unwrap().is_half_closed());
    assert_eq!(harness.selector.take_half_closed(), [id]);
    assert!(told.try_recv().is_err(), "the selector ends no wait");
    tell(&mut harness);
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [Ending::HalfClosed]);
    assert!(!harness.selector.has_work(), "an end that was taken is no work");

    harness.send(id, b"answer");
    harness.poll_until(|it| it.sends.contains(&id));
    assert_eq!(read_frame(&mut peer).unwrap(), b"answer");
    harness.selector.unmute(id);
    assert_eq!(harness.next_receive(id), "unread");
    harness.poll_until(|it| it.is_disconnected(id));
    assert_eq!(harness.disconnected[0].cause, DisconnectCause::PeerClosed);
    assert!(harness.selector.take_half_closed().is_empty());
}

#[test]
fn an_end_that_came_before_the_mute_is_seen_when_the_channel_is_muted() {
    let mut harness = Harness::new();
    let (id, mut peer) = harness.accept();
    peer.write_all(&frame(b"request")).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(harness.next_receive(id), "request");
    assert!(harness.selector.take_half_closed().is_empty());
    harness.selector.mute(id);
    harness.poll_until(|it| it.selector.channel(id).unwrap().is_half_closed());
    assert_eq!(harness.selector.take_half_closed(), [id]);
}

#[test]
fn a_reset_ends_a_muted_channel_at_once() {
    let mut harness = Harness::new();
    let (id, peer, told) = waiting(&mut harness);
    reset(peer);
    harness.poll_until(|it| it.is_disconnected(id));
    assert_eq!(harness.disconnected[0].cause, DisconnectCause::Failed);
    tell(&mut harness);
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [Ending::Gone]);
}

/// What was acknowledged to the peer's system is not thrown away: a producer with acks=0 may close
/// without having read the answers to its other requests.
#[test]
fn what_came_before_a_reset_is_read() {
    let mut harness = Harness::new();
    let (id, mut peer, told) = waiting(&mut harness);
    peer.write_all(&frame(b"unread")).unwrap();
    reset(peer);
    harness.poll_until(|it| it.selector.channel(id).unwrap().is_half_closed());
    tell(&mut harness);
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [Ending::HalfClosed]);
    harness.selector.unmute(id);
    assert_eq!(harness.next_receive(id), "unread");
    harness.poll_until(|it| it.is_disconnected(id));
}

/// The socket has nothing to read any more, and the reset takes nothing from what was read along.
#[test]
fn what_was_read_along_before_a_reset_is_handed_out() {
    let mut harness = Harness::new();
    let (id, mut peer) = harness.accept();
    peer.write_all(&[frame(b"first"), frame(b"second")].concat()).unwrap();
    assert_eq!(harness.next_receive(id), "first");
    harness.selector.mute(id);
    reset(peer);
    harness.poll_until(|it| it.selector.channel(id).unwrap().is_half_closed());
    harness.selector.unmute(id);
    assert_eq!(harness.next_receive(id), "second");
    harness.poll_until(|it| it.is_disconnected(id));
}
