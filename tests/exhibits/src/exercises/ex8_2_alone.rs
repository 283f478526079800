use bench::outcome::Outcome;

use super::exercise::{Exercise, page};
use super::replicas::{
    ACKS_ALL, ACKS_LEADER, BOTH, FOLLOWER, LEADER, NOBODY_IS_MISSED, Replicas, await_that, consume,
    produce,
};
use super::sheet::Sheet;
use crate::words::both;

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "8.2",
    title: both("A leader that is alone", "只剩 leader 自己"),
    question: both(
        "The same two brokers, with replica.lag.time.max.ms=2000, and a topic with \
         min.insync.replicas=2. m1 is on both. The follower is stopped, and stays so until the \
         leader has taken it out of the ISR. Then a producer sends m2 with acks=all and m3 \
         with acks=1. What are the answers? The ISR has the leader alone now, which has \
         both: is its high watermark 2 then, and what does a consumer get?",
        "还是这两个 broker，replica.lag.time.max.ms=2000，topic 设了 min.insync.replicas=2。m1 两边\
         都有。停住 follower，直到 leader 把它移出 ISR。然后生产者用 acks=all 发送 m2，用 acks=1 发送 \
         m3。各得到什么响应？ISR 里现在只有 leader 自己，它有全部记录：高水位会前进吗？消费者能读到\
         什么？",
    ),
    experiment,
    answer: both(
        "m2 gets error 19, NOT_ENOUGH_REPLICAS, and is not stored: with acks=all a record \
         that one broker alone would have is refused. m3 is stored and acknowledged, for \
         acks=1 asks for no more. But the high watermark stays at 1, and a consumer does not \
         get m3: an ISR that is smaller than min.insync.replicas moves no watermark, \
         whatever the acks. In Kafka that is so since 3.7 (KAFKA-15583); before, m3 could \
         have been read, and then lost with the one broker that had it. When the follower \
         comes back it copies m3, returns to the ISR, and the high watermark goes to 2.",
        "m2 得到错误 19（NOT_ENOUGH_REPLICAS），也没有写入：acks=all 时，只会有一个 broker 保存的\
         记录会被拒绝。m3 写入并得到确认，因为 acks=1 要求不多。但高水位停在 1，消费者读不到 m3：\
         ISR 小于 min.insync.replicas 时高水位不动，与 acks 无关。Kafka 从 3.7 起这样做\
         （KAFKA-15583）；在那以前，m3 可能先被读到，再随唯一保存它的 broker 一起丢失。follower \
         回来后复制 m3，重新进入 ISR，高水位前进到 2。",
    ),
    pages: &[
        page("docs/en/book-8-replication.md#the-isr", "docs/zh/book-8-replication.md#isr"),
        page("docs/en/cluster.md", "docs/zh/cluster.md"),
    ],
    files: &["src/replica/partition.rs", "src/replica/isr_state.rs"],
};

const NOT_ENOUGH_REPLICAS: i16 = 19;
const TIMEOUT_MS: i32 = 30_000;

fn experiment(sheet: &mut Sheet) -> Outcome<()> {
    let lag = ["replica.lag.time.max.ms=2000"];
    let two = [("min.insync.replicas", "2")];
    let replicas = Replicas::start(&lag, NOBODY_IS_MISSED, &two)?;
    let mut client = replicas.connect(LEADER);
    let first = produce(&mut client, ACKS_ALL, "m1", TIMEOUT_MS);

    sheet.part(both("The ISR has the leader alone", "ISR 里只有 leader"));
    replicas.hold_still(FOLLOWER)?;
    replicas.await_isr(LEADER, &[LEADER])?;
    let second = produce(&mut client, ACKS_ALL, "m2", TIMEOUT_MS);
    let third = produce(&mut client, ACKS_LEADER, "m3", TIMEOUT_MS);
    let (held_back, standing) = consume(&mut client)?;
    sheet.saw(both("m2, acks=all: error", "m2，acks=all：错误码"), second);
    sheet.saw(both("m3, acks=1: error", "m3，acks=1：错误码"), third);
    sheet.saw(both("high watermark", "高水位"), standing);
    sheet.saw(both("a consumer gets", "消费者读到"), held_back.join(" "));

    sheet.part(both("The follower is back in the ISR", "follower 回到 ISR"));
    replicas.go_on(FOLLOWER)?;
    replicas.await_isr(LEADER, &BOTH)?;
    await_that("the high watermark", || consume(&mut client).is_ok_and(|it| it.1 == 2))?;
    let (consumed, moved) = consume(&mut client)?;
    sheet.saw(both("high watermark", "高水位"), moved);
    sheet.saw(both("a consumer gets", "消费者读到"), consumed.join(" "));

    let words = both(
        "with acks=all it is refused, with acks=1 it is stored",
        "acks=all 被拒绝，acks=1 写入",
    );
    sheet.claim(words, first == 0 && second == NOT_ENOUGH_REPLICAS && third == 0);
    let words =
        both("the high watermark does not move while the ISR is too small", "ISR 太小时高水位不动");
    sheet.claim(words, standing == 1 && held_back == ["m1"]);
    let words = both("it moves when the follower is back", "follower 回来之后高水位前进");
    sheet.claim(words, moved == 2 && consumed == ["m1", "m3"]);
    Ok(())
}
