//! The codec: every API in every version and both directions, and the places where clients are
//! known to break.

use transferto::common::errors::Errors;
use transferto::common::memory_pool::{MemoryDraw, MemoryPool};
use transferto::protocol::api_keys::ApiKeys;
use transferto::protocol::api_versions::ApiVersionsResponse;
use transferto::protocol::header::RequestHeader;
use transferto::protocol::list_groups::{ListGroupsResponse, ListedGroup};
use transferto::protocol::list_offsets::{
    ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use transferto::protocol::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponsePartition,
    MetadataResponseTopic, OPERATIONS_NOT_ASKED_FOR,
};
use transferto::protocol::offset_commit::OffsetCommitRequest;
use transferto::protocol::offset_fetch::{
    OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartition,
    OffsetFetchResponseTopic,
};
use transferto::protocol::produce::{ProduceResponse, check_records};
use transferto::protocol::request::{
    EncodeError, RequestBody, ResponseBody, parse, parse_response, request_bytes, response_bytes,
};
use transferto::protocol::sync_group::SyncGroupResponse;
use transferto::protocol::wire::allowance::Allowance;
use transferto::protocol::wire::decode_error::Malformed;

use crate::messages::groups::offset_commit_request;
use crate::messages::log::{
    RECORDS, fetch_request, list_offsets_request, metadata_request, produce_request,
};
use crate::messages::{empty_requests, header, requests, response_frame, responses};

#[test]
fn every_request_of_every_version_is_read_as_it_was_written() {
    for body in requests().into_iter().chain(empty_requests()) {
        let api = body.api_key();
        for version in api.versions() {
            let frame = request_bytes(&header(api, version), &body, RECORDS);
            let (read_header, read_body) = parse(&frame, Allowance::full()).unwrap();
            assert_eq!(read_header, header(api, version));
            // Ranges of records now point into the frame, so compare what they stand for by writing
            // them again.
            assert_eq!(request_bytes(&read_header, &read_body, &frame), frame, "{api:?} {version}");
        }
    }
}

#[test]
fn every_response_of_every_version_is_read_as_it_was_written() {
    for body in responses() {
        let api = body.api_key();
        for version in api.versions() {
            let header = header(api, version);
            let frame = response_frame(&header, &body, RECORDS);
            let (correlation_id, read_body) = parse_response(&header, &frame).unwrap();
            assert_eq!(correlation_id, 42);
            assert_eq!(response_frame(&header, &read_body, &frame), frame, "{api:?} {version}");
        }
    }
}

/// Where the newest version has not all the fields of the older ones, which the messages have set.
const NOT_WHOLE_IN_THE_NEWEST: [ApiKeys; 7] = [
    ApiKeys::Fetch,
    ApiKeys::OffsetCommit,
    ApiKeys::OffsetFetch,
    ApiKeys::FindCoordinator,
    ApiKeys::LeaveGroup,
    ApiKeys::DeleteTopics,
    ApiKeys::DescribeConfigs,
];

/// The messages have every field of the newest version set, so none may be lost there. The ranges
/// of Produce change as they travel.
#[test]
fn the_newest_version_loses_no_field() {
    let is_kept_whole = |api| !NOT_WHOLE_IN_THE_NEWEST.contains(&api);
    let is_kept_whole = |api| is_kept_whole(api) && api != ApiKeys::Produce;
    for body in requests().into_iter().filter(|body| is_kept_whole(body.api_key())) {
        let header = header(body.api_key(), *body.api_key().versions().end());
        assert_eq!(
            parse(&request_bytes(&header, &body, &[]), Allowance::full()).unwrap(),
            (header, body)
        );
    }
    for body in responses().into_iter().filter(|body| is_kept_whole(body.api_key())) {
        let header = header(body.api_key(), *body.api_key().versions().end());
        assert_eq!(
            parse_response(&header, &response_frame(&header, &body, &[])).unwrap(),
            (42, body)
        );
    }
}

#[test]
fn a_field_that_a_version_lacks_reads_as_its_default() {
    let read = |body: RequestBody, version| {
        let frame = request_bytes(&header(body.api_key(), version), &body, RECORDS);
        parse(&frame, Allowance::full()).unwrap().1
    };
    let RequestBody::Fetch(fetch) = read(RequestBody::Fetch(fetch_request()), 0) else {
        panic!("a Fetch request is none");
    };
    assert_eq!((fetch.max_bytes, fetch.isolation_level), (i32::MAX, 0));
    assert_eq!((fetch.session_id, fetch.session_epoch), (0, -1));
    let partition = &fetch.topics[0].partitions[0];
    assert_eq!((partition.current_leader_epoch, partition.log_start_offset), (-1, -1));
    let RequestBody::Metadata(metadata) = read(RequestBody::Metadata(metadata_request()), 3) else {
        panic!("a Metadata request is none");
    };
    assert!(metadata.allow_auto_topic_creation, "before version 4 a topic is always created");
}

/// No version has them all: the time of a commit is in version 1 alone.
#[test]
fn each_version_of_offset_commit_keeps_the_fields_it_has() {
    let expected = |version| {
        let mut request = offset_commit_request();
        if !(2..=4).contains(&version) {
            request.retention_time_ms = -1;
        }
        if version < 7 {
            request.group_instance_id = None;
        }
        if version == 0 {
            request =
                OffsetCommitRequest { generation_id: -1, member_id: String::new(), ..request };
        }
        for partition in request.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            if version != 1 {
                partition.commit_timestamp = -1;
            }
            if version < 6 {
                partition.committed_leader_epoch = -1;
            }
        }
        RequestBody::OffsetCommit(request)
    };
    for version in ApiKeys::OffsetCommit.versions() {
        let header = header(ApiKeys::OffsetCommit, version);
        let body = RequestBody::OffsetCommit(offset_commit_request());
        let read = parse(&request_bytes(&header, &body, &[]), Allowance::full()).unwrap();
        assert_eq!(read, (header, expected(version)), "version {version}");
    }
}

#[test]
fn bytes_behind_the_last_field_are_ignored() {
    for body in requests() {
        let api = body.api_key();
        for version in api.versions() {
            let mut frame = request_bytes(&header(api, version), &body, RECORDS);
            frame.extend_from_slice(b"left over");
            assert!(parse(&frame, Allowance::full()).is_ok(), "{api:?} {version}");
        }
    }
}

#[test]
fn records_are_ranges_of_the_frame() {
    for version in ApiKeys::Produce.versions() {
        let body = RequestBody::Produce(produce_request());
        let frame = request_bytes(&header(ApiKeys::Produce, version), &body, RECORDS);
        let Ok((_, RequestBody::Produce(request))) = parse(&frame, Allowance::full()) else {
            panic!("version {version} is no Produce request");
        };
        let partitions = &request.topics[0].partitions;
        assert_eq!(&frame[partitions[0].records.clone().unwrap()], RECORDS);
        assert_eq!(partitions[1].records, None);
    }
}

#[test]
fn a_client_need_not_have_a_name() {
    for body in requests() {
        let api = body.api_key();
        for version in api.versions() {
            let header = RequestHeader { client_id: None, ..header(api, version) };
            let frame = request_bytes(&header, &body, RECORDS);
            assert_eq!(parse(&frame, Allowance::full()).unwrap().0, header);
        }
    }
}

#[test]
fn the_client_id_is_never_compact() {
    // Version 2 of the header has tagged fields, yet keeps the 2-byte length.
    let frame = [0, 18, 0, 3, 0, 0, 0, 7, 0, 2, b'm', b'e', 0, 2, b'n', 2, b'v', 0];
    let (header, body) = parse(&frame, Allowance::full()).unwrap();
    assert_eq!(header.client_id.as_deref(), Some("me"));
    let RequestBody::ApiVersions(request) = body else { panic!("{body:?}") };
    assert_eq!((&*request.client_software_name, &*request.client_software_version), ("n", "v"));
}

#[test]
fn tagged_fields_are_skipped_wherever_they_may_come() {
    let mut frame = vec![0, 3, 0, 12, 0, 0, 0, 7, 0xFF, 0xFF];
    frame.extend_from_slice(&[2, 0, 1, b'x', 0x81, 1, 0]); // tag 0 of 1 byte, tag 129 of none
    frame.push(2); // one topic
    frame.extend_from_slice(&[0; 16]);
    frame.extend_from_slice(&[2, b't', 1, 5, 3, 1, 2, 3]); // its name, and tag 5 of 3 bytes
    frame.extend_from_slice(&[1, 0, 1, 9, 0]); // the two choices, and tag 9 of none
    let (header, body) = parse(&frame, Allowance::full()).unwrap();
    assert_eq!(header.client_id, None);
    let RequestBody::Metadata(request) = body else { panic!("{body:?}") };
    assert_eq!(request.topics.unwrap()[0].name.as_deref(), Some("t"));
    assert!(request.allow_auto_topic_creation && !request.include_topic_authorized_operations);
}

#[test]
fn what_is_not_spoken_is_refused() {
    let head = |key: i16, version: i16| [key.to_be_bytes(), version.to_be_bytes()].concat();
    let frame = |key, version| [head(key, version), vec![0; 100]].concat();
    for key in [-1, 4, 7, 24, 38, i16::MAX] {
        assert_eq!(
            parse(&frame(key, 0), Allowance::full()).unwrap_err().what,
            Malformed::UnknownApiKey(key)
        );
    }
    for api in ApiKeys::ALL.iter().copied().filter(|&api| api != ApiKeys::ApiVersions) {
        for version in [i16::MIN, -1, api.versions().end() + 1, i16::MAX] {
            let error = parse(&frame(api.id(), version), Allowance::full()).unwrap_err();
            let refused = Malformed::UnsupportedVersion { api: api.name(), version };
            assert_eq!(error.what, refused);
        }
    }
}

#[test]
fn an_error_says_where_it_is() {
    // Fetch version 0 whose second topic's name has the length -2.
    let mut frame = vec![0, 1, 0, 0, 0, 0, 0, 7, 0xFF, 0xFF];
    frame.extend_from_slice(&[0; 12]);
    frame.extend_from_slice(&[0, 0, 0, 2, 0, 1, b't', 0, 0, 0, 0, 0xFF, 0xFE, 0, 0, 0, 0]);
    let error = parse(&frame, Allowance::full()).unwrap_err();
    assert_eq!(error.to_string(), "FetchTopic.topic at byte 33: the length -2 is negative");
}

#[test]
fn null_is_refused_where_the_protocol_has_none() {
    let metadata = |version, name: &[u8]| {
        let mut frame = vec![0, 3, 0, version, 0, 0, 0, 7, 0xFF, 0xFF];
        frame.extend_from_slice(name);
        parse(&frame, Allowance::full())
    };
    let null_topics = [0xFF; 4];
    assert_eq!(metadata(0, &null_topics).unwrap_err().what, Malformed::Null);
    assert!(metadata(1, &null_topics).is_ok());
    let null_name = [0, 0, 0, 1, 0xFF, 0xFF];
    assert_eq!(metadata(8, &[&null_name[..], &[0; 3]].concat()).unwrap_err().what, Malformed::Null);
    // Version 9 has compact names that must not be null; version 10 has topic ids, and so names
    // that may.
    let head_9 = [0, 2];
    let error = metadata(9, &[&head_9[..], &[0; 5]].concat()).unwrap_err();
    assert_eq!(error.to_string(), "MetadataRequestTopic.name at byte 12: null is not allowed");
    assert!(metadata(10, &[&head_9[..], &[0; 22]].concat()).is_ok());
}

#[test]
fn all_topics_are_none_named_in_version_0_and_null_afterwards() {
    let request = |topics| MetadataRequest { topics, ..MetadataRequest::default() };
    let named = || Some(vec![MetadataRequestTopic::default()]);
    assert!(request(Some(Vec::new())).asks_for_all_topics(0));
    assert!(!request(named()).asks_for_all_topics(0));
    for version in 1..=12 {
        assert!(request(None).asks_for_all_topics(version));
        assert!(!request(Some(Vec::new())).asks_for_all_topics(version));
        assert!(!request(named()).asks_for_all_topics(version));
    }
    // A client that wants all topics says so in the words of each version.
    for version in 0..=12 {
        let header = header(ApiKeys::Metadata, version);
        let frame = request_bytes(&header, &RequestBody::Metadata(request(None)), &[]);
        let Ok((_, RequestBody::Metadata(read))) = parse(&frame, Allowance::full()) else {
            panic!("{version}")
        };
        assert!(read.asks_for_all_topics(version));
    }
}

#[test]
fn operations_that_were_not_asked_for_are_the_smallest_number() {
    let response = ResponseBody::Metadata(MetadataResponse::default());
    let frame = response_frame(&header(ApiKeys::Metadata, 8), &response, &[]);
    assert!(frame.ends_with(&OPERATIONS_NOT_ASKED_FOR.to_be_bytes()));
    assert_eq!(OPERATIONS_NOT_ASKED_FOR, i32::MIN);
}

#[test]
fn the_oldest_list_offsets_answers_an_array() {
    let partition = ListOffsetsPartitionResponse {
        partition_index: 1,
        old_style_offsets: vec![9, 4],
        ..ListOffsetsPartitionResponse::default()
    };
    let topics = vec![ListOffsetsTopicResponse { name: "t".into(), partitions: vec![partition] }];
    let body = ListOffsetsResponse { throttle_time_ms: 0, topics };
    let header = header(ApiKeys::ListOffsets, 0);
    let frame = response_frame(&header, &ResponseBody::ListOffsets(body.clone()), &[]);
    assert_eq!(parse_response(&header, &frame).unwrap().1, ResponseBody::ListOffsets(body));
    assert!(frame.ends_with(&[0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 4]));
}

#[test]
fn the_response_to_api_versions_has_no_tagged_fields_in_its_header() {
    let response = ResponseBody::ApiVersions(ApiVersionsResponse::supported());
    for version in 0..=4 {
        let frame = response_frame(&header(ApiKeys::ApiVersions, version), &response, &[]);
        // The correlation id, then at once the error code: a byte between them makes librdkafka
        // abort its process.
        assert_eq!(frame[..6], [0, 0, 0, 42, 0, 0], "version {version}");
        let count = ApiKeys::ALL.iter().filter(|api| api.is_advertised()).count() as u8;
        let expected = if version < 3 { vec![0, 0, 0, count] } else { vec![count + 1] };
        assert!(frame[6..].starts_with(&expected), "version {version}");
    }
}

#[test]
fn an_unknown_version_of_api_versions_is_answered_with_the_versions_to_try() {
    for version in [5, 99, i16::MAX, -1] {
        // Whatever follows the correlation id is not looked at: it may be a header of a shape yet
        // to come.
        let mut frame = header(ApiKeys::ApiVersions, version).api_key.id().to_be_bytes().to_vec();
        frame.extend_from_slice(&version.to_be_bytes());
        frame.extend_from_slice(&[0, 0, 0, 42, 0xFE, 0xFE, 0xFE]);
        let (header, body) = parse(&frame, Allowance::full()).unwrap();
        assert_eq!(body, RequestBody::UnsupportedApiVersions);
        let response = ResponseBody::ApiVersions(ApiVersionsResponse::unsupported_version());
        assert_eq!(body.error_response(Errors::UnsupportedVersion), Some(response.clone()));
        let expected = [0, 0, 0, 42, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4];
        assert_eq!(response_frame(&header, &response, &[]), expected);
    }
}

/// The rows of the response to ApiVersions: an API's number, its first and its last version.
fn advertised() -> Vec<(i16, i16, i16)> {
    let rows = ApiVersionsResponse::supported().api_keys;
    rows.iter().map(|row| (row.api_key, row.min_version, row.max_version)).collect()
}

#[test]
fn what_is_advertised_is_what_the_table_says() {
    let rows = [
        (0, 0, 11), // Produce
        (1, 0, 18), // Fetch
        (2, 0, 11), // ListOffsets
        (3, 0, 12), // Metadata
        (8, 0, 8),  // OffsetCommit
        (9, 0, 8),  // OffsetFetch
        (10, 0, 4), // FindCoordinator
        (11, 0, 9), // JoinGroup
        (12, 0, 4), // Heartbeat
        (13, 0, 5), // LeaveGroup
        (14, 0, 5), // SyncGroup
        (15, 0, 5), // DescribeGroups
        (16, 0, 5), // ListGroups
        (17, 0, 1), // SaslHandshake
        (18, 0, 4), // ApiVersions
        (19, 0, 7), // CreateTopics
        (20, 0, 6), // DeleteTopics
        (21, 0, 2), // DeleteRecords
        (22, 0, 4), // InitProducerId
        (23, 0, 4), // OffsetForLeaderEpoch
        (27, 1, 1), // WriteTxnMarkers
        (29, 0, 3), // DescribeAcls
        (30, 0, 3), // CreateAcls
        (31, 0, 3), // DeleteAcls
        (32, 0, 4), // DescribeConfigs
        (33, 0, 2), // AlterConfigs
        (35, 0, 4), // DescribeLogDirs
        (36, 0, 2), // SaslAuthenticate
        (37, 0, 3), // CreatePartitions
        (42, 0, 2), // DeleteGroups
        (44, 0, 1), // IncrementalAlterConfigs
        (47, 0, 0), // OffsetDelete
        (48, 0, 1), // DescribeClientQuotas
        (49, 0, 1), // AlterClientQuotas
        (50, 0, 0), // DescribeUserScramCredentials
        (51, 0, 0), // AlterUserScramCredentials
        (60, 0, 2), // DescribeCluster
    ];
    assert_eq!(advertised(), rows);
}

#[test]
fn what_is_not_advertised_is_read_in_all_its_versions_all_the_same() {
    let hidden = |body: &RequestBody| !body.api_key().is_advertised();
    for body in requests().into_iter().filter(hidden) {
        let api = body.api_key();
        assert!(advertised().iter().all(|&(key, ..)| key != api.id()), "{api:?}");
        for version in api.versions() {
            assert!(
                parse(&request_bytes(&header(api, version), &body, &[]), Allowance::full()).is_ok(),
                "{api:?}"
            );
        }
    }
}

#[test]
fn the_throttle_time_of_produce_is_at_the_end_and_of_fetch_at_the_beginning() {
    let produce = ProduceResponse { throttle_time_ms: 0x0A0B_0C0D, ..ProduceResponse::default() };
    let frame = response_frame(&header(ApiKeys::Produce, 1), &ResponseBody::Produce(produce), &[]);
    assert_eq!(frame, [0, 0, 0, 42, 0, 0, 0, 0, 0x0A, 0x0B, 0x0C, 0x0D]);
    let mut fetch = RequestBody::Fetch(fetch_request()).error_response(Errors::None).unwrap();
    let ResponseBody::Fetch(response) = &mut fetch else { panic!("{fetch:?}") };
    response.header.throttle_time_ms = 0x0A0B_0C0D;
    let frame = response_frame(&header(ApiKeys::Fetch, 1), &fetch, &[]);
    assert!(frame.starts_with(&[0, 0, 0, 42, 0x0A, 0x0B, 0x0C, 0x0D]));
}

#[test]
fn a_text_that_the_old_encoding_cannot_hold_is_cut_between_characters() {
    let mut request = list_offsets_request();
    request.topics[0].name = "é".repeat(20_000);
    let body = RequestBody::ListOffsets(request.clone());
    let name_in = |version| {
        let frame = request_bytes(&header(ApiKeys::ListOffsets, version), &body, &[]);
        match parse(&frame, Allowance::full()).unwrap().1 {
            RequestBody::ListOffsets(mut it) => it.topics.remove(0).name,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(name_in(5), "é".repeat(16_383));
    assert_eq!(name_in(6), request.topics[0].name);
}

#[test]
fn a_name_that_is_not_utf_8_is_still_a_name() {
    let frame = [0, 3, 0, 0, 0, 0, 0, 7, 0, 1, 0xFF, 0, 0, 0, 1, 0, 2, b'a', 0xC3];
    let (header, body) = parse(&frame, Allowance::full()).unwrap();
    assert_eq!(header.client_id.as_deref(), Some("\u{FFFD}"));
    let RequestBody::Metadata(request) = body else { panic!("{body:?}") };
    assert_eq!(request.topics.unwrap()[0].name.as_deref(), Some("a\u{FFFD}"));
}

/// The head of a record batch, long enough to hold a first glance: size, magic, codec.
fn batch(magic: u8, codec: u8) -> Vec<u8> {
    let mut batch = vec![0; 70];
    batch[11] = 70 - 12;
    batch[16] = magic;
    batch[22] = codec;
    batch
}

#[test]
fn records_from_version_3_on_are_one_batch_of_magic_2() {
    let code =
        |records: &[u8], version| check_records(Some(records), version).map_err(|e| e.code());
    for version in 3..=11 {
        assert_eq!(code(&batch(2, 0), version), Ok(()));
        assert_eq!(check_records(None, version).unwrap_err().code(), Errors::InvalidRecord);
        let two = [batch(2, 0), batch(2, 0)].concat();
        for refused in [&[][..], &batch(2, 0)[..16], &batch(1, 0), &two] {
            assert_eq!(code(refused, version), Err(Errors::InvalidRecord), "{refused:?}");
        }
        for cut in [17, 60, 69] {
            assert_eq!(code(&batch(2, 0)[..cut], version), Err(Errors::CorruptMessage), "{cut}");
        }
        let mut short = batch(2, 0);
        short[11] = 10;
        assert_eq!(code(&short, version), Err(Errors::CorruptMessage));
        short[8..12].fill(0xFF);
        assert_eq!(code(&short, version), Err(Errors::CorruptMessage));
    }
}

#[test]
fn zstd_needs_produce_version_7() {
    for version in 3..=11 {
        let expected = if version < 7 { Err(Errors::UnsupportedCompressionType) } else { Ok(()) };
        assert_eq!(check_records(Some(&batch(2, 4)), version).map_err(|e| e.code()), expected);
        assert!(check_records(Some(&batch(2, 3)), version).is_ok());
    }
}

#[test]
fn before_version_3_the_magic_byte_decides_alone() {
    for version in 0..3 {
        for records in
            [None, Some(&b""[..]), Some(&batch(0, 0)), Some(&batch(1, 0)), Some(&batch(2, 0))]
        {
            assert!(check_records(records, version).is_ok());
        }
    }
}

/// The memory of requests in a process that may use 256 MB: a quarter.
const SMALL_POOL_BYTES: usize = 64 << 20;
const MANY: i32 = 10_000;

/// With the longest names, and texts of offsets, that there may be.
#[test]
fn ten_thousand_partitions_groups_and_offsets_are_answered_under_little_memory() {
    let pool = MemoryPool::new(SMALL_POOL_BYTES);
    for body in [metadata_of_many(), groups_of_many(), offsets_of_many()] {
        for version in body.api_key().versions() {
            let mut memory = MemoryDraw::new(&pool);
            let answer = response_bytes(&header(body.api_key(), version), &body, &mut memory);
            let bytes = answer.unwrap().len();
            assert!(bytes > 100_000, "{:?} {version}: {bytes}", body.api_key());
            assert_eq!(memory.bytes(), bytes, "all of it is drawn");
        }
    }
    assert_eq!(pool.drawn_bytes(), 0);
}

/// The bytes of the answer are never touched, so they take no memory.
#[test]
fn an_answer_of_two_gibibytes_is_an_error_and_draws_nothing() {
    let assignment = vec![0; 1 << 31];
    let body = ResponseBody::SyncGroup(SyncGroupResponse { assignment, ..Default::default() });
    for version in ApiKeys::SyncGroup.versions() {
        let mut memory = MemoryDraw::new(&MemoryPool::unlimited());
        let answer = response_bytes(&header(ApiKeys::SyncGroup, version), &body, &mut memory);
        assert!(matches!(answer, Err(EncodeError::TooLarge { .. })), "{version}");
        assert_eq!(memory.bytes(), 0);
    }
}

fn metadata_of_many() -> ResponseBody {
    let partition = |partition_index| MetadataResponsePartition {
        partition_index,
        replica_nodes: vec![0],
        isr_nodes: vec![0],
        ..MetadataResponsePartition::default()
    };
    let topic = MetadataResponseTopic {
        name: Some("t".repeat(249)),
        partitions: (0..MANY).map(partition).collect(),
        ..MetadataResponseTopic::default()
    };
    ResponseBody::Metadata(MetadataResponse { topics: vec![topic], ..Default::default() })
}

fn groups_of_many() -> ResponseBody {
    let group = ListedGroup {
        group_id: "g".repeat(249),
        protocol_type: "consumer".to_string(),
        group_state: "PreparingRebalance".to_string(),
        group_type: "classic".to_string(),
    };
    let groups = vec![group; MANY as usize];
    ResponseBody::ListGroups(ListGroupsResponse { groups, ..Default::default() })
}

fn offsets_of_many() -> ResponseBody {
    let partition = |partition_index| OffsetFetchResponsePartition {
        partition_index,
        metadata: "m".repeat(4_096),
        ..OffsetFetchResponsePartition::default()
    };
    let topics = vec![OffsetFetchResponseTopic {
        name: "t".repeat(249),
        partitions: (0..MANY).map(partition).collect(),
    }];
    let group = OffsetFetchResponseGroup { topics: topics.clone(), ..Default::default() };
    let groups = vec![group];
    ResponseBody::OffsetFetch(OffsetFetchResponse { topics, groups, ..Default::default() })
}
