//! In place of the `catch (Throwable)` in `Selector.pollSelectionKeys` and in the loops of
//! `kafka.network.Processor`: a panic over one connection ends that connection alone.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use log::{Level, log};

use crate::common::log_limit::{LogKind, limited};

/// Takes one step for one connection. A panic is a bug of this broker and becomes an error of that
/// connection, which the caller closes as for any other error: the reactor and its other
/// connections go on.
///
/// What `step` may leave half changed must belong to the connection, and go with it.
///
/// # Errors
/// Those of `step`, and `Other` if it panicked.
pub fn catch_panic<T>(step: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|_| {
        let level = limited(LogKind::Failures, Level::Error);
        log!(level, "closing a connection because this broker panicked over it");
        Err(io::Error::other("this broker panicked over it"))
    })
}
