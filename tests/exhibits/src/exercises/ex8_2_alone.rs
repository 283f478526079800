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
         min.insync.replicas=2. m1 is on both. The follower is stopped. A producer sends m2 \
         with acks=1, and waits until the leader has taken the follower out of the ISR. Then \
         it sends m3 with acks=all. What are the answers? The ISR has the leader alone now, \
         which has m2: is its high watermark 2, and what does a consumer get?",
        "还是这两个 broker，replica.lag.time.max.ms=2000，topic 设了 min.insync.replicas=2。m1 两边\
         都有。停住 follower。生产者用 acks=1 发送 m2，等到 leader 把 follower 移出 ISR，再用 \
         acks=all 发送 m3。各得到什么响应？ISR 里现在只有 leader 自己，它有 m2：高水位是 2 吗？消费\
         者能读到什么？",
    ),
    experiment,
    answer: both(
        "m2 is stored and acknowledged, for acks=1 asks for no more. m3 gets error 19, \
         NOT_ENOUGH_REPLICAS, and is not stored: with acks=all a record that one broker alone \
         would have is refused. And the high watermark stays at 1: an ISR that is smaller \
         than min.insync.replicas moves no watermark, whatever the acks. In Kafka that is so \
         since 3.7 (KAFKA-15583); before, m2 could have been read, and then lost with the one \
         broker that had it. When the follower goes on it copies m2, returns to the ISR, and \
         the high watermark goes to 2. Without m2 it would have stayed in the ISR, stopped as \
         it was: a follower that has all that the leader has is in sync, however long ago it \
         has asked.",
        "m2 写入并得到确认，因为 acks=1 要求不多。m3 得到错误 19（NOT_ENOUGH_REPLICAS），也没有写入：\
         acks=all 时，只会有一个 broker 保存的记录会被拒绝。高水位停在 1：ISR 小于 \
         min.insync.replicas 时高水位不动，与 acks 无关。Kafka 从 3.7 起这样做（KAFKA-15583）；在那\
         以前，m2 可能先被读到，再随唯一保存它的 broker 一起丢失。follower 继续运行后复制 m2，重新进\
         入 ISR，高水位前进到 2。要是没有 m2，follower 虽然停住了，仍会留在 ISR 里：leader 有的它都\
         有，那么不管多久没有来要，它都是同步的。",
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
    let second = produce(&mut client, ACKS_LEADER, "m2", TIMEOUT_MS);
    replicas.await_isr(LEADER, &[LEADER])?;
    let third = produce(&mut client, ACKS_ALL, "m3", TIMEOUT_MS);
    let (held_back, standing) = consume(&mut client)?;
    sheet.saw(both("m2, acks=1: error", "m2，acks=1：错误码"), second);
    sheet.saw(both("m3, acks=all: error", "m3，acks=all：错误码"), third);
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
        "with acks=1 a record is stored, with acks=all it is refused",
        "acks=1 写入，acks=all 被拒绝",
    );
    sheet.claim(words, first == 0 && second == 0 && third == NOT_ENOUGH_REPLICAS);
    let words =
        both("the high watermark does not move while the ISR is too small", "ISR 太小时高水位不动");
    sheet.claim(words, standing == 1 && held_back == ["m1"]);
    let words = both("it moves when the follower is back", "follower 回来之后高水位前进");
    sheet.claim(words, moved == 2 && consumed == ["m1", "m2"]);
    Ok(())
}
