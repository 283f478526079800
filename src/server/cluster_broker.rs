//! Port of `kafka.server.BrokerServer.startup`: the parts of a broker whose controllers are other processes.

use std::sync::{Arc, OnceLock, Weak};

use log::warn;

use crate::common::end_point::EndPoint;
use crate::common::errors::KafkaError;
use crate::common::scheduler::Scheduler;
use crate::common::time::Time;
use crate::config::kafka_config::KafkaConfig;
use crate::coordinator::group_table::GroupTable;
use crate::image::current_image::CurrentImage;
use crate::replica::broker_end_point::BrokerEndPoint;
use crate::replica::fetcher::leader_end_point::LeaderEndPoint;
use crate::replica::fetcher::replica_fetcher_manager::{
    FetcherManagerConfig, ReplicaFetcherManager,
};
use crate::replica::fetcher::replica_fetchers::ReplicaFetchers;
use crate::replica::replica_manager::ReplicaManager;
use crate::replica::replication_engine::ReplicationEngine;
use crate::security::client_channel_builders::NodeChannelBuilders;
use crate::security::configured_mechanisms::report_listeners_without_user;
use crate::security::scram::credential_cache::CredentialCache;
use crate::server::apis::parts::{Forwarding, Keeper};
use crate::server::broker_parts::{
    BrokerParts, Sources, new_group_coordinator, replica_manager_config, schedule_isr_expiration,
    schedule_offset_expiry,
};
use crate::server::cluster::acl_publisher::AclPublisher;
use crate::server::cluster::api_version_manager::ApiVersionManager;
use crate::server::cluster::broker_lifecycle_manager::BrokerLifecycleManager;
use crate::server::cluster::broker_metadata_publisher::{BrokerMetadataPublisher, FollowingParts};
use crate::server::cluster::default_alter_partition_manager::DefaultAlterPartitionManager;
use crate::server::cluster::default_auto_topic_creation_manager::DefaultAutoTopicCreationManager;
use crate::server::cluster::dynamic_client_quota_publisher::DynamicClientQuotaPublisher;
use crate::server::cluster::dynamic_config_publisher::DynamicConfigPublisher;
use crate::server::cluster::forwarding_manager::ForwardingManager;
use crate::server::cluster::kraft_engine::KRaftEngine;
use crate::server::cluster::kraft_metadata_cache::KRaftMetadataCache;
use crate::server::cluster::membership::{Entrance, FaultProcedure, Membership};
use crate::server::cluster::node_identity::NodeIdentity;
use crate::server::cluster::remote_controller::RemoteController;
use crate::server::cluster::rpc_producer_id_manager::RpcProducerIdManager;
use crate::server::cluster::scram_publisher::ScramPublisher;
use crate::server::cluster::security_publishers::SecurityPublishers;
use crate::server::cluster::start_cancellation::StartCancellation;
use crate::server::metadata::metadata_cache::MetadataCache;
use crate::server::quota::quota_managers::QuotaManagers;
use crate::server::replication::remote_leader_end_point::{FollowerContext, RemoteLeaderEndPoint};
use crate::server::replication::replication_config::ReplicationConfig;
use crate::server::security::authorizer::Authorizer;
use crate::server::security::standard_authorizer::StandardAuthorizer;

/// How the broker comes into the cluster.
pub(super) struct Joining<'a> {
    /// The bound listeners.
    pub endpoints: &'a [EndPoint],
    /// Ends a broker that cannot follow its cluster any more.
    pub on_fault: FaultProcedure,
    pub cancellation: &'a StartCancellation,
    /// In the place of the one that the settings name.
    pub authorizer: Option<Arc<dyn Authorizer>>,
}

/// Joins the cluster. The logs are opened when the cluster is known, and by then the broker follows it. It is
/// registered then, or about to be, and still fenced.
///
/// If this fails, the cluster is left and the logs are closed. A log directory whose logs were not opened is as
/// it was, but that a new one says whose it is.
///
/// # Errors
/// A directory of somebody else's cluster; no controller; what cannot be read or made.
pub(super) fn join_or_close(
    sources: &Sources<'_>,
    joining: Joining<'_>,
) -> Result<BrokerParts, KafkaError> {
    join(sources, joining).inspect_err(|_| {
        sources.scheduler.shutdown();
        sources.log_manager.shutdown();
    })
}

fn join(sources: &Sources<'_>, joining: Joining<'_>) -> Result<BrokerParts, KafkaError> {
    let Sources { dynamic_config, log_manager, scheduler, time, metrics, .. } = *sources;
    let Joining { endpoints, on_fault, cancellation, authorizer } = joining;
    let current = dynamic_config.current();
    let config = current.config();
    let nodes = NodeChannelBuilders::of(config)?;
    nodes.exposed_keys(config).iter().for_each(|warning| warn!("{warning}"));
    let identity = NodeIdentity::settle(config, log_manager, &*nodes.to_controllers, cancellation)?;
    let quota_managers = QuotaManagers::start(config, time, metrics)?;
    let (authorizer, security) =
        security_of(config, authorizer, &quota_managers, sources.credentials)?;
    let image = Arc::<CurrentImage>::default();
    let (engine, alter_partition_manager) = new_engine(config, &image, scheduler);
    let replica_manager = new_replica_manager(sources, config, &engine)?;
    // Weak: it holds the publisher, which holds the fetchers, which hold this.
    let registered = Arc::<OnceLock<Weak<BrokerLifecycleManager>>>::default();
    let fetchers = new_fetchers((config, &nodes), &replica_manager, &engine, &registered, time);
    let group_coordinator =
        new_group_coordinator(config, GroupTable::in_cluster(), &replica_manager, time);
    let publisher = Arc::new(BrokerMetadataPublisher::new(FollowingParts {
        broker_id: config.broker_id,
        image: Arc::clone(&image),
        log_manager: Arc::clone(log_manager),
        replica_manager: Arc::clone(&replica_manager),
        engine,
        fetchers: Arc::clone(&fetchers) as Arc<dyn ReplicaFetchers>,
        group_coordinator: Arc::clone(&group_coordinator),
        dynamic_configs: DynamicConfigPublisher::new(config.broker_id, dynamic_config, scheduler),
        security,
        loading_progress: Arc::clone(sources.loading_progress),
    }));
    dynamic_config.add_reconfigurable(publisher.replica_changes());
    dynamic_config.add_reconfigurable(replica_manager.quotas());
    dynamic_config.add_reconfigurable(&fetchers);
    nodes.ssl_factories.iter().for_each(|keys| dynamic_config.add_reconfigurable(keys));
    let cluster_id = identity.cluster_id.clone();
    let keeper = Keeper::Controller { image: Arc::clone(&image) };
    let cache = KRaftMetadataCache::new(config.broker_id, cluster_id, image);
    let metadata_cache = Arc::new(cache) as Arc<dyn MetadataCache>;
    let entrance = Entrance {
        endpoints,
        publisher,
        alter_partition_manager,
        log_manager,
        scheduler,
        time,
        on_fault,
    };
    let membership = Membership::join(config, identity, &nodes.to_controllers, entrance)?;
    // Only once: nobody else has it.
    let _ = registered.set(Arc::downgrade(membership.lifecycle()));
    membership.wait_for_first_publication(cancellation).inspect_err(|_| membership.leave())?;
    report_listeners_without_user(current.of_file(), sources.credentials);
    schedule_offset_expiry(config, scheduler, &group_coordinator);
    schedule_isr_expiration(config, scheduler, &replica_manager);
    let on_controller = OnController::new(config, &membership, &metadata_cache, sources);
    Ok(BrokerParts {
        replica_manager,
        fetchers: Some(fetchers),
        metadata_cache,
        controller: Arc::new(RemoteController),
        auto_topics: Arc::new(on_controller.auto_topics),
        forwarding: Some(on_controller.forwarding),
        producer_ids: Arc::new(on_controller.producer_ids),
        quota_managers,
        keeper,
        group_coordinator,
        authorizer,
        membership: Some(membership),
    })
}

/// What decides who may do what, and what follows all that the cluster says of clients. An authorizer that a program
/// brings keeps its own counsel.
fn security_of(
    config: &KafkaConfig,
    brought: Option<Arc<dyn Authorizer>>,
    quota_managers: &Arc<QuotaManagers>,
    credentials: &Arc<CredentialCache>,
) -> Result<(Option<Arc<dyn Authorizer>>, SecurityPublishers), KafkaError> {
    let has_own = brought.is_none() && !config.authorizer_class_name.is_empty();
    let own = has_own.then(|| {
        let super_users = config.super_users.clone();
        Arc::new(StandardAuthorizer::new(super_users, config.allow_everyone_if_no_acl_found))
    });
    let publishers = SecurityPublishers {
        acls: own.as_ref().map(AclPublisher::new),
        client_quotas: DynamicClientQuotaPublisher::new(quota_managers),
        scram: ScramPublisher::new(credentials)?,
    };
    Ok((brought.or(own.map(|it| it as Arc<dyn Authorizer>)), publishers))
}

/// What reads the newest image, and what has the controller change the replicas in sync.
fn new_engine(
    config: &KafkaConfig,
    image: &Arc<CurrentImage>,
    scheduler: &Arc<dyn Scheduler>,
) -> (Arc<KRaftEngine>, Arc<DefaultAlterPartitionManager>) {
    let manager = DefaultAlterPartitionManager::new(config.broker_id, Arc::clone(scheduler));
    let listener = config.inter_broker_listener();
    let engine = KRaftEngine::new(listener, Arc::clone(image), Arc::clone(&manager));
    (Arc::new(engine), manager)
}

/// Hosts nothing yet.
fn new_replica_manager(
    sources: &Sources<'_>,
    config: &KafkaConfig,
    engine: &Arc<KRaftEngine>,
) -> Result<Arc<ReplicaManager>, KafkaError> {
    let replica_manager = ReplicaManager::new(
        replica_manager_config(config),
        &sources.log_manager.log_dir_statuses(),
        Arc::clone(engine) as Arc<dyn ReplicationEngine>,
        sources.time,
        Arc::clone(sources.metrics),
    )?;
    Ok(Arc::new(replica_manager))
}

/// The threads that copy what other brokers lead. None runs yet.
fn new_fetchers(
    (config, nodes): (&KafkaConfig, &NodeChannelBuilders),
    replica_manager: &Arc<ReplicaManager>,
    engine: &Arc<KRaftEngine>,
    registered: &Arc<OnceLock<Weak<BrokerLifecycleManager>>>,
    time: &Arc<dyn Time>,
) -> Arc<ReplicaFetcherManager> {
    let (broker_id, registered, engine) =
        (config.broker_id, Arc::clone(registered), Arc::clone(engine));
    // Before it is registered anew a broker says what it was: never less, or a leader would take any epoch for it.
    let broker_epoch = move || {
        let now = registered.get().and_then(|it| it.upgrade()?.broker_epoch());
        now.or_else(|| engine.broker_epoch(broker_id))
    };
    let context = Arc::new(FollowerContext {
        config: ReplicationConfig::from(config),
        channel_builder: Arc::clone(&nodes.to_brokers),
        replica_manager: Arc::clone(replica_manager),
        quotas: Arc::clone(replica_manager.quotas()),
        time: Arc::clone(time),
        broker_epoch: Box::new(broker_epoch),
    });
    let leader_end_points = Box::new(move |broker: &BrokerEndPoint, fetcher_id: usize| {
        let context = Arc::clone(&context);
        Box::new(RemoteLeaderEndPoint::new(broker.clone(), fetcher_id, context))
            as Box<dyn LeaderEndPoint>
    });
    let fetcher_config = FetcherManagerConfig {
        num_fetchers: config.num_replica_fetchers,
        backoff_ms: config.replica_fetch_backoff_ms,
    };
    let manager =
        ReplicaFetcherManager::new(fetcher_config, replica_manager, leader_end_points, time);
    Arc::new(manager)
}

/// What asks the controller.
struct OnController {
    auto_topics: DefaultAutoTopicCreationManager,
    forwarding: Forwarding,
    producer_ids: RpcProducerIdManager,
}

impl OnController {
    fn new(
        config: &KafkaConfig,
        membership: &Membership,
        metadata_cache: &Arc<dyn MetadataCache>,
        sources: &Sources<'_>,
    ) -> Self {
        let channel = membership.channel();
        let manager = Arc::new(ForwardingManager::new(&channel, sources.metrics));
        let auto_topics =
            DefaultAutoTopicCreationManager::new(config, &channel, &manager, metadata_cache);
        let versions =
            Arc::new(ApiVersionManager::new(&membership.heartbeat_channel(), metadata_cache));
        let lifecycle = Arc::clone(membership.lifecycle());
        let broker_epoch = Box::new(move || lifecycle.broker_epoch());
        let producer_ids =
            RpcProducerIdManager::new(config.broker_id, broker_epoch, &channel, sources.time);
        Self { auto_topics, forwarding: Forwarding { manager, versions }, producer_ids }
    }
}
