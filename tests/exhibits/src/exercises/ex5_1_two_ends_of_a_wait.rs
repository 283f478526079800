use bench::outcome::Outcome;
use support::client::NEWEST_FETCH;
use support::records::batch;
use support::trace_line::TraceLine;

use super::exercise::{Exercise, page};
use super::sheet::Sheet;
use super::stage::Stage;
use super::topic::{append, fill, let_it_end, patient_fetch};
use super::trace::{Says, Trace, line_of, port_of};
use crate::words::both;

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "5.1",
    title: both("Two ends of a wait", "等待的两种结局"),
    question: both(
        "A consumer fetches from the end of the log. Its first fetch waits 50 ms for news \
         in vain; its second waits up to a minute, and a producer stores a record \
         meanwhile. Which thread reads the log for the response of each, and under which \
         request's name? Does the producer get its own response before or after that work?",
        "消费者从日志末尾开始 fetch。第一个 fetch 等了 50 ms，没有等到新消息；第二个最多等\
         一分钟，其间一个生产者写入一条记录。两个响应各由哪个线程读日志，日志行用的是哪个请\
         求的名字？生产者自己的响应在此之前还是之后？",
    ),
    experiment,
    answer: both(
        "Whoever ends the wait does the work: the reaper of the purgatory when the time is \
         over, the handler of the append when a record comes. The lines bear the name of \
         the fetch on both threads. The response goes back by the fetch's own Processor. \
         With acks=1 the producer has its response first: it should not wait for others. \
         (Kafka 0.9 ends the waits within the append, under the partition's lock.)",
        "谁结束等待，谁就完成后面的工作：超时由 purgatory 的超时处理线程（reaper），有新记\
         录则由处理写入的那个 handler。在这两个线程上，日志行用的都是 fetch 的名字。响应仍\
         由 fetch 自己的 Processor 发回。acks=1 时生产者先得到响应：它不该等别人。（Kafka \
         0.9 在写入的过程中、持有分区锁时就结束这些等待。）",
    ),
    pages: &[page(
        "docs/en/fetch.md#10-too-few-bytes-the-purgatory",
        "docs/zh/fetch.md#10-字节不够purgatory",
    )],
    files: &[
        "docs/img/picture-long-poll.svg",
        "src/replica/delayed_fetch.rs",
        "src/purgatory/delayed_operation.rs",
    ],
};

const SHORT_WAIT_MS: i32 = 50;
const LONG_WAIT_MS: i32 = 60_000;
const IS_WAITING: &str = "it is left there, for others to complete";
const END: i64 = 1;

fn experiment(sheet: &mut Sheet) -> Outcome<()> {
    let stage = Stage::start(&[])?;
    let mut producer = stage.connect();
    fill(&mut producer, 1, 1, 100)?;
    let mut consumer = stage.connect();
    let (producer_port, consumer_port) = (port_of(&producer)?, port_of(&consumer)?);
    let in_vain = consumer.send(NEWEST_FETCH, &patient_fetch(END, SHORT_WAIT_MS), &[]);
    let nothing = consumer.receive_fetch(&in_vain).remove(0).records;
    let rewarded = consumer.send(NEWEST_FETCH, &patient_fetch(END, LONG_WAIT_MS), &[]);
    stage.wait_for(IS_WAITING, 2)?;
    append(&mut producer, &batch(&[b"news"]))?;
    let news = consumer.receive_fetch(&rewarded).remove(0).records;
    let_it_end(&mut consumer);
    let trace = stage.stop()?;

    let connection = trace.connection_of(consumer_port)?;
    sheet.part(both("the fetch whose time is over", "超时的 fetch"));
    let expired = show_end(sheet, &trace.of_request(connection, in_vain.correlation_id))?;
    sheet.saw(both("message bytes in its response", "响应里的消息字节"), nothing.len());
    sheet.part(both("the fetch for which a record comes", "等到记录的 fetch"));
    let completed = show_end(sheet, &trace.of_request(connection, rewarded.correlation_id))?;
    sheet.saw(both("message bytes in its response", "响应里的消息字节"), news.len());
    let producer = trace.connection_of(producer_port)?;
    let (appended, answered, ended) = around(&trace, producer, completed)?;
    sheet.part(both("the thread of the append, in order", "处理写入的线程，按先后顺序"));
    for line in [appended, answered, ended] {
        sheet.show(line);
    }

    let words = both(
        "the first has waited in vain, the second has a record",
        "第一个没有等到，第二个得到一条记录",
    );
    sheet.claim(words, nothing.is_empty() && !news.is_empty());
    let words = both("time runs out on the reaper's thread", "超时在超时处理线程上结束");
    sheet.claim(words, expired.thread == "ExpirationReaper-Fetch");
    let words = both(
        "an append ends a wait on the thread of the handler that appends",
        "因写入而结束的等待，在写入的那个 handler 线程上结束",
    );
    let is_handler = completed.thread.starts_with("kafka-request-handler");
    sheet.claim(words, is_handler && completed.thread == appended.thread);
    let words = both(
        "its lines bear the name of the fetch, not of the produce",
        "日志行用的是 fetch 的名字，不是 produce 的",
    );
    sheet.claim(words, completed.subject.starts_with(connection));
    let words = both(
        "with acks=1 the producer's response is on its way first",
        "acks=1 时，生产者的响应先发出",
    );
    let place = |line: &TraceLine| trace.lines().iter().position(|it| std::ptr::eq(it, line));
    sheet.claim(words, place(answered) < place(ended));
    Ok(())
}

/// Shows who has ended a wait, and who has sent the response.
fn show_end<'a>(sheet: &mut Sheet, lines: &[&'a TraceLine]) -> Outcome<&'a TraceLine> {
    let waits = line_of(lines, "DelayedOperationPurgatory.tryCompleteElseWatch", IS_WAITING)?;
    let ended = line_of(lines, "DelayedFetch.onComplete", "")?;
    let sent = line_of(lines, "KafkaChannel.write", "all has left")?;
    for line in [waits, ended, sent] {
        sheet.show(line);
    }
    Ok(ended)
}

/// Of the thread that has ended a wait: the append, the producer's response, the end of the wait.
fn around<'a>(
    trace: &'a Trace,
    producer: &str,
    ended: &'a TraceLine,
) -> Outcome<(&'a TraceLine, &'a TraceLine, &'a TraceLine)> {
    let lines: Vec<&TraceLine> =
        trace.of_connection(producer).filter(|it| it.thread == ended.thread).collect();
    let last = lines.iter().rposition(|it| it.says("Log.append", "holds offsets")).unwrap_or(0);
    let appended = line_of(&lines[last..], "Log.append", "holds offsets")?;
    let answered = line_of(&lines[last..], "RequestChannel.sendResponse", "Produce")?;
    Ok((appended, answered, ended))
}
