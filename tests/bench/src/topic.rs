//! A topic that lives for one measurement, so that the disk does not fill, and the page cache does
//! not begin to write what nobody needs.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::outcome::{Outcome, failed};

const PATIENCE: Duration = Duration::from_secs(20);
const LOOKS_EVERY: Duration = Duration::from_millis(5);

/// Waits until all partitions have their leader: a broker of a cluster answers before that.
pub fn wait_until_led(client: &mut Client, topic: &str, partitions: i32) -> Outcome<()> {
    for partition in 0..partitions {
        wait_until("a leader", || Ok(client.end_offset(topic, partition).is_ok()))?;
    }
    Ok(())
}

/// What a broker is started with so that the files of a topic go when it does.
pub const SOON_DELETED: &str = "log.segment.delete.delay.ms=0";

/// A topic, and where its logs lie.
#[derive(Debug)]
pub struct Topic {
    pub name: String,
    port: u16,
    log_dir: PathBuf,
}

impl Topic {
    /// Creates it on the broker on this port, which keeps its logs in `log_dir`, and waits until all
    /// partitions have their leader.
    pub fn create(name: &str, partitions: i32, port: u16, log_dir: PathBuf) -> Outcome<Self> {
        let mut client = Client::connect(port)?;
        client.ensure_topic(name, partitions, &[])?;
        wait_until_led(&mut client, name, partitions)?;
        Ok(Self { name: name.to_string(), port, log_dir })
    }

    /// Deletes it and waits until its files are gone.
    pub fn delete(self) -> Outcome<()> {
        Client::connect(self.port)?.delete_topic(&self.name)?;
        wait_until("the end of the files", || self.is_gone())
    }

    /// A partition that is being deleted has another name, which begins the same way.
    fn is_gone(&self) -> Outcome<bool> {
        for entry in fs::read_dir(&self.log_dir)? {
            if entry?.file_name().to_string_lossy().starts_with(&self.name) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> Outcome<bool>) -> Outcome<()> {
    let began = Instant::now();
    while !is_so()? {
        if began.elapsed() > PATIENCE {
            return failed(format!("waited {} s in vain for {what}", PATIENCE.as_secs()));
        }
        thread::sleep(LOOKS_EVERY);
    }
    Ok(())
}
