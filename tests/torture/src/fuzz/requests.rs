//! Valid requests with random values, written field by field from the tables.

use std::collections::{BTreeMap, BTreeSet};

use support::random::Random;
use transferto::protocol::api_keys::ApiKeys;

use crate::fuzz::in_process::Frame;
use crate::fuzz::sets::make_set;
use crate::fuzz::tables::{Field, Row, Table, read_tables};
use crate::outcome::{Outcome, failed};

/// Names that mean something to some API, and some that are wrong everywhere.
const TEXTS: [&str; 24] = [
    "fuzz-0",
    "fuzz-1",
    "fuzz-0",
    "fuzz-1",
    "fuzz-missing",
    "__consumer_offsets",
    "group",
    "member",
    "consumer",
    "range",
    "0",
    "1",
    "retention.ms",
    "cleanup.policy",
    "1000",
    "compact",
    "user",
    "client-id",
    "producer_byte_rate",
    "User:a",
    "*",
    "",
    "..",
    "tête-à-tête \u{0} \u{1F600}",
];
/// Where a number turns into something else.
const NUMBERS: [i64; 18] =
    [0, 0, 0, 1, 1, 2, 3, 5, 10, 100, -1, -1, -2, -3, 127, 32_767, 2_147_483_647, i64::MIN];
const ELEMENTS_MAX: u64 = 3;
/// Deeper than any message is nested.
const DEPTH_MAX: u32 = 8;

/// A request, and where in it the lengths and the tagged fields stand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Made {
    pub(crate) frame: Vec<u8>,
    /// Position and width of each length and count; the width of a varint is 1.
    pub(crate) lengths: Vec<(usize, usize)>,
    /// The positions of the empty sections of tagged fields.
    pub(crate) tags: Vec<usize>,
    pub(crate) is_flexible: bool,
    pub(crate) has_tagged_fields: bool,
}

/// Makes requests of all APIs and versions in turn.
pub(crate) struct RequestMaker {
    tables: BTreeMap<String, Table>,
    versions: Vec<(ApiKeys, i16)>,
}

impl RequestMaker {
    pub(crate) fn new() -> Outcome<Self> {
        let tables = read_tables()?;
        let versions: Vec<_> =
            ApiKeys::ALL.iter().flat_map(|api| api.versions().map(|it| (*api, it))).collect();
        for (api, _) in &versions {
            if !tables.contains_key(&format!("{}Request", api.name())) {
                return failed(format!("no table of a {}Request", api.name()));
            }
        }
        Ok(Self { tables, versions })
    }

    pub(crate) fn versions(&self) -> usize {
        self.versions.len()
    }

    pub(crate) fn apis(&self) -> usize {
        self.versions.iter().map(|(api, _)| api).collect::<BTreeSet<_>>().len()
    }

    /// The request with this number: numbers in a row go through all versions of all APIs.
    pub(crate) fn make(&self, random: &mut Random, number: u64) -> Made {
        let (api, version) = self.versions[(number % self.versions.len() as u64) as usize];
        let is_flexible = version >= api.first_flexible_version();
        let mut made = Made { is_flexible, ..Made::default() };
        made.frame.extend_from_slice(&api.id().to_be_bytes());
        made.frame.extend_from_slice(&version.to_be_bytes());
        made.frame.extend_from_slice(&(number as i32).to_be_bytes());
        made.frame.extend_from_slice(&4_u16.to_be_bytes());
        made.frame.extend_from_slice(b"fuzz");
        if is_flexible {
            made.put_tags();
        }
        let name = format!("{}Request", api.name());
        Writing { tables: &self.tables, version, random, made: &mut made }.message(&name, 0);
        made
    }
}

impl Made {
    pub(crate) fn kind(&self) -> Frame {
        if self.has_tagged_fields { Frame::ValidWithTaggedFields } else { Frame::Valid }
    }

    /// `None` is null.
    fn put_length(&mut self, length: Option<usize>, width: usize) {
        if self.is_flexible {
            return self.put_varint(length.map_or(0, |it| it + 1));
        }
        self.lengths.push((self.frame.len(), width));
        let length = length.map_or(-1, |it| it as i64);
        self.frame.extend_from_slice(&length.to_be_bytes()[8 - width..]);
    }

    fn put_varint(&mut self, mut rest: usize) {
        self.lengths.push((self.frame.len(), 1));
        while rest >= 0x80 {
            self.frame.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.frame.push(rest as u8);
    }

    /// What was made by itself, where it belongs.
    fn append(&mut self, part: &Self) {
        let start = self.frame.len();
        self.has_tagged_fields |= part.has_tagged_fields;
        self.lengths.extend(part.lengths.iter().map(|(at, width)| (start + at, *width)));
        self.tags.extend(part.tags.iter().map(|at| start + at));
        self.frame.extend_from_slice(&part.frame);
    }

    fn put_tags(&mut self) {
        self.tags.push(self.frame.len());
        self.frame.push(0);
    }
}

struct Writing<'a> {
    tables: &'a BTreeMap<String, Table>,
    version: i16,
    random: &'a mut Random,
    made: &'a mut Made,
}

impl Writing<'_> {
    fn message(&mut self, name: &str, depth: u32) {
        let (tables, version) = (self.tables, self.version);
        let Some(table) = tables.get(name) else { return };
        let rows = || table.rows.iter().filter(|row| row.is_in(version));
        for row in rows().filter(|row| row.tag.is_none()) {
            self.row(row, depth);
        }
        if table.ends_with_tags && self.made.is_flexible {
            let tagged = rows().filter_map(|row| Some((row.tag?, row)));
            let tagged = tagged.filter(|_| self.random.below(2) == 0).collect::<Vec<_>>();
            self.tagged_fields(&tagged, depth);
        }
    }

    /// A tagged field has its size in front, so it is written before its place is known.
    fn tagged_fields(&mut self, tagged: &[(u8, &Row)], depth: u32) {
        if tagged.is_empty() {
            return self.made.put_tags();
        }
        self.made.has_tagged_fields = true;
        self.made.frame.push(tagged.len() as u8);
        for (number, row) in tagged {
            let mut made = Made { is_flexible: true, ..Made::default() };
            let (tables, version) = (self.tables, self.version);
            Writing { tables, version, random: self.random, made: &mut made }.row(row, depth + 1);
            self.made.frame.push(*number);
            self.made.put_varint(made.frame.len());
            self.made.append(&made);
        }
    }

    fn row(&mut self, row: &Row, depth: u32) {
        let may_be_null = row.null_from.is_some_and(|from| self.version >= from);
        if may_be_null && self.random.below(4) == 0 {
            let width = if matches!(row.field, Field::Text) { 2 } else { 4 };
            self.made.put_length(None, width);
        } else {
            self.field(&row.field, &row.name, depth);
        }
    }

    fn field(&mut self, field: &Field, name: &str, depth: u32) {
        match field {
            Field::Number(width) => {
                let number = self.number(name).to_be_bytes();
                self.made.frame.extend_from_slice(&number[8 - width..]);
            }
            Field::Bool => self.made.frame.push(self.random.below(2) as u8),
            Field::Uuid => {
                let bytes =
                    if self.random.below(2) == 0 { vec![0; 16] } else { self.random.bytes(16) };
                self.made.frame.extend_from_slice(&bytes);
            }
            Field::Text => {
                let text = TEXTS[self.random.index(TEXTS.len())];
                self.put_bytes(text.as_bytes(), 2);
            }
            Field::Bytes => {
                let length = self.random.below(30);
                let bytes = self.random.bytes(length);
                self.put_bytes(&bytes, 4);
            }
            Field::Records => {
                let set = make_set(self.random);
                self.put_bytes(&set, 4);
            }
            Field::Array(inner) => {
                let count = if depth > DEPTH_MAX { 0 } else { self.random.below(ELEMENTS_MAX + 1) };
                self.made.put_length(Some(count as usize), 4);
                (0..count).for_each(|_| self.field(inner, name, depth + 1));
            }
            Field::Message(name) => self.message(name, depth + 1),
        }
    }

    /// What waits does not wait long, so that the next request is answered soon.
    fn number(&mut self, name: &str) -> i64 {
        if name.ends_with("_wait_ms") || name.contains("timeout_ms") {
            return self.random.below(3).cast_signed() - 1;
        }
        NUMBERS[self.random.index(NUMBERS.len())]
    }

    fn put_bytes(&mut self, bytes: &[u8], width: usize) {
        self.made.put_length(Some(bytes.len()), width);
        self.made.frame.extend_from_slice(bytes);
    }
}
