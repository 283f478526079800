//! Port of `kafka.server.MetadataVersionConfigValidator`: whether the broker can be as its settings say at the
//! level that the cluster has.

use std::sync::Arc;

use crate::common::errors::{Errors, KafkaError};
use crate::image::directory_id::FIRST_VERSION_WITH_DIRECTORIES;
use crate::image::metadata_delta::MetadataDelta;
use crate::image::metadata_image::MetadataImage;
use crate::image::metadata_publisher::MetadataPublisher;

/// Looks at each level that the cluster gets while the broker runs.
pub struct MetadataVersionConfigValidator<F> {
    log_dirs: usize,
    on_fault: F,
}

impl<F: Fn(String) + Send + Sync> MetadataVersionConfigValidator<F> {
    /// `on_fault` is called with a sentence when the level does not suit so many log directories.
    pub fn new(log_dirs: usize, on_fault: F) -> Self {
        Self { log_dirs, on_fault }
    }
}

impl<F: Fn(String) + Send + Sync> MetadataPublisher for MetadataVersionConfigValidator<F> {
    fn name(&self) -> &'static str {
        "MetadataVersionConfigValidator"
    }

    fn on_metadata_update(
        &self,
        delta: &MetadataDelta,
        before: &Arc<MetadataImage>,
        after: &Arc<MetadataImage>,
    ) {
        // The first level is looked at before the logs are opened.
        let is_first = before.features.metadata_version() == 0;
        if delta.is_features_changed
            && !is_first
            && let Err(error) = check_log_dirs(self.log_dirs, after.features.metadata_version())
        {
            (self.on_fault)(error.why());
        }
    }
}

/// Port of `KafkaConfig.validateWithMetadataVersion`.
///
/// # Errors
/// `INVALID_CONFIG` in a sentence for an operator if there are more log directories than the controllers can keep.
pub fn check_log_dirs(log_dirs: usize, metadata_version: i16) -> Result<(), KafkaError> {
    if log_dirs <= 1 || metadata_version >= FIRST_VERSION_WITH_DIRECTORIES {
        return Ok(());
    }
    let why = format!(
        "`log.dirs` has {log_dirs} directories, and the cluster is at metadata.version {metadata_version}: before \
         {FIRST_VERSION_WITH_DIRECTORIES}, which is Kafka 3.7, controllers do not keep in which of several a replica \
         lies; raise it by `kafka-features.sh --bootstrap-controller ... upgrade --feature \
         metadata.version={FIRST_VERSION_WITH_DIRECTORIES}`, or give this broker one directory by \
         `--override log.dirs=...`"
    );
    Err(KafkaError::api(Errors::InvalidConfig, why))
}
