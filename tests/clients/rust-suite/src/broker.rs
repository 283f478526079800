//! The broker that the clients talk to.

use std::process::Stdio;

use tokio::process::Command;

use crate::steps::StepResult;

/// Ends the broker with kill -9, and starts it again on what it left.
pub async fn restart_broker() -> StepResult {
    let script = "source ../lib.sh; broker_kill_and_restart";
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .stdin(Stdio::null())
        .output()
        .await?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("restart of the broker: {why}").into());
    }
    Ok(())
}
