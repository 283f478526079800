//! Not in Kafka: what a read of a log may wait for. A request handler waits for the disk; a Processor
//! must not, for all of its connections would wait with it.

use std::cell::Cell;
use std::io;

/// What a read of a log may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience<'a> {
    /// The disk, and a lock that is held while a disk works.
    ForDisk,
    /// Nothing, and the read takes its steps out of these. Where it would have to wait, or has no
    /// step left, it fails with [`WouldBlock`](io::ErrorKind::WouldBlock).
    ForNothing(&'a Steps),
}

/// How many steps a read may still take: a partition is one, so is a system call, and so is each
/// further MiB that a call has to look at.
#[derive(Debug, PartialEq, Eq)]
pub struct Steps(Cell<usize>);

impl Patience<'_> {
    /// Takes a step that waits for nothing.
    ///
    /// # Errors
    /// `WouldBlock` if none is left.
    pub fn step(self) -> io::Result<()> {
        self.steps(1)
    }

    /// As [`step`](Self::step), for work that takes as long as so many.
    ///
    /// # Errors
    /// `WouldBlock` if fewer are left.
    pub fn steps(self, count: usize) -> io::Result<()> {
        let Self::ForNothing(Steps(left)) = self else { return Ok(()) };
        left.set(left.get().checked_sub(count).ok_or(io::ErrorKind::WouldBlock)?);
        Ok(())
    }

    /// Asks for leave to wait.
    ///
    /// # Errors
    /// `WouldBlock` if there is no patience.
    pub fn wait(self) -> io::Result<()> {
        match self {
            Self::ForDisk => Ok(()),
            Self::ForNothing(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Steps {
    pub fn new(left: usize) -> Self {
        Self(Cell::new(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_nothing_takes_so_many_steps_and_no_more() {
        let steps = Steps::new(2);
        let patience = Patience::ForNothing(&steps);
        let taken = [patience.step(), patience.step(), patience.step()].map(|it| it.is_ok());
        assert_eq!(taken, [true, true, false]);
        assert_eq!(patience.wait().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_step_costs_nothing_where_the_disk_may_be_waited_for() {
        assert!((0..1000).all(|_| Patience::ForDisk.step().is_ok()));
        assert!(Patience::ForDisk.wait().is_ok());
    }
}
