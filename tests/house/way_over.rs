//! The recipe that makes a single node a broker of a cluster: `tests/cluster/way-over.sh` reads its commands from the
//! English page, and a reader may have the other one.

use crate::source_tree::read;

const SCRIPT: &str = "tests/cluster/way-over.sh";

/// The fenced blocks of the steps, up to the first heading below them.
fn blocks(page: &str, heading: &str) -> Vec<String> {
    let page = read(page);
    let steps = page.split_once(&format!("\n## {heading}\n")).expect(heading).1;
    let steps = steps.split("\n###").next().unwrap();
    steps.split("\n```").skip(1).step_by(2).map(String::from).collect()
}

fn of_the_english_page() -> Vec<String> {
    blocks("docs/en/cluster.md", "From a single node to a cluster")
}

#[test]
fn the_way_over_has_the_same_commands_in_both_languages() {
    let english = of_the_english_page();
    assert!(english.len() >= 10, "{english:?}");
    assert_eq!(english, blocks("docs/zh/cluster.md", "从单个节点到集群"));
}

#[test]
fn every_script_of_kafka_in_the_way_over_is_run_by_the_script_that_tries_it() {
    let script = read(SCRIPT);
    let blocks = of_the_english_page();
    let commands = blocks.iter().filter_map(|it| it.strip_prefix("sh\n"));
    let words = commands.flat_map(|it| it.split(|c: char| c.is_whitespace() || c == '('));
    let mut names: Vec<_> =
        words.filter(|it| it.starts_with("kafka-") && it.ends_with(".sh")).collect();
    names.sort_unstable();
    names.dedup();
    assert!(names.len() >= 7, "{names:?}");
    for name in names {
        assert!(script.contains(&format!("\n{name}() {{")), "{SCRIPT} does not know {name}");
    }
}
