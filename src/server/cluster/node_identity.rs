//! Port of `org.apache.kafka.metadata.properties.MetaPropertiesEnsemble` and, in part, of
//! `kafka.tools.StorageTool format`: which node of which cluster a log directory belongs to.
//!
//! Kafka's operators format a directory before the first start. Here a directory without an owner is given
//! to the cluster of the controllers that the settings name, which is asked for its id.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::{info, warn};

use crate::clients::blocking_channel::BlockingChannel;
use crate::clients::client_channel_builder::ClientChannelBuilder;
use crate::clients::interrupter::Interrupter;
use crate::common::errors::{Errors, KafkaError};
use crate::common::failures::Failures;
use crate::common::uuid::uuid_text;
use crate::config::kafka_config::KafkaConfig;
use crate::config::quorum_config::BootstrapServer;
use crate::image::directory_id::is_reserved;
use crate::protocol::describe_cluster::{CONTROLLERS, DescribeClusterRequest};
use crate::server::cluster::start_cancellation::StartCancellation;
use crate::storage::files::clean_shutdown_file_handler;
use crate::storage::files::meta_properties::{MetaProperties, random_directory_id};
use crate::storage::log_manager::LogManager;

/// How long a controller may take to tell the id of its cluster, before another is asked.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// How long to wait when no controller has told it.
const RETRY_BACKOFF: Duration = Duration::from_millis(200);
/// What a controller is silent on as long as its cluster does not keep the addresses of controllers: below 3.7-IV0,
/// level 15.
const UNTOLD_CLUSTER_ID: &str = "the metadata.version of its cluster is below 15 (3.7-IV0), where a controller does \
     not tell the id of the cluster: give the log directory to the cluster with `kafka-storage.sh format -t ID`, or \
     raise the level with `kafka-features.sh upgrade --release-version 3.9`";
/// The first version in which controllers are asked for controllers.
const DESCRIBE_CLUSTER_VERSION: i16 = 1;

/// Who this broker is, by what lies in its log directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeIdentity {
    /// 22 characters of base64.
    pub cluster_id: String,
    /// Of the last clean shutdown; `None` if there was none of all directories.
    pub previous_broker_epoch: Option<i64>,
}

impl NodeIdentity {
    /// Reads the identity of the log directories, which are locked and checked; one without an identity gets it
    /// now, as one that was added to a broker does. The log manager learns their ids.
    ///
    /// # Errors
    /// `INVALID_CONFIG` if they are not of one cluster, or two of them are a copy of each other; `REQUEST_TIMED_OUT`
    /// if no controller tells the id of the cluster within `initial.broker.registration.timeout.ms`; a file that
    /// cannot be read or written.
    pub fn settle(
        config: &KafkaConfig,
        log_manager: &LogManager,
        to_controllers: &dyn ClientChannelBuilder,
        cancellation: &StartCancellation,
    ) -> Result<Self, KafkaError> {
        let mut owned = Vec::new();
        let mut read = |dir: &Path| -> Result<(), KafkaError> {
            owned.extend(MetaProperties::read(dir)?.map(|it| (dir.to_path_buf(), it)));
            Ok(())
        };
        log_manager.open_each_dir(&mut read)?;
        check_cluster_ids(&owned)?;
        check_directory_ids(&owned)?;
        let cluster_id = match owned.first() {
            Some((_, properties)) => properties.cluster_id.clone(),
            None => ask_cluster_id(config, to_controllers, cancellation)?,
        };
        log_manager.open_each_dir(|dir| {
            let properties = owned.iter().find(|(owned, _)| owned == dir).map(|(_, it)| it);
            let id = match properties.and_then(|it| it.directory_id) {
                Some(id) => id,
                None => give(dir, &cluster_id, config.broker_id)?,
            };
            log_manager.set_directory_id(dir, id);
            Ok(())
        })?;
        Ok(Self { cluster_id, previous_broker_epoch: previous_broker_epoch(log_manager) })
    }
}

/// Writes whose the directory is from now on. Returns its new id.
fn give(dir: &Path, cluster_id: &str, node_id: i32) -> Result<[u8; 16], KafkaError> {
    let directory_id = random_directory_id()?;
    info!("the log directory {} is new to cluster {cluster_id}", dir.display());
    let (cluster_id, directory) = (cluster_id.to_string(), Some(directory_id));
    MetaProperties { cluster_id, node_id, directory_id: directory }.write(dir)?;
    Ok(directory_id)
}

/// Whose each directory is that is not new.
type Owned = [(PathBuf, MetaProperties)];

fn check_cluster_ids(owned: &Owned) -> Result<(), KafkaError> {
    let Some((dir, first)) = owned.first() else { return Ok(()) };
    let of_another = |(_, it): &&(PathBuf, MetaProperties)| it.cluster_id != first.cluster_id;
    let Some((other_dir, other)) = owned.iter().find(of_another) else { return Ok(()) };
    Err(refused(format!(
        "the log directory {} belongs to the cluster {}, and {} to the cluster {}: leave out of `log.dirs` the one \
         that is not of this broker's cluster",
        other_dir.display(),
        other.cluster_id,
        dir.display(),
        first.cluster_id
    )))
}

/// Port of the checks of `MetaPropertiesEnsemble.verify`.
fn check_directory_ids(owned: &Owned) -> Result<(), KafkaError> {
    let mut by_id = BTreeMap::new();
    for (dir, properties) in owned {
        let Some(id) = properties.directory_id else { continue };
        let shown = uuid_text(&id);
        if is_reserved(&id) {
            return Err(refused(format!(
                "the log directory {} has the `directory.id` {shown}, which is reserved: remove that line from its \
                 meta.properties, and the next start gives it one",
                dir.display()
            )));
        }
        if let Some(other) = by_id.insert(id, dir) {
            return Err(refused(format!(
                "the log directories {} and {} have the same `directory.id`, {shown}: one is a copy of the other; \
                 leave the copy out of `log.dirs`",
                other.display(),
                dir.display()
            )));
        }
    }
    Ok(())
}

fn refused(why: String) -> KafkaError {
    KafkaError::api(Errors::InvalidConfig, why)
}

/// Port of `LogManager.readBrokerEpochFromCleanShutdownFiles`: nothing is known of a directory that is offline, and
/// one that was not there at the last shutdown has none.
fn previous_broker_epoch(log_manager: &LogManager) -> Option<i64> {
    if log_manager.has_offline_log_dir() {
        return None;
    }
    let epochs = log_manager.online_log_dirs();
    let mut epochs = epochs.iter().map(|dir| clean_shutdown_file_handler::read(dir));
    let first = epochs.next()??;
    epochs.all(|it| it == Some(first)).then_some(first)
}

/// The controllers that the settings name.
pub fn named_controllers(config: &KafkaConfig) -> Vec<BootstrapServer> {
    let voters = config.controller_quorum_voters.iter().map(|it| it.address.clone());
    config.controller_quorum_bootstrap_servers.iter().cloned().chain(voters).collect()
}

fn ask_cluster_id(
    config: &KafkaConfig,
    to_controllers: &dyn ClientChannelBuilder,
    cancellation: &StartCancellation,
) -> Result<String, KafkaError> {
    let controllers = named_controllers(config);
    let shown = controllers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    info!("asking for the id of the cluster: waiting for a controller at {shown}");
    let timeout_ms = config.initial_broker_registration_timeout_ms;
    let (started, timeout) = (Instant::now(), Duration::from_millis(timeout_ms.unsigned_abs()));
    let interrupter = Arc::new(Interrupter::new());
    cancellation.on_cancel({
        let interrupter = Arc::clone(&interrupter);
        move || interrupter.interrupt()
    });
    let (mut failures, mut last_trouble) = (Failures::default(), String::new());
    for controller in controllers.iter().cycle() {
        match cluster_id_of(controller, to_controllers, &interrupter) {
            Ok(cluster_id) => return Ok(cluster_id),
            Err(_) if cancellation.is_cancelled() => {
                return Err(KafkaError::api(Errors::RequestTimedOut, "the broker shuts down"));
            }
            Err(error) => {
                let trouble = format!("{controller}: {error}{}", advice(&error));
                let now_ms = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
                if let Some(repeats) = failures.news(&trouble, now_ms) {
                    warn!("no answer from the controller at {trouble}{repeats}");
                }
                last_trouble = trouble;
            }
        }
        if started.elapsed() >= timeout {
            break;
        }
        std::thread::sleep(RETRY_BACKOFF);
    }
    let why = format!(
        "no controller at {shown} has told the id of the cluster within {timeout_ms} ms \
         (`initial.broker.registration.timeout.ms`): {last_trouble}"
    );
    Err(KafkaError::api(Errors::RequestTimedOut, why))
}

/// A node that answered says itself what is wrong.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::TimedOut
        | io::ErrorKind::NotFound
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable => "; check that a controller runs there",
        _ => "",
    }
}

fn cluster_id_of(
    controller: &BootstrapServer,
    builder: &dyn ClientChannelBuilder,
    interrupter: &Arc<Interrupter>,
) -> io::Result<String> {
    let BootstrapServer { host, port } = controller;
    let (address, client_id) = ((host.as_str(), *port), env!("CARGO_PKG_NAME"));
    let mut channel =
        BlockingChannel::connect(builder, address, client_id, ANSWER_TIMEOUT, interrupter)?;
    let request = DescribeClusterRequest {
        include_cluster_authorized_operations: false,
        endpoint_type: CONTROLLERS,
        ..DescribeClusterRequest::default()
    };
    let response = channel.call(&request, DESCRIBE_CLUSTER_VERSION, ANSWER_TIMEOUT)?.body;
    let error = Errors::for_code(response.error_code);
    match error {
        Errors::None => Ok(response.cluster_id),
        Errors::MismatchedEndpointType => {
            let why = "it is a broker: give the address of a controller's listener";
            Err(io::Error::other(why))
        }
        Errors::UnsupportedVersion => Err(io::Error::other(UNTOLD_CLUSTER_ID)),
        error => Err(io::Error::other(format!("it answers DescribeCluster with {error}"))),
    }
}
