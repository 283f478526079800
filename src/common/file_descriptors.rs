//! Not in Kafka: how many file descriptors the process may have, and a share of them that no
//! connection gets.
//!
//! Each connection takes a descriptor, and so does each segment of a log. Without a reserve, clients
//! that only connect take those that the next segment needs, and appends fail. Kafka leaves it to
//! the operator to set a limit that is never reached.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Of the descriptors that are free when the ports open, one in so many is kept for the logs.
const RESERVED_SHARE: u64 = 4;

/// With fewer than this, a broker in service soon has none left: 1,024 are what systems give a program
/// that asks for nothing.
const FEW: u64 = 1024;

/// The limit of the process on its descriptors, before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RaisedLimit {
    pub before: u64,
    pub now: u64,
}

impl RaisedLimit {
    /// What to do if it is low, as a sentence.
    pub fn warning(&self) -> Option<String> {
        (self.now < FEW).then(|| {
            format!(
                "the limit of {} file descriptors is low: each connection and each segment needs \
                 one; raise the hard limit to 100000 (`ulimit -Hn`, LimitNOFILE= of systemd, \
                 `--ulimit nofile=` of docker)",
                self.now
            )
        })
    }
}

/// Raises the soft limit on file descriptors to the hard one, as a program may that does not use
/// `select(2)`: systems give a soft limit of 1,024 for the sake of those that do.
///
/// # Errors
/// Whatever `getrlimit(2)` or `setrlimit(2)` reports: the limit is as it was.
pub fn raise_limit() -> io::Result<RaisedLimit> {
    let (before, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if before < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(RaisedLimit { before, now: hard })
}

/// The descriptors that connections leave to the logs: those whose numbers are the highest.
///
/// The system always gives the lowest number that is free (open(2)). So a connection whose number is
/// below [`first`](Self::first) leaves all the reserve, and one whose number is not tells that all
/// others are in use.
#[derive(Clone, Copy, Debug)]
pub struct Reserve {
    first: u64,
    limit: u64,
}

impl Reserve {
    /// Reserves a share of the descriptors that are free now.
    ///
    /// # Errors
    /// None is free.
    pub fn of_free() -> io::Result<Self> {
        let lowest_free = number(&File::open("/dev/null")?);
        let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
        let free = limit.saturating_sub(lowest_free);
        Ok(Self { first: limit - free / RESERVED_SHARE, limit })
    }

    /// Whether a descriptor is one of the reserve.
    pub fn holds(&self, descriptor: &impl AsRawFd) -> bool {
        number(descriptor) >= self.first
    }

    /// How many descriptors the reserve has.
    pub fn size(&self) -> u64 {
        self.limit - self.first
    }

    /// The limit of the process.
    pub fn limit(&self) -> u64 {
        self.limit
    }
}

fn number(descriptor: &impl AsRawFd) -> u64 {
    let number: RawFd = descriptor.as_raw_fd();
    u64::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_below_that_of_an_ordinary_program_is_a_warning() {
        let low = RaisedLimit { before: 64, now: 64 }.warning().unwrap();
        assert!(low.contains("limit of 64 file descriptors"), "{low}");
        assert_eq!(RaisedLimit { before: 64, now: 1024 }.warning(), None);
    }

    #[test]
    fn the_reserve_is_a_share_of_what_is_free() {
        let reserve = Reserve::of_free().unwrap();
        let file = File::open("/dev/null").unwrap();
        assert!(!reserve.holds(&file));
        assert!(reserve.size() <= reserve.limit() / RESERVED_SHARE);
        assert!(reserve.size() > 0);
        let first = Reserve { first: number(&file), ..reserve };
        assert!(first.holds(&file));
    }
}
