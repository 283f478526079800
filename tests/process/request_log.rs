//! The request log: a line per request with its times, if it is asked for, and a warning for those
//! that are slow.

use std::sync::Arc;

use nix::sys::signal::Signal;
use support::broker_process::BrokerProcess;
use support::client::{Client, NEWEST_FETCH, fetch_request};
use support::records::batch;
use support::temp::TempDir;
use support::wait::wait_until;
use transferto::common::mock_time::MockTime;
use transferto::protocol::fetch::FetchRequest;
use transferto::protocol::request::RequestBody;

use crate::hostile::{Scene, TOPIC, in_company, lines_of};

const MEGABYTE: i32 = 1024 * 1024;

/// What the log has of a produce and a fetch by a client of this name, with this filter.
fn lines_with_filter(client_id: &'static str, filter: &str) -> Vec<String> {
    let dir = TempDir::new();
    let broker = BrokerProcess::start_under(&["env", filter], dir.path(), &[]);
    let mut client = Client::connect(broker.port);
    client.client_id = client_id;
    client.create_topic("post");
    client.produce("post", 0, &batch(&[b"first"]));
    client.fetch("post", 0, 0);
    // Once this is answered, the request before it is over.
    client.fetch("post", 0, 1);
    let (_, lines) = broker.end_with(Signal::SIGTERM);
    lines.into_iter().filter(|line| line.contains("Completed request")).collect()
}

#[test]
fn with_its_target_at_debug_level_every_request_has_a_line_with_its_times() {
    let _company = in_company();
    let lines = lines_with_filter("a\"b\nc", "RUST_LOG=info,kafka.request.logger=debug");
    for (api, version, size) in [("Produce", 11, "requestSize=1"), ("Fetch", 12, "requestSize=")] {
        let line = lines.iter().find(|line| line.contains(&format!("apiKey={api}, ")));
        let line = line.unwrap_or_else(|| panic!("{api} in {lines:?}"));
        let version = format!("apiVersion={version}");
        let words = [
            "DEBUG",
            &version,
            "correlationId=",
            r#"clientId="a\"b\nc""#,
            size,
            "responseSize=",
            " from connection 127.0.0.1:",
            ";totalTime:",
            ",requestQueueTime:",
            ",localTime:",
            ",remoteTime:",
            ",throttleTime:",
            ",responseQueueTime:",
            ",sendTime:",
            ",securityProtocol:PLAINTEXT,principal:User:ANONYMOUS,listener:PLAINTEXT",
        ];
        for word in words {
            assert!(line.contains(word), "{word} in {line}");
        }
        assert!(!line.contains(" -- "), "{line}");
    }
}

#[test]
fn at_trace_level_the_line_has_what_was_asked_for() {
    let _company = in_company();
    let lines = lines_with_filter("test", "RUST_LOG=info,kafka.request.logger=trace");
    let fetch = lines.iter().find(|line| line.contains("apiKey=Fetch, ")).unwrap();
    assert!(fetch.contains(" -- Fetch(FetchRequest { replica_id: -1,"), "{fetch}");
    assert!(fetch.contains(r#"topic: "post""#), "{fetch}");
}

#[test]
fn by_default_no_request_is_logged() {
    let _company = in_company();
    assert_eq!(lines_with_filter("test", "RUST_LOG=info"), [""; 0]);
}

fn slow_scene() -> (Arc<MockTime>, Scene) {
    let company = in_company();
    let time = Arc::new(MockTime::new());
    let scene = Scene::open(&[("transferto.request.slow.ms", "1000")], time.clone());
    (time, scene.holding(company))
}

#[test]
fn a_request_that_is_slow_is_logged_as_a_warning() {
    let (time, mut scene) = slow_scene();
    scene.fill(0, 20);
    let mut client = scene.connect();
    let mut request = fetch_request(TOPIC, 0, 0);
    request.topics[0].partitions[0].partition_max_bytes = 16 * MEGABYTE;
    let header = client.send(NEWEST_FETCH, &RequestBody::Fetch(request), &[]);
    // It is more than the buffers of both sockets hold.
    wait_until("its beginning to leave", || scene.metrics().sendfile_bytes.value() > 0);
    time.sleep(5000);
    client.receive_fetch(&header);
    wait_until("the warning", || !lines_of(&client).is_empty());
    let lines = lines_of(&client);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("WARN slow request: apiKey=Fetch, "), "{lines:?}");
    assert!(lines[0].contains(";totalTime:5000.000,"), "{lines:?}");
    assert!(lines[0].contains(",sendTime:5000.000,"), "{lines:?}");
}

/// Its consumer wanted it so.
#[test]
fn a_fetch_that_waits_for_messages_is_not_slow() {
    let (time, mut scene) = slow_scene();
    let mut client = scene.connect();
    let request = FetchRequest { max_wait_ms: 5000, ..fetch_request(TOPIC, 0, 0) };
    let header = client.send(NEWEST_FETCH, &RequestBody::Fetch(request), &[]);
    scene.assert_others_are_served();
    let mut elapsed_ms = 0;
    wait_until("the end of its wait", || {
        time.sleep(1000);
        elapsed_ms += 1000;
        scene.metrics().delayed_fetch_expires.value() == 1
    });
    assert!(elapsed_ms >= 5000);
    client.receive_fetch(&header);
    // Once this is answered, the request before it is over.
    client.fetch(TOPIC, 0, 0);
    assert_eq!(lines_of(&client), [""; 0]);
}
