//! What a change of the cluster means for the logs and the partitions of a broker.

use std::fs;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Barrier};
use std::thread;

use support::records::batch;
use support::temp::TempDir;
use transferto::common::end_point::ListenerName;
use transferto::common::errors::Errors;
use transferto::common::hang_up::HangUp;
use transferto::common::metrics::Metrics;
use transferto::common::mock_scheduler::MockScheduler;
use transferto::common::mock_time::MockTime;
use transferto::common::scheduler::Scheduler;
use transferto::common::time::Time;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::common::units::{LeaderEpoch, Offset};
use transferto::config::dynamic_config::BrokerReconfigurable;
use transferto::config::kafka_config::KafkaConfig;
use transferto::config::log_config::LogConfig;
use transferto::image::current_image::CurrentImage;
use transferto::image::metadata_delta::LocalReplicaChanges;
use transferto::image::records::topic_records::PartitionChangeRecord;
use transferto::replica::delayed_operations::PurgeIntervals;
use transferto::replica::delayed_produce::PartitionResponse;
use transferto::replica::fetcher::replica_fetchers::ReplicaFetchers;
use transferto::replica::local_logs::{DEBUGGING_CONSUMER_ID, LogReadResult, PartitionFetchInfo};
use transferto::replica::partition::Partition;
use transferto::replica::replica_manager::{FetchParams, ReplicaManager, ReplicaManagerConfig};
use transferto::replica::replication_engine::ReplicationEngine;
use transferto::server::cluster::default_alter_partition_manager::DefaultAlterPartitionManager;
use transferto::server::cluster::kraft_engine::KRaftEngine;
use transferto::server::cluster::replica_changes::{ReplicaChanges, ReplicaParts};
use transferto::storage::cleaner::cleaner_config::CleanerConfig;
use transferto::storage::files::partition_metadata_file::read_topic_id;
use transferto::storage::log_manager::{LogManager, LogManagerConfig};

use crate::images::{Cluster, changed, topic_id};
use crate::recording_fetchers::RecordingFetchers;

/// The broker that the changes are about, and another one.
pub(crate) const LOCAL: i32 = 1;
pub(crate) const OTHER: i32 = 2;
pub(crate) const NOBODY: i32 = -1;

pub(crate) const FOO: [u8; 16] = [0xf0; 16];

/// A broker without a network, in a cluster whose records a test writes.
pub(crate) struct Broker {
    pub(crate) cluster: Cluster,
    image: Arc<CurrentImage>,
    pub(crate) log_manager: Arc<LogManager>,
    pub(crate) replica_manager: Arc<ReplicaManager>,
    pub(crate) fetchers: Arc<RecordingFetchers>,
    pub(crate) changes: ReplicaChanges,
    pub(crate) dir: TempDir,
}

impl Broker {
    pub(crate) fn new() -> Self {
        Self::with_log_dirs(&["logs"])
    }

    pub(crate) fn with_log_dirs(names: &[&str]) -> Self {
        let dir = TempDir::new();
        let time = Arc::new(MockTime::new());
        let scheduler: Arc<dyn Scheduler> = Arc::new(MockScheduler::new(Arc::clone(&time)));
        let time: Arc<dyn Time> = time;
        let config = LogManagerConfig {
            log_dirs: names.iter().map(|name| dir.join(name)).collect(),
            broker_id: LOCAL,
            joins_a_cluster: true,
            default_config: LogConfig::default(),
            recovery_threads_per_data_dir: 1,
            cleaner: CleanerConfig { enable_cleaner: false, ..CleanerConfig::default() },
            retention_check_ms: 60_000,
            flush_check_ms: 60_000,
            flush_checkpoint_ms: 60_000,
            producer_id_expiration_ms: 86_400_000,
        };
        let alter_partition_manager =
            DefaultAlterPartitionManager::new(LOCAL, Arc::clone(&scheduler));
        let log_manager = LogManager::new(config, scheduler, Arc::clone(&time)).unwrap();
        let image = Arc::<CurrentImage>::default();
        let listener = ListenerName::normalised("PLAINTEXT");
        let engine =
            Arc::new(KRaftEngine::new(listener, Arc::clone(&image), alter_partition_manager));
        let replica_manager = ReplicaManager::new(
            ReplicaManagerConfig {
                broker_id: LOCAL,
                purge_intervals: PurgeIntervals::of(1),
                replica_lag_time_max_ms: 30_000,
                leaves_cold_pages: false,
            },
            &log_manager.log_dir_statuses(),
            Arc::clone(&engine) as Arc<dyn ReplicationEngine>,
            &time,
            Arc::new(Metrics::default()),
        );
        let replica_manager = Arc::new(replica_manager.unwrap());
        let fetchers = Arc::<RecordingFetchers>::default();
        let changes = ReplicaChanges::new(ReplicaParts {
            broker_id: LOCAL,
            image: Arc::clone(&image),
            engine,
            log_manager: Arc::clone(&log_manager),
            replica_manager: Arc::clone(&replica_manager),
            fetchers: Arc::clone(&fetchers) as Arc<dyn ReplicaFetchers>,
        });
        let cluster = Cluster::default();
        Self { cluster, image, log_manager, replica_manager, fetchers, changes, dir }
    }

    /// A broker that has partition 0 of `foo`, with replicas on both.
    fn with_foo(leader: i32) -> Self {
        let mut broker = Self::new();
        broker.cluster.topic("foo", FOO).partition(FOO, 0, &[LOCAL, OTHER], leader);
        broker.apply();
        broker
    }

    /// Has the broker follow the records since the last call.
    pub(crate) fn apply(&mut self) -> LocalReplicaChanges {
        let publication = self.cluster.publish();
        self.image.set(Arc::clone(&publication.after));
        let (delta, before, after) =
            (&publication.delta.topics, &publication.before.topics, &publication.after.topics);
        if publication.delta.is_cluster_changed {
            self.changes.update_leader_end_points(publication.after.cluster.iter().map(|it| it.id));
        }
        self.changes.apply(delta, before, after)
    }

    pub(crate) fn hosted(&self, key: &TopicAndPartition) -> Result<Arc<Partition>, Errors> {
        self.replica_manager.local_logs().get_partition_or_error(key).map_err(|it| it.code())
    }

    pub(crate) fn leader(&self, key: &TopicAndPartition) -> Result<Arc<Partition>, Errors> {
        let partition = self.hosted(key)?;
        partition.leader_replica().map_err(|it| it.code())?;
        Ok(partition)
    }

    /// Produces one record. The answer comes when the acks are in.
    pub(crate) fn produce(
        &self,
        key: &TopicAndPartition,
        acks: i16,
    ) -> Receiver<PartitionResponse> {
        let (answer, answers) = channel();
        let mut records = batch(&["message"]);
        let range = 0..records.len();
        self.replica_manager.append_messages(
            60_000,
            acks,
            &[(key.clone(), range)],
            &mut records,
            Box::new(move |mut all| answer.send(all.remove(0).1).unwrap()),
        );
        answers
    }

    /// Fetches one byte from `offset` on, as a consumer who knows `epoch`.
    fn fetch(
        &self,
        key: &TopicAndPartition,
        offset: i64,
        epoch: i32,
    ) -> Receiver<Result<usize, Errors>> {
        let (answer, answers) = channel();
        let params = FetchParams {
            max_wait_ms: 60_000,
            replica_id: -1,
            replica_epoch: None,
            min_bytes: 1,
            max_bytes: 1_000,
            hard_max_bytes_limit: false,
            newest_readable_magic: 2,
            is_read_committed: false,
            may_read_follower: false,
        };
        let fetch_info = PartitionFetchInfo {
            topic_id: FOO,
            offset: Offset(offset),
            log_start_offset: Offset::NONE,
            fetch_size: 1_000,
            current_leader_epoch: LeaderEpoch(epoch),
            last_fetched_epoch: LeaderEpoch::NONE,
            preferred_read_replica: None,
        };
        let callback = move |mut all: Vec<(TopicAndPartition, LogReadResult)>| {
            let result = all.remove(0).1.map(|it| it.size_in_bytes());
            answer.send(result.map_err(|error| error.code())).unwrap();
        };
        let info = [(key.clone(), fetch_info)];
        self.replica_manager.fetch_messages(params, &info, &HangUp::default(), Box::new(callback));
        answers
    }
}

pub(crate) fn foo() -> TopicAndPartition {
    TopicAndPartition::new("foo", 0)
}

fn high_watermark(partition: &Partition) -> i64 {
    partition.local_replica().high_watermark().message_offset.0
}

/// Port of `ReplicaManagerTest.testDeltaFromLeaderToFollower`.
#[test]
fn a_leader_that_becomes_a_follower_takes_nothing_more() {
    let mut broker = Broker::with_foo(LOCAL);
    let leader = broker.leader(&foo()).unwrap();
    assert_eq!(leader.leader_epoch(), LeaderEpoch(0));
    assert_eq!(broker.produce(&foo(), 1).recv().unwrap().error, None);

    broker.cluster.lead(FOO, 0, OTHER, &[OTHER]);
    broker.apply();
    let follower = broker.hosted(&foo()).unwrap();
    assert_eq!((follower.state().leader, follower.leader_epoch()), (OTHER, LeaderEpoch(1)));
    let refused = Some(Errors::NotLeaderForPartition);
    for acks in [1, -1] {
        assert_eq!(broker.produce(&foo(), acks).recv().unwrap().error, refused);
    }
    let read = broker.fetch(&foo(), 0, -1).recv().unwrap();
    assert_eq!(read, Err(Errors::NotLeaderForPartition));
}

/// Port of `ReplicaManagerTest.testDeltaFromFollowerToLeader`.
#[test]
fn a_follower_that_becomes_a_leader_goes_on_in_its_epoch() {
    let mut broker = Broker::with_foo(OTHER);
    assert_eq!(broker.leader(&foo()).err(), Some(Errors::NotLeaderForPartition));
    broker.cluster.lead(FOO, 0, LOCAL, &[LOCAL]);
    let changes = broker.apply();
    assert_eq!(changes.elected_leaders, [("foo".to_string(), 0)]);
    let leader = broker.leader(&foo()).unwrap();
    assert_eq!(leader.leader_epoch(), LeaderEpoch(1));
    assert_eq!(broker.produce(&foo(), 1).recv().unwrap().base_offset, Some(Offset(0)));
    let epochs = leader.local_replica().log.leader_epochs().epoch_entries();
    assert_eq!(
        epochs.iter().map(|it| (it.epoch.0, it.start_offset.0)).collect::<Vec<_>>(),
        [(1, 0)]
    );
}

/// Port of `ReplicaManagerTest.testDeltaFollowerWithNoChange`.
#[test]
fn a_change_of_another_topic_leaves_a_follower_alone() {
    let mut broker = Broker::with_foo(OTHER);
    let before = broker.hosted(&foo()).unwrap();
    broker.cluster.topic("bar", topic_id(1)).partition(topic_id(1), 0, &[OTHER], OTHER);
    let changes = broker.apply();
    assert_eq!(changes, LocalReplicaChanges::default());
    assert!(Arc::ptr_eq(&before, &broker.hosted(&foo()).unwrap()));
}

/// Port of `ReplicaManagerTest.testDeltaFollowerToNotReplica` and
/// `ReplicaManagerTest.testDeltaLeaderToNotReplica`.
#[test]
fn a_replica_that_went_to_other_brokers_leaves_nothing_behind() {
    for leader in [OTHER, LOCAL] {
        let mut broker = Broker::with_foo(leader);
        let dir = broker.hosted(&foo()).unwrap().local_replica().log.dir().to_path_buf();
        broker.cluster.change(PartitionChangeRecord {
            leader: OTHER,
            isr: Some(vec![OTHER]),
            replicas: Some(vec![OTHER, 3]),
            ..changed(FOO, 0)
        });
        broker.apply();
        // The topic is there, and clients have to look where.
        assert_eq!(broker.hosted(&foo()).err(), Some(Errors::NotLeaderForPartition));
        assert!(broker.log_manager.get_log(&foo()).is_none() && !dir.exists());
    }
}

/// Port of `ReplicaManagerTest.testDeltaFollowerRemovedTopic` and
/// `ReplicaManagerTest.testDeltaLeaderToRemovedTopic`.
#[test]
fn a_topic_that_goes_takes_its_logs_along() {
    for leader in [OTHER, LOCAL] {
        let mut broker = Broker::with_foo(leader);
        let dir = broker.hosted(&foo()).unwrap().local_replica().log.dir().to_path_buf();
        broker.cluster.remove(FOO);
        broker.apply();
        assert_eq!(broker.hosted(&foo()).err(), Some(Errors::UnknownTopicOrPartition));
        assert!(broker.log_manager.get_log(&foo()).is_none() && !dir.exists());
    }
}

/// Port of `ReplicaManagerTest.testDeltaToFollowerCompletesProduce`.
#[test]
fn a_produce_that_waits_is_answered_when_the_leader_moves() {
    let mut broker = Broker::with_foo(LOCAL);
    let answers = broker.produce(&foo(), -1);
    assert!(answers.try_recv().is_err(), "the other replica in sync has not got it");
    broker.cluster.lead(FOO, 0, OTHER, &[OTHER]);
    broker.apply();
    assert_eq!(answers.try_recv().unwrap().error, Some(Errors::NotLeaderForPartition));
}

/// Port of `ReplicaManagerTest.testDeltaToFollowerCompletesFetch`.
#[test]
fn a_fetch_that_waits_is_answered_when_the_leader_moves() {
    let mut broker = Broker::with_foo(LOCAL);
    let answers = broker.fetch(&foo(), 0, -1);
    assert!(answers.try_recv().is_err(), "there is nothing to read");
    broker.cluster.lead(FOO, 0, OTHER, &[OTHER]);
    broker.apply();
    assert_eq!(answers.try_recv().unwrap(), Err(Errors::NotLeaderForPartition));
}

#[test]
fn a_fetch_that_waits_in_an_old_epoch_of_the_same_leader_is_answered() {
    let mut broker = Broker::with_foo(LOCAL);
    let answers = broker.fetch(&foo(), 0, 0);
    broker.cluster.lead(FOO, 0, LOCAL, &[LOCAL, OTHER]);
    broker.apply();
    assert_eq!(answers.try_recv().unwrap(), Err(Errors::FencedLeaderEpoch));
}

#[test]
fn what_waits_for_a_topic_that_goes_is_answered() {
    let mut broker = Broker::with_foo(LOCAL);
    let (produced, fetched) = (broker.produce(&foo(), -1), broker.fetch(&foo(), 0, -1));
    broker.cluster.remove(FOO);
    broker.apply();
    let gone = Errors::UnknownTopicOrPartition;
    assert_eq!(produced.try_recv().unwrap().error, Some(gone));
    assert_eq!(fetched.try_recv().unwrap(), Err(gone));
}

#[test]
fn nothing_is_acknowledged_that_only_one_of_several_replicas_in_sync_has() {
    let mut broker = Broker::with_foo(LOCAL);
    let answers = broker.produce(&foo(), -1);
    let leader = broker.leader(&foo()).unwrap();
    assert_eq!((high_watermark(&leader), answers.try_recv().ok()), (0, None));
    // It is in sync with itself, once the controller says so.
    broker.cluster.lead(FOO, 0, LOCAL, &[LOCAL]);
    broker.apply();
    assert_eq!((high_watermark(&leader), answers.try_recv().unwrap().error), (1, None));
}

/// KAFKA-15583.
#[test]
fn the_watermark_stands_still_below_min_insync_replicas() {
    let mut broker = Broker::with_foo(LOCAL);
    broker.cluster.configure("foo", "min.insync.replicas", Some("2"));
    broker.cluster.lead(FOO, 0, LOCAL, &[LOCAL]);
    broker.apply();
    assert_eq!(broker.produce(&foo(), 1).recv().unwrap().error, None);
    assert_eq!(high_watermark(&broker.leader(&foo()).unwrap()), 0);
    let refused = broker.produce(&foo(), -1).recv().unwrap().error;
    assert_eq!(refused, Some(Errors::NotEnoughReplicas));
}

/// Kafka's `effectiveMinIsr`.
#[test]
fn a_topic_with_one_replica_needs_no_second_in_sync() {
    let mut broker = Broker::new();
    broker.cluster.topic("foo", FOO).partition(FOO, 0, &[LOCAL], LOCAL);
    broker.cluster.configure("foo", "min.insync.replicas", Some("2"));
    broker.apply();
    assert_eq!(broker.produce(&foo(), -1).recv().unwrap().error, None);
}

/// Port of `PartitionTest.testIgnoreLeaderPartitionStateChangeWithOlderPartitionEpoch` and
/// `PartitionTest.testIgnoreFollowerPartitionStateChangeWithOlderPartitionEpoch`.
#[test]
fn an_older_change_of_a_partition_is_ignored() {
    let mut broker = Broker::with_foo(LOCAL);
    let at_first = broker.leader(&foo()).unwrap().state();
    broker.cluster.lead(FOO, 0, OTHER, &[OTHER]);
    broker.apply();
    let partition = broker.hosted(&foo()).unwrap();
    let now = partition.state();
    assert!(!partition.make_leader(at_first.clone()).unwrap());
    partition.make_follower(at_first);
    assert_eq!(partition.state(), now);
}

/// KAFKA-1647: also without a leader the replica is there, with its watermark.
#[test]
fn a_partition_without_a_leader_keeps_its_watermark() {
    let mut broker = Broker::new();
    broker.cluster.topic("foo", FOO).partition(FOO, 0, &[LOCAL], LOCAL);
    broker.apply();
    assert_eq!(broker.produce(&foo(), 1).recv().unwrap().error, None);
    broker.cluster.lead(FOO, 0, NOBODY, &[LOCAL]);
    broker.apply();
    let partition = broker.hosted(&foo()).unwrap();
    assert_eq!(partition.leader_replica().err().unwrap().code(), Errors::NotLeaderForPartition);
    assert_eq!(high_watermark(&partition), 1);
    broker.replica_manager.checkpoint_high_watermarks().unwrap();
    let checkpointed = broker.replica_manager.checkpointed_high_watermarks().unwrap();
    assert_eq!(checkpointed.get(&foo()), Some(&Offset(1)));
}

#[test]
fn a_topic_that_is_deleted_and_made_again_at_once_begins_anew() {
    let mut broker = Broker::with_foo(LOCAL);
    let old = broker.leader(&foo()).unwrap();
    assert_eq!(broker.produce(&foo(), 1).recv().unwrap().error, None);
    broker.cluster.remove(FOO);
    broker.cluster.topic("foo", topic_id(2)).partition(topic_id(2), 0, &[LOCAL], LOCAL);
    broker.apply();
    let new = broker.leader(&foo()).unwrap();
    assert!(!Arc::ptr_eq(&old, &new));
    let log = &new.local_replica().log;
    assert_eq!((new.topic_id, log.log_end_offset()), (topic_id(2), Offset(0)));
    assert_eq!(read_topic_id(log.dir()).unwrap(), Some(topic_id(2)));
}

/// Port of `ReplicaManagerTest.testDeltaToLeaderOrFollowerMarksPartitionOfflineIfLogCantBeCreated`.
#[test]
fn a_partition_whose_log_cannot_be_made_is_offline_and_the_others_are_not() {
    for leader in [LOCAL, OTHER] {
        let mut broker = Broker::new();
        fs::write(broker.dir.join("logs/foo-0"), "in the way").unwrap();
        broker.cluster.topic("foo", FOO);
        broker.cluster.partition(FOO, 0, &[LOCAL, OTHER], leader);
        broker.cluster.partition(FOO, 1, &[LOCAL, OTHER], leader);
        broker.apply();
        assert_eq!(broker.hosted(&foo()).err(), Some(Errors::KafkaStorageError));
        assert!(broker.hosted(&TopicAndPartition::new("foo", 1)).is_ok());
        // The next change tries again.
        fs::remove_file(broker.dir.join("logs/foo-0")).unwrap();
        broker.cluster.lead(FOO, 0, leader, &[LOCAL, OTHER]);
        broker.apply();
        assert!(broker.hosted(&foo()).is_ok());
    }
}

#[test]
fn logs_follow_the_settings_of_their_topic_and_pass_over_what_they_do_not_have() {
    let mut broker = Broker::with_foo(LOCAL);
    let config = |broker: &Broker| broker.log_manager.get_log(&foo()).unwrap().config();
    let default = config(&broker);
    broker.cluster.configure("foo", "remote.storage.enable", Some("true"));
    broker.cluster.configure("foo", "max.message.bytes", Some("77"));
    broker.apply();
    assert_eq!(config(&broker).max_message_size, 77);
    broker.cluster.configure("foo", "max.message.bytes", None);
    broker.apply();
    assert_eq!(config(&broker).max_message_size, default.max_message_size);
}

/// What two threads change at the same time: one the settings of the broker, the other those of the topics.
struct AtTheSameTime {
    settings: KafkaConfig,
}

impl AtTheSameTime {
    /// Has the broker set to `message.max.bytes` while it follows what `cluster` says since the last call.
    fn follow(&mut self, broker: &mut Broker, message_max_bytes: usize) {
        let Broker { cluster, image, log_manager, changes, .. } = broker;
        let new = KafkaConfig { message_max_bytes, ..self.settings.clone() };
        let old = std::mem::replace(&mut self.settings, new.clone());
        let (changes, begin) = (&*changes, Barrier::new(2));
        let publication = cluster.publish();
        let (before, after) = (&publication.before.topics, &publication.after.topics);
        thread::scope(|scope| {
            scope.spawn(|| {
                begin.wait();
                log_manager.reconfigure(&old, &new);
                changes.reconfigure(&old, &new);
            });
            begin.wait();
            image.set(Arc::clone(&publication.after));
            changes.apply(&publication.delta.topics, before, after);
        });
    }
}

#[test]
fn logs_go_by_the_newest_settings_of_topic_and_broker_whichever_thread_is_the_last() {
    const TOPICS: u8 = 50;
    let (mut broker, mut both) =
        (Broker::new(), AtTheSameTime { settings: KafkaConfig::default() });
    let name = |number: u8| format!("topic-{number}");
    for number in 0..TOPICS {
        broker.cluster.topic(&name(number), topic_id(number));
        broker.cluster.partition(topic_id(number), 0, &[LOCAL], LOCAL);
    }
    broker.apply();
    for round in 1..200 {
        for number in 0..TOPICS {
            let value = (round * 1_000).to_string();
            broker.cluster.configure(&name(number), "segment.jitter.ms", Some(&value));
        }
        both.follow(&mut broker, round);
        for number in 0..TOPICS {
            let key = TopicAndPartition::new(&name(number), 0);
            let config = broker.log_manager.get_log(&key).unwrap().config();
            let found = (config.max_message_size, config.segment_jitter_ms);
            assert_eq!(found, (round, round as i64 * 1_000), "{key} in round {round}");
        }
    }
}

#[test]
fn a_log_that_is_made_while_the_settings_of_the_broker_change_has_the_new_ones() {
    let (mut broker, mut both) =
        (Broker::new(), AtTheSameTime { settings: KafkaConfig::default() });
    for round in 1..60 {
        let id = topic_id(u8::try_from(round).unwrap());
        let name = format!("topic-{round}");
        broker.cluster.topic(&name, id);
        for number in 0..5 {
            broker.cluster.partition(id, number, &[LOCAL], LOCAL);
        }
        both.follow(&mut broker, round);
        for number in 0..5 {
            let key = TopicAndPartition::new(&name, number);
            let config = broker.log_manager.get_log(&key).unwrap().config();
            assert_eq!(config.max_message_size, round, "{key}");
        }
    }
}

/// A later topic of the name would begin with the watermark of the one that went.
#[test]
fn a_checkpoint_that_is_written_while_a_replica_goes_does_not_bring_it_back() {
    let mut broker = Broker::with_foo(OTHER);
    let (id, bar) = (topic_id(1), TopicAndPartition::new("bar", 0));
    broker.cluster.topic("bar", id).partition(id, 0, &[LOCAL], LOCAL);
    broker.apply();
    let (log, manager) = (broker.log_manager.get_log(&bar).unwrap(), &broker.replica_manager);
    for round in 0..300 {
        manager.host(&id, &bar, || Ok((Arc::clone(&log), Offset(0)))).unwrap();
        let begin = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    begin.wait();
                    manager.checkpoint_high_watermarks().unwrap();
                });
            }
            begin.wait();
            manager.stop_replicas(std::slice::from_ref(&bar));
            manager.checkpoint_high_watermarks().unwrap();
        });
        let checkpointed = manager.checkpointed_high_watermarks().unwrap();
        assert_eq!(checkpointed.keys().collect::<Vec<_>>(), [&foo()], "round {round}");
    }
}

/// Port of `PartitionTest.testTopicIdAndPartitionMetadataFileForLeader` and
/// `PartitionTest.testTopicIdAndPartitionMetadataFileForFollower`.
#[test]
fn a_log_says_which_topic_it_belongs_to() {
    for leader in [LOCAL, OTHER] {
        let broker = Broker::with_foo(leader);
        let partition = broker.hosted(&foo()).unwrap();
        let dir: &Path = partition.local_replica().log.dir();
        assert_eq!((partition.topic_id, read_topic_id(dir).unwrap()), (FOO, Some(FOO)));
    }
}

/// In every version of Fetch; others from version 11 on.
#[test]
fn a_debugging_consumer_reads_a_follower() {
    let mut broker = Broker::with_foo(LOCAL);
    assert_eq!(broker.produce(&foo(), 1).recv().unwrap().error, None);
    broker.cluster.lead(FOO, 0, OTHER, &[OTHER]);
    broker.apply();
    let params = FetchParams {
        max_wait_ms: 0,
        replica_id: DEBUGGING_CONSUMER_ID,
        replica_epoch: None,
        min_bytes: 1,
        max_bytes: 1_000,
        hard_max_bytes_limit: false,
        newest_readable_magic: 2,
        is_read_committed: false,
        may_read_follower: false,
    };
    let fetch_info = PartitionFetchInfo {
        topic_id: FOO,
        offset: Offset(0),
        log_start_offset: Offset::NONE,
        fetch_size: 1_000,
        current_leader_epoch: LeaderEpoch::NONE,
        last_fetched_epoch: LeaderEpoch::NONE,
        preferred_read_replica: None,
    };
    let read = broker.replica_manager.fetch_resident(params, &[(foo(), fetch_info)]).unwrap();
    assert!(read[0].1.as_ref().is_ok_and(|it| it.high_watermark == Offset(0)));
}
