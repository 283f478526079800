use bench::outcome::Outcome;
use support::client::Client;

use super::calls::{Watched, watch};
use super::exercise::Exercise;
use super::sheet::Sheet;
use super::stage::Stage;
use super::topic::{fetch, fetch_of, fill, let_it_end};
use crate::recording::FEWER_THREADS;

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "1.2",
    title: "System calls are not context switches",
    question: "The post counts four context switches (上下文切换) for a read and a write, two for a \
        sendfile: one into the kernel and one back for each call. A consumer fetches two hundred \
        times, one fetch after the other. Does the broker make more system calls or more context \
        switches meanwhile?",
    experiment,
    answer: "More calls. Each call is two mode switches: the same thread goes on, in the \
        kernel and back. A context switch gives the core to another thread. It happens when a \
        call has to wait, in epoll_wait(2) or futex(2), and not in a call that finds what it \
        wants.",
    read_on: &[
        "docs/en/fetch.md#the-same-fetch-by-read-and-write",
        "docs/en/fetch.md#the-posts-claims",
        "src/transport/selector.rs",
        "src/server/kafka_request_handler.rs",
    ],
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
    sheet.part(&format!("{FETCHES} fetches"));
    for name in ["read_calls", "write_calls", "sendfile_calls"] {
        sheet.saw(&format!("of the messages' way: {name}"), counted.since(&counted_before, name));
    }
    sheet.saw("voluntary context switches of all threads (/proc)", switches);

    match watch(&[], prepared, |mut client| fetch_often(&mut client))? {
        Watched::Calls(threads) => {
            let calls: usize = threads.iter().map(|it| it.calls.len()).sum();
            sheet.saw("system calls of all threads (strace, in a second run)", calls);
            sheet.claim("there are more calls than switches", calls as u64 > switches);
            let per_fetch = calls / FETCHES;
            sheet.saw("that is, calls for each fetch", per_fetch);
        }
        Watched::Nothing { why } => sheet.lack(format!("all system calls: {why}")),
    }
    let moved = |name| counted.since(&counted_before, name);
    let words = "each fetch is at least one read, one write and one sendfile";
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
