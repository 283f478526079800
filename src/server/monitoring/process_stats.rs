//! What the operating system says of this process: `java.lang:type=OperatingSystem` of a Kafka
//! broker.

use std::fs;
use std::path::Path;
use std::str::FromStr;

use nix::unistd::{SysconfVar, sysconf};

/// The process at one moment. What `/proc` does not tell is left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessStats {
    /// Since 1970.
    pub start_time_seconds: Option<f64>,
    /// In user mode and in the kernel.
    pub cpu_seconds: Option<f64>,
    pub resident_memory_bytes: Option<u64>,
    pub virtual_memory_bytes: Option<u64>,
    pub threads: Option<u64>,
    pub open_fds: Option<u64>,
    /// `None` if there is no limit, too.
    pub max_fds: Option<u64>,
}

impl ProcessStats {
    pub fn read() -> Self {
        let stat = Stat::read(Path::new("/proc/self/stat"));
        let ticks_per_second = sysconf_number(SysconfVar::CLK_TCK);
        let seconds = |ticks: u64| Some(ticks as f64 / ticks_per_second? as f64);
        let stat = |number: usize| stat.as_ref()?.field::<u64>(number);
        let cpu_ticks =
            stat(Stat::UTIME).zip(stat(Stat::STIME)).map(|(user, kernel)| user + kernel);
        let since_boot = stat(Stat::STARTTIME).and_then(seconds);
        let pages = stat(Stat::RSS).zip(sysconf_number(SysconfVar::PAGE_SIZE));
        Self {
            start_time_seconds: since_boot
                .zip(boot_time_seconds())
                .map(|(since, boot)| boot + since),
            cpu_seconds: cpu_ticks.and_then(seconds),
            resident_memory_bytes: pages.map(|(pages, page_bytes)| pages * page_bytes),
            virtual_memory_bytes: stat(Stat::VSIZE),
            threads: stat(Stat::NUM_THREADS),
            open_fds: open_fds(),
            max_fds: number_in("/proc/self/limits", "Max open files"),
        }
    }
}

/// The line of `/proc/<pid>/stat`.
struct Stat(String);

impl Stat {
    /// The numbers of its fields, as proc(5) counts them.
    const UTIME: usize = 14;
    const STIME: usize = 15;
    const NUM_THREADS: usize = 20;
    const STARTTIME: usize = 22;
    const VSIZE: usize = 23;
    const RSS: usize = 24;

    fn read(path: &Path) -> Option<Self> {
        fs::read_to_string(path).ok().map(Self)
    }

    /// The second field is the name of the program, in which anything may stand.
    fn field<T: FromStr>(&self, number: usize) -> Option<T> {
        let (_, from_third) = self.0.rsplit_once(") ")?;
        from_third.split(' ').nth(number - 3)?.parse().ok()
    }
}

/// The first number behind `name` in a file of lines that begin with names.
fn number_in<T: FromStr>(file: &str, name: &str) -> Option<T> {
    let text = fs::read_to_string(file).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

fn boot_time_seconds() -> Option<f64> {
    number_in("/proc/stat", "btime ")
}

/// Since Linux 6.2 the size of the directory is the number; before, its entries must be counted, of
/// which one is the directory that is being read.
fn open_fds() -> Option<u64> {
    let dir = Path::new("/proc/self/fd");
    match fs::metadata(dir).ok()?.len() {
        0 => Some(fs::read_dir(dir).ok()?.count().saturating_sub(1) as u64),
        number => Some(number),
    }
}

fn sysconf_number(var: SysconfVar) -> Option<u64> {
    u64::try_from(sysconf(var).ok()??).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{SystemTime, UNIX_EPOCH};

    #[test]
    fn this_process_is_young_and_small_and_has_a_few_files_open() {
        let stats = ProcessStats::read();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let age_seconds = now - stats.start_time_seconds.unwrap();
        assert!((-2.0..3600.0).contains(&age_seconds), "{age_seconds}");
        let (resident, whole) = (stats.resident_memory_bytes.unwrap(), stats.virtual_memory_bytes);
        assert!((100_000..10_000_000_000).contains(&resident) && whole.unwrap() > resident);
        assert!((1..10_000).contains(&stats.threads.unwrap()));
        assert!((3..100_000).contains(&stats.open_fds.unwrap()));
        assert!(stats.cpu_seconds.unwrap() < 3600.0);
    }

    #[test]
    fn a_program_may_have_any_name() {
        let stat = Stat("7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 11 12".to_string());
        assert_eq!(stat.field::<u64>(Stat::UTIME), Some(11));
        assert_eq!(stat.field::<u64>(Stat::RSS), None);
    }
}
