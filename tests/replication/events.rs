//! What may happen next, and how often.

use transferto::common::units::{Offset, Position};

use crate::network::{CONTROLLER, Message};
use crate::simulation::{BROKERS, Broken, Simulation, keys};

#[derive(Clone, Copy, Debug)]
enum Event {
    Deliver,
    Lose,
    Abandon,
    Fetch,
    Produce,
    Consume,
    FollowMetadata,
    Pass,
    PassLagTime,
    Shrink,
    Fence,
    Unfence,
    Elect,
    Crash,
    Restart,
    BeginStop,
    EndStop,
    Checkpoint,
    DeleteRecords,
    Cut,
    Heal,
}

/// Of a thousand events, roughly.
const WEIGHTS: [(Event, u64); 21] = [
    (Event::Deliver, 400),
    (Event::Lose, 15),
    (Event::Abandon, 20),
    (Event::Fetch, 180),
    (Event::Produce, 110),
    (Event::Consume, 20),
    (Event::FollowMetadata, 90),
    (Event::Pass, 40),
    (Event::PassLagTime, 3),
    (Event::Shrink, 15),
    (Event::Fence, 8),
    (Event::Unfence, 25),
    (Event::Elect, 8),
    (Event::Crash, 8),
    (Event::Restart, 20),
    (Event::BeginStop, 3),
    (Event::EndStop, 10),
    (Event::Checkpoint, 8),
    (Event::DeleteRecords, 4),
    (Event::Cut, 4),
    (Event::Heal, 9),
];

impl Simulation {
    /// One event, and what must hold after it.
    pub(crate) fn step(&mut self) -> Result<(), Broken> {
        let event = self.any_event();
        self.happen(event)?;
        self.settle_event()
    }

    fn any_event(&mut self) -> Event {
        let total = WEIGHTS.iter().map(|(_, weight)| weight).sum();
        let mut roll = self.random.below(total);
        for (event, weight) in WEIGHTS {
            if roll < weight {
                return event;
            }
            roll -= weight;
        }
        unreachable!("the roll is below the sum of the weights")
    }

    fn happen(&mut self, event: Event) -> Result<(), Broken> {
        let id = self.any_broker();
        match event {
            Event::Deliver => return self.deliver_any(),
            Event::Lose => self.lose_any(),
            Event::Abandon => self.abandon_any(),
            Event::Fetch => {
                let leader = self.any_broker();
                let waits = self.random.below(2) == 0;
                self.begin_fetch(id, leader, waits);
            }
            Event::Produce => {
                let producer = self.random.index(self.producers.len());
                self.produce(producer);
            }
            Event::Consume => return self.consume(id),
            Event::FollowMetadata => {
                let batches = 1 + self.random.index(3);
                self.apply(id, batches);
            }
            Event::Pass => {
                let ms = 1 + i64::try_from(self.random.below(1_000)).unwrap();
                self.pass(ms);
            }
            Event::PassLagTime => self.pass_lag_time(),
            Event::Shrink => self.shrink(id),
            // A broker that is down is missed first.
            Event::Fence => {
                let down = BROKERS
                    .into_iter()
                    .find(|it| self.broker(*it).is_none() && !self.controller.is_fenced(*it));
                self.fence(down.unwrap_or(id));
            }
            Event::Unfence => self.unfence(id),
            Event::Elect => {
                let key = self.any_key();
                self.elect(&key);
            }
            Event::Crash => self.crash(id),
            Event::Restart => self.restart(id),
            Event::BeginStop => self.begin_stop(id),
            Event::EndStop => self.end_stop(id),
            Event::Checkpoint => self.checkpoint(id),
            Event::DeleteRecords => self.delete_records(id),
            Event::Cut => {
                let other = if self.random.below(2) == 0 { CONTROLLER } else { self.any_broker() };
                self.cut(id, other);
            }
            Event::Heal => self.heal(),
        }
        Ok(())
    }

    fn deliver_any(&mut self) -> Result<(), Broken> {
        if self.network.len() == 0 {
            return Ok(());
        }
        let place = self.random.index(self.network.len());
        self.deliver(place)
    }

    fn lose_any(&mut self) {
        if self.network.len() > 0 {
            let place = self.random.index(self.network.len());
            let message = self.network.take(place);
            self.note(format!("lost: {}", what(&message)));
            self.lose(message);
        }
    }

    /// Somebody has waited long enough, be the request lost or only slow.
    fn abandon_any(&mut self) {
        let id = self.any_broker();
        match self.random.below(3) {
            0 => {
                let waiting = self.broker(id).map(|it| it.fetchers.waiting()).unwrap_or_default();
                if !waiting.is_empty() {
                    let call = waiting[self.random.index(waiting.len())];
                    self.fail_fetch(call);
                }
            }
            1 => {
                let producer = self.random.index(self.producers.len());
                self.give_up(producer, None);
            }
            _ => {
                if let Some(broker) = self.broker(id) {
                    broker.channel.lose(None);
                }
            }
        }
    }

    /// A consumer reads from anywhere at whoever may lead.
    fn consume(&mut self, id: i32) -> Result<(), Broken> {
        let key = self.any_key();
        let end = u64::try_from(self.ledger.end(&key)).unwrap();
        let offset = i64::try_from(self.random.below(end + 1)).unwrap();
        let read = self.broker(id).and_then(|it| it.consume(&key, offset));
        let Some(Ok(read)) = read else { return Ok(()) };
        let mut bytes = vec![0; read.size_in_bytes()];
        let set = &read.fetched_data.message_set;
        set.read_exact_at(&mut bytes, Position(0)).unwrap();
        self.ledger.check_read(&key, &bytes).map_err(|why| format!("{key} on broker {id}: {why}"))
    }

    fn checkpoint(&mut self, id: i32) {
        if let Some(broker) = self.broker(id) {
            broker.replica_manager.checkpoint_high_watermarks().unwrap();
            self.note(format!("broker {id} writes down its high watermarks"));
        }
    }

    /// As DeleteRecords does: at most up to the high watermark, and within a batch if it comes to that.
    fn delete_records(&mut self, id: i32) {
        let key = self.any_key();
        let leader = self.broker(id).and_then(|it| it.partition(&key));
        let Some(leader) = leader.filter(|it| it.leader_replica().is_ok()) else { return };
        let replica = leader.local_replica();
        let (start, end) =
            (replica.log.log_start_offset(), replica.high_watermark().message_offset);
        let offset =
            start.0 + i64::try_from(self.random.below(end.0.abs_diff(start.0) + 1)).unwrap();
        replica.log.delete_records_before(Offset(offset)).unwrap();
        self.note(format!("{key} begins at {offset} on broker {id}"));
    }

    /// Everything works from now on: the cluster comes to rest, with all replicas in sync and alike, and every
    /// batch that a producer has sent acknowledged.
    pub(crate) fn come_to_rest(&mut self) -> Result<(), Broken> {
        const ROUNDS_MAX: usize = 400;
        self.note("from now on nothing fails".to_string());
        self.heal();
        for round in 0..ROUNDS_MAX {
            self.calm_round(round)?;
            if round % 10 == 9 && self.unrest().is_none() {
                return self.check_all_alike();
            }
        }
        Err(format!("the cluster does not come to rest: {}", self.unrest().unwrap_or_default()))
    }

    fn calm_round(&mut self, round: usize) -> Result<(), Broken> {
        for id in BROKERS {
            self.end_stop(id);
            self.restart(id);
            self.apply(id, usize::MAX);
            self.unfence(id);
            BROKERS.into_iter().for_each(|leader| self.begin_fetch(id, leader, false));
            self.settle_event()?;
        }
        // Whoever waits for what is lost gives up at times.
        if round.is_multiple_of(10) {
            for id in BROKERS {
                let waiting = self.broker(id).map(|it| it.fetchers.waiting()).unwrap_or_default();
                waiting.into_iter().for_each(|call| self.fail_fetch(call));
                if let Some(broker) = self.broker(id) {
                    broker.channel.lose(None);
                }
                self.shrink(id);
            }
            (0..self.producers.len()).for_each(|it| self.give_up(it, None));
        }
        for producer in 0..self.producers.len() {
            if self.producers[producer].under_way.is_some() {
                self.produce_at_leader(producer);
            }
        }
        for _ in 0..self.network.len() {
            self.deliver(0)?;
            self.settle_event()?;
        }
        self.pass(300);
        self.settle_event()
    }

    /// What is still to be done.
    fn unrest(&self) -> Option<String> {
        for key in keys() {
            let registration = self.controller.partition(&key);
            if !registration.has_leader() || registration.isr.len() < BROKERS.len() {
                return Some(format!("{key} is {registration:?}"));
            }
            let views: Vec<_> = self.nodes.values().filter_map(|it| it.views.get(&key)).collect();
            let places: Vec<_> =
                views.iter().map(|it| (it.start, it.high_watermark, it.end)).collect();
            let end = self.ledger.end(&key);
            // A log may begin later than its leader's: a crash may have taken from the leader where it begins.
            let is_at_rest =
                |(_, high_watermark, at): &(i64, i64, i64)| (*high_watermark, *at) == (end, end);
            if places.len() < BROKERS.len() || !places.iter().all(is_at_rest) {
                return Some(format!(
                    "{key}: {end} is committed, replicas have (start, high watermark, end) {places:?}"
                ));
            }
        }
        let busy = self.producers.iter().find(|it| it.under_way.is_some());
        busy.map(|it| format!("producer {} waits", it.number))
    }

    fn check_all_alike(&self) -> Result<(), Broken> {
        for key in keys() {
            for (id, node) in &self.nodes {
                let view = &node.views[&key];
                let has_all = self.ledger.check_has_all(&key, view);
                has_all.map_err(|why| format!("at rest, {key} on broker {id}: {why}"))?;
            }
        }
        Ok(())
    }
}

fn what(message: &Message) -> String {
    match message {
        Message::Fetch { call, .. } => {
            format!("a fetch of {} at {} [{}]", call.follower.id, call.leader, call.serial)
        }
        Message::Fetched { call, .. } => {
            format!("what {} has for {} [{}]", call.leader, call.follower.id, call.serial)
        }
        Message::Alter { from, .. } => format!("an AlterPartition of {}", from.id),
        Message::Altered { to, .. } => format!("the controller's answer to {}", to.id),
        Message::Produce { producer, to, .. } => format!("a batch of producer {producer} for {to}"),
        Message::Produced { producer, from, .. } => {
            format!("the answer of {from} to producer {producer}")
        }
    }
}
