//! What a client may do, over real sockets: the admin comes from 127.0.0.1, the one whose rights are
//! tried from 127.0.0.2. Over PLAINTEXT the address is all that tells them apart.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use Operation as Op;
use ResourceType::{Cluster, Group, Topic};
use nix::sys::signal::Signal;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect as connect_socket, socket,
};
use support::broker::Broker;
use support::broker_process::BrokerProcess;
use support::client::{Client, Fetched, fetch_request, fetch_topic, produce_request};
use support::records::{batch, stored};
use support::temp::TempDir;
use transferto::common::errors::Errors;
use transferto::common::kafka_principal::KafkaPrincipal;
use transferto::protocol::api_keys::ApiKeys;
use transferto::protocol::create_acls::{AclCreation, CreateAclsRequest};
use transferto::protocol::delete_acls::DeleteAclsRequest;
use transferto::protocol::describe_acls::DescribeAclsResponse;
use transferto::protocol::describe_cluster::DescribeClusterRequest;
use transferto::protocol::describe_groups::DescribeGroupsRequest;
use transferto::protocol::fetch::TOPIC_IDS_VERSION;
use transferto::protocol::list_groups::ListGroupsRequest;
use transferto::protocol::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use transferto::protocol::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup};
use transferto::protocol::produce::{PartitionProduceData, TopicProduceData};
use transferto::protocol::request::{RequestBody, ResponseBody};
use transferto::protocol::wire::uuid::Uuid;
use transferto::registry::acl_registry::ACL_FILE;
use transferto::server::security::authorizer::{
    AclBinding, AclBindingFilter, Authorizer, CLUSTER_NAME, Operation, Resource, ResourceType,
};

use crate::security::rights::{
    Case, GROUP, Right, TOPIC, cases, codes, creation, describe_acls, filter_of_host,
    find_coordinator, metadata_topic, offset_commit,
};

const GUEST: &str = "127.0.0.2";
const ALLOW: i8 = 3;
const DENY: i8 = 2;

const SETTINGS: &[(&str, &str)] = &[
    ("authorizer.class.name", "kafka.security.auth.SimpleAclAuthorizer"),
    ("offsets.topic.num.partitions", "1"),
];

/// The first ACLs, as an admin writes them by hand before the first start.
const FIRST_ACLS: &str = "0\n4\n\
    Topic Literal * User:ANONYMOUS 127.0.0.1 All Allow\n\
    Group Literal * User:ANONYMOUS 127.0.0.1 All Allow\n\
    Cluster Literal kafka-cluster User:ANONYMOUS 127.0.0.1 All Allow\n\
    TransactionalId Literal * User:ANONYMOUS 127.0.0.1 All Allow\n";

fn start() -> Broker {
    let dir = Arc::new(TempDir::new());
    std::fs::write(dir.path().join(ACL_FILE), FIRST_ACLS).unwrap();
    Broker::start_in(dir, SETTINGS)
}

/// A client that comes from another address of this machine.
fn guest(broker: &Broker) -> Client {
    let port = broker.port();
    let (family, kind) = (AddressFamily::Inet, SockType::Stream);
    let it = socket(family, kind, SockFlag::SOCK_CLOEXEC, None).unwrap();
    bind(it.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 2, 0)).unwrap();
    connect_socket(it.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, port)).unwrap();
    Client::over(TcpStream::from(it))
}

fn create(admin: &mut Client, version: i16, creations: Vec<AclCreation>) -> Vec<i16> {
    let request = RequestBody::CreateAcls(CreateAclsRequest { creations });
    codes(&admin.call(version, &request, &[]).0)
}

fn allow(admin: &mut Client, right: Right) {
    assert_eq!(create(admin, 3, vec![creation(right, GUEST, ALLOW)]), [0]);
}

fn deny(admin: &mut Client, right: Right) {
    assert_eq!(create(admin, 3, vec![creation(right, GUEST, DENY)]), [0]);
}

/// Takes away all the guest's ACLs, and returns how many there were.
fn disown(admin: &mut Client) -> usize {
    let request = DeleteAclsRequest { filters: vec![filter_of_host(GUEST)] };
    match admin.call(3, &RequestBody::DeleteAcls(request), &[]).0 {
        ResponseBody::DeleteAcls(it) => {
            assert_eq!(it.filter_results[0].error_code, 0);
            it.filter_results[0].matching_acls.len()
        }
        other => panic!("{other:?}"),
    }
}

fn described(client: &mut Client, version: i16) -> DescribeAclsResponse {
    match client.call(version, &RequestBody::DescribeAcls(describe_acls()), &[]).0 {
        ResponseBody::DescribeAcls(it) => it,
        other => panic!("{other:?}"),
    }
}

/// The topic and the group that the requests are about.
fn prepare(admin: &mut Client, records: &[u8]) {
    // The first question for a coordinator brings the topic of the offsets into being.
    admin.call(4, &RequestBody::FindCoordinator(find_coordinator(0)), &[]);
    if admin.metadata(12, Some(&[TOPIC])).topics[0].error_code != 0 {
        admin.create_topic(TOPIC);
        assert_eq!(admin.produce(TOPIC, 0, records).error_code, 0);
    }
    let request = RequestBody::OffsetCommit(offset_commit());
    assert_eq!(codes(&admin.call(8, &request, &[]).0), [0]);
}

fn is_refused(codes: &[i16]) -> bool {
    let refused = [29, 30, 31, 53];
    codes.iter().any(|code| refused.contains(code))
}

/// Whether this version can ask the question, and its answer has room for the error.
fn fits(body: &RequestBody, version: i16) -> bool {
    match body {
        RequestBody::FindCoordinator(it) => it.key_type == 0 || version >= 1,
        RequestBody::DescribeLogDirs(_) => version >= 3,
        // Before version 3 a producer sends messages of another format.
        RequestBody::Produce(_) => version >= 3,
        _ => true,
    }
}

/// The same request in a version that names topics by their ids, and followers elsewhere.
fn by_id(admin: &mut Client, body: &RequestBody, version: i16) -> RequestBody {
    let mut body = body.clone();
    if let RequestBody::Fetch(fetch) = &mut body
        && version >= TOPIC_IDS_VERSION
    {
        let topic_id = admin.metadata(12, Some(&[TOPIC])).topics[0].topic_id;
        fetch.topics.iter_mut().for_each(|topic| topic.topic_id = topic_id);
        fetch.replica_state.replica_id = fetch.replica_id;
    }
    body
}

/// Port of `AuthorizerIntegrationTest.testAuthorizationWithTopicExisting`.
#[test]
fn every_request_in_every_version_needs_its_rights_and_no_more() {
    let broker = start();
    let (mut admin, mut guest) = (broker.connect(), guest(&broker));
    let records = batch(&[b"a"]);
    for Case { body, steps } in cases(records.len()) {
        let api = body.api_key();
        let payload = if api == ApiKeys::Produce { &records[..] } else { &[] };
        let versions = api.advertised_versions().unwrap();
        for version in versions.filter(|version| fits(&body, *version)) {
            prepare(&mut admin, &records);
            let body = by_id(&mut admin, &body, version);
            for (error, right) in &steps {
                let found = codes(&guest.call(version, &body, payload).0);
                let (is_some, is_all) =
                    (!found.is_empty(), found.iter().all(|it| *it == error.code()));
                assert!(is_some && is_all, "{api:?} {version} without {right:?}: {found:?}");
                allow(&mut admin, *right);
            }
            let found = codes(&guest.call(version, &body, payload).0);
            assert!(!is_refused(&found), "{api:?} {version} with {steps:?}: {found:?}");
            assert_eq!(disown(&mut admin), steps.len());
        }
    }
}

#[test]
fn no_api_is_left_out_of_the_requests_that_need_rights() {
    let asked: BTreeSet<_> = cases(0).iter().map(|it| it.body.api_key()).collect();
    let needs_none = BTreeSet::from([
        ApiKeys::SaslHandshake,
        ApiKeys::ApiVersions,
        ApiKeys::SaslAuthenticate,
        ApiKeys::ListGroups,
        ApiKeys::DescribeCluster,
    ]);
    let advertised = ApiKeys::ALL.iter().copied().filter(|it| it.is_advertised());
    let missing: Vec<_> =
        advertised.filter(|it| !asked.contains(it) && !needs_none.contains(it)).collect();
    assert_eq!(missing, []);
}

fn fetch_both(client: &mut Client) -> Vec<Fetched> {
    let topics =
        [(TOPIC, &[(0, 0), (1, 0)][..]), ("open", &[(0, 0)])].map(|(it, of)| fetch_topic(it, of));
    let mut request = fetch_request(TOPIC, 0, 0);
    request.topics = topics.to_vec();
    client.fetch_with(12, request)
}

#[test]
fn a_fetch_of_both_kinds_sends_the_readable_part_by_sendfile() {
    let broker = start();
    let (mut admin, mut guest) = (broker.connect(), guest(&broker));
    let records = batch(&[b"in the open"]);
    admin.create_topic("open");
    admin.produce("open", 0, &records);
    prepare(&mut admin, &batch(&[b"nobody else's business"]));
    allow(&mut admin, (Topic, "open", Op::Read));
    let before = broker.server().metrics().sendfile_bytes.value();
    let fetched = fetch_both(&mut guest);
    let found: Vec<_> = fetched.iter().map(|it| (it.error, it.high_watermark)).collect();
    assert_eq!(found, [(0, 1), (29, -1), (29, -1)], "as in Kafka, the readable part comes first");
    assert_eq!(fetched[0].records, stored(&records, 0));
    assert!(fetched[1].records.is_empty() && fetched[2].records.is_empty());
    let sent = broker.server().metrics().sendfile_bytes.value() - before;
    assert_eq!(sent, records.len() as u64);
    assert_eq!(broker.server().metrics().copied_message_bytes.value(), 0);
}

#[test]
fn a_fetch_of_nothing_readable_does_not_wait() {
    let broker = start();
    let (mut admin, mut guest) = (broker.connect(), guest(&broker));
    prepare(&mut admin, &batch(&[b"a"]));
    let mut request = fetch_request(TOPIC, 0, 1);
    // Longer than any test may take.
    request.max_wait_ms = 3_600_000;
    request.min_bytes = 1_000;
    assert_eq!(guest.fetch_with(12, request)[0].error, 29);
}

#[test]
fn a_fetch_waits_for_its_readable_part_and_then_reports_the_other() {
    let broker = start();
    let (mut admin, mut guest) = (broker.connect(), guest(&broker));
    admin.create_topic("open");
    prepare(&mut admin, &batch(&[b"a"]));
    allow(&mut admin, (Topic, "open", Op::Read));
    let mut request = fetch_request("open", 0, 0);
    request.max_wait_ms = 3_600_000;
    request.topics.push(fetch_topic(TOPIC, &[(0, 0)]));
    let header = guest.send(12, &RequestBody::Fetch(request), &[]);
    let records = batch(&[b"b"]);
    assert_eq!(admin.produce("open", 0, &records).error_code, 0);
    let fetched = guest.receive_fetch(&header);
    assert_eq!((fetched[0].error, &fetched[0].records), (0, &stored(&records, 0)));
    assert_eq!(fetched[1].error, 29);
}

#[test]
fn a_produce_of_both_kinds_appends_the_allowed_part() {
    let broker = start();
    let (mut admin, mut guest) = (broker.connect(), guest(&broker));
    let records = batch(&[b"a"]);
    admin.create_topic("open");
    prepare(&mut admin, &records);
    allow(&mut admin, (Topic, "open", Op::Write));
    let mut request = produce_request(1, TOPIC, 0, records.len());
    let partition =
        PartitionProduceData { index: 0, records: Some(records.len()..2 * records.len()) };
    request.topics.push(TopicProduceData { name: "open".to_string(), partitions: vec![partition] });
    let twice = [&records[..], &records].concat();
    let answer = guest.call(11, &RequestBody::Produce(request), &twice).0;
    assert_eq!(codes(&answer), [29, 0]);
    assert_eq!(admin.fetch("open", 0, 0).records, stored(&records, 0));
    assert_eq!(admin.fetch(TOPIC, 0, 0).high_watermark, 1, "only the admin's");
}

/// Kafka 0.9 told so already: the producer expects no answer.
#[test]
fn a_produce_with_acks_0_and_no_right_closes_the_connection() {
    let broker = start();
    let (mut admin, mut guest) = (broker.connect(), guest(&broker));
    let records = batch(&[b"a"]);
    prepare(&mut admin, &records);
    let request = produce_request(0, TOPIC, 0, records.len());
    guest.send(11, &RequestBody::Produce(request), &records);
    guest.assert_closed();
    assert_eq!(admin.fetch(TOPIC, 0, 0).high_watermark, 1);
}

fn metadata(client: &mut Client, version: i16, topics: Option<&[&str]>) -> MetadataResponse {
    let request = MetadataRequest {
        topics: topics.map(|names| names.iter().map(|it| metadata_topic(it)).collect()),
        include_topic_authorized_operations: version >= 8,
        include_cluster_authorized_operations: (8..=10).contains(&version),
        ..MetadataRequest::default()
    };
    match client.call(version, &RequestBody::Metadata(request), &[]).0 {
        ResponseBody::Metadata(it) => it,
        other => panic!("{other:?}"),
    }
}

/// Port of `AuthorizerIntegrationTest.testAuthorizationWithTopicNotExisting`.
#[test]
fn a_client_that_may_not_see_a_topic_does_not_learn_whether_it_exists() {
    let broker = start();
    let (mut admin, mut guest) = (broker.connect(), guest(&broker));
    prepare(&mut admin, &batch(&[b"a"]));
    for case in cases(0) {
        let api = case.body.api_key();
        let is_of_a_topic = matches!(
            api,
            ApiKeys::Fetch | ApiKeys::ListOffsets | ApiKeys::Metadata | ApiKeys::DeleteRecords
        );
        if !is_of_a_topic || case.steps[0].1.0 == Cluster {
            continue;
        }
        let version = *api.advertised_versions().unwrap().end();
        let existing = format!("{:?}", guest.call(version, &case.body, &[]).0);
        let missing = match case.body.clone() {
            RequestBody::Fetch(mut it) => {
                it.topics[0].topic = "absent".to_string();
                RequestBody::Fetch(it)
            }
            RequestBody::ListOffsets(mut it) => {
                it.topics[0].name = "absent".to_string();
                RequestBody::ListOffsets(it)
            }
            RequestBody::Metadata(mut it) => {
                it.topics = Some(vec![metadata_topic("absent")]);
                RequestBody::Metadata(it)
            }
            RequestBody::DeleteRecords(mut it) => {
                it.topics[0].name = "absent".to_string();
                RequestBody::DeleteRecords(it)
            }
            other => panic!("{other:?}"),
        };
        let missing = format!("{:?}", guest.call(version, &missing, &[]).0);
        assert_eq!(existing.replace(TOPIC, "absent"), missing, "{api:?}");
    }
    assert_eq!(admin.metadata(12, None).topics.len(), 2, "no topic came into being");
}

#[test]
fn a_topic_comes_into_being_by_its_first_use_only_for_clients_that_may_create_it() {
    let broker = start();
    let (mut admin, mut guest) = (broker.connect(), guest(&broker));
    let code = |guest: &mut Client| metadata(guest, 12, Some(&["fresh"])).topics[0].error_code;
    assert_eq!(code(&mut guest), 29);
    allow(&mut admin, (Topic, "fresh", Op::Describe));
    assert_eq!(code(&mut guest), 29, "it may be seen, and not created");
    allow(&mut admin, (Topic, "fresh", Op::Create));
    assert_eq!(code(&mut guest), Errors::LeaderNotAvailable.code());
    assert_eq!(code(&mut guest), 0);
}

#[test]
fn a_question_for_all_topics_is_answered_with_those_that_may_be_seen() {
    let broker = start();
    let (mut admin, mut guest) = (broker.connect(), guest(&broker));
    admin.create_topic("open");
    prepare(&mut admin, &batch(&[b"a"]));
    assert!(metadata(&mut guest, 12, None).topics.is_empty());
    allow(&mut admin, (Topic, "open", Op::Write));
    let topics = metadata(&mut guest, 12, None).topics;
    let names: Vec<_> = topics.iter().map(|it| it.name.as_deref()).collect();
    assert_eq!(names, [Some("open")]);
}

#[test]
fn an_id_does_not_lead_to_the_name_of_a_topic_that_may_not_be_seen() {
    let broker = start();
    let (mut admin, mut guest) = (broker.connect(), guest(&broker));
    prepare(&mut admin, &batch(&[b"a"]));
    let topic_id = admin.metadata(12, Some(&[TOPIC])).topics[0].topic_id;
    for name in [None, Some(String::new()), Some(TOPIC.to_string())] {
        let by_id = MetadataRequestTopic { topic_id, name };
        let request = MetadataRequest { topics: Some(vec![by_id]), ..MetadataRequest::default() };
        let answer = guest.call(12, &RequestBody::Metadata(request), &[]).0;
        let ResponseBody::Metadata(answer) = answer else { panic!("{answer:?}") };
        let told = &answer.topics[0];
        assert_eq!((told.error_code, &told.name, told.topic_id), (29, &None, topic_id));
    }
    let told = &guest.metadata(12, Some(&[TOPIC])).topics[0];
    let expected = (29, Some(TOPIC), Uuid::ZERO);
    assert_eq!((told.error_code, told.name.as_deref(), told.topic_id), expected, "nor to its id");
}

fn bits(operations: &[Operation]) -> i32 {
    operations.iter().fold(0, |bits, it| bits | 1 << it.code())
}

#[test]
fn a_client_that_asks_gets_its_authorized_operations() {
    let broker = start();
    let (mut admin, mut guest) = (broker.connect(), guest(&broker));
    prepare(&mut admin, &batch(&[b"a"]));
    for right in [(Topic, TOPIC, Op::Write), (Group, GROUP, Op::Delete)] {
        allow(&mut admin, right);
    }
    for version in 8..=12 {
        let told = metadata(&mut guest, version, Some(&[TOPIC]));
        let may = bits(&[Op::Write, Op::Describe]);
        assert_eq!(told.topics[0].topic_authorized_operations, may, "{version}");
        let may = if version <= 10 { 0 } else { i32::MIN };
        assert_eq!(told.cluster_authorized_operations, may, "{version}");
    }
    let told = metadata(&mut admin, 8, Some(&[TOPIC]));
    let all = bits(Topic.supported_operations());
    assert_eq!(told.topics[0].topic_authorized_operations, all);
    assert_eq!(told.cluster_authorized_operations, bits(Cluster.supported_operations()));
    let groups = vec![GROUP.to_string()];
    let request = DescribeGroupsRequest { groups, include_authorized_operations: true };
    let answer = guest.call(5, &RequestBody::DescribeGroups(request), &[]).0;
    let ResponseBody::DescribeGroups(answer) = answer else { panic!("{answer:?}") };
    let may = bits(&[Op::Delete, Op::Describe]);
    assert_eq!(answer.groups[0].authorized_operations, may);
    for (is_asked, expected) in [(false, i32::MIN), (true, 0)] {
        let told = cluster_operations(&mut guest, is_asked);
        assert_eq!(told, expected, "to describe the cluster is a right of its own");
    }
    allow(&mut admin, (Cluster, CLUSTER_NAME, Op::Alter));
    let may = bits(&[Op::Alter, Op::Describe]);
    assert_eq!(cluster_operations(&mut guest, true), may);
}

fn cluster_operations(client: &mut Client, is_asked: bool) -> i32 {
    let request = DescribeClusterRequest {
        include_cluster_authorized_operations: is_asked,
        ..DescribeClusterRequest::default()
    };
    match client.call(1, &RequestBody::DescribeCluster(request), &[]).0 {
        ResponseBody::DescribeCluster(it) => {
            assert_eq!((it.error_code, it.brokers.len()), (0, 1));
            it.cluster_authorized_operations
        }
        other => panic!("{other:?}"),
    }
}

fn listed(client: &mut Client, version: i16) -> Vec<String> {
    let request = RequestBody::ListGroups(ListGroupsRequest::default());
    match client.call(version, &request, &[]).0 {
        ResponseBody::ListGroups(it) => {
            assert_eq!(it.error_code, 0);
            it.groups.into_iter().map(|it| it.group_id).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn groups_are_listed_for_clients_that_may_describe_them_or_the_cluster() {
    let broker = start();
    let (mut admin, mut guest) = (broker.connect(), guest(&broker));
    prepare(&mut admin, &batch(&[b"a"]));
    for right in [(Group, GROUP, Op::Read), (Cluster, CLUSTER_NAME, Op::Describe)] {
        assert_eq!(listed(&mut guest, 5), [""; 0]);
        allow(&mut admin, right);
        assert_eq!(listed(&mut guest, 5), [GROUP]);
        assert_eq!(listed(&mut guest, 0), [GROUP]);
        disown(&mut admin);
    }
}

#[test]
fn offsets_of_all_topics_are_those_of_topics_that_may_be_seen() {
    let broker = start();
    let (mut admin, mut guest) = (broker.connect(), guest(&broker));
    prepare(&mut admin, &batch(&[b"a"]));
    allow(&mut admin, (Group, GROUP, Op::Describe));
    let group = OffsetFetchRequestGroup { group_id: GROUP.to_string(), topics: None };
    let request = OffsetFetchRequest { groups: vec![group], ..OffsetFetchRequest::default() };
    let request = RequestBody::OffsetFetch(request);
    let offsets = |guest: &mut Client| match guest.call(8, &request, &[]).0 {
        ResponseBody::OffsetFetch(it) => {
            assert_eq!(it.groups[0].error_code, 0);
            it.groups[0].topics.iter().map(|it| it.name.clone()).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(offsets(&mut guest), [""; 0]);
    allow(&mut admin, (Topic, TOPIC, Op::Describe));
    assert_eq!(offsets(&mut guest), [TOPIC]);
}

#[test]
fn a_denial_beats_what_is_allowed_until_it_is_taken_away() {
    let broker = start();
    let (mut admin, mut guest) = (broker.connect(), guest(&broker));
    prepare(&mut admin, &batch(&[b"a"]));
    allow(&mut admin, (Topic, "*", Op::All));
    assert_eq!(guest.fetch(TOPIC, 0, 0).error, 0);
    deny(&mut admin, (Topic, TOPIC, Op::Read));
    assert_eq!(guest.fetch(TOPIC, 0, 0).error, 29);
    assert_eq!(guest.produce(TOPIC, 0, &batch(&[b"b"])).error_code, 0);
    assert_eq!(disown(&mut admin), 2);
    assert_eq!(guest.produce(TOPIC, 0, &batch(&[b"b"])).error_code, 29);
}

#[test]
fn acls_outlive_the_broker() {
    let broker = start();
    let mut admin = broker.connect();
    prepare(&mut admin, &batch(&[b"a"]));
    allow(&mut admin, (Topic, TOPIC, Op::Read));
    let before = described(&mut admin, 3);
    let dir = broker.stop();
    let text = std::fs::read_to_string(dir.path().join(ACL_FILE)).unwrap();
    assert!(text.contains("Topic Literal secret User:ANONYMOUS 127.0.0.2 Read Allow\n"), "{text}");
    let broker = Broker::start_in(dir, SETTINGS);
    assert_eq!(described(&mut broker.connect(), 3), before);
    assert_eq!(guest(&broker).fetch(TOPIC, 0, 0).error, 0);
}

#[test]
fn a_broker_whose_acls_cannot_be_read_does_not_start() {
    let dir = TempDir::new();
    let path = dir.path().join(ACL_FILE);
    std::fs::write(&path, &FIRST_ACLS[..60]).unwrap();
    let error = Broker::start_error(&dir, SETTINGS, |it| it);
    assert!(error.contains(&*path.to_string_lossy()), "{error}");
    assert!(error.contains("line 4") && error.contains("put back a copy"), "{error}");
}

#[test]
fn acls_are_seen_in_every_version() {
    let broker = start();
    let mut admin = broker.connect();
    for version in 0..=3 {
        assert_eq!(create(&mut admin, version, vec![creation(WRITE_X, GUEST, ALLOW)]), [0]);
        let found = described(&mut admin, version);
        let of_x = found.resources.iter().find(|it| it.resource_name == "x").unwrap();
        assert_eq!((of_x.resource_type, of_x.pattern_type, of_x.acls.len()), (2, 3, 1));
        assert_eq!((&*of_x.acls[0].principal, &*of_x.acls[0].host), ("User:ANONYMOUS", GUEST));
        assert_eq!((of_x.acls[0].operation, of_x.acls[0].permission_type), (4, 3));
        assert_eq!(disown(&mut admin), 1);
    }
}

const WRITE_X: Right = (Topic, "x", Op::Write);

#[test]
fn an_acl_that_makes_no_sense_is_refused_and_its_neighbours_are_added() {
    let broker = start();
    let mut admin = broker.connect();
    let good = || creation(WRITE_X, GUEST, ALLOW);
    let cases = [
        (good(), 0),
        (AclCreation { resource_type: 1, ..good() }, 42),
        (AclCreation { resource_type: 99, ..good() }, 42),
        (AclCreation { resource_pattern_type: 1, ..good() }, 42),
        (AclCreation { resource_pattern_type: 2, ..good() }, 42),
        (AclCreation { resource_pattern_type: 0, ..good() }, 42),
        (AclCreation { operation: 1, ..good() }, 42),
        (AclCreation { operation: -1, ..good() }, 42),
        (AclCreation { permission_type: 1, ..good() }, 42),
        (AclCreation { resource_name: String::new(), ..good() }, 42),
        (AclCreation { resource_type: 4, ..good() }, 42),
        (AclCreation { principal: "alice".to_string(), ..good() }, 42),
        (AclCreation { host: String::new(), ..good() }, 42),
        (AclCreation { resource_name: "y".repeat(2000), ..good() }, 42),
        (AclCreation { resource_pattern_type: 4, ..good() }, 0),
    ];
    let (creations, expected): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    assert_eq!(create(&mut admin, 3, creations), expected);
    assert_eq!(disown(&mut admin), 2);
}

/// Kafka takes any text for a host, and compares it with addresses: a denial that is written so
/// protects nothing.
#[test]
fn a_host_that_is_no_address_is_refused_in_words() {
    let broker = start();
    let mut admin = broker.connect();
    for host in ["192.0.2.0/24", "myhost.example", "localhost", ""] {
        let creations = vec![creation(WRITE_X, host, DENY)];
        let request = RequestBody::CreateAcls(CreateAclsRequest { creations });
        let ResponseBody::CreateAcls(answer) = admin.call(3, &request, &[]).0 else { panic!() };
        let [result] = &answer.results[..] else { panic!("{answer:?}") };
        assert_eq!(result.error_code, Errors::InvalidRequest.code());
        let why = result.error_message.as_deref().unwrap();
        assert!(why.starts_with(&format!("the host {host:?} is neither * nor one IP")), "{why}");
    }
    let hosts = ["*", "192.0.2.7", "2001:db8::7"];
    let creations = hosts.map(|host| creation(WRITE_X, host, DENY)).to_vec();
    assert_eq!(create(&mut admin, 3, creations), [0, 0, 0]);
}

#[test]
fn without_an_authorizer_acls_are_answered_with_security_disabled() {
    let broker = Broker::start(&[("super.users", "User:admin")]);
    let mut client = broker.connect();
    for Case { body, .. } in cases(0) {
        let is_of_acls = matches!(
            body,
            RequestBody::DescribeAcls(_) | RequestBody::CreateAcls(_) | RequestBody::DeleteAcls(_)
        );
        if is_of_acls {
            let answer = client.call(3, &body, &[]).0;
            assert_eq!(codes(&answer), [54]);
            assert!(format!("{answer:?}").contains("No Authorizer is configured."), "{answer:?}");
        }
    }
    assert!(!broker.dir.path().join(ACL_FILE).exists());
}

/// Allows reading, and nothing else.
struct ReadOnly;

impl Authorizer for ReadOnly {
    fn authorize(
        &self,
        principal: &KafkaPrincipal,
        host: std::net::IpAddr,
        operation: Operation,
        _resource: Resource<'_>,
    ) -> bool {
        assert_eq!((principal.to_string().as_str(), host.is_loopback()), ("User:ANONYMOUS", true));
        operation == Op::Read
    }

    fn authorize_by_resource_type(
        &self,
        _principal: &KafkaPrincipal,
        _host: std::net::IpAddr,
        _operation: Operation,
        _resource_type: ResourceType,
    ) -> bool {
        false
    }

    fn acls(&self, _filter: &AclBindingFilter) -> Vec<AclBinding> {
        Vec::new()
    }
}

#[test]
fn a_program_may_bring_an_authorizer_of_its_own() {
    let dir = Arc::new(TempDir::new());
    let broker = Broker::start_with(dir, &[], |it| it.authorizer(Arc::new(ReadOnly)));
    let mut client = broker.connect();
    assert_eq!(client.produce("t", 0, &batch(&[b"a"])).error_code, 29);
    assert_eq!(client.fetch("t", 0, 0).error, Errors::UnknownTopicOrPartition.code());
}

#[test]
fn a_start_that_locks_everybody_out_is_logged() {
    let authorizer = "authorizer.class.name=kafka.security.auth.SimpleAclAuthorizer";
    let warnings = |acls: &str, more: &[&str]| {
        let dir = TempDir::new();
        std::fs::write(dir.path().join(ACL_FILE), acls).unwrap();
        let process = BrokerProcess::start(dir.path(), &[&[authorizer], more].concat());
        let is_warning = |line: &&String| line.contains("WARN") && line.contains("ACL");
        process.first_lines.iter().filter(is_warning).cloned().collect::<Vec<_>>()
    };
    let told = warnings("0\n0\n", &[]);
    assert!(told.len() == 1 && told[0].contains("no client may add an ACL"), "{told:?}");
    assert!(told[0].contains("`--override super.users=User:ANONYMOUS`"), "{told:?}");
    assert_eq!(warnings(FIRST_ACLS, &[]), [""; 0]);
    assert_eq!(warnings("0\n0\n", &["super.users=User:ANONYMOUS"]), [""; 0]);
    assert_eq!(warnings("0\n0\n", &["allow.everyone.if.no.acl.found=true"]), [""; 0]);
}

#[test]
fn a_denied_request_is_one_line_of_the_log_however_much_it_names() {
    let dir = TempDir::new();
    let authorizer = "authorizer.class.name=kafka.security.authorizer.AclAuthorizer";
    let process = BrokerProcess::start(dir.path(), &[authorizer]);
    let mut client = Client::connect(process.port);
    let mut request = fetch_request("first", 0, 0);
    request.topics.push(fetch_topic("a\nforged line", &[(0, 0), (1, 0)]));
    assert_eq!(client.fetch_with(12, request).len(), 3);
    let (_, lines) = process.end_with(Signal::SIGTERM);
    let denied: Vec<_> = lines.iter().filter(|line| line.contains("is Denied")).collect();
    let expected = "Principal = User:ANONYMOUS is Denied Operation = Read from host = 127.0.0.1 \
                    on resource = Topic:\"first\" for request = Fetch, the first of 2";
    assert!(denied.len() == 1 && denied[0].ends_with(expected), "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("forged line")), "{lines:?}");
}

#[test]
fn a_change_of_acls_is_logged_in_one_line() {
    let dir = TempDir::new();
    std::fs::write(dir.path().join(ACL_FILE), FIRST_ACLS).unwrap();
    let authorizer = "authorizer.class.name=kafka.security.authorizer.AclAuthorizer";
    let process = BrokerProcess::start(dir.path(), &[authorizer]);
    let mut admin = Client::connect(process.port);
    let creations = [(Topic, "x", Op::Read), WRITE_X].map(|right| creation(right, GUEST, ALLOW));
    assert_eq!(create(&mut admin, 3, creations.to_vec()), [0, 0]);
    assert_eq!((disown(&mut admin), disown(&mut admin)), (2, 0));
    let (_, lines) = process.end_with(Signal::SIGTERM);
    let first = "\"Topic:Literal:x: User:ANONYMOUS has Allow Read from 127.0.0.2\"";
    for what in ["added", "removed"] {
        let begins = format!("2 ACLs were {what} by User:ANONYMOUS from 127.0.0.1:");
        let changes = |line: &&String| line.contains(&format!("ACLs were {what}"));
        let told: Vec<_> = lines.iter().filter(changes).collect();
        assert!(told.len() == 1 && told[0].contains(&begins), "{lines:?}");
        assert!(told[0].ends_with(&format!(", the first: {first}")), "{lines:?}");
    }
}
