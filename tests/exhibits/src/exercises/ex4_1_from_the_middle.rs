use std::fs;

use bench::outcome::{Outcome, failed};

use super::calls::{Watched, calls_of, watch};
use super::exercise::Exercise;
use super::segment::Entry;
use super::sheet::Sheet;
use super::stage::Stage;
use super::topic::{fetch, fetch_of, fill, let_it_end};
use super::trace::{line_of, number_after, port_of};

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "4.1",
    title: "A fetch from the middle of a batch",
    question: "A topic holds a thousand small records, in a hundred batches of ten. A consumer \
        asks for offset 505. What does the broker read of the segment to find it, and whose \
        bytes are these? With which offset does the slice begin, and what does the consumer do \
        with it?",
    experiment,
    answer: "The index knows a batch every 4096 bytes or so; from the last one below 505 on, \
        the broker reads the 12 bytes at the head of each batch, base offset and size, until one \
        begins above 505. The batch before it is a candidate: 11 more bytes of its header, from \
        magic to lastOffsetDelta, say that it reaches to 509. No byte of a record is read. So \
        the slice begins with offset 500, and the consumer throws 500 to 504 away. A fetch of \
        offset 500 itself needs no such 11 bytes: a head with just that offset settles it.",
    read_on: &[
        "docs/en/fetch.md#8-logread-and-logsegmentread",
        "docs/en/fetch.md#what-the-segment-holds",
        "docs/en/beside-kafka.md",
        "src/storage/log/log_segment.rs",
        "src/storage/log/file_message_set.rs",
        "src/storage/index/offset_index.rs",
    ],
};

const BATCHES: usize = 100;
const RECORDS: usize = 10;
const VALUE_BYTES: usize = 20;
const WANTED: i64 = 505;
const MAX_BYTES: i32 = 1024 * 1024;
/// Base offset and size.
const HEAD_BYTES: i64 = 12;
/// From magic to lastOffsetDelta.
const PROBE_BYTES: i64 = 11;

fn experiment(sheet: &mut Sheet) -> Outcome<()> {
    let stage = Stage::start(&[])?;
    let mut client = stage.connect();
    fill(&mut client, BATCHES, RECORDS, VALUE_BYTES)?;
    let entries = Entry::all_of(&fs::read(stage.segment("post"))?);
    let (messages, id) = fetch(&mut client, fetch_of(WANTED, MAX_BYTES));
    let_it_end(&mut client);
    let port = port_of(&client)?;
    let trace = stage.stop()?;

    let lines = trace.of_request(trace.connection_of(port)?, id);
    let lookup = line_of(&lines, "OffsetIndex.lookup", "")?;
    let found = line_of(&lines, "FileMessageSet.searchFor", " read")?;
    let slice = line_of(&lines, "FileMessageSet.read", "")?;
    sheet.part(&format!("a fetch of offset {WANTED}"));
    for line in [lookup, found, slice] {
        sheet.show(line);
    }
    let heads = number_after(found, "; ")?;
    let Some(wanted) = entries.iter().rfind(|it| it.offset <= WANTED) else {
        return failed("the segment has no such batch");
    };
    let (begins, first) = (number_after(slice, "positions ")?, Entry::all_of(&messages));
    let first_offset = first.first().map_or(-1, |it| it.offset);
    sheet.saw("position of the batch with that offset, by the segment", wanted.position);
    sheet.saw("the offset with which the slice begins", first_offset);
    sheet.saw("records that the consumer throws away", WANTED - first_offset);

    let words = "the slice begins where the batch with the wanted record begins";
    sheet.claim(words, begins == wanted.position && first_offset == wanted.offset);
    sheet.claim(
        "that is before the wanted record, so there are some to throw away",
        first_offset < WANTED,
    );
    let batches = i64::try_from(BATCHES)?;
    let words = "some heads are read, not those of all batches: the index has led near it";
    sheet.claim(words, heads > 0 && heads < batches / 2);
    show_calls(sheet, heads)
}

/// The same under strace, for the wanted record and for the one with which its batch begins.
fn show_calls(sheet: &mut Sheet, heads: i64) -> Outcome<()> {
    for (offset, probes) in [(WANTED, 1), (WANTED - WANTED % RECORDS as i64, 0)] {
        let watched = watch(
            &[],
            |mut client| {
                fill(&mut client, BATCHES, RECORDS, VALUE_BYTES)?;
                Ok(client)
            },
            |mut client| {
                fetch(&mut client, fetch_of(offset, MAX_BYTES));
                Ok(())
            },
        )?;
        let threads = match watched {
            Watched::Calls(threads) => threads,
            Watched::Nothing { why } => {
                sheet.lack(format!("the sizes of the reads: {why}"));
                return Ok(());
            }
        };
        let reads: Vec<i64> =
            calls_of(&threads, "pread64", ".log>").iter().map(|it| it.1.value()).collect();
        let of = |bytes| reads.iter().filter(|it| **it == bytes).count() as i64;
        sheet.part(&format!("a fetch of offset {offset}, by strace"));
        sheet.saw("reads of 12 bytes: the heads of batches", of(HEAD_BYTES));
        sheet.saw("reads of 11 bytes: magic to lastOffsetDelta of one batch", of(PROBE_BYTES));
        sheet.saw("bytes read of the segment in all", reads.iter().sum::<i64>());
        let is_all = of(HEAD_BYTES) + of(PROBE_BYTES) == reads.len() as i64;
        let words = format!("for offset {offset}, nothing is read but heads; probes: {probes}");
        sheet.claim(&words, is_all && of(PROBE_BYTES) == probes);
        if offset == WANTED {
            sheet.claim("strace and trace count the same heads", of(HEAD_BYTES) == heads);
        }
    }
    Ok(())
}
