//! Whose the log directories of a broker are. No controller is asked: at least one directory is of a cluster.

use std::fs;
use std::sync::Arc;

use support::temp::TempDir;
use transferto::clients::client_channel_builder::PlaintextClientChannelBuilder;
use transferto::common::errors::KafkaError;
use transferto::common::mock_scheduler::MockScheduler;
use transferto::common::mock_time::MockTime;
use transferto::common::scheduler::Scheduler;
use transferto::common::time::Time;
use transferto::config::config_reader::read_settings;
use transferto::config::kafka_config::KafkaConfig;
use transferto::server::cluster::node_identity::NodeIdentity;
use transferto::server::cluster::start_cancellation::StartCancellation;
use transferto::storage::files::clean_shutdown_file_handler;
use transferto::storage::files::meta_properties::MetaProperties;
use transferto::storage::log_manager::{LogManager, LogManagerConfig};

const CLUSTER: &str = "dHJhbnNmZXJ0by1tYWtlLQ";
const A: [u8; 16] = [0xa; 16];
const B: [u8; 16] = [0xb; 16];

fn config(dir: &TempDir) -> KafkaConfig {
    let dirs = ["a", "b"].map(|name| dir.join(name).display().to_string()).join(",");
    read_settings([
        ("process.roles", "broker"),
        ("node.id", "7"),
        ("controller.quorum.bootstrap.servers", "127.0.0.1:1"),
        ("controller.listener.names", "CONTROLLER"),
        ("log.dirs", &dirs),
    ])
    .unwrap()
}

fn open(dir: &TempDir) -> Result<Arc<LogManager>, KafkaError> {
    let time = Arc::new(MockTime::new());
    let scheduler: Arc<dyn Scheduler> = Arc::new(MockScheduler::new(Arc::clone(&time)));
    LogManager::new(LogManagerConfig::from_broker(&config(dir)), scheduler, time as Arc<dyn Time>)
}

fn settle(dir: &TempDir) -> Result<(NodeIdentity, Arc<LogManager>), KafkaError> {
    let log_manager = open(dir)?;
    let (controllers, cancellation) = (PlaintextClientChannelBuilder, StartCancellation::default());
    let identity = NodeIdentity::settle(&config(dir), &log_manager, &controllers, &cancellation)?;
    Ok((identity, log_manager))
}

/// The directory `name` belongs to node 7 of `cluster_id`.
fn give(dir: &TempDir, name: &str, cluster_id: &str, id: [u8; 16]) {
    fs::create_dir_all(dir.join(name)).unwrap();
    let cluster_id = cluster_id.to_string();
    let properties = MetaProperties { cluster_id, node_id: 7, directory_id: Some(id) };
    properties.write(&dir.join(name)).unwrap();
}

fn refusal(dir: &TempDir) -> String {
    settle(dir).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn a_directory_that_is_added_to_a_broker_gets_an_id_and_keeps_it() {
    let dir = TempDir::new();
    give(&dir, "a", CLUSTER, A);
    clean_shutdown_file_handler::write(&dir.join("a"), Some(41)).unwrap();
    let (identity, log_manager) = settle(&dir).unwrap();
    assert_eq!(identity.cluster_id, CLUSTER);
    assert_eq!(identity.previous_broker_epoch, None, "the new directory was not there then");
    let ids = log_manager.directory_ids();
    let added = log_manager.directory_id(&log_manager.log_dirs()[1]).unwrap();
    assert!(ids.len() == 2 && ids.contains(&A) && ids.contains(&added) && ids.is_sorted());
    drop(log_manager);

    let written = MetaProperties::read(&dir.join("b")).unwrap().unwrap();
    assert_eq!(
        (&*written.cluster_id, written.node_id, written.directory_id),
        (CLUSTER, 7, Some(added))
    );
    clean_shutdown_file_handler::write(&dir.join("b"), Some(41)).unwrap();
    let (identity, log_manager) = settle(&dir).unwrap();
    assert_eq!(log_manager.directory_ids(), ids);
    assert_eq!(identity.previous_broker_epoch, Some(41));
}

#[test]
fn the_last_shutdown_was_clean_only_if_it_was_in_all_directories_at_once() {
    let dir = TempDir::new();
    give(&dir, "a", CLUSTER, A);
    give(&dir, "b", CLUSTER, B);
    for (name, epoch) in [("a", 41), ("b", 42)] {
        clean_shutdown_file_handler::write(&dir.join(name), Some(epoch)).unwrap();
    }
    assert_eq!(settle(&dir).unwrap().0.previous_broker_epoch, None);
}

/// Port of `MetaPropertiesEnsembleTest`.
#[test]
fn directories_that_do_not_belong_together_are_refused_by_name() {
    let dir = TempDir::new();
    give(&dir, "a", CLUSTER, A);
    give(&dir, "b", CLUSTER, A);
    let error = refusal(&dir);
    for words in ["/a and ", "/b have the same `directory.id`", "is a copy of the other"] {
        assert!(error.contains(words), "no {words} in: {error}");
    }
    give(&dir, "b", "BBBBBBBBBBBBBBBBBBBBBB", B);
    let error = refusal(&dir);
    for words in ["/b belongs to the cluster BBBBBBBBBBBBBBBBBBBBBB", "/a to the cluster dHJh"] {
        assert!(error.contains(words), "no {words} in: {error}");
    }
    let mut reserved = [0; 16];
    reserved[15] = 99;
    give(&dir, "b", CLUSTER, reserved);
    let error = refusal(&dir);
    assert!(error.contains("/b has the `directory.id`") && error.contains("reserved"), "{error}");
}

#[test]
fn a_broker_starts_without_a_directory_that_is_broken_if_another_is_left() {
    let dir = TempDir::new();
    give(&dir, "a", CLUSTER, A);
    give(&dir, "b", CLUSTER, B);
    fs::remove_dir_all(dir.join("a")).unwrap();
    fs::write(dir.join("a"), "no directory").unwrap();
    let (identity, log_manager) = settle(&dir).unwrap();
    assert_eq!(identity.previous_broker_epoch, None);
    assert_eq!(log_manager.directory_ids(), [B], "nothing is known of the other");
    assert!(log_manager.has_offline_log_dir());
    assert!(log_manager.log_dirs()[0].ends_with("a") && log_manager.log_dirs().len() == 2);
    drop(log_manager);

    fs::remove_dir_all(dir.join("b")).unwrap();
    fs::write(dir.join("b"), "no directory").unwrap();
    assert!(refusal(&dir).contains("/a"), "none is left: {}", refusal(&dir));
}

/// What makes no sense is not the disk's fault, and Kafka ends as well.
#[test]
fn a_directory_with_a_corrupt_owner_is_refused() {
    let dir = TempDir::new();
    give(&dir, "a", CLUSTER, A);
    give(&dir, "b", CLUSTER, B);
    fs::write(dir.join("b/meta.properties"), "garbage").unwrap();
    assert!(refusal(&dir).contains("/b/meta.properties is corrupt"), "{}", refusal(&dir));
}
