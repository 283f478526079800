//! Port of `DumpLogSegments.DumpLogSegmentsOptions`: what `transferto dump-log` is asked for.

use std::path::PathBuf;

use crate::config::help_text::HelpText;

/// Kafka's default: 5 MiB.
const MAX_MESSAGE_SIZE: u64 = 5 * 1024 * 1024;
/// The only decoder there is, by its name and the one it had in Kafka before 4.0.
const STRING_DECODERS: [&str; 2] =
    ["org.apache.kafka.tools.api.StringDecoder", "kafka.serializer.StringDecoder"];
/// For topics that this broker does not have.
const DECODERS_WITHOUT_TOPIC: [&str; 3] =
    ["transaction-log-decoder", "remote-log-metadata-decoder", "share-group-state-decoder"];

pub const DUMP_LOG_HELP: &str = "\
transferto dump-log: prints what is in the files of a log, as Kafka's kafka-dump-log.sh does

Usage: transferto dump-log [options] FILE...

  FILE                    a file of a log: <offset>.log, .index, .timeindex or .snapshot,
                          or a snapshot of a metadata log, .checkpoint
  --files a,b             more of them, as Kafka's tool takes them
  --print-data-log        prints the keys and values of the records, too
  --deep-iteration        prints each record, not only each batch
  --skip-record-metadata  prints of a record its key and value alone
  --offsets-decoder       prints the records of __consumer_offsets as JSON
  --cluster-metadata-decoder  prints those of a controller's log as JSON
  --max-bytes n           reads only the first n bytes of a .log
  --verify-index-only     compares an index with its .log, and does not print it
  --index-sanity-check    only checks an index as the start of Kafka does
  --max-message-size n    the largest batch that an index may point to; 5242880 without it
  --help                  prints this text
  --version               prints the version

It only reads, also beside a running broker. What keeps a file from being read goes to the standard
error, and the next file follows. The exit status is 1 if that happened, and if damage was found:
`Found .. invalid bytes at the end`, `isvalid: false`, `Mismatches in` an index. Kafka's tool prints
the same lines and exits with 0. A batch that a broker is just writing may show as invalid bytes, too.
On a terminal the control characters in keys and values are escaped, elsewhere they are printed as
they are.

Examples:
  transferto dump-log --print-data-log data/post-0/00000000000000000000.log
";

/// What the arguments ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DumpLogRequest {
    /// Print [`DUMP_LOG_HELP`].
    Help,
    Version,
    Dump(DumpLogSegmentsOptions),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpLogSegmentsOptions {
    pub files: Vec<PathBuf>,
    pub prints_data_log: bool,
    pub is_deep_iteration: bool,
    /// Whether records are those of `__consumer_offsets`.
    pub decodes_offsets: bool,
    /// Whether records are those of `__cluster_metadata`.
    pub decodes_cluster_metadata: bool,
    pub verifies_index_only: bool,
    pub index_sanity_only: bool,
    pub skips_record_metadata: bool,
    pub max_message_size: u64,
    /// How much of a log is read; without it, all.
    pub max_bytes: Option<u64>,
}

impl DumpLogSegmentsOptions {
    /// What no argument has changed.
    fn new() -> Self {
        Self {
            files: Vec::new(),
            prints_data_log: false,
            is_deep_iteration: false,
            decodes_offsets: false,
            decodes_cluster_metadata: false,
            verifies_index_only: false,
            index_sanity_only: false,
            skips_record_metadata: false,
            max_message_size: MAX_MESSAGE_SIZE,
            max_bytes: None,
        }
    }

    /// For records of `__cluster_metadata` that come from elsewhere than a file.
    pub(crate) fn of_cluster_metadata(skips_record_metadata: bool) -> Self {
        Self {
            prints_data_log: true,
            is_deep_iteration: true,
            decodes_cluster_metadata: true,
            skips_record_metadata,
            ..Self::new()
        }
    }

    /// Parses the arguments that follow `dump-log`.
    ///
    /// # Errors
    /// What is wrong and what to do, as one line for the terminal.
    pub fn parse(arguments: &[String]) -> Result<DumpLogRequest, String> {
        let mut options = Self::new();
        let mut arguments = Arguments { rest: arguments };
        while let Some(argument) = arguments.next() {
            let Some(option) = argument.strip_prefix('-') else {
                options.files.push(PathBuf::from(argument));
                continue;
            };
            // One dash is as good as two, as for Kafka.
            let option = option.strip_prefix('-').unwrap_or(option);
            let (name, value) = match option.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (option, None),
            };
            match name {
                "help" | "h" => return Ok(DumpLogRequest::Help),
                "version" | "V" => return Ok(DumpLogRequest::Version),
                _ if options.take(name, value, &mut arguments)? => {}
                _ => {
                    let given = argument.split('=').next().unwrap_or_default();
                    let advice = HelpText(DUMP_LOG_HELP).advice_for(given);
                    return Err(format!(
                        "unknown option `{given}`; {advice}dump-log --help lists the options"
                    ));
                }
            }
        }
        if options.files.is_empty() {
            return Err("no file to dump; name one, or see dump-log --help".to_string());
        }
        options.prints_data_log |= options.decodes_offsets || options.decodes_cluster_metadata;
        options.is_deep_iteration |= options.prints_data_log;
        Ok(DumpLogRequest::Dump(options))
    }

    /// Takes an option with its value; false if there is no such option.
    fn take<'a>(
        &mut self,
        name: &str,
        value: Option<&'a str>,
        arguments: &mut Arguments<'a>,
    ) -> Result<bool, String> {
        match name {
            "files" => {
                let list = arguments.value(name, value)?;
                self.files.extend(list.split(',').filter(|it| !it.is_empty()).map(PathBuf::from));
            }
            "max-message-size" => self.max_message_size = arguments.size(name, value)?,
            "max-bytes" => {
                let bytes = arguments.size(name, value)?;
                // Kafka's default, which reads all.
                self.max_bytes = Some(bytes).filter(|&it| it != i32::MAX as u64);
            }
            "value-decoder-class" | "key-decoder-class" => {
                if let Some(class) = value.or_else(|| arguments.next_unless_option()) {
                    check_decoder(name, class)?;
                }
                self.prints_data_log = true;
            }
            "print-data-log" => set(&mut self.prints_data_log, name, value)?,
            "deep-iteration" => set(&mut self.is_deep_iteration, name, value)?,
            "offsets-decoder" => set(&mut self.decodes_offsets, name, value)?,
            "cluster-metadata-decoder" => set(&mut self.decodes_cluster_metadata, name, value)?,
            "verify-index-only" => set(&mut self.verifies_index_only, name, value)?,
            "index-sanity-check" => set(&mut self.index_sanity_only, name, value)?,
            "skip-record-metadata" => set(&mut self.skips_record_metadata, name, value)?,
            _ if DECODERS_WITHOUT_TOPIC.contains(&name) => {
                return Err(format!(
                    "--{name} is for a topic that this broker does not have; use Kafka's own \
                     kafka-dump-log.sh for the files of such a topic"
                ));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn set(option: &mut bool, name: &str, value: Option<&str>) -> Result<(), String> {
    if let Some(value) = value {
        return Err(format!("--{name} takes no value, and `{value}` is one"));
    }
    *option = true;
    Ok(())
}

fn check_decoder(name: &str, class: &str) -> Result<(), String> {
    if STRING_DECODERS.contains(&class) {
        return Ok(());
    }
    Err(format!(
        "--{name} {class}: this program cannot load a Java class; keys and values are printed as \
         UTF-8, as with {}",
        STRING_DECODERS[0]
    ))
}

/// The arguments that are left.
struct Arguments<'a> {
    rest: &'a [String],
}

impl<'a> Arguments<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// The next argument, if it can be the value of an option that may go without.
    fn next_unless_option(&mut self) -> Option<&'a str> {
        // A class, not the first file.
        let first = self.rest.first()?;
        let is_class = first.contains("Decoder") && !first.contains(['/', '-']);
        if is_class { self.next() } else { None }
    }

    fn value(&mut self, name: &str, value: Option<&'a str>) -> Result<&'a str, String> {
        value.or_else(|| self.next()).ok_or_else(|| format!("--{name} needs a value"))
    }

    fn size(&mut self, name: &str, value: Option<&'a str>) -> Result<u64, String> {
        let value = self.value(name, value)?;
        let size = value.parse::<i32>().ok().and_then(|it| u64::try_from(it).ok());
        size.ok_or_else(|| {
            format!("--{name} {value}: it takes a number of bytes from 0 to {}", i32::MAX)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::help_text::{HelpKind, HelpText};

    fn parse(arguments: &str) -> Result<DumpLogRequest, String> {
        let arguments: Vec<_> = arguments.split_whitespace().map(String::from).collect();
        DumpLogSegmentsOptions::parse(&arguments)
    }

    fn options(arguments: &str) -> DumpLogSegmentsOptions {
        match parse(arguments) {
            Ok(DumpLogRequest::Dump(options)) => options,
            other => panic!("{arguments}: {other:?}"),
        }
    }

    #[test]
    fn files_come_from_the_list_and_from_the_arguments() {
        let expected = ["a", "b", "c,d"].map(PathBuf::from);
        assert_eq!(options("--files a,b c,d").files, expected);
        assert_eq!(options("--files=a,b c,d").files, expected);
        assert_eq!(options("-files a,b c,d").files, expected);
    }

    /// The completions and the manual page are made from the help.
    #[test]
    fn the_help_lists_every_option_and_each_one_is_taken() {
        let rows: Vec<_> = HelpText(DUMP_LOG_HELP).rows().collect();
        assert!(rows.len() > 10, "{rows:?}");
        for row in rows.iter().filter(|it| it.kind == HelpKind::Option) {
            let value = if row.takes.is_empty() { "" } else { "1" };
            assert!(parse(&format!("{} {value} a", row.name)).is_ok(), "{}", row.name);
        }
        let source = include_str!("dump_log_segments_options.rs");
        let arms = source.split("fn take<").nth(1).unwrap().split("\nfn ").next().unwrap();
        let taken = arms.split('"').filter(|it| it.contains('-') && !it.contains(' '));
        // Those two take a class, which this program cannot load.
        for name in taken.filter(|it| !it.ends_with("-decoder-class")) {
            assert!(rows.iter().any(|it| it.name == format!("--{name}")), "{name}");
        }
    }

    #[test]
    fn what_prints_records_iterates_deeply() {
        let by = |arguments: &str| {
            let options = options(arguments);
            (options.prints_data_log, options.is_deep_iteration)
        };
        assert_eq!(by("a"), (false, false));
        assert_eq!(by("a --deep-iteration"), (false, true));
        for option in [
            "--print-data-log",
            "--offsets-decoder",
            "--cluster-metadata-decoder",
            "--value-decoder-class",
        ] {
            assert_eq!(by(&format!("{option} a")), (true, true), "{option}");
        }
        let with_class = options("--key-decoder-class kafka.serializer.StringDecoder a");
        assert_eq!(with_class.files, [PathBuf::from("a")]);
    }

    #[test]
    fn what_cannot_be_done_is_refused_with_what_to_do() {
        for (arguments, advice) in [
            ("", "--help"),
            ("a --nope", "`--nope`; dump-log --help"),
            ("-x a", "unknown option `-x`; dump-log --help"),
            ("a --print-data-lgo", "did you mean `--print-data-log`?"),
            ("a --files", "needs a value"),
            ("a --max-bytes -1", "from 0 to"),
            ("a --max-message-size 3000000000", "from 0 to"),
            ("a --print-data-log=yes", "takes no value"),
            ("a --value-decoder-class my.Decoder", "UTF-8"),
            ("a --value-decoder-class=my.Class", "UTF-8"),
            ("a --transaction-log-decoder", "kafka-dump-log.sh"),
        ] {
            let error = parse(arguments).unwrap_err();
            assert!(error.contains(advice), "{arguments}: {error}");
        }
        assert_eq!(parse("a --help"), Ok(DumpLogRequest::Help));
        assert_eq!(parse("--version"), Ok(DumpLogRequest::Version));
    }
}
