//! What the broker writes to its own log while it serves. It runs as a process of its own.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod broker;
mod broker_process;

use nix::sys::signal::Signal;

use transferto::common::errors::Errors;

use broker::Client;
use broker::TempDir;
use broker_process::BrokerProcess;

/// So few that the pipe from the broker holds a line for each, since nobody reads it meanwhile.
const REQUESTS: usize = 100;

/// A consumer that does not wait after an error asks for a deleted topic thousands of times a
/// second, for as long as it runs.
#[test]
fn a_consumer_that_is_refused_again_and_again_does_not_fill_the_log() {
    let dir = TempDir::new("broker-log");
    let broker = BrokerProcess::start(dir.path(), &["auto.create.topics.enable=false"]);
    let mut client = Client::connect(broker.port);
    let unknown = Errors::UnknownTopicOrPartition.code();
    for _ in 0..REQUESTS {
        assert_eq!(client.fetch("deleted", 0, 0).error, unknown);
    }
    let (_, lines) = broker.end_with(Signal::SIGTERM);
    assert!(lines.len() < REQUESTS, "{} lines, of which the first is {:?}", lines.len(), lines[0]);
}
