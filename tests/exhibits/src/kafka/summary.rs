//! What a session came to: calls by name, act by act, and where the messages went.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::recording::Recording;
use crate::session::Act;
use crate::totals::Totals;

const NAME_COLUMNS: usize = 34;
const FIGURE_COLUMNS: usize = 22;

/// One broker's column.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// How often each call was made in each act.
    pub(crate) calls: BTreeMap<(usize, String), usize>,
    /// What a JVM called for itself; none of a program without one.
    pub(crate) of_jvm: Option<usize>,
    pub(crate) totals: Totals,
    pub(crate) message_bytes: usize,
    pub(crate) resident_bytes: u64,
    /// Of the fetch from a thousand small messages.
    pub(crate) reads_of_small: usize,
}

impl Column {
    pub(crate) fn new(
        name: &str,
        recording: &Recording,
        header_bytes_max: i64,
        reads_of_small: usize,
    ) -> Self {
        Self {
            name: name.to_string(),
            calls: BTreeMap::new(),
            of_jvm: None,
            totals: Totals::with_headers_of(header_bytes_max, recording, 0..recording.acts.len()),
            message_bytes: recording.told.fetched_bytes + recording.told.polled_bytes,
            resident_bytes: recording.resident_bytes,
            reads_of_small,
        }
    }

    pub(crate) fn add(&mut self, act: Act, name: &str, count: usize) {
        *self.calls.entry((act as usize, name.to_string())).or_default() += count;
    }

    pub(crate) fn calls_in(&self, act: Act) -> usize {
        self.calls.iter().filter(|((of, _), _)| *of == act as usize).map(|it| it.1).sum()
    }

    pub(crate) fn calls_of(&self, name: &str, act: Act) -> usize {
        self.calls.get(&(act as usize, name.to_string())).copied().unwrap_or_default()
    }

    pub(crate) fn resident_mb(&self) -> String {
        format!("{:.1}", self.resident_bytes as f64 / 1e6)
    }
}

/// All columns in one table.
pub(crate) fn table(columns: &[Column]) -> String {
    let mut text = String::new();
    put(&mut text, "", columns.iter().map(|it| it.name.clone()));
    let rows: std::collections::BTreeSet<_> =
        columns.iter().flat_map(|it| it.calls.keys()).collect();
    let mut last_act = None;
    for row in rows {
        if last_act != Some(row.0) {
            let act = ACTS[row.0];
            let sums = columns.iter().map(|it| it.calls_in(act).to_string());
            put(&mut text, &format!("{}, calls", name_of(act)), sums);
            last_act = Some(row.0);
        }
        let of = |it: &Column| it.calls.get(row).map_or("-".to_string(), ToString::to_string);
        put(&mut text, &format!("  {}", row.1), columns.iter().map(of));
    }
    let mut figure = |name: &str, of: &dyn Fn(&Column) -> String| {
        put(&mut text, name, columns.iter().map(of));
    };
    figure("the JVM for itself, calls", &|it| {
        it.of_jvm.map_or("-".to_string(), |it| it.to_string())
    });
    figure("message bytes for the consumer", &|it| it.message_bytes.to_string());
    figure("  by sendfile", &|it| it.totals.sendfile.bytes.to_string());
    figure("  read into the process", &|it| it.totals.read.bytes.to_string());
    figure("bytes of headers read", &|it| it.totals.headers.bytes.to_string());
    figure("bytes written to the consumer", &|it| it.totals.written.bytes.to_string());
    figure("reads to find one of 1000 messages", &|it| it.reads_of_small.to_string());
    figure("resident memory, MB", &Column::resident_mb);
    text
}

/// In the order of `Act`.
const ACTS: [Act; 6] =
    [Act::Connect, Act::Produce, Act::Fetch, Act::LongPoll, Act::ProduceOne, Act::Disconnect];

pub(crate) fn name_of(act: Act) -> &'static str {
    match act {
        Act::Connect => "connect",
        Act::Produce => "produce",
        Act::Fetch => "fetch",
        Act::LongPoll => "long poll",
        Act::ProduceOne => "produce one",
        Act::Disconnect => "disconnect",
    }
}

fn put(text: &mut String, name: &str, cells: impl Iterator<Item = String>) {
    let cells: String = cells.map(|it| format!("{it:>FIGURE_COLUMNS$}")).collect();
    let line = format!("{name:NAME_COLUMNS$}{cells}");
    writeln!(text, "{}", line.trim_end()).expect("a String takes all that is written");
}
