//! A client that is gone, and another one that comes into its place before the response is ready.

use bench::outcome::{Outcome, failed};
use support::client::{Client, NEWEST_FETCH, fetch_request};
use support::records::batch;
use transferto::protocol::header::RequestHeader;
use transferto::protocol::request::{RequestBody, ResponseBody, parse_response};

use crate::lessons::held_handler::{HeldHandler, SETTINGS};
use crate::lessons::stage::{Broker, SILENCE, Stage, reset, response_within};
use crate::lessons::{Lesson, Seen};

pub(crate) const LESSON: Lesson = Lesson {
    name: "reused-names",
    about: "a connection bears the name of its predecessor in the same place",
    issue: Some("KAFKA-5595"),
    question: "The handlers are busy. Client A asks for the topic `salaries`, has no patience and resets\n\
               its connection. Client B connects, gets the place that has become free, and asks for the\n\
               topic `weather`. Then the handlers answer both, A first.\n\
               What does B get as its first response, and does B notice?",
    play,
    explanation: "A response goes back by the name of its connection. In Kafka before 1.0 that name is the\n\
                  two addresses and ports, and a port comes back; here it would be a place in a table. B\n\
                  has counted its requests from 1, as A has, so the correlation id is right and only the\n\
                  topic is wrong: records reach a client that may not read them. So a name has a serial\n\
                  number, which never comes back, and the late response finds no connection.",
    source: "src/transport/selector.rs, anchor connection_name: `self.next_serial` is the cure",
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
        format!("A asked for `{}` and reset its connection; then B came", TOPICS[0].0),
        format!("B asked for `{}`, correlation id {}", TOPICS[1].0, header.correlation_id),
        format!("B got `{topic}`, correlation id {}: \"{value}\"", header.correlation_id),
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
