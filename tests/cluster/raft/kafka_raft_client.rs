//! Port of what Kafka's `KafkaRaftClientTest` asks of observers: how they find the leader, and follow the
//! quorum to the next one.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::{Duration, Instant};

use support::wait::{PATIENCE, wait_for, wait_until};
use transferto::protocol::fetch::{FetchRequest, FetchResponse};
use transferto::protocol::quorum_records::{
    KRaftVersionFeature, QuorumRecord, Voter, VoterEndpoint, VotersRecord,
};
use transferto::protocol::wire::uuid::Uuid;
use transferto::raft::kafka_raft_client::KafkaRaftClient;
use transferto::raft::quorum::{ControllerNodeProvider, LeaderAndEpoch};
use transferto::raft::raft_config::RaftConfig;
use transferto::raft::raft_fault::RaftFault;
use transferto::raft::raft_listener::{MetadataFault, RaftListener, SnapshotId};

use crate::raft::recording_listener::{Followed, Observing, config};
use crate::scripted_controller::{Answer, ScriptedController};

fn value(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

fn leader(leader_id: i32, epoch: i32) -> LeaderAndEpoch {
    LeaderAndEpoch { leader_id: Some(leader_id), epoch }
}

/// Where nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Two controllers with the same log of one record, of which the first leads.
fn quorum() -> (ScriptedController, ScriptedController) {
    let (first, second) = (ScriptedController::start(100), ScriptedController::start(101));
    for controller in [&first, &second] {
        controller.append(&[value("a")]);
    }
    second.set_leader(Some((100, first.addr())), 1);
    (first, second)
}

/// Has the second of two controllers lead in `epoch`, with a record more; the first knows it, if it is alive.
fn elect_second(first: Option<&ScriptedController>, second: &ScriptedController, epoch: i32) {
    second.set_leader(Some((101, second.addr())), epoch);
    if let Some(first) = first {
        first.set_leader(Some((101, second.addr())), epoch);
    }
    second.append(&[value("of the new leader")]);
}

/// Port of `KafkaRaftClientTest.testInitializeObserverNoPreviousState`.
#[test]
fn any_controller_names_the_leader() {
    let (first, second) = quorum();
    let observing = Observing::of(&[second.addr()]);
    observing.wait_for_values(1);
    assert_eq!(observing.client.leader_and_epoch(), leader(100, 1));
    let node = observing.client.active_controller().unwrap();
    assert_eq!((node.id, node.port), (100, first.addr().port()));
    assert_eq!(second.asked::<FetchRequest>().len(), 1, "it is asked once");
}

/// Port of `KafkaRaftClientTest.testObserverQuorumDiscoveryFailure` and
/// `KafkaRaftClientTest.testObserverHandleRetryFetchtToBootstrapServer`.
#[test]
fn a_controller_that_cannot_be_reached_is_passed_over() {
    let controller = ScriptedController::start(100);
    controller.append(&[value("a")]);
    let observing = Observing::of(&[nobody(), nobody(), controller.addr()]);
    observing.wait_for_values(1);
}

/// Port of `KafkaRaftClientTest.testObserverHandleRetryFetchToLeader`.
#[test]
fn a_leader_that_goes_away_is_replaced_by_the_one_that_another_names() {
    let (first, second) = quorum();
    let observing = Observing::of(&[first.addr(), second.addr()]);
    observing.wait_for_values(1);
    drop(first);
    elect_second(None, &second, 2);
    assert_eq!(observing.wait_for_values(2)[1], value("of the new leader"));
    assert_eq!(observing.client.leader_and_epoch(), leader(101, 2));
    assert_eq!(observing.client.active_controller().unwrap().id, 101);
}

#[test]
fn a_leader_that_has_lost_its_place_names_the_next_one() {
    let (first, second) = quorum();
    let observing = Observing::of(&[first.addr()]);
    observing.wait_for_values(1);
    elect_second(Some(&first), &second, 2);
    assert_eq!(observing.wait_for_values(2)[1], value("of the new leader"));
}

/// Port of `KafkaRaftClientTest.testObserverLeaderRediscoveryAfterBrokerNotAvailableError`.
#[test]
fn a_leader_that_shuts_down_is_left_for_another_controller() {
    let (first, second) = quorum();
    let observing = Observing::of(&[first.addr(), second.addr()]);
    observing.wait_for_values(1);
    first.script(|_: &FetchRequest| {
        let mut response = FetchResponse::default();
        response.header.error_code = 8;
        Answer::Send(response)
    });
    elect_second(None, &second, 2);
    assert_eq!(observing.wait_for_values(2)[1], value("of the new leader"));
}

/// Port of `KafkaRaftClientTest.testObserverSendDiscoveryFetchAfterFetchTimeout` and
/// `KafkaRaftClientTest.testObserverLeaderRediscoveryAfterRequestTimeout`. A leader that is cut off from the
/// others may keep its connections open, and say nothing.
#[test]
fn a_leader_that_falls_silent_is_given_up_after_the_request_timeout() {
    let (first, second) = quorum();
    let config = RaftConfig {
        request_timeout: Duration::from_millis(300),
        fetch_timeout: Duration::from_millis(300),
        ..config(&[first.addr(), second.addr()])
    };
    let observing = Observing::with(config, Followed::default());
    observing.wait_for_values(1);
    first.script(|_: &FetchRequest| Answer::Silence);
    first.hang_up(); // Its next answer would be that there is nothing new.
    elect_second(None, &second, 2);
    assert_eq!(observing.wait_for_values(2)[1], value("of the new leader"));
    assert_eq!(observing.client.leader_and_epoch(), leader(101, 2));
}

/// The old leader comes back, and says what it knew.
#[test]
fn an_older_epoch_is_no_news() {
    let (first, second) = quorum();
    let observing = Observing::of(&[first.addr(), second.addr()]);
    observing.wait_for_values(1);
    // Only the second knows it; the first goes on as if it led.
    second.set_leader(Some((101, second.addr())), 2);
    second.append(&[value("of the new leader")]);
    first.script(|_: &FetchRequest| Answer::HangUp);
    first.hang_up();
    observing.wait_for_values(2);
    first.unscript::<FetchRequest>();
    second.script(|_: &FetchRequest| Answer::HangUp);
    second.hang_up();
    let before = first.asked::<FetchRequest>().len();
    first.wait_for_requests::<FetchRequest>(before + 1);
    second.unscript::<FetchRequest>();
    second.append(&[value("later")]);
    observing.wait_for_values(3);
    assert_eq!(observing.client.leader_and_epoch(), leader(101, 2));
}

#[test]
fn while_an_election_runs_the_observer_waits_for_its_outcome() {
    let (first, second) = quorum();
    let observing = Observing::of(&[first.addr(), second.addr()]);
    observing.wait_for_values(1);
    for controller in [&first, &second] {
        controller.set_leader(None, 2);
    }
    wait_until("an epoch without leader", || {
        observing.client.leader_and_epoch() == LeaderAndEpoch { leader_id: None, epoch: 2 }
    });
    assert_eq!(observing.client.active_controller(), None);
    elect_second(Some(&first), &second, 2);
    observing.wait_for_values(2);
}

/// Of a quorum whose members change, the settings may name those of last year.
#[test]
fn a_record_of_the_log_says_where_the_controllers_are() {
    let (first, second) = quorum();
    let end_point = VoterEndpoint {
        name: "CONTROLLER".to_string(),
        host: "127.0.0.1".to_string(),
        port: second.addr().port(),
    };
    let voters = VotersRecord {
        version: 0,
        voters: vec![Voter {
            voter_id: 101,
            voter_directory_id: Uuid::ZERO,
            endpoints: vec![end_point],
            k_raft_version_feature: KRaftVersionFeature::default(),
        }],
    };
    let (_, record) = QuorumRecord::KRaftVoters(voters).to_bytes();
    for controller in [&first, &second] {
        controller.append_control(6, &record);
    }
    let observing = Observing::of(&[first.addr()]);
    observing.wait_until("the record", |it| it.high_watermark == 2);
    drop(first);
    elect_second(None, &second, 2);
    observing.wait_for_values(2);
}

/// Port of `KafkaRaftClientTest.testFollowerLogReconciliation`.
#[test]
fn what_a_fallen_leader_had_not_committed_is_dropped() {
    let (first, second) = quorum();
    let observing = Observing::of(&[first.addr(), second.addr()]);
    observing.wait_for_values(1);
    first.append_uncommitted(&[value("lost"), value("lost, too")]);
    first.wait_until("the fetch behind them", |state| {
        let asked = state.requests::<FetchRequest>();
        asked.iter().any(|it| it.topics[0].partitions[0].fetch_offset == 3).then_some(())
    });
    elect_second(None, &second, 2);
    first.set_leader(Some((101, second.addr())), 2);
    let values = observing.wait_for_values(2);
    assert_eq!(values, [value("a"), value("of the new leader")]);
}

#[test]
fn a_quorum_that_has_lost_what_it_had_committed_is_a_fault() {
    let (first, second) = quorum();
    first.append(&[value("b"), value("c")]);
    let observing = Observing::of(&[first.addr(), second.addr()]);
    observing.wait_for_values(3);
    second.set_leader(Some((101, second.addr())), 2);
    first.set_leader(Some((101, second.addr())), 2);
    let fault = observing.wait_for_fault();
    assert!(fault.contains("lost what they had committed"), "{fault}");
}

#[test]
fn two_leaders_of_one_epoch_are_a_fault() {
    let (first, second) = quorum();
    second.set_leader(Some((101, second.addr())), 1);
    let observing = Observing::of(&[first.addr(), second.addr()]);
    let known = wait_for("the first leader", || observing.client.leader_and_epoch().leader_id);
    let (leading, other) = if known == 100 { (&first, &second) } else { (&second, &first) };
    leading.script(|_: &FetchRequest| Answer::HangUp);
    leading.hang_up();
    other.wait_for_requests::<FetchRequest>(1);
    let fault = observing.wait_for_fault();
    assert!(fault.contains("both lead epoch 1"), "{fault}");
}

#[test]
fn a_record_that_the_listener_does_not_take_ends_the_observer() {
    let controller = ScriptedController::start(100);
    controller.append(&[value("a")]);
    controller.append(&[value("unknown")]);
    let followed = Followed { refused_value: Some(value("unknown")), ..Followed::default() };
    let observing = Observing::with(config(&[controller.addr()]), followed);
    assert_eq!(observing.wait_for_fault(), "offset 1: a record that nobody knows");
    let before = controller.asked::<FetchRequest>().len();
    observing.settle();
    assert_eq!(controller.asked::<FetchRequest>().len(), before);
}

/// Port of `KafkaRaftClientTest.testObserverGracefulShutdown`. KAFKA-13907: a stop must not wait for a
/// controller.
#[test]
fn a_stop_waits_for_nobody() {
    let controller = ScriptedController::start(100);
    controller.script(|_: &FetchRequest| Answer::Silence);
    let patient = RaftConfig { request_timeout: PATIENCE * 2, ..config(&[controller.addr()]) };
    let observing = Observing::with(patient, Followed::default());
    controller.wait_for_requests::<FetchRequest>(1);
    let began = Instant::now();
    observing.client.shutdown();
    assert!(began.elapsed() < PATIENCE);
    assert_eq!(observing.followed().faults, []);

    let lonely = RaftConfig { retry_backoff: PATIENCE * 2, ..config(&[nobody()]) };
    let observing = Observing::with(lonely, Followed::default());
    let began = Instant::now();
    observing.client.shutdown();
    assert!(began.elapsed() < PATIENCE);
}

/// What a fault brings down may own the observer.
#[test]
fn a_fault_may_stop_the_observer_from_its_own_thread() {
    let controller = ScriptedController::start(100);
    controller.append(&[value("unknown")]);
    let (owner, (sender, receiver)) = (Arc::new(OnceLock::new()), mpsc::channel());
    let of_handler: Arc<OnceLock<KafkaRaftClient>> = Arc::clone(&owner);
    let on_fault = Box::new(move |fault: RaftFault| {
        let client = wait_for("the client", || of_handler.get());
        client.shutdown();
        sender.send(fault).unwrap();
    });
    let client = KafkaRaftClient::start(config(&[controller.addr()]), Box::new(Refusing), on_fault);
    assert!(owner.set(client.unwrap()).is_ok());
    assert_eq!(receiver.recv_timeout(PATIENCE).unwrap().0, "refused");
}

struct Refusing;

impl RaftListener for Refusing {
    fn handle_commit(&mut self, _: &[u8], _: i64) -> Result<(), MetadataFault> {
        Err(MetadataFault("refused".to_string()))
    }

    fn handle_load_snapshot(
        &mut self,
        _: SnapshotId,
        _: &[u8],
        _: i64,
    ) -> Result<(), MetadataFault> {
        Err(MetadataFault("refused".to_string()))
    }
}
