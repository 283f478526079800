use std::collections::BTreeSet;

use bench::outcome::Outcome;
use support::client::{Client, NEWEST_FETCH};
use support::records::batch;
use support::trace_line::TraceLine;
use transferto::protocol::fetch::FetchRequest;
use transferto::protocol::header::RequestHeader;
use transferto::protocol::request::RequestBody;

use super::exercise::Exercise;
use super::sheet::Sheet;
use super::stage::Stage;
use super::topic::{append, fetch_of, fill};
use super::trace::Says;
use crate::recorder::wait_until;

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "5.2",
    title: "A hundred fetches that wait for one record",
    question: "Ninety consumers wait for one byte, ten for a million (fetch.min.bytes), all at \
        the end of one partition. One record is stored. How many of the hundred fetches does \
        that thread look at, how many does it complete, and by how many threads are the \
        responses made?",
    experiment,
    answer: "The purgatory has a list of watchers under the partition's key, and an append \
        goes through that list: it looks at a hundred, by two numbers each, the log's end and \
        the place at which the fetch began. It completes ninety, one after the other, all on the \
        one handler that appended; the ten go on waiting. So many waits on one partition are \
        paid by its producer's thread, though not by the producer's response.",
    read_on: &[
        "docs/en/fetch.md#10-too-few-bytes-the-purgatory",
        "docs/en/architecture.md#purgatory",
        "src/purgatory/delayed_operation.rs",
        "src/replica/delayed_fetch.rs",
    ],
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
    sheet.part(&format!("{CONTENT} wait for 1 byte, {GREEDY} for 1000000"));
    sheet.saw("fetches in the partition's list before (PurgatorySize)", &before);
    sheet.saw("fetches in it after", &after);
    sheet.saw("fetches that one record completes", completed.len());
    sheet.saw("by how many names", names.len());
    sheet.saw("on how many threads", threads.len());
    sheet.saw("the thread that has appended", thread);
    sheet.saw("responses with the record in them", with_news);

    let words = "all hundred are in the list through which the append goes, ten are left in it";
    sheet.claim(words, before == (CONTENT + GREEDY).to_string() && after == left);
    let is_content = completed.len() == CONTENT && names.len() == CONTENT;
    sheet.claim("the record completes those that wait for a byte, each once", is_content);
    let words = "all are completed by the thread that appended";
    sheet.claim(words, threads.len() == 1 && threads.contains(thread));
    sheet.claim("each of their responses has the record", with_news == CONTENT);
    Ok(())
}
