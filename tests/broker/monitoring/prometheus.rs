//! A real Prometheus, and its own judge of metrics, where they are installed.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use support::http::get;
use support::json::Json;
use support::temp::TempDir;
use support::wait::wait_for;

use transferto::server::monitoring::metrics_page::all_families;

use crate::monitoring::dashboard::{names_in, queries};
use crate::monitoring::pages::{BusyBroker, http_addr};

/// The configuration that an operator begins with.
const CONFIGURATION: &str = "docs/deploy/prometheus.yml";
const RATE_INTERVAL: &str = "10s";
const RULES: &str = "docs/deploy/prometheus-rules.yml";

/// Each alert, a metric that brings it, the value that is too much, and for how many minutes it has to be.
const ALERTS: [(&str, &str, u32, u32); 10] = [
    ("PartitionsOffline", "kafka_controller_kafkacontroller_offlinepartitionscount", 1, 0),
    ("PartitionsUnderMinIsr", "kafka_server_replicamanager_underminisrpartitioncount", 1, 0),
    ("LogDirectoryOffline", "kafka_log_logmanager_offlinelogdirectorycount", 1, 0),
    ("ReplicasOffline", "kafka_server_replicamanager_offlinereplicacount", 1, 0),
    ("PartitionsUnderReplicated", "kafka_server_replicamanager_underreplicatedpartitions", 1, 5),
    ("ReplicationGivenUp", "kafka_server_replicafetchermanager_failedpartitionscount", 1, 0),
    ("ReplicationGivenUp", "kafka_server_replicafetchermanager_deadthreadcount", 1, 0),
    ("ReplicationLag", "kafka_server_replicafetchermanager_maxlag", 10_001, 5),
    ("MetadataStale", LAST_APPLIED_LAG, 10_001, 1),
    ("BrokerDown", r#"up{job="transferto"}"#, 0, 1),
];
const LAST_APPLIED_LAG: &str = "kafka_server_broker_metadata_metrics_last_applied_record_lag_ms";
/// From which minute on the metrics of the scene are bad.
const BAD_FROM: u32 = 10;

/// Says so if the program is not there: then the test has shown nothing.
fn is_installed(program: &str) -> bool {
    let is_there = Command::new(program).arg("--version").output().is_ok();
    if !is_there {
        eprintln!("skipped: there is no {program} here; `apt-get install prometheus` brings it");
    }
    is_there
}

#[test]
fn promtool_has_nothing_to_say_about_the_metrics() {
    if !is_installed("promtool") {
        return;
    }
    let busy = BusyBroker::start();
    let page = get(http_addr(&busy.broker), "/metrics").body;
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn every_query_of_the_dashboard_returns_data_from_a_real_prometheus() {
    if !is_installed("prometheus") {
        return;
    }
    let mut busy = BusyBroker::start();
    let prometheus = Prometheus::scraping(http_addr(&busy.broker));
    for (title, query) in queries() {
        wait_for(&format!("{title}: {query}"), || {
            busy.produce_and_fetch();
            prometheus.has_data(&query).then_some(())
        });
    }
}

#[test]
fn each_alert_comes_when_it_should_and_not_before() {
    if !is_installed("promtool") {
        return;
    }
    let rules = fs::read_to_string(RULES).unwrap();
    let named = rules.matches("- alert: ").count();
    let tested: BTreeSet<_> = ALERTS.iter().map(|it| it.0).collect();
    assert_eq!(tested.len(), named, "an alert that has no scene");
    let dir = TempDir::new();
    let scene = dir.join("scene.yml");
    fs::write(&scene, scene_of_alerts(&fs::canonicalize(RULES).unwrap().to_string_lossy()))
        .unwrap();
    for arguments in [["check", "rules", RULES], ["test", "rules", scene.to_str().unwrap()]] {
        let output = Command::new("promtool").args(arguments).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    }
}

/// For each alert a broker of which one metric goes bad.
fn scene_of_alerts(rules: &str) -> String {
    let test = |(alert, metric, bad, minutes): &(&str, &str, u32, u32)| {
        let good = u32::from(*bad == 0);
        let values = format!("{good}x{} {bad}x20", BAD_FROM - 1);
        let firing = format!("count(ALERTS{{alertname='{alert}',alertstate='firing'}})");
        let (first, last) = (BAD_FROM + minutes, (BAD_FROM + minutes).saturating_sub(1));
        format!(
            "- interval: 1m\n  input_series: [{{series: '{metric}', values: '{values}'}}]\n  promql_expr_test:\n  \
             - {{expr: \"{firing}\", eval_time: {last}m, exp_samples: []}}\n  \
             - {{expr: \"{firing}\", eval_time: {first}m, exp_samples: [{{labels: '{{}}', value: 1}}]}}\n"
        )
    };
    let tests: String = ALERTS.iter().map(test).collect();
    format!("rule_files: ['{rules}']\nevaluation_interval: 1m\ntests:\n{tests}")
}

#[test]
fn what_an_alert_asks_for_is_a_metric_of_the_table() {
    let rules = fs::read_to_string(RULES).unwrap();
    for line in rules.lines().filter_map(|it| it.trim().strip_prefix("expr: ")) {
        for name in names_in(line) {
            assert!(all_families().any(|it| it.name == name), "there is no {name}");
        }
    }
}

/// A Prometheus of our own, on a port of its own.
struct Prometheus {
    child: Child,
    addr: SocketAddr,
    _dir: TempDir,
}

impl Prometheus {
    fn scraping(target: SocketAddr) -> Self {
        let dir = TempDir::new();
        let configuration = fs::read_to_string(CONFIGURATION).unwrap();
        let ours = configuration
            .replace("127.0.0.1:9404", &target.to_string())
            .replace("scrape_interval: 15s", "scrape_interval: 1s");
        assert!(ours.contains(&target.to_string()) && ours.contains(" 1s"), "{configuration}");
        fs::write(dir.join("prometheus.yml"), ours).unwrap();
        let mut child = Command::new("prometheus")
            .arg(format!("--config.file={}", dir.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", dir.join("data").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let addr = lines
            .by_ref()
            .map_while(Result::ok)
            .find(|line| line.contains("msg=\"Listening on\""))
            .and_then(|line| line.split("address=").nth(1)?.split(' ').next()?.parse().ok())
            .expect("the address at which Prometheus listens");
        // Nobody else reads what it says.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, addr, _dir: dir }
    }

    /// Whether a query of the dashboard returns a number.
    fn has_data(&self, query: &str) -> bool {
        let query = query.replace("$__rate_interval", RATE_INTERVAL).replace("$instance", ".*");
        let answer = self.get(&format!("/api/v1/query?query={}", percent_encoded(&query)));
        let Some(answer) = answer else { return false };
        let is_good = answer.get("status").map(Json::text) == Some("success");
        assert!(is_good, "{query}: {answer:?}");
        let results = answer.get("data").unwrap().get("result").unwrap().elements();
        let value = |it: &Json| it.get("value").unwrap().elements()[1].text().to_string();
        results.iter().any(|it| value(it) != "NaN")
    }

    /// What it answers, once it is ready.
    fn get(&self, path: &str) -> Option<Json> {
        let mut stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (!head.contains(" 503 ")).then(|| Json::parse(body))
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
