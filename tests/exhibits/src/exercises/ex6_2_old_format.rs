use bench::outcome::{Outcome, failed};
use support::client::NEWEST_FETCH;
use support::records::{batch, message_set};
use transferto::message::compression_codec::CompressionCodec;

use super::exercise::{Exercise, page};
use super::sheet::Sheet;
use super::stage::Stage;
use super::topic::{FOR_EVER, TOPIC, fetch_of, let_it_end};
use crate::words::{Words, both, both_with};

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "6.2",
    title: both(
        "A client of 2016, and one of today, on both formats",
        "2016 年的客户端和今天的客户端，两种格式",
    ),
    question: both(
        "A hundred messages are stored in a topic of today, by a producer of today, and in \
         a topic with message.format.version=0.9.0, by a producer of 2016. A consumer of \
         2016 (Fetch version 1) and one of today fetch both. In which of the four cases are \
         messages copied through the process?",
        "一百条消息由今天的生产者写入今天格式的 topic，又由 2016 年的生产者写入 \
         message.format.version=0.9.0 的 topic。2016 年的消费者（Fetch 版本 1）和今天的消费\
         者都来 fetch 这两个 topic。四种情况里，哪一种的消息要拷贝进进程？",
    ),
    experiment,
    answer: both(
        "In one: a consumer of 2016 cannot read record batches, so its fetch of today's \
         topic is converted in memory, and sendfile(2) has no file to send. A consumer of \
         today reads old messages as they lie in the file, so a topic in the old format \
         serves both by sendfile(2). That is why Kafka advised to keep \
         log.message.format.version old until all consumers were new. Kafka 4 serves such \
         consumers no longer (KIP-896), and has lost the conversion with them (KIP-724).",
        "只有一种：2016 年的消费者不认识今天的批次格式，它 fetch 今天格式的 topic 时，消息\
         要在内存里转换，sendfile(2) 就没有文件可发了。今天的消费者能直接读文件里的旧格式消\
         息，所以旧格式的 topic 对两者都用 sendfile(2)。因此 Kafka 当年建议：所有消费者升级\
         完之前，log.message.format.version 保持旧值。Kafka 4 不再支持这样的消费者（\
         KIP-896），转换也随之删除（KIP-724）。",
    ),
    pages: &[
        page("docs/en/fetch.md#when-zero-copy-is-lost", "docs/zh/fetch.md#什么时候失去零拷贝"),
        page(
            "docs/en/fetch.md#a-client-of-the-posts-own-year",
            "docs/zh/fetch.md#博文那个年代的客户端",
        ),
    ],
    files: &["src/server/apis/fetch_conversion.rs", "src/message/conversion.rs"],
};

const OF_2016: i16 = 1;
const OLD_TOPIC: Words = both("a topic of 2016", "2016 年格式的 topic");
const NEW_TOPIC: Words = both("a topic of today", "今天格式的 topic");

struct Cost {
    sendfile_bytes: i64,
    copied_bytes: i64,
    conversions: i64,
}

fn experiment(sheet: &mut Sheet) -> Outcome<()> {
    let mut case = |is_old_topic: bool, version: i16| {
        let cost = cost_of(is_old_topic, version)?;
        let topic = if is_old_topic { OLD_TOPIC } else { NEW_TOPIC };
        sheet.part(both_with!("Fetch version {version}, {topic}", "Fetch 版本 {version}，{topic}"));
        sheet.saw(
            both(
                "message bytes by sendfile (sendfile_bytes)",
                "由 sendfile 发出的消息字节（sendfile_bytes）",
            ),
            cost.sendfile_bytes,
        );
        sheet.saw(
            both(
                "message bytes through the process (copied_message_bytes)",
                "经过进程的消息字节（copied_message_bytes）",
            ),
            cost.copied_bytes,
        );
        sheet.saw(
            both(
                "conversions (fetch_message_conversions)",
                "转换次数（fetch_message_conversions）",
            ),
            cost.conversions,
        );
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(cost)
    };
    let old_on_new = case(false, OF_2016)?;
    let new_on_new = case(false, NEWEST_FETCH)?;
    let old_on_old = case(true, OF_2016)?;
    let new_on_old = case(true, NEWEST_FETCH)?;

    let is_zero_copy =
        |it: &Cost| it.copied_bytes == 0 && it.conversions == 0 && it.sendfile_bytes > 0;
    let words = both(
        "an old consumer on today's topic has its messages converted and copied",
        "老消费者读今天格式的 topic，消息要转换，也要拷贝",
    );
    let is_lost = old_on_new.copied_bytes > 0 && old_on_new.sendfile_bytes == 0;
    sheet.claim(words, is_lost && old_on_new.conversions > 0);
    let words = both(
        "on a topic in its own format it has zero copy",
        "读与自己同一格式的 topic，老消费者也有零拷贝",
    );
    sheet.claim(words, is_zero_copy(&old_on_old));
    let words =
        both("a consumer of today has zero copy on both", "今天的消费者读两种 topic 都有零拷贝");
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
