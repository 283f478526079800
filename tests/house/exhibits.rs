//! Holds the pages to what was recorded: `docs/exhibits` has the recordings, and the figures that
//! prose takes from them.

use std::collections::BTreeMap;
use std::path::Path;

use crate::docs::{Names, is_kafkas, pages};
use crate::printed::{fail_if_printed, print_into, rewrite};
use crate::source_tree::{files_under, read};

const EXHIBITS: &str = "docs/exhibits";
const FIGURES: &str = "docs/exhibits/figures.txt";

const FIGURE: &str = "<!-- figure: ";
const END_OF_NAME: &str = " -->";
const END_OF_FIGURE: &str = "<!-- end -->";

/// `strace-session` is all of a recording, `strace-session:fetch` its part under `== fetch: ..`.
#[test]
fn what_a_page_shows_of_a_recording_is_printed_from_it() {
    let pages: Vec<String> = pages().iter().map(|page| page.display().to_string()).collect();
    let is_printed = |page: &&str| {
        let text = read(page);
        let parts = exhibits(&text).into_iter().map(|name| (name, fenced(&exhibit(page, name))));
        print_into(page, &parts.collect::<Vec<_>>())
    };
    fail_if_printed(pages.iter().map(String::as_str).filter(is_printed).collect());
}

#[test]
fn figures_in_prose_are_those_of_the_recordings() {
    let figures = figures_of_the_recordings();
    let pages: Vec<String> = pages().iter().map(|page| page.display().to_string()).collect();
    let is_printed = |page: &&str| {
        rewrite(page, |text| {
            with_figures(&text, |name| {
                let value = figures.get(name);
                value.unwrap_or_else(|| panic!("{page}: {FIGURES} has no {name}")).clone()
            })
        })
    };
    fail_if_printed(pages.iter().map(String::as_str).filter(is_printed).collect());
}

/// A function that was renamed shows here, too, and not only when somebody records again.
#[test]
fn what_a_recording_names_exists() {
    let names = Names::of_the_repository();
    for path in files_under(EXHIBITS, "txt") {
        let text = read(&path);
        let words = text.split_whitespace().filter(|it| it.contains("::") || is_kafkas(it));
        for word in words {
            let word = word.trim_end_matches([':', ',']);
            assert!(names.know_traced(word), "{}: there is no {word}", path.display());
        }
    }
}

/// The names of the exhibits that a page shows, in order.
pub(crate) fn exhibits(page: &str) -> Vec<&str> {
    let inside = page.split("{{#exhibit ").skip(1);
    inside.map(|rest| rest.split("}}").next().unwrap()).collect()
}

/// The names of the figures that stand in a page, sorted: languages have their own order of words.
pub(crate) fn figures(page: &str) -> Vec<&str> {
    let inside = page.split(FIGURE).skip(1);
    let mut names: Vec<_> = inside.map(|rest| rest.split(END_OF_NAME).next().unwrap()).collect();
    names.sort_unstable();
    names
}

/// The page with another value between the marks of each figure.
pub(crate) fn with_figures(page: &str, value: impl Fn(&str) -> String) -> String {
    let mut pieces = page.split(FIGURE);
    let mut text = pieces.next().unwrap_or_default().to_string();
    for piece in pieces {
        let (name, rest) = piece.split_once(END_OF_NAME).expect("a figure has a name");
        let (_, rest) = rest.split_once(END_OF_FIGURE).expect("a figure has an end");
        text += &format!("{FIGURE}{name}{END_OF_NAME}{}{END_OF_FIGURE}{rest}", value(name));
    }
    text
}

fn exhibit(page: &str, name: &str) -> String {
    let (file, part) = name.split_once(':').unwrap_or((name, ""));
    let path = Path::new(EXHIBITS).join(format!("{file}.txt"));
    assert!(path.exists(), "{page}: there is no {}", path.display());
    let text = read(&path);
    if part.is_empty() {
        return text;
    }
    let title = format!("{}:", part.replace('-', " "));
    let found = text.split("\n== ").find(|it| it.starts_with(&title));
    found.unwrap_or_else(|| panic!("{page}: {} has no part {part}", path.display())).to_string()
}

fn fenced(text: &str) -> String {
    format!("```\n{}\n```", text.trim_end())
}

fn figures_of_the_recordings() -> BTreeMap<String, String> {
    let text = read(FIGURES);
    let lines = text.lines().map(|it| it.split_once(" = ").expect("a name and a value"));
    lines.map(|(name, value)| (name.to_string(), value.to_string())).collect()
}
