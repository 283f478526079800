//! Port of `kafka.utils.CoreUtils.swallow`: a step of a stop that keeps none of the next ones from
//! running.

use std::panic::{AssertUnwindSafe, catch_unwind};

use log::error;

use crate::common::errors::KafkaError;

/// Takes one step of the stop of `what`. An error and a panic are logged. Returns whether the step
/// came to its end without either.
pub fn swallow(what: &str, step: impl FnOnce() -> Result<(), KafkaError>) -> bool {
    // What the step leaves half done is not used any more, or is behind a lock that says so.
    match catch_unwind(AssertUnwindSafe(step)) {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => error!("{what} did not stop cleanly: {error}"),
        Err(_panic) => error!("{what} panicked while it was stopped"),
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::errors::Errors;

    #[test]
    fn a_step_that_fails_or_panics_is_over_and_the_next_one_begins() {
        let steps: [fn() -> Result<(), KafkaError>; 3] = [
            || panic!("in the first step"),
            || Err(KafkaError::api(Errors::KafkaStorageError, "the second".to_string())),
            || Ok(()),
        ];
        assert_eq!(steps.map(|step| swallow("a part", step)), [false, false, true]);
    }
}
