//! `make torture`: breaks the broker's binary in every way that a machine, a disk or a peer can, and
//! counts what is lost.
//!
//! Each torture starts the binary as a process of its own, below a temporary directory, and speaks
//! to it over 127.0.0.1. `docs/en/torture.md` says what each does and how to read the table.
#![warn(missing_docs)]

use std::process::ExitCode;

use crate::outcome::Outcome;
use crate::plan::{Plan, all_names};
use crate::report::{Report, table};

mod outcome;
mod records;
mod vitals;
mod client;
mod broker;
mod report;
mod plan;
mod loads;
mod kill;
mod fuzz;
mod security;
mod attacks;
mod hostile;
mod tls_attacks;
mod harm;
mod damage;
mod injection;
mod trace;
mod power_loss;
mod full_disk;
mod cluster;
mod sabotage;

fn main() -> ExitCode {
    match torture() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("torture: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs what was asked for; returns whether all held.
fn torture() -> Outcome<bool> {
    let plan = Plan::from_arguments()?;
    println!("seed {} ({}); again with: make torture SEED={}", plan.seed, plan.form(), plan.seed);
    if let Some(binary) = Plan::sabotaged_binary() {
        return sabotage::is_found(&plan, &binary);
    }
    let reports: Vec<Report> = plan.chosen().map(|torture| plan.run(torture)).collect();
    println!("\n{}", table(&reports));
    if reports.iter().all(Report::is_passed) {
        return Ok(true);
    }
    println!("A torture alone: make torture PARTS=\"...\", of {}", all_names());
    Ok(false)
}
