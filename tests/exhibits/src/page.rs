//! A story as text: a legend, the acts with their rows, what is summed, and what it comes to.

use std::fmt::Write;

use crate::cast::{BACKGROUND, Role};
use crate::session::{Act, BATCHES, FETCH_OFFSET, VALUE_BYTES};
use crate::story::{Row, Scene, Story};
use crate::totals::{Count, Totals};

/// The columns that stand in front of the call and behind it; the last has no end.
const THREAD_COLUMNS: usize = 11;
const CALL_COLUMNS: usize = 68;
const FUNCTION_COLUMNS: usize = 38;

/// How the messages went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Sendfile,
    Copy,
}

const LEGEND: &str = "\
How to read it:
  step        the number of docs/en/fetch.md; - is what no fetch does: a produce, the end of a connection
  call        by strace: descriptors by what they are, long arguments as ..; = is what it returned
  function    the innermost of ours that was running, and what the post's Kafka calls it
  producer, consumer   the client's two connections
  post-0/..log         the one segment of the topic post
  epoll_wait  = n: so many descriptors have something to report; the last argument is how many ms it would wait
  eventfd     a write to it ends the epoll_wait of its Processor
  futex       FUTEX_WAIT: a thread sleeps; FUTEX_WAKE: it is woken
  syscall_0x1c3        cachestat(2): are these pages in memory? strace knows its name from 6.4 on
  MSG_MORE    more follows: the kernel holds these bytes back until it is there
A line stands where its call had its effect: a wait where it ended, any other call where it began.
";

pub(crate) fn to_text(story: &Story, totals: &Totals, message_bytes: usize, mode: Mode) -> String {
    let mut text = String::new();
    let way = match mode {
        Mode::Sendfile => "sendfile(2)",
        Mode::Copy => "read and write (transferto.transfer.mode=copy)",
    };
    line(
        &mut text,
        &format!("The system calls of a session, in order. Messages leave by {way}.\n"),
    );
    if !story.has_stacks {
        line(&mut text, NO_STACKS);
    }
    line(&mut text, LEGEND);
    for (number, scene) in story.scenes.iter().enumerate() {
        line(&mut text, &scene_text(number + 1, scene));
    }
    line(&mut text, &sums_text(story));
    text.push_str(&totals_text(totals, message_bytes));
    text
}

const NO_STACKS: &str = "\
This strace shows no stacks (-k), so step and function are by rule: by thread, call and descriptor.
";

pub(crate) fn scene_text(number: usize, scene: &Scene) -> String {
    let mut text = format!("{number}. {}\n\n", heading(scene.act));
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

fn heading(act: Act) -> String {
    match act {
        Act::Connect => "Connect: a producer and a consumer".to_string(),
        Act::Produce => {
            format!(
                "Produce: {BATCHES} batches of one record of {VALUE_BYTES} bytes, a request each"
            )
        }
        Act::Fetch => format!("Fetch: from offset {FETCH_OFFSET} on, all there is"),
        Act::LongPoll => "Long poll: a fetch from the end of the log, which waits".to_string(),
        Act::ProduceOne => "Produce that ends it: one small batch".to_string(),
        Act::Disconnect => "Disconnect: both connections".to_string(),
    }
}

fn row_text(row: &Row) -> String {
    let (step, function, kafka) = match row.explanation {
        Some(it) => (it.step.map_or("-".to_string(), |it| it.to_string()), it.function, it.kafka),
        None => ("?".to_string(), "NOT EXPLAINED", row.call.stack.first().map_or("", |it| it)),
    };
    let (thread, call) = match row.count {
        1 => (row.role.to_string(), row.text.clone()),
        count => (kind_of(row.role).to_string(), summed(row, count)),
    };
    columns(&thread, &step, &call, function, kafka)
}

/// Of results that are bytes, the sum.
fn summed(row: &Row, count: usize) -> String {
    let moves_bytes = ["recvfrom", "readv", "pread64", "pwrite64", "sendmsg", "sendfile"];
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
        "{thread:THREAD_COLUMNS$} {step:>4}  {call:CALL_COLUMNS$} {function:FUNCTION_COLUMNS$} {kafka}"
    );
    text.trim_end().to_string()
}

fn sums_text(story: &Story) -> String {
    let mut text = "Beside it, summed:\n\n".to_string();
    for ((role, what), count) in &story.sums {
        let (who, what) = match role {
            Role::Background(place) => (BACKGROUND[*place].0.to_string(), BACKGROUND[*place].1),
            Role::Handler(_) => ("handlers".to_string(), *what),
            _ => (role.to_string(), *what),
        };
        line(&mut text, &format!("{who:15} {count:>5}  {what}"));
    }
    text
}

fn totals_text(totals: &Totals, message_bytes: usize) -> String {
    let rows = [
        ("message bytes that the consumer got", None, message_bytes as i64),
        ("of them by sendfile", Some(totals.sendfile), totals.sendfile.bytes),
        ("message bytes read into the process", Some(totals.read), totals.read.bytes),
        ("headers of entries, read to find an offset", Some(totals.headers), totals.headers.bytes),
        ("written to the consumer from memory", Some(totals.written), totals.written.bytes),
    ];
    let mut text = "The fetches came to:\n\n".to_string();
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
