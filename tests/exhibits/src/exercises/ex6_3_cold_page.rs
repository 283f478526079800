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

use super::exercise::{Exercise, page};
use super::sheet::Sheet;
use super::stage::Stage;
use super::topic::{fetch, fetch_of, fill, let_it_end};
use super::trace::{line_of, port_of};
use crate::words::{Text, both, both_with};

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "6.3",
    title: both("A page that is not in memory (KAFKA-7504)", "不在内存里的页（KAFKA-7504）"),
    question: both(
        "A segment of four million bytes is taken out of the page cache, then fetched. \
         sendfile(2) on a socket that never blocks: does it wait for the disk? Which thread \
         reads the disk, and who else would have waited if it were the Processor's? What if \
         transferto.lesson.cold.pages=true leaves cold pages to sendfile(2), as Kafka does?",
        "把一个四百万字节的段文件赶出页缓存，再来 fetch。套接字从不阻塞，sendfile(2) 会等磁\
         盘吗？由哪个线程读磁盘？假如是 Processor 的线程，还有谁要跟着等？再用 \
         transferto.lesson.cold.pages=true 像 Kafka 那样把冷页留给 sendfile(2)，又会怎样？",
    ),
    experiment,
    answer: both(
        "O_NONBLOCK is about the socket: sendfile(2) sleeps until a page has come from the \
         disk, and with it sleeps its Processor, with all its connections. So here the \
         handler of the fetch asks cachestat(2) whether the slice is in memory, and if not, \
         has it read by a sendfile(2) to /dev/null, which brings it into the page cache and \
         copies nothing. In Kafka the network thread waits (KAFKA-7504).",
        "O_NONBLOCK 说的是套接字：页不在内存里，sendfile(2) 就一直睡到磁盘把它读上来，它的 \
         Processor 连同所有连接跟着一起等。所以在这里，由处理这个 fetch 的 handler 用 \
         cachestat(2) 查看切片是否在内存里，不在就用一次写往 /dev/null 的 sendfile(2) 把它\
         读进页缓存，什么也不拷贝。在 Kafka 里，等磁盘的是网络线程（KAFKA-7504）。",
    ),
    pages: &[page(
        "docs/en/fetch.md#11-cold-pages-are-warmed-here",
        "docs/zh/fetch.md#11-冷页在这里预热",
    )],
    files: &["src/storage/log/file_message_set.rs", "src/common/sys.rs"],
};

const BATCHES: usize = 8;
const VALUE_BYTES: usize = 500_000;
const ALL: i32 = 8 * 1024 * 1024;
const PAGE_BYTES: usize = 4096;
const LOOKS_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// What a fetch of cold pages has cost.
struct Cost {
    /// Nothing if the pages were cold.
    why_not_cold: Option<Text>,
    warmed: i64,
    sendfile_bytes: i64,
    message_bytes: i64,
    network_read: u64,
    handlers_read: u64,
}

fn experiment(sheet: &mut Sheet) -> Outcome<()> {
    let warmed = cost_of(sheet, both("as it is", "正常的 broker"), &[])?;
    let lesson = ["transferto.lessons.allowed=true", "transferto.lesson.cold.pages=true"];
    let left = cost_of(sheet, Text::same(lesson[1]), &lesson)?;
    let is_zero_copy = |it: &Cost| it.sendfile_bytes == it.message_bytes;
    let words =
        both("cold or not, all messages leave by sendfile", "不管冷热，消息都由 sendfile 发出");
    sheet.claim(words, is_zero_copy(&warmed) && is_zero_copy(&left));
    let words = both(
        "the Processor's thread reads nothing from the disk, since a handler has warmed the slice",
        "Processor 的线程没有读磁盘，因为 handler 已经预热了切片",
    );
    sheet.claim(words, warmed.network_read == 0);
    sheet.claim(
        both("as a lesson, nothing is warmed", "打开故障后，什么也没有预热"),
        left.warmed == 0,
    );
    let obstacle = warmed.why_not_cold.or(left.why_not_cold);
    if let Some(why) = obstacle {
        sheet.lack(both_with!("a cold page: {why}", "冷页：{why}"));
        return Ok(());
    }
    sheet.claim(
        both("the slice is found cold, and is warmed once", "切片被发现是冷的，预热了一次"),
        warmed.warmed == 1,
    );
    if warmed.handlers_read > 0 {
        let words = both(
            "as a lesson, the Processor's thread reads the disk itself",
            "打开故障后，由 Processor 的线程自己读磁盘",
        );
        sheet.claim(words, left.network_read > 0);
    } else {
        sheet.lack(both(
            "which thread read the disk: /proc does not say it of this file system",
            "是哪个线程读了磁盘：/proc 对这个文件系统不给出数目",
        ));
    }
    Ok(())
}

fn cost_of(sheet: &mut Sheet, name: impl Into<Text>, settings: &[&str]) -> Outcome<Cost> {
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
    sheet.saw(
        both(
            "slices found cold and read (cold_slices_warmed)",
            "发现是冷的并读上来的切片（cold_slices_warmed）",
        ),
        cost.warmed,
    );
    sheet.saw(
        both(
            "bytes from the disk for request handlers (/proc)",
            "handler 从磁盘读取的字节（/proc）",
        ),
        cost.handlers_read,
    );
    sheet.saw(
        both(
            "bytes from the disk for network threads (/proc)",
            "网络线程从磁盘读取的字节（/proc）",
        ),
        cost.network_read,
    );
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
fn chill(path: &Path) -> Outcome<Option<Text>> {
    let file = File::open(path)?;
    if fstatfs(&file)?.filesystem_type() == TMPFS_MAGIC {
        let dir = std::env::temp_dir();
        return Ok(Some(both_with!(
            "{} is a tmpfs, whose files are memory; TMPDIR=. takes the directory of the project",
            "{} 是 tmpfs，其中的文件就在内存里；TMPDIR=. 改用项目所在的目录",
            dir.display(),
        )));
    }
    file.sync_all()?;
    let began = Instant::now();
    loop {
        // A page to which a packet still refers stays; it is let go of soon.
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
        match has_resident_page(&file)? {
            None => {
                let why = both(
                    "this kernel cannot say what is in memory; Linux 6.5 can (cachestat(2))",
                    "这个内核查不到哪些页在内存里；Linux 6.5 起可以（cachestat(2)）",
                );
                return Ok(Some(why.into()));
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
