//! Holds the pages to the source: what a page quotes or names exists, both languages say the same,
//! and a page that is a list is printed from the list.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use transferto::config::config_def::to_markdown;
use transferto::config::dynamic_config::dynamic_settings_to_markdown;
use transferto::config::kafka_config::KafkaConfig;
use transferto::config::log_config::LogConfig;
use transferto::config::unsupported::Unsupported;
use transferto::server::monitoring::family::Family;
use transferto::server::monitoring::metrics_page::all_families;

use crate::exhibits::{exhibits, figures, with_figures};
use crate::printed::{fail_if_printed, print_into};
use crate::source_tree::{files_under, read, ticked};

/// The beginnings of paths that are neither ours nor Kafka's.
const FOREIGN_PATHS: [&str; 9] =
    ["std::", "io::", "fmt::", "mio::", "nix::", "slab::", "log::", "byteorder::", "env_logger::"];

/// Types that a page may name though they are neither ours nor Kafka's.
const FOREIGN_TYPES: [&str; 3] = ["FileChannel", "TcpStream", "TcpListener"];

/// Settings of Kafka's clients, which a page may name as it names ours.
const CLIENT_SETTINGS: [&str; 10] = [
    "auto.offset.reset",
    "bootstrap.servers",
    "client.id",
    "enable.idempotence",
    "fetch.max.bytes",
    "fetch.max.wait.ms",
    "fetch.min.bytes",
    "group.protocol",
    "linger.ms",
    "max.partition.fetch.bytes",
];

/// Features of a cluster, whose names look like those of settings.
const FEATURES: [&str; 4] =
    ["group.version", "kraft.version", "metadata.version", "transaction.version"];

/// Ends of file names; a word that ends so is no setting.
const FILE_ENDINGS: [&str; 11] = [
    ".rs",
    ".md",
    ".txt",
    ".log",
    ".index",
    ".timeindex",
    ".properties",
    ".service",
    ".toml",
    ".sh",
    ".lock",
];

#[test]
fn quoted_code_exists_and_every_anchor_is_quoted() {
    let mut quoted = BTreeSet::new();
    for page in pages() {
        for (path, anchor) in includes(&read(&page)) {
            let file = page.parent().unwrap().join(path).canonicalize();
            let file = file.unwrap_or_else(|_| panic!("{}: no file {path}", page.display()));
            let text = read(&file);
            let line_of = |mark: String| text.lines().position(|line| line.trim() == mark);
            let start = line_of(format!("// ANCHOR: {anchor}"));
            let end = line_of(format!("// ANCHOR_END: {anchor}"));
            let is_code = start.zip(end).is_some_and(|(start, end)| start + 1 < end);
            assert!(is_code, "{}: there is no code at {path}:{anchor}", page.display());
            quoted.insert((file, anchor.to_string()));
        }
    }
    for file in files_under("src", "rs") {
        for line in read(&file).lines() {
            let Some(anchor) = line.trim().strip_prefix("// ANCHOR: ") else { continue };
            let mark = (file.canonicalize().unwrap(), anchor.to_string());
            assert!(quoted.contains(&mark), "{}: no page quotes {anchor}", file.display());
        }
    }
}

/// A reader of the bare page sees the code too, not only its address.
#[test]
fn quoted_code_is_printed_from_the_source() {
    let pages: Vec<String> = pages().iter().map(|page| page.display().to_string()).collect();
    let is_printed = |page: &&str| {
        let text = read(page);
        let quotes = includes(&text).into_iter().map(|(path, anchor)| {
            let source = read(Path::new(page).parent().unwrap().join(path));
            let code = anchored(&source, anchor);
            let link = link_to_anchor(&text, path, anchor, lines_of(&source, anchor));
            (anchor, format!("```rust\n{code}\n```\n\n{link}"))
        });
        print_into(page, &quotes.collect::<Vec<_>>())
    };
    fail_if_printed(pages.iter().map(String::as_str).filter(is_printed).collect());
}

/// `Log::read`, `log.rs` and `src/storage/` are ours; `Log.read` and `Log.scala` are Kafka's;
/// `log.dirs` is a setting. The signs tell them apart, so each can be looked up.
#[test]
fn what_a_page_names_exists() {
    let names = Names::of_the_repository();
    let mut errors = BTreeSet::new();
    for page in pages() {
        let text = read(&page);
        for word in ticked(&text).filter(|word| !names.know(word)) {
            errors.insert(format!("{}: there is no `{word}`", page.display()));
        }
    }
    assert!(errors.is_empty(), "\n{}", Vec::from_iter(errors).join("\n"));
}

/// A Chinese page bears on its first line the fingerprint of the English page that it says again.
#[test]
fn both_languages_say_the_same() {
    let (english, chinese) = (pages_of("en"), pages_of("zh"));
    let names = |pages: &BTreeMap<PathBuf, String>| pages.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&english), names(&chinese), "docs/en and docs/zh hold different pages");
    let mut errors = Vec::new();
    for (name, text) in &english {
        let (name, theirs) = (name.display(), &chinese[name]);
        let mark = format!("<!-- en: {:016x} -->", fingerprint(&without_printed(text)));
        if theirs.lines().next() != Some(mark.as_str()) {
            errors.push(format!(
                "the English {name} has changed: read docs/zh/{name} again, \
                 then make its first line {mark}"
            ));
        }
        if includes(text) != includes(theirs) {
            errors.push(format!("{name}: the two languages quote different code"));
        }
        if exhibits(text) != exhibits(theirs) || figures(text) != figures(theirs) {
            errors.push(format!("{name}: the two languages show different parts of recordings"));
        }
        if heading_levels(text) != heading_levels(theirs) {
            errors.push(format!("{name}: the two languages have different headings"));
        }
    }
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
}

/// A reader of the trace finds each line on the page by the number in front of it.
#[test]
fn the_steps_of_a_fetch_bear_one_number_on_every_page_and_in_the_trace() {
    let page = read("docs/en/fetch.md");
    let steps: Vec<u32> = page.lines().filter_map(|it| number_after(it, "### ")).collect();
    assert!(!steps.is_empty() && steps.iter().copied().eq(1..=steps.len() as u32), "{steps:?}");

    let readme = read("README.md");
    let rows = readme.lines().filter_map(|it| it.strip_prefix("| ")?.split_once(" | `"));
    let of_row = |cell: &str| {
        let (first, last) = cell.split_once('-').unwrap_or((cell, cell));
        first.parse::<u32>().unwrap()..=last.parse().unwrap()
    };
    assert_eq!(rows.flat_map(|(cell, _)| of_row(cell)).collect::<Vec<_>>(), steps, "README.md");

    let traced = traced_steps();
    let numbers: BTreeSet<u32> = traced.iter().filter_map(|it| it.0).collect();
    assert_eq!(numbers, BTreeSet::from_iter(steps), "the steps that src traces");

    let mut quoted = 0;
    for page in pages() {
        for line in read(&page).lines() {
            let Some(step) = quoted_step(line) else { continue };
            quoted += 1;
            let is_ours = traced.contains(&step);
            assert!(is_ours, "{}: nothing is traced as {step:?}: {line}", page.display());
        }
    }
    assert!(quoted > 0, "no page quotes the trace");
}

#[test]
fn what_is_traced_bears_a_name_of_kafkas_or_of_ours() {
    let names = Names::of_the_repository();
    for (_, name) in traced_steps() {
        assert!(names.know_traced(&name), "{name} is traced, and unknown");
    }
}

/// The number, if it has one, and the name of each `step!` and `mark!` of the source.
fn traced_steps() -> BTreeSet<(Option<u32>, String)> {
    let mut steps = BTreeSet::new();
    for file in files_under("src", "rs") {
        let text = read(&file);
        let calls = ["step!(", "mark!("].into_iter().flat_map(|call| text.split(call).skip(1));
        for arguments in calls.map(str::trim_start) {
            let number = number_after(arguments, "[");
            let rest = arguments.split_once("] ").filter(|_| number.is_some());
            let name = rest.map_or(arguments, |(_, rest)| rest).strip_prefix('"');
            // A macro's own definition has none.
            let Some((name, _)) = name.and_then(|it| it.split_once('"')) else { continue };
            steps.insert((number, name.to_string()));
        }
    }
    steps
}

/// What a page quotes of the trace:
/// `06.314372 [kafka-request-handler-0] 2#0/4     [8] Log.read: post-0 from offset 1`.
fn quoted_step(line: &str) -> Option<(Option<u32>, String)> {
    let (_thread, rest) = line.split_once('[')?.1.split_once("] ")?;
    let number = rest.split_once('[').and_then(|(_, rest)| number_after(rest, ""));
    let text = match number {
        Some(_) => rest.split_once("] ")?.1,
        // `2#0/4       Selector.wakeup: ..`
        None => rest.split_once("#")?.1.split_once(' ')?.1.trim_start(),
    };
    let (name, _) = text.split_once(": ")?;
    is_kafkas(name).then(|| (number, name.to_string()))
}

/// `read_from_local_log` for `readFromLocalLog`.
fn in_snake_case(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

/// 8 for `### 8. Log.read` after `### `, and for `[8] "Log.read"` after `[`.
fn number_after(text: &str, before: &str) -> Option<u32> {
    let rest = text.strip_prefix(before)?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    rest[digits.len()..].starts_with(['.', ']']).then(|| digits.parse().ok())?
}

#[test]
fn the_pages_of_settings_are_printed_from_the_tables() {
    let (without_effect, refused) = Unsupported::to_markdown();
    let parts = [
        ("broker", to_markdown(KafkaConfig::SETTINGS)),
        ("topic", to_markdown(LogConfig::SETTINGS)),
        ("dynamic", dynamic_settings_to_markdown()),
        ("without effect", without_effect),
        ("refused", refused),
    ];
    let pages = ["docs/en/configuration.md", "docs/zh/configuration.md"];
    fail_if_printed(pages.into_iter().filter(|page| print_into(page, &parts)).collect());
}

#[test]
fn the_pages_of_metrics_are_printed_from_the_table() {
    let parts = [("metrics", Family::to_markdown(all_families()))];
    let pages = ["docs/en/monitoring.md", "docs/zh/monitoring.md"];
    fail_if_printed(pages.into_iter().filter(|page| print_into(page, &parts)).collect());
}

/// All that a page may name.
pub(crate) struct Names {
    files: Vec<SourceFile>,
    /// Kafka's symbols, and the names of its tests and APIs.
    kafka: BTreeSet<String>,
    settings: BTreeSet<&'static str>,
}

impl Names {
    /// Whether the trace may use this name: Kafka's, or ours in Kafka's spelling.
    pub(crate) fn know_traced(&self, name: &str) -> bool {
        let ours = |(owner, member)| format!("{owner}::{}", in_snake_case(member));
        self.know(name) || name.split_once('.').map(ours).is_some_and(|ours| self.know(&ours))
    }

    pub(crate) fn of_the_repository() -> Self {
        let files = files_under("src", "rs").into_iter().chain(files_under("tests", "rs"));
        let symbols = read("tests/kafka-0.9.0.1-symbols.txt");
        let tests = read("tests/kafka-tests.txt");
        let tests = tests.lines().map(|line| line.split(':').next().unwrap());
        let apis = read("tests/kafka-apis.txt");
        let apis = apis.lines().filter_map(|line| line.split(' ').nth(1));
        let ours = KafkaConfig::SETTINGS.iter().chain(LogConfig::SETTINGS).map(|it| it.name);
        Self {
            files: files.map(SourceFile::read).collect(),
            kafka: symbols.lines().chain(tests).chain(apis).map(String::from).collect(),
            settings: ours
                .chain(Unsupported::names())
                .chain(CLIENT_SETTINGS)
                .chain(FEATURES)
                .collect(),
        }
    }

    /// Whether `word` is known, or of a form that is not looked up.
    pub(crate) fn know(&self, word: &str) -> bool {
        let is_repository =
            ["src/", "tests/", "docs/", ".ci/"].iter().any(|it| word.starts_with(it));
        if is_repository && !word.contains(char::is_whitespace) {
            return Path::new(word).exists();
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || "_:.()".contains(c);
        if !word.chars().all(is_name) {
            return true;
        }
        if word.contains("::") {
            return FOREIGN_PATHS.iter().any(|it| word.starts_with(it)) || self.know_path(word);
        }
        if word.ends_with(".rs") {
            return self.files.iter().any(|file| file.path.ends_with(word));
        }
        if let Some(function) = word.strip_suffix("()") {
            return self.define(function);
        }
        if is_kafkas(word) {
            let owner = word.split('.').next().unwrap();
            return self.kafka.contains(word)
                || FOREIGN_TYPES.contains(&owner)
                || owner.ends_with("Test") && self.files.iter().any(|it| it.text.contains(word));
        }
        if is_setting(word) {
            return self.settings.contains(word);
        }
        if is_type(word) {
            return FOREIGN_TYPES.contains(&word) || self.kafka.contains(word) || self.define(word);
        }
        true
    }

    fn define(&self, name: &str) -> bool {
        self.files.iter().any(|file| file.defined.contains(name))
    }

    /// `Log::read`: a file that defines the one, or implements it, defines the other.
    /// `transport::send`: such a file or folder is in `src`.
    fn know_path(&self, word: &str) -> bool {
        let file = Path::new("src").join(word.replace("::", "/"));
        let mut parts = word.trim_end_matches("()").rsplit("::");
        let (member, owner) = (parts.next().unwrap(), parts.next().unwrap());
        file.is_dir()
            || file.with_extension("rs").exists()
            || self.files.iter().any(|file| file.has_member(owner, member))
    }
}

/// A file of `src` or `tests`, and what it defines.
pub(crate) struct SourceFile {
    path: PathBuf,
    pub(crate) text: String,
    /// Its items and fields, and the variants that have a line of their own.
    pub(crate) defined: HashSet<String>,
    /// What it implements, and for what.
    pub(crate) implemented: HashSet<String>,
}

impl SourceFile {
    pub(crate) fn read(path: PathBuf) -> Self {
        let text = read(&path);
        let after = |signs: &[&str]| -> HashSet<String> {
            signs.iter().flat_map(|sign| names_after(&text, sign)).map(String::from).collect()
        };
        let mut defined = after(&[
            "fn ",
            "struct ",
            "enum ",
            "trait ",
            "const ",
            "static ",
            "type ",
            "mod ",
            "pub ",
            "macro_rules! ",
        ]);
        defined.extend(text.lines().filter_map(variant).map(String::from));
        let implemented = after(&["impl ", " for "]);
        Self { path, text, defined, implemented }
    }

    /// Whether `owner::member` may be a member that this file defines.
    fn has_member(&self, owner: &str, member: &str) -> bool {
        let is_owner = self.defined.contains(owner)
            || self.implemented.contains(owner)
            || self.path.file_stem().is_some_and(|stem| stem == owner);
        is_owner && self.defined.contains(member)
    }
}

/// The names in `text` that stand after `sign`.
fn names_after<'a>(text: &'a str, sign: &str) -> impl Iterator<Item = &'a str> {
    text.match_indices(sign).map(move |(at, sign)| name_at_start(&text[at + sign.len()..]))
}

/// The variant, or the field, that a line is about.
fn variant(line: &str) -> Option<&str> {
    let line = line.trim();
    let name = name_at_start(line);
    let rest = &line[name.len()..];
    let is_variant =
        rest.starts_with([',', '(', ':']) || rest.starts_with(" {") || rest.starts_with(" =");
    is_variant.then_some(name)
}

fn name_at_start(text: &str) -> &str {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default()
}

/// `KafkaApis.handleFetchRequest` and `Log.scala`.
pub(crate) fn is_kafkas(word: &str) -> bool {
    let Some((owner, member)) = word.split_once('.') else { return false };
    owner.starts_with(|c: char| c.is_ascii_uppercase())
        && [owner, member].iter().all(|it| it.chars().all(char::is_alphanumeric))
}

/// `log.dirs`: lower case with dots, and neither a file nor the name of a Java package.
fn is_setting(word: &str) -> bool {
    let is_lower = |it: &str| !it.is_empty() && it.chars().all(|c| c.is_ascii_lowercase());
    word.contains('.')
        && word.split('.').all(is_lower)
        && !["kafka.", "org.", "java."].iter().any(|it| word.starts_with(it))
        && !FILE_ENDINGS.iter().any(|it| word.ends_with(it))
}

/// `FetchResponseSend`: of several words, so that `Ctrl` or `GET` is not looked up.
fn is_type(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.chars().all(|c| c.is_ascii_alphanumeric())
        && word.chars().filter(char::is_ascii_uppercase).count() > 1
        && word.chars().any(|c| c.is_ascii_lowercase())
}

/// The README and all pages below `docs`.
pub(crate) fn pages() -> Vec<PathBuf> {
    let readme = PathBuf::from("README.md");
    files_under("docs", "md").into_iter().chain(Some(readme).filter(|it| it.exists())).collect()
}

/// The pages of one language, by their names. The English README stands where everybody looks for
/// it.
fn pages_of(language: &str) -> BTreeMap<PathBuf, String> {
    let root = Path::new("docs").join(language);
    let files = files_under(&root, "md");
    let name = |it: &PathBuf| it.strip_prefix(&root).unwrap().to_path_buf();
    let readme = Some(PathBuf::from("README.md")).filter(|_| language == "en");
    let pages = files.iter().map(|it| (name(it), read(it)));
    pages.chain(readme.map(|it| (it.clone(), read(it)))).collect()
}

/// Each `{{#include PATH:ANCHOR}}` of a page, in order.
fn includes(page: &str) -> Vec<(&str, &str)> {
    let inside = page.split("{{#include ").skip(1).map(|rest| rest.split("}}").next().unwrap());
    inside.map(|it| it.split_once(':').expect("code is quoted by anchor")).collect()
}

/// The lines between the two marks of an anchor, moved to the left margin.
fn anchored(text: &str, anchor: &str) -> String {
    let (start, end) = (format!("// ANCHOR: {anchor}"), format!("// ANCHOR_END: {anchor}"));
    let after = text.lines().skip_while(|line| line.trim() != start).skip(1);
    let lines: Vec<&str> = after.take_while(|line| line.trim() != end).collect();
    let margin = lines.first().map_or(0, |line| line.len() - line.trim_start().len());
    lines.iter().map(|line| line.get(margin..).unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// The numbers of the lines between the marks of an anchor.
fn lines_of(source: &str, anchor: &str) -> RangeInclusive<usize> {
    let line_of = |mark: String| source.lines().position(|line| line.trim() == mark).unwrap() + 1;
    line_of(format!("// ANCHOR: {anchor}")) + 1..=line_of(format!("// ANCHOR_END: {anchor}")) - 1
}

/// A link from the page to the line on which the code begins. One that is there already, and still
/// leads to a line of that code, stays: not every change of a source file changes a page.
fn link_to_anchor(page: &str, path: &str, anchor: &str, lines: RangeInclusive<usize>) -> String {
    let name = path.trim_start_matches("../");
    let link = |line: usize| format!("[`{name}`]({path}#L{line})");
    let printed = page.split(&format!("<!-- printed: {anchor} -->")).nth(1).unwrap_or_default();
    let printed = printed.split("<!-- end of ").next().unwrap_or_default();
    let present = lines.clone().find(|line| printed.contains(&link(*line)));
    link(present.unwrap_or(*lines.start()))
}

fn heading_levels(page: &str) -> Vec<usize> {
    let prose = page.split("```").step_by(2);
    let headings = prose.flat_map(str::lines).filter(|line| line.starts_with('#'));
    headings.map(|line| line.bytes().take_while(|it| *it == b'#').count()).collect()
}

/// A page as a person wrote it: without what stands between the marks.
fn without_printed(page: &str) -> String {
    let page = with_figures(page, |_| String::new());
    let mut written = String::new();
    for (i, piece) in page.split("<!-- printed: ").enumerate() {
        let end = if i == 0 { Some(0) } else { piece.find("<!-- end of ") };
        written.push_str(&piece[end.expect("what is printed has an end")..]);
    }
    written
}

/// FNV-1a, 64 bits.
fn fingerprint(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}
