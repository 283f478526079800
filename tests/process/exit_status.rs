//! How the process ends, and what it says with its exit status.

use std::fs;

use nix::sys::signal::Signal;
use support::broker_process::BrokerProcess;
use support::client::{Client, topic_named};
use support::temp::TempDir;
use support::wait::wait_until;
use transferto::protocol::metadata::MetadataRequest;
use transferto::protocol::request::RequestBody;

const MARKER: &str = ".kafka_cleanshutdown";

#[test]
fn the_exit_status_tells_whether_the_stop_was_clean() {
    let dir = TempDir::new();
    let (status, _) = BrokerProcess::start(dir.path(), &[]).end_with(Signal::SIGTERM);
    assert_eq!(status.code(), Some(0));
    assert!(dir.path().join(MARKER).exists());

    let broker = BrokerProcess::start(dir.path(), &[]);
    // In the place of the file in which the recovery points are prepared.
    fs::create_dir(dir.path().join("recovery-point-offset-checkpoint.tmp")).unwrap();
    let (status, last_lines) = broker.end_with(Signal::SIGTERM);
    assert_eq!(status.code(), Some(1), "{last_lines:?}");
    assert!(!dir.path().join(MARKER).exists());
    let is_said = |words: &str| last_lines.iter().any(|line| line.contains(words));
    assert!(is_said("recovery-point-offset-checkpoint"), "{last_lines:?}");
    assert!(is_said("did not shut down cleanly"), "{last_lines:?}");
}

/// `num.partitions=100000` is a slip that a person notices while the topic is being created.
#[test]
fn a_stop_takes_back_a_topic_that_is_being_created() {
    let dir = TempDir::new();
    let broker = BrokerProcess::start(dir.path(), &["num.partitions=100000"]);
    let mut client = Client::connect(broker.port);
    let topics = Some(vec![topic_named("typo")]);
    let request = MetadataRequest { topics, ..MetadataRequest::default() };
    client.send(1, &RequestBody::Metadata(request), &[]);
    wait_until("the first partition", || dir.path().join("typo-0").exists());
    let (status, last_lines) = broker.end_with(Signal::SIGTERM);
    assert_eq!(status.code(), Some(0), "{last_lines:?}");
    let is_said = |words: &str| last_lines.iter().any(|line| line.contains(words));
    assert!(is_said("shutting down, and creates no logs any more"), "{last_lines:?}");
    assert!(!dir.path().join("typo-0").exists());

    let broker = BrokerProcess::start(dir.path(), &["auto.create.topics.enable=false"]);
    assert!(Client::connect(broker.port).metadata(1, None).topics.is_empty());
}
