//! `docs/exhibits`: what the pages show, as it was recorded.

use std::fs;
use std::path::{Path, PathBuf};

use bench::outcome::Outcome;

const FIGURES: &str = "figures.txt";

/// Below the working directory, which is the repository.
pub(crate) fn directory() -> PathBuf {
    Path::new("docs").join("exhibits")
}

/// Writes the exhibit of this name.
pub(crate) fn write(name: &str, text: &str) -> Outcome<()> {
    fs::create_dir_all(directory())?;
    let path = path_of(name);
    fs::write(&path, text)?;
    println!("{} is written", path.display());
    Ok(())
}

pub(crate) fn read(name: &str) -> Outcome<String> {
    let path = path_of(name);
    fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// Writes figures that prose on the pages takes from recordings; those whose names begin otherwise
/// than `of` stay.
pub(crate) fn write_figures(of: &str, figures: &[(String, String)]) -> Outcome<()> {
    let path = directory().join(FIGURES);
    let old = fs::read_to_string(&path).unwrap_or_default();
    let kept = old.lines().filter(|it| !it.starts_with(of) && !it.is_empty()).map(String::from);
    let new = figures.iter().map(|(name, value)| format!("{name} = {value}"));
    let mut lines: Vec<String> = kept.chain(new).collect();
    lines.sort();
    fs::write(&path, lines.join("\n") + "\n")?;
    println!("{} is written", path.display());
    Ok(())
}

fn path_of(name: &str) -> PathBuf {
    directory().join(format!("{name}.txt"))
}
