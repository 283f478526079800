//! How many file descriptors the broker's process may have, and how many stay in use. It runs as a
//! process of its own, with limits of its own.

use std::fs;

use nix::sys::signal::Signal;
use support::broker_process::BrokerProcess;
use support::client::{Client, NEWEST_FETCH, fetch_request};
use support::records::batch;
use support::temp::TempDir;
use support::wait::wait_until;
use transferto::protocol::fetch::FetchRequest;
use transferto::protocol::request::RequestBody;

/// A broker under a soft and a hard limit on file descriptors.
fn start_under(soft: usize, hard: usize, dir: &TempDir, settings: &[&str]) -> BrokerProcess {
    let limits = format!("ulimit -Sn {soft}; ulimit -Hn {hard}; exec \"$0\" \"$@\"");
    BrokerProcess::start_under(&["sh", "-c", &limits], dir.path(), settings)
}

fn descriptors(broker: &BrokerProcess) -> usize {
    fs::read_dir(format!("/proc/{}/fd", broker.pid())).unwrap().count()
}

#[test]
fn the_soft_limit_is_raised_to_the_hard_one_and_logged() {
    let dir = TempDir::new();
    let broker = start_under(64, 500, &dir, &[]);
    let line = "up to 500 file descriptors: the soft limit was 64";
    assert!(broker.first_lines.iter().any(|it| it.contains(line)), "{:?}", broker.first_lines);
    let warning = "the limit of 500 file descriptors is low";
    assert!(broker.first_lines.iter().any(|it| it.contains(warning)), "{:?}", broker.first_lines);
    let mut clients: Vec<Client> = (0..100).map(|_| Client::connect(broker.port)).collect();
    for client in &mut clients {
        client.metadata(1, None);
    }
}

#[test]
fn clients_that_only_connect_do_not_keep_segments_from_being_rolled() {
    let dir = TempDir::new();
    let broker = start_under(100, 100, &dir, &["log.segment.bytes=1000"]);
    let mut producer = Client::connect(broker.port);
    producer.create_topic("post");
    let idle: Vec<Client> = (0..120).map(|_| Client::connect(broker.port)).collect();
    // Those that are not accepted are in the backlog.
    let (_, mut accepted) = (idle.len(), 0);
    wait_until("as many connections as there may be", || {
        let before = std::mem::replace(&mut accepted, descriptors(&broker));
        accepted == before && accepted > 50
    });
    for _ in 0..10 {
        let produced = producer.produce("post", 0, &batch(&[vec![b'x'; 600]]));
        assert_eq!(produced.error_code, 0);
    }
    drop(idle);
    Client::connect(broker.port).metadata(1, None);
    let (_, lines) = broker.end_with(Signal::SIGTERM);
    assert!(lines.iter().any(|line| line.contains("are kept for the logs")), "{lines:?}");
}

#[test]
fn long_polls_whose_clients_are_gone_keep_no_file_descriptor() {
    let dir = TempDir::new();
    let broker = start_under(300, 300, &dir, &[]);
    let mut client = Client::connect(broker.port);
    client.create_topic("quiet");
    let before = descriptors(&broker);
    for _ in 0..1_000 {
        let request = FetchRequest {
            max_wait_ms: i32::MAX,
            min_bytes: i32::MAX,
            ..fetch_request("quiet", 0, 0)
        };
        let mut gone = Client::connect(broker.port);
        gone.send(NEWEST_FETCH, &RequestBody::Fetch(request), &[]);
    }
    Client::connect(broker.port).metadata(1, None);
    wait_until("the end of all", || descriptors(&broker) <= before);
    client.metadata(1, None);
}
