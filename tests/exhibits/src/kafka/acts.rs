//! The calls of a session in an order that is the same in every run. The order of time is not: a
//! Processor and a handler run side by side. So each call has a stage of its request, and within one
//! stage of one thread the order of time holds.

use crate::kafka::jvm_threads::Role;
use crate::kafka::line::{Line, Thing};
use crate::kafka::steps;
use crate::session::Act;

/// A part of a request's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// The Processor reads it.
    In,
    /// A handler handles it.
    Down,
    /// The Processor sends the response.
    Out,
}

/// A call and where it belongs.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) line: Line,
    pub(crate) stage: Stage,
    pub(crate) thing: Thing,
    /// Tells one Processor from another.
    pub(crate) thread: usize,
    /// The connection that this Processor has in this stage.
    pub(crate) lane: Thing,
    pub(crate) ended_us: u64,
}

/// What was done for one request, or for one act that has none, in order.
#[derive(Clone, Debug)]
pub(crate) struct Request(pub(crate) Vec<Placed>);

/// What a broker did in one act.
#[derive(Clone, Debug)]
pub(crate) struct ActCalls {
    pub(crate) act: Act,
    /// All of it, in the order of time.
    pub(crate) placed: Vec<Placed>,
    /// How many calls the JVM made for itself.
    pub(crate) of_jvm: usize,
}

/// Divides the calls by when each act began.
pub(crate) fn divide(
    placed: &[Placed],
    of_jvm: &[u64],
    acts: &[(Act, u64)],
    end_us: u64,
) -> Vec<ActCalls> {
    let ends = acts.iter().skip(1).map(|it| it.1).chain([end_us]);
    let of = |((act, began_us), ended_us): (&(Act, u64), u64)| {
        let is_in = |at: u64| (*began_us..ended_us).contains(&at);
        let mut placed: Vec<_> = placed.iter().filter(|it| is_in(it.ended_us)).cloned().collect();
        placed.sort_by_key(|it| it.ended_us);
        let of_jvm = of_jvm.iter().filter(|it| is_in(**it)).count();
        ActCalls { act: *act, placed, of_jvm }
    };
    acts.iter().zip(ends).map(of).collect()
}

impl ActCalls {
    /// Of many requests, one that went as most did: whether a thread was awake is chance.
    pub(crate) fn usual_request(&self) -> Request {
        let requests = self.requests();
        let way = |it: &Request| -> Vec<(u8, String)> {
            it.0.iter().map(|call| (call.line.step, call.line.call.clone())).collect()
        };
        let ways: Vec<_> = requests.iter().map(way).collect();
        let how_often = |at: usize| ways.iter().filter(|it| **it == ways[at]).count();
        let most = (0..ways.len()).rev().max_by_key(|at| how_often(*at));
        most.map_or(Request(Vec::new()), |at| requests[at].clone())
    }

    /// A request of one connection begins where the Processor turns to the way in again.
    fn requests(&self) -> Vec<Request> {
        if self.act != Act::Produce {
            return vec![Request::of(self.placed.clone())];
        }
        let mut requests: Vec<Vec<Placed>> = vec![Vec::new()];
        let mut is_answered = false;
        for call in &self.placed {
            if is_answered && call.stage == Stage::In {
                requests.push(Vec::new());
                is_answered = false;
            }
            is_answered |= call.line.step == steps::UNMUTE;
            if let Some(request) = requests.last_mut() {
                request.push(call.clone());
            }
        }
        requests.into_iter().map(Request::of).collect()
    }
}

impl Request {
    pub(crate) fn of(mut placed: Vec<Placed>) -> Self {
        call_registration_by_its_name(&mut placed);
        let lane_of = |it: &Placed| {
            let same = placed.iter().filter(|other| is_of_one_thread(it, other));
            same.map(|it| it.thing).min().unwrap_or(it.thing)
        };
        let lanes: Vec<Thing> = placed.iter().map(lane_of).collect();
        for (call, lane) in placed.iter_mut().zip(lanes) {
            call.lane = lane;
        }
        // The sort is stable: what one thread did stays in its order.
        placed.sort_by_key(|it| (it.stage, it.line.role, it.lane));
        Self(placed)
    }
}

/// A wait that a new connection has ended belongs to that connection's registration.
fn call_registration_by_its_name(placed: &mut [Placed]) {
    for at in 0..placed.len() {
        let call = &placed[at];
        if call.line.step != 3 || call.line.role != Role::Processor {
            continue;
        }
        let next = placed[at + 1..].iter().find(|it| is_of_one_thread(call, it));
        if next.is_some_and(|it| it.line.step == 2) {
            placed[at].line.step = 2;
        }
    }
}

fn is_of_one_thread(one: &Placed, other: &Placed) -> bool {
    one.stage == other.stage && one.line.role == other.line.role && one.thread == other.thread
}
