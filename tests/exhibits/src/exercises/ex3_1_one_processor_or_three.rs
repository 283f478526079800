use std::collections::BTreeSet;

use bench::outcome::Outcome;
use support::trace_line::TraceLine;

use super::exercise::{Exercise, page};
use super::sheet::Sheet;
use super::stage::Stage;
use super::topic::{fetch, fetch_of, fill, let_it_end};
use super::trace::{line_of, port_of};
use crate::words::{Text, both};

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "3.1",
    title: both(
        "Two consumers, one Processor or three, one handler",
        "两个消费者，一个或三个 Processor，一个 handler",
    ),
    question: both(
        "A producer connects, then two consumers, to a broker with one Processor and to one \
         with three; both have one request handler. Which Processor does each consumer get? \
         Which threads read their requests, handle them, and send their responses?",
        "一个生产者先连接，随后是两个消费者；一个 broker 有一个 Processor，另一个 broker 有\
         三个，handler 都只有一个。两个消费者各分到哪个 Processor？它们的请求由哪个线程读\
         取，哪个线程处理，响应由哪个线程发送？",
    ),
    experiment,
    answer: both(
        "The Acceptor deals connections out in turn, by their order and by nothing else: of \
         three Processors the consumers get the next two, of one both get the same. A \
         connection's bytes are read and written by the thread of its Processor, always; \
         its requests are handled by whichever handler takes them from the one queue, and \
         here there is one. In 2#0/5 the number before # is the Processor's.",
        "Acceptor 只按连接到来的次序轮流分配：有三个 Processor 时，两个消费者分到接下来的两\
         个；只有一个时，分到同一个。一个连接的数据始终由它的 Processor 线程读写；请求都进\
         同一个队列，哪个 handler 取到就由哪个处理，这里只有一个 handler。2#0/5 里 # 前面的\
         数就是 Processor 的编号。",
    ),
    pages: &[
        page("docs/en/fetch.md#the-threads-and-the-two-queues", "docs/zh/fetch.md#线程与两个队列"),
        page(
            "docs/en/fetch.md#1-acceptor-takes-the-connection",
            "docs/zh/fetch.md#1-acceptor-接受连接",
        ),
        page("docs/en/architecture.md#the-threads", "docs/zh/architecture.md#线程"),
    ],
    files: &["src/network/acceptor.rs", "src/network/request_channel.rs"],
};

/// Where the two fetches were.
struct Dealt {
    processors: Vec<String>,
    handlers: BTreeSet<String>,
    /// Whether each was read and sent by the thread of its Processor.
    stays: bool,
}

fn experiment(sheet: &mut Sheet) -> Outcome<()> {
    let one = deal(sheet, 1)?;
    let three = deal(sheet, 3)?;
    let words = both(
        "of one Processor both consumers get the same",
        "只有一个 Processor 时，两个消费者分到同一个",
    );
    sheet.claim(words, one.processors == ["0", "0"]);
    let words = both(
        "of three they get the two that follow the producer's",
        "有三个时，它们分到生产者之后的两个",
    );
    sheet.claim(words, three.processors == ["1", "2"]);
    let words = both(
        "each connection is read and written by the thread of its Processor",
        "每个连接都由自己的 Processor 线程读写",
    );
    sheet.claim(words, one.stays && three.stays);
    let words = both(
        "one handler has handled both, however many Processors there are",
        "不管有几个 Processor，两个请求都由同一个 handler 处理",
    );
    sheet.claim(words, one.handlers.len() == 1 && three.handlers.len() == 1);
    Ok(())
}

fn deal(sheet: &mut Sheet, processors: usize) -> Outcome<Dealt> {
    let stage = Stage::start(&[
        &format!("num.network.threads={processors}"),
        "num.io.threads=1",
        "background.threads=1",
    ])?;
    let mut producer = stage.connect();
    fill(&mut producer, 1, 1, 100)?;
    let mut consumers = [(); 2].map(|()| stage.connect());
    let mut fetches = Vec::new();
    for consumer in &mut consumers {
        let (_, id) = fetch(consumer, fetch_of(0, 1000));
        let_it_end(consumer);
        fetches.push((port_of(consumer)?, id));
    }
    let trace = stage.stop()?;

    let mut dealt = Dealt { processors: Vec::new(), handlers: BTreeSet::new(), stays: true };
    sheet.part(Text::same(format!("num.network.threads={processors}")));
    for (port, id) in fetches {
        let connection = trace.connection_of(port)?;
        let (processor, _) = connection.split_once('#').unwrap_or((connection, ""));
        let lines = trace.of_request(connection, id);
        let read = line_of(&lines, "KafkaChannel.read", "a request of ")?;
        let handled = line_of(&lines, "KafkaApis.handle", "")?;
        let sent = line_of(&lines, "PlaintextTransportLayer.sendfile", "")?;
        for line in [read, handled, sent] {
            sheet.show(line);
        }
        let is_its = |it: &TraceLine| it.thread.ends_with(&format!("-{processor}"));
        let is_network = |it: &TraceLine| it.thread.starts_with("kafka-network-thread");
        dealt.stays &= [read, sent].iter().all(|it| is_its(it) && is_network(it));
        dealt.handlers.insert(handled.thread.clone());
        dealt.processors.push(processor.to_string());
    }
    Ok(dealt)
}
