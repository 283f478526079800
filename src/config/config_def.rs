//! Port of `org.apache.kafka.common.config.ConfigDef`: a setting is one row of a table; its field, its
//! default, its checks and its documentation follow from the row.

use std::fmt;

use crate::config::config_type::Kind;

/// The longest value that can be altered while the broker runs, in bytes: the first versions of the
/// APIs cannot describe a longer one.
pub const VALUE_BYTES_MAX: usize = i16::MAX as usize;

/// One row of a table of settings.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Kafka's name.
    pub name: &'static str,
    /// The field that holds the value.
    pub field: &'static str,
    /// Kafka's name of the kind, for example `int`.
    pub kind: &'static str,
    /// The default, as it would be written; empty if there is none.
    pub default: &'static str,
    /// What the kind takes, as the end of the sentence "must be ...".
    pub takes: &'static str,
    /// All that the kind takes, if that is a few words.
    pub words: &'static [&'static str],
    /// Whether it may have no value, which is not the same as an empty one.
    pub is_optional: bool,
    pub allowed: Allowed,
    pub importance: Importance,
    pub doc: &'static str,
}

impl Setting {
    /// The values that it takes, as a page names them.
    pub fn allowed_values(&self) -> String {
        match self.allowed {
            Allowed::Any => self.takes.to_string(),
            allowed => allowed.to_string(),
        }
    }
}

/// Kafka's three words for how much depends on a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// Look at it before the broker goes into service.
    High,
    /// Look at it when something is slow or full.
    Medium,
    /// Leave it alone unless you know why not.
    Low,
}

/// Which of the values that a kind takes are allowed: Kafka's validators.
#[derive(Clone, Copy, Debug)]
pub enum Allowed {
    Any,
    /// This whole number and higher ones.
    AtLeast(i64),
    /// Whole numbers from the first to the second, both included.
    Between(i64, i64),
    /// The first whole number, and those from the second to the third, both included.
    OrBetween(i64, i64, i64),
    /// Whole numbers other than 0; the negative ones mean "without limit".
    NotZero,
    /// Numbers from 0 to 1.
    Fraction,
    /// One value, and why no other.
    Only(&'static str, &'static str),
}

impl Allowed {
    /// Whether `text` is allowed; if not, a sentence that begins with "must be".
    fn check(self, text: &str) -> Result<(), String> {
        let whole = text.parse::<i64>();
        let is_allowed = match self {
            Self::Any => true,
            Self::AtLeast(low) => whole.is_ok_and(|it| it >= low),
            Self::Between(low, high) => whole.is_ok_and(|it| (low..=high).contains(&it)),
            Self::OrBetween(other, low, high) => {
                whole.is_ok_and(|it| it == other || (low..=high).contains(&it))
            }
            Self::NotZero => whole.is_ok_and(|it| it != 0),
            Self::Fraction => text.parse().is_ok_and(|it: f64| (0.0..=1.0).contains(&it)),
            Self::Only(value, _) => text.eq_ignore_ascii_case(value),
        };
        if is_allowed { Ok(()) } else { Err(format!("must be {self}")) }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("anything"),
            Self::AtLeast(low) => write!(f, "a whole number of at least {low}"),
            Self::Between(low, high) => write!(f, "a whole number from {low} to {high}"),
            Self::OrBetween(other, low, high) => {
                write!(f, "{other}, or a whole number from {low} to {high}")
            }
            Self::NotZero => {
                f.write_str("a whole number other than 0; a negative one sets no limit")
            }
            Self::Fraction => f.write_str("a number from 0 to 1"),
            Self::Only(value, why) => write!(f, "{value}, because {why}"),
        }
    }
}

impl fmt::Display for Importance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        })
    }
}

/// A setting with which the broker does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// As it was written; empty if the file itself cannot be read.
    pub name: String,
    /// As it was written.
    pub value: String,
    /// The file and line, or the command line; empty if the value is a default.
    pub place: String,
    /// What is wrong and what is allowed, for a person.
    pub why: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, place, why } = self;
        if !place.is_empty() {
            write!(f, "{place}: ")?;
        }
        if !name.is_empty() {
            write!(f, "`{name}={value}`: ")?;
        }
        f.write_str(why)
    }
}

impl std::error::Error for ConfigError {}

/// The value of `text` in kind `K`, if it is allowed.
///
/// # Errors
/// A sentence that begins with "must be".
pub fn read<K: Kind>(text: &str, allowed: Allowed) -> Result<K::Value, String> {
    let text = text.trim();
    if !(text.is_empty() && K::IS_OPTIONAL) {
        allowed.check(text)?;
    }
    K::parse(text)
}

/// A Markdown table of the rows.
pub fn to_markdown(settings: &[Setting]) -> String {
    let head =
        "| name | type | default | allowed | importance | meaning |\n|---|---|---|---|---|---|\n";
    let row = |it: &Setting| {
        let default = match it.default {
            "" => "-".to_string(),
            default => format!("`{default}`"),
        };
        let allowed = it.allowed_values();
        let (name, kind, importance, doc) = (it.name, it.kind, it.importance, it.doc.trim());
        format!("| `{name}` | {kind} | {default} | {allowed} | {importance} | {doc} |\n")
    };
    settings.iter().map(row).fold(head.to_string(), |page, row| page + &row)
}

/// The name among `known` that was most likely meant by `name`; none if all are far from it.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let far = name.len().div_ceil(3) + 1;
    known.map(|it| (distance(name, it), it)).filter(|(d, _)| *d < far).min().map(|(_, it)| it)
}

/// How many bytes must be inserted, removed or replaced to turn `a` into `b` (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Makes a struct of a table: a row is the doc, the field and its type (with `as` and the kind
/// where the kind is not the type itself), the name, the default, what is allowed, the importance.
/// What stands `beside` the rows is a field, and no setting.
macro_rules! settings {
    (
        $(#[doc = $about:literal])+
        $vis:vis struct $struct:ident {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $type:ty $(as $kind:ty)?,
                $name:literal = $default:literal, $allowed:expr, $importance:ident;
            )+
            $(beside {
                $($(#[doc = $beside_doc:literal])+ $beside:ident: $beside_type:ty;)+
            })?
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq)]
        $vis struct $struct {
            $($(#[doc = $doc])+ $vis $field: $type,)+
            $($($(#[doc = $beside_doc])+ $vis $beside: $beside_type,)+)?
        }

        impl $struct {
            /// The rows, in the order of the printed page.
            $vis const SETTINGS: &'static [$crate::config::config_def::Setting] = &[$(
                $crate::config::config_def::Setting {
                    name: $name,
                    field: stringify!($field),
                    kind: <settings!(@kind $type $(, $kind)?) as
                        $crate::config::config_type::Kind>::NAME,
                    default: $default,
                    takes: <settings!(@kind $type $(, $kind)?) as
                        $crate::config::config_type::Kind>::TAKES,
                    words: <settings!(@kind $type $(, $kind)?) as
                        $crate::config::config_type::Kind>::WORDS,
                    is_optional: <settings!(@kind $type $(, $kind)?) as
                        $crate::config::config_type::Kind>::IS_OPTIONAL,
                    allowed: $allowed,
                    importance: $crate::config::config_def::Importance::$importance,
                    doc: concat!($($doc),+),
                },
            )+];

            /// Sets the setting `name` to the value of `text`.
            ///
            /// # Errors
            /// What is allowed, if `text` is not; that the setting is unknown.
            $vis fn set(&mut self, name: &str, text: &str) -> Result<(), String> {
                match name {
                    $($name => {
                        self.$field = $crate::config::config_def::read::<
                            settings!(@kind $type $(, $kind)?)
                        >(text, $allowed)?;
                    })+
                    _ => return Err("unknown setting".to_string()),
                }
                Ok(())
            }

            /// The name of each setting and its value, as it would be written.
            $vis fn values(&self) -> Vec<(&'static str, String)> {
                vec![$((
                    $name,
                    <settings!(@kind $type $(, $kind)?) as
                        $crate::config::config_type::Kind>::show(&self.$field),
                ),)+]
            }

            /// The defaults of the rows, and nothing that follows from other rows.
            pub(super) fn of_the_table() -> Self {
                Self {
                    $($field: $crate::config::config_def::read::<
                        settings!(@kind $type $(, $kind)?)
                    >($default, $allowed).expect("the table allows its own defaults"),)+
                    $($($beside: Default::default(),)+)?
                }
            }
        }
    };
    // The kind of a row: the type itself, unless the row names another.
    (@kind $type:ty) => { $type };
    (@kind $type:ty, $kind:ty) => { $kind };
}
pub(crate) use settings;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::log_policies::MessageFormatVersion;

    settings! {
        /// A table for the tests.
        struct Sample {
            /// How many.
            /// And why.
            how_many: i32,
                "how.many" = "3", Allowed::AtLeast(1), High;
            /// Held as the magic.
            format: u8 as MessageFormatVersion,
                "format" = "3.0-IV1", Allowed::Any, Low;
            /// May be left out.
            perhaps: Option<i64>,
                "perhaps" = "", Allowed::NotZero, Medium;
        }
    }

    #[test]
    fn a_row_gives_the_field_its_default_and_its_text() {
        let mut sample = Sample::of_the_table();
        assert_eq!(sample, Sample { how_many: 3, format: 2, perhaps: None });
        sample.set("how.many", " 5 ").unwrap();
        sample.set("format", "0.9.0").unwrap();
        sample.set("perhaps", "-1").unwrap();
        assert_eq!(sample, Sample { how_many: 5, format: 0, perhaps: Some(-1) });
        let texts: Vec<String> = sample.values().into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["5", "0.9.0", "-1"]);
    }

    #[test]
    fn a_refused_value_leaves_the_field_alone_and_says_what_is_allowed() {
        let mut sample = Sample::of_the_table();
        for (name, text, why) in [
            ("how.many", "0", "must be a whole number of at least 1"),
            ("how.many", "three", "must be a whole number of at least 1"),
            ("how.many", "2147483648", "must be a whole number from -2147483648 to 2147483647"),
            (
                "format",
                "9",
                "must be a version of Kafka from 0.8.0 to 4.x, such as 0.9.0, 0.10.2 or 3.0-IV1",
            ),
            ("perhaps", "0", "must be a whole number other than 0; a negative one sets no limit"),
            ("other", "1", "unknown setting"),
        ] {
            assert_eq!(sample.set(name, text).unwrap_err(), why);
        }
        assert_eq!(sample, Sample::of_the_table());
    }

    #[test]
    fn each_rule_allows_its_bounds() {
        for (allowed, good, bad) in [
            (Allowed::Between(0, 2), ["0", "2"], ["-1", "3"]),
            (Allowed::OrBetween(-1, 1, 9), ["-1", "9"], ["0", "10"]),
            (Allowed::Fraction, ["0", "1.0"], ["-0.1", "NaN"]),
            (Allowed::Only("1", "there is one"), ["1", "1"], ["2", ""]),
            (Allowed::Only("false", "it is not there"), ["false", "FALSE"], ["true", ""]),
        ] {
            assert!(good.iter().all(|it| allowed.check(it).is_ok()), "{allowed}");
            assert!(bad.iter().all(|it| allowed.check(it).is_err()), "{allowed}");
        }
    }

    #[test]
    fn the_printed_table_has_a_line_per_row() {
        let page = to_markdown(Sample::SETTINGS);
        let lines: Vec<&str> = page.lines().collect();
        assert_eq!(lines.len(), 5);
        assert_eq!(
            lines[2],
            "| `how.many` | int | `3` | a whole number of at least 1 | high | How many. And why. |"
        );
        assert!(lines[4].contains("| long | - |"), "{}", lines[4]);
    }

    #[test]
    fn a_misspelt_name_finds_the_nearest_and_nonsense_finds_none() {
        let known = || ["log.dirs", "log.dir", "num.io.threads"].into_iter();
        assert_eq!(nearest("log.dirz", known()), Some("log.dir"));
        assert_eq!(nearest("num.io.thread", known()), Some("num.io.threads"));
        assert_eq!(nearest("NUM.io.threads", known()), Some("num.io.threads"));
        assert_eq!(nearest("colour", known()), None);
    }
}
