//! Files that a tool makes for a broker: if root runs the tool, the broker, which is not root, must be able to
//! read them.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use crate::storage::files::file_io::failed;

/// Gives `file` to whom `model` belongs, which is its directory, or the file in whose place it comes.
///
/// # Errors
/// Whatever the operating system reports, with the path.
pub(crate) fn give_to_owner_of(model: &Path, file: &Path) -> io::Result<()> {
    let owner = |path: &Path| {
        let metadata = fs::metadata(path).map_err(failed("look at", path))?;
        Ok::<_, io::Error>((metadata.uid(), metadata.gid()))
    };
    let (uid, gid) = owner(model)?;
    if owner(file)?.0 != uid {
        let given = chown(file, Some(uid), Some(gid));
        given.map_err(failed("give to the owner of its directory", file))?;
    }
    Ok(())
}
