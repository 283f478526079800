//! Port of `org.apache.kafka.metadata.properties.MetaProperties` and `MetaPropertiesVersion.V1`: whose a log
//! directory of a cluster is.
//!
//! ```text
//! version=1
//! cluster.id=AAAAAAAAAAAAAAAAAAAAAA
//! node.id=1
//! directory.id=6f0bHJ4tOk9bjH1uXywdPg
//! ```
//!
//! A broker that is alone has [version 0](crate::storage::files::log_directory) of the file.

use std::io;
use std::path::Path;

use crate::common::errors::KafkaError;
use crate::common::uuid::{random_uuid, uuid_of_text, uuid_text};
use crate::storage::files::file_io::{read_text, write_atomically};
use crate::storage::files::log_directory::{
    CLUSTER_METADATA_DIRECTORY, META_PROPERTIES_FILE, OWN_DIRECTORIES, list_log_directories,
    refused,
};

/// For a start with a corrupt one.
const REMEDY: &str = "put back a copy of the file, or give the broker an empty directory";

/// The file, in version 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    /// 22 characters of base64.
    pub cluster_id: String,
    pub node_id: i32,
    /// By this the controllers know the directory, wherever it is mounted. Kafka before 3.7 wrote none.
    pub directory_id: Option<[u8; 16]>,
}

impl MetaProperties {
    /// `None` if the directory has no such file.
    ///
    /// # Errors
    /// `Corrupt` if it is not of version 1, or a line of it is missing; whatever the operating system
    /// reports, with the path.
    pub fn read(log_dir: &Path) -> Result<Option<Self>, KafkaError> {
        let path = log_dir.join(META_PROPERTIES_FILE);
        let Some(text) = read_text(&path)? else { return Ok(None) };
        let properties = Self::parse(&text).map_err(|why| KafkaError::Corrupt {
            file: path,
            position: 0,
            why: format!("{why}; {REMEDY}"),
        })?;
        Ok(Some(properties))
    }

    /// Later Kafkas add lines, which are passed over.
    fn parse(text: &str) -> Result<Self, String> {
        let value = |name: &str| {
            let mut pairs = text.lines().filter_map(|line| line.split_once('='));
            pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
        };
        let needed = |name: &str| value(name).ok_or_else(|| format!("it has no `{name}`"));
        if needed("version")? != "1" {
            return Err("it is not of version 1".to_string());
        }
        let node_id = needed("node.id")?.parse().ok().filter(|it| *it >= 0);
        let directory_id = value("directory.id")
            .map(|text| uuid_of_text(text).ok_or("its `directory.id` is not a UUID in base64"));
        Ok(Self {
            cluster_id: needed("cluster.id")?.to_string(),
            node_id: node_id.ok_or("its `node.id` is no number")?,
            directory_id: directory_id.transpose()?,
        })
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// Whatever the operating system reports, with the path.
    pub fn write(&self, log_dir: &Path) -> io::Result<()> {
        let Self { cluster_id, node_id, directory_id } = self;
        let directory = directory_id.map(|it| format!("directory.id={}\n", uuid_text(&it)));
        let text = format!(
            "version=1\ncluster.id={cluster_id}\nnode.id={node_id}\n{}",
            directory.unwrap_or_default()
        );
        write_atomically(&log_dir.join(META_PROPERTIES_FILE), &text)
    }
}

/// Checks that the directory belongs to this node of a cluster, or to nobody yet. It stays as it is.
///
/// # Errors
/// `INVALID_CONFIG` in a sentence with the way out if it is somebody else's; as
/// [`MetaProperties::read`].
pub(crate) fn check_is_for_node(dir: &Path, node_id: i32) -> Result<(), KafkaError> {
    let shown = dir.display();
    if is_of_a_single_node(dir)? {
        return Err(refused(format!(
            "the log directory {shown} belongs to a broker that is alone, and not to a cluster: start it \
             without `process.roles=broker`, make it the first broker of a new cluster by `transferto \
             move-to-cluster`, or {OWN_DIRECTORIES}"
        )));
    }
    match MetaProperties::read(dir)? {
        Some(MetaProperties { node_id: owner, cluster_id, .. }) if owner != node_id => {
            Err(refused(format!(
                "the log directory {shown} belongs to node {owner} of the cluster {cluster_id}, and \
                 this is node {node_id}: start it as that one by `--override node.id={owner}`, or \
                 {OWN_DIRECTORIES}"
            )))
        }
        None if dir.join(CLUSTER_METADATA_DIRECTORY).exists()
            || !list_log_directories(dir)?.is_empty() =>
        {
            Err(refused(format!(
                "the log directory {shown} holds logs and no {META_PROPERTIES_FILE} that says whose they \
             are: put that file back, or {OWN_DIRECTORIES}"
            )))
        }
        _ => Ok(()),
    }
}

/// Whether the file is of version 0.
fn is_of_a_single_node(dir: &Path) -> Result<bool, KafkaError> {
    let text = read_text(&dir.join(META_PROPERTIES_FILE))?.unwrap_or_default();
    Ok(text.lines().any(|line| line.trim_end().starts_with("broker.id=")))
}

/// Port of `DirectoryId.random`. The first hundred ids mean something else, and none of them is random;
/// tools would take one that begins with a dash for an option.
///
/// # Errors
/// Whatever the operating system reports, with the path.
pub fn random_directory_id() -> io::Result<[u8; 16]> {
    loop {
        let id = random_uuid()?;
        if !uuid_text(&id).starts_with('-') {
            return Ok(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use support::temp::TempDir;

    use super::*;

    #[test]
    fn what_is_written_reads_back_and_what_kafka_has_written_is_understood() {
        let dir = TempDir::new();
        assert_eq!(MetaProperties::read(dir.path()).unwrap(), None);
        let directory_id = Some(random_directory_id().unwrap());
        let ours = MetaProperties { cluster_id: "abc".to_string(), node_id: 7, directory_id };
        ours.write(dir.path()).unwrap();
        assert_eq!(MetaProperties::read(dir.path()).unwrap(), Some(ours));
        let kafkas = "#\n#Mon Nov 30 09:00:00 UTC 2026\ncluster.id=AAAAAAAAAAAAAAAAAAAAAA\n\
                      directory.id=AAAAAAAAAAAAAAAAAAAAAQ\nnode.id=1\nversion=1\n";
        fs::write(dir.join(META_PROPERTIES_FILE), kafkas).unwrap();
        let read = MetaProperties::read(dir.path()).unwrap().unwrap();
        assert_eq!((read.node_id, read.directory_id.unwrap()[15]), (1, 1));
        assert_eq!(read.cluster_id, "AAAAAAAAAAAAAAAAAAAAAA");
    }

    #[test]
    fn a_directory_of_somebody_else_is_refused_with_the_way_out_and_stays_as_it_is() {
        let dir = TempDir::new();
        let refused = || check_is_for_node(dir.path(), 1).unwrap_err().to_string();
        check_is_for_node(dir.path(), 1).unwrap();
        fs::create_dir(dir.join("post-0")).unwrap();
        assert!(refused().contains("says whose they are"), "{}", refused());
        let of_node = "version=1\ncluster.id=abc\nnode.id=2\n";
        fs::write(dir.join(META_PROPERTIES_FILE), of_node).unwrap();
        assert!(refused().contains("node 2 of the cluster abc"), "{}", refused());
        assert!(refused().contains("`--override node.id=2`"), "{}", refused());
        check_is_for_node(dir.path(), 2).unwrap();
        fs::write(dir.join(META_PROPERTIES_FILE), "version=0\nbroker.id=1\n").unwrap();
        assert!(refused().contains("without `process.roles=broker`"), "{}", refused());
        let text = fs::read_to_string(dir.join(META_PROPERTIES_FILE)).unwrap();
        assert_eq!(text, "version=0\nbroker.id=1\n");
    }

    #[test]
    fn the_directory_of_a_broker_of_kafkas_goes_to_the_node_that_takes_its_place() {
        let dir = TempDir::new();
        fs::create_dir(dir.join(CLUSTER_METADATA_DIRECTORY)).unwrap();
        let refused = || check_is_for_node(dir.path(), 1).unwrap_err().to_string();
        assert!(refused().contains("says whose they are"), "{}", refused());
        for (node_id, is_taken) in [(1, true), (2, false)] {
            let text = format!("version=1\ncluster.id=abc\nnode.id={node_id}\n");
            fs::write(dir.join(META_PROPERTIES_FILE), text).unwrap();
            assert_eq!(check_is_for_node(dir.path(), 1).is_ok(), is_taken, "node {node_id}");
        }
        assert_eq!(list_log_directories(dir.path()).unwrap(), [] as [std::path::PathBuf; 0]);
    }

    #[test]
    fn a_file_without_what_it_must_say_is_corrupt_and_says_what_to_do() {
        let dir = TempDir::new();
        for (text, why) in [
            ("", "no `version`"),
            ("version=0\nbroker.id=1\n", "not of version 1"),
            ("version=1\nnode.id=1\n", "no `cluster.id`"),
            ("version=1\ncluster.id=a\nnode.id=x\n", "no number"),
            ("version=1\ncluster.id=a\nnode.id=1\ndirectory.id=x\n", "not a UUID"),
        ] {
            fs::write(dir.join(META_PROPERTIES_FILE), text).unwrap();
            let error = MetaProperties::read(dir.path()).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("put back a copy"), "{error}");
        }
    }
}
