//! `make bench`: measures the broker's binary beside the limit of the machine, nginx and Apache
//! Kafka.
//!
//! All peers run in one run, in turn, round after round, so that what disturbs one disturbs all;
//! the table has the median and the spread. `docs/en/benchmarks.md` has the figures of such a run.

use std::fs;
use std::process::ExitCode;
use std::time::Instant;

use bench::caretaker;
use bench::experiments::Experiment;
use bench::machine::Machine;
use bench::namespace::Network;
use bench::outcome::{Outcome, failed};
use bench::peers::{file_server, kafka, write_loop};
use bench::plan::Plan;
use bench::report::json::json;
use bench::report::text::text;
use bench::report::{Report, page};

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
            caretaker::COMMAND => return caretaker::serve(),
            _ => {}
        }
    }
    let mut plan = Plan::from_arguments()?;
    fs::create_dir_all(&plan.work_dir)?;
    if let Err(why) = kafka::fetch_jars(&plan) {
        println!("no Apache Kafka: {why}");
    }
    // Before the mounts are others: what is mounted over a file of its own does not keep it there.
    caretaker::start()?;
    plan.network = Network::enter()?;
    let machine = Machine::look(&plan)?;
    for (name, fact) in &machine.facts {
        println!("{name}: {fact}");
    }
    let began = Instant::now();
    let (reports, failures) = run_all(&plan);
    let results = plan.work_dir.join("results.json");
    fs::write(&results, json(&machine, &reports))?;
    println!("\nall rounds are in {}", results.display());
    if plan.writes_pages {
        page::write(&plan, &machine, &reports)?;
    }
    println!("done in {:.0} s", began.elapsed().as_secs_f64());
    if failures.is_empty() { Ok(()) } else { failed(failures.join("\nbench: ")) }
}

/// Those that were chosen. One that fails takes nothing from what the others have found.
fn run_all(plan: &Plan) -> (Vec<Report>, Vec<String>) {
    let (mut reports, mut failures) = (Vec::new(), Vec::new());
    for experiment in plan.chosen() {
        match run(experiment, plan) {
            Ok(report) => reports.push(report),
            Err(why) => {
                println!("  {} FAILED: {why}", experiment.name);
                failures.push(format!("{} failed: {why}", experiment.name));
            }
        }
    }
    (reports, failures)
}

fn run(experiment: &'static Experiment, plan: &Plan) -> Outcome<Report> {
    let began = Instant::now();
    println!("\n{}: {}", experiment.name, experiment.title);
    let findings = (experiment.run)(plan)?;
    println!("{}", text(&findings));
    println!("  {} took {:.0} s", experiment.name, began.elapsed().as_secs_f64());
    Ok(Report { experiment, findings })
}
