//! The page that shows the path at work: the file `live.html`, and the data that it asks for again
//! and again.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::common::hop_recorder::RECORDER;
use crate::common::json::Json;
use crate::common::subject::Subject;
use crate::http::http_request::HttpRequest;
use crate::http::http_response::{HttpResponse, Status};
use crate::server::monitoring::live_json::live_json;
use crate::server::monitoring::observed::Observer;

/// The page; all of it, so that it can be read where there is no other server.
const LIVE_HTML: &str = include_str!("live.html");
/// What stands in the page for the nonce of its script and its style.
const NONCE: &str = "{nonce}";

const JSON: &str = "application/json; charset=utf-8";

/// How long data are given out before the broker is looked at again, however many ask.
const FRESH: Duration = Duration::from_millis(200);

/// The page. Its script and its style bear a nonce that nobody can guess, and which is another one
/// each time: what a client calls itself would not run even if it got into the page as more than
/// text.
pub fn live_page() -> HttpResponse {
    // The keys of each RandomState come from the system's random numbers.
    let random = || RandomState::new().hash_one(LIVE_HTML.len());
    let nonce = format!("{:016x}{:016x}", random(), random());
    HttpResponse::html(&nonce, LIVE_HTML.replace(NONCE, &nonce))
}

/// The data of the page, made when somebody asks for them.
pub struct LiveData {
    /// Set once the broker runs.
    observer: Arc<OnceLock<Observer>>,
    last: RefCell<Option<(Instant, HttpResponse)>>,
}

impl LiveData {
    pub fn new(observer: Arc<OnceLock<Observer>>) -> Self {
        Self { observer, last: RefCell::new(None) }
    }

    pub fn get(&self) -> HttpResponse {
        let Some(observer) = self.observer.get() else {
            return HttpResponse::text(Status::ServiceUnavailable, "the broker is starting");
        };
        let mut last = self.last.borrow_mut();
        match &*last {
            Some((made, data)) if made.elapsed() < FRESH => data.clone(),
            _ => {
                let data = json(&live_json(observer.parts()));
                *last = Some((Instant::now(), data.clone()));
                data
            }
        }
    }
}

/// What the page asks to have followed. The recorder is the process's, and may outlive the server:
/// when the server stops, the log's level must not wait for somebody who looks.
#[derive(Default)]
pub struct Follower {
    /// The number of the last pursuit.
    last: Cell<Option<u64>>,
}

impl Follower {
    /// Has the next fetch followed: of any connection, or with `of=2-0` of connection 2#0.
    ///
    /// It changes what the broker does for a moment, so a page of another site must not be able to
    /// ask for it.
    pub fn follow(&self, request: &HttpRequest) -> HttpResponse {
        match wanted(request) {
            Ok(of_connection) => {
                let number = RECORDER.seek(of_connection);
                self.last.set(Some(number));
                let mut answer = Json::default();
                answer.object(|it| it.field("number").count(number));
                json(&answer.into_text())
            }
            Err(refusal) => refusal,
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        if let Some(number) = self.last.get() {
            RECORDER.give_up(number);
        }
    }
}

/// The connection that the request names, if it names one.
fn wanted(request: &HttpRequest) -> Result<Option<Subject>, HttpResponse> {
    if !request.has_requested_with {
        let why = "send a header X-Requested-With, with any value: only then is it no other site";
        return Err(HttpResponse::text(Status::Forbidden, why));
    }
    let why = "of=2-0 stands for the connection 2#0";
    connection_of(request.query.as_deref())
        .ok_or_else(|| HttpResponse::text(Status::BadRequest, why))
}

/// `Some(None)` without a query; `None` if it names no connection.
fn connection_of(query: Option<&str>) -> Option<Option<Subject>> {
    let Some(query) = query else { return Some(None) };
    let (processor, connection) = query.strip_prefix("of=")?.split_once('-')?;
    Some(Some(Subject::connection(processor.parse().ok()?, connection.parse().ok()?)))
}

fn json(text: &str) -> HttpResponse {
    HttpResponse::new(Status::Ok, JSON, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::hop_recorder::Pursuit;

    #[test]
    fn the_page_has_one_script_and_one_style_and_each_bears_the_nonce() {
        assert_eq!(LIVE_HTML.matches("<script nonce=\"{nonce}\">").count(), 1);
        assert_eq!(LIVE_HTML.matches("<style nonce=\"{nonce}\">").count(), 1);
        assert_eq!(LIVE_HTML.matches("<script").count(), 1);
        assert_eq!(LIVE_HTML.matches(NONCE).count(), 2);
        let (one, other) = (live_page(), live_page());
        assert_ne!(one.body, other.body, "a nonce is used once");
    }

    /// No way from data to markup, and nothing that the policy would refuse.
    #[test]
    fn the_page_sets_text_and_never_markup() {
        for banned in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!LIVE_HTML.contains(banned), "{banned}");
        }
        for banned in [" style=\"", " onclick=", "http://", "https://", "src="] {
            let is_allowed =
                |at: &(usize, &str)| LIVE_HTML[at.0..].starts_with("http://www.w3.org/");
            assert!(LIVE_HTML.match_indices(banned).all(|it| is_allowed(&it)), "{banned}");
        }
    }

    #[test]
    fn a_server_that_is_gone_has_nothing_followed() {
        // As the tests of the recorder have it; and of a connection that no other test has.
        log::set_max_level(log::LevelFilter::Trace);
        let follower = Follower::default();
        let query = Some("of=4000000000-0".to_string());
        let asked = HttpRequest { query, has_requested_with: true, ..HttpRequest::default() };
        assert_eq!(follower.follow(&asked).status, Status::Ok);
        let number = RECORDER.look().number;
        assert_eq!(RECORDER.look().pursuit, Pursuit::Seeking);
        let another = Follower::default();
        assert_eq!(another.follow(&HttpRequest::default()).status, Status::Forbidden);
        drop(another);
        assert_eq!(RECORDER.look().pursuit, Pursuit::Seeking, "it was another's");
        drop(follower);
        assert_eq!((RECORDER.look().number, RECORDER.look().pursuit), (number, Pursuit::GivenUp));
    }

    #[test]
    fn a_query_names_a_connection_or_is_refused() {
        assert_eq!(connection_of(None), Some(None));
        assert_eq!(connection_of(Some("of=2-0")), Some(Some(Subject::connection(2, 0))));
        for wrong in ["", "of=", "of=2", "of=2-", "of=-1-0", "of=2-0-0", "x=2-0", "of=a-b"] {
            assert_eq!(connection_of(Some(wrong)), None, "{wrong}");
        }
    }
}
