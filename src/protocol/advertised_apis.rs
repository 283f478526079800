//! Port of `org.apache.kafka.server.ApiVersionManager`, as far as clients see it before they are known: SASL
//! answers ApiVersions itself.

use std::fmt;
use std::sync::OnceLock;

use crate::protocol::api_versions::ApiVersionsResponse;

/// What this broker answers to ApiVersions: what a single node has, unless the broker has joined a cluster.
#[derive(Default)]
pub struct AdvertisedApis {
    of_cluster: OnceLock<OfCluster>,
}

/// Answers a request of this version.
type OfCluster = Box<dyn Fn(i16) -> ApiVersionsResponse + Send + Sync>;

impl AdvertisedApis {
    /// From now on `of_cluster` answers, given the version of the request. A broker joins once; a second call
    /// does nothing.
    pub fn join(&self, of_cluster: impl Fn(i16) -> ApiVersionsResponse + Send + Sync + 'static) {
        let _ = self.of_cluster.set(Box::new(of_cluster));
    }

    /// The answer to an ApiVersions request of this version.
    pub fn response(&self, request_version: i16) -> ApiVersionsResponse {
        match self.of_cluster.get() {
            Some(of_cluster) => of_cluster(request_version),
            None => ApiVersionsResponse::supported(),
        }
    }
}

impl fmt::Debug for AdvertisedApis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_in_cluster = self.of_cluster.get().is_some();
        f.debug_struct("AdvertisedApis").field("is_in_cluster", &is_in_cluster).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_has_joined_a_cluster_has_the_clusters_answer() {
        let apis = AdvertisedApis::default();
        assert_eq!(apis.response(4), ApiVersionsResponse::supported());
        apis.join(|version| ApiVersionsResponse {
            finalized_features_epoch: i64::from(version),
            ..ApiVersionsResponse::default()
        });
        assert_eq!(apis.response(4).finalized_features_epoch, 4);
        assert!(apis.response(4).api_keys.is_empty());
    }
}
