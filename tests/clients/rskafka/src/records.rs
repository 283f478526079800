//! The records that are written, and the check of what is read against them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use chrono::DateTime;
use chrono::TimeDelta;
use chrono::Utc;
use rskafka::record::Record;
use rskafka::record::RecordAndOffset;

use crate::steps::StepResult;

const KEYS: usize = 100;

static FIRST_TIMESTAMP: LazyLock<DateTime<Utc>> = LazyLock::new(|| {
    let hour_ago = Utc::now() - TimeDelta::hours(1);
    DateTime::from_timestamp_millis(hour_ago.timestamp_millis()).expect("a time of our days")
});

/// Every record is a millisecond younger than the one before.
pub fn timestamp(index: usize) -> DateTime<Utc> {
    *FIRST_TIMESTAMP + TimeDelta::milliseconds(index as i64)
}

pub fn make_record(index: usize) -> Record {
    Record {
        key: Some(format!("key-{}", index % KEYS).into_bytes()),
        value: Some(format!("{index:08} {:090}", index * 7919).into_bytes()),
        headers: BTreeMap::from([("from".to_owned(), b"the suite".to_vec())]),
        timestamp: timestamp(index),
    }
}

/// The number of a record that was read; an error if it is not what was sent as that number.
pub fn verify(record: &Record) -> StepResult<usize> {
    let value = record.value.as_deref().unwrap_or_default();
    let index = std::str::from_utf8(value.get(..8).unwrap_or_default())?.parse()?;
    if *record != make_record(index) {
        return Err(format!("wrong record: {record:?}").into());
    }
    Ok(index)
}

/// Checks one partition: no offset missing, and then which records came, in which order.
pub struct Check {
    next_offset: i64,
    indexes: Vec<usize>,
}

impl Check {
    pub fn new(next_offset: i64) -> Self {
        Self { next_offset, indexes: Vec::new() }
    }

    pub fn add(&mut self, got: RecordAndOffset) -> StepResult {
        if got.offset != self.next_offset {
            return Err(format!("offset {} wanted, got {got:?}", self.next_offset).into());
        }
        self.next_offset += 1;
        self.indexes.push(verify(&got.record)?);
        Ok(())
    }

    pub fn expect(&self, wanted: impl Iterator<Item = usize>) -> StepResult {
        let wanted: Vec<usize> = wanted.collect();
        if self.indexes != wanted {
            let (got, wanted) = (self.indexes.len(), wanted.len());
            return Err(format!("{wanted} records wanted, {got} read, or out of order").into());
        }
        Ok(())
    }
}
