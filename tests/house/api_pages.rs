//! Holds the page of the protocol and the page of what is left out to the code: the one is printed
//! from `ApiKeys`, and what it does not have the other has.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use transferto::protocol::api_keys::{ApiKeys, NEVER};

use crate::printed::{fail_if_printed, print_into};
use crate::source_tree::{files_under, read};

/// An API of Kafka 4.4.0; none of its versions are left of one that Kafka 4 has removed.
struct KafkaApi {
    name: String,
    versions: Option<RangeInclusive<i16>>,
}

#[test]
fn the_page_of_the_protocol_is_printed_from_the_table_of_apis() {
    let kafka = kafkas_apis();
    let shown = ApiKeys::ALL.iter().filter(|it| it.is_advertised());
    let head = "| key | API | versions | flexible from | Kafka 4.4.0 | what it is for \
                | who asks it | handler |\n\
                |---|---|---|---|---|---|---|---|\n";
    let rows = shown.map(|api| row(*api, &kafka[&api.id()]));
    let forwarded = ApiKeys::FORWARDED.iter().map(|api| forwarded_row(*api, &kafka[&api.id()]));
    let head_of_forwarded = "| key | API | versions | flexible from | Kafka 4.4.0 | what it is for \
                             | who asks it |\n\
                             |---|---|---|---|---|---|---|\n";
    let parts = [
        ("advertised", head.to_string() + &rows.collect::<String>()),
        ("forwarded", head_of_forwarded.to_string() + &forwarded.collect::<String>()),
    ];
    let pages = ["docs/en/protocol.md", "docs/zh/protocol.md"];
    fail_if_printed(pages.into_iter().filter(|page| print_into(page, &parts)).collect());
}

/// Nothing that is left out is advertised, and nothing that is not advertised goes unsaid.
#[test]
fn every_api_of_kafka_is_advertised_or_named_on_the_page_of_what_is_left_out() {
    for page in ["docs/en/left-out.md", "docs/zh/left-out.md"] {
        let mut named = apis_named_on(page);
        for (key, api) in kafkas_apis() {
            let ours = ApiKeys::for_id(key).filter(|it| it.is_advertised());
            match (ours, named.remove(&key)) {
                (Some(ours), None) => assert_eq!(ours.name(), api.name, "{key}"),
                (None, Some(name)) => assert_eq!(name, api.name, "{page}: {key}"),
                (Some(_), Some(name)) => panic!("{page}: {key} {name} is not left out"),
                (None, None) => panic!("{page} does not name {key} {}", api.name),
            }
        }
        assert!(named.is_empty(), "{page}: Kafka has no {named:?}");
    }
}

/// The versions beyond ours are on the page too, each with its API's name before it.
#[test]
fn every_version_of_kafka_beyond_ours_is_named_on_the_page_of_what_is_left_out() {
    let kafka = kafkas_apis();
    for page in ["docs/en/left-out.md", "docs/zh/left-out.md"] {
        let text = read(page);
        for api in ApiKeys::ALL.iter().filter(|it| it.is_advertised()) {
            let theirs = kafka[&api.id()].versions.clone().unwrap();
            let first = api.versions().end() + 1;
            let name = api.name();
            let row = match theirs.end() - first {
                ..0 => continue,
                0 => format!("| `{name}` | {first} |"),
                _ => format!("| `{name}` | {first}-{} |", theirs.end()),
            };
            assert!(text.contains(&row), "{page} lacks a row that begins {row}");
        }
    }
}

fn row(api: ApiKeys, kafka: &KafkaApi) -> String {
    let columns = columns(api, api.advertised_versions().unwrap(), kafka);
    format!("{columns} {} |\n", handlers_of(api))
}

fn forwarded_row(api: ApiKeys, kafka: &KafkaApi) -> String {
    columns(api, api.versions(), kafka) + "\n"
}

fn columns(api: ApiKeys, versions: RangeInclusive<i16>, kafka: &KafkaApi) -> String {
    let range = |it: RangeInclusive<i16>| match it.start() == it.end() {
        true => it.start().to_string(),
        false => format!("{}-{}", it.start(), it.end()),
    };
    let versions = range(versions);
    let flexible = match api.first_flexible_version() {
        NEVER => "-".to_string(),
        first => first.to_string(),
    };
    let theirs = range(kafka.versions.clone().unwrap());
    let (key, name, purpose, clients) = (api.id(), api.name(), api.purpose(), api.clients());
    format!("| {key} | `{name}` | {versions} | {flexible} | {theirs} | {purpose} | {clients} |")
}

/// The files that make the answer, nearly always one.
fn handlers_of(api: ApiKeys) -> String {
    // A fetch is answered with slices of files, not with a body.
    let signs =
        [format!("ResponseBody::{}(", api.name()), format!("{}ResponseSend::new(", api.name())];
    let files = files_under("src/server", "rs").into_iter();
    let files = files.filter(|file| signs.iter().any(|sign| read(file).contains(sign)));
    let names: Vec<String> =
        files.map(|file| format!("`{}`", file.file_name().unwrap().display())).collect();
    assert!(!names.is_empty(), "nobody answers with {signs:?}");
    names.join(", ")
}

/// The list beside the tests, by keys.
fn kafkas_apis() -> BTreeMap<i16, KafkaApi> {
    let list = read("tests/kafka-apis.txt");
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let number = |at: usize| words.get(at).map(|word| word.parse::<i16>().unwrap());
            let versions = number(2).zip(number(3)).map(|(first, last)| first..=last);
            (number(0).unwrap(), KafkaApi { name: words[1].to_string(), versions })
        })
        .collect()
}

/// Each ``24 `AddPartitionsToTxn` `` of a page.
fn apis_named_on(page: &str) -> BTreeMap<i16, String> {
    let text = read(page);
    let words: Vec<&str> = text.split([' ', '\n', '、', '：']).collect();
    let pairs = words.windows(2).filter_map(|pair| {
        let name = pair[1].strip_prefix('`')?.split('`').next()?;
        Some((pair[0].parse::<i16>().ok()?, name.to_string()))
    });
    let mut named = BTreeMap::new();
    for (key, name) in pairs {
        assert_eq!(named.insert(key, name), None, "{page} names {key} twice");
    }
    named
}
