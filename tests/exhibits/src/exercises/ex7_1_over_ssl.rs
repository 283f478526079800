use std::net::{Ipv4Addr, TcpStream};

use bench::outcome::Outcome;
use support::client::Client;
use support::temp::TempDir;
use support::tls::TlsFiles;
use support::tunnel::through_tunnel;

use super::exercise::{Exercise, page};
use super::sheet::Sheet;
use super::stage::{Counters, Stage};
use super::topic::{fetch, fetch_of, fill, let_it_end};
use crate::words::{Words, both};

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "7.1",
    title: both("What the process reads over SSL", "走 SSL 时，进程读了什么"),
    question: both(
        "A broker with transferto.ktls=off has a listener for PLAINTEXT and one for SSL. A \
         consumer fetches ten batches, a million bytes of messages, by each. How many message \
         bytes does the process read in each case, and by how many reads of the file? What \
         would a larger buffer change?",
        "一个 transferto.ktls=off 的 broker 有两个 listener：PLAINTEXT 和 SSL。消费者从两边各 \
         fetch 十个批次，共一百万字节的消息。两种情况下，进程各读了多少消息字节？读了多少次文件？缓\
         冲区再大些，会有什么变化？",
    ),
    experiment,
    answer: both(
        "By PLAINTEXT none. Over SSL each of them: the key is in the process, so the bytes must \
         come to it. A read brings what one record of TLS holds, 16384 bytes, so there are as \
         many reads as records. A larger buffer would save reads and no copy, and the writes \
         would stay as many: a record cannot be larger.",
        "走 PLAINTEXT 时一个字节也不读。走 SSL 时每个字节都要读进来：密钥在进程里，数据只好到密钥这\
         里来。一次读取正好装满一条 TLS 记录，即 16384 字节，所以读取次数等于记录数。缓冲区再大，\
         省下的只是读取次数，省不了拷贝；写的次数也不变，因为记录不能更大。",
    ),
    pages: &[page("docs/en/book-7-tls.md#explain", "docs/zh/book-7-tls.md#解释")],
    files: &["src/transport/user_space_tls.rs", "src/transport/ssl_transport_layer.rs"],
};

const BATCHES: usize = 10;
const VALUE_BYTES: usize = 100_000;
const MAX_BYTES: i32 = 2 * 1024 * 1024;
/// The most that a record carries.
const RECORD_BYTES: i64 = 16_384;
const LISTENERS: &str = "listeners=PLAINTEXT://127.0.0.1:0,SSL://127.0.0.1:0";

/// What one fetch has cost.
struct Cost {
    message_bytes: i64,
    copied_bytes: i64,
    sendfile_bytes: i64,
    reads: i64,
}

fn experiment(sheet: &mut Sheet) -> Outcome<()> {
    let dir = TempDir::new();
    let files = TlsFiles::in_dir(dir.path());
    let of_keys = files.settings().into_iter().map(|(name, value)| format!("{name}={value}"));
    let settings: Vec<String> =
        [LISTENERS, "transferto.ktls=off"].map(String::from).into_iter().chain(of_keys).collect();
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let stage = Stage::start_untraced(&settings)?;
    fill(&mut stage.connect(), BATCHES, 1, VALUE_BYTES)?;

    let plain = cost_of(&stage, stage.connect())?;
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, stage.port_of("SSL")?))?;
    let over_ssl = Client::over(through_tunnel(socket, &files.client())?);
    let ssl = cost_of(&stage, over_ssl)?;
    note(sheet, both("PLAINTEXT", "走 PLAINTEXT"), &plain);
    note(sheet, both("SSL, encrypted by the process", "走 SSL，由进程加密"), &ssl);

    let words = both(
        "over PLAINTEXT no message byte comes into the process, and all leave by sendfile",
        "走 PLAINTEXT，没有一个消息字节进入进程，全部由 sendfile 发出",
    );
    let is_zero_copy = plain.copied_bytes == 0 && plain.sendfile_bytes == plain.message_bytes;
    sheet.claim(words, is_zero_copy && plain.reads == 0);
    let words = both(
        "over SSL each of them does, and sendfile is not called",
        "走 SSL，每个消息字节都进入进程，sendfile 一次也没有调用",
    );
    sheet.claim(words, ssl.copied_bytes == ssl.message_bytes && ssl.sendfile_bytes == 0);
    let words = both(
        "there is a read for each record, and no record is larger than 16384 bytes",
        "每条记录读一次，而记录不超过 16384 字节",
    );
    let records_min = ssl.message_bytes / RECORD_BYTES;
    sheet.claim(words, ssl.reads > records_min && ssl.reads <= records_min + 2);
    Ok(())
}

fn cost_of(stage: &Stage, mut client: Client) -> Outcome<Cost> {
    let_it_end(&mut client);
    let before = stage.counters()?;
    let (messages, _) = fetch(&mut client, fetch_of(0, MAX_BYTES));
    let_it_end(&mut client);
    let after: Counters = stage.counters()?;
    let moved = |name| after.since(&before, name);
    Ok(Cost {
        message_bytes: i64::try_from(messages.len())?,
        copied_bytes: moved("copied_message_bytes"),
        sendfile_bytes: moved("sendfile_bytes"),
        reads: moved("copy_read_calls"),
    })
}

fn note(sheet: &mut Sheet, part: Words, cost: &Cost) {
    sheet.part(part);
    let got = both("message bytes that the consumer got", "消费者收到的消息字节");
    sheet.saw(got, cost.message_bytes);
    let copied = both(
        "of them through the process (copied_message_bytes)",
        "其中经过进程的（copied_message_bytes）",
    );
    sheet.saw(copied, cost.copied_bytes);
    let sent =
        both("of them by sendfile (sendfile_bytes)", "其中由 sendfile 发出的（sendfile_bytes）");
    sheet.saw(sent, cost.sendfile_bytes);
    let reads = both("reads of the segment (copy_read_calls)", "读段文件的次数（copy_read_calls）");
    sheet.saw(reads, cost.reads);
}
