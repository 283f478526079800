//! The controller of the simulation: a state machine without a clock and without a network. It decides by the
//! rules of `ReplicationControlManager` and `ClusterControlManager`, and writes records as these do.

use crate::sabotage::Sabotage;
use transferto::common::errors::Errors;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::common::units::LeaderEpoch;
use transferto::image::metadata_image::MetadataImage;
use transferto::image::records::broker_records::{
    BrokerEndpoint, BrokerRegistrationChangeRecord, RegisterBrokerRecord,
};
use transferto::image::records::config_records::{ConfigRecord, TOPIC};
use transferto::image::records::metadata_record::MetadataRecord;
use transferto::image::records::topic_records::{
    NO_LEADER_CHANGE, PartitionChangeRecord, PartitionRecord, TopicRecord,
};
use transferto::image::topic_image::{NO_LEADER, PartitionRegistration};
use transferto::protocol::alter_partition::{
    AlterPartitionRequest, AlterPartitionResponse, AlteredPartitionData, AlteredTopic, BrokerState,
    PartitionData,
};
use transferto::protocol::wire::uuid::Uuid;

/// All partitions are of this topic.
pub(crate) const TOPIC_NAME: &str = "simulated";
pub(crate) const TOPIC_ID: [u8; 16] = [0x51; 16];

/// What the cluster is formatted with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) min_in_sync_replicas: usize,
    /// As below metadata.version 12 (KAFKA-15021): also a leader that stays begins a new epoch when an ISR
    /// shrinks.
    pub(crate) bumps_epoch_on_shrink: bool,
}

/// The controller. It never fails: what its own failure does to brokers is that answers are late.
pub(crate) struct Controller {
    rules: Rules,
    sabotage: Sabotage,
    /// Of batches of records; the offset of one is its place.
    log: Vec<Vec<MetadataRecord>>,
    image: MetadataImage,
}

impl Controller {
    pub(crate) fn new(rules: Rules, sabotage: Sabotage) -> Self {
        Self { rules, sabotage, log: Vec::new(), image: MetadataImage::default() }
    }

    /// The batch at this offset.
    pub(crate) fn batch(&self, offset: usize) -> &[MetadataRecord] {
        &self.log[offset]
    }

    pub(crate) fn end_offset(&self) -> usize {
        self.log.len()
    }

    pub(crate) fn partition(&self, key: &TopicAndPartition) -> &PartitionRegistration {
        self.image.topics.partition(&key.topic, key.partition).unwrap()
    }

    fn keys(&self) -> Vec<TopicAndPartition> {
        let topic = self.image.topics.topic(TOPIC_NAME);
        let count = topic.map_or(0, |it| it.partition_count());
        (0..count).map(|number| TopicAndPartition::new(TOPIC_NAME, number)).collect()
    }

    fn write(&mut self, batch: Vec<MetadataRecord>) {
        for record in &batch {
            self.image.replay(record).unwrap();
        }
        self.log.push(batch);
    }

    /// A new topic with settings, whose partitions have these replicas.
    pub(crate) fn create_topic(&mut self, settings: &[(&str, String)], replicas: &[Vec<i32>]) {
        let topic_id = Uuid(TOPIC_ID);
        let topic = TopicRecord { name: TOPIC_NAME.to_string(), topic_id };
        let mut batch = vec![MetadataRecord::Topic(topic)];
        batch.extend(settings.iter().map(|(name, value)| {
            MetadataRecord::Config(ConfigRecord {
                resource_type: TOPIC,
                resource_name: TOPIC_NAME.to_string(),
                name: name.to_string(),
                value: Some(value.clone()),
            })
        }));
        batch.extend((0..).zip(replicas).map(|(number, replicas)| {
            MetadataRecord::Partition(PartitionRecord {
                partition_id: number,
                topic_id,
                replicas: replicas.clone(),
                isr: replicas.clone(),
                leader: replicas[0],
                leader_epoch: 0,
                partition_epoch: 0,
                ..PartitionRecord::default()
            })
        }));
        self.write(batch);
    }
}

/// Brokers.
impl Controller {
    /// Port of `registerBroker`, for a new incarnation: what the earlier one led and was in sync with is
    /// taken from it. Returns the broker's epoch.
    pub(crate) fn register(&mut self, broker: i32) -> i64 {
        let mut batch = self.without(broker);
        let epoch = i64::try_from(self.log.len()).unwrap();
        batch.push(MetadataRecord::RegisterBroker(RegisterBrokerRecord {
            broker_id: broker,
            broker_epoch: epoch,
            end_points: vec![BrokerEndpoint {
                name: "PLAINTEXT".to_string(),
                host: "localhost".to_string(),
                port: 9_000 + u16::try_from(broker).unwrap(),
                security_protocol: 0,
            }],
            fenced: true,
            ..RegisterBrokerRecord::default()
        }));
        self.write(batch);
        epoch
    }

    pub(crate) fn broker_epoch(&self, broker: i32) -> Option<i64> {
        self.image.cluster.broker(broker).map(|it| it.epoch)
    }

    pub(crate) fn is_fenced(&self, broker: i32) -> bool {
        self.image.cluster.broker(broker).is_none_or(|it| it.fenced)
    }

    /// Whether it may lead and be in sync.
    fn is_active(&self, broker: i32) -> bool {
        let broker = self.image.cluster.broker(broker);
        broker.is_some_and(|it| !it.fenced && !it.in_controlled_shutdown)
    }

    /// A heartbeat has been missing for too long.
    pub(crate) fn fence(&mut self, broker: i32) {
        let mut batch = self.without(broker);
        batch.push(self.registration_change(broker, 1, 0));
        self.write(batch);
    }

    /// A heartbeat is back. Partitions that have waited for this broker get their leader.
    pub(crate) fn unfence(&mut self, broker: i32) {
        let mut batch = vec![self.registration_change(broker, -1, 0)];
        for key in self.keys() {
            let partition = self.partition(&key);
            if !partition.has_leader() && partition.isr.contains(&broker) {
                batch.push(change(&key, None, broker));
            }
        }
        self.write(batch);
    }

    /// The broker wants to stop: it leads nothing from now on.
    pub(crate) fn begin_controlled_shutdown(&mut self, broker: i32) {
        let mut batch = self.without(broker);
        batch.push(self.registration_change(broker, 0, 1));
        self.write(batch);
    }

    fn registration_change(&self, broker: i32, fenced: i8, shutdown: i8) -> MetadataRecord {
        MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
            broker_id: broker,
            broker_epoch: self.broker_epoch(broker).unwrap(),
            fenced,
            in_controlled_shutdown: shutdown,
            ..BrokerRegistrationChangeRecord::default()
        })
    }
}

/// Partitions.
impl Controller {
    /// Port of `generateLeaderAndIsrUpdates`: takes the broker out of every ISR in which it is not the last,
    /// and has others lead, from the ISR only.
    fn without(&self, broker: i32) -> Vec<MetadataRecord> {
        let mut batch = Vec::new();
        for key in self.keys() {
            let partition = self.partition(&key);
            let left: Vec<i32> = partition.isr.iter().copied().filter(|it| *it != broker).collect();
            let isr = if left.is_empty() { partition.isr.to_vec() } else { left };
            let shrinks = isr.len() < partition.isr.len();
            let leader = match partition.leader {
                leader if leader == broker => self.elected(partition, &isr, broker),
                leader if shrinks && self.rules.bumps_epoch_on_shrink => leader,
                _ => NO_LEADER_CHANGE,
            };
            if shrinks || leader != NO_LEADER_CHANGE {
                batch.push(change(&key, shrinks.then_some(isr), leader));
            }
        }
        batch
    }

    /// The first of the replicas that may lead.
    fn elected(&self, partition: &PartitionRegistration, isr: &[i32], but: i32) -> i32 {
        let may_lead = |it: &&i32| **it != but && isr.contains(it) && self.is_active(**it);
        partition.replicas.iter().find(may_lead).copied().unwrap_or(NO_LEADER)
    }

    /// The replicas that could take over from the leader.
    pub(crate) fn candidates(&self, key: &TopicAndPartition) -> Vec<i32> {
        let partition = self.partition(key);
        let eligible = match self.sabotage {
            Sabotage::ElectOutOfSync => &partition.replicas,
            _ => &partition.isr,
        };
        let others = eligible.iter().copied().filter(|it| *it != partition.leader);
        others.filter(|it| self.is_active(*it)).collect()
    }

    /// As an election of a preferred leader does.
    pub(crate) fn elect(&mut self, key: &TopicAndPartition, leader: i32) {
        self.write(vec![change(key, None, leader)]);
    }

    /// Port of `alterPartition`.
    pub(crate) fn alter_partition(
        &mut self,
        request: &AlterPartitionRequest,
    ) -> AlterPartitionResponse {
        let mut response = AlterPartitionResponse::default();
        if self.broker_epoch(request.broker_id) != Some(request.broker_epoch) {
            response.error_code = Errors::StaleBrokerEpoch.code();
            return response;
        }
        for topic in &request.topics {
            let partitions = topic.partitions.iter();
            let altered =
                partitions.map(|it| self.alter_one(request.broker_id, &topic.topic_id, it));
            let partitions = altered.collect();
            response.topics.push(AlteredTopic { topic_id: topic.topic_id, partitions });
        }
        response
    }

    fn alter_one(
        &mut self,
        broker: i32,
        topic_id: &Uuid,
        asked: &PartitionData,
    ) -> AlteredPartitionData {
        let partition_index = asked.partition_index;
        if let Err(error) = self.check(broker, topic_id, asked) {
            let error_code = error.code();
            return AlteredPartitionData { partition_index, error_code, ..Default::default() };
        }
        let key = TopicAndPartition::new(TOPIC_NAME, partition_index);
        let isr: Vec<i32> = asked.new_isr_with_epochs.iter().map(|it| it.broker_id).collect();
        let before = self.partition(&key);
        if *before.isr != isr {
            let shrinks = isr.len() < before.isr.len();
            let bumps = shrinks && self.rules.bumps_epoch_on_shrink;
            let leader = if bumps { broker } else { NO_LEADER_CHANGE };
            self.write(vec![change(&key, Some(isr), leader)]);
        }
        let after = self.partition(&key);
        AlteredPartitionData {
            partition_index,
            error_code: Errors::None.code(),
            leader_id: after.leader,
            leader_epoch: after.leader_epoch.0,
            isr: after.isr.to_vec(),
            leader_recovery_state: 0,
            partition_epoch: after.partition_epoch,
        }
    }

    /// Port of `validateAlterPartitionData`, in its order.
    fn check(&self, broker: i32, topic_id: &Uuid, asked: &PartitionData) -> Result<(), Errors> {
        if topic_id.0 != TOPIC_ID {
            return Err(Errors::UnknownTopicId);
        }
        let key = TopicAndPartition::new(TOPIC_NAME, asked.partition_index);
        let partition = self.partition(&key);
        let leader_epoch = LeaderEpoch(asked.leader_epoch);
        if leader_epoch > partition.leader_epoch
            || asked.partition_epoch > partition.partition_epoch
        {
            return Err(Errors::NotController);
        }
        if leader_epoch < partition.leader_epoch {
            return Err(Errors::FencedLeaderEpoch);
        }
        if partition.leader != broker {
            return Err(Errors::InvalidRequest);
        }
        if asked.partition_epoch < partition.partition_epoch {
            return Err(Errors::InvalidUpdateVersion);
        }
        let isr = &asked.new_isr_with_epochs;
        let is_subset = isr.iter().all(|it| partition.replicas.contains(&it.broker_id));
        if !is_subset || isr.iter().all(|it| it.broker_id != broker) {
            return Err(Errors::InvalidRequest);
        }
        let is_eligible = |it: &BrokerState| {
            let is_same = self.broker_epoch(it.broker_id) == Some(it.broker_epoch);
            self.is_active(it.broker_id) && is_same
        };
        if !isr.iter().all(is_eligible) {
            return Err(Errors::IneligibleReplica);
        }
        Ok(())
    }
}

fn change(key: &TopicAndPartition, isr: Option<Vec<i32>>, leader: i32) -> MetadataRecord {
    MetadataRecord::PartitionChange(PartitionChangeRecord {
        partition_id: key.partition,
        topic_id: Uuid(TOPIC_ID),
        isr,
        leader,
        ..PartitionChangeRecord::default()
    })
}
