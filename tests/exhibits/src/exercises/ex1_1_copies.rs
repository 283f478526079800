use bench::outcome::Outcome;

use super::exercise::Exercise;
use super::sheet::Sheet;
use super::stage::Stage;
use super::topic::{fetch, fetch_of, fill, let_it_end};

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "1.1",
    title: "The same fetch by read and write, and by sendfile",
    question: "A consumer fetches ten batches, a million bytes of messages, from three \
        brokers: one copies through a buffer of 4096 bytes, one through a buffer of 65536, one \
        uses sendfile(2). How many message bytes go through the memory of each, and by how many \
        system calls do they leave?",
    experiment,
    answer: "Copying moves every message byte through the process, whatever the size of the \
        buffer; a larger buffer saves calls, not copies. By sendfile(2) no message byte comes \
        into the process, and a call takes what the socket takes.",
    read_on: &[
        "docs/en/fetch.md#the-same-fetch-by-read-and-write",
        "docs/en/lab.md",
        "src/transport/copying_transport_layer.rs",
        "src/transport/plaintext_transport_layer.rs",
    ],
};

const BATCHES: usize = 10;
const VALUE_BYTES: usize = 100_000;
const MAX_BYTES: i32 = 2 * 1024 * 1024;
const COPY: &str = "transferto.transfer.mode=copy";

/// What one way has cost.
struct Cost {
    message_bytes: i64,
    copied_bytes: i64,
    sendfile_bytes: i64,
    reads: i64,
    calls: i64,
}

fn experiment(sheet: &mut Sheet) -> Outcome<()> {
    let small = cost_of(&[COPY, "transferto.transfer.copy.buffer.bytes=4096"])?;
    let large = cost_of(&[COPY, "transferto.transfer.copy.buffer.bytes=65536"])?;
    let sendfile = cost_of(&[])?;
    note(sheet, "read and write, a buffer of 4096 bytes", &small);
    note(sheet, "read and write, a buffer of 65536 bytes", &large);
    note(sheet, "sendfile", &sendfile);

    let is_copied = |it: &Cost| it.copied_bytes == it.message_bytes && it.sendfile_bytes == 0;
    let words = "read and write take every message byte through the process, whatever the buffer";
    sheet.claim(words, is_copied(&small) && is_copied(&large));
    let words = "sendfile takes none through it";
    let is_zero_copy = sendfile.copied_bytes == 0 && sendfile.reads == 0;
    sheet.claim(words, is_zero_copy && sendfile.sendfile_bytes == sendfile.message_bytes);
    let has_enough = |it: &Cost, buffer_bytes| it.reads * buffer_bytes >= it.message_bytes;
    let words = "a buffer is read into at least as often as the messages fill it";
    sheet.claim(words, has_enough(&small, 4096) && has_enough(&large, 65_536));
    let words = "the small buffer takes more calls than the large one, and that more than sendfile";
    sheet.claim(words, small.calls > large.calls && large.calls > sendfile.calls);
    Ok(())
}

fn cost_of(settings: &[&str]) -> Outcome<Cost> {
    let stage = Stage::start_untraced(settings)?;
    let mut client = stage.connect();
    fill(&mut client, BATCHES, 1, VALUE_BYTES)?;
    let before = stage.counters()?;
    let (messages, _) = fetch(&mut client, fetch_of(0, MAX_BYTES));
    let_it_end(&mut client);
    let after = stage.counters()?;
    let moved = |name| after.since(&before, name);
    let reads = moved("copy_read_calls");
    Ok(Cost {
        message_bytes: i64::try_from(messages.len())?,
        copied_bytes: moved("copied_message_bytes"),
        sendfile_bytes: moved("sendfile_bytes"),
        reads,
        calls: reads + moved("write_calls") + moved("sendfile_calls"),
    })
}

fn note(sheet: &mut Sheet, part: &str, cost: &Cost) {
    sheet.part(part);
    sheet.saw("message bytes that the consumer got", cost.message_bytes);
    sheet.saw("of them through the process (copied_message_bytes)", cost.copied_bytes);
    sheet.saw("of them by sendfile (sendfile_bytes)", cost.sendfile_bytes);
    sheet.saw("reads of the segment (copy_read_calls)", cost.reads);
    sheet.saw("reads, writes and sendfiles, one write of them for the end", cost.calls);
}
