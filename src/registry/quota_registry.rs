//! In the place of ZooKeeper's `/config/clients` and `/config/users`: the quotas that were set while the broker ran.
//!
//! ```text
//! 0                                                          the version of the format
//! 5                                                          how many lines follow
//! default producer_byte_rate=1048576                         of each client id without its own
//! client my%20reader consumer_byte_rate=2048                 of one client id
//! default-user producer_byte_rate=4096                       of each user without its own
//! user alice client c producer_byte_rate=1024                of one client id of a user
//! user CN%3Da,O%3Db default producer_byte_rate=512           of each other client id of a user
//! ```
//!
//! Names are [escaped](crate::registry::escaped_text).

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::common::client_quota_entity::{ClientQuotaEntity, EntityName};
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
/// The words that begin the place of an entity: the default there, or a name that follows.
const USER: Words = Words { default: "default-user", named: "user" };
const CLIENT: Words = Words { default: "default", named: "client" };

struct Words {
    default: &'static str,
    named: &'static str,
}

/// The quotas by whom they are for. No entry is empty.
pub type ClientQuotas = BTreeMap<ClientQuotaEntity, ClientConfigOverride>;

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
    for (entity, quotas) in quotas {
        let user = entity.user.as_ref().map(|it| place(&USER, it));
        let client_id = entity.client_id.as_ref().map(|it| place(&CLIENT, it));
        let quotas = quotas.iter();
        let quotas =
            quotas.map(|(quota, bytes_per_second)| format!("{}={bytes_per_second}", quota.key()));
        let fields: Vec<String> = user.into_iter().chain(client_id).chain(quotas).collect();
        text.push_str(&fields.join(" "));
        text.push('\n');
    }
    text
}

fn place(words: &Words, name: &EntityName) -> String {
    match name {
        EntityName::Default => words.default.to_string(),
        EntityName::Named(name) => {
            let mut text = format!("{} ", words.named);
            push_escaped(&mut text, name);
            text
        }
    }
}

fn parse(text: &str, path: &Path) -> Result<ClientQuotas, KafkaError> {
    CheckpointFile::read(text, path, "list of quotas")?.entries("clients", |line| {
        parse_client(line).ok_or_else(|| format!("{line:?} is not a client and its quotas"))
    })
}

fn parse_client(line: &str) -> Option<(ClientQuotaEntity, ClientConfigOverride)> {
    let mut fields = line.split(' ').peekable();
    let entity = ClientQuotaEntity {
        user: parse_place(&USER, &mut fields)?,
        client_id: parse_place(&CLIENT, &mut fields)?,
    };
    let mut quotas = ClientConfigOverride::new();
    for field in fields {
        let (key, value) = field.split_once('=')?;
        let bytes_per_second = value.parse().ok().filter(|&it: &i64| it > 0)?;
        quotas.insert(QuotaType::for_key(key)?, bytes_per_second);
    }
    (entity != ClientQuotaEntity::default() && !quotas.is_empty()).then_some((entity, quotas))
}

/// What stands in the place that these words begin; inside, `None` if nothing does. `None` if a name
/// is missing or broken.
fn parse_place<'a>(
    words: &Words,
    fields: &mut Peekable<impl Iterator<Item = &'a str>>,
) -> Option<Option<EntityName>> {
    if fields.next_if_eq(&words.default).is_some() {
        return Some(Some(EntityName::Default));
    }
    if fields.next_if_eq(&words.named).is_none() {
        return Some(None);
    }
    Some(Some(EntityName::Named(unescape(fields.next()?)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_quota_reads_back_as_it_was_written() {
        let both = ClientConfigOverride::from([(QuotaType::Produce, 1), (QuotaType::Fetch, 2)]);
        let one = ClientConfigOverride::from([(QuotaType::Fetch, i64::MAX)]);
        let names =
            [None, Some(""), Some("default"), Some("client"), Some("a b=c%\né"), Some("x,y")];
        let mut quotas = ClientQuotas::new();
        for name in names {
            quotas.insert(ClientQuotaEntity::client_id(name), both.clone());
            quotas.insert(ClientQuotaEntity::user(name), one.clone());
            let of_user = |it| ClientQuotaEntity::user_and_client_id(name, it);
            quotas.extend(names.map(|it| (of_user(it), both.clone())));
        }
        assert_eq!(quotas.len(), 6 + 6 + 36);
        let text = print(&quotas);
        assert_eq!(parse(&text, Path::new(QUOTA_REGISTRY_FILE)).unwrap(), quotas, "{text}");
    }

    #[test]
    fn a_file_of_before_there_were_users_is_read() {
        let text = "0\n2\ndefault producer_byte_rate=1\nclient default consumer_byte_rate=2\n";
        let quotas = parse(text, Path::new(QUOTA_REGISTRY_FILE)).unwrap();
        let [default, named] = [None, Some("default")].map(ClientQuotaEntity::client_id);
        assert_eq!(quotas[&default], ClientConfigOverride::from([(QuotaType::Produce, 1)]));
        assert_eq!(quotas[&named], ClientConfigOverride::from([(QuotaType::Fetch, 2)]));
        assert_eq!(print(&quotas), text);
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
            "0\n1\nproducer_byte_rate=1\n",
            "0\n1\nuser producer_byte_rate=1\n",
            "0\n1\nuser a\n",
            "0\n1\nuser a user b producer_byte_rate=1\n",
            "0\n1\nclient a user b producer_byte_rate=1\n",
            "0\n1\ndefault-user client producer_byte_rate=1\n",
            "0\n1\nip 127.0.0.1 producer_byte_rate=1\n",
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
