//! One fetch is followed hop by hop, and nothing more than usual is written to the log for it.

use std::net::SocketAddr;

use nix::sys::signal::Signal;
use support::broker_process::BrokerProcess;
use support::client::{Client, NEWEST_FETCH, fetch_request};
use support::http::{HttpAnswer, HttpClient, get};
use support::records::batch;
use support::temp::TempDir;
use support::wait::wait_for;
use transferto::protocol::fetch::FetchRequest;
use transferto::protocol::request::RequestBody;

/// The steps of a fetch that has enough to send.
const STEPS: [u32; 16] = [3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19];
const PURGATORY_STEP: u32 = 10;

struct Scene {
    broker: BrokerProcess,
    http: SocketAddr,
    _dir: TempDir,
}

impl Scene {
    fn open() -> Self {
        let dir = TempDir::new();
        let mut broker =
            BrokerProcess::start(dir.path(), &["transferto.http.listener=127.0.0.1:0"]);
        let line = broker.lines_until("watch the path at work").pop().unwrap();
        let line = line.trim_end();
        let address = line.split("http://").nth(1).unwrap().strip_suffix("/live").unwrap();
        Self { http: address.parse().unwrap(), broker, _dir: dir }
    }

    fn connect(&self) -> Client {
        Client::connect(self.broker.port)
    }

    fn follow(&self, query: &str) -> HttpAnswer {
        let mut client = HttpClient::connect(self.http);
        client.send(&format!(
            "GET /follow{query} HTTP/1.1\r\nHost: localhost\r\nX-Requested-With: test\r\n\r\n"
        ));
        client.receive()
    }

    /// What the data say of the fetch that is followed, as soon as that is so far.
    fn followed(&self, pursuit: &str) -> String {
        wait_for(pursuit, || {
            let data = get(self.http, "/live.json").body;
            let followed = data.split(r#""followed":"#).nth(1).unwrap().to_string();
            followed.contains(&format!(r#""pursuit":"{pursuit}""#)).then_some(followed)
        })
    }
}

/// The numbers of the steps, each where it comes first.
fn steps(followed: &str) -> Vec<u32> {
    let mut steps = Vec::new();
    for text in followed.split(r#""step":"#).skip(1) {
        let step = text.split(',').next().unwrap().parse().unwrap();
        if !steps.contains(&step) {
            steps.push(step);
        }
    }
    steps
}

#[test]
fn a_fetch_is_followed_through_its_steps_in_order() {
    let scene = Scene::open();
    let mut client = scene.connect();
    client.create_topic("post");
    client.produce("post", 0, &batch(&[b"x"]));
    assert_eq!(get(scene.http, "/live.json").status, 200);
    scene.followed("none");

    assert_eq!(scene.follow("").body, r#"{"number":1}"#);
    scene.followed("seeking");
    // Not a fetch.
    client.metadata(1, None);
    client.fetch("post", 0, 0);
    let followed = scene.followed("answered");
    assert_eq!(steps(&followed), STEPS, "{followed}");
    for hop in [
        r#""step":8,"name":"Log.read","words":"post-0 from offset 0, "#,
        r#""step":18,"name":"PlaintextTransportLayer.sendfile","words":"position 0: "#,
        r#""thread":"kafka-request-handler-"#,
        r#""thread":"kafka-network-thread-0-PLAINTEXT-0""#,
    ] {
        assert!(followed.contains(hop), "{hop}: {followed}");
    }

    // It is over: the next one is not written down.
    client.fetch("post", 0, 0);
    assert_eq!(scene.followed("answered"), followed);
    let (_, lines) = scene.broker.end_with(Signal::SIGTERM);
    let unusual = lines.iter().find(|line| line.contains(" TRACE ") || line.contains(" DEBUG "));
    assert_eq!(unusual, None);
}

#[test]
fn a_fetch_that_waits_is_followed_over_the_threads_that_go_on_with_it() {
    let scene = Scene::open();
    let (mut waiting, mut other) = (scene.connect(), scene.connect());
    // So that both are registered, with the numbers in that order.
    waiting.create_topic("post");
    other.metadata(1, None);

    assert_eq!(scene.follow("?of=0-0").status, 200);
    other.fetch("post", 0, 0);
    let patient = FetchRequest { max_wait_ms: 60_000, ..fetch_request("post", 0, 0) };
    let header = waiting.send(NEWEST_FETCH, &RequestBody::Fetch(patient), &[]);
    let followed = scene.followed("following");
    assert!(followed.contains(r#""of_connection":"0#0","request":"0#0/"#), "{followed}");
    wait_for("the purgatory", || {
        steps(&scene.followed("following")).contains(&PURGATORY_STEP).then_some(())
    });
    other.produce("post", 0, &batch(&[b"x"]));
    assert_eq!(waiting.receive_fetch(&header)[0].error, 0);
    let followed = scene.followed("answered");
    assert!(followed.contains(r#""name":"DelayedFetch.onComplete""#), "{followed}");
    assert_eq!(steps(&followed).last(), Some(&19));
}

#[test]
fn a_client_that_hangs_up_ends_the_pursuit_of_its_fetch() {
    let scene = Scene::open();
    let mut client = scene.connect();
    client.create_topic("post");
    scene.follow("");
    let patient = FetchRequest { max_wait_ms: 60_000, ..fetch_request("post", 0, 0) };
    client.send(NEWEST_FETCH, &RequestBody::Fetch(patient), &[]);
    scene.followed("following");
    drop(client);
    wait_for("the end of the pursuit", || {
        let data = get(scene.http, "/live.json").body;
        // What there was is sent to a client that has only stopped to send; either is an end.
        let ends = [r#""pursuit":"lost""#, r#""pursuit":"answered""#];
        ends.iter().any(|end| data.contains(end)).then_some(())
    });
}
