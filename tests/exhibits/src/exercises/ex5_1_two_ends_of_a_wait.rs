use bench::outcome::Outcome;
use support::client::NEWEST_FETCH;
use support::records::batch;
use support::trace_line::TraceLine;

use super::exercise::Exercise;
use super::sheet::Sheet;
use super::stage::Stage;
use super::topic::{append, fill, let_it_end, patient_fetch};
use super::trace::{Says, Trace, line_of, port_of};

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "5.1",
    title: "Two ends of a wait",
    question: "A consumer fetches from the end of the log. Its first fetch waits 50 ms for \
        news in vain; its second waits up to a minute, and a producer stores a record meanwhile. \
        Which thread reads the log for the response of each, and under which request's name? \
        Does the producer get its own response before or after that work?",
    experiment,
    answer: "Whoever ends the wait does the work: the reaper of the purgatory when the time is \
        over, the handler of the append when a record comes. The lines bear the name of the \
        fetch on both threads. The response goes back by the fetch's own Processor. With acks=1 \
        the producer has its response first: it should not wait for others. (Kafka 0.9 ends the \
        waits within the append, under the partition's lock.)",
    read_on: &[
        "docs/en/fetch.md#10-too-few-bytes-the-purgatory",
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
    sheet.part("the fetch whose time is over");
    let expired = show_end(sheet, &trace.of_request(connection, in_vain.correlation_id))?;
    sheet.saw("message bytes in its response", nothing.len());
    sheet.part("the fetch for which a record comes");
    let completed = show_end(sheet, &trace.of_request(connection, rewarded.correlation_id))?;
    sheet.saw("message bytes in its response", news.len());
    let producer = trace.connection_of(producer_port)?;
    let (appended, answered, ended) = around(&trace, producer, completed)?;
    sheet.part("the thread of the append, in order");
    for line in [appended, answered, ended] {
        sheet.show(line);
    }

    let words = "the first has waited in vain, the second has a record";
    sheet.claim(words, nothing.is_empty() && !news.is_empty());
    let words = "time runs out on the reaper's thread";
    sheet.claim(words, expired.thread == "ExpirationReaper-Fetch");
    let words = "an append ends a wait on the thread of the handler that appends";
    let is_handler = completed.thread.starts_with("kafka-request-handler");
    sheet.claim(words, is_handler && completed.thread == appended.thread);
    let words = "its lines bear the name of the fetch, not of the produce";
    sheet.claim(words, completed.subject.starts_with(connection));
    let words = "with acks=1 the producer's response is on its way first";
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
