//! Port of `org.apache.kafka.common.security.oauthbearer.internals.secured.JwksFileVerificationKeyResolver`:
//! the keys of those who sign tokens, in a file. Kafka's reads it once; here it is read again when it
//! has changed, as Kafka does with keys that it fetches.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use log::{info, warn};

use crate::common::lock::locked;
use crate::common::text::counted;
use crate::security::oauthbearer::json_web_key::JsonWebKey;

/// No set of keys is larger.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// A token with an unknown key has the file looked at no more often than this: anybody can send one.
const UNKNOWN_KEY_INTERVAL_MS: i64 = 1000;

/// A file of keys.
pub struct JwksFile {
    path: PathBuf,
    refresh_ms: i64,
    state: Mutex<State>,
}

struct State {
    keys: Arc<Vec<JsonWebKey>>,
    stamp: Stamp,
    looked_at_ms: i64,
}

/// When a file was changed last, and its size.
type Stamp = (Option<SystemTime>, u64);

impl JwksFile {
    /// Reads the file, which is looked at again every `refresh_ms`.
    ///
    /// # Errors
    /// What is wrong with it, with its path.
    pub fn open(path: &Path, refresh_ms: i64, now_ms: i64) -> Result<Self, String> {
        let (keys, stamp) = read(path)?;
        let state = State { keys: Arc::new(keys), stamp, looked_at_ms: now_ms };
        Ok(Self { path: path.to_path_buf(), refresh_ms, state: Mutex::new(state) })
    }

    /// The keys by which a token may be signed that names `key_id`: that one, or, if it names none,
    /// all.
    pub fn keys_for(&self, key_id: Option<&str>, now_ms: i64) -> Vec<JsonWebKey> {
        let mut state = locked(&self.state);
        self.look_if_due(&mut state, self.refresh_ms, now_ms);
        let find = |state: &State| -> Vec<JsonWebKey> {
            let is_it = |it: &&JsonWebKey| key_id.is_none() || it.key_id.as_deref() == key_id;
            state.keys.iter().filter(is_it).cloned().collect()
        };
        let found = find(&state);
        if !found.is_empty() {
            return found;
        }
        self.look_if_due(&mut state, UNKNOWN_KEY_INTERVAL_MS.min(self.refresh_ms), now_ms);
        find(&state)
    }

    /// Reads the file again if it was not looked at for so long, and has changed. One that cannot be
    /// read leaves the keys as they are.
    fn look_if_due(&self, state: &mut State, interval_ms: i64, now_ms: i64) {
        if now_ms.saturating_sub(state.looked_at_ms) < interval_ms {
            return;
        }
        state.looked_at_ms = now_ms;
        if stamp_of(&self.path).is_ok_and(|it| it == state.stamp) {
            return;
        }
        match read(&self.path) {
            Ok((keys, stamp)) => {
                info!("read {} from {}", counted(keys.len(), "key"), self.path.display());
                (state.keys, state.stamp) = (Arc::new(keys), stamp);
            }
            Err(why) => warn!("{why}; the keys that were read before stay"),
        }
    }
}

fn read(path: &Path) -> Result<(Vec<JsonWebKey>, Stamp), String> {
    let wrong = |why: String| format!("the file of keys {}: {why}", path.display());
    let stamp = stamp_of(path).map_err(|error| wrong(error.to_string()))?;
    let mut text = String::new();
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let size = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text);
    if size.map_err(|error| wrong(error.to_string()))? as u64 > FILE_BYTES_MAX {
        return Err(wrong(format!("it is larger than {FILE_BYTES_MAX} bytes")));
    }
    Ok((JsonWebKey::parse_set(&text).map_err(wrong)?, stamp))
}

fn stamp_of(path: &Path) -> std::io::Result<Stamp> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    Ok((metadata.modified().ok(), metadata.len()))
}
