//! In the place of `org.apache.kafka.metadata.storage.Formatter`: the directory of a controller between
//! `kafka-storage format` and the controller's first start.

use std::collections::BTreeSet;
use std::fs;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::config::properties;
use crate::config::properties::Property;
use crate::image::records::metadata_record::{MetadataRecord, RecordAndVersion};
use crate::storage::files::directory_lock::DirectoryLock;
use crate::storage::files::file_io::{failed, failed_to_read, sync_directory};
use crate::storage::files::log_directory::{LOCK_FILE, try_lock_directory};
use crate::storage::files::log_file_names::{LOG_FILE_SUFFIX, with_suffix};
use crate::storage::files::meta_properties::MetaProperties;
use crate::tools::bootstrap_checkpoint::BootstrapCheckpoint;
use crate::tools::owner::give_to_owner_of;

/// Where Kafka 4 writes what a cluster begins with, and Kafka 3.9 only who votes.
const FIRST_SNAPSHOT: &str = "__cluster_metadata-0/00000000000000000000-0000000000.checkpoint";
/// Where Kafka 3.9 writes it.
const BOOTSTRAP_FILE: &str = "bootstrap.checkpoint";
const METADATA_LOG: &str = "__cluster_metadata-0";
/// A controller that has started has one.
const QUORUM_STATE_FILE: &str = "quorum-state";
const FORMAT: &str = "kafka-storage.sh format --standalone --release-version 3.9 -t CLUSTER_ID -c";

/// A formatted directory, which no controller has meanwhile.
#[derive(Debug)]
pub(crate) struct ControllerDirectory {
    path: PathBuf,
    _lock: DirectoryLock,
    pub meta: MetaProperties,
    /// The ids of all controllers that vote from the beginning, as far as this one knows them.
    pub voters: BTreeSet<i32>,
    /// What the first active controller reads.
    file: PathBuf,
    checkpoint: BootstrapCheckpoint,
}

impl ControllerDirectory {
    /// That of the controller with these settings.
    ///
    /// # Errors
    /// In a sentence, why nothing can be added to what its cluster begins with.
    pub(crate) fn open(settings: &Path) -> Result<Self, String> {
        let given = properties::read(settings).map_err(|error| error.to_string())?;
        let (shown, of) = (settings.display(), |name: &str| value_of(&given, name));
        if !of("process.roles").is_some_and(|it| it.contains("controller")) {
            return Err(format!(
                "{shown} has no process.roles=controller: give the settings of a controller"
            ));
        }
        let path = directory(&given).ok_or_else(|| {
            format!("{shown} names no directory: it needs metadata.log.dir or log.dirs")
        })?;
        let meta = MetaProperties::read(&path).map_err(|error| error.to_string())?;
        let format = || format!("format it: {FORMAT} {shown}");
        let meta =
            meta.ok_or_else(|| format!("{} is not formatted: {}", path.display(), format()))?;
        let node_id = of("node.id").unwrap_or_default();
        if node_id != meta.node_id.to_string() {
            return Err(format!(
                "{} is formatted for node {}, and {shown} has node.id={node_id}",
                path.display(),
                meta.node_id
            ));
        }
        let lock = try_lock_directory(&path).map_err(|error| error.to_string())?;
        let lock = lock.ok_or_else(|| {
            format!("a controller is running on {}: {}", path.display(), too_late())
        })?;
        give_to_owner_of(&path, &path.join(LOCK_FILE)).map_err(|error| error.to_string())?;
        if has_started(&path).map_err(|error| error.to_string())? {
            return Err(format!(
                "the controller of {} has been started: {}",
                path.display(),
                too_late()
            ));
        }
        let (file, checkpoint) = find_checkpoint(&path)?.ok_or_else(|| {
            let none = "has no record of its level";
            format!("{} {none}: remove what is in it, and {}", path.display(), format())
        })?;
        let voters = match dynamic_voters(&path)? {
            Some(voters) => voters,
            None => of("controller.quorum.voters").map_or_else(BTreeSet::new, static_voters),
        };
        Ok(Self { path, _lock: lock, meta, voters, file, checkpoint })
    }

    /// The id of the cluster of the controller with these settings, which may run; `None` if that cannot be told.
    pub(crate) fn cluster_id_of(settings: &Path) -> Option<String> {
        let path = directory(&properties::read(settings).ok()?)?;
        Some(MetaProperties::read(&path).ok()??.cluster_id)
    }

    /// The finalized features, by name.
    pub(crate) fn features(&self) -> impl Iterator<Item = (&str, i16)> {
        self.checkpoint.records().iter().filter_map(|it| match &it.record {
            MetadataRecord::FeatureLevel(it) => Some((it.name.as_str(), it.feature_level)),
            _ => None,
        })
    }

    /// The users of SCRAM that `kafka-storage format` has made, each with its mechanism's number.
    pub(crate) fn users(&self) -> impl Iterator<Item = (&str, i8)> {
        self.checkpoint.records().iter().filter_map(|it| match &it.record {
            MetadataRecord::UserScramCredential(it) => Some((it.name.as_str(), it.mechanism)),
            _ => None,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Whether an earlier run has added records.
    pub(crate) fn has_additions(&self) -> bool {
        self.checkpoint.has_additions()
    }

    /// Adds the records to what the cluster begins with, in the place of those of an earlier run. After an
    /// error the file is as it was.
    ///
    /// # Errors
    /// In a sentence, with the path.
    pub(crate) fn add(
        &self,
        records: &[RecordAndVersion],
        timestamp_ms: i64,
    ) -> Result<(), String> {
        let bytes = self.checkpoint.with(records, timestamp_ms).map_err(|error| error.why())?;
        self.replace(&bytes).map_err(|error| error.to_string())
    }

    /// With the rights and the owner of the file that was there.
    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let temporary = with_suffix(&self.file, ".tmp");
        let write = || -> io::Result<()> {
            let permissions = fs::metadata(&self.file)?.permissions();
            // One of an interrupted run may not be writable.
            match fs::remove_file(&temporary) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => (),
            }
            let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
            file.write_all(bytes)?;
            file.set_permissions(permissions)?;
            file.sync_all()?;
            give_to_owner_of(&self.file, &temporary)?;
            fs::rename(&temporary, &self.file)
        };
        write().map_err(failed("write", &self.file))?;
        sync_directory(self.file.parent().unwrap_or(&self.path))
    }
}

fn too_late() -> &'static str {
    "its cluster has begun, and what it begins with cannot be changed; stop it, remove what is in its \
     directory and format that again, or copy the records into it as the page of the cluster shows"
}

/// Java's rule: the last one counts.
fn value_of<'a>(given: &'a [Property], name: &str) -> Option<&'a str> {
    given.iter().rev().find(|it| it.name == name).map(|it| it.value.trim())
}

/// Port of `KafkaConfig.metadataLogDir`.
fn directory(given: &[Property]) -> Option<PathBuf> {
    let first = |list: &str| list.split(',').next().map(|it| it.trim().to_string());
    let named = value_of(given, "metadata.log.dir").map(String::from);
    let named = named.or_else(|| first(value_of(given, "log.dirs")?));
    let named = named.or_else(|| first(value_of(given, "log.dir")?));
    named.filter(|it| !it.is_empty()).map(PathBuf::from)
}

fn has_started(path: &Path) -> io::Result<bool> {
    let log = path.join(METADATA_LOG);
    if !log.exists() {
        return Ok(false);
    }
    let names = fs::read_dir(&log).map_err(failed_to_read("list", &log))?;
    for entry in names {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        let is_snapshot = name.ends_with(".checkpoint") && !FIRST_SNAPSHOT.ends_with(&*name);
        if name == QUORUM_STATE_FILE || name.ends_with(LOG_FILE_SUFFIX) || is_snapshot {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Those that `kafka-storage format` has written down; `None` if it was not given any.
fn dynamic_voters(path: &Path) -> Result<Option<BTreeSet<i32>>, String> {
    let first = read_checkpoint(&path.join(FIRST_SNAPSHOT))?;
    Ok(first.map(|it| it.voters().clone()).filter(|it| !it.is_empty()))
}

/// `1@host:9093,2@host:9093`: what is wrong with it the controller itself says.
fn static_voters(list: &str) -> BTreeSet<i32> {
    let id = |voter: &str| voter.split_once('@')?.0.trim().parse().ok();
    list.split(',').filter_map(id).collect()
}

/// The file that says at which level the cluster begins.
fn find_checkpoint(path: &Path) -> Result<Option<(PathBuf, BootstrapCheckpoint)>, String> {
    for name in [FIRST_SNAPSHOT, BOOTSTRAP_FILE] {
        let file = path.join(name);
        match read_checkpoint(&file)? {
            Some(checkpoint) if !checkpoint.records().is_empty() => {
                return Ok(Some((file, checkpoint)));
            }
            _ => (),
        }
    }
    Ok(None)
}

/// `None` if there is no such file.
fn read_checkpoint(file: &Path) -> Result<Option<BootstrapCheckpoint>, String> {
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed_to_read("read", file)(error).to_string()),
    };
    let checkpoint = BootstrapCheckpoint::parse(&bytes).map_err(|why| {
        format!("{} is not what `kafka-storage format` writes: {why}", file.display())
    })?;
    Ok(Some(checkpoint))
}
