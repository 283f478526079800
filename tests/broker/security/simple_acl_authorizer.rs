//! Who may do what by which ACLs, asked of the authorizer itself.

use std::net::IpAddr;
use std::path::Path;

use Operation::{All, Alter, AlterConfigs, Create, Delete, Describe, DescribeConfigs, Read, Write};
use PatternType::{Literal, Prefixed};
use PermissionType::{Allow, Deny};
use ResourceType::{Group, Topic};
use support::temp::TempDir;
use transferto::common::kafka_principal::KafkaPrincipal;
use transferto::registry::acl_registry::ACL_FILE;
use transferto::server::security::authorizer::{
    Acl, AclBinding, AclBindingFilter, AclMutator, Authorizer, Operation, PatternType,
    PermissionType, Resource, ResourcePattern, ResourceType,
};
use transferto::server::security::simple_acl_authorizer::SimpleAclAuthorizer;

const HOST_1: &str = "192.168.1.1";
const HOST_2: &str = "192.168.1.2";

fn open(dir: &TempDir) -> SimpleAclAuthorizer {
    open_for(dir.path(), "User:admin", false)
}

fn open_for(dir: &Path, super_users: &str, allow_everyone: bool) -> SimpleAclAuthorizer {
    let super_users = super_users.split(';').filter_map(KafkaPrincipal::parse).collect();
    SimpleAclAuthorizer::open_in(dir, super_users, allow_everyone).unwrap()
}

fn acl(principal: &str, host: &str, operation: Operation, permission_type: PermissionType) -> Acl {
    let (principal, host) = (principal.to_string(), host.to_string());
    Acl { principal, host, operation, permission_type }
}

fn about(resource_type: ResourceType, pattern_type: PatternType, name: &str) -> ResourcePattern {
    ResourcePattern { resource_type, pattern_type, name: name.to_string() }
}

fn topic(name: &str) -> ResourcePattern {
    about(Topic, Literal, name)
}

fn add(authorizer: &dyn AclMutator, pattern: &ResourcePattern, acls: &[Acl]) {
    let binding = |acl: &Acl| AclBinding { pattern: pattern.clone(), acl: acl.clone() };
    authorizer.add_acls(acls.iter().map(binding).collect()).unwrap();
}

fn filter(pattern: &ResourcePattern) -> AclBindingFilter {
    AclBindingFilter {
        resource_type: pattern.resource_type,
        pattern_type: pattern.pattern_type,
        name: Some(pattern.name.clone()),
        ..AclBindingFilter::ANY
    }
}

/// Takes away one ACL.
fn remove(authorizer: &dyn AclMutator, pattern: &ResourcePattern, acl: &Acl) {
    let filter = AclBindingFilter {
        principal: Some(acl.principal.clone()),
        host: Some(acl.host.clone()),
        operation: acl.operation,
        permission_type: acl.permission_type,
        ..filter(pattern)
    };
    assert_eq!(authorizer.remove_acls(&[filter]).unwrap()[0].len(), 1);
}

/// Whether somebody may do it with the topic of this name.
fn may(it: &dyn Authorizer, who: &str, host: &str, operation: Operation, topic: &str) -> bool {
    let (who, host) = (KafkaPrincipal::parse(who).unwrap(), host.parse::<IpAddr>().unwrap());
    it.authorize(&who, host, operation, Resource::topic(topic))
}

/// Whether somebody may do it with any topic.
fn may_any(it: &dyn Authorizer, who: &str, host: &str, operation: Operation) -> bool {
    let (who, host) = (KafkaPrincipal::parse(who).unwrap(), host.parse::<IpAddr>().unwrap());
    it.authorize_by_resource_type(&who, host, operation, Topic)
}

/// Port of `SimpleAclAuthorizerTest.testTopicAcl`.
#[test]
fn deny_beats_allow_and_rights_imply_describe_from_every_allowed_host() {
    let dir = TempDir::new();
    let it = open(&dir);
    let (alice, bob, carol) = ("User:alice", "User:rob", "User:batman");
    add(
        &it,
        &topic("t"),
        &[
            acl(alice, HOST_1, Read, Allow),
            acl(alice, HOST_2, Read, Allow),
            acl(alice, HOST_1, Read, Deny),
            acl(alice, HOST_1, Write, Allow),
            acl(alice, "*", Describe, Allow),
            acl(bob, "*", Read, Allow),
            acl(carol, "*", Write, Allow),
        ],
    );
    assert!(may(&it, alice, HOST_2, Read, "t"), "allowed");
    assert!(!may(&it, alice, HOST_1, Read, "t"), "denied and allowed");
    assert!(may(&it, alice, HOST_1, Write, "t"), "allowed from here");
    assert!(!may(&it, alice, HOST_2, Write, "t"), "allowed from elsewhere");
    assert!(may(&it, alice, HOST_1, Describe, "t") && may(&it, alice, HOST_2, Describe, "t"));
    assert!(!may(&it, alice, HOST_1, Alter, "t") && !may(&it, alice, HOST_2, Alter, "t"));
    assert!(may(&it, bob, HOST_1, Describe, "t") && may(&it, carol, HOST_1, Describe, "t"));
    assert!(may(&it, bob, HOST_1, Read, "t") && may(&it, carol, HOST_1, Write, "t"));
    assert!(!may(&it, carol, HOST_1, Read, "t"));
}

/// Port of `SimpleAclAuthorizerTest.testAllowAllAccess`.
#[test]
fn everybody_may_do_everything_from_everywhere_where_an_acl_says_so() {
    let dir = TempDir::new();
    let it = open(&dir);
    add(&it, &topic("t"), &[acl("User:*", "*", All, Allow)]);
    assert!(may(&it, "User:random", "10.0.0.9", Read, "t"));
    assert!(!may(&it, "User:random", "10.0.0.9", Read, "other"));
}

/// Port of `SimpleAclAuthorizerTest.testSuperUserHasAccess`.
#[test]
fn a_super_user_may_do_what_everybody_is_denied() {
    let dir = TempDir::new();
    let it = open_for(dir.path(), "User:superuser1;User:superuser2", false);
    add(&it, &topic("t"), &[acl("User:*", "*", All, Deny)]);
    assert!(may(&it, "User:superuser1", HOST_1, Read, "t"));
    assert!(may(&it, "User:superuser2", HOST_1, Write, "t"));
    assert!(!may(&it, "User:superuser", HOST_1, Read, "t"));
    assert!(may_any(&it, "User:superuser1", HOST_1, Write));
}

/// Port of `SimpleAclAuthorizerTest.testWildCardAcls`.
#[test]
fn acls_about_every_topic_and_about_one_hold_together() {
    let dir = TempDir::new();
    let it = open(&dir);
    assert!(!may(&it, "User:alice", HOST_1, Read, "t"), "no ACL is there");
    add(&it, &topic("*"), &[acl("User:alice", HOST_1, Read, Allow)]);
    assert!(may(&it, "User:alice", HOST_1, Read, "t"));
    let write = acl("User:alice", HOST_1, Write, Allow);
    let deny_write = acl("User:*", HOST_1, Write, Deny);
    add(&it, &topic("t"), &[write]);
    add(&it, &topic("*"), &[deny_write]);
    assert!(!may(&it, "User:alice", HOST_1, Write, "t"), "denied for every topic");
    assert!(may(&it, "User:alice", HOST_1, Read, "t"));
}

/// Port of `SimpleAclAuthorizerTest.testNoAclFound`.
#[test]
fn without_an_acl_nobody_may_do_anything() {
    let dir = TempDir::new();
    assert!(!may(&open(&dir), "User:alice", HOST_1, Read, "t"));
    assert!(!may_any(&open(&dir), "User:alice", HOST_1, Read));
}

/// Port of `SimpleAclAuthorizerTest.testNoAclFoundOverride`.
#[test]
fn without_an_acl_everybody_may_do_everything_if_the_broker_is_set_so() {
    let dir = TempDir::new();
    let it = open_for(dir.path(), "", true);
    assert!(may(&it, "User:alice", HOST_1, Read, "t"));
    assert!(may_any(&it, "User:alice", HOST_1, Read));
    add(&it, &topic("t"), &[acl("User:bob", "*", Read, Allow)]);
    assert!(!may(&it, "User:alice", HOST_1, Read, "t"), "now there is one");
    assert!(may(&it, "User:alice", HOST_1, Read, "other"));
    add(&it, &about(Topic, Prefixed, "o"), &[acl("User:bob", "*", Read, Allow)]);
    assert!(!may(&it, "User:alice", HOST_1, Read, "other"), "and one about its beginning");
}

/// Port of `SimpleAclAuthorizerTest.testAclManagementAPIs`.
#[test]
fn acls_are_added_found_and_taken_away() {
    let dir = TempDir::new();
    let it = open(&dir);
    let acls = [
        acl("User:alice", HOST_1, Read, Allow),
        acl("User:alice", HOST_1, Write, Allow),
        acl("User:bob", HOST_2, Read, Allow),
    ];
    add(&it, &topic("t"), &acls);
    add(&it, &topic("t"), &acls);
    add(&it, &about(Group, Literal, "g"), &acls[..1]);
    assert_eq!(it.acls(&filter(&topic("t"))).len(), 3, "one that is there is not doubled");
    assert_eq!(it.acls(&AclBindingFilter::ANY).len(), 4);
    let of_alice =
        AclBindingFilter { principal: Some("User:alice".to_string()), ..AclBindingFilter::ANY };
    assert_eq!(it.acls(&of_alice).len(), 3);
    let of_reading = AclBindingFilter { operation: Read, ..filter(&topic("t")) };
    let removed = it.remove_acls(&[of_reading, of_alice, filter(&topic("none"))]).unwrap();
    assert_eq!(removed.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 0]);
    assert!(it.acls(&AclBindingFilter::ANY).is_empty());
}

/// Port of `SimpleAclAuthorizerTest.testLoadCache`.
#[test]
fn acls_are_there_after_a_restart() {
    let dir = TempDir::new();
    let acls = [acl("User:alice", HOST_1, Read, Allow), acl("User:a b", "*", Write, Deny)];
    add(&open(&dir), &topic("t"), &acls);
    let it = open(&dir);
    let found: Vec<_> = it.acls(&filter(&topic("t"))).into_iter().map(|it| it.acl).collect();
    assert_eq!(found, [acls[1].clone(), acls[0].clone()]);
    assert!(may(&it, "User:alice", HOST_1, Read, "t"));
}

#[test]
fn a_file_that_is_no_list_of_acls_keeps_the_authorizer_from_opening() {
    let dir = TempDir::new();
    let path = dir.path().join(ACL_FILE);
    for text in ["", "0\n1\nTopic Literal t User:a * Raed Allow\n"] {
        std::fs::write(&path, text).unwrap();
        let error = SimpleAclAuthorizer::open_in(dir.path(), Vec::new(), true).err().unwrap();
        let error = error.to_string();
        assert!(error.contains(&*path.to_string_lossy()) && error.contains("line "), "{error}");
    }
}

/// Port of `AclAuthorizerTest.testDenyTakesPrecedence`.
#[test]
fn a_denied_client_may_not_though_everybody_is_allowed() {
    let dir = TempDir::new();
    let it = open(&dir);
    let acls = [acl("User:*", "*", All, Allow), acl("User:alice", HOST_1, All, Deny)];
    add(&it, &topic("t"), &acls);
    assert!(!may(&it, "User:alice", HOST_1, Read, "t"));
    assert!(may(&it, "User:alice", HOST_2, Read, "t"));
}

/// Port of `AclAuthorizerTest.testAclInheritance`.
#[test]
fn an_allowed_right_implies_others_and_a_denied_one_does_not() {
    let implied = |allowed: Operation| -> &[Operation] {
        match allowed {
            All => &[Read, Write, Create, Delete, Alter, Describe, DescribeConfigs, AlterConfigs],
            Read | Write | Delete | Alter => &[Describe],
            AlterConfigs => &[DescribeConfigs],
            _ => &[],
        }
    };
    for &set in [&[All][..], Topic.supported_operations()].concat().iter() {
        let dir = TempDir::new();
        let it = open(&dir);
        add(&it, &topic("allowed"), &[acl("User:a", "*", set, Allow)]);
        let acls = [acl("User:a", "*", set, Deny), acl("User:a", "*", All, Allow)];
        add(&it, &topic("denied"), &acls);
        for &wished in Topic.supported_operations() {
            let is_allowed = set == wished || implied(set).contains(&wished);
            assert_eq!(may(&it, "User:a", HOST_1, wished, "allowed"), is_allowed, "{set} {wished}");
            let is_denied = set == wished || set == All;
            assert_eq!(!may(&it, "User:a", HOST_1, wished, "denied"), is_denied, "{set} {wished}");
        }
    }
}

/// Port of `AclAuthorizerTest.testAccessAllowedIfAllowAclExistsOnPrefixedResource`.
#[test]
fn an_acl_about_a_beginning_holds_for_every_name_that_begins_so() {
    let dir = TempDir::new();
    let it = open(&dir);
    add(&it, &about(Topic, Prefixed, "foo-"), &[acl("User:a", "*", Read, Allow)]);
    assert!(may(&it, "User:a", HOST_1, Read, "foo-1") && may(&it, "User:a", HOST_1, Read, "foo-"));
    assert!(!may(&it, "User:a", HOST_1, Read, "foo") && !may(&it, "User:a", HOST_1, Read, "fox"));
    let group = Resource::group("foo-1");
    let who = KafkaPrincipal::parse("User:a").unwrap();
    assert!(!it.authorize(&who, HOST_1.parse().unwrap(), Read, group), "a group is no topic");
}

/// Port of `AclAuthorizerTest.testAuthorizeWithPrefixedResource`.
#[test]
fn an_acl_is_found_among_the_acls_about_many_other_beginnings() {
    let dir = TempDir::new();
    let it = open(&dir);
    for name in ["a_other", "b_other", "z_other", "foo-zzz", "foo-b", "fo", "fop"] {
        add(&it, &about(Topic, Prefixed, name), &[acl("User:a", "*", Write, Allow)]);
        add(&it, &topic(name), &[acl("User:a", "*", Write, Allow)]);
    }
    add(&it, &about(Topic, Prefixed, "foo-a"), &[acl("User:a", "*", Read, Allow)]);
    assert!(may(&it, "User:a", HOST_1, Read, "foo-a1") && !may(&it, "User:a", HOST_1, Read, "foo"));
}

/// Port of `AclAuthorizerTest.testSingleCharacterResourceAcls`.
#[test]
fn an_acl_about_a_name_of_one_letter_holds_for_this_name() {
    let dir = TempDir::new();
    let it = open(&dir);
    add(&it, &topic("f"), &[acl("User:a", "*", Read, Allow)]);
    assert!(may(&it, "User:a", HOST_1, Read, "f") && !may(&it, "User:a", HOST_1, Read, "foo"));
    add(&it, &about(Topic, Prefixed, "_"), &[acl("User:a", "*", Read, Allow)]);
    assert!(may(&it, "User:a", HOST_1, Read, "_foo") && !may(&it, "User:a", HOST_1, Read, "o_"));
}

/// Port of `AclAuthorizerTest.testDeleteAclOnPrefixedResource`.
#[test]
fn of_two_acls_about_a_beginning_one_is_taken_away() {
    let dir = TempDir::new();
    let it = open(&dir);
    let pattern = about(Topic, Prefixed, "foo-");
    let (read, write) = (acl("User:a", "*", Read, Allow), acl("User:a", "*", Write, Allow));
    add(&it, &pattern, &[read.clone(), write]);
    add(&it, &topic("foo-"), std::slice::from_ref(&read));
    remove(&it, &pattern, &read);
    assert!(
        !may(&it, "User:a", HOST_1, Read, "foo-1") && may(&it, "User:a", HOST_1, Write, "foo-1")
    );
    assert!(may(&it, "User:a", HOST_1, Read, "foo-"), "the ACL about the name stays");
}

/// Port of `AclAuthorizerTest.testDeleteAllAclOnWildcardResource`.
#[test]
fn all_acls_about_every_topic_are_taken_away_and_no_others() {
    let dir = TempDir::new();
    let it = open(&dir);
    let read = [acl("User:a", "*", Read, Allow)];
    add(&it, &topic("*"), &read);
    add(&it, &topic("t"), &read);
    assert_eq!(it.remove_acls(&[filter(&topic("*"))]).unwrap()[0].len(), 1);
    assert!(!may(&it, "User:a", HOST_1, Read, "other") && may(&it, "User:a", HOST_1, Read, "t"));
}

/// Port of `AclAuthorizerTest.testAuthorizeByResourceTypeMultipleAddAndRemove`.
#[test]
fn any_topic_may_be_written_as_long_as_there_is_one_that_may() {
    let dir = TempDir::new();
    let it = open(&dir);
    let write = acl("User:a", HOST_1, Write, Allow);
    for _ in 0..3 {
        assert!(!may_any(&it, "User:a", HOST_1, Write));
        add(&it, &topic("t"), std::slice::from_ref(&write));
        assert!(may_any(&it, "User:a", HOST_1, Write));
        assert!(!may_any(&it, "User:a", HOST_2, Write) && !may_any(&it, "User:b", HOST_1, Write));
        assert!(!may_any(&it, "User:a", HOST_1, Read));
        remove(&it, &topic("t"), &write);
    }
}

/// Port of `AclAuthorizerTest.testAuthorizeByResourceTypeDenyTakesPrecedence`.
#[test]
fn the_only_topic_that_may_be_written_does_not_count_if_it_is_denied() {
    let dir = TempDir::new();
    let it = open(&dir);
    let (write, no_write) = (acl("User:a", "*", Write, Allow), acl("User:a", "*", Write, Deny));
    add(&it, &topic("t"), &[write.clone(), no_write.clone()]);
    assert!(!may_any(&it, "User:a", HOST_1, Write));
    add(&it, &topic("u"), &[write]);
    assert!(may_any(&it, "User:a", HOST_1, Write));
    add(&it, &about(Group, Literal, "*"), std::slice::from_ref(&no_write));
    assert!(may_any(&it, "User:a", HOST_1, Write), "groups are no topics");
}

/// Port of `AclAuthorizerTest.testAuthorizeByResourceTypePrefixedResourceDenyDominate`.
#[test]
fn a_denied_beginning_covers_names_and_longer_beginnings_only() {
    let dir = TempDir::new();
    let it = open(&dir);
    let (write, no_write) = (acl("User:a", "*", Write, Allow), acl("User:a", "*", Write, Deny));
    add(&it, &about(Topic, Prefixed, "ab"), std::slice::from_ref(&no_write));
    add(&it, &topic("abc"), std::slice::from_ref(&write));
    add(&it, &about(Topic, Prefixed, "abcd"), std::slice::from_ref(&write));
    assert!(!may_any(&it, "User:a", HOST_1, Write));
    add(&it, &topic("a"), std::slice::from_ref(&no_write));
    add(&it, &about(Topic, Prefixed, "a"), &[write]);
    assert!(may_any(&it, "User:a", HOST_1, Write), "ac may be written");
}

/// Port of `AclAuthorizerTest.testAuthorizeByResourceTypeWildcardResourceDenyDominate`.
#[test]
fn a_denial_for_every_topic_covers_every_topic() {
    let dir = TempDir::new();
    let it = open_for(dir.path(), "", true);
    let (write, no_write) = (acl("User:a", "*", Write, Allow), acl("User:a", "*", Write, Deny));
    add(&it, &topic("*"), &[write.clone(), no_write]);
    add(&it, &topic("t"), std::slice::from_ref(&write));
    add(&it, &about(Topic, Prefixed, "t"), &[write]);
    assert!(!may_any(&it, "User:a", HOST_1, Write));
    assert!(may_any(&it, "User:b", HOST_1, Write), "the broker allows what no ACL is about");
}

#[test]
fn a_host_is_compared_as_an_address_and_not_as_a_text() {
    let dir = TempDir::new();
    let it = open(&dir);
    add(&it, &topic("t"), &[acl("User:a", "FE80:0::1", Read, Allow)]);
    assert!(may(&it, "User:a", "fe80::1", Read, "t") && !may(&it, "User:a", "fe80::2", Read, "t"));
    // As a listener on `::` sees a client of IPv4: a denial that is written so must hold, too.
    add(&it, &topic("u"), &[acl("User:a", "*", Read, Allow)]);
    add(&it, &topic("u"), &[acl("User:a", "::ffff:10.0.0.7", Read, Deny)]);
    assert!(
        !may(&it, "User:a", "10.0.0.7", Read, "u") && may(&it, "User:a", "10.0.0.8", Read, "u")
    );
}
