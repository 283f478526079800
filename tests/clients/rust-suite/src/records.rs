//! The records that are written, and the check of what is read against them.

use std::sync::LazyLock;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use crate::steps::StepResult;

/// The topic of many partitions has one record in each, of 900 kB with its headers.
pub const WIDE_PARTITIONS: i32 = 60;

const WIDE_CHARS: usize = 900_000;
const KEYS: usize = 100;
const HOUR: Duration = Duration::from_secs(3600);

static FIRST_TIMESTAMP_MS: LazyLock<i64> = LazyLock::new(|| {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time of our days");
    (now - HOUR).as_millis() as i64
});

/// A record as it is sent, and as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    pub headers: Vec<(String, Vec<u8>)>,
    pub timestamp_ms: i64,
}

/// Every record is a millisecond younger than the one before.
pub fn timestamp_ms(index: usize) -> i64 {
    *FIRST_TIMESTAMP_MS + index as i64
}

pub fn make_record(index: usize) -> Record {
    Record {
        key: format!("key-{}", index % KEYS).into_bytes(),
        value: format!("{index:08} {:090}", index * 7919).into_bytes(),
        headers: vec![("from".to_owned(), b"the suite".to_vec())],
        timestamp_ms: timestamp_ms(index),
    }
}

pub fn make_wide_record(partition: i32) -> Record {
    Record {
        key: format!("key-{partition}").into_bytes(),
        value: format!("{partition:08} {}", "0".repeat(WIDE_CHARS - 9)).into_bytes(),
        ..make_record(partition as usize)
    }
}

/// The number of a record that was read; an error if it is not what was sent as that number.
pub fn verify(record: &Record) -> StepResult<usize> {
    let index = std::str::from_utf8(record.value.get(..8).unwrap_or_default())?.parse()?;
    if *record != make_record(index) {
        return Err(format!("wrong record: {record:?}").into());
    }
    Ok(index)
}

/// Checks one partition: no offset missing, each record younger than the one before.
pub struct Check {
    next_offset: i64,
    pub indexes: Vec<usize>,
}

impl Check {
    /// `next_offset` is that of the first record that is wanted.
    pub fn new(next_offset: i64) -> Self {
        Self { next_offset, indexes: Vec::new() }
    }

    pub fn add(&mut self, offset: i64, record: &Record) -> StepResult {
        let index = verify(record)?;
        if offset != self.next_offset {
            let wanted = self.next_offset;
            return Err(format!("offset {wanted} wanted, got {offset}: {record:?}").into());
        }
        if self.indexes.last().is_some_and(|last| index <= *last) {
            return Err(format!("out of order: {record:?}").into());
        }
        self.next_offset += 1;
        self.indexes.push(index);
        Ok(())
    }
}
