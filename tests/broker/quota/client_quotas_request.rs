//! Port of `kafka.server.ClientQuotasRequestTest`: the quotas of users and of client ids are set,
//! removed and found, over real sockets.

use support::broker::Broker;
use support::client::Client;
use transferto::common::errors::Errors;
use transferto::server::quota::client_limits::UserClient;

use crate::quota::altered_quotas::{
    CONSUMER, DEFAULT, Entity, PRODUCER, TEST, alter, alter_one, describe, described, remove, set,
};

/// Port of `ClientQuotasRequestTest.testDescribeClientQuotasInvalidFilterCombination`.
#[test]
fn quotas_are_described_by_the_client_that_they_are_for() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    assert_eq!(alter_one(&mut client, TEST, &[set(CONSUMER, 2.0), set(PRODUCER, 1.0)]), 0);
    assert_eq!(alter_one(&mut client, DEFAULT, &[set(PRODUCER, 9007199254740992.0)]), 0);
    let test = "client-id \"test\" producer_byte_rate=1 consumer_byte_rate=2";
    let default = "client-id <default> producer_byte_rate=9007199254740992";
    for (components, strict, expected) in [
        (&[][..], false, &[default, test][..]),
        (&[], true, &[]),
        (&[("client-id", 2, None)], true, &[default, test]),
        (&[("client-id", 1, None)], false, &[default]),
        (&[("client-id", 0, Some("test"))], true, &[test]),
        (&[("client-id", 0, Some("tes"))], true, &[]),
        (&[("user", 2, None)], false, &[]),
        (&[("client-id", 2, None), ("user", 2, None)], false, &[]),
        (&[("client-id", 0, Some(""))], false, &[]),
        (&[("ip", 1, None)], true, &[]),
    ] {
        assert_eq!(described(&mut client, components, strict), expected, "{components:?}");
    }
    for (components, error) in [
        (&[("planet", 2, None)][..], Errors::UnsupportedVersion),
        (&[("", 2, None)], Errors::InvalidRequest),
        (&[("ip", 2, None), ("user", 2, None)], Errors::InvalidRequest),
        (&[("client-id", 2, None), ("ip", 1, None)], Errors::InvalidRequest),
        (&[("user", 2, None), ("user", 1, None)], Errors::InvalidRequest),
        (&[("user", -1, None)], Errors::InvalidRequest),
        (&[("client-id", 3, None)], Errors::InvalidRequest),
        (&[("client-id", 0, None)], Errors::InvalidRequest),
        (&[("client-id", 2, Some("test"))], Errors::InvalidRequest),
        (&[("client-id", 2, None), ("client-id", 1, None)], Errors::InvalidRequest),
    ] {
        let response = describe(&mut client, 1, components, false);
        assert_eq!(response.error_code, error.code(), "{components:?}");
        assert!(response.error_message.is_some());
        assert_eq!(response.entries, None);
    }
}

/// Port of `ClientQuotasRequestTest.testAlterClientQuotasInvalidRequests`, of
/// `ClientQuotasRequestTest.testAlterClientQuotasInvalidEntityCombination` and of
/// `ClientQuotasRequestTest.testClientQuotasUnsupportedEntityTypes`.
#[test]
fn an_alteration_that_cannot_be_is_refused_and_the_others_hold() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let (one, two) = ([set(PRODUCER, 1.0)], [set(PRODUCER, 2.0)]);
    let invalid = Errors::InvalidRequest;
    let twice: Entity<'_> = &[("client-id", Some("a")), ("client-id", Some("b"))];
    let long = "x".repeat(1025);
    for (components, ops, error) in [
        (&[("user", Some(""))][..], &one[..], invalid),
        (&[("client-id", Some(""))], &one, invalid),
        (&[("ip", Some("127.0.0.1"))], &one, invalid),
        (&[("ip", Some("127.0.0.1")), ("user", Some("a"))], &one, invalid),
        (&[("client-id", Some("a")), ("ip", Some("127.0.0.1"))], &one, invalid),
        (&[("planet", None)], &one, invalid),
        (&[("", Some("name"))], &one, invalid),
        (&[("user", Some("a")), ("planet", None)], &one, invalid),
        (&[], &one, invalid),
        (twice, &one, invalid),
        (&[("user", None), ("user", Some("a"))], &one, invalid),
        (&[("client-id", Some(&long))], &one, invalid),
        (&[("user", Some(&long))], &one, invalid),
        (TEST, &[set("request_percentage", 50.0)], invalid),
        (TEST, &[set("controller_mutation_rate", 5.0)], invalid),
        (TEST, &[set("connection_creation_rate", 5.0)], invalid),
        (TEST, &[set("wishes", 5.0)], invalid),
        (TEST, &[remove("wishes"), remove("wishes")], invalid),
        (TEST, &[set(PRODUCER, 1.0), remove(PRODUCER)], invalid),
        (TEST, &[set(PRODUCER, 0.0)], invalid),
        (TEST, &[set(PRODUCER, -1.0)], invalid),
        (TEST, &[set(PRODUCER, 1.5)], invalid),
        (TEST, &[set(PRODUCER, f64::NAN)], invalid),
        (TEST, &[set(PRODUCER, f64::INFINITY)], invalid),
        (TEST, &[set(PRODUCER, 1e19)], invalid),
    ] {
        for version in [0, 1] {
            let (code, why) = alter(&mut client, version, &[(components, ops)], false).remove(0);
            assert_eq!(code, error.code(), "{components:?} {ops:?}: {why:?}");
            assert!(!why.unwrap().is_empty());
        }
    }
    let user_first: Entity<'_> = &[("user", Some("a")), ("client-id", None)];
    let user_last: Entity<'_> = &[("client-id", None), ("user", Some("a"))];
    for [first, second] in [[TEST, TEST], [user_first, user_last]] {
        let both = alter(&mut client, 1, &[(first, &one), (second, &two)], false);
        assert!(both.iter().all(|(code, _)| *code == invalid.code()), "{both:?}");
    }
    // What no entity has may be removed, as in Kafka: that changes nothing.
    let nothing = [remove("wishes"), remove("request_percentage"), remove(PRODUCER)];
    assert_eq!(alter(&mut client, 1, &[(TEST, &nothing)], false), [(0, None)]);
    assert_eq!(alter(&mut client, 1, &[(TEST, &one)], true), [(0, None)]);
    assert_eq!(described(&mut client, &[], false), [] as [&str; 0]);
    let mixed = alter(&mut client, 1, &[(&[("ip", None)], &one), (TEST, &two)], false);
    assert_eq!(mixed.iter().map(|it| it.0).collect::<Vec<_>>(), [invalid.code(), 0]);
    let held = ["client-id \"test\" producer_byte_rate=2"];
    assert_eq!(described(&mut client, &[], false), held);
    let test = UserClient { user: "ANONYMOUS", client_id: "test" };
    // Kafka's own way to say "no limit".
    assert_eq!(alter_one(&mut client, TEST, &[set(PRODUCER, i64::MAX as f64)]), 0);
    assert_eq!(broker.server().quota_managers().produce.quota(test), i64::MAX);
}

const USER_AND_CLIENT: Entity<'_> = &[("user", Some("user")), ("client-id", Some("client-id"))];

/// The quotas of one entity, in one line without its name; none if it has none.
fn quotas_of(client: &mut Client, entity: Entity<'_>) -> String {
    let exactly = entity.iter().map(|&(entity_type, name)| match name {
        Some(name) => (entity_type, 0, Some(name)),
        None => (entity_type, 1, None),
    });
    let exactly: Vec<_> = exactly.collect();
    let found = describe(client, 1, &exactly, true).entries.unwrap();
    assert!(found.len() <= 1, "{found:?}");
    let values = found.into_iter().flat_map(|it| it.values);
    let values: Vec<_> = values.map(|it| format!("{}={}", it.key, it.value)).collect();
    values.join(" ")
}

/// Port of `ClientQuotasRequestTest.testAlterClientQuotasRequest`, without the quota of request time.
#[test]
fn the_quotas_of_an_entity_are_set_changed_and_removed_one_by_one() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    assert_eq!(quotas_of(&mut client, USER_AND_CLIENT), "");
    for (ops, expected) in [
        (
            &[set(PRODUCER, 10000.0), set(CONSUMER, 20000.0)][..],
            "producer_byte_rate=10000 consumer_byte_rate=20000",
        ),
        (&[set(PRODUCER, 15000.0)], "producer_byte_rate=15000 consumer_byte_rate=20000"),
        (&[remove(PRODUCER)], "consumer_byte_rate=20000"),
        (&[remove("request_percentage")], "consumer_byte_rate=20000"),
        (&[set(PRODUCER, 5000.0)], "producer_byte_rate=5000 consumer_byte_rate=20000"),
        (&[set(PRODUCER, 20000.0), remove(CONSUMER)], "producer_byte_rate=20000"),
    ] {
        assert_eq!(alter_one(&mut client, USER_AND_CLIENT, ops), 0);
        assert_eq!(quotas_of(&mut client, USER_AND_CLIENT), expected);
    }
}

/// Port of `ClientQuotasRequestTest.testAlterClientQuotasRequestValidateOnly`.
#[test]
fn an_alteration_that_is_only_checked_changes_nothing() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let user: Entity<'_> = &[("user", Some("user"))];
    assert_eq!(alter_one(&mut client, user, &[set(PRODUCER, 20000.0)]), 0);
    for ops in [
        &[set(CONSUMER, 50000.0)][..],
        &[set(PRODUCER, 10000.0)],
        &[remove(PRODUCER)],
        &[set(CONSUMER, 50000.0), remove(PRODUCER)],
    ] {
        assert_eq!(alter(&mut client, 1, &[(user, ops)], true), [(0, None)]);
        assert_eq!(quotas_of(&mut client, user), "producer_byte_rate=20000");
    }
}

/// Kafka's `matchUserClientEntities`.
const ENTITIES: [Entity<'_>; 11] = [
    &[("user", Some("user-1")), ("client-id", Some("client-id-1"))],
    &[("user", Some("user-2")), ("client-id", Some("client-id-1"))],
    &[("user", Some("user-3")), ("client-id", Some("client-id-2"))],
    &[("user", None), ("client-id", Some("client-id-1"))],
    &[("user", Some("user-1")), ("client-id", None)],
    &[("user", Some("user-3")), ("client-id", None)],
    &[("user", Some("user-1"))],
    &[("user", Some("user-2"))],
    &[("user", Some("user-3"))],
    &[("user", None)],
    &[("client-id", Some("client-id-2"))],
];

/// A broker on which each of them has a quota of its own: its place.
fn broker_with_entities() -> (Broker, Client) {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    for (place, entity) in (1_u8..).zip(ENTITIES) {
        assert_eq!(alter_one(&mut client, entity, &[set(PRODUCER, f64::from(place))]), 0);
    }
    (broker, client)
}

/// Port of `ClientQuotasRequestTest.testDescribeClientQuotasMatchExact`.
#[test]
fn an_entity_is_found_by_all_of_its_components_and_by_no_others() {
    let (_broker, mut client) = broker_with_entities();
    for (place, entity) in (1..).zip(ENTITIES) {
        assert_eq!(quotas_of(&mut client, entity), format!("producer_byte_rate={place}"));
    }
    let others: [Entity<'_>; 7] = [
        &[("user", Some("user-1")), ("client-id", Some("client-id-2"))],
        &[("user", Some("user-3")), ("client-id", Some("client-id-1"))],
        &[("user", Some("user-2")), ("client-id", None)],
        &[("user", Some("user-4"))],
        &[("user", None), ("client-id", Some("client-id-2"))],
        &[("client-id", Some("client-id-1"))],
        &[("client-id", Some("client-id-3"))],
    ];
    for entity in others {
        assert_eq!(quotas_of(&mut client, entity), "", "{entity:?}");
    }
}

/// Port of `ClientQuotasRequestTest.testDescribeClientQuotasMatchPartial`.
#[test]
fn entities_are_found_by_some_of_their_components() {
    let (_broker, mut client) = broker_with_entities();
    for (components, strict, expected) in [
        (&[("user", 0, Some("user-1"))][..], false, &[1, 5, 7][..]),
        (&[("user", 0, Some("unknown"))], false, &[]),
        (&[("client-id", 0, Some("client-id-2"))], false, &[3, 11]),
        (&[("user", 1, None)], false, &[4, 10]),
        (&[("user", 0, Some("user-2"))], true, &[8]),
        (&[("client-id", 0, Some("client-id-1"))], true, &[]),
        (&[("user", 2, None)], true, &[7, 8, 9, 10]),
        (&[("user", 2, None)], false, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        (&[("client-id", 2, None)], true, &[11]),
        (&[("client-id", 2, None)], false, &[1, 2, 3, 4, 5, 6, 11]),
        (&[("client-id", 1, None), ("user", 2, None)], true, &[5, 6]),
        (&[("client-id", 0, Some("client-id-1")), ("user", 1, None)], true, &[4]),
        (&[("ip", 2, None)], false, &[]),
        (&[], false, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        (&[], true, &[]),
    ] {
        let found = describe(&mut client, 1, components, strict).entries.unwrap();
        let mut places: Vec<_> = found.iter().map(|it| it.values[0].value as i32).collect();
        places.sort_unstable();
        assert_eq!(places, expected, "{components:?} {strict}");
    }
}

/// Port of `ClientQuotasRequestTest.testClientQuotasSanitized` and of
/// `ClientQuotasRequestTest.testClientQuotasWithDefaultName`.
#[test]
fn a_name_may_be_anything_and_is_never_the_default() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let entities: [Entity<'_>; 4] = [
        &[("user", Some("user with spaces"))],
        &[("user", Some("CN=alice,OU=x"))],
        &[("client-id", Some("<default>"))],
        &[("user", Some("<default>")), ("client-id", Some("a\nb"))],
    ];
    for entity in entities {
        assert_eq!(alter_one(&mut client, entity, &[set(PRODUCER, 20000.0)]), 0);
        assert_eq!(quotas_of(&mut client, entity), "producer_byte_rate=20000");
    }
    for default in [&[("client-id", None)][..], &[("user", None)]] {
        assert_eq!(quotas_of(&mut client, default), "");
    }
}
