//! The page that shows the path at work, and its data. How the page looks in a browser is for
//! `make live`; what it writes down of one fetch, for a process of its own.

use std::net::TcpStream;
use std::sync::Arc;

use support::broker::Broker;
use support::client::{NEWEST_FETCH, fetch_request};
use support::http::{HTTP_LISTENER, HttpAnswer, HttpClient, get};
use support::records::batch;
use support::temp::TempDir;
use support::users::{believing, connect_as};
use support::wait::wait_for;
use transferto::network::processor::SHOWN_CONNECTIONS_MAX;
use transferto::protocol::fetch::FetchRequest;
use transferto::protocol::request::RequestBody;

use crate::monitoring::pages::http_addr;

/// Looks until the data contain all of `parts`: they may be a moment old.
fn wait_for_data(broker: &Broker, parts: &[&str]) -> String {
    let mut data = String::new();
    for part in parts {
        wait_for(part, || {
            let answer = get(http_addr(broker), "/live.json");
            assert_eq!(answer.status, 200, "{answer:?}");
            data = answer.body;
            data.contains(part).then_some(())
        });
    }
    data
}

#[test]
fn a_connection_and_its_log_show_as_they_are() {
    let broker = Broker::start(&[HTTP_LISTENER]);
    let mut client = broker.connect_with_topic("post");
    client.produce("post", 0, &batch(&[b"at work"]));
    let peer = client.stream.local_addr().unwrap();
    let of_connection = format!(
        r#"{{"id":"0#0","peer":"{peer}","client_id":"test","principal":"User:ANONYMOUS","stage":"ready","event":["WRITABLE"],"interest":["READABLE","BUFFERED"],"is_listed":false,"is_muted":false,"lacks_memory":false,"is_receiving":false,"is_throttled":false}}"#
    );
    wait_for_data(
        &broker,
        &[
            &of_connection,
            r#""name":"post-0","log_start_offset":0,"log_end_offset":1,"high_watermark":1,"recovery_point":0"#,
            r#""segment_count":1,"segments":[{"base_offset":0,"#,
            r#""queue":{"capacity":500,"size":0,"first":[],"waiting_processors":0,"handlers":2,"idle_handlers":2}"#,
        ],
    );
}

#[test]
fn a_broker_that_is_alone_says_nothing_of_a_cluster() {
    let broker = Broker::start(&[HTTP_LISTENER]);
    broker.connect_with_topic("post");
    let data = wait_for_data(&broker, &[r#""name":"post-0""#]);
    assert!(!data.contains(r#""cluster""#), "{data}");
}

/// Kept as it came, for JSON; that the page shows it as text is for its browser test.
#[test]
fn what_a_client_calls_itself_is_escaped() {
    let broker = Broker::start(&[HTTP_LISTENER]);
    let mut client = broker.connect();
    client.client_id = "<script>alert(1)</script>\"\\\n\u{1}";
    client.create_topic("post");
    let escaped = r#""client_id":"<script>alert(1)</script>\"\\\n\u0001""#;
    wait_for_data(&broker, &[escaped]);
}

#[test]
fn of_a_long_name_the_beginning_is_kept() {
    let broker = Broker::start(&[HTTP_LISTENER]);
    let mut client = broker.connect();
    client.client_id = Box::leak("名".repeat(5_000).into_boxed_str());
    client.create_topic("post");
    wait_for_data(&broker, &[&format!(r#""client_id":"{}""#, "名".repeat(100))]);
}

#[test]
fn a_connection_shows_its_principal_and_of_a_long_one_the_beginning() {
    let broker = Broker::start_with(Arc::new(TempDir::new()), &[HTTP_LISTENER], believing);
    let mut long = connect_as(&format!("User:CN={}", "n".repeat(5_000)), broker.port());
    let mut alice = connect_as("User:alice", broker.port());
    let unknown = broker.connect();
    alice.create_topic("post");
    long.create_topic("post");
    let shown_of_long = format!(r#""principal":"User:CN={}""#, "n".repeat(92));
    let of_unknown = format!(
        r#""peer":"{}","client_id":null,"principal":null,"#,
        unknown.stream.local_addr().unwrap()
    );
    let of_alice = r#""client_id":"test","principal":"User:alice","#;
    wait_for_data(&broker, &[of_alice, &format!("{shown_of_long},"), &of_unknown]);
}

#[test]
fn a_connection_that_does_not_serve_yet_shows_how_far_it_is() {
    let broker = Broker::start(&[
        HTTP_LISTENER,
        ("listeners", "INSIDE://127.0.0.1:0"),
        ("listener.security.protocol.map", "INSIDE:SASL_PLAINTEXT"),
        ("sasl.enabled.mechanisms", "SCRAM-SHA-256"),
    ]);
    let port = broker.server().bound_port_of("INSIDE").unwrap();
    let _silent = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let of_connection = r#""client_id":null,"principal":null,"stage":"authenticating","event":"#;
    wait_for_data(&broker, &[r#""listener":"INSIDE","protocol":"SASL_PLAINTEXT""#, of_connection]);
}

#[test]
fn a_fetch_that_waits_shows_in_its_purgatory_and_its_connection_is_muted() {
    let broker = Broker::start(&[HTTP_LISTENER]);
    let mut client = broker.connect_with_topic("post");
    let patient = FetchRequest { max_wait_ms: 60_000, ..fetch_request("post", 0, 0) };
    let header = client.send(NEWEST_FETCH, &RequestBody::Fetch(patient), &[]);
    wait_for_data(
        &broker,
        &[
            r#"{"name":"Fetch","delayed":1,"watched":1,"key_count":1,"keys":[{"key":"post-0","waiting":1}]"#,
            r#""interest":["READ_CLOSED","RESET"],"is_listed":false,"is_muted":true"#,
        ],
    );
    broker.connect().produce("post", 0, &batch(&[b"x"]));
    assert_eq!(client.receive_fetch(&header)[0].error, 0);
    wait_for_data(&broker, &[r#"{"name":"Fetch","delayed":0,"#]);
}

#[test]
fn of_many_connections_some_are_shown_and_all_are_counted() {
    let broker = Broker::start(&[HTTP_LISTENER, ("num.network.threads", "1")]);
    let count = SHOWN_CONNECTIONS_MAX + 3;
    let _clients: Vec<_> = (0..count).map(|_| broker.connect()).collect();
    let data = wait_for_data(&broker, &[&format!(r#""connection_count":{count},"#)]);
    // The counter may be ahead of the snapshot by those that were being registered.
    let data = if shown(&data) == SHOWN_CONNECTIONS_MAX { data } else { next_data(&broker) };
    assert_eq!(shown(&data), SHOWN_CONNECTIONS_MAX);
}

fn shown(data: &str) -> usize {
    data.matches(r#""peer":"#).count()
}

fn next_data(broker: &Broker) -> String {
    wait_for("a later snapshot", || {
        let data = get(http_addr(broker), "/live.json").body;
        (shown(&data) == SHOWN_CONNECTIONS_MAX).then_some(data)
    })
}

#[test]
fn the_page_may_run_its_own_script_and_load_nothing() {
    let broker = Broker::start(&[HTTP_LISTENER]);
    for path in ["/", "/live", "/live?x=1"] {
        let page = get(http_addr(&broker), path);
        assert_eq!(page.status, 200);
        let policy = page.head.split("Content-Security-Policy: ").nth(1).unwrap();
        let policy = policy.lines().next().unwrap();
        let nonce = policy.split("script-src 'nonce-").nth(1).unwrap().split('\'').next().unwrap();
        assert_eq!(
            policy,
            format!(
                "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                 script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'"
            )
        );
        assert!(page.body.contains(&format!("<script nonce=\"{nonce}\">")));
        assert!(page.head.contains("Content-Type: text/html; charset=utf-8\r\n"));
    }
    let data = get(http_addr(&broker), "/live.json");
    assert!(data.head.contains("Content-Security-Policy: default-src 'none'; "), "{}", data.head);
    assert!(data.head.contains("Cross-Origin-Resource-Policy: same-origin\r\n"), "{}", data.head);
}

/// A page of another site can make a browser send a GET, but none with this header.
#[test]
fn a_fetch_is_followed_for_those_alone_who_send_a_header_that_other_sites_cannot() {
    let broker = Broker::start(&[HTTP_LISTENER]);
    let ask = |path: &str, fields: &str| -> HttpAnswer {
        let mut client = HttpClient::connect(http_addr(&broker));
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"));
        client.receive()
    };
    assert_eq!(ask("/follow", "").status, 403);
    assert_eq!(ask("/follow?of=2-0", "").status, 403);
    for wrong in ["/follow?", "/follow?of=2%230", "/follow?of=99999999999-0", "/follow?of=%00"] {
        assert_eq!(ask(wrong, "X-Requested-With: test\r\n").status, 400, "{wrong}");
    }
}

/// The level is that of the whole process. No other test of this binary changes it.
#[test]
fn a_broker_that_stops_while_a_fetch_is_sought_leaves_the_level_of_the_log_as_it_was() {
    let before = log::max_level();
    let broker = Broker::start(&[HTTP_LISTENER]);
    let mut client = HttpClient::connect(http_addr(&broker));
    // A connection that there is not, so that the fetches of other tests are left alone.
    client.send(
        "GET /follow?of=4000000000-0 HTTP/1.1\r\nHost: localhost\r\nX-Requested-With: test\r\n\r\n",
    );
    assert_eq!(client.receive().status, 200);
    assert_eq!(log::max_level(), log::LevelFilter::Trace);
    broker.stop();
    assert_eq!(log::max_level(), before);
}
