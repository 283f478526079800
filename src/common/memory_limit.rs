//! In place of `Runtime.maxMemory` of Java: how much memory this process may use.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

const KIB: u64 = 1024;

/// The least of what the machine has, what the control group of the process may use, and what its
/// address space may grow to (`ulimit -v`), in bytes. `None` if the system says nothing of any.
pub fn memory_limit_bytes() -> Option<u64> {
    [machine_bytes(), control_group_bytes(), address_space_bytes()].into_iter().flatten().min()
}

fn machine_bytes() -> Option<u64> {
    let meminfo = read_to_string("/proc/meminfo").ok()?;
    field_of(&meminfo, "MemTotal:")?.checked_mul(KIB)
}

/// What the address space may grow to, in bytes; `None` if it is not limited.
pub fn address_space_bytes() -> Option<u64> {
    field_of(&read_to_string("/proc/self/limits").ok()?, "Max address space")
}

/// The number that follows `name` at the beginning of a line: the soft limit, in a table of limits.
fn field_of(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Of the process's own group and of all groups round it, each of which may set a limit.
fn control_group_bytes() -> Option<u64> {
    let groups = read_to_string("/proc/self/cgroup").ok()?;
    groups.lines().filter_map(limit_file_of).filter_map(|(root, file)| least(&root, &file)).min()
}

/// The file with the limit of one line of `/proc/self/cgroup`, and the root of its hierarchy:
/// `0::/path` of version 2, `9:memory:/path` of version 1.
fn limit_file_of(line: &str) -> Option<(PathBuf, PathBuf)> {
    let mut parts = line.splitn(3, ':');
    let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    let (root, name) = match controllers {
        "" => ("/sys/fs/cgroup", "memory.max"),
        "memory" => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        _ => return None,
    };
    let root = PathBuf::from(root);
    let group = root.join(path.trim_start_matches('/'));
    Some((root, group.join(name)))
}

/// The least limit from a group's `file` up to the root.
fn least(root: &Path, file: &Path) -> Option<u64> {
    let name = file.file_name()?;
    let groups = file.parent()?.ancestors().take_while(|group| group.starts_with(root));
    // Where there is no limit, the file says "max", or is not there.
    let limit = |group: &Path| read_to_string(group.join(name)).ok()?.trim().parse().ok();
    groups.filter_map(limit).min()
}

#[cfg(test)]
mod tests {
    use support::temp::TempDir;

    use super::*;

    #[test]
    fn this_machine_has_memory() {
        let bytes = memory_limit_bytes().unwrap();
        assert!(bytes > 1 << 20 && bytes <= machine_bytes().unwrap());
    }

    #[test]
    fn a_limit_is_read_from_a_table_and_unlimited_is_none() {
        let limits = "Limit                     Soft Limit   Hard Limit   Units\n\
                      Max address space         268435456    unlimited    bytes\n\
                      Max file locks            unlimited    unlimited    locks\n";
        assert_eq!(field_of(limits, "Max address space"), Some(268_435_456));
        assert_eq!(field_of(limits, "Max file locks"), None);
        assert_eq!(field_of(limits, "Max nothing"), None);
    }

    #[test]
    fn a_group_of_either_version_has_a_file_with_its_limit() {
        let file = |line| limit_file_of(line).map(|(_, file)| file);
        assert_eq!(file("0::/a/b"), Some("/sys/fs/cgroup/a/b/memory.max".into()));
        let version_1 = "/sys/fs/cgroup/memory/a/memory.limit_in_bytes";
        assert_eq!(file("9:memory:/a"), Some(version_1.into()));
        assert_eq!(file("3:cpu,cpuacct:/a"), None);
        assert_eq!(file("nonsense"), None);
    }

    #[test]
    fn the_group_around_a_group_may_allow_less() {
        let dir = TempDir::new();
        let inner = dir.path().join("outer/inner");
        std::fs::create_dir_all(&inner).unwrap();
        let file = inner.join("memory.max");
        assert_eq!(least(dir.path(), &file), None);
        std::fs::write(&file, "max\n").unwrap();
        std::fs::write(dir.path().join("outer/memory.max"), "7000000\n").unwrap();
        assert_eq!(least(dir.path(), &file), Some(7_000_000));
        std::fs::write(&file, "6000000\n").unwrap();
        assert_eq!(least(dir.path(), &file), Some(6_000_000));
    }
}
