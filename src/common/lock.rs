//! How this broker takes a lock, and what a poisoned one means.
//!
//! A lock is poisoned when a thread panicked while it held it. Four kinds of data are locked here:
//!
//! - Tables, counters, clocks: the lock is held to look something up or to change one entry. No
//!   disk work, encoding or callback runs under such a lock, so a panic finds the data as it was
//!   before the change or after it. [`locked`], [`read_locked`] and [`write_locked`] go on with it.
//! - A registry, which a change of topics, settings, quotas or ACLs owns while it writes the file.
//!   Only other changes wait for it: what readers see is a table of its own. The copy in memory
//!   follows the file in one step, so [`locked`] goes on with them, too. A change of topics also
//!   makes or deletes the logs under that lock, and a change of settings has each part of the broker
//!   follow; a panic on the way leaves a topic that is not led, or a part with its old settings.
//! - Files whose owner is changed in one step, once the disk has done its part, so that the same
//!   functions go on with them. The right to enter and remove logs is held while a log is made or
//!   deleted, and only such calls wait for it; readers have the pool. The cleaner's checkpoints are
//!   held while their file is written: the cleaner's threads wait, and truncations and deletions of
//!   logs. A log's epochs are held while their file is written: only a change of that log waits,
//!   readers have the table. An index file is changed by its log alone, but a lookup waits while it is resized, cut or
//!   renamed: when a segment is rolled, truncated or deleted, never at an append. Who leads a partition
//!   is held shared while its log is appended to, so that a change of the leader waits for the append,
//!   and whoever reads that partition for the change.
//! - A log and a consumer group: a change has several steps, and a panic between two of them leaves
//!   what nobody can trust. [`locked_if_whole`] refuses it. The owner then answers with an error
//!   for that log or that group, and every other one goes on.

use std::sync::{
    LockResult, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
    TryLockError,
};

/// A thread panicked while it changed what the lock guards: the data may be half changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Poisoned;

/// Takes a lock on data that is whole at every moment.
pub fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a lock on data that changes in several steps.
///
/// # Errors
/// [`Poisoned`] if a change did not come to its end.
pub fn locked_if_whole<T: ?Sized>(mutex: &Mutex<T>) -> Result<MutexGuard<'_, T>, Poisoned> {
    mutex.lock().map_err(|_| Poisoned)
}

/// As [`locked`], to look only.
pub fn read_locked<T: ?Sized>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// As [`read_locked`], without waiting; `None` if somebody changes what it guards.
pub fn try_read_locked<T: ?Sized>(lock: &RwLock<T>) -> Option<RwLockReadGuard<'_, T>> {
    match lock.try_read() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// As [`locked`], to change.
pub fn write_locked<T: ?Sized>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// As [`locked`], for the lock that a wait on a `Condvar` has taken again.
pub fn locked_again<T>(waited: LockResult<T>) -> T {
    waited.unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn poison(mutex: &Mutex<i32>) {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let mut guard = locked(mutex);
            *guard = 2;
            panic!("between two steps");
        }));
        assert!(panicked.is_err());
    }

    #[test]
    fn after_a_panic_a_table_goes_on_and_a_change_in_steps_is_refused() {
        let mutex = Mutex::new(1);
        assert_eq!(locked_if_whole(&mutex).map(|it| *it), Ok(1));
        poison(&mutex);
        assert_eq!(*locked(&mutex), 2);
        assert_eq!(locked_if_whole(&mutex).map(|it| *it), Err(Poisoned));
    }
}
