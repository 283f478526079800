//! What `transferto move-to-cluster` is asked for.

use std::path::PathBuf;

use crate::config::command_line::name_and_value;
use crate::config::help_text::HelpText;

pub const MOVE_TO_CLUSTER_HELP: &str = "\
transferto move-to-cluster: makes a single node, which is stopped, the first broker of a new cluster

Usage: transferto move-to-cluster broker.properties --controller-config FILE [options]

  broker.properties      the settings with which the broker is to start in the cluster, with the log.dirs
                         of the single node and process.roles=broker
  --controller-config FILE
                         the settings of a controller whose directory kafka-storage.sh has formatted and
                         which has not been started; may be repeated: each controller that votes from the
                         beginning is to be given
  --override name=value  sets one setting of the broker and prevails over the file; may be repeated
  --dry-run              says what would be moved, and changes nothing
  --help                 prints this text
  --version              prints the version

Nothing is copied: the logs stay where they are. Topics with their ids and settings, where each partition
lies, settings of the broker, ACLs, users of SCRAM, quotas and the next producer id are added to the
records with which the controllers begin; then the directory is given to the cluster. Records, offsets
and the offsets of groups are in the logs. If anything is wrong it says so, and nothing is changed; a run
that was interrupted is completed by another. What the single node kept in files of its own is renamed
to *.single-node: until the broker starts in the cluster, giving these their names back is the way back.

Examples:
  transferto move-to-cluster broker-1.properties --controller-config controller.properties --dry-run
      counts what would be moved
  transferto move-to-cluster broker-1.properties --controller-config c1.properties \\
      --controller-config c2.properties --controller-config c3.properties
      moves it into a cluster that begins with three controllers
";

/// What the arguments ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MoveToClusterRequest {
    /// Print [`MOVE_TO_CLUSTER_HELP`].
    Help,
    Version,
    Move(MoveToClusterOptions),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MoveToClusterOptions {
    /// Of the broker.
    pub properties: PathBuf,
    pub overrides: Vec<(String, String)>,
    /// At least one.
    pub controllers: Vec<PathBuf>,
    pub is_dry_run: bool,
}

impl MoveToClusterOptions {
    /// Parses the arguments that follow `move-to-cluster`.
    ///
    /// # Errors
    /// What is wrong and what to do, as one line for the terminal.
    pub fn parse(arguments: &[String]) -> Result<MoveToClusterRequest, String> {
        let mut options = Self::default();
        let mut properties = None;
        let mut arguments = arguments.iter().map(String::as_str);
        while let Some(argument) = arguments.next() {
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) if name.starts_with('-') => (name, Some(value)),
                _ => (argument, None),
            };
            match (name, value) {
                ("--help" | "-h", None) => return Ok(MoveToClusterRequest::Help),
                ("--version" | "-V", None) => return Ok(MoveToClusterRequest::Version),
                ("--dry-run", None) => options.is_dry_run = true,
                ("--dry-run", Some(_)) => return Err("`--dry-run` takes no value".to_string()),
                ("--override", value) => {
                    let pair = value.or_else(|| arguments.next()).unwrap_or_default();
                    options.overrides.push(name_and_value(pair)?);
                }
                ("--controller-config", value) => {
                    let file = value.or_else(|| arguments.next()).filter(|it| !it.is_empty());
                    let file =
                        file.ok_or("--controller-config needs the settings file of a controller")?;
                    options.controllers.push(PathBuf::from(file));
                }
                (option, _) if option.starts_with('-') => return Err(unknown(option)),
                (file, _) => {
                    if properties.replace(PathBuf::from(file)).is_some() {
                        return Err("two settings files are given; that of a controller follows \
                                    --controller-config"
                            .to_string());
                    }
                }
            }
        }
        options.properties = properties.ok_or(
            "no settings file is given: it is the one with which the broker is to start in the \
             cluster; move-to-cluster --help says more",
        )?;
        if options.controllers.is_empty() {
            return Err("no controller is given; write --controller-config controller.properties, with \
                        the settings of one whose directory is formatted; move-to-cluster --help says \
                        more"
                .to_string());
        }
        Ok(MoveToClusterRequest::Move(options))
    }
}

fn unknown(option: &str) -> String {
    // Kafka's tools have it for the file of settings.
    if ["--config", "-c"].contains(&option) {
        return "the settings file of the broker is given without an option, that of a controller by \
                --controller-config"
            .to_string();
    }
    let advice = HelpText(MOVE_TO_CLUSTER_HELP).advice_for(option);
    format!("unknown option `{option}`; {advice}move-to-cluster --help lists the options")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::help_text::HelpKind;

    fn parse(arguments: &[&str]) -> Result<MoveToClusterRequest, String> {
        MoveToClusterOptions::parse(&arguments.iter().map(|it| it.to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn the_file_and_the_options_may_stand_in_any_order() {
        let expected = MoveToClusterOptions {
            properties: "b.properties".into(),
            overrides: vec![("log.dirs".to_string(), "/a=b".to_string())],
            controllers: vec!["c1".into(), "c2".into()],
            is_dry_run: true,
        };
        for arguments in [
            &[
                "b.properties",
                "--controller-config",
                "c1",
                "--controller-config=c2",
                "--dry-run",
                "--override",
                "log.dirs=/a=b",
            ][..],
            &[
                "--dry-run",
                "--override=log.dirs=/a=b",
                "--controller-config=c1",
                "--controller-config",
                "c2",
                "b.properties",
            ],
        ] {
            assert_eq!(parse(arguments), Ok(MoveToClusterRequest::Move(expected.clone())));
        }
        assert_eq!(parse(&["b", "--help"]), Ok(MoveToClusterRequest::Help));
        assert_eq!(parse(&["-V"]), Ok(MoveToClusterRequest::Version));
    }

    #[test]
    fn the_help_lists_every_option_and_each_one_is_taken() {
        let rows = HelpText(MOVE_TO_CLUSTER_HELP).rows().filter(|it| it.kind == HelpKind::Option);
        let mut count = 0;
        for row in rows {
            let value = if row.takes.is_empty() { None } else { Some("a=b") };
            let rest = ["b.properties", "--controller-config=c"];
            let arguments: Vec<_> =
                [Some(row.name), value].into_iter().flatten().chain(rest).collect();
            assert!(parse(&arguments).is_ok(), "{}", row.name);
            count += 1;
        }
        assert_eq!(count, 5);
    }

    #[test]
    fn a_wrong_argument_is_reported_with_what_to_do() {
        for (arguments, advice) in [
            (&[][..], "no settings file is given"),
            (&["b.properties"], "no controller is given"),
            (&["a", "b", "--controller-config=c"], "two settings files"),
            (&["b", "--controller-config"], "needs the settings file"),
            (&["--config", "b"], "without an option"),
            (&["--controler-config=c", "b"], "did you mean `--controller-config`?"),
            (&["--dry-run=yes", "b"], "takes no value"),
            (&["--override", "x", "b"], "name=value"),
        ] {
            let error = parse(arguments).unwrap_err();
            assert!(error.contains(advice), "{error}");
        }
    }
}
