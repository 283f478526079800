//! Port of `kafka.server.BrokerServer`, as far as it is about the cluster: the parts by which a broker
//! belongs to one, and the order in which they start and stop.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use log::{error, info, warn};

use crate::clients::client_channel_builder::ClientChannelBuilder;
use crate::common::end_point::{EndPoint, SecurityProtocol};
use crate::common::errors::{Errors, KafkaError};
use crate::common::lock::locked;
use crate::common::scheduler::Scheduler;
use crate::common::time::Time;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::uuid::random_uuid;
use crate::config::kafka_config::KafkaConfig;
use crate::image::loader::metadata_loader::MetadataLoader;
use crate::image::metadata_publisher::MetadataPublisher;
use crate::protocol::broker_registration::RegistrationListener;
use crate::raft::kafka_raft_client::KafkaRaftClient;
use crate::raft::quorum::ControllerNodeProvider;
use crate::raft::raft_config::RaftConfig;
use crate::raft::raft_fault::RaftFault;
use crate::server::cluster::assignments_manager::AssignmentsManager;
use crate::server::cluster::broker_lifecycle_manager::{
    BrokerIdentity, BrokerLifecycleManager, LifecycleConfig,
};
use crate::server::cluster::broker_metadata_publisher::BrokerMetadataPublisher;
use crate::server::cluster::broker_registration_tracker::BrokerRegistrationTracker;
use crate::server::cluster::cluster_view::ClusterView;
use crate::server::cluster::controller_channel::ControllerChannel;
use crate::server::cluster::default_alter_partition_manager::DefaultAlterPartitionManager;
use crate::server::cluster::directory_failures::DirectoryFailures;
use crate::server::cluster::metadata_version_config_validator::MetadataVersionConfigValidator;
use crate::server::cluster::node_connection::BlockingConnector;
use crate::server::cluster::node_identity::{NodeIdentity, named_controllers};
use crate::server::cluster::node_to_controller_channel_manager::{
    ChannelConfig, NodeToControllerChannelManager,
};
use crate::server::cluster::start_cancellation::StartCancellation;
use crate::server::cluster::unsupported_features_publisher::UnsupportedFeaturesPublisher;
use crate::storage::log_manager::LogManager;

/// How long a stop waits for the controller to move leaders: what Kafka gives the whole stop.
const CONTROLLED_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// How often a start that waits looks whether it waits in vain.
const LOOK_ROUND_INTERVAL: Duration = Duration::from_millis(100);
/// The name of this machine, for a listener that names no host.
const HOST_NAME_FILE: &str = "/proc/sys/kernel/hostname";

/// Ends the process: nothing that the broker would do without its cluster could be right.
pub type FaultProcedure = Arc<dyn Fn() + Send + Sync>;

/// A broker's place in a cluster, from [`join`](Self::join) to [`leave`](Self::leave).
pub struct Membership {
    is_shutdown_controlled: bool,
    log_dir_failure_timeout_ms: i64,
    log_manager: Arc<LogManager>,
    scheduler: Arc<dyn Scheduler>,
    on_fault: FaultProcedure,
    publisher: Arc<BrokerMetadataPublisher>,
    observer: Arc<KafkaRaftClient>,
    heartbeat_channel: Arc<NodeToControllerChannelManager>,
    forwarding_channel: Arc<NodeToControllerChannelManager>,
    /// Of its own: a leader that waits for its followers does not wait behind the requests of clients.
    alter_partition_channel: Arc<NodeToControllerChannelManager>,
    lifecycle: Arc<BrokerLifecycleManager>,
    /// Why the metadata log is not followed any more.
    fault: Arc<Mutex<Option<String>>>,
}

/// What a broker comes into the cluster with.
pub struct Entrance<'a> {
    /// The bound listeners.
    pub endpoints: &'a [EndPoint],
    /// Follows the metadata log.
    pub publisher: Arc<BrokerMetadataPublisher>,
    pub alter_partition_manager: Arc<DefaultAlterPartitionManager>,
    /// Knows the ids of its directories.
    pub log_manager: &'a Arc<LogManager>,
    pub scheduler: &'a Arc<dyn Scheduler>,
    pub time: &'a Arc<dyn Time>,
    /// Called when the metadata log cannot be followed any further. Then a start fails by itself.
    pub on_fault: FaultProcedure,
}

impl Membership {
    /// Follows the metadata log, and registers at the same time.
    ///
    /// # Errors
    /// If the system gives no thread, or does not say how this machine is called.
    pub fn join(
        config: &KafkaConfig,
        identity: NodeIdentity,
        to_controllers: &Arc<dyn ClientChannelBuilder>,
        entrance: Entrance<'_>,
    ) -> Result<Self, KafkaError> {
        let Entrance { endpoints, publisher, alter_partition_manager, .. } = entrance;
        let Entrance { log_manager, scheduler, time, on_fault, .. } = entrance;
        let cluster_id = identity.cluster_id.clone();
        let broker_identity = BrokerIdentity {
            broker_id: config.broker_id,
            cluster_id: cluster_id.clone(),
            incarnation_id: random_uuid()?,
            directory_ids: log_manager.directory_ids(),
            previous_broker_epoch: identity.previous_broker_epoch.unwrap_or(NO_PREVIOUS_EPOCH),
            rack: config.broker_rack.clone(),
            listeners: registered_listeners(config, endpoints)?,
        };
        announce(config, &cluster_id);
        let place_of = {
            let log_manager = Arc::clone(log_manager);
            move |key: &TopicAndPartition| log_manager.directory_id_of(key)
        };
        let assignments =
            AssignmentsManager::new(config.broker_id, place_of, Arc::clone(scheduler));
        let registered = Arc::<OnceLock<Arc<BrokerLifecycleManager>>>::default();
        let fault = Arc::<Mutex<Option<String>>>::default();
        let observation = Observation {
            publisher: &publisher,
            assignments: &assignments,
            registered: &registered,
            fault: &fault,
        };
        let raft_config = RaftConfig::of_broker(config, &cluster_id, to_controllers);
        let observer =
            observation.begin(raft_config, config.log_dirs.len(), Arc::clone(&on_fault))?;
        let channel = |name| channel(name, config, to_controllers, &observer, time);
        let heartbeat_channel = channel("heartbeat")?;
        let forwarding_channel = channel("forwarding")?;
        let alter_partition_channel = channel("alter-partition")?;
        let offsets = Arc::clone(&publisher);
        let lifecycle = BrokerLifecycleManager::start(
            LifecycleConfig {
                heartbeat_interval_ms: config.broker_heartbeat_interval_ms,
                registration_timeout_ms: config.initial_broker_registration_timeout_ms,
            },
            broker_identity,
            Arc::clone(&heartbeat_channel) as Arc<dyn ControllerChannel>,
            move || offsets.published_offset(),
            Arc::clone(time),
        )?;
        // Only once: nobody else has it.
        let _ = registered.set(Arc::clone(&lifecycle));
        // A fault from before that has found nobody to tell.
        if let Some(why) = &*locked(&fault) {
            lifecycle.fail(why);
        }
        let epoch_of = Arc::clone(&lifecycle);
        let channel = Arc::clone(&forwarding_channel) as Arc<dyn ControllerChannel>;
        assignments.start(channel, move || epoch_of.broker_epoch());
        // Weak: it holds the publisher, and with it the replicas, which hold this manager.
        let epoch_of = Arc::downgrade(&lifecycle);
        let channel = Arc::clone(&alter_partition_channel) as Arc<dyn ControllerChannel>;
        alter_partition_manager.start(channel, move || epoch_of.upgrade()?.broker_epoch());
        Ok(Self {
            is_shutdown_controlled: config.controlled_shutdown_enable,
            log_dir_failure_timeout_ms: config.log_dir_failure_timeout_ms,
            log_manager: Arc::clone(log_manager),
            scheduler: Arc::clone(scheduler),
            on_fault,
            publisher,
            observer,
            heartbeat_channel,
            forwarding_channel,
            alter_partition_channel,
            lifecycle,
            fault,
        })
    }

    pub fn lifecycle(&self) -> &Arc<BrokerLifecycleManager> {
        &self.lifecycle
    }

    /// For whoever shows what the cluster looks like from here.
    pub fn view(&self) -> ClusterView {
        let (observer, publisher) = (Arc::clone(&self.observer), Arc::clone(&self.publisher));
        ClusterView::new(observer, publisher, Arc::clone(&self.lifecycle))
    }

    /// The way to the active controller for what clients want, and for whatever else may wait behind it.
    pub fn channel(&self) -> Arc<dyn ControllerChannel> {
        Arc::clone(&self.forwarding_channel) as Arc<dyn ControllerChannel>
    }

    /// The way of heartbeats: it always leads to a controller by the time that clients come.
    pub fn heartbeat_channel(&self) -> Arc<dyn ControllerChannel> {
        Arc::clone(&self.heartbeat_channel) as Arc<dyn ControllerChannel>
    }

    /// Waits until the metadata log is read as far as it went, and the broker follows it: then its logs are
    /// open.
    ///
    /// # Errors
    /// Why it cannot be read, why the logs cannot be opened, or why the broker is not registered, which
    /// ends the start, though the log can be read.
    pub fn wait_for_first_publication(
        &self,
        cancellation: &StartCancellation,
    ) -> Result<(), KafkaError> {
        while !self.publisher.wait_for_first_publication(LOOK_ROUND_INTERVAL)? {
            self.check_start(cancellation)?;
        }
        Ok(())
    }

    /// The broker can serve what it leads. Waits until the controller sends clients to it, and it leads what
    /// waited for it. A producer that came in between would have its first batch refused and the second one
    /// appended, and the first never again: the log would take it for one out of order.
    ///
    /// # Errors
    /// Why it does not.
    pub fn unfence(&self, cancellation: &StartCancellation) -> Result<(), KafkaError> {
        cancellation.on_cancel({
            let lifecycle = Arc::clone(&self.lifecycle);
            move || lifecycle.close()
        });
        self.lifecycle.wait_for_catch_up().map_err(not_started)?;
        self.lifecycle.unfence().map_err(not_started)?;
        self.wait_until_unfencing_is_published(cancellation)
    }

    /// A registration that was sent again, because the controller did not know the last one, has another epoch.
    fn wait_until_unfencing_is_published(
        &self,
        cancellation: &StartCancellation,
    ) -> Result<(), KafkaError> {
        loop {
            let broker_epoch = self.lifecycle.broker_epoch();
            if broker_epoch
                .is_some_and(|epoch| self.publisher.wait_until_unfenced(epoch, LOOK_ROUND_INTERVAL))
            {
                return Ok(());
            }
            self.check_start(cancellation)?;
        }
    }

    /// Whether there is any use in waiting.
    fn check_start(&self, cancellation: &StartCancellation) -> Result<(), KafkaError> {
        let failure = locked(&self.fault).clone().or_else(|| self.lifecycle.failure());
        if let Some(why) = failure {
            return Err(not_started(why));
        }
        match cancellation.is_cancelled() {
            true => Err(not_started(SHUTTING_DOWN.to_string())),
            false => Ok(()),
        }
    }

    /// Has the controller move what this broker leads. The broker serves on meanwhile, and clients turn to
    /// the new leaders one by one. When this returns, the controller hears nothing from it any more.
    pub fn controlled_shutdown(&self) {
        self.publisher.replica_changes().begin_controlled_shutdown();
        if self.is_shutdown_controlled
            && !self.lifecycle.controlled_shutdown(CONTROLLED_SHUTDOWN_TIMEOUT)
        {
            warn!(
                "the controller has not moved what this broker leads within {} s: the broker stops \
                 without waiting for it",
                CONTROLLED_SHUTDOWN_TIMEOUT.as_secs()
            );
        }
        self.lifecycle.close();
    }

    /// What tells the controller of log directories that have failed.
    pub fn directory_failures(&self) -> DirectoryFailures {
        DirectoryFailures {
            lifecycle: Arc::clone(&self.lifecycle),
            log_manager: Arc::clone(&self.log_manager),
            scheduler: Arc::clone(&self.scheduler),
            timeout_ms: self.log_dir_failure_timeout_ms,
            on_fault: Arc::clone(&self.on_fault),
        }
    }

    /// Follows the cluster no more, copies nothing any more, and ends what waits for a controller. When this
    /// returns, no publisher runs.
    pub fn leave(&self) {
        self.lifecycle.close();
        self.observer.shutdown();
        self.publisher.replica_changes().shutdown_fetchers();
        self.forwarding_channel.shutdown();
        self.alter_partition_channel.shutdown();
        self.heartbeat_channel.shutdown();
    }
}

/// For whoever waits.
const SHUTTING_DOWN: &str = "the broker shuts down";
/// In the registration of a broker that has not shut down cleanly.
const NO_PREVIOUS_EPOCH: i64 = -1;

fn announce(config: &KafkaConfig, cluster_id: &str) {
    let controllers = named_controllers(config);
    let controllers = controllers.iter().map(ToString::to_string).collect::<Vec<_>>();
    info!(
        "joining the cluster {cluster_id} as broker {}: waiting for a controller at {}",
        config.broker_id,
        controllers.join(", ")
    );
}

/// What follows the metadata log, and what learns why it is not followed any more.
struct Observation<'a> {
    publisher: &'a Arc<BrokerMetadataPublisher>,
    assignments: &'a Arc<AssignmentsManager>,
    /// Set when the broker registers.
    registered: &'a Arc<OnceLock<Arc<BrokerLifecycleManager>>>,
    fault: &'a Arc<Mutex<Option<String>>>,
}

impl Observation<'_> {
    fn begin(
        &self,
        config: RaftConfig,
        log_dir_count: usize,
        on_fault: FaultProcedure,
    ) -> io::Result<Arc<KafkaRaftClient>> {
        let registered = Arc::clone(self.registered);
        let tracker = BrokerRegistrationTracker::new(config.node_id, move || {
            if let Some(lifecycle) = registered.get() {
                lifecycle.resend_registration();
            }
        });
        let publisher = Arc::clone(self.publisher) as Arc<dyn MetadataPublisher>;
        let assignments = Arc::new(Arc::clone(self.assignments));
        // As Kafka's does, a broker that runs goes on, rather than all of them ending at once.
        let validator = MetadataVersionConfigValidator::new(log_dir_count, |why| {
            error!(
                "the next start will fail, and until then no controller knows of a disk that fails: {why}"
            );
        });
        let unsupported = UnsupportedFeaturesPublisher::new(config.node_id);
        let loader = MetadataLoader::new(vec![
            publisher,
            Arc::new(tracker),
            assignments,
            Arc::new(validator),
            Arc::new(unsupported),
        ]);
        let (noted, waiting) = (Arc::clone(self.fault), Arc::clone(self.registered));
        let note = move |fault: RaftFault| {
            let why = format!("the metadata log cannot be followed any further: {fault}");
            *locked(&noted) = Some(why.clone());
            if let Some(lifecycle) = waiting.get() {
                lifecycle.fail(&why);
            }
            on_fault();
        };
        KafkaRaftClient::start(config, Box::new(loader), Box::new(note)).map(Arc::new)
    }
}

fn channel(
    channel_name: &'static str,
    config: &KafkaConfig,
    to_controllers: &Arc<dyn ClientChannelBuilder>,
    observer: &Arc<KafkaRaftClient>,
    time: &Arc<dyn Time>,
) -> io::Result<Arc<NodeToControllerChannelManager>> {
    let (broker_id, socket_timeout_ms) = (config.broker_id, config.controller_socket_timeout_ms);
    let config = ChannelConfig { channel_name, broker_id, socket_timeout_ms };
    let controllers = Arc::clone(observer) as Arc<dyn ControllerNodeProvider>;
    let connector = Arc::new(BlockingConnector::new(to_controllers));
    NodeToControllerChannelManager::start(&config, controllers, connector, Arc::clone(time))
}

/// The advertised addresses, with what was left open filled in: the port that the system has chosen, and the
/// name of this machine.
fn registered_listeners(
    config: &KafkaConfig,
    endpoints: &[EndPoint],
) -> io::Result<Vec<RegistrationListener>> {
    let advertised = config.effective_advertised_listeners();
    let mut listeners = Vec::new();
    for it in advertised {
        let bound = endpoints.iter().find(|bound| bound.listener_name == it.listener_name);
        let port = if it.port == 0 { bound.map_or(0, |bound| bound.port) } else { it.port };
        let host = match it.host.as_str() {
            "" | "0.0.0.0" | "::" => host_name()?,
            host => host.to_string(),
        };
        listeners.push(RegistrationListener {
            name: it.listener_name.as_str().to_string(),
            host,
            port,
            security_protocol: number_of(it.security_protocol),
        });
    }
    Ok(listeners)
}

/// The name of this machine, by which other machines may or may not find it: Kafka takes the same.
fn host_name() -> io::Result<String> {
    let name = std::fs::read_to_string(Path::new(HOST_NAME_FILE)).map_err(|error| {
        let why = format!(
            "cannot read {HOST_NAME_FILE}: {error}; set `advertised.listeners` to an address that \
             clients and other brokers can connect to"
        );
        io::Error::new(error.kind(), why)
    })?;
    Ok(name.trim().to_string())
}

/// Port of `SecurityProtocol.id`.
fn number_of(protocol: SecurityProtocol) -> i16 {
    match protocol {
        SecurityProtocol::Plaintext | SecurityProtocol::Trace => 0,
        SecurityProtocol::Ssl => 1,
        SecurityProtocol::SaslPlaintext => 2,
        SecurityProtocol::SaslSsl => 3,
    }
}

fn not_started(why: String) -> KafkaError {
    KafkaError::api(Errors::BrokerNotAvailable, why)
}
