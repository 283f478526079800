//! Makes the first users of SCRAM: without one nobody can log in to make any. Kafka does it when it
//! formats the log directory.

use std::fs;
use std::io::Read;
use std::path::Path;

use crate::common::errors::KafkaError;
use crate::config::config_reader::examine_file;
use crate::registry::scram_registry::ScramRegistry;
use crate::security::scram::scram_mechanism::ScramCredentials;
use crate::storage::files::log_directory::{LOCK_FILE, create_directory, try_lock_directory};
use crate::tools::add_scram_options::AddScramOptions;
use crate::tools::owner::give_to_owner_of;

/// Of a file with a password.
const PASSWORD_FILE_BYTES_MAX: u64 = 64 * 1024;

/// Makes the users, and returns a line for each. `stdin` is what `-` stands for.
///
/// # Errors
/// Why no user was made, and what to do, each as a sentence.
pub fn add_scram(
    options: &AddScramOptions,
    stdin: &mut dyn Read,
) -> Result<Vec<String>, Vec<String>> {
    let config = examine_file(options.properties.as_deref(), &options.overrides).config;
    let config =
        config.map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let only = |error: String| vec![error];
    if config.joins_a_cluster() {
        return Err(only(
            "the users of a cluster are its controller's: make them by kafka-configs \
             --bootstrap-server HOST:PORT of any broker --alter --entity-type users --entity-name USER \
             --add-config 'SCRAM-SHA-256=[password=..]'"
                .to_string(),
        ));
    }
    let password = read_password(options, stdin).map_err(only)?;
    let mut made = Vec::new();
    for user in &options.users {
        let credential = user.to_credential(password.as_deref());
        made.push((user, credential.map_err(|why| vec![format!("{user:?}: {why}")])?));
    }
    let first = config.log_dirs.first().ok_or_else(|| only("log.dirs must be set".to_string()))?;
    let add = |credentials: &mut ScramCredentials| {
        let mut lines = Vec::new();
        for (user, credential) in made {
            let of_user = credentials.entry(user.name.clone()).or_default();
            let verb = match of_user.insert(user.mechanism, credential) {
                Some(_) => "replaced",
                None => "added",
            };
            lines.push(format!("{verb} {user:?}"));
        }
        lines
    };
    change(first, add).map_err(|error| only(error.to_string()))
}

/// The first line of the file that has the password, if a user needs it.
fn read_password(
    options: &AddScramOptions,
    stdin: &mut dyn Read,
) -> Result<Option<String>, String> {
    let Some(file) = &options.password_file else { return Ok(None) };
    if !options.users.iter().any(|it| it.needs_password()) {
        return Err(
            "--password-file is given, but every user has a password of its own".to_string()
        );
    }
    let mut text = String::new();
    let read = match file.as_os_str() == "-" {
        true => stdin.take(PASSWORD_FILE_BYTES_MAX).read_to_string(&mut text),
        false => fs::File::open(file)
            .and_then(|it| it.take(PASSWORD_FILE_BYTES_MAX).read_to_string(&mut text)),
    };
    read.map_err(|error| format!("cannot read the password from {}: {error}", file.display()))?;
    match text.lines().next().filter(|it| !it.is_empty()) {
        Some(password) => Ok(Some(password.to_string())),
        None => Err(format!("the first line of {} has no password", file.display())),
    }
}

/// Changes the credentials in the log directory `dir`, which no broker has meanwhile.
fn change(
    dir: &Path,
    change: impl FnOnce(&mut ScramCredentials) -> Vec<String>,
) -> Result<Vec<String>, KafkaError> {
    let dir = create_directory(dir)?;
    let Some(_lock) = try_lock_directory(&dir)? else {
        return Err(KafkaError::from(std::io::Error::other(format!(
            "a broker is running on {}: have it make the users, by kafka-configs --bootstrap-server \
             HOST:PORT --alter --entity-type users --entity-name USER --add-config \
             'SCRAM-SHA-256=[password=..]', or stop it first",
            dir.display()
        ))));
    };
    let mut registry = ScramRegistry::open_in(std::slice::from_ref(&dir))?;
    let mut credentials = ScramCredentials::clone(registry.credentials());
    let mut lines = change(&mut credentials);
    registry.replace(credentials)?;
    let lock = dir.join(LOCK_FILE);
    for made in registry.paths().into_iter().chain([lock.as_path()]) {
        give_to_owner_of(&dir, made)?;
    }
    lines.push(format!("the users are in {}", registry.path().display()));
    Ok(lines)
}
