//! Consumer groups over real sockets: members join, share, leave and die.

use std::sync::{Arc, mpsc};

use support::broker::Broker;
use support::records::batch;
use support::temp::TempDir;
use support::wait::{answered, wait_until};
use transferto::common::errors::Errors;
use transferto::common::mock_time::MockTime;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::coordinator::group_coordinator::GroupCoordinator;
use transferto::coordinator::group_results::{
    JoinCallback, JoinGroup, MemberIdentity as Identity, SyncGroup,
};
use transferto::protocol::leave_group::MemberIdentity;
use transferto::protocol::request::{RequestBody, ResponseBody};

use crate::apis::group_client::{
    JOIN_AT_ONCE, Member, NEWEST_JOIN, NEWEST_LEAVE, SESSION_TIMEOUT_MS, SETTINGS, assign,
    broker_by, describe, find_coordinator, leave, list_groups, pair,
};

const UNKNOWN_MEMBER: i16 = Errors::UnknownMemberId.code();
const REBALANCE: i16 = Errors::RebalanceInProgress.code();

#[test]
fn the_first_question_for_a_coordinator_creates_the_topic_of_offsets() {
    let broker = Broker::start(SETTINGS);
    let mut client = broker.connect();
    assert!(client.metadata(1, None).topics.is_empty());
    for version in 0..=4 {
        let answer = find_coordinator(&mut client, version, "g");
        let port = i32::from(client.stream.peer_addr().unwrap().port());
        let (node_id, host, told) = match answer.coordinators.first() {
            Some(it) => (it.node_id, it.host.clone(), it.port),
            None => (answer.node_id, answer.host, answer.port),
        };
        assert_eq!((node_id, host.as_str(), told), (0, "127.0.0.1", port), "version {version}");
    }
    let topic = client.metadata(1, None).topics.remove(0);
    assert_eq!(topic.name.as_deref(), Some("__consumer_offsets"));
    assert!(topic.is_internal);
    assert_eq!(topic.partitions.len(), 2);
}

#[test]
fn nobody_but_the_broker_writes_the_topic_of_offsets_and_everybody_reads_it() {
    let broker = Broker::start(&[("offsets.topic.num.partitions", "1")]);
    let mut member = Member::alone_in(&broker, "g");
    let refused = member.client.produce("__consumer_offsets", 0, &batch(&[b"x"]));
    assert_eq!(refused.error_code, Errors::InvalidTopicException.code());
    let fetched = member.client.fetch("__consumer_offsets", 0, 0);
    assert_eq!((fetched.error, fetched.high_watermark), (0, 1), "the record of the group");
}

/// Port of `GroupCoordinatorResponseTest.testValidJoinGroup` and
/// `GroupCoordinatorResponseTest.testSyncGroupEmptyAssignment`.
#[test]
fn a_member_joins_in_every_version() {
    let broker = Broker::start(SETTINGS);
    for version in 0..=NEWEST_JOIN {
        let mut member = Member::of(&broker, &format!("g{version}"));
        let joined = member.join_in(version);
        assert_eq!((joined.error_code, joined.generation_id), (0, 1), "version {version}");
        assert_eq!(joined.leader, member.member_id);
        assert_eq!(joined.protocol_name.as_deref(), Some("range"));
        assert_eq!(joined.members.len(), 1);
        let sync_version = version.min(5);
        let header = member.send_sync(sync_version, &[]);
        let synced = member.receive_sync(&header);
        assert_eq!((synced.error_code, synced.assignment), (0, Vec::new()));
        assert_eq!(member.heartbeat_in(version.min(4)), 0);
        assert_eq!(member.leave(version.min(5)), 0);
        assert_eq!(member.heartbeat(), UNKNOWN_MEMBER);
    }
}

#[test]
fn a_first_join_of_today_gets_an_id_and_makes_no_member() {
    let broker = Broker::start(SETTINGS);
    let mut member = Member::of(&broker, "g");
    let header = member.send_join(NEWEST_JOIN);
    let first = member.receive_join(&header);
    assert_eq!(first.error_code, Errors::MemberIdRequired.code());
    assert!(first.member_id.starts_with("test-"), "the client's id comes first");
    assert!(member.describe().members.is_empty());
    assert_eq!(member.join().member_id, first.member_id);
}

#[test]
fn the_leader_sees_all_members_and_assigns() {
    let broker = Broker::start(SETTINGS);
    let (mut leader, mut follower) = pair(&broker, "g");
    let group = leader.describe();
    assert_eq!(group.group_state, "Stable");
    assert_eq!((group.protocol_type.as_str(), group.protocol_data.as_str()), ("consumer", "range"));
    assert_eq!(group.members.len(), 2);
    let of = |id: &str| group.members.iter().find(|it| it.member_id == id).unwrap();
    assert_eq!(of(&leader.member_id).member_assignment, b"a");
    assert_eq!(of(&follower.member_id).member_assignment, b"b");
    assert_eq!(of(&follower.member_id).client_id, "test");
    assert_eq!(of(&follower.member_id).client_host, "/127.0.0.1");
    assert_eq!((leader.heartbeat(), follower.heartbeat()), (0, 0));
    // Who asks again gets the same again.
    assert_eq!(follower.sync(&[]).assignment, b"b");
}

/// Port of `GroupCoordinatorResponseTest.testSyncGroupLeaderAfterFollower`.
#[test]
fn a_follower_waits_for_the_leaders_assignment() {
    let broker = Broker::start(SETTINGS);
    let (mut leader, mut follower) = pair(&broker, "g");
    let joining = leader.begin_join();
    follower.await_rebalance();
    assert_eq!(follower.sync(&[]).error_code, REBALANCE);
    follower.join();
    assert_eq!(leader.receive_join(&joining).members.len(), 2);
    let syncing = follower.send_sync(5, &[]);
    let ids = (leader.member_id.clone(), follower.member_id.clone());
    leader.sync(&[(&ids.0, b"1"), (&ids.1, b"2")]);
    assert_eq!(follower.receive_sync(&syncing).assignment, b"2");
}

/// Port of `GroupCoordinatorResponseTest.testValidLeaveGroup` and
/// `GroupCoordinatorResponseTest.testGenerationIdIncrementsOnRebalance`.
#[test]
fn a_member_that_leaves_makes_the_others_join_again() {
    let broker = Broker::start(SETTINGS);
    let (mut one, mut other) = pair(&broker, "g");
    let generation = one.generation;
    assert_eq!(one.leave(NEWEST_LEAVE), 0);
    assert_eq!(other.heartbeat(), REBALANCE);
    let joined = other.join();
    assert_eq!(joined.generation_id, generation + 1);
    assert_eq!((joined.leader, joined.members.len()), (other.member_id.clone(), 1));
    assert_eq!(other.leave(0), 0);
    assert_eq!(other.describe().group_state, "Empty");
}

/// Port of `GroupCoordinatorResponseTest.testSessionTimeout` and
/// `GroupCoordinatorResponseTest.testHeartbeatMaintainsSession`.
#[test]
fn a_member_that_is_silent_dies_and_one_that_is_not_lives() {
    let time = Arc::new(MockTime::new());
    let broker = broker_by(&time);
    let (mut silent, mut alive) = pair(&broker, "g");
    for _ in 0..2 {
        time.sleep(i64::from(SESSION_TIMEOUT_MS) / 2 + 1);
        alive.heartbeat();
    }
    alive.await_rebalance();
    assert_eq!(alive.join().members.len(), 1);
    assert_eq!(silent.heartbeat(), UNKNOWN_MEMBER);
    alive.sync(&[]);
    time.sleep(i64::from(SESSION_TIMEOUT_MS) + 1);
    wait_until("the group to be empty", || alive.describe().group_state == "Empty");
}

/// Port of `GroupCoordinatorResponseTest.testLeaderFailureInSyncGroup`.
#[test]
fn a_leader_that_dies_before_it_assigns_keeps_nobody_waiting() {
    let time = Arc::new(MockTime::new());
    let broker = broker_by(&time);
    let (mut leader, mut follower) = pair(&broker, "g");
    let joining = leader.begin_join();
    follower.await_rebalance();
    follower.session_timeout_ms = 10 * SESSION_TIMEOUT_MS;
    follower.join();
    assert_eq!(leader.receive_join(&joining).leader, leader.member_id);
    let syncing = follower.send_sync(5, &[]);
    time.sleep(i64::from(SESSION_TIMEOUT_MS) + 1);
    assert_eq!(follower.receive_sync(&syncing).error_code, REBALANCE);
    let joined = follower.join();
    assert_eq!((joined.leader, joined.members.len()), (follower.member_id.clone(), 1));
}

#[test]
fn a_member_that_joins_and_never_syncs_is_put_out() {
    let time = Arc::new(MockTime::new());
    let broker = broker_by(&time);
    let (mut leader, mut follower) = pair(&broker, "g");
    let joining = leader.begin_join();
    follower.await_rebalance();
    follower.join();
    leader.receive_join(&joining);
    let id = leader.member_id.clone();
    assert_eq!(leader.sync(&[(&id, b"all")]).error_code, 0);
    for _ in 0..12 {
        time.sleep(6_000);
        leader.heartbeat();
        follower.heartbeat();
    }
    leader.await_rebalance();
    assert_eq!(follower.heartbeat(), UNKNOWN_MEMBER);
    assert_eq!(leader.join().members.len(), 1);
}

#[test]
fn a_rebalance_completes_without_members_that_do_not_join() {
    let time = Arc::new(MockTime::new());
    let broker = broker_by(&time);
    let (mut other, mut one) = pair(&broker, "g");
    let joining = other.begin_join();
    one.await_rebalance();
    // It sends heartbeats and does not join, for the 60 s that a rebalance may take.
    for _ in 0..11 {
        time.sleep(6_000);
        one.heartbeat();
    }
    let joined = other.receive_join(&joining);
    assert_eq!((joined.error_code, joined.members.len()), (0, 1));
    assert_eq!(one.heartbeat(), UNKNOWN_MEMBER);
}

#[test]
fn an_id_that_nobody_joins_with_is_taken_back() {
    let time = Arc::new(MockTime::new());
    let broker = broker_by(&time);
    let (mut undecided, mut watcher) = (Member::of(&broker, "g"), broker.connect());
    let header = undecided.send_join(NEWEST_JOIN);
    assert_eq!(undecided.receive_join(&header).error_code, Errors::MemberIdRequired.code());
    // A group that has given an id away is not forgotten, though it has neither members nor
    // offsets.
    let coordinator = broker.server().group_coordinator();
    let mut is_forgotten = || {
        coordinator.cleanup_group_metadata();
        describe(&mut watcher, 5, "g").group_state == "Dead"
    };
    assert!(!is_forgotten());
    time.sleep(i64::from(SESSION_TIMEOUT_MS) + 1);
    wait_until("the id to be forgotten", is_forgotten);
    assert_eq!(undecided.join_in(NEWEST_JOIN).error_code, UNKNOWN_MEMBER);
}

/// Port of `GroupCoordinatorResponseTest.testJoinGroupSessionTimeoutTooSmall`,
/// `GroupCoordinatorResponseTest.testJoinGroupSessionTimeoutTooLarge`,
/// `GroupCoordinatorResponseTest.testInvalidGroupId`,
/// `GroupCoordinatorResponseTest.testJoinGroupUnknownConsumerNewGroup`,
/// `GroupCoordinatorResponseTest.testJoinGroupInconsistentProtocolType` and
/// `GroupCoordinatorResponseTest.testJoinGroupInconsistentGroupProtocol`.
#[test]
fn a_client_that_cannot_be_a_member_gets_the_reason() {
    let broker = Broker::start(SETTINGS);
    let mut member = Member::of(&broker, "g");
    for timeout_ms in [5_999, 1_800_001, -1] {
        member.session_timeout_ms = timeout_ms;
        assert_eq!(member.join_in(JOIN_AT_ONCE).error_code, Errors::InvalidSessionTimeout.code());
    }
    member.session_timeout_ms = SESSION_TIMEOUT_MS;
    member.group = String::new();
    assert_eq!(member.join_in(JOIN_AT_ONCE).error_code, Errors::InvalidGroupId.code());
    member.group = "g".to_string();
    member.member_id = "who".to_string();
    let answer = member.join_in(NEWEST_JOIN);
    assert_eq!((answer.error_code, answer.member_id.as_str()), (UNKNOWN_MEMBER, "who"));
    member.member_id = String::new();
    let protocols = std::mem::take(&mut member.protocols);
    assert_eq!(member.join_in(0).error_code, Errors::InconsistentGroupProtocol.code());
    member.protocols = protocols;
    member.join();

    let mut other = Member::of(&broker, "g");
    other.protocol_type = "connect".to_string();
    assert_eq!(other.join_in(NEWEST_JOIN).error_code, Errors::InconsistentGroupProtocol.code());
    other.protocol_type = "consumer".to_string();
    other.protocols[0].0 = "roundrobin".to_string();
    assert_eq!(other.join_in(NEWEST_JOIN).error_code, Errors::InconsistentGroupProtocol.code());
    other.group_instance_id = Some("x".repeat(250));
    assert_eq!(other.join_in(NEWEST_JOIN).error_code, Errors::InvalidRequest.code());
}

/// Port of `GroupCoordinatorResponseTest.testHeartbeatUnknownGroup`,
/// `GroupCoordinatorResponseTest.testHeartbeatIllegalGeneration`,
/// `GroupCoordinatorResponseTest.testSyncGroupFromUnknownGroup`,
/// `GroupCoordinatorResponseTest.testSyncGroupFromUnknownMember`,
/// `GroupCoordinatorResponseTest.testSyncGroupFromIllegalGeneration`,
/// `GroupCoordinatorResponseTest.testLeaveGroupUnknownGroup` and
/// `GroupCoordinatorResponseTest.testLeaveGroupUnknownConsumerExistingGroup`.
#[test]
fn the_wrong_group_member_or_generation_is_refused() {
    let broker = Broker::start(SETTINGS);
    let mut member = Member::alone_in(&broker, "g");
    member.generation += 1;
    let illegal = Errors::IllegalGeneration.code();
    assert_eq!((member.heartbeat(), member.sync(&[]).error_code), (illegal, illegal));
    member.generation -= 1;
    let id = std::mem::replace(&mut member.member_id, "who".to_string());
    assert_eq!((member.heartbeat(), member.sync(&[]).error_code), (UNKNOWN_MEMBER, UNKNOWN_MEMBER));
    assert_eq!((member.leave(0), member.leave(NEWEST_LEAVE)), (UNKNOWN_MEMBER, UNKNOWN_MEMBER));
    member.member_id = id;
    member.group = "nobody".to_string();
    assert_eq!((member.heartbeat(), member.sync(&[]).error_code), (UNKNOWN_MEMBER, UNKNOWN_MEMBER));
    assert_eq!((member.leave(0), member.leave(NEWEST_LEAVE)), (UNKNOWN_MEMBER, UNKNOWN_MEMBER));
    member.group = "g".to_string();
    assert_eq!(member.heartbeat(), 0);
}

/// Port of `GroupCoordinatorResponseTest.testJoinGroupFromUnchangedFollowerDoesNotRebalance` and
/// `GroupCoordinatorResponseTest.testJoinGroupFromUnchangedLeaderShouldRebalance`.
#[test]
fn an_unchanged_follower_that_joins_again_disturbs_nobody_but_a_leader_rebalances() {
    let broker = Broker::start(SETTINGS);
    let (mut leader, mut follower) = pair(&broker, "g");
    let generation = follower.generation;
    assert_eq!(follower.join().generation_id, generation);
    assert_eq!(leader.heartbeat(), 0);
    let joining = leader.begin_join();
    follower.await_rebalance();
    assert_eq!(follower.join().generation_id, generation + 1);
    assert_eq!(leader.receive_join(&joining).error_code, 0);
}

#[test]
fn a_static_member_keeps_its_place_and_its_assignment_while_it_is_away() {
    let broker = Broker::start(SETTINGS);
    let mut one = Member::named(&broker, "g", "one");
    assert!(one.join().member_id.starts_with("one-"));
    one.sync(&[]);
    let mut other = Member::named(&broker, "g", "other");
    let joining = other.begin_join();
    one.await_rebalance();
    one.join();
    other.receive_join(&joining);
    assign(&mut one, &mut other);

    // It comes back without having left: nobody joins again, and its assignment is there.
    let mut back = Member::named(&broker, "g", "other");
    let joined = back.join();
    assert_eq!(joined.generation_id, one.generation);
    assert_ne!(back.member_id, other.member_id);
    assert_eq!(back.sync(&[]).assignment, b"b");
    assert_eq!(one.heartbeat(), 0);
    // The one whose place was taken is fenced off.
    assert_eq!(other.heartbeat(), Errors::FencedInstanceId.code());
    assert_eq!(other.leave(NEWEST_LEAVE), Errors::FencedInstanceId.code());
    // A leader that comes back is told to assign nothing.
    let mut leader = Member::named(&broker, "g", "one");
    let joined = leader.join();
    assert!(joined.skip_assignment);
    assert_eq!((joined.leader, joined.members.len()), (leader.member_id.clone(), 2));
    assert_eq!(leader.sync(&[]).assignment, b"a");
    // An administrator removes members by their own names, several at once.
    let named = |name: &str| MemberIdentity {
        group_instance_id: Some(name.to_string()),
        ..MemberIdentity::default()
    };
    let removed = leave(&mut back.client, 5, "g", vec![named("one"), named("other"), named("x")]);
    let errors: Vec<_> = removed.members.iter().map(|it| it.error_code).collect();
    assert_eq!(errors, [0, 0, UNKNOWN_MEMBER]);
    assert_eq!(back.describe().group_state, "Empty");
}

#[test]
fn a_group_takes_no_more_members_than_it_may_have() {
    let broker = Broker::start(&[SETTINGS[0], ("group.max.size", "1")]);
    let mut member = Member::alone_in(&broker, "g");
    let mut other = Member::of(&broker, "g");
    assert_eq!(other.join_in(NEWEST_JOIN).error_code, Errors::GroupMaxSizeReached.code());
    assert_eq!(member.heartbeat(), 0);
}

#[test]
fn an_empty_group_waits_a_moment_for_more_members_if_it_is_set_to() {
    let time = Arc::new(MockTime::new());
    let settings = [SETTINGS[0], ("group.initial.rebalance.delay.ms", "3000")];
    let dir = Arc::new(TempDir::new());
    let broker = Broker::start_with(dir, &settings, |it| it.time(time.clone()));
    let (mut one, mut other) = (Member::of(&broker, "g"), Member::of(&broker, "g"));
    let (first, second) = (one.begin_join(), other.begin_join());
    let mut watcher = Member::of(&broker, "g");
    wait_until("both members", || watcher.describe().members.len() == 2);
    // One came after the first: they are waited for once more, up to twice the delay.
    wait_until("the end of the delay", || {
        time.sleep(10);
        watcher.describe().group_state == "CompletingRebalance"
    });
    assert_eq!(one.receive_join(&first).generation_id, 1);
    assert_eq!(other.receive_join(&second).generation_id, 1, "one generation for both");
}

/// Port of `GroupCoordinatorResponseTest.testListGroupsIncludesStableGroups`,
/// `GroupCoordinatorResponseTest.testListGroupsIncludesRebalancingGroups`,
/// `GroupCoordinatorResponseTest.testDescribeGroupInactiveGroup` and
/// `GroupCoordinatorResponseTest.testDescribeGroupRebalancing`.
#[test]
fn groups_are_listed_and_described_in_every_version() {
    let broker = Broker::start(SETTINGS);
    let mut member = Member::alone_in(&broker, "stable");
    let mut joined = Member::of(&broker, "joined");
    joined.join();
    for version in 0..=5 {
        let names: Vec<_> = list_groups(&mut member.client, version, &[])
            .into_iter()
            .map(|it| it.group_id)
            .collect();
        assert_eq!(names, ["joined", "stable"], "version {version}");
        let group = describe(&mut member.client, version, "stable");
        assert_eq!((group.error_code, group.group_state.as_str()), (0, "Stable"));
        assert_eq!(group.members.len(), 1);
        let expected = if version >= 3 { 0b1_0100_1000 } else { i32::MIN };
        assert_eq!(group.authorized_operations, expected, "version {version}");
        let nobody = describe(&mut member.client, version, "nobody");
        assert_eq!((nobody.error_code, nobody.group_state.as_str()), (0, "Dead"));
        let group = describe(&mut member.client, version, "joined");
        assert_eq!(group.group_state, "CompletingRebalance");
        assert_eq!((group.protocol_data.as_str(), group.members.len()), ("", 1));
        assert!(group.members[0].member_metadata.is_empty());
    }
    let stable = list_groups(&mut member.client, 4, &["stable"]);
    assert_eq!((stable.len(), stable[0].group_state.as_str()), (1, "Stable"));
    assert_eq!(list_groups(&mut member.client, 5, &["stable"])[0].group_type, "classic");
    assert!(list_groups(&mut member.client, 4, &["Empty"]).is_empty());
}

#[test]
fn members_of_a_stable_group_find_it_stable_after_a_restart() {
    let broker = Broker::start(SETTINGS);
    let (mut leader, mut follower) = pair(&broker, "g");
    let before = leader.describe();
    let dir = broker.stop();
    let broker = Broker::start_in(dir, SETTINGS);
    leader.client = broker.connect();
    follower.client = broker.connect();
    assert_eq!(leader.describe(), before);
    assert_eq!((leader.heartbeat(), follower.heartbeat()), (0, 0));
    assert_eq!(follower.sync(&[]).assignment, b"b");
    let mut third = Member::of(&broker, "g");
    let joining = third.begin_join();
    leader.await_rebalance();
    leader.begin_join();
    follower.join();
    assert_eq!(third.receive_join(&joining).error_code, 0);
}

#[test]
fn a_member_that_does_not_come_back_after_a_restart_dies() {
    let time = Arc::new(MockTime::new());
    let broker = broker_by(&time);
    Member::alone_in(&broker, "g");
    let dir = broker.stop();
    let broker = Broker::start_with(dir, SETTINGS, |it| it.time(time.clone()));
    let mut watcher = Member::of(&broker, "g");
    assert_eq!(watcher.describe().group_state, "Stable");
    time.sleep(i64::from(SESSION_TIMEOUT_MS) + 1);
    wait_until("the group to be empty", || watcher.describe().group_state == "Empty");
}

#[test]
fn the_broker_stops_while_members_wait() {
    let broker = Broker::start(SETTINGS);
    let (_leader, mut follower) = pair(&broker, "g");
    let _joining = follower.begin_join();
    let mut third = Member::of(&broker, "g");
    third.begin_join();
    let dir = broker.stop();
    let broker = Broker::start_in(dir, SETTINGS);
    assert_eq!(Member::of(&broker, "g").describe().members.len(), 2);
}

#[test]
fn a_request_of_a_group_before_its_topic_exists_sends_the_client_to_look_for_the_coordinator() {
    let broker = Broker::start(SETTINGS);
    let mut client = broker.connect();
    let request = transferto::protocol::heartbeat::HeartbeatRequest {
        group_id: "g".to_string(),
        ..Default::default()
    };
    let body = client.call(4, &RequestBody::Heartbeat(request), &[]).0;
    let ResponseBody::Heartbeat(response) = body else { panic!("{body:?}") };
    assert_eq!(response.error_code, Errors::NotCoordinator.code());
    assert!(list_groups(&mut client, 5, &[]).is_empty());
}

/// A first join that makes a member at once.
fn join_of(group: &str) -> JoinGroup {
    JoinGroup {
        group_id: group.to_string(),
        member: Identity::default(),
        is_known_member_id_required: false,
        is_skipping_assignment_supported: false,
        client_id: "test".to_string(),
        client_host: "/127.0.0.1".to_string(),
        rebalance_timeout_ms: 60_000,
        session_timeout_ms: SESSION_TIMEOUT_MS,
        protocol_type: "consumer".to_string(),
        protocols: vec![("range".to_string(), Vec::new())],
        client: Arc::default(),
    }
}

#[test]
fn a_panic_in_one_group_answers_its_members_and_the_group_is_loaded_again() {
    let broker = Broker::start(SETTINGS);
    let (mut leader, mut follower) = pair(&broker, "g");
    leader.client.create_topic("post");
    assert_eq!(leader.commit("post", 0, 5), 0);
    let mut other = Member::alone_in(&broker, "other");
    let before = leader.describe();
    let mut third = Member::of(&broker, "g");
    let joining = third.begin_join();
    leader.await_rebalance();

    let coordinator = broker.server().group_coordinator();
    let group = coordinator.manager().get_group("g").unwrap();
    let failed = coordinator.changes().change(&group, |it| -> Result<(), Errors> {
        it.group.offsets.remove(&TopicAndPartition::new("post", 0));
        panic!("between two steps of a change")
    });
    assert_eq!(failed, Err(Errors::NotCoordinator));
    assert_eq!(third.receive_join(&joining).error_code, Errors::NotCoordinator.code());
    // The group is as it is in the log, and its members are in the generation that is there.
    assert_eq!(leader.describe(), before);
    assert_eq!((leader.heartbeat(), follower.heartbeat()), (0, 0));
    assert_eq!(leader.committed("post", 0).committed_offset, 5);
    assert_eq!(follower.sync(&[]).assignment, b"b");
    assert_eq!(leader.commit("post", 0, 6), 0);
    // Who still holds the failed one is sent to look for the coordinator.
    assert_eq!(coordinator.changes().change(&group, |_| Ok(())), Err(Errors::NotCoordinator));

    assert_eq!(other.heartbeat(), 0);
    let listed = list_groups(&mut other.client, 5, &[]);
    let names: Vec<_> = listed.iter().map(|it| it.group_id.as_str()).collect();
    assert_eq!(names, ["g", "other"]);
    let broker = Broker::start_in(broker.stop(), SETTINGS);
    assert_eq!(Member::of(&broker, "g").committed("post", 0).committed_offset, 6);
}

#[test]
fn a_group_that_panics_before_anything_of_it_is_in_the_log_begins_anew() {
    let broker = Broker::start(SETTINGS);
    let mut member = Member::of(&broker, "g");
    member.join();
    let coordinator = broker.server().group_coordinator();
    let group = coordinator.manager().get_group("g").unwrap();
    let failed =
        coordinator.changes().change(&group, |_| -> Result<(), Errors> { panic!("at once") });
    assert_eq!(failed, Err(Errors::NotCoordinator));
    assert_eq!(member.describe().group_state, "Dead");
    assert_eq!(member.heartbeat(), UNKNOWN_MEMBER);
    let mut member = Member::alone_in(&broker, "g");
    assert_eq!(member.heartbeat(), 0);
}

#[test]
fn a_callback_that_panics_takes_nobody_with_it() {
    let broker = Broker::start(SETTINGS);
    let (mut leader, mut follower) = pair(&broker, "g");
    let coordinator = broker.server().group_coordinator();
    let (called, is_called) = mpsc::channel();
    let callback: JoinCallback = Box::new(move |_| {
        called.send(()).unwrap();
        panic!("while the answer is encoded")
    });
    coordinator.join_group(&join_of("g"), callback);
    leader.await_rebalance();
    let joining = leader.begin_join();
    assert_eq!(follower.join().members.len(), 0);
    assert_eq!(leader.receive_join(&joining).members.len(), 3);
    assert_eq!(is_called.iter().count(), 1, "once");
    assign(&mut leader, &mut follower);
    assert_eq!(leader.describe().group_state, "Stable");
    broker.stop();
}

/// Each of these takes the group's lock, and two wait for the log.
#[test]
fn a_callback_may_ask_for_its_own_group() {
    let broker = Broker::start(SETTINGS);
    Member::of(&broker, "g");
    let coordinator = broker.server().group_coordinator();
    let (done, is_done) = mpsc::channel();
    let of_callback = Arc::clone(coordinator);
    let callback: JoinCallback = Box::new(move |joined| {
        let joined = joined.unwrap();
        let member = Identity { member_id: joined.member_id, group_instance_id: None };
        let generation = joined.generation_id;
        assert_eq!(of_callback.heartbeat("g", &member, generation), Ok(()));
        sync_and_leave(&of_callback, member, generation);
        done.send(()).unwrap();
    });
    coordinator.join_group(&join_of("g"), callback);
    assert_eq!(is_done.iter().count(), 1, "it has come to its end");
}

fn sync_and_leave(coordinator: &Arc<GroupCoordinator>, member: Identity, generation_id: i32) {
    let of_callback = Arc::clone(coordinator);
    let sync = SyncGroup {
        group_id: "g".to_string(),
        member: member.clone(),
        generation_id,
        protocol_type: None,
        protocol_name: None,
        assignments: vec![(member.member_id.clone(), b"all".to_vec())],
        client: Arc::default(),
    };
    let (done, is_done) = mpsc::channel();
    let callback = move |synced: Result<_, _>| {
        let synced: transferto::coordinator::group_results::SyncedGroup = synced.unwrap();
        assert_eq!(synced.assignment, b"all");
        assert_eq!(of_callback.describe_group("g").unwrap().state, "Stable");
        let partition = TopicAndPartition::new("post", 0);
        assert_eq!(answered(|it| of_callback.delete_group("g", it)), Err(Errors::NonEmptyGroup));
        assert_eq!(of_callback.leave_group("g", &[member]), Ok(vec![Ok(())]));
        assert_eq!(
            answered(|it| of_callback.delete_offsets("g", &[partition], it)),
            Ok(vec![Ok(())])
        );
        assert_eq!(answered(|it| of_callback.delete_group("g", it)), Ok(()));
        assert_eq!(of_callback.describe_group("g").unwrap().state, "Dead");
        done.send(()).unwrap();
    };
    coordinator.sync_group(&sync, Box::new(callback));
    assert_eq!(is_done.iter().count(), 1);
}

#[test]
fn a_leader_whose_assignment_cannot_be_stored_and_its_members_join_again() {
    let broker = Broker::start(SETTINGS);
    let (mut leader, mut follower) = pair(&broker, "g");
    let joining = leader.begin_join();
    follower.await_rebalance();
    follower.join();
    leader.receive_join(&joining);
    let syncing = follower.send_sync(5, &[]);
    let partitions = [0, 1].map(|it| TopicAndPartition::new("__consumer_offsets", it));
    broker.server().replica_manager().stop_replicas(&partitions);
    let refused = Errors::NotCoordinator.code();
    let id = leader.member_id.clone();
    assert_eq!(leader.sync(&[(&id, b"all")]).error_code, refused);
    let synced = follower.receive_sync(&syncing);
    // The follower may have asked a moment too late for this generation.
    assert!([refused, REBALANCE].contains(&synced.error_code), "{synced:?}");
    assert_eq!((leader.heartbeat(), follower.heartbeat()), (REBALANCE, REBALANCE));
}
