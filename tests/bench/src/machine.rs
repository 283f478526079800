//! The machine that the figures are of.

use std::fs;
use std::path::Path;
use std::process::Command;

use nix::sys::utsname::uname;

use crate::outcome::Outcome;
use crate::plan::Plan;

const UNKNOWN: &str = "unknown";

/// What a reader must know to compare figures, each with its name.
#[derive(Clone, Debug)]
pub struct Machine {
    pub facts: Vec<(&'static str, String)>,
}

impl Machine {
    pub fn look(plan: &Plan) -> Outcome<Self> {
        let cpu_info = fs::read_to_string("/proc/cpuinfo")?;
        let network = &plan.network;
        let place = if network.is_own_namespace { "a namespace of its own" } else { "the host's" };
        let facts = vec![
            ("date", said_by("date", &["-u", "+%Y-%m-%d"])),
            ("commit", commit()),
            ("broker", said_by(&plan.binary.display().to_string(), &["--version"])),
            ("kernel", uname()?.release().to_string_lossy().into_owned()),
            ("CPUs", cpus(&cpu_info)),
            ("memory", memory()?),
            ("file system", file_system(&plan.work_dir)?),
            ("network", format!("loopback, {place}; {}", network.congestion_control)),
        ];
        Ok(Self { facts })
    }

    /// Of one fact.
    pub fn fact(&self, name: &str) -> &str {
        self.facts.iter().find(|it| it.0 == name).map_or("", |it| &it.1)
    }
}

/// The first line that a command prints; `unknown` if there is no such command.
fn said_by(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).output().ok();
    let output = output.filter(|it| it.status.success());
    let line = output.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_string());
    line.unwrap_or_else(|| UNKNOWN.to_string())
}

fn commit() -> String {
    let commit = said_by("git", &["rev-parse", "--short=12", "HEAD"]);
    // Prints nothing if all that is tracked is as it was committed.
    let changes =
        said_by("git", &["status", "--porcelain", "--untracked-files=no", "src", "tests"]);
    if changes.is_empty() || commit == UNKNOWN { commit } else { format!("{commit}, changed") }
}

fn cpus(cpu_info: &str) -> String {
    let field = |name: &str| {
        let line = cpu_info.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_string())
    };
    let count = cpu_info.lines().filter(|line| line.starts_with("processor")).count();
    let model = field("model name").unwrap_or_else(|| "of unknown model".to_string());
    let is_virtual =
        field("flags").is_some_and(|flags| flags.split(' ').any(|it| it == "hypervisor"));
    format!("{count} x {model}{}", if is_virtual { ", a virtual machine" } else { "" })
}

fn memory() -> Outcome<String> {
    let info = fs::read_to_string("/proc/meminfo")?;
    let line = info.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap_or_default();
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(format!("{:.1} GiB", kib / f64::from(1 << 20)))
}

/// The type of the mount with the longest path that leads here.
fn file_system(path: &Path) -> Outcome<String> {
    let path = path.canonicalize()?;
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    // /dev/vda / ext4 rw 0 0
    let words = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let here = words.filter(|it| it.len() > 2 && path.starts_with(it[1]));
    let longest = here.max_by_key(|it| it[1].len());
    Ok(longest.map_or(UNKNOWN, |it| it[2]).to_string())
}
