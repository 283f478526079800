//! A broker at one moment, as its metrics show it.
//!
//! To look must not disturb: counters are read without a lock; the locks of tables, queues and
//! groups are held as long as it takes to copy what they hold or to count it, never while text is
//! made of it, and no file is touched.

use std::cmp::Ordering;
use std::sync::{Arc, Mutex};

use crate::common::lock::locked;
use crate::common::metrics::Metrics;
use crate::common::time::Time;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::TimestampMs;
use crate::coordinator::group_coordinator::GroupCoordinator;
use crate::coordinator::group_metadata::GroupMetadata;
use crate::coordinator::group_state::GroupState;
use crate::image::topic_image::{PartitionRegistration, TopicImage};
use crate::network::socket_server::SocketServer;
use crate::replica::fetcher::replica_fetcher_manager::{
    FetcherMetrics, FetcherThreadStats, ReplicaFetcherManager,
};
use crate::replica::partition::Partition;
use crate::replica::replica_manager::ReplicaManager;
use crate::server::cluster::broker_lifecycle::LifecycleState;
use crate::server::cluster::cluster_view::ClusterView;
use crate::server::metadata::controller_event_manager::ControllerEventManager;
use crate::server::metadata::metadata_cache::MetadataCache;
use crate::server::monitoring::broker_state::{BrokerState, CurrentState};
use crate::server::monitoring::process_stats::ProcessStats;
use crate::server::monitoring::share_window::ShareWindow;
use crate::server::quota::quota_managers::QuotaManagers;
use crate::storage::files::log_dir_failure_channel::LogDirStatus;
use crate::storage::log_manager::LogManager;

/// The parts of a broker that are looked at. They are there once it runs.
pub struct ObservedParts {
    pub socket_server: Arc<SocketServer>,
    pub controller_events: Arc<ControllerEventManager>,
    pub metadata_cache: Arc<dyn MetadataCache>,
    pub replica_manager: Arc<ReplicaManager>,
    /// `None` for a broker that is alone.
    pub fetchers: Option<Arc<ReplicaFetcherManager>>,
    /// `None` for a broker that is alone.
    pub cluster: Option<ClusterView>,
    pub group_coordinator: Arc<GroupCoordinator>,
    pub log_manager: Arc<LogManager>,
    pub quota_managers: Arc<QuotaManagers>,
    /// How many request handlers there are.
    pub handler_count: Box<dyn Fn() -> usize + Send + Sync>,
    pub metrics: Arc<Metrics>,
}

/// Looks at a broker again and again.
pub struct Observer {
    parts: ObservedParts,
    state: Arc<CurrentState>,
    time: Arc<dyn Time>,
    began_ns: i64,
    windows: Mutex<Windows>,
}

struct Windows {
    processors: ShareWindow,
    handlers: ShareWindow,
    memory: ShareWindow,
}

/// What one look has shown.
pub struct Observed<'a> {
    pub parts: &'a ObservedParts,
    pub now: TimestampMs,
    pub state: BrokerState,
    /// Those of topics that clients can see, by topic and number.
    pub partitions: Vec<ObservedPartition>,
    /// By name.
    pub topics: Vec<ObservedTopic>,
    /// Topics that clients can see, wherever they are.
    pub topic_count: usize,
    /// Partitions that nobody leads.
    pub offline_partitions: usize,
    /// Those of this broker on a disk that has failed.
    pub offline_replicas: usize,
    /// Of the threads that copy from other brokers.
    pub fetchers: FetcherMetrics,
    pub fetcher_threads: Vec<FetcherThreadStats>,
    /// How many records each partition that is copied is behind, by topic and number.
    pub lags: Vec<(TopicAndPartition, i64)>,
    /// All log directories, in the order of the settings.
    pub log_dirs: Vec<Arc<LogDirStatus>>,
    pub groups: GroupCounts,
    /// From 0 to 1.
    pub processors_idle: f64,
    /// From 0 to 1.
    pub handlers_idle: f64,
    /// From 0 to 1.
    pub memory_depleted: f64,
    /// Since the start.
    pub memory_depleted_ns: u64,
    pub process: ProcessStats,
}

pub struct ObservedPartition {
    pub topic: Arc<str>,
    /// Its number, as a label has it.
    pub number: String,
    pub log_size_bytes: u64,
    pub log_start_offset: i64,
    pub log_end_offset: i64,
    pub segments: usize,
    /// Producers whose sequence numbers it knows.
    pub producer_ids: usize,
    pub is_led: bool,
    /// It is led here, and not all of its replicas are in sync.
    pub is_under_replicated: bool,
    /// It is led here, and its replicas are being moved.
    pub is_reassigning: bool,
    /// How the number of its replicas in sync compares with `min.insync.replicas`; `None` if others lead it.
    pub compared_with_min_isr: Option<Ordering>,
}

/// The sums over the partitions of a topic since they were led first.
pub struct ObservedTopic {
    pub name: Arc<str>,
    pub messages_in: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// How many groups there are in each state, and what all of them hold.
#[derive(Default)]
pub struct GroupCounts {
    by_state: Vec<(GroupState, usize)>,
    /// In no state.
    pub failed: usize,
    pub members: usize,
    pub offsets: usize,
}

impl ObservedParts {
    fn lags(&self) -> Vec<(TopicAndPartition, i64)> {
        let mut lags = self.fetchers.as_ref().map(|it| it.lags()).unwrap_or_default();
        lags.sort();
        lags
    }
}

impl Observer {
    pub fn new(parts: ObservedParts, state: Arc<CurrentState>, time: Arc<dyn Time>) -> Self {
        let now_ms = time.hi_res_clock_ms();
        let window = || ShareWindow::new(now_ms);
        let windows = Windows { processors: window(), handlers: window(), memory: window() };
        Self { parts, state, began_ns: time.nanoseconds(), time, windows: Mutex::new(windows) }
    }

    /// The parts that it looks at.
    pub fn parts(&self) -> &ObservedParts {
        &self.parts
    }

    /// Looks at the broker.
    pub fn observe(&self) -> Observed<'_> {
        let parts = &self.parts;
        let mut hosted = parts.replica_manager.local_logs().all_partitions();
        // Read after the partitions: a topic that is being deleted leaves the cache first, so that
        // it is shown with all of its partitions or not at all, and its sums never fall.
        let visible = parts.metadata_cache.topics();
        let is_visible =
            |topic: &str| visible.binary_search_by(|(name, _)| name.as_str().cmp(topic)).is_ok();
        hosted.retain(|it| is_visible(&it.topic_and_partition.topic));
        hosted.sort_by(|one, other| one.topic_and_partition.cmp(&other.topic_and_partition));
        let (processors_idle, handlers_idle) = self.idle_shares();
        let (memory_depleted, memory_depleted_ns) = self.depletion();
        Observed {
            parts,
            now: self.time.milliseconds(),
            state: self.current_state(),
            offline_replicas: hosted.iter().filter(|it| !is_online(it)).count()
                + parts.replica_manager.local_logs().offline_count(),
            partitions: hosted.iter().map(|it| ObservedPartition::of(it)).collect(),
            topics: topics_of(&hosted),
            topic_count: visible.len(),
            offline_partitions: visible.iter().map(|(name, it)| self.offline_of(name, it)).sum(),
            fetchers: parts.fetchers.as_ref().map(|it| it.metrics()).unwrap_or_default(),
            fetcher_threads: parts
                .fetchers
                .as_ref()
                .map(|it| it.thread_stats())
                .unwrap_or_default(),
            lags: parts.lags(),
            log_dirs: parts.log_manager.log_dir_statuses(),
            groups: GroupCounts::of(&parts.group_coordinator),
            processors_idle,
            handlers_idle,
            memory_depleted,
            memory_depleted_ns,
            process: ProcessStats::read(),
        }
    }

    /// In a cluster a stop begins with a wait for the controller.
    fn current_state(&self) -> BrokerState {
        let lifecycle = self.parts.cluster.as_ref().map(ClusterView::lifecycle_state);
        match lifecycle {
            Some(LifecycleState::PendingControlledShutdown) => {
                BrokerState::PendingControlledShutdown
            }
            _ => self.state.get(),
        }
    }

    /// How many partitions of a topic that clients can see nobody leads. In a cluster the controllers say so, as they
    /// count them in Kafka.
    fn offline_of(&self, name: &str, topic: &TopicImage) -> usize {
        match self.parts.cluster {
            Some(_) => topic.partitions.iter().filter(|it| !it.has_leader()).count(),
            None => self.offline_alone(name, topic),
        }
    }

    /// How many have no leader, are not hosted, or are on a disk that has failed. One that was deleted since is none:
    /// it had left the cache before it was hosted no longer.
    fn offline_alone(&self, name: &str, topic: &TopicImage) -> usize {
        let hosted = self.parts.replica_manager.local_logs();
        let topic_name: Arc<str> = Arc::from(name);
        let broker_id = self.parts.metadata_cache.broker_id();
        let is_offline = |(partition, it): &(i32, &PartitionRegistration)| {
            let key = TopicAndPartition { topic: Arc::clone(&topic_name), partition: *partition };
            it.replicas.contains(&broker_id)
                && (!it.has_leader() || hosted.get_partition_or_error(&key).is_err())
        };
        match (0..).zip(&topic.partitions).filter(is_offline).count() {
            offline if self.parts.metadata_cache.topic(name).is_some() => offline,
            _ => 0,
        }
    }

    fn idle_shares(&self) -> (f64, f64) {
        let (now_ms, metrics) = (self.time.hi_res_clock_ms(), &self.parts.metrics);
        let mut windows = locked(&self.windows);
        let idle_ns = metrics.network_processor_idle_ns.value();
        let total_ns = metrics.network_processor_total_ns.value();
        let processors = windows.processors.share(now_ms, idle_ns, total_ns).unwrap_or(1.0);
        let idle_ns = metrics.request_handler_idle_ns.value();
        let total_ns = metrics.request_handler_total_ns.value();
        (processors, windows.handlers.share(now_ms, idle_ns, total_ns).unwrap_or(1.0))
    }

    /// What share of the time the memory of requests was depleted lately, and for how long in all.
    fn depletion(&self) -> (f64, u64) {
        let (now_ms, now_ns) = (self.time.hi_res_clock_ms(), self.time.nanoseconds());
        let depleted_ns = self.parts.socket_server.request_memory().depleted_ns(now_ns);
        let total_ns = (now_ns - self.began_ns).unsigned_abs();
        let share = locked(&self.windows).memory.share(now_ms, depleted_ns, total_ns);
        (share.unwrap_or(0.0), depleted_ns)
    }
}

impl Observed<'_> {
    /// How many partitions are led here whose replicas in sync compare so with `min.insync.replicas`.
    pub fn count_with_min_isr(&self, compared: Ordering) -> usize {
        self.partitions.iter().filter(|it| it.compared_with_min_isr == Some(compared)).count()
    }
}

impl ObservedPartition {
    fn of(partition: &Partition) -> Self {
        let (log, state) = (&partition.local_replica().log, partition.state());
        let is_led = state.is_led_by(partition.local_replica().broker_id);
        Self {
            topic: Arc::clone(&partition.topic_and_partition.topic),
            number: partition.topic_and_partition.partition.to_string(),
            log_size_bytes: log.size(),
            log_start_offset: log.log_start_offset().0,
            log_end_offset: log.log_end_offset().0,
            segments: log.segment_count(),
            // A log that has failed shows elsewhere.
            producer_ids: log.producer_id_count().unwrap_or(0),
            is_led,
            is_reassigning: is_led && state.is_reassigning(),
            compared_with_min_isr: is_led
                .then(|| state.compare_with_min_isr(log.config().min_in_sync_replicas)),
            is_under_replicated: is_led && state.is_under_replicated(),
        }
    }
}

fn is_online(partition: &Partition) -> bool {
    partition.local_replica().log.log_dir().is_online()
}

/// Adds up what the partitions have counted, which stand in the order of their topics.
fn topics_of(partitions: &[Arc<Partition>]) -> Vec<ObservedTopic> {
    let topic_of = |it: &Arc<Partition>| Arc::clone(&it.topic_and_partition.topic);
    let of_one_topic = partitions.chunk_by(|one, other| topic_of(one) == topic_of(other));
    of_one_topic
        .map(|partitions| {
            let sum = |count: fn(&Partition) -> u64| partitions.iter().map(|it| count(it)).sum();
            ObservedTopic {
                name: topic_of(&partitions[0]),
                messages_in: sum(|it| it.local_replica().traffic.messages_in.value()),
                bytes_in: sum(|it| it.local_replica().traffic.bytes_in.value()),
                bytes_out: sum(|it| it.local_replica().traffic.bytes_out.value()),
            }
        })
        .collect()
}

impl GroupCounts {
    fn of(coordinator: &GroupCoordinator) -> Self {
        let mut counts = Self::default();
        let look = |it: &GroupMetadata| (it.state(), it.size(), it.offsets.len());
        for group in coordinator.manager().groups() {
            let Ok((state, members, offsets)) = group.look(look) else {
                counts.failed += 1;
                continue;
            };
            match counts.by_state.iter_mut().find(|(of_state, _)| *of_state == state) {
                Some((_, count)) => *count += 1,
                None => counts.by_state.push((state, 1)),
            }
            counts.members += members;
            counts.offsets += offsets;
        }
        counts
    }

    pub fn all(&self) -> usize {
        self.by_state.iter().map(|(_, count)| count).sum()
    }

    pub fn in_state(&self, state: GroupState) -> usize {
        self.by_state.iter().find(|(of_state, _)| *of_state == state).map_or(0, |(_, it)| *it)
    }
}
