//! Makes a single node the first broker of a new cluster, in place. Kafka had `KRaftMigrationDriver` for brokers
//! with ZooKeeper, and nothing for this.
//!
//! All is read and checked before anything is written. What is written, and in which order:
//!
//! 1. the records, into what each controller begins with. The single node knows nothing of that;
//! 2. the topic's id beside each log, which a single node does not look at;
//! 3. whose each log directory is, the first one last: from the first of these writes on the single node does not
//!    start any more, and another run completes the move;
//! 4. the single node's registries get other names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::common::errors::KafkaError;
use crate::common::time::{SystemTime, Time};
use crate::config::config_reader::examine_file;
use crate::config::kafka_config::KafkaConfig;
use crate::registry::acl_registry::ACL_FILE;
use crate::registry::broker_config_registry::BROKER_CONFIG_REGISTRY_FILE;
use crate::registry::producer_id_registry::LATEST_PRODUCER_ID_BLOCK_FILE;
use crate::registry::quota_registry::QUOTA_REGISTRY_FILE;
use crate::registry::scram_registry::SCRAM_REGISTRY_FILE;
use crate::registry::topic_registry::TOPIC_REGISTRY_FILE;
use crate::storage::files::file_io::{failed, sync_directory};
use crate::storage::files::log_directory::META_PROPERTIES_FILE;
use crate::storage::files::log_file_names::with_suffix;
use crate::storage::files::meta_properties::MetaProperties;
use crate::storage::files::partition_metadata_file::{PARTITION_METADATA_FILE, record_topic_id};
use crate::tools::cluster_records::ClusterRecords;
use crate::tools::controller_directory::ControllerDirectory;
use crate::tools::move_to_cluster_options::MoveToClusterOptions;
use crate::tools::owner::give_to_owner_of;
use crate::tools::single_node::{NodeDirectories, NodeDirectory, Owner, SingleNode};

/// Added to the name of what only a single node reads.
const ASIDE_SUFFIX: &str = ".single-node";
/// The files of a single node in its first directory. The key of the decoys of SCRAM stays: it is no registry.
const REGISTRIES: [&str; 6] = [
    TOPIC_REGISTRY_FILE,
    LATEST_PRODUCER_ID_BLOCK_FILE,
    BROKER_CONFIG_REGISTRY_FILE,
    ACL_FILE,
    SCRAM_REGISTRY_FILE,
    QUOTA_REGISTRY_FILE,
];
const METADATA_VERSION: &str = "metadata.version";
/// From 17 on a partition has the directory of its replica; beyond 21 a broker of this kind cannot follow.
const LEVELS: std::ops::RangeInclusive<i16> = 17..=21;

/// Moves it, and returns what was done, line by line.
///
/// # Errors
/// Why nothing was moved, and what to do, each as a sentence.
pub fn move_to_cluster(options: &MoveToClusterOptions) -> Result<Vec<String>, Vec<String>> {
    let only = |error: String| vec![error];
    let config = examine_file(Some(&options.properties), &options.overrides).config;
    let config =
        config.map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    check_joins(&config).map_err(only)?;
    let dirs = NodeDirectories::open(&config.log_dirs).map_err(only)?;
    if let Some(done) = complete_earlier_run(&dirs, config.broker_id, options)? {
        return Ok(done);
    }
    check_named_once(&options.controllers).map_err(only)?;
    let controllers = options.controllers.iter().map(|it| ControllerDirectory::open(it));
    let controllers = controllers.collect::<Result<Vec<_>, _>>().map_err(only)?;
    let cluster_id = check_controllers(&controllers, config.broker_id).map_err(only)?;
    check_owners(&dirs, &cluster_id, config.broker_id).map_err(only)?;
    let node = SingleNode::read(&dirs)?;
    let move_ = Move { node_id: config.broker_id, cluster_id, dirs, node, controllers };
    let records =
        ClusterRecords::of(&move_.node, move_.node_id).map_err(|it| only(it.to_string()))?;
    let mut lines = move_.counts(&records);
    match options.is_dry_run {
        true => lines.push("nothing is changed: this was a dry run".to_string()),
        false => move_.make(&records, &mut lines).map_err(only)?,
    }
    Ok(lines)
}

fn check_joins(config: &KafkaConfig) -> Result<(), String> {
    if config.joins_a_cluster() {
        return Ok(());
    }
    Err("the settings file is that of a broker that is alone: give the one with which the broker is to \
         start in the cluster, with process.roles=broker, node.id, controller.quorum.bootstrap.servers \
         or controller.quorum.voters, controller.listener.names, and the log.dirs of the single node"
        .to_string())
}

/// The second lock on a directory would be said to be that of a controller which runs.
fn check_named_once(controllers: &[PathBuf]) -> Result<(), String> {
    for (at, settings) in controllers.iter().enumerate() {
        if controllers[..at].contains(settings) {
            return Err(format!(
                "{} is given twice: name each controller once",
                settings.display()
            ));
        }
    }
    Ok(())
}

/// If all directories are given to the cluster: what is left to do, or that nothing is.
fn complete_earlier_run(
    dirs: &NodeDirectories,
    node_id: i32,
    options: &MoveToClusterOptions,
) -> Result<Option<Vec<String>>, Vec<String>> {
    let member = |it: &NodeDirectory| match &it.owner {
        Owner::Member(meta) if meta.node_id == node_id => Some(meta.cluster_id.clone()),
        _ => None,
    };
    let Some(cluster_id) = dirs.0.first().and_then(member) else { return Ok(None) };
    if dirs.0.iter().any(|it| member(it).as_ref() != Some(&cluster_id)) {
        return Ok(None);
    }
    let of_controllers =
        options.controllers.iter().map(|it| ControllerDirectory::cluster_id_of(it));
    if of_controllers.flatten().any(|it| it != cluster_id) {
        return Ok(None);
    }
    check_records_are_there(options).map_err(|error| vec![error])?;
    let of_node = format!("this is node {node_id} of the cluster {cluster_id} already");
    let left: Vec<&Path> =
        dirs.0.iter().map(|it| &*it.path).filter(|it| registries_in(it).next().is_some()).collect();
    let mut lines = Vec::new();
    for dir in &left {
        if !options.is_dry_run {
            set_registries_aside(dir).map_err(|error| vec![error.to_string()])?;
            lines.push(aside(dir));
        }
    }
    lines.push(match options.is_dry_run && !left.is_empty() {
        true => format!("{of_node}: what the single node kept is still to get other names"),
        false => format!("{of_node}: nothing is left to move"),
    });
    Ok(Some(lines))
}

/// A controller that was formatted anew after the move would begin without topics. One that has started, or is
/// elsewhere, is not asked.
fn check_records_are_there(options: &MoveToClusterOptions) -> Result<(), String> {
    let mut opened = options.controllers.iter().filter_map(|it| ControllerDirectory::open(it).ok());
    let Some(controller) = opened.find(|it| !it.has_additions()) else { return Ok(()) };
    Err(format!(
        "{} has nothing of the single node, whose directories are given to this cluster already: {}, \
         and run this again",
        controller.path().display(),
        give_back("each of them")
    ))
}

/// The way back.
fn give_back(directory: &str) -> String {
    format!("give what is named *{ASIDE_SUFFIX} in {directory} its names back")
}

/// The id of their cluster.
fn check_controllers(controllers: &[ControllerDirectory], node_id: i32) -> Result<String, String> {
    let mut cluster_id: Option<&str> = None;
    for (at, controller) in controllers.iter().enumerate() {
        let (path, meta) = (controller.path().display(), &controller.meta);
        if meta.node_id == node_id {
            return Err(format!(
                "{path} is of node {node_id}, and the broker has that node.id, too: give it another one"
            ));
        }
        if let Some(other) = controllers[..at].iter().find(|it| it.meta.node_id == meta.node_id) {
            return Err(format!("{path} and {} are of one node", other.path().display()));
        }
        if cluster_id.is_some_and(|it| it != meta.cluster_id) {
            return Err(format!(
                "{path} is of the cluster {}, and the first controller of another: format all of them \
                 with one id",
                meta.cluster_id
            ));
        }
        cluster_id = Some(&meta.cluster_id);
        check_features(controller)?;
    }
    check_voters(controllers)?;
    Ok(cluster_id.unwrap_or_default().to_string())
}

/// Whichever of the voters leads first writes down what the cluster begins with. One without the records would
/// begin it without topics, and the broker would set all its logs aside.
fn check_voters(controllers: &[ControllerDirectory]) -> Result<(), String> {
    let mut that_know = controllers.iter().filter(|it| !it.voters.is_empty());
    let Some(first) = that_know.next() else {
        let names: Vec<_> = controllers.iter().map(|it| it.path().display().to_string()).collect();
        return Err(format!(
            "{} of no controller that votes from the beginning: give those that do; they are formatted with \
             --standalone or --initial-controllers, or have controller.quorum.voters in their settings",
            match &*names {
                [name] => format!("{name} is"),
                _ => format!("{} are", names.join(" and ")),
            }
        ));
    };
    if let Some(other) = that_know.find(|it| it.voters != first.voters) {
        return Err(format!(
            "{} has {} as the controllers that vote from the beginning, and {} has {}: format all of them with \
             the same list",
            first.path().display(),
            listed(&first.voters),
            other.path().display(),
            listed(&other.voters)
        ));
    }
    let given = controllers.iter().map(|it| it.meta.node_id).collect();
    let missing: BTreeSet<i32> = first.voters.difference(&given).copied().collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "controllers {} vote from the beginning, and {} not given: any of them may be the first to lead, and \
         would begin the cluster without the topics; add --controller-config for each",
        listed(&first.voters),
        match missing.len() {
            1 => format!("{} is", listed(&missing)),
            _ => format!("{} are", listed(&missing)),
        }
    ))
}

fn listed(ids: &BTreeSet<i32>) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn check_features(controller: &ControllerDirectory) -> Result<(), String> {
    let features: BTreeMap<_, _> = controller.features().filter(|it| it.1 > 0).collect();
    let level = features.get(METADATA_VERSION).copied().unwrap_or_default();
    let others: Vec<_> = features.keys().filter(|it| **it != METADATA_VERSION).copied().collect();
    if LEVELS.contains(&level) && others.is_empty() {
        return Ok(());
    }
    let (from, to) = (LEVELS.start(), LEVELS.end());
    let beside =
        if others.is_empty() { String::new() } else { format!(", with {}", others.join(", ")) };
    Err(format!(
        "{} is formatted at metadata.version {level}{beside}, and this broker can be moved to {from} to \
         {to}: remove what is in the directory and format it with --release-version 3.9",
        controller.path().display()
    ))
}

/// Each directory is of one and the same single node, or given to this cluster by a run that was interrupted.
fn check_owners(dirs: &NodeDirectories, cluster_id: &str, node_id: i32) -> Result<(), String> {
    let mut broker_id = None;
    for dir in &dirs.0 {
        let path = dir.path.display();
        match &dir.owner {
            Owner::Member(meta) if meta.cluster_id == cluster_id && meta.node_id == node_id => (),
            Owner::Member(meta) => {
                let MetaProperties { node_id, cluster_id, .. } = meta;
                return Err(format!(
                    "{path} belongs to node {node_id} of the cluster {cluster_id}: only what a single node \
                     has left can be moved; if an earlier run has given it away, name node.id={node_id} and \
                     controllers that are formatted with -t {cluster_id}, or, as long as it has not started \
                     there, {}",
                    give_back("it")
                ));
            }
            Owner::SingleNode(id) if broker_id.is_some_and(|it| it != *id) => {
                return Err(format!(
                    "{path} belongs to another single node than the first directory"
                ));
            }
            Owner::SingleNode(id) => broker_id = Some(*id),
        }
    }
    Ok(())
}

/// All that was read, and what is to become of it.
struct Move {
    node_id: i32,
    cluster_id: String,
    dirs: NodeDirectories,
    node: SingleNode,
    controllers: Vec<ControllerDirectory>,
}

impl Move {
    /// For a comparison with what Kafka's tools say afterwards.
    fn counts(&self, records: &ClusterRecords) -> Vec<String> {
        let Self { node_id, cluster_id, node, .. } = self;
        let stored: i64 = node.logs.values().map(|it| it.end_offset.0 - it.start_offset.0).sum();
        let settings = node.broker_configs.of_all.len() + node.broker_configs.of_broker.len();
        let of_topics: usize = node.topics.values().map(|it| it.config.len()).sum();
        let quotas: usize = node.quotas.values().map(BTreeMap::len).sum();
        let mut lines = vec![
            format!("the single node becomes node {node_id} of the cluster {cluster_id}, with"),
            format!("  topics             {}", node.topics.len()),
            format!("  partitions         {}", node.logs.len()),
            format!("  offsets in them    {stored}, from the first of each log to its end"),
            format!("  settings of topics {of_topics}"),
            format!("  settings of it     {settings}"),
            format!("  ACLs               {}", node.acls.len()),
            format!("  users of SCRAM     {}", node.credentials.len()),
            format!("  quotas             {quotas}"),
            format!("  next producer id   {}", node.next_producer_id),
        ];
        for (setting, topics) in &records.left_out {
            lines.push(format!(
                "left out: {setting}, which Kafka 4 does not have, of {}",
                topics.join(", ")
            ));
        }
        lines.extend(self.replaced_users());
        lines
    }

    fn replaced_users(&self) -> Option<String> {
        let is_here = |(name, mechanism): &(&str, i8)| {
            let of_user = self.node.credentials.get(*name);
            of_user.is_some_and(|it| it.keys().any(|known| known.id() == *mechanism))
        };
        let replaced = self.controllers.iter().flat_map(|it| it.users()).filter(is_here);
        let mut names: Vec<_> = replaced.map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        (!names.is_empty()).then(|| {
            format!(
                "the passwords of the single node replace those of the format: {}",
                names.join(", ")
            )
        })
    }

    fn make(&self, records: &ClusterRecords, lines: &mut Vec<String>) -> Result<(), String> {
        let now_ms = SystemTime::default().milliseconds().0;
        for controller in &self.controllers {
            controller.add(&records.records, now_ms)?;
            lines.push(format!(
                "{} {} records in {}",
                if controller.has_additions() { "replaced" } else { "added" },
                records.records.len(),
                controller.file().display()
            ));
        }
        self.give_to_cluster(lines).map_err(|error| error.to_string())?;
        lines.push(
            "start the controllers, and then the broker; never start the single node on a copy beside it"
                .to_string(),
        );
        Ok(())
    }

    fn give_to_cluster(&self, lines: &mut Vec<String>) -> Result<(), KafkaError> {
        for (key, log) in &self.node.logs {
            if let Some(topic) = self.node.topics.get(&*key.topic) {
                record_topic_id(&log.path, &topic.id)?;
                give_to_owner_of(&log.path, &log.path.join(PARTITION_METADATA_FILE))?;
            }
        }
        for dir in self.dirs.0.iter().rev() {
            self.give_directory(dir)?;
        }
        for dir in &self.dirs.0 {
            let renamed = set_registries_aside(&dir.path)?;
            // Not of one that an earlier run has given away.
            if renamed > 0 || matches!(dir.owner, Owner::SingleNode(_)) {
                lines.push(aside(&dir.path));
            }
        }
        Ok(())
    }

    fn give_directory(&self, dir: &NodeDirectory) -> io::Result<()> {
        if matches!(dir.owner, Owner::Member(_)) {
            return Ok(());
        }
        let file = dir.path.join(META_PROPERTIES_FILE);
        let kept = with_suffix(&file, ASIDE_SUFFIX);
        if !kept.exists() {
            fs::hard_link(&file, &kept).map_err(failed("keep a copy of", &file))?;
        }
        let meta = MetaProperties {
            cluster_id: self.cluster_id.clone(),
            node_id: self.node_id,
            directory_id: Some(dir.directory_id),
        };
        meta.write(&dir.path)?;
        give_to_owner_of(&dir.path, &file)
    }
}

/// Gives the registries in the directory, which a broker of a cluster does not follow, other names. Returns how
/// many there were.
fn set_registries_aside(dir: &Path) -> io::Result<usize> {
    let mut renamed = 0;
    for file in registries_in(dir) {
        let aside = with_suffix(&file, ASIDE_SUFFIX);
        fs::rename(&file, &aside).map_err(failed("rename", &file))?;
        renamed += 1;
    }
    if renamed > 0 {
        sync_directory(dir)?;
    }
    Ok(renamed)
}

fn registries_in(dir: &Path) -> impl Iterator<Item = PathBuf> {
    REGISTRIES.iter().map(|name| dir.join(name)).filter(|it| it.exists())
}

fn aside(dir: &Path) -> String {
    format!(
        "gave {} to the cluster; what the single node kept there: *{ASIDE_SUFFIX}",
        dir.display()
    )
}
