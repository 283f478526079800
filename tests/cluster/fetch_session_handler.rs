//! Ports of `org.apache.kafka.clients.FetchSessionHandlerTest`, as far as it speaks of topics with ids.

use transferto::common::errors::Errors;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::common::units::{LeaderEpoch, Offset};
use transferto::protocol::fetch::{
    FetchResponse, FetchResponseHeader, FetchResponsePartition, FetchResponseTopic,
    PartitionHeader, TopicHeader,
};
use transferto::protocol::wire::uuid::Uuid;
use transferto::replica::fetcher::leader_end_point::ReplicaFetchPartition;
use transferto::server::replication::fetch_metadata::{FetchMetadata, INITIAL_EPOCH};
use transferto::server::replication::fetch_session_handler::{
    FetchRequestData, FetchSessionHandler, SessionFault,
};

const FOO: [u8; 16] = [1; 16];
const BAR: [u8; 16] = [2; 16];

type Asked = (TopicAndPartition, ReplicaFetchPartition);

fn asked(topic: &str, topic_id: [u8; 16], partition: i32, fetch_offset: i64) -> Asked {
    let of_partition = ReplicaFetchPartition {
        topic_id,
        current_leader_epoch: LeaderEpoch(0),
        fetch_offset: Offset(fetch_offset),
        last_fetched_epoch: None,
        log_start_offset: Offset(0),
        max_bytes: 200,
    };
    (TopicAndPartition::new(topic, partition), of_partition)
}

fn foo(partition: i32, fetch_offset: i64) -> Asked {
    asked("foo", FOO, partition, fetch_offset)
}

fn bar(partition: i32, fetch_offset: i64) -> Asked {
    asked("bar", BAR, partition, fetch_offset)
}

fn response(error: Errors, session_id: i32, partitions: &[([u8; 16], i32)]) -> FetchResponse {
    let topic = |&(topic_id, partition): &([u8; 16], i32)| FetchResponseTopic {
        header: TopicHeader { topic_id: Uuid(topic_id), ..TopicHeader::default() },
        partitions: vec![FetchResponsePartition {
            header: PartitionHeader { partition, ..PartitionHeader::default() },
            ..FetchResponsePartition::default()
        }],
    };
    let header = FetchResponseHeader { error_code: error.code(), session_id, ..Default::default() };
    let topics = partitions.iter().map(topic).collect();
    FetchResponse { header, topics, ..FetchResponse::default() }
}

/// What the handler takes of a response: the names of the partitions.
fn handle(
    handler: &mut FetchSessionHandler,
    response: &FetchResponse,
) -> Result<Vec<String>, SessionFault> {
    let partitions = handler.handle_response(response)?;
    Ok(partitions.iter().map(|(key, _)| key.to_string()).collect())
}

/// A handler in whose session 123 these are.
fn in_session(partitions: &[Asked]) -> FetchSessionHandler {
    let mut handler = FetchSessionHandler::new(1);
    assert!(handler.build(partitions).metadata.is_full());
    let ids: Vec<_> = partitions.iter().map(|(key, it)| (it.topic_id, key.partition)).collect();
    let taken = handle(&mut handler, &response(Errors::None, 123, &ids)).unwrap();
    assert_eq!(taken.len(), partitions.len());
    handler
}

fn full(partitions: &[Asked]) -> FetchRequestData {
    FetchRequestData {
        metadata: FetchMetadata::INITIAL,
        to_send: partitions.to_vec(),
        to_forget: Vec::new(),
    }
}

fn refused(result: Result<Vec<String>, SessionFault>) -> String {
    match result {
        Err(SessionFault::Refused(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

/// Port of `FetchSessionHandlerTest.testSessionless`.
#[test]
fn a_leader_without_sessions_is_asked_for_everything_each_time() {
    let mut handler = FetchSessionHandler::new(1);
    let both = [foo(0, 0), foo(1, 10)];
    assert_eq!(handler.build(&both), full(&both));
    let taken = handle(&mut handler, &response(Errors::None, 0, &[(FOO, 0), (FOO, 1)])).unwrap();
    assert_eq!(taken, ["foo-0", "foo-1"]);
    assert_eq!(handler.build(&both[..1]), full(&both[..1]));
}

/// Port of `FetchSessionHandlerTest.testIncrementals`.
#[test]
fn in_a_session_only_what_has_changed_is_named() {
    let mut handler = in_session(&[foo(0, 0), foo(1, 10)]);
    let now = [foo(0, 0), foo(1, 20), bar(0, 20)];
    let data = handler.build(&now);
    assert_eq!(data.metadata, FetchMetadata { session_id: 123, epoch: 1 });
    assert_eq!((&data.to_send[..], &data.to_forget[..]), (&now[1..], &[][..]));
    let taken = handle(&mut handler, &response(Errors::None, 123, &[(FOO, 1)])).unwrap();
    assert_eq!(taken, ["foo-1"], "of the others there is nothing new");

    let data = handler.build(&now);
    assert_eq!(data.metadata, FetchMetadata { session_id: 123, epoch: 2 });
    assert_eq!((data.to_send, data.to_forget), (vec![], vec![]));
    let error = Errors::InvalidFetchSessionEpoch;
    let lost = handle(&mut handler, &response(error, 0, &[]));
    assert_eq!(lost, Err(SessionFault::Lost(error)));
    let metadata = FetchMetadata { session_id: 123, epoch: INITIAL_EPOCH };
    assert_eq!(handler.build(&now), FetchRequestData { metadata, ..full(&now) }, "it is closed");
}

/// Port of `FetchSessionHandlerTest.testIncrementalPartitionRemoval`.
#[test]
fn what_is_not_wanted_any_more_is_dropped_from_the_session() {
    let mut handler = in_session(&[foo(0, 0), foo(1, 10), bar(0, 20)]);
    let mut data = handler.build(&[foo(1, 10)]);
    data.to_forget.sort_unstable();
    let metadata = FetchMetadata { session_id: 123, epoch: 1 };
    let to_forget = vec![(FOO, 0), (BAR, 0)];
    assert_eq!(data, FetchRequestData { metadata, to_send: vec![], to_forget });

    let lost = handle(&mut handler, &response(Errors::FetchSessionIdNotFound, 0, &[]));
    assert_eq!(lost, Err(SessionFault::Lost(Errors::FetchSessionIdNotFound)));
    assert_eq!(handler.build(&[foo(0, 0)]), full(&[foo(0, 0)]));
}

/// Port of `FetchSessionHandlerTest.testTopicIdReplaced`.
#[test]
fn a_topic_that_was_made_anew_takes_the_place_of_the_old_one() {
    let mut handler = in_session(&[foo(0, 0)]);
    let anew = asked("foo", BAR, 0, 0);
    let data = handler.build(std::slice::from_ref(&anew));
    let metadata = FetchMetadata { session_id: 123, epoch: 1 };
    let to_send = vec![anew];
    assert_eq!(data, FetchRequestData { metadata, to_send, to_forget: vec![(FOO, 0)] });
    let of_old = handle(&mut handler, &response(Errors::None, 123, &[(FOO, 0)]));
    assert!(refused(of_old).contains("which was not asked for"));
}

/// Port of `FetchSessionHandlerTest.testIdUsageWithAllForgottenPartitions` and
/// `FetchSessionHandlerTest.testOkToAddNewIdAfterTopicRemovedFromSession`.
#[test]
fn a_session_outlives_its_last_partition() {
    let mut handler = in_session(&[foo(0, 0)]);
    let data = handler.build(&[]);
    assert_eq!(data.to_forget, [(FOO, 0)]);
    assert_eq!(handle(&mut handler, &response(Errors::None, 123, &[])).unwrap().len(), 0);
    let data = handler.build(&[asked("foo", BAR, 0, 0)]);
    assert_eq!(data.metadata, FetchMetadata { session_id: 123, epoch: 2 });
    assert_eq!((data.to_send.len(), data.to_forget.len()), (1, 0));
}

/// Port of `FetchSessionHandlerTest.testVerifyFullFetchResponsePartitions` and
/// `FetchSessionHandlerTest.testVerifyFullFetchResponsePartitionsWithTopicIds`.
#[test]
fn the_answer_to_a_full_request_has_what_was_asked_for_and_nothing_else() {
    let both = [foo(0, 0), bar(0, 20)];
    for (partitions, why) in [
        (&[(FOO, 0)][..], "without 1 of its partitions"),
        (&[(FOO, 0), (BAR, 0), (BAR, 1)], "bar-1, which was not asked for"),
        (&[(FOO, 0), ([3; 16], 0)], "which was not asked for"),
    ] {
        let mut handler = FetchSessionHandler::new(1);
        handler.build(&both);
        let result = handle(&mut handler, &response(Errors::None, 123, partitions));
        assert!(refused(result).contains(why), "{partitions:?}");
        assert_eq!(handler.build(&both), full(&both), "no session comes of it");
    }
}

/// Port of `FetchSessionHandlerTest.testTopLevelErrorResetsMetadata`.
#[test]
fn a_refused_request_ends_the_session() {
    let mut handler = in_session(&[foo(0, 0)]);
    handler.build(&[foo(0, 0)]);
    let result = handle(&mut handler, &response(Errors::UnknownServerError, 123, &[]));
    assert!(refused(result).contains("UNKNOWN_SERVER_ERROR"));
    let metadata = FetchMetadata { session_id: 123, epoch: INITIAL_EPOCH };
    assert_eq!(handler.build(&[foo(0, 0)]).metadata, metadata);
}

/// Nobody knows whether the leader has it.
#[test]
fn a_request_without_an_answer_ends_the_session() {
    let mut handler = in_session(&[foo(0, 0)]);
    handler.build(&[foo(0, 5)]);
    handler.handle_error();
    let metadata = FetchMetadata { session_id: 123, epoch: INITIAL_EPOCH };
    assert_eq!(handler.build(&[foo(0, 5)]), FetchRequestData { metadata, ..full(&[foo(0, 5)]) });
}

/// KAFKA-6739: it has read nothing, which is no fault.
#[test]
fn a_leader_that_throttles_answers_a_full_request_with_nothing() {
    let mut handler = FetchSessionHandler::new(1);
    handler.build(&[foo(0, 0)]);
    let mut throttled = response(Errors::None, 123, &[]);
    throttled.header.throttle_time_ms = 7;
    assert_eq!(handle(&mut handler, &throttled).unwrap().len(), 0);
    assert_eq!(handler.build(&[foo(0, 0)]), full(&[foo(0, 0)]));
}

/// A leader that answers so to a request that begins a session would be asked again and again at once.
#[test]
fn a_session_that_has_not_begun_cannot_be_lost() {
    let mut handler = FetchSessionHandler::new(1);
    handler.build(&[foo(0, 0)]);
    let result = handle(&mut handler, &response(Errors::FetchSessionIdNotFound, 0, &[]));
    assert!(refused(result).contains("FETCH_SESSION_ID_NOT_FOUND"));
}
