//! What clients bring into groups is bounded: by what a record of the group can hold, and for all
//! groups together by a budget.

use std::sync::{Arc, mpsc};

use support::broker::Broker;
use support::temp::TempDir;
use support::wait::wait_until;
use transferto::common::errors::Errors;
use transferto::common::mock_time::MockTime;
use transferto::coordinator::group_results::{JoinGroup, MemberIdentity as Identity};

use crate::apis::group_client::{
    JOIN_AT_ONCE, Member, NEWEST_JOIN, NEWEST_LEAVE, NEWEST_OFFSET_COMMIT, SESSION_TIMEOUT_MS,
    SETTINGS, assign, list_groups, pair,
};

const UNAVAILABLE: i16 = Errors::CoordinatorNotAvailable.code();

/// Far from what a few members need, and soon spent by a flood.
const BUDGET: (&str, &str) = ("transferto.group.memory.max.bytes", "100000");

/// More joins than the budget has room for.
const FLOOD: usize = 100;

fn held_bytes(broker: &Broker) -> usize {
    broker.server().group_coordinator().manager().memory().held_bytes()
}

/// A member that brings so many bytes for each of its protocols.
fn member_with(broker: &Broker, group: &str, metadata_bytes: &[usize]) -> Member {
    let protocol = |(number, bytes): (usize, &usize)| (format!("p{number}"), vec![b'm'; *bytes]);
    let protocols = metadata_bytes.iter().enumerate().map(protocol).collect();
    Member { protocols, ..Member::of(broker, group) }
}

#[test]
fn a_member_that_no_record_can_hold_is_refused_and_leaves_nothing_behind() {
    let broker = Broker::start(SETTINGS);
    for number in 0..3 {
        for version in [JOIN_AT_ONCE, NEWEST_JOIN] {
            let mut member = member_with(&broker, &format!("g{number}"), &[10, 2 << 20]);
            let joined = member.join_in(version);
            assert_eq!(joined.error_code, Errors::UnknownServerError.code(), "as from Kafka");
        }
    }
    let mut many = member_with(&broker, "many", &[0; 100_000]);
    assert_eq!(many.join_in(NEWEST_JOIN).error_code, Errors::GroupMaxSizeReached.code());
    assert_eq!(held_bytes(&broker), 0);
    let mut large = member_with(&broker, "g", &[1_000_000, 1_000_000]);
    large.join();
    assert_eq!(large.sync(&[]).error_code, 0, "what fits into a record is taken");
    assert_eq!(list_groups(&mut large.client, 5, &[]).len(), 1);
}

#[test]
fn when_the_memory_is_spent_newcomers_try_again_and_the_groups_that_exist_go_on() {
    let broker = Broker::start(&[SETTINGS[0], BUDGET]);
    let (mut leader, mut follower) = pair(&broker, "g");
    leader.client.create_topic("post");
    leader.client.create_topic("other");
    assert_eq!(leader.commit("post", 0, 5), 0);
    let before_bytes = held_bytes(&broker);

    let joins = (0..FLOOD).map(|number| {
        let mut member = member_with(&broker, &format!("flood-{number}"), &[500]);
        (member.join_in(JOIN_AT_ONCE).error_code, member)
    });
    let flood: Vec<_> = joins.collect();
    let (joined, refused): (Vec<_>, Vec<_>) = flood.into_iter().partition(|it| it.0 == 0);
    assert!(joined.len() > 10 && refused.len() > 10);
    assert!(refused.iter().all(|(code, _)| *code == UNAVAILABLE));
    let mut more = member_with(&broker, "g", &[90_000]);
    more.protocols[0].0 = "range".to_string();
    assert_eq!(more.join_in(JOIN_AT_ONCE).error_code, UNAVAILABLE, "a newcomer to an old group");

    assert_eq!((leader.heartbeat(), follower.heartbeat()), (0, 0));
    assert_eq!(leader.commit("post", 0, 6), 0, "an offset in the place of another");
    let large = "m".repeat(4_000);
    let request = leader.commit_request(&[("other", 0, 1, Some(&large))]);
    assert_eq!(leader.commit_with(NEWEST_OFFSET_COMMIT, request), [UNAVAILABLE]);
    let joining = leader.begin_join();
    follower.await_rebalance();
    follower.join();
    assert_eq!(leader.receive_join(&joining).error_code, 0);
    assign(&mut leader, &mut follower);

    for (_, mut member) in joined {
        assert_eq!(member.leave(NEWEST_LEAVE), 0);
    }
    broker.server().group_coordinator().cleanup_group_metadata();
    wait_until("what they held", || held_bytes(&broker) == before_bytes);
    let request = leader.commit_request(&[("other", 0, 1, Some(&large))]);
    assert_eq!(leader.commit_with(NEWEST_OFFSET_COMMIT, request), [0]);
}

#[test]
fn ids_that_nobody_joins_with_are_bounded_and_give_their_memory_back() {
    let time = Arc::new(MockTime::new());
    let settings = [SETTINGS[0], BUDGET];
    let broker =
        Broker::start_with(Arc::new(TempDir::new()), &settings, |it| it.time(time.clone()));
    let mut lone = Member::alone_in(&broker, "g");
    let before_bytes = held_bytes(&broker);
    let mut codes: Vec<_> =
        (0..FLOOD).map(|_| Member::of(&broker, "g").join_once().error_code).collect();
    codes.dedup();
    assert_eq!(codes, [Errors::MemberIdRequired.code(), UNAVAILABLE]);
    assert_eq!(lone.heartbeat(), 0);
    time.sleep(i64::from(SESSION_TIMEOUT_MS) - 1);
    assert_eq!(lone.heartbeat(), 0);
    time.sleep(1);
    wait_until("the ids to be taken back", || held_bytes(&broker) == before_bytes);
    assert_eq!(Member::of(&broker, "g").join_once().error_code, Errors::MemberIdRequired.code());
}

#[test]
fn a_group_that_holds_all_that_its_records_justify_takes_no_further_member() {
    let broker = Broker::start(&[SETTINGS[0], ("message.max.bytes", "2000")]);
    let (mut leader, mut follower) = pair(&broker, "g");
    let mut codes = Vec::new();
    for _ in 0..FLOOD {
        let mut member = Member::of(&broker, "g");
        member.protocols[0].1 = vec![b'm'; 500];
        let header = member.send_join(NEWEST_JOIN);
        codes.push(member.receive_join(&header).error_code);
    }
    codes.dedup();
    let full = Errors::GroupMaxSizeReached.code();
    assert_eq!(codes, [Errors::MemberIdRequired.code(), full]);
    assert!(held_bytes(&broker) < 8 * 2_000 + 4_000, "of which a part is the group's own");
    assert_eq!((leader.heartbeat(), follower.heartbeat()), (0, 0));
    assert_eq!(leader.describe().members.len(), 2);
}

/// Of 37 members of 60 MB each, which once made an answer of more than 2 GiB, in small.
#[test]
fn what_a_leader_gets_to_read_is_no_longer_than_its_group_may_hold() {
    let broker = Broker::start(&[SETTINGS[0], ("message.max.bytes", "2000")]);
    Member::of(&broker, "g");
    let coordinator = broker.server().group_coordinator();
    let (sender, receiver) = mpsc::channel();
    let join = |member_id: &str| {
        let request = JoinGroup {
            group_id: "g".to_string(),
            member: Identity { member_id: member_id.to_string(), group_instance_id: None },
            is_known_member_id_required: false,
            is_skipping_assignment_supported: false,
            client_id: "test".to_string(),
            client_host: "/127.0.0.1".to_string(),
            rebalance_timeout_ms: 60_000,
            session_timeout_ms: SESSION_TIMEOUT_MS,
            protocol_type: "consumer".to_string(),
            protocols: vec![("range".to_string(), vec![b'm'; 1_500])],
            client: Arc::default(),
        };
        let sender = sender.clone();
        coordinator.join_group(&request, Box::new(move |joined| sender.send(joined).unwrap()));
    };
    join("");
    let leader = receiver.try_recv().unwrap().unwrap();
    (0..37).for_each(|_| join(""));
    let refused = receiver.try_iter().map(|it| it.unwrap_err().error);
    assert!(refused.filter(|it| *it == Errors::GroupMaxSizeReached).count() > 30);
    join(&leader.member_id);
    let joined: Vec<_> = receiver.try_iter().map(Result::unwrap).collect();
    let told_bytes = joined.iter().flat_map(|it| &it.members).map(|it| it.metadata.len());
    assert!(joined.len() > 2 && told_bytes.sum::<usize>() < 8 * 2_000);
    assert_eq!(coordinator.list_groups().unwrap().len(), 1);
    assert!(broker.shutdown().is_ok());
}

#[test]
fn a_request_that_is_refused_leaves_no_group() {
    let broker = Broker::start(SETTINGS);
    let mut member = Member::of(&broker, "g");
    member.client.create_topic("post");
    for number in 0..10 {
        member.group = format!("join-{number}");
        member.protocols.clear();
        assert_eq!(member.join_once().error_code, Errors::InconsistentGroupProtocol.code());
        member.group = format!("commit-{number}");
        member.member_id = "nobody".to_string();
        assert_eq!(member.commit("post", 0, 1), Errors::UnknownMemberId.code());
        member.member_id = String::new();
    }
    assert!(list_groups(&mut member.client, 5, &[]).is_empty());
    assert_eq!(held_bytes(&broker), 0);
}

#[test]
fn what_groups_hold_is_counted_again_after_a_restart_and_loaded_even_above_the_limit() {
    let broker = Broker::start(SETTINGS);
    let (mut leader, _follower) = pair(&broker, "g");
    leader.client.create_topic("post");
    assert_eq!(leader.commit("post", 0, 5), 0);
    let before_bytes = held_bytes(&broker);
    let settings = [SETTINGS[0], ("transferto.group.memory.max.bytes", "1")];
    let broker = Broker::start_in(broker.stop(), &settings);
    assert_eq!(held_bytes(&broker), before_bytes, "to the last byte");
    leader.client = broker.connect();
    assert_eq!(leader.heartbeat(), 0);
    assert_eq!(leader.commit("post", 0, 6), 0);
    assert_eq!(Member::of(&broker, "new").join_once().error_code, UNAVAILABLE);
}
