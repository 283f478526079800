//! A request that arrives while the one before it is handled.

use std::time::Duration;

use bench::outcome::Outcome;
use support::client::{Client, NEWEST_FETCH, fetch_request};
use transferto::protocol::api_versions::ApiVersionsRequest;
use transferto::protocol::fetch::FetchRequest;
use transferto::protocol::request::RequestBody;

use crate::lessons::stage::{Broker, SILENCE, Stage, response_within};
use crate::lessons::{Lesson, Seen};

pub(crate) const LESSON: Lesson = Lesson {
    name: "forgotten-edges",
    about: "what epoll reports of a muted connection is forgotten",
    issue: None,
    question: "A client sends a fetch that waits half a second, and a second request on the same\n\
               connection meanwhile. The connection is muted until the fetch is answered. epoll has\n\
               reported the second request, edge-triggered, and nobody wanted to know.\n\
               How many responses does the client get, and what would bring the next one?",
    play,
    explanation: "mio registers sockets edge-triggered: epoll reports that bytes have arrived, once. A\n\
                  Processor that ignores that for a muted connection waits after unmute for an edge that\n\
                  has come already. The request lies in the socket until the client sends more. Java's\n\
                  selector is level-triggered and reports what lies there again, so Kafka never needed\n\
                  the memory that a port to mio needs: one bit of the readiness word.",
    source: "src/transport/readiness.rs, anchor edge: `self.event |= bits` is the memory",
};

const TOPIC: &str = "quiet";
const POLL_MS: i32 = 500;
/// The Processor mutes the connection within microseconds after it has read.
const UNTIL_MUTED: Duration = Duration::from_millis(50);

fn play(stage: &Stage) -> Outcome<Seen> {
    let broker = stage.start(&[])?;
    let mut client = broker.connect();
    client.create_topic(TOPIC);
    let poll = FetchRequest { max_wait_ms: POLL_MS, ..fetch_request(TOPIC, 0, 0) };
    client.send(NEWEST_FETCH, &RequestBody::Fetch(poll), &[]);
    broker.await_read(&client);
    std::thread::sleep(UNTIL_MUTED);
    ask(&mut client);

    let mut lines = vec!["sent a fetch that waits 500 ms, and then a second request".to_string()];
    let responses = responses_until_silence(&mut client, 2)?;
    if responses == 2 {
        lines.push("2 of 2 responses came".to_string());
        return Ok(Seen { fails: false, lines });
    }
    lines.push(silence(&broker, &client, responses)?);
    ask(&mut client);
    let more = responses_until_silence(&mut client, 2)?;
    lines
        .push(format!("sent a third request: it makes an edge, and {more} responses came at once"));
    Ok(Seen { fails: responses == 1 && more == 2, lines })
}

/// Any request that is answered at once.
fn ask(client: &mut Client) {
    client.send(0, &RequestBody::ApiVersions(ApiVersionsRequest::default()), &[]);
}

fn responses_until_silence(client: &mut Client, awaited: usize) -> Outcome<usize> {
    for come in 0..awaited {
        if response_within(client, SILENCE)?.is_none() {
            return Ok(come);
        }
    }
    Ok(awaited)
}

fn silence(broker: &Broker, client: &Client, responses: usize) -> Outcome<String> {
    let unread = broker.unread_bytes(client)?;
    let seconds = SILENCE.as_secs();
    Ok(format!(
        "{responses} of 2 responses came, then silence for {seconds} s; {unread} bytes lie unread in \
         the broker's socket (Recv-Q in ss -tn)"
    ))
}
