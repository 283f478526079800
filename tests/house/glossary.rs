//! Holds the pages to the glossary: both languages have the same terms, the page to which a term
//! leads uses it, and no page in Chinese uses a word that was rejected.

use crate::source_tree::{files_under, read};

/// What no page in Chinese says, and the term that it would stand for.
const REJECTED: [(&str, &str); 11] = [
    ("静音", "mute"),
    ("边沿触发", "edge-triggered"),
    ("电平触发", "level-triggered"),
    ("应答", "response"),
    ("句柄", "handler"),
    ("处理器", "Processor"),
    ("炼狱", "purgatory"),
    ("零复制", "zero copy"),
    ("页高速缓存", "page cache"),
    ("套接口", "socket"),
    ("记录批次", "record batch"),
];

/// `| term | 中文 | what it means | [where](page.md#heading) |`
struct Row {
    term: String,
    in_chinese: String,
    page: String,
}

#[test]
fn the_glossary_has_the_same_terms_in_both_languages() {
    let (english, chinese) = (glossary("en"), glossary("zh"));
    assert!(english.len() > 30, "only {} terms", english.len());
    let terms = |rows: &[Row]| -> Vec<(String, String)> {
        rows.iter().map(|row| (row.term.clone(), row.in_chinese.clone())).collect()
    };
    assert_eq!(terms(&english), terms(&chinese));
}

#[test]
fn the_page_to_which_a_term_leads_uses_it() {
    let mut errors = Vec::new();
    for row in glossary("en") {
        check_use("en", &row.page, &row.term, &mut errors);
    }
    for row in glossary("zh") {
        // `暂停读取（mute）` is said once, and `mute` from then on.
        for word in row.in_chinese.split(['（', '）']).filter(|word| !word.is_empty()) {
            check_use("zh", &row.page, word, &mut errors);
        }
    }
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
}

#[test]
fn no_chinese_page_uses_a_rejected_word() {
    let mut errors = Vec::new();
    for page in files_under("docs/zh", "md") {
        let text = read(&page);
        for (word, term) in REJECTED.iter().filter(|(word, _)| text.contains(word)) {
            errors.push(format!("{}: {word} for {term}", page.display()));
        }
    }
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
}

fn check_use(language: &str, page: &str, term: &str, errors: &mut Vec<String>) {
    let text = read(format!("docs/{language}/{page}")).to_lowercase();
    if !text.contains(&term.to_lowercase()) {
        errors.push(format!("docs/{language}/{page} does not say {term}"));
    }
}

fn glossary(language: &str) -> Vec<Row> {
    let text = read(format!("docs/{language}/glossary.md"));
    let rows = text.lines().filter(|line| line.starts_with("| ") && line.contains(".md"));
    rows.map(|line| row(line).unwrap_or_else(|| panic!("not a row of four cells: {line}")))
        .collect()
}

fn row(line: &str) -> Option<Row> {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [term, in_chinese, _meaning, place] = cells[..] else { return None };
    let page = place.split_once("](")?.1.split(['#', ')']).next()?;
    Some(Row { term: term.into(), in_chinese: in_chinese.into(), page: page.into() })
}
