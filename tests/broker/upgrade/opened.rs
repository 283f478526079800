//! A data directory that an earlier version of the broker has left opens, and everything is there.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use support::broker::Broker;
use support::temp::TempDir;
use transferto::common::errors::Errors;

use super::contents::{BATCH_RECORDS, BUSY, Producer, contents, records};
use super::{CONTENTS, DATA, SETTINGS};

/// The directories of `tests/fixtures`, one for each version.
fn fixtures() -> Vec<std::path::PathBuf> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let entries = fs::read_dir(all).unwrap().map(|it| it.unwrap().path());
    let mut fixtures: Vec<_> = entries.filter(|path| path.join(CONTENTS).is_file()).collect();
    fixtures.sort();
    fixtures
}

fn unpack(fixture: &Path) -> Arc<TempDir> {
    let dir = TempDir::new();
    let unpacked =
        Command::new("tar").arg("-xzf").arg(fixture.join(DATA)).arg("-C").arg(dir.path()).status();
    assert!(unpacked.unwrap().success());
    Arc::new(dir)
}

/// What differs, instead of all there is.
fn assert_same(fixture: &Path, found: &[String], expected: &[String]) {
    let missing: Vec<_> = expected.iter().filter(|line| !found.contains(line)).collect();
    let strange: Vec<_> = found.iter().filter(|line| !expected.contains(line)).collect();
    let name = fixture.display();
    assert!(found == expected, "{name}: missing {missing:#?}, instead {strange:#?}");
}

#[test]
fn what_an_earlier_version_left_when_it_was_killed_is_all_there() {
    let fixtures = fixtures();
    assert!(!fixtures.is_empty());
    for fixture in fixtures {
        let text = fs::read_to_string(fixture.join(CONTENTS)).unwrap();
        let expected: Vec<String> = text.lines().map(str::to_string).collect();
        let producer = Producer::of_line(expected.last().unwrap());
        let mut dir = unpack(&fixture);
        // As it was left, and once more as a clean stop of this version has left it.
        for _ in 0..2 {
            let broker = Broker::start_in(dir, SETTINGS);
            let mut client = broker.connect();
            assert_same(&fixture, &contents(&mut client, &producer), &expected);
            assert!(records(&mut client, BUSY, 0).len() >= 2, "what was not acknowledged is whole");
            dir = broker.stop();
        }
        let broker = Broker::start_in(dir, SETTINGS);
        let mut client = broker.connect();
        let next = producer.last_sequence + BATCH_RECORDS;
        let gap = producer.produce(&mut client, next + 1);
        assert_eq!(gap.error_code, Errors::OutOfOrderSequenceNumber.code());
        assert_eq!(producer.produce(&mut client, next).error_code, 0);
    }
}
