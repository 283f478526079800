//! In the place of ZooKeeper's `/config/brokers`: the settings of the broker that were set while it
//! ran.
//!
//! ```text
//! 0                                            the version of the format
//! 2                                            how many lines follow
//! default log.retention.ms=86400000            of every broker without its own
//! broker num.io.threads=16 log.roll.ms=1000    of this broker
//! ```
//!
//! Names and values are [escaped](crate::registry::escaped_text). The passwords of keystores may be
//! among them: only the broker may read the file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::common::errors::KafkaError;
use crate::config::dynamic_config::{ConfigMap, DynamicConfigs};
use crate::registry::escaped_text::{parse_setting, push_settings};
use crate::registry::registry_file::{RegistryFile, list_head};
use crate::storage::files::checkpoint_file::CheckpointFile;

/// The registry's file, in the first log directory.
pub const BROKER_CONFIG_REGISTRY_FILE: &str = "broker_configs";

/// For a file that cannot be read, or whose settings are not valid.
const REMEDY: &str = "mend it, or put back a copy; if it is moved away, all settings of the broker \
                      that were set while it ran are lost";
/// The first word of a line.
const DEFAULT: &str = "default";
const BROKER: &str = "broker";

/// The settings, in memory and in a file. Every change is in the file before it is in memory.
#[derive(Debug)]
pub struct BrokerConfigRegistry {
    file: RegistryFile,
    configs: DynamicConfigs,
}

impl BrokerConfigRegistry {
    /// Reads the registry in the first of a broker's log directories. There is no file before the
    /// first setting is altered.
    ///
    /// # Errors
    /// `Corrupt` if the file is no registry; whatever the operating system reports, with the path.
    pub fn open_in(log_dirs: &[PathBuf]) -> Result<Self, KafkaError> {
        let configs = Self::read_in(log_dirs)?;
        let private = Self::file_in(log_dirs).secret();
        if configs.hold_secrets() {
            private.read(parse)?;
        }
        Ok(Self { file: private, configs })
    }

    /// The settings alone, for who must not change anything: the file is not closed to others.
    ///
    /// # Errors
    /// As [`open_in`](Self::open_in).
    pub fn read_in(log_dirs: &[PathBuf]) -> Result<DynamicConfigs, KafkaError> {
        Ok(Self::file_in(log_dirs).read(parse)?.unwrap_or_default())
    }

    fn file_in(log_dirs: &[PathBuf]) -> RegistryFile {
        RegistryFile::in_first(log_dirs, BROKER_CONFIG_REGISTRY_FILE, REMEDY)
    }

    pub fn configs(&self) -> &DynamicConfigs {
        &self.configs
    }

    /// The error for a file whose settings are not valid because of `why`.
    pub fn corrupt(&self, why: String) -> KafkaError {
        self.file.corrupt(why)
    }

    /// Replaces all settings.
    ///
    /// # Errors
    /// Whatever the operating system reports, and then nothing changed.
    pub fn replace(&mut self, configs: DynamicConfigs) -> Result<(), KafkaError> {
        self.file.replace(&print(&configs), || print(&self.configs))?;
        self.configs = configs;
        Ok(())
    }
}

fn print(configs: &DynamicConfigs) -> String {
    let lines = [(DEFAULT, &configs.of_all), (BROKER, &configs.of_broker)];
    let lines = lines.into_iter().filter(|(_, configs)| !configs.is_empty());
    let mut text = list_head(lines.clone().count());
    for (scope, configs) in lines {
        text.push_str(scope);
        push_settings(&mut text, configs);
        text.push('\n');
    }
    text
}

fn parse(text: &str, path: &Path) -> Result<DynamicConfigs, KafkaError> {
    let what = "list of the broker's settings";
    let mut scopes: BTreeMap<&str, ConfigMap> =
        CheckpointFile::read(text, path, what)?.entries("lines of settings", |line| {
            // What is in the line may be a secret.
            parse_scope(line).ok_or_else(|| "it is not a line of settings".to_string())
        })?;
    let mut take = |scope| scopes.remove(scope).unwrap_or_default();
    Ok(DynamicConfigs { of_all: take(DEFAULT), of_broker: take(BROKER) })
}

fn parse_scope(line: &str) -> Option<(&'static str, ConfigMap)> {
    let mut fields = line.split(' ');
    let first = fields.next()?;
    let scope = [DEFAULT, BROKER].into_iter().find(|it| *it == first)?;
    let mut configs = ConfigMap::new();
    for field in fields {
        let (name, value) = parse_setting(field)?;
        if configs.insert(name, value).is_some() {
            return None;
        }
    }
    (!configs.is_empty()).then_some((scope, configs))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use support::temp::TempDir;

    use super::*;

    fn map(pairs: &[(&str, &str)]) -> ConfigMap {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn any_settings_read_back_as_they_were_written() {
        let some = map(&[("log.retention.ms", "-1"), ("a b=c%\né", " , =\n")]);
        let other = map(&[("max.connections.per.ip.overrides", "")]);
        for configs in [
            DynamicConfigs::default(),
            DynamicConfigs { of_all: some.clone(), of_broker: other.clone() },
            DynamicConfigs { of_all: ConfigMap::new(), of_broker: some },
            DynamicConfigs { of_all: other, of_broker: ConfigMap::new() },
        ] {
            let text = print(&configs);
            let path = Path::new(BROKER_CONFIG_REGISTRY_FILE);
            assert_eq!(parse(&text, path).unwrap(), configs, "{text}");
        }
    }

    #[test]
    fn the_file_is_for_nobody_else_and_one_with_secrets_is_closed_to_others() {
        let dir = TempDir::new();
        let (dirs, path) =
            ([dir.path().to_path_buf()], dir.path().join(BROKER_CONFIG_REGISTRY_FILE));
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let of_broker = map(&[("listener.name.a.ssl.key.password", "hush")]);
        let configs = DynamicConfigs { of_broker, ..DynamicConfigs::default() };
        BrokerConfigRegistry::open_in(&dirs).unwrap().replace(configs.clone()).unwrap();
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(BrokerConfigRegistry::open_in(&dirs).unwrap().configs(), &configs);
        assert_eq!(mode(), 0o600);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_without_its_secrets() {
        let path = Path::new(BROKER_CONFIG_REGISTRY_FILE);
        let error = parse("0\n1\nbroker ssl.key.password=hush x\n", path).unwrap_err();
        assert!(!error.to_string().contains("hush"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_list_of_settings_is_recognized() {
        let path = Path::new(BROKER_CONFIG_REGISTRY_FILE);
        assert!(parse("0\n1\nbroker a=1\n", path).is_ok());
        for text in [
            "",
            "1\n0\n",
            "0\n",
            "0\n1\n",
            "0\n0\nbroker a=1\n",
            "0\n2\nbroker a=1\nbroker b=1\n",
            "0\n1\nbroker\n",
            "0\n1\nbroker a\n",
            "0\n1\nbroker a=1 a=2\n",
            "0\n1\nbroker  a=1\n",
            "0\n1\nbrokers a=1\n",
            "0\n1\nbroker a=%f\n",
        ] {
            assert!(parse(text, path).is_err(), "{text:?}");
        }
    }
}
