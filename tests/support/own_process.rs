//! Tests of what belongs to the process: its limits, its memory, its log.

use std::env;
use std::process::Command;

const IS_OWN: &str = "TRANSFERTO_TEST_HAS_ITS_OWN_PROCESS";

/// Runs `test` in a process of its own, in which no other test runs: the test binary begins anew
/// for the one test `name`, after the commands `setup` of a shell.
pub fn in_own_process(name: &str, setup: &str, test: impl FnOnce()) {
    if env::var_os(IS_OWN).is_some() {
        return test();
    }
    let mut command = Command::new("sh");
    command.args(["-c", &format!(r#"{setup} exec "$0" "$@""#)]).arg(env::current_exe().unwrap());
    let output = command.args(["--exact", name, "--nocapture"]).env(IS_OWN, "1").output().unwrap();
    let output_text = [output.stdout, output.stderr].concat();
    let output_text = String::from_utf8_lossy(&output_text);
    assert!(output.status.success() && output_text.contains("1 passed"), "{output_text}");
}
