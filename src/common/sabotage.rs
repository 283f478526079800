//! A broker that is broken on purpose: no model in Kafka. It exists only in a build with
//! `--cfg sabotage`, by which `make torture` shows that it would notice.

use std::env;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use log::warn;

/// How long an append that was acknowledged early takes to reach its file.
const LATE: Duration = Duration::from_millis(50);

/// How to break: `acknowledge-early`, `skip-fsync` or `commit-alone`; nothing breaks without it.
static SABOTAGE: LazyLock<String> =
    LazyLock::new(|| env::var("TRANSFERTO_SABOTAGE").unwrap_or_default());

/// Whether a log is said to be durable without a sync.
pub fn skips_fsync() -> bool {
    *SABOTAGE == "skip-fsync"
}

/// Whether a leader commits what no follower has.
pub fn commits_alone() -> bool {
    *SABOTAGE == "commit-alone"
}

/// Whether an append is said to be done now and is done later.
///
/// # Errors
/// Whatever `dup(2)` reports.
pub fn writes_late(file: &File, bytes: &[u8], position: u64) -> io::Result<bool> {
    if *SABOTAGE != "acknowledge-early" {
        return Ok(false);
    }
    let (file, bytes) = (file.try_clone()?, bytes.to_vec());
    thread::spawn(move || {
        thread::sleep(LATE);
        if let Err(error) = file.write_all_at(&bytes, position) {
            warn!("a late append failed: {error}");
        }
    });
    Ok(true)
}
