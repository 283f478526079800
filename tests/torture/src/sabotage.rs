//! Whether the tortures would notice: against a broker that is broken on purpose each must fail.

use std::path::Path;

use crate::outcome::{Outcome, failed};
use crate::plan::{Plan, TORTURES};
use crate::report::Report;

/// How the broker is broken, the torture that must find it, and in how many rounds.
const SABOTAGES: [(&str, &str, u64); 3] = [
    ("acknowledge-early", "kill", 4),
    ("skip-fsync", "power-loss", 4),
    ("commit-alone", "cluster", 15),
];

/// Runs a few rounds against the binary for each way to break it; returns whether each was found.
pub(crate) fn is_found(plan: &Plan, binary: &Path) -> Outcome<bool> {
    let mut is_found = true;
    for (sabotage, name, rounds_max) in SABOTAGES {
        let Some(torture) = TORTURES.iter().find(|torture| torture.name == name) else {
            return failed(format!("there is no torture {name}"));
        };
        println!("a broker that does {sabotage}, which {name} must find; failures are expected");
        let sabotaged = plan.sabotaged(binary.to_path_buf(), sabotage, name, rounds_max);
        let report: Report = sabotaged.run(torture);
        let lost = report.lost;
        match lost > 0 && report.rounds > 0 {
            true => println!("sabotage {sabotage} was found: {lost} acknowledged are lost"),
            false => {
                println!("SABOTAGE {sabotage} WAS NOT FOUND by {name}");
                is_found = false;
            }
        }
    }
    Ok(is_found)
}
