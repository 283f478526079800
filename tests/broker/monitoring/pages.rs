//! The pages of a broker over HTTP: what a scraper, a probe and a dashboard read.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use support::broker::Broker;
use support::client::{Client, NEWEST_FETCH, fetch_request};
use support::http::{HTTP_LISTENER, HttpAnswer, get};
use support::records::batch;
use support::temp::TempDir;
use support::wait::{wait_for, wait_until};
use transferto::common::errors::Errors;
use transferto::common::mock_time::MockTime;
use transferto::protocol::delete_topics::DeleteTopicsRequest;
use transferto::protocol::fetch::FetchRequest;
use transferto::protocol::request::RequestBody;
use transferto::server::monitoring::family::Kind;
use transferto::server::monitoring::metrics_page::all_families;

use crate::log_dir_failure_handler::{fail, start_with_topics};

pub(crate) fn http_addr(broker: &Broker) -> SocketAddr {
    broker.server().http_addr().unwrap()
}

/// The samples of a page: each line's name and labels, and its value.
fn samples(page: &str) -> BTreeMap<String, f64> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            (sample.to_string(), value.parse().unwrap())
        })
        .collect()
}

pub(crate) fn scrape(broker: &Broker) -> BTreeMap<String, f64> {
    let page = get(http_addr(broker), "/metrics");
    assert_eq!(page.status, 200, "{page:?}");
    samples(&page.body)
}

/// A broker that has been produced to and fetched from, with success and without.
pub(crate) struct BusyBroker {
    pub(crate) broker: Broker,
    client: Client,
}

impl BusyBroker {
    pub(crate) fn start() -> Self {
        let broker = Broker::start(&[HTTP_LISTENER]);
        let client = broker.connect_with_topic("post");
        let mut busy = Self { broker, client };
        busy.produce_and_fetch();
        let fetches = r#"kafka_network_requestmetrics_requests_total{request="Fetch"}"#;
        // The last request is over when its answer has left, which may be after it has come.
        wait_until("the page with all of that", || scrape(&busy.broker).get(fetches) >= Some(&2.0));
        busy
    }

    pub(crate) fn produce_and_fetch(&mut self) {
        let produced = self.client.produce("post", 0, &batch(&[b"at work"]));
        assert_eq!(self.client.fetch("post", 0, produced.base_offset).error, 0);
        assert_eq!(self.client.fetch("post", 0, -1).error, Errors::OffsetOutOfRange.code());
    }
}

/// Scrapes until the sample has this value: a page may be a second old.
fn wait_for_sample(broker: &Broker, sample: &str, value: f64) {
    wait_until(&format!("{sample} {value}"), || scrape(broker).get(sample) == Some(&value));
}

#[test]
fn what_was_produced_and_fetched_shows_under_kafkas_names() {
    let broker = Broker::start(&[HTTP_LISTENER]);
    let mut client = broker.connect_with_topic("post");
    let records = batch(&[b"first", b"other"]);
    for _ in 0..3 {
        assert_eq!(client.produce("post", 0, &records).error_code, 0);
    }
    let fetched = client.fetch("post", 0, 0).records.len() as f64;
    let refused = client.fetch("post", 0, 99);
    assert_eq!(refused.error, Errors::OffsetOutOfRange.code());
    // A request is counted when its answer has left, so a client may have the answer before.
    let fetches = r#"kafka_network_requestmetrics_requests_total{request="Fetch"}"#;
    wait_for_sample(&broker, fetches, 2.0);
    let samples = scrape(&broker);
    let out_of_range =
        r#"kafka_network_requestmetrics_errors_total{request="Fetch",error="OFFSET_OUT_OF_RANGE"}"#;
    for (sample, value) in [
        (out_of_range, 1.0),
        (r#"kafka_network_requestmetrics_requests_total{request="Produce"}"#, 3.0),
        (r#"kafka_network_requestmetrics_errors_total{request="Produce",error="NONE"}"#, 3.0),
        (fetches, 2.0),
        (r#"kafka_network_requestmetrics_totaltimems_count{request="Fetch"}"#, 2.0),
        (r#"kafka_network_requestmetrics_totaltimems_bucket{request="Fetch",le="+Inf"}"#, 2.0),
        (r#"kafka_server_brokertopicmetrics_messagesin_total{topic="post"}"#, 6.0),
        (r#"kafka_server_brokertopicmetrics_bytesin_total{topic="post"}"#, fetched),
        (r#"kafka_server_brokertopicmetrics_bytesout_total{topic="post"}"#, fetched),
        (r#"kafka_log_log_size{topic="post",partition="0"}"#, fetched),
        (r#"kafka_log_log_logstartoffset{topic="post",partition="0"}"#, 0.0),
        (r#"kafka_log_log_logendoffset{topic="post",partition="0"}"#, 6.0),
        (r#"kafka_log_log_numlogsegments{topic="post",partition="0"}"#, 1.0),
        (
            r#"kafka_server_socket_server_metrics_connectioncount{listener="PLAINTEXT",networkprocessor="0"}"#,
            1.0,
        ),
        ("kafka_server_replicamanager_partitioncount", 1.0),
        ("kafka_server_replicamanager_underreplicatedpartitions", 0.0),
        ("kafka_controller_kafkacontroller_offlinepartitionscount", 0.0),
        ("kafka_controller_kafkacontroller_globaltopiccount", 1.0),
        ("kafka_controller_controllereventmanager_eventqueuesize", 0.0),
        ("kafka_server_kafkaserver_brokerstate", 3.0),
        ("transferto_sendfile_bytes_total", fetched),
    ] {
        assert_eq!(samples.get(sample), Some(&value), "{sample}");
    }
    for share in [
        "kafka_network_socketserver_networkprocessoravgidle_percent",
        "kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent",
        "kafka_server_socket_server_metrics_memorypoolavgdepletedpercent",
    ] {
        assert!((0.0..=1.0).contains(&samples[share]), "{share} {}", samples[share]);
    }
}

#[test]
fn the_page_has_the_metrics_of_the_table_and_no_others() {
    let broker = Broker::start(&[HTTP_LISTENER]);
    broker.connect_with_topic("post");
    let page = get(http_addr(&broker), "/metrics").body;
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let types: Vec<_> = types.map(|it| it.split_once(' ').unwrap()).collect();
    let table: Vec<_> = all_families()
        .map(|it| match it.kind {
            Kind::Counter => (it.name, "counter"),
            Kind::Gauge => (it.name, "gauge"),
            Kind::Histogram => (it.name, "histogram"),
        })
        .collect();
    assert_eq!(types, table);
    let known: BTreeSet<&str> = all_families().map(|it| it.name).collect();
    for sample in samples(&page).into_keys() {
        let name = sample.split('{').next().unwrap();
        let of_histogram =
            ["_bucket", "_sum", "_count"].iter().find_map(|it| name.strip_suffix(it));
        assert!(
            known.contains(name) || of_histogram.is_some_and(|it| known.contains(it)),
            "{name}"
        );
    }
}

#[test]
fn a_fetch_that_waits_shows_in_the_purgatory_and_a_connection_until_it_is_closed() {
    let broker = Broker::start(&[HTTP_LISTENER]);
    let mut client = broker.connect_with_topic("post");
    let request = FetchRequest { max_wait_ms: 600_000, ..fetch_request("post", 0, 0) };
    let header = client.send(NEWEST_FETCH, &RequestBody::Fetch(request), &[]);
    let delayed =
        r#"kafka_server_delayedoperationpurgatory_numdelayedoperations{delayedoperation="Fetch"}"#;
    wait_for_sample(&broker, delayed, 1.0);
    broker.connect().produce("post", 0, &batch(&[b"at last"]));
    client.receive_fetch(&header);
    wait_for_sample(&broker, delayed, 0.0);
    let connections = r#"kafka_server_socket_server_metrics_connectioncount{listener="PLAINTEXT",networkprocessor="0"}"#;
    wait_for_sample(&broker, connections, 1.0);
    drop(client);
    wait_for_sample(&broker, connections, 0.0);
}

#[test]
fn a_disk_that_fails_shows_in_its_directory_and_its_partitions() {
    let dir = Arc::new(TempDir::new());
    let (broker, _client) = start_with_topics(&dir);
    let sample_of = |name: &str| {
        let path = dir.join(name).display().to_string();
        format!("kafka_log_logmanager_logdirectoryoffline{{logdirectory=\"{path}\"}}")
    };
    let numbers = [
        "kafka_log_logmanager_offlinelogdirectorycount",
        "kafka_server_replicamanager_offlinereplicacount",
        "kafka_controller_kafkacontroller_offlinepartitionscount",
    ];
    let before = scrape(&broker);
    assert!(numbers.iter().all(|number| before[*number] == 0.0), "{before:?}");
    fail(&broker, &dir);
    wait_for_sample(&broker, &sample_of("a"), 1.0);
    let after = scrape(&broker);
    assert_eq!(after[&sample_of("b")], 0.0);
    assert!(numbers.iter().all(|number| after[*number] == 1.0), "{after:?}");
}

#[test]
fn the_memory_of_a_frame_that_is_arriving_shows_until_it_is_given_up() {
    let broker = Broker::start(&[HTTP_LISTENER]);
    let memory = || {
        let samples = scrape(&broker);
        let of_pool = |name| samples[&format!("kafka_network_socketserver_memorypool{name}")];
        (of_pool("used"), of_pool("available"))
    };
    let (used, free) = memory();
    assert_eq!(used, 0.0);
    let mut client = TcpStream::connect(("127.0.0.1", broker.port())).unwrap();
    client.write_all(&100_000_i32.to_be_bytes()).unwrap();
    client.write_all(&[0; 50_000]).unwrap();
    let (used, available) =
        wait_for("its memory", || Some(memory()).filter(|(used, _)| *used >= 50_000.0));
    assert_eq!(used + available, free);
    drop(client);
    wait_until("its end", || memory() == (0.0, free));
}

#[test]
fn a_frame_that_waits_for_memory_shows_as_time_without_it() {
    const SHARE: &str = "kafka_server_socket_server_metrics_memorypoolavgdepletedpercent";
    const SECONDS: &str = "transferto_memory_pool_depleted_seconds_total";
    let settings =
        ["socket.request.max.bytes", "queued.max.request.bytes"].map(|name| (name, "1000000"));
    let broker = Broker::start(&[&[HTTP_LISTENER], &settings[..]].concat());
    let samples = scrape(&broker);
    assert_eq!((samples[SHARE], samples[SECONDS]), (0.0, 0.0));
    let begin_frame = || {
        let mut client = TcpStream::connect(("127.0.0.1", broker.port())).unwrap();
        client.write_all(&800_000_i32.to_be_bytes()).unwrap();
        client.write_all(&[0; 5_000]).unwrap();
        client
    };
    let _clients = [begin_frame(), begin_frame()];
    let samples =
        wait_for("the wait", || Some(scrape(&broker)).filter(|samples| samples[SECONDS] > 0.0));
    assert!(samples[SHARE] > 0.0 && samples[SHARE] <= 1.0, "{}", samples[SHARE]);
}

/// So what a client can add to the page is bounded by what it can add to the disk.
#[test]
fn a_topic_shows_as_long_as_it_exists() {
    let broker = Broker::start(&[HTTP_LISTENER]);
    let mut client = broker.connect_with_topic("post");
    client.create_topic("kept");
    client.produce("post", 0, &batch(&[b"x"]));
    let of_post = |page: &str| page.contains("\"post\"");
    assert!(of_post(&get(http_addr(&broker), "/metrics").body));
    let request = DeleteTopicsRequest {
        topic_names: vec!["post".to_string()],
        timeout_ms: 30_000,
        ..DeleteTopicsRequest::default()
    };
    client.call(3, &RequestBody::DeleteTopics(request), &[]);
    let page = wait_for("the page without the topic", || {
        let page = get(http_addr(&broker), "/metrics").body;
        (!of_post(&page)).then_some(page)
    });
    assert!(page.contains("\"kept\""));
    assert_eq!(samples(&page)["kafka_controller_kafkacontroller_offlinepartitionscount"], 0.0);
}

/// Neither is a label: they could be made up without end.
#[test]
fn names_that_clients_make_up_are_not_on_the_page() {
    let broker = Broker::start(&[HTTP_LISTENER]);
    let mut client = broker.connect_with_topic("post");
    client.client_id = "evil\"} 1\nforged_total 2";
    assert_eq!(client.fetch("no such topic\nforged_total 2", 0, 0).error, 3);
    client.produce("post", 0, &batch(&[b"x"]));
    wait_for_sample(
        &broker,
        r#"kafka_network_requestmetrics_requests_total{request="Produce"}"#,
        1.0,
    );
    let page = get(http_addr(&broker), "/metrics").body;
    assert!(!page.contains("evil") && !page.contains("forged"), "{page}");
}

#[test]
fn a_page_is_made_once_a_second_however_often_it_is_asked_for() {
    let time = Arc::new(MockTime::new());
    let broker =
        Broker::start_with(Arc::new(TempDir::new()), &[HTTP_LISTENER], |it| it.time(time.clone()));
    let ask = || get(http_addr(&broker), "/metrics").body;
    let first = ask();
    broker.connect_with_topic("post");
    assert_eq!(ask(), first);
    time.sleep(1000);
    assert!(ask().contains("\"post\""));
}

#[test]
fn a_broker_is_alive_from_the_beginning_and_ready_when_its_ports_are_open() {
    let broker = Broker::start(&[HTTP_LISTENER]);
    let line = |answer: HttpAnswer| (answer.status, answer.body);
    assert_eq!(line(get(http_addr(&broker), "/healthz")), (200, "alive\n".to_string()));
    assert_eq!(line(get(http_addr(&broker), "/readyz")), (200, "ready\n".to_string()));
    let addr = http_addr(&broker);
    broker.stop();
    assert!(TcpStream::connect(addr).is_err());
}

#[test]
fn without_the_setting_there_is_no_port() {
    assert_eq!(Broker::start(&[]).server().http_addr(), None);
}

#[test]
fn a_port_that_is_taken_stops_the_start_with_a_sentence() {
    let broker = Broker::start(&[HTTP_LISTENER]);
    let taken = http_addr(&broker).to_string();
    let settings = [("transferto.http.listener", taken.as_str())];
    let error = Broker::start_error(&TempDir::new(), &settings, |it| it);
    assert!(
        error.starts_with(&format!("cannot bind `transferto.http.listener={taken}`")),
        "{error}"
    );
    let advice = "another program listens there: stop it, or set `transferto.http.listener`";
    assert!(error.contains(advice), "{error}");
}
