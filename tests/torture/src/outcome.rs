//! How a step of a torture ends that is not what it is about: a file that cannot be read, a broker
//! that does not start.

use std::error::Error;

/// What a step brings, or why it could not be taken.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// A failure in these words.
pub(crate) fn failed<T>(why: impl Into<String>) -> Outcome<T> {
    Err(why.into().into())
}
