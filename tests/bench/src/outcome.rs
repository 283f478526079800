//! How a step of a measurement ends that cannot be taken: a peer that does not start, a file that
//! cannot be read.

use std::error::Error;

/// What a step brings, or why it could not be taken.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// A failure in these words.
pub fn failed<T>(why: impl Into<String>) -> Outcome<T> {
    Err(why.into().into())
}
