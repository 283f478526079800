//! Holds the page of names to Kafka's symbols: what a class of the fetch path has, a reader finds
//! under its own name in the source, or on the page.

use std::collections::{BTreeMap, BTreeSet};

use crate::docs::SourceFile;
use crate::source_tree::{files_under, read, ticked};

/// The classes that a fetch goes through, and those that a produce does on the way to its log.
const CLASSES: [&str; 39] = [
    "Acceptor",
    "Processor",
    "SocketServer",
    "RequestChannel",
    "Selector",
    "KafkaChannel",
    "TransportLayer",
    "PlaintextTransportLayer",
    "SslTransportLayer",
    "NetworkReceive",
    "NetworkSend",
    "Send",
    "MultiSend",
    "KafkaApis",
    "ReplicaManager",
    "Partition",
    "Replica",
    "Log",
    "LogSegment",
    "FileMessageSet",
    "OffsetIndex",
    "DelayedOperation",
    "DelayedOperationPurgatory",
    "DelayedFetch",
    "DelayedProduce",
    "Timer",
    "TimerTask",
    "TimerTaskEntry",
    "TimerTaskList",
    "TimingWheel",
    "FetchRequest",
    "FetchResponse",
    "TopicData",
    "FetchResponsePartitionData",
    "FetchResponseSend",
    "TopicDataSend",
    "PartitionDataSend",
    "FetchDataInfo",
    "LogOffsetMetadata",
];

/// Types that these stand on, or that serve them.
const TYPES_BESIDE: [&str; 16] = [
    "AbstractServerThread",
    "Authenticator",
    "ByteBufferReceive",
    "ChannelBuilders",
    "ConnectionQuotas",
    "DelayedOperationKey",
    "ExpiredOperationReaper",
    "KafkaRequestHandler",
    "MessageAndOffset",
    "OffsetPosition",
    "Receive",
    "Selectable",
    "SslChannelBuilder",
    "SslFactory",
    "ThrottledRequestReaper",
    "TopicPartitionOperationKey",
];

/// The words of Java and Scala among the symbols: constructors, packages, what every object has.
const WORDS_OF_THE_LANGUAGE: [&str; 9] =
    ["this", "super", "java", "scala", "equals", "hashCode", "toString", "compare", "compareTo"];

#[test]
fn what_a_class_of_the_path_has_is_found_under_its_name_or_on_the_page_of_names() {
    let files: Vec<SourceFile> =
        files_under("src", "rs").into_iter().map(SourceFile::read).collect();
    let locals = locals();
    let mut errors = Vec::new();
    for page in ["docs/en/names.md", "docs/zh/names.md"] {
        let text = read(page);
        let named: BTreeSet<&str> = ticked(&text).collect();
        for (class, member) in members_of_the_path() {
            let is_left = locals.get(&class).is_some_and(|it| it.contains(&member))
                || named.contains(format!("{class}.{member}").as_str())
                || files.iter().any(|it| is_of(it, &class) && defines(it, &member));
            if !is_left {
                errors.push(format!("{page} does not name `{class}.{member}`"));
            }
        }
        for name in CLASSES.iter().chain(&TYPES_BESIDE) {
            if !named.contains(name) && !files.iter().any(|it| defines(it, name)) {
                errors.push(format!("{page} does not name `{name}`"));
            }
        }
    }
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
}

/// So that a method cannot hide among the local variables.
#[test]
fn what_is_left_out_as_a_local_variable_is_a_symbol_and_stands_on_no_page() {
    let (members, page) = (members_of_the_path(), read("docs/en/names.md"));
    let named: BTreeSet<&str> = ticked(&page).collect();
    for (class, names) in locals() {
        for name in names {
            let name = (class.clone(), name);
            assert!(members.contains(&name), "Kafka 0.9.0.1 has no {name:?}");
            let ticks = format!("{}.{}", name.0, name.1);
            assert!(!named.contains(ticks.as_str()), "{ticks} is on the page of names");
        }
    }
}

/// Each class of the path with one of its members, without the words of the language.
fn members_of_the_path() -> BTreeSet<(String, String)> {
    let symbols = read("tests/kafka-0.9.0.1-symbols.txt");
    let members = symbols.lines().filter_map(|line| line.split_once('.'));
    let is_ours = |(class, member): &(&str, &str)| {
        let is_thrown = member.ends_with("Exception");
        let is_language = WORDS_OF_THE_LANGUAGE.contains(member) || class == member;
        CLASSES.contains(class) && !is_thrown && !is_language
    };
    members.filter(is_ours).map(|(class, it)| (class.to_string(), it.to_string())).collect()
}

/// By class.
fn locals() -> BTreeMap<String, BTreeSet<String>> {
    let list = read("tests/kafka-path-locals.txt");
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    let parsed = lines.map(|line| line.split_once(": ").expect("a class, and its locals"));
    let names = |it: &str| it.split(' ').map(String::from).collect();
    parsed.map(|(class, members)| (class.to_string(), names(members))).collect()
}

/// Whether `file` is the class, implements it, or says in its first lines that it is of it.
fn is_of(file: &SourceFile, class: &str) -> bool {
    let head = file.text.lines().take_while(|line| line.starts_with("//!"));
    let head = head.collect::<Vec<_>>().join("\n");
    let names_it = |word: &str| word.split('.').any(|part| part == class);
    file.defined.contains(class) || file.implemented.contains(class) || ticked(&head).any(names_it)
}

/// Whether `file` defines what Kafka calls `name`, in Rust's spelling or in Kafka's.
fn defines(file: &SourceFile, name: &str) -> bool {
    let snake = snake_case(name);
    let spellings = [name, snake.as_str(), &snake.to_uppercase()];
    spellings.iter().any(|it| file.defined.contains(*it))
}

/// `read_from_local_log` for `readFromLocalLog`.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    let mut was_lower = false;
    for c in name.chars() {
        if c.is_ascii_uppercase() && was_lower {
            snake.push('_');
        }
        was_lower = !c.is_ascii_uppercase();
        snake.push(c.to_ascii_lowercase());
    }
    snake
}
