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
//! Values are escaped as the settings in the list of topics are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::common::errors::KafkaError;
use crate::config::dynamic_config::{ConfigMap, DynamicConfigs};
use crate::storage::files::checkpoint_file::{CURRENT_VERSION, CheckpointFile};
use crate::storage::files::escaped_text::{push_settings, unescape};
use crate::storage::files::file_io::{read_text, replace_atomically};

/// The registry's file, in the first log directory.
pub const BROKER_CONFIG_REGISTRY_FILE: &str = "broker_configs";

/// Said of a file that cannot be read, or whose settings cannot hold.
const REMEDY: &str = "mend it, or put back a copy; if it is moved away, all settings of the broker \
                      that were set while it ran are lost";
/// The first word of a line.
const DEFAULT: &str = "default";
const BROKER: &str = "broker";

/// The settings, in memory and in a file. Every change is in the file before it is in memory.
#[derive(Debug)]
pub struct BrokerConfigRegistry {
    path: PathBuf,
    configs: DynamicConfigs,
}

impl BrokerConfigRegistry {
    /// Reads the registry in the first of a broker's log directories. Where there is none, nobody
    /// has set anything yet.
    ///
    /// # Errors
    /// `Corrupt` if the file is no registry; whatever the operating system reports, with the path.
    pub fn open_in(log_dirs: &[PathBuf]) -> Result<Self, KafkaError> {
        let first = log_dirs.first().expect("a broker has at least one log directory");
        let path = first.join(BROKER_CONFIG_REGISTRY_FILE);
        let read =
            || read_text(&path)?.map_or(Ok(DynamicConfigs::default()), |text| parse(&text, &path));
        let configs = read().map_err(|error| error.with_remedy(REMEDY))?;
        Ok(Self { path, configs })
    }

    /// What is set.
    pub fn configs(&self) -> &DynamicConfigs {
        &self.configs
    }

    /// What is wrong with the file, whose settings cannot hold because of `why`.
    pub fn refuse(&self, why: String) -> KafkaError {
        KafkaError::Corrupt { file: self.path.clone(), position: 0, why }.with_remedy(REMEDY)
    }

    /// Puts other settings in the place of all.
    ///
    /// # Errors
    /// Whatever the operating system reports, and then nothing changed.
    pub fn replace(&mut self, configs: DynamicConfigs) -> Result<(), KafkaError> {
        replace_atomically(&self.path, &print(&configs), || print(&self.configs))?;
        self.configs = configs;
        Ok(())
    }
}

fn print(configs: &DynamicConfigs) -> String {
    let lines = [(DEFAULT, &configs.of_all), (BROKER, &configs.of_broker)];
    let lines = lines.into_iter().filter(|(_, configs)| !configs.is_empty());
    let mut text = format!("{CURRENT_VERSION}\n{}\n", lines.clone().count());
    for (scope, configs) in lines {
        text.push_str(scope);
        push_settings(&mut text, configs);
        text.push('\n');
    }
    text
}

fn parse(text: &str, path: &Path) -> Result<DynamicConfigs, KafkaError> {
    let what = "list of the broker's settings";
    let mut scopes: BTreeMap<&str, ConfigMap> = CheckpointFile::read(text, path, what)?
        .entries("lines of settings", |line| {
            parse_scope(line).ok_or_else(|| format!("{line:?} is no line of settings"))
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
        let (name, value) = field.split_once('=')?;
        let is_new = configs.insert(unescape(name)?, unescape(value)?).is_none();
        is_new.then_some(())?;
    }
    (!configs.is_empty()).then_some((scope, configs))
}

#[cfg(test)]
mod tests {
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
    fn what_is_no_list_of_settings_is_told_apart() {
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
