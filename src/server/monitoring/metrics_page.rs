//! The page that Prometheus scrapes: all metrics, in its text format 0.0.4.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

use crate::common::time::Time;
use crate::http::http_response::{HttpResponse, Status};
use crate::server::monitoring::broker_families::BROKER_FAMILIES;
use crate::server::monitoring::family::Family;
use crate::server::monitoring::observed::Observer;
use crate::server::monitoring::replication_families::REPLICATION_FAMILIES;
use crate::server::monitoring::request_families::REQUEST_FAMILIES;
use crate::server::monitoring::topic_families::TOPIC_FAMILIES;

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How long a page is given out before another is made: so all scrapers together cost the broker
/// one look a second, and what they get is no older than that.
const FRESH_MS: i64 = 1_000;

/// The page, which is made when somebody asks for it.
pub struct MetricsPage {
    /// Set once the broker runs.
    observer: Arc<OnceLock<Observer>>,
    time: Arc<dyn Time>,
    last: RefCell<Option<(i64, HttpResponse)>>,
}

/// All metrics, in the order of the page.
pub fn all_families() -> impl Iterator<Item = &'static Family> {
    let of_data = TOPIC_FAMILIES.iter().chain(REPLICATION_FAMILIES);
    REQUEST_FAMILIES.iter().chain(of_data).chain(BROKER_FAMILIES)
}

impl MetricsPage {
    pub fn new(observer: Arc<OnceLock<Observer>>, time: Arc<dyn Time>) -> Self {
        Self { observer, time, last: RefCell::new(None) }
    }

    pub fn get(&self) -> HttpResponse {
        let Some(observer) = self.observer.get() else {
            return HttpResponse::text(Status::ServiceUnavailable, "the broker is starting");
        };
        let now_ms = self.time.hi_res_clock_ms();
        let mut last = self.last.borrow_mut();
        match &*last {
            Some((made_ms, page)) if now_ms - made_ms < FRESH_MS => page.clone(),
            _ => {
                let page = page(observer);
                *last = Some((now_ms, page.clone()));
                page
            }
        }
    }
}

fn page(observer: &Observer) -> HttpResponse {
    let observed = observer.observe();
    let mut text = String::new();
    for family in all_families() {
        family.write(&observed, &mut text);
    }
    HttpResponse::new(Status::Ok, CONTENT_TYPE, text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_metric_has_a_name_of_its_own() {
        let mut names = HashSet::new();
        for family in all_families() {
            assert!(names.insert(family.name), "{}", family.name);
        }
    }
}
