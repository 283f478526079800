//! `docs/exhibits`: what the pages show, as it was recorded.

use std::fs;
use std::path::{Path, PathBuf};

use bench::outcome::Outcome;

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

fn path_of(name: &str) -> PathBuf {
    directory().join(format!("{name}.txt"))
}
