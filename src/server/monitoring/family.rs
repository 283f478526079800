//! A metric is one row of a table: its name, its labels, its model in Kafka, its meaning, and how it
//! is read. The text that Prometheus scrapes (format 0.0.4) and the page of metrics follow from the
//! row.
//!
//! **Names.** Where Kafka has the metric, it has the name that the rules of Prometheus' JMX exporter
//! give it, in small letters, and Kafka's unit, so that dashboards of Kafka find what they look for.
//! What only this broker has begins with `transferto_`, and has Prometheus' base units.
//!
//! **Labels.** What can be a label's value is bounded: the APIs, the error codes, the listeners, the
//! log directories, and topics and partitions that exist. No name that a client or a group has chosen is one.

use std::fmt;
use std::fmt::Write;

use crate::common::histogram::HistogramValues;
use crate::server::monitoring::observed::Observed;

/// How Prometheus is to take the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until the broker starts again.
    Counter,
    Gauge,
    Histogram,
}

/// A row of the table.
pub struct Family {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    pub unit: &'static str,
    /// The MBean, and the attribute if it is not the usual one; empty if Kafka has none.
    pub mbean: &'static str,
    pub meaning: &'static str,
    pub(super) read: fn(&Observed<'_>, &mut Samples<'_>),
}

/// Makes a table of rows: the meaning, the kind, the name and the labels, the unit, the MBean, and
/// how it is read.
macro_rules! families {
    (
        $(#[doc = $about:literal])+
        $vis:vis const $table:ident;
        $(
            $(#[doc = $meaning:literal])+
            $kind:ident $name:literal [$($label:literal),*] in $unit:literal, $mbean:literal,
            $read:expr;
        )+
    ) => {
        $(#[doc = $about])+
        $vis const $table: &[$crate::server::monitoring::family::Family] = &[$(
            $crate::server::monitoring::family::Family {
                name: $name,
                kind: $crate::server::monitoring::family::Kind::$kind,
                labels: &[$($label),*],
                unit: $unit,
                mbean: $mbean,
                meaning: concat!($($meaning),+),
                read: $read,
            },
        )+];
    };
}
pub(super) use families;

impl Family {
    /// Writes the metric as it is in `observed`.
    pub fn write(&self, observed: &Observed<'_>, text: &mut String) {
        self.write_head(text);
        (self.read)(observed, &mut Samples { family: self, text });
    }

    fn write_head(&self, text: &mut String) {
        let kind = match self.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let (name, meaning) = (self.name, self.meaning.trim());
        line(text, format_args!("# HELP {name} {meaning}"));
        line(text, format_args!("# TYPE {name} {kind}"));
    }

    /// The rows as a table of a page.
    pub fn to_markdown<'a>(families: impl Iterator<Item = &'a Self>) -> String {
        let head = "| metric | kind | labels | unit | Kafka's MBean | meaning |\n\
                    |---|---|---|---|---|---|\n";
        let ticked = |text: &str| match text {
            "" => "-".to_string(),
            text => format!("`{text}`"),
        };
        let row = |it: &Self| {
            let kind = format!("{:?}", it.kind).to_lowercase();
            let (labels, mbean) = (ticked(&it.labels.join(", ")), ticked(it.mbean));
            let (name, unit, meaning) = (it.name, it.unit, it.meaning.trim());
            format!("| `{name}` | {kind} | {labels} | {unit} | {mbean} | {meaning} |\n")
        };
        families.map(row).fold(head.to_string(), |page, row| page + &row)
    }
}

/// The values of one metric, as they are written.
pub struct Samples<'a> {
    family: &'a Family,
    text: &'a mut String,
}

impl Samples<'_> {
    /// The value under these values of the metric's labels.
    pub fn put(&mut self, label_values: &[&str], value: impl fmt::Display) {
        let labels = Labels { family: self.family, values: label_values, bound: None };
        line(self.text, format_args!("{}{labels} {value}", self.family.name));
    }

    /// The value of a metric without labels, unless nobody knows it.
    pub fn put_known(&mut self, value: Option<impl fmt::Display>) {
        if let Some(value) = value {
            self.put(&[], value);
        }
    }

    /// A histogram, whose bounds and sum are in milliseconds.
    pub fn put_histogram(&mut self, label_values: &[&str], values: &HistogramValues) {
        let name = self.family.name;
        let labels = |bound| Labels { family: self.family, values: label_values, bound };
        let mut below = 0;
        for (bound_ms, count) in HistogramValues::bounds_ms().zip(values.counts) {
            below += count;
            line(self.text, format_args!("{name}_bucket{} {below}", labels(Some(bound_ms))));
        }
        let (count, sum_ms) = (values.count(), values.sum_ns as f64 / 1e6);
        line(self.text, format_args!("{name}_bucket{} {count}", labels(Some(f64::INFINITY))));
        line(self.text, format_args!("{name}_sum{} {sum_ms}", labels(None)));
        line(self.text, format_args!("{name}_count{} {count}", labels(None)));
    }
}

/// Labels with their values, in braces.
struct Labels<'a> {
    family: &'a Family,
    values: &'a [&'a str],
    /// The value of `le`, which a bucket has.
    bound: Option<f64>,
}

impl fmt::Display for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = '{';
        for (label, value) in self.family.labels.iter().zip(self.values) {
            write!(f, "{separator}{label}=\"{}\"", Escaped(value))?;
            separator = ',';
        }
        match self.bound {
            Some(f64::INFINITY) => write!(f, "{separator}le=\"+Inf\"}}"),
            Some(bound) => write!(f, "{separator}le=\"{bound}\"}}"),
            None if separator == ',' => f.write_char('}'),
            None => Ok(()),
        }
    }
}

/// The value of a label, in which nothing ends the value or the line.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

fn line(text: &mut String, line: fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a string takes all text");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::histogram::Histogram;

    families! {
        /// For the tests.
        const SAMPLE;
        /// How many. And why.
        Counter "things_total" ["name", "of"] in "things", "kafka:type=Thing", |_, _| ();
        /// How long.
        Histogram "waitms" [] in "ms", "", |_, _| ();
    }

    fn written(family: &Family, write: impl FnOnce(&mut Samples<'_>)) -> String {
        let mut text = String::new();
        family.write_head(&mut text);
        write(&mut Samples { family, text: &mut text });
        text
    }

    #[test]
    fn a_value_that_a_client_has_chosen_cannot_end_its_line() {
        let text = written(&SAMPLE[0], |it| it.put(&["a\"} 1\nforged 2\\", "b"], 7));
        assert_eq!(
            text,
            "# HELP things_total How many. And why.\n# TYPE things_total counter\n\
             things_total{name=\"a\\\"} 1\\nforged 2\\\\\",of=\"b\"} 7\n"
        );
    }

    #[test]
    fn a_histogram_counts_what_is_below_each_bound() {
        let histogram = Histogram::default();
        for ms in [0, 1, 1, 3, 100_000] {
            histogram.record(ms * 1_000_000);
        }
        let text = written(&SAMPLE[1], |it| it.put_histogram(&[], &histogram.values()));
        for line in [
            "waitms_bucket{le=\"0.0625\"} 1",
            "waitms_bucket{le=\"0.5\"} 1",
            "waitms_bucket{le=\"1\"} 3",
            "waitms_bucket{le=\"4\"} 4",
            "waitms_bucket{le=\"32768\"} 4",
            "waitms_bucket{le=\"+Inf\"} 5",
            "waitms_sum 100005",
            "waitms_count 5",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} in {text}");
        }
    }

    #[test]
    fn the_page_has_a_line_per_row() {
        let page = Family::to_markdown(SAMPLE.iter());
        let lines: Vec<&str> = page.lines().collect();
        assert_eq!(
            lines[2..],
            [
                "| `things_total` | counter | `name, of` | things | `kafka:type=Thing` | How many. And why. |",
                "| `waitms` | histogram | - | ms | - | How long. |"
            ]
        );
    }
}
