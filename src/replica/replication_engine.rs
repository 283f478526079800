//! In the place of `kafka.controller` of 0.9 and of `AlterPartitionManager`: the engine that decides who leads
//! what and which replicas are in sync. This broker obeys it, and asks it.

use crate::common::errors::Errors;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::LeaderEpoch;
use crate::image::leader_recovery_state::LeaderRecoveryState;
use crate::image::topic_image::PartitionRegistration;
use crate::replica::broker_end_point::BrokerEndPoint;

/// Who leads what, and which replicas are in sync.
///
/// There are two: the one of a broker that is the whole cluster, and Apache Kafka's controllers. Nothing above
/// knows which. What an engine decides reaches the partitions by
/// [`Partition::make_leader`](crate::replica::partition::Partition::make_leader) and
/// [`Partition::make_follower`](crate::replica::partition::Partition::make_follower); no call here waits for a
/// disk or another node.
pub trait ReplicationEngine: Send + Sync {
    /// Who leads a partition and who replicates it, wherever that is; `None` for one that does not exist.
    fn partition(&self, key: &TopicAndPartition) -> Option<PartitionRegistration>;

    /// The epoch of a broker's registration; `None` for one that is not registered.
    fn broker_epoch(&self, broker_id: i32) -> Option<i64>;

    /// Port of `isReplicaIsrEligible`: whether a replica may be in sync whose last fetch came from a broker of
    /// this epoch, `None` where it said none. Not if that broker is fenced, shuts down, or is of another epoch
    /// by now.
    fn is_replica_isr_eligible(&self, broker_id: i32, fetched_in: Option<i64>) -> bool;

    /// Whether the log directory has failed in which a broker has its replica of a partition: what it fetched before
    /// that says nothing of it any more. Of one that is the whole cluster there are no others to ask for.
    fn is_replica_directory_offline(&self, _key: &TopicAndPartition, _broker_id: i32) -> bool {
        false
    }

    /// Whether logs may have been copied from a leader that takes in transactions. One that is the whole cluster
    /// copies none.
    fn copies_logs(&self) -> bool {
        false
    }

    /// Where a broker is reached by brokers; `None` while it is not registered, or fenced.
    fn end_point(&self, broker_id: i32) -> Option<BrokerEndPoint>;

    /// Port of `AlterPartitionManager.submit`: asks for another list of replicas in sync. One change of a
    /// partition is under way at a time.
    ///
    /// The callback runs once: on another thread as a rule, and at once for a change that is not attempted. It
    /// does not run if the broker stops first. The caller holds no lock of the partition.
    fn alter_partition(&self, change: AlterPartition, callback: AlterPartitionCallback);
}

/// What becomes of a change.
///
/// # Errors
/// The code that the controller answers for the partition; `OPERATION_NOT_ATTEMPTED` if the controller was not
/// asked. What concerns the broker as a whole is not reported: the change is sent again.
pub type AlterPartitionCallback = Box<dyn FnOnce(Result<AlteredPartition, Errors>) + Send>;

/// Port of `LeaderAndIsr`, as its leader wants it to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterPartition {
    pub key: TopicAndPartition,
    pub topic_id: [u8; 16],
    /// In which the asker leads.
    pub leader_epoch: LeaderEpoch,
    /// The one that is to be replaced.
    pub partition_epoch: i32,
    /// By id, with the epoch of the broker: of the asker its own, of a follower that of its last fetch, `None`
    /// where it said none.
    pub isr: Vec<(i32, Option<i64>)>,
    pub leader_recovery_state: LeaderRecoveryState,
}

/// What the controller has made of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlteredPartition {
    pub leader: i32,
    pub leader_epoch: LeaderEpoch,
    pub isr: Vec<i32>,
    pub leader_recovery_state: LeaderRecoveryState,
    pub partition_epoch: i32,
}
