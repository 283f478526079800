//! Port of `org.apache.kafka.metadata.properties.MetaPropertiesEnsemble` and, in part, of
//! `kafka.tools.StorageTool format`: which node of which cluster a log directory belongs to.
//!
//! Kafka's operators format a directory before the first start. Here a directory without an owner is given
//! to the cluster of the controllers that the settings name, which is asked for its id.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::{info, warn};

use crate::clients::blocking_channel::BlockingChannel;
use crate::clients::client_channel_builder::ClientChannelBuilder;
use crate::clients::interrupter::Interrupter;
use crate::common::errors::{Errors, KafkaError};
use crate::config::kafka_config::KafkaConfig;
use crate::config::quorum_config::BootstrapServer;
use crate::protocol::describe_cluster::{CONTROLLERS, DescribeClusterRequest};
use crate::server::cluster::start_cancellation::StartCancellation;
use crate::storage::files::clean_shutdown_file_handler;
use crate::storage::files::meta_properties::{MetaProperties, random_directory_id};

/// How long a controller may take to tell the id of its cluster, before another is asked.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// How long to wait when no controller has told it.
const RETRY_BACKOFF: Duration = Duration::from_millis(200);
/// The first version in which controllers are asked for controllers.
const DESCRIBE_CLUSTER_VERSION: i16 = 1;

/// Who this broker is, by what lies in its log directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeIdentity {
    /// 22 characters of base64.
    pub cluster_id: String,
    pub directory_id: [u8; 16],
    /// Of the last clean shutdown; `None` if there was none.
    pub previous_broker_epoch: Option<i64>,
}

impl NodeIdentity {
    /// Reads the identity of the log directory `dir`, which is locked and checked; a directory without one
    /// gets it now.
    ///
    /// # Errors
    /// `REQUEST_TIMED_OUT` if no controller tells the id of the cluster within
    /// `initial.broker.registration.timeout.ms`; a file that cannot be read or written.
    pub fn settle(
        config: &KafkaConfig,
        dir: &Path,
        to_controllers: &dyn ClientChannelBuilder,
        cancellation: &StartCancellation,
    ) -> Result<Self, KafkaError> {
        let properties = match MetaProperties::read(dir)? {
            Some(MetaProperties { cluster_id, directory_id: Some(directory_id), .. }) => {
                (cluster_id, directory_id)
            }
            Some(without_directory) => {
                let directory_id = random_directory_id()?;
                let cluster_id = without_directory.cluster_id.clone();
                MetaProperties { directory_id: Some(directory_id), ..without_directory }
                    .write(dir)?;
                (cluster_id, directory_id)
            }
            None => {
                let cluster_id = ask_cluster_id(config, to_controllers, cancellation)?;
                let directory_id = random_directory_id()?;
                info!("the log directory {} is new to cluster {cluster_id}", dir.display());
                MetaProperties {
                    cluster_id: cluster_id.clone(),
                    node_id: config.broker_id,
                    directory_id: Some(directory_id),
                }
                .write(dir)?;
                (cluster_id, directory_id)
            }
        };
        let (cluster_id, directory_id) = properties;
        let previous_broker_epoch = clean_shutdown_file_handler::read(dir);
        Ok(Self { cluster_id, directory_id, previous_broker_epoch })
    }
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
    let deadline = Instant::now() + Duration::from_millis(timeout_ms.unsigned_abs());
    let interrupter = Arc::new(Interrupter::new());
    cancellation.on_cancel({
        let interrupter = Arc::clone(&interrupter);
        move || interrupter.interrupt()
    });
    let mut last_trouble = String::new();
    for controller in controllers.iter().cycle() {
        match cluster_id_of(controller, to_controllers, &interrupter) {
            Ok(cluster_id) => return Ok(cluster_id),
            Err(_) if cancellation.is_cancelled() => {
                return Err(KafkaError::api(Errors::RequestTimedOut, "the broker shuts down"));
            }
            Err(error) => {
                let trouble = format!("{controller}: {error}");
                if trouble != last_trouble {
                    warn!("no answer from the controller at {trouble}");
                }
                last_trouble = trouble;
            }
        }
        if Instant::now() >= deadline {
            break;
        }
        std::thread::sleep(RETRY_BACKOFF);
    }
    let why = format!(
        "no controller at {shown} has told the id of the cluster within {timeout_ms} ms \
         (`initial.broker.registration.timeout.ms`): {last_trouble}; check that a controller runs there"
    );
    Err(KafkaError::api(Errors::RequestTimedOut, why))
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
        error => Err(io::Error::other(format!("it answers DescribeCluster with {error}"))),
    }
}
