//! Holds the source to the map in `docs/en/architecture.md`: who may import whom, no circles,
//! files that say what they are. It reads text, not meaning, and so relies on rustfmt, on imports
//! that are spelt out, and on unit tests that stand last in their file.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use crate::source_tree::{files_under, read, ticked};

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

    /// The folder that it lies in, `storage/log` for `src/storage/log/log.rs`; its own name if it
    /// lies in `src` itself.
    fn folder(&self) -> String {
        folder_of(&self.module)
    }

    /// Every path that the code begins with `crate::`, in a `use` or in the midst of an expression.
    fn imports(&self) -> BTreeSet<&str> {
        let ends_path = |c: char| !(c.is_alphanumeric() || c == '_' || c == ':');
        let code = self.code.split_once('\n').map_or("", |(_, code)| code);
        let after = code.split("crate::").skip(1);
        after.map(|rest| rest.split(ends_path).next().unwrap().trim_end_matches(':')).collect()
    }
}

/// `storage/log` for `storage::log::log` and for `storage::log`, which is its `mod.rs`; `lib` for
/// `lib`.
fn folder_of(module: &str) -> String {
    let path = module.replace("::", "/");
    if Path::new("src").join(&path).is_dir() {
        return path;
    }
    path.rsplit_once('/').map_or(path.as_str(), |(folder, _)| folder).to_string()
}

fn source() -> Vec<SourceFile> {
    files_under("src", "rs").iter().map(|path| SourceFile::read(path)).collect()
}

const MAP: &str = "docs/en/architecture.md";
const MAP_HEAD: &str = "| folder | may import |";

/// The table of the map: for each folder the folders, and the single files, that it may import.
/// `storage/*` stands for all folders in `storage`.
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
    let folders: BTreeSet<String> = source().iter().map(SourceFile::folder).collect();
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
            let folder = file.parent().unwrap().strip_prefix("src").unwrap().to_str().unwrap();
            if folder.is_empty() || name == "mod.rs" {
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
    let rows = table_rows(&page, MAP_HEAD);
    let folders: Vec<&str> = rows.iter().map(|row| row[0].trim_matches('`')).collect();
    for (above, row) in rows.iter().enumerate() {
        for name in ticked(row[1]) {
            let of_name: Vec<usize> =
                (0..folders.len()).filter(|&it| is_in(folders[it], name)).collect();
            let is_below = !of_name.is_empty() && of_name.iter().all(|&it| it < above);
            assert!(is_below, "{} imports {name}, which does not stand before it", row[0]);
        }
    }
}

/// Whether `folder` is what a row means by `name`: the folder, one file of it, or all in it.
fn is_in(folder: &str, name: &str) -> bool {
    let of_file = name.split_once("::").map_or(name, |(of_file, _)| of_file);
    folder == of_file || name.strip_suffix('*').is_some_and(|all| folder.starts_with(all))
}

#[test]
fn imports_follow_the_map() {
    let (plan, source) = (plan(), source());
    let modules = modules(&source);
    let mut errors = Vec::new();
    for file in &source {
        let Some(allowed) = plan.get(&file.folder()) else { continue };
        for import in file.imports() {
            let Some(target) = file_of(&modules, import) else { continue };
            let folder = folder_of(target);
            let one_file = format!("{folder}::{}", target.rsplit("::").next().unwrap());
            let is_allowed =
                |name: &String| *name == one_file || !name.contains("::") && is_in(&folder, name);
            if folder != file.folder() && !allowed.iter().any(is_allowed) {
                errors.push(format!("{}: may not import {import}", file.module));
            }
        }
    }
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
}

fn modules(source: &[SourceFile]) -> BTreeSet<&str> {
    source.iter().map(|it| it.module.as_str()).collect()
}

/// The file that an import names: the longest beginning of it that is the module of one.
fn file_of<'a>(modules: &BTreeSet<&'a str>, import: &str) -> Option<&'a str> {
    let mut path = import;
    loop {
        if let Some(module) = modules.get(path) {
            return Some(module);
        }
        path = path.rsplit_once("::")?.0;
    }
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
    let modules = modules(&source);
    let mut arrows: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for file in &source {
        let targets = file.imports().into_iter().filter_map(|it| file_of(&modules, it));
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

/// Types whose inherent `impl` stands in further files, each with the reason.
const IMPL_ELSEWHERE: [(&str, &str, &str); 0] = [];

/// Otherwise a file that looks as if it stood alone has a share in the private state of another,
/// and circles of calls are hidden from the test above.
#[test]
fn an_inherent_impl_stands_in_the_file_of_its_type() {
    let mut errors = Vec::new();
    for file in source() {
        for name in file.code.lines().filter_map(inherent_impl) {
            let is_declared = ["struct", "enum", "union", "trait"].iter().any(|kind| {
                let declaration = format!("{kind} {name}");
                file.code.match_indices(&declaration).any(|(at, _)| {
                    !file.code[at + declaration.len()..].starts_with(|c: char| c.is_alphanumeric())
                })
            });
            let is_excepted =
                IMPL_ELSEWHERE.iter().any(|it| (it.0, it.1) == (name, file.module.as_str()));
            if !is_declared && !is_excepted {
                errors.push(format!("{}: impl {name}", file.module));
            }
        }
    }
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
}

/// The type of a line such as `impl<T> Type<T> {`; nothing if it implements a trait.
fn inherent_impl(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("impl")?;
    let rest = match rest.strip_prefix('<') {
        Some(generics) => after_generics(generics)?,
        None => rest,
    };
    let header = rest.strip_prefix(' ')?;
    if header.contains(" for ") {
        return None;
    }
    header.split(|c: char| !(c.is_alphanumeric() || c == '_')).find(|it| !it.is_empty())
}

/// What follows the `>` that ends the generics whose `<` stands before `text`.
fn after_generics(text: &str) -> Option<&str> {
    let mut depth = 1;
    for (at, c) in text.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if !text[..at].ends_with('-') => depth -= 1,
            _ => (),
        }
        if depth == 0 {
            return Some(&text[at + 1..]);
        }
    }
    None
}

/// A reader who opens the files of a folder from the top of its `mod.rs` meets nothing before it was
/// explained.
#[test]
fn mod_lines_stand_in_reading_order() {
    let source = source();
    let modules = modules(&source);
    let mut errors = Vec::new();
    for folder in source.iter().filter(|it| Path::new("src").join(it.folder()).is_dir()) {
        let lines =
            folder.code.lines().filter_map(|line| line.split_once("mod ")?.1.strip_suffix(';'));
        let order: Vec<String> = lines.map(|name| format!("{}::{name}", folder.module)).collect();
        for file in &source {
            let of_file = |module: &str| {
                order.iter().position(|it| module == it || module.starts_with(&format!("{it}::")))
            };
            let Some(at) = of_file(&file.module) else { continue };
            let imports = file.imports().into_iter().filter_map(|it| file_of(&modules, it));
            for later in imports.filter(|it| of_file(it).is_some_and(|it| it > at)) {
                errors.push(format!("{} imports {later}, which stands below it", file.module));
            }
        }
    }
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
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
