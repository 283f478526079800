//! Bad input over a real socket: each is answered with Kafka's error code or by closing the
//! connection, is logged once with the peer's address, and disturbs nobody else.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::Arc;

use support::client::{
    Client, NEWEST_FETCH, NEWEST_PRODUCE, fetch_request, fetch_topic, produce_request,
};
use support::records::{batch, stored};
use transferto::common::errors::Errors;
use transferto::common::time::SystemTime;
use transferto::message::compression_codec::CompressionCodec;
use transferto::message::record_batch::{RecordBatch, compute_crc};
use transferto::message::record_batch_builder::RecordBatchBuilder;
use transferto::protocol::api_keys::ApiKeys;
use transferto::protocol::fetch::FetchRequest;
use transferto::protocol::header::RequestHeader;
use transferto::protocol::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use transferto::protocol::metadata::{MetadataRequest, MetadataRequestTopic};
use transferto::protocol::produce::{PartitionProduceData, ProduceRequest};
use transferto::protocol::request::{RequestBody, ResponseBody, request_bytes};

use crate::hostile::{
    Scene, TOPIC, assert_logged_once, assert_works, in_company, lines_of, lines_with,
};

const VALIDATION: &str = "transferto.compressed.records.validation.enable";
/// A name that no topic may have, and that would forge a line of the log.
const ILLEGAL: &str = "../x\nERROR forged";

fn scene() -> Scene {
    let company = in_company();
    Scene::open(&[], Arc::new(SystemTime::new())).holding(company)
}

#[test]
fn a_frame_of_an_impossible_size_closes_the_connection() {
    let mut scene = scene();
    let max = 100 * 1024 * 1024;
    for size in [-1, i32::MIN, 0, max + 1, i32::MAX] {
        let mut hostile = scene.connect();
        hostile.stream.write_all(&size.to_be_bytes()).unwrap();
        hostile.assert_closed();
        scene.assert_others_are_served();
        assert_logged_once(&hostile, "losing");
    }
}

#[test]
fn a_request_that_ends_too_soon_closes_the_connection() {
    let mut scene = scene();
    for frame in valid_frames() {
        for length in (0..frame.len()).step_by(3) {
            let mut hostile = scene.connect();
            hostile.send_frame(&frame[..length]);
            hostile.assert_closed();
            assert_logged_once(&hostile, "bad request");
        }
        scene.assert_others_are_served();
    }
}

/// Three million settings of one byte each would be 72 MB of names.
#[test]
fn a_request_that_would_take_too_much_memory_closes_the_connection() {
    let mut scene = scene();
    let mut hostile = scene.connect();
    // DescribeConfigs, without tags in its header: one resource, the topic with the empty name.
    let mut frame = [&head(32, 4)[..], &[0, 2, 2, 1, 0xC1, 0x8D, 0xB7, 0x01]].concat();
    frame.resize(frame.len() + 3_000_100, 0);
    hostile.send_frame(&frame);
    hostile.assert_closed();
    scene.assert_others_are_served();
    assert_logged_once(&hostile, "72000000 bytes of memory needed");
}

#[test]
fn a_client_that_leaves_within_a_request_is_forgotten() {
    let mut scene = scene();
    let before = scene.open_connections();
    let frame = &valid_frames()[0];
    for sent in [1, 3, 4, 5, frame.len() + 3] {
        let mut hostile = scene.connect();
        let whole = [&(frame.len() as u32).to_be_bytes(), &frame[..]].concat();
        hostile.stream.write_all(&whole[..sent]).unwrap();
        hostile.stream.shutdown(Shutdown::Write).unwrap();
        hostile.assert_closed();
        scene.assert_others_are_served();
        assert_logged_once(&hostile, "in the middle of a request");
        assert_eq!(scene.open_connections(), before);
    }
}

#[test]
fn an_unknown_api_or_version_closes_the_connection() {
    let mut scene = scene();
    let keys = [-1, 4, 24, 19, 999, i16::MAX, i16::MIN].map(|key| (key, 0));
    let newer = ApiKeys::ALL.iter().filter(|&&api| api != ApiKeys::ApiVersions);
    let versions = newer.flat_map(|api| {
        let above = api.versions().end() + 1;
        [(api.id(), above), (api.id(), -1), (api.id(), i16::MAX)]
    });
    for (key, version) in keys.into_iter().chain(versions) {
        let mut hostile = scene.connect();
        hostile.send_frame(&head(key, version));
        hostile.assert_closed();
        scene.assert_others_are_served();
        assert_logged_once(&hostile, "bad request");
    }
}

#[test]
fn an_unknown_version_of_api_versions_is_answered_with_the_versions_there_are() {
    let mut scene = scene();
    for version in [5, 99, -1, i16::MAX] {
        let mut client = scene.connect();
        client.send_frame(&head(ApiKeys::ApiVersions.id(), version));
        let frame = client.receive_frame();
        let error = i16::from_be_bytes([frame[4], frame[5]]);
        assert_eq!((&frame[..4], error), (&[0, 0, 0, 7][..], Errors::UnsupportedVersion.code()));
        assert_works(&mut client);
        scene.assert_others_are_served();
        assert_eq!(lines_of(&client), [""; 0], "it is a question that was answered");
    }
}

/// Counts and lengths stand at any place, so each place is overwritten with each value.
#[test]
fn no_count_or_length_does_more_than_close_its_connection() {
    // No topic is to be created by the names that come of it.
    let no_creation = [("auto.create.topics.enable", "false")];
    let mut scene = scene().reopen(&no_creation, Arc::new(SystemTime::new()));
    let mut hostile = scene.connect();
    let (mut closed, mut answered) = (0, 0);
    for frame in valid_frames() {
        let beyond = (frame.len() + 1) as i32;
        let longs = [-1, -2, i32::MAX, beyond].map(|it| it.to_be_bytes().to_vec());
        let shorts = [-1, -2, i16::MAX, beyond as i16].map(|it| it.to_be_bytes().to_vec());
        // As varints of length + 1: null, 2 GiB, what does not fit 32 bits, and beyond the frame.
        let compact: [&[u8]; 4] =
            [&[0], &[0xFF, 0xFF, 0xFF, 0xFF, 0x07], &[0xFF; 6], &[beyond as u8 | 0x80, 1]];
        let compact = compact.map(<[u8]>::to_vec);
        for hurt in longs.iter().chain(&shorts).chain(&compact) {
            for at in (HEAD_BYTES..frame.len()).filter(|&at| !is_in_the_wait(&frame, at, hurt)) {
                let mut changed = frame.clone();
                let end = frame.len().min(at + hurt.len());
                changed[at..end].copy_from_slice(&hurt[..end - at]);
                if answers(&mut hostile, &changed) {
                    answered += 1;
                } else {
                    closed += 1;
                    hostile = scene.connect();
                }
            }
            scene.assert_others_are_served();
        }
    }
    assert!(closed > 1_000 && answered > 1_000, "{closed} closed, {answered} answered");
}

#[test]
fn what_is_refused_with_a_code_is_logged_once_however_many_partitions_it_names() {
    let mut scene = scene();
    let good = batch(&[b"abcd"]);
    let mut wrong_crc = good.clone();
    wrong_crc[17] ^= 1;
    let cases = [
        (TOPIC, 0, &wrong_crc, Errors::CorruptMessage),
        (TOPIC, 9, &good, Errors::UnknownTopicOrPartition),
        ("nobody", 0, &good, Errors::UnknownTopicOrPartition),
        (ILLEGAL, 0, &good, Errors::UnknownTopicOrPartition),
    ];
    for (topic, partition, records, error) in cases {
        let mut hostile = scene.connect();
        assert_eq!(hostile.produce(topic, partition, records).error_code, error.code());
        scene.assert_others_are_served();
        assert_logged_once(&hostile, error.name());
    }
    let fetches = [
        (TOPIC, [0, 0, 0], 5, Errors::OffsetOutOfRange),
        (TOPIC, [7, 8, -1], 0, Errors::UnknownTopicOrPartition),
        ("nobody", [0, 1, 2], 0, Errors::UnknownTopicOrPartition),
        (ILLEGAL, [0, 1, 2], 0, Errors::UnknownTopicOrPartition),
    ];
    for (topic, partitions, offset, error) in fetches {
        let mut hostile = scene.connect();
        let asked = partitions.map(|partition| (partition, offset));
        let request =
            FetchRequest { topics: vec![fetch_topic(topic, &asked)], ..FetchRequest::default() };
        assert_eq!(hostile.fetch_with(NEWEST_FETCH, request)[0].error, error.code());
        scene.assert_others_are_served();
        assert_logged_once(&hostile, error.name());

        let mut hostile = scene.connect();
        let error = if topic == TOPIC { continue } else { error };
        assert_eq!(hostile.list_offset(7, topic, -1).error_code, error.code());
        assert_logged_once(&hostile, error.name());
    }
    let mut hostile = scene.connect();
    let metadata = hostile.metadata(12, Some(&[ILLEGAL, "..", "", TOPIC]));
    let codes: Vec<_> = metadata.topics.iter().map(|topic| topic.error_code).collect();
    let illegal = Errors::InvalidTopicException.code();
    assert_eq!(codes, [illegal, illegal, illegal, 0]);
    scene.assert_others_are_served();
    assert_logged_once(&hostile, "INVALID_TOPIC_EXCEPTION");
}

#[test]
fn a_refusal_with_acks_0_is_logged_once_and_closes_the_connection() {
    let mut scene = scene();
    let records = batch(&[b"a"]);
    let mut hostile = scene.connect();
    let request = RequestBody::Produce(produce_request(0, ILLEGAL, 0, records.len()));
    hostile.send(NEWEST_PRODUCE, &request, &records);
    hostile.assert_closed();
    scene.assert_others_are_served();
    assert_logged_once(&hostile, "UNKNOWN_TOPIC_OR_PARTITION");
}

#[test]
fn a_name_without_end_makes_a_short_line_and_a_short_answer() {
    let mut scene = scene();
    let name = "\n".repeat(1_000_000);
    let records = batch(&[b"a"]);
    let mut hostile = scene.connect();
    let mut request = produce_request(1, &name, 0, records.len());
    let again = request.topics[0].partitions[0].clone();
    request.topics[0].partitions.extend(vec![again; 50]);
    let (_, frame) = hostile.call(NEWEST_PRODUCE, &RequestBody::Produce(request), &records);
    assert!(frame.len() < name.len() + 10_000, "the name once, not with each of its partitions");
    scene.assert_others_are_served();
    assert_logged_once(&hostile, "UNKNOWN_TOPIC_OR_PARTITION");

    let mut asking = scene.connect();
    asking.metadata(12, Some(&[&name]));
    assert_logged_once(&asking, "INVALID_TOPIC_EXCEPTION");
    for client in [&hostile, &asking] {
        let line = &lines_of(client)[0];
        assert!(line.len() < 1_000 && !line.contains('\n'), "{} bytes", line.len());
    }
}

#[test]
fn a_hundred_refused_partitions_get_a_reason_and_the_others_the_code() {
    let mut scene = scene();
    let good = batch(&[b"a"]);
    // What is refused at a glance, and what is refused by the log.
    for records in [&good[..], &[][..]] {
        let mut hostile = scene.connect();
        let mut request = produce_request(1, "nobody", 0, records.len());
        let first = request.topics[0].partitions[0].clone();
        request.topics[0].partitions =
            (0..20_000).map(|index| PartitionProduceData { index, ..first.clone() }).collect();
        let (body, frame) = hostile.call(NEWEST_PRODUCE, &RequestBody::Produce(request), records);
        let ResponseBody::Produce(response) = body else { panic!("{body:?}") };
        let answers = &response.responses[0].partition_responses;
        assert_eq!(answers.len(), 20_000);
        assert!(answers.iter().all(|it| it.error_code != 0 && it.base_offset == -1));
        let texts = answers.iter().filter(|it| it.error_message.is_some()).count();
        assert_eq!(texts, 100);
        assert!(frame.len() < 20_000 * 40, "{} bytes", frame.len());
        scene.assert_others_are_served();
        assert_logged_once(&hostile, "20000 refused");
    }
}

#[test]
fn a_partition_that_is_named_twice_is_read_once() {
    let mut scene = scene();
    let mut hostile = scene.connect();
    let records = batch(&[b"a"]);
    assert_eq!(hostile.produce(TOPIC, 0, &records).error_code, 0);
    // It does not wait, although nothing of what it waits for is there.
    let request = FetchRequest {
        max_wait_ms: 600_000,
        min_bytes: i32::MAX,
        topics: vec![fetch_topic(TOPIC, &[(0, 0); 1_000]), fetch_topic(TOPIC, &[(0, 0)])],
        ..FetchRequest::default()
    };
    let fetched = hostile.fetch_with(NEWEST_FETCH, request);
    assert_eq!((fetched.len(), fetched[0].error), (1_001, 0));
    assert_eq!(fetched[0].records, stored(&records, 0));
    let twice = Errors::InvalidRequest;
    assert!(fetched[1..].iter().all(|it| it.error == twice.code() && it.records.is_empty()));
    scene.assert_others_are_served();
    assert_logged_once(&hostile, twice.name());
}

/// Kafka keeps the last of the two and says nothing of the first.
#[test]
fn a_partition_that_is_named_twice_is_written_once() {
    let mut scene = scene();
    let records = batch(&[b"a"]);
    let mut next_offset = 0;
    for version in ApiKeys::Produce.versions().filter(|&version| version >= 3) {
        let mut hostile = scene.connect();
        let mut request = produce_request(1, TOPIC, 0, records.len());
        let again = request.topics[0].partitions[0].clone();
        request.topics[0].partitions.push(again);
        request.topics.push(request.topics[0].clone());
        let (body, _) = hostile.call(version, &RequestBody::Produce(request), &records);
        let ResponseBody::Produce(response) = body else { panic!("{body:?}") };
        let answers = response.responses.iter().flat_map(|topic| &topic.partition_responses);
        let answers: Vec<_> = answers.map(|it| (it.error_code, it.base_offset)).collect();
        let twice = (Errors::InvalidRequest.code(), -1);
        assert_eq!(answers, [(0, next_offset), twice, twice, twice], "version {version}");
        next_offset += 1;
        assert_logged_once(&hostile, "names it twice");
    }
    let mut hostile = scene.connect();
    assert_eq!(hostile.fetch(TOPIC, 0, 0).high_watermark, next_offset);
    scene.assert_others_are_served();
}

#[test]
fn a_partition_that_is_asked_for_its_offsets_twice_is_searched_once() {
    let mut scene = scene();
    let mut hostile = scene.connect();
    for version in ApiKeys::ListOffsets.versions() {
        let partition = ListOffsetsPartition { timestamp: -1, ..ListOffsetsPartition::default() };
        let partitions = vec![partition; 3];
        let topic = ListOffsetsTopic { name: TOPIC.to_string(), partitions };
        let request = ListOffsetsRequest { topics: vec![topic], ..ListOffsetsRequest::default() };
        let (body, _) = hostile.call(version, &RequestBody::ListOffsets(request), &[]);
        let ResponseBody::ListOffsets(response) = body else { panic!("{body:?}") };
        let codes: Vec<_> = response.topics[0].partitions.iter().map(|it| it.error_code).collect();
        let twice = Errors::InvalidRequest.code();
        assert_eq!(codes, [0, twice, twice], "version {version}");
    }
    scene.assert_others_are_served();
}

#[test]
fn a_topic_that_is_asked_for_a_thousand_times_is_answered_once() {
    let mut scene = scene();
    let mut hostile = scene.connect();
    for version in ApiKeys::Metadata.versions() {
        let mut names = vec![TOPIC; 1_000];
        names.push("..");
        names.extend([TOPIC, ".."]);
        let response = hostile.metadata(version, Some(&names));
        let answered: Vec<_> = response.topics.iter().map(|it| it.name.as_deref()).collect();
        assert_eq!(answered, [Some(TOPIC), Some("..")], "version {version}");
    }
    scene.assert_others_are_served();
}

#[test]
fn the_extremes_of_every_field_are_answered() {
    let mut scene = scene();
    let mut hostile = scene.connect();
    let records = batch(&[b"a"]);
    assert_eq!(hostile.produce(TOPIC, 0, &records).error_code, 0);
    for extreme in [i64::MIN, i64::MIN + 1, -2, -1, 0, 1, i64::MAX - 1, i64::MAX] {
        for version in ApiKeys::Fetch.versions() {
            hostile.fetch_with(version, fetch_request(TOPIC, 0, extreme));
        }
        for version in ApiKeys::ListOffsets.versions() {
            hostile.list_offset(version, TOPIC, extreme);
        }
    }
    for extreme in [i32::MIN, -2, -1, 0, i32::MAX] {
        for version in ApiKeys::Fetch.versions() {
            let whole = || fetch_request(TOPIC, 0, 0);
            let mut partition = whole();
            partition.topics[0].partitions[0].partition_max_bytes = extreme;
            let requests = [
                FetchRequest { max_wait_ms: extreme, ..whole() },
                FetchRequest { min_bytes: extreme, ..whole() },
                FetchRequest { max_bytes: extreme, ..whole() },
                FetchRequest { replica_id: extreme, ..whole() },
                partition,
            ];
            for request in requests {
                hostile.fetch_with(version, request);
            }
        }
        for acks in [-1, 1, 7, i16::MIN, i16::MAX] {
            let request = produce_request(acks, TOPIC, 0, records.len());
            let request = RequestBody::Produce(ProduceRequest { timeout_ms: extreme, ..request });
            hostile.call(NEWEST_PRODUCE, &request, &records);
        }
        let offsets = ListOffsetsPartition { max_num_offsets: extreme, ..Default::default() };
        let topic = ListOffsetsTopic { name: TOPIC.to_string(), partitions: vec![offsets] };
        let request = ListOffsetsRequest { topics: vec![topic], ..ListOffsetsRequest::default() };
        hostile.call(0, &RequestBody::ListOffsets(request), &[]);
    }
    scene.assert_others_are_served();
}

/// As Kafka 4.4.0 (and 3.9.1 in versions 0 to 3) answers; there it is an error in the broker's log.
#[test]
fn a_read_of_less_than_no_bytes_is_refused_and_the_client_is_to_blame() {
    let mut scene = scene();
    let records = batch(&[b"a"]);
    let mut producer = scene.connect();
    let end = producer.produce(TOPIC, 0, &records).base_offset + 1;
    for version in 0..=NEWEST_FETCH {
        for size in [-1, i32::MIN] {
            let whole =
                |offset| FetchRequest { max_bytes: size, ..fetch_request(TOPIC, 0, offset) };
            let part = |offset| {
                let mut request = fetch_request(TOPIC, 0, offset);
                request.topics[0].partitions[0].partition_max_bytes = size;
                request
            };
            // Before version 3 there is no size of the whole.
            let requests = [part(0), whole(0)];
            for request in requests.into_iter().take(if version < 3 { 1 } else { 2 }) {
                let mut hostile = scene.connect();
                let fetched = hostile.fetch_with(version, request).remove(0);
                let refused = (Errors::UnknownServerError.code(), -1, Vec::new());
                assert_eq!((fetched.error, fetched.high_watermark, fetched.records), refused);
                assert_logged_once(&hostile, "DEBUG Fetch request of");
            }
            let mut hostile = scene.connect();
            for request in [part(end), whole(end)] {
                let fetched = hostile.fetch_with(version, request).remove(0);
                assert_eq!((fetched.error, fetched.records), (0, Vec::new()), "nothing to read");
            }
            for request in [part(-1), whole(end + 1)] {
                let code = hostile.fetch_with(version, request).remove(0).error;
                assert_eq!(code, Errors::OffsetOutOfRange.code());
            }
        }
    }
    assert_eq!(lines_with("Log.read of "), Vec::<String>::new(), "the broker is not to blame");
    scene.assert_others_are_served();
}

#[test]
fn timestamps_from_the_ends_of_time_are_kept_and_found() {
    let mut scene = scene();
    let mut hostile = scene.connect();
    for timestamp in [i64::MIN, i64::MAX, 0, -1] {
        let records =
            RecordBatchBuilder::new(0).record(timestamp, None, Some(b"v")).build().unwrap();
        assert_eq!(hostile.produce(TOPIC, 0, &records).error_code, 0, "timestamp {timestamp}");
    }
    assert_eq!(hostile.list_offset(7, TOPIC, i64::MAX).offset, 1);
    assert_eq!(hostile.list_offset(7, TOPIC, -3).offset, 1);
    for version in 0..=NEWEST_FETCH {
        let fetched = hostile.fetch_with(version, fetch_request(TOPIC, 0, 0)).remove(0);
        assert_eq!((fetched.error, fetched.high_watermark), (0, 4), "version {version}");
    }
    scene.assert_others_are_served();
}

#[test]
fn a_batch_that_declares_more_records_than_it_can_hold_is_refused() {
    let mut scene = scene();
    for codec in [0, 1, 2, 3, 4] {
        let mut hostile = scene.connect();
        let mut records = batch(&[b"a"]);
        records[22] = codec;
        records[23..27].copy_from_slice(&(i32::MAX - 1).to_be_bytes());
        records[57..61].copy_from_slice(&i32::MAX.to_be_bytes());
        let crc = compute_crc(&records);
        records[17..21].copy_from_slice(&crc.to_be_bytes());
        assert!(RecordBatch::parse(&records).unwrap().has_valid_crc());
        let response = hostile.produce(TOPIC, 0, &records);
        assert_eq!(response.error_code, Errors::InvalidRecord.code(), "codec {codec}");
        scene.assert_others_are_served();
        assert_logged_once(&hostile, "2147483647 records");
    }
}

/// A producer is to blame for it, and not this broker: one line with its address.
#[test]
fn records_that_cannot_be_read_are_refused_with_kafkas_codes() {
    let mut scene = scene();
    let good = batch(&[b"a", b"b"]);
    let cut = [&good[..8], &(good.len() as u32 - 13).to_be_bytes(), &good[12..good.len() - 1]];
    let mut junk = good.clone();
    junk[22] = 1;
    let mut hostile = scene.connect();
    hostile.create_topic_with("strict", &[(VALIDATION, "true")]);
    for (mut records, error) in
        [(cut.concat(), Errors::InvalidRecord), (junk, Errors::UnknownServerError)]
    {
        let crc = compute_crc(&records);
        records[17..21].copy_from_slice(&crc.to_be_bytes());
        let mut hostile = scene.connect();
        let response = hostile.produce("strict", 0, &records);
        assert_eq!((response.error_code, response.base_offset), (error.code(), -1));
        assert!(response.record_errors.is_empty());
        assert_logged_once(&hostile, "the first is strict-0");
        scene.assert_others_are_served();
    }
}

#[test]
fn a_batch_of_a_million_bad_records_names_a_thousand() {
    let mut scene = scene();
    let mut hostile = scene.connect();
    hostile.create_topic_with("keyed", &[("cleanup.policy", "compact")]);
    let builder = RecordBatchBuilder::new(0).codec(CompressionCodec::Zstd);
    let builder = (0..1_000_000).fold(builder, |batch, _| batch.record(0, None, None));
    let records = builder.build().unwrap();
    let mut request = produce_request(1, "keyed", 0, records.len());
    let again = request.topics[0].partitions[0].clone();
    request.topics[0].partitions.push(PartitionProduceData { index: 1, ..again });
    let (body, _) = hostile.call(NEWEST_PRODUCE, &RequestBody::Produce(request), &records);
    let ResponseBody::Produce(response) = body else { panic!("{body:?}") };
    let answer = &response.responses[0].partition_responses[0];
    assert_eq!(answer.error_code, Errors::InvalidRecord.code());
    assert!(answer.record_errors.iter().map(|it| it.batch_index).eq(0..1_000));
    let text = answer.error_message.as_ref().unwrap();
    assert!(text.contains("1000000 record errors"), "{text}");
    scene.assert_others_are_served();
}

/// The header without a client id: key, version, correlation id 7, null.
fn head(key: i16, version: i16) -> Vec<u8> {
    let mut head = Vec::new();
    head.extend_from_slice(&key.to_be_bytes());
    head.extend_from_slice(&version.to_be_bytes());
    head.extend_from_slice(&[0, 0, 0, 7, 0xFF, 0xFF]);
    head
}

/// What of the header stays as it is: key, version and correlation id.
const HEAD_BYTES: usize = 8;
/// The correlation id of the frames that are then spoiled.
const SPOILED_ID: i32 = 7;

/// One good request of each kind, in its oldest and its newest version.
fn valid_frames() -> Vec<Vec<u8>> {
    let records = batch(&[b"abcd"]);
    let metadata = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            name: Some(TOPIC.to_string()),
            ..MetadataRequestTopic::default()
        }]),
        ..MetadataRequest::default()
    };
    let list_offsets = ListOffsetsRequest {
        topics: vec![ListOffsetsTopic {
            name: TOPIC.to_string(),
            partitions: vec![ListOffsetsPartition::default()],
        }],
        ..ListOffsetsRequest::default()
    };
    let bodies = [
        RequestBody::Produce(produce_request(1, TOPIC, 0, records.len())),
        RequestBody::Fetch(fetch_request(TOPIC, 0, 0)),
        RequestBody::Metadata(metadata),
        RequestBody::ListOffsets(list_offsets),
    ];
    let apis = [ApiKeys::Produce, ApiKeys::Fetch, ApiKeys::Metadata, ApiKeys::ListOffsets];
    let frame = |(api_key, body, api_version)| {
        let client_id = Some("test".to_string());
        let header = RequestHeader { api_key, api_version, correlation_id: SPOILED_ID, client_id };
        request_bytes(&header, body, &records)
    };
    let versions = |api: ApiKeys| [*api.versions().start(), *api.versions().end()];
    let kinds = apis.into_iter().zip(&bodies);
    kinds.flat_map(|(api, body)| versions(api).map(|version| frame((api, body, version)))).collect()
}

/// Whether these bytes would become a fetch's `max_wait_ms` or `min_bytes`, which may make it wait
/// for days as it asks.
fn is_in_the_wait(frame: &[u8], at: usize, hurt: &[u8]) -> bool {
    let is_fetch = frame[1] == 1;
    // Behind the header with its client id of four bytes, perhaps a section of tags, and the
    // replica id.
    let wait = 18..27;
    is_fetch && at < wait.end && at + hurt.len() > wait.start
}

/// Sends a frame and a good question behind it: true if the question is answered, false if the
/// connection closes.
fn answers(client: &mut Client, frame: &[u8]) -> bool {
    client.send_frame(frame);
    let mut question = head(ApiKeys::ApiVersions.id(), 0);
    question[4..8].copy_from_slice(&[0x55; 4]);
    let size = (question.len() as u32).to_be_bytes();
    // It may be closed by now.
    let _ = client.stream.write_all(&[&size, &question[..]].concat());
    loop {
        let mut head = [0; 8];
        if client.stream.read_exact(&mut head).is_err() {
            return false;
        }
        let rest = u32::from_be_bytes(head[..4].try_into().unwrap()) - 4;
        let mut body = vec![0; rest as usize];
        client.stream.read_exact(&mut body).unwrap();
        match i32::from_be_bytes(head[4..].try_into().unwrap()) {
            SPOILED_ID => (),
            id => {
                assert_eq!(id, 0x5555_5555);
                return true;
            }
        }
    }
}
