//! Port of `org.apache.kafka.server.partition.DefaultAlterPartitionManager`: asks the controller for other lists
//! of replicas in sync.
//!
//! A change is never given up: the controller may have granted it, and then its leader may not go on as if it
//! had not. Either the controller answers, or a record of the metadata log overtakes the change, and the leader
//! ignores the answer.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, OnceLock};

use log::{Level, debug, log};

use crate::common::errors::Errors;
use crate::common::lock::locked;
use crate::common::log_limit::{LogKind, limited};
use crate::common::scheduler::Scheduler;
use crate::common::text::counted;
use crate::common::units::LeaderEpoch;
use crate::image::leader_recovery_state::LeaderRecoveryState;
use crate::protocol::alter_partition::{
    AlterPartitionRequest, AlterPartitionResponse, AlteredPartitionData, BrokerState,
    PartitionData, TopicData,
};
use crate::protocol::wire::uuid::Uuid;
use crate::replica::isr_state::Refused;
use crate::replica::replication_engine::{
    AlterPartition, AlterPartitionCallback, AlteredPartition,
};
use crate::server::cluster::controller_channel::{
    ControllerChannel, ControllerError, send_request,
};

/// How long the next request waits after one that came to nothing.
const RETRY_BACKOFF_MS: i64 = 50;
/// A century: such a request has no end of its time.
const REQUEST_TIMEOUT_MS: i64 = 100 * 366 * 24 * 60 * 60 * 1000;
/// With the ids of the topics, and then with the epochs of the brokers, too.
const VERSIONS: RangeInclusive<i16> = 2..=3;
/// In the place of a broker epoch that is not known.
const NO_EPOCH: i64 = -1;

/// The epoch of this broker's registration; `None` until there is one.
type BrokerEpoch = Box<dyn Fn() -> Option<i64> + Send + Sync>;

/// One request is under way at a time, with every change that has come by then.
pub struct DefaultAlterPartitionManager {
    broker_id: i32,
    scheduler: Arc<dyn Scheduler>,
    /// Set when the broker registers.
    way: OnceLock<Way>,
    unsent: Mutex<UnsentIsrUpdates>,
}

struct Way {
    channel: Arc<dyn ControllerChannel>,
    broker_epoch: BrokerEpoch,
}

/// A partition, by the id of its topic: one of the same name that comes later is another.
type TopicIdPartition = ([u8; 16], i32);

#[derive(Default)]
struct UnsentIsrUpdates {
    /// Those of the request that is under way, too. At most one of each partition that this broker leads.
    items: BTreeMap<TopicIdPartition, AlterPartitionItem>,
    is_in_flight_or_backing_off: bool,
    /// Requests that came to nothing, since the last one that did not.
    failures: u32,
}

struct AlterPartitionItem {
    change: AlterPartition,
    callback: AlterPartitionCallback,
}

/// A change that the controller has answered, and what.
type Answered = (AlterPartitionItem, Result<AlteredPartition, Errors>);

impl DefaultAlterPartitionManager {
    pub fn new(broker_id: i32, scheduler: Arc<dyn Scheduler>) -> Arc<Self> {
        let (way, unsent) = (OnceLock::new(), Mutex::default());
        Arc::new(Self { broker_id, scheduler, way, unsent })
    }

    /// From now on the controller is asked, also for what has been submitted already.
    pub fn start(
        self: &Arc<Self>,
        channel: Arc<dyn ControllerChannel>,
        broker_epoch: impl Fn() -> Option<i64> + Send + Sync + 'static,
    ) {
        let way = Way { channel, broker_epoch: Box::new(broker_epoch) };
        // There is one start.
        let _ = self.way.set(way);
        self.maybe_propagate_isr_changes();
    }

    /// Asks for a change, and returns at once.
    ///
    /// The callback runs once, on the channel's thread, without a lock of this manager; it may submit the next
    /// change. It runs at once, with `OPERATION_NOT_ATTEMPTED`, if a change of that partition waits already. It
    /// does not run if the broker stops before the controller answers.
    pub fn submit(self: &Arc<Self>, change: AlterPartition, callback: AlterPartitionCallback) {
        let key = (change.topic_id, change.key.partition);
        let mut unsent = locked(&self.unsent);
        if unsent.items.contains_key(&key) {
            drop(unsent);
            return callback(Err(Errors::OperationNotAttempted));
        }
        unsent.items.insert(key, AlterPartitionItem { change, callback });
        drop(unsent);
        self.maybe_propagate_isr_changes();
    }

    fn maybe_propagate_isr_changes(self: &Arc<Self>) {
        let Some(way) = self.way.get() else { return };
        let mut unsent = locked(&self.unsent);
        if unsent.is_in_flight_or_backing_off || unsent.items.is_empty() {
            return;
        }
        unsent.is_in_flight_or_backing_off = true;
        let topics = unsent.by_topic();
        let sent: Vec<_> = unsent.items.keys().copied().collect();
        drop(unsent);
        // Between the loss of a registration and the next one the controller takes nothing from this broker.
        let Some(broker_epoch) = (way.broker_epoch)() else {
            return self.retry_later("this broker is not registered");
        };
        debug!("AlterPartition: {} on the way", counted(sent.len(), "change"));
        let request = AlterPartitionRequest { broker_id: self.broker_id, broker_epoch, topics };
        let this = Arc::clone(self);
        let handle = move |response| this.handle_response(&sent, response);
        send_request(&*way.channel, request, VERSIONS, REQUEST_TIMEOUT_MS, handle);
    }

    fn handle_response(
        self: &Arc<Self>,
        sent: &[TopicIdPartition],
        response: Result<AlterPartitionResponse, ControllerError>,
    ) {
        let answered = match response {
            Ok(response) if response.error_code == Errors::None.code() => {
                locked(&self.unsent).take_answered(sent, &response)
            }
            Ok(response) => {
                return self.retry_later(&Errors::for_code(response.error_code).to_string());
            }
            Err(ControllerError::ShuttingDown) => return,
            Err(error) => return self.retry_later(&error.to_string()),
        };
        if answered.is_empty() {
            return self
                .retry_later("the answer is about none of the partitions that were asked about");
        }
        let refusal = answered.iter().find_map(|(item, outcome)| refusal_to_retry(item, outcome));
        locked(&self.unsent).failures = 0;
        // Nothing is sent meanwhile: what they submit is in the next request.
        for (item, outcome) in answered {
            (item.callback)(outcome);
        }
        match refusal {
            Some(why) => self.retry_later(&why),
            None => self.send_next(),
        }
    }

    fn send_next(self: &Arc<Self>) {
        locked(&self.unsent).is_in_flight_or_backing_off = false;
        self.maybe_propagate_isr_changes();
    }

    /// Nothing has come of a request: all that it asked for waits for the next one.
    fn retry_later(self: &Arc<Self>, why: &str) {
        let mut unsent = locked(&self.unsent);
        unsent.failures = unsent.failures.saturating_add(1);
        let is_first = unsent.failures == 1;
        let count = unsent.items.len();
        drop(unsent);
        // What is repeated is not said again.
        let level = if is_first { limited(LogKind::Failures, Level::Warn) } else { Level::Debug };
        let partitions = counted(count, "partition");
        log!(
            level,
            "the controller has not changed the replicas in sync of {partitions} yet: {why}; it is asked \
             again"
        );
        let this = Arc::clone(self);
        let again = Box::new(move || this.send_next());
        self.scheduler.schedule("send-alter-partition", RETRY_BACKOFF_MS, None, again);
    }
}

impl UnsentIsrUpdates {
    /// Everything that waits, as a request has it.
    fn by_topic(&self) -> Vec<TopicData> {
        let mut topics: Vec<TopicData> = Vec::new();
        for ((topic_id, partition_index), item) in &self.items {
            let topic_id = Uuid(*topic_id);
            if topics.last().is_none_or(|it| it.topic_id != topic_id) {
                topics.push(TopicData { topic_id, partitions: Vec::new() });
            }
            let partition = partition_data(*partition_index, &item.change);
            topics.last_mut().expect("it is there by now").partitions.push(partition);
        }
        topics
    }

    /// Takes out what the controller has answered of what it was asked. What it has not answered stays, and is
    /// sent again; an answer to what was not asked, or a second answer, is none.
    fn take_answered(
        &mut self,
        sent: &[TopicIdPartition],
        response: &AlterPartitionResponse,
    ) -> Vec<Answered> {
        let mut answered = Vec::new();
        for topic in &response.topics {
            for partition in &topic.partitions {
                let key = (topic.topic_id.0, partition.partition_index);
                // What came meanwhile was not asked. `sent` is in order, as the map is from which it was made.
                let asked = sent.binary_search(&key).ok();
                if let Some(item) = asked.and_then(|_| self.items.remove(&key)) {
                    answered.push((item, outcome(partition)));
                }
            }
        }
        answered
    }
}

/// Why the leader of a partition will ask for the same change once more, if it will: the next request waits then, or
/// the controller would be asked as fast as it answers. Kafka does not wait.
fn refusal_to_retry(
    item: &AlterPartitionItem,
    outcome: &Result<AlteredPartition, Errors>,
) -> Option<String> {
    let error = outcome.as_ref().err().filter(|it| Refused::by(**it) == Refused::Retry)?;
    Some(format!("{}: {error}", item.change.key))
}

fn partition_data(partition_index: i32, change: &AlterPartition) -> PartitionData {
    let with_epoch = |(broker_id, epoch): &(i32, Option<i64>)| BrokerState {
        broker_id: *broker_id,
        broker_epoch: epoch.unwrap_or(NO_EPOCH),
    };
    PartitionData {
        partition_index,
        leader_epoch: change.leader_epoch.0,
        new_isr: change.isr.iter().map(|(broker_id, _)| *broker_id).collect(),
        new_isr_with_epochs: change.isr.iter().map(with_epoch).collect(),
        leader_recovery_state: change.leader_recovery_state.value(),
        partition_epoch: change.partition_epoch,
    }
}

fn outcome(partition: &AlteredPartitionData) -> Result<AlteredPartition, Errors> {
    let error = Errors::for_code(partition.error_code);
    if error != Errors::None {
        return Err(error);
    }
    let Some(leader_recovery_state) =
        LeaderRecoveryState::for_value(partition.leader_recovery_state)
    else {
        let level = limited(LogKind::Failures, Level::Warn);
        let state = partition.leader_recovery_state;
        log!(
            level,
            "the controller has answered with a leader recovery state that is none: {state}"
        );
        return Err(Errors::UnknownServerError);
    };
    Ok(AlteredPartition {
        leader: partition.leader_id,
        leader_epoch: LeaderEpoch(partition.leader_epoch),
        isr: partition.isr.clone(),
        leader_recovery_state,
        partition_epoch: partition.partition_epoch,
    })
}
