//! Several log directories need a level of the cluster.

use std::sync::Mutex;

use transferto::image::metadata_publisher::MetadataPublisher;
use transferto::server::cluster::metadata_version_config_validator::{
    MetadataVersionConfigValidator, check_log_dirs,
};

use crate::images::Cluster;
use crate::scene::feature;

#[test]
fn several_directories_are_refused_where_controllers_do_not_keep_them() {
    assert!(check_log_dirs(1, 7).is_ok() && check_log_dirs(2, 17).is_ok());
    let error = check_log_dirs(2, 16).unwrap_err().to_string();
    for words in ["2 directories", "metadata.version 16", "metadata.version=17", "one directory"] {
        assert!(error.contains(words), "no {words} in: {error}");
    }
}

/// Port of `MetadataVersionConfigValidatorTest`. The first level is looked at before the logs are opened.
#[test]
fn a_level_that_does_not_suit_several_directories_any_more_is_reported() {
    let faults = Mutex::new(Vec::new());
    let validator = MetadataVersionConfigValidator::new(2, |why| faults.lock().unwrap().push(why));
    let mut cluster = Cluster::default();
    for (level, expected) in [(16, 0), (17, 0), (21, 0), (16, 1)] {
        cluster.replay(feature("metadata.version", level));
        let published = cluster.publish();
        validator.on_metadata_update(&published.delta, &published.before, &published.after);
        assert_eq!(faults.lock().unwrap().len(), expected, "{level}");
    }
}
