//! A consumer that commits at its group's coordinator, wherever that is: no commit that was
//! acknowledged may go back when another broker takes the group over.

use std::io;
use std::net::SocketAddrV4;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use support::random::Random;
use transferto::protocol::find_coordinator::FindCoordinatorRequest;

use crate::answer;
use crate::client::{Client, wait_for};
use crate::cluster::namespace::address;
use crate::cluster::nodes::BROKERS;
use crate::cluster::partitions::ANSWER_PATIENCE;
use crate::loads::commits::Committer;
use crate::loads::{Extent, Load, Verdict};
use crate::outcome::Outcome;

/// Longer than a broker is ever stopped: a commit that was given up must not come after the next.
const COMMIT_PATIENCE: Duration = Duration::from_secs(30);
const COORDINATOR_PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(30);

/// One group, whose member assigns its partitions itself.
pub(crate) struct RovingCommitter {
    group: String,
    committer: Committer,
    random: Random,
}

impl RovingCommitter {
    /// Of the group with this name.
    pub(crate) fn new(group: &str, seed: u64) -> Self {
        let committer = Committer::new(group, false);
        Self { group: group.to_string(), committer, random: Random(seed) }
    }

    /// Makes the topic that commits are for, and waits for a coordinator.
    pub(crate) fn prepare(&mut self) -> Outcome<()> {
        let mut client = self.connect_when_there_is_a_coordinator()?;
        self.committer.prepare(&mut client)
    }

    /// Commits until the round is over.
    pub(crate) fn work(&mut self, is_over: &AtomicBool) -> Outcome<()> {
        while !is_over.load(Ordering::Relaxed) {
            match self.work_at_coordinator(is_over) {
                Err(error) if !error.is::<io::Error>() => return Err(error),
                _ => thread::sleep(PAUSE),
            }
        }
        Ok(())
    }

    fn work_at_coordinator(&mut self, is_over: &AtomicBool) -> Outcome<()> {
        let Some(coordinator) = self.coordinator()? else { return Ok(()) };
        let mut client = Client::connect_to(coordinator, COMMIT_PATIENCE)?;
        while !is_over.load(Ordering::Relaxed) {
            let acknowledged = self.committer.acknowledged();
            self.committer.commit_on(&mut client)?;
            if self.committer.acknowledged() == acknowledged {
                // Perhaps another broker has the group now.
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn coordinator(&mut self) -> Outcome<Option<SocketAddrV4>> {
        coordinator_of(&self.group, &mut self.random)
    }

    fn connect_when_there_is_a_coordinator(&mut self) -> Outcome<Client> {
        let coordinator = wait_for("a coordinator", COORDINATOR_PATIENCE, || {
            // A broker that does not answer is no concern: the next one is asked.
            Ok(self.coordinator().unwrap_or_default())
        })?;
        Client::connect_to(coordinator, COMMIT_PATIENCE)
    }

    /// Holds what the coordinator has to what was acknowledged.
    pub(crate) fn verify(&mut self) -> Outcome<Verdict> {
        let mut client = self.connect_when_there_is_a_coordinator()?;
        self.committer.verify(&mut client, Extent::Latest)
    }
}

/// Where the group has its coordinator, as one of the brokers says.
pub(crate) fn coordinator_of(group: &str, random: &mut Random) -> Outcome<Option<SocketAddrV4>> {
    let broker = BROKERS[random.index(BROKERS.len())];
    let mut client = Client::connect_to(address(broker), ANSWER_PATIENCE)?;
    let request =
        FindCoordinatorRequest { key: group.to_string(), ..FindCoordinatorRequest::default() };
    let response = answer!(client, 0, FindCoordinator, request);
    Ok((response.error_code == 0).then(|| address(response.node_id)))
}
