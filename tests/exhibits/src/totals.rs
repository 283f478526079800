//! What a recording proves: how many bytes of messages left by which call, and how many were read into
//! the process on their way.

use crate::call::Call;
use crate::recording::Recording;

/// Calls that bring bytes of a file into the process.
const READS: [&str; 6] = ["read", "readv", "pread64", "preadv", "preadv2", "mmap"];
/// Calls that send bytes of the process.
const WRITES: [&str; 5] = ["write", "writev", "sendto", "sendmsg", "sendmmsg"];
/// What the search for an offset reads of a segment at a time: the head of an entry, or less.
const ENTRY_HEADER_BYTES: i64 = 12;

/// Calls and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) calls: usize,
    pub(crate) bytes: i64,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    /// To the consumer, from a file.
    pub(crate) sendfile: Count,
    /// To the consumer, from the process.
    pub(crate) written: Count,
    /// Of a segment, into the process: messages.
    pub(crate) read: Count,
    /// Of a segment, into the process: the headers of entries, by which an offset is found.
    pub(crate) headers: Count,
}

impl Totals {
    /// Of all threads, from the act with this number on, up to that with the other.
    pub(crate) fn of_acts(recording: &Recording, acts: std::ops::Range<usize>) -> Self {
        Self::with_headers_of(ENTRY_HEADER_BYTES, recording, acts)
    }

    /// The same of a broker that reads so many bytes of an entry, or fewer, to find an offset.
    pub(crate) fn with_headers_of(
        header_bytes_max: i64,
        recording: &Recording,
        acts: std::ops::Range<usize>,
    ) -> Self {
        let at = |act: usize| recording.acts.get(act).map_or(recording.end_us, |it| it.1);
        let window = at(acts.start)..at(acts.end);
        let mut totals = Self::default();
        for call in recording.threads.iter().flat_map(|it| &it.calls) {
            if window.contains(&call.ended_us()) {
                totals.add(call, recording.told.consumer_port, header_bytes_max);
            }
        }
        totals
    }

    pub(crate) fn of_session(recording: &Recording) -> Self {
        Self::of_acts(recording, 0..recording.acts.len())
    }

    fn add(&mut self, call: &Call, consumer_port: u16, header_bytes_max: i64) {
        let descriptor = call.descriptor().unwrap_or_default();
        let is_to_consumer = descriptor.ends_with(&format!(":{consumer_port}]"));
        let name = call.name.as_str();
        if name == "sendfile" && is_to_consumer {
            self.sendfile.add(call.value());
        } else if WRITES.contains(&name) && is_to_consumer {
            self.written.add(call.value());
        } else if READS.contains(&name) && call.arguments.contains(".log>") {
            let bytes = if name == "mmap" { mapped_bytes(call) } else { call.value() };
            let is_header = name != "mmap" && bytes <= header_bytes_max;
            if is_header { self.headers.add(bytes) } else { self.read.add(bytes) }
        }
    }
}

impl Count {
    fn add(&mut self, bytes: i64) {
        self.calls += 1;
        self.bytes += bytes.max(0);
    }
}

fn mapped_bytes(call: &Call) -> i64 {
    call.argument_list().get(1).and_then(|it| it.parse().ok()).unwrap_or(i64::MAX)
}
