use bench::outcome::{Outcome, failed};
use support::client::{Client, NEWEST_FETCH};
use support::records::message_set;
use transferto::message::compression_codec::CompressionCodec;

use super::exercise::{Exercise, page};
use super::segment::Entry;
use super::sheet::Sheet;
use super::stage::Stage;
use super::topic::{FOR_EVER, TOPIC, fetch_of};
use crate::words::{both, both_with};

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "4.2",
    title: both("Where a slice ends that may not be long enough", "上限可能不够时，切片在哪里结束"),
    question: both(
        "A topic in the format of 2016 holds ten messages of ten thousand bytes. Consumers \
         fetch from offset 0 with a limit of 5000 bytes, less than the first message, and \
         of 25000, in the midst of the third. What does a consumer of 2016 get, who speaks \
         Fetch version 2, and what one of today?",
        "一个 2016 年格式的 topic 里有十条消息，每条一万字节。消费者从偏移量 0 开始 fetch，\
         上限一次是 5000 字节，比第一条消息还小；一次是 25000 字节，落在第三条消息中间。\
         2016 年的消费者用 Fetch 版本 2，它得到什么？今天的消费者又得到什么？",
    ),
    experiment,
    answer: both(
        "Version 2 gets as many bytes as its limit, wherever that is: of the first message \
         half, or two messages and a half. From half a message a consumer of 2016 knows \
         that its limit is too small, and reports RecordTooLargeException. Since KIP-74 \
         (Fetch version 3) the first message of a response comes whole whatever the limit, \
         so no consumer is stuck. What follows still keeps to the limit: Kafka cuts there, \
         this broker where the index or the search already knows a boundary, since every \
         consumer throws the rest away.",
        "版本 2 正好得到上限那么多字节，不管断在哪里：半条消息，或者两条半。2016 年的消费者\
         看到只有半条消息，就知道自己的上限太小，抛出 RecordTooLargeException。从 KIP-74（\
         Fetch 版本 3）起，响应里的第一条消息不管上限多小都完整给出，消费者不会再卡住。后面\
         的仍要遵守上限：Kafka 就在上限处截断，本 broker 则截在索引或查找过程已经知道的边界\
         上，因为余下的半条消息任何消费者都会丢弃。",
    ),
    pages: &[page(
        "docs/en/fetch.md#8-logread-and-logsegmentread",
        "docs/zh/fetch.md#8-logread-与-logsegmentread",
    )],
    files: &["src/storage/log/read_limit.rs", "src/storage/log/log_segment.rs"],
};

const MESSAGES: i64 = 10;
const VALUE_BYTES: usize = 10_000;
const LESS_THAN_ONE: i32 = 5000;
const BETWEEN_TWO_AND_THREE: i32 = 25_000;
const OF_2016: i16 = 2;

/// What a fetch has brought.
struct Slice {
    bytes: usize,
    whole: usize,
    /// Of a message that is cut.
    rest: usize,
}

fn experiment(sheet: &mut Sheet) -> Outcome<()> {
    let stage = Stage::start_untraced(&[])?;
    let mut client = stage.connect();
    fill_as_in_2016(&mut client)?;
    let mut fetch = |version, limit: i32| {
        let records = client.fetch_with(version, fetch_of(0, limit)).remove(0).records;
        let whole = Entry::all_of(&records);
        let whole_bytes: i64 = whole.iter().map(|it| it.size_bytes).sum();
        let rest = records.len() - usize::try_from(whole_bytes).unwrap_or_default();
        let slice = Slice { bytes: records.len(), whole: whole.len(), rest };
        sheet.part(both_with!(
            "Fetch version {version}, a limit of {limit} bytes",
            "Fetch 版本 {version}，上限 {limit} 字节"
        ));
        sheet.saw(both("bytes in the slice", "切片的字节数"), slice.bytes);
        sheet.saw(both("whole messages in it", "其中完整的消息"), slice.whole);
        sheet.saw(both("bytes of a message that is cut", "被截断的消息的字节数"), slice.rest);
        slice
    };
    let old_small = fetch(OF_2016, LESS_THAN_ONE);
    let new_small = fetch(NEWEST_FETCH, LESS_THAN_ONE);
    let old_large = fetch(OF_2016, BETWEEN_TWO_AND_THREE);
    let new_large = fetch(NEWEST_FETCH, BETWEEN_TWO_AND_THREE);

    let words = both(
        "version 2 gets as many bytes as its limit, and so a message that is cut",
        "版本 2 正好得到上限那么多字节，最后一条消息因而被截断",
    );
    let is_cut = |it: &Slice, limit| it.bytes == limit && it.rest > 0;
    let (less, more) = (LESS_THAN_ONE as usize, BETWEEN_TWO_AND_THREE as usize);
    sheet.claim(words, is_cut(&old_small, less) && is_cut(&old_large, more));
    let words = both(
        "today the first message comes whole, although it exceeds the limit (KIP-74)",
        "今天第一条消息完整给出，哪怕超过上限（KIP-74）",
    );
    sheet.claim(words, new_small.whole == 1 && new_small.rest == 0 && new_small.bytes > less);
    let words =
        both("what follows the first message keeps to the limit", "第一条之后的消息遵守上限");
    sheet.claim(words, new_large.bytes <= more && new_large.whole == old_large.whole);
    let words = both(
        "this broker ends it at a boundary that it knows without a look",
        "本 broker 截在已经知道的边界上，无须再读",
    );
    sheet.claim(words, new_large.rest == 0);
    Ok(())
}

/// One message to a request, as a producer of that year sends them.
fn fill_as_in_2016(client: &mut Client) -> Outcome<()> {
    client.create_topic_with(TOPIC, &[FOR_EVER, ("message.format.version", "0.9.0")]);
    let value = vec![b'x'; VALUE_BYTES];
    for _ in 0..MESSAGES {
        let message = message_set(0, CompressionCodec::None, &[(0, &value)]);
        let produced = client.produce_with(1, 1, (TOPIC, 0), &message);
        if produced.error_code != 0 {
            return failed(format!("a message is not stored: error {}", produced.error_code));
        }
    }
    Ok(())
}
