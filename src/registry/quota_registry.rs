//! In the place of ZooKeeper's `/config/clients`: the quotas that were set while the broker ran.
//!
//! ```text
//! 0                                                          the version of the format
//! 2                                                          how many lines follow
//! default producer_byte_rate=1048576                         of each client without its own
//! client my%20reader consumer_byte_rate=2048                 of one client id
//! ```
//!
//! Client ids are [escaped](crate::registry::escaped_text).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::common::errors::KafkaError;
use crate::config::client_config_override::{ClientConfigOverride, QuotaType};
use crate::registry::escaped_text::{push_escaped, unescape};
use crate::registry::registry_file::{RegistryFile, list_head};
use crate::storage::files::checkpoint_file::CheckpointFile;

/// The registry's file, in the first log directory.
pub const QUOTA_REGISTRY_FILE: &str = "client_quotas";

/// For a file that cannot be read.
const REMEDY: &str = "mend it, or put back a copy; if it is moved away, all quotas that were set \
                      while the broker ran are lost";
/// The first word of a line.
const DEFAULT: &str = "default";
const CLIENT: &str = "client";

/// The quotas by client id; `None` is every client without its own. No entry is empty.
pub type ClientQuotas = BTreeMap<Option<String>, ClientConfigOverride>;

/// All quotas, in memory and in a file. Every change is in the file before it is in memory.
#[derive(Debug)]
pub struct QuotaRegistry {
    file: RegistryFile,
    quotas: Arc<ClientQuotas>,
}

impl QuotaRegistry {
    /// Reads the registry in the first of a broker's log directories. There is no file before the
    /// first quota is set.
    ///
    /// # Errors
    /// `Corrupt` if the file is no registry; whatever the operating system reports, with the path.
    pub fn open_in(log_dirs: &[PathBuf]) -> Result<Self, KafkaError> {
        let file = RegistryFile::in_first(log_dirs, QUOTA_REGISTRY_FILE, REMEDY);
        let quotas = Arc::new(file.read(parse)?.unwrap_or_default());
        Ok(Self { file, quotas })
    }

    pub fn quotas(&self) -> &Arc<ClientQuotas> {
        &self.quotas
    }

    /// Replaces all quotas.
    ///
    /// # Errors
    /// Whatever the operating system reports, and then nothing changed.
    pub fn replace(&mut self, mut quotas: ClientQuotas) -> Result<(), KafkaError> {
        quotas.retain(|_, it| !it.is_empty());
        self.file.replace(&print(&quotas), || print(&self.quotas))?;
        self.quotas = Arc::new(quotas);
        Ok(())
    }
}

fn print(quotas: &ClientQuotas) -> String {
    let mut text = list_head(quotas.len());
    for (client_id, quotas) in quotas {
        match client_id {
            None => text.push_str(DEFAULT),
            Some(client_id) => {
                text.push_str(CLIENT);
                text.push(' ');
                push_escaped(&mut text, client_id);
            }
        }
        for (quota, bytes_per_second) in quotas {
            text.push_str(&format!(" {}={bytes_per_second}", quota.key()));
        }
        text.push('\n');
    }
    text
}

fn parse(text: &str, path: &Path) -> Result<ClientQuotas, KafkaError> {
    CheckpointFile::read(text, path, "list of quotas")?.entries("clients", |line| {
        parse_client(line).ok_or_else(|| format!("{line:?} is not a client and its quotas"))
    })
}

fn parse_client(line: &str) -> Option<(Option<String>, ClientConfigOverride)> {
    let mut fields = line.split(' ');
    let client_id = match fields.next()? {
        DEFAULT => None,
        CLIENT => Some(unescape(fields.next()?)?),
        _ => return None,
    };
    let mut quotas = ClientConfigOverride::new();
    for field in fields {
        let (key, value) = field.split_once('=')?;
        let bytes_per_second = value.parse().ok().filter(|&it: &i64| it > 0)?;
        quotas.insert(QuotaType::for_key(key)?, bytes_per_second);
    }
    (!quotas.is_empty()).then_some((client_id, quotas))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_quota_reads_back_as_it_was_written() {
        let both = ClientConfigOverride::from([(QuotaType::Produce, 1), (QuotaType::Fetch, 2)]);
        let one = ClientConfigOverride::from([(QuotaType::Fetch, i64::MAX)]);
        let quotas = ClientQuotas::from([
            (None, both.clone()),
            (Some(String::new()), one.clone()),
            (Some("default".to_string()), both),
            (Some("a b=c%\né".to_string()), one),
        ]);
        let text = print(&quotas);
        assert_eq!(parse(&text, Path::new(QUOTA_REGISTRY_FILE)).unwrap(), quotas, "{text}");
    }

    #[test]
    fn a_file_that_is_no_list_of_quotas_is_recognized() {
        let path = Path::new(QUOTA_REGISTRY_FILE);
        assert!(parse("0\n1\nclient a producer_byte_rate=1\n", path).is_ok());
        for text in [
            "",
            "1\n0\n",
            "0\n",
            "0\n1\n",
            "0\n0\nclient a producer_byte_rate=1\n",
            "0\n1\nclient a\n",
            "0\n1\nclient\n",
            "0\n1\nuser a producer_byte_rate=1\n",
            "0\n1\nclient a request_percentage=1\n",
            "0\n1\nclient a producer_byte_rate=0\n",
            "0\n1\nclient a producer_byte_rate=1.5\n",
            "0\n1\nclient a producer_byte_rate\n",
            "0\n1\nclient a%f producer_byte_rate=1\n",
        ] {
            assert!(parse(text, path).is_err(), "{text:?}");
        }
    }
}
