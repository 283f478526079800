use bench::outcome::Outcome;
use support::client::NEWEST_FETCH;
use support::trace_line::TraceLine;

use super::exercise::{Exercise, page};
use super::sheet::Sheet;
use super::stage::Stage;
use super::topic::{fill, let_it_end, patient_fetch};
use super::trace::{line_of, number_after, port_of};
use crate::words::{both, both_with};

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "5.3",
    title: both("Three turns of the wheel", "三级时间轮"),
    question: both(
        "Three consumers wait at the end of the log: the first for 1000 ms, the second for \
         300, the third for 10. The lowest wheel has 20 buckets of 1 ms each. Where are \
         waits of 300 and of 1000 ms kept, and in which order do the three end?",
        "三个消费者在日志末尾等待：第一个等 1000 ms，第二个等 300 ms，第三个等 10 ms。最低\
         一级时间轮有 20 个桶，每个 1 ms。300 ms 和 1000 ms 的等待放在哪里？三个按什么顺序\
         结束？",
    ),
    experiment,
    answer: both(
        "What does not fit into a turn of one wheel overflows into the next, whose bucket \
         is a whole turn of the one below: 20 ms, 400 ms, 8 s. So 10 ms is in the first \
         wheel, 300 in the second, 1000 in the third, and a wait comes down a wheel when \
         its bucket is due. They end by their deadlines, not by their arrival, all on one \
         thread, and none is sorted: to add one takes the same time however many there are.",
        "一级时间轮转一圈放不下的，放进上一级；上一级的一个桶就是下一级的一整圈：20 ms、400 \
         ms、8 s。所以 10 ms 在第一级，300 ms 在第二级，1000 ms 在第三级；桶到期时，里面的\
         等待降到下一级。它们按到期时间而不是到来的次序结束，都在同一个线程上，也没有任何排\
         序：不管已有多少，加入一个的时间都一样。",
    ),
    pages: &[
        page(
            "docs/en/fetch.md#10-too-few-bytes-the-purgatory",
            "docs/zh/fetch.md#10-字节不够purgatory",
        ),
        page("docs/en/architecture.md#purgatory", "docs/zh/architecture.md#purgatory"),
    ],
    files: &["src/purgatory/timing_wheel.rs", "src/purgatory/timer.rs"],
};

const WAITS_MS: [i32; 3] = [1000, 300, 10];
const WAITS: &str = "waits for min.bytes=";

/// A wait, in microseconds of the day.
struct Wait<'a> {
    deadline_us: i64,
    ended: &'a TraceLine,
}

fn experiment(sheet: &mut Sheet) -> Outcome<()> {
    let stage = Stage::start(&[])?;
    let mut producer = stage.connect();
    fill(&mut producer, 1, 1, 100)?;
    let mut consumers = WAITS_MS.map(|wait_ms| {
        let mut client = stage.connect();
        let header = client.send(NEWEST_FETCH, &patient_fetch(1, wait_ms), &[]);
        (client, header)
    });
    for (client, header) in &mut consumers {
        client.receive_fetch(header);
        let_it_end(client);
    }
    let expired = stage.counters()?.get("delayed_fetch_expires");
    let ports: Vec<(u16, i32)> = consumers
        .iter()
        .map(|(client, header)| Ok((port_of(client)?, header.correlation_id)))
        .collect::<Outcome<_>>()?;
    let trace = stage.stop()?;

    let mut waits = Vec::new();
    for (port, id) in ports {
        let lines = trace.of_request(trace.connection_of(port)?, id);
        let begun = line_of(&lines, "DelayedOperationPurgatory.tryCompleteElseWatch", WAITS)?;
        let ended = line_of(&lines, "DelayedFetch.onComplete", "")?;
        let wait_ms = number_after(begun, ", ")?;
        sheet.part(both_with!("a wait of {wait_ms} ms", "等待 {wait_ms} ms"));
        sheet.show(begun);
        sheet.show(ended);
        let waited_ms = (ended.day_us - begun.day_us) / 1000;
        sheet.saw(both("it has lasted, in whole ms", "实际等了多少毫秒（取整）"), waited_ms);
        waits.push(Wait { deadline_us: begun.day_us + wait_ms * 1000, ended });
    }
    sheet.saw(
        both(
            "fetches whose time ran out (delayed_fetch_expires)",
            "超时的 fetch（delayed_fetch_expires）",
        ),
        expired,
    );

    let is_reaper = |it: &Wait<'_>| it.ended.thread == "ExpirationReaper-Fetch";
    sheet.claim(
        both("all three end on the reaper's thread", "三个都在超时处理线程上结束"),
        waits.iter().all(is_reaper),
    );
    sheet.claim(both("each is counted as one whose time ran out", "每个都计为超时"), expired == 3);
    let order = |key: fn(&Wait<'_>) -> i64| {
        let mut order: Vec<usize> = (0..waits.len()).collect();
        order.sort_by_key(|it| key(&waits[*it]));
        order
    };
    let words = both("they end in the order of their deadlines", "它们按到期时间的先后结束");
    sheet.claim(words, order(|it| it.deadline_us) == order(|it| it.ended.day_us));
    Ok(())
}
