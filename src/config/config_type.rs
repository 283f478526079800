//! Port of `org.apache.kafka.common.config.ConfigDef.Type`: how the text of a setting becomes a
//! value, and back.

use std::fmt::Display;
use std::marker::PhantomData;
use std::path::PathBuf;

use crate::common::end_point::{EndPoint, ListenerName};
use crate::common::http_end_point::HttpEndPoint;
use crate::common::kafka_principal::KafkaPrincipal;
use crate::common::text::java_double;
use crate::config::limit::Limit;

/// A way to write a value in a `.properties` file.
///
/// Most values are their own kind: `impl Kind for i64`. A kind of its own is for a text that means
/// another type: Kafka's INT becomes the type that the code counts in, see [`Int`].
pub trait Kind {
    /// What the text becomes.
    type Value;
    /// Kafka's name of the kind, for the printed page and the clients.
    const NAME: &'static str;
    /// What may be written, as the end of the sentence "must be ...".
    const TAKES: &'static str;
    /// All that may be written, if that is a few words.
    const WORDS: &'static [&'static str] = &[];
    /// Whether an empty value is allowed, and means that the setting is not set.
    const IS_OPTIONAL: bool = false;

    /// The value of a trimmed text.
    ///
    /// # Errors
    /// What is wrong, as a sentence that begins with "must be".
    fn parse(text: &str) -> Result<Self::Value, String>;

    /// The text of a value, so that [`Kind::parse`] gives the value again.
    fn show(value: &Self::Value) -> String;

    /// The error for a text that is not one of them.
    fn must_be() -> String {
        format!("must be {}", Self::TAKES)
    }
}

/// Kafka's INT, held as the type in which the code counts. A row whose `T` is unsigned allows no
/// negative number, so every value that it allows fits.
#[derive(Debug)]
pub struct Int<T>(PhantomData<T>);

impl<T: TryFrom<i32> + Display> Kind for Int<T> {
    type Value = T;
    const NAME: &'static str = "int";
    const TAKES: &'static str = i32::TAKES;

    fn parse(text: &str) -> Result<T, String> {
        T::try_from(i32::parse(text)?).map_err(|_| "must not be negative".to_string())
    }

    fn show(value: &T) -> String {
        value.to_string()
    }
}

/// Kafka's LONG, held as the type in which the code counts: see [`Int`].
#[derive(Debug)]
pub struct Long<T>(PhantomData<T>);

impl<T: TryFrom<i64> + Display> Kind for Long<T> {
    type Value = T;
    const NAME: &'static str = "long";
    const TAKES: &'static str = i64::TAKES;

    fn parse(text: &str) -> Result<T, String> {
        T::try_from(i64::parse(text)?).map_err(|_| "must not be negative".to_string())
    }

    fn show(value: &T) -> String {
        value.to_string()
    }
}

/// A number, or -1 for none.
#[derive(Debug)]
pub struct UnlessMinusOne<K>(PhantomData<K>);

impl<K: Kind> Kind for UnlessMinusOne<K> {
    type Value = Option<K::Value>;
    const NAME: &'static str = K::NAME;
    const TAKES: &'static str = K::TAKES;

    fn parse(text: &str) -> Result<Self::Value, String> {
        if text.parse() == Ok(-1) { Ok(None) } else { K::parse(text).map(Some) }
    }

    fn show(value: &Self::Value) -> String {
        value.as_ref().map_or("-1".to_string(), K::show)
    }
}

impl Kind for Limit {
    type Value = Self;
    const NAME: &'static str = i64::NAME;
    const TAKES: &'static str = i64::TAKES;

    fn parse(text: &str) -> Result<Self, String> {
        i64::parse(text).map(Self::from)
    }

    fn show(value: &Self) -> String {
        value.to_string()
    }
}

/// The kinds that Rust's own `FromStr` and `Display` read and write.
macro_rules! plain_kinds {
    ($($type:ty, $name:literal, $takes:literal;)+) => { $(
        impl Kind for $type {
            type Value = $type;
            const NAME: &'static str = $name;
            const TAKES: &'static str = $takes;

            fn parse(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| Self::must_be())
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
    String, "string", "any text";
}

/// An enum whose variants are words of a setting.
macro_rules! words {
    ($(#[$about:meta])+ pub enum $enum:ident takes $takes:literal {
        $($(#[$doc:meta])* $variant:ident = $word:literal,)+
    }) => {
        $(#[$about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $enum { $($(#[$doc])* $variant,)+ }

        impl $crate::config::config_type::Kind for $enum {
            type Value = $enum;
            const NAME: &'static str = "string";
            const TAKES: &'static str = $takes;
            const WORDS: &'static [&'static str] = &[$($word),+];

            fn parse(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(Self::must_be()),
                }
            }

            fn show(value: &Self) -> String {
                value.to_string()
            }
        }

        impl std::fmt::Display for $enum {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self { $(Self::$variant => $word,)+ })
            }
        }
    };
}

pub(crate) use words;

impl Kind for f64 {
    type Value = f64;
    const NAME: &'static str = "double";
    const TAKES: &'static str = "a number";

    fn parse(text: &str) -> Result<f64, String> {
        text.parse().map_err(|_| Self::must_be())
    }

    fn show(value: &f64) -> String {
        java_double(*value)
    }
}

impl Kind for bool {
    type Value = bool;
    const NAME: &'static str = "boolean";
    const TAKES: &'static str = "true or false";
    const WORDS: &'static [&'static str] = &["true", "false"];

    /// Case does not matter, as in Kafka.
    fn parse(text: &str) -> Result<bool, String> {
        match text.to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(Self::must_be()),
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
    const WORDS: &'static [&'static str] = K::WORDS;
    const IS_OPTIONAL: bool = true;

    fn parse(text: &str) -> Result<Self::Value, String> {
        if text.is_empty() { Ok(None) } else { K::parse(text).map(Some) }
    }

    fn show(value: &Self::Value) -> String {
        value.as_ref().map(K::show).unwrap_or_default()
    }
}

impl Kind for HttpEndPoint {
    type Value = Self;
    const NAME: &'static str = "string";
    const TAKES: &'static str = "a port or host:port";

    fn parse(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }

    fn show(value: &Self) -> String {
        value.to_string()
    }
}

impl Kind for PathBuf {
    type Value = PathBuf;
    const NAME: &'static str = "string";
    const TAKES: &'static str = "a directory";

    fn parse(text: &str) -> Result<PathBuf, String> {
        path(text, "a directory")
    }

    fn show(value: &PathBuf) -> String {
        value.display().to_string()
    }
}

/// The path of a file that is there.
#[derive(Debug)]
pub struct FilePath;

impl Kind for FilePath {
    type Value = PathBuf;
    const NAME: &'static str = "string";
    const TAKES: &'static str = "a file";

    fn parse(text: &str) -> Result<PathBuf, String> {
        path(text, "a file")
    }

    fn show(value: &PathBuf) -> String {
        value.display().to_string()
    }
}

/// The path in `text` of `what` it must be.
fn path(text: &str, what: &str) -> Result<PathBuf, String> {
    let is_for_a_shell = ["~", "$"].iter().any(|it| text.starts_with(it)) || text.contains("${");
    if text.is_empty() {
        Err(format!("must be {what}"))
    } else if is_for_a_shell {
        // Taken as it is, it would be a directory of that name below the working directory.
        Err(format!(
            "must be a path as it is: `{text}` is for a shell to expand, and none reads it here; \
             {what} that is really called so is `./{text}`"
        ))
    } else {
        Ok(text.into())
    }
}

/// The path of a file as a URL, as Java's `file:/path` or `file:///path`.
#[derive(Debug)]
pub struct FileUrl;

impl Kind for FileUrl {
    type Value = String;
    const NAME: &'static str = "string";
    const TAKES: &'static str = "a file on this machine, as file:///path";

    fn parse(text: &str) -> Result<String, String> {
        match text.strip_prefix("file:") {
            Some(path) if path.starts_with('/') && !path.trim_start_matches('/').is_empty() => {
                Ok(text.to_string())
            }
            _ if text.starts_with("http:") || text.starts_with("https:") => Err(format!(
                "{}: keys are not fetched by HTTP here; have cron fetch them into a file",
                Self::must_be()
            )),
            _ => Err(Self::must_be()),
        }
    }

    fn show(value: &String) -> String {
        value.clone()
    }
}

/// Directories with commas between them.
impl Kind for Vec<PathBuf> {
    type Value = Self;
    const NAME: &'static str = "list";
    const TAKES: &'static str = "directories with commas between them";
    const IS_OPTIONAL: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        entries(text).map(PathBuf::parse).collect()
    }

    fn show(value: &Self) -> String {
        joined(value.iter().map(PathBuf::show))
    }
}

/// Words with commas between them.
impl Kind for Vec<String> {
    type Value = Self;
    const NAME: &'static str = "list";
    const TAKES: &'static str = "words with commas between them";
    const IS_OPTIONAL: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        Ok(entries(text).map(ToString::to_string).collect())
    }

    fn show(value: &Self) -> String {
        joined(value.iter().cloned())
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
        let principals: Self = principals.collect::<Option<_>>().ok_or_else(Self::must_be)?;
        // Kafka takes both for the name of one, who never comes.
        let holds_another = |it: &&KafkaPrincipal| {
            let is_another = |part: &str| {
                KafkaPrincipal::parse(part.trim())
                    .is_some_and(|other| other.principal_type == it.principal_type)
            };
            it.name.split(',').skip(1).any(is_another)
        };
        match principals.iter().find(holds_another) {
            Some(it) => {
                Err(format!("{}: `{it}` is one of them, with a comma in it", Self::must_be()))
            }
            None => Ok(principals),
        }
    }

    fn show(value: &Self) -> String {
        value.iter().map(KafkaPrincipal::to_string).collect::<Vec<_>>().join(";")
    }
}

/// The names that the authorizer had in three ages of Kafka, or nothing. No class is loaded: all
/// names mean `SimpleAclAuthorizer`.
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

/// `NAME:PROTOCOL,NAME:PROTOCOL`. To Kafka the whole is one string.
#[derive(Debug)]
pub struct SecurityProtocolMap;

impl Kind for SecurityProtocolMap {
    type Value = Vec<(ListenerName, String)>;
    const NAME: &'static str = "string";
    const TAKES: &'static str = "pairs such as INTERNAL:PLAINTEXT with commas between them; the \
                                 protocols are PLAINTEXT, SSL, SASL_PLAINTEXT and SASL_SSL";

    fn parse(text: &str) -> Result<Self::Value, String> {
        let pair = |entry: &str| {
            let (name, protocol) = entry.rsplit_once(':')?;
            let (name, protocol) = (name.trim(), protocol.trim().to_ascii_uppercase());
            let is_protocol =
                ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"].contains(&protocol.as_str());
            (is_protocol && !name.is_empty()).then(|| (ListenerName::normalised(name), protocol))
        };
        entries(text).map(|it| pair(it).ok_or_else(Self::must_be)).collect()
    }

    fn show(value: &Self::Value) -> String {
        joined(value.iter().map(|(name, protocol)| format!("{name}:{protocol}")))
    }
}

/// Names of listeners with commas between them.
impl Kind for Vec<ListenerName> {
    type Value = Self;
    const NAME: &'static str = "list";
    const TAKES: &'static str = "names of listeners with commas between them";
    const IS_OPTIONAL: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        Ok(entries(text).map(ListenerName::normalised).collect())
    }

    fn show(value: &Self) -> String {
        joined(value.iter().map(ListenerName::to_string))
    }
}

/// `host:n,host:n`. The host ends at the last colon, so it may be an IPv6 address. To Kafka the whole
/// is one string, not a list: an incremental change cannot append to it.
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

/// The entries of a list, trimmed, without the empty ones.
pub(super) fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|it| !it.is_empty())
}

pub(super) fn joined(entries: impl Iterator<Item = String>) -> String {
    entries.collect::<Vec<_>>().join(",")
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
        reads_back::<Int<u64>>("2147483647");
        reads_back::<Long<usize>>("9223372036854775807");
        reads_back::<UnlessMinusOne<Int<usize>>>("-1");
        reads_back::<UnlessMinusOne<Int<usize>>>("0");
        reads_back::<Limit>("-5");
        reads_back::<Limit>("0");
        reads_back::<i64>("9223372036854775807");
        reads_back::<bool>("false");
        reads_back::<f64>("0.5");
        reads_back::<f64>("1.7976931348623157E308");
        reads_back::<Option<i64>>("");
        reads_back::<Option<i64>>("7");
        reads_back::<Vec<PathBuf>>("/a,b/c");
        reads_back::<Vec<EndPoint>>("PLAINTEXT://:9092,TRACE://localhost:0");
        reads_back::<Vec<(String, usize)>>("127.0.0.1:0,::1:7");
    }

    #[test]
    fn booleans_are_read_in_either_case_and_nothing_else_is_a_boolean() {
        assert!(bool::parse("TRUE").unwrap());
        for text in ["1", "yes", ""] {
            assert_eq!(bool::parse(text).unwrap_err(), "must be true or false");
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

    #[test]
    fn a_host_of_the_overrides_ends_at_the_last_colon() {
        let pairs = Vec::<(String, usize)>::parse(" [::1]:3 , ::2:4,").unwrap();
        assert_eq!(pairs, [("::1".to_string(), 3), ("::2".to_string(), 4)]);
        for text in ["localhost", ":4", "a:b", "a:-1"] {
            assert!(Vec::<(String, usize)>::parse(text).is_err(), "{text}");
        }
    }

    /// Whatever type holds them, the bounds are Java's.
    #[test]
    fn a_number_beyond_kafkas_type_is_refused() {
        assert_eq!(Int::<u64>::parse("2147483648").unwrap_err(), Int::<u64>::must_be());
        assert_eq!(Long::<u64>::parse("9223372036854775808").unwrap_err(), Long::<u64>::must_be());
        assert_eq!(Int::<usize>::parse("-1").unwrap_err(), "must not be negative");
        assert!(UnlessMinusOne::<Int<usize>>::parse("-2").is_err());
    }
}
