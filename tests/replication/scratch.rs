//! Directories of a simulation, and what a power failure does to them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use support::random::Random;
use transferto::common::units::Offset;
use transferto::storage::files::meta_properties::MetaProperties;

/// Removed on drop.
pub(crate) struct ScratchDir(PathBuf);

impl ScratchDir {
    /// In memory, if the machine has a file system there: a simulation has no use for a disk.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
        let path = parent.join(format!("transferto-simulation-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// A new log directory, formatted for a broker.
    pub(crate) fn log_dir(&self, broker_id: i32) -> PathBuf {
        let path = self.0.join(broker_id.to_string());
        fs::create_dir(&path).unwrap();
        let directory_id = [broker_id.try_into().unwrap(); 16];
        let properties = MetaProperties {
            cluster_id: "simulated".into(),
            node_id: broker_id,
            directory_id: Some(directory_id),
        };
        properties.write(&path).unwrap();
        path
    }
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        // A directory that stays harms nobody, and a second panic would hide the first.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Cuts a log, whose broker is down, somewhere behind `flushed`. Returns how many bytes are gone.
pub(crate) fn cut_tail(dir: &Path, flushed: Offset, random: &mut Random) -> u64 {
    let mut lost_bytes = 0;
    for (base, segment) in segments(dir).into_iter().rev() {
        if base < flushed.0 {
            break;
        }
        let size = fs::metadata(&segment).unwrap().len();
        let left = random.below(size + 1);
        File::options().write(true).open(&segment).unwrap().set_len(left).unwrap();
        lost_bytes += size - left;
        // What comes before is gone only if nothing after it is left.
        if left > 0 {
            break;
        }
    }
    lost_bytes
}

/// The files with records, by their first offsets.
fn segments(dir: &Path) -> Vec<(i64, PathBuf)> {
    let files = fs::read_dir(dir).unwrap().map(|it| it.unwrap().path());
    let logs = files.filter(|it| it.extension().is_some_and(|it| it == "log"));
    let base = |it: &PathBuf| it.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let mut segments: Vec<_> = logs.map(|it| (base(&it), it)).collect();
    segments.sort();
    segments
}
