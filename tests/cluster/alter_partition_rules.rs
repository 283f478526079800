//! Port of `ReplicationControlManager.alterPartition` and `validateAlterPartitionData`: what a controller makes of
//! a change of the replicas in sync, as a function of its image.

use std::collections::BTreeSet;

use transferto::common::errors::Errors;
use transferto::image::leader_recovery_state::LeaderRecoveryState;
use transferto::image::metadata_image::MetadataImage;
use transferto::image::records::metadata_record::MetadataRecord;
use transferto::image::records::topic_records::{NO_RECOVERY_STATE_CHANGE, PartitionChangeRecord};
use transferto::image::topic_image::PartitionRegistration;
use transferto::protocol::alter_partition::{
    AlterPartitionRequest, AlterPartitionResponse, AlteredPartitionData, AlteredTopic, BrokerState,
    PartitionData, TopicData,
};

/// From this `metadata.version` on a replica that leaves the ISR does not end the leader's epoch (KAFKA-15021).
const NO_EPOCH_BUMP_AT_SHRINK: i16 = 12;
const NO_EPOCH: i64 = -1;

/// The answer to a leader whose broker epoch is the right one, and the records by which it comes true.
pub(crate) fn alter_partitions(
    image: &MetadataImage,
    metadata_version: i16,
    request: &AlterPartitionRequest,
) -> (AlterPartitionResponse, Vec<MetadataRecord>) {
    let mut records = Vec::new();
    let mut altered = |topic: &TopicData| AlteredTopic {
        topic_id: topic.topic_id,
        partitions: topic
            .partitions
            .iter()
            .map(|asked| match alter(image, metadata_version, request.broker_id, topic, asked) {
                Err(error) => AlteredPartitionData {
                    partition_index: asked.partition_index,
                    error_code: error.code(),
                    ..AlteredPartitionData::default()
                },
                Ok((answer, record)) => {
                    records.extend(record.map(MetadataRecord::PartitionChange));
                    answer
                }
            })
            .collect(),
    };
    let topics = request.topics.iter().map(&mut altered).collect();
    (AlterPartitionResponse { topics, ..AlterPartitionResponse::default() }, records)
}

/// The answer for one partition, and the record if anything changes.
fn alter(
    image: &MetadataImage,
    metadata_version: i16,
    leader: i32,
    topic: &TopicData,
    asked: &PartitionData,
) -> Result<(AlteredPartitionData, Option<PartitionChangeRecord>), Errors> {
    let name = image.topics.name_of(&topic.topic_id.0).ok_or(Errors::UnknownTopicId)?;
    let known = image.topics.partition(name, asked.partition_index);
    let known = known.ok_or(Errors::UnknownTopicOrPartition)?;
    let isr = proposed_isr(asked);
    validate(image, known, leader, asked, &isr)?;
    let new_isr: Vec<i32> = isr.iter().map(|it| it.broker_id).collect();
    let record = PartitionChangeRecord {
        partition_id: asked.partition_index,
        topic_id: topic.topic_id,
        ..PartitionChangeRecord::default()
    };
    let mut change = record.clone();
    let is_shrunk = known.isr.iter().any(|id| !new_isr.contains(id));
    if known.isr[..] != new_isr[..] {
        change.isr = Some(new_isr);
        if is_shrunk && metadata_version < NO_EPOCH_BUMP_AT_SHRINK {
            change.leader = leader;
        }
    }
    if known.leader_recovery_state.value() != asked.leader_recovery_state {
        change.leader_recovery_state = asked.leader_recovery_state;
    }
    let change = (change != record).then_some(change);
    let mut after = image.clone();
    if let Some(change) = &change {
        after.replay(&MetadataRecord::PartitionChange(change.clone())).unwrap();
    }
    let after = after.topics.partition(name, asked.partition_index).unwrap();
    Ok((
        AlteredPartitionData {
            partition_index: asked.partition_index,
            leader_id: after.leader,
            leader_epoch: after.leader_epoch.0,
            isr: after.isr.to_vec(),
            leader_recovery_state: after.leader_recovery_state.value(),
            partition_epoch: after.partition_epoch,
            ..AlteredPartitionData::default()
        },
        change,
    ))
}

/// Version 2 has no epochs.
fn proposed_isr(asked: &PartitionData) -> Vec<BrokerState> {
    let without_epoch = |&broker_id: &i32| BrokerState { broker_id, broker_epoch: NO_EPOCH };
    match asked.new_isr.is_empty() {
        true => asked.new_isr_with_epochs.clone(),
        false => asked.new_isr.iter().map(without_epoch).collect(),
    }
}

/// The checks in Kafka's order.
fn validate(
    image: &MetadataImage,
    known: &PartitionRegistration,
    leader: i32,
    asked: &PartitionData,
    isr: &[BrokerState],
) -> Result<(), Errors> {
    let is_from_tomorrow =
        asked.leader_epoch > known.leader_epoch.0 || asked.partition_epoch > known.partition_epoch;
    let ids: BTreeSet<i32> = isr.iter().map(|it| it.broker_id).collect();
    let is_contradictory = ids.len() != isr.len()
        || !ids.contains(&leader)
        || !ids.iter().all(|id| known.replicas.contains(id));
    let is_eligible = |it: &BrokerState| {
        image.cluster.broker(it.broker_id).is_some_and(|broker| {
            let is_same = it.broker_epoch == NO_EPOCH || it.broker_epoch == broker.epoch;
            !broker.fenced && !broker.in_controlled_shutdown && is_same
        })
    };
    if is_from_tomorrow {
        return Err(Errors::NotController);
    }
    if asked.leader_epoch < known.leader_epoch.0 {
        return Err(Errors::FencedLeaderEpoch);
    }
    if leader != known.leader {
        return Err(Errors::InvalidRequest);
    }
    if asked.partition_epoch < known.partition_epoch {
        return Err(Errors::InvalidUpdateVersion);
    }
    if is_contradictory || !is_recovery_possible(known, asked, isr.len()) {
        return Err(Errors::InvalidRequest);
    }
    match isr.iter().all(is_eligible) {
        true => Ok(()),
        false => Err(Errors::IneligibleReplica),
    }
}

/// A leader that lacks records is alone in sync, and does not forget again what it has recovered.
fn is_recovery_possible(known: &PartitionRegistration, asked: &PartitionData, size: usize) -> bool {
    debug_assert_ne!(asked.leader_recovery_state, NO_RECOVERY_STATE_CHANGE);
    match LeaderRecoveryState::for_value(asked.leader_recovery_state) {
        None => false,
        Some(LeaderRecoveryState::Recovered) => true,
        Some(LeaderRecoveryState::Recovering) => {
            size == 1 && known.leader_recovery_state == LeaderRecoveryState::Recovering
        }
    }
}
