//! What can happen to the files of a broker that is down.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use support::random::Random;

use crate::outcome::{Outcome, failed};

const PAGE_BYTES: u64 = 4096;

/// One kind of harm.
pub(crate) struct Harm {
    pub(crate) name: &'static str,
    /// Does it below a log directory.
    pub(crate) run: fn(&Path, &mut Random) -> Outcome<Harmed>,
    /// The broker may refuse to start, if it names the file: only a person can mend it.
    pub(crate) may_refuse: bool,
}

/// What was harmed.
pub(crate) struct Harmed {
    pub(crate) file: PathBuf,
    /// Below the log directory.
    pub(crate) relative: PathBuf,
    /// The first byte that is not as it was.
    pub(crate) position: u64,
}

impl Harmed {
    fn new(dir: &Path, file: PathBuf, position: u64) -> Self {
        let relative = file.strip_prefix(dir).map(Path::to_path_buf).unwrap_or_default();
        Self { file, relative, position }
    }

    /// Whether it is a file of messages of this topic.
    pub(crate) fn is_in_log_of(&self, topic: &str) -> bool {
        self.relative.starts_with(format!("{topic}-0"))
            && self.relative.extension().is_some_and(|it| it == "log")
    }
}

/// All of them.
pub(crate) const HARMS: &[Harm] = &[
    Harm { name: "a log cut short", run: cut_log, may_refuse: false },
    Harm { name: "bits of a log flipped", run: flip_log, may_refuse: false },
    Harm { name: "a page of a log zeroed", run: zero_log, may_refuse: false },
    Harm { name: "junk behind a log", run: junk_behind_log, may_refuse: false },
    Harm { name: "an index deleted", run: delete_index, may_refuse: false },
    Harm { name: "an index cut short", run: cut_index, may_refuse: false },
    Harm { name: "an index of junk", run: junk_index, may_refuse: false },
    Harm { name: "an index of zeros", run: zero_index, may_refuse: false },
    Harm { name: "an empty swap", run: empty_swap, may_refuse: false },
    Harm { name: "a torn swap", run: torn_swap, may_refuse: false },
    Harm { name: "a snapshot of junk", run: junk_snapshot, may_refuse: false },
    Harm { name: "an empty snapshot", run: empty_snapshot, may_refuse: false },
    Harm { name: "a checkpoint of nonsense", run: nonsense_checkpoint, may_refuse: true },
    Harm { name: "an empty checkpoint", run: empty_checkpoint, may_refuse: true },
    Harm { name: "a registry of nonsense", run: nonsense_registry, may_refuse: true },
];

fn cut_log(dir: &Path, random: &mut Random) -> Outcome<Harmed> {
    let file = pick_filled_log(dir, random)?;
    let position = random.below(size(&file)?.max(1));
    OpenOptions::new().write(true).open(&file)?.set_len(position)?;
    Ok(Harmed::new(dir, file, position))
}

fn flip_log(dir: &Path, random: &mut Random) -> Outcome<Harmed> {
    let file = pick_filled_log(dir, random)?;
    let mut bytes = fs::read(&file)?;
    let mut position = bytes.len();
    for _ in 0..1 + random.below(4) {
        let at = random.index(bytes.len());
        bytes[at] ^= 1 << random.below(8);
        position = position.min(at);
    }
    fs::write(&file, bytes)?;
    Ok(Harmed::new(dir, file, position as u64))
}

fn zero_log(dir: &Path, random: &mut Random) -> Outcome<Harmed> {
    let file = pick_filled_log(dir, random)?;
    let size = size(&file)?;
    let position = random.below(size.max(1)) / PAGE_BYTES * PAGE_BYTES;
    let zeros = vec![0; PAGE_BYTES.min(size - position) as usize];
    OpenOptions::new().write(true).open(&file)?.write_all_at(&zeros, position)?;
    Ok(Harmed::new(dir, file, position))
}

/// Behind the last segment, as a torn write leaves it; nothing that was written is touched.
fn junk_behind_log(dir: &Path, random: &mut Random) -> Outcome<Harmed> {
    let some = pick(dir, &[".log"], random)?;
    let mut segments = files_in(some.parent().unwrap_or(dir), &[".log"])?;
    segments.sort();
    let Some(last) = segments.pop() else { return failed("no segment") };
    let position = size(&last)?;
    let junk = random.bytes(500);
    OpenOptions::new().write(true).open(&last)?.write_all_at(&junk, position)?;
    Ok(Harmed::new(dir, last, position))
}

fn delete_index(dir: &Path, random: &mut Random) -> Outcome<Harmed> {
    let file = pick(dir, &[".index", ".timeindex"], random)?;
    fs::remove_file(&file)?;
    Ok(Harmed::new(dir, file, 0))
}

fn cut_index(dir: &Path, random: &mut Random) -> Outcome<Harmed> {
    let file = pick(dir, &[".index", ".timeindex"], random)?;
    let length = random.below(size(&file)?.max(1));
    OpenOptions::new().write(true).open(&file)?.set_len(length)?;
    Ok(Harmed::new(dir, file, 0))
}

fn junk_index(dir: &Path, random: &mut Random) -> Outcome<Harmed> {
    let file = pick(dir, &[".index", ".timeindex"], random)?;
    let length = size(&file)?.clamp(24, PAGE_BYTES);
    fs::write(&file, random.bytes(length))?;
    Ok(Harmed::new(dir, file, 0))
}

fn zero_index(dir: &Path, random: &mut Random) -> Outcome<Harmed> {
    let file = pick(dir, &[".index", ".timeindex"], random)?;
    let length = size(&file)?.clamp(24, PAGE_BYTES) as usize;
    fs::write(&file, vec![0; length])?;
    Ok(Harmed::new(dir, file, 0))
}

fn empty_swap(dir: &Path, random: &mut Random) -> Outcome<Harmed> {
    let segment = pick(dir, &[".log"], random)?;
    let swap = PathBuf::from(format!("{}.swap", segment.display()));
    fs::write(&swap, [])?;
    Ok(Harmed::new(dir, swap, 0))
}

fn torn_swap(dir: &Path, random: &mut Random) -> Outcome<Harmed> {
    let segment = pick(dir, &[".log"], random)?;
    let mut bytes = fs::read(&segment)?;
    bytes.truncate(random.index(bytes.len()));
    let swap = PathBuf::from(format!("{}.swap", segment.display()));
    fs::write(&swap, bytes)?;
    Ok(Harmed::new(dir, swap, 0))
}

fn junk_snapshot(dir: &Path, random: &mut Random) -> Outcome<Harmed> {
    let file = pick(dir, &[".snapshot"], random)?;
    let length = random.below(200);
    fs::write(&file, random.bytes(length))?;
    Ok(Harmed::new(dir, file, 0))
}

fn empty_snapshot(dir: &Path, random: &mut Random) -> Outcome<Harmed> {
    let file = pick(dir, &[".snapshot"], random)?;
    fs::write(&file, [])?;
    Ok(Harmed::new(dir, file, 0))
}

fn nonsense_checkpoint(dir: &Path, random: &mut Random) -> Outcome<Harmed> {
    let file = dir.join(CHECKPOINTS[random.index(CHECKPOINTS.len())]);
    fs::write(&file, NONSENSE[random.index(NONSENSE.len())])?;
    Ok(Harmed::new(dir, file, 0))
}

fn empty_checkpoint(dir: &Path, random: &mut Random) -> Outcome<Harmed> {
    let file = dir.join(CHECKPOINTS[random.index(CHECKPOINTS.len())]);
    fs::write(&file, [])?;
    Ok(Harmed::new(dir, file, 0))
}

fn nonsense_registry(dir: &Path, random: &mut Random) -> Outcome<Harmed> {
    let file = pick(dir, &["meta.properties", "topics", "latest_producer_id_block"], random)?;
    fs::write(&file, NONSENSE[random.index(NONSENSE.len())])?;
    Ok(Harmed::new(dir, file, 0))
}

/// After a kill some of them have not been written yet.
const CHECKPOINTS: [&str; 3] = [
    "recovery-point-offset-checkpoint",
    "log-start-offset-checkpoint",
    "cleaner-offset-checkpoint",
];

/// Text that looks like the right kind at first, and bytes that are no text.
const NONSENSE: [&[u8]; 5] = [
    b"0\n1\nplain 0 -5\n",
    b"0\n99999999999999999999\nplain 0 1\n",
    b"version=7\nbroker.id=x\n",
    b"0\n2\nplain 0 9223372036854775807\n",
    &[0xFF, 0xFE, 0x00, 0x80, 0x0A],
];

/// One of the files below `dir` whose name ends so.
fn pick(dir: &Path, ends: &[&str], random: &mut Random) -> Outcome<PathBuf> {
    let mut files = files_in(dir, ends)?;
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_in(&path, ends)?);
        }
    }
    // The order of a directory is the file system's own.
    files.sort();
    if files.is_empty() {
        return failed(format!("no file {ends:?} in {}", dir.display()));
    }
    Ok(files.swap_remove(random.index(files.len())))
}

fn pick_filled_log(dir: &Path, random: &mut Random) -> Outcome<PathBuf> {
    loop {
        let file = pick(dir, &[".log"], random)?;
        if size(&file)? > 0 {
            return Ok(file);
        }
    }
}

fn files_in(dir: &Path, ends: &[&str]) -> Outcome<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_file() && ends.iter().any(|end| name.ends_with(end)) {
            files.push(path);
        }
    }
    Ok(files)
}

fn size(file: &Path) -> Outcome<u64> {
    Ok(fs::metadata(file)?.len())
}
