//! What the broker writes to its own log while it serves. It runs as a process of its own.

use std::io::Write;
use std::net::Shutdown;
use std::time::Instant;

use nix::sys::signal::Signal;
use support::broker_process::BrokerProcess;
use support::client::{Client, fetch_request};
use support::records::batch;
use support::temp::TempDir;
use transferto::common::errors::Errors;
use transferto::protocol::find_coordinator::FindCoordinatorRequest;
use transferto::protocol::init_producer_id::InitProducerIdRequest;
use transferto::protocol::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use transferto::protocol::request::RequestBody;

/// So few that the pipe from the broker holds a line for each, since nobody reads it meanwhile.
const REQUESTS: usize = 100;

/// A consumer that does not wait after an error asks for a deleted topic thousands of times a
/// second, for as long as it runs.
#[test]
fn a_consumer_that_is_refused_again_and_again_does_not_fill_the_log() {
    let dir = TempDir::new();
    let broker = BrokerProcess::start(dir.path(), &["auto.create.topics.enable=false"]);
    let mut client = Client::connect(broker.port);
    let unknown = Errors::UnknownTopicOrPartition.code();
    for _ in 0..REQUESTS {
        assert_eq!(client.fetch("deleted", 0, 0).error, unknown);
    }
    let (_, lines) = broker.end_with(Signal::SIGTERM);
    assert!(lines.len() < REQUESTS, "{} lines, of which the first is {:?}", lines.len(), lines[0]);
}

#[test]
fn an_old_consumer_that_nothing_is_converted_for_does_not_fill_the_log() {
    let dir = TempDir::new();
    let setting = "log.message.downconversion.enable=false";
    let broker = BrokerProcess::start(dir.path(), &[setting]);
    let mut client = Client::connect(broker.port);
    client.create_topic("post");
    assert_eq!(client.produce("post", 0, &batch(&[b"a"])).error_code, 0);
    for _ in 0..REQUESTS {
        let fetched = client.fetch_with(3, fetch_request("post", 0, 0));
        assert_eq!(fetched[0].error, Errors::UnsupportedVersion.code());
    }
    let (_, lines) = broker.end_with(Signal::SIGTERM);
    assert!(
        lines.len() < REQUESTS,
        "{} lines, of which the last is {:?}",
        lines.len(),
        lines.last()
    );
}

#[test]
fn a_client_that_is_denied_again_and_again_does_not_fill_the_log() {
    let dir = TempDir::new();
    let authorizer = "authorizer.class.name=kafka.security.authorizer.AclAuthorizer";
    let broker = BrokerProcess::start(dir.path(), &[authorizer]);
    let mut client = Client::connect(broker.port);
    let denied = Errors::TopicAuthorizationFailed.code();
    let began = Instant::now();
    for _ in 0..10 * REQUESTS {
        assert_eq!(client.fetch("secret", 0, 0).error, denied);
    }
    let windows = began.elapsed().as_secs() as usize / 10 + 1;
    let (_, lines) = broker.end_with(Signal::SIGTERM);
    let told = lines.iter().filter(|line| line.contains("is Denied")).count();
    assert!(told >= 1 && told <= 100 * windows, "{told} lines");
}

#[test]
fn a_producer_that_is_refused_again_and_again_does_not_fill_the_log() {
    let dir = TempDir::new();
    let broker = BrokerProcess::start(dir.path(), &["auto.create.topics.enable=false"]);
    let mut client = Client::connect(broker.port);
    let unknown = Errors::UnknownTopicOrPartition.code();
    let began = Instant::now();
    for _ in 0..10 * REQUESTS {
        assert_eq!(client.produce("deleted", 0, &batch(&[b"a"])).error_code, unknown);
    }
    let windows = began.elapsed().as_secs() as usize / 10 + 1;
    let (_, lines) = broker.end_with(Signal::SIGTERM);
    let told = lines.iter().filter(|line| line.contains("refused, the first is")).count();
    assert!(told >= 1 && told <= 100 * windows, "{told} lines");
}

/// A compact text may be as long as a request.
#[test]
fn a_name_that_a_client_made_up_is_cut_in_the_log() {
    let dir = TempDir::new();
    let broker = BrokerProcess::start(dir.path(), &[]);
    let mut client = Client::connect(broker.port);
    let transactional_id = Some("x".repeat(1 << 20));
    let request = InitProducerIdRequest { transactional_id, ..InitProducerIdRequest::default() };
    client.call(4, &RequestBody::InitProducerId(request), &[]);
    let (_, lines) = broker.end_with(Signal::SIGTERM);
    assert!(lines.iter().any(|line| line.contains("InitProducerId") && line.contains("xxx")));
    let longest = lines.iter().map(String::len).max().unwrap();
    assert!(longest < 1000, "a line of {longest} bytes");
}

#[test]
fn a_name_with_a_line_break_forges_no_line_of_the_log() {
    let dir = TempDir::new();
    let broker = BrokerProcess::start(dir.path(), &["offsets.topic.num.partitions=1"]);
    let mut client = Client::connect(broker.port);
    client.client_id = "me\nforged by a client";
    let find = FindCoordinatorRequest::default();
    client.call(0, &RequestBody::FindCoordinator(find), &[]);
    let join = JoinGroupRequest {
        group_id: "mine\nforged by a group".to_string(),
        session_timeout_ms: 10_000,
        protocol_type: "consumer".to_string(),
        protocols: vec![JoinGroupRequestProtocol { name: "range".to_string(), metadata: vec![] }],
        ..JoinGroupRequest::default()
    };
    client.call(0, &RequestBody::JoinGroup(join), &[]);
    let (_, lines) = broker.end_with(Signal::SIGTERM);
    for forged in ["forged by a client", "forged by a group"] {
        assert!(lines.iter().any(|line| line.contains(forged)), "{lines:?}");
        assert!(!lines.iter().any(|line| line.starts_with(forged)), "{lines:?}");
    }
}

#[test]
fn connections_that_break_off_do_not_fill_the_log_and_are_counted_at_the_end() {
    let dir = TempDir::new();
    let broker = BrokerProcess::start(dir.path(), &[]);
    let began = Instant::now();
    for _ in 0..10 * REQUESTS {
        let mut client = Client::connect(broker.port);
        client.stream.write_all(b"ab").unwrap();
        client.stream.shutdown(Shutdown::Write).unwrap();
        client.assert_closed();
    }
    let windows = began.elapsed().as_secs() as usize / 10 + 1;
    let (_, lines) = broker.end_with(Signal::SIGTERM);
    let told = lines.iter().filter(|line| line.contains("broke off")).count();
    assert!(told >= 1 && told <= 100 * windows, "{told} lines");
    let left_out = |line: &String| -> Option<usize> {
        let (before, _) = line.split_once(" more lines about connections that ended")?;
        before.rsplit(' ').next()?.parse().ok()
    };
    let counted: usize = lines.iter().filter_map(left_out).sum();
    assert_eq!(told + counted, 10 * REQUESTS);
}

/// A flood of members is one of log lines, too; and a flood of one kind hides no other line.
#[test]
fn clients_that_join_groups_do_not_fill_the_log() {
    let dir = TempDir::new();
    let broker = BrokerProcess::start(dir.path(), &["offsets.topic.num.partitions=1"]);
    let mut client = Client::connect(broker.port);
    client.call(0, &RequestBody::FindCoordinator(FindCoordinatorRequest::default()), &[]);
    let began = Instant::now();
    for group in 0..10 * REQUESTS {
        let join = JoinGroupRequest {
            group_id: format!("{group}"),
            session_timeout_ms: 10_000,
            protocol_type: "consumer".to_string(),
            protocols: vec![JoinGroupRequestProtocol {
                name: "range".to_string(),
                metadata: vec![],
            }],
            ..JoinGroupRequest::default()
        };
        client.call(0, &RequestBody::JoinGroup(join), &[]);
    }
    let windows = began.elapsed().as_secs() as usize / 10 + 1;
    client.create_topic("post");
    let (_, lines) = broker.end_with(Signal::SIGTERM);
    let of_groups = lines.iter().filter(|line| line.contains(" group \"")).count();
    assert!(of_groups >= 1 && of_groups <= 100 * windows, "{of_groups} lines");
    assert!(lines.iter().any(|line| line.contains("created the topic post")));
}
