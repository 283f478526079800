use bench::outcome::Outcome;

use super::exercise::{Exercise, page};
use super::sheet::Sheet;
use super::stage::Stage;
use super::topic::{fetch, fetch_of, fill, let_it_end};
use crate::words::{Words, both};

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "1.1",
    title: both(
        "The same fetch by read and write, and by sendfile",
        "同一次 fetch：用 read 和 write，再用 sendfile",
    ),
    question: both(
        "A consumer fetches ten batches, a million bytes of messages, from three brokers: \
         one copies through a buffer of 4096 bytes, one through a buffer of 65536, one uses \
         sendfile(2). How many message bytes go through the memory of each, and by how many \
         system calls do they leave?",
        "一个消费者分别从三个 broker 各 fetch 十个批次，共一百万字节的消息：一个用 4096 字\
         节的缓冲区拷贝，一个用 65536 字节的缓冲区，一个用 sendfile(2)。各有多少消息字节经\
         过进程的内存？各用多少次系统调用发出去？",
    ),
    experiment,
    answer: both(
        "Copying moves every message byte through the process, whatever the size of the \
         buffer; a larger buffer saves calls, not copies. By sendfile(2) no message byte \
         comes into the process, and a call takes what the socket takes.",
        "用拷贝的方式，每个消息字节都要经过进程，与缓冲区大小无关；缓冲区大，省下的是调用次\
         数，不是拷贝。用 sendfile(2)，没有一个消息字节进入进程，套接字能收多少，一次调用就\
         发多少。",
    ),
    pages: &[
        page(
            "docs/en/fetch.md#the-same-fetch-by-read-and-write",
            "docs/zh/fetch.md#用-read-和-write-做同一次-fetch",
        ),
        page("docs/en/lab.md", "docs/zh/lab.md"),
    ],
    files: &[
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
    note(
        sheet,
        both("read and write, a buffer of 4096 bytes", "read 和 write，缓冲区 4096 字节"),
        &small,
    );
    note(
        sheet,
        both("read and write, a buffer of 65536 bytes", "read 和 write，缓冲区 65536 字节"),
        &large,
    );
    note(sheet, both("sendfile", "用 sendfile"), &sendfile);

    let is_copied = |it: &Cost| it.copied_bytes == it.message_bytes && it.sendfile_bytes == 0;
    let words = both(
        "read and write take every message byte through the process, whatever the buffer",
        "用 read 和 write，每个消息字节都经过进程，与缓冲区大小无关",
    );
    sheet.claim(words, is_copied(&small) && is_copied(&large));
    let words = both("sendfile takes none through it", "用 sendfile，没有一个字节经过进程");
    let is_zero_copy = sendfile.copied_bytes == 0 && sendfile.reads == 0;
    sheet.claim(words, is_zero_copy && sendfile.sendfile_bytes == sendfile.message_bytes);
    let has_enough = |it: &Cost, buffer_bytes| it.reads * buffer_bytes >= it.message_bytes;
    let words = both(
        "a buffer is read into at least as often as the messages fill it",
        "读取的次数至少是消息能装满缓冲区的次数",
    );
    sheet.claim(words, has_enough(&small, 4096) && has_enough(&large, 65_536));
    let words = both(
        "the small buffer takes more calls than the large one, and that more than sendfile",
        "小缓冲区的调用比大缓冲区多，大缓冲区的又比 sendfile 多",
    );
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

fn note(sheet: &mut Sheet, part: Words, cost: &Cost) {
    sheet.part(part);
    sheet.saw(
        both("message bytes that the consumer got", "消费者收到的消息字节"),
        cost.message_bytes,
    );
    sheet.saw(
        both(
            "of them through the process (copied_message_bytes)",
            "其中经过进程的（copied_message_bytes）",
        ),
        cost.copied_bytes,
    );
    sheet.saw(
        both("of them by sendfile (sendfile_bytes)", "其中由 sendfile 发出的（sendfile_bytes）"),
        cost.sendfile_bytes,
    );
    sheet.saw(
        both("reads of the segment (copy_read_calls)", "读段文件的次数（copy_read_calls）"),
        cost.reads,
    );
    sheet.saw(
        both(
            "reads, writes and sendfiles, one write of them for the end",
            "read、write、sendfile 合计，其中一次 write 是收尾的请求",
        ),
        cost.calls,
    );
}
