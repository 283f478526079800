//! What several users may do on one broker: over SASL_PLAINTEXT, where a password says who is who,
//! beside PLAINTEXT, where every client is `User:ANONYMOUS`.

use std::sync::Arc;

use Operation as Op;
use ResourceType::{Cluster, Group, Topic};
use support::broker::Broker;
use support::client::{Client, NEWEST_FETCH, fetch_request};
use support::records::{batch, stored};
use support::temp::TempDir;
use support::users::{believing, connect_as, connect_by_plain};
use support::wait::wait_until;
use transferto::common::end_point::SecurityProtocol;
use transferto::common::errors::Errors;
use transferto::common::mock_time::MockTime;
use transferto::protocol::acl_filter::AclFilter;
use transferto::protocol::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, ScramCredentialDeletion,
};
use transferto::protocol::create_acls::{AclCreation, CreateAclsRequest};
use transferto::protocol::delete_acls::{DeleteAclsFilter, DeleteAclsRequest};
use transferto::protocol::describe_groups::DescribeGroupsRequest;
use transferto::protocol::fetch::FetchRequest;
use transferto::protocol::metadata::MetadataRequest;
use transferto::protocol::request::{RequestBody, ResponseBody};
use transferto::registry::acl_registry::ACL_FILE;
use transferto::security::scram::scram_mechanism::ScramMechanism;
use transferto::server::security::authorizer::{CLUSTER_NAME, Operation, ResourceType};

use crate::apis::group_client::list_groups;
use crate::security::rights::{GROUP, TOPIC, codes, find_coordinator, offset_commit};
use crate::security::scram_login::{alter, log_in, set_password};

const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;
const ALLOW: i8 = 3;
const DENY: i8 = 2;
const NO_TOPIC: i16 = Errors::TopicAuthorizationFailed as i16;

const PASSWORDS: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required \
    user_admin=\"admin-secret\" user_alice=\"alice-secret\" user_bob=\"bob-secret\" \
    user_Alice=\"other-secret\";";

const SETTINGS: &[(&str, &str)] = &[
    ("listeners", "PLAINTEXT://127.0.0.1:0,SASL_PLAINTEXT://127.0.0.1:0"),
    ("sasl.enabled.mechanisms", "PLAIN"),
    ("listener.name.sasl_plaintext.plain.sasl.jaas.config", PASSWORDS),
    ("authorizer.class.name", "kafka.security.auth.SimpleAclAuthorizer"),
    ("super.users", "User:admin"),
    ("offsets.topic.num.partitions", "1"),
];

/// A client of `user`, whose password is its name and a word.
fn connect(broker: &Broker, user: &str) -> Client {
    let port = broker.server().bound_port(SecurityProtocol::SaslPlaintext).unwrap();
    connect_by_plain(user, &format!("{user}-secret"), port)
}

/// A broker with a topic `orders`, and its super user.
fn start() -> (Broker, Client) {
    let broker = Broker::start(SETTINGS);
    let mut admin = connect(&broker, "admin");
    admin.create_topic("orders");
    (broker, admin)
}

/// What an ACL is about: a resource's type, the type of the pattern, the name.
type About<'a> = (ResourceType, i8, &'a str);

const ORDERS: About<'_> = (Topic, LITERAL, "orders");

fn add(
    admin: &mut Client,
    permission_type: i8,
    principal: &str,
    (resource_type, resource_pattern_type, name): About<'_>,
    operation: Operation,
) {
    let creation = AclCreation {
        resource_type: resource_type.code(),
        resource_name: name.to_string(),
        resource_pattern_type,
        principal: principal.to_string(),
        host: "*".to_string(),
        operation: operation.code(),
        permission_type,
    };
    let request = RequestBody::CreateAcls(CreateAclsRequest { creations: vec![creation] });
    match admin.call(3, &request, &[]).0 {
        ResponseBody::CreateAcls(it) => assert_eq!(it.results[0].error_code, 0, "{it:?}"),
        other => panic!("{other:?}"),
    }
}

fn allow(admin: &mut Client, principal: &str, about: About<'_>, operation: Operation) {
    add(admin, ALLOW, principal, about, operation);
}

/// Takes away all ACLs of a principal, and returns how many there were.
fn disown(admin: &mut Client, principal: &str) -> usize {
    const ANY: i8 = 1;
    let filter = AclFilter {
        resource_type_filter: ANY,
        resource_name_filter: None,
        pattern_type_filter: ANY,
        principal_filter: Some(principal.to_string()),
        host_filter: None,
        operation: ANY,
        permission_type: ANY,
    };
    let filters = vec![DeleteAclsFilter { filter }];
    match admin.call(3, &RequestBody::DeleteAcls(DeleteAclsRequest { filters }), &[]).0 {
        ResponseBody::DeleteAcls(it) => it.filter_results[0].matching_acls.len(),
        other => panic!("{other:?}"),
    }
}

/// The errors of a produce to the topic and of a fetch of it.
fn produce_and_fetch(client: &mut Client, topic: &str) -> (i16, i16) {
    let produced = client.produce(topic, 0, &batch(&[b"one"])).error_code;
    (produced, client.fetch(topic, 0, 0).error)
}

/// Port of `EndToEndAuthorizationTest.testProduceConsumeViaAssign`, of
/// `EndToEndAuthorizationTest.testNoProduceWithDescribeAcl` and of
/// `EndToEndAuthorizationTest.testNoConsumeWithDescribeAclViaAssign`.
#[test]
fn each_user_may_do_what_its_acls_allow_and_no_more() {
    let (broker, mut admin) = start();
    allow(&mut admin, "User:alice", ORDERS, Op::Write);
    allow(&mut admin, "User:bob", ORDERS, Op::Read);
    let mut alice = connect(&broker, "alice");
    let mut bob = connect(&broker, "bob");
    assert_eq!(produce_and_fetch(&mut alice, "orders"), (0, NO_TOPIC));
    assert_eq!(produce_and_fetch(&mut bob, "orders"), (NO_TOPIC, 0));
    assert_eq!(produce_and_fetch(&mut admin, "orders"), (0, 0));
    let mut bystander = connect_other_alice(&broker);
    allow(&mut admin, "User:Alice", ORDERS, Op::Describe);
    assert_eq!(produce_and_fetch(&mut bystander, "orders"), (NO_TOPIC, NO_TOPIC));
    // Names that differ in case are two users, and who has no password is a third.
    for mut other in [connect_other_alice(&broker), broker.connect()] {
        assert_eq!(produce_and_fetch(&mut other, "orders"), (NO_TOPIC, NO_TOPIC));
    }
    allow(&mut admin, "User:*", ORDERS, Op::Read);
    for mut client in [connect_other_alice(&broker), broker.connect(), alice] {
        assert_eq!(client.fetch("orders", 0, 0).error, 0);
    }
    add(&mut admin, DENY, "User:bob", ORDERS, Op::Read);
    assert_eq!(produce_and_fetch(&mut bob, "orders"), (NO_TOPIC, NO_TOPIC));
    // Nobody denies a super user anything.
    add(&mut admin, DENY, "User:admin", ORDERS, Op::All);
    assert_eq!(produce_and_fetch(&mut admin, "orders"), (0, 0));
}

fn connect_other_alice(broker: &Broker) -> Client {
    let port = broker.server().bound_port(SecurityProtocol::SaslPlaintext).unwrap();
    connect_by_plain("Alice", "other-secret", port)
}

#[test]
fn a_rule_for_anonymous_holds_on_plaintext_and_for_no_user() {
    let (broker, mut admin) = start();
    allow(&mut admin, "User:ANONYMOUS", ORDERS, Op::All);
    assert_eq!(produce_and_fetch(&mut broker.connect(), "orders"), (0, 0));
    let mut alice = connect(&broker, "alice");
    assert_eq!(produce_and_fetch(&mut alice, "orders"), (NO_TOPIC, NO_TOPIC));
}

/// Port of `EndToEndAuthorizationTest.testProduceConsumeWithWildcardAcls`.
#[test]
fn a_user_has_all_topics_and_groups_where_an_acl_is_about_every_name() {
    let (broker, mut admin) = start();
    admin.create_topic(TOPIC);
    for operation in [Op::Read, Op::Write] {
        allow(&mut admin, "User:alice", (Topic, LITERAL, "*"), operation);
    }
    allow(&mut admin, "User:alice", (Group, LITERAL, "*"), Op::Read);
    let (mut alice, mut bob) = (connect(&broker, "alice"), connect(&broker, "bob"));
    assert_eq!(produce_and_fetch(&mut alice, "orders"), (0, 0));
    alice.call(4, &RequestBody::FindCoordinator(find_coordinator(0)), &[]);
    wait_until("the group's coordinator", || committed(&mut alice) == 0);
    assert_eq!(produce_and_fetch(&mut bob, "orders"), (NO_TOPIC, NO_TOPIC));
}

/// The error of a commit of the group.
fn committed(client: &mut Client) -> i16 {
    codes(&client.call(8, &RequestBody::OffsetCommit(offset_commit()), &[]).0)[0]
}

/// Port of `EndToEndAuthorizationTest.testNoGroupAcl`.
#[test]
fn a_user_without_a_right_to_the_group_may_read_the_topic_and_commit_nothing() {
    let (broker, mut admin) = start();
    admin.create_topic(TOPIC);
    allow(&mut admin, "User:alice", (Topic, LITERAL, "*"), Op::Read);
    let mut alice = connect(&broker, "alice");
    assert_eq!(alice.fetch("orders", 0, 0).error, 0);
    assert_eq!(committed(&mut alice), Errors::GroupAuthorizationFailed.code());
    allow(&mut admin, "User:alice", (Group, LITERAL, GROUP), Op::Read);
    alice.call(4, &RequestBody::FindCoordinator(find_coordinator(0)), &[]);
    wait_until("the group's coordinator", || committed(&mut alice) == 0);
}

/// Port of `EndToEndAuthorizationTest.testProduceConsumeWithPrefixedAcls`.
#[test]
fn a_user_has_all_topics_that_begin_as_its_acl_says_and_may_create_them() {
    let (broker, mut admin) = start();
    for operation in [Op::Read, Op::Write, Op::Create] {
        allow(&mut admin, "User:alice", (Topic, PREFIXED, "alice-"), operation);
    }
    let (mut alice, mut bob) = (connect(&broker, "alice"), connect(&broker, "bob"));
    alice.create_topic("alice-new");
    assert_eq!(produce_and_fetch(&mut alice, "alice-new"), (0, 0));
    assert_eq!(produce_and_fetch(&mut alice, "orders"), (NO_TOPIC, NO_TOPIC));
    let refused = bob.metadata(8, Some(&["alice-other"])).topics[0].error_code;
    assert_eq!(refused, NO_TOPIC);
    let names = |client: &mut Client| {
        let topics = client.metadata(12, None).topics;
        topics.into_iter().filter_map(|it| it.name).collect::<Vec<_>>()
    };
    assert_eq!(names(&mut alice), ["alice-new"]);
    assert_eq!(names(&mut bob), [""; 0]);
    assert!(names(&mut admin).contains(&"orders".to_string()));
}

#[test]
fn an_acl_that_is_taken_away_ends_the_right_of_a_connection_that_is_there() {
    let (broker, mut admin) = start();
    allow(&mut admin, "User:alice", ORDERS, Op::All);
    allow(&mut admin, "User:bob", ORDERS, Op::All);
    let (mut alice, mut bob) = (connect(&broker, "alice"), connect(&broker, "bob"));
    assert_eq!(produce_and_fetch(&mut alice, "orders"), (0, 0));
    // A fetch that waits was allowed when it came; the next one is not.
    let long = FetchRequest { max_wait_ms: 60_000, ..fetch_request("orders", 0, 1) };
    let waiting = alice.send(NEWEST_FETCH, &RequestBody::Fetch(long), &[]);
    assert_eq!(disown(&mut admin, "User:alice"), 1);
    let one = batch(&[b"one"]);
    assert_eq!(bob.produce("orders", 0, &one).error_code, 0);
    let fetched = alice.receive_fetch(&waiting).remove(0);
    assert_eq!((fetched.error, fetched.records), (0, stored(&one, 1)));
    assert_eq!(produce_and_fetch(&mut alice, "orders"), (NO_TOPIC, NO_TOPIC));
    assert_eq!(produce_and_fetch(&mut bob, "orders"), (0, 0));
    allow(&mut admin, "User:alice", ORDERS, Op::Read);
    assert_eq!(produce_and_fetch(&mut alice, "orders"), (NO_TOPIC, 0));
}

/// As in Kafka: a connection that has authenticated stays until it has to authenticate anew.
#[test]
fn a_user_that_is_removed_keeps_its_connection_until_its_session_ends_and_loses_its_acls_at_once() {
    let settings = [
        ("listeners", "PLAINTEXT://127.0.0.1:0,SASL_PLAINTEXT://127.0.0.1:0"),
        ("sasl.enabled.mechanisms", "SCRAM-SHA-256"),
        ("connection.failed.authentication.delay.ms", "0"),
        ("listener.name.sasl_plaintext.scram-sha-256.connections.max.reauth.ms", "60000"),
        ("connections.max.idle.ms", "-1"),
        ("authorizer.class.name", "kafka.security.auth.SimpleAclAuthorizer"),
        ("super.users", "User:ANONYMOUS"),
    ];
    let time = Arc::new(MockTime::new());
    let dir = Arc::new(TempDir::new());
    let broker = Broker::start_with(dir, &settings, |it| it.time(time.clone()));
    let mut admin = broker.connect_with_topic("orders");
    let mechanism = ScramMechanism::ScramSha256;
    set_password(&broker, "alice", mechanism, "secret");
    allow(&mut admin, "User:alice", ORDERS, Op::All);
    let port = broker.server().bound_port(SecurityProtocol::SaslPlaintext).unwrap();
    let log_in = || {
        let mut client = Client::connect(port);
        let error_code = log_in(&mut client, mechanism, "alice", "secret").error_code;
        (client, error_code)
    };
    let (mut alice, error_code) = log_in();
    assert_eq!((error_code, produce_and_fetch(&mut alice, "orders")), (0, (0, 0)));

    let deletion = ScramCredentialDeletion { name: "alice".into(), mechanism: mechanism.id() };
    let deletion =
        AlterUserScramCredentialsRequest { deletions: vec![deletion], upsertions: vec![] };
    alter(&broker, deletion);
    assert_eq!(log_in().1, Errors::SaslAuthenticationFailed.code());
    assert_eq!(produce_and_fetch(&mut alice, "orders"), (0, 0));
    assert_eq!(disown(&mut admin, "User:alice"), 1);
    assert_eq!(produce_and_fetch(&mut alice, "orders"), (NO_TOPIC, NO_TOPIC));
    time.sleep(60_001);
    alice.send(NEWEST_FETCH, &RequestBody::Fetch(fetch_request("orders", 0, 0)), &[]);
    alice.assert_closed();
}

#[test]
fn a_user_sees_its_own_groups_and_its_own_operations() {
    let (broker, mut admin) = start();
    let (mut alice, mut bob) = (connect(&broker, "alice"), connect(&broker, "bob"));
    for operation in [Op::Read, Op::Delete] {
        allow(&mut admin, "User:alice", (Group, LITERAL, GROUP), operation);
    }
    allow(&mut admin, "User:alice", (Topic, LITERAL, "*"), Op::Read);
    admin.create_topic(TOPIC);
    alice.call(4, &RequestBody::FindCoordinator(find_coordinator(0)), &[]);
    wait_until("the group's coordinator", || committed(&mut alice) == 0);
    let listed = |client: &mut Client| list_groups(client, 5, &[]).len();
    assert_eq!([listed(&mut alice), listed(&mut bob), listed(&mut admin)], [1, 0, 1]);

    let described = |client: &mut Client| {
        let groups = vec![GROUP.to_string()];
        let request = DescribeGroupsRequest { groups, include_authorized_operations: true };
        match client.call(5, &RequestBody::DescribeGroups(request), &[]).0 {
            ResponseBody::DescribeGroups(mut it) => {
                let it = it.groups.remove(0);
                (it.error_code, it.authorized_operations)
            }
            other => panic!("{other:?}"),
        }
    };
    let bits = |operations: &[Operation]| operations.iter().fold(0, |it, op| it | 1 << op.code());
    assert_eq!(described(&mut alice), (0, bits(&[Op::Read, Op::Delete, Op::Describe])));
    assert_eq!(described(&mut bob).0, Errors::GroupAuthorizationFailed.code());
    assert_eq!(described(&mut admin), (0, bits(Group.supported_operations())));

    let cluster_operations = |client: &mut Client| {
        let request = MetadataRequest {
            include_cluster_authorized_operations: true,
            ..MetadataRequest::default()
        };
        match client.call(8, &RequestBody::Metadata(request), &[]).0 {
            ResponseBody::Metadata(it) => it.cluster_authorized_operations,
            other => panic!("{other:?}"),
        }
    };
    allow(&mut admin, "User:bob", (Cluster, LITERAL, CLUSTER_NAME), Op::Describe);
    assert_eq!(cluster_operations(&mut alice), 0);
    assert_eq!(cluster_operations(&mut bob), bits(&[Op::Describe]));
    assert_eq!(cluster_operations(&mut admin), bits(Cluster.supported_operations()));
}

#[test]
fn a_certificates_name_is_a_user_with_commas_in_acls_and_among_the_super_users() {
    let settings = [
        ("authorizer.class.name", "kafka.security.auth.SimpleAclAuthorizer"),
        ("super.users", "User:CN=root,OU=ops; User:admin"),
    ];
    let dir = Arc::new(TempDir::new());
    let broker = Broker::start_with(Arc::clone(&dir), &settings, believing);
    let mut root = connect_as("User:CN=root,OU=ops", broker.port());
    root.create_topic("orders");
    let alice = "User:CN=alice,OU=x, O=\"y = z\"";
    allow(&mut root, alice, ORDERS, Op::All);
    assert_eq!(produce_and_fetch(&mut connect_as("User:admin", broker.port()), "orders"), (0, 0));
    for other in ["User:CN=root", "User:CN=alice", "User:CN=alice,OU=x", "Group:admin"] {
        let mut other = connect_as(other, broker.port());
        assert_eq!(produce_and_fetch(&mut other, "orders"), (NO_TOPIC, NO_TOPIC));
    }
    assert_eq!(produce_and_fetch(&mut connect_as(alice, broker.port()), "orders"), (0, 0));
    broker.stop();
    let text = std::fs::read_to_string(dir.path().join(ACL_FILE)).unwrap();
    let escaped = "User:CN%3dalice,OU%3dx,%20O%3d\"y%20%3d%20z\"";
    assert_eq!(text, format!("0\n1\nTopic Literal orders {escaped} * All Allow\n"));
    let broker = Broker::start_with(dir, &settings, believing);
    let mut alice = connect_as(alice, broker.port());
    assert_eq!(produce_and_fetch(&mut alice, "orders"), (0, 0));
}
