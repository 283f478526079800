//! `make bench`: measures the broker's binary beside the limit of the machine, nginx and Apache
//! Kafka.
//!
//! All peers run in one run, in turn, round after round, so that what disturbs one disturbs all;
//! the table has the median and the spread. `docs/en/benchmarks.md` has the figures of such a run.

use std::process::ExitCode;
use std::time::Instant;

use crate::namespace::Network;
use crate::outcome::Outcome;
use crate::peers::file_server;
use crate::plan::Plan;

mod outcome;
mod figure;
mod namespace;
mod process;
mod connection;
mod client;
mod data_set;
mod scratch;
mod peers;
mod stretch;
mod call_counter;
mod plan;
mod experiments;
mod machine;
mod report;

fn main() -> ExitCode {
    match bench() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((file_server::COMMAND, rest)) =
        arguments.split_first().map(|(first, rest)| (first.as_str(), rest))
    {
        return file_server::serve(rest);
    }
    let mut plan = Plan::from_arguments()?;
    std::fs::create_dir_all(&plan.work_dir)?;
    plan.network = Network::enter()?;
    for experiment in plan.chosen() {
        let began = Instant::now();
        println!("{}", experiment.title);
        let findings = (experiment.run)(&plan)?;
        println!("{}", report::text(&findings));
        println!("  {}: {:.1} s", experiment.name, began.elapsed().as_secs_f64());
    }
    Ok(())
}
