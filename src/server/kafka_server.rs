//! Port of `kafka.server.KafkaServer`: a broker that runs, and what stops before what.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::info;

use crate::common::end_point::{EndPoint, SecurityProtocol};
use crate::common::errors::{Errors, KafkaError, is_disk_full};
use crate::common::log_limit::report_all_left_out;
use crate::common::metrics::Metrics;
use crate::common::scheduler::Scheduler;
use crate::common::swallow::swallow;
use crate::config::config_def::ConfigError;
use crate::coordinator::group_coordinator::GroupCoordinator;
use crate::network::request_metrics::STAGES;
use crate::network::socket_server::SocketServer;
use crate::replica::fetcher::replica_fetcher_manager::ReplicaFetcherManager;
use crate::replica::fetcher::replica_fetchers::ReplicaFetchers;
use crate::replica::replica_manager::ReplicaManager;
use crate::server::cluster::membership::Membership;
use crate::server::cluster::start_cancellation::StartCancellation;
use crate::server::kafka_request_handler::KafkaRequestHandlerPool;
use crate::server::log_dir_failure_handler::{ClusterParts, HaltProcedure, LogDirFailureHandler};
use crate::server::metadata::controller_event_manager::ControllerEventManager;
use crate::server::metadata::dynamic_broker_config::DynamicBrokerConfig;
use crate::server::metadata::metadata_cache::MetadataCache;
use crate::server::monitoring::monitoring_server::MonitoringServer;
use crate::server::monitoring::observed::ObservedParts;
use crate::server::quota::quota_managers::QuotaManagers;
use crate::storage::log_manager::LogManager;

/// Why a broker does not start, in sentences for its operator.
#[derive(Debug)]
pub struct StartupError(String);

/// For a start that a full disk has kept from its end.
const DISK_FULL_REMEDY: &str = "; make room on that disk: before it has started, the broker \
                                deletes no records, however old";

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
            KafkaError::Io(error) => error.into(),
            other => Self(other.to_string()),
        }
    }
}

impl From<Vec<ConfigError>> for StartupError {
    fn from(errors: Vec<ConfigError>) -> Self {
        let errors: Vec<_> = errors.iter().map(ConfigError::to_string).collect();
        Self(errors.join("; "))
    }
}

impl From<std::io::Error> for StartupError {
    fn from(error: std::io::Error) -> Self {
        let advice = if is_disk_full(&error) { DISK_FULL_REMEDY } else { "" };
        Self(format!("{error}{advice}"))
    }
}

/// A stop that left something behind, which the log says: the next start recovers it.
#[derive(Debug)]
pub struct ShutdownError(());

impl fmt::Display for ShutdownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the broker did not shut down cleanly; the log says why")
    }
}

impl std::error::Error for ShutdownError {}

/// A running broker. [`KafkaServerBuilder`](crate::server::kafka_server_builder::KafkaServerBuilder)
/// starts one.
///
/// It runs until [`shutdown`](Self::shutdown). A broker that is dropped without it goes on until the
/// process ends, and its logs are recovered at the next start, as after a crash.
pub struct KafkaServer {
    parts: Subsystems,
    log_dir_failure_handler: LogDirFailureHandler,
    startup_duration: Duration,
}

/// What a broker consists of, in the order in which it stops. Only the first is asked twice: at
/// the beginning to say so, and at the end.
pub(super) struct Subsystems {
    pub monitoring: MonitoringServer,
    pub socket_server: Arc<SocketServer>,
    pub request_handler_pool: Arc<KafkaRequestHandlerPool>,
    pub controller_events: Arc<ControllerEventManager>,
    pub scheduler: Arc<dyn Scheduler>,
    pub quota_managers: Arc<QuotaManagers>,
    pub group_coordinator: Arc<GroupCoordinator>,
    pub replica_manager: Arc<ReplicaManager>,
    /// `None` for a broker that is alone.
    pub fetchers: Option<Arc<ReplicaFetcherManager>>,
    pub log_manager: Arc<LogManager>,
    pub metadata_cache: Arc<dyn MetadataCache>,
    pub dynamic_config: Arc<DynamicBrokerConfig>,
    pub metrics: Arc<Metrics>,
    /// `None` for a broker that is alone. It is asked twice as well: to take leave, while everything is
    /// still there, and to leave.
    pub membership: Option<Membership>,
}

impl Subsystems {
    /// What can be looked at by HTTP.
    fn observed(&self) -> ObservedParts {
        ObservedParts {
            socket_server: Arc::clone(&self.socket_server),
            controller_events: Arc::clone(&self.controller_events),
            metadata_cache: Arc::clone(&self.metadata_cache),
            replica_manager: Arc::clone(&self.replica_manager),
            fetchers: self.fetchers.clone(),
            cluster: self.membership.as_ref().map(Membership::view),
            group_coordinator: Arc::clone(&self.group_coordinator),
            log_manager: Arc::clone(&self.log_manager),
            quota_managers: Arc::clone(&self.quota_managers),
            handler_count: {
                let pool = Arc::clone(&self.request_handler_pool);
                Box::new(move || pool.count())
            },
            metrics: Arc::clone(&self.metrics),
        }
    }
}

impl KafkaServer {
    /// Begins to serve. If that fails, the broker is shut down, above all its logs: else the next
    /// start would have to recover them.
    pub(super) fn serve(
        parts: Subsystems,
        halt_procedure: HaltProcedure,
        cancellation: &StartCancellation,
        began: Instant,
    ) -> Result<Self, StartupError> {
        let log_dir_failure_handler = LogDirFailureHandler::new(
            &parts.log_manager,
            &parts.replica_manager,
            &parts.group_coordinator,
            &parts.metrics,
            parts.membership.as_ref().zip(parts.fetchers.as_ref()).map(|(membership, fetchers)| {
                let fetchers = Arc::clone(fetchers) as Arc<dyn ReplicaFetchers>;
                ClusterParts { failures: membership.directory_failures(), fetchers }
            }),
            halt_procedure,
        );
        let mut server = Self { parts, log_dir_failure_handler, startup_duration: Duration::ZERO };
        let served = server.start_serving(cancellation);
        cancellation.finish();
        if let Err(error) = served {
            // What is wrong with the stop is in the log; the caller learns why there was no start.
            let _ = server.shutdown();
            return Err(error);
        }
        server.parts.monitoring.become_running(|| server.parts.observed());
        server.startup_duration = began.elapsed();
        Ok(server)
    }

    /// Starts as many request handlers as the file says, opens the ports, and only then has the
    /// handlers follow what was altered: a number that the system does not give keeps no broker
    /// from starting.
    ///
    /// In a cluster clients are sent here a moment before the ports are open: they try again.
    fn start_serving(&self, cancellation: &StartCancellation) -> Result<(), StartupError> {
        self.log_dir_failure_handler.startup()?;
        let current = self.parts.dynamic_config.current();
        self.parts.controller_events.start()?;
        self.parts.request_handler_pool.startup(current.of_file().num_io_threads)?;
        if let Some(membership) = &self.parts.membership {
            membership.unfence(cancellation)?;
        }
        self.parts.socket_server.start_accepting()?;
        self.parts.dynamic_config.add_reconfigurable(&self.parts.request_handler_pool);
        Ok(())
    }

    /// The port that the listener of `protocol` is bound to; of several, the first.
    pub fn bound_port(&self, protocol: SecurityProtocol) -> Option<u16> {
        self.parts.socket_server.bound_port(protocol)
    }

    /// The port that the listener of this name is bound to; case does not matter.
    pub fn bound_port_of(&self, listener: &str) -> Option<u16> {
        self.parts.socket_server.bound_port_of(listener)
    }

    /// The listeners, with the ports they are bound to.
    pub fn bound_endpoints(&self) -> &[EndPoint] {
        self.parts.socket_server.bound_endpoints()
    }

    /// Where the pages of `transferto.http.listener` are.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.parts.monitoring.local_addr()
    }

    /// How long the start took.
    pub fn startup_duration(&self) -> Duration {
        self.startup_duration
    }

    /// Writes every counter that has moved, and the times of the requests, to the log.
    pub fn log_metrics(&self) {
        for (name, value) in self.parts.metrics.values() {
            if value > 0 {
                info!("{name} = {value}");
            }
        }
        let request_metrics = self.parts.socket_server.request_channel().request_metrics();
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

    /// Stops the broker in Kafka's order. A step that fails or panics is logged and does not keep
    /// the others from running.
    ///
    /// # Errors
    /// If a step failed: the log says which and why.
    pub fn shutdown(mut self) -> Result<(), ShutdownError> {
        info!("shutting down");
        let parts = &self.parts;
        let mut is_clean = stop("the pages of the broker", || parts.monitoring.begin_shutdown());
        is_clean &= stop("the place in the cluster", || self.take_leave());
        is_clean &= stop("the socket server", || parts.socket_server.shutdown());
        is_clean &= stop("the pool of request handlers", || parts.request_handler_pool.join());
        parts.log_manager.refuse_new_logs();
        if let Some(membership) = &parts.membership {
            is_clean &= stop("what follows the cluster", || membership.leave());
        }
        is_clean &= stop("the controller", || parts.controller_events.close());
        is_clean &= stop("the scheduler", || parts.scheduler.shutdown());
        is_clean &= stop("the quotas", || parts.quota_managers.shutdown());
        // Before the logs, which it writes: 0.9 stopped it after them.
        is_clean &= stop("the group coordinator", || parts.group_coordinator.shutdown());
        is_clean &= stop("the handler of failed log directories", || {
            self.log_dir_failure_handler.shutdown();
        });
        is_clean &= swallow("the replica manager", || parts.replica_manager.shutdown());
        is_clean &= swallow("the log manager", || match parts.log_manager.shutdown() {
            true => Ok(()),
            false => Err(KafkaError::api(
                Errors::KafkaStorageError,
                "a log directory is not marked as clean".to_string(),
            )),
        });
        is_clean &= stop("the HTTP server", || self.parts.monitoring.shutdown());
        report_all_left_out();
        match is_clean {
            true => {
                info!("shut down");
                Ok(())
            }
            false => Err(ShutdownError(())),
        }
    }
}

impl KafkaServer {
    /// Has the leaders moved while clients are still served, and remembers for the next start under which
    /// epoch the broker was known.
    fn take_leave(&self) {
        if let Some(membership) = &self.parts.membership {
            membership.controlled_shutdown();
            if let Some(epoch) = membership.lifecycle().broker_epoch() {
                self.parts.log_manager.set_broker_epoch(epoch);
            }
        }
    }
}

/// The rooms of a running broker: `main.rs` and the tests look into them, a program has no use for
/// them.
#[doc(hidden)]
impl KafkaServer {
    pub fn metrics(&self) -> &Metrics {
        &self.parts.metrics
    }

    pub fn replica_manager(&self) -> &Arc<ReplicaManager> {
        &self.parts.replica_manager
    }

    pub fn group_coordinator(&self) -> &Arc<GroupCoordinator> {
        &self.parts.group_coordinator
    }

    pub fn quota_managers(&self) -> &Arc<QuotaManagers> {
        &self.parts.quota_managers
    }

    /// How many connections `address` holds now.
    pub fn connection_count(&self, address: IpAddr) -> usize {
        self.parts.socket_server.connection_count(address)
    }

    pub fn request_handler_count(&self) -> usize {
        self.parts.request_handler_pool.count()
    }

    pub fn log_manager(&self) -> &Arc<LogManager> {
        &self.parts.log_manager
    }

    pub fn dynamic_config(&self) -> &Arc<DynamicBrokerConfig> {
        &self.parts.dynamic_config
    }
}

/// Stops a part that returns nothing. Returns whether it did not panic.
fn stop(what: &str, step: impl FnOnce()) -> bool {
    swallow(what, || {
        step();
        Ok(())
    })
}
