use bench::outcome::Outcome;
use support::client::{Client, Fetched, NEWEST_FETCH};

use super::exercise::Exercise;
use super::sheet::Sheet;
use super::stage::Stage;
use super::topic::{fetch_of, fill};

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "4.3",
    title: "A fetch by a follower",
    question: "The post says that followers fetch as consumers do. A client sends the same fetch three times: as a\n\
        consumer (replica_id -1), as the follower with id 1, and as a consumer that may read from any replica\n\
        (-2, which Kafka has for debugging). What does this broker, which has no followers, answer each?",
    experiment: |sheet| experiment(sheet),
    answer: "TODO",
    read_on: &[
        "docs/en/fetch.md#6-kafkaapishandle-and-handlefetchrequest",
        "docs/en/left-out.md",
        "src/replica/local_logs.rs",
        "src/server/apis/fetch.rs",
    ],
};

fn experiment(sheet: &mut Sheet) -> Outcome<()> {
    let stage = Stage::start(&[])?;
    let mut client = stage.connect();
    fill(&mut client, 1, 1, 100)?;
    for id in [-1, 1, -2] {
        let it = fetch_as(&mut client, id);
        sheet.saw(
            &format!("{id}"),
            format!("{} {} {}", it.error, it.high_watermark, it.records.len()),
        );
    }
    Ok(())
}

fn fetch_as(client: &mut Client, replica_id: i32) -> Fetched {
    let mut request = fetch_of(0, 1000);
    request.replica_id = replica_id;
    client.fetch_with(NEWEST_FETCH, request).remove(0)
}
