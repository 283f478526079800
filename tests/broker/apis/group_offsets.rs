//! Offsets of consumer groups over real sockets: committed, fetched, kept over a restart, expired
//! and deleted.

use std::ops::Range;
use std::sync::{Arc, mpsc};

use support::broker::Broker;
use support::temp::TempDir;
use support::wait::{answered, wait_until};
use transferto::common::errors::Errors;
use transferto::common::mock_time::MockTime;
use transferto::common::time::Time;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::common::units::{LeaderEpoch, Offset, TimestampMs};
use transferto::coordinator::group_results::{CommitOffsets, MemberIdentity};
use transferto::coordinator::offset_and_metadata::OffsetAndMetadata;
use transferto::protocol::delete_groups::DeleteGroupsRequest;
use transferto::protocol::offset_commit::OffsetCommitRequest;
use transferto::protocol::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use transferto::protocol::offset_fetch::OffsetFetchRequestTopic;
use transferto::protocol::request::{RequestBody, ResponseBody};

use crate::apis::group_client::{
    Member, NEWEST_OFFSET_COMMIT, SETTINGS, broker_by, list_groups, pair,
};

const HOUR_MS: i64 = 60 * 60 * 1000;
const DAY_MS: i64 = 24 * HOUR_MS;
const NOTHING: (i64, i16) = (-1, 0);

/// A consumer without a group to belong to, and a topic of two partitions.
fn simple_consumer(broker: &Broker) -> Member {
    let mut consumer = Member::of(broker, "g");
    consumer.client.create_topic("post");
    consumer
}

fn two_partitions() -> Broker {
    Broker::start(&[SETTINGS[0], ("num.partitions", "2")])
}

/// Port of `OffsetCommitTest.testUpdateOffsets`.
#[test]
fn an_offset_is_what_was_committed_last() {
    let broker = two_partitions();
    let mut consumer = simple_consumer(&broker);
    let first = consumer.commit_request(&[("post", 0, 42, None)]);
    assert_eq!(consumer.commit_with(2, first), [0]);
    let found = consumer.committed("post", 0);
    assert_eq!((found.committed_offset, found.metadata.as_str()), (42, ""));
    let second = consumer.commit_request(&[("post", 0, 100, Some("some metadata"))]);
    assert_eq!(consumer.commit_with(2, second), [0]);
    let found = consumer.committed("post", 0);
    assert_eq!((found.committed_offset, found.metadata.as_str()), (100, "some metadata"));
    let unknown = consumer.committed("nobody", 0);
    assert_eq!((unknown.committed_offset, unknown.error_code), NOTHING);
}

/// Port of `OffsetCommitTest.testCommitAndFetchOffsets`.
#[test]
fn offsets_are_committed_and_fetched_in_every_version() {
    let broker = two_partitions();
    let mut consumer = simple_consumer(&broker);
    consumer.client.create_topic("other");
    for version in 0..=NEWEST_OFFSET_COMMIT {
        let offset = i64::from(version) + 10;
        let offsets = [
            ("post", 0, offset, Some("a")),
            ("post", 1, offset + 1, None),
            ("other", 0, 7, Some("")),
        ];
        let request = consumer.commit_request(&offsets);
        assert_eq!(consumer.commit_with(version, request), [0, 0, 0], "version {version}");
        for fetch_version in 0..=8 {
            let found = consumer.committed_in(fetch_version, "post", 0);
            assert_eq!((found.committed_offset, found.metadata.as_str()), (offset, "a"));
            let found = consumer.committed_in(fetch_version, "post", 1);
            assert_eq!((found.committed_offset, found.metadata.as_str()), (offset + 1, ""));
            // ZooKeeper, from which version 0 read, had an error for what is not there.
            let code = if fetch_version == 0 { 3 } else { 0 };
            for (topic, partition) in [("post", 5), ("other", 1), ("nobody", 0)] {
                let found = consumer.committed_in(fetch_version, topic, partition);
                assert_eq!((found.committed_offset, found.error_code), (-1, code));
                assert_eq!(found.metadata, "");
            }
        }
    }
}

#[test]
fn all_offsets_are_returned_for_null_and_in_the_versions_of_0_9_for_an_empty_list() {
    let broker = two_partitions();
    let mut consumer = simple_consumer(&broker);
    consumer.client.create_topic("also");
    let offsets = [("post", 1, 3, None), ("also", 0, 1, None), ("post", 0, 2, None)];
    let request = consumer.commit_request(&offsets);
    consumer.commit_with(8, request);
    let expected = [("also", 0, 1), ("post", 0, 2), ("post", 1, 3)];
    for version in 0..=8 {
        let all = if version < 2 { Some(Vec::new()) } else { None };
        let found = consumer.fetch_offsets(version, all);
        let found: Vec<_> = found
            .iter()
            .map(|(topic, index, it)| (topic.as_str(), *index, it.committed_offset))
            .collect();
        assert_eq!(found, expected, "version {version}");
        if version >= 2 {
            assert!(consumer.fetch_offsets(version, Some(Vec::new())).is_empty());
        }
    }
}

/// Port of `OffsetCommitTest.testLargeMetadataPayload`.
#[test]
fn metadata_that_is_too_long_is_refused_and_the_rest_is_kept() {
    let broker =
        Broker::start(&[SETTINGS[0], ("offset.metadata.max.bytes", "10"), ("num.partitions", "2")]);
    let mut consumer = simple_consumer(&broker);
    let (fits, too_long) = ("x".repeat(10), "x".repeat(11));
    let request = consumer.commit_request(&[("post", 0, 1, Some(&fits))]);
    assert_eq!(consumer.commit_with(2, request), [0]);
    let offsets = [("post", 0, 2, Some(too_long.as_str())), ("post", 1, 2, None)];
    let request = consumer.commit_request(&offsets);
    assert_eq!(consumer.commit_with(2, request), [Errors::OffsetMetadataTooLarge.code(), 0]);
    assert_eq!(consumer.committed("post", 0).committed_offset, 1);
    assert_eq!(consumer.committed("post", 1).committed_offset, 2);
}

/// Port of `OffsetCommitTest.testNonExistingTopicOffsetCommit`.
#[test]
fn an_offset_of_a_partition_that_does_not_exist_is_refused() {
    let broker = two_partitions();
    let mut consumer = simple_consumer(&broker);
    let offsets =
        [("nobody", 0, 1, None), ("post", 0, 1, None), ("post", 2, 1, None), ("post", -1, 1, None)];
    let request = consumer.commit_request(&offsets);
    let unknown = Errors::UnknownTopicOrPartition.code();
    assert_eq!(consumer.commit_with(8, request), [unknown, 0, unknown, unknown]);
}

/// Port of `OffsetCommitTest.testOffsetExpiration`. Offsets of version 0 were ZooKeeper's, which
/// never forgot; here they are like those of version 1.
#[test]
fn an_offset_expires_when_its_consumer_said_or_after_the_retention() {
    let settings = [
        SETTINGS[0],
        ("offsets.retention.minutes", "1440"),
        ("offsets.retention.check.interval.ms", "5"),
    ];
    let time = Arc::new(MockTime::new());
    let dir = Arc::new(TempDir::new());
    let broker = Broker::start_with(dir, &settings, |it| it.time(time.clone()));
    let mut consumer = simple_consumer(&broker);
    let now_ms = time.milliseconds().0;
    let is_gone = |consumer: &mut Member| consumer.committed("post", 0).committed_offset == -1;

    let mut commit = |version: i16, change: &dyn Fn(&mut OffsetCommitRequest)| {
        let mut request = consumer.commit_request(&[("post", 0, 1, None)]);
        change(&mut request);
        assert_eq!(consumer.commit_with(version, request), [0]);
    };
    // Two days old, and kept for one.
    commit(1, &|it| it.topics[0].partitions[0].commit_timestamp = now_ms - 2 * DAY_MS);
    wait_until("the offset to expire", || is_gone(&mut consumer));
    let mut commit = |retention_ms| {
        let mut request = consumer.commit_request(&[("post", 0, 1, None)]);
        request.retention_time_ms = retention_ms;
        assert_eq!(consumer.commit_with(2, request), [0]);
    };
    commit(0);
    wait_until("the offset to expire", || is_gone(&mut consumer));

    for (retention_ms, kept_ms) in [(HOUR_MS, HOUR_MS), (-1, DAY_MS), (3 * DAY_MS, 3 * DAY_MS)] {
        let mut request = consumer.commit_request(&[("post", 0, 1, None)]);
        request.retention_time_ms = retention_ms;
        assert_eq!(consumer.commit_with(2, request), [0]);
        time.sleep(kept_ms - 1);
        broker.server().group_coordinator().cleanup_group_metadata();
        assert!(!is_gone(&mut consumer), "{retention_ms}");
        time.sleep(1);
        wait_until("the offset to expire", || is_gone(&mut consumer));
    }
    // Without members and offsets the group is no more.
    wait_until("the end of the group", || list_groups(&mut consumer.client, 5, &[]).is_empty());
}

#[test]
fn a_group_keeps_its_offsets_as_long_as_it_has_members_and_a_week_beyond() {
    let time = Arc::new(MockTime::new());
    let broker = broker_by(&time);
    simple_consumer(&broker);
    let mut member = Member::alone_in(&broker, "g");
    assert_eq!(member.commit("post", 0, 5), 0);
    let clean_up = || broker.server().group_coordinator().cleanup_group_metadata();
    for _ in 0..3 {
        time.sleep(9_000);
        assert_eq!(member.heartbeat(), 0);
    }
    assert_eq!(member.leave(5), 0);
    time.sleep(7 * DAY_MS - 1);
    clean_up();
    assert_eq!(member.committed("post", 0).committed_offset, 5, "the week begins when it is empty");
    time.sleep(1);
    clean_up();
    assert_eq!(member.committed("post", 0).committed_offset, -1);
    assert_eq!(member.describe().group_state, "Dead");
}

/// Port of `GroupCoordinatorResponseTest.testCommitOffsetFromUnknownGroup`,
/// `GroupCoordinatorResponseTest.testCommitOffsetWithDefaultGeneration` and
/// `GroupCoordinatorResponseTest.testCommitOffsetInAwaitingSync`.
#[test]
fn only_members_of_the_generation_commit_for_a_group_at_work() {
    let broker = Broker::start(SETTINGS);
    let mut simple = simple_consumer(&broker);
    let mut member = Member::alone_in(&broker, "g");
    assert_eq!(member.commit("post", 0, 1), 0);
    assert_eq!(simple.commit("post", 0, 9), Errors::UnknownMemberId.code());
    member.generation += 1;
    assert_eq!(member.commit("post", 0, 9), Errors::IllegalGeneration.code());
    member.generation -= 1;
    let id = std::mem::replace(&mut member.member_id, "who".to_string());
    assert_eq!(member.commit("post", 0, 9), Errors::UnknownMemberId.code());
    member.member_id = id;
    member.group = "nobody".to_string();
    assert_eq!(member.commit("post", 0, 9), Errors::IllegalGeneration.code());
    member.group = "g".to_string();
    assert_eq!(member.committed("post", 0).committed_offset, 1);
    member.join();
    assert_eq!(member.commit("post", 0, 9), Errors::RebalanceInProgress.code());
    member.sync(&[]);
    assert_eq!(member.commit("post", 0, 2), 0);
    member.leave(5);
    assert_eq!(simple.commit("post", 0, 3), 0, "the tools reset the offsets of an empty group");
}

/// Port of `GroupCoordinatorResponseTest.testCommitMaintainsSession`.
#[test]
fn a_member_that_commits_is_alive() {
    let time = Arc::new(MockTime::new());
    let broker = broker_by(&time);
    simple_consumer(&broker);
    let mut member = Member::alone_in(&broker, "g");
    for offset in 0..5 {
        time.sleep(6_000);
        assert_eq!(member.commit("post", 0, offset), 0);
    }
    assert_eq!(member.heartbeat(), 0);
}

#[test]
fn offsets_survive_a_restart_and_what_was_deleted_stays_deleted() {
    let broker = two_partitions();
    let mut consumer = simple_consumer(&broker);
    for offset in 0..20 {
        consumer.commit("post", 0, offset);
    }
    consumer.commit("post", 1, 77);
    consumer.group = "gone".to_string();
    consumer.commit("post", 0, 1);
    assert_eq!(delete_group(&mut consumer, "gone"), 0);
    let dir = broker.stop();

    let broker = Broker::start_in(dir, &[SETTINGS[0], ("offsets.load.buffer.size", "100")]);
    let mut consumer = Member::of(&broker, "g");
    let found = consumer.committed("post", 0);
    assert_eq!((found.committed_offset, found.metadata.as_str()), (19, "m"));
    assert_eq!(consumer.committed("post", 1).committed_offset, 77);
    let groups = list_groups(&mut consumer.client, 5, &[]);
    assert_eq!(groups.len(), 1);
    assert_eq!((groups[0].group_id.as_str(), groups[0].group_state.as_str()), ("g", "Empty"));
}

#[test]
fn the_leader_epoch_of_a_commit_is_kept_and_returned() {
    let broker = two_partitions();
    let mut consumer = simple_consumer(&broker);
    let mut request = consumer.commit_request(&[("post", 0, 1, None), ("post", 1, 1, None)]);
    request.topics[0].partitions[0].committed_leader_epoch = 3;
    consumer.commit_with(8, request);
    assert_eq!(consumer.committed("post", 0).committed_leader_epoch, 3);
    assert_eq!(consumer.committed("post", 1).committed_leader_epoch, -1);
}

#[test]
fn a_group_with_members_cannot_be_deleted_and_an_empty_one_can() {
    let broker = Broker::start(SETTINGS);
    let mut consumer = simple_consumer(&broker);
    let mut member = Member::alone_in(&broker, "g");
    member.commit("post", 0, 1);
    assert_eq!(delete_group(&mut consumer, "g"), Errors::NonEmptyGroup.code());
    assert_eq!(delete_group(&mut consumer, "nobody"), Errors::GroupIdNotFound.code());
    member.leave(5);
    assert_eq!(delete_group(&mut consumer, "g"), 0);
    assert_eq!(delete_group(&mut consumer, "g"), Errors::GroupIdNotFound.code());
    assert_eq!(member.describe().group_state, "Dead");
    assert_eq!(consumer.committed("post", 0).committed_offset, -1);
}

#[test]
fn offsets_of_topics_that_a_group_reads_cannot_be_deleted() {
    let broker = Broker::start(SETTINGS);
    let mut consumer = simple_consumer(&broker);
    consumer.client.create_topic("other");
    let (mut member, _follower) = pair(&broker, "g");
    member.commit("post", 0, 1);
    member.commit("other", 0, 2);
    let deleted = delete_offsets(&mut consumer, "g", &["post", "other", "nobody"]);
    let unknown = Errors::UnknownTopicOrPartition.code();
    assert_eq!(deleted, Ok(vec![Errors::GroupSubscribedToTopic.code(), 0, unknown]));
    assert_eq!(member.committed("post", 0).committed_offset, 1);
    assert_eq!(member.committed("other", 0).committed_offset, -1);
    let missing = delete_offsets(&mut consumer, "nobody", &["post"]);
    assert_eq!(missing, Err(Errors::GroupIdNotFound.code()));
}

#[test]
fn offsets_go_with_their_partitions() {
    let broker = two_partitions();
    let mut consumer = simple_consumer(&broker);
    consumer.commit("post", 0, 1);
    consumer.commit("post", 1, 2);
    let coordinator = broker.server().group_coordinator();
    coordinator.handle_deleted_partitions(&[TopicAndPartition::new("post", 0)]);
    assert_eq!(consumer.committed("post", 0).committed_offset, -1);
    assert_eq!(consumer.committed("post", 1).committed_offset, 2);
}

#[test]
fn several_groups_are_asked_for_at_once_and_each_is_answered_once() {
    let broker = two_partitions();
    let mut consumer = simple_consumer(&broker);
    consumer.commit("post", 0, 1);
    let group = transferto::protocol::offset_fetch::OffsetFetchRequestGroup {
        group_id: "g".to_string(),
        topics: Some(vec![OffsetFetchRequestTopic {
            name: "post".to_string(),
            partition_indexes: vec![0],
        }]),
    };
    let mut nobody = group.clone();
    nobody.group_id = "nobody".to_string();
    let request = transferto::protocol::offset_fetch::OffsetFetchRequest {
        groups: vec![group.clone(), nobody, group],
        ..Default::default()
    };
    let body = consumer.client.call(8, &RequestBody::OffsetFetch(request), &[]).0;
    let ResponseBody::OffsetFetch(response) = body else { panic!("{body:?}") };
    let found: Vec<_> = response
        .groups
        .iter()
        .map(|it| (it.group_id.as_str(), it.topics[0].partitions[0].committed_offset))
        .collect();
    assert_eq!(found, [("g", 1), ("nobody", -1)]);
}

fn delete_group(consumer: &mut Member, group: &str) -> i16 {
    let request = DeleteGroupsRequest { groups_names: vec![group.to_string()] };
    let body = consumer.client.call(2, &RequestBody::DeleteGroups(request), &[]).0;
    let ResponseBody::DeleteGroups(response) = body else { panic!("{body:?}") };
    response.results[0].error_code
}

/// What became of partition 0 of each topic, or the error of the whole.
fn delete_offsets(consumer: &mut Member, group: &str, topics: &[&str]) -> Result<Vec<i16>, i16> {
    let topic = |name: &&str| OffsetDeleteRequestTopic {
        name: (*name).to_string(),
        partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }],
    };
    let topics = topics.iter().map(topic).collect();
    let request = OffsetDeleteRequest { group_id: group.to_string(), topics };
    let body = consumer.client.call(0, &RequestBody::OffsetDelete(request), &[]).0;
    let ResponseBody::OffsetDelete(response) = body else { panic!("{body:?}") };
    match response.error_code {
        0 => Ok(response.topics.iter().map(|it| it.partitions[0].error_code).collect()),
        error => Err(error),
    }
}

#[test]
fn commits_of_many_leave_the_same_offset_in_memory_and_in_the_log() {
    let broker = two_partitions();
    simple_consumer(&broker);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let mut consumer = Member::of(&broker, "g");
            scope.spawn(move || {
                for offset in 0..50 {
                    assert_eq!(consumer.commit("post", 0, 4 * offset + thread), 0);
                }
            });
        }
    });
    let in_memory = Member::of(&broker, "g").committed("post", 0).committed_offset;
    let broker = Broker::start_in(broker.stop(), &[SETTINGS[0]]);
    assert_eq!(Member::of(&broker, "g").committed("post", 0).committed_offset, in_memory);
}

#[test]
fn what_cannot_be_written_to_the_log_is_refused_and_stays_as_it_was() {
    let broker = two_partitions();
    let mut consumer = simple_consumer(&broker);
    assert_eq!(consumer.commit("post", 0, 1), 0);
    let partitions = [0, 1].map(|it| TopicAndPartition::new("__consumer_offsets", it));
    broker.server().replica_manager().stop_replicas(&partitions);
    let refused = Errors::NotCoordinator.code();
    for _ in 0..2 {
        assert_eq!(consumer.commit("post", 0, 2), refused);
        assert_eq!(delete_offsets(&mut consumer, "g", &["post"]), Err(refused));
        assert_eq!(delete_group(&mut consumer, "g"), refused);
        assert_eq!(consumer.committed("post", 0).committed_offset, 1);
        assert_eq!(consumer.describe().group_state, "Empty");
    }
}

#[test]
fn a_group_with_more_offsets_than_one_batch_of_tombstones_is_deleted_whole() {
    let broker = Broker::start(SETTINGS);
    Member::of(&broker, "g");
    let coordinator = broker.server().group_coordinator();
    let commit_all = || {
        let offset = OffsetAndMetadata {
            offset: Offset(7),
            leader_epoch: LeaderEpoch::NONE,
            metadata: String::new(),
            commit_timestamp_ms: TimestampMs(0),
            expire_timestamp_ms: None,
        };
        let commit = CommitOffsets {
            answer_bytes: 0,
            group_id: "g".to_string(),
            member: MemberIdentity::default(),
            generation_id: -1,
            offsets: partitions(0..1201).into_iter().map(|key| (key, offset.clone())).collect(),
        };
        let (sender, answer) = mpsc::channel();
        let callback = move |results| sender.send(results).unwrap();
        coordinator.commit_offsets(commit, Box::new(callback));
        assert_eq!(answer.recv().unwrap(), [Ok(()); 1201]);
    };
    let remaining = || coordinator.fetch_offsets("g", None).unwrap().len();
    commit_all();
    coordinator.handle_deleted_partitions(&partitions(0..600));
    assert_eq!(remaining(), 601);
    assert_eq!(
        answered(|it| coordinator.delete_offsets("g", &partitions(0..1200), it)),
        Ok(vec![Ok(()); 1200])
    );
    assert_eq!(remaining(), 1);
    commit_all();
    assert_eq!((remaining(), answered(|it| coordinator.delete_group("g", it))), (1201, Ok(())));
    let broker = Broker::start_in(broker.stop(), SETTINGS);
    let coordinator = broker.server().group_coordinator();
    assert!(coordinator.list_groups().unwrap().is_empty(), "nothing of it is in the log");
}

fn partitions(range: Range<i32>) -> Vec<TopicAndPartition> {
    range.map(|it| TopicAndPartition::new("post", it)).collect()
}
