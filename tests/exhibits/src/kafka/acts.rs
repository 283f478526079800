//! The calls of a session in a fixed order, act by act and request by request. The order of time is
//! not fixed: a Processor and a handler run side by side. So each call has a stage of its request,
//! and within one stage of one thread the order of time holds.

use crate::call::Call;
use crate::kafka::line::{Line, Thing};
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
    pub(crate) call: Call,
}

/// What a broker did in one act.
#[derive(Clone, Debug)]
pub(crate) struct ActLines {
    pub(crate) act: Act,
    /// Of each request, in order; an act without one has its lines in one list.
    pub(crate) requests: Vec<Vec<Placed>>,
    /// Calls of the JVM for itself.
    pub(crate) of_jvm: usize,
}

/// Divides the calls by when each act began, and an act with many requests by when each was read.
pub(crate) fn divide(
    placed: &[Placed],
    of_jvm: &[u64],
    acts: &[(Act, u64)],
    end_us: u64,
) -> Vec<ActLines> {
    let ends = acts.iter().skip(1).map(|it| it.1).chain([end_us]);
    let spans = acts.iter().zip(ends);
    spans
        .map(|((act, began_us), ended_us)| {
            let is_in = |at: u64| (*began_us..ended_us).contains(&at);
            let mut calls: Vec<Placed> =
                placed.iter().filter(|it| is_in(it.call.ended_us())).cloned().collect();
            calls.sort_by_key(|it| it.call.ended_us());
            let of_jvm = of_jvm.iter().filter(|it| is_in(**it)).count();
            ActLines { act: *act, requests: by_request(calls), of_jvm }
        })
        .collect()
}

/// A request begins with the wait that its first bytes have ended.
fn by_request(calls: Vec<Placed>) -> Vec<Vec<Placed>> {
    let mut requests: Vec<Vec<Placed>> = vec![Vec::new()];
    let mut is_answered = false;
    for call in calls {
        let begins = call.stage == Stage::In && call.line.step == 3 && is_answered;
        if begins {
            requests.push(Vec::new());
            is_answered = false;
        }
        is_answered |= call.line.step == 19;
        if let Some(request) = requests.last_mut() {
            request.push(call);
        }
    }
    for request in &mut requests {
        // The sort is stable: what one thread did stays in its order.
        request.sort_by_key(|it| (it.stage, it.line.role));
    }
    requests
}
