//! `transferto move-to-cluster` before Apache's own controller, which begins with the records that it wrote.

use nix::sys::signal::Signal;
use support::broker_process::{BrokerProcess, broker_binary};
use support::client::Client;
use support::records::batch;
use support::temp::TempDir;
use support::wait::wait_until;

use crate::apache_controller::ApacheController;

const TOPIC_IDS: i16 = 10;

#[test]
fn a_single_node_goes_on_as_the_first_broker_of_apaches_cluster() {
    let dir = TempDir::new();
    let alone = BrokerProcess::start(dir.path(), &["num.partitions=2"]);
    let mut client = Client::connect(alone.port);
    client.create_topic("post");
    for partition in [0, 1] {
        assert_eq!(client.produce("post", partition, &batch(&["a", "b", "c"])).error_code, 0);
    }
    let topic_id = client.metadata(TOPIC_IDS, Some(&["post"])).topics[0].topic_id;
    alone.end_with(Signal::SIGTERM);
    let settings = [
        "process.roles=broker",
        "node.id=7",
        "controller.listener.names=CONTROLLER",
        "broker.heartbeat.interval.ms=200",
    ];
    let file = dir.join("broker.properties");
    let of_file = format!(
        "{}\nlog.dirs={}\ncontroller.quorum.bootstrap.servers=127.0.0.1:9\n",
        settings.join("\n"),
        dir.path().display()
    );
    std::fs::write(&file, of_file).unwrap();
    let command = format!(
        "{} move-to-cluster {} --controller-config \"$CLUSTER_DIR/controller.properties\"",
        broker_binary().display(),
        file.display()
    );
    let Some(controller) = ApacheController::start_after("3.9", &command) else { return };
    let quorum = format!("controller.quorum.bootstrap.servers={}", controller.addr());
    let settings: Vec<&str> = settings.into_iter().chain([quorum.as_str()]).collect();
    let member = BrokerProcess::start(dir.path(), &settings);
    let mut client = Client::connect(member.port);
    let mut found = None;
    wait_until("a leader", || {
        let topic = client.metadata(TOPIC_IDS, Some(&["post"])).topics.remove(0);
        let is_led =
            topic.partitions.len() == 2 && topic.partitions.iter().all(|it| it.leader_id == 7);
        found = Some(topic);
        is_led
    });
    let found = found.unwrap();
    assert_eq!(found.topic_id, topic_id);
    assert!(found.partitions.iter().all(|it| it.isr_nodes == [7]), "{found:?}");
    for partition in [0, 1] {
        let fetched = client.fetch("post", partition, 0);
        assert_eq!((fetched.error, fetched.high_watermark), (0, 3));
        assert_eq!(client.produce("post", partition, &batch(&["d"])).base_offset, 3);
    }
    member.end_with(Signal::SIGTERM);
    // The records of the single node are of its epoch, and the cluster's of the next one.
    let epochs = std::fs::read_to_string(dir.join("post-0/leader-epoch-checkpoint")).unwrap();
    assert_eq!(epochs, "0\n2\n0 0\n1 3\n");
}
