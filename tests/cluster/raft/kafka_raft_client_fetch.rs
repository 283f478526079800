//! Port of Kafka's `KafkaRaftClientFetchTest` and of what `KafkaRaftClientTest` asks of observers: how they
//! fetch, and what of it they hand on.

use transferto::config::quorum_config::QuorumVoter;
use transferto::protocol::fetch::{
    FetchRequest, FetchResponse, FetchResponsePartition, FetchResponseTopic,
};
use transferto::raft::quorum::ControllerNodeProvider;
use transferto::raft::raft_config::RaftConfig;

use crate::raft::recording_listener::{Followed, NODE_ID, Observing, config};
use crate::scripted_controller::{
    Answer, CLUSTER_ID, METADATA_TOPIC_ID, NO_OP, ScriptedController,
};
use crate::scripted_log::data_batch;

fn value(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

#[test]
fn an_observer_asks_as_the_controllers_check_it() {
    let controller = ScriptedController::start(100);
    controller.append(&[value("a"), value("b")]);
    let observing = Observing::of(&[controller.addr()]);
    observing.wait_for_values(2);
    let asked = controller.wait_for_requests::<FetchRequest>(3);
    for request in &asked {
        assert_eq!(request.cluster_id.as_deref(), Some(CLUSTER_ID));
        let replica = (request.replica_state.replica_id, request.replica_state.replica_epoch);
        assert_eq!(replica, (NODE_ID, -1));
        assert_eq!((request.session_id, request.session_epoch), (0, -1), "no session");
        assert_eq!((request.max_wait_ms, request.max_bytes), (500, 1024 * 1024));
        assert_eq!(request.topics[0].topic_id, METADATA_TOPIC_ID);
    }
    let asked = asked.iter().map(|it| &it.topics[0].partitions[0]);
    let positions =
        asked.map(|it| (it.current_leader_epoch, it.fetch_offset, it.last_fetched_epoch));
    assert_eq!(positions.take(3).collect::<Vec<_>>(), [(0, 0, 0), (1, 0, 0), (1, 2, 1)]);
    let versions = controller.asked_all();
    assert_eq!(versions.iter().filter(|it| it.api_key == 1 && it.version == 17).count(), 3);
}

/// Port of `KafkaRaftClientTest.testObserverReplication`,
/// `KafkaRaftClientTest.testHandleCommitCallbackFiresAfterFollowerHighWatermarkAdvances` and
/// `KafkaRaftClientTest.testEmptyRecordSetInFetchResponse`.
#[test]
fn only_what_is_committed_is_handed_on() {
    let controller = ScriptedController::start(100);
    let observing = Observing::of(&[controller.addr()]);
    controller.append(&[value("a")]);
    observing.wait_for_values(1);
    controller.append_uncommitted(&[value("b"), value("c")]);
    // It has fetched them when it asks for what follows.
    controller.wait_until("the fetch behind them", |state| {
        let asked = state.requests::<FetchRequest>();
        asked.iter().any(|it| it.topics[0].partitions[0].fetch_offset == 3).then_some(())
    });
    assert_eq!(observing.followed().records.len(), 1);
    controller.commit();
    assert_eq!(observing.wait_for_values(3), [value("a"), value("b"), value("c")]);
    assert_eq!(observing.followed().high_watermark, 3);
}

/// Port of `KafkaRaftClientFetchTest.testSentFetchUsesQuorumMaxBytesConfiguration`. The listener learns the
/// leader's own high watermark, or it would take the first answer for all there is.
#[test]
fn the_high_watermark_is_that_of_the_leader_and_not_of_what_was_fetched() {
    let controller = ScriptedController::start(100);
    for number in 0..20_u8 {
        controller.append(&[vec![number; 1000]]);
    }
    let config = RaftConfig { fetch_bytes_max: 2_000, ..config(&[controller.addr()]) };
    let observing = Observing::with(config, Followed::default());
    let first = observing.wait_until("the first", |it| !it.records.is_empty());
    assert_eq!(first.high_watermark, 20);
    assert_eq!(observing.wait_for_values(20).len(), 20);
    assert!(controller.asked::<FetchRequest>().len() > 10, "piece by piece");
}

#[test]
fn control_batches_take_offsets_and_are_handed_on_as_well() {
    let controller = ScriptedController::start(100);
    controller.append_control(2, &[0, 0, 0, 0, 0, 100, 1, 1, 0]);
    controller.append(&[value("a")]);
    let observing = Observing::of(&[controller.addr()]);
    let followed = observing.wait_until("the record", |it| !it.records.is_empty());
    assert_eq!(followed.records, [(1, value("a"))]);
}

/// The answer's last batch is cut where the bytes end.
#[test]
fn a_batch_that_is_cut_off_comes_whole_with_the_next_answer() {
    let controller = ScriptedController::start(100);
    controller.append(&[value("a")]);
    controller.append(&[value("b")]);
    let cut = |request: &FetchRequest| {
        let asked = &request.topics[0].partitions[0];
        assert_eq!(asked.fetch_offset, 0);
        let whole = data_batch(0, 1, &[value("a")]);
        let records = [&whole[..], &data_batch(1, 1, &[value("b")])[..65]].concat();
        let mut response = FetchResponse::default();
        let mut topic = FetchResponseTopic::default();
        topic.header.topic_id = METADATA_TOPIC_ID;
        let mut partition = FetchResponsePartition::default();
        partition.header.high_watermark = 2;
        (partition.current_leader.leader_id, partition.current_leader.leader_epoch) = (100, 1);
        partition.records = Some(0..records.len());
        topic.partitions = vec![partition];
        response.topics = vec![topic];
        Answer::SendRecords(response, records)
    };
    // The first fetch is that which learns the epoch.
    controller.script_once(|_: &FetchRequest| Answer::HangUp);
    controller.script_once(cut);
    let observing = Observing::of(&[controller.addr()]);
    assert_eq!(observing.wait_for_values(2), [value("a"), value("b")]);
    let asked = controller.asked::<FetchRequest>();
    assert_eq!(asked[2].topics[0].partitions[0].fetch_offset, 1);
}

#[test]
fn an_older_controller_is_asked_in_the_versions_that_it_has() {
    for (newest, expected) in [(12, 12), (13, 13), (15, 15), (18, 17)] {
        let controller = ScriptedController::start(100);
        controller.change(|state| {
            state.supported_versions.iter_mut().find(|it| it.0 == 1).unwrap().2 = newest;
        });
        controller.append(&[NO_OP.to_vec()]);
        // Before version 16 an answer does not say where the leader is: the settings do.
        let voter = QuorumVoter {
            id: 100,
            address: config(&[controller.addr()]).bootstrap_servers.remove(0),
        };
        let config =
            RaftConfig { bootstrap_servers: Vec::new(), voters: vec![voter], ..config(&[]) };
        let observing = Observing::with(config, Followed::default());
        observing.wait_for_values(1);
        let asked = controller.asked_all();
        let version = asked.iter().find(|it| it.api_key == 1).unwrap().version;
        assert_eq!(version, expected);
    }
}

/// Else what goes to the active controller would wait for ever.
#[test]
fn a_leader_of_an_older_version_is_where_it_was_asked() {
    let controller = ScriptedController::start(100);
    controller.append(&[value("a")]);
    controller.change(|state| {
        state.supported_versions.iter_mut().find(|it| it.0 == 1).unwrap().2 = 15;
    });
    let observing = Observing::of(&[controller.addr()]);
    observing.wait_for_values(1);
    let node = observing.client.active_controller().unwrap();
    assert_eq!((node.id, node.port), (100, controller.addr().port()));
}
