//! Port of `kafka.server.DefaultApiVersionManager`: what clients learn of the APIs and the features of a cluster
//! of several brokers.

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};

use crate::clients::node_api_versions::NodeApiVersions;
use crate::common::lock::locked;
use crate::protocol::api_keys::ApiKeys;
use crate::protocol::api_versions::{
    ApiVersion, ApiVersionsResponse, FinalizedFeature, SupportedFeature,
};
use crate::server::cluster::broker_features::{KRAFT_VERSION, SUPPORTED};
use crate::server::cluster::controller_channel::ControllerChannel;
use crate::server::metadata::metadata_cache::{FinalizedFeatures, MetadataCache};

/// From this version of ApiVersions on clients can read that a feature may be at level 0 (KAFKA-17011).
const FEATURES_FROM_ZERO_VERSION: i16 = 4;

/// Knows which versions a client may use: of what is forwarded those that the controller has, too.
pub struct ApiVersionManager {
    channel: Arc<dyn ControllerChannel>,
    metadata_cache: Arc<dyn MetadataCache>,
    /// Those of the last controller: while the connection to the next one is made, clients learn what they
    /// learnt before.
    controller: Mutex<Option<Arc<NodeApiVersions>>>,
}

impl ApiVersionManager {
    /// `channel` is one that is connected to the controller, whether or not a client has asked for anything
    /// that is forwarded: the first client learns the same as the next.
    pub fn new(
        channel: &Arc<dyn ControllerChannel>,
        metadata_cache: &Arc<dyn MetadataCache>,
    ) -> Self {
        Self {
            channel: Arc::clone(channel),
            metadata_cache: Arc::clone(metadata_cache),
            controller: Mutex::default(),
        }
    }

    /// The answer to an ApiVersions request of this version.
    pub fn api_version_response(&self, request_version: i16) -> ApiVersionsResponse {
        let controller = self.controller_api_versions();
        let apis = ApiKeys::ALL.iter().chain(ApiKeys::FORWARDED);
        let mut api_keys: Vec<_> = apis
            .filter_map(|&api| Some(ApiVersion::of(api, versions(api, controller.as_deref())?)))
            .collect();
        api_keys.sort_unstable_by_key(|it| it.api_key);
        let FinalizedFeatures { mut levels, epoch } = self.metadata_cache.finalized_features();
        if let Some(level) = controller.as_deref().and_then(kraft_version) {
            levels.insert(KRAFT_VERSION.to_string(), level);
        }
        let supported = SUPPORTED
            .iter()
            .filter(|(_, it)| request_version >= FEATURES_FROM_ZERO_VERSION || *it.start() > 0);
        ApiVersionsResponse {
            api_keys,
            supported_features: supported
                .map(|(name, levels)| SupportedFeature {
                    name: (*name).to_string(),
                    min_version: *levels.start(),
                    max_version: *levels.end(),
                })
                .collect(),
            finalized_features_epoch: epoch,
            finalized_features: levels
                .into_iter()
                .map(|(name, level)| FinalizedFeature {
                    name,
                    max_version_level: level,
                    min_version_level: level,
                })
                .collect(),
            ..ApiVersionsResponse::default()
        }
    }

    /// Whether a client may use this version of an API.
    pub fn is_api_enabled(&self, api: ApiKeys, version: i16) -> bool {
        let controller = self.controller_api_versions();
        versions(api, controller.as_deref()).is_some_and(|it| it.contains(&version))
    }

    fn controller_api_versions(&self) -> Option<Arc<NodeApiVersions>> {
        let mut last = locked(&self.controller);
        if let Some(current) = self.channel.controller_api_versions() {
            *last = Some(current);
        }
        last.clone()
    }
}

/// The level of the feature that stands in a control record of the quorum's log alone, if it is above 0.
fn kraft_version(controller: &NodeApiVersions) -> Option<i16> {
    let finalized = controller.finalized_features.iter().find(|(name, _)| name == KRAFT_VERSION);
    finalized.map(|(_, level)| *level).filter(|level| *level > 0)
}

/// Port of `ApiVersionsResponse.intersectForwardableApis`: as long as no controller is known, all versions of
/// this broker.
fn versions(api: ApiKeys, controller: Option<&NodeApiVersions>) -> Option<RangeInclusive<i16>> {
    let ours = match api.is_forwarded_only() {
        true => api.versions(),
        false => api.advertised_versions()?,
    };
    let Some(controller) = controller.filter(|_| api.is_forwardable()) else { return Some(ours) };
    let theirs = controller.versions(api.id())?;
    let both = *ours.start().max(theirs.start())..=*ours.end().min(theirs.end());
    (!both.is_empty()).then_some(both)
}
