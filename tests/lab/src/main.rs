//! `make lab`: the first section of the post as an experiment. One process sends a file to sockets in
//! each of the ways that a program has, and the lab shows what each costs: time, CPU, system calls,
//! copies, context switches, page faults. Then the broker does the same in its two modes.
//!
//! All ways run in one run, in turn, round after round. `docs/en/lab.md` has the figures of such a run,
//! and what they say about the post.

use std::fs;
use std::process::ExitCode;
use std::time::Instant;

use bench::caretaker;
use bench::machine::Machine;
use bench::namespace::Network;
use bench::outcome::{Outcome, failed};
use bench::plan::Plan;

use crate::report::Part;

mod ways;
mod cost;
mod cpus;
mod sender;
mod receiver;
mod stir;
mod test_file;
mod measured;
mod progress;
mod report;
mod kernel_count;
mod file_cases;
mod call_counts;
mod tls_cost;
mod broker_modes;
mod pacing;

/// Its name, what it is, and how it is run.
type Experiment = (&'static str, &'static str, fn(&Plan) -> Outcome<Part>);

/// What can be asked for.
const EXPERIMENTS: [Experiment; 5] = [
    ("files", "One file, sent in several ways", file_cases::run),
    ("calls", "The kernel counts their system calls", call_counts::run),
    ("tls", "The same file, encrypted by the sender", tls_cost::run),
    ("broker", "The broker in its two modes", broker_modes::run),
    ("pacing", "The same under bbr", pacing::run),
];

fn main() -> ExitCode {
    match lab() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab: {error}");
            ExitCode::FAILURE
        }
    }
}

fn lab() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((command, rest)) = arguments.split_first() {
        match command.as_str() {
            sender::COMMAND => return sender::serve(rest),
            caretaker::COMMAND => return caretaker::serve(),
            _ => {}
        }
    }
    for name in &arguments {
        if EXPERIMENTS.iter().all(|it| it.0 != name) {
            let known = EXPERIMENTS.map(|it| it.0).join(", ");
            return failed(format!("no experiment {name}; there are {known}"));
        }
    }
    let mut plan = Plan::from_environment("lab", arguments)?;
    fs::create_dir_all(&plan.work_dir)?;
    caretaker::start()?;
    plan.network = Network::enter()?;
    let machine = Machine::look(&plan)?;
    for (name, fact) in &machine.facts {
        println!("{name}: {fact}");
    }
    cpus::run_with_receivers()?;
    let began = Instant::now();
    let (parts, failures) = run_all(&plan);
    if plan.writes_pages {
        report::write(&machine, &rounds(&plan), &parts)?;
    }
    println!("\ndone in {:.0} s", began.elapsed().as_secs_f64());
    println!("docs/en/lab.md says what these figures mean, and holds the post to them.");
    if failures.is_empty() { Ok(()) } else { failed(failures.join("\nlab: ")) }
}

/// Those that were named, or all. One that fails takes nothing from what the others have found.
fn run_all(plan: &Plan) -> (Vec<Part>, Vec<String>) {
    let (mut parts, mut failures) = (Vec::new(), Vec::new());
    for (name, title, run) in EXPERIMENTS {
        if !plan.names().is_empty() && plan.names().iter().all(|it| it != name) {
            continue;
        }
        println!("\n{name}: {title}");
        match run(plan) {
            Ok(part) => {
                part.sections.iter().for_each(report::Section::print);
                parts.push(part);
            }
            Err(why) => {
                println!("  {name} FAILED: {why}");
                failures.push(format!("{name} failed: {why}"));
            }
        }
    }
    (parts, failures)
}

fn rounds(plan: &Plan) -> String {
    let form = if plan.is_short { ", the short form" } else { "" };
    format!("rounds: {}{form}", plan.rounds)
}
