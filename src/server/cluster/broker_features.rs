//! Port of `org.apache.kafka.server.BrokerFeatures`: what this broker tells controllers that it
//! understands.
//!
//! A controller finalizes no feature beyond what every registered broker claims, so a narrow claim keeps
//! records away that this broker cannot read. The price is that such a cluster cannot be upgraded beyond
//! it while this broker is registered.

use std::ops::RangeInclusive;

use crate::image::features_image::METADATA_VERSION;

/// The feature that says how the quorum keeps its voters.
pub const KRAFT_VERSION: &str = "kraft.version";

/// The levels of the metadata, from 3.3-IV3, the first that Kafka 4 still has, to 3.9-IV0.
pub const SUPPORTED_METADATA_VERSIONS: RangeInclusive<i16> = 7..=21;

/// The features, and the levels of each. At a `metadata.version` above 21 clusters also finalize features of
/// groups and transactions that this broker does not serve.
pub const SUPPORTED: [(&str, RangeInclusive<i16>); 2] =
    [(KRAFT_VERSION, 0..=1), (METADATA_VERSION, SUPPORTED_METADATA_VERSIONS)];

/// What to do about a cluster whose finalized features this broker does not understand: `finalized` are
/// their levels, by name, as far as the controller tells them. A sentence for an operator.
pub fn mismatch(finalized: &[(String, i16)]) -> String {
    let is_beyond = |(name, level): &&(String, i16)| {
        let ours = SUPPORTED.iter().find(|it| it.0 == name);
        *level > 0 && !ours.is_some_and(|it| it.1.contains(level))
    };
    let beyond: Vec<_> = finalized
        .iter()
        .filter(is_beyond)
        .map(|(name, level)| match SUPPORTED.iter().find(|it| it.0 == name) {
            Some((_, ours)) => {
                format!(
                    "{name} at {level}, where this broker has {} to {}",
                    ours.start(),
                    ours.end()
                )
            }
            None => format!("{name} at {level}, which this broker does not have"),
        })
        .collect();
    let what = match beyond.is_empty() {
        true => "features that this broker does not have".to_string(),
        false => beyond.join("; "),
    };
    format!(
        "the cluster has finalized {what}; take a cluster that is formatted with `kafka-storage.sh \
         format --release-version 3.9` (metadata.version 21), or take the features back with \
         `kafka-features.sh downgrade`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_feature_that_does_not_fit_is_named_with_both_ranges_and_the_way_out() {
        let finalized = [("metadata.version", 33), ("group.version", 1), ("kraft.version", 1)];
        let why = mismatch(&finalized.map(|(name, level)| (name.to_string(), level)));
        assert!(why.contains("metadata.version at 33, where this broker has 7 to 21"), "{why}");
        assert!(why.contains("group.version at 1, which this broker does not have"), "{why}");
        assert!(!why.contains("kraft.version"), "{why}");
        assert!(why.contains("--release-version 3.9"), "{why}");
        assert!(mismatch(&[]).contains("features that this broker does not have"));
    }
}
