use bench::outcome::Outcome;

use super::exercise::{Exercise, page};
use super::replicas::{
    ACKS_ALL, ACKS_LEADER, FOLLOWER, LEADER, NOBODY_IS_MISSED, Replicas, TOPIC, await_that,
    consume, produce,
};
use super::sheet::Sheet;
use crate::words::both;

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "8.1",
    title: both("A follower that stands still", "一个停住的 follower"),
    question: both(
        "A partition is on two brokers, both in sync. m1 is on both. The follower's process is \
         stopped (SIGSTOP). A producer sends m2 with acks=1, then m3 with acks=all and a \
         timeout of 500 ms. What are the two answers? What is in the leader's log, where is \
         its high watermark, and what does a consumer get? Then the follower goes on: what \
         has changed, and is m3, whose producer has heard of an error, to be read?",
        "一个分区在两个 broker 上，两个都在 ISR 里，m1 两边都有。现在把 follower 的进程停住\
         （SIGSTOP）。生产者用 acks=1 发送 m2，再用 acks=all、超时 500 ms 发送 m3。两次各得到什么\
         响应？leader 的日志里有什么，高水位在哪里，消费者能读到什么？然后让 follower 继续运行：\
         有什么变化？m3 的生产者收到的是错误，消费者能读到 m3 吗？",
    ),
    experiment,
    answer: both(
        "m2 is acknowledged at once: acks=1 asks for no follower. m3 gets error 7, \
         REQUEST_TIMED_OUT: it is in the leader's log, and nobody knows yet whether it will \
         stay. The high watermark does not move from 1, for the follower, which is in the ISR, \
         has not said that it has more; a consumer gets m1 alone. When the follower goes on, \
         its next two fetches move the high watermark to 3, and all three records can be \
         read: an error of a time-out is not the statement that a record was not stored.",
        "m2 立即得到确认：acks=1 不等任何 follower。m3 得到错误 7（REQUEST_TIMED_OUT）：它已经在 \
         leader 的日志里，只是还没有人知道它会不会留下。高水位停在 1，因为 ISR 里的 follower 没有\
         说自己有更多；消费者只读到 m1。follower 继续运行之后，它接下来的两次 fetch 把高水位推到 3，\
         三条记录都可以读到：超时错误并不表示记录没有写入。",
    ),
    pages: &[
        page(
            "docs/en/book-8-replication.md#how-the-high-watermark-moves",
            "docs/zh/book-8-replication.md#高水位怎样推进",
        ),
        page("docs/en/cluster.md", "docs/zh/cluster.md"),
    ],
    files: &["src/replica/partition.rs", "src/replica/remote_replica.rs"],
};

const REQUEST_TIMED_OUT: i16 = 7;
const TIMEOUT_MS: i32 = 500;
const LONG_MS: i32 = 30_000;

fn experiment(sheet: &mut Sheet) -> Outcome<()> {
    let lag = ["replica.lag.time.max.ms=60000"];
    let replicas = Replicas::start(&lag, NOBODY_IS_MISSED, &[])?;
    let mut client = replicas.connect(LEADER);
    let first = produce(&mut client, ACKS_ALL, "m1", LONG_MS);

    sheet.part(both("The follower is held still", "follower 停住"));
    replicas.hold_still(FOLLOWER)?;
    let second = produce(&mut client, ACKS_LEADER, "m2", LONG_MS);
    let third = produce(&mut client, ACKS_ALL, "m3", TIMEOUT_MS);
    let in_log = replicas.cluster.values_in(LEADER, TOPIC)?;
    let (held_back, standing) = consume(&mut client)?;
    sheet.saw(both("m2, acks=1: error", "m2，acks=1：错误码"), second);
    sheet.saw(both("m3, acks=all: error", "m3，acks=all：错误码"), third);
    sheet.saw(both("in the leader's log", "leader 的日志里有"), in_log.join(" "));
    sheet.saw(both("high watermark", "高水位"), standing);
    sheet.saw(both("a consumer gets", "消费者读到"), held_back.join(" "));

    sheet.part(both("It goes on", "follower 继续运行"));
    replicas.go_on(FOLLOWER)?;
    await_that("the high watermark", || consume(&mut client).is_ok_and(|it| it.1 == 3))?;
    let (consumed, moved) = consume(&mut client)?;
    sheet.saw(both("high watermark", "高水位"), moved);
    sheet.saw(both("a consumer gets", "消费者读到"), consumed.join(" "));

    let words = both(
        "acks=1 is answered without the follower, acks=all is not answered by its time-out",
        "acks=1 不等 follower 就得到响应，acks=all 直到超时也没有等到",
    );
    sheet.claim(words, first == 0 && second == 0 && third == REQUEST_TIMED_OUT);
    let words = both(
        "all three are in the leader's log, and the high watermark stays at 1",
        "三条都在 leader 的日志里，高水位停在 1",
    );
    sheet.claim(words, in_log == ["m1", "m2", "m3"] && standing == 1);
    let words =
        both("a consumer gets what is below the high watermark", "消费者只读到高水位以下的记录");
    sheet.claim(words, held_back == ["m1"]);
    let words = both(
        "when the follower goes on, all three can be read, m3 among them",
        "follower 继续运行后，三条都能读到，包括 m3",
    );
    sheet.claim(words, consumed == ["m1", "m2", "m3"]);
    Ok(())
}
