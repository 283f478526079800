//! What a fetch costs whatever the machine's mood: system calls and context switches.

use std::thread;

use crate::call_counter::{CallCounter, Calls};
use crate::connection::Tally;
use crate::data_set::DataSet;
use crate::experiments::instructions;
use crate::figure::{Findings, Goal, Unit};
use crate::outcome::{Outcome, failed};
use crate::peers::contestants::{Contest, Contestant};
use crate::peers::transferto::TRANSFERTO;
use crate::peers::{Consumer, Errand, FetchPeer};
use crate::plan::Plan;
use crate::turns::turns;

const CONSUMERS: [usize; 3] = [1, 2, 8];
const FETCH_BYTES: usize = 1 << 20;
const DATA_BYTES: usize = 256 << 20;
const VALUE_BYTES: usize = 100;
const BATCH_BYTES: usize = 16_384;
/// Of each consumer, in a round.
const FETCHES: usize = 300;
const FETCHES_BEFORE: usize = 30;
/// Less often than once in so many fetches, a call is not worth a row.
const RARE: f64 = 20.0;
/// Calls of a fetch that one `sendfile(2)` sends whole.
const CALLS_MAX: f64 = 10.0;
/// What each further piece takes: `epoll_wait(2)` until there is room, `sendfile(2)`.
const CALLS_PER_REFILL: f64 = 2.0;
const SENDFILE: &str = "sendfile64";

pub(crate) fn run(plan: &Plan) -> Outcome<Findings> {
    let data = DataSet::new("small", 1, DATA_BYTES, VALUE_BYTES, BATCH_BYTES)?;
    let contest = Contest::prepare(plan, "fetch-counts", std::slice::from_ref(&data))?;
    let mut counts = Counts {
        contest: &contest,
        data: &data,
        obstacle: CallCounter::obstacle(),
        findings: Findings { remarks: contest.remarks.clone(), ..Findings::default() },
    };
    counts.findings.remarks.extend(counts.obstacle.clone());
    for round in 1..=plan.rounds {
        println!("  round {round} of {}", plan.rounds);
        for consumers in CONSUMERS {
            let contestants = contest.contestants.iter().filter(|it| !it.is_aside);
            for contestant in turns(round, contestants) {
                counts.count(contestant, consumers)?;
            }
        }
    }
    let mut findings = counts.findings;
    if plan.is_long {
        instructions::count(plan, &mut findings)?;
    }
    findings.goals = CONSUMERS.iter().flat_map(|it| goals(&findings, *it)).collect();
    Ok(findings)
}

struct Counts<'a> {
    contest: &'a Contest<'a>,
    data: &'a DataSet,
    /// Why system calls are not counted.
    obstacle: Option<String>,
    findings: Findings,
}

impl Counts<'_> {
    fn count(&mut self, contestant: &Contestant, consumers: usize) -> Outcome<()> {
        let peer = self.contest.start(contestant, self.data)?;
        let mut crowd = self.connect(&*peer, consumers)?;
        fetch_all(&mut crowd, FETCHES_BEFORE)?;
        let counter = match &self.obstacle {
            None => Some(CallCounter::attach(peer.server().pid(), self.contest.dir())?),
            Some(_) => None,
        };
        let (calls, switches) = between(&*peer, counter, || fetch_all(&mut crowd, FETCHES))?;
        let fetches = (FETCHES * consumers) as f64;
        let (row, name) = (row(consumers), &contestant.name);
        self.findings.add(&row, name, Unit::SwitchesPerFetch, switches / fetches);
        let Some(calls) = calls else { return Ok(()) };
        self.findings.add(&row, name, Unit::CallsPerFetch, calls.all / fetches);
        let named: f64 = calls.by_name.iter().map(|it| it.1).sum();
        let others = ("others".to_string(), calls.all - named);
        for (call, count) in calls.by_name.into_iter().chain([others]) {
            if count * RARE >= fetches {
                let row = call_row(consumers, &call);
                self.findings.add(&row, name, Unit::CallsPerFetch, count / fetches);
            }
        }
        Ok(())
    }

    fn connect(&self, peer: &dyn FetchPeer, consumers: usize) -> Outcome<Vec<Box<dyn Consumer>>> {
        let connect = |number: usize| {
            let behind = number as f64 / consumers as f64;
            peer.consumer(&Errand {
                data: self.data,
                fetch_bytes: FETCH_BYTES,
                partitions: 1,
                behind,
            })
        };
        (0..consumers).map(connect).collect()
    }
}

/// The server's calls and switches while `work` is done.
fn between(
    peer: &dyn FetchPeer,
    mut counter: Option<CallCounter>,
    work: impl FnOnce() -> Outcome<()>,
) -> Outcome<(Option<Calls>, f64)> {
    if let Some(counter) = &mut counter {
        counter.begin()?;
    }
    let before = peer.server().context_switches()?;
    work()?;
    let switches = peer.server().context_switches()? - before;
    let calls = counter.map(CallCounter::finish).transpose()?;
    Ok((calls, switches as f64))
}

/// Each consumer fetches so often, all at the same time.
fn fetch_all(consumers: &mut [Box<dyn Consumer>], fetches: usize) -> Outcome<()> {
    thread::scope(|scope| {
        let fetch = |consumer: &mut Box<dyn Consumer>| {
            let tally = Tally::default();
            (0..fetches).try_for_each(|_| consumer.fetch(&tally))
        };
        let threads: Vec<_> =
            consumers.iter_mut().map(|consumer| scope.spawn(move || fetch(consumer))).collect();
        for thread in threads {
            match thread.join() {
                Ok(outcome) => outcome?,
                Err(_) => return failed("a consumer has panicked"),
            }
        }
        Ok(())
    })
}

fn row(consumers: usize) -> String {
    let plural = if consumers == 1 { "" } else { "s" };
    format!("{consumers} consumer{plural}, fetches of 1 MiB")
}

fn call_row(consumers: usize, call: &str) -> String {
    format!("{}: {call}", row(consumers))
}

fn goals(findings: &Findings, consumers: usize) -> Vec<Goal> {
    let row = row(consumers);
    let mut goals = Vec::new();
    let per_fetch = |row: &str, unit| findings.median(row, TRANSFERTO, unit);
    let calls = per_fetch(&row, Unit::CallsPerFetch);
    let sendfiles = per_fetch(&call_row(consumers, SENDFILE), Unit::CallsPerFetch);
    if let (Some(calls), Some(sendfiles)) = (calls, sendfiles) {
        let refills = (sendfiles - 1.0).max(0.0);
        let what = format!("{TRANSFERTO}, calls without the two of each refill; {row}");
        goals.push(Goal::at_most(what, CALLS_MAX, calls - CALLS_PER_REFILL * refills));
    }
    if let Some(switches) = per_fetch(&row, Unit::SwitchesPerFetch) {
        let most = if consumers == 1 { 3.0 } else { 2.0 };
        let what = format!("{TRANSFERTO}, context switches; {row}");
        goals.push(Goal::at_most(what, most, switches));
    }
    goals
}
