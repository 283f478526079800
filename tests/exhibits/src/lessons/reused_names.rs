//! A client that is gone, and another one that comes into its place before the response is ready.

use bench::outcome::{Outcome, failed};
use support::client::{Client, NEWEST_FETCH, fetch_request};
use support::records::batch;
use transferto::protocol::header::RequestHeader;
use transferto::protocol::request::{RequestBody, ResponseBody, parse_response};

use crate::lessons::held_handler::{HeldHandler, SETTINGS};
use crate::lessons::stage::{Broker, SILENCE, Stage, reset, response_within};
use crate::lessons::{Lesson, Seen};
use crate::words::{both, both_with};

pub(crate) const LESSON: Lesson = Lesson {
    name: "reused-names",
    about: both(
        "a connection bears the name of its predecessor in the same place",
        "连接沿用了同一位置上前一个连接的名字",
    ),
    issue: Some("KAFKA-5595"),
    question: both(
        "The handlers are busy. Client A asks for the topic `salaries`, has no patience and resets\n\
         its connection. Client B connects, gets the place that has become free, and asks for the\n\
         topic `weather`. Then the handlers answer both, A first.\n\
         What does B get as its first response, and does B notice?",
        "handler 都在忙。客户端 A 请求 topic `salaries`，等得不耐烦，重置（RST）了连接。\n\
         客户端 B 连上来，得到刚空出来的位置，请求 topic `weather`。\n\
         随后 handler 依次给出两个响应，A 的在前。\n\
         B 收到的第一个响应是什么？B 能察觉吗？",
    ),
    play,
    explanation: both(
        "A response goes back by the name of its connection. In Kafka before 1.0 that name is the\n\
         two addresses and ports, and a port comes back; here it would be a place in a table. B\n\
         has counted its requests from 1, as A has, so the correlation id is right and only the\n\
         topic is wrong: records reach a client that may not read them. So a name has a serial\n\
         number, which never comes back, and the late response finds no connection.",
        "响应靠名字找到自己的连接。Kafka 1.0 之前，这个名字由双方的地址和端口拼成，而端口会被复用；在\n\
         这里则会是表里的一个位置。A 和 B 都从 1 开始给请求编号，所以 correlation id 是对的，只有 topic\n\
         不对：记录到了无权读取它的客户端手里。因此名字里还有一个序号，它绝不重复，迟到的响应也就找不到\n\
         连接。",
    ),
    source: both(
        "src/transport/selector.rs, anchor connection_name: `self.next_serial` is the cure",
        "src/transport/selector.rs，锚点 connection_name：`self.next_serial` 就是解法",
    ),
};

const TOPICS: [(&str, &str); 2] =
    [("salaries", "Alice earns 4242"), ("weather", "rain until Friday")];
const ROUNDS: usize = 5;

fn play(stage: &Stage) -> Outcome<Seen> {
    let broker = stage.start(&SETTINGS)?;
    let mut client = broker.connect();
    for (topic, value) in TOPICS {
        client.create_topic(topic);
        client.produce(topic, 0, &batch(&[value]));
    }
    for _ in 0..ROUNDS {
        if let Some(seen) = play_once(&broker)? {
            return Ok(seen);
        }
    }
    failed("the broker has answered A before it could reset its connection")
}

/// `None` if the handler was free too early.
fn play_once(broker: &Broker) -> Outcome<Option<Seen>> {
    let held = HeldHandler::begin(broker);
    let before = broker.sockets()?;
    let mut impatient = broker.connect();
    broker.await_sockets(before + 1);
    ask_for(&mut impatient, TOPICS[0].0);
    broker.await_read(&impatient);
    reset(impatient.stream)?;
    broker.await_sockets(before);

    let mut newcomer = broker.connect();
    broker.await_sockets(before + 1);
    let header = ask_for(&mut newcomer, TOPICS[1].0);
    broker.await_read(&newcomer);
    if held.is_over()? {
        return Ok(None);
    }
    held.wait();
    let Some(frame) = response_within(&mut newcomer, SILENCE)? else {
        return failed("B gets no response");
    };
    let (topic, value) = content(&header, &frame)?;
    let lines = vec![
        both_with!(
            "A asked for `{}` and reset its connection; then B came",
            "A 请求 `{}`，随后重置了连接；接着 B 连上来",
            TOPICS[0].0,
        ),
        both_with!(
            "B asked for `{}`, correlation id {}",
            "B 请求 `{}`，correlation id {}",
            TOPICS[1].0,
            header.correlation_id,
        ),
        both_with!(
            "B got `{topic}`, correlation id {}: \"{value}\"",
            "B 收到 `{topic}`，correlation id {}：\"{value}\"",
            header.correlation_id,
        ),
    ];
    Ok(Some(Seen { fails: topic == TOPICS[0].0, lines }))
}

fn ask_for(client: &mut Client, topic: &str) -> RequestHeader {
    client.send(NEWEST_FETCH, &RequestBody::Fetch(fetch_request(topic, 0, 0)), &[])
}

/// The topic in a response to a fetch, and the value in it.
fn content(header: &RequestHeader, frame: &[u8]) -> Outcome<(String, &'static str)> {
    let (correlation_id, body) = parse_response(header, frame)?;
    let ResponseBody::Fetch(response) = body else { return failed("not a response to a fetch") };
    if correlation_id != header.correlation_id {
        return failed(format!("a response to request {correlation_id}"));
    }
    let Some(topic) = response.topics.into_iter().next() else { return failed("no topic") };
    let holds = |value: &str| frame.windows(value.len()).any(|it| it == value.as_bytes());
    let value = TOPICS.iter().map(|it| it.1).find(|value| holds(value));
    Ok((topic.header.topic, value.unwrap_or("nothing")))
}
