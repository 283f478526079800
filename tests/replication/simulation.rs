//! Three brokers, their controller and their clients on one thread: whatever happens, and in which order, one
//! seed decides.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use support::random::Random;
use transferto::common::hang_up::{Ending, HangUp};
use transferto::common::mock_time::MockTime;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::common::units::Offset;

use crate::broker::{Broker, LAG_TIME_MAX_MS, Start};
use crate::channel::{read_request, response_body};
use crate::controller::{Controller, Rules, TOPIC_NAME};
use crate::fetchers::sent;
use crate::journal::Journal;
use crate::ledger::{Ledger, LogView};
use crate::network::{CONTROLLER, FetchAnswer, FetchCall, Incarnation, Message, Network};
use crate::producer::Producer;
use crate::reach::Reach;
use crate::sabotage::Sabotage;
use crate::scratch::{ScratchDir, cut_tail};

pub(crate) const BROKERS: [i32; 3] = [1, 2, 3];

/// What does not hold.
pub(crate) type Broken = String;

/// What a run has come to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) acknowledged: usize,
    pub(crate) crashes: usize,
    pub(crate) tails_lost: usize,
    pub(crate) elections: usize,
    pub(crate) alterations: usize,
    pub(crate) truncations: usize,
}

impl Outcome {
    pub(crate) fn add(&mut self, other: &Self) {
        self.acknowledged += other.acknowledged;
        self.crashes += other.crashes;
        self.tails_lost += other.tails_lost;
        self.elections += other.elections;
        self.alterations += other.alterations;
        self.truncations += other.truncations;
    }
}

pub(crate) struct Simulation {
    pub(crate) random: Random,
    pub(crate) time: Arc<MockTime>,
    pub(crate) controller: Controller,
    /// Whether a crash may take what no sync has brought to the disk.
    loses_tails: bool,
    sabotage: Sabotage,
    pub(crate) nodes: BTreeMap<i32, Node>,
    reach: Arc<Reach>,
    pub(crate) network: Network,
    pub(crate) producers: Vec<Producer>,
    /// Of each fetch that its leader may still hold.
    hang_ups: BTreeMap<u64, Arc<HangUp>>,
    pub(crate) ledger: Ledger,
    journal: Journal,
    serial: u64,
    pub(crate) outcome: Outcome,
    /// Goes last: the brokers have their logs in it.
    _dir: ScratchDir,
}

/// A machine, on which a broker runs or does not.
#[derive(Default)]
pub(crate) struct Node {
    dir: PathBuf,
    pub(crate) broker: Option<Broker>,
    pub(crate) is_stopping: bool,
    /// What each log held when it was last looked at.
    pub(crate) views: BTreeMap<TopicAndPartition, LogView>,
    /// Since the last crash: of each log how far it is on disk for certain.
    flushed: Vec<(PathBuf, Offset)>,
}

/// The start.
impl Simulation {
    pub(crate) fn new(seed: u64, sabotage: Sabotage, keeps_journal: bool) -> Self {
        let mut random = Random(seed);
        let min_in_sync_replicas = 1 + random.index(2);
        let bumps_epoch_on_shrink = random.below(2) == 0;
        let rules = Rules { min_in_sync_replicas, bumps_epoch_on_shrink };
        let loses_tails = random.below(2) == 0;
        let dir = ScratchDir::new();
        let node = |id: i32| (id, Node { dir: dir.log_dir(id), ..Node::default() });
        let mut simulation = Self {
            random,
            time: Arc::new(MockTime::new()),
            controller: Controller::new(rules, sabotage),
            loses_tails,
            sabotage,
            nodes: BROKERS.into_iter().map(node).collect(),
            reach: Arc::default(),
            network: Network::default(),
            producers: producers(),
            hang_ups: BTreeMap::new(),
            ledger: Ledger::default(),
            journal: Journal::new(keeps_journal),
            serial: 0,
            outcome: Outcome::default(),
            _dir: dir,
        };
        simulation.begin(rules);
        simulation
    }

    fn begin(&mut self, rules: Rules) {
        let losses = if self.loses_tails { "crashes lose tails" } else { "crashes lose nothing" };
        self.note(format!("{rules:?}, {losses}"));
        for id in BROKERS {
            self.restart(id);
            self.apply(id, usize::MAX);
            self.unfence(id);
        }
        let settings = [
            ("min.insync.replicas", rules.min_in_sync_replicas.to_string()),
            ("segment.bytes", "1000".to_string()),
        ];
        self.controller.create_topic(&settings, &[vec![1, 2, 3], vec![2, 3, 1]]);
    }
}

pub(crate) fn keys() -> [TopicAndPartition; 2] {
    [0, 1].map(|number| TopicAndPartition::new(TOPIC_NAME, number))
}

fn producers() -> Vec<Producer> {
    let [first, second] = keys();
    vec![
        Producer::idempotent(0, first.clone()),
        Producer::idempotent(1, second.clone()),
        Producer::idempotent(2, first.clone()),
        Producer::plain(3, first, -1),
        Producer::plain(4, second, 1),
    ]
}

/// Helpers of all events.
impl Simulation {
    pub(crate) fn note(&mut self, event: String) {
        self.journal.note(event);
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub(crate) fn any_broker(&mut self) -> i32 {
        BROKERS[self.random.index(BROKERS.len())]
    }

    pub(crate) fn any_key(&mut self) -> TopicAndPartition {
        let keys = keys();
        keys[self.random.index(keys.len())].clone()
    }

    pub(crate) fn broker(&self, id: i32) -> Option<&Broker> {
        self.nodes[&id].broker.as_ref()
    }

    fn node(&mut self, id: i32) -> &mut Node {
        self.nodes.get_mut(&id).unwrap()
    }

    /// The broker, if it is the one that is meant and not a later start of it.
    fn same_broker(&self, of: Incarnation) -> Option<&Broker> {
        self.broker(of.id).filter(|it| it.this == of)
    }
}

/// Brokers come and go.
impl Simulation {
    pub(crate) fn crash(&mut self, id: i32) {
        let Some(broker) = self.node(id).broker.take() else { return };
        self.note(format!("broker {id} crashes"));
        self.reach.remove(id);
        self.outcome.crashes += 1;
        let flushed = broker.crash();
        let node = self.node(id);
        node.flushed = flushed;
        node.is_stopping = false;
    }

    pub(crate) fn restart(&mut self, id: i32) {
        if self.nodes[&id].broker.is_some() || self.network.is_cut(id, CONTROLLER) {
            return;
        }
        let epoch = self.controller.register(id);
        self.maybe_lose_tails(id);
        let first = usize::try_from(epoch).unwrap() + 1;
        let caught_up_to = first + self.random.index(self.controller.end_offset() - first + 1);
        let this = Incarnation { id, epoch };
        self.note(format!("broker {id} starts in epoch {epoch}, has read up to {caught_up_to}"));
        let broker = Broker::start(Start {
            this,
            dir: &self.nodes[&id].dir,
            time: &self.time,
            reach: &self.reach,
            controller: &self.controller,
            caught_up_to,
            sabotage: self.sabotage,
        });
        self.reach.add(id, &broker.replica_manager);
        let node = self.node(id);
        node.broker = Some(broker);
        node.views.clear();
        node.flushed.clear();
    }

    /// What was not synced may be gone, unless nobody else is in sync: then replication cannot help.
    fn maybe_lose_tails(&mut self, id: i32) {
        let is_last = |key: &TopicAndPartition| *self.controller.partition(key).isr == [id];
        let has_topic = !self.nodes[&id].flushed.is_empty();
        if !self.loses_tails || !has_topic || keys().iter().any(is_last) {
            return;
        }
        for (dir, flushed) in std::mem::take(&mut self.node(id).flushed) {
            if self.random.below(2) == 0 {
                let lost_bytes = cut_tail(&dir, flushed, &mut self.random);
                self.outcome.tails_lost += usize::from(lost_bytes > 0);
                let name = dir.file_name().unwrap().display();
                let event = format!("broker {id} has lost {lost_bytes} bytes of {name}");
                self.note(event);
            }
        }
    }

    pub(crate) fn begin_stop(&mut self, id: i32) {
        let is_cut = self.network.is_cut(id, CONTROLLER);
        let node = self.node(id);
        let Some(broker) = &node.broker else { return };
        if is_cut || node.is_stopping {
            return;
        }
        broker.begin_controlled_shutdown();
        node.is_stopping = true;
        self.controller.begin_controlled_shutdown(id);
        self.note(format!("broker {id} wants to stop"));
    }

    pub(crate) fn end_stop(&mut self, id: i32) {
        if !self.nodes[&id].is_stopping {
            return;
        }
        self.note(format!("broker {id} stops"));
        self.controller.fence(id);
        self.reach.remove(id);
        let node = self.node(id);
        node.is_stopping = false;
        if let Some(broker) = node.broker.take() {
            broker.shutdown();
        }
    }

    pub(crate) fn fence(&mut self, id: i32) {
        if !self.controller.is_fenced(id) {
            self.note(format!("the controller fences broker {id}"));
            self.controller.fence(id);
        }
    }

    /// As a heartbeat does of a broker that has read of its registration.
    pub(crate) fn unfence(&mut self, id: i32) {
        let Some(broker) = self.broker(id) else { return };
        let is_caught_up = i64::try_from(broker.applied).unwrap() > broker.this.epoch;
        let may_lead = is_caught_up && !self.nodes[&id].is_stopping;
        if may_lead && self.controller.is_fenced(id) && !self.network.is_cut(id, CONTROLLER) {
            self.note(format!("the controller unfences broker {id}"));
            self.controller.unfence(id);
        }
    }

    /// The broker follows at most so many batches of the metadata log.
    pub(crate) fn apply(&mut self, id: i32, batches_max: usize) {
        let end = self.controller.end_offset();
        if self.network.is_cut(id, CONTROLLER) {
            return;
        }
        let Some(broker) = self.nodes.get_mut(&id).unwrap().broker.as_mut() else { return };
        let until = broker.applied.saturating_add(batches_max).min(end);
        if until > broker.applied {
            broker.apply(&self.controller, until);
            self.note(format!("broker {id} follows the metadata up to {until}"));
        }
    }

    pub(crate) fn elect(&mut self, key: &TopicAndPartition) {
        let candidates = self.controller.candidates(key);
        if !candidates.is_empty() {
            let leader = candidates[self.random.index(candidates.len())];
            self.note(format!("the controller has broker {leader} lead {key}"));
            self.controller.elect(key, leader);
            self.outcome.elections += 1;
        }
    }

    pub(crate) fn cut(&mut self, one: i32, other: i32) {
        if one != other {
            self.note(format!("{one} and {other} do not reach each other"));
            self.network.cut(one, other);
            self.reach.set_cut(self.network.cuts());
        }
    }

    pub(crate) fn heal(&mut self) {
        if !self.network.cuts().is_empty() {
            self.note("all reach each other".to_string());
            self.network.heal();
            self.reach.set_cut(self.network.cuts());
        }
    }

    pub(crate) fn pass(&mut self, ms: i64) {
        self.time.sleep(ms);
        let alive = self.nodes.values().filter_map(|it| it.broker.as_ref());
        alive.for_each(Broker::tick);
    }

    pub(crate) fn shrink(&mut self, id: i32) {
        if let Some(broker) = self.broker(id) {
            broker.replica_manager.maybe_shrink_isr();
        }
    }

    /// Long enough for a follower that does not fetch to fall out of the ISR.
    pub(crate) fn pass_lag_time(&mut self) {
        self.note("replica.lag.time.max.ms pass".to_string());
        self.pass(LAG_TIME_MAX_MS + 1);
    }
}

/// Requests begin.
impl Simulation {
    pub(crate) fn begin_fetch(&mut self, id: i32, leader: i32, waits: bool) {
        let serial = self.serial + 1;
        let Some(broker) = self.broker(id) else { return };
        let follower = broker.this;
        let Some(fetch) = broker.fetchers.begin(leader, serial) else { return };
        self.serial = serial;
        let asked: Vec<String> = fetch
            .partitions
            .iter()
            .map(|(key, it)| format!("{key} at {} in {}", it.fetch_offset, it.current_leader_epoch))
            .collect();
        self.note(format!("{id} asks {leader} [{serial}]: {}", asked.join(", ")));
        let call = FetchCall { follower, leader, serial };
        self.network.send(Message::Fetch { call, fetch, waits });
    }

    /// A producer sends its next batch, or the last one again, to the leader as a rule.
    pub(crate) fn produce(&mut self, number: usize) {
        match self.random.below(4) {
            0 => {
                let any = self.any_broker();
                self.produce_at(number, any);
            }
            _ => self.produce_at_leader(number),
        }
    }

    pub(crate) fn produce_at_leader(&mut self, number: usize) {
        let leader = self.controller.partition(&self.producers[number].key).leader;
        if BROKERS.contains(&leader) {
            self.produce_at(number, leader);
        }
    }

    fn produce_at(&mut self, number: usize, to: i32) {
        let attempt = self.next_serial();
        let record_count = 1 + i32::try_from(self.random.below(3)).unwrap();
        let under_way = self.producers[number].fill(record_count);
        if under_way.attempt.is_none() {
            under_way.attempt = Some(attempt);
            let batch = under_way.batch.clone();
            self.network.send(Message::Produce { producer: number, attempt, to, batch });
        }
    }

    /// What the brokers have for the controller goes out.
    fn begin_alter(&mut self) {
        for id in BROKERS {
            let serial = self.serial + 1;
            let Some(broker) = self.broker(id) else { continue };
            let from = broker.this;
            if let Some(body) = broker.channel.begin(serial) {
                self.serial = serial;
                self.network.send(Message::Alter { from, attempt: serial, body });
            }
        }
    }
}

/// Messages arrive, or do not.
impl Simulation {
    pub(crate) fn deliver(&mut self, place: usize) -> Result<(), Broken> {
        let message = self.network.take(place);
        if message.link().is_some_and(|(one, other)| self.network.is_cut(one, other)) {
            self.lose(message);
            return Ok(());
        }
        match message {
            Message::Fetch { .. } => self.deliver_fetch(message),
            Message::Fetched { .. } => self.deliver_fetched(message),
            Message::Alter { from, attempt, body } => {
                let response = self.controller.alter_partition(&read_request(&body));
                self.note(format!("the controller answers {}: {response:?}", from.id));
                self.outcome.alterations += 1;
                let body = response_body(&response);
                self.network.send(Message::Altered { to: from, attempt, body });
            }
            Message::Altered { to, attempt, body } => {
                self.note(format!("{} learns what the controller has answered", to.id));
                if let Some(broker) = self.same_broker(to) {
                    broker.channel.complete(attempt, &body);
                }
            }
            Message::Produce { .. } => self.deliver_produce(message),
            Message::Produced { producer, attempt, from, response, .. } => {
                let sender = &mut self.producers[producer];
                let is_current =
                    sender.under_way.as_ref().and_then(|it| it.attempt) == Some(attempt);
                if !is_current {
                    return Ok(());
                }
                match response.error {
                    None => sender.finish(),
                    Some(_) if !sender.is_idempotent() && self.random.below(2) == 0 => {
                        sender.finish()
                    }
                    Some(_) => sender.under_way.as_mut().unwrap().attempt = None,
                }
                let (error, offset) = (response.error, response.base_offset);
                self.note(format!("producer {producer} hears from {from}: {error:?}, {offset:?}"));
            }
        }
        Ok(())
    }

    fn deliver_fetch(&mut self, message: Message) {
        let Message::Fetch { call, fetch, waits } = message else { return };
        let Some(broker) = self.nodes[&call.leader].broker.as_ref() else {
            return self.lose(Message::Fetch { call, fetch, waits });
        };
        let (from, outbox) = (broker.this, Arc::clone(&self.network.outbox));
        let hang_up = Arc::clone(self.hang_ups.entry(call.serial).or_default());
        let callback = move |results| {
            let answer = FetchAnswer::Slices(results);
            outbox.lock().unwrap().push(Message::Fetched { call, from, answer });
        };
        broker.serve_follower(call, &fetch, waits, &hang_up, Box::new(callback));
        self.note(format!("{} serves {} [{}]", call.leader, call.follower.id, call.serial));
    }

    fn deliver_fetched(&mut self, message: Message) {
        let Message::Fetched { call, from, answer } = message else { return };
        let is_sender_alive = self.same_broker(from).is_some();
        let fetched = match answer {
            FetchAnswer::Sent(fetched) => Some(fetched),
            FetchAnswer::Slices(results) if is_sender_alive => sent(&results),
            FetchAnswer::Slices(_) => None,
        };
        let Some(fetched) = fetched else { return self.fail_fetch(call) };
        let Some(broker) = self.same_broker(call.follower) else { return };
        if let Some(offsets) = broker.fetchers.complete(call, Ok(fetched)) {
            let (follower, serial) = (call.follower.id, call.serial);
            self.note(format!("{follower} has heard from {} [{serial}]: {offsets}", from.id));
        }
    }

    fn deliver_produce(&mut self, message: Message) {
        let Message::Produce { producer, attempt, to, batch } = message else { return };
        let Some(broker) = self.broker(to) else {
            return self.lose(Message::Produce { producer, attempt, to, batch });
        };
        let Producer { key, acks, .. } = &self.producers[producer];
        let (sent, outbox) = (batch.clone(), Arc::clone(&self.network.outbox));
        let callback = move |mut all: Vec<(TopicAndPartition, _)>| {
            let response = all.remove(0).1;
            let produced = Message::Produced { producer, attempt, from: to, response, batch: sent };
            outbox.lock().unwrap().push(produced);
        };
        broker.produce(key, *acks, batch, Box::new(callback));
        self.note(format!("{to} has a batch of producer {producer}"));
    }

    /// The connection ends on which the message was.
    pub(crate) fn lose(&mut self, message: Message) {
        match message {
            Message::Fetch { call, .. } | Message::Fetched { call, .. } => self.fail_fetch(call),
            Message::Alter { from, attempt, .. } | Message::Altered { to: from, attempt, .. } => {
                if let Some(broker) = self.same_broker(from) {
                    broker.channel.lose(Some(attempt));
                }
            }
            Message::Produce { producer, attempt, .. }
            | Message::Produced { producer, attempt, .. } => self.give_up(producer, Some(attempt)),
        }
    }

    /// A follower waits no longer for an answer. Its request may still be on its way.
    pub(crate) fn fail_fetch(&mut self, call: FetchCall) {
        if let Some(broker) = self.same_broker(call.follower)
            && broker.fetchers.complete(call, Err(ErrorKind::TimedOut.into())).is_some()
        {
            let (follower, serial) = (call.follower.id, call.serial);
            self.note(format!("{follower} hears nothing from {} [{serial}]", call.leader));
        }
        if let Some(hang_up) = self.hang_ups.remove(&call.serial)
            && hang_up.note(Ending::Gone)
        {
            hang_up.tell();
        }
    }

    pub(crate) fn give_up(&mut self, producer: usize, attempt: Option<u64>) {
        if let Some(under_way) = &mut self.producers[producer].under_way
            && (attempt.is_none() || under_way.attempt == attempt)
        {
            under_way.attempt = None;
        }
    }
}

/// What holds after each event.
impl Simulation {
    /// Looks at every log, then takes up what the brokers have sent.
    pub(crate) fn settle_event(&mut self) -> Result<(), Broken> {
        for id in BROKERS {
            for key in keys() {
                self.look_at(id, &key).map_err(|why| format!("{key} on broker {id}: {why}"))?;
            }
        }
        for (id, node) in &self.nodes {
            if let Some(fault) = node.broker.as_ref().and_then(|it| it.fetchers.take_fault()) {
                return Err(format!("the follower {id} fails: {fault}"));
            }
        }
        for key in keys() {
            self.check_successors(&key)?;
        }
        self.collect()?;
        self.begin_alter();
        Ok(())
    }

    fn look_at(&mut self, id: i32, key: &TopicAndPartition) -> Result<(), Broken> {
        let node = self.nodes.get_mut(&id).unwrap();
        let Some(broker) = &node.broker else { return Ok(()) };
        let Some(partition) = broker.partition(key) else { return Ok(()) };
        let before = node.views.get(key);
        let view = LogView::of(&partition, before);
        if before.is_some_and(|it| it.is_same(&view)) {
            return Ok(());
        }
        view.check()?;
        if let Some(before) = before {
            let (old, new) = (before.high_watermark, view.high_watermark);
            if new < old {
                return Err(format!("the high watermark goes from {old} back to {new}"));
            }
            self.outcome.truncations += usize::from(view.end < before.end);
        }
        match partition.state().leader == id {
            true => self.ledger.commit(key, &view)?,
            false => self.ledger.check_follower(key, &view)?,
        }
        node.views.insert(key.clone(), view);
        Ok(())
    }

    /// Whoever is in the ISR, or leads already, has all that was committed.
    fn check_successors(&self, key: &TopicAndPartition) -> Result<(), Broken> {
        if self.controller.end_offset() <= BROKERS.len() * 2 {
            return Ok(());
        }
        let registration = self.controller.partition(key);
        for id in registration.isr.iter() {
            if let Some(view) = self.nodes[id].views.get(key) {
                let has_all = self.ledger.check_has_all(key, view);
                has_all.map_err(|why| format!("{key} on broker {id}, which is in sync: {why}"))?;
            }
        }
        Ok(())
    }

    fn collect(&mut self) -> Result<(), Broken> {
        let messages = std::mem::take(&mut *self.network.outbox.lock().unwrap());
        for message in messages {
            let message = match message {
                Message::Fetched { call, from, answer: FetchAnswer::Slices(results) } => {
                    self.hang_ups.remove(&call.serial);
                    // Some are read from the file at once, some when they have been taken for sent.
                    let answer = match self.random.below(2) {
                        0 => sent(&results).map(FetchAnswer::Sent),
                        _ => Some(FetchAnswer::Slices(results)),
                    };
                    let Some(answer) = answer else {
                        self.fail_fetch(call);
                        continue;
                    };
                    Message::Fetched { call, from, answer }
                }
                Message::Produced { producer, attempt, from, response, batch } => {
                    let Producer { key, acks, .. } = &self.producers[producer];
                    if *acks == -1 && response.error.is_none() {
                        let base = response.base_offset.map_or(-1, |it| it.0);
                        let acknowledged = self.ledger.acknowledge(key, base, &batch);
                        acknowledged.map_err(|why| format!("{key}, producer {producer}: {why}"))?;
                    }
                    Message::Produced { producer, attempt, from, response, batch }
                }
                other => other,
            };
            self.network.send(message);
        }
        Ok(())
    }
}

/// The threads of the brokers end with the simulation.
impl Drop for Simulation {
    fn drop(&mut self) {
        for node in self.nodes.values_mut() {
            if let Some(broker) = node.broker.take() {
                broker.crash();
            }
        }
    }
}
