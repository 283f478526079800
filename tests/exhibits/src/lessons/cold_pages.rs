//! A consumer of what only the disk has, beside one of what is in memory.

use std::fs::{self, File};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use bench::outcome::{Outcome, failed};
use bench::slow_file::SlowFile;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::Uid;
use support::client::{Client, NEWEST_FETCH, fetch_request};
use support::records::batch;

use crate::lessons::stage::{Broker, Stage};
use crate::lessons::{Lesson, Seen};
use crate::words::{both, both_with};

pub(crate) const LESSON: Lesson = Lesson {
    name: "cold-pages",
    about: both("a Processor reads the disk inside of sendfile", "Processor 在 sendfile 里读磁盘"),
    issue: Some("KAFKA-7504"),
    question: both(
        "One consumer fetches a megabyte that is on a disk and not in memory; another one, of the\n\
         same Processor, fetches a small record that is in memory, again and again.\n\
         Which thread waits for the disk? How long does the second consumer wait at most?",
        "一个消费者读取 1 MB 数据，这些数据在磁盘上，不在内存里；同一个 Processor 上的另一个消费者\n\
         反复读取一条在内存里的小记录。\n\
         哪个线程在等磁盘？第二个消费者最长要等多久？",
    ),
    play,
    explanation: both(
        "sendfile(2) on a socket that does not block still blocks: for the file. Whoever calls it\n\
         for pages that are not in memory sleeps until the disk has brought them, and a Processor\n\
         has other connections. So a handler looks with cachestat(2) whether a slice is in memory\n\
         before it gives it away, and if not, reads it there, by a sendfile to /dev/null. Kafka's\n\
         issue has been open since 2018.",
        "向非阻塞套接字调用 sendfile(2) 仍然会阻塞，阻塞在文件上：页不在内存里，调用的线程就一直睡到\n\
         磁盘把它读上来，而 Processor 还有别的连接。所以 handler 交出切片之前，先用 cachestat(2) 查看\n\
         它是否在内存里；不在，就由 handler 用一次写往 /dev/null 的 sendfile 读上来。\n\
         Kafka 的这个问题 2018 年提出，至今未关闭。",
    ),
    source: both(
        "src/replica/local_logs.rs, anchor warm_slices: the loop is what is missing",
        "src/replica/local_logs.rs，锚点 warm_slices：缺少的就是这个循环",
    ),
};

const SETTINGS: [&str; 1] = ["num.network.threads=1"];
const COLD: &str = "cold";
const HOT: &str = "hot";
/// The first segment is full, and the broker does not write to it any more.
const CONFIGS: [(&str, &str); 1] = [("segment.bytes", "2000000")];
const BATCHES: usize = 30;
const BATCH_BYTES: usize = 100_000;
const SEGMENT: &str = "logs/cold-0/00000000000000000000.log";
/// A disk that seeks, for each 128 KiB that the kernel reads ahead.
const DISK_DELAY: Duration = Duration::from_millis(40);
/// A consumer that waits so long has waited for the disk: a megabyte takes eight reads of it, and
/// `sendfile` comes back when the socket is full, or at the end.
const LONG: Duration = Duration::from_millis(4 * DISK_DELAY.as_millis() as u64);
const ROUNDS: usize = 3;

fn play(stage: &Stage) -> Outcome<Seen> {
    let broker = stage.start_silently(&SETTINGS)?;
    fill(&broker);
    drop(broker);
    let segment = stage.dir.join(SEGMENT);
    let slow = slow_disk(&segment);
    let broker = stage.start(&SETTINGS)?;
    evict(&segment)?;
    match slow {
        Ok(slow) => {
            let seen = see_the_wait_each_time(&broker, &segment);
            // The disk is there until nobody has the file open any more.
            drop(broker);
            drop(slow);
            seen
        }
        Err(why) => {
            println!("  {}", both_with!("no slow disk: {why}", "没有慢速磁盘：{why}"));
            println!(
                "  {}",
                both(
                    "so there is no wait to be measured; which thread reads the disk can be seen",
                    "所以测不出等待，但看得出是哪个线程读了磁盘",
                )
            );
            see_the_reader(&broker)
        }
    }
}

fn fill(broker: &Broker) {
    let mut client = broker.connect();
    client.create_topic_with(COLD, &CONFIGS);
    client.create_topic(HOT);
    let records = batch(&[vec![7_u8; BATCH_BYTES]]);
    for _ in 0..BATCHES {
        client.produce(COLD, 0, &records);
    }
    client.produce(HOT, 0, &batch(&["a record"]));
}

/// In the mounts of this process alone, so that it goes with it.
fn slow_disk(segment: &Path) -> Outcome<SlowFile> {
    if !Uid::effective().is_root() {
        let this = std::env::current_exe()?;
        return failed(both_with!(
            "it takes root: sudo {} lesson cold-pages",
            "需要 root：sudo {} lesson cold-pages",
            this.display(),
        ));
    }
    if !Path::new("/dev/fuse").exists() {
        return failed(
            both(
                "it takes /dev/fuse: modprobe fuse, or docker run --device /dev/fuse ..",
                "需要 /dev/fuse：modprobe fuse，或者 docker run --device /dev/fuse ..",
            )
            .for_the_reader(),
        );
    }
    unshare(CloneFlags::CLONE_NEWNS)?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)?;
    SlowFile::over(segment, DISK_DELAY)
}

/// Has the pages of a file leave memory.
fn evict(path: &Path) -> Outcome<()> {
    let file = File::open(path)?;
    file.sync_all()?;
    Ok(posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?)
}

/// Only what happens each time is the broker's: a busy machine makes a consumer wait, too, by chance.
fn see_the_wait_each_time(broker: &Broker, segment: &Path) -> Outcome<Seen> {
    let mut seen = see_the_wait(broker)?;
    for _ in 1..ROUNDS {
        if !seen.fails {
            break;
        }
        evict(segment)?;
        seen = see_the_wait(broker)?;
    }
    Ok(seen)
}

fn see_the_wait(broker: &Broker) -> Outcome<Seen> {
    let (mut cold, mut hot) = (broker.connect(), broker.connect());
    read_hot(&mut hot);
    let reader = thread::spawn(move || read_cold(&mut cold));
    let (mut answers, mut longest) = (0, Duration::ZERO);
    while !reader.is_finished() {
        let began = Instant::now();
        read_hot(&mut hot);
        answers += 1;
        longest = longest.max(began.elapsed());
    }
    let Ok((bytes, took)) = reader.join() else { return failed("the cold consumer failed") };
    let lines = vec![
        both_with!(
            "a disk that takes {} ms for each read of 128 KiB",
            "磁盘每读 128 KiB 要 {} ms",
            DISK_DELAY.as_millis(),
        ),
        both_with!(
            "the cold consumer got {bytes} bytes in {} ms",
            "读冷数据的消费者收到 {bytes} 字节，用了 {} ms",
            took.as_millis(),
        ),
        both_with!(
            "the hot one was answered {answers} times meanwhile; its longest wait: {:.1} ms",
            "其间读热数据的消费者收到 {answers} 个响应，最长等了 {:.1} ms",
            longest.as_secs_f64() * 1e3,
        ),
    ];
    Ok(Seen { fails: longest > LONG, lines })
}

fn see_the_reader(broker: &Broker) -> Outcome<Seen> {
    let before = [disk_bytes(broker, PROCESSOR)?, disk_bytes(broker, HANDLER)?];
    let (bytes, _) = read_cold(&mut broker.connect());
    let by_processor = disk_bytes(broker, PROCESSOR)? - before[0];
    let by_handler = disk_bytes(broker, HANDLER)? - before[1];
    if by_processor + by_handler == 0 {
        let why = both(
            "nobody has read a disk: does the build lie in memory (tmpfs)?",
            "没有线程读过磁盘：编译输出的目录是不是在内存里（tmpfs）？",
        );
        return failed(why.for_the_reader());
    }
    let lines = vec![
        both_with!(
            "the cold consumer got {bytes} bytes, which were on the disk alone",
            "读冷数据的消费者收到 {bytes} 字节，它们原本只在磁盘上"
        ),
        both_with!(
            "read from the disk by the Processor: {by_processor} bytes",
            "由 Processor 从磁盘读取：{by_processor} 字节"
        ),
        both_with!(
            "read from the disk by request handlers: {by_handler} bytes",
            "由 handler 从磁盘读取：{by_handler} 字节"
        ),
    ];
    Ok(Seen { fails: by_processor > by_handler, lines })
}

/// The first fifteen letters of the threads' names, which is what the kernel keeps.
const PROCESSOR: &str = "kafka-network-t";
const HANDLER: &str = "kafka-request-h";

/// What the threads of this name have had read from a disk.
fn disk_bytes(broker: &Broker, name: &str) -> Outcome<u64> {
    let mut bytes = 0;
    for thread in fs::read_dir(format!("/proc/{}/task", broker.pid()))? {
        let thread = thread?.path();
        if fs::read_to_string(thread.join("comm"))?.trim() != name {
            continue;
        }
        let io = fs::read_to_string(thread.join("io"))?;
        let line = io.lines().find_map(|line| line.strip_prefix("read_bytes: "));
        bytes += line.unwrap_or("0").parse::<u64>()?;
    }
    Ok(bytes)
}

fn read_hot(client: &mut Client) {
    client.fetch_with(NEWEST_FETCH, fetch_request(HOT, 0, 0));
}

/// A megabyte from the beginning: how many bytes came, and how long it took.
fn read_cold(client: &mut Client) -> (usize, Duration) {
    let began = Instant::now();
    let fetched = client.fetch_with(NEWEST_FETCH, fetch_request(COLD, 0, 0));
    (fetched.iter().map(|it| it.records.len()).sum(), began.elapsed())
}
