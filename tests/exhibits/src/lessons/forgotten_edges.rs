//! A request that arrives while the one before it is handled.

use std::time::Duration;

use bench::outcome::Outcome;
use support::client::{Client, NEWEST_FETCH, fetch_request};
use transferto::protocol::api_versions::ApiVersionsRequest;
use transferto::protocol::fetch::FetchRequest;
use transferto::protocol::request::RequestBody;

use crate::lessons::stage::{Broker, SILENCE, Stage, response_within};
use crate::lessons::{Lesson, Seen};
use crate::words::{Text, both, both_with};

pub(crate) const LESSON: Lesson = Lesson {
    name: "forgotten-edges",
    about: both(
        "what epoll reports of a muted connection is forgotten",
        "连接被暂停读取（mute）期间，epoll 的报告被忘掉了",
    ),
    issue: None,
    question: both(
        "A client sends a fetch that waits half a second, and a second request on the same\n\
         connection meanwhile. The connection is muted until the fetch is answered. epoll has\n\
         reported the second request, edge-triggered, and nobody wanted to know.\n\
         How many responses does the client get, and what would bring the next one?",
        "客户端发出一个要等半秒的 fetch，随即在同一个连接上发出第二个请求。\n\
         fetch 返回响应之前，这个连接一直被 mute。epoll 已经以边缘触发（ET）的方式报告了第二个请求，\n\
         但当时没有人关心。\n\
         客户端能收到几个响应？怎样才能等到下一个？",
    ),
    play,
    explanation: both(
        "mio registers sockets edge-triggered: epoll reports that bytes have arrived, once. A\n\
         Processor that ignores that for a muted connection waits after unmute for an edge that\n\
         has come already. The request lies in the socket until the client sends more. Java's\n\
         selector is level-triggered and reports what lies there again, so Kafka never needed\n\
         the memory that a port to mio needs: one bit of the readiness word.",
        "mio 以边缘触发的方式注册套接字：数据到达，epoll 只报告一次。如果 Processor 因为连接被 mute 就\n\
         忽略这次报告，unmute 之后它等的是一个早已来过的边沿，请求就留在套接字里，直到客户端再发点什么。\n\
         Java 的 selector 是水平触发（LT）的，数据还在就会再报告，所以 Kafka 从来不需要移植到 mio 时\n\
         必须有的那份记忆：就绪状态里的一位。",
    ),
    source: both(
        "src/transport/readiness.rs, anchor edge: `self.event |= bits` is the memory",
        "src/transport/readiness.rs，锚点 edge：`self.event |= bits` 就是那份记忆",
    ),
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

    let mut lines = vec![Text::from(both(
        "sent a fetch that waits 500 ms, and then a second request",
        "发出一个等待 500 ms 的 fetch，再发出第二个请求",
    ))];
    let responses = responses_until_silence(&mut client, 2)?;
    if responses == 2 {
        lines.push(both("2 of 2 responses came", "两个响应都收到了").into());
        return Ok(Seen { fails: false, lines });
    }
    lines.push(silence(&broker, &client, responses)?);
    ask(&mut client);
    let more = responses_until_silence(&mut client, 2)?;
    lines.push(both_with!(
        "sent a third request: it makes an edge, and {more} responses came at once",
        "发出第三个请求：它带来一个边沿，立刻收到 {more} 个响应"
    ));
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

fn silence(broker: &Broker, client: &Client, responses: usize) -> Outcome<Text> {
    let unread = broker.unread_bytes(client)?;
    let seconds = SILENCE.as_secs();
    Ok(both_with!(
        "{responses} of 2 responses came, then silence for {seconds} s; {unread} bytes lie unread in \
         the broker's socket (Recv-Q in ss -tn)",
        "两个响应收到 {responses} 个，随后 {seconds} 秒没有动静；\
         broker 的套接字里还有 {unread} 字节没有读（ss -tn 的 Recv-Q）"
    ))
}
