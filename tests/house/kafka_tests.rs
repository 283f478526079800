//! Holds our tests to Kafka's: each test of `tests/kafka-tests.txt` has an equivalent that names it
//! in its comment, or a reason why it has none. The page of both is printed from the two; ports
//! that nobody asked for stand at its end. The page also has the tests of a client that are not run.

use std::collections::BTreeMap;
use std::path::Path;

use crate::printed::{fail_if_printed, print_into};
use crate::source_tree::{files_under, read, ticked};

/// The reason of a test that is still to be ported: it gives way to the port without a word.
const NOT_YET: &str = "not yet";

#[test]
fn each_test_of_kafka_has_one_of_ours_or_a_reason() {
    let (ported, list) = (ported(), read("tests/kafka-tests.txt"));
    let listed = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let listed: Vec<(&str, Option<&str>)> = listed
        .map(|line| line.split_once(": ").map_or((line, None), |(name, why)| (name, Some(why))))
        .collect();
    let mut errors = Vec::new();
    let mut table = String::from("| Kafka's test | our test |\n|---|---|\n");
    for (name, why) in &listed {
        let cell = match (ported.get(*name), *why) {
            (Some(ours), None | Some(NOT_YET)) => ours.join(", "),
            (None, Some(why)) => format!("none: {why}"),
            (Some(_), Some(why)) => {
                errors.push(format!("{name}: has a port, so the reason is stale: {why}"));
                continue;
            }
            (None, None) => {
                errors.push(format!("{name}: no test of ours names it in its comment"));
                continue;
            }
        };
        table.push_str(&format!("| `{name}` | {cell} |\n"));
    }
    let is_listed = |name: &str| listed.iter().any(|(it, _)| *it == name);
    for (name, ours) in ported.iter().filter(|(name, _)| !is_listed(name)) {
        table.push_str(&format!("| `{name}` | {} |\n", ours.join(", ")));
    }
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));

    let pages = ["docs/en/kafka-tests.md", "docs/zh/kafka-tests.md"];
    let parts = [("tests", table), ("left out", left_out_of_a_client())];
    fail_if_printed(pages.into_iter().filter(|page| print_into(page, &parts)).collect());
}

/// The tests of franz-go that are not run; `make clients` holds their list to those there are.
fn left_out_of_a_client() -> String {
    let list = read("tests/clients/kgo-tests/left-out.txt");
    let mut left_out: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        let (name, why) = line.split_once(": ").unwrap();
        left_out.entry(why).or_default().push(name);
    }
    let mut table = String::from("| left out because | tests |\n|---|---|\n");
    for (why, names) in left_out {
        table.push_str(&format!("| {why} | {} |\n", names.join(", ")));
    }
    table
}

/// For each test of Kafka the tests of ours that name it, as the page shows them.
fn ported() -> BTreeMap<String, Vec<String>> {
    let mut ported: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files_under("src", "rs").into_iter().chain(files_under("tests", "rs")) {
        for (comment, function) in tests_of(&read(&file)) {
            for kafka in ticked(&comment).filter(|word| is_test_of_kafka(word)) {
                let ours = format!("`{function}` in `{}`", file.display());
                ported.entry(kafka.to_string()).or_default().push(ours);
            }
        }
    }
    ported
}

/// The comment and the name of each test function of a source file.
fn tests_of(text: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut tests = Vec::new();
    for at in (0..lines.len()).filter(|at| lines[*at] == "#[test]") {
        let is_above = |line: &&&str| line.starts_with("//") || line.starts_with("#[");
        let mut above: Vec<&str> = lines[..at].iter().rev().take_while(is_above).copied().collect();
        above.reverse();
        let function = lines[at..].iter().find_map(|line| line.split_once("fn ")).unwrap().1;
        tests.push((above.join("\n"), function.split('(').next().unwrap().to_string()));
    }
    tests
}

/// `SelectorTest.testMute`, but not `SelectorTest`.
fn is_test_of_kafka(word: &str) -> bool {
    word.split_once('.').is_some_and(|(class, test)| {
        let is_name = |it: &str| !it.is_empty() && it.chars().all(char::is_alphanumeric);
        class.ends_with("Test") && is_name(class) && is_name(test)
    })
}

#[test]
fn a_test_is_found_with_the_comment_that_names_its_model() {
    let source = read(Path::new("tests/house/kafka_tests.rs"));
    let tests = tests_of(&source);
    let names: Vec<&str> = tests.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names[0], "each_test_of_kafka_has_one_of_ours_or_a_reason");
    let commented = "/// Port of `ATest.b`: for\n/// a reason.\n#[test]\nfn c() {}\n";
    assert_eq!(tests_of(commented)[0].1, "c");
    assert!(tests_of(commented)[0].0.contains("`ATest.b`"));
    assert!(is_test_of_kafka("ATest.b") && !is_test_of_kafka("ATest") && !is_test_of_kafka("a.b"));
}
