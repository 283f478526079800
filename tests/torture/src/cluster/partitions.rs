//! The partitions under torture, who leads them, and how to ask for it: as a client does, by the
//! metadata of whatever broker answers.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::time::Duration;

use support::random::Random;
use transferto::common::errors::Errors;
use transferto::protocol::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreateTopicsRequest,
};
use transferto::protocol::metadata::{MetadataRequest, MetadataRequestTopic};

use crate::answer;
use crate::client::{Client, wait_for};
use crate::cluster::namespace::address;
use crate::cluster::nodes::BROKERS;
use crate::outcome::{Outcome, failed};

/// A broker that is stopped or cut off does not answer at all.
pub(crate) const ANSWER_PATIENCE: Duration = Duration::from_millis(1_500);
const CREATE_PATIENCE: Duration = Duration::from_secs(30);
const METADATA_VERSION: i16 = 8;

/// Topics and the replicas of their partitions, the preferred leader first. `ours` has no replica at
/// Kafka's broker; of `mixed` each partition has one there.
const TOPICS: [(&str, [[i32; 3]; 3]); 2] =
    [("ours", [[1, 2, 3], [2, 3, 1], [3, 1, 2]]), ("mixed", [[1, 2, 4], [4, 3, 1], [2, 4, 3]])];

/// A partition under torture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Partition {
    /// Its topic.
    pub(crate) topic: &'static str,
    /// Its number.
    pub(crate) index: i32,
    /// Where its replicas are.
    pub(crate) replicas: [i32; 3],
}

impl std::fmt::Display for Partition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.topic, self.index)
    }
}

/// All of them.
pub(crate) fn all_partitions() -> Vec<Partition> {
    let of_topic = |(topic, assignments): &(&'static str, [[i32; 3]; 3])| {
        let topic = *topic;
        (0..).zip(*assignments).map(move |(index, replicas)| Partition { topic, index, replicas })
    };
    TOPICS.iter().flat_map(of_topic).collect()
}

/// What a broker says of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    /// -1 for none.
    pub(crate) leader: i32,
    /// The replicas in sync.
    pub(crate) isr: Vec<i32>,
}

/// What this broker says of all partitions.
pub(crate) fn views_of(broker: i32) -> Outcome<BTreeMap<(String, i32), View>> {
    let mut client = Client::connect_to(address(broker), ANSWER_PATIENCE)?;
    let name = |&(topic, _): &(&str, _)| MetadataRequestTopic {
        name: Some(topic.to_string()),
        ..MetadataRequestTopic::default()
    };
    let request = MetadataRequest {
        topics: Some(TOPICS.iter().map(name).collect()),
        allow_auto_topic_creation: false,
        ..MetadataRequest::default()
    };
    let response = answer!(client, METADATA_VERSION, Metadata, request);
    let mut views = BTreeMap::new();
    for topic in response.topics {
        let name = topic.name.unwrap_or_default();
        for it in topic.partitions {
            let view = View { leader: it.leader_id, isr: it.isr_nodes };
            views.insert((name.clone(), it.partition_index), view);
        }
    }
    Ok(views)
}

/// What the first broker says that answers, beginning with a random one.
pub(crate) fn view(partition: Partition, random: &mut Random) -> Option<View> {
    let first = random.index(BROKERS.len());
    let brokers = BROKERS.iter().cycle().skip(first).take(BROKERS.len());
    let mut answers = brokers.filter_map(|&id| views_of(id).ok());
    answers.find_map(|mut views| views.remove(&(partition.topic.to_string(), partition.index)))
}

/// Where the leader is, as the first broker says that answers.
pub(crate) fn leader_address(partition: Partition, random: &mut Random) -> Option<SocketAddrV4> {
    let leader = view(partition, random)?.leader;
    (leader > 0).then(|| address(leader))
}

/// Creates the topics, and waits until every broker knows them.
pub(crate) fn create_topics() -> Outcome<()> {
    let mut client = Client::connect_to(address(BROKERS[0]), CREATE_PATIENCE)?;
    let assignment = |(index, replicas): (i32, [i32; 3])| CreatableReplicaAssignment {
        partition_index: index,
        broker_ids: replicas.to_vec(),
    };
    let topic = |(name, assignments): &(&str, [[i32; 3]; 3])| CreatableTopic {
        name: name.to_string(),
        num_partitions: -1,
        replication_factor: -1,
        assignments: (0..).zip(*assignments).map(assignment).collect(),
        ..CreatableTopic::default()
    };
    let topics = TOPICS.iter().map(topic).collect();
    let request = CreateTopicsRequest { topics, ..CreateTopicsRequest::default() };
    let response = answer!(client, 4, CreateTopics, request);
    for topic in response.topics {
        if topic.error_code != 0 && topic.error_code != Errors::TopicAlreadyExists.code() {
            let (name, code, why) = (topic.name, topic.error_code, topic.error_message);
            return failed(format!("cannot create {name}: error {code}, {why:?}"));
        }
    }
    await_all_in_sync(CREATE_PATIENCE)
}

/// Waits until every broker says that every partition has a leader and all its replicas in sync.
pub(crate) fn await_all_in_sync(patience: Duration) -> Outcome<()> {
    let mut last = String::new();
    let waited = wait_for("all replicas to be in sync", patience, || {
        for broker in BROKERS {
            match out_of_sync(broker) {
                Ok(None) => (),
                Ok(Some(what)) => {
                    last = format!("broker {broker} says {what}");
                    return Ok(None);
                }
                Err(error) => {
                    last = format!("broker {broker}: {error}");
                    return Ok(None);
                }
            }
        }
        Ok(Some(()))
    });
    waited.or_else(|error| failed(format!("{error}; at last {last}")))
}

fn out_of_sync(broker: i32) -> Outcome<Option<String>> {
    let views = views_of(broker)?;
    for partition in all_partitions() {
        match views.get(&(partition.topic.to_string(), partition.index)) {
            Some(view) if view.leader > 0 && view.isr.len() == partition.replicas.len() => (),
            other => return Ok(Some(format!("{partition}: {other:?}"))),
        }
    }
    Ok(None)
}
