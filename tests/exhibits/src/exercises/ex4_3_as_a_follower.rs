use bench::outcome::Outcome;
use support::client::NEWEST_FETCH;
use transferto::protocol::request::RequestBody;

use super::exercise::{Exercise, page};
use super::sheet::Sheet;
use super::stage::Stage;
use super::topic::{fetch_of, fill, let_it_end};
use super::trace::{line_of, port_of};
use crate::words::{Text, both};

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "4.3",
    title: both("A fetch by a follower", "follower 的 fetch"),
    question: both(
        "The post says that followers fetch as consumers do. A client sends the same fetch \
         three times: as a consumer (replica_id -1), as the follower with id 1, and as a \
         consumer for debugging (-2, which in Kafka could always read from any replica). \
         This broker is alone: no partition has a replica on a broker 1. What does each of \
         the three get, and which of them may read from any replica?",
        "博文说 follower 和消费者一样 fetch。一个客户端把同一个 fetch 发三次：一次作为消费\
         者（replica_id 为 -1），一次作为 id 为 1 的 follower，一次作为调试用的消费者（-2，\
         在 Kafka 里它一直可以读任意副本）。这里只有一个 broker：没有哪个分区在 broker 1 上有\
         副本。三次各得到什么？其中谁可以读任意副本？",
    ),
    experiment,
    answer: both(
        "The same code serves all three, and one number in the request makes the difference. \
         A consumer reads up to the high watermark, a follower up to the end of the log, \
         since it is the followers that make the watermark move. For that the leader notes \
         how far each has come, and so it must know it: there is no broker 1 among the \
         replicas of the partition, and the answer is error 6, NOT_LEADER_OR_FOLLOWER. Kafka \
         0.9 then fails the fetch on all its partitions (KAFKA-5758), today it is that one. \
         In Kafka 0.9 the id for debugging alone could read from a follower. Since Fetch \
         version 11 (KIP-392), the one that is sent here, every consumer may: where a rack \
         is far away, it reads the replica in its own. A follower still copies from the \
         leader only. Chapter 8 has a follower that is one.",
        "三次走的是同样的代码，差别只在请求里的一个数。消费者读到高水位为止，follower 读到日志\
         末端为止，因为高水位正是由 follower 推进的。为此 leader 要记下每个 follower 读到了哪里，\
         也就必须认识它：这个分区的副本里没有 broker 1，所以响应是错误 6\
         （NOT_LEADER_OR_FOLLOWER）。Kafka 0.9 会让这次 fetch 的所有分区都失败（KAFKA-5758），\
         今天只是这一个分区。在 Kafka 0.9 里，只有调试用的 id 可以从 follower 读；从 Fetch 版本 11 \
         （KIP-392）起，也就是这里发的版本，每个消费者都可以：机架之间相距很远时，它就近读本机架\
         的副本。follower 仍然只从 leader 复制。真正的 follower 见第 8 章。",
    ),
    pages: &[
        page(
            "docs/en/fetch.md#6-kafkaapishandle-and-handlefetchrequest",
            "docs/zh/fetch.md#6-kafkaapishandle-与-handlefetchrequest",
        ),
        page(
            "docs/en/fetch.md#7-replicamanagerfetchmessages-and-readfromlocallog",
            "docs/zh/fetch.md#7-replicamanagerfetchmessages-与-readfromlocallog",
        ),
        page("docs/en/book-8-replication.md#explain", "docs/zh/book-8-replication.md#解释"),
    ],
    files: &["src/replica/local_logs.rs", "src/replica/partition.rs"],
};

const CONSUMER: i32 = -1;
const FOLLOWER: i32 = 1;
const DEBUGGER: i32 = -2;
const NOT_LEADER_OR_FOLLOWER: i16 = 6;

/// What one of them has got, and how the log was read for it.
struct Got {
    error: i16,
    high_watermark: i64,
    records: Vec<u8>,
    mode: String,
}

fn experiment(sheet: &mut Sheet) -> Outcome<()> {
    let stage = Stage::start(&[])?;
    let mut client = stage.connect();
    fill(&mut client, 1, 1, 100)?;
    let mut fetches = Vec::new();
    for replica_id in [CONSUMER, FOLLOWER, DEBUGGER] {
        let mut request = fetch_of(0, 1000);
        request.replica_id = replica_id;
        let header = client.send(NEWEST_FETCH, &RequestBody::Fetch(request), &[]);
        fetches.push((replica_id, header.correlation_id, client.receive_fetch(&header).remove(0)));
    }
    let_it_end(&mut client);
    let port = port_of(&client)?;
    let trace = stage.stop()?;

    let mut all = Vec::new();
    for (replica_id, id, fetched) in fetches {
        let lines = trace.of_request(trace.connection_of(port)?, id);
        let read = line_of(&lines, "ReplicaManager.readFromLocalLog", "")?;
        sheet.part(Text::same(format!("replica_id {replica_id}")));
        sheet.show(read);
        sheet.saw(both("error code", "错误码"), fetched.error);
        sheet.saw(both("high watermark", "高水位"), fetched.high_watermark);
        sheet.saw(both("bytes of messages", "消息的字节数"), fetched.records.len());
        all.push(Got {
            error: fetched.error,
            high_watermark: fetched.high_watermark,
            records: fetched.records,
            mode: read.words.clone(),
        });
    }
    let [consumer, follower, debugger] = &all[..] else { return Ok(()) };
    let words = both(
        "the follower that is none gets error 6, and no message",
        "不是 follower 的 follower 得到错误 6，没有消息",
    );
    sheet.claim(words, follower.error == NOT_LEADER_OR_FOLLOWER && follower.records.is_empty());
    let is_same =
        |it: &Got| it.records == consumer.records && it.high_watermark == consumer.high_watermark;
    let words = both(
        "the other two get the same bytes, and the same high watermark",
        "另外两次得到同样的字节和同样的高水位",
    );
    let is_served = consumer.error == 0 && debugger.error == 0 && !consumer.records.is_empty();
    sheet.claim(words, is_served && is_same(debugger));
    let words = both(
        "a consumer reads up to the high watermark, a follower up to the end of the log",
        "消费者读到高水位为止，follower 读到日志末尾为止",
    );
    let reads_to = |it: &Got, end: &str| it.mode.contains(end);
    let is_so = reads_to(consumer, "up to the high watermark")
        && reads_to(follower, "up to the end of the log");
    sheet.claim(words, is_so);
    let words = both(
        "both consumers may read from any replica, the follower from the leader only",
        "两个消费者都可以读任意副本，follower 只能读 leader",
    );
    let may = all.iter().map(|it| it.mode.contains("from any replica"));
    sheet.claim(words, may.eq([true, false, true]));
    Ok(())
}
