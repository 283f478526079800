//! Port of `org.apache.kafka.clients.NodeApiVersions`: what another node supports.

use std::io;
use std::ops::RangeInclusive;

use crate::protocol::api_versions::ApiVersionsResponse;
use crate::protocol::client_request::ClientRequest;

/// The APIs of another node, with their versions and its features.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeApiVersions {
    /// Key, lowest and highest version, by ascending keys.
    apis: Vec<(i16, i16, i16)>,
    /// The features that it supports: name, lowest and highest level.
    pub supported_features: Vec<(String, i16, i16)>,
    /// The features that its cluster has agreed on: name and level.
    pub finalized_features: Vec<(String, i16)>,
}

impl NodeApiVersions {
    /// `apis` are keys with their lowest and highest version.
    pub fn new(
        mut apis: Vec<(i16, i16, i16)>,
        supported_features: Vec<(String, i16, i16)>,
    ) -> Self {
        apis.sort_unstable();
        Self { apis, supported_features, finalized_features: Vec::new() }
    }

    /// What a response without an error says.
    pub fn of(response: ApiVersionsResponse) -> Self {
        let apis = response.api_keys.iter().map(|it| (it.api_key, it.min_version, it.max_version));
        let features = response.supported_features.into_iter();
        let features = features.map(|it| (it.name, it.min_version, it.max_version));
        let finalized = response.finalized_features.into_iter();
        Self {
            finalized_features: finalized.map(|it| (it.name, it.max_version_level)).collect(),
            ..Self::new(apis.collect(), features.collect())
        }
    }

    /// `None` if the node does not have the API.
    pub fn versions(&self, api_key: i16) -> Option<RangeInclusive<i16>> {
        let place = self.apis.binary_search_by_key(&api_key, |it| it.0).ok()?;
        let (_, lowest, highest) = self.apis[place];
        Some(lowest..=highest)
    }

    /// The newest version of the API that lies within `ours` as well.
    pub fn latest_usable_version(&self, api_key: i16, ours: &RangeInclusive<i16>) -> Option<i16> {
        let theirs = self.versions(api_key)?;
        let highest = *theirs.end().min(ours.end());
        (highest >= *theirs.start().max(ours.start())).then_some(highest)
    }

    /// The same for a request of a known type.
    ///
    /// # Errors
    /// `Unsupported` if there is none.
    pub fn usable_version<R: ClientRequest>(&self, ours: &RangeInclusive<i16>) -> io::Result<i16> {
        self.latest_usable_version(R::API_KEY, ours).ok_or_else(|| {
            let (oldest, newest) = (ours.start(), ours.end());
            let why =
                format!("it does not have {} in a version from {oldest} to {newest}", R::NAME);
            io::Error::new(io::ErrorKind::Unsupported, why)
        })
    }

    /// All APIs: key, lowest and highest version, by ascending keys.
    pub fn iter(&self) -> impl Iterator<Item = (i16, i16, i16)> {
        self.apis.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_that_both_sides_have_is_taken() {
        let versions = NodeApiVersions::new(vec![(62, 0, 3), (58, 0, 0)], Vec::new());
        assert_eq!(versions.latest_usable_version(62, &(0..=4)), Some(3));
        assert_eq!(versions.latest_usable_version(62, &(1..=2)), Some(2));
        assert_eq!(versions.latest_usable_version(62, &(4..=4)), None);
        assert_eq!(versions.latest_usable_version(63, &(0..=1)), None);
        assert_eq!(versions.versions(58), Some(0..=0));
    }
}
