//! Instructions of the broker in user space, for a fetch and for a batch that is produced, counted by
//! callgrind: two sessions of one script, of which one does more, and what they differ by.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::client::Client;
use crate::connection::Tally;
use crate::data_set::DataSet;
use crate::figure::{Findings, Unit};
use crate::outcome::{Outcome, failed};
use crate::peers::transferto::{TRANSFERTO, Transferto};
use crate::peers::{Broker, Errand, FetchPeer};
use crate::plan::Plan;
use crate::scratch::Scratch;

const FETCH_BYTES: usize = 1 << 20;
const VALUE_BYTES: usize = 100;
const BATCH_BYTES: usize = 16_384;
const DATA_BYTES: usize = 2 << 20;
/// By which the sessions differ.
const MORE: usize = 300;

/// What a session does, beside the filling of the topic.
#[derive(Clone, Copy, Debug)]
struct Script {
    batches: usize,
    fetches: usize,
}

/// Adds both figures, or a remark without valgrind.
pub(crate) fn count(plan: &Plan, findings: &mut Findings) -> Outcome<()> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        let remark = "valgrind is not installed: apt-get install valgrind";
        findings.remarks.push(remark.to_string());
        return Ok(());
    }
    println!("  instructions, under valgrind");
    let few = Script { batches: MORE, fetches: MORE };
    let of_few = session(plan, few)?;
    let of_fetches = session(plan, Script { fetches: 2 * MORE, ..few })? - of_few;
    let of_batches = session(plan, Script { batches: 2 * MORE, ..few })? - of_few;
    let each = |instructions: f64| instructions / MORE as f64;
    let row = "a fetch of 1 MiB, batches of 16 KiB";
    findings.add(row, TRANSFERTO, Unit::Instructions, each(of_fetches));
    let row = "a batch of 16 KiB that is produced, records of 100 B";
    findings.add(row, TRANSFERTO, Unit::Instructions, each(of_batches));
    Ok(())
}

/// All instructions from the broker's start to its end.
fn session(plan: &Plan, script: Script) -> Outcome<f64> {
    let scratch = Scratch::new(plan, "instructions")?;
    let counts = scratch.join("callgrind.out");
    let file = format!("--callgrind-out-file={}", counts.display());
    let wrapper = ["valgrind", "--quiet", "--tool=callgrind", &file];
    let broker =
        Transferto::start_under(&plan.binary, &wrapper, TRANSFERTO, &scratch.join("logs"), &[])?;
    act(&broker, script)?;
    // The counts are written at the end.
    drop(broker);
    total(&counts)
}

fn act(broker: &Transferto, script: Script) -> Outcome<()> {
    let data = DataSet::new("script", 1, DATA_BYTES, VALUE_BYTES, BATCH_BYTES)?;
    data.fill(broker.port())?;
    let mut client = Client::connect(broker.port())?;
    for _ in 0..script.batches {
        client.produce(data.topic, 0, 1, data.batch())?;
    }
    let errand = Errand { data: &data, fetch_bytes: FETCH_BYTES, partitions: 1, behind: 0.0 };
    let mut consumer = broker.consumer(&errand)?;
    let tally = Tally::default();
    (0..script.fetches).try_for_each(|_| consumer.fetch(&tally))
}

fn total(counts: &Path) -> Outcome<f64> {
    let text = fs::read_to_string(counts)?;
    let line = text.lines().find_map(|line| line.strip_prefix("totals: "));
    match line {
        Some(total) => Ok(total.trim().parse()?),
        None => failed(format!("no totals in {}", counts.display())),
    }
}
