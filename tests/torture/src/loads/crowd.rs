//! Several producers of one partition at once: an append of one must not be acknowledged on the
//! strength of what another has yet to do.

use std::collections::HashMap;
use std::thread;

use crate::client::{Client, PRODUCE_VERSION};
use crate::loads::{Acknowledgement, Extent, Load, Verdict};
use crate::outcome::{Outcome, failed};
use crate::records::{batch, numbered};

const PRODUCERS: u64 = 8;
/// The numbers of one producer begin so far from those of the next.
const NUMBERS_APART: u64 = 1 << 40;

/// None of them repeats what was not acknowledged.
pub(crate) struct Crowd {
    topic: String,
    settings: Vec<(&'static str, &'static str)>,
    members: Vec<Member>,
    /// How many of all acknowledgements have been counted.
    counted: u64,
}

struct Member {
    next: u64,
    /// Offsets and numbers.
    acknowledged: Vec<(i64, u64)>,
    recent: Vec<Acknowledgement>,
}

impl Crowd {
    pub(crate) fn new(topic: &str, settings: &[(&'static str, &'static str)]) -> Self {
        let member =
            |at| Member { next: at * NUMBERS_APART, acknowledged: Vec::new(), recent: Vec::new() };
        Self {
            topic: topic.to_string(),
            settings: settings.to_vec(),
            members: (0..PRODUCERS).map(member).collect(),
            counted: 0,
        }
    }
}

impl Member {
    fn work(&mut self, port: u16, topic: &str) -> Outcome<()> {
        let mut client = Client::connect(port)?;
        loop {
            let number = self.next;
            self.next += 1;
            let records = numbered(batch(Default::default()), number, 1)?;
            let produced = client.produce(PRODUCE_VERSION, -1, topic, &records)?;
            if produced.error_code != 0 {
                return failed(format!("{topic} refuses with error {}", produced.error_code));
            }
            self.acknowledged.push((produced.base_offset, number));
            self.recent.push(Acknowledgement::now(topic, produced.base_offset));
        }
    }
}

impl Load for Crowd {
    fn name(&self) -> &str {
        &self.topic
    }

    fn prepare(&mut self, client: &mut Client) -> Outcome<()> {
        client.ensure_topic(&self.topic, &self.settings)
    }

    fn work(&mut self, port: u16) -> Outcome<()> {
        let topic = &self.topic;
        let ends: Vec<Outcome<()>> = thread::scope(|scope| {
            let start = |member: &'_ mut Member| member.work(port, topic);
            let members = self.members.iter_mut();
            let threads: Vec<_> = members.map(|it| scope.spawn(move || start(it))).collect();
            threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
        });
        // One that was refused tells more than those whose connection broke.
        let (broken, refused): (Vec<_>, Vec<_>) = ends.into_iter().partition(|end| {
            end.as_ref().is_err_and(|error| crate::loads::is_broken_connection(&**error))
        });
        let end = refused.into_iter().chain(broken).next();
        end.unwrap_or_else(|| failed("every member panicked"))
    }

    fn take_acknowledgements(&mut self) -> Vec<Acknowledgement> {
        self.members.iter_mut().flat_map(|member| std::mem::take(&mut member.recent)).collect()
    }

    fn verify(&mut self, client: &mut Client, _: Extent) -> Outcome<Verdict> {
        let found = client.read_all(&self.topic, 0)?;
        let found: HashMap<i64, u64> = found.into_iter().map(|it| (it.offset, it.number)).collect();
        let mut verdict = Verdict::default();
        let acknowledged = self.members.iter().flat_map(|member| &member.acknowledged);
        for (offset, number) in acknowledged {
            verdict.acknowledged += 1;
            let there = found.get(offset);
            if there != Some(number) {
                let topic = &self.topic;
                verdict.lose(|| format!("{topic}: {number} at offset {offset} is now {there:?}"));
            }
        }
        let all = verdict.acknowledged;
        verdict.acknowledged = all - std::mem::replace(&mut self.counted, all);
        Ok(verdict)
    }
}
