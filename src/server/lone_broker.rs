//! Port of `kafka.server.KafkaServer.startup`, as far as it is about what lies in the log directories: the
//! parts of a broker that is alone.

use std::sync::Arc;

use crate::common::errors::KafkaError;
use crate::common::topic_partition::GROUP_METADATA_TOPIC_NAME;
use crate::config::kafka_config::KafkaConfig;
use crate::coordinator::group_table::GroupTable;
use crate::registry::topic_registry::TopicRegistry;
use crate::replica::replica_manager::ReplicaManager;
use crate::security::configured_mechanisms::report_listeners_without_user;
use crate::server::apis::parts::Keeper;
use crate::server::broker_parts::{
    BrokerParts, Sources, new_group_coordinator, replica_manager_config, schedule_offset_expiry,
};
use crate::server::metadata::admin_manager::AdminManager;
use crate::server::metadata::controller::Controller;
use crate::server::metadata::led_topics::LedTopics;
use crate::server::metadata::lone_engine::LoneEngine;
use crate::server::metadata::metadata_cache::MetadataCache;
use crate::server::metadata::registry_auto_topic_creation_manager::RegistryAutoTopicCreationManager;
use crate::server::metadata::registry_metadata_cache::RegistryMetadataCache;
use crate::server::metadata::registry_producer_id_manager::RegistryProducerIdManager;
use crate::server::metadata::scram_control_manager::ScramControlManager;
use crate::server::quota::client_quota_control_manager::ClientQuotaControlManager;
use crate::server::quota::quota_managers::QuotaManagers;
use crate::server::security::authorizer::Authorizer;
use crate::server::security::simple_acl_authorizer::SimpleAclAuthorizer;
use crate::storage::log_manager::LogManager;

/// Opens the logs and reads everything else that can keep the broker from starting. No thread runs yet that
/// appends: the logs are recovered, missing ones and missing files are made, and topics that lie on disk
/// are adopted, but no message is written.
///
/// `authorizer` is in the place of the one that the settings name. If this fails, the logs are closed, as
/// Kafka does. Else the next start would have to recover all of them: the mark of the last stop is used up,
/// and the indexes have grown to take messages.
///
/// # Errors
/// What cannot be read or made.
pub(super) fn read_or_close(
    sources: &Sources<'_>,
    authorizer: Option<Arc<dyn Authorizer>>,
) -> Result<BrokerParts, KafkaError> {
    read(sources, authorizer).inspect_err(|_| {
        sources.scheduler.shutdown();
        sources.log_manager.shutdown();
    })
}

fn read(
    sources: &Sources<'_>,
    authorizer: Option<Arc<dyn Authorizer>>,
) -> Result<BrokerParts, KafkaError> {
    let Sources { dynamic_config, log_manager, scheduler, time, metrics, .. } = *sources;
    let current = dynamic_config.current();
    let config = current.config();
    let dirs = log_manager.log_dirs();
    let topics = TopicRegistry::open_in(&dirs)?;
    let topic_configs = topics.log_configs(&log_manager.default_config())?;
    log_manager.load(&topic_configs, sources.loading_progress)?;
    let led = Arc::<LedTopics>::default();
    let engine = Arc::new(LoneEngine::new(Arc::clone(&led)));
    let replica_manager = Arc::new(ReplicaManager::new(
        replica_manager_config(config),
        &log_manager.log_dir_statuses(),
        engine,
        time,
        Arc::clone(metrics),
    )?);
    let cluster_id = topics.cluster_id();
    let controller = Arc::new(AdminManager::load(
        current.of_file(),
        topics,
        Arc::clone(&led),
        Arc::clone(log_manager),
        Arc::clone(&replica_manager),
    )?);
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
        new_group_coordinator(config, GroupTable::alone(), &replica_manager, time);
    let topic = metadata_cache.topic(GROUP_METADATA_TOPIC_NAME);
    group_coordinator.startup(topic.map(|it| it.partition_count()))?;
    schedule_offset_expiry(config, scheduler, &group_coordinator);
    let quota_managers = QuotaManagers::start(config, time, metrics)?;
    let client_quotas = ClientQuotaControlManager::open_in(&dirs, &quota_managers)?;
    let scram = ScramControlManager::open_in(&dirs, sources.credentials)?;
    report_listeners_without_user(current.of_file(), sources.credentials);
    dynamic_config.add_reconfigurable(&controller);
    let controller = controller as Arc<dyn Controller>;
    let auto_topics =
        RegistryAutoTopicCreationManager::new(current.of_file(), &metadata_cache, &controller);
    Ok(BrokerParts {
        replica_manager,
        fetchers: None,
        metadata_cache,
        controller,
        auto_topics: Arc::new(auto_topics),
        forwarding: None,
        producer_ids: Arc::new(producer_ids),
        quota_managers,
        keeper: Keeper::Registries {
            client_quotas: Arc::new(client_quotas),
            scram: Arc::new(scram),
        },
        group_coordinator,
        authorizer,
        membership: None,
    })
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
