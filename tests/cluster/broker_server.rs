//! The life of a broker in a cluster: from its registration to the mark of its clean shutdown.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use support::broker::Broker;
use support::temp::TempDir;
use transferto::common::errors::Errors;
use transferto::image::records::metadata_record::{MetadataRecord, RecordAndVersion};
use transferto::protocol::broker_heartbeat::{BrokerHeartbeatRequest, BrokerHeartbeatResponse};
use transferto::protocol::broker_registration::{
    BrokerRegistrationRequest, BrokerRegistrationResponse,
};
use transferto::protocol::describe_cluster::{DescribeClusterRequest, DescribeClusterResponse};
use transferto::protocol::wire::uuid::Uuid;
use transferto::server::cluster::start_cancellation::StartCancellation;

use crate::scene::{BROKER_ID, feature, topic};
use crate::scripted_controller::{Answer, CLUSTER_ID, ScriptedController};

const MARKER: &str = ".kafka_cleanshutdown";
const META: &str = "meta.properties";

/// A controller whose log has what the first of a cluster has, and these.
pub(crate) fn controller_with(records: &[MetadataRecord]) -> ScriptedController {
    let controller = ScriptedController::start(100);
    let first = feature("metadata.version", 21);
    let bytes = |it: &MetadataRecord| RecordAndVersion::from(it.clone()).to_bytes();
    let values = [&first].into_iter().chain(records).map(bytes);
    controller.append(&values.collect::<Vec<_>>());
    controller
}

/// The settings of a broker that joins the cluster of `controller`.
pub(crate) fn settings(controller: &ScriptedController) -> Vec<(String, String)> {
    let id = BROKER_ID.to_string();
    [
        ("process.roles", "broker"),
        ("node.id", &id),
        ("controller.quorum.bootstrap.servers", &controller.addr().to_string()),
        ("controller.listener.names", "CONTROLLER"),
        ("broker.heartbeat.interval.ms", "100"),
        ("broker.rack", "north"),
    ]
    .map(|(name, value)| (name.to_string(), value.to_string()))
    .to_vec()
}

pub(crate) fn borrowed(settings: &[(String, String)]) -> Vec<(&str, &str)> {
    settings.iter().map(|(name, value)| (&**name, &**value)).collect()
}

pub(crate) fn start_in(dir: &Arc<TempDir>, controller: &ScriptedController) -> Broker {
    Broker::start_in(Arc::clone(dir), &borrowed(&settings(controller)))
}

fn start_error(dir: &TempDir, controller: &ScriptedController) -> String {
    Broker::start_error(dir, &borrowed(&settings(controller)), |it| it)
}

/// Port of `BrokerLifecycleManagerTest.testCreateStartAndClose`.
#[test]
fn a_broker_lives_from_its_registration_to_a_shutdown_that_the_controller_knows_of() {
    let controller = controller_with(&topic("post"));
    let dir = Arc::new(TempDir::new());
    let broker = start_in(&dir, &controller);

    let registered = controller.asked::<BrokerRegistrationRequest>().pop().unwrap();
    assert_eq!((registered.broker_id, &*registered.cluster_id), (BROKER_ID, CLUSTER_ID));
    assert_eq!(registered.rack.as_deref(), Some("north"));
    assert_eq!(registered.previous_broker_epoch, -1);
    let listener = &registered.listeners[0];
    assert_eq!((&*listener.name, listener.port), ("PLAINTEXT", broker.port()));
    assert_eq!(registered.log_dirs.len(), 1);
    assert_ne!(registered.log_dirs[0], Uuid::ZERO);
    let meta = fs::read_to_string(dir.join(META)).unwrap();
    assert!(meta.contains(&format!("version=1\ncluster.id={CLUSTER_ID}\nnode.id=1\n")), "{meta}");

    let mut client = broker.connect();
    assert_eq!(client.produce("post", 0, &support::records::batch(&[b"x"])).error_code, 0);
    let fetched = client.fetch("post", 0, 0);
    assert_eq!((fetched.error, fetched.high_watermark), (0, 1));

    let epoch = controller.change(|it| it.broker_epochs[&BROKER_ID]);
    broker.shutdown().unwrap();
    let last = controller.asked::<BrokerHeartbeatRequest>().pop().unwrap();
    assert!(last.want_shut_down, "after that the controller hears nothing");
    let marker = fs::read_to_string(dir.join(MARKER)).unwrap();
    assert_eq!(marker, format!("{{\"version\":0,\"brokerEpoch\":{epoch}}}"));

    let again = start_in(&dir, &controller);
    let registered_again = controller.asked::<BrokerRegistrationRequest>().pop().unwrap();
    assert_eq!(registered_again.previous_broker_epoch, epoch);
    assert_eq!(registered_again.log_dirs, registered.log_dirs);
    assert_ne!(registered_again.incarnation_id, registered.incarnation_id);
    assert_eq!(again.connect().fetch("post", 0, 0).high_watermark, 1);
    again.shutdown().unwrap();
}

/// Only then may it be elected: it has taken over what it leads (KAFKA-13836).
#[test]
fn a_broker_asks_to_be_unfenced_when_it_has_published_what_it_tells_the_controller() {
    let controller = controller_with(&topic("post"));
    let end = controller.change(|it| it.log.end_offset());
    let broker = start_in(&Arc::new(TempDir::new()), &controller);
    let heartbeats = controller.asked::<BrokerHeartbeatRequest>();
    let unfencing = heartbeats.iter().find(|it| !it.want_fence).unwrap();
    assert!(unfencing.current_metadata_offset >= end, "{unfencing:?}");
    let epoch = controller.change(|it| it.broker_epochs[&BROKER_ID]);
    assert!(heartbeats.iter().all(|it| it.broker_epoch == epoch && !it.want_shut_down));
    broker.shutdown().unwrap();
}

#[test]
fn a_broker_that_the_controller_has_forgotten_registers_again_with_the_same_incarnation() {
    let controller = controller_with(&[]);
    let broker = start_in(&Arc::new(TempDir::new()), &controller);
    let stale = BrokerHeartbeatResponse {
        error_code: Errors::StaleBrokerEpoch.code(),
        ..BrokerHeartbeatResponse::default()
    };
    controller.script_once::<BrokerHeartbeatRequest>(move |_| Answer::Send(stale.clone()));
    let registrations = controller.wait_for_requests::<BrokerRegistrationRequest>(2);
    assert_eq!(registrations[0].incarnation_id, registrations[1].incarnation_id);
    broker.shutdown().unwrap();
}

#[test]
fn a_refused_broker_says_why_and_leaves_its_directory_to_the_next_start() {
    let controller = controller_with(&[]);
    controller.change(|it| it.finalized_features.push(("group.version".to_string(), 1)));
    let refused = BrokerRegistrationResponse {
        error_code: Errors::UnsupportedVersion.code(),
        ..BrokerRegistrationResponse::default()
    };
    controller.script::<BrokerRegistrationRequest>(move |_| Answer::Send(refused.clone()));
    let dir = Arc::new(TempDir::new());
    let error = start_error(&dir, &controller);
    assert!(error.contains("UNSUPPORTED_VERSION (35)"), "{error}");
    assert!(error.contains("group.version at 1, which this broker does not have"), "{error}");
    assert!(error.contains("--release-version 3.9"), "{error}");
    controller.unscript::<BrokerRegistrationRequest>();
    start_in(&dir, &controller).shutdown().unwrap();
}

#[test]
fn a_directory_of_another_cluster_is_not_taken_into_this_one() {
    let controller = controller_with(&[]);
    let dir = Arc::new(TempDir::new());
    let others = "version=1\ncluster.id=BBBBBBBBBBBBBBBBBBBBBB\nnode.id=1\n\
                  directory.id=AAAAAAAAAAAAAAAAAAAAZQ\n";
    fs::write(dir.join(META), others).unwrap();
    // So that it is the controller that notices, as one of an older version does.
    let of_others = |it: &BrokerRegistrationRequest| {
        assert_eq!(it.cluster_id, "BBBBBBBBBBBBBBBBBBBBBB");
        Answer::Send(BrokerRegistrationResponse {
            error_code: Errors::InconsistentClusterId.code(),
            ..BrokerRegistrationResponse::default()
        })
    };
    controller.script::<BrokerRegistrationRequest>(of_others);
    controller.change(|it| it.cluster_id = "BBBBBBBBBBBBBBBBBBBBBB".to_string());
    let error = start_error(&dir, &controller);
    assert!(error.contains("INCONSISTENT_CLUSTER_ID (104)"), "{error}");
    assert!(error.contains("meta.properties says which"), "{error}");
    assert_eq!(fs::read_to_string(dir.join(META)).unwrap(), others);
}

/// What a controller of today says to the first fetch already.
#[test]
fn controllers_that_are_all_of_another_cluster_end_a_start_at_once() {
    let controller = controller_with(&[]);
    let dir = Arc::new(TempDir::new());
    let others = "version=1\ncluster.id=BBBBBBBBBBBBBBBBBBBBBB\nnode.id=1\n\
                  directory.id=AAAAAAAAAAAAAAAAAAAAZQ\n";
    fs::write(dir.join(META), others).unwrap();
    let error = start_error(&dir, &controller);
    assert!(error.contains("of another cluster than BBBBBBBBBBBBBBBBBBBBBB"), "{error}");
    assert!(error.contains("meta.properties") && error.contains("log.dirs"), "{error}");
    assert_eq!(fs::read_to_string(dir.join(META)).unwrap(), others);
}

#[test]
fn without_a_controller_a_start_ends_when_its_time_is_over_and_names_the_address() {
    let controller = controller_with(&[]);
    let mut settings = settings(&controller);
    drop(controller);
    settings.push(("initial.broker.registration.timeout.ms".to_string(), "300".to_string()));
    let dir = TempDir::new();
    let error = Broker::start_error(&dir, &borrowed(&settings), |it| it);
    assert!(error.contains("has told the id of the cluster within 300 ms"), "{error}");
    assert!(error.contains(&settings[2].1), "{error}");
    assert!(error.ends_with("; check that a controller runs there"), "{error}");
    assert!(!dir.join(META).exists(), "it belongs to nobody");
}

#[test]
fn a_start_that_waits_for_a_name_without_an_address_says_to_look_for_the_controller() {
    let controller = controller_with(&[]);
    let mut settings = settings(&controller);
    settings[2].1 = "nowhere.invalid:9093".to_string();
    settings.push(("initial.broker.registration.timeout.ms".to_string(), "300".to_string()));
    let error = Broker::start_error(&TempDir::new(), &borrowed(&settings), |it| it);
    assert!(error.contains("nowhere.invalid:9093 has told"), "{error}");
    assert!(error.ends_with("; check that a controller runs there"), "{error}");
}

#[test]
fn a_start_that_a_node_has_answered_ends_with_what_is_wrong_there_and_no_other_advice() {
    let controller = controller_with(&[]);
    controller.script::<DescribeClusterRequest>(|_| {
        let error_code = Errors::MismatchedEndpointType.code();
        Answer::Send(DescribeClusterResponse { error_code, ..Default::default() })
    });
    let mut settings = settings(&controller);
    settings.push(("initial.broker.registration.timeout.ms".to_string(), "300".to_string()));
    let error = Broker::start_error(&TempDir::new(), &borrowed(&settings), |it| it);
    let why = "it is a broker: give the address of a controller's listener";
    assert!(error.ends_with(why), "{error}");
}

#[test]
fn a_start_whose_controller_answers_by_tls_says_so_first() {
    let node = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = node.local_addr().unwrap().to_string();
    let mut settings = settings(&controller_with(&[]));
    settings[2].1.clone_from(&address);
    settings.push(("initial.broker.registration.timeout.ms".to_string(), "1".to_string()));
    let answering = thread::spawn(move || {
        // A connection without a request is the end.
        for mut client in node.incoming().map(Result::unwrap) {
            if client.read(&mut [0; 1024]).unwrap() == 0 {
                break;
            }
            client.write_all(&[0x15, 3, 3, 0]).unwrap();
            client.read_to_end(&mut Vec::new()).unwrap();
        }
    });
    let error = Broker::start_error(&TempDir::new(), &borrowed(&settings), |it| it);
    drop(TcpStream::connect(&address).unwrap());
    answering.join().unwrap();
    let why = format!(
        "{address}: the node answers by TLS: `listener.security.protocol.map` must have SSL or SASL_SSL for its \
         listener"
    );
    assert!(error.ends_with(&why), "{error}");
}

#[test]
fn a_start_that_waits_for_a_controller_can_be_ended() {
    let controller = controller_with(&[]);
    controller.script::<BrokerRegistrationRequest>(|_| Answer::Silence);
    let dir = TempDir::new();
    let cancellation = Arc::<StartCancellation>::default();
    thread::scope(|scope| {
        let of_start = Arc::clone(&cancellation);
        let (dir, settings) = (&dir, settings(&controller));
        let start = scope.spawn(move || {
            Broker::start_error(dir, &borrowed(&settings), |it| it.cancellation(of_start))
        });
        controller.wait_for_requests::<BrokerRegistrationRequest>(1);
        cancellation.cancel();
        let error = start.join().unwrap();
        assert!(error.contains("shuts down"), "{error}");
    });
}
