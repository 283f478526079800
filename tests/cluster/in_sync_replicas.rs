//! A leader, a follower that the test plays, and the controller: who is in sync.

use std::sync::Arc;

use support::broker::Broker;
use support::client::{Client, fetch_request};
use support::records::batch;
use support::temp::TempDir;
use support::wait::wait_until;
use transferto::common::errors::Errors;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::image::leader_recovery_state::LeaderRecoveryState;
use transferto::image::metadata_image::MetadataImage;
use transferto::image::records::broker_records::RegisterBrokerRecord;
use transferto::image::records::metadata_record::{MetadataRecord, RecordAndVersion};
use transferto::image::records::topic_records::{
    PartitionChangeRecord, PartitionRecord, TopicRecord,
};
use transferto::image::topic_image::PartitionRegistration;
use transferto::protocol::alter_partition::{
    AlterPartitionRequest, AlterPartitionResponse, BrokerState, PartitionData, TopicData,
};
use transferto::protocol::wire::uuid::Uuid;
use transferto::replica::partition::Partition;

use crate::alter_partition_rules::alter_partitions;
use crate::broker_server::{borrowed, controller_with, settings};
use crate::images::{changed, of_listeners};
use crate::scene::BROKER_ID;
use crate::scripted_controller::{Answer, ScriptedController};

const FOLLOWER_ID: i32 = 2;
const TOPIC_ID: [u8; 16] = [7; 16];
/// At which a shrinking ISR ends no leader epoch.
const METADATA_VERSION: i16 = 21;

/// The follower is registered in epoch 1, and a replica of the partition.
pub(crate) fn records(isr: &[i32]) -> Vec<MetadataRecord> {
    let registration = RegisterBrokerRecord {
        broker_id: FOLLOWER_ID,
        broker_epoch: 1,
        ..of_listeners(&["PLAINTEXT"])
    };
    let partition = PartitionRecord {
        partition_id: 0,
        topic_id: Uuid(TOPIC_ID),
        replicas: vec![BROKER_ID, FOLLOWER_ID],
        isr: isr.to_vec(),
        leader: BROKER_ID,
        leader_epoch: 3,
        partition_epoch: 5,
        ..PartitionRecord::default()
    };
    let topic = TopicRecord { name: "post".to_string(), topic_id: Uuid(TOPIC_ID) };
    vec![
        MetadataRecord::RegisterBroker(registration),
        MetadataRecord::Topic(topic),
        MetadataRecord::Partition(partition),
    ]
}

fn start(controller: &ScriptedController, lag_time_max_ms: &str) -> (Broker, Arc<Partition>) {
    let mut settings = settings(controller);
    for (name, value) in
        [("replica.lag.time.max.ms", lag_time_max_ms), ("replica.fetch.wait.max.ms", "50")]
    {
        settings.push((name.to_string(), value.to_string()));
    }
    let broker = Broker::start_in(Arc::new(TempDir::new()), &borrowed(&settings));
    let key = TopicAndPartition::new("post", 0);
    let partition = broker.server().replica_manager().local_logs().get_partition(&key).unwrap();
    (broker, partition)
}

pub(crate) fn fetch_as_follower(client: &mut Client, offset: i64) {
    let mut request = fetch_request("post", 0, offset);
    (request.replica_id, request.max_wait_ms) = (FOLLOWER_ID, 0);
    assert_eq!(client.fetch_with(12, request).remove(0).error, 0);
}

/// As the controller has it.
fn registered(controller: &ScriptedController) -> PartitionRegistration {
    let image = controller.change(|it| it.log.image());
    image.topics.partition("post", 0).unwrap().clone()
}

#[test]
fn a_follower_that_has_caught_up_is_in_sync_when_the_controller_says_so() {
    let controller = controller_with(&records(&[BROKER_ID]));
    let (broker, partition) = start(&controller, "30000");
    let mut client = broker.connect();
    assert_eq!(client.produce("post", 0, &batch(&[b"x"])).error_code, 0);
    fetch_as_follower(&mut client, 0);
    assert_eq!(controller.asked::<AlterPartitionRequest>(), [], "it has nothing yet");
    fetch_as_follower(&mut client, 1);
    wait_until("the answer", || partition.state().in_sync_replicas() == 2);
    let registered = registered(&controller);
    assert_eq!(registered.isr[..], [BROKER_ID, FOLLOWER_ID]);
    assert_eq!((registered.leader_epoch.0, registered.partition_epoch), (3, 6));
    let state = partition.state();
    assert_eq!((state.leader_epoch.0, state.partition_epoch), (3, 6));
    broker.shutdown().unwrap();
}

#[test]
fn a_follower_that_stays_away_is_taken_out_and_what_waits_for_it_goes_on() {
    let controller = controller_with(&records(&[BROKER_ID, FOLLOWER_ID]));
    let (broker, partition) = start(&controller, "100");
    let produced = broker.connect().produce_with(9, -1, ("post", 0), &batch(&[b"x"]));
    assert_eq!(produced.error_code, 0);
    assert_eq!(partition.state().in_sync_replicas(), 1);
    assert_eq!(registered(&controller).isr[..], [BROKER_ID]);
    broker.shutdown().unwrap();
}

/// The controller may have granted it, and have elected the follower.
#[test]
fn a_change_that_the_controller_does_not_answer_is_asked_for_until_it_does() {
    let controller = controller_with(&records(&[BROKER_ID]));
    let refused = AlterPartitionResponse {
        error_code: Errors::UnknownServerError.code(),
        ..AlterPartitionResponse::default()
    };
    controller.script_once::<AlterPartitionRequest>(|_| Answer::HangUp);
    controller.script_once::<AlterPartitionRequest>(move |_| Answer::Send(refused.clone()));
    let (broker, partition) = start(&controller, "30000");
    fetch_as_follower(&mut broker.connect(), 0);
    wait_until("the answer", || partition.state().in_sync_replicas() == 2);
    let asked = controller.asked::<AlterPartitionRequest>();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|it| it.topics == asked[0].topics), "{asked:?}");
    broker.shutdown().unwrap();
}

/// The records beside the answer, which the controller writes.
fn granted(
    image: &MetadataImage,
    version: i16,
    change: PartitionData,
) -> (AlterPartitionResponse, Vec<MetadataRecord>) {
    let topics = vec![TopicData { topic_id: Uuid(TOPIC_ID), partitions: vec![change] }];
    let request = AlterPartitionRequest { broker_id: BROKER_ID, broker_epoch: 2, topics };
    alter_partitions(image, version, &request)
}

fn image_of(records: &[MetadataRecord]) -> MetadataImage {
    let mut image = MetadataImage::default();
    for record in records {
        // As they are in the log.
        let bytes = RecordAndVersion::from(record.clone()).to_bytes();
        image.replay(&RecordAndVersion::read(&bytes).unwrap().record).unwrap();
    }
    image
}

fn with_leader(isr: &[i32]) -> MetadataImage {
    let registration = RegisterBrokerRecord {
        broker_id: BROKER_ID,
        broker_epoch: 2,
        ..of_listeners(&["PLAINTEXT"])
    };
    let mut records = records(isr);
    records.push(MetadataRecord::RegisterBroker(registration));
    image_of(&records)
}

fn proposal(isr: &[(i32, i64)]) -> PartitionData {
    let broker = |&(broker_id, broker_epoch): &(i32, i64)| BrokerState { broker_id, broker_epoch };
    PartitionData {
        leader_epoch: 3,
        partition_epoch: 5,
        new_isr_with_epochs: isr.iter().map(broker).collect(),
        ..PartitionData::default()
    }
}

#[test]
fn the_controller_of_the_tests_refuses_what_kafkas_refuses() {
    const OURS: (i32, i64) = (BROKER_ID, 2);
    const FOLLOWERS: (i32, i64) = (FOLLOWER_ID, 1);
    let image = with_leader(&[BROKER_ID]);
    let change = || proposal(&[OURS, FOLLOWERS]);
    let cases = [
        (PartitionData { partition_index: 1, ..change() }, Errors::UnknownTopicOrPartition),
        (PartitionData { leader_epoch: 4, ..change() }, Errors::NotController),
        (PartitionData { partition_epoch: 6, ..change() }, Errors::NotController),
        (PartitionData { leader_epoch: 2, ..change() }, Errors::FencedLeaderEpoch),
        (PartitionData { partition_epoch: 4, ..change() }, Errors::InvalidUpdateVersion),
        (proposal(&[FOLLOWERS]), Errors::InvalidRequest),
        (proposal(&[OURS, OURS]), Errors::InvalidRequest),
        (proposal(&[OURS, (3, 3)]), Errors::InvalidRequest),
        (PartitionData { leader_recovery_state: 1, ..proposal(&[OURS]) }, Errors::InvalidRequest),
        (proposal(&[OURS, (FOLLOWER_ID, 0)]), Errors::IneligibleReplica),
    ];
    for (change, error) in cases {
        let (response, records) = granted(&image, METADATA_VERSION, change.clone());
        assert_eq!(response.topics[0].partitions[0].error_code, error.code(), "{change:?}");
        assert!(records.is_empty());
    }
    let mut shutting_down = image.clone();
    let stopping = RegisterBrokerRecord {
        broker_id: FOLLOWER_ID,
        broker_epoch: 1,
        in_controlled_shutdown: true,
        ..of_listeners(&[])
    };
    shutting_down.replay(&MetadataRecord::RegisterBroker(stopping)).unwrap();
    let (response, _) = granted(&shutting_down, METADATA_VERSION, change());
    let error = response.topics[0].partitions[0].error_code;
    assert_eq!(error, Errors::IneligibleReplica.code());
    let other_leader = PartitionChangeRecord { leader: FOLLOWER_ID, ..changed(TOPIC_ID, 0) };
    let mut led_by_other = image.clone();
    led_by_other.replay(&MetadataRecord::PartitionChange(other_leader)).unwrap();
    let of_now = PartitionData { leader_epoch: 4, partition_epoch: 6, ..change() };
    let (response, _) = granted(&led_by_other, METADATA_VERSION, of_now);
    assert_eq!(response.topics[0].partitions[0].error_code, Errors::InvalidRequest.code());
}

#[test]
fn the_controller_of_the_tests_writes_what_changes_and_nothing_else() {
    let mut image = with_leader(&[BROKER_ID, FOLLOWER_ID]);
    let same = proposal(&[(BROKER_ID, 2), (FOLLOWER_ID, 1)]);
    let (response, records) = granted(&image, METADATA_VERSION, same);
    assert_eq!(response.topics[0].partitions[0].partition_epoch, 5);
    assert!(records.is_empty());

    let alone = proposal(&[(BROKER_ID, 2)]);
    for (version, leader_epoch) in [(METADATA_VERSION, 3), (11, 4)] {
        let (response, records) = granted(&image, version, alone.clone());
        let it = &response.topics[0].partitions[0];
        assert_eq!((it.leader_epoch, it.partition_epoch), (leader_epoch, 6));
        assert_eq!((records.len(), &it.isr[..]), (1, &[BROKER_ID][..]));
    }
    let unclean = PartitionChangeRecord {
        isr: Some(vec![BROKER_ID]),
        leader_recovery_state: 1,
        ..changed(TOPIC_ID, 0)
    };
    image.replay(&MetadataRecord::PartitionChange(unclean)).unwrap();
    let recovered = PartitionData { partition_epoch: 6, ..alone };
    let (response, records) = granted(&image, METADATA_VERSION, recovered);
    assert_eq!(response.topics[0].partitions[0].error_code, 0);
    records.iter().for_each(|it| image.replay(it).unwrap());
    let partition = image.topics.partition("post", 0).unwrap();
    assert_eq!(partition.leader_recovery_state, LeaderRecoveryState::Recovered);
}
