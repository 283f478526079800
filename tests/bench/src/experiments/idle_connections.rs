//! What connections cost that do nothing: memory, and the time of the one that works.

use std::time::Instant;

use transferto::common::file_descriptors::raise_limit;

use crate::client::Client;
use crate::delays::quantile_ms;
use crate::experiments::small_topic::SmallTopic;
use crate::figure::{Findings, Goal, Unit};
use crate::outcome::Outcome;
use crate::peers::Broker;
use crate::peers::transferto::{TRANSFERTO, Transferto};
use crate::plan::Plan;
use crate::scratch::Scratch;

const CONNECTIONS: usize = 10_000;
/// Both ends are descriptors, of two processes with the same limit; the rest is for the logs.
const DESCRIPTORS_MIN: u64 = 15_000;
const FETCHES: usize = 20_000;
const FETCHES_SHORT: usize = 4_000;
const KIB: f64 = 1024.0;

const MEMORY_EACH: &str = "memory of an idle connection";
const ALONE: &str = "p99 of a small fetch, alone";
const BESIDE: &str = "p99 of a small fetch beside 10,000 idle connections";

/// Each round starts a broker, measures the connection that works, adds those that do not, and
/// measures it again.
pub(crate) fn run(plan: &Plan) -> Outcome<Findings> {
    let mut findings = Findings::default();
    let limit = raise_limit()?.now;
    if limit < DESCRIPTORS_MIN {
        findings.remarks.push(format!(
            "Left out: {limit} file descriptors are too few for 10,000 connections; raise the hard \
             limit to {DESCRIPTORS_MIN}, for example by ulimit -Hn."
        ));
        return Ok(findings);
    }
    for round in 0..plan.rounds {
        println!("  round {} of {}", round + 1, plan.rounds);
        measure(plan, &mut findings)?;
    }
    findings.goals.extend(goals(&findings));
    Ok(findings)
}

fn measure(plan: &Plan, findings: &mut Findings) -> Outcome<()> {
    let scratch = Scratch::new(plan, "idle-connections")?;
    let broker = Transferto::start(plan, TRANSFERTO, scratch.path(), &[])?;
    let mut topic = SmallTopic::of(&broker)?;
    let fetches = if plan.is_short { FETCHES_SHORT } else { FETCHES };
    // The first ones grow what the broker keeps for all.
    topic.fetch_times(fetches)?;
    findings.add(
        ALONE,
        broker.name(),
        Unit::Milliseconds,
        quantile_ms(&mut topic.fetch_times(fetches)?, 0.99),
    );

    let before_bytes = broker.server().resident_bytes()?;
    let idle = idle_connections(&broker)?;
    let grown_bytes = broker.server().resident_bytes()?.saturating_sub(before_bytes);
    let each_kib = grown_bytes as f64 / CONNECTIONS as f64 / KIB;
    findings.add(MEMORY_EACH, broker.name(), Unit::Kib, each_kib);
    findings.add(
        BESIDE,
        broker.name(),
        Unit::Milliseconds,
        quantile_ms(&mut topic.fetch_times(fetches)?, 0.99),
    );
    drop(idle);
    Ok(())
}

/// Each has asked once, as the connection of every real client has.
fn idle_connections(broker: &Transferto) -> Outcome<Vec<Client>> {
    let mut connections = Vec::with_capacity(CONNECTIONS);
    let began = Instant::now();
    for _ in 0..CONNECTIONS {
        let mut client = Client::connect(broker.port())?;
        client.ask_api_versions()?;
        connections.push(client);
    }
    println!("    10,000 connections in {:.1} s", began.elapsed().as_secs_f64());
    Ok(connections)
}

fn goals(findings: &Findings) -> Vec<Goal> {
    let of = |row, unit| findings.median(row, TRANSFERTO, unit);
    let mut goals = Vec::new();
    if let Some(each_kib) = of(MEMORY_EACH, Unit::Kib) {
        goals.push(Goal::at_most("an idle connection, KiB", 1.0, each_kib));
    }
    if let (Some(alone), Some(beside)) =
        (of(ALONE, Unit::Milliseconds), of(BESIDE, Unit::Milliseconds))
    {
        goals.push(Goal::at_most(
            "p99 beside 10,000 idle connections, of alone",
            1.2,
            beside / alone,
        ));
    }
    goals
}
