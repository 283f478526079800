//! Whether the tortures would notice: against a broker that is broken on purpose each must fail.

use std::path::Path;

use crate::outcome::{Outcome, failed};
use crate::plan::{Plan, TORTURES};
use crate::report::Report;

/// How the broker is broken, and the torture that must find it.
const SABOTAGES: [(&str, &str); 2] = [("acknowledge-early", "kill"), ("skip-fsync", "power-loss")];

/// Runs a few rounds against the binary for each way to break it; returns whether each was found.
pub(crate) fn is_found(plan: &Plan, binary: &Path) -> Outcome<bool> {
    let mut is_found = true;
    for (sabotage, name) in SABOTAGES {
        let Some(torture) = TORTURES.iter().find(|torture| torture.name == name) else {
            return failed(format!("there is no torture {name}"));
        };
        println!("a broker that does {sabotage}, which {name} must find; failures are expected");
        let report: Report = plan.sabotaged(binary.to_path_buf(), sabotage, name).run(torture);
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
