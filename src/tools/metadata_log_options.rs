//! What `transferto metadata-log` is asked for.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::help_text::HelpText;
use crate::config::quorum_config::BootstrapServer;

/// Without `--timeout-ms`.
const TIMEOUT: Duration = Duration::from_secs(10);

pub const METADATA_LOG_HELP: &str = "\
transferto metadata-log: prints the metadata log of a running cluster, as kafka-dump-log.sh
--cluster-metadata-decoder prints it from the files of a controller

Usage: transferto metadata-log --bootstrap-controller HOST:PORT[,HOST:PORT]... [options]

  --bootstrap-controller LIST  controllers of the cluster, by the addresses of their listeners; one
                               that is alive is enough
  --command-config FILE        how to reach controllers by TLS or SASL, as Kafka's tools have it
  --follow                     goes on with what is committed later, until it is ended
  --skip-record-metadata       prints of a record its value alone
  --timeout-ms n               how long to wait for a controller that answers; 10000 without it
  --help                       prints this text
  --version                    prints the version

It reads as a broker does: as an observer, which fetches the log from the leader of the controllers,
does not vote, and is seen by nobody. It prints what is committed: first the newest snapshot, if the
log begins with one, then the batches behind it, each with its records, and ends where the log ended
when it was asked. What it waits for goes to the standard error; if no controller answers in time,
it ends with status 1. A log that is followed has all the time, once a controller has answered.
On a terminal control characters are escaped, elsewhere they are printed as they are.

Examples:
  transferto metadata-log --bootstrap-controller 127.0.0.1:9093
  transferto metadata-log --bootstrap-controller 127.0.0.1:9093 --follow --skip-record-metadata
      shows what the controllers decide, while they decide it
";

/// What the arguments ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataLogRequest {
    /// Print [`METADATA_LOG_HELP`].
    Help,
    Version,
    Print(MetadataLogOptions),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataLogOptions {
    /// At least one.
    pub controllers: Vec<BootstrapServer>,
    /// The file that says what secures the connections.
    pub command_config: Option<PathBuf>,
    pub follows: bool,
    pub skips_record_metadata: bool,
    /// How long to wait for a controller.
    pub timeout: Duration,
}

impl MetadataLogOptions {
    /// What is printed if nothing else is asked for.
    pub fn of(controllers: Vec<BootstrapServer>) -> Self {
        Self {
            controllers,
            command_config: None,
            follows: false,
            skips_record_metadata: false,
            timeout: TIMEOUT,
        }
    }

    /// Parses the arguments that follow `metadata-log`.
    ///
    /// # Errors
    /// What is wrong and what to do, as one line for the terminal.
    pub fn parse(arguments: &[String]) -> Result<MetadataLogRequest, String> {
        let mut options = Self::of(Vec::new());
        let mut arguments = arguments.iter().map(String::as_str);
        while let Some(argument) = arguments.next() {
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (argument, None),
            };
            match (name, value) {
                ("--help" | "-h", None) => return Ok(MetadataLogRequest::Help),
                ("--version" | "-V", None) => return Ok(MetadataLogRequest::Version),
                ("--follow", None) => options.follows = true,
                ("--skip-record-metadata", None) => options.skips_record_metadata = true,
                ("--follow" | "--skip-record-metadata", Some(_)) => {
                    return Err(format!("`{name}` takes no value"));
                }
                ("--bootstrap-controller", value) => {
                    let list = value.or_else(|| arguments.next()).unwrap_or_default();
                    options.controllers.extend(controllers(list)?);
                }
                ("--command-config", value) => {
                    let file = value.or_else(|| arguments.next()).filter(|it| !it.is_empty());
                    let file =
                        file.ok_or("--command-config needs a file such as client.properties")?;
                    options.command_config = Some(PathBuf::from(file));
                }
                ("--timeout-ms", value) => {
                    let text = value.or_else(|| arguments.next()).unwrap_or_default();
                    options.timeout = milliseconds(text)?;
                }
                _ => return Err(unknown(name)),
            }
        }
        if options.controllers.is_empty() {
            return Err(
                "no controller is given; write --bootstrap-controller 127.0.0.1:9093, with the address \
                 of a controller's listener; metadata-log --help says more"
                    .to_string(),
            );
        }
        Ok(MetadataLogRequest::Print(options))
    }
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_millis).map_err(|_| {
        format!("--timeout-ms needs a number of milliseconds such as 10000, not `{text}`")
    })
}

fn controllers(list: &str) -> Result<Vec<BootstrapServer>, String> {
    let addresses = list.split(',').map(str::trim).filter(|it| !it.is_empty());
    let parse = |text: &str| {
        BootstrapServer::parse(text).ok_or_else(|| {
            format!("--bootstrap-controller needs addresses such as 127.0.0.1:9093, not `{text}`")
        })
    };
    addresses.map(parse).collect()
}

fn unknown(argument: &str) -> String {
    if !argument.starts_with('-') {
        return format!(
            "`{argument}` is no option; a controller is given as --bootstrap-controller HOST:PORT, and \
             files are printed by dump-log"
        );
    }
    // Kafka's tools take a broker by it.
    if argument == "--bootstrap-server" {
        return "a broker does not have the metadata log; write --bootstrap-controller, with the address of a \
                controller's listener"
            .to_string();
    }
    let advice = HelpText(METADATA_LOG_HELP).advice_for(argument);
    format!("unknown option `{argument}`; {advice}metadata-log --help lists the options")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::help_text::HelpKind;

    fn parse(arguments: &[&str]) -> Result<MetadataLogRequest, String> {
        MetadataLogOptions::parse(&arguments.iter().map(|it| it.to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn controllers_may_be_given_in_one_list_or_in_several() {
        let server = |text| BootstrapServer::parse(text).unwrap();
        let expected = MetadataLogOptions {
            controllers: vec![server("a:1"), server("[::1]:2")],
            follows: true,
            ..MetadataLogOptions::of(Vec::new())
        };
        for arguments in [
            &["--bootstrap-controller", "a:1,[::1]:2", "--follow"][..],
            &["--follow", "--bootstrap-controller=a:1", "--bootstrap-controller", "[::1]:2"],
        ] {
            assert_eq!(parse(arguments), Ok(MetadataLogRequest::Print(expected.clone())));
        }
        assert_eq!(parse(&["--help"]), Ok(MetadataLogRequest::Help));
        assert_eq!(parse(&["-V"]), Ok(MetadataLogRequest::Version));
    }

    #[test]
    fn the_help_lists_every_option_and_each_one_is_taken() {
        let rows = HelpText(METADATA_LOG_HELP).rows().filter(|it| it.kind == HelpKind::Option);
        for row in rows {
            let value = match row.takes {
                "" => None,
                "n" => Some("1"),
                _ => Some("a:1"),
            };
            let controller = Some("--bootstrap-controller=b:2");
            let arguments: Vec<_> =
                [Some(row.name), value, controller].into_iter().flatten().collect();
            assert!(parse(&arguments).is_ok(), "{}", row.name);
        }
    }

    #[test]
    fn a_wrong_argument_is_reported_with_what_to_do() {
        for (arguments, advice) in [
            (&[][..], "no controller is given"),
            (&["--follow"], "no controller is given"),
            (&["--bootstrap-controller"], "no controller is given"),
            (&["--bootstrap-controller", "9093"], "not `9093`"),
            (&["--bootstrap-controller", "a:1,b:x"], "not `b:x`"),
            (&["--bootstrap-controler", "a:1"], "did you mean `--bootstrap-controller`?"),
            (&["--command-config"], "needs a file"),
            (&["--bootstrap-server", "a:1"], "a broker does not have the metadata log"),
            (&["--follow=yes"], "takes no value"),
            (&["--timeout-ms", "1s"], "not `1s`"),
            (&["a.log"], "dump-log"),
        ] {
            let error = parse(arguments).unwrap_err();
            assert!(error.contains(advice), "{error}");
        }
    }
}
