//! What `--check` says of a file of settings and of a command line, without a broker.

use std::path::Path;

use crate::config::config_reader::{Reading, examine_file};
use crate::config::kafka_config::KafkaConfig;

/// What a check finds. Nothing is opened but the file of settings, and files that it names.
#[derive(Debug)]
pub struct SettingsCheck {
    /// What the settings come to; empty if there are errors.
    pub findings: String,
    /// A sentence each.
    pub warnings: Vec<String>,
    /// Everything that keeps a broker from starting; each says what, where and what is allowed.
    pub errors: Vec<String>,
}

/// What only a start shows.
const NOT_CHECKED: &str = "
Not checked, because only a start shows it:
  whether the ports are free, and whether the names of hosts are known here;
  whether the log directories can be made, written and locked, and whose they are;
  whether what lies in them can be read;
  whether the controllers of its cluster can be reached, and take it, with `process.roles=broker`;
  whether the kernel takes over connections with TLS, as `transferto.ktls=required` has it;
  what kafka-configs has set there while a broker ran, which prevails over these settings.
";

impl SettingsCheck {
    /// Reads the settings as a start does. If they are valid, `check_files` says what is wrong with the
    /// files that they name, and adds its warnings to the others.
    pub fn of(
        file: Option<&Path>,
        overrides: &[(String, String)],
        check_files: impl FnOnce(&KafkaConfig, &mut Vec<String>) -> Vec<String>,
    ) -> Self {
        let Reading { config, mut warnings } = examine_file(file, overrides);
        let config = match config {
            Ok(config) => config,
            Err(errors) => {
                let errors = errors.iter().map(ToString::to_string).collect();
                return Self { findings: String::new(), warnings, errors };
            }
        };
        let errors = check_files(&config, &mut warnings);
        if !errors.is_empty() {
            return Self { findings: String::new(), warnings, errors };
        }
        let what = match file {
            Some(file) => format!("{} is valid", file.display()),
            None => "The settings are valid".to_string(),
        };
        let differing = config.settings_to_show();
        let lines = differing.iter().map(|(name, value)| format!("  {name}={value}\n"));
        let used = match differing.is_empty() {
            true => "Every setting has its default.\n".to_string(),
            false => {
                format!("Settings that differ from their defaults:\n{}", lines.collect::<String>())
            }
        };
        let findings = format!("{what}: a broker would accept every setting.\n{used}{NOT_CHECKED}");
        Self { findings, warnings, errors }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use support::temp::TempDir;

    use super::*;

    #[test]
    fn a_good_file_is_shown_as_a_broker_would_take_it() {
        let dir = TempDir::new();
        let file = dir.join("a.properties");
        fs::write(&file, "port=1\nnum.io.threads=8\nmin.insync.replicas=2\n").unwrap();
        let overrides = [("log.dirs".to_string(), "/data".to_string())];
        let SettingsCheck { findings, warnings, errors } =
            SettingsCheck::of(Some(&file), &overrides, |_, _| Vec::new());
        assert!(findings.starts_with(&format!("{} is valid: ", file.display())), "{findings}");
        let used = "defaults:\n  listeners=PLAINTEXT://127.0.0.1:1\n  port=1\n  log.dirs=/data\n  \
                    min.insync.replicas=2\n\nNot checked";
        assert!(findings.contains(used), "{findings}");
        assert!(warnings.len() == 1 && errors.is_empty(), "{warnings:?} {errors:?}");
        assert!(
            SettingsCheck::of(None, &[], |_, _| Vec::new())
                .findings
                .contains("Every setting has its default")
        );
    }

    #[test]
    fn every_error_is_listed_with_its_place() {
        let dir = TempDir::new();
        let file = dir.join("a.properties");
        fs::write(&file, "prot=1\nsecurity.providers=a.B\nlog.dirs=~/x\n").unwrap();
        let SettingsCheck { findings, errors, .. } =
            SettingsCheck::of(Some(&file), &[], |_, _| panic!("there are no settings"));
        assert!(findings.is_empty() && errors.len() == 3, "{errors:?}");
        for (i, (error, advice)) in
            errors.iter().zip(["did you mean `port`", "remove the setting", "`./~/x`"]).enumerate()
        {
            assert!(error.contains(&format!("a.properties, line {}: ", i + 1)), "{error}");
            assert!(error.contains(advice), "{error}");
        }
    }

    #[test]
    fn what_is_wrong_with_files_is_an_error_like_others() {
        let SettingsCheck { findings, errors, .. } =
            SettingsCheck::of(None, &[], |config, _| vec![config.listeners[0].to_string()]);
        assert_eq!((&*findings, errors), ("", vec!["PLAINTEXT://127.0.0.1:9092".to_string()]));
    }
}
