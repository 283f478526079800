//! Port of `org.apache.kafka.common.config.ConfigDef.Type`: how the text of a setting becomes a
//! value, and back.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::common::end_point::EndPoint;
use crate::common::kafka_principal::KafkaPrincipal;

/// A way to write a value in a `.properties` file.
///
/// Most values are their own kind: `impl Kind for i32`. A kind of its own is for a text that means
/// another type: the policies `delete` and `compact` are one `bool` to the log.
pub trait Kind {
    /// What the text becomes.
    type Value;
    /// The name of the kind in the printed page.
    const NAME: &'static str;
    /// What may be written, as the end of the sentence "must be ...".
    const TAKES: &'static str;
    /// Whether nothing may be written too, and means that the setting is not set.
    const IS_OPTIONAL: bool = false;

    /// The value of a text without blanks round it.
    ///
    /// # Errors
    /// What is wrong, as a sentence that begins with "must be".
    fn parse(text: &str) -> Result<Self::Value, String>;

    /// The text of a value, so that [`Kind::parse`] gives the value again.
    fn show(value: &Self::Value) -> String;
}

/// The kinds that Rust's own `FromStr` and `Display` read and write.
macro_rules! plain_kinds {
    ($($type:ty, $name:literal, $takes:literal;)+) => { $(
        impl Kind for $type {
            type Value = $type;
            const NAME: &'static str = $name;
            const TAKES: &'static str = $takes;

            fn parse(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| format!("must be {}", Self::TAKES))
            }

            fn show(value: &Self) -> String {
                value.to_string()
            }
        }
    )+ };
}

plain_kinds! {
    i16, "short", "a whole number from -32768 to 32767";
    i32, "int", "a whole number from -2147483648 to 2147483647";
    i64, "long", "a whole number from -9223372036854775808 to 9223372036854775807";
    u16, "int", "a whole number from 0 to 65535";
    usize, "int", "a whole number, 0 or more";
    String, "string", "any text";
}

impl Kind for f64 {
    type Value = f64;
    const NAME: &'static str = "double";
    const TAKES: &'static str = "a number";

    fn parse(text: &str) -> Result<f64, String> {
        text.parse().map_err(|_| format!("must be {}", Self::TAKES))
    }

    /// As Java's `Double.toString` writes it: tools compare the text.
    fn show(value: &f64) -> String {
        if *value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
            return format!("{value:?}");
        }
        let text = format!("{value:E}");
        match text.split_once('E') {
            Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
            _ => text,
        }
    }
}

impl Kind for bool {
    type Value = bool;
    const NAME: &'static str = "boolean";
    const TAKES: &'static str = "true or false";

    /// Kafka takes either case.
    fn parse(text: &str) -> Result<bool, String> {
        match text.to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(format!("must be {}", Self::TAKES)),
        }
    }

    fn show(value: &bool) -> String {
        value.to_string()
    }
}

/// A setting that may be left out.
impl<K: Kind> Kind for Option<K> {
    type Value = Option<K::Value>;
    const NAME: &'static str = K::NAME;
    const TAKES: &'static str = K::TAKES;
    const IS_OPTIONAL: bool = true;

    fn parse(text: &str) -> Result<Self::Value, String> {
        if text.is_empty() { Ok(None) } else { K::parse(text).map(Some) }
    }

    fn show(value: &Self::Value) -> String {
        value.as_ref().map(K::show).unwrap_or_default()
    }
}

impl Kind for PathBuf {
    type Value = PathBuf;
    const NAME: &'static str = "string";
    const TAKES: &'static str = "a directory";

    fn parse(text: &str) -> Result<PathBuf, String> {
        if text.is_empty() { Err(format!("must be {}", Self::TAKES)) } else { Ok(text.into()) }
    }

    fn show(value: &PathBuf) -> String {
        value.display().to_string()
    }
}

/// Directories with commas between them.
impl Kind for Vec<PathBuf> {
    type Value = Self;
    const NAME: &'static str = "list";
    const TAKES: &'static str = "directories with commas between them";
    const IS_OPTIONAL: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        Ok(entries(text).map(PathBuf::from).collect())
    }

    fn show(value: &Self) -> String {
        joined(value.iter().map(PathBuf::show))
    }
}

/// Principals with semicolons between them: a name may hold commas.
impl Kind for Vec<KafkaPrincipal> {
    type Value = Self;
    const NAME: &'static str = "list";
    const TAKES: &'static str = "principals such as User:alice with semicolons between them";

    fn parse(text: &str) -> Result<Self, String> {
        let principals = text.split(';').map(str::trim).filter(|it| !it.is_empty());
        let principals = principals.map(KafkaPrincipal::parse);
        principals.collect::<Option<_>>().ok_or_else(|| format!("must be {}", Self::TAKES))
    }

    fn show(value: &Self) -> String {
        value.iter().map(KafkaPrincipal::to_string).collect::<Vec<_>>().join(";")
    }
}

/// The names of the authorizer in three ages of Kafka, or nothing. No class is loaded: all of them
/// mean `SimpleAclAuthorizer`.
#[derive(Debug)]
pub struct AuthorizerClass;

impl Kind for AuthorizerClass {
    type Value = String;
    const NAME: &'static str = "string";
    const TAKES: &'static str = "empty, or kafka.security.auth.SimpleAclAuthorizer, \
                                 kafka.security.authorizer.AclAuthorizer or \
                                 org.apache.kafka.metadata.authorizer.StandardAuthorizer";

    fn parse(text: &str) -> Result<String, String> {
        match text {
            ""
            | "kafka.security.auth.SimpleAclAuthorizer"
            | "kafka.security.authorizer.AclAuthorizer"
            | "org.apache.kafka.metadata.authorizer.StandardAuthorizer" => Ok(text.to_string()),
            _ => Err(format!("must be {}: this broker loads no classes", Self::TAKES)),
        }
    }

    fn show(value: &String) -> String {
        value.clone()
    }
}

/// Listeners with commas between them.
impl Kind for Vec<EndPoint> {
    type Value = Self;
    const NAME: &'static str = "list";
    const TAKES: &'static str =
        "addresses such as PLAINTEXT://127.0.0.1:9092 with commas between them";
    const IS_OPTIONAL: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        entries(text)
            .map(EndPoint::parse)
            .collect::<Result<_, _>>()
            .map_err(|why| format!("must be {}: {why}", Self::TAKES))
    }

    fn show(value: &Self) -> String {
        joined(value.iter().map(EndPoint::to_string))
    }
}

/// `host:n,host:n`, each a host and a number of its own. The host ends at the last colon, so that
/// an IPv6 address may stand there. To Kafka it is one string, to which nothing can be appended.
impl Kind for Vec<(String, usize)> {
    type Value = Self;
    const NAME: &'static str = "string";
    const TAKES: &'static str = "pairs such as 127.0.0.1:200 with commas between them";

    fn parse(text: &str) -> Result<Self, String> {
        let pair = |entry: &str| {
            let (host, count) = entry.rsplit_once(':')?;
            let host = host.trim().trim_start_matches('[').trim_end_matches(']');
            let count = count.trim().parse().ok()?;
            (!host.is_empty()).then(|| (host.to_string(), count))
        };
        entries(text)
            .map(|it| pair(it).ok_or_else(|| format!("must be {}, not `{it}`", Self::TAKES)))
            .collect()
    }

    fn show(value: &Self) -> String {
        joined(value.iter().map(|(host, count)| format!("{host}:{count}")))
    }
}

/// The entries of a list; blanks round them and empty ones do not count.
fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|it| !it.is_empty())
}

fn joined(entries: impl Iterator<Item = String>) -> String {
    entries.collect::<Vec<_>>().join(",")
}

/// An enum whose variants are words of a setting.
macro_rules! words {
    ($(#[$about:meta])+ pub enum $enum:ident takes $takes:literal {
        $($(#[$doc:meta])+ $variant:ident = $word:literal,)+
    }) => {
        $(#[$about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $enum { $($(#[$doc])+ $variant,)+ }

        impl Kind for $enum {
            type Value = $enum;
            const NAME: &'static str = "string";
            const TAKES: &'static str = $takes;

            fn parse(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!("must be {}", Self::TAKES)),
                }
            }

            fn show(value: &Self) -> String {
                value.to_string()
            }
        }

        impl fmt::Display for $enum {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $word,)+ })
            }
        }
    };
}

words! {
    /// How the broker stores what it receives: the setting `compression.type`.
    pub enum CompressionType takes "producer, uncompressed, gzip, snappy, lz4 or zstd" {
        /// As the producer sent it. The only type that never compresses anew.
        Producer = "producer",
        /// Not compressed.
        Uncompressed = "uncompressed",
        /// With gzip.
        Gzip = "gzip",
        /// With snappy.
        Snappy = "snappy",
        /// With LZ4.
        Lz4 = "lz4",
        /// With Zstandard.
        Zstd = "zstd",
    }
}

words! {
    /// Whose clock a message's timestamp is: the setting `message.timestamp.type`.
    pub enum MessageTimestampType takes "CreateTime or LogAppendTime" {
        /// The producer's.
        CreateTime = "CreateTime",
        /// The broker's, when it appends.
        LogAppendTime = "LogAppendTime",
    }
}

/// What becomes of old messages: the setting `cleanup.policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CleanupPolicy {
    /// They are deleted when retention says so.
    Delete,
    /// The last one of each key stays.
    Compact,
    /// Both, in this order: the text is given back as it was given.
    CompactAndDelete,
    /// Both, in the other order.
    DeleteAndCompact,
    /// Neither: all messages stay.
    Neither,
}

impl CleanupPolicy {
    /// Whether the cleaner keeps nothing but the last message of each key.
    pub const fn is_compacted(self) -> bool {
        matches!(self, Self::Compact | Self::CompactAndDelete | Self::DeleteAndCompact)
    }

    /// Whether retention by time and by size deletes old segments.
    pub const fn is_deleted(self) -> bool {
        matches!(self, Self::Delete | Self::CompactAndDelete | Self::DeleteAndCompact)
    }
}

impl Kind for CleanupPolicy {
    type Value = Self;
    const NAME: &'static str = "list";
    const TAKES: &'static str = "delete, compact, both with a comma between them, or nothing";

    /// A word that is said again does not count, as in Kafka 4.
    fn parse(text: &str) -> Result<Self, String> {
        let text = text.to_ascii_lowercase();
        let mut words: Vec<&str> = Vec::new();
        for word in entries(&text) {
            if !words.contains(&word) {
                words.push(word);
            }
        }
        match words[..] {
            [] if text.is_empty() => Ok(Self::Neither),
            ["delete"] => Ok(Self::Delete),
            ["compact"] => Ok(Self::Compact),
            ["compact", "delete"] => Ok(Self::CompactAndDelete),
            ["delete", "compact"] => Ok(Self::DeleteAndCompact),
            _ => Err(format!("must be {}", Self::TAKES)),
        }
    }

    fn show(value: &Self) -> String {
        match value {
            Self::Delete => "delete",
            Self::Compact => "compact",
            Self::CompactAndDelete => "compact,delete",
            Self::DeleteAndCompact => "delete,compact",
            Self::Neither => "",
        }
        .to_string()
    }
}

/// The settings `leader.replication.throttled.replicas` and the follower's: port of
/// `ThrottledReplicaListValidator`. Held as its text, which nothing here reads.
#[derive(Clone, Copy, Debug)]
pub struct ThrottledReplicas;

impl Kind for ThrottledReplicas {
    type Value = Arc<str>;
    const NAME: &'static str = "list";
    const TAKES: &'static str =
        "nothing, `*`, or pairs such as 0:1, a partition and a broker, with commas between them";

    fn parse(text: &str) -> Result<Arc<str>, String> {
        let is_number = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
        let is_replica = |it: &str| {
            it.split_once(':')
                .is_some_and(|(partition, broker)| is_number(partition) && is_number(broker))
        };
        // An empty entry stays one, as in Kafka, so that the text comes back.
        let replicas: Vec<&str> = text.split(',').map(str::trim).collect();
        if text == "*" || replicas.iter().all(|it| it.is_empty() || is_replica(it)) {
            return Ok(replicas.join(",").into());
        }
        Err(format!("must be {}", Self::TAKES))
    }

    fn show(value: &Arc<str>) -> String {
        value.to_string()
    }
}

/// The setting `message.format.version`, held as the magic that this version of Kafka began to
/// write.
#[derive(Clone, Copy, Debug)]
pub struct MessageFormatVersion;

impl Kind for MessageFormatVersion {
    type Value = u8;
    const NAME: &'static str = "string";
    const TAKES: &'static str =
        "a version of Kafka from 0.8.0 to 4.x, such as 0.9.0, 0.10.2 or 3.0-IV1";

    fn parse(text: &str) -> Result<u8, String> {
        let mut numbers = text.split(['.', '-']).map(|it| it.parse::<u32>().ok());
        match (numbers.next().flatten(), numbers.next().flatten()) {
            (Some(0), Some(8 | 9)) => Ok(0),
            (Some(0), Some(10)) => Ok(1),
            (Some(0), Some(11)) | (Some(1..=4), Some(_)) => Ok(2),
            _ => Err(format!("must be {}", Self::TAKES)),
        }
    }

    fn show(value: &u8) -> String {
        match value {
            0 => "0.9.0",
            1 => "0.10.0",
            _ => "3.0-IV1",
        }
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads_back<K: Kind>(text: &str) {
        let value = K::parse(text).unwrap();
        assert_eq!(K::show(&value), text);
    }

    #[test]
    fn a_shown_value_reads_back() {
        reads_back::<i32>("-1");
        reads_back::<i64>("9223372036854775807");
        reads_back::<bool>("false");
        reads_back::<f64>("0.5");
        reads_back::<f64>("1.7976931348623157E308");
        reads_back::<Option<i64>>("");
        reads_back::<Option<i64>>("7");
        reads_back::<Vec<PathBuf>>("/a,b/c");
        reads_back::<Vec<EndPoint>>("PLAINTEXT://:9092,TRACE://localhost:0");
        reads_back::<Vec<(String, usize)>>("127.0.0.1:0,::1:7");
        reads_back::<CompressionType>("zstd");
        reads_back::<MessageTimestampType>("LogAppendTime");
        reads_back::<CleanupPolicy>("compact");
        reads_back::<CleanupPolicy>("compact,delete");
        reads_back::<CleanupPolicy>("delete,compact");
        reads_back::<CleanupPolicy>("");
        reads_back::<ThrottledReplicas>("0:1,0:1,2:3");
        reads_back::<ThrottledReplicas>("*");
        reads_back::<ThrottledReplicas>("");
        reads_back::<MessageFormatVersion>("0.10.0");
    }

    #[test]
    fn booleans_are_read_in_either_case_and_nothing_else_is_a_boolean() {
        assert!(bool::parse("TRUE").unwrap());
        for text in ["1", "yes", ""] {
            assert_eq!(bool::parse(text).unwrap_err(), "must be true or false");
        }
    }

    #[test]
    fn a_log_may_be_compacted_and_deleted_from() {
        let both = CleanupPolicy::parse(" Delete, compact").unwrap();
        assert!(both.is_compacted() && both.is_deleted());
        let neither = CleanupPolicy::parse("").unwrap();
        assert!(!neither.is_compacted() && !neither.is_deleted());
        assert_eq!(CleanupPolicy::parse("compact , compact"), Ok(CleanupPolicy::Compact));
        for text in ["shred", ",", "none", "delete,shred"] {
            assert!(CleanupPolicy::parse(text).is_err(), "{text}");
        }
    }

    /// What Kafka 4.4.0 gives back for each.
    #[test]
    fn a_double_is_written_as_java_writes_it() {
        for (given, shown) in [
            ("0", "0.0"),
            ("-0", "-0.0"),
            ("1", "1.0"),
            (".5", "0.5"),
            ("5e-1", "0.5"),
            ("0.123456789012345678", "0.12345678901234568"),
            ("0.001", "0.001"),
            ("0.0001", "1.0E-4"),
            ("0.00012", "1.2E-4"),
            ("1e-310", "1.0E-310"),
            ("9999999", "9999999.0"),
            ("12345678", "1.2345678E7"),
        ] {
            assert_eq!(f64::show(&f64::parse(given).unwrap()), shown, "{given}");
        }
    }

    /// Kafka 4.4.0 takes the same.
    #[test]
    fn throttled_replicas_are_pairs_or_all() {
        assert_eq!(ThrottledReplicas::parse("0:1, 1:1").as_deref(), Ok("0:1,1:1"));
        assert_eq!(ThrottledReplicas::parse(" , ").as_deref(), Ok(","));
        for text in ["x", "0", "0:", ":", "a:b", "-1:0", "0:1:2", "0:1,*", "*,*", "none"] {
            assert!(ThrottledReplicas::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_host_of_the_overrides_ends_at_the_last_colon() {
        let pairs = Vec::<(String, usize)>::parse(" [::1]:3 , ::2:4,").unwrap();
        assert_eq!(pairs, [("::1".to_string(), 3), ("::2".to_string(), 4)]);
        for text in ["localhost", ":4", "a:b", "a:-1"] {
            assert!(Vec::<(String, usize)>::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn each_version_of_kafka_names_the_magic_it_wrote() {
        for (version, magic) in [
            ("0.8.2", 0),
            ("0.9.0", 0),
            ("0.9.0.X", 0),
            ("0.10.0-IV1", 1),
            ("0.10.2", 1),
            ("0.11.0", 2),
            ("1.0", 2),
            ("3.0-IV1", 2),
            ("4.0", 2),
        ] {
            assert_eq!(MessageFormatVersion::parse(version), Ok(magic), "{version}");
        }
        for text in ["", "9", "0.7.2", "0.12", "5.0", "x.y"] {
            assert!(MessageFormatVersion::parse(text).is_err(), "{text}");
        }
    }
}
