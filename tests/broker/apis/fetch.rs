//! Fetches over a real socket, byte for byte: what comes back, how much of it, and when.

use support::broker::Broker;
use support::client::{NEWEST_FETCH, fetch_request, fetch_topic};
use support::records::{batch, stored};
use support::wait::wait_until;
use transferto::common::errors::Errors;
use transferto::protocol::fetch::FetchRequest;
use transferto::protocol::request::{RequestBody, ResponseBody};

#[test]
fn what_was_produced_comes_back_byte_for_byte_in_every_version_that_reads_batches() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    let (first, second) = (batch(&[b"abcd", b"efgh"]), batch(&[b"ijkl"]));
    assert_eq!(client.produce("post", 0, &first).base_offset, 0);
    assert_eq!(client.produce("post", 0, &second).base_offset, 2);
    let expected = [stored(&first, 0), stored(&second, 2)].concat();
    for version in 4..=NEWEST_FETCH {
        let fetched = client.fetch_with(version, fetch_request("post", 0, 0)).remove(0);
        assert_eq!(fetched.error, 0);
        assert_eq!(fetched.high_watermark, 3);
        assert_eq!(fetched.records, expected, "Fetch version {version}");
    }
    assert_eq!(broker.first_segment("post", 0), expected, "the file holds what the wire carried");
}

#[test]
fn a_fetch_from_within_a_batch_begins_with_the_whole_batch() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    let (first, second) = (batch(&[b"a", b"b", b"c"]), batch(&[b"d", b"e"]));
    client.produce("post", 0, &first);
    client.produce("post", 0, &second);
    let expected = stored(&second, 3);
    assert_eq!(client.fetch("post", 0, 3).records, expected);
    assert_eq!(client.fetch("post", 0, 4).records, expected);
    let both = [stored(&first, 0), expected].concat();
    assert_eq!(client.fetch("post", 0, 1).records, both);
}

#[test]
fn the_first_batch_comes_whole_from_version_3_on_and_the_rest_keeps_to_the_limits() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    let first = batch(&[&[7; 500]]);
    client.produce("post", 0, &first);
    client.produce("post", 0, &batch(&[&[8; 500]]));
    for limit in [0, 1, 100, first.len() as i32] {
        let mut request = fetch_request("post", 0, 0);
        request.topics[0].partitions[0].partition_max_bytes = limit;
        let fetched = client.fetch_with(4, request).remove(0);
        assert_eq!(fetched.records, stored(&first, 0), "partition_max_bytes {limit}");
    }
    let mut request = fetch_request("post", 0, 0);
    request.max_bytes = 10;
    let fetched = client.fetch_with(NEWEST_FETCH, request).remove(0);
    assert_eq!(fetched.records, stored(&first, 0), "max_bytes 10");
}

#[test]
fn max_bytes_bounds_the_whole_response_in_the_order_of_the_request() {
    let broker = Broker::start(&[("num.partitions", "3")]);
    let mut client = broker.connect_with_topic("post");
    let records = batch(&[&[1; 300]]);
    for partition in 0..3 {
        client.produce("post", partition, &records);
    }
    let mut request = fetch_request("post", 0, 0);
    request.topics = vec![fetch_topic("post", &[(2, 0), (0, 0), (1, 0)])];
    request.max_bytes = records.len() as i32 + 100;
    let fetched = client.fetch_with(NEWEST_FETCH, request);
    let sizes: Vec<_> = fetched.iter().map(|it| it.records.len()).collect();
    // The 100 bytes that are left hold no batch of the second partition.
    assert_eq!(sizes, [records.len(), 0, 0]);
}

/// A partition that is not the first gets no part of a batch from version 3 on: consumers of today
/// take it for the proof that the batch is too large for them, and stop there for ever.
#[test]
fn a_first_batch_that_does_not_fit_is_left_out_from_version_3_on_and_cut_before() {
    for format in ["0.9.0", "3.0"] {
        let settings = [("num.partitions", "2"), ("log.message.format.version", format)];
        let broker = Broker::start(&settings);
        let mut client = broker.connect_with_topic("post");
        client.produce("post", 0, &batch(&[&[1; 2000]]));
        client.produce("post", 1, &batch(&[&[2; 20_000]]));
        for version in [0, 2, 3, 4, 11, 12] {
            let mut request = fetch_request("post", 0, 0);
            request.topics = vec![fetch_topic("post", &[(0, 0), (1, 0)])];
            let whole = client.fetch_with(version, request.clone());
            let first_size = whole[0].records.len();
            assert!(first_size >= 2000 && whole[1].records.len() >= 20_000);

            request.topics[0].partitions[1].partition_max_bytes = 100;
            let fetched = client.fetch_with(version, request.clone());
            assert_eq!(fetched[0].records, whole[0].records, "{format}, version {version}");
            assert_eq!((fetched[1].error, fetched[1].high_watermark), (0, 1));
            let cut = if version < 3 { &whole[1].records[..100] } else { &[] };
            assert_eq!(fetched[1].records, cut, "{format}, version {version}");
            if version < 3 {
                continue;
            }
            request.topics[0].partitions[1].partition_max_bytes = 1_000_000;
            request.max_bytes = first_size as i32 + 100;
            let fetched = client.fetch_with(version, request);
            assert_eq!(fetched[0].records, whole[0].records, "{format}, version {version}");
            assert_eq!((fetched[1].error, fetched[1].high_watermark), (0, 1));
            assert!(fetched[1].records.is_empty(), "{format}, version {version}");
        }
    }
}

/// The batch that does not fit comes whole when nothing is before it: so the consumer gets on.
#[test]
fn the_first_partition_that_has_data_gets_its_first_batch_whole() {
    let broker = Broker::start(&[("num.partitions", "3")]);
    let mut client = broker.connect_with_topic("post");
    let (second, third) = (batch(&[&[2; 20_000]]), batch(&[&[3; 20_000]]));
    client.produce("post", 1, &second);
    client.produce("post", 2, &third);
    for version in 4..=NEWEST_FETCH {
        let mut request = fetch_request("post", 0, 0);
        request.topics = vec![fetch_topic("post", &[(0, 0), (1, 0), (2, 0)])];
        request.topics[0].partitions.iter_mut().for_each(|it| it.partition_max_bytes = 100);
        let sizes: Vec<_> =
            client.fetch_with(version, request).iter().map(|it| it.records.len()).collect();
        assert_eq!(sizes, [0, second.len(), 0], "Fetch version {version}");
    }
}

/// What a client would throw away is not sent to it, and is not waited for either.
#[test]
fn a_slice_ends_at_a_batch_and_counts_for_min_bytes_as_if_it_did_not() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    let records = batch(&[&[1; 150_000]]);
    for _ in 0..10 {
        client.produce("post", 0, &records);
    }
    let mut request = fetch_request("post", 0, 0);
    request.topics[0].partitions[0].partition_max_bytes = 1 << 20;
    request.min_bytes = 1 << 20;
    // A fetch that waited would fail the test by its patience, long before this is over.
    request.max_wait_ms = 600_000;
    for version in 4..=NEWEST_FETCH {
        let fetched = client.fetch_with(version, request.clone()).remove(0);
        assert_eq!(fetched.records.len(), 6 * records.len(), "Fetch version {version}");
    }
}

#[test]
fn every_partition_that_was_asked_for_is_answered_with_its_own_error() {
    let broker = Broker::start(&[("num.partitions", "4")]);
    let mut client = broker.connect_with_topic("post");
    let records = batch(&[b"a"]);
    for partition in 0..4 {
        client.produce("post", partition, &records);
    }
    let mut request = fetch_request("post", 0, 0);
    request.topics = vec![
        fetch_topic("post", &[(0, 5), (1, -1), (7, 0), (-1, 0), (2, 0), (3, 1)]),
        fetch_topic("nobody", &[(0, 0)]),
    ];
    request.max_wait_ms = 60_000;
    let answers: Vec<_> = client
        .fetch_with(NEWEST_FETCH, request)
        .iter()
        .map(|it| (it.error, it.high_watermark, it.records.len()))
        .collect();
    let (unknown, out_of_range) = (Errors::UnknownTopicOrPartition, Errors::OffsetOutOfRange);
    assert_eq!(
        answers,
        [
            (out_of_range.code(), -1, 0),
            (out_of_range.code(), -1, 0),
            (unknown.code(), -1, 0),
            (unknown.code(), -1, 0),
            (0, 1, records.len()),
            (0, 1, 0),
            (unknown.code(), -1, 0),
        ]
    );
}

#[test]
fn a_fetch_without_partitions_is_answered_at_once() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let request = FetchRequest { max_wait_ms: i32::MAX, min_bytes: 1, ..FetchRequest::default() };
    assert!(client.fetch_with(NEWEST_FETCH, request).is_empty());
}

#[test]
fn a_consumer_at_the_end_gets_a_record_as_soon_as_it_is_appended() {
    let broker = Broker::start(&[]);
    let mut consumer = broker.connect_with_topic("post");
    let mut producer = broker.connect();
    let mut request = fetch_request("post", 0, 0);
    // A fetch that is not woken would fail the test by its patience, long before this is over.
    request.max_wait_ms = 600_000;
    let header = consumer.send(NEWEST_FETCH, &RequestBody::Fetch(request), &[]);
    let records = batch(&[b"late"]);
    assert_eq!(producer.produce("post", 0, &records).error_code, 0);
    let fetched = consumer.receive_fetch(&header).remove(0);
    assert_eq!(fetched.records, stored(&records, 0));
}

#[test]
fn a_fetch_waits_until_min_bytes_are_there() {
    let broker = Broker::start(&[]);
    let mut consumer = broker.connect_with_topic("post");
    let mut producer = broker.connect();
    let records = batch(&[&[5; 100]]);
    let mut request = fetch_request("post", 0, 0);
    request.max_wait_ms = 600_000;
    request.min_bytes = 2 * records.len() as i32;
    let header = consumer.send(NEWEST_FETCH, &RequestBody::Fetch(request), &[]);
    producer.produce("post", 0, &records);
    producer.produce("post", 0, &records);
    let fetched = consumer.receive_fetch(&header).remove(0);
    assert_eq!(fetched.records.len(), 2 * records.len());
}

#[test]
fn a_fetch_is_answered_with_what_is_there_when_its_wait_is_over() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    let records = batch(&[b"a"]);
    client.produce("post", 0, &records);
    let mut request = fetch_request("post", 0, 0);
    request.max_wait_ms = 20;
    request.min_bytes = 1_000_000;
    let fetched = client.fetch_with(NEWEST_FETCH, request).remove(0);
    assert_eq!(fetched.records, stored(&records, 0));
    // The fetch is answered first and counted after: the answer may be here before the count.
    let expires = &broker.server().metrics().delayed_fetch_expires;
    wait_until("the count", || expires.value() > 0);
    assert_eq!(expires.value(), 1);
}

/// What is converted for an old consumer lies in memory, so a request that names much of it gets a
/// part: the rest is for its next fetch.
#[test]
fn what_is_converted_for_one_fetch_is_bounded() {
    let broker = Broker::start(&[("num.partitions", "24")]);
    let mut client = broker.connect_with_topic("post");
    let all: Vec<_> = (0..24).map(|partition| (partition, 0)).collect();
    for (partition, _) in &all {
        client.produce("post", *partition, &batch(&[&[7; 900_000]]));
    }
    let mut request = fetch_request("post", 0, 0);
    request.topics = vec![fetch_topic("post", &all)];
    let fetched = client.fetch_with(1, request);
    assert_eq!(fetched.len(), 24);
    assert!(fetched.iter().all(|it| it.error == 0 && it.high_watermark == 1));
    assert!(fetched[0].records.len() > 900_000);
    let total: usize = fetched.iter().map(|it| it.records.len()).sum();
    assert!(total < 18 << 20, "{total} bytes were converted");
}

/// KIP-110: whoever asks in a version before 10 may not know zstd, and the topic's setting says
/// that there is nothing else. What a producer compressed on its own account is sent as it is.
#[test]
fn a_topic_of_zstd_is_refused_to_clients_that_are_too_old_for_it() {
    let broker = Broker::start(&[("compression.type", "zstd")]);
    let mut client = broker.connect_with_topic("post");
    assert_eq!(client.produce("post", 0, &batch(&[b"a"])).error_code, 0);
    for version in 0..=NEWEST_FETCH {
        let fetched = client.fetch_with(version, fetch_request("post", 0, 0)).remove(0);
        let is_old = version < 10;
        let error = if is_old { Errors::UnsupportedCompressionType } else { Errors::None };
        assert_eq!(fetched.error, error.code(), "Fetch version {version}");
        assert_eq!(fetched.records.is_empty(), is_old);
    }
}

#[test]
fn a_fetch_session_of_another_broker_has_to_begin_anew() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    for (session_id, session_epoch) in [(77, 3), (0, 3), (77, 1), (0, -2)] {
        let request = FetchRequest { session_id, session_epoch, ..FetchRequest::default() };
        let (body, _) = client.call(NEWEST_FETCH, &RequestBody::Fetch(request), &[]);
        let ResponseBody::Fetch(response) = body else { panic!("{body:?}") };
        assert_eq!(response.header.error_code, Errors::FetchSessionIdNotFound.code());
        assert_eq!(response.header.session_id, 0);
    }
    // A new session, and the end of one.
    for (session_id, session_epoch) in [(0, 0), (77, 0), (0, -1), (77, -1)] {
        let request = FetchRequest { session_id, session_epoch, ..FetchRequest::default() };
        assert!(client.fetch_with(NEWEST_FETCH, request).is_empty());
    }
}

/// KIP-595: what the client has last is not of this log. An unknown partition has no epochs.
#[test]
fn a_client_whose_last_record_is_of_an_epoch_to_come_is_out_of_range() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    client.produce("post", 0, &batch(&[b"a"]));
    for (epoch, error) in [(-1, 0), (0, 0), (1, Errors::OffsetOutOfRange.code())] {
        let mut request = fetch_request("post", 0, 0);
        request.topics[0].partitions[0].last_fetched_epoch = epoch;
        let fetched = client.fetch_with(12, request).remove(0);
        assert_eq!((fetched.error, fetched.records.is_empty()), (error, error != 0));
    }
    let mut request = fetch_request("post", 7, 0);
    request.topics[0].partitions[0].current_leader_epoch = 5;
    let fetched = client.fetch_with(12, request).remove(0);
    assert_eq!(fetched.error, Errors::UnknownTopicOrPartition.code());
}

#[test]
fn a_leader_epoch_that_never_was_is_refused() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    for (epoch, error) in [(-1, Errors::None), (0, Errors::None), (1, Errors::UnknownLeaderEpoch)] {
        let mut request = fetch_request("post", 0, 0);
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        assert_eq!(client.fetch_with(9, request)[0].error, error.code(), "epoch {epoch}");
    }
}

#[test]
fn pipelined_fetches_are_answered_in_their_order() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    for value in 0..20_u8 {
        client.produce("post", 0, &batch(&[&[value; 10]]));
    }
    let headers: Vec<_> = (0..20)
        .map(|offset| {
            let request = RequestBody::Fetch(fetch_request("post", 0, offset));
            client.send(NEWEST_FETCH, &request, &[])
        })
        .collect();
    for (offset, header) in headers.iter().enumerate() {
        let fetched = client.receive_fetch(header).remove(0);
        assert_eq!(i64::from_be_bytes(fetched.records[..8].try_into().unwrap()), offset as i64);
    }
}
