//! `transferto move-to-cluster`: what it moves, what it refuses, and what an interruption leaves. Apache's
//! controller is asked in `tests/cluster/tools/move_to_cluster.rs`.

use std::collections::BTreeMap;
use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use nix::sys::signal::Signal;
use support::broker_process::{BrokerProcess, broker_binary};
use support::client::Client;
use support::records::batch;
use support::temp::TempDir;
use transferto::image::records::config_records::FeatureLevelRecord;
use transferto::image::records::metadata_record::RecordAndVersion;
use transferto::message::record_batch::CONTROL_FLAG;
use transferto::message::record_batch_builder::RecordBatchBuilder;
use transferto::protocol::quorum_records::{
    QuorumRecord, SnapshotFooterRecord, SnapshotHeaderRecord, Voter, VotersRecord,
};

const CLUSTER_ID: &str = "dHJhbnNmZXJ0by1tYWtlLQ";
const CHECKPOINT: &str = "__cluster_metadata-0/00000000000000000000-0000000000.checkpoint";
/// The files that a single node has and a broker of a cluster does not read.
const REGISTRIES: [&str; 3] = ["topics", "acls", "latest_producer_id_block"];
const AUTHORIZER: &str = "authorizer.class.name=kafka.security.auth.SimpleAclAuthorizer";
const OPEN: &str = "allow.everyone.if.no.acl.found=true";

/// A single node with a topic of two partitions, and the formatted directory of a controller.
struct Scene {
    node: TempDir,
    controller: TempDir,
}

impl Scene {
    /// A node that was ended by this signal.
    fn ended_with(signal: Signal) -> Self {
        let node = TempDir::new();
        let broker = BrokerProcess::start(node.path(), &["num.partitions=2", AUTHORIZER, OPEN]);
        let mut client = Client::connect(broker.port);
        client.create_topic("post");
        client.create_topic_with(
            "set",
            &[("retention.ms", "777"), ("message.format.version", "0.9.0")],
        );
        assert_eq!(client.produce("post", 0, &batch(&["a", "b"])).error_code, 0);
        broker.end_with(signal);
        let scene = Self { node, controller: TempDir::new() };
        scene.format(100, CLUSTER_ID, &[("metadata.version", 21)]);
        scene
    }

    fn stopped() -> Self {
        Self::ended_with(Signal::SIGTERM)
    }

    /// What `kafka-storage format` leaves.
    fn format(&self, node_id: i32, cluster_id: &str, features: &[(&str, i16)]) {
        let meta = format!("version=1\ncluster.id={cluster_id}\nnode.id={node_id}\n");
        fs::write(self.controller.join("meta.properties"), meta).unwrap();
        fs::create_dir_all(self.controller.join("__cluster_metadata-0")).unwrap();
        fs::write(self.controller.join(CHECKPOINT), checkpoint(features)).unwrap();
        let settings = format!(
            "process.roles=controller\nnode.id={node_id}\nlog.dirs={}\n\
             controller.quorum.voters={node_id}@127.0.0.1:9\n",
            self.controller.path().display()
        );
        fs::write(self.controller.join("controller.properties"), settings).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let settings = self.controller.join("broker.properties");
        let text = format!(
            "process.roles=broker\nnode.id=1\ncontroller.listener.names=CONTROLLER\n\
             controller.quorum.bootstrap.servers=127.0.0.1:9\nlog.dirs={}\n",
            self.node.path().display()
        );
        fs::write(&settings, text).unwrap();
        let mut command = Command::new(broker_binary());
        command.arg("move-to-cluster").arg(settings).arg("--controller-config");
        command.arg(self.controller.join("controller.properties")).args(arguments);
        command.output().unwrap()
    }

    /// What is printed by a run that has done its work.
    fn moved(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    }

    /// The complaint of a run that has changed nothing.
    fn refused(&self) -> String {
        let before = self.contents();
        let output = self.run(&[]);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
        assert_eq!(text(&output.stdout), "");
        assert_eq!(self.contents(), before);
        text(&output.stderr)
    }

    /// Every file of both directories, but for locks.
    fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(self.node.path(), &mut files);
        collect(self.controller.path(), &mut files);
        files.retain(|name, _| !name.ends_with(".lock") && !name.ends_with("broker.properties"));
        files
    }

    /// The records that the controller begins with, as `dump-log` prints them.
    fn records(&self) -> String {
        let mut command = Command::new(broker_binary());
        command.args(["dump-log", "--cluster-metadata-decoder", "--skip-record-metadata"]);
        text(&command.arg(self.controller.join(CHECKPOINT)).output().unwrap().stdout)
    }
}

fn checkpoint(features: &[(&str, i16)]) -> Vec<u8> {
    let control = |offset: i64, record: QuorumRecord| {
        let (key, value) = record.to_bytes();
        let batch = RecordBatchBuilder::new(offset).flags(CONTROL_FLAG);
        batch.record(0, Some(&key), Some(&value)).build().unwrap()
    };
    let mut bytes = control(0, QuorumRecord::SnapshotHeader(SnapshotHeaderRecord::default()));
    let mut batch = RecordBatchBuilder::new(1);
    for (name, feature_level) in features {
        let record = FeatureLevelRecord { name: name.to_string(), feature_level: *feature_level };
        batch = batch.record(0, None, Some(&RecordAndVersion::from(record).to_bytes()));
    }
    bytes.extend(batch.build().unwrap());
    let end = 1 + i64::try_from(features.len()).unwrap();
    bytes.extend(control(end, QuorumRecord::SnapshotFooter(SnapshotFooterRecord::default())));
    bytes
}

/// The checkpoint of a dynamic quorum: the voters stand before its header, where they are as good as behind it.
fn with_voters(whole: &[u8], voters: &[i32]) -> Vec<u8> {
    let voter = |&voter_id: &i32| Voter { voter_id, ..Voter::default() };
    let voters = voters.iter().map(voter).collect();
    let record = QuorumRecord::KRaftVoters(VotersRecord { version: 0, voters });
    let (key, value) = record.to_bytes();
    let batch = RecordBatchBuilder::new(0).flags(CONTROL_FLAG);
    let mut bytes = batch.record(0, Some(&key), Some(&value)).build().unwrap();
    bytes.extend(whole);
    bytes
}

fn collect(dir: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => collect(&path, files),
            false => drop(files.insert(path.display().to_string(), fs::read(&path).unwrap())),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn back(dir: &Path, name: &str) {
    fs::rename(dir.join(format!("{name}.single-node")), dir.join(name)).unwrap();
}

#[test]
fn a_node_that_is_stopped_is_moved_with_counts_and_only_once() {
    let scene = Scene::stopped();
    let before = scene.contents();
    let counts = scene.moved(&["--dry-run"]);
    assert_eq!(scene.contents(), before);
    for line in ["topics             2\n", "partitions         3\n", "offsets in them    2, from"] {
        assert!(counts.contains(line), "{counts}");
    }
    assert!(
        counts.contains("left out: message.format.version, which Kafka 4 does not have, of set\n"),
        "{counts}"
    );
    assert!(counts.ends_with("this was a dry run\n"), "{counts}");
    let printed = scene.moved(&[]);
    assert!(printed.starts_with(counts.split("nothing is changed").next().unwrap()), "{printed}");
    assert!(printed.contains("added 7 records in"), "{printed}");
    let records = scene.records();
    for record in [
        r#""metadata.version","featureLevel":21"#,
        r#"{"brokerId":1,"brokerEpoch":-1,"nextProducerId":1000}"#,
        r#"TOPIC_RECORD","version":0,"data":{"name":"post","#,
        r#"PARTITION_RECORD","version":1,"data":{"partitionId":1,"#,
        r#""replicas":[1],"isr":[1],"removingReplicas":[],"addingReplicas":[],"leader":-1,"leaderEpoch":0"#,
        r#""resourceName":"set","name":"retention.ms","value":"777""#,
    ] {
        assert!(records.contains(record), "{record} is not in {records}");
    }
    let meta = fs::read_to_string(scene.node.join("meta.properties")).unwrap();
    let owner = format!("version=1\ncluster.id={CLUSTER_ID}\nnode.id=1\ndirectory.id=");
    assert!(meta.starts_with(&owner), "{meta}");
    let directory_id = meta[owner.len()..].trim();
    assert!(records.contains(&format!(r#""directories":["{directory_id}"]"#)), "{records}");
    let topic_id = fs::read_to_string(scene.node.join("post-1/partition.metadata")).unwrap();
    let topic_id = topic_id.lines().nth(1).unwrap().strip_prefix("topic_id: ").unwrap();
    assert!(records.contains(&format!(r#""topicId":"{topic_id}""#)), "{records}");
    let after = scene.contents();
    assert!(scene.moved(&[]).contains("already: nothing is left to move"));
    assert_eq!(scene.contents(), after);
}

#[test]
fn a_dry_run_leaves_also_what_a_start_of_the_broker_would_clear_away() {
    let scene = Scene::stopped();
    let private = |name: &str, text: &str| {
        let file = scene.node.join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    };
    let credential = "salt=c2FsdA==,stored_key=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,\
                      server_key=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,iterations=4096";
    private("scram_credentials", &format!("0\n1\nalice SCRAM-SHA-256 {credential}\n"));
    private("broker_configs", "0\n1\nbroker ssl.key.password=secret\n");
    let deleted = scene.node.join("gone-0.0123456789abcdef0123456789abcdef-delete");
    fs::create_dir(&deleted).unwrap();
    fs::write(deleted.join("00000000000000000000.log"), "").unwrap();
    fs::write(scene.node.join("post-0/segment-ends"), "torn").unwrap();
    let state = || {
        let modes = ["scram_credentials", "broker_configs"]
            .map(|it| fs::metadata(scene.node.join(it)).unwrap().permissions().mode());
        (scene.contents(), modes)
    };
    let before = state();
    assert!(scene.moved(&["--dry-run"]).contains("users of SCRAM     1\n"));
    assert!(state() == before);
    scene.moved(&[]);
}

#[test]
fn each_of_two_directories_is_given_away_and_a_record_has_the_id_of_the_one_where_the_log_lies() {
    let scene = Scene { node: TempDir::new(), controller: TempDir::new() };
    scene.format(100, CLUSTER_ID, &[("metadata.version", 21)]);
    let dirs = ["a", "b"].map(|it| scene.node.join(it));
    let setting = format!("log.dirs={},{}", dirs[0].display(), dirs[1].display());
    let broker = BrokerProcess::start(scene.node.path(), &["num.partitions=2", &setting]);
    Client::connect(broker.port).create_topic("post");
    broker.end_with(Signal::SIGTERM);
    let printed = scene.moved(&["--override", &setting]);
    let records = scene.records();
    for dir in &dirs {
        assert!(printed.contains(&format!("gave {} to the cluster", dir.display())), "{printed}");
        let id_in = |file: &str, key: &str| {
            let text = fs::read_to_string(dir.join(file)).unwrap();
            text.lines().find_map(|it| it.strip_prefix(key)).map(String::from).unwrap()
        };
        let directory_id = id_in("meta.properties", "directory.id=");
        let partition = i32::from(dir.join("post-1").exists());
        let topic_id = id_in(&format!("post-{partition}/partition.metadata"), "topic_id: ");
        let is_its_own = |line: &&str| {
            line.contains(&format!(r#""partitionId":{partition},"topicId":"{topic_id}""#))
        };
        let record = records.lines().find(is_its_own).unwrap();
        assert!(record.contains(&format!(r#""directories":["{directory_id}"]"#)), "{record}");
    }
}

#[test]
fn what_an_interruption_leaves_is_completed_by_another_run() {
    let scene = Scene::stopped();
    scene.moved(&[]);
    let done = scene.contents();
    // Before its directory was given away: the single node would still start.
    for name in REGISTRIES.into_iter().chain(["meta.properties"]) {
        back(scene.node.path(), name);
    }
    let printed = scene.moved(&[]);
    assert!(printed.contains("replaced 7 records in"), "{printed}");
    assert_eq!(scene.records().matches("PRODUCER_IDS_RECORD").count(), 1);
    let names = |contents: BTreeMap<String, Vec<u8>>| contents.into_keys().collect::<Vec<_>>();
    assert_eq!(names(scene.contents()), names(done));
    // Between the last two steps.
    back(scene.node.path(), "topics");
    let said = scene.moved(&["--dry-run"]);
    assert!(said.contains("is still to get other names") && scene.node.join("topics").exists());
    let again = scene.moved(&[]);
    assert!(again.contains("*.single-node") && again.contains("already"), "{again}");
    assert!(!scene.node.join("topics").exists() && scene.node.join("topics.single-node").exists());
}

#[test]
fn the_way_back_is_to_give_the_files_their_names() {
    let scene = Scene::stopped();
    scene.moved(&[]);
    let broker = fs::read_dir(scene.node.path()).unwrap().map(|it| it.unwrap().path());
    for kept in broker.filter(|it| it.extension().is_some_and(|it| it == "single-node")) {
        fs::rename(&kept, kept.with_extension("")).unwrap();
    }
    // `with_extension` takes away the last one only.
    assert!(scene.node.join("meta.properties").exists());
    let broker = BrokerProcess::start(scene.node.path(), &[AUTHORIZER, OPEN]);
    let mut client = Client::connect(broker.port);
    assert_eq!(client.fetch("post", 0, 0).high_watermark, 2);
    broker.end_with(Signal::SIGTERM);
}

#[test]
fn a_node_that_runs_or_did_not_stop_in_order_is_refused() {
    let scene = Scene::ended_with(Signal::SIGKILL);
    let said = scene.refused();
    assert!(said.contains("was not closed in order: start the single node"), "{said}");
    let broker = BrokerProcess::start(scene.node.path(), &[]);
    let said = text(&scene.run(&[]).stderr);
    assert!(said.contains("a broker is running on"), "{said}");
    broker.end_with(Signal::SIGTERM);
    scene.moved(&[]);
}

#[test]
fn a_controller_that_is_not_freshly_formatted_for_this_broker_is_refused() {
    let scene = Scene::stopped();
    let level = |features: &[(&str, i16)]| {
        scene.format(100, CLUSTER_ID, features);
        scene.refused()
    };
    for (features, why) in [
        (&[("metadata.version", 33)][..], "at metadata.version 33"),
        (&[("metadata.version", 16)], "at metadata.version 16"),
        (&[("metadata.version", 21), ("group.version", 1)], "with group.version"),
    ] {
        let said = level(features);
        assert!(said.contains(why) && said.contains("--release-version 3.9"), "{said}");
    }
    scene.format(1, CLUSTER_ID, &[("metadata.version", 21)]);
    assert!(scene.refused().contains("give it another one"));
    scene.format(100, CLUSTER_ID, &[("metadata.version", 21)]);
    let log = scene.controller.join("__cluster_metadata-0/00000000000000000000.log");
    fs::write(&log, "").unwrap();
    assert!(scene.refused().contains("has been started"));
    fs::remove_file(log).unwrap();
    let whole = fs::read(scene.controller.join(CHECKPOINT)).unwrap();
    fs::write(scene.controller.join(CHECKPOINT), &whole[..whole.len() - 1]).unwrap();
    assert!(scene.refused().contains("is not what `kafka-storage format` writes"));
    fs::remove_file(scene.controller.join(CHECKPOINT)).unwrap();
    assert!(scene.refused().contains("no record of its level"));
    fs::remove_file(scene.controller.join("meta.properties")).unwrap();
    assert!(scene.refused().contains("is not formatted"));
    // Kafka 3.9 keeps the records in another file.
    scene.format(100, CLUSTER_ID, &[("metadata.version", 21)]);
    fs::rename(scene.controller.join(CHECKPOINT), scene.controller.join("bootstrap.checkpoint"))
        .unwrap();
    assert!(scene.moved(&[]).contains("/bootstrap.checkpoint\n"));
    // And a broker that is in a cluster goes into no other.
    scene.format(100, "BBBBBBBBBBBBBBBBBBBBBB", &[("metadata.version", 21)]);
    for arguments in [&[][..], &["--override", "node.id=2"]] {
        let said = text(&scene.run(arguments).stderr);
        assert!(said.contains(&format!("belongs to node 1 of the cluster {CLUSTER_ID}")), "{said}");
        assert!(said.contains(&format!("with -t {CLUSTER_ID}")), "{said}");
        assert!(said.contains("give what is named *.single-node in it its names back"), "{said}");
    }
}

#[test]
fn a_controller_that_is_formatted_anew_after_the_move_is_not_taken_for_one_with_the_records() {
    let scene = Scene::stopped();
    scene.moved(&[]);
    scene.format(100, CLUSTER_ID, &[("metadata.version", 21)]);
    let said = scene.refused();
    assert!(said.contains("has nothing of the single node"), "{said}");
    assert!(said.contains("*.single-node"), "{said}");
    // As it says.
    for name in REGISTRIES.into_iter().chain(["meta.properties"]) {
        back(scene.node.path(), name);
    }
    assert!(scene.moved(&[]).contains("added 7 records in"));
    assert!(scene.moved(&[]).contains("already: nothing is left to move"));
}

#[test]
fn a_controller_that_is_given_twice_is_not_said_to_run() {
    let scene = Scene::stopped();
    let settings = scene.controller.join("controller.properties").display().to_string();
    let output = scene.run(&["--controller-config", &settings]);
    let said = text(&output.stderr);
    assert!(said.contains("is given twice") && !said.contains("running"), "{said}");
}

/// Whichever leads first begins the cluster with what it has.
#[test]
fn a_controller_that_votes_and_is_not_given_is_asked_for() {
    let scene = Scene::stopped();
    let settings = scene.controller.join("controller.properties");
    let of_one = fs::read_to_string(&settings).unwrap();
    let with = |voters: &str| {
        fs::write(&settings, format!("{of_one}controller.quorum.voters={voters}\n")).unwrap();
        scene.refused()
    };
    let said = with("100@a:9,101@b:9,102@c:9");
    assert!(
        said.contains("controllers 100, 101, 102 vote from the beginning, and 101, 102 are"),
        "{said}"
    );
    assert!(said.contains("--controller-config"), "{said}");
    let said = with("");
    assert!(said.contains("no controller that votes from the beginning"), "{said}");
    // What `format` was given prevails over the settings.
    fs::write(&settings, &of_one).unwrap();
    let whole = fs::read(scene.controller.join(CHECKPOINT)).unwrap();
    let format_for = |voters: &[i32]| {
        let bytes = with_voters(&whole, voters);
        fs::write(scene.controller.join(CHECKPOINT), bytes).unwrap();
    };
    format_for(&[100, 103]);
    assert!(scene.refused().contains("103 is not given"));
    format_for(&[100]);
    scene.moved(&[]);
}

#[test]
fn a_directory_that_does_not_fit_its_list_of_topics_is_refused() {
    let scene = Scene::stopped();
    let (log, aside) = (scene.node.join("post-1"), scene.controller.join("aside"));
    fs::rename(&log, &aside).unwrap();
    assert!(scene.refused().contains("post-1 lies in none of the log directories"));
    fs::rename(&aside, &log).unwrap();
    let unknown = scene.node.join("unknown-0");
    fs::create_dir(&unknown).unwrap();
    fs::write(unknown.join("00000000000000000000.log"), "").unwrap();
    let said = scene.refused();
    assert!(said.contains("unknown-0"), "{said}");
    fs::remove_dir_all(&unknown).unwrap();
    fs::write(log.join("segment-ends"), "0\n1\n0 5 1000\n").unwrap();
    let said = scene.refused();
    assert!(said.contains("is broken: 00000000000000000000.log had 1000 bytes, not 0"), "{said}");
    fs::remove_file(log.join("segment-ends")).unwrap();
    let other = "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ\n";
    fs::write(log.join("partition.metadata"), other).unwrap();
    assert!(scene.refused().contains("of another topic of this name"));
    fs::remove_file(log.join("partition.metadata")).unwrap();
    let acls = fs::read(scene.node.join("acls")).unwrap();
    fs::write(scene.node.join("acls"), "0\n1\nnonsense\n").unwrap();
    assert!(scene.refused().contains("put back a copy"));
    fs::write(scene.node.join("acls"), acls).unwrap();
    let alone = ["--override", "process.roles="];
    let said = text(&scene.run(&alone).stderr);
    assert!(said.contains("process.roles=broker"), "{said}");
    scene.moved(&[]);
}
