//! Port of the argument handling of `kafka.Kafka`: the command line.

use std::path::{Path, PathBuf};

use crate::config::config_def::Setting;
use crate::config::help_text::{HelpText, plain, wrapped};
use crate::config::kafka_config::KafkaConfig;
use crate::config::secrets::first_word;
use crate::config::shell_completion::Shell;
use crate::config::unsupported::{Unsupported, UnsupportedRow};

pub const VERSION: &str = concat!("transferto ", env!("CARGO_PKG_VERSION"));

/// Of a line of [`settings`].
const LINE_CHARS_MAX: usize = 100;

pub const HELP: &str = "\
transferto: a broker that speaks Kafka's protocol and sends what consumers fetch with sendfile(2)

Usage: transferto [server.properties] [--override name=value]...
       transferto dump-log [options] FILE...
       transferto metadata-log --bootstrap-controller HOST:PORT [--follow]
       transferto add-scram [server.properties] [options] MECHANISM=[name=USER,...]...
       transferto move-to-cluster broker.properties --controller-config FILE [options]

  server.properties      a settings file, with Kafka's names; without it every setting has its default
  --override name=value  sets one setting and prevails over the file; may be repeated
  --check                says what is wrong with the settings, or what they come to, and starts nothing
  --settings             prints every setting with its default and its meaning
  --completion SHELL     prints a script by which bash, zsh or fish completes this command line
  --man                  prints the manual page, for example for: transferto --man | man -l -
  --help                 prints this text
  --version              prints the version
  dump-log FILE...       prints what is in the files of a log, as kafka-dump-log.sh does, and starts
                         no broker; see dump-log --help
  metadata-log ...       prints what the controllers of a running cluster have decided, and starts no
                         broker; see metadata-log --help
  add-scram USER...      makes users of SCRAM before the first start; see add-scram --help
  move-to-cluster FILE   makes a single node the first broker of a new cluster; see move-to-cluster
                         --help

Examples:
  transferto
      listens on 127.0.0.1:9092 and keeps its data in ./data
  transferto /etc/kafka/server.properties
      starts with Kafka's own file, of ZooKeeper mode or with process.roles=broker,controller; the
      settings that have no effect here are named in one warning, and with one that this broker
      does not support it does not start and says why
  transferto broker-1.properties
      joins, if the file has process.roles=broker, the cluster of Kafka's controllers that it names
  transferto --check server.properties
      says whether a broker would start with it, and exits with 0 or 1
  transferto --override port=19092 --override log.dirs=/var/lib/transferto
      listens on 127.0.0.1:19092 and keeps its data elsewhere

More or less logging: RUST_LOG=debug, RUST_LOG=warn; RUST_LOG=trace shows every step of a fetch
";

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandLine {
    Start {
        /// The settings file; without one every setting has its default.
        properties: Option<PathBuf>,
        /// Name and value of each `--override`, in their order. They prevail over the file.
        overrides: Vec<(String, String)>,
    },
    /// Only check what a start would read.
    Check { properties: Option<PathBuf>, overrides: Vec<(String, String)> },
    /// Print a script for this shell.
    Completion(Shell),
    /// Print the manual page.
    Man,
    /// Print [`HELP`].
    Help,
    /// Print [`settings`].
    Settings,
    /// Print [`VERSION`].
    Version,
    /// Print what is in the files of a log: the arguments that follow `dump-log`.
    DumpLog(Vec<String>),
    /// Print the metadata log of a cluster: the arguments that follow `metadata-log`.
    MetadataLog(Vec<String>),
    /// Make users of SCRAM: the arguments that follow `add-scram`.
    AddScram(Vec<String>),
    /// Make a single node a broker of a cluster: the arguments that follow `move-to-cluster`.
    MoveToCluster(Vec<String>),
}

impl CommandLine {
    /// Parses the arguments that follow the program's name.
    ///
    /// # Errors
    /// What is wrong and what to do, as one line for the terminal.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut arguments = arguments.into_iter().peekable();
        if arguments.next_if(|it| it == "dump-log").is_some() {
            return Ok(Self::DumpLog(arguments.collect()));
        }
        if arguments.next_if(|it| it == "metadata-log").is_some() {
            return Ok(Self::MetadataLog(arguments.collect()));
        }
        if arguments.next_if(|it| it == "add-scram").is_some() {
            return Ok(Self::AddScram(arguments.collect()));
        }
        if arguments.next_if(|it| it == "move-to-cluster").is_some() {
            return Ok(Self::MoveToCluster(arguments.collect()));
        }
        let mut properties: Option<PathBuf> = None;
        let mut overrides = Vec::new();
        let mut is_check = false;
        let mut printed: Option<(String, Self)> = None;
        while let Some(argument) = arguments.next() {
            if let Some(request) = print_request(&argument, &mut arguments)? {
                if let Some((other, _)) = printed.filter(|(_, it)| *it != request) {
                    return Err(format!("`{other}` and `{argument}` ask for two texts; give one"));
                }
                printed = Some((argument, request));
                continue;
            }
            match argument.as_str() {
                "--check" => is_check = true,
                "--override" => {
                    let pair = arguments.next().unwrap_or_default();
                    overrides.push(name_and_value(&pair)?);
                }
                option if option.starts_with("--override=") => {
                    overrides.push(name_and_value(&option["--override=".len()..])?);
                }
                option if option.starts_with('-') => {
                    let first = properties.as_deref().map(sub_command_meant).unwrap_or_default();
                    let advice = HelpText(HELP).advice_for(option);
                    return Err(format!(
                        "unknown option `{option}`; {first}{advice}--help lists the options"
                    ));
                }
                file => {
                    if let Some(first) = properties.replace(PathBuf::from(file)) {
                        return Err(format!(
                            "`{file}` is a second settings file after `{}`; {}give one, or use \
                             --override",
                            first.display(),
                            sub_command_meant(&first)
                        ));
                    }
                }
            }
        }
        if let Some((_, request)) = printed {
            return Ok(request);
        }
        if let Some(file) = properties.as_deref().filter(|it| !it.exists()) {
            let advice = sub_command_meant(file);
            if !advice.is_empty() {
                let file = file.display();
                return Err(format!("there is no file `{file}`; {advice}see --help"));
            }
        }
        Ok(match is_check {
            true => Self::Check { properties, overrides },
            false => Self::Start { properties, overrides },
        })
    }
}

/// What `argument` asks to be printed; none if it is for something else.
fn print_request(
    argument: &str,
    arguments: &mut impl Iterator<Item = String>,
) -> Result<Option<CommandLine>, String> {
    Ok(Some(match argument {
        "--help" | "-h" => CommandLine::Help,
        "--settings" => CommandLine::Settings,
        "--man" => CommandLine::Man,
        "--version" | "-V" => CommandLine::Version,
        "--completion" => {
            CommandLine::Completion(Shell::parse(&arguments.next().unwrap_or_default())?)
        }
        option => match option.strip_prefix("--completion=") {
            Some(shell) => CommandLine::Completion(Shell::parse(shell)?),
            None => return Ok(None),
        },
    }))
}

/// The question whether `file` was meant to be a sub-command; empty if it resembles none, or is a
/// path.
fn sub_command_meant(file: &Path) -> String {
    match file.to_string_lossy() {
        path if path.contains('/') => String::new(),
        word => HelpText(HELP).advice_for(&word),
    }
}

/// The settings of the broker, for a reader who has the binary and not the pages.
pub fn settings() -> String {
    let row = |it: &Setting| {
        let allowed = it.allowed_values();
        let (doc, takes) = (indented(it.doc), indented(&format!("takes: {allowed}")));
        format!("{}={}\n{doc}{takes}", it.name, it.default)
    };
    let rows: String = KafkaConfig::SETTINGS.iter().map(row).collect();
    let (without_effect, refused) = Unsupported::rows();
    let table = |rows: Vec<UnsupportedRow>| -> String {
        let row = |(names, why): &UnsupportedRow| {
            format!("{}{}", lines(&names.join(", "), ""), indented(why))
        };
        rows.iter().map(row).collect()
    };
    let (without_effect, refused) = (table(without_effect), table(refused));
    format!(
        "{rows}\nSettings of Kafka that have no effect here:\n{without_effect}\n\
         Settings of Kafka that stop the start:\n{refused}"
    )
}

fn indented(text: &str) -> String {
    lines(text, "    ")
}

/// The text without the marks of a page, in lines that begin with `indent`.
fn lines(text: &str, indent: &str) -> String {
    let width = LINE_CHARS_MAX - indent.len();
    wrapped(&plain(text), width).iter().map(|it| format!("{indent}{it}\n")).collect()
}

/// The value of `--override`.
pub(crate) fn name_and_value(pair: &str) -> Result<(String, String), String> {
    match pair.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_string(), value.trim().to_string()))
        }
        _ => Err(format!(
            "`{}` is not name=value; write --override name=value, such as num.io.threads=4",
            first_word(pair)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::help_text::HelpKind;

    fn parse(arguments: &[&str]) -> Result<CommandLine, String> {
        CommandLine::parse(arguments.iter().map(|it| it.to_string()))
    }

    #[test]
    fn no_argument_starts_with_the_defaults() {
        assert_eq!(parse(&[]), Ok(CommandLine::Start { properties: None, overrides: vec![] }));
    }

    #[test]
    fn the_file_and_the_overrides_may_stand_in_any_order() {
        let pair = |name: &str, value: &str| (name.to_string(), value.to_string());
        let expected = Ok(CommandLine::Start {
            properties: Some(PathBuf::from("a.properties")),
            overrides: vec![pair("log.dirs", "/a=b"), pair("host.name", "")],
        });
        let with = "--override";
        assert_eq!(parse(&["a.properties", with, "log.dirs=/a=b", with, "host.name="]), expected);
        assert_eq!(
            parse(&[with, "log.dirs=/a=b", "a.properties", "--override=host.name="]),
            expected
        );
    }

    #[test]
    fn help_and_version_are_answered_before_anything_is_started() {
        assert_eq!(parse(&["a.properties", "--help"]), Ok(CommandLine::Help));
        assert_eq!(parse(&["--version"]), Ok(CommandLine::Version));
        assert_eq!(parse(&["--settings"]), Ok(CommandLine::Settings));
        assert_eq!(parse(&["--help", "-h", "--check"]), Ok(CommandLine::Help));
        assert!(VERSION.starts_with("transferto 0."));
    }

    #[test]
    fn a_first_argument_that_is_a_sub_command_takes_all_others() {
        let others = ["--print-data-log", "--help", "a"].map(String::from).to_vec();
        assert_eq!(
            parse(&["dump-log", "--print-data-log", "--help", "a"]),
            Ok(CommandLine::DumpLog(others))
        );
        let user = "SCRAM-SHA-256=[name=a]".to_string();
        assert_eq!(parse(&["add-scram", &user]), Ok(CommandLine::AddScram(vec![user])));
        assert!(matches!(parse(&["./dump-log"]), Ok(CommandLine::Start { .. })));
    }

    #[test]
    fn a_check_takes_what_a_start_takes() {
        let expected = CommandLine::Check {
            properties: Some(PathBuf::from("a.properties")),
            overrides: vec![("port".to_string(), "1".to_string())],
        };
        for arguments in [
            ["--check", "a.properties", "--override", "port=1"],
            ["--override", "port=1", "a.properties", "--check"],
        ] {
            assert_eq!(parse(&arguments), Ok(expected.clone()));
        }
    }

    #[test]
    fn a_completion_is_for_a_shell_that_is_named() {
        assert_eq!(parse(&["--completion", "fish"]), Ok(CommandLine::Completion(Shell::Fish)));
        assert_eq!(parse(&["--completion=bash"]), Ok(CommandLine::Completion(Shell::Bash)));
        assert_eq!(parse(&["--man"]), Ok(CommandLine::Man));
    }

    /// The completions and the manual page are made from the help.
    #[test]
    fn the_help_lists_every_option_and_each_one_is_taken() {
        let rows: Vec<_> = HelpText(HELP).rows().collect();
        for row in rows.iter().filter(|it| it.kind == HelpKind::Option) {
            let value = match row.takes {
                "" => None,
                "SHELL" => Some("bash"),
                _ => Some("port=1"),
            };
            let arguments: Vec<_> = Some(row.name).into_iter().chain(value).collect();
            assert!(parse(&arguments).is_ok(), "{}", row.name);
        }
        let source = include_str!("command_line.rs").split("#[cfg(test)]").next().unwrap();
        let parsed = source.split("impl CommandLine").nth(1).unwrap();
        for option in parsed.split('"').filter(|it| it.starts_with("--") && !it.contains(' ')) {
            let name = option.trim_end_matches('=');
            assert!(rows.iter().any(|it| it.name == name), "--help does not list {option}");
        }
    }

    #[test]
    fn the_binary_itself_lists_the_settings_of_every_table() {
        let text = settings();
        for known in ["num.io.threads=8\n", "zookeeper.connect", "create.topic.policy.class.name"] {
            assert!(text.contains(known), "{known}");
        }
        let too_long = |it: &&str| it.chars().count() > LINE_CHARS_MAX && it.contains(", ");
        assert_eq!(text.lines().find(too_long), None);
        assert!(!text.contains("](") && !text.contains('`'), "a terminal shows no links");
    }

    #[test]
    fn a_wrong_argument_is_reported_with_what_to_do() {
        for (arguments, advice) in [
            (&["--overide", "a=b"][..], "did you mean `--override`? --help"),
            (&["--chekc"], "did you mean `--check`?"),
            (&["--zzzzzzzzzzzz"], "`--zzzzzzzzzzzz`; --help"),
            (&["dumplog"], "there is no file `dumplog`; did you mean `dump-log`?"),
            (&["help"], "did you mean `--help`?"),
            (&["dumplog", "x"], "did you mean `dump-log`?"),
            (&["dumplog", "--print-data-log"], "did you mean `dump-log`?"),
            (&["--settings", "--man"], "`--settings` and `--man` ask for two texts"),
            (&["--help", "--nope"], "unknown option `--nope`"),
            (&["--version", "a", "b"], "give one"),
            (&["--override"], "--override name=value"),
            (&["--override", "port"], "--override name=value"),
            (&["--override", "=1"], "--override name=value"),
            (&["a", "b"], "give one"),
            (&["--completion"], "bash, zsh or fish"),
            (&["--completion", "tcsh"], "bash, zsh or fish"),
        ] {
            let error = parse(arguments).unwrap_err();
            assert!(error.contains(advice), "{error}");
        }
    }
}
