use std::collections::BTreeSet;

use bench::outcome::Outcome;
use support::records::batch;
use support::trace_line::TraceLine;

use super::exercise::{Exercise, page};
use super::pipeline::{receive_ids, send_at_once};
use super::sheet::Sheet;
use super::stage::Stage;
use super::topic::{append, fetch, fetch_of, fill, let_it_end, patient_fetch};
use super::trace::{Says, port_of};
use crate::words::both;

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "3.2",
    title: both("Eight handlers, one connection", "八个 handler，一个连接"),
    question: both(
        "A broker has eight request handlers, all idle. One client sends a fetch that waits \
         for news (up to a minute) and, behind it in the same write, four fetches of what \
         is there. Are the four answered before the news comes? Does a second client's \
         fetch get through? In which order do the five responses come?",
        "broker 有八个 handler，全都空闲。一个客户端一次写出五个 fetch：第一个要等新消息（\
         最多一分钟），后面四个要的数据已经有了。新消息到来之前，这四个会得到响应吗？另一个\
         客户端的 fetch 过得去吗？五个响应按什么顺序返回？",
    ),
    experiment,
    answer: both(
        "One request of a connection is under way at a time, however many handlers are \
         idle: the channel is muted until the response has left, so the four are not even \
         read. That is what keeps responses in request order, without any bookkeeping. \
         Another connection is another matter: its fetch gets through.",
        "不管有多少 handler 空闲，一个连接同一时刻只有一个请求在处理：响应发完之前 channel \
         一直被 mute，那四个请求根本还没有读取。响应因此天然按请求的顺序返回，无须另外记\
         账。别的连接不受影响：它的 fetch 照样得到响应。",
    ),
    pages: &[
        page(
            "docs/en/fetch.md#5-mute-and-over-to-the-handlers",
            "docs/zh/fetch.md#5-mute交给-handler",
        ),
        page("docs/en/fetch.md#19-the-response-has-left", "docs/zh/fetch.md#19-响应发完了"),
        page(
            "docs/en/architecture.md#the-queues-and-the-lists",
            "docs/zh/architecture.md#队列与列表",
        ),
    ],
    files: &["src/network/processor.rs", "src/network/request_channel.rs"],
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
    sheet.part(both(
        "the five of the first client, and the one of the second",
        "第一个客户端的五个请求，以及另一个客户端的一个",
    ));
    events.iter().for_each(|line| sheet.show(line));
    let taken = events.iter().filter(|it| it.says("RequestChannel.receiveRequest", ""));
    let handlers: BTreeSet<&str> =
        taken.filter(|it| is_of_five(it)).map(|it| it.thread.as_str()).collect();
    sheet.saw(
        both("handlers that had one of the five", "处理过这五个请求的 handler 数"),
        handlers.len(),
    );
    sheet.saw(
        both("responses, by the ids of their requests", "响应的顺序（请求的 correlation id）"),
        format!("{ids:?}"),
    );

    sheet.claim(
        both("the responses come in the order of the requests", "响应按请求的顺序返回"),
        ids == [101, 102, 103, 104, 105],
    );
    sheet.claim(
        both("the second client has its messages meanwhile", "其间另一个客户端拿到了它的消息"),
        !of_second.is_empty(),
    );
    let under_way = most_under_way(&events, &of_first);
    sheet.claim(
        both(
            "never are two requests of one connection under way",
            "一个连接从来没有两个请求同时在处理",
        ),
        under_way == 1,
    );
    let place = |subject: &str, name: &str| {
        events.iter().position(|it| it.subject == subject && it.says(name, ""))
    };
    let words = both(
        "what stands behind the one that waits is taken only after it is answered",
        "排在等待者后面的请求，要等它有了响应才会取走",
    );
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
