//! `transferto dump-log` prints what Kafka's own tool prints, reads without a trace beside a running
//! broker, and ends with a sentence at bytes that are no log.

use std::fs;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nix::sys::signal::Signal;
use support::broker_process::{BrokerProcess, broker_binary};
use support::records::batch_at;
use support::temp::TempDir;
use transferto::message::compression_codec::CompressionCodec;
use transferto::message::record_batch_builder::RecordBatchBuilder;
use transferto::tools::dump_log_segments::dump_log_segments;
use transferto::tools::dump_log_segments_options::{DumpLogRequest, DumpLogSegmentsOptions};

/// Each `$` line has the arguments, `>` lines what Kafka 4.3.1 then prints, and `!` lines what it
/// complains of, with `DIR` for the directory that it ran in.
const RECORDED: &str = include_str!("dump_log/kafka-4.3.1.txt");

/// What it prints of a damaged log. Kafka's tool exits with 0 all the same, and this one with 1.
const DAMAGE: [&str; 3] =
    [" isvalid: false\n", " isValid: false ", " invalid bytes at the end of "];

fn manifest(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What an earlier version of the broker left, and files that another program made.
fn files() -> TempDir {
    let dir = TempDir::new();
    let data = manifest("tests/fixtures/0.1.0-217add1/data.tar.gz");
    let unpacked = Command::new("tar").arg("-xzf").arg(data).arg("-C").arg(dir.path()).status();
    assert!(unpacked.unwrap().success());
    fs::create_dir(dir.join("made")).unwrap();
    for file in fs::read_dir(manifest("tests/process/dump_log/made")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), dir.join("made").join(file.file_name())).unwrap();
    }
    dir
}

fn dump_log(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(broker_binary());
    command.arg("dump-log").args(arguments).current_dir(dir).output().unwrap()
}

/// Runs the binary with these arguments by a shell, with 48 MiB of address space.
fn shell(dir: &Path, arguments: &str) -> Output {
    let line = format!("ulimit -v 49152 && exec {} {arguments}", broker_binary().display());
    Command::new("sh").args(["-c", &line]).current_dir(dir).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Kafka complains of files in the order of a hash table.
fn sorted(complaints: &str) -> Vec<&str> {
    let mut lines: Vec<_> = complaints.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn what_kafkas_own_tool_prints_is_printed_line_for_line() {
    let dir = files();
    let (mut steps, mut damaged) = (0, 0);
    for step in RECORDED.split("$ ").skip(1) {
        let (arguments, recorded) = step.split_once('\n').unwrap();
        let lines_with = |mark: &str| -> String {
            let lines = recorded.split_inclusive('\n').filter_map(|line| line.strip_prefix(mark));
            lines.collect::<String>().replace("DIR", &dir.path().display().to_string())
        };
        let arguments: Vec<_> = arguments.split(' ').collect();
        let output = dump_log(dir.path(), &arguments);
        let (out, complaints) = (text(&output.stdout), text(&output.stderr));
        for (at, (ours, theirs)) in out.lines().zip(lines_with("> ").lines()).enumerate() {
            assert_eq!(ours, theirs, "{arguments:?}, line {at}");
        }
        assert_eq!(out, lines_with("> "), "{arguments:?}");
        assert_eq!(sorted(&complaints), sorted(&lines_with("! ")), "{arguments:?}");
        let has_damage = DAMAGE.iter().any(|it| out.contains(it));
        assert_eq!(output.status.code(), Some(i32::from(has_damage)), "{arguments:?}");
        damaged += i32::from(has_damage);
        steps += 1;
    }
    assert_eq!((steps, damaged), (18, 2));
}

/// The lines of `dump.txt` are those of Kafka 4.4.0, for the log that its controller wrote.
#[test]
fn the_metadata_log_of_a_controller_is_printed_line_for_line() {
    for (folder, file, recorded) in [
        ("mv7", "00000000000000000000.log", "dump.txt"),
        ("mv21", "00000000000000000000.log", "dump.txt"),
        ("mv21", "00000000000000000075-0000000001.checkpoint", "snapshot-dump.txt"),
        ("mv33", "00000000000000000000.log", "dump.txt"),
    ] {
        let dir = manifest("tests/fixtures/cluster-metadata").join(folder);
        let recorded = fs::read_to_string(dir.join(recorded)).unwrap();
        let output = dump_log(&dir, &["--cluster-metadata-decoder", "--files", file]);
        for (at, (ours, theirs)) in text(&output.stdout).lines().zip(recorded.lines()).enumerate() {
            assert_eq!(ours, theirs, "{folder}/{file}, line {at}");
        }
        assert_eq!(text(&output.stdout), recorded, "{folder}/{file}");
        assert_eq!((output.status.code(), &output.stderr[..]), (Some(0), &[][..]), "{folder}");
    }
}

#[test]
fn a_file_that_is_no_log_gets_a_sentence_and_the_next_one_is_printed() {
    let dir = files();
    fs::create_dir(dir.join("7.log")).unwrap();
    nix::unistd::mkfifo(&dir.join("8.log"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::write(dir.join("9.log"), [0; 100]).unwrap();
    fs::write(dir.join("abc.log"), b"").unwrap();
    fs::write(dir.join("10.index"), [0; 8]).unwrap();
    let snapshot = fs::read(dir.join("idempotent-0/00000000000000000030.snapshot")).unwrap();
    fs::write(dir.join("1.snapshot"), [&snapshot[..20], b"x", &snapshot[21..]].concat()).unwrap();
    fs::write(dir.join("2.snapshot"), &snapshot[..20]).unwrap();
    fs::write(dir.join("3.txnindex"), b"").unwrap();
    fs::write(dir.join("4.checkpoint"), b"").unwrap();
    for (file, sentence) in [
        ("6.log", "cannot open 6.log: No such file"),
        ("nope", "cannot open nope: No such file"),
        ("nope.log", "cannot open nope.log: No such file"),
        ("7.log", "cannot open 7.log: it is a directory"),
        ("made", "cannot open made: it is a directory"),
        ("8.log", "cannot open 8.log: it is not a regular file"),
        ("9.log", "9.log is corrupt at position 0: an entry of offset 0 claims a size of 0"),
        ("abc.log", "abc.log: the name of a log's file is an offset"),
        ("10.index", "cannot open 10.log: No such file"),
        ("1.snapshot", "Snapshot is corrupt (CRC is no longer valid). Stored crc: "),
        ("2.snapshot", "and has 20 bytes"),
        ("3.txnindex", "use Kafka's own kafka-dump-log.sh"),
        ("4.checkpoint", "4.checkpoint: the name of a snapshot is an offset and an epoch"),
    ] {
        let output = dump_log(dir.path(), &[file, "made/2.log"]);
        let complaint = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{file}");
        assert!(complaint.starts_with("transferto: "), "{complaint}");
        assert!(complaint.contains(sentence), "{complaint}");
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
        assert!(text(&output.stdout).contains("Dumping made/2.log\nLog starting"), "{file}");
    }
    assert!(!dir.join("6.log").exists() && !dir.join("10.log").exists(), "it makes no file");
}

#[test]
fn a_log_that_lacks_one_byte_and_a_crc_that_does_not_hold_set_the_exit_status() {
    let dir = TempDir::new();
    let mut log = [batch_at(0, &["a"]), batch_at(1, &["b"])].concat();
    fs::write(dir.join("0.log"), &log).unwrap();
    fs::write(dir.join("1.log"), &log[..log.len() - 1]).unwrap();
    *log.last_mut().unwrap() ^= 1;
    fs::write(dir.join("2.log"), &log).unwrap();
    for (file, line, status) in [
        ("0.log", " isvalid: true\n", 0),
        ("1.log", " invalid bytes at the end of 1.log\n", 1),
        ("2.log", " isvalid: false\n", 1),
    ] {
        let output = dump_log(dir.path(), &[file]);
        assert!(text(&output.stdout).ends_with(line), "{file}: {}", text(&output.stdout));
        assert_eq!((output.status.code(), &output.stderr[..]), (Some(status), &[][..]), "{file}");
    }
}

/// Kafka's time index may lack entries that the log has; an offset index may not be wrong.
#[test]
fn an_index_that_does_not_fit_its_log_sets_the_exit_status() {
    let dir = TempDir::new();
    let first = batch_at(0, &["a"]);
    let entry = |offset: u32| [offset.to_be_bytes(), (first.len() as u32).to_be_bytes()].concat();
    fs::write(dir.join("0.log"), [&first[..], &batch_at(1, &["b"])].concat()).unwrap();
    for (offset, status) in [(1, 0), (2, 1)] {
        fs::write(dir.join("0.index"), entry(offset)).unwrap();
        let output = dump_log(dir.path(), &["0.index"]);
        assert_eq!(output.status.code(), Some(status), "{}", text(&output.stderr));
        let complains = text(&output.stderr).starts_with("Mismatches in :");
        assert_eq!(complains, status == 1, "{}", text(&output.stderr));
    }
}

#[test]
fn a_damaged_batch_is_named_by_its_position_and_the_next_one_is_printed() {
    let dir = TempDir::new();
    let bomb = RecordBatchBuilder::new(0).codec(CompressionCodec::Zstd);
    let bomb = bomb.record(0, None, Some(&vec![0; 65 << 20])).build().unwrap();
    let mut unknown_codec = batch_at(1, &["a"]);
    unknown_codec[22] = 7;
    let mut wrong_count = batch_at(2, &["b"]);
    wrong_count[60] = 9;
    let log = [&bomb[..], &unknown_codec, &wrong_count, &batch_at(3, &["whole"])].concat();
    fs::write(dir.join("0.log"), log).unwrap();
    let output = dump_log(dir.path(), &["--print-data-log", "0.log"]);
    let complaints = text(&output.stderr);
    let at = |position: usize, why: &str| {
        let line = format!("transferto: 0.log is corrupt at position {position}: ");
        let is_there = complaints.lines().any(|it| it.starts_with(&line) && it.contains(why));
        assert!(is_there, "position {position}, {why}: {complaints}");
    };
    at(0, "decompresses to more than 67108864 bytes");
    at(bomb.len(), "codec 7 is unknown");
    at(bomb.len() + unknown_codec.len(), "a variable-length integer");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).ends_with(" payload: whole\n"));
}

/// A batch of 1 MiB is in memory, and the next 63 are not.
#[test]
fn a_log_larger_than_the_memory_there_is_can_be_dumped() {
    let dir = TempDir::new();
    let value = vec![b'v'; 1 << 20];
    let log: Vec<u8> = (0..64).flat_map(|offset| batch_at(offset, &[&value])).collect();
    fs::write(dir.join("0.log"), log).unwrap();
    let output = shell(dir.path(), "dump-log --print-data-log 0.log");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(
        output.stdout.split(|&it| it == b'\n').filter(|it| it.starts_with(b"|")).count(),
        64
    );
}

#[test]
fn a_reader_that_has_read_enough_ends_it_quietly() {
    let dir = TempDir::new();
    let log: Vec<u8> = (0..10_000).flat_map(|offset| batch_at(offset, &["value"])).collect();
    fs::write(dir.join("0.log"), log).unwrap();
    let mut command = Command::new(broker_binary());
    command.args(["dump-log", "0.log"]).current_dir(dir.path());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first_line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first_line).unwrap();
    assert_eq!(first_line, "Dumping 0.log\n");
    let mut complaints = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
    assert_eq!((child.wait().unwrap().code(), complaints.as_str()), (Some(0), ""));

    let output = shell(dir.path(), "dump-log 0.log >/dev/full");
    assert_eq!(output.status.code(), Some(1), "a full disk is no reader that has read enough");
    assert!(text(&output.stderr).contains("cannot print: "), "{}", text(&output.stderr));
}

#[test]
fn a_running_broker_does_not_notice() {
    let dir = files();
    let state = || {
        let mut files = Vec::new();
        for file in fs::read_dir(dir.join("codec-gzip-0")).unwrap() {
            let (path, metadata) = file.map(|it| (it.path(), it.metadata().unwrap())).unwrap();
            files.push((path, metadata.len(), metadata.modified().unwrap()));
        }
        files.sort();
        files
    };
    let broker = BrokerProcess::start(dir.path(), &[]);
    let before = state();
    for (file, ..) in &before {
        let output = dump_log(dir.path(), &["--print-data-log", file.to_str().unwrap()]);
        assert!(output.status.success(), "{}: {}", file.display(), text(&output.stderr));
    }
    assert_eq!(state(), before);
    let (status, _) = broker.end_with(Signal::SIGTERM);
    assert_eq!(status.code(), Some(0));
}

/// Runs the tool in this process, where a panic would end the test.
fn dump(arguments: &[String]) -> (Vec<u8>, Vec<u8>) {
    let request = DumpLogSegmentsOptions::parse(arguments);
    let Ok(DumpLogRequest::Dump(options)) = request else { panic!("{request:?}") };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    dump_log_segments(&options, &mut out, &mut err, true).unwrap();
    (out, err)
}

#[test]
fn no_byte_makes_it_panic() {
    let dir = files();
    for file in [
        "made/3.log",
        "made/16.log",
        "codec-lz4-0/00000000000000000030.log",
        "codec-zstd-0/00000000000000000000.index",
        "codec-zstd-0/00000000000000000000.timeindex",
        "idempotent-0/00000000000000000030.snapshot",
        "__consumer_offsets-0/00000000000000000000.log",
    ] {
        let path = dir.join(file);
        // In place: a file that is replaced is written to the disk at once.
        let changed = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let size = changed.metadata().unwrap().len().min(600);
        changed.set_len(size).unwrap();
        let arguments = ["--offsets-decoder", path.to_str().unwrap()].map(String::from);
        for at in 0..size {
            let mut byte = [0];
            changed.read_exact_at(&mut byte, at).unwrap();
            for wrong in [0, 0x7f, 0x80, 0xff, byte[0] ^ 1] {
                changed.write_all_at(&[wrong], at).unwrap();
                assert!(dump(&arguments).0.starts_with(b"Dumping "), "byte {at} is {wrong}");
            }
            changed.write_all_at(&byte, at).unwrap();
        }
        for end in (0..size).rev() {
            changed.set_len(end).unwrap();
            assert!(dump(&arguments).0.starts_with(b"Dumping "), "cut at {end}");
        }
    }
}
