use bench::outcome::{Outcome, failed};
use support::client::{Client, NEWEST_FETCH};
use support::records::message_set;
use transferto::message::compression_codec::CompressionCodec;

use super::exercise::Exercise;
use super::segment::Entry;
use super::sheet::Sheet;
use super::stage::Stage;
use super::topic::{FOR_EVER, TOPIC, fetch_of};

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "4.2",
    title: "Where a slice ends that may not be long enough",
    question: "A topic in the format of 2016 holds ten messages of ten thousand bytes. \
        Consumers fetch from offset 0 with a limit of 5000 bytes, less than the first message, \
        and of 25000, in the midst of the third. What does a consumer of 2016 get, who speaks \
        Fetch version 2, and what one of today?",
    experiment,
    answer: "Version 2 gets as many bytes as its limit, wherever that is: of the first message \
        half, or two messages and a half. From half a message a consumer of 2016 knows that its \
        limit is too small, and reports RecordTooLargeException. Since KIP-74 (Fetch version 3) \
        the first message of a response comes whole whatever the limit, so no consumer is stuck. \
        What follows still keeps to the limit: Kafka cuts there, this broker where the index or \
        the search already knows a boundary, since every consumer throws the rest away.",
    read_on: &[
        "docs/en/fetch.md#8-logread-and-logsegmentread",
        "src/storage/log/read_limit.rs",
        "src/storage/log/log_segment.rs",
    ],
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
        sheet.part(&format!("Fetch version {version}, a limit of {limit} bytes"));
        sheet.saw("bytes in the slice", slice.bytes);
        sheet.saw("whole messages in it", slice.whole);
        sheet.saw("bytes of a message that is cut", slice.rest);
        slice
    };
    let old_small = fetch(OF_2016, LESS_THAN_ONE);
    let new_small = fetch(NEWEST_FETCH, LESS_THAN_ONE);
    let old_large = fetch(OF_2016, BETWEEN_TWO_AND_THREE);
    let new_large = fetch(NEWEST_FETCH, BETWEEN_TWO_AND_THREE);

    let words = "version 2 gets as many bytes as its limit, and so a message that is cut";
    let is_cut = |it: &Slice, limit| it.bytes == limit && it.rest > 0;
    let (less, more) = (LESS_THAN_ONE as usize, BETWEEN_TWO_AND_THREE as usize);
    sheet.claim(words, is_cut(&old_small, less) && is_cut(&old_large, more));
    let words = "today the first message comes whole, although it exceeds the limit (KIP-74)";
    sheet.claim(words, new_small.whole == 1 && new_small.rest == 0 && new_small.bytes > less);
    let words = "what follows the first message keeps to the limit";
    sheet.claim(words, new_large.bytes <= more && new_large.whole == old_large.whole);
    let words = "this broker ends it at a boundary that it knows without a look";
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
