use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use bench::outcome::{Outcome, failed};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};
use support::wait::PATIENCE;
use transferto::common::sys::resident_pages;

use super::exercise::Exercise;
use super::sheet::Sheet;
use super::stage::Stage;
use super::topic::{fetch, fetch_of, fill, let_it_end};
use super::trace::{line_of, port_of};

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "6.3",
    title: "A page that is not in memory (KAFKA-7504)",
    question: "A segment of four million bytes is taken out of the page cache, then fetched. \
        sendfile(2) on a socket that never blocks: does it wait for the disk? Which thread reads \
        the disk, and who else would have waited if it were the Processor's? What if \
        transferto.lesson.cold.pages=true leaves cold pages to sendfile(2), as Kafka does?",
    experiment,
    answer: "O_NONBLOCK is about the socket: sendfile(2) sleeps until a page has come from the \
        disk, and with it sleeps its Processor, with all its connections. So here the handler of \
        the fetch asks cachestat(2) whether the slice is in memory, and if not, has it read by a \
        sendfile(2) to /dev/null, which brings it into the page cache and copies nothing. In \
        Kafka the network thread waits (KAFKA-7504).",
    read_on: &[
        "docs/en/fetch.md#11-cold-pages-are-warmed-here",
        "src/storage/log/file_message_set.rs",
        "src/common/sys.rs",
    ],
};

const BATCHES: usize = 8;
const VALUE_BYTES: usize = 500_000;
const ALL: i32 = 8 * 1024 * 1024;
const PAGE_BYTES: usize = 4096;
const LOOKS_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// What a fetch of cold pages has cost.
struct Cost {
    /// Nothing if the pages were cold.
    why_not_cold: Option<String>,
    warmed: i64,
    sendfile_bytes: i64,
    message_bytes: i64,
    network_read: u64,
    handlers_read: u64,
}

fn experiment(sheet: &mut Sheet) -> Outcome<()> {
    let warmed = cost_of(sheet, "as it is", &[])?;
    let lesson = ["transferto.lessons.allowed=true", "transferto.lesson.cold.pages=true"];
    let left = cost_of(sheet, "transferto.lesson.cold.pages=true", &lesson)?;
    let is_zero_copy = |it: &Cost| it.sendfile_bytes == it.message_bytes;
    let words = "cold or not, all messages leave by sendfile";
    sheet.claim(words, is_zero_copy(&warmed) && is_zero_copy(&left));
    let words =
        "the Processor's thread reads nothing from the disk, since a handler has warmed the slice";
    sheet.claim(words, warmed.network_read == 0);
    sheet.claim("as a lesson, nothing is warmed", left.warmed == 0);
    let obstacle = warmed.why_not_cold.or(left.why_not_cold);
    if let Some(why) = obstacle {
        sheet.lack(format!("a cold page: {why}"));
        return Ok(());
    }
    sheet.claim("the slice is found cold, and is warmed once", warmed.warmed == 1);
    if warmed.handlers_read > 0 {
        let words = "as a lesson, the Processor's thread reads the disk itself";
        sheet.claim(words, left.network_read > 0);
    } else {
        sheet.lack("which thread read the disk: /proc does not say it of this file system");
    }
    Ok(())
}

fn cost_of(sheet: &mut Sheet, name: &str, settings: &[&str]) -> Outcome<Cost> {
    let stage = Stage::start(settings)?;
    let mut client = stage.connect();
    fill(&mut client, BATCHES, 1, VALUE_BYTES)?;
    let why_not_cold = chill(&stage.segment("post"))?;
    let read_before = stage_reads(&stage)?;
    let before = stage.counters()?;
    let (messages, id) = fetch(&mut client, fetch_of(0, ALL));
    let_it_end(&mut client);
    let after = stage.counters()?;
    let read_after = stage_reads(&stage)?;
    let port = port_of(&client)?;
    let trace = stage.stop()?;

    let of = |threads: &str| {
        let sum = |reads: &BTreeMap<String, u64>| reads.get(threads).copied().unwrap_or(0);
        sum(&read_after) - sum(&read_before)
    };
    let cost = Cost {
        why_not_cold,
        warmed: after.since(&before, "cold_slices_warmed"),
        sendfile_bytes: after.since(&before, "sendfile_bytes"),
        message_bytes: i64::try_from(messages.len())?,
        network_read: of("kafka-network-t"),
        handlers_read: of("kafka-request-h"),
    };
    sheet.part(name);
    let lines = trace.of_request(trace.connection_of(port)?, id);
    for (step, words) in [("FileMessageSet.warm", ""), ("PlaintextTransportLayer.sendfile", "")] {
        if let Ok(line) = line_of(&lines, step, words) {
            sheet.show(line);
        }
    }
    sheet.saw("slices found cold and read (cold_slices_warmed)", cost.warmed);
    sheet.saw("bytes from the disk for request handlers (/proc)", cost.handlers_read);
    sheet.saw("bytes from the disk for network threads (/proc)", cost.network_read);
    Ok(cost)
}

/// How many bytes the disk has read for the broker's threads, by the beginnings of their names.
fn stage_reads(stage: &Stage) -> Outcome<BTreeMap<String, u64>> {
    let mut reads: BTreeMap<String, u64> = BTreeMap::new();
    for task in fs::read_dir(format!("/proc/{}/task", stage.pid()))? {
        let task = task?.path();
        let name = fs::read_to_string(task.join("comm"))?.trim_end().to_string();
        // Not every kernel counts it; then there is nothing.
        let io = fs::read_to_string(task.join("io")).unwrap_or_default();
        let bytes = io.lines().find_map(|it| it.strip_prefix("read_bytes: ")?.parse::<u64>().ok());
        *reads.entry(name).or_default() += bytes.unwrap_or(0);
    }
    Ok(reads)
}

/// Takes a file out of the page cache, or says why that cannot be.
fn chill(path: &Path) -> Outcome<Option<String>> {
    let file = File::open(path)?;
    if fstatfs(&file)?.filesystem_type() == TMPFS_MAGIC {
        let dir = std::env::temp_dir();
        let why = "is a tmpfs, whose files are memory; TMPDIR=. takes the directory of the project";
        return Ok(Some(format!("{} {why}", dir.display())));
    }
    file.sync_all()?;
    let began = Instant::now();
    loop {
        // A page to which a packet still refers stays; it is let go of soon.
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
        match has_resident_page(&file)? {
            None => {
                let why = "this kernel cannot say what is in memory; Linux 6.5 can (cachestat(2))";
                return Ok(Some(why.to_string()));
            }
            Some(false) => return Ok(None),
            Some(true) if began.elapsed() > PATIENCE => {
                return failed("pages of the segment stay in memory");
            }
            Some(true) => thread::sleep(LOOKS_AGAIN_AFTER),
        }
    }
}

fn has_resident_page(file: &File) -> Outcome<Option<bool>> {
    let size_bytes = usize::try_from(file.metadata()?.len())?;
    for position in (0..size_bytes).step_by(PAGE_BYTES) {
        match resident_pages(file, position as u64, 1)? {
            Some(false) => {}
            other => return Ok(other),
        }
    }
    Ok(Some(false))
}
