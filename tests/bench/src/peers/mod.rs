//! Whom the broker is measured beside, and the broker itself as one of them.

pub(crate) mod kafka;
