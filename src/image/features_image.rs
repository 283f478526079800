//! Port of `org.apache.kafka.image.FeaturesImage`: the features that are finalized.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::image::records::config_records::FeatureLevelRecord;

/// The feature on whose level the records of the metadata log depend.
pub const METADATA_VERSION: &str = "metadata.version";
/// The feature whose level the quorum itself keeps, in a control record.
pub const KRAFT_VERSION: &str = "kraft.version";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeaturesImage {
    /// Above 0, by name.
    pub finalized: Arc<BTreeMap<String, i16>>,
}

impl FeaturesImage {
    /// 0 until the first record is read.
    pub fn metadata_version(&self) -> i16 {
        self.finalized.get(METADATA_VERSION).copied().unwrap_or(0)
    }

    /// Port of `FeaturesDelta.replay`.
    pub(crate) fn replay(&mut self, record: &FeatureLevelRecord) {
        self.set(&record.name, record.feature_level);
    }

    /// Finalizes a feature at a level; at 0 there is no such feature.
    pub(crate) fn set(&mut self, name: &str, level: i16) {
        let finalized = Arc::make_mut(&mut self.finalized);
        match level {
            0 => finalized.remove(name),
            _ => finalized.insert(name.to_string(), level),
        };
    }
}
