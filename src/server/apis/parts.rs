//! What the handlers are made of: each takes its own parts, and no more.

use std::sync::Arc;

use crate::common::errors::{Errors, KafkaError};
use crate::common::metrics::Metrics;
use crate::common::time::Time;
use crate::config::kafka_config::KafkaConfig;
use crate::coordinator::group_coordinator::GroupCoordinator;
use crate::image::current_image::CurrentImage;
use crate::replica::replica_manager::ReplicaManager;
use crate::security::scram::credential_cache::CredentialCache;
use crate::server::cluster::api_version_manager::ApiVersionManager;
use crate::server::cluster::forwarding_manager::ForwardingManager;
use crate::server::metadata::auto_topic_creation_manager::AutoTopicCreationManager;
use crate::server::metadata::controller::Controller;
use crate::server::metadata::controller_event_manager::ControllerEventManager;
use crate::server::metadata::dynamic_broker_config::DynamicBrokerConfig;
use crate::server::metadata::metadata_cache::MetadataCache;
use crate::server::metadata::producer_id_manager::ProducerIdManager;
use crate::server::metadata::scram_control_manager::ScramControlManager;
use crate::server::quota::client_quota_control_manager::ClientQuotaControlManager;
use crate::server::quota::quota_managers::QuotaManagers;
use crate::server::security::authorization::Authorization;
use crate::server::security::authorizer::Authorizer;
use crate::storage::log_manager::LogManager;

/// The parts of the broker that requests need.
pub struct Parts<'a> {
    /// The settings of the file; only those that do not change are read from it.
    pub config: &'a KafkaConfig,
    pub dynamic_config: Arc<DynamicBrokerConfig>,
    pub replica_manager: Arc<ReplicaManager>,
    pub log_manager: Arc<LogManager>,
    pub metadata_cache: Arc<dyn MetadataCache>,
    pub controller: Arc<dyn Controller>,
    pub controller_events: Arc<ControllerEventManager>,
    pub auto_topics: Arc<dyn AutoTopicCreationManager>,
    pub group_coordinator: Arc<GroupCoordinator>,
    /// The way to the cluster's controller; `None` in a cluster of one broker, which is its own.
    pub forwarding: Option<Forwarding>,
    pub producer_ids: Arc<dyn ProducerIdManager>,
    pub quota_managers: Arc<QuotaManagers>,
    /// The users of SCRAM, as logins see them.
    pub credentials: Arc<CredentialCache>,
    pub keeper: Keeper,
    /// `None` if everything is allowed.
    pub authorizer: Option<Arc<dyn Authorizer>>,
    pub metrics: Arc<Metrics>,
    pub time: Arc<dyn Time>,
}

/// Who keeps the quotas of clients and the users of SCRAM.
#[derive(Clone)]
pub enum Keeper {
    /// A broker that is alone, in its first log directory.
    Registries { client_quotas: Arc<ClientQuotaControlManager>, scram: Arc<ScramControlManager> },
    /// The controller of a cluster, whose log says what they are.
    Controller { image: Arc<CurrentImage> },
}

/// For a change of what the controller keeps. Clients' requests for one never come so far: they are
/// [forwarded](crate::server::cluster::forwarding_manager::ForwardingManager).
pub(crate) fn not_kept_here() -> KafkaError {
    KafkaError::api(Errors::NotController, "the controller of this cluster is another node")
}

/// What a broker needs whose controller is another node.
#[derive(Clone)]
pub struct Forwarding {
    pub manager: Arc<ForwardingManager>,
    pub versions: Arc<ApiVersionManager>,
}

impl Parts<'_> {
    pub(crate) fn authorization(&self) -> Authorization {
        Authorization::new(self.authorizer.clone())
    }
}
