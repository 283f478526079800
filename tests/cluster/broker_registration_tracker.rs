//! When a broker has to register again.

use std::sync::atomic::{AtomicU32, Ordering};

use transferto::image::metadata_publisher::MetadataPublisher;
use transferto::image::records::broker_records::RegisterBrokerRecord;
use transferto::protocol::wire::uuid::Uuid;
use transferto::server::cluster::broker_registration_tracker::BrokerRegistrationTracker;

use crate::images::{Cluster, of_listeners};
use crate::scene::feature;

/// What changes in the cluster, one publication after the other.
enum Step {
    Version(i16),
    /// Broker 1 registers with these directories.
    Registration(&'static [[u8; 16]]),
}

/// How often broker 1 registers again.
fn refreshes(steps: &[Step]) -> u32 {
    let refreshed = AtomicU32::new(0);
    let tracker = BrokerRegistrationTracker::new(1, || {
        refreshed.fetch_add(1, Ordering::SeqCst);
    });
    let mut cluster = Cluster::default();
    for step in steps {
        match step {
            Step::Version(level) => cluster.replay(feature("metadata.version", *level)),
            Step::Registration(directories) => cluster.broker_with(RegisterBrokerRecord {
                broker_id: 1,
                broker_epoch: 1,
                log_dirs: directories.iter().map(|it| Uuid(*it)).collect(),
                ..of_listeners(&["PLAINTEXT"])
            }),
        };
        let published = cluster.publish();
        tracker.on_metadata_update(&published.delta, &published.before, &published.after);
    }
    refreshed.load(Ordering::SeqCst)
}

/// Port of `BrokerRegistrationTrackerTest.testMetadataVersionUpdateWithoutRegistrationDoesNothing`.
#[test]
fn a_broker_that_is_not_registered_yet_does_not_register_again() {
    assert_eq!(refreshes(&[Step::Version(16), Step::Version(17)]), 0);
}

/// Port of `BrokerRegistrationTrackerTest.testBrokerUpdateWithoutNewMvDoesNothing`.
#[test]
fn a_cluster_that_does_not_keep_directories_asks_for_none() {
    assert_eq!(refreshes(&[Step::Version(16), Step::Registration(&[])]), 0);
}

/// Port of `BrokerRegistrationTrackerTest.testBrokerUpdateWithNewMv`.
#[test]
fn a_registration_that_lacks_what_the_cluster_keeps_by_now_is_made_again() {
    assert_eq!(refreshes(&[Step::Version(17), Step::Registration(&[])]), 1);
    assert_eq!(refreshes(&[Step::Version(17), Step::Registration(&[[7; 16]])]), 0);
}

/// Port of `BrokerRegistrationTrackerTest.testBrokerUpdateWithNewMvWithTwoDeltas`.
#[test]
fn a_cluster_that_begins_to_keep_directories_has_its_brokers_register_again() {
    let steps = [
        Step::Version(7),
        Step::Registration(&[]),
        Step::Version(17),
        Step::Registration(&[[7; 16]]),
    ];
    assert_eq!(refreshes(&steps), 1);
}
