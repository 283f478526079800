//! What a picture tells: rows in the order of time, each in the lane of who acts, and the hand-overs
//! between them.

use std::fmt::Write;

use bench::outcome::{Outcome, failed};
use support::trace_line::TraceLine;

use crate::picture::recording::{Call, Recording};

/// Who acts. The kernel acts for another lane, in a row of that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    Client,
    Acceptor,
    Processor,
    Handler,
    Purgatory,
}

pub(crate) const LANES: [(Lane, &str); 5] = [
    (Lane::Client, "client"),
    (Lane::Acceptor, "acceptor"),
    (Lane::Processor, "processor"),
    (Lane::Handler, "handler"),
    (Lane::Purgatory, "purgatory"),
];

/// The system calls behind steps of which the trace says that they were made.
const SYSTEM_CALLS: [(&str, &str); 10] = [
    ("Acceptor.accept", "accept4"),
    ("Selector.register", "epoll_ctl"),
    ("PlaintextTransportLayer.read", "recvfrom"),
    ("FileMessageSet.searchFor", "pread64"),
    ("FileMessageSet.warm", "cachestat"),
    ("FileMessageSet.append", "pwrite64"),
    ("Selector.wakeup", "write, eventfd"),
    ("PlaintextTransportLayer.write", "sendmsg"),
    ("PlaintextTransportLayer.sendfile", "sendfile"),
    ("Selector.poll", "epoll_wait"),
];

/// What depends on who is quicker, and so is no part of a shape.
const UNSTEADY: [&str; 2] = ["Selector.poll", "Selector.wakeup"];

#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Since the first row.
    pub(crate) at_us: i64,
    pub(crate) lane: Lane,
    pub(crate) system_call: Option<&'static str>,
    /// Whom it is about; nothing for the client, and for what is done for all connections.
    pub(crate) subject: String,
    pub(crate) depth: usize,
    pub(crate) step: Option<u32>,
    pub(crate) name: String,
}

pub(crate) struct Story {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) rows: Vec<Row>,
    /// From row to row.
    pub(crate) hand_overs: Vec<(usize, usize)>,
}

impl Story {
    pub(crate) fn of_produce(recording: &Recording) -> Outcome<Self> {
        let subject = request(recording, "Produce", recording.produce)?;
        let mut rows = rows_of(recording, &subject);
        add_call(&mut rows, recording.produce, "Produce");
        Ok(Self::told("produce", "Produce", rows))
    }

    /// With the connection before it.
    pub(crate) fn of_fetch(recording: &Recording) -> Outcome<Self> {
        let subject = request(recording, "Fetch", recording.fetch)?;
        let (connection, _) = subject.split_once('/').unwrap_or_default();
        let peer = format!("127.0.0.1:{}", recording.consumer_port);
        let is_accept = |it: &&TraceLine| it.step == Some(1) && it.words.contains(&peer);
        let is_register = |it: &&TraceLine| it.step == Some(2) && it.subject == connection;
        let lines = recording.lines.iter();
        let mut rows: Vec<Row> =
            lines.filter(|it| is_accept(it) || is_register(it)).map(Row::of).collect();
        rows.extend(rows_of(recording, &subject));
        rows.push(Row::of_client(recording.consumer_connects_us, "connect"));
        add_call(&mut rows, recording.fetch, "Fetch");
        Ok(Self::told("fetch", "Fetch", rows))
    }

    /// With that part of the produce that ends the wait.
    pub(crate) fn of_poll(recording: &Recording) -> Outcome<Self> {
        let subject = request(recording, "Fetch", recording.poll)?;
        let producer = recording.produce_that_ends_the_poll;
        let produce = request(recording, "Produce", producer)?;
        let mut rows = rows_of(recording, &subject);
        let of_handler = rows_of(recording, &produce);
        rows.extend(of_handler.into_iter().filter(|it| it.lane == Lane::Handler));
        add_call(&mut rows, recording.poll, "Fetch");
        rows.push(Row::of_client(producer.sent_us, "Produce"));
        Ok(Self::told("long-poll", "Long poll, and the produce that ends it", rows))
    }

    fn told(name: &'static str, title: &'static str, mut rows: Vec<Row>) -> Self {
        rows.sort_by_key(|row| row.at_us);
        let began_us = rows.first().map_or(0, |row| row.at_us);
        for row in &mut rows {
            row.at_us -= began_us;
        }
        let hand_overs = hand_overs(&rows);
        Self { name, title, rows, hand_overs }
    }

    pub(crate) fn duration_us(&self) -> i64 {
        self.rows.last().map_or(0, |row| row.at_us)
    }

    /// The steps of each lane in their order, as every run has them.
    pub(crate) fn shape(&self) -> String {
        let mut shape = String::new();
        let steady: Vec<&Row> =
            self.rows.iter().filter(|row| !UNSTEADY.contains(&row.name.as_str())).collect();
        for (lane, name) in LANES {
            let own = steady.iter().filter(|row| row.lane == lane).map(|row| row.label());
            section(&mut shape, name, own);
        }
        section(
            &mut shape,
            "kernel",
            steady.iter().filter_map(|row| row.system_call).map(String::from),
        );
        shape
    }
}

fn section(shape: &mut String, name: &str, entries: impl Iterator<Item = String>) {
    // Into a String this cannot fail.
    let _ = writeln!(shape, "{name}");
    for entry in entries {
        let _ = writeln!(shape, "  {entry}");
    }
}

impl Row {
    fn of(line: &TraceLine) -> Self {
        let lane = if ["DelayedOperationPurgatory.", "DelayedFetch."]
            .iter()
            .any(|owner| line.kafkas_name.starts_with(owner))
        {
            Lane::Purgatory
        } else if line.thread.starts_with("kafka-socket-acceptor") {
            Lane::Acceptor
        } else if line.thread.starts_with("kafka-network-thread") {
            Lane::Processor
        } else {
            Lane::Handler
        };
        Self {
            at_us: line.day_us,
            lane,
            system_call: system_call(line),
            subject: line.subject.clone(),
            depth: line.depth,
            step: line.step,
            name: line.kafkas_name.clone(),
        }
    }

    fn of_client(at_us: i64, name: &str) -> Self {
        Self {
            at_us,
            lane: Lane::Client,
            system_call: None,
            subject: String::new(),
            depth: 0,
            step: None,
            name: name.to_string(),
        }
    }

    /// `[8] Log.read`
    pub(crate) fn label(&self) -> String {
        let number = self.step.map_or(String::new(), |step| format!("[{step}] "));
        format!("{number}{}", self.name)
    }
}

/// The call that a line says has been made; some say only that it is about to.
fn system_call(line: &TraceLine) -> Option<&'static str> {
    let call = SYSTEM_CALLS.iter().find(|(name, _)| *name == line.kafkas_name)?.1;
    let is_made = match line.kafkas_name.as_str() {
        "FileMessageSet.searchFor" => line.words.ends_with(" read"),
        "Selector.poll" => !line.words.starts_with("0 events"),
        _ => true,
    };
    is_made.then_some(call)
}

/// The request of this API that the broker handled between the two moments of `call`.
fn request(recording: &Recording, api: &str, call: Call) -> Outcome<String> {
    let version = format!("{api} version");
    let found = recording.lines.iter().find(|it| {
        it.kafkas_name == "KafkaApis.handle"
            && it.words.starts_with(&version)
            && (call.sent_us..=call.answered_us).contains(&it.day_us)
    });
    match found {
        Some(line) => Ok(line.subject.clone()),
        None => failed(format!("the trace has no {api} request between {call:?}")),
    }
}

/// All of a request, and what its Processor does for it without its name: the poll that finds it,
/// and the reading before its correlation id is known.
fn rows_of(recording: &Recording, subject: &str) -> Vec<Row> {
    let lines = &recording.lines;
    let is_own = |line: &TraceLine| line.subject == subject;
    let (Some(first), Some(last)) = (lines.iter().position(is_own), lines.iter().rposition(is_own))
    else {
        return Vec::new();
    };
    let (connection, _) = subject.split_once('/').unwrap_or_default();
    let processor = &lines[first].thread;
    let is_poll =
        |line: &TraceLine| line.thread == *processor && line.kafkas_name == "Selector.poll";
    let began = lines[..first].iter().rposition(is_poll).unwrap_or(first);
    let span = began..=last;
    let told = lines.iter().enumerate().filter(|(place, line)| {
        let is_nameless = line.subject.is_empty() || line.subject == connection;
        is_own(line) || is_nameless && line.thread == *processor && span.contains(place)
    });
    told.map(|(_, line)| Row::of(line)).collect()
}

fn add_call(rows: &mut Vec<Row>, call: Call, api: &str) {
    rows.push(Row::of_client(call.sent_us, api));
    rows.push(Row::of_client(call.answered_us, "response"));
}

/// Where one lane leaves the work to another.
fn hand_overs(rows: &[Row]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (from, row) in rows.iter().enumerate() {
        let later = |name: &str, is_same: &dyn Fn(&Row) -> bool| {
            (from + 1..rows.len()).find(|&to| rows[to].name == name && is_same(&rows[to]))
        };
        let any = |_: &Row| true;
        let of_same_request = |it: &Row| it.subject == row.subject;
        let to = match (row.lane, row.name.as_str()) {
            (Lane::Client, "connect") => later("Acceptor.accept", &any),
            (Lane::Client, "response") => None,
            (Lane::Client, _) => client_is_heard(rows, from),
            (Lane::Acceptor, "Processor.accept") => later("Selector.register", &any),
            (_, "RequestChannel.sendRequest") => {
                later("RequestChannel.receiveRequest", &of_same_request)
            }
            (_, "RequestChannel.sendResponse") => {
                later("Processor.processNewResponses", &of_same_request)
            }
            _ => to_or_from_purgatory(rows, from),
        };
        found.extend(to.map(|to| (from, to)));
    }
    found.extend(response(rows));
    found
}

/// From the last send to the client. Its line is written when the call has returned, when the client
/// may have the bytes already: so the arrow may point upward.
fn response(rows: &[Row]) -> Option<(usize, usize)> {
    let sends = |row: &Row| matches!(row.system_call, Some("sendmsg" | "sendfile"));
    let to = rows.iter().position(|row| row.lane == Lane::Client && row.name == "response")?;
    Some((rows.iter().rposition(sends)?, to))
}

/// A poll finds what the client has sent; of a produce that is told only in part, a handler takes it.
fn client_is_heard(rows: &[Row], from: usize) -> Option<usize> {
    let names = ["Selector.poll", "RequestChannel.receiveRequest"];
    (from + 1..rows.len()).find(|&to| names.contains(&rows[to].name.as_str()))
}

fn to_or_from_purgatory(rows: &[Row], from: usize) -> Option<usize> {
    let lanes = [rows[from].lane, rows.get(from + 1)?.lane];
    let crosses = [[Lane::Handler, Lane::Purgatory], [Lane::Purgatory, Lane::Handler]];
    crosses.contains(&lanes).then_some(from + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a produce by kcat, with the requests of others cut out.
    const TRACE: &str = include_str!("produce.trace");

    fn recording() -> Recording {
        let lines: Vec<TraceLine> = TRACE.lines().filter_map(TraceLine::parse).collect();
        let (first, last) = (lines.first().unwrap().day_us, lines.last().unwrap().day_us);
        let produce = Call { sent_us: first - 10, answered_us: last + 10 };
        Recording { lines, produce, ..Recording::default() }
    }

    /// Neither the times nor the wake-up, which this one did not need, belong to the shape.
    #[test]
    fn a_recorded_produce_has_the_shape_of_the_exhibit() {
        let story = Story::of_produce(&recording()).unwrap();
        assert_eq!(story.shape(), include_str!("../../../../docs/exhibits/picture-produce.txt"));
        assert_eq!(story.duration_us(), 205);
    }

    #[test]
    fn the_hand_overs_of_a_produce_lead_from_the_client_through_two_queues_and_back() {
        let story = Story::of_produce(&recording()).unwrap();
        let names = |&(from, to): &(usize, usize)| {
            format!("{} > {}", story.rows[from].name, story.rows[to].name)
        };
        let hand_overs: Vec<String> = story.hand_overs.iter().map(names).collect();
        assert_eq!(
            hand_overs,
            [
                "Produce > Selector.poll",
                "RequestChannel.sendRequest > RequestChannel.receiveRequest",
                "RequestChannel.sendResponse > Processor.processNewResponses",
                "PlaintextTransportLayer.write > response",
            ]
        );
    }

    #[test]
    fn a_request_that_the_trace_does_not_have_is_a_failure_in_words() {
        let error = Story::of_fetch(&recording()).err().unwrap();
        assert!(error.to_string().contains("no Fetch request"), "{error}");
    }
}
