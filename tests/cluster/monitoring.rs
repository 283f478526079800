//! What a broker of a cluster shows by HTTP of its cluster, its replicas and their followers.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;

use support::broker::Broker;
use support::http::{HTTP_LISTENER, get};
use support::json::Json;
use support::records::batch;
use support::temp::TempDir;
use support::wait::{wait_for, wait_until};
use transferto::image::records::metadata_record::{MetadataRecord, RecordAndVersion};
use transferto::image::records::topic_records::{PartitionRecord, TopicRecord};
use transferto::protocol::wire::uuid::Uuid;

use crate::broker_server::{borrowed, controller_with, settings};
use crate::in_sync_replicas::{fetch_as_follower, records};
use crate::scene::BROKER_ID;
use crate::scripted_controller::{CLUSTER_ID, ScriptedController};

const FOLLOWER_ID: i32 = 2;
const TOPIC_ID: Uuid = Uuid([7; 16]);
/// More than the page lists.
const MANY: i32 = 150;

fn start(controller: &ScriptedController, broker_id: i32, others: &[(&str, &str)]) -> Broker {
    start_in(Arc::new(TempDir::new()), controller, broker_id, others)
}

fn start_in(
    dir: Arc<TempDir>,
    controller: &ScriptedController,
    broker_id: i32,
    others: &[(&str, &str)],
) -> Broker {
    let mut settings = settings(controller);
    let id = broker_id.to_string();
    for (name, value) in [HTTP_LISTENER, ("node.id", &id)].iter().chain(others) {
        settings.retain(|(it, _)| it != name);
        settings.push((name.to_string(), value.to_string()));
    }
    Broker::start_in(dir, &borrowed(&settings))
}

fn http_addr(broker: &Broker) -> SocketAddr {
    broker.server().http_addr().unwrap()
}

fn scrape(broker: &Broker) -> BTreeMap<String, f64> {
    let page = get(http_addr(broker), "/metrics").body;
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_string(), value.parse().unwrap())
    };
    lines.map(sample).collect()
}

/// Scrapes until all of them are as said: a page may be a second old.
fn wait_for_metrics(broker: &Broker, expected: &[(&str, f64)]) {
    for (name, value) in expected {
        wait_until(&format!("{name} {value}"), || scrape(broker).get(*name) == Some(value));
    }
}

/// What the live page is given, once it is as wanted.
fn wait_for_cluster(broker: &Broker, what: &str, is_so: impl Fn(&Json) -> bool) -> Json {
    wait_for(what, || {
        let data = Json::parse(&get(http_addr(broker), "/live.json").body);
        let cluster = data.get("cluster").expect("a broker of a cluster").clone();
        is_so(&cluster).then_some(cluster)
    })
}

fn at<'a>(json: &'a Json, path: &[&str]) -> &'a Json {
    path.iter().fold(json, |json, key| json.get(key).unwrap_or_else(|| panic!("{key} of {json:?}")))
}

fn number(json: &Json, path: &[&str]) -> Option<i64> {
    match at(json, path).text() {
        "null" => None,
        number => Some(number.parse().unwrap()),
    }
}

fn first_replica(cluster: &Json) -> &Json {
    &at(cluster, &["replicas", "first"]).elements()[0]
}

fn ids(json: &Json) -> Vec<i64> {
    json.elements().iter().map(|it| number(it, &[]).unwrap()).collect()
}

#[test]
fn a_leader_shows_how_far_its_follower_is_and_that_one_is_missing() {
    let controller = controller_with(&records(&[BROKER_ID, FOLLOWER_ID]));
    let times = [("replica.lag.time.max.ms", "100"), ("replica.fetch.wait.max.ms", "50")];
    let broker = start(&controller, BROKER_ID, &times);
    let mut client = broker.connect();
    for _ in 0..3 {
        assert_eq!(client.produce("post", 0, &batch(&["x"])).error_code, 0);
    }
    fetch_as_follower(&mut client, 1);
    wait_for_metrics(
        &broker,
        &[
            ("kafka_server_replicamanager_underreplicatedpartitions", 1.0),
            ("kafka_server_replicamanager_underminisrpartitioncount", 0.0),
            ("kafka_server_replicamanager_atminisrpartitioncount", 1.0),
            ("kafka_server_replicamanager_isrshrinks_total", 1.0),
            ("kafka_server_replicamanager_isrexpands_total", 0.0),
            ("kafka_server_replicamanager_partitioncount", 1.0),
            ("kafka_server_replicamanager_leadercount", 1.0),
            ("kafka_server_replicamanager_reassigningpartitions", 0.0),
            ("kafka_server_replicamanager_offlinereplicacount", 0.0),
        ],
    );
    let cluster = wait_for_cluster(&broker, "the follower", |it| {
        at(first_replica(it), &["concern"]).text() == "under_replicated"
    });
    assert_eq!(at(&cluster, &["id"]).text(), CLUSTER_ID);
    assert_eq!(at(&cluster, &["state"]).text(), "running");
    assert_eq!(number(&cluster, &["controller", "id"]), Some(100));
    let epoch = controller.change(|it| it.broker_epochs[&BROKER_ID]);
    assert_eq!(number(&cluster, &["broker_epoch"]), Some(epoch));
    let brokers = at(&cluster, &["brokers"]).elements();
    assert_eq!(
        brokers.iter().map(|it| number(it, &["id"])).collect::<Vec<_>>(),
        [Some(1), Some(2)]
    );

    let replica = first_replica(&cluster);
    assert_eq!(at(replica, &["name"]).text(), "post-0");
    assert_eq!(at(replica, &["role"]).text(), "leader");
    assert_eq!(number(replica, &["leader_epoch"]), Some(3));
    assert_eq!(ids(at(replica, &["replicas"])), [1, 2]);
    assert_eq!(ids(at(replica, &["isr"])), [1]);
    assert_eq!(number(replica, &["log_end_offset"]), Some(3));
    assert_eq!(number(replica, &["high_watermark"]), Some(3), "nobody else is in sync");
    let follower = &at(replica, &["followers"]).elements()[0];
    assert_eq!((number(follower, &["id"]), number(follower, &["lag"])), (Some(2), Some(2)));
    assert!(number(follower, &["behind_for_ms"]).unwrap() > 100);

    fetch_as_follower(&mut client, 3);
    let cluster = wait_for_cluster(&broker, "the follower in sync", |it| {
        at(first_replica(it), &["concern"]).text() == "nothing"
    });
    let follower = &at(first_replica(&cluster), &["followers"]).elements()[0];
    assert_eq!(
        (number(follower, &["lag"]), number(follower, &["behind_for_ms"])),
        (Some(0), Some(0))
    );
    broker.shutdown().unwrap();
}

/// The replica that copies is one that a reassignment brings.
#[test]
fn bytes_that_are_copied_count_at_both_ends_and_not_as_a_consumers() {
    let mut scene = records(&[BROKER_ID]);
    scene.remove(0); // Broker 2 registers itself.
    let Some(MetadataRecord::Partition(partition)) = scene.last_mut() else { panic!("{scene:?}") };
    partition.adding_replicas = vec![FOLLOWER_ID];
    let controller = controller_with(&scene);
    let leader = start(&controller, BROKER_ID, &[]);
    let mut client = leader.connect();
    let records = batch(&["copied"]);
    assert_eq!(client.produce("post", 0, &records).error_code, 0);
    let follower = start(&controller, FOLLOWER_ID, &[]);
    let bytes = records.len() as f64;
    let topic_metric = |name: &str| format!("kafka_server_brokertopicmetrics_{name}_total");
    for (broker, way) in [(&leader, "out"), (&follower, "in")] {
        let names =
            ["replication", "reassignment"].map(|it| topic_metric(&format!("{it}bytes{way}")));
        wait_for_metrics(broker, &names.each_ref().map(|it| (&**it, bytes)));
    }
    let consumed = topic_metric("bytesout").replace("_total", r#"_total{topic="post"}"#);
    wait_for_metrics(
        &leader,
        &[(&consumed, 0.0), ("kafka_server_replicamanager_reassigningpartitions", 1.0)],
    );
    let thread = format!(
        r#"{{clientid="ReplicaFetcherThread-0-1",brokerhost="{}",brokerport="{}"}}"#,
        "127.0.0.1",
        leader.port()
    );
    wait_for_metrics(
        &follower,
        &[
            (&format!("kafka_server_fetcherstats_bytes_total{thread}"), bytes),
            (r#"kafka_server_fetcherlagmetrics_consumerlag{topic="post",partition="0"}"#, 0.0),
            ("kafka_server_replicamanager_leadercount", 0.0),
            ("kafka_server_replicamanager_partitioncount", 1.0),
            ("kafka_server_replicafetchermanager_maxlag", 0.0),
            ("kafka_server_replicafetchermanager_deadthreadcount", 0.0),
        ],
    );
    let cluster = wait_for_cluster(&follower, "what it copies", |it| {
        let copying = first_replica(it).get("copying");
        copying.is_some_and(|it| number(it, &["lag"]) == Some(0))
    });
    let replica = first_replica(&cluster);
    assert_eq!(at(replica, &["role"]).text(), "follower");
    assert_eq!(at(replica, &["copying", "state"]).text(), "fetching");
    assert_eq!(number(replica, &["high_watermark"]), Some(1));
    assert_eq!(ids(at(replica, &["adding"])), [2]);
    leader.shutdown().unwrap();
    follower.shutdown().unwrap();
}

#[test]
fn of_many_replicas_those_are_listed_that_somebody_should_look_at() {
    let topic = TopicRecord { name: "many".to_string(), topic_id: TOPIC_ID };
    let partition = |number: i32| {
        let (leader, replicas) = match number {
            140 => (BROKER_ID, vec![BROKER_ID, FOLLOWER_ID]),
            141 => (-1, vec![BROKER_ID]),
            _ => (BROKER_ID, vec![BROKER_ID]),
        };
        MetadataRecord::Partition(PartitionRecord {
            partition_id: number,
            topic_id: TOPIC_ID,
            replicas,
            isr: vec![BROKER_ID],
            leader,
            leader_epoch: 0,
            partition_epoch: 0,
            ..PartitionRecord::default()
        })
    };
    let partitions = (0..MANY).map(partition);
    let scene: Vec<_> = [MetadataRecord::Topic(topic)].into_iter().chain(partitions).collect();
    let controller = controller_with(&scene);
    let broker = start(&controller, BROKER_ID, &[]);
    let cluster = wait_for_cluster(&broker, "the cluster", |_| true);
    let replicas = at(&cluster, &["replicas"]);
    let counts = ["count", "led", "offline", "under_min_isr", "under_replicated"];
    let counts = counts.map(|it| number(replicas, &[it]).unwrap());
    assert_eq!(counts, [i64::from(MANY), i64::from(MANY) - 1, 1, 0, 1]);
    let first = at(replicas, &["first"]).elements();
    assert_eq!(first.len(), 100);
    let names: Vec<_> = first.iter().take(4).map(|it| at(it, &["name"]).text()).collect();
    assert_eq!(names, ["many-141", "many-140", "many-0", "many-1"]);
    assert_eq!(number(&first[0], &["leader"]), None);
    wait_for_metrics(&broker, &[("kafka_controller_kafkacontroller_offlinepartitionscount", 1.0)]);
    broker.shutdown().unwrap();
}

/// As Kafka's controller counts them: what is lost here only has a metric of its own.
#[test]
fn a_partition_is_offline_if_nobody_leads_it_wherever_its_replicas_are() {
    let topic = TopicRecord { name: "post".to_string(), topic_id: TOPIC_ID };
    let (lost_here, led_by_nobody) = (0, 1);
    let partition = |partition_id, replicas: &[i32], leader| {
        MetadataRecord::Partition(PartitionRecord {
            partition_id,
            topic_id: TOPIC_ID,
            replicas: replicas.to_vec(),
            isr: vec![*replicas.last().unwrap()],
            leader,
            leader_epoch: 0,
            partition_epoch: 0,
            ..PartitionRecord::default()
        })
    };
    let scene = [
        MetadataRecord::Topic(topic),
        partition(lost_here, &[BROKER_ID, FOLLOWER_ID], FOLLOWER_ID),
        partition(led_by_nobody, &[FOLLOWER_ID], -1),
        partition(2, &[BROKER_ID], BROKER_ID),
    ];
    let controller = controller_with(&scene);
    let dir = Arc::new(TempDir::new());
    fs::write(dir.join(&format!("post-{lost_here}")), "in the way").unwrap();
    let broker = start_in(dir, &controller, BROKER_ID, &[]);
    wait_for_metrics(
        &broker,
        &[
            ("kafka_controller_kafkacontroller_offlinepartitionscount", 1.0),
            ("kafka_server_replicamanager_offlinereplicacount", 1.0),
            ("kafka_server_replicamanager_partitioncount", 1.0),
        ],
    );
    let at_follower = partition(led_by_nobody, &[FOLLOWER_ID], FOLLOWER_ID);
    controller.append(&[RecordAndVersion::from(at_follower).to_bytes()]);
    wait_for_metrics(&broker, &[("kafka_controller_kafkacontroller_offlinepartitionscount", 0.0)]);
    broker.shutdown().unwrap();
}

#[test]
fn a_broker_shows_how_far_it_has_followed_the_metadata_log() {
    let controller = controller_with(&[]);
    let broker = start(&controller, BROKER_ID, &[]);
    let end = controller.change(|it| it.log.end_offset()) as f64;
    let of_metadata = |name: &str| format!("kafka_server_broker_metadata_metrics_{name}");
    wait_for_metrics(
        &broker,
        &[
            (&of_metadata("last_applied_record_offset"), end - 1.0),
            ("kafka_server_raft_metrics_high_watermark", end),
            ("kafka_server_raft_metrics_current_leader", 100.0),
            ("kafka_server_metadataloader_currentmetadataversion", 21.0),
            ("transferto_metadata_log_lag", 0.0),
            ("kafka_server_kafkaserver_brokerstate", 3.0),
        ],
    );
    let samples = scrape(&broker);
    let time_ms = samples[&of_metadata("last_applied_record_timestamp")];
    let lag_ms = samples[&of_metadata("last_applied_record_lag_ms")];
    let now_ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!((time_ms + lag_ms - now_ms.as_millis() as f64).abs() < 60_000.0, "{time_ms} {lag_ms}");
    broker.shutdown().unwrap();
}
