//! `sendfile` on a real socket: what leaves together, what a full socket does, and what a file does
//! that is too short.

use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::{io, thread};

use nix::libc;
use support::kernel_tls;
use support::temp::TempFile;
use support::transports::{
    Counts, FailsAfterWriting, Faulty, FileSend, SevenBytes, Sink, counting, pattern,
};
use support::wait::wait_for;
use transferto::common::metrics::Metrics;
use transferto::transport::multi_send::MultiSend;
use transferto::transport::plaintext_transport_layer::PlaintextTransportLayer;
use transferto::transport::selector::DisconnectCause;
use transferto::transport::send;
use transferto::transport::send::ByteBufferSend;
use transferto::transport::transport_layer::TransportLayer;

use crate::transport::harness::{Harness, IDLE_MS};

/// A transport and the socket at its other end. By `KTLS=required` the kernel encrypts between them,
/// and neither need know it.
fn connected() -> (PlaintextTransportLayer, TcpStream, Arc<Metrics>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, addr) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    if kernel_tls::is_required() {
        kernel_tls::give_to_kernel(&stream);
        kernel_tls::give_to_kernel(&peer);
    }
    let (stream, metrics) = (mio::net::TcpStream::from_std(stream), Arc::new(Metrics::default()));
    (PlaintextTransportLayer::new(stream, addr, Arc::clone(&metrics)).unwrap(), peer, metrics)
}

fn read_bytes(peer: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    peer.read_exact(&mut bytes).unwrap();
    bytes
}

fn bytes(text: &str) -> Box<dyn send::Send> {
    Box::new(ByteBufferSend::new(text.as_bytes().to_vec()))
}

#[test]
fn three_headers_and_a_file_cost_one_send_and_one_sendfile() {
    let (mut transport, mut peer, metrics) = connected();
    let file = TempFile::with(&pattern(50_000));
    let file_send = FileSend::boxed(&file.file, 1_000, 40_000);
    let mut send =
        MultiSend::new(vec![bytes("response"), bytes("topic"), bytes("partition"), file_send]);
    send::Send::write_to(&mut send, &mut transport, false).unwrap();

    assert_eq!(read_bytes(&mut peer, 22), b"responsetopicpartition");
    assert_eq!(read_bytes(&mut peer, 40_000), pattern(50_000)[1_000..41_000]);
    assert_eq!(metrics.write_calls.value(), 1);
    assert_eq!(metrics.write_bytes.value(), 22);
    assert_eq!(metrics.sendfile_calls.value(), 1);
    assert_eq!(metrics.sendfile_bytes.value(), 40_000);
}

#[test]
fn a_header_that_is_held_back_leaves_with_the_body_in_one_send() {
    let (mut transport, mut peer, metrics) = connected();
    assert_eq!(transport.write(b"head", true).unwrap(), 4);
    assert_eq!(metrics.write_calls.value(), 0);
    assert_eq!(transport.write(b"body", false).unwrap(), 4);
    assert_eq!(metrics.write_calls.value(), 1);
    assert_eq!(read_bytes(&mut peer, 8), b"headbody");
}

#[test]
fn an_empty_write_pushes_out_what_is_held_back() {
    let (mut transport, mut peer, metrics) = connected();
    transport.write(b"head", true).unwrap();
    assert_eq!(transport.write(b"", false).unwrap(), 0);
    assert_eq!(read_bytes(&mut peer, 4), b"head");
    assert_eq!(transport.write(b"", false).unwrap(), 0);
    assert_eq!(metrics.write_calls.value(), 1);
}

/// Many small headers that together are more than may be held back leave in order all the same.
#[test]
fn held_bytes_have_a_limit_and_keep_their_order() {
    let (mut transport, mut peer, metrics) = connected();
    let all = pattern(100_000);
    for piece in all.chunks(999) {
        assert_eq!(transport.write(piece, true).unwrap(), piece.len());
    }
    assert!(metrics.write_bytes.value() >= 100_000 - (16 << 10));
    transport.write(b"", false).unwrap();
    assert_eq!(read_bytes(&mut peer, 100_000), all);
}

/// Too much to be held back is sent, but for its last byte: nothing that left with `MSG_MORE` is ever the
/// last, for where the kernel encrypts it would never leave.
#[test]
fn a_byte_is_held_back_behind_what_left_with_more() {
    let (mut transport, mut peer, metrics) = connected();
    let all = pattern(40_000);
    assert_eq!(transport.write(&all[..3], true).unwrap(), 3);
    assert_eq!(transport.write(&all[3..], true).unwrap(), all.len() - 3);
    assert_eq!((metrics.write_calls.value(), metrics.write_bytes.value()), (1, 39_999));
    assert_eq!(transport.write(b"", false).unwrap(), 0);
    assert_eq!((metrics.write_calls.value(), metrics.write_bytes.value()), (2, 40_000));
    assert_eq!(read_bytes(&mut peer, all.len()), all);
}

#[test]
fn a_transfer_of_nothing_sends_no_header_in_advance() {
    let (mut transport, mut peer, metrics) = connected();
    transport.write(b"head", true).unwrap();
    let file = TempFile::with(b"file");
    assert_eq!(transport.transfer_from(&file.file, 0, 0).unwrap(), 0);
    assert_eq!(metrics.write_calls.value(), 0);
    transport.write(b"", false).unwrap();
    assert_eq!(read_bytes(&mut peer, 4), b"head");
}

/// The socket is full when the header is held back: header and file wait, and leave in order later.
#[test]
fn held_bytes_leave_first_also_across_would_block() {
    let (mut transport, mut peer, _) = connected();
    let (file, fill) = (TempFile::with(b"file"), vec![b'.'; 1 << 20]);
    let mut filled = 0;
    let error = loop {
        match transport.write(&fill, false) {
            Ok(taken) => filled += taken,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    assert_eq!(transport.write(b"header ", true).unwrap(), 7);
    for _ in 0..2 {
        let error = transport.transfer_from(&file.file, 0, 4).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        let error = transport.write(b" trailer", false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
    let reader = thread::spawn(move || {
        let bytes = read_bytes(&mut peer, filled + 11);
        bytes[filled..].to_vec()
    });
    // Whether there is room again is asked here by trying, since this test has no selector.
    let taken = wait_for("room", || match transport.transfer_from(&file.file, 0, 4) {
        Ok(taken) => Some(taken),
        Err(error) => {
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            None
        }
    });
    assert_eq!(taken, 4);
    assert_eq!(reader.join().unwrap(), b"header file");
}

/// Rule: 0 before the end is a truncated file, an error and never a spin.
#[test]
fn a_file_that_ends_before_the_position_is_an_error() {
    let (mut transport, _peer, metrics) = connected();
    let file = TempFile::with(b"0123456789");
    for position in [10, 11, 1 << 40] {
        let error = transport.transfer_from(&file.file, position, 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
    assert_eq!(metrics.sendfile_calls.value(), 3);
}

/// Some bytes went, then the file ended. Taken for a full socket, this would wait for an edge that
/// never comes.
#[test]
fn a_file_that_ends_inside_the_slice_ends_its_connection_and_does_not_stall() {
    let mut harness = Harness::new();
    let (id, _peer) = harness.accept();
    let file = TempFile::with(b"0123456789");
    harness.selector.send(id, FileSend::boxed(&file.file, 0, 20)).unwrap();
    harness.poll_until(|it| it.is_disconnected(id));
    assert_eq!(harness.disconnected[0].cause, DisconnectCause::Failed);
    // The second call is the one that finds the end.
    assert_eq!(harness.metrics.sendfile_calls.value(), 2);
}

/// Some bytes went, then the disk failed. The socket has room, so no edge would ever end a wait for
/// one: the next call must follow at once, and tell the error.
///
/// A disk that fails half way is had by `O_DIRECT`: the kernel reads 64 KiB, and refuses what is
/// left because its size is odd. Where it takes any size, the bytes simply arrive.
#[test]
fn a_short_count_on_a_socket_with_room_does_not_stall() {
    let mut harness = Harness::new();
    let (id, _peer) = harness.accept();
    let file = TempFile::with(&pattern(100_000));
    let direct = File::options().read(true).custom_flags(libc::O_DIRECT).open(&file.path);
    let Ok(direct) = direct else { return };
    harness.selector.send(id, FileSend::boxed(&Arc::new(direct), 0, 100_000 - 1)).unwrap();
    harness.poll_until(|it| it.is_disconnected(id) || it.sends == [id]);
}

/// A slice that is much larger than any socket buffer, to a peer that reads slowly: all bytes, in
/// order, none of them through this process.
#[test]
fn a_large_slice_arrives_whole_through_many_refills() {
    let counts = Arc::new(Counts::default());
    let mut harness = Harness::with(-1, IDLE_MS, |metrics| counting(&metrics, &counts));
    let (id, mut peer) = harness.accept();
    let content = pattern(24 << 20);
    let file = TempFile::with(&content);
    let count = content.len() - 3;
    harness.selector.send(id, FileSend::boxed(&file.file, 3, count)).unwrap();
    let reader = thread::spawn(move || read_bytes(&mut peer, count));
    harness.poll_until(|it| it.sends == [id]);
    assert!(reader.join().unwrap() == content[3..]);
    assert_eq!(counts.transfer_bytes.value(), count as u64);
    assert_eq!(counts.write_bytes.value(), 0);
    assert_eq!(harness.metrics.sendfile_bytes.value(), count as u64);
}

/// A file that was deleted is served to the end by the slice that holds it open.
#[test]
fn deleting_a_file_does_not_cut_its_slice() {
    let mut harness = Harness::new();
    let (id, mut peer) = harness.accept();
    let content = pattern(100_000);
    let file = TempFile::with(&content);
    harness.selector.send(id, FileSend::boxed(&file.file, 0, content.len())).unwrap();
    drop(file);
    harness.poll_until(|it| it.sends == [id]);
    assert_eq!(read_bytes(&mut peer, content.len()), content);
}

/// The peer resets the connection in the middle of a send.
#[test]
fn a_reset_in_the_middle_of_a_send_ends_that_connection() {
    let mut harness = Harness::new();
    let (id, peer) = harness.accept();
    let file = TempFile::with(&pattern(32 << 20));
    harness.selector.send(id, FileSend::boxed(&file.file, 0, 32 << 20)).unwrap();
    harness.poll_until(|it| it.metrics.sendfile_calls.value() > 0);
    // It has unread bytes, so closing it sends a reset.
    drop(peer);
    harness.poll_until(|it| it.is_disconnected(id));
    assert_eq!(harness.disconnected[0].cause, DisconnectCause::Failed);
    assert!(harness.sends.is_empty());
}

/// Without a socket: a send resumes wherever the transport stopped, and fails where it failed.
#[test]
fn a_send_resumes_anywhere_and_fails_once() {
    let file = TempFile::with(&pattern(1_000));
    let whole = |sink: &Sink| [b"header", &pattern(1_000)[..]].concat() == sink.written();
    let make = || MultiSend::new(vec![bytes("header"), FileSend::boxed(&file.file, 0, 1_000)]);

    let (sink, mut send) = (Sink::default(), make());
    let mut transport = Faulty::new(Box::new(sink.clone()), SevenBytes);
    send::Send::write_to(&mut send, &mut transport, false).unwrap();
    assert!(whole(&sink));

    for limit in [0, 1, 6, 7, 500, 1_005] {
        let (sink, mut send) = (Sink::default(), make());
        let mut transport = Faulty::new(Box::new(sink.clone()), FailsAfterWriting(limit));
        let error = send::Send::write_to(&mut send, &mut transport, false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(sink.written().len(), limit);
        assert!(!send::Send::completed(&send));
    }
}
