//! The largest answer that a request can get: what it names a thousand times is answered once, or
//! with a few bytes each time.

use std::net::TcpStream;

use support::broker::Broker;
use support::client::{Client, topic_named};
use transferto::protocol::acl_filter::AclFilter;
use transferto::protocol::alter_client_quotas::{AlterClientQuotasRequest, AlterEntryData, OpData};
use transferto::protocol::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource, AlterableConfig,
};
use transferto::protocol::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, ScramCredentialDeletion,
};
use transferto::protocol::api_keys::ApiKeys;
use transferto::protocol::create_acls::{AclCreation, CreateAclsRequest};
use transferto::protocol::create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic};
use transferto::protocol::create_topics::{CreatableTopic, CreateTopicsRequest};
use transferto::protocol::delete_acls::{DeleteAclsFilter, DeleteAclsRequest};
use transferto::protocol::delete_groups::DeleteGroupsRequest;
use transferto::protocol::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use transferto::protocol::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use transferto::protocol::describe_acls::DescribeAclsRequest;
use transferto::protocol::describe_client_quotas::{
    ComponentData, DescribeClientQuotasRequest, EntityData,
};
use transferto::protocol::describe_configs::{DescribeConfigsRequest, DescribeConfigsResource};
use transferto::protocol::describe_groups::DescribeGroupsRequest;
use transferto::protocol::describe_log_dirs::{DescribableLogDirTopic, DescribeLogDirsRequest};
use transferto::protocol::describe_user_scram_credentials::{
    DescribeUserScramCredentialsRequest, UserName,
};
use transferto::protocol::fetch::{FetchPartition, FetchRequest, FetchTopic};
use transferto::protocol::find_coordinator::FindCoordinatorRequest;
use transferto::protocol::header::RequestHeader;
use transferto::protocol::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource, IncrementalAlterableConfig,
};
use transferto::protocol::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use transferto::protocol::leave_group::{LeaveGroupRequest, MemberIdentity};
use transferto::protocol::list_groups::ListGroupsRequest;
use transferto::protocol::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use transferto::protocol::metadata::MetadataRequest;
use transferto::protocol::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use transferto::protocol::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use transferto::protocol::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic,
};
use transferto::protocol::offset_for_leader_epoch::{
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use transferto::protocol::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use transferto::protocol::request::{RequestBody, ResponseBody, request_bytes};
use transferto::protocol::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};
use transferto::protocol::write_txn_markers::{
    WritableTxnMarker, WritableTxnMarkerTopic, WriteTxnMarkersRequest,
};

/// A topic of many partitions, and a group that has committed an offset of it with a long text.
const TOPIC: &str = "wide";
const PARTITIONS: i32 = 50;
const GROUP: &str = "g";
const METADATA_BYTES: usize = 4_000;

const TIMES: usize = 1_000;
/// How many bytes of an answer each further byte of a request may bring: an error with its text, in
/// the place of a partition's number.
const ANSWER_PER_REQUEST_BYTE: usize = 16;

/// Each API asked for one thing, and asked for the same thing a thousand times.
#[test]
fn what_is_named_a_thousand_times_makes_no_answer_of_a_thousand_times() {
    let broker = Broker::start(&[
        ("authorizer.class.name", "kafka.security.auth.SimpleAclAuthorizer"),
        ("super.users", "User:ANONYMOUS"),
        ("num.partitions", &PARTITIONS.to_string()),
        ("offsets.topic.num.partitions", "1"),
    ]);
    let mut client = broker.connect_with_topic(TOPIC);
    client.create_topic("__consumer_offsets");
    commit_with_long_text(&mut client);
    let mut answers = 0;
    for &api in ApiKeys::ALL {
        for version in api.versions() {
            let (asked, once) = sizes(&broker, version, &naming(api, 1));
            let (asked_often, often) = sizes(&broker, version, &naming(api, TIMES));
            let bound = once + ANSWER_PER_REQUEST_BYTE * (asked_often - asked);
            assert!(
                often <= bound,
                "{} {version}: {asked} bytes were answered by {once}, {asked_often} by {often}",
                api.name()
            );
            answers += 1;
        }
    }
    assert_eq!(answers, ApiKeys::ALL.iter().map(|it| it.versions().count()).sum::<usize>());
}

/// The number of this broker in all its spellings, each a name of its own.
#[test]
fn a_broker_has_one_name_for_its_settings() {
    let broker = Broker::start(&[]);
    let described = |name: &str| {
        let request = DescribeConfigsRequest {
            resources: vec![resource_of_broker(name)],
            ..DescribeConfigsRequest::default()
        };
        match broker.connect().call(4, &RequestBody::DescribeConfigs(request), &[]).0 {
            ResponseBody::DescribeConfigs(it) => it.results[0].configs.len(),
            other => panic!("{other:?}"),
        }
    };
    assert!(described("0") > 40);
    for spelling in ["00", "+0", "-0"] {
        assert_eq!(described(spelling), 0, "{spelling}");
    }
}

fn commit_with_long_text(client: &mut Client) {
    let partition = OffsetCommitRequestPartition {
        committed_metadata: Some("m".repeat(METADATA_BYTES)),
        ..OffsetCommitRequestPartition::default()
    };
    let request = commit_of(GROUP, vec![partition]);
    match client.call(7, &RequestBody::OffsetCommit(request), &[]).0 {
        ResponseBody::OffsetCommit(it) => assert_eq!(it.topics[0].partitions[0].error_code, 0),
        other => panic!("{other:?}"),
    }
}

/// The bytes of a request, and of its answer.
fn sizes(broker: &Broker, version: i16, body: &RequestBody) -> (usize, usize) {
    let mut client = Client::over(TcpStream::connect(("127.0.0.1", broker.port())).unwrap());
    let header = RequestHeader {
        api_key: body.api_key(),
        api_version: version,
        correlation_id: 1,
        client_id: None,
    };
    let frame = request_bytes(&header, body, &[]);
    client.send_frame(&frame);
    (frame.len(), client.receive_frame().len())
}

/// A request of an API, in the fields of all its versions, that names one thing so many times.
#[allow(clippy::too_many_lines, reason = "one arm for each API")]
fn naming(api: ApiKeys, times: usize) -> RequestBody {
    match api {
        ApiKeys::Produce => {
            let partition = PartitionProduceData { index: 0, records: None };
            let partitions = vec![partition; times];
            let topics = vec![TopicProduceData { name: TOPIC.to_string(), partitions }];
            let request = ProduceRequest { acks: 1, timeout_ms: 1, ..ProduceRequest::default() };
            RequestBody::Produce(ProduceRequest { topics, ..request })
        }
        ApiKeys::Fetch => {
            let partitions = vec![FetchPartition::default(); times];
            let topics =
                vec![FetchTopic { topic: TOPIC.to_string(), partitions, ..FetchTopic::default() }];
            RequestBody::Fetch(FetchRequest { max_wait_ms: 0, topics, ..FetchRequest::default() })
        }
        ApiKeys::ListOffsets => {
            let partitions = vec![ListOffsetsPartition::default(); times];
            let topics = vec![ListOffsetsTopic { name: TOPIC.to_string(), partitions }];
            RequestBody::ListOffsets(ListOffsetsRequest { topics, ..Default::default() })
        }
        ApiKeys::Metadata => {
            let topics = Some(vec![topic_named(TOPIC); times]);
            RequestBody::Metadata(MetadataRequest { topics, ..MetadataRequest::default() })
        }
        ApiKeys::OffsetCommit => {
            let partitions = vec![OffsetCommitRequestPartition::default(); times];
            RequestBody::OffsetCommit(commit_of("other", partitions))
        }
        ApiKeys::OffsetFetch => {
            let topic = |times| OffsetFetchRequestTopic {
                name: TOPIC.to_string(),
                partition_indexes: vec![0; times],
            };
            let group = OffsetFetchRequestGroup {
                group_id: GROUP.to_string(),
                topics: Some(vec![topic(1); times]),
            };
            RequestBody::OffsetFetch(OffsetFetchRequest {
                group_id: GROUP.to_string(),
                topics: Some(vec![topic(times)]),
                groups: vec![group; 2],
                ..OffsetFetchRequest::default()
            })
        }
        ApiKeys::FindCoordinator => RequestBody::FindCoordinator(FindCoordinatorRequest {
            key: GROUP.to_string(),
            coordinator_keys: names(GROUP, times),
            ..FindCoordinatorRequest::default()
        }),
        ApiKeys::JoinGroup => RequestBody::JoinGroup(JoinGroupRequest {
            group_id: format!("of {times}"),
            session_timeout_ms: 1,
            protocol_type: "consumer".to_string(),
            protocols: vec![
                JoinGroupRequestProtocol {
                    name: "range".to_string(),
                    metadata: vec![1]
                };
                times
            ],
            ..JoinGroupRequest::default()
        }),
        ApiKeys::Heartbeat => RequestBody::Heartbeat(Default::default()),
        ApiKeys::LeaveGroup => {
            let group_instance_id = Some("i1".to_string());
            let member = MemberIdentity { group_instance_id, ..MemberIdentity::default() };
            RequestBody::LeaveGroup(LeaveGroupRequest {
                group_id: GROUP.to_string(),
                members: vec![member; times],
                ..LeaveGroupRequest::default()
            })
        }
        ApiKeys::SyncGroup => {
            let assignment =
                SyncGroupRequestAssignment { member_id: "m1".to_string(), assignment: vec![1] };
            RequestBody::SyncGroup(SyncGroupRequest {
                group_id: GROUP.to_string(),
                assignments: vec![assignment; times],
                ..SyncGroupRequest::default()
            })
        }
        ApiKeys::DescribeGroups => RequestBody::DescribeGroups(DescribeGroupsRequest {
            groups: names(GROUP, times),
            include_authorized_operations: true,
        }),
        ApiKeys::ListGroups => RequestBody::ListGroups(ListGroupsRequest {
            states_filter: names("Empty", times),
            types_filter: names("classic", times),
        }),
        ApiKeys::SaslHandshake => RequestBody::SaslHandshake(Default::default()),
        ApiKeys::SaslAuthenticate => RequestBody::SaslAuthenticate(Default::default()),
        ApiKeys::ApiVersions => RequestBody::ApiVersions(Default::default()),
        ApiKeys::CreateTopics => {
            let topic = CreatableTopic {
                name: TOPIC.to_string(),
                num_partitions: 1,
                replication_factor: 1,
                ..CreatableTopic::default()
            };
            let topics = vec![topic; times];
            RequestBody::CreateTopics(CreateTopicsRequest { topics, ..Default::default() })
        }
        ApiKeys::DeleteTopics => {
            let topic = DeleteTopicState { name: Some("none".to_string()), ..Default::default() };
            RequestBody::DeleteTopics(DeleteTopicsRequest {
                topics: vec![topic; times],
                topic_names: names("none", times),
                timeout_ms: 1,
            })
        }
        ApiKeys::DeleteRecords => {
            let partitions = vec![DeleteRecordsPartition::default(); times];
            let topics = vec![DeleteRecordsTopic { name: TOPIC.to_string(), partitions }];
            RequestBody::DeleteRecords(DeleteRecordsRequest { topics, timeout_ms: 1 })
        }
        ApiKeys::InitProducerId => RequestBody::InitProducerId(Default::default()),
        ApiKeys::OffsetForLeaderEpoch => {
            let partitions = vec![OffsetForLeaderPartition::default(); times];
            let topics = vec![OffsetForLeaderTopic { topic: TOPIC.to_string(), partitions }];
            let request = OffsetForLeaderEpochRequest { topics, ..Default::default() };
            RequestBody::OffsetForLeaderEpoch(request)
        }
        ApiKeys::WriteTxnMarkers => {
            let (name, partition_indexes) = (TOPIC.to_string(), vec![0; times]);
            let topics = vec![WritableTxnMarkerTopic { name, partition_indexes }];
            let marker = WritableTxnMarker { topics, ..Default::default() };
            RequestBody::WriteTxnMarkers(WriteTxnMarkersRequest { markers: vec![marker] })
        }
        ApiKeys::DescribeAcls => RequestBody::DescribeAcls(DescribeAclsRequest { filter: ANY_ACL }),
        ApiKeys::CreateAcls => {
            let creation = AclCreation {
                resource_type: 2,
                resource_name: TOPIC.to_string(),
                principal: "User:a".to_string(),
                host: "*".to_string(),
                operation: 3,
                permission_type: 3,
                ..AclCreation::default()
            };
            RequestBody::CreateAcls(CreateAclsRequest { creations: vec![creation; times] })
        }
        ApiKeys::DeleteAcls => {
            let filter = DeleteAclsFilter { filter: ANY_ACL };
            RequestBody::DeleteAcls(DeleteAclsRequest { filters: vec![filter; times] })
        }
        ApiKeys::DescribeConfigs => RequestBody::DescribeConfigs(DescribeConfigsRequest {
            resources: vec![resource_of_broker("0"); times],
            include_synonyms: true,
            include_documentation: true,
        }),
        ApiKeys::AlterConfigs => {
            let config = AlterableConfig { name: "none".to_string(), value: None };
            let resource = AlterConfigsResource {
                resource_type: 2,
                resource_name: TOPIC.to_string(),
                configs: vec![config; times],
            };
            let resources = vec![resource; 2];
            RequestBody::AlterConfigs(AlterConfigsRequest { resources, validate_only: true })
        }
        ApiKeys::DescribeLogDirs => {
            let topic = DescribableLogDirTopic {
                topic: TOPIC.to_string(),
                partitions: (0..PARTITIONS).collect(),
            };
            let topics = Some(vec![topic; times]);
            RequestBody::DescribeLogDirs(DescribeLogDirsRequest { topics })
        }
        ApiKeys::CreatePartitions => {
            let topic = CreatePartitionsTopic { name: TOPIC.to_string(), ..Default::default() };
            let request =
                CreatePartitionsRequest { topics: vec![topic; times], ..Default::default() };
            RequestBody::CreatePartitions(request)
        }
        ApiKeys::DeleteGroups => {
            RequestBody::DeleteGroups(DeleteGroupsRequest { groups_names: names("none", times) })
        }
        ApiKeys::IncrementalAlterConfigs => {
            let config =
                IncrementalAlterableConfig { name: "none".to_string(), ..Default::default() };
            let resource = IncrementalAlterConfigsResource {
                resource_type: 2,
                resource_name: TOPIC.to_string(),
                configs: vec![config; times],
            };
            let resources = vec![resource; 2];
            let request = IncrementalAlterConfigsRequest { resources, validate_only: true };
            RequestBody::IncrementalAlterConfigs(request)
        }
        ApiKeys::OffsetDelete => {
            let partitions = vec![OffsetDeleteRequestPartition::default(); times];
            let topics = vec![OffsetDeleteRequestTopic { name: "none".to_string(), partitions }];
            RequestBody::OffsetDelete(OffsetDeleteRequest { group_id: GROUP.to_string(), topics })
        }
        ApiKeys::DescribeClientQuotas => {
            let component = ComponentData {
                entity_type: "client-id".to_string(),
                match_type: 2,
                match_name: None,
            };
            let components = vec![component; times];
            let request = DescribeClientQuotasRequest { components, strict: false };
            RequestBody::DescribeClientQuotas(request)
        }
        ApiKeys::AlterClientQuotas => {
            let entity = EntityData {
                entity_type: "client-id".to_string(),
                entity_name: Some("a".to_string()),
            };
            let op = OpData { key: "producer_byte_rate".to_string(), value: 1.0, remove: false };
            let entry = AlterEntryData { entity: vec![entity], ops: vec![op] };
            let entries = vec![entry; times];
            let request = AlterClientQuotasRequest { entries, validate_only: true };
            RequestBody::AlterClientQuotas(request)
        }
        ApiKeys::DescribeUserScramCredentials => {
            let users = (0..times).map(|it| UserName { name: it.to_string() });
            let request = DescribeUserScramCredentialsRequest { users: Some(users.collect()) };
            RequestBody::DescribeUserScramCredentials(request)
        }
        ApiKeys::AlterUserScramCredentials => {
            let deletion =
                |it: usize| ScramCredentialDeletion { name: it.to_string(), mechanism: 1 };
            let deletions = (0..times).map(deletion).collect();
            let upsertions = Vec::new();
            RequestBody::AlterUserScramCredentials(AlterUserScramCredentialsRequest {
                deletions,
                upsertions,
            })
        }
        ApiKeys::DescribeCluster => RequestBody::DescribeCluster(Default::default()),
        ApiKeys::ElectLeaders
        | ApiKeys::AlterPartitionReassignments
        | ApiKeys::ListPartitionReassignments
        | ApiKeys::DescribeQuorum
        | ApiKeys::UpdateFeatures
        | ApiKeys::UnregisterBroker
        | ApiKeys::AddRaftVoter
        | ApiKeys::RemoveRaftVoter
        | ApiKeys::UnregisterController => panic!("{api:?} has no answer of this broker's own"),
    }
}

const ANY_ACL: AclFilter = AclFilter {
    resource_type_filter: 1,
    resource_name_filter: None,
    pattern_type_filter: 1,
    principal_filter: None,
    host_filter: None,
    operation: 1,
    permission_type: 1,
};

fn names(name: &str, times: usize) -> Vec<String> {
    vec![name.to_string(); times]
}

fn resource_of_broker(name: &str) -> DescribeConfigsResource {
    DescribeConfigsResource {
        resource_type: 4,
        resource_name: name.to_string(),
        configuration_keys: None,
    }
}

fn commit_of(group_id: &str, partitions: Vec<OffsetCommitRequestPartition>) -> OffsetCommitRequest {
    let topics = vec![OffsetCommitRequestTopic { name: TOPIC.to_string(), partitions }];
    OffsetCommitRequest { group_id: group_id.to_string(), topics, ..OffsetCommitRequest::default() }
}
