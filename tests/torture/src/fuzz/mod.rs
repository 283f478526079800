//! A structured fuzzer: requests of every API in every version and record sets of every format,
//! built from the tables of the source, then damaged where it hurts, against the parser in this
//! process and against a broker over real sockets.

use support::random::Random;

use crate::fuzz::in_process::{CaughtPanics, Frame, check_request, check_set};
use crate::fuzz::mutation::mutate;
use crate::fuzz::requests::RequestMaker;
use crate::fuzz::sets::make_set;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::report::Report;
use crate::vitals::Vitals;

mod tables;
mod sets;
mod requests;
mod mutation;
mod in_process;
mod sockets;

/// A round is so many requests, and so many sets, in this process.
const REQUESTS_A_ROUND: u64 = 10_000;
const SETS_A_ROUND: u64 = 2_000;
const ROUNDS_SHORT: u64 = 25;
/// One request of a round goes to the broker, too, for so many in this process.
const SOCKET_SHARE: u64 = 5;
/// Requests of a round that the broker answers at the least: damage makes it close most connections.
const ANSWERED_A_ROUND_MIN: u64 = 400;
/// After so many failures the rest would say the same.
const FAILURES_MAX: usize = 20;
/// What the parser may take at its worst: the allowance of one request, and what it was given.
const MEMORY_GROWTH_KIB_MAX: u64 = 128 * 1024;

/// How many of what was damaged were taken all the same: a fuzzer that is always refused at the door
/// sees nothing of the house.
#[derive(Default)]
struct Taken {
    requests: u64,
    sets: u64,
}

impl Taken {
    fn check(&self, report: &mut Report) {
        let Self { requests, sets } = self;
        let enough = requests * 5 >= report.rounds && sets * 50 >= report.rounds;
        report.note(format!("{requests} requests and {sets} sets were taken"));
        report.demand(enough, || "too few were taken".to_string());
    }
}

/// Runs the torture. A round of the table is a request or a set that was damaged and sent in.
pub(crate) fn run(plan: &Plan, report: &mut Report) -> Outcome<()> {
    report.rounds_min = ROUNDS_SHORT * (REQUESTS_A_ROUND + SETS_A_ROUND);
    report.acknowledged_min = ROUNDS_SHORT * ANSWERED_A_ROUND_MIN;
    let maker = RequestMaker::new()?;
    report.demand(maker.versions() >= 150, || format!("only {} versions", maker.versions()));
    let panics = CaughtPanics::install();
    let before = Vitals::of(std::process::id().cast_signed())?;
    let mut sockets = sockets::Target::start(plan)?;
    report.measure(sockets.vitals()?);
    let mut taken = Taken::default();
    for round in plan.rounds(ROUNDS_SHORT) {
        let mut random = Random(plan.seed.wrapping_add(round << 32));
        for _ in 0..SETS_A_ROUND {
            let set = make_set(&mut random);
            taken.sets += report.take(check_set(&set, &mut random, &panics));
        }
        let mut for_the_broker = Vec::new();
        for number in 0..REQUESTS_A_ROUND {
            let made = maker.make(&mut random, number);
            report.take(check_request(&made.frame, made.kind(), &panics));
            let frame = mutate(&made, &mut random);
            taken.requests += report.take(check_request(&frame, Frame::Mutated, &panics));
            if number % SOCKET_SHARE == 0 {
                for_the_broker.push(frame);
            }
        }
        report.acknowledged += sockets.send(&for_the_broker, report)?;
        report.rounds += REQUESTS_A_ROUND + SETS_A_ROUND;
        if report.failures.len() > FAILURES_MAX {
            break;
        }
    }
    taken.check(report);
    report.measure(sockets.vitals()?);
    let grown = Vitals::of(std::process::id().cast_signed())?.memory_kib;
    let grown = grown.saturating_sub(before.memory_kib);
    report.demand(grown <= MEMORY_GROWTH_KIB_MAX, || format!("the parser keeps {grown} KiB"));
    report.note(format!(
        "{} versions of {} APIs; {}",
        maker.versions(),
        maker.apis(),
        sockets.summary()
    ));
    sockets.finish(report)
}
