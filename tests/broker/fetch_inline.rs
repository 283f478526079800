//! `transferto.fetch.inline=resident`: a Processor answers what is in memory, hands over everything
//! else, and no client can see who answered.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::{IpAddr, Shutdown};
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};
use support::broker::Broker;
use support::client::{Client, NEWEST_FETCH, fetch_request, fetch_topic};
use support::records::{batch, stored};
use support::temp::TempDir;
use support::wait::wait_until;
use transferto::common::errors::Errors;
use transferto::common::kafka_principal::KafkaPrincipal;
use transferto::common::sys::resident_pages;
use transferto::config::config_reader::read_settings;
use transferto::protocol::fetch::FetchRequest;
use transferto::protocol::request::RequestBody;
use transferto::server::security::authorizer::{
    AclBinding, AclBindingFilter, Authorizer, Operation, Resource, ResourceType,
};
use transferto::{KafkaConfig, KafkaServerBuilder};

const RESIDENT: (&str, &str) = ("transferto.fetch.inline", "resident");
const OFF: (&str, &str) = ("transferto.fetch.inline", "off");
const BATCH_VALUE_BYTES: usize = 50_000;

/// A broker with the topic `post`, which holds three batches of one record each; and their bytes.
fn start(settings: &[(&str, &str)]) -> (Broker, Client, Vec<u8>) {
    let broker = Broker::start(settings);
    let mut client = broker.connect_with_topic("post");
    let records = batch(&[&[7; BATCH_VALUE_BYTES]]);
    for _ in 0..3 {
        assert_eq!(client.produce("post", 0, &records).error_code, 0);
    }
    let expected = (0..3).map(|offset| stored(&records, offset)).collect::<Vec<_>>().concat();
    (broker, client, expected)
}

/// How many fetches were answered by a Processor, and how many handed over.
fn counts(broker: &Broker) -> (u64, u64) {
    let metrics = broker.server().metrics();
    (metrics.fetches_answered_inline.value(), metrics.fetches_handed_over.value())
}

/// Whether the kernel knows what is in memory. Without that, everything is handed over.
fn knows_residency(dir: &Path) -> bool {
    let file = File::open(dir.join("post-0/00000000000000000000.log")).unwrap();
    let knows = resident_pages(&file, 0, 1).unwrap().is_some();
    if !knows {
        eprintln!("skipped: this kernel has no cachestat(2)");
    }
    knows
}

#[test]
fn a_fetch_of_what_is_in_memory_is_answered_by_the_processor() {
    let (broker, mut client, expected) = start(&[RESIDENT]);
    if !knows_residency(broker.dir.path()) {
        return;
    }
    for version in 4..=NEWEST_FETCH {
        let fetched = client.fetch_with(version, fetch_request("post", 0, 0)).remove(0);
        assert_eq!((fetched.error, fetched.high_watermark), (0, 3));
        assert_eq!(fetched.records, expected, "Fetch version {version}");
    }
    assert_eq!(counts(&broker), (9, 0));
    // An error is an answer like any other, and an empty one, too.
    let out_of_range = client.fetch("post", 0, 4);
    assert_eq!(out_of_range.error, Errors::OffsetOutOfRange.code());
    assert!(client.fetch("post", 0, 3).records.is_empty());
    assert!(client.fetch_with(NEWEST_FETCH, FetchRequest::default()).is_empty());
    assert_eq!(counts(&broker), (12, 0));
}

#[test]
fn it_is_off_by_default() {
    let (broker, mut client, expected) = start(&[]);
    assert_eq!(client.fetch("post", 0, 0).records, expected);
    assert_eq!(counts(&broker), (0, 0));
}

/// The only handler is held up, so whatever passes the request channel waits.
#[test]
fn what_is_in_memory_is_served_while_no_handler_is_free() {
    let gate = Arc::new(Gate::default());
    let settings = [RESIDENT, ("num.io.threads", "1")];
    let broker = Broker::start_with(Arc::new(TempDir::new()), &settings, |it| {
        it.authorizer(Arc::clone(&gate) as Arc<dyn Authorizer>)
    });
    let mut client = broker.connect_with_topic("post");
    let records = batch(&[b"a"]);
    client.produce("post", 0, &records);
    if !knows_residency(broker.dir.path()) {
        return;
    }
    let (reached, opener) = gate.close();
    let mut held = broker.connect();
    let topics = Some(vec![support::client::topic_named("gate")]);
    let request = transferto::protocol::metadata::MetadataRequest { topics, ..Default::default() };
    let header = held.send(1, &RequestBody::Metadata(request), &[]);
    reached.recv().unwrap();
    for _ in 0..3 {
        assert_eq!(client.fetch("post", 0, 0).records, stored(&records, 0));
    }
    assert_eq!(counts(&broker), (3, 0));
    drop(opener);
    held.receive(&header);
}

/// Takes the pages behind this position out of memory. One advice need not do: the kernel keeps a
/// page to which a packet on its way to a client still refers.
fn evict(file: &File, position: i64) {
    wait_until("cold pages", || {
        posix_fadvise(file, position, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
        let size_bytes = file.metadata().unwrap().len() - position as u64;
        resident_pages(file, position as u64, size_bytes).unwrap() == Some(false)
    });
}

#[test]
fn what_is_not_in_memory_is_handed_over_and_warmed_by_a_handler() {
    let (broker, mut client, expected) = start(&[RESIDENT]);
    let path = broker.dir.path().join("post-0/00000000000000000000.log");
    let file = File::open(path).unwrap();
    if !knows_residency(broker.dir.path())
        || fstatfs(&file).unwrap().filesystem_type() == TMPFS_MAGIC
    {
        return;
    }
    file.sync_all().unwrap();
    evict(&file, 0);
    assert_eq!(client.fetch("post", 0, 0).records, expected);
    assert_eq!(counts(&broker), (0, 1));
    assert_eq!(broker.server().metrics().cold_slices_warmed.value(), 1);
    assert_eq!(client.fetch("post", 0, 0).records, expected);
    assert_eq!(counts(&broker), (1, 1));

    // A slice whose beginning is in memory, and whose end is not.
    evict(&file, 100_000);
    assert_eq!(client.fetch("post", 0, 0).records, expected);
    assert_eq!(counts(&broker), (1, 2));
}

#[test]
fn a_lesson_leaves_cold_pages_to_sendfile() {
    let lesson = ("transferto.lesson.cold.pages", "true");
    let (broker, mut client, expected) = start(&[("transferto.lessons.allowed", "true"), lesson]);
    let file = File::open(broker.dir.path().join("post-0/00000000000000000000.log")).unwrap();
    file.sync_all().unwrap();
    posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
    assert_eq!(client.fetch("post", 0, 0).records, expected);
    assert_eq!(broker.server().metrics().cold_slices_warmed.value(), 0);
}

#[test]
fn a_program_that_fills_the_settings_itself_gets_no_lesson_without_permission() {
    let dir = TempDir::new();
    let log_dirs = dir.path().display().to_string();
    let settings = [("listeners", "PLAINTEXT://127.0.0.1:0"), ("log.dirs", log_dirs.as_str())];
    let config = read_settings(settings).unwrap();
    let config = KafkaConfig { transferto_lesson_cold_pages: true, ..config };
    let Err(refused) = KafkaServerBuilder::new(config).start() else { panic!("it has started") };
    assert!(refused.to_string().contains("transferto.lessons.allowed=true"), "{refused}");
}

#[test]
fn a_conversion_is_a_handlers_work_and_old_clients_of_an_old_format_need_none() {
    let (broker, mut client, expected) = start(&[RESIDENT]);
    for version in 0..=3 {
        let fetched = client.fetch_with(version, fetch_request("post", 0, 0)).remove(0);
        assert_eq!(fetched.error, 0);
        assert_ne!(fetched.records, expected, "Fetch version {version}");
    }
    assert_eq!(counts(&broker), (0, 4));
    client.create_topic_with("old", &[("message.format.version", "0.9.0")]);
    assert_eq!(client.produce("old", 0, &batch(&[b"a"])).error_code, 0);
    if knows_residency(broker.dir.path()) {
        for version in 0..=3 {
            let fetched = client.fetch_with(version, fetch_request("old", 0, 0)).remove(0);
            assert_eq!((fetched.error, fetched.records.is_empty()), (0, false));
        }
        assert_eq!(counts(&broker), (4, 4));
    }
}

#[test]
fn a_fetch_that_waits_is_handed_over_and_answered_by_the_append() {
    let (broker, mut client, _) = start(&[RESIDENT]);
    let request = FetchRequest { max_wait_ms: 600_000, ..fetch_request("post", 0, 3) };
    let header = client.send(NEWEST_FETCH, &RequestBody::Fetch(request), &[]);
    let purgatory = broker.server().replica_manager();
    wait_until("the fetch to wait", || purgatory.delayed_fetches() == 1);
    let late = batch(&[b"late"]);
    broker.connect().produce("post", 0, &late);
    assert_eq!(client.receive_fetch(&header).remove(0).records, stored(&late, 3));
    assert_eq!(counts(&broker), (0, 1));
}

/// A client that asks for so much would keep its Processor from all others for too long.
#[test]
fn a_fetch_of_many_partitions_is_handed_over() {
    let (broker, mut client, expected) = start(&[RESIDENT]);
    let mut request = fetch_request("post", 0, 0);
    let nobodies: Vec<_> = (1..=300).map(|partition| (partition, 0)).collect();
    request.topics.push(fetch_topic("nobody", &nobodies));
    let fetched = client.fetch_with(NEWEST_FETCH, request);
    assert_eq!((fetched.len(), &fetched[0].records), (301, &expected));
    assert_eq!(counts(&broker), (0, 1));
}

/// Each costs a look at the rights of the client.
#[test]
fn a_fetch_of_many_topics_is_handed_over_though_they_name_no_partition() {
    let broker = Broker::start(&[RESIDENT]);
    let topics = (0..300).map(|number| fetch_topic(&format!("t{number}"), &[])).collect();
    let request = FetchRequest { topics, ..FetchRequest::default() };
    assert!(broker.connect().fetch_with(NEWEST_FETCH, request).is_empty());
    assert_eq!(counts(&broker), (0, 1));
}

#[test]
fn a_client_that_sends_its_fetches_ahead_and_closes_its_half_gets_the_answers_in_order() {
    let (broker, mut client, expected) = start(&[RESIDENT]);
    let asked: Vec<_> = [0, 1, 2, 3, 1, 0].repeat(20);
    let headers: Vec<_> = asked
        .iter()
        .map(|offset| {
            // Of an old client every second one, which a handler answers.
            let version = if offset % 2 == 0 { NEWEST_FETCH } else { 3 };
            let body = RequestBody::Fetch(fetch_request("post", 0, *offset));
            client.send(version, &body, &[])
        })
        .collect();
    client.stream.shutdown(Shutdown::Write).unwrap();
    for (offset, header) in asked.iter().zip(&headers) {
        let fetched = client.receive_fetch(header).remove(0);
        if header.api_version == NEWEST_FETCH {
            let begin = expected.len() / 3 * usize::try_from(*offset).unwrap();
            assert_eq!(fetched.records, expected[begin..]);
        }
    }
    client.assert_closed();
    if knows_residency(broker.dir.path()) {
        assert_eq!(counts(&broker), (60, 60));
    }
}

#[test]
fn a_topic_that_is_denied_is_refused_the_same_whoever_answers() {
    let answers = [OFF, RESIDENT].map(|setting| {
        let gate = Arc::new(Gate::default());
        let broker = Broker::start_with(Arc::new(TempDir::new()), &[setting], |it| {
            it.authorizer(Arc::clone(&gate) as Arc<dyn Authorizer>)
        });
        let mut client = broker.connect_with_topic("post");
        client.create_topic("denied");
        client.produce("post", 0, &batch(&[b"a"]));
        let mut request = fetch_request("post", 0, 0);
        request.topics.push(fetch_topic("denied", &[(0, 0)]));
        let fetched = client.fetch_with(NEWEST_FETCH, request);
        assert_eq!(counts(&broker).0, 0);
        fetched.iter().map(|it| (it.error, it.records.clone())).collect::<Vec<_>>()
    });
    let errors: BTreeSet<_> = answers[0].iter().map(|(error, _)| *error).collect();
    assert_eq!(errors, BTreeSet::from([0, Errors::TopicAuthorizationFailed.code()]));
    assert_eq!(answers[0], answers[1]);
}

/// Denies to read the topic `denied`. While it is closed, whoever asks for the topic `gate` waits.
#[derive(Default)]
struct Gate(Mutex<Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>>);

impl Gate {
    /// Closes the gate: returns what hears of the first who waits there, and what opens it when it
    /// is dropped.
    fn close(&self) -> (mpsc::Receiver<()>, mpsc::Sender<()>) {
        let (is_reached, reached) = mpsc::channel();
        let (opener, is_opened) = mpsc::channel();
        *self.0.lock().unwrap() = Some((is_reached, is_opened));
        (reached, opener)
    }
}

impl Authorizer for Gate {
    fn authorize(
        &self,
        _principal: &KafkaPrincipal,
        _host: IpAddr,
        operation: Operation,
        resource: Resource<'_>,
    ) -> bool {
        if resource.name == "gate"
            && let Some((is_reached, is_opened)) = self.0.lock().unwrap().take()
        {
            is_reached.send(()).unwrap();
            // The gate opens when its opener is dropped, which is an error here.
            let _ = is_opened.recv();
        }
        !(operation == Operation::Read && resource.name == "denied")
    }

    fn authorize_by_resource_type(
        &self,
        _principal: &KafkaPrincipal,
        _host: IpAddr,
        _operation: Operation,
        _resource_type: ResourceType,
    ) -> bool {
        true
    }

    fn acls(&self, _filter: &AclBindingFilter) -> Vec<AclBinding> {
        Vec::new()
    }
}
