//! Port of `kafka.server.BrokerState`: whether a broker is starting, running or stopping.

use std::sync::atomic::{AtomicU8, Ordering};

/// A stage of a broker's life, by Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum BrokerState {
    /// Its logs are being opened.
    Starting = 1,
    /// Its ports are open.
    Running = 3,
    /// It waits until the controller of its cluster has moved what it leads.
    PendingControlledShutdown = 6,
    ShuttingDown = 7,
}

/// The present stage, which only moves on.
#[derive(Debug)]
pub struct CurrentState(AtomicU8);

impl CurrentState {
    pub fn starting() -> Self {
        Self(AtomicU8::new(BrokerState::Starting as u8))
    }

    pub fn become_running(&self) {
        self.0.fetch_max(BrokerState::Running as u8, Ordering::AcqRel);
    }

    pub fn shut_down(&self) {
        self.0.fetch_max(BrokerState::ShuttingDown as u8, Ordering::AcqRel);
    }

    pub fn get(&self) -> BrokerState {
        match self.0.load(Ordering::Acquire) {
            number if number >= BrokerState::ShuttingDown as u8 => BrokerState::ShuttingDown,
            number if number >= BrokerState::Running as u8 => BrokerState::Running,
            _ => BrokerState::Starting,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_stops_while_it_starts_never_runs() {
        let state = CurrentState::starting();
        assert_eq!(state.get(), BrokerState::Starting);
        state.shut_down();
        state.become_running();
        assert_eq!(state.get(), BrokerState::ShuttingDown);
    }
}
