//! `transferto.transfer.mode=copy`: the way that zero copy replaces. No client can see which of both
//! a broker takes; its counters can.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::thread;

use support::broker::Broker;
use support::client::{Client, NEWEST_FETCH, fetch_request, fetch_topic};
use support::records::{batch, stored};
use support::temp::TempDir;
use support::transports::{
    Counting, Counts, FailsAfterWriting, Fault, Faulty, SevenBytes, WouldBlockEveryOther, wrapping,
};
use transferto::common::metrics::Metrics;
use transferto::protocol::request::RequestBody;
use transferto::transport::copying_transport_layer::CopyingTransportLayer;

const COPY: (&str, &str) = ("transferto.transfer.mode", "copy");
const SENDFILE: (&str, &str) = ("transferto.transfer.mode", "sendfile");
/// Smaller than a batch, and no divisor of it.
const SMALL_BUFFER: (&str, &str) = ("transferto.transfer.copy.buffer.bytes", "1000");
const BATCHES: usize = 5;
const BATCH_VALUE_BYTES: usize = 100_000;

/// Fills the topic `post`, and returns what its segment then holds.
fn fill(broker: &Broker) -> Vec<u8> {
    let mut client = broker.connect_with_topic("post");
    let records = |value: usize| batch(&[&vec![value as u8; BATCH_VALUE_BYTES]]);
    for value in 0..BATCHES {
        assert_eq!(client.produce("post", 0, &records(value)).error_code, 0);
    }
    (0..BATCHES).flat_map(|value| stored(&records(value), value as i64)).collect()
}

/// The whole frame of a response: headers, messages and what stands between them.
fn response(client: &mut Client, version: i16, partitions: &[(i32, i64)]) -> Vec<u8> {
    let mut request = fetch_request("post", 0, 0);
    request.topics = vec![fetch_topic("post", partitions)];
    client.send(version, &RequestBody::Fetch(request), &[]);
    client.receive_frame()
}

/// What comes of a fetch before its connection is closed.
fn cut_response(mut client: Client) -> Vec<u8> {
    client.send(NEWEST_FETCH, &RequestBody::Fetch(fetch_request("post", 0, 0)), &[]);
    let mut bytes = Vec::new();
    client.stream.read_to_end(&mut bytes).unwrap();
    bytes
}

/// A call may be counted after the client has what it sent, but not after the next answer.
fn wait_for_counters(client: &mut Client) {
    client.metadata(1, Some(&[]));
}

#[test]
fn a_response_is_the_same_byte_by_byte_in_both_modes() {
    let answers = |settings: &[(&str, &str)]| {
        let broker = Broker::start(settings);
        fill(&broker);
        (0..=NEWEST_FETCH)
            .map(|version| {
                [&[(0, 0)][..], &[(0, 3), (0, 1)], &[(0, 5)]]
                    .map(|partitions| response(&mut broker.connect(), version, partitions))
            })
            .collect::<Vec<_>>()
    };
    let by_sendfile = answers(&[SENDFILE]);
    assert!(by_sendfile.iter().all(|of_version| of_version[0].len() > BATCH_VALUE_BYTES));
    assert!(answers(&[COPY]) == by_sendfile, "through the default buffer");
    assert!(answers(&[COPY, SMALL_BUFFER]) == by_sendfile, "through a small buffer");
}

#[test]
fn in_copy_mode_every_message_byte_is_read_and_written_and_none_goes_by_sendfile() {
    let broker = Broker::start(&[COPY]);
    let expected = fill(&broker);
    let mut client = broker.connect();
    assert_eq!(client.fetch("post", 0, 0).records, expected);
    wait_for_counters(&mut client);
    let (metrics, size) = (broker.server().metrics(), expected.len() as u64);
    assert_eq!((metrics.sendfile_calls.value(), metrics.sendfile_bytes.value()), (0, 0));
    assert_eq!(metrics.copied_message_bytes.value(), size);
    assert!(metrics.copy_read_bytes.value() >= size);
    assert!(metrics.copy_read_calls.value() >= size / 65_536);
    assert!(metrics.write_bytes.value() >= size);
}

#[test]
fn without_the_setting_nothing_is_read_to_be_sent() {
    let broker = Broker::start(&[]);
    let expected = fill(&broker);
    let mut client = broker.connect();
    assert_eq!(client.fetch("post", 0, 0).records, expected);
    wait_for_counters(&mut client);
    let metrics = broker.server().metrics();
    assert_eq!(metrics.sendfile_bytes.value(), expected.len() as u64);
    assert_eq!((metrics.copy_read_calls.value(), metrics.copied_message_bytes.value()), (0, 0));
}

/// A broker in copy mode whose sockets have a fault, and what its topic holds.
fn faulty<F: Fault + 'static>(
    fault: impl Fn() -> F + Send + Sync + 'static,
) -> (Broker, Arc<Metrics>, Vec<u8>) {
    let metrics = Arc::new(Metrics::default());
    let counters = Arc::clone(&metrics);
    let builder = wrapping(&metrics, move |inner, _| {
        let (socket, metrics) = (Faulty::new(inner, fault()), Arc::clone(&counters));
        Box::new(CopyingTransportLayer::new(socket, 1_000, metrics))
    });
    let broker = Broker::start_with(Arc::new(TempDir::new()), &[], |it| {
        it.metrics(Arc::clone(&metrics)).channel_builder(builder)
    });
    let expected = fill(&broker);
    (broker, metrics, expected)
}

#[test]
fn no_message_byte_takes_the_way_of_sendfile_or_is_sent_twice() {
    let counts = Arc::new(Counts::default());
    let seen = Arc::clone(&counts);
    let (broker, _, expected) = faulty(move || Counting(Arc::clone(&seen)));
    let mut client = broker.connect();
    let before = counts.write_bytes.value();
    assert_eq!(client.fetch("post", 0, 0).records, expected);
    let headers = counts.write_bytes.value() - before - expected.len() as u64;
    assert!(headers < 200, "{headers} bytes besides the messages");
    assert_eq!(counts.transfer_bytes.value(), 0);
}

#[test]
fn a_socket_that_takes_seven_bytes_at_a_time_loses_none_and_doubles_none() {
    let (broker, metrics, expected) = faulty(|| SevenBytes);
    let mut client = broker.connect();
    assert!(client.fetch("post", 0, 0).records == expected);
    wait_for_counters(&mut client);
    assert_eq!(metrics.copied_message_bytes.value(), expected.len() as u64);
    assert!(metrics.copy_read_bytes.value() > metrics.copied_message_bytes.value());
}

#[test]
fn a_socket_that_is_full_every_other_time_loses_none_and_doubles_none() {
    let (broker, metrics, expected) = faulty(WouldBlockEveryOther::default);
    let mut client = broker.connect();
    assert!(client.fetch("post", 0, 0).records == expected);
    wait_for_counters(&mut client);
    assert_eq!(metrics.copied_message_bytes.value(), expected.len() as u64);
}

#[test]
fn a_socket_that_breaks_in_the_middle_ends_its_own_connection_only() {
    // Enough for what fills the topic, and less than a fetch of all of it.
    let (broker, _, expected) = faulty(|| FailsAfterWriting(2 * BATCH_VALUE_BYTES));
    let client = broker.connect();
    assert!(cut_response(client).len() < expected.len());
    let last = (BATCHES - 1) as i64;
    let fetched = broker.connect().fetch("post", 0, last);
    assert!(fetched.records.is_empty() || expected.ends_with(&fetched.records));
}

/// The file ends before the slice does. Taken for a full socket, this would wait for an edge that
/// never comes.
#[test]
fn a_segment_that_was_cut_behind_the_brokers_back_closes_the_connection() {
    let broker = Broker::start(&[COPY]);
    let expected = fill(&broker);
    let path = broker.dir.path().join("post-0/00000000000000000000.log");
    File::options().write(true).open(path).unwrap().set_len(expected.len() as u64 - 1_000).unwrap();
    let client = broker.connect();
    assert!(cut_response(client).len() < expected.len());
    broker.connect().metadata(1, None);
}

/// One buffer serves all connections of a Processor, and they take turns in the middle of their
/// responses.
#[test]
fn connections_that_share_a_buffer_get_their_own_bytes() {
    const CLIENTS: usize = 8;
    let broker = Broker::start(&[COPY, ("num.network.threads", "1")]);
    let expected = fill(&broker);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (broker, expected) = (&broker, &expected);
            scope.spawn(move || {
                let first = client % BATCHES;
                let mut client = broker.connect();
                for _ in 0..20 {
                    let fetched = client.fetch("post", 0, first as i64).records;
                    assert!(expected.ends_with(&fetched));
                    assert_eq!(fetched.len(), expected.len() / BATCHES * (BATCHES - first));
                }
            });
        }
    });
}
