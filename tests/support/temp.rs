//! Directories and files that go away with the test.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// A directory, removed on drop.
pub struct TempDir(PathBuf);

impl TempDir {
    #[expect(clippy::new_without_default, reason = "a directory is made, not assumed")]
    pub fn new() -> Self {
        let path = new_path();
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let removed = fs::remove_dir_all(&self.0);
        if !thread::panicking() {
            removed.unwrap();
        }
    }
}

/// A file, removed on drop unless the test has removed it.
pub struct TempFile {
    pub path: PathBuf,
    pub file: Arc<File>,
}

impl TempFile {
    /// A new file with these bytes.
    pub fn with(bytes: &[u8]) -> Self {
        let path = new_path();
        fs::write(&path, bytes).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        Self { path, file: Arc::new(file) }
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// A path that nothing has had in this process.
fn new_path() -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("transferto-test-{}-{number}", std::process::id()))
}
