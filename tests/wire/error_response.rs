//! The answer that only says an error: it says it for each thing that was asked, under the name by
//! which it was asked, in every version.

use transferto::common::errors::Errors;
use transferto::protocol::alter_configs::AlterConfigsResourceResponse;
use transferto::protocol::delete_records::INVALID_LOW_WATERMARK;
use transferto::protocol::find_coordinator::FindCoordinatorResponse;
use transferto::protocol::init_producer_id::NO_PRODUCER_ID;
use transferto::protocol::join_group::UNKNOWN_GENERATION_ID;
use transferto::protocol::offset_fetch::{NO_COMMITTED_OFFSET, OffsetFetchResponseTopic};
use transferto::protocol::produce::ProduceRequest;
use transferto::protocol::request::{RequestBody, ResponseBody, parse_response};

use crate::messages::log::produce_request;
use crate::messages::{access, admin, groups, header, log, requests, response_frame};

const ERROR: Errors = Errors::KafkaStorageError;
const CODE: i16 = ERROR.code();

/// The answer of each version to each request, as its client reads it.
fn answers(requests: Vec<RequestBody>) -> impl Iterator<Item = (i16, ResponseBody)> {
    requests.into_iter().flat_map(|request| {
        let response = request.error_response(ERROR).unwrap();
        request.api_key().versions().map(move |version| {
            let header = header(response.api_key(), version);
            let frame = response_frame(&header, &response, &[]);
            (version, parse_response(&header, &frame).unwrap().1)
        })
    })
}

#[test]
fn every_api_answers_an_error_in_every_version() {
    for request in requests() {
        let api = request.api_key();
        assert_eq!(request.error_response(ERROR).map(|it| it.api_key()), Some(api));
    }
    assert!(answers(requests()).count() > 150);
}

/// As many as the debugger's form of the response has fields of that name; those that a version does
/// not have read as 0.
#[test]
fn the_errors_of_a_response_are_found_in_all_of_its_parts() {
    for (version, response) in answers(requests()) {
        let shown = format!("{response:?}").matches(&format!("error_code: {CODE}")).count();
        let api = response.api_key();
        let mut found = Vec::new();
        let version = api.version(version).unwrap();
        response.for_each_error_code(version, &mut |code| found.push(code));
        let failed = found.iter().filter(|code| **code == CODE).count();
        assert_eq!(failed, shown, "{api:?} version {version:?}");
        assert!(found.iter().all(|code| [0, CODE].contains(code)), "{api:?} {found:?}");
    }
}

#[test]
fn every_partition_of_the_log_is_written() {
    for (_, response) in answers(log::requests()) {
        match response {
            ResponseBody::Produce(it) => {
                let found = &it.responses[0].partition_responses;
                let found: Vec<_> = found.iter().map(|it| (it.index, it.error_code)).collect();
                assert_eq!(found, [(3, CODE), (4, CODE)]);
            }
            ResponseBody::Fetch(it) => {
                let found = &it.topics[0].partitions[0];
                assert_eq!((found.header.partition, found.header.error_code), (3, CODE));
                assert!(found.records.clone().unwrap().is_empty());
            }
            ResponseBody::ListOffsets(it) => {
                let found = &it.topics[0].partitions[0];
                assert_eq!((found.partition_index, found.error_code), (3, CODE));
            }
            ResponseBody::Metadata(it) => {
                let found = &it.topics[0];
                assert_eq!((found.name.as_deref(), found.error_code), (Some("test"), CODE));
            }
            ResponseBody::ApiVersions(it) => assert_eq!(it.error_code, CODE),
            ResponseBody::InitProducerId(it) => {
                let found = (it.error_code, it.producer_id, it.producer_epoch);
                assert_eq!(found, (CODE, NO_PRODUCER_ID, -1));
            }
            ResponseBody::OffsetForLeaderEpoch(it) => {
                let found = &it.topics[0].partitions[0];
                assert_eq!((&*it.topics[0].topic, found.partition), ("test", 3));
                let found = (found.error_code, found.leader_epoch, found.end_offset);
                assert_eq!(found, (CODE, -1, -1));
            }
            ResponseBody::WriteTxnMarkers(it) => {
                let topic = &it.markers[0].topics[0];
                let found = topic.partitions.iter().map(|it| (it.partition_index, it.error_code));
                let found: Vec<_> = found.collect();
                assert_eq!((&*topic.name, found), ("test", vec![(3, CODE), (4, CODE)]));
                assert_eq!(it.markers[0].producer_id, 0x0102);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_group_is_answered_once_and_its_partitions_where_they_were_named() {
    for (version, response) in answers(groups::requests()) {
        match response {
            ResponseBody::OffsetCommit(it) => {
                let found = it.topics[0].partitions.iter();
                let found: Vec<_> = found.map(|it| (it.partition_index, it.error_code)).collect();
                assert_eq!((&*it.topics[0].name, found), ("test", vec![(3, CODE), (4, CODE)]));
            }
            ResponseBody::OffsetFetch(it) if version < 8 => {
                assert_nothing_committed(&it.topics);
                assert_eq!(it.error_code, if version < 2 { 0 } else { CODE });
            }
            ResponseBody::OffsetFetch(it) => {
                let [readers, others] = &it.groups[..] else { panic!("{it:?}") };
                assert_eq!((&*readers.group_id, readers.error_code), ("readers", CODE));
                assert_nothing_committed(&readers.topics);
                assert_eq!((&*others.group_id, others.error_code), ("others", CODE));
                assert!(others.topics.is_empty(), "all topics were asked for, and none is known");
            }
            ResponseBody::FindCoordinator(it) => assert_no_broker_is_named(version, &it),
            ResponseBody::JoinGroup(it) => {
                let found = (it.error_code, it.generation_id, &*it.member_id);
                assert_eq!(found, (CODE, UNKNOWN_GENERATION_ID, "me"));
                let no_protocol = if version < 7 { Some("") } else { None };
                assert_eq!(it.protocol_name.as_deref(), no_protocol);
            }
            ResponseBody::Heartbeat(it) => assert_eq!(it.error_code, CODE),
            ResponseBody::LeaveGroup(it) => {
                assert_eq!((it.error_code, it.members.len()), (CODE, 0))
            }
            ResponseBody::SyncGroup(it) => {
                assert_eq!((it.error_code, it.assignment.len()), (CODE, 0));
            }
            ResponseBody::DescribeGroups(it) => {
                let found = it.groups.iter().map(|it| (&*it.group_id, it.error_code));
                assert_eq!(found.collect::<Vec<_>>(), [("readers", CODE), ("others", CODE)]);
            }
            ResponseBody::ListGroups(it) => assert_eq!((it.error_code, it.groups.len()), (CODE, 0)),
            ResponseBody::DeleteGroups(it) => {
                let found = it.results.iter().map(|it| (&*it.group_id, it.error_code));
                assert_eq!(found.collect::<Vec<_>>(), [("readers", CODE), ("others", CODE)]);
            }
            ResponseBody::OffsetDelete(it) => assert_eq!(it.error_code, CODE),
            other => panic!("{other:?}"),
        }
    }
}

/// The partitions 3 and 4 of `test` have the error, and no offset.
fn assert_nothing_committed(topics: &[OffsetFetchResponseTopic]) {
    let found = topics[0].partitions.iter();
    let found: Vec<_> = found.map(|it| (it.partition_index, it.error_code)).collect();
    assert_eq!((&*topics[0].name, found), ("test", vec![(3, CODE), (4, CODE)]));
    for partition in &topics[0].partitions {
        assert_eq!(partition.committed_offset, NO_COMMITTED_OFFSET);
        assert_eq!((partition.committed_leader_epoch, &*partition.metadata), (-1, ""));
    }
}

fn assert_no_broker_is_named(version: i16, response: &FindCoordinatorResponse) {
    if version < 4 {
        assert_eq!((response.error_code, response.node_id), (CODE, -1));
        assert_eq!((&*response.host, response.port), ("", -1));
        let message = (version > 0).then_some(ERROR.message());
        assert_eq!(response.error_message.as_deref(), message);
    } else {
        let keys: Vec<_> = response.coordinators.iter().map(|it| &*it.key).collect();
        assert_eq!(keys, ["writers", "tx"]);
    }
    for it in &response.coordinators {
        assert_eq!((it.error_code, it.node_id, &*it.host, it.port), (CODE, -1, "", -1));
        assert_eq!(it.error_message.as_deref(), Some(ERROR.message()));
    }
}

#[test]
fn every_topic_broker_and_setting_is_written() {
    for (version, response) in answers(admin::requests()) {
        let message = Some(ERROR.message());
        match response {
            ResponseBody::CreateTopics(it) => {
                let found = &it.topics[0];
                assert_eq!((&*found.name, found.error_code), ("test", CODE));
                let message = message.filter(|_| version >= 1);
                assert_eq!(found.error_message.as_deref(), message);
                assert_eq!((found.num_partitions, found.replication_factor), (-1, -1));
            }
            ResponseBody::DeleteTopics(it) => {
                let found = it.responses.iter().map(|it| (it.name.as_deref(), it.error_code));
                let found: Vec<_> = found.collect();
                assert_eq!(found[..2], [(Some("test"), CODE), (Some("old"), CODE)]);
                let message = message.filter(|_| version >= 5);
                assert_eq!(it.responses[0].error_message.as_deref(), message);
                if version >= 6 {
                    assert_eq!(found[2..], [(Some("new"), CODE), (None, CODE)]);
                    assert_eq!(it.responses[3].topic_id.0, [0xAA; 16]);
                }
            }
            ResponseBody::DeleteRecords(it) => {
                let found = &it.topics[0].partitions[0];
                assert_eq!((&*it.topics[0].name, found.partition_index), ("test", 3));
                let found = (found.error_code, found.low_watermark);
                assert_eq!(found, (CODE, INVALID_LOW_WATERMARK));
            }
            ResponseBody::CreatePartitions(it) => {
                let found = it.results.iter().map(|it| (&*it.name, it.error_code));
                assert_eq!(found.collect::<Vec<_>>(), [("test", CODE), ("old", CODE)]);
                assert_eq!(it.results[0].error_message.as_deref(), message);
            }
            ResponseBody::DescribeConfigs(it) => {
                let found = it
                    .results
                    .iter()
                    .map(|it| (it.resource_type, &*it.resource_name, it.error_code));
                assert_eq!(found.collect::<Vec<_>>(), [(2, "test", CODE), (4, "1", CODE)]);
                assert_eq!(it.results[0].error_message.as_deref(), message);
            }
            ResponseBody::AlterConfigs(it) => assert_resource_is_answered(&it.responses[0]),
            ResponseBody::IncrementalAlterConfigs(it) => {
                assert_resource_is_answered(&it.responses[0])
            }
            ResponseBody::DescribeCluster(it) => {
                assert_eq!((it.error_code, it.error_message.as_deref()), (CODE, message));
                assert_eq!((it.controller_id, it.brokers.len()), (-1, 0));
            }
            ResponseBody::DescribeLogDirs(it) => {
                let code = if version < 3 { 0 } else { CODE };
                assert_eq!((it.error_code, it.results.len()), (code, 0));
            }
            other => panic!("{other:?}"),
        }
    }
}

fn assert_resource_is_answered(found: &AlterConfigsResourceResponse) {
    assert_eq!((found.resource_type, &*found.resource_name), (2, "test"));
    assert_eq!(found.error_code, CODE);
    assert_eq!(found.error_message.as_deref(), Some(ERROR.message()));
}

#[test]
fn every_access_rule_and_quota_is_written() {
    for (_, response) in answers(access::requests()) {
        let message = Some(ERROR.message());
        match response {
            ResponseBody::DescribeAcls(it) => {
                assert_eq!((it.error_code, it.error_message.as_deref()), (CODE, message));
            }
            ResponseBody::CreateAcls(it) => {
                let found = &it.results[0];
                assert_eq!((found.error_code, found.error_message.as_deref()), (CODE, message));
            }
            ResponseBody::DeleteAcls(it) => {
                let found = &it.filter_results[0];
                assert_eq!((found.error_code, found.error_message.as_deref()), (CODE, message));
            }
            ResponseBody::DescribeClientQuotas(it) => {
                assert_eq!((it.error_code, it.error_message.as_deref()), (CODE, message));
                assert_eq!(it.entries, None);
            }
            ResponseBody::AlterClientQuotas(it) => {
                let found = &it.entries[0];
                assert_eq!((found.error_code, found.error_message.as_deref()), (CODE, message));
                assert_eq!(found.entity[0].entity_name.as_deref(), Some("me"));
            }
            ResponseBody::SaslAuthenticate(it) => {
                assert_eq!((it.error_code, it.error_message.as_deref()), (CODE, message));
            }
            ResponseBody::DescribeUserScramCredentials(it) => {
                assert_eq!((it.error_code, it.error_message.as_deref()), (CODE, message));
            }
            ResponseBody::AlterUserScramCredentials(it) => {
                let users: Vec<_> = it.results.iter().map(|it| it.user.as_str()).collect();
                assert_eq!(users, ["bob", "alice"]);
                for it in &it.results {
                    assert_eq!((it.error_code, it.error_message.as_deref()), (CODE, message));
                }
            }
            ResponseBody::SaslHandshake(it) => {
                assert_eq!((it.error_code, it.mechanisms.len()), (CODE, 0));
            }
            other => panic!("{other:?}"),
        }
    }
}

/// The old consumer's question is answered so, with an error that is none.
#[test]
fn offsets_that_nobody_committed_are_no_error() {
    let request = groups::offset_fetch_request();
    let response = request.error_response(Errors::None);
    assert_eq!((response.error_code, response.topics[0].partitions[0].error_code), (0, 0));
    assert_eq!(response.topics[0].partitions[0].committed_offset, -1);
}

#[test]
fn a_produce_request_with_acks_0_has_no_answer_not_even_an_error() {
    let request = RequestBody::Produce(ProduceRequest { acks: 0, ..produce_request() });
    assert_eq!(request.error_response(Errors::UnknownServerError), None);
}
