//! What `transferto add-scram` is asked for.

use std::path::PathBuf;

use crate::config::command_line::name_and_value;
use crate::config::help_text::HelpText;
use crate::security::scram::scram_parser::PerMechanismData;

pub const ADD_SCRAM_HELP: &str = "\
transferto add-scram: makes users of SCRAM while no broker runs, as kafka-storage.sh --add-scram does

Usage: transferto add-scram [server.properties] [options] MECHANISM=[name=USER,...]...

  server.properties      the broker's settings file: the users go to its first log directory
  --override name=value  sets one setting and prevails over the file; may be repeated
  --password-file FILE   has the password of the users that are given none; - is the standard input
  --help                 prints this text
  --version              prints the version

MECHANISM is SCRAM-SHA-256 or SCRAM-SHA-512. The brackets hold, with commas between them and in any
order: name, password, or in its place salt and saltedpassword in base64, and iterations, 4096 to
16384. A user that is there already gets the new password. What is on the command line can be seen by
others on this machine, and is in the history of the shell; the password in a file, on its first line,
is not.

While the broker runs it makes users itself:
  kafka-configs --bootstrap-server HOST:PORT --alter --entity-type users --entity-name USER \\
      --add-config 'SCRAM-SHA-256=[password=..]'

Examples:
  transferto add-scram server.properties --password-file - 'SCRAM-SHA-256=[name=admin]'
      reads the password from the standard input
  transferto add-scram server.properties 'SCRAM-SHA-512=[name=alice,password=alice-secret]'
";

/// What the arguments ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddScramRequest {
    /// Print [`ADD_SCRAM_HELP`].
    Help,
    Version,
    Add(AddScramOptions),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddScramOptions {
    pub properties: Option<PathBuf>,
    pub overrides: Vec<(String, String)>,
    /// `-` is the standard input.
    pub password_file: Option<PathBuf>,
    pub users: Vec<PerMechanismData>,
}

impl AddScramOptions {
    /// Parses the arguments that follow `add-scram`.
    ///
    /// # Errors
    /// What is wrong and what to do, as one line for the terminal, without a password.
    pub fn parse(arguments: &[String]) -> Result<AddScramRequest, String> {
        let mut options = Self::default();
        let mut arguments = arguments.iter().map(String::as_str);
        while let Some(argument) = arguments.next() {
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) if name.starts_with('-') => (name, Some(value)),
                _ => (argument, None),
            };
            match name {
                "--help" | "-h" => return Ok(AddScramRequest::Help),
                "--version" | "-V" => return Ok(AddScramRequest::Version),
                "--override" => {
                    let pair = value.or_else(|| arguments.next()).unwrap_or_default();
                    options.overrides.push(name_and_value(pair)?);
                }
                "--password-file" => {
                    let file = value.or_else(|| arguments.next()).filter(|it| !it.is_empty());
                    let file =
                        file.ok_or("--password-file needs a file, or - for the standard input")?;
                    options.password_file = Some(PathBuf::from(file));
                }
                option if option.starts_with('-') => {
                    let advice = HelpText(ADD_SCRAM_HELP).advice_for(option);
                    return Err(format!(
                        "unknown option `{option}`; {advice}add-scram --help lists the options"
                    ));
                }
                user if user.contains("=[") || user.to_ascii_uppercase().starts_with("SCRAM") => {
                    options.users.push(PerMechanismData::parse(user)?);
                }
                file => {
                    if options.properties.replace(PathBuf::from(file)).is_some() {
                        return Err(
                            "two settings files are given; give one, or use --override; a \
                                    user is MECHANISM=[name=USER,...]"
                                .to_string(),
                        );
                    }
                }
            }
        }
        if options.users.is_empty() {
            return Err(
                "no user is given; write 'SCRAM-SHA-256=[name=alice]'; add-scram --help says \
                        more"
                    .to_string(),
            );
        }
        Ok(AddScramRequest::Add(options))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::help_text::HelpKind;

    fn parse(arguments: &[&str]) -> Result<AddScramRequest, String> {
        AddScramOptions::parse(&arguments.iter().map(|it| it.to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn the_file_the_options_and_the_users_may_stand_in_any_order() {
        let user = "SCRAM-SHA-256=[name=a,password=hush]";
        let expected = AddScramOptions {
            properties: Some("s.properties".into()),
            overrides: vec![("log.dirs".to_string(), "/a=b".to_string())],
            password_file: Some("-".into()),
            users: vec![PerMechanismData::parse(user).unwrap(); 2],
        };
        for arguments in [
            [user, user, "s.properties", "--override", "log.dirs=/a=b", "--password-file", "-"],
            ["--password-file", "-", "--override", "log.dirs=/a=b", user, "s.properties", user],
        ] {
            assert_eq!(parse(&arguments), Ok(AddScramRequest::Add(expected.clone())));
        }
        let glued = ["--password-file=-", "--override=log.dirs=/a=b", user, user, "s.properties"];
        assert_eq!(parse(&glued), Ok(AddScramRequest::Add(expected)));
        assert_eq!(parse(&[user, "--help"]), Ok(AddScramRequest::Help));
        assert_eq!(parse(&["-V"]), Ok(AddScramRequest::Version));
    }

    #[test]
    fn the_help_lists_every_option_and_each_one_is_taken() {
        let rows = HelpText(ADD_SCRAM_HELP).rows().filter(|it| it.kind == HelpKind::Option);
        for row in rows {
            let value = if row.takes.is_empty() { None } else { Some("a=b") };
            let user = Some("SCRAM-SHA-256=[name=a]");
            let arguments: Vec<_> = [Some(row.name), value, user].into_iter().flatten().collect();
            assert!(parse(&arguments).is_ok(), "{}", row.name);
        }
    }

    #[test]
    fn a_wrong_argument_is_reported_with_what_to_do_and_without_a_password() {
        let user = "SCRAM-SHA-256=[name=a,password=hush]";
        for (arguments, advice) in [
            (&[][..], "no user is given"),
            (&["s.properties"], "no user is given"),
            (&["a", "b", user], "two settings files"),
            (&["--pasword-file", "-", user], "did you mean `--password-file`?"),
            (&["--password-file"], "needs a file"),
            (&["--password=hush", user], "unknown option `--password`"),
            (&["--override", "hush"], "name=value"),
            (&["scram-sha-256=[name=a,password=hush]"], "not supported"),
            (&["PLAIN=[name=a,password=hush]"], "PLAIN is not supported"),
            (&["SCRAM-SHA-256=[name=a,pasword=hush]"], "there are name, password, salt"),
        ] {
            let error = parse(arguments).unwrap_err();
            assert!(error.contains(advice), "{error}");
            assert!(!error.contains("hush") || advice == "name=value", "{error}");
        }
    }
}
