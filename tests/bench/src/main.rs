//! `make bench`: measures the broker's binary beside the limit of the machine, nginx and Apache
//! Kafka.
//!
//! All peers run in one run, in turn, round after round, so that what disturbs one disturbs all;
//! the table has the median and the spread. `docs/en/benchmarks.md` has the figures of such a run.

use std::process::ExitCode;
use std::time::Instant;

use crate::namespace::Network;
use crate::outcome::Outcome;
use crate::peers::{file_server, kafka, write_loop};
use crate::plan::Plan;

mod outcome;
mod figure;
mod namespace;
mod process;
mod connection;
mod client;
mod producer;
mod topic;
mod data_set;
mod scratch;
mod peers;
mod stretch;
mod slow_file;
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
    if let Some((command, rest)) = arguments.split_first() {
        match command.as_str() {
            file_server::COMMAND => return file_server::serve(rest),
            write_loop::COMMAND => return write_loop::serve(rest),
            _ => {}
        }
    }
    let mut plan = Plan::from_arguments()?;
    std::fs::create_dir_all(&plan.work_dir)?;
    if let Err(why) = kafka::fetch_jars(&plan) {
        println!("no Apache Kafka: {why}");
    }
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
