//! The dashboard of `docs/deploy`: each of its queries is for what a broker has.

use std::fs;

use support::json::Json;

use crate::monitoring::pages::{BusyBroker, scrape};

const DASHBOARD: &str = "docs/deploy/grafana-dashboard.json";
/// What the names of metrics begin with, and no other word of a query does.
const BEGINNINGS: [&str; 3] = ["kafka_", "transferto_", "process_"];

/// Each query of the dashboard, with the title of its panel.
pub(crate) fn queries() -> Vec<(String, String)> {
    let dashboard = Json::parse(&fs::read_to_string(DASHBOARD).unwrap());
    let panels = dashboard.get("panels").unwrap().elements();
    let panels = panels.iter().filter(|it| it.get("type").unwrap().text() != "row");
    let mut queries = Vec::new();
    for panel in panels {
        let title = panel.get("title").unwrap().text();
        let targets = panel.get("targets").map_or(&[][..], Json::elements);
        assert!(!targets.is_empty(), "the panel {title} shows nothing");
        for target in targets {
            queries.push((title.to_string(), target.get("expr").unwrap().text().to_string()));
        }
    }
    queries
}

#[test]
fn every_metric_of_the_dashboard_is_on_the_page_of_a_broker_at_work() {
    let samples = scrape(&BusyBroker::start().broker);
    let queries = queries();
    assert!(queries.len() > 30, "{}", queries.len());
    for (title, query) in queries {
        let names: Vec<&str> = names_in(&query).collect();
        assert!(!names.is_empty(), "{title}: {query}");
        for name in names {
            let is_there = samples.keys().any(|it| it.split('{').next() == Some(name));
            assert!(is_there, "{title}: the page has no {name}");
        }
    }
}

pub(crate) fn names_in(query: &str) -> impl Iterator<Item = &str> {
    let words = query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| BEGINNINGS.iter().any(|it| word.starts_with(it)))
}
