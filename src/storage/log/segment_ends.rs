//! Where the segments of a log end, which Kafka does not write down: so it cannot tell a segment
//! that a power loss has taken, or cut short, from a gap that the cleaner has left.
//!
//! A file beside the segments gets a line when one is complete, and when the cleaner replaces some.
//! Kafka and its tools ignore it.
//!
//! ```text
//! 0                     the version of the format
//! 1                     how many lines were written with these two
//! 0 1024 16384          from offset 0 to 1023 goes one segment, of 16384 bytes
//! 1024 2048 16000
//! 0 2048 ?              the cleaner is about to make one of both
//! 0 2048 9000           and has done so
//! 2048 9223372036854775807 ?   nothing is known from offset 2048 on: the log was cut
//! ```
//!
//! If Kafka has opened the directory meanwhile, what its cleaner took is said to be missing until
//! the cleaner of this broker has been there.
//!
//! A line makes those before it void that speak of the same offsets. A file that cannot be read or
//! kept is removed: to know nothing is better than to miss what was never there.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use log::{debug, warn};

use crate::common::units::Offset;
use crate::storage::files::checkpoint_file::CURRENT_VERSION;
use crate::storage::files::file_io::{failed, read_text, remove_if_exists};
use crate::storage::files::log_file_names::SEGMENT_ENDS_FILE;

/// In the place of a size: any is right.
const UNKNOWN: &str = "?";
/// The file is written anew when it has so many void lines, and as many more as there are others.
const VOID_LINES_MAX: usize = 1000;

/// What is known of the complete segments of a log.
#[derive(Debug)]
pub struct SegmentEnds {
    path: PathBuf,
    noted: BTreeMap<Offset, SegmentEnd>,
    /// How many lines the file has; `None` if there is no file, and nothing is noted.
    lines: Option<usize>,
}

/// The end of a segment that is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentEnd {
    /// The base offset of the next segment.
    pub end_offset: Offset,
    /// Of its messages. `None` while the cleaner is at it.
    pub size_bytes: Option<u64>,
}

impl SegmentEnds {
    /// Those of the log in `dir`. A file that is torn counts as none.
    pub fn open(dir: &Path) -> Self {
        let mut ends = Self::none(dir);
        if let Err(why) = ends.read() {
            ends.give_up(&why);
        }
        ends
    }

    /// As [`open`](Self::open), for who must not change anything: a file that is torn stays.
    pub fn look_at(dir: &Path) -> Self {
        let mut ends = Self::none(dir);
        ends.read().map_or_else(|_| Self::none(dir), |()| ends)
    }

    fn none(dir: &Path) -> Self {
        Self { path: dir.join(SEGMENT_ENDS_FILE), noted: BTreeMap::new(), lines: None }
    }

    fn read(&mut self) -> Result<(), String> {
        match read_text(&self.path).map_err(|error| error.to_string())? {
            None => Ok(()),
            Some(text) => self.parse(&text).ok_or_else(|| "it is torn".to_string()),
        }
    }

    fn parse(&mut self, text: &str) -> Option<()> {
        // What a crash has cut is no line.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut lines = whole.lines();
        let announced: usize =
            lines.next().filter(|it| *it == CURRENT_VERSION).and(lines.next())?.parse().ok()?;
        let mut count = 0;
        for line in lines {
            let (base_offset, end) = parse_line(line)?;
            self.replace(base_offset, end);
            count += 1;
        }
        self.lines = Some(count).filter(|count| *count >= announced);
        self.lines.map(|_| ())
    }

    /// Whether there is a file, so that a segment that is not noted is as it was appended.
    pub fn are_kept(&self) -> bool {
        self.lines.is_some()
    }

    /// The noted segments, by their base offsets.
    pub fn iter(&self) -> impl Iterator<Item = (Offset, SegmentEnd)> {
        self.noted.iter().map(|(base_offset, end)| (*base_offset, *end))
    }

    /// Whether something is noted about the segment at `base_offset`, or about one that reaches
    /// beyond it.
    pub fn know(&self, base_offset: Offset) -> bool {
        let floor = self.noted.range(..=base_offset).next_back();
        floor.is_some_and(|(_, end)| end.end_offset > base_offset)
    }

    /// The base offset of the first noted segment that begins at `from` or above.
    pub fn next_from(&self, from: Offset) -> Option<Offset> {
        self.noted.range(from..).next().map(|(base_offset, _)| *base_offset)
    }

    /// Begins a file that holds these segments, all that are complete.
    pub fn begin(&mut self, segments: impl IntoIterator<Item = (Offset, SegmentEnd)>) {
        self.noted = segments.into_iter().collect();
        let count = self.noted.len();
        let mut text = format!("{CURRENT_VERSION}\n{count}\n");
        self.iter().for_each(|(base_offset, end)| text.push_str(&line_of(base_offset, end)));
        self.lines = Some(count);
        if let Err(error) = fs::write(&self.path, text).map_err(failed("write", &self.path)) {
            self.give_up(&error.to_string());
        }
    }

    /// Notes the end of a segment. Without a file nothing is noted.
    pub fn note(&mut self, base_offset: Offset, end: SegmentEnd) {
        let Some(lines) = self.lines else { return };
        self.replace(base_offset, end);
        if lines >= 2 * self.noted.len() + VOID_LINES_MAX {
            return self.begin(self.noted.clone());
        }
        match self.append(&line_of(base_offset, end)) {
            Ok(()) => self.lines = Some(lines + 1),
            Err(error) => self.give_up(&error.to_string()),
        }
    }

    /// The segments that begin at `from` or above are no longer there, or no longer complete.
    pub fn forget(&mut self, from: Offset) {
        if self.noted.range(from..).next().is_some() {
            self.note(from, SegmentEnd { end_offset: Offset::MAX, size_bytes: None });
        }
    }

    /// The log begins at `start_offset` now. The file goes on to name what lies before: nobody asks
    /// for that.
    pub fn forget_before(&mut self, start_offset: Offset) {
        self.noted = self.noted.split_off(&start_offset);
    }

    fn replace(&mut self, base_offset: Offset, end: SegmentEnd) {
        let before = self.noted.range(..base_offset).next_back();
        let before = before.filter(|(_, old)| old.end_offset > base_offset).map(|(it, _)| *it);
        let within = self.noted.range(base_offset..end.end_offset).map(|(it, _)| *it);
        for void in within.chain(before).collect::<Vec<_>>() {
            self.noted.remove(&void);
        }
        if end.end_offset < Offset::MAX {
            self.noted.insert(base_offset, end);
        }
    }

    fn append(&self, line: &str) -> io::Result<()> {
        let file = OpenOptions::new().append(true).open(&self.path);
        file.and_then(|mut it| it.write_all(line.as_bytes())).map_err(failed("write", &self.path))
    }

    fn give_up(&mut self, why: &str) {
        let path = self.path.display();
        warn!("removing {path}; which records are missing is not known without it: {why}");
        (self.lines, self.noted) = (None, BTreeMap::new());
        if let Err(error) = remove_if_exists(&self.path) {
            debug!("{error}");
        }
    }
}

fn line_of(base_offset: Offset, end: SegmentEnd) -> String {
    let size_bytes = end.size_bytes.map_or(UNKNOWN.to_string(), |it| it.to_string());
    format!("{base_offset} {} {size_bytes}\n", end.end_offset)
}

fn parse_line(line: &str) -> Option<(Offset, SegmentEnd)> {
    let mut words = line.split(' ');
    let mut offset = || words.next()?.parse().ok().map(Offset);
    let (base_offset, end_offset) = (offset()?, offset()?);
    let size_bytes = match words.next()? {
        UNKNOWN => None,
        number => Some(number.parse().ok()?),
    };
    let is_right = base_offset < end_offset && words.next().is_none();
    is_right.then_some((base_offset, SegmentEnd { end_offset, size_bytes }))
}
