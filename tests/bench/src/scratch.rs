//! A directory for the data of one experiment.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::caretaker;
use crate::outcome::{Outcome, failed};
use crate::plan::Plan;

/// Empty at first, and removed when it is dropped: data of gigabytes is in nobody's interest.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// On the file system of the working directory, not in memory.
    pub fn new(plan: &Plan, name: &str) -> Outcome<Self> {
        let path = plan.work_dir.join(name);
        caretaker::directory_is_there(&path);
        match make_empty(&path) {
            Ok(()) => Ok(Self(path)),
            Err(why) => failed(format!("cannot make {}: {why}", path.display())),
        }
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

fn make_empty(path: &Path) -> io::Result<()> {
    if path.exists() {
        fs::remove_dir_all(path)?;
    }
    fs::create_dir_all(path)
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            println!("cannot remove {}: {error}", self.0.display());
        }
        caretaker::directory_is_gone(&self.0);
    }
}
