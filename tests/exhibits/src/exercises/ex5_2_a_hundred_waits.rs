use std::collections::BTreeSet;

use bench::outcome::Outcome;
use support::client::{Client, NEWEST_FETCH};
use support::records::batch;
use support::trace_line::TraceLine;
use transferto::protocol::fetch::FetchRequest;
use transferto::protocol::header::RequestHeader;
use transferto::protocol::request::RequestBody;

use super::exercise::{Exercise, page};
use super::sheet::Sheet;
use super::stage::Stage;
use super::topic::{append, fetch_of, fill};
use super::trace::Says;
use crate::recorder::wait_until;
use crate::words::{both, both_with};

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "5.2",
    title: both("A hundred fetches that wait for one record", "一百个 fetch 等一条记录"),
    question: both(
        "Ninety consumers wait for one byte, ten for a million (fetch.min.bytes), all at \
         the end of one partition. One record is stored. How many of the hundred fetches \
         does that thread look at, how many does it complete, and by how many threads are \
         the responses made?",
        "九十个消费者等一个字节，十个等一百万字节（fetch.min.bytes），都在同一个分区的末\
         尾。写入一条记录，写入的线程要查看一百个 fetch 里的几个，完成几个？响应由几个线程\
         生成？",
    ),
    experiment,
    answer: both(
        "The purgatory has a list of watchers under the partition's key, and an append goes \
         through that list: it looks at a hundred, by two numbers each, the log's end and \
         the place at which the fetch began. It completes ninety, one after the other, all \
         on the one handler that appended; the ten go on waiting. So many waits on one \
         partition are paid by its producer's thread, though not by the producer's \
         response.",
        "purgatory 以分区为键保存一个等待者列表（watchers），写入之后要把它从头到尾走一遍：\
         一百个都要查看，每个只比较两个数，即日志末尾和这个 fetch 的起点。其中九十个完成，\
         一个接一个，全在写入的那个 handler 上；另外十个继续等待。一个分区上等待的 fetch 很\
         多时，代价由生产者请求所在的线程承担，但不会推迟生产者的响应。",
    ),
    pages: &[
        page(
            "docs/en/fetch.md#10-too-few-bytes-the-purgatory",
            "docs/zh/fetch.md#10-字节不够purgatory",
        ),
        page("docs/en/architecture.md#purgatory", "docs/zh/architecture.md#purgatory"),
    ],
    files: &["src/purgatory/delayed_operation.rs", "src/replica/delayed_fetch.rs"],
};

const CONTENT: usize = 90;
const GREEDY: usize = 10;
const LONG_WAIT_MS: i32 = 60_000;
const IS_WAITING: &str = "it is left there, for others to complete";
const END: i64 = 1;
/// Entries in the purgatory's lists, of which there is one here: that of the partition.
const WATCHED: &str =
    "kafka_server_delayedoperationpurgatory_purgatorysize{delayedoperation=\"Fetch\"}";

fn experiment(sheet: &mut Sheet) -> Outcome<()> {
    let stage = Stage::start(&["transferto.http.listener=127.0.0.1:0"])?;
    let mut producer = stage.connect();
    fill(&mut producer, 1, 1, 100)?;
    let wait = |min_bytes| {
        let mut client = stage.connect();
        let request =
            FetchRequest { max_wait_ms: LONG_WAIT_MS, min_bytes, ..fetch_of(END, 2_000_000) };
        let header = client.send(NEWEST_FETCH, &RequestBody::Fetch(request), &[]);
        (client, header)
    };
    let mut content: Vec<_> = (0..CONTENT).map(|_| wait(1)).collect();
    let greedy: Vec<_> = (0..GREEDY).map(|_| wait(1_000_000)).collect();
    stage.wait_for(IS_WAITING, CONTENT + GREEDY)?;
    let before = stage.gauge(WATCHED)?;
    append(&mut producer, &batch(&[b"news"]))?;
    let has_news = |(client, header): &mut (Client, RequestHeader)| {
        client.receive_fetch(header).iter().any(|it| !it.records.is_empty())
    };
    let with_news = content.iter_mut().map(has_news).filter(|it| *it).count();
    // The list is cleared when the append has gone through all of it.
    let left = GREEDY.to_string();
    wait_until("the list to be cleared", || Ok(stage.gauge(WATCHED)? == left))?;
    let after = stage.gauge(WATCHED)?;
    let trace = stage.stop()?;
    drop((content, greedy));

    let appended = |it: &&TraceLine| it.says("Log.append", "holds offsets 1 to 1");
    let append = trace.lines().iter().find(appended);
    let thread = append.map_or("", |it| it.thread.as_str());
    let is_completed = |it: &&TraceLine| {
        it.says("DelayedFetch.onComplete", "") && it.thread.starts_with("kafka-request-handler")
    };
    let completed: Vec<&TraceLine> = trace.lines().iter().filter(is_completed).collect();
    let threads: BTreeSet<&str> = completed.iter().map(|it| it.thread.as_str()).collect();
    let names: BTreeSet<&str> = completed.iter().map(|it| it.subject.as_str()).collect();
    sheet.part(both_with!(
        "{CONTENT} wait for 1 byte, {GREEDY} for 1000000",
        "{CONTENT} 个等 1 字节，{GREEDY} 个等 1000000 字节"
    ));
    sheet.saw(
        both(
            "fetches in the partition's list before (PurgatorySize)",
            "写入之前，分区列表里的 fetch（PurgatorySize）",
        ),
        &before,
    );
    sheet.saw(both("fetches in it after", "写入之后，列表里的 fetch"), &after);
    sheet.saw(both("fetches that one record completes", "一条记录完成的 fetch"), completed.len());
    sheet.saw(both("by how many names", "其中不同的请求（按名字）"), names.len());
    sheet.saw(both("on how many threads", "所在的线程数"), threads.len());
    sheet.saw(both("the thread that has appended", "写入的线程"), thread);
    sheet.saw(both("responses with the record in them", "含有这条记录的响应"), with_news);

    let words = both(
        "all hundred are in the list through which the append goes, ten are left in it",
        "写入时列表里有全部一百个，之后还剩十个",
    );
    sheet.claim(words, before == (CONTENT + GREEDY).to_string() && after == left);
    let is_content = completed.len() == CONTENT && names.len() == CONTENT;
    sheet.claim(
        both(
            "the record completes those that wait for a byte, each once",
            "这条记录完成了等一个字节的那些 fetch，每个一次",
        ),
        is_content,
    );
    let words = both("all are completed by the thread that appended", "全都由写入的线程完成");
    sheet.claim(words, threads.len() == 1 && threads.contains(thread));
    sheet.claim(
        both("each of their responses has the record", "它们的响应里都有这条记录"),
        with_news == CONTENT,
    );
    Ok(())
}
