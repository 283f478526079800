//! Responses in a row, every second of which has no connection any more.

use std::time::Instant;

use bench::outcome::{Outcome, failed};
use support::client::{Client, NEWEST_FETCH, fetch_request};
use support::records::batch;
use transferto::protocol::request::RequestBody;

use crate::lessons::held_handler::{HeldHandler, SETTINGS};
use crate::lessons::stage::{Broker, SILENCE, Stage, reset, response_within};
use crate::lessons::{Lesson, Seen};
use crate::words::{both, both_with};

pub(crate) const LESSON: Lesson = Lesson {
    name: "lost-responses",
    about: both(
        "a response whose connection is gone takes the next one with it",
        "一个响应的连接已经不在，下一个响应跟着丢失",
    ),
    issue: Some("KAFKA-5790"),
    question: both(
        "The handlers are busy. Eight clients that will leave and eight that stay ask in turn; the\n\
         eight reset their connections; eight more come and ask, which is more than the queue of\n\
         requests holds. Then the handlers answer them all.\n\
         How many of the sixteen that stayed get their response? Nothing is wrong with them.",
        "handler 都在忙。八个将要离开的客户端和八个留下的客户端交替发出请求；前八个重置（RST）连接；\n\
         又来了八个并发出请求，超出了请求队列的容量。随后 handler 给出全部响应。\n\
         留下的十六个客户端中，有几个能收到响应？它们自己没有任何问题。",
    ),
    play,
    explanation: both(
        "In Kafka 0.9 `processNewResponses` takes the next response from the queue in a `finally`.\n\
         If the one before has no connection any more, `Selector.send` throws, and the exception\n\
         leaves the loop with the next response in hand: of another client, which has done\n\
         nothing. Its request was read and handled; its connection stays muted until it is\n\
         closed as idle, after ten minutes. Here a response without a connection is an ordinary\n\
         result, and the loop goes on.",
        "Kafka 0.9 的 `processNewResponses` 在 `finally` 里从队列取下一个响应。如果前一个响应的连接已经\n\
         不在，`Selector.send` 抛出异常，异常带着已经取出的下一个响应离开循环；那个响应属于另一个什么也\n\
         没做错的客户端：它的请求读过了，也处理过了，连接却一直处于 mute 状态，十分钟后才因空闲而被关闭。\n\
         在这里，响应的连接已经不在只是一种普通的返回值，循环继续。",
    ),
    source: both(
        "src/network/processor.rs, anchors not_connected and lose_next_response",
        "src/network/processor.rs，锚点 not_connected 和 lose_next_response",
    ),
};

const TOPIC: &str = "post";
const PAIRS: usize = 8;
/// How many requests wait before a Processor has to.
const QUEUE: &str = "queued.max.requests=16";
const ROUNDS: usize = 5;

fn play(stage: &Stage) -> Outcome<Seen> {
    let broker = stage.start(&[SETTINGS[0], SETTINGS[1], QUEUE])?;
    let mut client = broker.connect();
    client.create_topic(TOPIC);
    client.produce(TOPIC, 0, &batch(&["a record"]));
    for _ in 0..ROUNDS {
        if let Some(seen) = play_once(&broker)? {
            return Ok(seen);
        }
    }
    failed("the broker has answered before the clients could reset their connections")
}

/// `None` if the handler was free too early.
fn play_once(broker: &Broker) -> Outcome<Option<Seen>> {
    let held = HeldHandler::begin(broker);
    let before = broker.sockets()?;
    let (mut leaving, mut staying) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        leaving.push(asking(broker));
        staying.push(asking(broker));
    }
    let mut crowd: Vec<Client> = (0..PAIRS).map(|_| broker.connect()).collect();
    broker.await_sockets(before + 3 * PAIRS);
    for client in leaving {
        reset(client.stream)?;
    }
    broker.await_sockets(before + 2 * PAIRS);
    // The first finds the queue full, and its Processor waits; it reads the others together. While it
    // goes on from one to the next, responses gather, as at a broker that has much to do.
    crowd.iter_mut().for_each(ask);
    staying.append(&mut crowd);
    if held.is_over()? {
        return Ok(None);
    }
    held.wait();
    seen(broker, staying).map(Some)
}

fn seen(broker: &Broker, mut staying: Vec<Client>) -> Outcome<Seen> {
    let (count, mut silent) = (staying.len(), Vec::new());
    let deadline = Instant::now() + SILENCE;
    for client in &mut staying {
        let time = deadline.saturating_duration_since(Instant::now()).max(SILENCE / 20);
        if response_within(client, time)?.is_none() {
            silent.push(&*client);
        }
    }
    let mut lines = vec![
        both_with!(
            "{PAIRS} clients have reset their connections, {count} stay",
            "{PAIRS} 个客户端重置了连接，{count} 个留下"
        ),
        both_with!(
            "{} of the {count} have got their response",
            "{count} 个中有 {} 个收到了响应",
            count - silent.len(),
        ),
    ];
    if let Some(client) = silent.first() {
        let unread = broker.unread_bytes(client)?;
        lines.push(both_with!(
            "{} wait; the broker has read their requests: {unread} bytes in the socket, still connected",
            "{} 个还在等；broker 已经读过它们的请求：套接字里剩 {unread} 字节，连接还在",
            silent.len(),
        ));
        let logged = broker.logged("LESSON: the response");
        lines.extend(logged.first().map(|it| both_with!("log: {it}", "日志：{it}")));
    }
    Ok(Seen { fails: !silent.is_empty(), lines })
}

/// A client whose fetch has been read.
fn asking(broker: &Broker) -> Client {
    let mut client = broker.connect();
    ask(&mut client);
    broker.await_read(&client);
    client
}

fn ask(client: &mut Client) {
    client.send(NEWEST_FETCH, &RequestBody::Fetch(fetch_request(TOPIC, 0, 0)), &[]);
}
