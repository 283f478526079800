use bench::outcome::Outcome;
use support::client::NEWEST_FETCH;
use transferto::protocol::request::RequestBody;

use super::exercise::Exercise;
use super::sheet::Sheet;
use super::stage::Stage;
use super::topic::{fetch_of, fill, let_it_end};
use super::trace::{line_of, port_of};

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "4.3",
    title: "A fetch by a follower",
    question: "The post says that followers fetch as consumers do. A client sends the same \
        fetch three times: as a consumer (replica_id -1), as the follower with id 1, and as a \
        consumer that may read from any replica (-2, which Kafka has for debugging). This broker \
        has no followers. What does each of the three get?",
    experiment,
    answer: "The same bytes by the same code, and no error: one number in the request makes \
        the difference. A consumer reads up to the high watermark, a follower up to the end of \
        the log, since it is the followers who make the watermark move. With one replica the two \
        are the same place. Kafka also notes how far the follower has come, and Kafka 0.9 fails \
        the fetch of one to which the partition is not assigned, on all its partitions \
        (KAFKA-5758); here nobody keeps such a list.",
    read_on: &[
        "docs/en/fetch.md#6-kafkaapishandle-and-handlefetchrequest",
        "docs/en/fetch.md#7-replicamanagerfetchmessages-and-readfromlocallog",
        "docs/en/left-out.md",
        "src/replica/local_logs.rs",
    ],
};

const CONSUMER: i32 = -1;
const FOLLOWER: i32 = 1;
const DEBUGGER: i32 = -2;

/// What one of them has got, and how the log was read for it.
struct Got {
    error: i16,
    high_watermark: i64,
    records: Vec<u8>,
    mode: String,
}

fn experiment(sheet: &mut Sheet) -> Outcome<()> {
    let stage = Stage::start(&[])?;
    let mut client = stage.connect();
    fill(&mut client, 1, 1, 100)?;
    let mut fetches = Vec::new();
    for replica_id in [CONSUMER, FOLLOWER, DEBUGGER] {
        let mut request = fetch_of(0, 1000);
        request.replica_id = replica_id;
        let header = client.send(NEWEST_FETCH, &RequestBody::Fetch(request), &[]);
        fetches.push((replica_id, header.correlation_id, client.receive_fetch(&header).remove(0)));
    }
    let_it_end(&mut client);
    let port = port_of(&client)?;
    let trace = stage.stop()?;

    let mut all = Vec::new();
    for (replica_id, id, fetched) in fetches {
        let lines = trace.of_request(trace.connection_of(port)?, id);
        let read = line_of(&lines, "ReplicaManager.readFromLocalLog", "")?;
        sheet.part(&format!("replica_id {replica_id}"));
        sheet.show(read);
        sheet.saw("error code", fetched.error);
        sheet.saw("high watermark", fetched.high_watermark);
        sheet.saw("bytes of messages", fetched.records.len());
        all.push(Got {
            error: fetched.error,
            high_watermark: fetched.high_watermark,
            records: fetched.records,
            mode: read.words.clone(),
        });
    }
    let [consumer, follower, debugger] = &all[..] else { return Ok(()) };
    sheet.claim("none of the three gets an error", all.iter().all(|it| it.error == 0));
    let is_same =
        |it: &Got| it.records == consumer.records && it.high_watermark == consumer.high_watermark;
    let words = "all get the same bytes, and the same high watermark";
    sheet.claim(words, !consumer.records.is_empty() && is_same(follower) && is_same(debugger));
    let words = "a consumer reads up to the high watermark, a follower up to the end of the log";
    let reads_to = |it: &Got, end: &str| it.mode.contains(end);
    let is_so = reads_to(consumer, "up to the high watermark")
        && reads_to(follower, "up to the end of the log");
    sheet.claim(words, is_so);
    let words = "only the one with -2 may read from any replica";
    let may = all.iter().map(|it| it.mode.contains("from any replica"));
    sheet.claim(words, may.eq([false, false, true]));
    Ok(())
}
