//! A network namespace of one's own, with a congestion control that has a name: BBR paces even on
//! loopback, and turns the figures round.

use std::fs;
use std::process::Command;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::Uid;

use crate::outcome::{Outcome, failed};

const CONGESTION_CONTROL: &str = "/proc/sys/net/ipv4/tcp_congestion_control";
/// Does not pace, and every kernel has it.
const WANTED: &str = "reno";

/// Where the measurements run.
#[derive(Clone, Debug, Default)]
pub struct Network {
    pub is_own_namespace: bool,
    /// What TCP uses: `reno`.
    pub congestion_control: String,
}

impl Network {
    /// Moves this process, and all that it starts from now on, into a namespace of its own, where
    /// that is allowed. To be called before the first thread starts.
    pub fn enter() -> Outcome<Self> {
        let is_own_namespace = match own_namespace() {
            Ok(()) => true,
            Err(why) => {
                println!("no network namespace of its own: {why}");
                false
            }
        };
        let congestion_control = fs::read_to_string(CONGESTION_CONTROL)?.trim().to_string();
        println!("congestion control: {congestion_control}");
        if congestion_control == "bbr" {
            println!("WARNING: BBR paces even on loopback; these figures say little");
        }
        Ok(Self { is_own_namespace, congestion_control })
    }
}

fn own_namespace() -> Outcome<()> {
    if !Uid::effective().is_root() {
        return failed("only root may make one; put sudo in front of make");
    }
    // Before there is a namespace without an interface that is up.
    if Command::new("ip").arg("-V").output().is_err() {
        return failed("ip is missing, for example: apt-get install iproute2");
    }
    // What is mounted goes with this process, however it ends.
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)?;
    let status = Command::new("ip").args(["link", "set", "lo", "up"]).status()?;
    if !status.success() {
        return failed("`ip link set lo up` failed");
    }
    fs::write(CONGESTION_CONTROL, WANTED)?;
    Ok(())
}
