//! A replication engine that a test plays.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use transferto::common::metrics::Metrics;
use transferto::common::mock_time::MockTime;
use transferto::common::time::Time;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::image::topic_image::PartitionRegistration;
use transferto::replica::broker_end_point::BrokerEndPoint;
use transferto::replica::partition_context::PartitionContext;
use transferto::replica::replication_engine::{
    AlterPartition, AlterPartitionCallback, ReplicationEngine,
};
use transferto::replica::replication_quota_manager::ReplicationQuotaManagers;

/// Knows what the test has set, and keeps each change that it is asked for until the test answers it.
#[derive(Default)]
pub struct ScriptedEngine {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    brokers: HashMap<i32, ScriptedBroker>,
    /// Those whose log directories have failed.
    without_directory: HashSet<i32>,
    asked: Vec<(AlterPartition, AlterPartitionCallback)>,
}

/// A registered broker.
#[derive(Clone, Debug)]
pub struct ScriptedBroker {
    pub epoch: i64,
    /// Neither fenced nor shutting down.
    pub is_active: bool,
    pub end_point: BrokerEndPoint,
}

impl ScriptedEngine {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    pub fn set_broker(&self, id: i32, broker: ScriptedBroker) {
        self.state.lock().unwrap().brokers.insert(id, broker);
    }

    /// The log directory of a broker fails, which lives on.
    pub fn fail_directory(&self, id: i32) {
        self.state.lock().unwrap().without_directory.insert(id);
    }

    /// The changes that were asked for and are not answered yet.
    pub fn take_asked(&self) -> Vec<(AlterPartition, AlterPartitionCallback)> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }
}

impl ReplicationEngine for ScriptedEngine {
    /// Those of other brokers are not known here.
    fn partition(&self, _: &TopicAndPartition) -> Option<PartitionRegistration> {
        None
    }

    fn broker_epoch(&self, broker_id: i32) -> Option<i64> {
        self.state.lock().unwrap().brokers.get(&broker_id).map(|it| it.epoch)
    }

    fn is_replica_isr_eligible(&self, broker_id: i32, fetched_in: Option<i64>) -> bool {
        let state = self.state.lock().unwrap();
        let broker = state.brokers.get(&broker_id);
        broker.is_some_and(|it| it.is_active && fetched_in.is_none_or(|epoch| epoch == it.epoch))
    }

    fn is_replica_directory_offline(&self, _: &TopicAndPartition, broker_id: i32) -> bool {
        self.state.lock().unwrap().without_directory.contains(&broker_id)
    }

    fn end_point(&self, broker_id: i32) -> Option<BrokerEndPoint> {
        let state = self.state.lock().unwrap();
        let broker = state.brokers.get(&broker_id).filter(|it| it.is_active);
        broker.map(|it| it.end_point.clone())
    }

    fn alter_partition(&self, change: AlterPartition, callback: AlterPartitionCallback) {
        self.state.lock().unwrap().asked.push((change, callback));
    }
}

/// What partitions are made with that no cluster is needed for, by a clock that stands still.
pub fn context_of_one() -> Arc<PartitionContext> {
    context(ScriptedEngine::new(), Arc::new(MockTime::new()))
}

/// What partitions are made with, with Kafka's `replica.lag.time.max.ms`.
pub fn context(engine: Arc<ScriptedEngine>, time: Arc<dyn Time>) -> Arc<PartitionContext> {
    let metrics = Arc::new(Metrics::default());
    let quotas = Arc::new(ReplicationQuotaManagers::new(&time));
    Arc::new(PartitionContext { engine, time, replica_lag_time_max_ms: 30_000, quotas, metrics })
}
