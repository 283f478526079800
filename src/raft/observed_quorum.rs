//! Port of `org.apache.kafka.raft.QuorumState` for observers: who leads the quorum, and whom to ask if nobody
//! is known to.

use crate::config::quorum_config::BootstrapServer;
use crate::protocol::quorum_records::VotersRecord;
use crate::raft::quorum::{ControllerNode, LeaderAndEpoch};
use crate::raft::raft_config::RaftConfig;
use crate::raft::raft_fault::RaftFault;

/// What the answers of controllers add up to.
#[derive(Debug)]
pub struct ObservedQuorum {
    /// That of the observer.
    node_id: i32,
    /// As the settings have them.
    bootstrap_servers: Vec<BootstrapServer>,
    /// By id: of the settings, or of the newest record that lists them.
    voters: Vec<(i32, BootstrapServer)>,
    /// By which of its listeners a controller is reached.
    listener: Option<String>,
    leader: LeaderAndEpoch,
    /// Of the leader, as some controller gave it.
    leader_address: Option<BootstrapServer>,
    /// The newest that a leader has told; 0 before the first answer.
    high_watermark: i64,
    /// The next of the candidates.
    turn: usize,
}

impl ObservedQuorum {
    /// `turn` is where the round of the candidates begins: brokers should not all ask the same first.
    pub fn new(config: &RaftConfig, turn: usize) -> Self {
        let voters = config.voters.iter().map(|voter| (voter.id, voter.address.clone())).collect();
        Self {
            node_id: config.node_id,
            bootstrap_servers: config.bootstrap_servers.clone(),
            voters,
            listener: config.controller_listener.clone(),
            leader: LeaderAndEpoch::default(),
            leader_address: None,
            high_watermark: 0,
            turn,
        }
    }

    /// Up to where the metadata log is committed, as far as a leader has told.
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    pub fn learn_high_watermark(&mut self, high_watermark: i64) {
        self.high_watermark = self.high_watermark.max(high_watermark);
    }

    pub fn leader(&self) -> LeaderAndEpoch {
        self.leader
    }

    /// `None` while no leader is known, or no address of it.
    pub fn leader_node(&self) -> Option<ControllerNode> {
        let id = self.leader.leader_id?;
        let of_voter = || self.voters.iter().find(|(voter, _)| *voter == id).map(|it| &it.1);
        let BootstrapServer { host, port } = self.leader_address.as_ref().or_else(of_voter)?;
        Some(ControllerNode { id, host: host.clone(), port: *port })
    }

    /// Takes over what a controller says of the leader: `leader_id` is -1 if it knows none, and `address`
    /// that of the leader, if it gave one. An older epoch says nothing. Returns whether the leader or the
    /// epoch is another now.
    ///
    /// # Errors
    /// If an epoch has two leaders: then the controllers are not one quorum. If the leader has this node's
    /// id: then what this node fetches counts as the copy of a controller.
    pub fn learn(
        &mut self,
        leader_id: i32,
        epoch: i32,
        address: Option<BootstrapServer>,
    ) -> Result<bool, RaftFault> {
        let leader_id = (leader_id >= 0).then_some(leader_id);
        if epoch < self.leader.epoch || epoch == self.leader.epoch && leader_id.is_none() {
            return Ok(false);
        }
        if leader_id == Some(self.node_id) {
            return Err(RaftFault(format!(
                "the controller that leads epoch {epoch} has the id of this broker, {}: give the broker a \
                 `node.id` that no other node of the cluster has",
                self.node_id
            )));
        }
        let told = LeaderAndEpoch { leader_id, epoch };
        if told == self.leader {
            self.leader_address = address.or(self.leader_address.take());
            return Ok(false);
        }
        if let (Some(known), Some(other), true) =
            (self.leader.leader_id, leader_id, epoch == self.leader.epoch)
        {
            return Err(RaftFault(format!(
                "controllers {known} and {other} both lead epoch {epoch}: the controllers in the settings \
                 are not of one quorum"
            )));
        }
        self.leader = told;
        self.leader_address = address;
        Ok(true)
    }

    /// The leader has been silent for too long: it may be another by now.
    pub fn forget_leader(&mut self) {
        self.leader.leader_id = None;
        self.leader_address = None;
    }

    /// A record lists the controllers that vote.
    pub fn learn_voters(&mut self, record: &VotersRecord) {
        let listener = self.listener.as_deref();
        let of_voter = |voter: &crate::protocol::quorum_records::Voter| {
            let is_named = |name: &str| listener.is_some_and(|it| it.eq_ignore_ascii_case(name));
            let named = voter.endpoints.iter().find(|it| is_named(&it.name));
            let end_point = named.or_else(|| voter.endpoints.first())?;
            let address = BootstrapServer { host: end_point.host.clone(), port: end_point.port };
            Some((voter.voter_id, address))
        };
        self.voters = record.voters.iter().filter_map(of_voter).collect();
    }

    /// Whom to ask for the leader: each in its turn. `None` if there is nobody to ask.
    pub fn next_candidate(&mut self) -> Option<BootstrapServer> {
        let candidates = self.candidates();
        let candidate = (*candidates.get(self.turn.checked_rem(candidates.len())?)?).clone();
        self.turn = self.turn.wrapping_add(1);
        Some(candidate)
    }

    /// Each that may know the leader, once.
    pub fn candidates(&self) -> Vec<&BootstrapServer> {
        let mut candidates: Vec<&BootstrapServer> = self.bootstrap_servers.iter().collect();
        for (_, address) in &self.voters {
            if !candidates.contains(&address) {
                candidates.push(address);
            }
        }
        candidates
    }

    /// The addresses in the settings, as they stand there.
    pub fn settings(&self) -> String {
        let all = self.bootstrap_servers.iter().chain(self.voters.iter().map(|it| &it.1));
        all.map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::quorum_records::{KRaftVersionFeature, Voter, VoterEndpoint};
    use crate::protocol::wire::uuid::Uuid;

    fn server(text: &str) -> BootstrapServer {
        BootstrapServer::parse(text).unwrap()
    }

    fn quorum(servers: &[&str]) -> ObservedQuorum {
        let servers = servers.iter().map(|it| server(it)).collect();
        ObservedQuorum::new(&RaftConfig::of_reader(servers), 0)
    }

    fn leader(leader_id: impl Into<Option<i32>>, epoch: i32) -> LeaderAndEpoch {
        LeaderAndEpoch { leader_id: leader_id.into(), epoch }
    }

    #[test]
    fn an_epoch_never_goes_back() {
        let mut quorum = quorum(&["a:1"]);
        assert_eq!(quorum.learn(1, 5, Some(server("b:2"))), Ok(true));
        assert_eq!(quorum.learn(2, 4, Some(server("c:3"))), Ok(false));
        assert_eq!((quorum.leader(), quorum.learn(1, 5, None)), (leader(1, 5), Ok(false)));
        let node = quorum.leader_node().unwrap();
        assert_eq!((node.id, node.host.as_str(), node.port), (1, "b", 2), "and the address stays");
    }

    #[test]
    fn while_an_election_runs_the_epoch_has_no_leader() {
        let mut quorum = quorum(&["a:1"]);
        quorum.learn(1, 5, Some(server("b:2"))).unwrap();
        assert_eq!(quorum.learn(-1, 6, None), Ok(true));
        assert_eq!((quorum.leader(), quorum.leader_node()), (leader(None, 6), None));
        assert_eq!(quorum.learn(2, 6, Some(server("c:3"))), Ok(true));
        assert_eq!(quorum.leader(), leader(2, 6));
        assert_eq!(quorum.learn(-1, 6, None), Ok(false), "one that has not heard of it yet");
    }

    #[test]
    fn a_leader_that_was_forgotten_may_come_back_in_its_epoch() {
        let mut quorum = quorum(&["a:1"]);
        quorum.learn(1, 5, Some(server("b:2"))).unwrap();
        quorum.forget_leader();
        assert_eq!((quorum.leader(), quorum.leader_node()), (leader(None, 5), None));
        assert_eq!(quorum.learn(1, 5, Some(server("b:2"))), Ok(true));
        assert!(quorum.leader_node().is_some());
    }

    #[test]
    fn two_leaders_of_one_epoch_are_a_fault() {
        let mut quorum = quorum(&["a:1"]);
        quorum.learn(1, 5, None).unwrap();
        let fault = quorum.learn(2, 5, None).unwrap_err();
        assert!(fault.0.contains("controllers 1 and 2 both lead epoch 5"), "{fault}");
    }

    #[test]
    fn a_leader_with_the_id_of_this_broker_is_a_fault() {
        let config = RaftConfig { node_id: 5, ..RaftConfig::of_reader(Vec::new()) };
        let mut quorum = ObservedQuorum::new(&config, 0);
        assert_eq!(quorum.learn(4, 1, None), Ok(true));
        let fault = quorum.learn(5, 2, Some(server("b:2"))).unwrap_err();
        assert!(fault.0.contains("epoch 2 has the id of this broker, 5"), "{fault}");
    }

    #[test]
    fn candidates_take_turns_and_a_record_adds_the_voters() {
        let mut quorum = quorum(&["a:1", "b:2"]);
        let turns = |quorum: &mut ObservedQuorum, count| {
            let all = (0..count).map(|_| quorum.next_candidate().unwrap().to_string());
            all.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(turns(&mut quorum, 3), "a:1 b:2 a:1");
        let end_point = |name: &str, host: &str, port| VoterEndpoint {
            name: name.to_string(),
            host: host.to_string(),
            port,
        };
        let voter = |voter_id, endpoints| Voter {
            voter_id,
            voter_directory_id: Uuid::ZERO,
            endpoints,
            k_raft_version_feature: KRaftVersionFeature::default(),
        };
        quorum.listener = Some("CONTROLLER".to_string());
        quorum.learn_voters(&VotersRecord {
            version: 0,
            voters: vec![
                voter(1, vec![end_point("CONTROLLER", "b", 2)]),
                voter(7, vec![end_point("OTHER", "x", 9), end_point("controller", "c", 3)]),
                voter(8, Vec::new()),
            ],
        });
        quorum.turn = 0;
        assert_eq!(turns(&mut quorum, 4), "a:1 b:2 c:3 a:1");
        quorum.learn(7, 1, None).unwrap();
        assert_eq!(quorum.leader_node().unwrap().to_string(), "controller 7 at c:3");
    }
}
