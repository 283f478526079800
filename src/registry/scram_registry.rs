//! In the place of ZooKeeper's `/config/users`: what the broker keeps of the passwords of SCRAM.
//!
//! ```text
//! 0                                                          the version of the format
//! 2                                                          how many credentials follow
//! alice SCRAM-SHA-256 salt=..,stored_key=..,server_key=..,iterations=4096
//! my%20user SCRAM-SHA-512 salt=..,stored_key=..,server_key=..,iterations=8192
//! ```
//!
//! Users are [escaped](crate::registry::escaped_text); the credential is what Kafka had in ZooKeeper.
//! Beside it stands the key of the decoys, as soon as there is a user. Only the broker may read the two.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::common::errors::KafkaError;
use crate::registry::escaped_text::{push_escaped, unescape};
use crate::registry::registry_file::{RegistryFile, list_head};
use crate::security::scram::scram_credential::ScramCredential;
use crate::security::scram::scram_credential_utils::{
    credential_from_string, credential_to_string,
};
use crate::security::scram::scram_decoys::DecoyKey;
use crate::security::scram::scram_mechanism::{ScramCredentials, ScramMechanism};
use crate::storage::files::checkpoint_file::{CURRENT_VERSION, CheckpointFile};

/// The registry's file, in the first log directory.
pub const SCRAM_REGISTRY_FILE: &str = "scram_credentials";

/// For a file that cannot be read.
const REMEDY: &str = "mend it, or put back a copy; if it is moved away, no user of SCRAM can log in \
                      until `transferto add-scram` has made one";

/// What users that there are not are asked to prove, in the first log directory.
pub const SCRAM_DECOYS_FILE: &str = "scram_decoys";

/// For that file.
const DECOYS_REMEDY: &str = "move it away: a new one is made, and who has noted what unknown users were \
                             asked before can tell them from users that there are";

/// All credentials, in memory and in a file. Every change is in the file before it is in memory.
#[derive(Debug)]
pub struct ScramRegistry {
    file: RegistryFile,
    credentials: Arc<ScramCredentials>,
    decoys_file: RegistryFile,
    decoy_key: DecoyKey,
    /// Whether the key is in its file.
    is_key_kept: bool,
}

impl ScramRegistry {
    /// Reads the registry in the first of a broker's log directories. There is no file before the
    /// first user is made.
    ///
    /// # Errors
    /// `Corrupt` if the file is no registry; whatever the operating system reports, with the path.
    pub fn open_in(log_dirs: &[PathBuf]) -> Result<Self, KafkaError> {
        let file = RegistryFile::in_first(log_dirs, SCRAM_REGISTRY_FILE, REMEDY).secret();
        let credentials = Arc::new(file.read(parse)?.unwrap_or_default());
        let decoys_file =
            RegistryFile::in_first(log_dirs, SCRAM_DECOYS_FILE, DECOYS_REMEDY).secret();
        let kept = decoys_file.read(parse_decoy_key)?;
        let decoy_key = kept.map_or_else(DecoyKey::random, Ok);
        let decoy_key =
            decoy_key.map_err(|_| io::Error::other("the system has no random numbers"))?;
        let is_key_kept = kept.is_some();
        let mut registry = Self { file, credentials, decoys_file, decoy_key, is_key_kept };
        if !registry.credentials.is_empty() {
            registry.keep_decoy_key()?;
        }
        Ok(registry)
    }

    /// The credentials alone, for who must not change anything: no file is made, and none closed to others.
    ///
    /// # Errors
    /// As [`open_in`](Self::open_in).
    pub fn read_in(log_dirs: &[PathBuf]) -> Result<ScramCredentials, KafkaError> {
        let file = RegistryFile::in_first(log_dirs, SCRAM_REGISTRY_FILE, REMEDY);
        Ok(file.read(parse)?.unwrap_or_default())
    }

    /// What decoys are to be derived from.
    pub fn decoy_key(&self) -> DecoyKey {
        self.decoy_key
    }

    fn keep_decoy_key(&mut self) -> io::Result<()> {
        if !self.is_key_kept {
            let text = format!("{CURRENT_VERSION}\n{}\n", self.decoy_key.to_base64());
            self.decoys_file.write(&text)?;
            self.is_key_kept = true;
        }
        Ok(())
    }

    pub fn credentials(&self) -> &Arc<ScramCredentials> {
        &self.credentials
    }

    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The files that it keeps once there is a user.
    pub fn paths(&self) -> [&Path; 2] {
        [self.file.path(), self.decoys_file.path()]
    }

    /// Replaces all credentials.
    ///
    /// # Errors
    /// Whatever the operating system reports, and then nothing changed.
    pub fn replace(&mut self, mut credentials: ScramCredentials) -> Result<(), KafkaError> {
        credentials.retain(|_, of_user| !of_user.is_empty());
        self.keep_decoy_key()?;
        self.file.replace(&print(&credentials), || print(&self.credentials))?;
        self.credentials = Arc::new(credentials);
        Ok(())
    }
}

fn print(credentials: &ScramCredentials) -> String {
    let mut text = list_head(credentials.values().map(BTreeMap::len).sum());
    for (user, of_user) in credentials {
        for (mechanism, credential) in of_user {
            push_escaped(&mut text, user);
            text.push_str(&format!(" {mechanism} {}\n", credential_to_string(credential)));
        }
    }
    text
}

/// An error quotes no line: whoever reads the log is not whom the keys are for.
fn parse(text: &str, path: &Path) -> Result<ScramCredentials, KafkaError> {
    let version = text.lines().next().unwrap_or_default();
    if version.trim() != CURRENT_VERSION {
        let why = format!("its first line is not {CURRENT_VERSION}, the version of the format");
        return Err(KafkaError::Corrupt { file: path.to_path_buf(), position: 0, why });
    }
    let lines = CheckpointFile::read(text, path, "list of credentials")?
        .entries("credentials", parse_credential)?;
    let mut credentials = ScramCredentials::new();
    for ((user, mechanism), credential) in lines {
        credentials.entry(user).or_default().insert(mechanism, credential);
    }
    Ok(credentials)
}

fn parse_decoy_key(text: &str, path: &Path) -> Result<DecoyKey, KafkaError> {
    let mut lines = text.lines();
    let key = match (lines.next(), lines.next(), lines.next()) {
        (Some(CURRENT_VERSION), Some(key), None) => DecoyKey::from_base64(key),
        _ => None,
    };
    key.ok_or_else(|| {
        let why = "it is not the key of the decoys".to_string();
        KafkaError::Corrupt { file: path.to_path_buf(), position: 0, why }
    })
}

fn parse_credential(line: &str) -> Result<((String, ScramMechanism), ScramCredential), String> {
    let fields: Vec<_> = line.split(' ').collect();
    let [user, mechanism, credential] = fields[..] else {
        return Err(
            "a line is not a user, a mechanism and a credential with a space between".into()
        );
    };
    let user = unescape(user).filter(|it| !it.is_empty());
    let user = user.ok_or("the first word of a line is no escaped name of a user")?;
    let mechanism = ScramMechanism::for_mechanism_name(mechanism);
    let mechanism = mechanism.ok_or("the second word of a line is no mechanism of SCRAM")?;
    let credential = credential_from_string(credential)?;
    mechanism.check(&credential)?;
    Ok(((user, mechanism), credential))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the right size, and quickly made.
    fn credential(mechanism: ScramMechanism, byte: u8) -> ScramCredential {
        let key = vec![byte; mechanism.hash_bytes()];
        ScramCredential {
            salt: b"salt".to_vec(),
            stored_key: key.clone(),
            server_key: key,
            iterations: 4096,
        }
    }

    #[test]
    fn any_credential_reads_back_as_it_was_written() {
        let all = ScramMechanism::ALL.map(|it| (it, credential(it, 7)));
        let one = [(ScramMechanism::ScramSha512, credential(ScramMechanism::ScramSha512, 8))];
        let credentials = ScramCredentials::from([
            ("alice".to_string(), BTreeMap::from(all)),
            ("a b=c%\n\u{e9},".to_string(), BTreeMap::from(one)),
        ]);
        let text = print(&credentials);
        assert_eq!(parse(&text, Path::new(SCRAM_REGISTRY_FILE)).unwrap(), credentials);
    }

    #[test]
    fn a_damaged_file_is_recognized_and_its_keys_are_not_shown() {
        let text = |line: &str| format!("0\n1\n{line}\n");
        let [sha256, sha512] =
            ScramMechanism::ALL.map(|it| credential_to_string(&credential(it, 201)));
        let key = "ycnJycnJ";
        assert!(sha256.contains(key) && sha512.contains(key));
        for (text, why) in [
            (String::new(), "its first line is not 0"),
            (format!("alice SCRAM-SHA-256 {sha256}\n"), "its first line is not 0"),
            (format!("0\nalice SCRAM-SHA-256 {sha256}\n"), "the number of credentials is missing"),
            (format!("0\n2\nalice SCRAM-SHA-256 {sha256}\n"), "expected 2 credentials, found 1"),
            (text(&format!("alice SCRAM-SHA-256  {sha256}")), "not a user, a mechanism"),
            (text(&format!(" SCRAM-SHA-256 {sha256}")), "no escaped name"),
            (text(&format!("al%f SCRAM-SHA-256 {sha256}")), "no escaped name"),
            (text(&format!("alice SCRAM-SHA-1 {sha256}")), "no mechanism of SCRAM"),
            (text(&format!("alice SCRAM-SHA-256 {}", &sha256[1..])), "has no salt"),
            (text(&format!("alice SCRAM-SHA-256 {sha512}")), "32 bytes"),
            (text(&format!("alice SCRAM-SHA-512 {sha256}")), "64 bytes"),
            (text(&format!("alice SCRAM-SHA-256 {}1", sha256)), "at most 16384"),
            (
                text(&format!("alice SCRAM-SHA-256 {}", sha256.replace("4096", "-1"))),
                "at least 4096",
            ),
        ] {
            let error = parse(&text, Path::new(SCRAM_REGISTRY_FILE)).unwrap_err().to_string();
            assert!(error.contains(why), "{why}: {error}");
            assert!(error.contains(SCRAM_REGISTRY_FILE) && !error.contains(key), "{error}");
        }
    }
}
