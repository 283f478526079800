//! The parts of `kafka.server.KafkaServer` and `kafka.server.BrokerServer` that depend on whether a broker is
//! alone or one of a cluster.

use std::sync::Arc;

use crate::common::loading_progress::LoadingProgress;
use crate::common::metrics::Metrics;
use crate::common::scheduler::Scheduler;
use crate::common::time::Time;
use crate::config::kafka_config::KafkaConfig;
use crate::coordinator::group_config::{GroupConfig, OffsetConfig};
use crate::coordinator::group_coordinator::GroupCoordinator;
use crate::coordinator::group_metadata_manager::GroupMetadataManager;
use crate::coordinator::group_table::GroupTable;
use crate::replica::delayed_operations::PurgeIntervals;
use crate::replica::fetcher::replica_fetcher_manager::ReplicaFetcherManager;
use crate::replica::replica_manager::{ReplicaManager, ReplicaManagerConfig};
use crate::security::scram::credential_cache::CredentialCache;
use crate::server::apis::parts::{Forwarding, Keeper, Parts};
use crate::server::cluster::membership::Membership;
use crate::server::metadata::auto_topic_creation_manager::AutoTopicCreationManager;
use crate::server::metadata::controller::Controller;
use crate::server::metadata::dynamic_broker_config::DynamicBrokerConfig;
use crate::server::metadata::metadata_cache::MetadataCache;
use crate::server::metadata::producer_id_manager::ProducerIdManager;
use crate::server::quota::quota_managers::QuotaManagers;
use crate::server::security::authorizer::Authorizer;
use crate::storage::log_manager::LogManager;

/// What a broker knows from its log directories and, in a cluster, from its controller.
pub(super) struct BrokerParts {
    pub replica_manager: Arc<ReplicaManager>,
    /// `None` for a broker that is alone.
    pub fetchers: Option<Arc<ReplicaFetcherManager>>,
    pub metadata_cache: Arc<dyn MetadataCache>,
    pub controller: Arc<dyn Controller>,
    pub auto_topics: Arc<dyn AutoTopicCreationManager>,
    /// `None` for a broker that is its own controller.
    pub forwarding: Option<Forwarding>,
    pub producer_ids: Arc<dyn ProducerIdManager>,
    pub quota_managers: Arc<QuotaManagers>,
    pub keeper: Keeper,
    pub group_coordinator: Arc<GroupCoordinator>,
    pub authorizer: Option<Arc<dyn Authorizer>>,
    /// `None` for a broker that is alone.
    pub membership: Option<Membership>,
}

impl BrokerParts {
    /// What requests need.
    pub(super) fn for_handlers<'a>(
        &self,
        config: &'a KafkaConfig,
        sources: &Sources<'_>,
    ) -> Parts<'a> {
        Parts {
            config,
            dynamic_config: Arc::clone(sources.dynamic_config),
            replica_manager: Arc::clone(&self.replica_manager),
            log_manager: Arc::clone(sources.log_manager),
            auto_topics: Arc::clone(&self.auto_topics),
            metadata_cache: Arc::clone(&self.metadata_cache),
            controller: Arc::clone(&self.controller),
            controller_events: Arc::default(),
            group_coordinator: Arc::clone(&self.group_coordinator),
            forwarding: self.forwarding.clone(),
            producer_ids: Arc::clone(&self.producer_ids),
            quota_managers: Arc::clone(&self.quota_managers),
            credentials: Arc::clone(sources.credentials),
            keeper: self.keeper.clone(),
            authorizer: self.authorizer.clone(),
            metrics: Arc::clone(sources.metrics),
            time: Arc::clone(sources.time),
        }
    }
}

/// What is there before anything is read.
pub(super) struct Sources<'a> {
    pub dynamic_config: &'a Arc<DynamicBrokerConfig>,
    pub log_manager: &'a Arc<LogManager>,
    pub scheduler: &'a Arc<dyn Scheduler>,
    pub loading_progress: &'a Arc<LoadingProgress>,
    /// What logins look into. It is filled before the ports open.
    pub credentials: &'a Arc<CredentialCache>,
    pub time: &'a Arc<dyn Time>,
    pub metrics: &'a Arc<Metrics>,
}

pub(super) fn replica_manager_config(config: &KafkaConfig) -> ReplicaManagerConfig {
    ReplicaManagerConfig {
        broker_id: config.broker_id,
        purge_intervals: PurgeIntervals {
            fetch: config.fetch_purgatory_purge_interval_requests,
            producer: config.producer_purgatory_purge_interval_requests,
            delete_records: config.delete_records_purgatory_purge_interval_requests,
        },
        replica_lag_time_max_ms: config.replica_lag_time_max_ms,
        leaves_cold_pages: config.lessons().leaves_cold_pages,
    }
}

/// Looks after the groups of `table`, none of which is loaded yet.
pub(super) fn new_group_coordinator(
    config: &KafkaConfig,
    table: GroupTable,
    replica_manager: &Arc<ReplicaManager>,
    time: &Arc<dyn Time>,
) -> Arc<GroupCoordinator> {
    let (groups, offsets) = group_config(config);
    let (replica_manager, time) = (Arc::clone(replica_manager), Arc::clone(time));
    let manager = GroupMetadataManager::new(offsets, table, replica_manager, Arc::clone(&time));
    Arc::new(GroupCoordinator::new(groups, manager, time))
}

pub(super) fn schedule_offset_expiry(
    config: &KafkaConfig,
    scheduler: &Arc<dyn Scheduler>,
    coordinator: &Arc<GroupCoordinator>,
) {
    let (interval_ms, cleaned) =
        (config.offsets_retention_check_interval_ms, Arc::clone(coordinator));
    let task = Box::new(move || cleaned.cleanup_group_metadata());
    scheduler.schedule("delete-expired-consumer-offsets", interval_ms, Some(interval_ms), task);
}

/// For a broker with followers. Twice in the time that one may be behind, as Kafka does: so none stays in sync for
/// longer than one and a half of it.
pub(super) fn schedule_isr_expiration(
    config: &KafkaConfig,
    scheduler: &Arc<dyn Scheduler>,
    replica_manager: &Arc<ReplicaManager>,
) {
    let interval_ms = (config.replica_lag_time_max_ms / 2).max(1);
    let replica_manager = Arc::clone(replica_manager);
    let task = Box::new(move || replica_manager.maybe_shrink_isr());
    scheduler.schedule("isr-expiration", interval_ms, Some(interval_ms), task);
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
