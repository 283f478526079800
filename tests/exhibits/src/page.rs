//! A story as text: a legend, the acts with their rows, what is summed, and what it comes to.

use std::fmt::Write;

use crate::cast::{BACKGROUND, Role};
use crate::recording::{FEWER_THREADS, Mode};
use crate::session::{Act, BATCHES, FETCH_OFFSET, VALUE_BYTES};
use crate::story::{Row, Scene, Story};
use crate::totals::{Count, Totals};

/// The columns that stand in front of the call and behind it; the last has no end.
const THREAD_COLUMNS: usize = 11;
/// A `sendfile` of the session fits, which is the longest of its calls.
const CALL_COLUMNS: usize = 72;
const FUNCTION_COLUMNS: usize = 38;

const NOT_EXPLAINED: &str = "NOT EXPLAINED";

const LEGEND: &str = "\
== legend: how to read it

thread       the Acceptor, three Processors, the request handlers in the order in which they come to work
step         the number in docs/en/fetch.md; - is on no fetch's way: a produce, the end of a connection
             1 a connection is accepted, 2 registered with a Processor; 3 the poll; 4 a request is read,
             5 queued for a handler; 8 the offset is looked up; 10 a fetch waits for bytes; 11 its pages are
             read, if not in memory; 13 the response is queued for the Processor, which writes it: 16 what is
             in memory, such as the headers, 18 the messages from the file
call         as strace shows it: descriptors by what they are, long arguments as ..; behind = is the result
function     the innermost of this broker's functions that ran, and what the post's Kafka calls it
producer     the connection of the client that produces; consumer: of the one that fetches
post-0/..log the one segment of the topic post
eventfd      of a Processor: a write to it ends that Processor's epoll_wait
epoll_wait   = n: n descriptors have something to report; the last argument: how many ms it would wait
futex        FUTEX_WAIT: the thread sleeps; FUTEX_WAKE = 1: it wakes a thread, = 0: that one was awake
-1 EAGAIN    nothing to be had just now; of a FUTEX_WAIT: it was woken before it slept, so it does not sleep
syscall_0x1c3 is cachestat(2): which of these pages are in memory? strace knows the name from 6.4 on
MSG_MORE     more follows: the kernel keeps these bytes until it is there

A line stands where its call took effect: a wait where it ended, any other call where it began.
";

const RULES_OF_TLS: &str = "\
Recorded by make ktls. Step and function are by rule, by thread, call and descriptor: stacks take too long in a
machine that is interpreted.
";

const LEGEND_OF_TLS: &str = "\
recvfrom, sendto  of a Processor: the handshake, record by record, the header of 5 bytes before each body
TCP_ULP      the socket gets the \"upper layer protocol\" tls
TLS_TX, TLS_RX  the kernel gets the key of each direction; strace was asked for no data, so no key shows here
recvmsg      bytes of a request, decrypted by the kernel; -1 EAGAIN: no further record is whole
SOL_TLS      of a message: what kind of record it is; the one that is sent so is the alert close_notify
sendmsg, sendfile  otherwise as without TLS: the kernel encrypts what they are given
";

pub(crate) fn to_text(story: &Story, totals: &Totals, message_bytes: usize, mode: Mode) -> String {
    let way = match mode {
        Mode::Sendfile => "sendfile",
        Mode::Copy => "read and write (transferto.transfer.mode=copy)",
        Mode::KernelTls => "sendfile, over TLS: the kernel encrypts (transferto.ktls)",
    };
    let mut text = format!(
        "The system calls of one session. Messages leave by {way}.\n\
         A broker with the default settings, but for {}.\n\n",
        FEWER_THREADS.join(" and ")
    );
    if mode == Mode::KernelTls {
        line(&mut text, RULES_OF_TLS);
    } else if !story.has_stacks {
        line(&mut text, NO_STACKS);
    }
    line(&mut text, LEGEND);
    if mode == Mode::KernelTls {
        line(&mut text, LEGEND_OF_TLS);
    }
    for scene in &story.scenes {
        line(&mut text, &scene_text(scene));
    }
    line(&mut text, &sums_text(story));
    text.push_str(&totals_text(totals, message_bytes));
    text
}

const NO_STACKS: &str = "\
There are no whole stacks: this strace has no -k, or the broker was not linked for it by make strace.
So step and function are by rule: by thread, call and descriptor.
";

pub(crate) fn scene_text(scene: &Scene) -> String {
    let mut text = format!("== {}\n\n", heading(scene.act));
    let head = ["thread", "call", "function"];
    line(&mut text, &columns(head[0], "step", head[1], head[2], "in Kafka"));
    for row in &scene.rows {
        line(&mut text, &row_text(row));
    }
    if scene.repetitions > 0 {
        line(&mut text, &format!("and {} times more, summed:", scene.repetitions));
        for row in &scene.repeated {
            line(&mut text, &row_text(row));
        }
    }
    text
}

/// The same for a terminal: headings bold, what leaves by `sendfile` green, what nobody explains red.
pub(crate) fn in_colour(text: &str) -> String {
    let paint = |line: &str| {
        let colour = match line {
            _ if line.starts_with("== ") => "1",
            _ if line.contains(NOT_EXPLAINED) => "31",
            _ if line.contains(" sendfile(") => "32",
            _ if line.contains(" CopyingTransportLayer") => "33",
            _ => return format!("{line}\n"),
        };
        format!("\x1b[{colour}m{line}\x1b[0m\n")
    };
    text.lines().map(paint).collect()
}

fn heading(act: Act) -> String {
    match act {
        Act::Connect => "connect: a producer and a consumer".to_string(),
        Act::Produce => {
            format!(
                "produce: {BATCHES} batches of one record of {VALUE_BYTES} bytes, a request each"
            )
        }
        Act::Fetch => format!("fetch: from offset {FETCH_OFFSET} on, all there is"),
        Act::LongPoll => "long poll: a fetch from the end of the log, which waits".to_string(),
        Act::ProduceOne => "produce one: the wait ends with it; one small batch".to_string(),
        Act::Disconnect => "disconnect: both connections".to_string(),
    }
}

fn row_text(row: &Row) -> String {
    let (step, function, kafka) = match row.explanation {
        Some(it) => (it.step.map_or("-".to_string(), |it| it.to_string()), it.function, it.kafka),
        None => ("?".to_string(), NOT_EXPLAINED, row.call.stack.first().map_or("", |it| it)),
    };
    let (thread, call) = match row.count {
        1 => (row.role.to_string(), row.text.clone()),
        count => (kind_of(row.role).to_string(), summed(row, count)),
    };
    columns(&thread, &step, &call, function, kafka)
}

/// Of results that are bytes, the sum.
fn summed(row: &Row, count: usize) -> String {
    let moves_bytes =
        ["recvfrom", "recvmsg", "readv", "pread64", "pwrite64", "sendmsg", "sendfile"];
    let name = &row.call.name;
    if moves_bytes.contains(&name.as_str()) {
        format!("{count} x {name}, {} bytes", row.sum)
    } else {
        format!("{count} x {name}")
    }
}

fn kind_of(role: Role) -> &'static str {
    match role {
        Role::Acceptor => "Acceptor",
        Role::Processor(_) => "Processor",
        Role::Handler(_) => "handlers",
        Role::Background(place) => BACKGROUND[place].0,
        Role::Unknown => "?",
    }
}

fn columns(thread: &str, step: &str, call: &str, function: &str, kafka: &str) -> String {
    let text = format!(
        "{thread:THREAD_COLUMNS$} {step:>4} {call:CALL_COLUMNS$} {function:FUNCTION_COLUMNS$} {kafka}"
    );
    text.trim_end().to_string()
}

fn sums_text(story: &Story) -> String {
    let mut text =
        "== beside: what no request asked for, and what chance decides, summed\n\n".to_string();
    for ((role, why), sum) in &story.sums {
        let (who, why) = match role {
            Role::Background(place) => (BACKGROUND[*place].0.to_string(), BACKGROUND[*place].1),
            Role::Handler(_) => ("handlers".to_string(), *why),
            _ => (role.to_string(), *why),
        };
        let names = Vec::from_iter(sum.names.iter().map(String::as_str)).join(", ");
        line(&mut text, &format!("{who:15} {:>5}  {names}: {why}", sum.calls));
    }
    text
}

pub(crate) fn totals_text(totals: &Totals, message_bytes: usize) -> String {
    let rows = [
        ("message bytes that the consumer got", None, message_bytes as i64),
        ("of them by sendfile", Some(totals.sendfile), totals.sendfile.bytes),
        ("message bytes read into the process", Some(totals.read), totals.read.bytes),
        ("headers of entries, read to find an offset", Some(totals.headers), totals.headers.bytes),
        ("written to the consumer from memory", Some(totals.written), totals.written.bytes),
    ];
    let mut text = "== sum: of the fetch and the long poll\n\n".to_string();
    for (what, count, bytes) in rows {
        let calls = match count {
            Some(Count { calls: 1, .. }) => "  in 1 call".to_string(),
            Some(Count { calls, .. }) if calls > 0 => format!("  in {calls} calls"),
            _ => String::new(),
        };
        line(&mut text, &format!("{what:44} {bytes:>9}{calls}"));
    }
    text
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a String takes all that is written");
}
