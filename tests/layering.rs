//! Holds the source to the map in `docs/en/architecture.md`: who may import whom, no circles,
//! files that say what they are. It reads text, not meaning, and so relies on rustfmt, on imports
//! that are spelt out, and on unit tests that stand last in their file.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod source_tree;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::path::Path;

use source_tree::files_under;
use source_tree::read;
use source_tree::ticked;

/// Ways to import that hide from a reader where a name comes from, and from this test what is
/// imported.
const BANNED: [&str; 4] = ["crate::{", "::*;", "super::super", "\nuse super::"];

/// One file below `src`.
struct SourceFile {
    /// As it is imported: `storage::log` for `src/storage/log.rs`, `storage` for
    /// `src/storage/mod.rs`.
    module: String,
    /// The first line, then the code without comment lines and unit tests; blank lines keep the
    /// count.
    code: String,
}

impl SourceFile {
    fn read(path: &Path) -> Self {
        let text = read(path);
        let without_tests = text.split("\n#[cfg(test)]\nmod tests").next().unwrap();
        let is_code = |line: &str| !line.trim_start().starts_with("//");
        let code = without_tests.lines().enumerate();
        let code = code.map(|(i, line)| if i == 0 || is_code(line) { line } else { "" });
        let module = path.strip_prefix("src").unwrap().with_extension("");
        let module = module.to_string_lossy().replace('/', "::");
        let module = module.strip_suffix("::mod").unwrap_or(&module).to_string();
        Self { module, code: code.collect::<Vec<_>>().join("\n") }
    }

    fn folder(&self) -> &str {
        self.module.split("::").next().unwrap()
    }

    /// Every path that the code begins with `crate::`, in a `use` or in the midst of an expression.
    fn imports(&self) -> BTreeSet<&str> {
        let ends_path = |c: char| !(c.is_alphanumeric() || c == '_' || c == ':');
        let code = self.code.split_once('\n').map_or("", |(_, code)| code);
        let after = code.split("crate::").skip(1);
        after.map(|rest| rest.split(ends_path).next().unwrap().trim_end_matches(':')).collect()
    }
}

fn source() -> Vec<SourceFile> {
    files_under("src", "rs").iter().map(|path| SourceFile::read(path)).collect()
}

const MAP: &str = "docs/en/architecture.md";
const MAP_HEAD: &str = "| folder | may import |";

/// The table of the map: for each folder the folders, and the single files, that it may import.
fn plan() -> BTreeMap<String, BTreeSet<String>> {
    let page = read(MAP);
    let names = |cell: &str| ticked(cell).map(String::from).collect();
    let rows = table_rows(&page, MAP_HEAD);
    rows.iter().map(|row| (row[0].trim_matches('`').to_string(), names(row[1]))).collect()
}

/// The rows of the table in `page` whose first line is `head`, each as its cells.
fn table_rows<'a>(page: &'a str, head: &str) -> Vec<Vec<&'a str>> {
    let mut lines = page.lines().skip_while(|line| line.trim() != head);
    assert!(lines.next().is_some(), "no table begins with {head}");
    let cells = |line: &'a str| line.trim_matches('|').split('|').map(str::trim).collect();
    lines.skip(1).take_while(|line| line.starts_with('|')).map(cells).collect()
}

#[test]
fn the_map_shows_the_folders_that_are_there() {
    let folders: BTreeSet<String> = source().iter().map(|it| it.folder().to_string()).collect();
    let planned: BTreeSet<String> = plan().into_keys().collect();
    assert_eq!(folders, planned, "src/ and {MAP} differ");
}

#[test]
fn the_map_is_the_same_in_both_languages() {
    let (english, chinese) = (read(MAP), read("docs/zh/architecture.md"));
    assert_eq!(table_rows(&english, MAP_HEAD), table_rows(&chinese, MAP_HEAD));
}

/// A reader who follows a name to `src/` must be able to come from the map, and go back to it.
#[test]
fn every_file_stands_on_the_map_under_its_folder() {
    for map in [MAP, "docs/zh/architecture.md"] {
        let page = read(map);
        for file in files_under("src", "rs") {
            let name = file.file_name().unwrap().to_str().unwrap();
            let folder = file.parent().unwrap().file_name().unwrap().to_str().unwrap();
            if folder == "src" || name == "mod.rs" {
                continue;
            }
            let section = page.split("\n### ").find(|it| it.lines().next() == Some(folder));
            let is_there = section.is_some_and(|it| ticked(it).any(|word| word == name));
            assert!(is_there, "{map}: {name} is missing under {folder}");
        }
    }
}

#[test]
fn the_map_itself_has_no_arrow_upward() {
    let page = read(MAP);
    let mut below = BTreeSet::new();
    for row in table_rows(&page, MAP_HEAD) {
        for name in ticked(row[1]) {
            let folder = name.split("::").next().unwrap();
            assert!(below.contains(folder), "{} imports {name}, which stands after it", row[0]);
        }
        below.insert(row[0].trim_matches('`').to_string());
    }
}

#[test]
fn imports_follow_the_map() {
    let plan = plan();
    let mut errors = Vec::new();
    for file in source() {
        let Some(allowed) = plan.get(file.folder()) else { continue };
        for import in file.imports() {
            let folder = import.split("::").next().unwrap();
            let one_file = import.split("::").take(2).collect::<Vec<_>>().join("::");
            let is_own = folder == file.folder();
            if !is_own && !allowed.contains(folder) && !allowed.contains(&one_file) {
                errors.push(format!("{}: may not import {import}", file.module));
            }
        }
    }
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
}

#[test]
fn imports_are_spelt_out() {
    let mut errors = Vec::new();
    for file in source() {
        for banned in BANNED.iter().filter(|banned| file.code.contains(**banned)) {
            errors.push(format!("{}: spell it out instead of `{}`", file.module, banned.trim()));
        }
    }
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
}

#[test]
fn no_circle_runs_through_files() {
    let source = source();
    let modules: BTreeSet<&str> = source.iter().map(|it| it.module.as_str()).collect();
    // An import names a file if it, or a beginning of it, is the module of one.
    let file_of = |import: &'_ str| {
        let two = import.split("::").take(2).collect::<Vec<_>>().join("::");
        modules.get(two.as_str()).copied()
    };
    let mut arrows: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for file in &source {
        let targets = file.imports().into_iter().filter_map(file_of);
        arrows.insert(&file.module, targets.filter(|it| *it != file.module).collect());
    }
    for start in arrows.keys() {
        if let Some(way) = way_back(start, &arrows) {
            panic!("a circle: {}", way.join(" -> "));
        }
    }
}

/// The way from `start` along the arrows to `start` again, if there is one: breadth first, so the
/// shortest.
fn way_back<'a>(
    start: &'a str,
    arrows: &BTreeMap<&'a str, BTreeSet<&'a str>>,
) -> Option<Vec<&'a str>> {
    let mut ways = VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in &arrows[way[way.len() - 1]] {
            let longer = || way.iter().copied().chain([*next]).collect::<Vec<_>>();
            if *next == start {
                return Some(longer());
            }
            if seen.insert(*next) {
                ways.push_back(longer());
            }
        }
    }
    None
}

#[test]
fn files_say_what_they_are() {
    let mut errors = Vec::new();
    for file in source() {
        if !file.code.starts_with("//! ") {
            errors.push(format!("{}: the first line does not say what it is", file.module));
        }
    }
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
}
