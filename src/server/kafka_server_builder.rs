//! Port of `kafka.server.KafkaServer.startup` and of `kafka.server.KafkaServerStartable`: what a
//! broker is given, and what starts after what.

use std::sync::Arc;
use std::time::Instant;

use log::error;

use crate::common::errors::KafkaError;
use crate::common::loading_progress::LoadingProgress;
use crate::common::metrics::Metrics;
use crate::common::scheduler::{KafkaScheduler, Scheduler};
use crate::common::time::{SystemTime, Time};
use crate::common::topic_partition::GROUP_METADATA_TOPIC_NAME;
use crate::config::config_reader::read_settings;
use crate::config::fetch_inline::FetchInline;
use crate::config::kafka_config::KafkaConfig;
use crate::config::lessons::check_permission;
use crate::coordinator::group_config::{GroupConfig, OffsetConfig};
use crate::coordinator::group_coordinator::GroupCoordinator;
use crate::coordinator::group_metadata_manager::GroupMetadataManager;
use crate::coordinator::group_table::GroupTable;
use crate::network::inline_handler::InlineHandler;
use crate::network::request_memory::MemoryRelease;
use crate::network::socket_server::SocketServer;
use crate::registry::topic_registry::TopicRegistry;
use crate::replica::replica_manager::{ReplicaManager, ReplicaManagerConfig};
use crate::security::channel_builders::ConfiguredChannelBuilders;
use crate::security::configured_mechanisms::report_listeners_without_user;
use crate::security::scram::credential_cache::CredentialCache;
use crate::server::apis::parts::Parts;
use crate::server::kafka_apis::KafkaApis;
use crate::server::kafka_request_handler::KafkaRequestHandlerPool;
use crate::server::kafka_server::{KafkaServer, StartupError, Subsystems};
use crate::server::log_dir_failure_handler::HaltProcedure;
use crate::server::metadata::admin_manager::AdminManager;
use crate::server::metadata::controller::Controller;
use crate::server::metadata::dynamic_broker_config::DynamicBrokerConfig;
use crate::server::metadata::metadata_cache::MetadataCache;
use crate::server::metadata::registry_auto_topic_creation_manager::RegistryAutoTopicCreationManager;
use crate::server::metadata::registry_metadata_cache::RegistryMetadataCache;
use crate::server::metadata::registry_producer_id_manager::RegistryProducerIdManager;
use crate::server::metadata::scram_control_manager::ScramControlManager;
use crate::server::monitoring::monitoring_server::MonitoringServer;
use crate::server::quota::quota_managers::QuotaManagers;
use crate::server::security::authorizer::Authorizer;
use crate::server::security::simple_acl_authorizer::SimpleAclAuthorizer;
use crate::storage::log_manager::{LogManager, LogManagerConfig};
use crate::transport::channel_builder::{ChannelBuilder, ChannelBuilders};

/// Starts a broker. What is not given is what the binary has: the clocks of the machine, plain
/// sockets, and the authorizer that the settings name.
pub struct KafkaServerBuilder {
    config: KafkaConfig,
    time: Arc<dyn Time>,
    metrics: Arc<Metrics>,
    channel_builder: Option<Arc<dyn ChannelBuilder>>,
    authorizer: Option<Arc<dyn Authorizer>>,
    halt_procedure: HaltProcedure,
    loading_progress: Arc<LoadingProgress>,
}

impl KafkaServerBuilder {
    pub fn new(config: KafkaConfig) -> Self {
        Self {
            config,
            time: Arc::new(SystemTime::new()),
            metrics: Arc::new(Metrics::default()),
            channel_builder: None,
            authorizer: None,
            halt_procedure: Box::new(|| ()),
            loading_progress: Arc::default(),
        }
    }

    /// A broker with these settings, by Kafka's names, and the defaults of all others.
    ///
    /// # Errors
    /// Every setting that is unknown, not supported or has a wrong value.
    pub fn from_settings<'a>(
        settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, StartupError> {
        Ok(Self::new(read_settings(settings)?))
    }

    /// Clocks other than the machine's, for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn time(self, time: Arc<dyn Time>) -> Self {
        Self { time, ..self }
    }

    /// Counters that a test reads.
    #[doc(hidden)]
    #[must_use]
    pub fn metrics(self, metrics: Arc<Metrics>) -> Self {
        Self { metrics, ..self }
    }

    /// Makes the connections. Tests bring builders whose transports count, stutter or fail.
    #[doc(hidden)]
    #[must_use]
    pub fn channel_builder(self, channel_builder: Arc<dyn ChannelBuilder>) -> Self {
        Self { channel_builder: Some(channel_builder), ..self }
    }

    /// Decides what clients may do, in place of `authorizer.class.name`.
    #[must_use]
    pub fn authorizer(self, authorizer: Arc<dyn Authorizer>) -> Self {
        Self { authorizer: Some(authorizer), ..self }
    }

    /// What to do when the last log directory has failed, on a thread that the shutdown waits for.
    /// Without it the broker goes on, and has an error for every request that needs a log.
    #[must_use]
    pub fn halt_procedure(self, halt: impl Fn() + Send + Sync + 'static) -> Self {
        Self { halt_procedure: Box::new(halt), ..self }
    }

    /// Shows another thread how far [`start`](Self::start) has got.
    #[doc(hidden)]
    #[must_use]
    pub fn loading_progress(self, loading_progress: Arc<LoadingProgress>) -> Self {
        Self { loading_progress, ..self }
    }

    /// Starts the broker, and returns when its ports are open.
    ///
    /// The order is Kafka's, with one difference: the ports are bound early, so that a taken one is
    /// found before the logs are loaded, but opened last, when every request can be answered
    /// (KAFKA-14658).
    ///
    /// # Errors
    /// A [lesson](crate::config::lessons) that is not allowed; a key or a certificate that cannot be
    /// used; a log directory that is locked, cannot be written or holds what cannot be read; a port that
    /// is taken; ACLs or credentials that cannot be read.
    pub fn start(self) -> Result<KafkaServer, StartupError> {
        let began = Instant::now();
        let Self { config, time, metrics, channel_builder, authorizer, .. } = self;
        check_permission(&config)?;
        let background = new_scheduler(&config);
        let scheduler: Arc<dyn Scheduler> = Arc::clone(&background) as Arc<dyn Scheduler>;
        let credentials = Arc::default();
        let configured = ConfiguredChannelBuilders::new(&config, &metrics, &time, &credentials);
        let builders: &dyn ChannelBuilders = match &channel_builder {
            Some(given) => given,
            None => &configured,
        };
        let socket_server =
            SocketServer::startup(&config, Arc::clone(&time), Arc::clone(&metrics), builders)?;
        let monitoring = MonitoringServer::start(config.transferto_http_listener.as_ref(), &time)?;
        let log_manager = lock_logs(&config, &scheduler, &time)?;
        let dynamic_config =
            open_dynamic_config(&config, &background, &socket_server, &log_manager, &configured)?;
        let sources = Sources {
            dynamic_config: &dynamic_config,
            log_manager: &log_manager,
            loading_progress: &self.loading_progress,
            credentials: &credentials,
            time: &time,
            metrics: &metrics,
        };
        let state = PersistentState::read_or_close(&sources, authorizer, &scheduler)?;
        log_manager.startup();
        schedule_high_watermark_checkpoints(&config, &scheduler, &state.replica_manager);
        schedule_memory_release(&scheduler, &socket_server);
        configured.schedule_reload(&scheduler);
        let auto_topics = RegistryAutoTopicCreationManager::new(
            &config,
            &state.metadata_cache,
            &state.controller,
        );
        let parts = Parts {
            config: &config,
            dynamic_config: Arc::clone(&dynamic_config),
            replica_manager: Arc::clone(&state.replica_manager),
            log_manager: Arc::clone(&log_manager),
            auto_topics: Arc::new(auto_topics),
            metadata_cache: Arc::clone(&state.metadata_cache),
            controller: state.controller,
            controller_events: Arc::default(),
            group_coordinator: Arc::clone(&state.group_coordinator),
            producer_ids: Arc::new(state.producer_ids),
            quota_managers: Arc::clone(&state.quota_managers),
            scram: Arc::new(state.scram),
            authorizer: state.authorizer,
            metrics: Arc::clone(&metrics),
            time,
        };
        let apis = new_apis(&socket_server, &parts);
        let request_handler_pool = new_handlers(&socket_server, &apis, &parts);
        let subsystems = Subsystems {
            monitoring,
            socket_server,
            request_handler_pool,
            controller_events: Arc::clone(&parts.controller_events),
            scheduler,
            quota_managers: state.quota_managers,
            group_coordinator: state.group_coordinator,
            replica_manager: state.replica_manager,
            log_manager,
            metadata_cache: state.metadata_cache,
            dynamic_config,
            metrics,
        };
        KafkaServer::serve(subsystems, self.halt_procedure, began)
    }
}

/// The log directories, which are this broker's alone from now on. Nothing is read yet.
fn lock_logs(
    config: &KafkaConfig,
    scheduler: &Arc<dyn Scheduler>,
    time: &Arc<dyn Time>,
) -> Result<Arc<LogManager>, KafkaError> {
    let config = LogManagerConfig::from_broker(config);
    LogManager::new(config, Arc::clone(scheduler), Arc::clone(time))
}

/// What the broker knows from its log directories.
struct PersistentState {
    replica_manager: Arc<ReplicaManager>,
    metadata_cache: Arc<dyn MetadataCache>,
    controller: Arc<dyn Controller>,
    producer_ids: RegistryProducerIdManager,
    quota_managers: Arc<QuotaManagers>,
    scram: ScramControlManager,
    group_coordinator: Arc<GroupCoordinator>,
    authorizer: Option<Arc<dyn Authorizer>>,
}

/// What is there before anything is read.
struct Sources<'a> {
    dynamic_config: &'a Arc<DynamicBrokerConfig>,
    log_manager: &'a Arc<LogManager>,
    loading_progress: &'a Arc<LoadingProgress>,
    /// What logins look into. It is filled before the ports open.
    credentials: &'a Arc<CredentialCache>,
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
        let Sources { dynamic_config, log_manager, time, metrics, .. } = *sources;
        let current = dynamic_config.current();
        let config = current.config();
        let dirs = log_manager.log_dirs();
        let topics = TopicRegistry::open_in(&dirs)?;
        let topic_configs = topics.log_configs(&log_manager.default_config())?;
        log_manager.load(&topic_configs, sources.loading_progress)?;
        let replica_manager = Arc::new(ReplicaManager::new(
            replica_manager_config(config),
            &log_manager.log_dir_statuses(),
            time,
            Arc::clone(metrics),
        )?);
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
            led,
            Arc::clone(log_manager),
        ));
        let producer_ids = open_producer_ids(log_manager)?;
        let authorizer = match authorizer {
            Some(authorizer) => Some(authorizer),
            None => open_authorizer(config, log_manager)?,
        };
        let group_coordinator =
            start_group_coordinator(config, scheduler, &replica_manager, &*metadata_cache, time)?;
        let quota_managers = QuotaManagers::start(config, &dirs, time, metrics)?;
        let scram = ScramControlManager::open_in(&dirs, sources.credentials)?;
        report_listeners_without_user(current.of_file(), sources.credentials);
        dynamic_config.add_reconfigurable(&controller);
        Ok(Self {
            replica_manager,
            metadata_cache,
            controller,
            producer_ids,
            quota_managers,
            scram,
            group_coordinator,
            authorizer,
        })
    }
}

fn new_scheduler(config: &KafkaConfig) -> Arc<KafkaScheduler> {
    Arc::new(KafkaScheduler::new(config.background_threads, "kafka-scheduler-"))
}

/// Before the first log is opened, so that every part starts with what was set last.
fn open_dynamic_config(
    config: &KafkaConfig,
    background: &Arc<KafkaScheduler>,
    socket_server: &Arc<SocketServer>,
    log_manager: &Arc<LogManager>,
    configured: &ConfiguredChannelBuilders<'_>,
) -> Result<Arc<DynamicBrokerConfig>, KafkaError> {
    let dynamic_config = DynamicBrokerConfig::open_in(&log_manager.log_dirs(), config)?;
    dynamic_config.add_reconfigurable(background);
    dynamic_config.add_reconfigurable(socket_server);
    dynamic_config.add_reconfigurable(log_manager);
    configured.ssl_factories().iter().for_each(|it| dynamic_config.add_reconfigurable(it));
    Ok(Arc::new(dynamic_config))
}

fn replica_manager_config(config: &KafkaConfig) -> ReplicaManagerConfig {
    ReplicaManagerConfig {
        broker_id: config.broker_id,
        fetch_purge_interval: config.fetch_purgatory_purge_interval_requests,
        producer_purge_interval: config.producer_purgatory_purge_interval_requests,
        leaves_cold_pages: config.lessons().leaves_cold_pages,
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
    let manager =
        GroupMetadataManager::new(offsets, GroupTable::alone(), replica_manager, Arc::clone(&time));
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
        memory_max_bytes: config.transferto_group_memory_max_bytes,
    };
    (groups, offsets)
}

/// The ids of producers are kept in the first log directory, as the list of topics is.
fn open_producer_ids(log_manager: &LogManager) -> Result<RegistryProducerIdManager, KafkaError> {
    let logs = log_manager.all_logs();
    let highest = logs.iter().map(|log| log.highest_producer_id());
    let highest_in_use = highest.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().max();
    let dirs = log_manager.log_dirs();
    RegistryProducerIdManager::open_in(
        dirs.first().expect("there is a log directory"),
        highest_in_use,
    )
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

/// What handles each request, on the threads of the handlers and, if the broker is set so, on those
/// of the Processors.
fn new_apis(socket_server: &SocketServer, parts: &Parts<'_>) -> Arc<KafkaApis> {
    let apis = Arc::new(KafkaApis::new(socket_server.request_channel(), parts));
    if parts.config.transferto_fetch_inline == FetchInline::Resident {
        socket_server.answer_inline_by(Arc::clone(&apis) as Arc<dyn InlineHandler>);
    }
    apis
}

/// The handlers of what the socket server receives. None runs yet.
fn new_handlers(
    socket_server: &SocketServer,
    apis: &Arc<KafkaApis>,
    parts: &Parts<'_>,
) -> Arc<KafkaRequestHandlerPool> {
    let requests = socket_server.request_channel();
    let Parts { metrics, time, .. } = parts;
    let memory_pool = socket_server.request_memory();
    Arc::new(KafkaRequestHandlerPool::new(requests, apis, memory_pool, metrics, time))
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
            error!("cannot write the high watermarks: {error}");
        }
    };
    let task = Box::new(checkpoint);
    scheduler.schedule("highwatermark-checkpoint", interval_ms, Some(interval_ms), task);
}

/// What a flood of requests took is the system's again when it is over.
fn schedule_memory_release(scheduler: &Arc<dyn Scheduler>, socket_server: &SocketServer) {
    let mut release = MemoryRelease::new(Arc::clone(socket_server.request_memory()));
    let interval_ms = MemoryRelease::INTERVAL_MS;
    let task = Box::new(move || release.check());
    scheduler.schedule("release-memory", interval_ms, Some(interval_ms), task);
}
