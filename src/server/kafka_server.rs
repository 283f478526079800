//! Port of `kafka.server.KafkaServer`: what starts after what, and stops before what.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::{error, info};

use crate::common::end_point::{EndPoint, SecurityProtocol};
use crate::common::errors::KafkaError;
use crate::common::metrics::Metrics;
use crate::common::scheduler::{KafkaScheduler, Scheduler};
use crate::common::time::{SystemTime, Time};
use crate::common::topic_partition::GROUP_METADATA_TOPIC_NAME;
use crate::config::kafka_config::KafkaConfig;
use crate::coordinator::group_config::{GroupConfig, OffsetConfig};
use crate::coordinator::group_coordinator::GroupCoordinator;
use crate::coordinator::group_metadata_manager::GroupMetadataManager;
use crate::network::request_metrics::STAGES;
use crate::network::socket_server::SocketServer;
use crate::registry::topic_registry::TopicRegistry;
use crate::replica::replica_manager::{ReplicaManager, ReplicaManagerConfig};
use crate::server::apis::parts::Parts;
use crate::server::kafka_apis::KafkaApis;
use crate::server::kafka_request_handler::KafkaRequestHandlerPool;
use crate::server::metadata::admin_manager::AdminManager;
use crate::server::metadata::auto_topic_creation_manager::AutoTopicCreationManager;
use crate::server::metadata::controller::Controller;
use crate::server::metadata::dynamic_broker_config::DynamicBrokerConfig;
use crate::server::metadata::metadata_cache::MetadataCache;
use crate::server::metadata::producer_id_manager::ProducerIdManager;
use crate::server::metadata::registry_metadata_cache::RegistryMetadataCache;
use crate::server::quota::quota_managers::QuotaManagers;
use crate::server::security::authorizer::Authorizer;
use crate::server::security::simple_acl_authorizer::SimpleAclAuthorizer;
use crate::storage::log_manager::{LogManager, LogManagerConfig};
use crate::transport::channel_builder::{ChannelBuilder, PlaintextChannelBuilder};

/// Why a broker does not start: one sentence for the one who started it.
#[derive(Debug)]
pub struct StartupError(String);

impl fmt::Display for StartupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartupError {}

impl From<KafkaError> for StartupError {
    fn from(error: KafkaError) -> Self {
        // The code is for clients, and there are none yet.
        match error {
            KafkaError::Api(_, why) => Self(why),
            other => Self(other.to_string()),
        }
    }
}

impl From<std::io::Error> for StartupError {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// A running broker.
pub struct KafkaServer {
    metrics: Arc<Metrics>,
    scheduler: Arc<dyn Scheduler>,
    log_manager: Arc<LogManager>,
    replica_manager: Arc<ReplicaManager>,
    group_coordinator: Arc<GroupCoordinator>,
    socket_server: Arc<SocketServer>,
    request_handler_pool: Arc<KafkaRequestHandlerPool>,
    quota_managers: Arc<QuotaManagers>,
    dynamic_config: Arc<DynamicBrokerConfig>,
    startup_duration: Duration,
}

impl KafkaServer {
    /// Starts a broker on the machine's clocks and plain sockets.
    ///
    /// # Errors
    /// A sentence: a log directory that is locked, cannot be written or holds what cannot be read;
    /// a port that is taken.
    pub fn startup(config: &KafkaConfig) -> Result<Self, StartupError> {
        let metrics = Arc::new(Metrics::default());
        let channel_builder = Arc::new(PlaintextChannelBuilder::new(Arc::clone(&metrics)));
        Self::startup_with(config, Arc::new(SystemTime::new()), metrics, channel_builder)
    }

    /// Starts a broker with the clocks and the connections that are given: tests bring connections
    /// that count or lie.
    ///
    /// The order is Kafka's, with one difference: the ports are bound early, so that a taken one is
    /// found before the logs are loaded, but opened last, when every request can be answered
    /// (KAFKA-14658).
    ///
    /// # Errors
    /// As [`startup`](KafkaServer::startup).
    pub fn startup_with(
        config: &KafkaConfig,
        time: Arc<dyn Time>,
        metrics: Arc<Metrics>,
        channel_builder: Arc<dyn ChannelBuilder>,
    ) -> Result<Self, StartupError> {
        Self::startup_under(config, time, metrics, channel_builder, None)
    }

    /// Starts a broker that asks `authorizer` what clients may do, or the one that the settings name
    /// if none is given.
    ///
    /// # Errors
    /// As [`startup`](KafkaServer::startup); also ACLs that cannot be read.
    pub fn startup_under(
        config: &KafkaConfig,
        time: Arc<dyn Time>,
        metrics: Arc<Metrics>,
        channel_builder: Arc<dyn ChannelBuilder>,
        authorizer: Option<Arc<dyn Authorizer>>,
    ) -> Result<Self, StartupError> {
        let began = Instant::now();
        let background =
            Arc::new(KafkaScheduler::new(config.background_threads, "kafka-scheduler-"));
        let scheduler: Arc<dyn Scheduler> = Arc::clone(&background) as Arc<dyn Scheduler>;
        let socket_server = SocketServer::startup(
            config,
            Arc::clone(&time),
            Arc::clone(&metrics),
            channel_builder,
        )?;
        let log_manager = LogManager::new(
            LogManagerConfig::from_broker(config),
            Arc::clone(&scheduler),
            Arc::clone(&time),
        )?;
        let dynamic_config =
            open_dynamic_config(config, &background, &socket_server, &log_manager)?;
        let sources = Sources {
            dynamic_config: &dynamic_config,
            bound_endpoints: socket_server.bound_endpoints(),
            log_manager: &log_manager,
            time: &time,
            metrics: &metrics,
        };
        let PersistentState {
            replica_manager,
            metadata_cache,
            controller,
            producer_ids,
            quota_managers,
            group_coordinator,
            authorizer,
        } = PersistentState::read_or_close(&sources, authorizer, &scheduler)?;
        log_manager.startup();
        schedule_high_watermark_checkpoints(config, &scheduler, &replica_manager);
        let parts = Parts {
            config,
            dynamic_config: Arc::clone(&dynamic_config),
            replica_manager: Arc::clone(&replica_manager),
            log_manager: Arc::clone(&log_manager),
            auto_topics: Arc::new(AutoTopicCreationManager::new(
                config,
                &metadata_cache,
                &controller,
            )),
            metadata_cache,
            controller,
            group_coordinator: Arc::clone(&group_coordinator),
            producer_ids: Arc::new(producer_ids),
            quota_managers: Arc::clone(&quota_managers),
            authorizer,
            metrics: Arc::clone(&metrics),
            time,
        };
        let apis = Arc::new(KafkaApis::new(socket_server.request_channel(), &parts));
        let request_handler_pool =
            Arc::new(KafkaRequestHandlerPool::new(socket_server.request_channel(), &apis));
        let server = Self {
            metrics,
            scheduler,
            log_manager,
            replica_manager,
            group_coordinator,
            socket_server,
            request_handler_pool,
            quota_managers,
            dynamic_config,
            startup_duration: Duration::ZERO,
        };
        server.started_at(began)
    }

    /// Begins to serve. If that fails, the broker is shut down, above all its logs: else the next
    /// start would have to recover them.
    fn started_at(mut self, began: Instant) -> Result<Self, StartupError> {
        if let Err(error) = self.start_serving() {
            self.shutdown();
            return Err(error);
        }
        self.startup_duration = began.elapsed();
        Ok(self)
    }

    /// Starts as many request handlers as the file says, opens the ports, and only then has the
    /// handlers follow what was altered: a number that the system does not give keeps no broker
    /// from starting.
    fn start_serving(&self) -> Result<(), StartupError> {
        let current = self.dynamic_config.current();
        self.request_handler_pool.startup(current.of_file().num_io_threads)?;
        self.socket_server.start_accepting()?;
        self.dynamic_config.add_reconfigurable(&self.request_handler_pool);
        Ok(())
    }

    /// The port that the listener of `protocol` is bound to.
    pub fn bound_port(&self, protocol: SecurityProtocol) -> Option<u16> {
        self.socket_server.bound_port(protocol)
    }

    /// The listeners, with the ports they are bound to.
    pub fn bound_endpoints(&self) -> &[EndPoint] {
        self.socket_server.bound_endpoints()
    }

    /// How long the start took.
    pub fn startup_duration(&self) -> Duration {
        self.startup_duration
    }

    /// What the broker has counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The partitions and what waits for them.
    pub fn replica_manager(&self) -> &Arc<ReplicaManager> {
        &self.replica_manager
    }

    /// The consumer groups.
    pub fn group_coordinator(&self) -> &Arc<GroupCoordinator> {
        &self.group_coordinator
    }

    /// The quotas of clients.
    pub fn quota_managers(&self) -> &Arc<QuotaManagers> {
        &self.quota_managers
    }

    /// The settings of the broker, and what was set while it ran.
    pub fn dynamic_config(&self) -> &Arc<DynamicBrokerConfig> {
        &self.dynamic_config
    }

    /// How many connections `address` holds now.
    pub fn connection_count(&self, address: IpAddr) -> usize {
        self.socket_server.connection_count(address)
    }

    /// How many threads handle requests.
    pub fn request_handler_count(&self) -> usize {
        self.request_handler_pool.count()
    }

    /// The logs.
    pub fn log_manager(&self) -> &Arc<LogManager> {
        &self.log_manager
    }

    /// Writes every counter that has moved, and the times of the requests, to the log.
    pub fn log_metrics(&self) {
        for (name, value) in self.metrics.values() {
            if value > 0 {
                info!("{name} = {value}");
            }
        }
        let request_metrics = self.socket_server.request_channel().request_metrics();
        for (api, requests, stages_ns) in request_metrics.values() {
            let times: Vec<_> = STAGES
                .iter()
                .zip(stages_ns)
                .map(|(stage, sum_ns)| {
                    format!("{stage} {:.3}", sum_ns as f64 / 1e6 / requests as f64)
                })
                .collect();
            info!("{api}: {requests} requests; on average {}", times.join(", "));
        }
    }

    /// Stops the broker in Kafka's order. A step that fails is logged and does not keep the others
    /// from running.
    pub fn shutdown(self) {
        info!("Shutting down.");
        self.socket_server.shutdown();
        self.request_handler_pool.join();
        self.scheduler.shutdown();
        self.quota_managers.shutdown();
        // Before the logs, which it writes: 0.9 stopped it after them.
        self.group_coordinator.shutdown();
        if let Err(error) = self.replica_manager.shutdown() {
            error!("The high watermarks could not be written: {error}");
        }
        self.log_manager.shutdown();
        info!("Shut down.");
    }
}

/// What the broker knows from its log directories.
struct PersistentState {
    replica_manager: Arc<ReplicaManager>,
    metadata_cache: Arc<dyn MetadataCache>,
    controller: Arc<dyn Controller>,
    producer_ids: ProducerIdManager,
    quota_managers: Arc<QuotaManagers>,
    group_coordinator: Arc<GroupCoordinator>,
    authorizer: Option<Arc<dyn Authorizer>>,
}

/// What is there before anything is read.
struct Sources<'a> {
    dynamic_config: &'a Arc<DynamicBrokerConfig>,
    bound_endpoints: &'a [EndPoint],
    log_manager: &'a Arc<LogManager>,
    time: &'a Arc<dyn Time>,
    metrics: &'a Arc<Metrics>,
}

impl PersistentState {
    /// As [`read`](Self::read); if that fails, the logs are closed, as Kafka does. Else the next
    /// start would have to recover all of them: the mark of the last stop is used up, and the
    /// indexes have grown to take messages.
    fn read_or_close(
        sources: &Sources<'_>,
        authorizer: Option<Arc<dyn Authorizer>>,
        scheduler: &Arc<dyn Scheduler>,
    ) -> Result<Self, KafkaError> {
        Self::read(sources, authorizer, scheduler).inspect_err(|_| {
            scheduler.shutdown();
            sources.log_manager.shutdown();
        })
    }

    /// Opens the logs and reads everything else that can keep the broker from starting. No thread
    /// runs yet that appends: the logs are recovered, missing ones and missing files are made, and
    /// topics that lie on disk are adopted, but no message is written.
    ///
    /// `authorizer` is in the place of the one that the settings name.
    fn read(
        sources: &Sources<'_>,
        authorizer: Option<Arc<dyn Authorizer>>,
        scheduler: &Arc<dyn Scheduler>,
    ) -> Result<Self, KafkaError> {
        let Sources { dynamic_config, bound_endpoints, log_manager, time, metrics } = *sources;
        let current = dynamic_config.current();
        let config = current.config();
        let dirs = log_manager.log_dirs();
        let topics = TopicRegistry::open_in(&dirs)?;
        log_manager.load(&topics.log_configs(&log_manager.default_config())?)?;
        let replica_manager = Arc::new(ReplicaManager::new(
            replica_manager_config(config),
            &dirs,
            time,
            Arc::clone(metrics),
        ));
        let cluster_id = topics.cluster_id();
        let controller = Arc::new(AdminManager::load(
            current.of_file(),
            topics,
            Arc::clone(log_manager),
            Arc::clone(&replica_manager),
        )?);
        let led = Arc::clone(controller.led());
        let metadata_cache: Arc<dyn MetadataCache> = Arc::new(RegistryMetadataCache::new(
            current.of_file(),
            cluster_id,
            bound_endpoints,
            led,
        ));
        let producer_ids = open_producer_ids(log_manager)?;
        let authorizer = match authorizer {
            Some(authorizer) => Some(authorizer),
            None => open_authorizer(config, log_manager)?,
        };
        let group_coordinator =
            start_group_coordinator(config, scheduler, &replica_manager, &*metadata_cache, time)?;
        let quota_managers = QuotaManagers::start(config, &dirs, time, metrics)?;
        dynamic_config.add_reconfigurable(&controller);
        Ok(Self {
            replica_manager,
            metadata_cache,
            controller,
            producer_ids,
            quota_managers,
            group_coordinator,
            authorizer,
        })
    }
}

/// Before the first log is opened, so that every part starts with what was set last.
fn open_dynamic_config(
    config: &KafkaConfig,
    background: &Arc<KafkaScheduler>,
    socket_server: &Arc<SocketServer>,
    log_manager: &Arc<LogManager>,
) -> Result<Arc<DynamicBrokerConfig>, KafkaError> {
    let dynamic_config = DynamicBrokerConfig::open_in(&log_manager.log_dirs(), config)?;
    dynamic_config.add_reconfigurable(background);
    dynamic_config.add_reconfigurable(socket_server);
    dynamic_config.add_reconfigurable(log_manager);
    Ok(Arc::new(dynamic_config))
}

fn replica_manager_config(config: &KafkaConfig) -> ReplicaManagerConfig {
    ReplicaManagerConfig {
        broker_id: config.broker_id,
        fetch_purge_interval: config.fetch_purgatory_purge_interval_requests,
        producer_purge_interval: config.producer_purgatory_purge_interval_requests,
    }
}

/// Loads the groups and starts to look after them.
fn start_group_coordinator(
    config: &KafkaConfig,
    scheduler: &Arc<dyn Scheduler>,
    replica_manager: &Arc<ReplicaManager>,
    metadata_cache: &dyn MetadataCache,
    time: &Arc<dyn Time>,
) -> Result<Arc<GroupCoordinator>, KafkaError> {
    let (groups, offsets) = group_config(config);
    let (replica_manager, time) = (Arc::clone(replica_manager), Arc::clone(time));
    let manager = GroupMetadataManager::new(offsets, replica_manager, Arc::clone(&time));
    let coordinator = Arc::new(GroupCoordinator::new(groups, manager, time));
    let topic = metadata_cache.topic(GROUP_METADATA_TOPIC_NAME);
    coordinator.startup(topic.map(|it| it.partition_count()))?;

    let (interval_ms, cleaned) =
        (config.offsets_retention_check_interval_ms, Arc::clone(&coordinator));
    let task = Box::new(move || cleaned.cleanup_group_metadata());
    scheduler.schedule("delete-expired-consumer-offsets", interval_ms, Some(interval_ms), task);
    Ok(coordinator)
}

fn group_config(config: &KafkaConfig) -> (GroupConfig, OffsetConfig) {
    let groups = GroupConfig {
        group_min_session_timeout_ms: config.group_min_session_timeout_ms,
        group_max_session_timeout_ms: config.group_max_session_timeout_ms,
        group_max_size: config.group_max_size,
        group_initial_rebalance_delay_ms: config.group_initial_rebalance_delay_ms,
    };
    let offsets = OffsetConfig {
        max_metadata_size: config.offset_metadata_max_bytes,
        offsets_retention_ms: config.offsets_retention_minutes * 60 * 1000,
        load_buffer_size: config.offsets_load_buffer_size,
        offset_commit_timeout_ms: config.offsets_commit_timeout_ms,
        offset_commit_required_acks: config.offsets_commit_required_acks,
    };
    (groups, offsets)
}

/// The ids of producers are kept in the first log directory, as the list of topics is.
fn open_producer_ids(log_manager: &LogManager) -> Result<ProducerIdManager, KafkaError> {
    let logs = log_manager.all_logs();
    let highest = logs.iter().map(|log| log.highest_producer_id());
    let highest_in_use = highest.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().max();
    let dirs = log_manager.log_dirs();
    ProducerIdManager::open_in(dirs.first().expect("there is a log directory"), highest_in_use)
}

/// The authorizer that the settings name. Its ACLs are kept in the first log directory, too.
fn open_authorizer(
    config: &KafkaConfig,
    log_manager: &LogManager,
) -> Result<Option<Arc<dyn Authorizer>>, KafkaError> {
    if config.authorizer_class_name.is_empty() {
        return Ok(None);
    }
    let dirs = log_manager.log_dirs();
    let authorizer = SimpleAclAuthorizer::open_in(
        dirs.first().expect("there is a log directory"),
        config.super_users.clone(),
        config.allow_everyone_if_no_acl_found,
    )?;
    Ok(Some(Arc::new(authorizer)))
}

fn schedule_high_watermark_checkpoints(
    config: &KafkaConfig,
    scheduler: &Arc<dyn Scheduler>,
    replica_manager: &Arc<ReplicaManager>,
) {
    let interval_ms = config.replica_high_watermark_checkpoint_interval_ms;
    let replica_manager = Arc::clone(replica_manager);
    let checkpoint = move || {
        if let Err(error) = replica_manager.checkpoint_high_watermarks() {
            // Nothing is lost by it: at the next start the only replica is in sync with itself.
            error!("The high watermarks could not be written: {error}");
        }
    };
    let task = Box::new(checkpoint);
    scheduler.schedule("highwatermark-checkpoint", interval_ms, Some(interval_ms), task);
}
