use std::fs;

use bench::outcome::{Outcome, failed};

use super::calls::{Watched, calls_of, watch};
use super::exercise::{Exercise, page};
use super::segment::Entry;
use super::sheet::Sheet;
use super::stage::Stage;
use super::topic::{fetch, fetch_of, fill, let_it_end};
use super::trace::{line_of, number_after, port_of};
use crate::words::{both, both_with};

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "4.1",
    title: both("A fetch from the middle of a batch", "从批次中间开始的 fetch"),
    question: both(
        "A topic holds a thousand small records, in a hundred batches of ten. A consumer \
         asks for offset 505. What does the broker read of the segment to find it, and \
         whose bytes are these? With which offset does the slice begin, and what does the \
         consumer do with it?",
        "topic 里有一千条小记录，分成一百个批次，每批十条。消费者从偏移量 505 开始 fetch。\
         为了找到它，broker 读了段文件的哪些字节，这些字节属于什么？切片从哪个偏移量开始，\
         消费者怎样处理它？",
    ),
    experiment,
    answer: both(
        "The index knows a batch every 4096 bytes or so; from the last one below 505 on, \
         the broker reads the 12 bytes at the head of each batch, base offset and size, \
         until one begins above 505. The batch before it is a candidate: 11 more bytes of \
         its header, from magic to lastOffsetDelta, say that it reaches to 509. No byte of \
         a record is read. So the slice begins with offset 500, and the consumer throws 500 \
         to 504 away. A fetch of offset 500 itself needs no such 11 bytes: a head with just \
         that offset settles it.",
        "索引大约每 4096 字节记一个批次；从 505 之前最近的那一个开始，broker 逐个读取批次开\
         头的 12 个字节，即基准偏移量（base offset）和大小，直到有一个批次从 505 之后开始。\
         它前面的那个批次就是候选：再读批次头里的 11 个字节，从 magic 到 lastOffsetDelta，\
         得知它到 509 为止。记录的字节一个也没有读。所以切片从偏移量 500 开始，消费者丢弃 \
         500 到 504。如果 fetch 的就是偏移量 500，就用不着这 11 个字节：批次开头的偏移量正\
         好等于它，已经足够。",
    ),
    pages: &[
        page(
            "docs/en/fetch.md#8-logread-and-logsegmentread",
            "docs/zh/fetch.md#8-logread-与-logsegmentread",
        ),
        page("docs/en/fetch.md#what-the-segment-holds", "docs/zh/fetch.md#段文件里有什么"),
        page("docs/en/beside-kafka.md", "docs/zh/beside-kafka.md"),
    ],
    files: &[
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
    sheet.part(both_with!("a fetch of offset {WANTED}", "从偏移量 {WANTED} 开始的 fetch"));
    for line in [lookup, found, slice] {
        sheet.show(line);
    }
    let heads = number_after(found, "; ")?;
    let Some(wanted) = entries.iter().rfind(|it| it.offset <= WANTED) else {
        return failed("the segment has no such batch");
    };
    let (begins, first) = (number_after(slice, "positions ")?, Entry::all_of(&messages));
    let first_offset = first.first().map_or(-1, |it| it.offset);
    sheet.saw(
        both(
            "position of the batch with that offset, by the segment",
            "含有这个偏移量的批次的位置（取自段文件）",
        ),
        wanted.position,
    );
    sheet.saw(both("the offset with which the slice begins", "切片开头的偏移量"), first_offset);
    sheet.saw(
        both("records that the consumer throws away", "消费者要丢弃的记录数"),
        WANTED - first_offset,
    );

    let words = both(
        "the slice begins where the batch with the wanted record begins",
        "切片从所求记录所在批次的开头开始",
    );
    sheet.claim(words, begins == wanted.position && first_offset == wanted.offset);
    sheet.claim(
        both(
            "that is before the wanted record, so there are some to throw away",
            "这在所求的记录之前，所以有几条要丢弃",
        ),
        first_offset < WANTED,
    );
    let batches = i64::try_from(BATCHES)?;
    let words = both(
        "some heads are read, not those of all batches: the index has led near it",
        "只读了一部分批次的开头：索引已经把它带到附近",
    );
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
                sheet.lack(both_with!("the sizes of the reads: {why}", "各次读取的大小：{why}"));
                return Ok(());
            }
        };
        let reads: Vec<i64> =
            calls_of(&threads, "pread64", ".log>").iter().map(|it| it.1.value()).collect();
        let of = |bytes| reads.iter().filter(|it| **it == bytes).count() as i64;
        sheet.part(both_with!(
            "a fetch of offset {offset}, by strace",
            "从偏移量 {offset} 开始的 fetch（strace）"
        ));
        sheet.saw(
            both("reads of 12 bytes: the heads of batches", "读 12 字节的次数：批次的开头"),
            of(HEAD_BYTES),
        );
        sheet.saw(
            both(
                "reads of 11 bytes: magic to lastOffsetDelta of one batch",
                "读 11 字节的次数：一个批次的 magic 到 lastOffsetDelta",
            ),
            of(PROBE_BYTES),
        );
        sheet.saw(
            both("bytes read of the segment in all", "从段文件读取的总字节数"),
            reads.iter().sum::<i64>(),
        );
        let is_all = of(HEAD_BYTES) + of(PROBE_BYTES) == reads.len() as i64;
        let words = both_with!(
            "for offset {offset}, nothing is read but heads; probes: {probes}",
            "偏移量 {offset}：除了各批次的开头和 {probes} 次 11 字节的读取，什么也没有读"
        );
        sheet.claim(words, is_all && of(PROBE_BYTES) == probes);
        if offset == WANTED {
            sheet.claim(
                both(
                    "strace and trace count the same heads",
                    "strace 与 trace 数出的批次开头一样多",
                ),
                of(HEAD_BYTES) == heads,
            );
        }
    }
    Ok(())
}
