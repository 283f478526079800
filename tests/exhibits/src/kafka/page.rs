//! The whole session of two brokers as text.

use crate::kafka::acts::Request;
use crate::kafka::columns;
use crate::kafka::release::Release;
use crate::kafka::summary::{Column, name_of, table};
use crate::session::{Act, BATCHES, FETCH_OFFSET, VALUE_BYTES, Year};

/// One act of both.
pub(crate) struct Pair {
    pub(crate) act: Act,
    pub(crate) kafka: Request,
    pub(crate) ours: Request,
}

const LEGEND: &str = "\
How to read it:
  [16] MultiSend.writeTo   the step by its number in docs/en/fetch.md, in Kafka's names; below it the calls of both
  acceptor, processor, handler   the thread that made the call
  producer, consumer   the client's two connections; log: the one segment of the topic post
  epoll_wait(300 ms) = 1   a wait that something has ended; waits that nothing has ended are left out
  eventfd     a write to it ends the epoll_wait of its Processor; Kafka reads it empty, ours is edge-triggered
  epoll_ctl   ADD, MOD: which events of a connection are reported; DEL: none, for one that is muted or gone
  EAGAIN      nothing to be had just now; a read of a connection that returns 0: the client has closed it
  fcntl(F_GETFL, F_SETFL)   Java makes a connection non-blocking; newfstatat(log)   Java asks how long the file is
  futex(wake a handler)   one thread wakes another; that the other wakes up is left out
  read(consumer, 56) = 56, pread64(log, 12, position 900234)   how many bytes were wanted, from where, and how many came
Within a step the order of each thread is that of time. Of many requests of one kind, one is shown.
Of Kafka, only the threads that serve requests are watched: not the garbage collector, nor the compiler.
What these call for the JVM itself (a lock of its own, memory, a thread of the compiler that is woken) is only
counted, in the table at the end.
";

pub(crate) fn text(release: Release, pairs: &[Pair], columns: &[Column]) -> String {
    let mut text = format!(
        "The same session served by {} and by transferto: their system calls, side by side.\n\n{LEGEND}",
        release.name()
    );
    for pair in pairs {
        text += &format!("\n== {}\n\n", heading(pair.act));
        text += &columns::head(release.name(), "transferto");
        text += &columns::act_text(pair.act, &pair.kafka, &pair.ours);
    }
    text + "\n== sums: calls of the whole session by name, and what it came to\n\n"
        + &table(columns)
}

/// The name of this broker's column.
pub(crate) fn our_name(year: Year) -> String {
    match year {
        Year::Of2016 => "transferto, 2016".to_string(),
        Year::Today => "transferto, today".to_string(),
    }
}

/// The name, as the summary has it, and what the client does.
fn heading(act: Act) -> String {
    let what = match act {
        Act::Connect => "a producer and a consumer".to_string(),
        Act::Produce => format!("one of {BATCHES} requests, {VALUE_BYTES} bytes each"),
        Act::Fetch => format!("from offset {FETCH_OFFSET} on, all there is"),
        Act::LongPoll => "a fetch from the end of the log, which waits".to_string(),
        Act::ProduceOne => "a small message that ends the wait".to_string(),
        Act::Disconnect => "both connections".to_string(),
    };
    format!("{}: {what}", name_of(act))
}
