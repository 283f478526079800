//! A broker without a network follows a cluster from its first image on.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use support::records::batch;
use support::temp::TempDir;
use transferto::common::errors::Errors;
use transferto::common::metrics::Metrics;
use transferto::common::mock_scheduler::MockScheduler;
use transferto::common::mock_time::MockTime;
use transferto::common::scheduler::Scheduler;
use transferto::common::time::Time;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::common::units::{LeaderEpoch, Offset};
use transferto::config::config_reader::read_settings;
use transferto::config::limit::Limit;
use transferto::config::log_config::LogConfig;
use transferto::coordinator::group_config::{GroupConfig, OffsetConfig};
use transferto::coordinator::group_coordinator::GroupCoordinator;
use transferto::coordinator::group_metadata_manager::GroupMetadataManager;
use transferto::coordinator::group_table::GroupTable;
use transferto::image::current_image::CurrentImage;
use transferto::image::metadata_publisher::MetadataPublisher;
use transferto::replica::delayed_operations::PurgeIntervals;
use transferto::replica::replica_manager::{
    HIGH_WATERMARK_FILENAME, ReplicaManager, ReplicaManagerConfig,
};
use transferto::replica::replication_engine::ReplicationEngine;
use transferto::server::cluster::broker_metadata_publisher::{
    BrokerMetadataPublisher, FollowingParts,
};
use transferto::server::cluster::default_alter_partition_manager::DefaultAlterPartitionManager;
use transferto::server::cluster::dynamic_client_quota_publisher::DynamicClientQuotaPublisher;
use transferto::server::cluster::dynamic_config_publisher::DynamicConfigPublisher;
use transferto::server::cluster::kraft_engine::KRaftEngine;
use transferto::server::cluster::scram_publisher::ScramPublisher;
use transferto::server::cluster::security_publishers::SecurityPublishers;
use transferto::server::metadata::dynamic_broker_config::DynamicBrokerConfig;
use transferto::server::quota::quota_managers::QuotaManagers;
use transferto::storage::files::log_file_names::is_stray_directory;
use transferto::storage::files::partition_metadata_file::PARTITION_METADATA_FILE;
use transferto::storage::log_manager::{LogManager, LogManagerConfig};

use transferto::image::records::broker_records::RegisterBrokerRecord;
use transferto::image::records::config_records::{BROKER, ConfigRecord};
use transferto::image::records::metadata_record::MetadataRecord;

use crate::images::{Cluster, of_listeners, topic_id};
use crate::recording_fetchers::RecordingFetchers;

const LOCAL: i32 = 1;
const OTHER: i32 = 2;
const FOO: [u8; 16] = [0xf0; 16];

fn group_config() -> GroupConfig {
    GroupConfig {
        group_min_session_timeout_ms: 6_000,
        group_max_session_timeout_ms: 300_000,
        group_max_size: 10,
        group_initial_rebalance_delay_ms: 0,
    }
}

fn offset_config(memory_max_bytes: Limit) -> OffsetConfig {
    OffsetConfig {
        max_metadata_size: 4096,
        offsets_retention_ms: 60_000,
        load_buffer_size: 5_242_880,
        offset_commit_timeout_ms: 5_000,
        offset_commit_required_acks: -1,
        memory_max_bytes,
    }
}

/// Without an authorizer.
fn security_publishers(quota_managers: &Arc<QuotaManagers>) -> SecurityPublishers {
    SecurityPublishers {
        acls: None,
        client_quotas: DynamicClientQuotaPublisher::new(quota_managers),
        scram: ScramPublisher::new(&Arc::default()).unwrap(),
    }
}

/// One run of the broker on a directory.
struct Broker {
    log_manager: Arc<LogManager>,
    replica_manager: Arc<ReplicaManager>,
    group_coordinator: Arc<GroupCoordinator>,
    quota_managers: Arc<QuotaManagers>,
    publisher: BrokerMetadataPublisher,
    scheduler: Arc<MockScheduler>,
}

impl Broker {
    fn start(dir: &Path) -> Self {
        let time = Arc::new(MockTime::new());
        let background = Arc::new(MockScheduler::new(Arc::clone(&time)));
        let scheduler: Arc<dyn Scheduler> = background.clone();
        let time: Arc<dyn Time> = time;
        let settings = read_settings([("broker.id", "1")]).unwrap();
        let config = LogManagerConfig {
            log_dirs: vec![dir.to_path_buf()],
            default_config: LogConfig::default(),
            ..LogManagerConfig::from_broker(&settings)
        };
        let log_manager =
            LogManager::new(config, Arc::clone(&scheduler), Arc::clone(&time)).unwrap();
        let dynamic_config = DynamicBrokerConfig::open_in(&[dir.to_path_buf()], &settings);
        let dynamic_config = Arc::new(dynamic_config.unwrap());
        let replica_config = ReplicaManagerConfig {
            broker_id: LOCAL,
            purge_intervals: PurgeIntervals::of(1),
            replica_lag_time_max_ms: 30_000,
            leaves_cold_pages: false,
        };
        let statuses = log_manager.log_dir_statuses();
        let metrics = Arc::new(Metrics::default());
        let quota_managers = QuotaManagers::start(&settings, &time, &metrics).unwrap();
        let image = Arc::<CurrentImage>::default();
        let listener = settings.inter_broker_listener();
        let changes = DefaultAlterPartitionManager::new(LOCAL, Arc::clone(&scheduler));
        let engine = Arc::new(KRaftEngine::new(listener, Arc::clone(&image), changes));
        let replica_manager = Arc::new(
            ReplicaManager::new(
                replica_config,
                &statuses,
                Arc::clone(&engine) as Arc<dyn ReplicationEngine>,
                &time,
                metrics,
            )
            .unwrap(),
        );
        let manager = GroupMetadataManager::new(
            offset_config(settings.transferto_group_memory_max_bytes),
            GroupTable::in_cluster(),
            Arc::clone(&replica_manager),
            Arc::clone(&time),
        );
        let groups = GroupCoordinator::new(group_config(), manager, time);
        let group_coordinator = Arc::new(groups);
        let publisher = BrokerMetadataPublisher::new(FollowingParts {
            broker_id: LOCAL,
            image,
            log_manager: Arc::clone(&log_manager),
            replica_manager: Arc::clone(&replica_manager),
            engine,
            fetchers: Arc::<RecordingFetchers>::default(),
            group_coordinator: Arc::clone(&group_coordinator),
            dynamic_configs: DynamicConfigPublisher::new(LOCAL, &dynamic_config, &scheduler),
            security: security_publishers(&quota_managers),
            loading_progress: Arc::default(),
        });
        Self {
            log_manager,
            replica_manager,
            group_coordinator,
            quota_managers,
            publisher,
            scheduler: background,
        }
    }

    fn publish(&self, cluster: &mut Cluster) {
        let publication = cluster.publish();
        let (delta, before, after) = (&publication.delta, &publication.before, &publication.after);
        self.publisher.on_metadata_update(delta, before, after);
    }

    fn is_published(&self) -> Result<bool, Errors> {
        let published = self.publisher.wait_for_first_publication(Duration::ZERO);
        published.map_err(|error| error.code())
    }

    fn stop(self) {
        self.group_coordinator.shutdown();
        self.quota_managers.shutdown();
        self.replica_manager.shutdown().unwrap();
        assert!(self.log_manager.shutdown());
    }

    fn end_offset(&self, topic: &str) -> Option<Offset> {
        let log = self.log_manager.get_log(&TopicAndPartition::new(topic, 0));
        log.map(|it| it.log_end_offset())
    }

    fn append(&self, topic: &str) {
        let log = self.log_manager.get_log(&TopicAndPartition::new(topic, 0)).unwrap();
        log.append(&mut batch(&["message"]), LeaderEpoch(0)).unwrap();
    }
}

fn strays(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|it| it.unwrap().path());
    entries.filter(|it| is_stray_directory(it)).collect()
}

/// `foo` and `bar`, with partition 0 of each on this broker alone.
fn two_topics() -> Cluster {
    let mut cluster = Cluster::default();
    cluster.topic("foo", FOO).partition(FOO, 0, &[LOCAL], LOCAL);
    cluster.topic("bar", topic_id(1)).partition(topic_id(1), 0, &[LOCAL], LOCAL);
    cluster
}

/// A broker that took fewer replicas in sync than the cluster asks for would acknowledge what is not safe.
#[test]
fn the_first_image_is_published_when_the_settings_are_in_force_that_the_cluster_has() {
    let dir = TempDir::new();
    let broker = Broker::start(dir.path());
    let mut cluster = two_topics();
    cluster.replay(MetadataRecord::Config(ConfigRecord {
        resource_type: BROKER,
        resource_name: String::new(),
        name: "min.insync.replicas".to_string(),
        value: Some("2".to_string()),
    }));
    broker.publish(&mut cluster);
    assert_eq!(broker.is_published(), Ok(false));
    broker.scheduler.tick();
    assert_eq!(broker.is_published(), Ok(true));
    broker.stop();
}

#[test]
fn the_first_image_opens_the_logs_and_the_next_ones_change_them() {
    let dir = TempDir::new();
    let broker = Broker::start(dir.path());
    assert_eq!((broker.is_published(), broker.publisher.published_offset()), (Ok(false), -1));
    let mut cluster = two_topics();
    broker.publish(&mut cluster);
    assert_eq!((broker.is_published(), broker.publisher.published_offset()), (Ok(true), 3));
    broker.append("foo");
    broker.stop();

    let broker = Broker::start(dir.path());
    let mut cluster = two_topics();
    broker.publish(&mut cluster);
    assert_eq!(broker.end_offset("foo"), Some(Offset(1)));
    assert!(strays(dir.path()).is_empty());
    broker.publish(cluster.remove(FOO));
    assert_eq!((broker.end_offset("foo"), broker.end_offset("bar")), (None, Some(Offset(0))));
    assert_eq!(broker.publisher.published_offset(), 4);
    broker.stop();
}

#[test]
fn a_topic_that_was_deleted_and_made_again_meanwhile_begins_anew() {
    let dir = TempDir::new();
    let broker = Broker::start(dir.path());
    broker.publish(&mut two_topics());
    broker.append("foo");
    broker.append("bar");
    broker.stop();

    let mut cluster = two_topics();
    cluster.remove(FOO).topic("foo", topic_id(2)).partition(topic_id(2), 0, &[LOCAL], LOCAL);
    let broker = Broker::start(dir.path());
    broker.publish(&mut cluster);
    assert_eq!(
        (broker.end_offset("foo"), broker.end_offset("bar")),
        (Some(Offset(0)), Some(Offset(1)))
    );
    // What it was is still there, under a name that no log has, also after another start.
    broker.stop();
    let broker = Broker::start(dir.path());
    broker.publish(&mut cluster);
    let strays = strays(dir.path());
    assert_eq!((strays.len(), broker.end_offset("foo")), (1, Some(Offset(0))));
    let log = strays[0].join("00000000000000000000.log");
    assert!(fs::metadata(log).unwrap().len() > 0);
    broker.stop();
}

#[test]
fn a_log_that_went_to_other_brokers_or_has_no_topic_id_is_set_aside() {
    let dir = TempDir::new();
    let broker = Broker::start(dir.path());
    broker.publish(&mut two_topics());
    broker.stop();
    fs::remove_file(dir.join("bar-0").join(PARTITION_METADATA_FILE)).unwrap();

    let mut cluster = Cluster::default();
    cluster.topic("foo", FOO).partition(FOO, 0, &[OTHER], OTHER);
    let broker = Broker::start(dir.path());
    broker.publish(&mut cluster);
    assert_eq!((strays(dir.path()).len(), broker.log_manager.all_logs().len()), (2, 0));
    broker.stop();
}

#[test]
fn logs_that_cannot_be_opened_end_the_start_and_nothing_is_published_after() {
    let dir = TempDir::new();
    let broker = Broker::start(dir.path());
    broker.publish(&mut two_topics());
    broker.stop();
    let damaged = dir.join("foo-0").join(PARTITION_METADATA_FILE);
    fs::write(&damaged, "version: 0\n").unwrap();

    let broker = Broker::start(dir.path());
    let mut cluster = two_topics();
    broker.publish(&mut cluster);
    let error = broker.publisher.wait_for_first_publication(Duration::ZERO).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(damaged.to_str().unwrap()) && text.contains("put back a copy"), "{text}");
    broker.publish(cluster.remove(FOO));
    assert_eq!((broker.publisher.published_offset(), broker.is_published().is_err()), (-1, true));
    assert!(strays(dir.path()).is_empty() && broker.log_manager.all_logs().is_empty());
}

#[test]
fn watermarks_that_cannot_be_read_end_the_start() {
    let dir = TempDir::new();
    let broker = Broker::start(dir.path());
    broker.publish(&mut two_topics());
    broker.stop();
    fs::write(dir.join(HIGH_WATERMARK_FILENAME), "not a checkpoint").unwrap();

    let broker = Broker::start(dir.path());
    broker.publish(&mut two_topics());
    let error = broker.publisher.wait_for_first_publication(Duration::ZERO).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(HIGH_WATERMARK_FILENAME) && text.contains("move it away"), "{text}");
}

#[test]
fn settings_of_a_topic_count_from_the_opening_of_its_log_on() {
    let dir = TempDir::new();
    for run in 0..2 {
        let broker = Broker::start(dir.path());
        let mut cluster = two_topics();
        cluster.configure("foo", "segment.bytes", Some("2048"));
        broker.publish(&mut cluster);
        let log = broker.log_manager.get_log(&TopicAndPartition::new("foo", 0)).unwrap();
        assert_eq!(log.config().segment_size, 2048, "run {run}");
        broker.stop();
    }
}

#[test]
fn a_broker_is_unfenced_when_it_leads_what_waited_for_it() {
    let dir = TempDir::new();
    let broker = Broker::start(dir.path());
    let mut cluster = two_topics();
    broker.publish(cluster.broker(LOCAL, &["PLAINTEXT"]));
    let is_unfenced = |epoch| broker.publisher.wait_until_unfenced(epoch, Duration::ZERO);
    // An incarnation before this one is registered still.
    assert!(is_unfenced(i64::from(LOCAL)) && !is_unfenced(7));
    let again = |fenced| RegisterBrokerRecord {
        broker_id: LOCAL,
        broker_epoch: 7,
        fenced,
        ..of_listeners(&["PLAINTEXT"])
    };
    cluster.broker_with(again(true));
    broker.publish(&mut cluster);
    assert!(!is_unfenced(i64::from(LOCAL)) && !is_unfenced(7));
    cluster.broker_with(again(false));
    broker.publish(&mut cluster);
    assert!(is_unfenced(7));
    broker.stop();
}
