//! The trace tells one request: two clients at once are told apart by the names in front of the
//! lines, whichever thread says them.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::broker_process::BrokerProcess;
use support::client::{Client, NEWEST_FETCH, fetch_request};
use support::records::batch;
use support::temp::TempDir;
use support::trace_line::TraceLine;
use transferto::protocol::fetch::FetchRequest;
use transferto::protocol::request::RequestBody;

use crate::hostile::in_company;

/// The broker with every line.
const TRACED: [&str; 2] = ["env", "RUST_LOG=trace"];
const FETCHES: i32 = 20;
/// The steps of a fetch that has enough to send, but for the last.
const STEPS: [u32; 14] = [4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18];
const LAST_STEP: u32 = 19;

/// What a broker traces while `clients` use it, which get its port.
fn traced(clients: impl FnOnce(u16)) -> Vec<TraceLine> {
    traced_with(&[], clients)
}

fn traced_with(settings: &[&str], clients: impl FnOnce(u16)) -> Vec<TraceLine> {
    let dir = TempDir::new();
    let broker = BrokerProcess::start_under(&TRACED, dir.path(), settings);
    let (port, pid) = (broker.port, Pid::from_raw(broker.pid()));
    // Read meanwhile, or the broker would wait for room in the pipe.
    let reader = thread::spawn(move || broker.wait());
    clients(port);
    kill(pid, Signal::SIGTERM).unwrap();
    let (_, lines) = reader.join().unwrap();
    lines.iter().filter_map(|line| TraceLine::parse(line)).collect()
}

fn by_subject(lines: &[TraceLine]) -> BTreeMap<&str, Vec<&TraceLine>> {
    let mut subjects: BTreeMap<&str, Vec<&TraceLine>> = BTreeMap::new();
    for line in lines {
        subjects.entry(&line.subject).or_default().push(line);
    }
    subjects.remove("");
    subjects
}

/// The steps of a request in the order in which each first shows.
fn steps_of(lines: &[&TraceLine]) -> Vec<u32> {
    let mut steps = Vec::new();
    for step in lines.iter().filter_map(|line| line.step) {
        if !steps.contains(&step) {
            steps.push(step);
        }
    }
    steps
}

fn says(lines: &[&TraceLine], kafkas_name: &str, words: &str) -> bool {
    lines.iter().any(|line| line.kafkas_name == kafkas_name && line.words.contains(words))
}

#[test]
fn a_line_says_when_where_for_whom_and_how_deep() {
    let text =
        "2026-11-29T01:00:02.000003Z TRACE [kafka-request-handler-3] 2#0/5     [8] Log.read: a: b";
    let line = TraceLine::parse(text).unwrap();
    assert_eq!((line.day_us, line.thread.as_str()), (3_602_000_003, "kafka-request-handler-3"));
    assert_eq!((line.subject.as_str(), line.depth, line.step), ("2#0/5", 2, Some(8)));
    assert_eq!((line.kafkas_name.as_str(), line.words.as_str()), ("Log.read", "a: b"));
    let poll =
        "2026-11-29T00:00:00.000000Z TRACE [network] [3] Selector.poll: 1 event, 1 turn to give";
    let line = TraceLine::parse(poll).unwrap();
    assert_eq!((line.subject.as_str(), line.depth, line.step), ("", 0, Some(3)));
    let wakeup = "2026-11-29T00:00:00.000000Z TRACE [main] Selector.wakeup: its thread sleeps";
    assert_eq!(TraceLine::parse(wakeup).unwrap().step, None);
    assert!(TraceLine::parse("2026-11-29T00:00:00.000000Z INFO  [main] hello").is_none());
}

#[test]
fn the_lines_of_each_of_two_clients_fetches_are_its_own_from_the_first_step_to_the_last() {
    let _company = in_company();
    let lines = traced(|port| {
        let clients = ["apples", "pears"].map(|topic| {
            thread::spawn(move || {
                let mut client = Client::connect(port);
                client.create_topic(topic);
                client.produce(topic, 0, &batch(&[topic.as_bytes()]));
                for _ in 0..FETCHES {
                    client.fetch(topic, 0, 0);
                }
                // Once this is answered, the request before it is over.
                client.metadata(1, Some(&[topic]));
            })
        });
        clients.into_iter().for_each(|client| client.join().unwrap());
    });

    let subjects = by_subject(&lines);
    let mut fetches = BTreeMap::from([("apples", 0), ("pears", 0)]);
    for (subject, lines) in &subjects {
        if !says(lines, "KafkaApis.handle", "Fetch version") {
            continue;
        }
        let topic = if says(lines, "Log.read", "apples-0") { "apples" } else { "pears" };
        let other = if topic == "apples" { "pears" } else { "apples" };
        assert!(says(lines, "Log.read", &format!("{topic}-0")), "{subject}: {lines:#?}");
        assert!(says(lines, "TopicDataSend.writeTo", topic), "{subject}: {lines:#?}");
        assert!(!lines.iter().any(|it| it.words.contains(other)), "{subject}: {lines:#?}");
        assert_eq!(steps_of(lines), [&STEPS[..], &[LAST_STEP]].concat(), "{subject}: {lines:#?}");
        let threads: BTreeSet<&str> = lines.iter().map(|it| it.thread.as_str()).collect();
        assert_eq!(threads.len(), 2, "its Processor and its handler: {threads:?}");
        *fetches.get_mut(topic).unwrap() += 1;
    }
    assert_eq!(fetches, BTreeMap::from([("apples", FETCHES), ("pears", FETCHES)]));
    assert_is_nested(&lines);
}

/// On each thread a line is at most one call deeper than the one before it; what calls nothing is as
/// deep as its like.
fn assert_is_nested(lines: &[TraceLine]) {
    let mut before: BTreeMap<&str, &TraceLine> = BTreeMap::new();
    for line in lines {
        let depth = before.insert(&line.thread, line).map_or(0, |before| before.depth + 1);
        assert!(line.depth <= depth, "{line:?} is too deep");
        let depth_of_its_own = match line.kafkas_name.as_str() {
            "RequestChannel.receiveRequest" | "Processor.processCompletedSends" => Some(0),
            "KafkaChannel.write" | "Selector.send" => Some(1),
            _ => None,
        };
        assert!(depth_of_its_own.is_none_or(|depth| depth == line.depth), "{line:?}");
    }
    for (outer, inner) in [
        ("TopicDataSend.writeTo", "PartitionDataSend.writeTo"),
        ("PartitionDataSend.writeTo", "FileMessageSet.writeTo"),
        ("FileMessageSet.writeTo", "PlaintextTransportLayer.sendfile"),
        ("Log.read", "LogSegment.read"),
    ] {
        let depth = |name| lines.iter().find(|it| it.kafkas_name == name).unwrap().depth;
        assert!(depth(outer) < depth(inner), "{outer} calls {inner}");
    }
}

#[test]
fn a_fetch_that_a_produce_completes_bears_its_own_name_on_the_producers_thread() {
    let _company = in_company();
    let dir = TempDir::new();
    let mut broker = BrokerProcess::start_under(&TRACED, dir.path(), &[]);
    let (mut consumer, mut producer) = (Client::connect(broker.port), Client::connect(broker.port));
    producer.create_topic("post");
    let patient = FetchRequest { max_wait_ms: 60_000, ..fetch_request("post", 0, 0) };
    let header = consumer.send(NEWEST_FETCH, &RequestBody::Fetch(patient), &[]);
    let mut lines = broker.lines_until("it is left there");
    producer.produce("post", 0, &batch(&[b"news"]));
    assert_eq!(consumer.receive_fetch(&header).len(), 1);
    consumer.metadata(1, Some(&["post"]));
    lines.extend(broker.end_with(Signal::SIGTERM).1);
    let lines: Vec<TraceLine> =
        lines.iter().filter_map(|line| TraceLine::parse(line.trim_end())).collect();

    let subjects = by_subject(&lines);
    let of = |api: &str| {
        let handled = format!("{api} version");
        let of_api = subjects.values().filter(|it| says(it, "KafkaApis.handle", &handled));
        of_api.collect::<Vec<_>>()
    };
    let ([fetch], [produce]) = (&of("Fetch")[..], &of("Produce")[..]) else {
        panic!("there was one of each: {subjects:#?}");
    };
    let completed = fetch.iter().find(|it| it.kafkas_name == "DelayedFetch.onComplete");
    let completed = completed.expect("the line bears the name of the fetch");
    assert!(produce.iter().any(|it| it.thread == completed.thread), "{completed:?}");
    assert!(completed.depth > 0, "it is nested in the append: {completed:?}");
    let is_foreign = |line: &&&TraceLine| line.step == Some(10) || line.kafkas_name == "Log.read";
    assert_eq!(produce.iter().find(is_foreign).map(|it| &it.words), None);
    assert_eq!(steps_of(fetch).last(), Some(&LAST_STEP), "{fetch:#?}");
    assert!(steps_of(fetch).contains(&18), "{fetch:#?}");
}

#[test]
fn a_fetch_whose_time_runs_out_bears_its_name_on_the_reapers_thread() {
    let _company = in_company();
    let lines = traced(|port| {
        let mut consumer = Client::connect(port);
        consumer.create_topic("post");
        let impatient = FetchRequest { max_wait_ms: 1, ..fetch_request("post", 0, 0) };
        consumer.fetch_with(NEWEST_FETCH, impatient);
    });
    let reaped = lines.iter().find(|it| it.thread == "ExpirationReaper-Fetch").unwrap();
    assert_eq!(reaped.kafkas_name, "DelayedFetch.onComplete");
    let own = by_subject(&lines).remove(reaped.subject.as_str()).unwrap();
    assert!(says(&own, "KafkaApis.handle", "Fetch version"), "{own:#?}");
}

/// Fetch version 7 is the last whose clients do not wait by themselves.
#[test]
fn a_fetch_that_a_quota_holds_back_bears_its_name_when_it_is_let_go() {
    let _company = in_company();
    let quota =
        ["quota.consumer.default=20000", "quota.window.num=2", "quota.window.size.seconds=1"];
    let lines = traced_with(&quota, |port| {
        let mut client = Client::connect(port);
        client.create_topic("post");
        client.produce("post", 0, &batch(&[&[b'x'; 15_000]]));
        for _ in 0..3 {
            client.fetch_with(7, fetch_request("post", 0, 0));
        }
    });
    let executed = lines.iter().find(|it| it.kafkas_name == "ThrottledResponse.execute").unwrap();
    assert!(executed.thread.starts_with("ThrottledRequestReaper-Fetch"), "{executed:?}");
    let own = by_subject(&lines).remove(executed.subject.as_str()).unwrap();
    assert!(says(&own, "KafkaApis.handle", "Fetch version 7"), "{own:#?}");
    let called_back = own.iter().find(|it| it.kafkas_name == "KafkaApis.fetchResponseCallback");
    assert_eq!(called_back.map(|it| &it.thread), Some(&executed.thread), "{own:#?}");
}

#[test]
fn a_fetch_that_is_answered_inline_has_all_its_steps_on_one_thread() {
    let _company = in_company();
    let lines = traced_with(&["transferto.fetch.inline=resident"], |port| {
        let mut client = Client::connect(port);
        client.create_topic("post");
        client.produce("post", 0, &batch(&[b"first"]));
        client.fetch("post", 0, 0);
        client.metadata(1, Some(&["post"]));
    });
    let inline = lines.iter().find(|it| it.kafkas_name == "LocalLogs.readResident").unwrap();
    let own = by_subject(&lines).remove(inline.subject.as_str()).unwrap();
    assert!(own.iter().all(|it| it.thread == inline.thread), "{own:#?}");
    assert_eq!(steps_of(&own).last(), Some(&LAST_STEP), "{own:#?}");
}

#[test]
fn no_name_is_given_to_two_connections() {
    const CONNECTIONS: usize = 24;
    let _company = in_company();
    let lines = traced(|port| {
        for _ in 0..CONNECTIONS {
            // One after another, so that each may have the place of the one before.
            let mut client = Client::connect(port);
            client.metadata(1, Some(&[]));
        }
    });
    let of = |name: &str| -> Vec<&str> {
        let named = lines.iter().filter(|it| it.kafkas_name == name);
        named.map(|it| it.subject.as_str()).collect()
    };
    let registered = of("Selector.register");
    assert_eq!(registered.len(), CONNECTIONS);
    assert_eq!(BTreeSet::from_iter(&registered).len(), CONNECTIONS, "{registered:?}");
    for line in lines.iter().filter(|it| it.kafkas_name == "Selector.register") {
        let (processor, _) = line.subject.split_once('#').unwrap();
        assert!(line.thread.ends_with(&format!("-{processor}")), "{line:?}");
    }
}
