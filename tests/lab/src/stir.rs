//! A packet for each CPU. Pages that went by `sendfile` or `splice` stay referred to until their packets
//! are freed, and an idle CPU keeps a list of freed packets until its next one: until then nobody can
//! drop those pages from memory.

use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use bench::outcome::{Outcome, failed};

use crate::cpus;

const PATIENCE: Duration = Duration::from_secs(1);

/// Has each CPU send itself a packet.
pub(crate) fn stir() -> Outcome<()> {
    for cpu in 0..cpus::count()? {
        match thread::spawn(move || stir_one(cpu)).join() {
            Ok(outcome) => outcome?,
            Err(_) => return failed("a thread has panicked"),
        }
    }
    Ok(())
}

fn stir_one(cpu: usize) -> Outcome<()> {
    cpus::run_on(cpu)?;
    let socket = UdpSocket::bind(("127.0.0.1", 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send_to(b"x", socket.local_addr()?)?;
    socket.recv(&mut [0])?;
    Ok(())
}
