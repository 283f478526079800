use bench::outcome::Outcome;
use support::client::Client;

use super::calls::{Watched, watch};
use super::exercise::{Exercise, page};
use super::sheet::Sheet;
use super::stage::Stage;
use super::topic::{fetch, fetch_of, fill, let_it_end};
use crate::recording::FEWER_THREADS;
use crate::words::{both, both_with};

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "1.2",
    title: both("System calls are not context switches", "系统调用不等于上下文切换"),
    question: both(
        "The post counts four context switches (上下文切换) for a read and a write, two for \
         a sendfile: one into the kernel and one back for each call. A consumer fetches two \
         hundred times, one fetch after the other. Does the broker make more system calls \
         or more context switches meanwhile?",
        "博文说一次 read 加一次 write 有四次上下文切换，一次 sendfile 有两次：每次调用进内\
         核一次、出内核一次。消费者接连 fetch 两百次，其间 broker 的系统调用多，还是上下文\
         切换多？",
    ),
    experiment,
    answer: both(
        "More calls. Each call is two mode switches: the same thread goes on, in the kernel \
         and back. A context switch gives the core to another thread. It happens when a \
         call has to wait, in epoll_wait(2) or futex(2), and not in a call that finds what \
         it wants.",
        "系统调用多。每次调用是两次模式切换：同一个线程进入内核，再回来，接着往下执行。上下\
         文切换则是把 CPU 核让给另一个线程：调用需要等待时才会发生，例如在 epoll_wait(2) 或 \
         futex(2) 里；要的东西已经在那里，调用就不会引起上下文切换。",
    ),
    pages: &[
        page(
            "docs/en/fetch.md#the-same-fetch-by-read-and-write",
            "docs/zh/fetch.md#用-read-和-write-做同一次-fetch",
        ),
        page("docs/en/fetch.md#the-posts-claims", "docs/zh/fetch.md#博文的说法"),
    ],
    files: &["src/transport/selector.rs", "src/server/kafka_request_handler.rs"],
};

const FETCHES: usize = 200;
const MAX_BYTES: i32 = 2 * 1024 * 1024;

fn experiment(sheet: &mut Sheet) -> Outcome<()> {
    let stage = Stage::start_untraced(&FEWER_THREADS)?;
    let mut client = prepared(stage.connect())?;
    let (before, counted_before) = (stage.voluntary_switches()?, stage.counters()?);
    fetch_often(&mut client)?;
    let switches = stage.voluntary_switches()? - before;
    let counted = stage.counters()?;
    sheet.part(both_with!("{FETCHES} fetches", "{FETCHES} 次 fetch"));
    for name in ["read_calls", "write_calls", "sendfile_calls"] {
        sheet.saw(
            both_with!("of the messages' way: {name}", "消息经过的调用：{name}"),
            counted.since(&counted_before, name),
        );
    }
    sheet.saw(
        both(
            "voluntary context switches of all threads (/proc)",
            "所有线程的自愿上下文切换（/proc）",
        ),
        switches,
    );

    match watch(&[], prepared, |mut client| fetch_often(&mut client))? {
        Watched::Calls(threads) => {
            let calls: usize = threads.iter().map(|it| it.calls.len()).sum();
            sheet.saw(
                both(
                    "system calls of all threads (strace, in a second run)",
                    "所有线程的系统调用（strace，另运行一遍）",
                ),
                calls,
            );
            sheet.claim(
                both("there are more calls than switches", "系统调用比上下文切换多"),
                calls as u64 > switches,
            );
            let per_fetch = calls / FETCHES;
            sheet
                .saw(both("that is, calls for each fetch", "平均每次 fetch 的系统调用"), per_fetch);
        }
        Watched::Nothing { why } => {
            sheet.lack(both_with!("all system calls: {why}", "全部系统调用：{why}"))
        }
    }
    let moved = |name| counted.since(&counted_before, name);
    let words = both(
        "each fetch is at least one read, one write and one sendfile",
        "每次 fetch 至少有一次 read、一次 write 和一次 sendfile",
    );
    let fetches = FETCHES as i64;
    let is_so = ["read_calls", "write_calls", "sendfile_calls"].iter();
    sheet.claim(words, is_so.clone().all(|name| moved(name) >= fetches));
    Ok(())
}

fn prepared(mut client: Client) -> Outcome<Client> {
    fill(&mut client, 10, 1, 10_000)?;
    Ok(client)
}

fn fetch_often(client: &mut Client) -> Outcome<()> {
    for _ in 0..FETCHES {
        fetch(client, fetch_of(0, MAX_BYTES));
    }
    let_it_end(client);
    Ok(())
}
