//! Who runs where. The sender has a CPU of its own, and the receivers have the others: left to itself the
//! scheduler puts both on one CPU in one round and on two in the next, and every figure follows it.

use std::fs;

use bench::outcome::{Outcome, failed};
use bench::process::Server;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::{Pid, SysconfVar, sysconf};

const SENDERS: usize = 0;
const THIS_THREAD: Pid = Pid::from_raw(0);

/// How many there are.
pub(crate) fn count() -> Outcome<usize> {
    match sysconf(SysconfVar::_NPROCESSORS_ONLN)? {
        Some(count) => Ok(usize::try_from(count)?),
        None => failed("the system does not say how many CPUs it has"),
    }
}

/// This process, and all that it starts, leaves the sender's CPU alone. To be called before the first
/// thread starts.
pub(crate) fn run_with_receivers() -> Outcome<()> {
    match count()? {
        1 => Ok(()),
        count => keep(THIS_THREAD, SENDERS + 1..count),
    }
}

/// This process sends. To be called before the first thread starts.
pub(crate) fn run_as_sender() -> Outcome<()> {
    keep(THIS_THREAD, SENDERS..=SENDERS)
}

/// That process sends, all the threads it has.
pub(crate) fn make_sender(server: &Server) -> Outcome<()> {
    for thread in fs::read_dir(format!("/proc/{}/task", server.pid()))? {
        let id = thread?.file_name().to_string_lossy().parse()?;
        keep(Pid::from_raw(id), SENDERS..=SENDERS)?;
    }
    Ok(())
}

/// This thread runs here and nowhere else.
pub(crate) fn run_on(cpu: usize) -> Outcome<()> {
    keep(THIS_THREAD, cpu..=cpu)
}

fn keep(thread: Pid, cpus: impl Iterator<Item = usize>) -> Outcome<()> {
    let mut set = CpuSet::new();
    for cpu in cpus {
        set.set(cpu)?;
    }
    Ok(sched_setaffinity(thread, &set)?)
}
