//! Holds the crate of helpers to its purpose: of what is public there, the compiler does not say
//! what nobody uses.

use std::collections::HashMap;

use crate::source_tree::{files_under, read};

const PUBLIC_ITEMS: [&str; 5] = ["pub fn ", "pub struct ", "pub trait ", "pub enum ", "pub const "];

#[test]
fn every_helper_is_used() {
    let files = files_under("tests", "rs").into_iter().chain(files_under("src", "rs"));
    let text: Vec<String> = files.map(read).collect();
    let mut uses: HashMap<&str, usize> = HashMap::new();
    for word in text.iter().flat_map(|text| words(text)) {
        *uses.entry(word).or_default() += 1;
    }
    let mut errors = Vec::new();
    for file in files_under("tests/support", "rs") {
        let text = read(&file);
        let items = PUBLIC_ITEMS.iter().flat_map(|item| text.split(item).skip(1));
        for name in items.filter_map(|rest| words(rest).next()) {
            if uses[name] < 2 {
                errors.push(format!("{}: nothing uses {name}", file.display()));
            }
        }
    }
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}
