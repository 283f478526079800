//! Port of `org.apache.kafka.image.FeaturesImage`: the features that are finalized.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The feature on whose level the records of the metadata log depend.
pub const METADATA_VERSION: &str = "metadata.version";

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
}
