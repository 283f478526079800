use std::collections::BTreeSet;

use bench::outcome::Outcome;
use support::records::batch;
use support::trace_line::TraceLine;

use super::exercise::Exercise;
use super::pipeline::{receive_ids, send_at_once};
use super::sheet::Sheet;
use super::stage::Stage;
use super::topic::{append, fetch, fetch_of, fill, let_it_end, patient_fetch};
use super::trace::{Says, port_of};

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "3.2",
    title: "Eight handlers, one connection",
    question: "A broker has eight request handlers, all idle. One client sends a fetch that \
        waits for news (up to a minute) and, behind it in the same write, four fetches of what \
        is there. Are the four answered before the news comes? Does a second client's fetch get \
        through? In which order do the five responses come?",
    experiment,
    answer: "One request of a connection is under way at a time, however many handlers are \
        idle: the channel is muted until the response has left, so the four are not even read. \
        That is what keeps responses in request order, without any bookkeeping. Another \
        connection is another matter: its fetch gets through.",
    read_on: &[
        "docs/en/fetch.md#5-mute-and-over-to-the-handlers",
        "docs/en/fetch.md#19-the-response-has-left",
        "docs/en/architecture.md#the-queues-and-the-lists",
        "src/network/processor.rs",
        "src/network/request_channel.rs",
    ],
};

const BEHIND: usize = 4;
const A_MINUTE_MS: i32 = 60_000;
const IS_WAITING: &str = "it is left there, for others to complete";

fn experiment(sheet: &mut Sheet) -> Outcome<()> {
    let stage = Stage::start(&["num.io.threads=8"])?;
    let mut second = stage.connect();
    fill(&mut second, 1, 1, 100)?;
    let mut first = stage.connect();
    let (first_port, second_port) = (port_of(&first)?, port_of(&second)?);
    let mut fetches = vec![patient_fetch(1, A_MINUTE_MS)];
    fetches.extend((0..BEHIND).map(|_| patient_fetch(0, 0)));
    send_at_once(&mut first, &fetches)?;
    stage.wait_for(IS_WAITING, 1)?;
    let (of_second, second_id) = fetch(&mut second, fetch_of(0, 1000));
    let_it_end(&mut second);
    append(&mut second, &batch(&[b"news"]))?;
    let ids = receive_ids(&mut first, 1 + BEHIND)?;
    let_it_end(&mut first);
    let trace = stage.stop()?;

    let first = trace.connection_of(first_port)?;
    let others = format!("{}/{second_id}", trace.connection_of(second_port)?);
    let of_first = format!("{first}/");
    let is_of_five = |it: &TraceLine| ids.iter().any(|id| it.subject == format!("{of_first}{id}"));
    let is_event = |it: &&TraceLine| {
        let is_told = it.says("RequestChannel.receiveRequest", "Fetch")
            || it.says("DelayedOperationPurgatory.tryCompleteElseWatch", IS_WAITING)
            || it.says("DelayedFetch.onComplete", "")
            || it.says("Processor.processCompletedSends", "");
        is_told && (is_of_five(it) || it.subject == others)
    };
    let events: Vec<&TraceLine> = trace.lines().iter().filter(is_event).collect();
    sheet.part("the five of the first client, and the one of the second");
    events.iter().for_each(|line| sheet.show(line));
    let taken = events.iter().filter(|it| it.says("RequestChannel.receiveRequest", ""));
    let handlers: BTreeSet<&str> =
        taken.filter(|it| is_of_five(it)).map(|it| it.thread.as_str()).collect();
    sheet.saw("handlers that had one of the five", handlers.len());
    sheet.saw("responses, by the ids of their requests", format!("{ids:?}"));

    sheet
        .claim("the responses come in the order of the requests", ids == [101, 102, 103, 104, 105]);
    sheet.claim("the second client has its messages meanwhile", !of_second.is_empty());
    let under_way = most_under_way(&events, &of_first);
    sheet.claim("never are two requests of one connection under way", under_way == 1);
    let place = |subject: &str, name: &str| {
        events.iter().position(|it| it.subject == subject && it.says(name, ""))
    };
    let words = "what stands behind the one that waits is taken only after it is answered";
    let answered = place(&format!("{first}/101"), "DelayedFetch.onComplete");
    let next = place(&format!("{first}/102"), "RequestChannel.receiveRequest");
    sheet.claim(words, answered.is_some() && answered < next);
    Ok(())
}

/// How many requests of a connection were with the handlers, or waited, at the same time.
fn most_under_way(events: &[&TraceLine], connection: &str) -> usize {
    let (mut under_way, mut most) = (0_usize, 0);
    for line in events.iter().filter(|it| it.subject.starts_with(connection)) {
        if line.says("RequestChannel.receiveRequest", "") {
            under_way += 1;
        } else if line.says("Processor.processCompletedSends", "") {
            under_way = under_way.saturating_sub(1);
        }
        most = most.max(under_way);
    }
    most
}
