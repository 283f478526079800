use std::fs;

use bench::outcome::{Outcome, failed};
use transferto::message::byte_buffer_message_set::shallow_entries;

use super::exercise::{Exercise, page};
use super::replicas::{
    ACKS_ALL, ACKS_LEADER, BOTH, FOLLOWER, LEADER, Replicas, TOPIC, await_that, consume, produce,
};
use super::sheet::Sheet;
use crate::words::{Text, both};

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "8.3",
    title: both("Two leaders and their epochs", "两任 leader 和它们的 epoch"),
    question: both(
        "Two brokers, both in sync. m1 and m2 go through the first leader, which is then \
         killed (kill -9). m3 goes through the second. The first comes back, and is the \
         follower now. Each batch in a segment has a field for the leader epoch: who wrote \
         it? What does it say in the three batches, in each of the two segments? Are the \
         two files the same, byte for byte? And what stands in leader-epoch-checkpoint?",
        "两个 broker 都在 ISR 里。m1、m2 经第一任 leader 写入，然后把它杀掉（kill -9）。m3 经第二任 \
         leader 写入。第一任回来，成为 follower。段文件里的每个批次都有一个字段存放 leader epoch：是谁\
         写的？在两个段文件里，三个批次的这个字段各是什么？两个文件逐字节相同吗？\
         leader-epoch-checkpoint 里是什么？",
    ),
    experiment,
    answer: both(
        "The leader that appends a batch writes its epoch into it, together with the offset, \
         and the follower changes neither: it takes the bytes as they come, which is why \
         both files are the same to the last byte. m1 and m2 have epoch 0, m3 has a later one. \
         The checkpoint has a line for each epoch, with the offset at which it begins: two \
         brokers that compare those know where their logs part, if they do. That is what \
         took the place of truncation to the high watermark.",
        "追加批次的 leader 把自己的 epoch 和偏移量一起写进批次，follower 两样都不改：来的是什么字节就\
         写什么字节，所以两个文件直到最后一个字节都相同。m1、m2 的 epoch 是 0，m3 的更大。检查点文件\
         里每个 epoch 一行，记着它从哪个偏移量开始：两个 broker 一比较，就知道两份日志从哪里开始不同。\
         截断到高水位的做法，就是被它取代的。",
    ),
    pages: &[
        page(
            "docs/en/book-8-replication.md#why-epochs",
            "docs/zh/book-8-replication.md#为什么要有-epoch",
        ),
        page("docs/en/glossary.md", "docs/zh/glossary.md"),
    ],
    files: &["src/storage/epochs/leader_epoch_file_cache.rs"],
};

const TIMEOUT_MS: i32 = 30_000;
/// The controller misses a broker that is dead after two seconds.
const OF_CONTROLLER: &str = "broker.session.timeout.ms=2000";
const OF_BROKERS: [&str; 1] = ["broker.heartbeat.interval.ms=400"];

fn experiment(sheet: &mut Sheet) -> Outcome<()> {
    let mut replicas = Replicas::start(&OF_BROKERS, OF_CONTROLLER, &[])?;
    let mut client = replicas.connect(LEADER);
    for value in ["m1", "m2"] {
        let error = produce(&mut client, ACKS_ALL, value, TIMEOUT_MS);
        if error != 0 {
            return failed(format!("{value} is not stored: error {error}"));
        }
    }
    replicas.cluster.kill(LEADER)?;
    replicas.await_leader(FOLLOWER, FOLLOWER)?;
    let mut client = replicas.connect(FOLLOWER);
    await_that("the new leader to take a record", || {
        produce(&mut client, ACKS_LEADER, "m3", TIMEOUT_MS) == 0
    })?;
    replicas.cluster.start_broker(LEADER)?;
    replicas.await_isr(FOLLOWER, &BOTH)?;
    await_that("the high watermark", || consume(&mut client).is_ok_and(|it| it.1 == 3))?;

    let (mut segments, mut epochs, mut checkpoints) = (Vec::new(), Vec::new(), Vec::new());
    for id in BOTH {
        let path = replicas.cluster.segment(id, TOPIC);
        let segment = fs::read(&path)?;
        let checkpoint = fs::read_to_string(path.with_file_name("leader-epoch-checkpoint"))?;
        // The version, and how many lines there are.
        let checkpoint: Vec<String> = checkpoint.lines().skip(2).map(String::from).collect();
        sheet.part(Text::same(format!("broker {id}")));
        let of_batches = epochs_in(&segment)?;
        let words = of_batches.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        sheet.saw(both("bytes in the segment", "段文件的字节数"), segment.len());
        sheet.saw(both("leader epochs of its batches", "各批次的 leader epoch"), words);
        let lines = both("epochs and their first offsets", "各 epoch 和它的起始偏移量");
        sheet.saw(lines, checkpoint.join(", "));
        segments.push(segment);
        epochs.push(of_batches);
        checkpoints.push(checkpoint);
    }
    sheet.claim(both("both segments have the same bytes", "两个段文件逐字节相同"), {
        segments[0] == segments[1]
    });
    let is_later = |it: &Vec<i32>| it.len() == 3 && it[0] == it[1] && it[1] < it[2];
    let words = both(
        "the batches of the first leader have one epoch, that of the second a later one",
        "第一任 leader 的批次是同一个 epoch，第二任的更大",
    );
    sheet.claim(words, epochs.iter().all(is_later));
    let words = both(
        "each checkpoint has both epochs, the second from offset 2 on",
        "两个检查点都有这两个 epoch，第二个从偏移量 2 开始",
    );
    let last = epochs[0].last().map(|epoch| format!("{epoch} 2"));
    sheet.claim(words, last.is_some() && checkpoints.iter().all(|it| it.last() == last.as_ref()));
    Ok(())
}

fn epochs_in(segment: &[u8]) -> Outcome<Vec<i32>> {
    let entries = shallow_entries(segment);
    entries.map(|entry| Ok(entry?.leader_epoch().unwrap_or(-1))).collect()
}
