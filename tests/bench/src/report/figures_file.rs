//! `docs/exhibits/figures.txt`: the figures that prose on the pages takes from what was measured or
//! recorded. A test of the house puts them into the pages.

use std::fs;
use std::path::Path;

use crate::outcome::Outcome;
use crate::report::page::REPOSITORY;

const FIGURES: &str = "docs/exhibits/figures.txt";

/// Writes these, each a name and a value; those whose names begin otherwise than `of` stay.
pub fn write(of: &str, figures: &[(String, String)]) -> Outcome<()> {
    let path = Path::new(REPOSITORY).join(FIGURES);
    let old = fs::read_to_string(&path).unwrap_or_default();
    let kept = old.lines().filter(|it| !it.starts_with(of) && !it.is_empty()).map(String::from);
    let new = figures.iter().map(|(name, value)| format!("{name} = {value}"));
    let mut lines: Vec<String> = kept.chain(new).collect();
    lines.sort();
    fs::write(&path, lines.join("\n") + "\n")?;
    println!("{FIGURES} has {} figures of {of}", figures.len());
    Ok(())
}
