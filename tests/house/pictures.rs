//! Holds the pages to their pictures: each picture that a page shows is there, each that is there is
//! shown in both languages, and none is drawn with letters.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use crate::source_tree::{files_under, read};

/// The signs from which figures of text are put together, which do not stand in line with Chinese.
const BOX_DRAWING: RangeInclusive<char> = '\u{2500}'..='\u{257f}';

#[test]
fn a_picture_that_a_page_shows_exists_and_each_is_shown_in_both_languages() {
    let drawn: BTreeSet<PathBuf> = files_under("docs/img", "svg").into_iter().collect();
    let shown = [shown_in(english_pages()), shown_in(files_under("docs/zh", "md"))];
    for (shown, language) in shown.iter().zip(["en", "zh"]) {
        let missing: Vec<_> = shown.difference(&drawn).collect();
        assert!(missing.is_empty(), "docs/{language} shows what is not there: {missing:?}");
        let unseen: Vec<_> = drawn.difference(shown).filter(|it| is_for(language, it)).collect();
        assert!(unseen.is_empty(), "no page of docs/{language} shows {unseen:?}");
    }
}

#[test]
fn a_picture_has_a_ground_and_a_dark_side_of_its_own() {
    for picture in files_under("docs/img", "svg") {
        let text = read(&picture);
        for part in ["<title>", "class=\"ground\"", "prefers-color-scheme: dark"] {
            assert!(text.contains(part), "{} lacks {part}", picture.display());
        }
    }
}

#[test]
fn the_picture_of_the_house_has_every_folder() {
    let picture = read("docs/img/house.svg");
    for folder in std::fs::read_dir("src").unwrap().map(|it| it.unwrap().path()) {
        if folder.is_dir() {
            let name = folder.file_name().unwrap().display().to_string();
            assert!(picture.contains(&format!(">{name}/</text>")), "house.svg lacks {name}");
        }
    }
}

#[test]
fn no_figure_is_drawn_with_letters() {
    let sources = files_under("src", "rs");
    for file in english_pages().into_iter().chain(files_under("docs/zh", "md")).chain(sources) {
        for (i, line) in read(&file).lines().enumerate() {
            let is_drawn = line.contains(|c| BOX_DRAWING.contains(&c));
            assert!(!is_drawn, "{}:{}: {line}", file.display(), i + 1);
        }
    }
}

fn english_pages() -> Vec<PathBuf> {
    let mut pages = files_under("docs/en", "md");
    pages.push(PathBuf::from("README.md"));
    pages
}

/// `name.zh.svg` is for the Chinese pages, and takes the place of `name.svg` there.
fn is_for(language: &str, picture: &Path) -> bool {
    let stem = picture.file_stem().unwrap().to_str().unwrap();
    match language {
        "zh" => stem.ends_with(".zh") || !picture.with_file_name(format!("{stem}.zh.svg")).exists(),
        _ => !stem.ends_with(".zh"),
    }
}

/// The pictures of `![what it shows](../img/name.svg)`, as they lie in the repository.
fn shown_in(pages: Vec<PathBuf>) -> BTreeSet<PathBuf> {
    let mut shown = BTreeSet::new();
    for page in pages {
        for image in read(&page).split("![").skip(1) {
            let Some((_, link)) = image.split_once("](") else { continue };
            let link = link.split(')').next().unwrap();
            if link.contains("://") {
                continue;
            }
            let picture = page.parent().unwrap().join(link);
            assert!(picture.exists(), "{}: there is no {link}", page.display());
            let root = Path::new(".").canonicalize().unwrap();
            let picture = picture.canonicalize().unwrap();
            shown.insert(picture.strip_prefix(root).unwrap().to_path_buf());
        }
    }
    shown
}
