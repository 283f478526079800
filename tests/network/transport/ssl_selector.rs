//! Ports of Kafka's `SslSelectorTest`: what a selector does with bytes that were decrypted, or only
//! read, along with others.

use std::io::{Read, Write};
use std::thread;

use support::kernel_tls;
use support::temp::TempDir;
use support::tls::{TlsConnector, TlsFiles, TlsStream};
use support::transports::pattern;
use transferto::transport::connection_id::ConnectionId;
use transferto::transport::selector::DisconnectCause;

use crate::frames::{frame, receive_frame};
use crate::transport::harness::{AUTHENTICATION_TIMEOUT_MS, Harness, IDLE_MS};
use crate::transport::nio_echo_server::{ssl_builder, ssl_config};

/// A harness whose selector speaks TLS.
fn harness() -> (Harness, TlsConnector, TempDir) {
    let dir = TempDir::new();
    let files = TlsFiles::in_dir(dir.path());
    let config = ssl_config(&files, &[]);
    let harness = Harness::with(-1, IDLE_MS, |metrics| ssl_builder(&config, &metrics));
    (harness, files.client(), dir)
}

/// Lets a client shake hands with the harness.
fn accept(harness: &mut Harness, connector: &TlsConnector) -> (ConnectionId, TlsStream) {
    let (id, tcp) = harness.accept();
    let connector = connector.clone();
    let client = thread::spawn(move || connector.over(tcp).unwrap());
    harness.poll_until(|it| it.selector.channel(id).unwrap().ready());
    (id, client.join().unwrap())
}

fn bodies(harness: &Harness) -> Vec<&[u8]> {
    harness.receives.iter().map(|it| &it.frame.bytes[..]).collect()
}

/// Port of `SslSelectorTest.testBytesBufferedChannelWithNoIncomingBytes` and of KAFKA-7012 and
/// KAFKA-13559: two requests in one record, and no further event of the socket.
#[test]
fn requests_that_share_a_record_are_both_read() {
    let (mut harness, connector, _dir) = harness();
    let (_, mut client) = accept(&mut harness, &connector);
    client.write_all(&[frame(b"one"), frame(b"two"), frame(b"three")].concat()).unwrap();
    harness.poll_until(|it| it.receives.len() == 3);
    assert_eq!(bodies(&harness), [&b"one"[..], b"two", b"three"]);
}

/// Port of `SslSelectorTest.testBytesBufferedChannelAfterMute`: KAFKA-12427.
#[test]
fn a_request_that_was_decrypted_along_waits_while_its_channel_is_muted() {
    let (mut harness, connector, _dir) = harness();
    let (id, mut client) = accept(&mut harness, &connector);
    client.write_all(&[frame(&pattern(9_000)), frame(&pattern(6_000))].concat()).unwrap();
    harness.poll_until(|it| it.receives.len() == 1);
    harness.selector.mute(id);
    for _ in 0..10 {
        harness.poll(0);
    }
    assert_eq!(harness.receives.len(), 1);
    assert!(!harness.selector.has_work(), "a muted channel keeps nobody busy");
    harness.selector.unmute(id);
    harness.poll_until(|it| it.receives.len() == 2);
    assert!(harness.receives[1].frame.bytes == pattern(6_000));
}

/// Port of `SslTransportLayerTest.testSelectorPollReadSize`: KAFKA-6258. One turn reads many records.
#[test]
fn one_poll_reads_more_than_one_record() {
    let (mut harness, connector, _dir) = harness();
    let (_, mut client) = accept(&mut harness, &connector);
    let body = pattern(81_920);
    client.write_all(&frame(&body)).unwrap();
    let polls_before = harness.metrics.read_calls.value();
    harness.poll_until(|it| it.receives.len() == 1);
    assert!(harness.receives[0].frame.bytes == body);
    assert!(harness.metrics.read_calls.value() - polls_before < 20);
}

/// KAFKA-7012: a record whose end does not come is no work.
#[test]
fn an_incomplete_record_keeps_no_poll_busy() {
    let (mut harness, connector, _dir) = harness();
    let (_, mut client) = accept(&mut harness, &connector);
    client.0.conn.writer().write_all(&frame(b"hello")).unwrap();
    let mut record = Vec::new();
    client.0.conn.write_tls(&mut record).unwrap();
    let (begin, end) = record.split_at(11);
    client.0.sock.write_all(begin).unwrap();
    // The kernel keeps it to itself.
    if !kernel_tls::is_required() {
        harness.poll_until(|it| it.metrics.read_bytes.value() > 0);
    }
    harness.poll(0);
    assert!(!harness.selector.has_work());
    client.0.sock.write_all(end).unwrap();
    harness.poll_until(|it| it.receives.len() == 1);
}

/// Port of `SslSelectorTest.testDisconnectWithIntermediateBufferedBytes`.
#[test]
fn requests_that_were_read_along_are_served_after_the_client_has_left() {
    let (mut harness, connector, _dir) = harness();
    let (id, mut client) = accept(&mut harness, &connector);
    let requests: Vec<u8> = (0..20).flat_map(|it| frame(&pattern(it * 100))).collect();
    client.write_all(&requests).unwrap();
    client.close_notify().unwrap();
    drop(client);
    harness.poll_until(|it| it.is_disconnected(id));
    assert_eq!(harness.receives.len(), 20);
    assert_eq!(harness.disconnected[0].cause, DisconnectCause::PeerClosed);
}

/// A goodbye in the record behind a request, while the channel is muted.
#[test]
fn a_goodbye_is_an_end_even_if_the_connection_stays_open() {
    let (mut harness, connector, _dir) = harness();
    let (id, mut client) = accept(&mut harness, &connector);
    client.0.conn.writer().write_all(&frame(b"last")).unwrap();
    client.close_notify().unwrap();
    harness.poll_until(|it| it.receives.len() == 1);
    harness.selector.mute(id);
    harness.poll_until(|it| it.selector.channel(id).unwrap().is_half_closed());
    harness.send(id, b"answer");
    harness.poll_until(|it| it.sends.contains(&id));
    harness.selector.unmute(id);
    harness.poll_until(|it| it.is_disconnected(id));
    assert_eq!(receive_frame(&mut client), b"answer");
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0, "the server says goodbye, too");
}

/// Not in Kafka: bytes count as activity there, so that a byte a minute keeps a connection.
#[test]
fn a_handshake_that_drips_is_given_up() {
    let (mut harness, connector, _dir) = harness();
    let mut hello = Vec::new();
    connector.session().write_tls(&mut hello).unwrap();
    let (id, mut tcp) = harness.accept();
    let step_ms = 2_000;
    for byte in hello.iter().take((AUTHENTICATION_TIMEOUT_MS / step_ms) as usize - 1) {
        tcp.write_all(&[*byte]).unwrap();
        harness.time.sleep(step_ms);
        harness.poll(10);
        assert!(!harness.is_disconnected(id));
    }
    harness.time.sleep(2 * step_ms);
    harness.poll_until(|it| it.is_disconnected(id));
    assert_eq!(harness.disconnected[0].cause, DisconnectCause::Refused);
}
