//! The HTTP server over real sockets, with clients that behave and clients that do not.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use support::http::{HttpClient, get};
use support::wait::wait_until;
use transferto::common::http_end_point::HttpEndPoint;
use transferto::common::mock_time::MockTime;
use transferto::common::time::{SystemTime, Time};
use transferto::http::http_response::{HttpResponse, Status};
use transferto::http::http_server::{CONNECTIONS_MAX, HttpServer, PAGES_PER_SECOND_MAX};
use transferto::http::routes::Routes;

/// More than the buffers of both sockets hold.
const LARGE_BYTES: usize = 64 << 20;
/// Longer than a client may take for any one step.
const TOO_LONG_MS: i64 = 200_000;

/// A server on port 0, and how often its page was asked for.
struct Scene {
    server: HttpServer,
    asked: Arc<AtomicUsize>,
    time: Arc<MockTime>,
}

impl Scene {
    /// By a clock that stands still.
    fn open() -> Self {
        let time = Arc::new(MockTime::new());
        let (server, asked) = serve(time.clone());
        Self { server, asked, time }
    }

    fn addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    fn connect(&self) -> HttpClient {
        HttpClient::connect(self.addr())
    }

    /// Whatever the others do, a scraper gets its page.
    fn assert_others_are_served(&self) {
        assert_eq!(get(self.addr(), "/page").body, "here it is\n");
    }
}

fn serve(time: Arc<dyn Time>) -> (HttpServer, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let routes = Routes::default()
        .at("/page", move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            HttpResponse::text(Status::Ok, "here it is")
        })
        .at("/large", |_| HttpResponse::text(Status::Ok, &"x".repeat(LARGE_BYTES)))
        .at("/fault", |_| panic!("a page with a bug"));
    let end_point = HttpEndPoint::parse("0").unwrap();
    (HttpServer::start(&end_point, routes, time).unwrap(), asked)
}

#[test]
fn a_connection_serves_one_request_after_another() {
    let scene = Scene::open();
    assert!(scene.addr().ip().is_loopback());
    let mut client = scene.connect();
    for _ in 0..3 {
        let answer = client.get("/page");
        assert_eq!((answer.status, answer.body.as_str()), (200, "here it is\n"));
        assert!(answer.head.contains("\r\nConnection: keep-alive\r\n"), "{}", answer.head);
    }
    assert_eq!(client.get("/nothing").status, 404);
    client.send("GET /page HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!(client.receive().status, 200);
    assert!(client.is_closed());
}

#[test]
fn a_page_that_panics_is_answered_and_the_server_goes_on() {
    let scene = Scene::open();
    let mut client = scene.connect();
    assert_eq!(client.get("/fault").status, 500);
    assert_eq!(client.get("/page").status, 200);
}

/// A page in a browser whose own name has been made to lead here.
#[test]
fn a_client_that_calls_the_server_by_a_strange_name_gets_nothing() {
    let scene = Scene::open();
    for (host, status) in [("evil.example", 403), ("", 403), ("127.0.0.1:1", 200)] {
        let mut client = scene.connect();
        client.send(&format!("GET /page HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(client.receive().status, status, "{host}");
    }
    assert_eq!(scene.asked.load(Ordering::SeqCst), 1);
}

#[test]
fn a_client_that_stalls_is_cut_off_and_holds_nobody_up() {
    let scene = Scene::open();
    let mut silent = scene.connect();
    let mut half = scene.connect();
    half.send("GET /page HTTP/1.1\r\nHo");
    let mut deaf = scene.connect();
    deaf.send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    scene.assert_others_are_served();
    scene.time.sleep(TOO_LONG_MS);
    assert!(silent.is_closed() && half.is_closed());
    // It gets what was under way to it, and then the end.
    let mut byte = vec![0; LARGE_BYTES];
    assert!(std::io::Read::read_exact(&mut deaf.stream, &mut byte).is_err());
    scene.assert_others_are_served();
}

#[test]
fn rubbish_is_refused_with_its_status_and_the_connection_closed() {
    let scene = Scene::open();
    let large = format!("GET /page HTTP/1.1\r\nHost: localhost\r\nx: {}\r\n\r\n", "y".repeat(9000));
    for (rubbish, status) in [
        ("\r\n\r\n", 400),
        ("\0\u{1}rubbish\r\n\r\n", 400),
        ("POST /page HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc", 405),
        ("GET /page HTTP/3\r\n\r\n", 505),
        (large.as_str(), 431),
    ] {
        let mut client = scene.connect();
        client.send(rubbish);
        assert_eq!(client.receive().status, status, "{rubbish:.40}");
        assert!(client.is_closed(), "{rubbish:.40}");
        scene.assert_others_are_served();
    }
}

/// The answer must not be lost to a reset because the body was not read.
#[test]
fn a_request_with_a_body_is_refused_and_its_client_sees_why() {
    let scene = Scene::open();
    let mut client = scene.connect();
    let body = "z".repeat(1 << 20);
    let head =
        format!("GET /page HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n", body.len());
    client.send(&format!("{head}\r\n{body}"));
    assert_eq!(client.receive().status, 400);
    assert!(client.is_closed());
    // One that is not announced ends the connection, too.
    let mut client = scene.connect();
    client.send("GET /page HTTP/1.1\r\nHost: localhost\r\n\r\nsurprise");
    assert_eq!(client.receive().status, 200);
    assert!(client.is_closed());
    scene.assert_others_are_served();
}

#[test]
fn a_hundred_connections_leave_room_for_one_that_asks() {
    let scene = Scene::open();
    let mut idle: Vec<HttpClient> = (0..100).map(|_| scene.connect()).collect();
    let (closed, open) = idle.split_at_mut(100 - CONNECTIONS_MAX);
    assert!(closed.iter_mut().all(HttpClient::is_closed), "each newcomer takes a place");
    scene.assert_others_are_served();
    let newest = open.last_mut().unwrap();
    assert_eq!(newest.get("/page").status, 200);
}

#[test]
fn clients_that_are_busy_are_not_cut_off_for_a_newcomer_which_waits() {
    let scene = Scene::open();
    let mut busy: Vec<HttpClient> = (0..CONNECTIONS_MAX).map(|_| scene.connect()).collect();
    for client in &mut busy {
        client.send("GET /page HTTP/1.1\r\n");
    }
    let addr = scene.addr();
    let newcomer = thread::spawn(move || get(addr, "/page").status);
    for client in &mut busy {
        client.send("Host: localhost\r\nConnection: close\r\n\r\n");
        assert_eq!(client.receive().status, 200);
    }
    assert_eq!(newcomer.join().unwrap(), 200);
}

#[test]
fn a_scraper_that_asks_without_end_is_slowed_down() {
    let scene = Scene::open();
    let addr = scene.addr();
    let asked = || scene.asked.load(Ordering::SeqCst);
    let greedy = thread::spawn(move || {
        let mut client = HttpClient::connect(addr);
        for _ in 0..=2 * PAGES_PER_SECOND_MAX {
            assert_eq!(client.get("/page").status, 200);
        }
    });
    let share = PAGES_PER_SECOND_MAX as usize;
    wait_until("the first second's share", || asked() == share);
    assert!(!greedy.is_finished());
    assert_eq!(asked(), share);
    scene.time.sleep(1000);
    wait_until("the next second's share", || asked() == 2 * share);
    scene.time.sleep(1000);
    greedy.join().unwrap();
    assert_eq!(asked(), 2 * share + 1);
}

#[test]
fn a_large_page_reaches_a_client_that_reads_slowly() {
    let (server, _) = serve(Arc::new(SystemTime::new()));
    let mut client = HttpClient::connect(server.local_addr());
    assert_eq!(client.get("/large").body.len(), LARGE_BYTES + 1);
    assert_eq!(client.get("/page").status, 200);
}

#[test]
fn a_server_that_stops_closes_its_port_and_its_connections() {
    let mut scene = Scene::open();
    let mut idle = scene.connect();
    assert_eq!(idle.get("/page").status, 200);
    let mut half = scene.connect();
    half.stream.write_all(b"GET").unwrap();
    scene.server.shutdown();
    scene.server.shutdown();
    assert!(idle.is_closed() && half.is_closed());
    assert!(std::net::TcpStream::connect(scene.addr()).is_err());
}

#[test]
fn a_port_that_is_taken_is_reported_with_its_setting() {
    let scene = Scene::open();
    let taken = HttpEndPoint::parse(&scene.addr().to_string()).unwrap();
    let error = HttpServer::start(&taken, Routes::default(), Arc::new(SystemTime::new()));
    let error = error.err().unwrap().to_string();
    assert!(error.contains(&format!("transferto.http.listener={taken}")), "{error}");
}
