//! What the process says with its exit status.

use std::fs;

use nix::sys::signal::Signal;
use support::broker_process::BrokerProcess;
use support::temp::TempDir;

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
