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
use crate::config::config_reader::read_settings;
use crate::config::fetch_inline::FetchInline;
use crate::config::kafka_config::KafkaConfig;
use crate::config::lessons::check_permission;
use crate::network::inline_handler::InlineHandler;
use crate::network::request_memory::MemoryRelease;
use crate::network::socket_server::SocketServer;
use crate::replica::replica_manager::ReplicaManager;
use crate::security::channel_builders::ConfiguredChannelBuilders;
use crate::server::apis::parts::{Forwarding, Parts};
use crate::server::broker_parts::Sources;
use crate::server::cluster::start_cancellation::StartCancellation;
use crate::server::cluster_broker;
use crate::server::cluster_broker::Joining;
use crate::server::kafka_apis::KafkaApis;
use crate::server::kafka_request_handler::KafkaRequestHandlerPool;
use crate::server::kafka_server::{KafkaServer, StartupError, Subsystems};
use crate::server::log_dir_failure_handler::HaltProcedure;
use crate::server::lone_broker;
use crate::server::metadata::dynamic_broker_config::DynamicBrokerConfig;
use crate::server::monitoring::monitoring_server::MonitoringServer;
use crate::server::security::authorizer::Authorizer;
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
    cancellation: Arc<StartCancellation>,
}

impl KafkaServerBuilder {
    pub fn new(config: KafkaConfig) -> Self {
        Self {
            config,
            time: Arc::new(SystemTime::new()),
            metrics: Arc::new(Metrics::default()),
            channel_builder: None,
            authorizer: None,
            halt_procedure: Arc::new(|| ()),
            loading_progress: Arc::default(),
            cancellation: Arc::default(),
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
        Self { halt_procedure: Arc::new(halt), ..self }
    }

    /// Shows another thread how far [`start`](Self::start) has got.
    #[doc(hidden)]
    #[must_use]
    pub fn loading_progress(self, loading_progress: Arc<LoadingProgress>) -> Self {
        Self { loading_progress, ..self }
    }

    /// Lets another thread end a [`start`](Self::start) that waits for a controller.
    #[doc(hidden)]
    #[must_use]
    pub fn cancellation(self, cancellation: Arc<StartCancellation>) -> Self {
        Self { cancellation, ..self }
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
    /// is taken; ACLs or credentials that cannot be read; in a cluster no controller, or one that refuses
    /// the broker.
    pub fn start(self) -> Result<KafkaServer, StartupError> {
        let began = Instant::now();
        let Self { config, time, metrics, channel_builder, authorizer, .. } = self;
        check_permission(&config)?;
        let background = new_scheduler(&config);
        let scheduler: Arc<dyn Scheduler> = Arc::clone(&background) as Arc<dyn Scheduler>;
        let credentials = Arc::default();
        let configured = ConfiguredChannelBuilders::new(&config, &metrics, &time, &credentials);
        let builders =
            channel_builder.as_ref().map_or(&configured as &dyn ChannelBuilders, |it| it);
        let socket_server =
            SocketServer::startup(&config, Arc::clone(&time), Arc::clone(&metrics), builders)?;
        let monitoring = MonitoringServer::start(config.transferto_http_listener.as_ref(), &time)?;
        let log_manager = lock_logs(&config, &scheduler, &time)?;
        let dynamic_config =
            open_dynamic_config(&config, &background, &socket_server, &log_manager, &configured)?;
        let sources = Sources {
            dynamic_config: &dynamic_config,
            log_manager: &log_manager,
            scheduler: &scheduler,
            loading_progress: &self.loading_progress,
            credentials: &credentials,
            time: &time,
            metrics: &metrics,
        };
        let broker = match config.joins_a_cluster() {
            false => lone_broker::read_or_close(&sources, authorizer)?,
            true => {
                let joining = Joining {
                    endpoints: socket_server.bound_endpoints(),
                    on_fault: Arc::clone(&self.halt_procedure),
                    cancellation: &self.cancellation,
                    authorizer,
                };
                cluster_broker::join_or_close(&sources, joining)?
            }
        };
        schedule_tasks(&sources, &config, &broker.replica_manager, &socket_server);
        configured.schedule_reload(&scheduler);
        advertise_apis_of_cluster(&configured, broker.forwarding.as_ref());
        let parts = broker.for_handlers(&config, &sources);
        let apis = new_apis(&socket_server, &parts);
        let request_handler_pool = new_handlers(&socket_server, &apis, &parts);
        let subsystems = Subsystems {
            monitoring,
            socket_server,
            request_handler_pool,
            controller_events: Arc::clone(&parts.controller_events),
            scheduler,
            quota_managers: broker.quota_managers,
            group_coordinator: broker.group_coordinator,
            replica_manager: broker.replica_manager,
            fetchers: broker.fetchers,
            log_manager,
            metadata_cache: broker.metadata_cache,
            dynamic_config,
            metrics,
            membership: broker.membership,
        };
        KafkaServer::serve(subsystems, self.halt_procedure, &self.cancellation, began)
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
    let dynamic_config = DynamicBrokerConfig::open_in(&log_manager.online_log_dirs(), config)?;
    dynamic_config.add_reconfigurable(background);
    dynamic_config.add_reconfigurable(socket_server);
    dynamic_config.add_reconfigurable(log_manager);
    configured.ssl_factories().iter().for_each(|it| dynamic_config.add_reconfigurable(it));
    Ok(Arc::new(dynamic_config))
}

/// Before the ports open: SASL answers ApiVersions itself.
fn advertise_apis_of_cluster(
    configured: &ConfiguredChannelBuilders<'_>,
    forwarding: Option<&Forwarding>,
) {
    if let Some(forwarding) = forwarding {
        let versions = Arc::clone(&forwarding.versions);
        configured.apis().join(move |version| versions.api_version_response(version));
    }
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

/// What has to be done from time to time.
fn schedule_tasks(
    sources: &Sources<'_>,
    config: &KafkaConfig,
    replica_manager: &Arc<ReplicaManager>,
    socket_server: &SocketServer,
) {
    sources.log_manager.startup();
    schedule_high_watermark_checkpoints(config, sources.scheduler, replica_manager);
    schedule_memory_release(sources.scheduler, socket_server);
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
            // Nothing is lost by it: the watermark rises again to what the replicas in sync have.
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
