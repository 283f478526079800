//! Topics as the records change them, and what that means for one broker.

use std::sync::Arc;

use transferto::image::leader_recovery_state::LeaderRecoveryState;
use transferto::image::metadata_delta::{LocalReplicaChanges, MetadataDelta};
use transferto::image::metadata_image::MetadataImage;
use transferto::image::records::config_records::BROKER;
use transferto::image::records::metadata_record::MetadataRecord;
use transferto::image::records::topic_records::{ClearElrRecord, PartitionChangeRecord};
use transferto::image::topic_image::PartitionRegistration;
use transferto::protocol::wire::uuid::Uuid;

use crate::image::made_records::{
    BAR, FOO, change, config, followed, partition, remove_topic, topic, topic_config,
};

const BAZ: Uuid = Uuid([3; 16]);
const LOCAL: i32 = 3;

fn image(records: &[MetadataRecord]) -> MetadataImage {
    followed(&MetadataImage::default(), records)
}

fn local_changes(before: &MetadataImage, after: &MetadataImage) -> LocalReplicaChanges {
    let delta = MetadataDelta::between(before, after);
    delta.topics.local_changes(LOCAL, &before.topics, &after.topics)
}

fn keys(names: &[(&str, i32)]) -> Vec<(String, i32)> {
    names.iter().map(|(name, number)| (name.to_string(), *number)).collect()
}

fn only<'a>(image: &'a MetadataImage, name: &str) -> &'a PartitionRegistration {
    image.topics.partition(name, 0).unwrap()
}

/// The leader epoch counts leaders, and the partition epoch everything.
///
/// Port of `PartitionRegistrationTest.testMergePartitionChangeRecordWithReassignmentData`, as far as brokers
/// see it.
#[test]
fn a_change_counts_and_what_it_does_not_name_stays() {
    let before = image(&[topic("foo", FOO), partition(FOO, 0, &[1, 2, 3])]);
    for (record, leader, leader_epoch, replicas, isr) in [
        (change(FOO, 0, |_| ()), 1, 1, &[1, 2, 3][..], &[1, 2, 3][..]),
        (change(FOO, 0, |it| it.leader = 2), 2, 2, &[1, 2, 3], &[1, 2, 3]),
        (change(FOO, 0, |it| it.leader = -1), -1, 2, &[1, 2, 3], &[1, 2, 3]),
        // The same leader begins a new epoch: so an older controller fences who left the ISR.
        (change(FOO, 0, |it| (it.leader, it.isr) = (1, Some(vec![1]))), 1, 2, &[1, 2, 3], &[1]),
        (change(FOO, 0, |it| it.isr = Some(vec![1, 3])), 1, 1, &[1, 2, 3], &[1, 3]),
        (change(FOO, 0, |it| it.isr = Some(vec![])), 1, 1, &[1, 2, 3], &[]),
        (change(FOO, 0, |it| it.replicas = Some(vec![1, 4])), 1, 1, &[1, 4], &[1, 2, 3]),
        (change(FOO, 0, |it| it.adding_replicas = Some(vec![4])), 1, 1, &[1, 2, 3], &[1, 2, 3]),
    ] {
        let after = followed(&before, std::slice::from_ref(&record));
        let it = only(&after, "foo");
        assert_eq!((it.leader, it.leader_epoch.0), (leader, leader_epoch), "{record:?}");
        assert_eq!((&it.replicas[..], &it.isr[..]), (replicas, isr), "{record:?}");
        assert_eq!(it.partition_epoch, 2, "{record:?}");
    }
    assert_eq!(only(&before, "foo").partition_epoch, 1, "an image that was published stays");
}

#[test]
fn directories_are_those_of_the_replicas_and_unknown_ones_are_none() {
    let (one, two) = (Uuid([11; 16]), Uuid([12; 16]));
    let before = image(&[topic("foo", FOO), partition(FOO, 0, &[1, 2])]);
    assert!(only(&before, "foo").directories.is_empty());
    let assigned = change(FOO, 0, |it| it.directories = Some(vec![one, two]));
    let after = followed(&before, &[assigned]);
    assert_eq!(only(&after, "foo").directories[..], [one.0, two.0]);
    let unknown = change(FOO, 0, |it| it.directories = Some(vec![Uuid::ZERO; 2]));
    assert!(only(&followed(&after, &[unknown]), "foo").directories.is_empty());
    let both = |it: &mut PartitionChangeRecord| {
        (it.replicas, it.directories) = (Some(vec![1]), Some(vec![one, two]));
    };
    let replicas_alone = |it: &mut PartitionChangeRecord| it.replicas = Some(vec![1]);
    for contradiction in [change(FOO, 0, both), change(FOO, 0, replicas_alone)] {
        let error = after.clone().replay(&contradiction).unwrap_err();
        assert_eq!(error, "it has 1 replica in 2 directories");
    }
}

#[test]
fn what_a_reassignment_and_an_unclean_election_leave_is_kept_until_a_change_names_it() {
    let with = |it: &mut PartitionChangeRecord| {
        (it.adding_replicas, it.removing_replicas) = (Some(vec![4]), Some(vec![1]));
        (it.eligible_leader_replicas, it.last_known_elr) = (Some(vec![2]), Some(vec![3]));
        it.leader_recovery_state = 1;
    };
    let first = image(&[topic("foo", FOO), partition(FOO, 0, &[1, 2, 3])]);
    assert_eq!(only(&first, "foo").leader_recovery_state, LeaderRecoveryState::Recovered);
    let before = followed(&first, &[change(FOO, 0, with)]);
    let kept = followed(&before, &[change(FOO, 0, |it| it.isr = Some(vec![1]))]);
    let it = only(&kept, "foo");
    assert_eq!((&it.adding_replicas[..], &it.removing_replicas[..]), (&[4][..], &[1][..]));
    assert_eq!((&it.eligible_leader_replicas[..], &it.last_known_elr[..]), (&[2][..], &[3][..]));
    assert_eq!(it.leader_recovery_state, LeaderRecoveryState::Recovering);
    let over = |it: &mut PartitionChangeRecord| {
        (it.adding_replicas, it.removing_replicas) = (Some(vec![]), Some(vec![]));
        (it.eligible_leader_replicas, it.last_known_elr) = (Some(vec![]), Some(vec![]));
        it.leader_recovery_state = 0;
    };
    let after = followed(&kept, &[change(FOO, 0, over)]);
    let expected = PartitionRegistration {
        isr: it.isr.clone(),
        partition_epoch: it.partition_epoch + 1,
        ..only(&first, "foo").clone()
    };
    assert_eq!(*only(&after, "foo"), expected);
    let unknown = change(FOO, 0, |it| it.leader_recovery_state = 2);
    let error = first.clone().replay(&unknown).unwrap_err();
    assert_eq!(error, "leaderRecoveryState is 2 where only 0 and 1 are known");
}

#[test]
fn eligible_replicas_are_forgotten_of_one_topic_or_of_all_and_no_epoch_counts_it() {
    let eligible = |id| change(id, 0, |it| it.eligible_leader_replicas = Some(vec![2]));
    let before = image(&[
        topic("foo", FOO),
        partition(FOO, 0, &[1, 2]),
        topic("bar", BAR),
        partition(BAR, 0, &[1, 2]),
        eligible(FOO),
        eligible(BAR),
    ]);
    let clear = |name: &str| ClearElrRecord { topic_name: name.to_string() }.into();
    let is_kept = |image: &MetadataImage| {
        ["foo", "bar"].map(|name| !only(image, name).eligible_leader_replicas.is_empty())
    };
    let of_foo = followed(&before, &[clear("foo")]);
    assert_eq!(is_kept(&of_foo), [false, true]);
    assert_eq!(only(&of_foo, "foo").partition_epoch, only(&before, "foo").partition_epoch);
    assert_eq!(is_kept(&followed(&before, &[clear("")])), [false, false]);
    assert_eq!(followed(&before, &[clear("baz")]), before);
}

#[test]
fn the_settings_of_a_topic_go_with_it_though_no_record_says_so() {
    let before = image(&[
        topic("foo", FOO),
        partition(FOO, 0, &[1]),
        topic_config("foo", "retention.ms", Some("1")),
        topic_config("foo", "segment.bytes", Some("2")),
        topic_config("foo", "segment.bytes", None),
    ]);
    let config = |image: &MetadataImage| image.topics.topic("foo").unwrap().config.clone();
    assert_eq!(config(&before), [("retention.ms".to_string(), "1".to_string())].into());
    let records = [remove_topic(FOO), topic("foo", BAR), partition(BAR, 0, &[1])];
    let after = followed(&before, &records);
    assert!(config(&after).is_empty());
    let delta = MetadataDelta::between(&before, &after);
    assert_eq!(delta.topics.deleted, [("foo".to_string(), FOO.0)]);
    assert_eq!(delta.topics.changed, ["foo"]);
    assert_eq!(delta.topics.changed_configs, ["foo"]);
}

#[test]
fn a_setting_that_changes_is_named_and_the_topic_is_not() {
    let before = image(&[topic("foo", FOO), partition(FOO, 0, &[1])]);
    let after = followed(&before, &[topic_config("foo", "retention.ms", Some("1"))]);
    let topics = MetadataDelta::between(&before, &after).topics;
    assert_eq!((topics.changed_configs, topics.changed), (vec!["foo".to_string()], vec![]));
    let again = followed(&after, &[topic_config("foo", "retention.ms", Some("1"))]);
    assert!(MetadataDelta::between(&after, &again).topics.is_empty());
}

/// Port of `ConfigurationsImageTest.testApplyDelta1`, for brokers.
#[test]
fn the_settings_of_brokers_are_named_by_whose_they_are() {
    let set = |of, value| config(BROKER, of, "log.cleaner.threads", value);
    let before = image(&[set("", Some("2")), set("1", Some("3")), set("2", Some("4"))]);
    let after = followed(&before, &[set("", Some("5")), set("1", None), set("2", Some("4"))]);
    let delta = MetadataDelta::between(&before, &after);
    assert_eq!(delta.changed_broker_configs, ["", "1"]);
    assert_eq!(after.configs.brokers.keys().collect::<Vec<_>>(), ["", "2"]);
    // Of a group: there are no such settings here.
    assert_eq!(followed(&after, &[config(32, "g", "a", Some("1"))]), after);
}

/// Port of `TopicsImageTest.testApplyDelta1`, of `TopicsImageTest.testTopicNameToIdView` and of
/// `TopicsImageTest.testTopicIdToNameView`.
#[test]
fn topics_are_found_by_name_and_by_id() {
    let before = image(&[
        topic("foo", FOO),
        partition(FOO, 0, &[2, 3, 4]),
        partition(FOO, 1, &[3, 4, 5]),
        topic("bar", BAR),
        partition(BAR, 0, &[0, 1, 2, 3, 4]),
    ]);
    let after = followed(
        &before,
        &[
            remove_topic(FOO),
            change(BAR, 0, |it| it.leader = 1),
            topic("baz", BAZ),
            partition(BAZ, 0, &[3, 4]),
        ],
    );
    let names: Vec<&str> = after.topics.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["bar", "baz"]);
    assert_eq!(after.topics.name_of(&BAZ.0).map(|it| &**it), Some("baz"));
    assert_eq!(after.topics.name_of(&FOO.0), None);
    assert_eq!(before.topics.name_of(&FOO.0).map(|it| &**it), Some("foo"));
    assert_eq!(after.topics.topic("bar").unwrap().id, BAR.0);
    assert_eq!(only(&after, "bar").leader, 1);
    assert!(
        after.topics.partition("bar", 1).is_none() && after.topics.partition("bar", -1).is_none()
    );
}

#[test]
fn a_name_or_an_id_that_is_taken_is_refused() {
    let before = image(&[topic("foo", FOO)]);
    let error = |record| before.clone().replay(&record).unwrap_err();
    assert_eq!(error(topic("foo", BAR)), "topic foo exists already");
    assert!(error(topic("bar", FOO)).ends_with("of topic bar is that of topic foo"));
}

/// What did not change is shared, so that an image costs what changed.
#[test]
fn a_new_image_shares_the_topics_that_did_not_change() {
    let before = image(&[
        topic("foo", FOO),
        partition(FOO, 0, &[1]),
        topic("bar", BAR),
        partition(BAR, 0, &[1]),
    ]);
    let after = followed(&before, &[change(FOO, 0, |it| it.leader = -1)]);
    let is_shared = |name| {
        let topic = |image: &MetadataImage| Arc::clone(image.topics.topic(name).unwrap());
        Arc::ptr_eq(&topic(&before), &topic(&after))
    };
    assert!(is_shared("bar") && !is_shared("foo"));
}

/// Port of `TopicsImageTest.testBasicLocalChanges`.
#[test]
fn a_broker_learns_of_its_replicas_alone() {
    let before = image(&[
        topic("foo", FOO),
        partition(FOO, 0, &[2, 3, 4]),
        topic("bar", BAR),
        partition(BAR, 0, &[0, 1, 2, 3, 4]),
    ]);
    let (foo_again, bam, bam_again) = (Uuid([4; 16]), Uuid([5; 16]), Uuid([6; 16]));
    let after = followed(
        &before,
        &[
            remove_topic(FOO),
            topic("foo", foo_again),
            change(BAR, 0, |it| it.leader = 1),
            topic("baz", BAZ),
            partition(BAZ, 0, &[LOCAL, 4, 2]),
            topic("bam", bam),
            partition(bam, 0, &[LOCAL]),
            remove_topic(bam),
            topic("bam", bam_again),
            partition(bam_again, 0, &[0, 1, 2]),
            partition(bam_again, 1, &[0, 1, LOCAL]),
            partition(BAZ, 1, &[4, 2, LOCAL]),
        ],
    );
    let changes = local_changes(&before, &after);
    assert_eq!(changes.elected_leaders, keys(&[("baz", 0)]));
    assert_eq!(changes.leaders, keys(&[("baz", 0)]));
    assert_eq!(changes.followers, keys(&[("bam", 1), ("bar", 0), ("baz", 1)]));
    assert_eq!(changes.deletes, [("foo".to_string(), 0, FOO.0)]);
}

/// Port of `TopicsImageTest.testDeleteAfterChanges`.
#[test]
fn a_topic_that_changed_and_then_went_is_deleted_only() {
    let before = image(&[topic("foo", FOO), partition(FOO, 0, &[LOCAL, 1, 2])]);
    let after = followed(&before, &[change(FOO, 0, |it| it.leader = 1), remove_topic(FOO)]);
    let deletes = vec![("foo".to_string(), 0, FOO.0)];
    let expected = LocalReplicaChanges { deletes, ..LocalReplicaChanges::default() };
    assert_eq!(local_changes(&before, &after), expected);
}

/// Port of `TopicsImageTest.testUpdatedLeaders`.
#[test]
fn a_leader_whose_isr_changes_is_not_elected_again() {
    let before = image(&[topic("foo", FOO), partition(FOO, 0, &[LOCAL, 1, 2])]);
    let after = followed(&before, &[change(FOO, 0, |it| it.isr = Some(vec![LOCAL, 1]))]);
    let expected =
        LocalReplicaChanges { leaders: keys(&[("foo", 0)]), ..LocalReplicaChanges::default() };
    assert_eq!(local_changes(&before, &after), expected);
}

/// Port of `TopicsImageTest.testLocalReassignmentChanges`.
#[test]
fn a_reassignment_gives_a_broker_replicas_and_takes_some_away() {
    let replicas = [
        &[0, 1, LOCAL][..],
        &[LOCAL, 1, 2],
        &[0, 1, LOCAL],
        &[LOCAL, 1, 2],
        &[0, 1, 2],
        &[0, 1, 2],
    ];
    let mut records = vec![topic("foo", FOO)];
    records.extend((0..).zip(replicas).map(|(number, it)| partition(FOO, number, it)));
    let before = image(&records);
    let moved = |number: i32, leader: i32, to: &[i32]| {
        change(FOO, number, |it| {
            (it.leader, it.isr, it.replicas) = (leader, Some(to.to_vec()), Some(to.to_vec()));
        })
    };
    let after = followed(
        &before,
        &[
            change(FOO, 0, |it| it.leader = LOCAL),
            change(FOO, 1, |it| it.leader = 1),
            moved(2, -2, &[0, 1, 2]),
            moved(3, 0, &[0, 1, 2]),
            moved(4, LOCAL, &[LOCAL, 1, 2]),
            moved(5, -2, &[0, 1, LOCAL]),
        ],
    );
    let changes = local_changes(&before, &after);
    let deletes = [2, 3].map(|number| ("foo".to_string(), number, FOO.0));
    assert_eq!(changes.deletes, deletes);
    assert_eq!(changes.elected_leaders, keys(&[("foo", 0), ("foo", 4)]));
    assert_eq!(changes.leaders, keys(&[("foo", 0), ("foo", 4)]));
    assert_eq!(changes.followers, keys(&[("foo", 1), ("foo", 5)]));
}

#[test]
fn a_partition_without_a_leader_is_followed() {
    let before = image(&[topic("foo", FOO), partition(FOO, 0, &[LOCAL])]);
    let after = followed(&before, &[change(FOO, 0, |it| it.leader = -1)]);
    let expected =
        LocalReplicaChanges { followers: keys(&[("foo", 0)]), ..LocalReplicaChanges::default() };
    assert_eq!(local_changes(&before, &after), expected);
}
