//! Holds the exercises to the pages and files to which they send their reader.

use crate::docs::pages;
use crate::source_tree::{files_under, read};

#[test]
fn what_an_exercise_sends_its_reader_to_is_there() {
    let mut errors = Vec::new();
    for file in exercises() {
        let text = read(&file);
        let places = quoted(&text, "read_on: &[", "],");
        assert!(!places.is_empty(), "{file}: its reader is sent nowhere");
        for place in places {
            let (path, anchor) = place.split_once('#').unwrap_or((place, ""));
            if !std::path::Path::new(path).exists() {
                errors.push(format!("{file}: there is no {path}"));
            } else if !anchor.is_empty() && !anchors(&read(path)).contains(&anchor.to_string()) {
                errors.push(format!("{file}: {path} has no heading #{anchor}"));
            }
        }
    }
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
}

/// `ex4_1_from_the_middle.rs` is exercise 4.1, and in the list.
#[test]
fn the_file_of_an_exercise_bears_its_number_and_is_listed() {
    let list = read("tests/exhibits/src/exercises/mod.rs");
    for file in exercises() {
        let name = file.rsplit('/').next().unwrap().trim_end_matches(".rs");
        let number: Vec<&str> = name.trim_start_matches("ex").splitn(3, '_').take(2).collect();
        let line = format!("number: \"{}\",", number.join("."));
        assert!(read(&file).contains(&line), "{file} lacks {line}");
        assert!(list.contains(&format!("&{name}::EXERCISE,")), "{name} is not listed");
    }
}

/// `make exercise N=4.1` on a page.
#[test]
fn an_exercise_that_a_page_names_is_there() {
    let all: String = exercises().iter().map(read).collect();
    for page in pages() {
        for rest in read(&page).split("make exercise N=").skip(1) {
            let end = rest.find(|it: char| !it.is_ascii_digit() && it != '.');
            let number = rest[..end.unwrap_or(rest.len())].trim_end_matches('.');
            let is_there = number.is_empty() || all.contains(&format!("number: \"{number}\","));
            assert!(is_there, "{}: there is no exercise {number}", page.display());
        }
    }
}

fn exercises() -> Vec<String> {
    let files = files_under("tests/exhibits/src/exercises", "rs").into_iter();
    let files = files.map(|file| file.display().to_string());
    let exercises: Vec<String> =
        files.filter(|file| file.contains("/ex") && has_number(file)).collect();
    assert!(!exercises.is_empty(), "there are no exercises");
    exercises
}

/// `exercise.rs` is none.
fn has_number(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap();
    name[2..].starts_with(|it: char| it.is_ascii_digit())
}

/// The texts in quotes between two signs.
fn quoted<'a>(text: &'a str, from: &str, to: &str) -> Vec<&'a str> {
    let inside = text.split_once(from).map_or("", |it| it.1);
    let inside = inside.split_once(to).map_or("", |it| it.0);
    inside.split('"').skip(1).step_by(2).collect()
}

/// The names by which a page's headings can be linked to.
fn anchors(page: &str) -> Vec<String> {
    let prose: String = page.split("```").step_by(2).collect();
    let headings = prose.lines().filter_map(|it| it.trim_start_matches('#').strip_prefix(' '));
    let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
    let name = |heading: &str| heading.to_lowercase().chars().filter(kept).collect::<String>();
    headings.map(|heading| name(heading).replace(' ', "-")).collect()
}
