//! Proves by counting that a fetch copies no message byte: a transport that sees every call on the
//! socket, and the broker's own counters.

use std::sync::Arc;

use support::broker::Broker;
use support::client::{Client, NEWEST_FETCH, fetch_request};
use support::records::batch;
use support::temp::TempDir;
use support::transports::{Counting, Counts, Faulty, SevenBytes, WouldBlockEveryOther, wrapping};
use transferto::common::metrics::Metrics;
use transferto::message::compression_codec::CompressionCodec;
use transferto::message::message_set_builder::MessageSetBuilder;
use transferto::message::records::{Headers, LogRecord};
use transferto::transport::transport_layer::TransportLayer;

const BATCHES: usize = 8;
const BATCH_VALUE_BYTES: usize = 100_000;

/// A broker that holds some batches, each connection of which is wrapped by `wrap`; and the size of
/// the batches.
fn filled_broker(
    wrap: impl Fn(Box<dyn TransportLayer>) -> Box<dyn TransportLayer> + Send + Sync + 'static,
) -> (Broker, Arc<Metrics>, usize) {
    let metrics = Arc::new(Metrics::default());
    let builder = wrapping(&metrics, move |inner, _| wrap(inner));
    let dir = Arc::new(TempDir::new());
    let broker = Broker::start_with(dir, &[], |it| {
        it.metrics(Arc::clone(&metrics)).channel_builder(builder)
    });
    let mut client = broker.connect_with_topic("post");
    let records = batch(&[&vec![9; BATCH_VALUE_BYTES]]);
    for _ in 0..BATCHES {
        assert_eq!(client.produce("post", 0, &records).error_code, 0);
    }
    (broker, metrics, BATCHES * records.len())
}

/// A call may be counted after the client has what it sent, but not after the next answer.
fn wait_for_counters(client: &mut Client) {
    client.metadata(1, Some(&[]));
}

#[test]
fn every_message_byte_of_a_fetch_goes_through_transfer_from_and_none_through_write() {
    let counts = Arc::new(Counts::default());
    let seen = Arc::clone(&counts);
    let (broker, metrics, size) =
        filled_broker(move |inner| Faulty::boxed(inner, Counting(Arc::clone(&seen))));
    let mut client = broker.connect();
    let (written, transferred) = (counts.write_bytes.value(), counts.transfer_bytes.value());
    let fetched = client.fetch("post", 0, 0);
    assert_eq!(fetched.records.len(), size);
    let written = counts.write_bytes.value() - written;
    wait_for_counters(&mut client);
    assert_eq!(counts.transfer_bytes.value() - transferred, size as u64);
    assert!(written < 200, "{written} bytes of headers for one partition");
    assert_eq!(metrics.sendfile_bytes.value(), size as u64);
    assert_eq!(metrics.copied_message_bytes.value(), 0);
}

#[test]
fn a_fetch_is_the_same_through_a_socket_that_takes_seven_bytes_at_a_time() {
    let (broker, _, size) = filled_broker(|inner| Faulty::boxed(inner, SevenBytes));
    let mut client = broker.connect();
    let fetched = client.fetch("post", 0, 0);
    assert_eq!(fetched.records, broker.first_segment("post", 0));
    assert_eq!(fetched.records.len(), size);
}

#[test]
fn a_fetch_is_the_same_through_a_socket_that_is_full_every_other_time() {
    let (broker, _, size) =
        filled_broker(|inner| Faulty::boxed(inner, WouldBlockEveryOther::default()));
    let mut client = broker.connect();
    let fetched = client.fetch("post", 0, 0);
    assert_eq!(fetched.records, broker.first_segment("post", 0));
    assert_eq!(fetched.records.len(), size);
}

#[test]
fn only_a_client_that_cannot_read_batches_costs_a_copy_and_it_is_counted() {
    let (broker, metrics, size) = filled_broker(|inner| inner);
    let mut client = broker.connect();
    let mut request = fetch_request("post", 0, 0);
    request.topics[0].partitions[0].partition_max_bytes = 10_000_000;
    let fetched = client.fetch_with(3, request).remove(0);
    assert!(fetched.records.len() > size - BATCHES * 61);
    assert_eq!(metrics.sendfile_bytes.value(), 0);
    assert_eq!(metrics.fetch_message_conversions.value(), 1);
    assert_eq!(metrics.copied_message_bytes.value(), fetched.records.len() as u64);
}

/// The post's own clients speak Produce and Fetch 0 and 1. They cost no copy on a topic that holds
/// the post's format, and newer clients do not either.
#[test]
fn a_topic_of_the_posts_format_costs_no_copy_for_any_reader() {
    let metrics = Arc::new(Metrics::default());
    let builder = wrapping(&metrics, |inner, _| inner);
    let dir = Arc::new(TempDir::new());
    let broker = Broker::start_with(dir, &[], |it| {
        it.metrics(Arc::clone(&metrics)).channel_builder(builder)
    });
    let mut client = broker.connect();
    client.create_topic_with("post", &[("message.format.version", "0.9.0")]);
    let mut set = MessageSetBuilder::new(0, CompressionCodec::None);
    let (key, value, headers) = (None, Some(&[9; BATCH_VALUE_BYTES][..]), Headers::NONE);
    set.append(&LogRecord { offset: 0, timestamp: 0, key, value, headers }).unwrap();
    let set = set.build().unwrap();
    assert_eq!(client.produce_with(1, 1, ("post", 0), &set).error_code, 0);
    for version in 0..=NEWEST_FETCH {
        let fetched = client.fetch_with(version, fetch_request("post", 0, 0)).remove(0);
        assert_eq!(fetched.records, set, "Fetch version {version}");
    }
    wait_for_counters(&mut client);
    assert_eq!(metrics.sendfile_bytes.value(), 13 * set.len() as u64);
    assert_eq!(metrics.copied_message_bytes.value(), 0);
    assert_eq!(metrics.produce_message_conversions.value(), 0);
    assert_eq!(metrics.fetch_message_conversions.value(), 0);
}
