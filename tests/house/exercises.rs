//! Holds the exercises to the pages and files to which they send their reader, in both languages.

use crate::docs::pages;
use crate::source_tree::{files_under, read};

/// A page and its translation are given side by side, and their anchors must mean the same heading.
#[test]
fn what_an_exercise_sends_its_reader_to_is_there() {
    let mut errors = Vec::new();
    for file in exercises() {
        let text = read(&file);
        let (pages, files) = (quoted(&text, "pages: &[", "],"), quoted(&text, "files: &[", "],"));
        assert!(!pages.is_empty(), "{file}: its reader is sent to no page");
        for place in files {
            if !std::path::Path::new(place).is_file() {
                errors.push(format!("{file}: there is no {place}"));
            }
        }
        for pair in pages.chunks(2) {
            let [en, zh] = pair else { panic!("{file}: a page lacks its translation") };
            if let Some(error) = difference(en, zh) {
                errors.push(format!("{file}: {error}"));
            }
        }
    }
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
}

/// What is wrong with a place in docs/en and its like in docs/zh.
fn difference(en: &str, zh: &str) -> Option<String> {
    let page = |place: &str| place.split('#').next().unwrap().to_string();
    if !en.starts_with("docs/en/") || page(en).replace("/en/", "/zh/") != page(zh) {
        return Some(format!("{en} and {zh} are not the same page"));
    }
    match (heading(en), heading(zh)) {
        (Ok(in_english), Ok(in_chinese)) if in_english != in_chinese => {
            Some(format!("{en} and {zh} are not the same heading"))
        }
        (Err(error), _) | (_, Err(error)) => Some(error),
        _ => None,
    }
}

/// Which of a page's headings a place is; without an anchor it is none.
fn heading(place: &str) -> Result<Option<usize>, String> {
    let (path, anchor) = place.split_once('#').unwrap_or((place, ""));
    if !std::path::Path::new(path).is_file() {
        return Err(format!("there is no {path}"));
    }
    let position = anchors(&read(path)).iter().position(|it| it == anchor);
    match position {
        None if !anchor.is_empty() => Err(format!("{path} has no heading #{anchor}")),
        position => Ok(position),
    }
}

/// What stands in words is printed in the reader's language: a lesson or an exercise that prints
/// a string has forgotten the other one.
#[test]
fn exercises_and_lessons_say_nothing_in_one_language_only() {
    let mut errors = Vec::new();
    for folder in ["tests/exhibits/src/exercises", "tests/exhibits/src/lessons"] {
        for file in files_under(folder, "rs") {
            for line in read(&file).lines().filter(|it| says_words(it)) {
                errors.push(format!("{}: {}", file.display(), line.trim()));
            }
        }
    }
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
}

/// A constant that lacks one does not compile; this looks at what stands within functions, too.
#[test]
fn every_text_of_exercises_and_lessons_is_in_both_languages() {
    let (mut errors, mut count) = (Vec::new(), 0);
    for folder in ["tests/exhibits/src/exercises", "tests/exhibits/src/lessons"] {
        for file in files_under(folder, "rs") {
            let text = read(&file);
            for call in ["both(", "both_with!("] {
                for texts in text.split(call).skip(1).map(two_literals) {
                    count += 1;
                    let [en, zh] = &texts;
                    if en.is_empty() || zh.is_ascii() {
                        errors.push(format!("{}: {texts:?}", file.display()));
                    }
                }
            }
        }
    }
    assert!(count > 0, "there are no texts");
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
}

/// The first two strings of a piece of source.
fn two_literals(source: &str) -> [String; 2] {
    let source = source.replace("\\\"", "'");
    let mut strings = source.split('"').skip(1).step_by(2).map(String::from);
    [strings.next().unwrap_or_default(), strings.next().unwrap_or_default()]
}

/// Whether a line prints a string with more in it than values and a name, or passes one for the
/// same in both languages.
fn says_words(line: &str) -> bool {
    let starts = ["println!(\"", "print!(\"", "Text::same(format!(\"", "Text::same(\""];
    let Some((_, rest)) = starts.iter().find_map(|it| line.split_once(it)) else { return false };
    let format = rest.replace("\\n", " ");
    let format = format.split('"').next().unwrap();
    // What stands outside of braces.
    let outside: String = format.split('{').map(|it| it.rsplit('}').next().unwrap()).collect();
    let is_word = |it: &&str| it.chars().filter(|it| it.is_alphabetic()).count() > 1;
    outside.split_whitespace().filter(is_word).count() > 1
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
    let headings = prose.lines().filter(|it| it.starts_with('#'));
    let headings = headings.filter_map(|it| it.trim_start_matches('#').strip_prefix(' '));
    let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
    let name = |heading: &str| heading.to_lowercase().chars().filter(kept).collect::<String>();
    headings.map(|heading| name(heading).replace(' ', "-")).collect()
}
