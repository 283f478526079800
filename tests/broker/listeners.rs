//! Several listeners, each with a name, a port and an advertised address of its own: what a client
//! learns of the broker depends on the one that it has come in by.

use support::broker::Broker;
use support::client::Client;
use support::records::{batch, stored};
use support::temp::TempDir;
use transferto::common::end_point::SecurityProtocol;
use transferto::protocol::describe_cluster::DescribeClusterRequest;
use transferto::protocol::request::{RequestBody, ResponseBody};

use crate::apis::group_client::find_coordinator;

const TWO_OF_ONE_PROTOCOL: [(&str, &str); 2] = [
    ("listeners", "IN://127.0.0.1:0,OUT://127.0.0.1:0"),
    ("listener.security.protocol.map", "IN:PLAINTEXT,OUT:PLAINTEXT"),
];

fn start(settings: &[(&str, &str)]) -> Broker {
    Broker::start(&[&TWO_OF_ONE_PROTOCOL, settings].concat())
}

fn client_of(broker: &Broker, listener: &str) -> Client {
    Client::connect(broker.server().bound_port_of(listener).unwrap())
}

/// Where the broker is, by Metadata, by FindCoordinator and by DescribeCluster, in all of their
/// versions that differ in it.
fn addresses_told_to(client: &mut Client) -> Vec<(String, i32)> {
    let mut addresses = Vec::new();
    for version in [0, 1, 9, 12] {
        let brokers = client.metadata(version, None).brokers;
        addresses.extend(brokers.into_iter().map(|it| (it.host, it.port)));
    }
    for version in [0, 1, 3, 4] {
        let mut response = find_coordinator(client, version, "group");
        addresses.push(match response.coordinators.pop() {
            Some(it) => (it.host, it.port),
            None => (response.host, response.port),
        });
    }
    for version in [0, 1] {
        let request = DescribeClusterRequest { endpoint_type: 1, ..Default::default() };
        match client.call(version, &RequestBody::DescribeCluster(request), &[]).0 {
            ResponseBody::DescribeCluster(response) => {
                addresses.extend(response.brokers.into_iter().map(|it| (it.host, it.port)));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(addresses.len(), 10, "{addresses:?}");
    addresses
}

/// The address, if all three APIs agree on it.
fn told(broker: &Broker, listener: &str) -> (String, i32) {
    let mut addresses = addresses_told_to(&mut client_of(broker, listener));
    addresses.dedup();
    assert_eq!(addresses.len(), 1, "{addresses:?}");
    addresses.remove(0)
}

fn address(host: &str, port: impl Into<i32>) -> (String, i32) {
    (host.to_string(), port.into())
}

#[test]
fn each_client_is_told_the_address_of_the_listener_that_it_has_come_in_by() {
    let broker =
        start(&[("advertised.listeners", "OUT://broker.example:19093,IN://broker.internal:19092")]);
    assert_eq!(told(&broker, "IN"), address("broker.internal", 19092));
    assert_eq!(told(&broker, "OUT"), address("broker.example", 19093));
}

#[test]
fn without_advertised_listeners_each_client_is_told_the_port_that_its_listener_is_bound_to() {
    let broker = start(&[]);
    let ports = ["IN", "out"].map(|it| broker.server().bound_port_of(it).unwrap());
    assert_ne!(ports[0], ports[1]);
    for (listener, port) in ["IN", "OUT"].iter().zip(ports) {
        assert_eq!(told(&broker, listener), address("127.0.0.1", port));
    }
}

/// Kafka tells clients of such a listener of no broker at all, so that they can do nothing.
#[test]
fn a_listener_that_is_not_advertised_is_told_by_its_own_address() {
    let broker = start(&[("advertised.listeners", "OUT://broker.example:19093")]);
    let port = broker.server().bound_port_of("IN").unwrap();
    assert_eq!(told(&broker, "IN"), address("127.0.0.1", port));
    assert_eq!(told(&broker, "OUT"), address("broker.example", 19093));
}

/// What forwards to them may tell them apart by the address that it listens at.
#[test]
fn two_listeners_may_be_advertised_by_one_port() {
    let broker = start(&[("advertised.listeners", "IN://in.example:9092,OUT://out.example:9092")]);
    assert_eq!(told(&broker, "IN"), address("in.example", 9092));
    assert_eq!(told(&broker, "OUT"), address("out.example", 9092));
}

#[test]
fn the_first_listener_of_a_protocol_is_found_by_it_and_each_by_its_name() {
    let broker = start(&[]);
    let server = broker.server();
    assert_eq!(server.bound_port(SecurityProtocol::Plaintext), server.bound_port_of("in"));
    assert_eq!(server.bound_port_of("PLAINTEXT"), None);
    assert_eq!(server.bound_port(SecurityProtocol::Ssl), None);
    let names: Vec<_> =
        server.bound_endpoints().iter().map(|it| it.listener_name.to_string()).collect();
    assert_eq!(names, ["IN", "OUT"]);
}

#[test]
fn what_is_written_by_one_listener_is_read_by_the_other() {
    let broker = start(&[]);
    let mut inside = client_of(&broker, "IN");
    inside.create_topic("post");
    assert_eq!(inside.produce("post", 0, &batch(&["hello"])).error_code, 0);
    let fetched = client_of(&broker, "OUT").fetch("post", 0, 0);
    assert_eq!(fetched.records, stored(&batch(&["hello"]), 0));
}

/// A port that one listener cannot have leaves none of the others open.
#[test]
fn a_listener_whose_port_is_taken_is_named_and_keeps_the_broker_from_starting() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let listeners = format!("IN://127.0.0.1:0,OUT://127.0.0.1:{port}");
    let settings = [TWO_OF_ONE_PROTOCOL[1], ("listeners", listeners.as_str())];
    let error = Broker::start_error(&TempDir::new(), &settings, |builder| builder);
    assert!(error.contains(&format!("OUT://127.0.0.1:{port}")), "{error}");
    assert!(error.contains("--override listeners=IN://127.0.0.1:0,OUT://"), "{error}");
}
