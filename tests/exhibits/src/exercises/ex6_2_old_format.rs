use bench::outcome::{Outcome, failed};
use support::client::NEWEST_FETCH;
use support::records::{batch, message_set};
use transferto::message::compression_codec::CompressionCodec;

use super::exercise::Exercise;
use super::sheet::Sheet;
use super::stage::Stage;
use super::topic::{FOR_EVER, TOPIC, fetch_of, let_it_end};

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "6.2",
    title: "A client of 2016, and one of today, on both formats",
    question: "A hundred messages are stored in a topic of today, by a producer of today, and \
        in a topic with message.format.version=0.9.0, by a producer of 2016. A consumer of 2016 \
        (Fetch version 1) and one of today fetch both. In which of the four cases are messages \
        copied through the process?",
    experiment,
    answer: "In one: a consumer of 2016 cannot read record batches, so its fetch of today's \
        topic is converted in memory, and sendfile(2) has no file to send. A consumer of today \
        reads old messages as they lie in the file, so a topic in the old format serves both by \
        sendfile(2). That is why Kafka advised to keep log.message.format.version old until all \
        consumers were new. Kafka 4 serves such consumers no longer (KIP-896), and has lost the \
        conversion with them (KIP-724).",
    read_on: &[
        "docs/en/fetch.md#when-zero-copy-is-lost",
        "docs/en/fetch.md#a-client-of-the-posts-own-year",
        "src/server/apis/fetch_conversion.rs",
        "src/message/conversion.rs",
    ],
};

const OF_2016: i16 = 1;

struct Cost {
    sendfile_bytes: i64,
    copied_bytes: i64,
    conversions: i64,
}

fn experiment(sheet: &mut Sheet) -> Outcome<()> {
    let mut case = |is_old_topic: bool, version: i16| {
        let cost = cost_of(is_old_topic, version)?;
        let topic = if is_old_topic { "a topic of 2016" } else { "a topic of today" };
        sheet.part(&format!("Fetch version {version}, {topic}"));
        sheet.saw("message bytes by sendfile (sendfile_bytes)", cost.sendfile_bytes);
        sheet.saw("message bytes through the process (copied_message_bytes)", cost.copied_bytes);
        sheet.saw("conversions (fetch_message_conversions)", cost.conversions);
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(cost)
    };
    let old_on_new = case(false, OF_2016)?;
    let new_on_new = case(false, NEWEST_FETCH)?;
    let old_on_old = case(true, OF_2016)?;
    let new_on_old = case(true, NEWEST_FETCH)?;

    let is_zero_copy =
        |it: &Cost| it.copied_bytes == 0 && it.conversions == 0 && it.sendfile_bytes > 0;
    let words = "an old consumer on today's topic has its messages converted and copied";
    let is_lost = old_on_new.copied_bytes > 0 && old_on_new.sendfile_bytes == 0;
    sheet.claim(words, is_lost && old_on_new.conversions > 0);
    let words = "on a topic in its own format it has zero copy";
    sheet.claim(words, is_zero_copy(&old_on_old));
    let words = "a consumer of today has zero copy on both";
    sheet.claim(words, is_zero_copy(&new_on_new) && is_zero_copy(&new_on_old));
    Ok(())
}

fn cost_of(is_old_topic: bool, version: i16) -> Outcome<Cost> {
    let stage = Stage::start_untraced(&[])?;
    let mut client = stage.connect();
    let produced = if is_old_topic {
        client.create_topic_with(TOPIC, &[FOR_EVER, ("message.format.version", "0.9.0")]);
        let messages: Vec<(i64, &[u8])> = (0..100).map(|offset| (offset, &b"old"[..])).collect();
        let messages = message_set(0, CompressionCodec::None, &messages);
        client.produce_with(1, 1, (TOPIC, 0), &messages)
    } else {
        client.create_topic_with(TOPIC, &[FOR_EVER]);
        client.produce(TOPIC, 0, &batch(&[b"new"; 100]))
    };
    if produced.error_code != 0 {
        return failed(format!("the messages are not stored: error {}", produced.error_code));
    }
    client.fetch_with(version, fetch_of(0, 1_000_000));
    let_it_end(&mut client);
    let counters = stage.counters()?;
    Ok(Cost {
        sendfile_bytes: counters.get("sendfile_bytes"),
        copied_bytes: counters.get("copied_message_bytes"),
        conversions: counters.get("fetch_message_conversions"),
    })
}
