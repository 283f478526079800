//! Clients of the HTTP server that stall, send rubbish, ask without end and open connections without
//! end, all at once: nobody else notices, neither a client of Kafka nor a scraper that behaves.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use support::http::{HTTP_LISTENER, HttpClient, get};
use support::wait::wait_until;
use transferto::common::time::SystemTime;
use transferto::http::http_server::PAGES_PER_SECOND_MAX;

use crate::hostile::{Scene, in_company, lines_with};

/// How often the witness produces and fetches meanwhile.
const ROUNDS: usize = 200;

#[test]
fn scrapers_that_do_their_worst_disturb_nobody() {
    let company = in_company();
    let mut scene = Scene::open(&[HTTP_LISTENER], Arc::new(SystemTime::new())).holding(company);
    let addr = scene.server().http_addr().unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicU64::new(0));
    let began = Instant::now();

    let mut half = HttpClient::connect(addr);
    half.send("GET /metrics HTTP/1.1\r\nHost: loc");
    let crowd: Vec<_> = (0..100).map(|_| HttpClient::connect(addr)).collect();
    let greedy: Vec<_> = (0..4).map(|_| ask_without_end(addr, &answered, &is_over)).collect();
    let rubbish = send_rubbish(addr, &is_over);
    for _ in 0..ROUNDS {
        scene.assert_others_are_served();
    }
    wait_until("a page for who behaves", || get(addr, "/metrics").status == 200);
    is_over.store(true, Ordering::SeqCst);
    drop(crowd);
    let seconds = began.elapsed().as_secs() + 1;
    let share = u64::from(PAGES_PER_SECOND_MAX) * (seconds + 1);
    assert!(answered.load(Ordering::SeqCst) <= share);
    for thread in greedy {
        thread.join().unwrap();
    }
    rubbish.join().unwrap();
    scene.assert_others_are_served();
}

fn ask_without_end(
    addr: SocketAddr,
    answered: &Arc<AtomicU64>,
    is_over: &Arc<AtomicBool>,
) -> thread::JoinHandle<()> {
    let (answered, is_over) = (Arc::clone(answered), Arc::clone(is_over));
    thread::spawn(move || {
        while !is_over.load(Ordering::SeqCst) {
            // A newcomer may take the place of this connection between two requests.
            if HttpClient::connect(addr).try_get("/metrics").is_some() {
                answered.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
}

fn send_rubbish(addr: SocketAddr, is_over: &Arc<AtomicBool>) -> thread::JoinHandle<()> {
    let is_over = Arc::clone(is_over);
    thread::spawn(move || {
        while !is_over.load(Ordering::SeqCst) {
            let mut client = HttpClient::connect(addr);
            // It may be closed at any moment.
            let _ = client.try_send(&"\u{1}rubbish\r\n\r\n".repeat(1000));
            // Who does not wait for the end floods the backlog: the kernel drops the SYNs of all
            // the others then, and nothing that the server does can help them.
            while !client.is_closed() {}
        }
    })
}

#[test]
fn beyond_this_machine_the_log_says_that_there_is_no_password() {
    let company = in_company();
    let settings = [("transferto.http.listener", "0.0.0.0:0")];
    let scene = Scene::open(&settings, Arc::new(SystemTime::new())).holding(company);
    let addr = scene.server().http_addr().unwrap();
    let warnings = lines_with(&format!("WARN HTTP is served on {addr} without a password"));
    assert_eq!(warnings.len(), 1);
}
